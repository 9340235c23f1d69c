package alarms_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/ops/alarms"
)

func TestDescribe(t *testing.T) {
	for text, want := range map[string]alarms.Alarm{
		"It lags. What to do: docs/runbooks.md#view-lag": {Says: "It lags.", Runbook: "docs/runbooks.md#view-lag"},
		"It lags.": {Says: "It lags."},
		"":         {},
	} {
		var got alarms.Alarm
		got.Describe(text)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestSort(t *testing.T) {
	all := []alarms.Alarm{
		{Name: "b", State: alarms.OK}, {Name: "c", State: alarms.InAlarm}, {Name: "a", State: alarms.Insufficient},
		{Name: "a", State: alarms.OK}, {Name: "b", State: alarms.InAlarm},
	}
	alarms.Sort(all)
	want := []alarms.Alarm{
		{Name: "b", State: alarms.InAlarm}, {Name: "c", State: alarms.InAlarm}, {Name: "a", State: alarms.Insufficient},
		{Name: "a", State: alarms.OK}, {Name: "b", State: alarms.OK},
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
