package console_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// executionsOf is what the API says of an order's executions, with hostile texts in it. The last
// step is under way.
func executionsOf(status string) string {
	return strings.NewReplacer(`"HOSTILE"`, quoted(hostile), "STATUS", status, "ORDER", orderID).Replace(
		`{"omitted":2,"executions":[{"name":"ORDER","expired":true},{"name":"ORDER-undo-3","status":"STATUS",
		"startedAt":"2026-03-01T10:00:00Z","error":"HOSTILE","cause":"HOSTILE","truncated":true,"startAt":"HOSTILE",
		"steps":[{"name":"HOSTILE","type":"Task","enteredAt":"2026-03-01T10:00:00Z",
		"exitedAt":"2026-03-01T10:00:01Z","tries":3,"failed":true,"error":"HOSTILE","cause":"HOSTILE"},
		{"name":"ReleaseStock","type":"Task","enteredAt":"2026-03-01T10:00:01Z","tries":1}],
		"states":[{"name":"HOSTILE","type":"Task","next":[{"to":"ReleaseStock","errors":["HOSTILE"]}]},
		{"name":"ReleaseStock","type":"Task","waits":true,"end":true}]}]}`)
}

var seen = regexp.MustCompile(`hx-get="([^"]*)"`)

// The part of an order's page asks again with what it has seen, and gets nothing while that is all.
func TestSagaPart(t *testing.T) {
	w, path := newWorld(t), "/orders/"+orderID+"/saga"
	ask := "GET /orders/" + orderID + "/executions"
	w.answer(ask, http.StatusOK, executionsOf("RUNNING"))
	out := w.send(http.MethodGet, path, nil, signedIn, byScript)
	wantPage(
		t, out, http.StatusOK, "no longer keeps it", "2 executions", "release stock", ">now<", "3 tries", "data-poll",
		"data-loaded", `class="way error taken"`, "history is longer",
	)
	if strings.Contains(out.Body.String(), "<html") {
		t.Error("the part is a page")
	}
	again := seen.FindStringSubmatch(out.Body.String())
	if again == nil {
		t.Fatalf("it doesn't ask again: %s", out.Body)
	}
	next := "/orders/" + again[1]
	wantStatus(t, w.send(http.MethodGet, next, nil, signedIn, byScript), http.StatusNoContent)
	w.answer(ask, http.StatusOK, executionsOf("FAILED"))
	out = w.send(http.MethodGet, next, nil, signedIn, byScript)
	wantPage(t, out, http.StatusOK, "failed", "data-loaded")
	if strings.Contains(out.Body.String(), "data-poll") {
		t.Error("it asks again, though nothing more comes")
	}
	if diff := cmp.Diff([]string{ask, ask, ask}, w.requests()); diff != "" {
		t.Error(diff)
	}
}

// Who has no scripts gets a page, and an order that nobody has taken says so.
func TestSagaPage(t *testing.T) {
	w := newWorld(t)
	w.answer("GET /orders/"+orderID+"/executions", http.StatusOK, `{"executions":[]}`)
	out := w.get("/orders/" + orderID + "/saga")
	wantPage(t, out, http.StatusOK, "<html", "No execution has taken the order yet.", `href="../`+orderID+`"`)
}
