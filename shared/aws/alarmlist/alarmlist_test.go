package alarmlist_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/aws/alarmlist"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/alarms"
)

// watch is CloudWatch: pages of alarms, the last of which leads to no other.
type watch struct {
	pages  [][]types.MetricAlarm
	fails  error
	asked  []*cloudwatch.DescribeAlarmsInput
	forAll bool // every page leads to another one
}

func (w *watch) DescribeAlarms(
	_ context.Context, in *cloudwatch.DescribeAlarmsInput, _ ...func(*cloudwatch.Options),
) (*cloudwatch.DescribeAlarmsOutput, error) {
	w.asked = append(w.asked, in)
	if w.fails != nil {
		return nil, w.fails
	}
	n := len(w.asked)
	out := &cloudwatch.DescribeAlarmsOutput{}
	if n <= len(w.pages) {
		out.MetricAlarms = w.pages[n-1]
	}
	if w.forAll || n < len(w.pages) {
		out.NextToken = aws.String(fmt.Sprint(n))
	}
	return out, nil
}

func TestAlarms(t *testing.T) {
	topic := []string{"arn:aws:sns:eu-west-1:123456789012:shop-operations"}
	began, seen := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC), time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	w := &watch{pages: [][]types.MetricAlarm{
		{{
			AlarmName: aws.String("shop-view-lag"), StateValue: types.StateValueOk, ActionsEnabled: aws.Bool(true),
			StateUpdatedTimestamp: &seen, AlarmDescription: aws.String("It lags. What to do: docs/runbooks.md#view-lag"),
			AlarmActions: topic,
		}, {
			AlarmName: aws.String("shop-prod-view-lag"), StateValue: types.StateValueAlarm, // another stack's
			AlarmActions: []string{"arn:aws:sns:eu-west-1:123456789012:shop-prod-operations"},
		}},
		{{
			AlarmName: aws.String("shop-send-mails-age"), StateValue: types.StateValueAlarm,
			StateReason: aws.String("Threshold crossed"), StateUpdatedTimestamp: &seen, StateTransitionedTimestamp: &began,
			AlarmDescription: aws.String("It waits."), AlarmActions: topic,
		}},
	}}
	got, err := alarmlist.New(w, "shop").Alarms(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []alarms.Alarm{
		{
			Name: "send-mails-age", State: alarms.InAlarm, Since: began, Reason: "Threshold crossed", Says: "It waits.",
			Silent: true,
		},
		{Name: "view-lag", State: alarms.OK, Since: seen, Says: "It lags.", Runbook: "docs/runbooks.md#view-lag"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(w.asked) != 2 || aws.ToString(w.asked[0].AlarmNamePrefix) != "shop-" ||
		aws.ToString(w.asked[1].NextToken) != "1" {
		t.Errorf("asked for %+v", w.asked)
	}
}

// Part of the alarms would look as if the rest were quiet.
func TestAlarmsAllOrNone(t *testing.T) {
	refused := errors.New("refused")
	if _, err := alarmlist.New(&watch{fails: refused}, "shop").Alarms(t.Context()); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
	often := &smithy.GenericAPIError{Code: "Throttling"}
	if _, err := alarmlist.New(&watch{fails: often}, "shop").Alarms(t.Context()); !errors.Is(err, es.ErrUnavailable) {
		t.Errorf("asked too often: %v", err)
	}
	w := &watch{forAll: true}
	_, err := alarmlist.New(w, "shop").Alarms(t.Context())
	if err == nil || !strings.Contains(err.Error(), "more than 1000") || len(w.asked) != 10 {
		t.Errorf("%v after %d requests", err, len(w.asked))
	}
}
