package httpapi_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/ops/alarms"
	"orderflow/shared/ops/audit"
	"orderflow/shared/read/view"
)

// TestViews: how far each view is, before anything was folded and while one is rebuilt.
func TestViews(t *testing.T) {
	w := newWorld(t)
	bare := func(name string) object {
		return object{"name": name, "generation": 1.0, "events": 0.0, "lagMillis": 0.0}
	}
	res := w.must(http.StatusOK, get(operator, "/views"))
	if diff := cmp.Diff(object{"views": []any{bare("orders"), bare("customers")}}, res.body); diff != "" {
		t.Errorf("in a new stack (-want +got):\n%s", diff)
	}
	began := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
	if err := w.views.Save(t.Context(), view.Control{
		View: "orders", Serving: 2, Last: 3, Draining: []int64{1},
		Building: &view.Building{Number: 3, Segments: 4, Holder: "h", StartedAt: began},
	}); err != nil {
		t.Fatal(err)
	}
	building := view.Generation{View: "orders", Number: 3}
	for segment, p := range []view.Position{{Commits: 5, Events: 7, Done: true}, {Commits: 1, Events: 2}} {
		if err := w.views.SavePosition(t.Context(), building, segment, p); err != nil {
			t.Fatal(err)
		}
	}
	res = w.must(http.StatusOK, get(operator, "/views"))
	want := object{
		"name": "orders", "generation": 2.0, "events": 0.0, "lagMillis": 0.0, "draining": []any{1.0},
		"rebuild": object{
			"generation": 3.0, "startedAt": "2026-03-01T11:00:00Z", "segments": 4.0, "done": 1.0, "events": 9.0,
		},
	}
	if diff := cmp.Diff(object{"views": []any{want, bare("customers")}}, res.body); diff != "" {
		t.Errorf("while one is rebuilt (-want +got):\n%s", diff)
	}
}

// TestAudit: where the loss audit stands, before the first one and in the middle of a cycle.
func TestAudit(t *testing.T) {
	w := newWorld(t)
	res := w.must(http.StatusOK, get(operator, "/audit"))
	if diff := cmp.Diff(object{"canaries": 0.0}, res.body); diff != "" {
		t.Errorf("before the first (-want +got):\n%s", diff)
	}
	at := func(hour int) time.Time { return time.Date(2026, 3, 1, hour, 0, 0, 0, time.UTC) }
	w.audit = audit.State{
		Since: at(1), Began: at(11), Hour: at(10), Failed: at(9), Looked: at(8),
		Canaries: []audit.Canary{{ID: "b", At: at(7)}, {ID: "a", At: at(6)}},
	}
	res = w.must(http.StatusOK, get(operator, "/audit"))
	want := object{
		"since": "2026-03-01T01:00:00Z", "through": "2026-03-01T10:00:00Z", "began": "2026-03-01T11:00:00Z",
		"failed": "2026-03-01T09:00:00Z", "canaries": 2.0, "oldestCanary": "2026-03-01T06:00:00Z",
	}
	if diff := cmp.Diff(want, res.body); diff != "" {
		t.Errorf("in a cycle (-want +got):\n%s", diff)
	}
}

// TestAlarms: each alarm with what it means and where it is written what to do. What CloudWatch
// says when it refuses is for the log.
func TestAlarms(t *testing.T) {
	w := newWorld(t)
	res := w.must(http.StatusOK, get(operator, "/alarms"))
	if diff := cmp.Diff(object{"alarms": []any{}}, res.body); diff != "" {
		t.Errorf("without alarms (-want +got):\n%s", diff)
	}
	w.alarms = []alarms.Alarm{
		{
			Name: "view-lag", State: alarms.InAlarm, Since: time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC),
			Reason: "Threshold crossed", Says: "It lags.", Runbook: "docs/runbooks.md#view-lag", Silent: true,
		},
		{Name: "no-orders", State: alarms.Insufficient},
	}
	res = w.must(http.StatusOK, get(operator, "/alarms"))
	want := object{"alarms": []any{
		object{
			"name": "view-lag", "state": "ALARM", "since": "2026-03-01T11:00:00Z", "reason": "Threshold crossed",
			"says": "It lags.", "runbook": "docs/runbooks.md#view-lag", "silent": true,
		},
		object{"name": "no-orders", "state": "INSUFFICIENT_DATA"},
	}}
	if diff := cmp.Diff(want, res.body); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.broken = errors.New("AccessDenied: arn:aws:sts::000000000000:assumed-role/secret")
	for _, path := range []string{"/alarms", "/audit"} {
		if res := w.send(get(operator, path)); res.status != http.StatusInternalServerError ||
			strings.Contains(res.raw, "secret") || !strings.Contains(w.log.String(), "secret") {
			t.Errorf("%s: %d %s", path, res.status, res.raw)
		}
	}
}
