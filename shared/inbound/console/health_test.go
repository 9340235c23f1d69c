package console_test

import (
	"net/http"
	"strings"
	"testing"
)

const (
	allAlarms = `{"alarms":[
		{"name":"view-lag","state":"ALARM","since":"2026-03-01T11:00:00Z","reason":"HOSTILE","says":"HOSTILE",
		"runbook":"docs/runbooks.md#view-lag","silent":true},
		{"name":"no-orders","state":"INSUFFICIENT_DATA","says":"HOSTILE"},{"name":"age","state":"OK"}]}`
	allViews = `{"views":[{"name":"orders","generation":2,"newest":"2026-03-01T11:59:00Z","events":4711,
		"lagMillis":1250,
		"foldedAt":"2026-03-01T11:59:01Z","rebuild":{"generation":3,"startedAt":"2026-03-01T11:00:00Z","segments":4,
		"done":1,"events":99}},{"name":"customers","generation":1,"events":0,"lagMillis":0}]}`
	anAudit = `{"since":"2026-02-01T00:00:00Z","through":"2026-03-01T10:00:00Z","began":"2026-03-01T11:58:00Z",
		"failed":"2026-03-01T09:00:00Z","canaries":2,"oldestCanary":"2026-03-01T11:50:00Z"}`
)

// Alarms come first, with what to do; views with their lag and rebuild; and where the audit stands.
func TestHealth(t *testing.T) {
	w := newWorld(t)
	w.answer("GET /alarms", http.StatusOK, hostileIn(allAlarms))
	w.answer("GET /views", http.StatusOK, allViews)
	w.answer("GET /audit", http.StatusOK, anAudit)
	wantSafe(t, w.get("/health"), "view-lag <small>notifies nobody</small>", "&lt;script&gt;", "2026-03-01 11:00:00",
		"docs/runbooks.md#view-lag", "2 alarms that are quiet", "nothing to tell yet", "4711", "1.25s",
		"generation 3: 1 of 4 parts, 99 events", "2026-02-01 00:00:00", "since <time", "2026-03-01 09:00:00",
		"orderflow views rebuild NAME", "orderflow verify", `href="accounts"`)
	if asked := w.requests(); len(asked) != 3 {
		t.Errorf("the page asked for %s", asked)
	}
}

// A new stack has nothing to tell, and says so.
func TestHealthOfANewStack(t *testing.T) {
	w := newWorld(t)
	w.answer("GET /alarms", http.StatusOK, `{"alarms":[{"name":"age","state":"OK"}]}`)
	w.answer("GET /views", http.StatusOK, `{"views":[{"name":"orders","generation":1,"events":0,"lagMillis":0}]}`)
	w.answer("GET /audit", http.StatusOK, `{"canaries":0}`)
	wantSafe(t, w.get("/health"), "No alarm is on.", "No audit has run yet.", "orders")
	w.answer("GET /alarms", http.StatusOK, `{"alarms":[]}`)
	wantSafe(t, w.get("/health"), "The stack has no alarms.")
}

// What can't be had keeps nothing else from being shown. A token that is no operator's, or has
// ended, is no such thing.
func TestHealthInParts(t *testing.T) {
	for _, broken := range []string{"alarms", "views", "audit"} {
		w := newWorld(t)
		w.answer("GET /alarms", http.StatusOK, hostileIn(allAlarms))
		w.answer("GET /views", http.StatusOK, allViews)
		w.answer("GET /audit", http.StatusOK, anAudit)
		w.answer("GET /"+broken, http.StatusServiceUnavailable, `{"code":"unavailable"}`)
		out := w.get("/health")
		wantSafe(t, out, "The API did not answer.")
		for part, says := range map[string]string{
			"alarms": "view-lag", "views": "4711", "audit": "2026-02-01 00:00:00",
		} {
			if has := strings.Contains(out.Body.String(), says); has == (part == broken) {
				t.Errorf("without %s, the page has %s: %t", broken, part, has)
			}
		}
		w.answer("GET /"+broken, http.StatusForbidden, `{"code":"auth.forbidden"}`)
		wantPage(t, w.get("/health"), http.StatusForbidden, "Only operators may see this.")
		w.answer("GET /"+broken, http.StatusUnauthorized, `{}`)
		wantStatus(t, w.get("/health"), http.StatusSeeOther)
	}
}
