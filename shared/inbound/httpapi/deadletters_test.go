package httpapi_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/deadletter"
)

// letters puts n dead letters into the world, by turns of two consumers, and gives their ids, the
// first recorded first.
func (w *world) addLetters(n int, change func(i int, e *deadletter.Entry)) (ids []string) {
	w.t.Helper()
	for i := range n {
		at := w.clock.Now().Add(time.Duration(i-n) * time.Minute)
		e := deadletter.Entry{
			RedriveError: "slow down", ID: ident.Derive("letter", fmt.Sprint(i)), Status: deadletter.StatusOpen,
			Consumer: []string{"start-saga", "send-mails"}[i%2], Topic: "order.placed", Kind: deadletter.KindQueue,
			OrderID: ident.Derive("order", fmt.Sprint(i%2)),
			Error:   fmt.Sprintf("trouble %d", i), Failures: 3, FirstFailure: at, LastFailure: at, RecordedAt: at,
			Next: w.clock.Now().Add(time.Hour),
		}
		if change != nil {
			change(i, &e)
		}
		if err := w.letters.Create(
			context.Background(), e,
			deadletter.Message{Body: []byte(`{"n":1}`), Attributes: map[string]string{"a": "b"}},
		); err != nil {
			w.t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

func listed(r response) string {
	var ids []string
	letters, _ := r.body["deadLetters"].([]any)
	for _, l := range letters {
		ids = append(ids, l.(object)["id"].(string))
	}
	return strings.Join(ids, " ")
}

// place is a cursor that names a place in the list.
func place(at string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(at + "#" + ident.Derive("letter", "1")))
}

func TestListDeadLetters(t *testing.T) {
	w := newWorld(t)
	ids, zone := w.addLetters(5, nil), time.FixedZone("", 3600)
	for _, tc := range []struct{ query, want string }{
		{"", strings.Join([]string{ids[4], ids[3], ids[2], ids[1], ids[0]}, " ")},
		{"?consumer=send-mails", ids[3] + " " + ids[1]},
		{"?topic=order.cancelling", ""},
		{"?status=open&error=trouble+2", ids[2]},
		{"?status=spent", ""},
		{"?order=" + ident.Derive("order", "0"), ids[4] + " " + ids[2] + " " + ids[0]},
		{"?order=" + ident.New(), ""},
		{"?before=" + w.clock.Now().Add(-3*time.Minute).Format(time.RFC3339), ids[1] + " " + ids[0]},
		{
			"?before=" + url.QueryEscape(w.clock.Now().Add(-3*time.Minute).In(zone).Format(time.RFC3339)),
			ids[1] + " " + ids[0],
		},
		{"?before=0001-01-01T00:00:00Z", ""},
	} {
		if got := listed(w.must(http.StatusOK, get(operator, "/dead-letters"+tc.query))); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.query, got, tc.want)
		}
	}
	first := w.must(http.StatusOK, get(operator, "/dead-letters?limit=3"))
	second := w.must(http.StatusOK, get(operator, "/dead-letters?limit=3&cursor="+first.text("next")))
	if listed(first) != ids[4]+" "+ids[3]+" "+ids[2] || listed(second) != ids[1]+" "+ids[0] ||
		second.text("next") != "" {
		t.Errorf("pages %s | %s, next %q", listed(first), listed(second), second.text("next"))
	}
	for _, bad := range []string{
		"?status=lost", "?order=1", "?limit=0", "?limit=101", "?cursor=%21", "?cursor=YWJj",
		"?cursor=" + place("2026-03-01T12:00:00.00000000,Z"),
		"?cursor=" + place("2026-99-01T12:00:00.000000000Z"), "?cursor=" + place("2026-03-01T12:00:00.00000000Z"),
		"?cursor=" + first.text("next") + "%0A", "?before=monday", "?colour=red",
		"?before=2026-03-01T00:00:00,5Z", "?before=2026-03-01T1:00:00Z", "?before=2026-03-01T00:00:00%2B24:00",
		"?before=2026-03-01t00:00:00z", "?before=2026-02-30T00:00:00Z",
	} {
		if res := w.send(get(operator, "/dead-letters"+bad)); res.status != http.StatusBadRequest ||
			res.body["errors"] == nil {
			t.Errorf("%s: %d %s", bad, res.status, res.raw)
		}
	}
}

func TestGetDeadLetter(t *testing.T) {
	w := newWorld(t)
	id := w.addLetters(1, nil)[0]
	got := w.must(http.StatusOK, get(operator, "/dead-letters/"+id))
	message, _ := got.body["message"].(object)
	if got.text("error") != "trouble 0" || got.text("redriveError") != "slow down" || got.text("status") != "open" ||
		message["n"] != 1.0 || got.body["retryCount"] != 3.0 || got.text("nextRedriveAt") == "" {
		t.Errorf("%s", got.raw)
	}
	if res := w.send(get(operator, "/dead-letters/"+ident.New())); res.status != http.StatusNotFound ||
		res.text("code") != "dead-letter.not-found" {
		t.Errorf("%d %s", res.status, res.raw)
	}
}

// However often a redrive or a discard is asked for, it is one; what is against the entry's state
// is refused, and nothing is written.
func TestDecideOnDeadLetters(t *testing.T) {
	for name, tc := range map[string]struct {
		change        func(e *deadletter.Entry)
		what          string
		body          object
		status        int
		code, becomes string
		due           bool
	}{
		"redrive": {nil, "redrive", object{}, 202, "", "open", true},
		"redrive one that is spent": {
			func(e *deadletter.Entry) { e.Status, e.Alert = deadletter.StatusSpent, true }, "redrive", object{}, 202,
			"", "open", true,
		},
		"redrive one under way": {
			func(e *deadletter.Entry) { e.Status = deadletter.StatusRedriving }, "redrive", object{}, 202, "",
			"redriving", false,
		},
		"redrive one resolved": {
			func(e *deadletter.Entry) { e.Status = deadletter.StatusResolved }, "redrive", object{}, 409,
			"dead-letter.closed", "resolved", false,
		},
		"redrive what has no way": {
			func(e *deadletter.Entry) { e.Kind, e.Status = deadletter.KindNone, deadletter.StatusSpent }, "redrive",
			object{}, 422, "dead-letter.not-redrivable", "spent", false,
		},
		"redrive what is held": {
			func(e *deadletter.Entry) { e.Held = true }, "redrive", object{}, 422, "dead-letter.outcome-unknown",
			"open", false,
		},
		"redrive what is held, sure": {
			func(e *deadletter.Entry) { e.Held = true }, "redrive", object{"takeOver": true}, 202, "", "open", true,
		},
		"discard": {nil, "discard", object{"reason": "of a test"}, 200, "", "discarded", false},
		"discard one that is spent": {
			func(e *deadletter.Entry) { e.Status = deadletter.StatusSpent }, "discard", object{}, 200, "", "discarded",
			false,
		},
		"discard one under way": {
			func(e *deadletter.Entry) { e.Status = deadletter.StatusRedriving }, "discard", object{}, 200, "",
			"discarded", false,
		},
		"discard one resolved": {
			func(e *deadletter.Entry) { e.Status = deadletter.StatusResolved }, "discard", object{}, 409,
			"dead-letter.closed", "resolved", false,
		},
		"redrive, an unknown field": {nil, "redrive", object{"force": true}, 400, "request.invalid", "open", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			id := w.addLetters(1, func(_ int, e *deadletter.Entry) {
				if tc.change != nil {
					tc.change(e)
				}
			})[0]
			path := "/dead-letters/" + id + "/" + tc.what
			first := w.send(post(operator, path, tc.body).with("Idempotency-Key", "k"))
			if first.status != tc.status || first.text("code") != tc.code {
				t.Fatalf("%d %s", first.status, first.raw)
			}
			again := w.send(post(operator, path, tc.body).with("Idempotency-Key", "k"))
			if again.status != first.status || again.status < 300 && again.raw != first.raw {
				t.Errorf("again: %d %s, first %s", again.status, again.raw, first.raw)
			}
			e, err := w.letters.Get(context.Background(), id)
			if err != nil || string(e.Status) != tc.becomes ||
				(tc.status < 300 && tc.what == "redrive" && tc.becomes == "open") != tc.due ||
				tc.due && (e.Next.After(w.clock.Now()) || e.Alert || e.Held) {
				t.Errorf("%+v, %v", e, err)
			}
			writes := int64(1)
			if tc.status < 300 {
				writes = 2
				if res := w.send(post(
					operator, path, object{"reason": "another"},
				).with("Idempotency-Key", "k")); tc.what == "discard" && res.text("code") != "idempotency.key-reused" {
					t.Errorf("another body: %d %s", res.status, res.raw)
				}
			}
			if e.Revision != writes {
				t.Errorf("%d writes, want %d", e.Revision, writes)
			}
		})
	}
}

// An entry keeps who decided what about it, when and why: each decision that had an effect, once.
func TestDecisionsOfAnEntry(t *testing.T) {
	w := newWorld(t)
	id := w.addLetters(1, func(_ int, e *deadletter.Entry) { e.Held = true })[0]
	path := "/dead-letters/" + id
	redrive := object{"reason": "role mended", "takeOver": true}
	for _, key := range []string{"1", "1", "2"} { // a duplicate, and one that changes nothing any more
		w.must(http.StatusAccepted, post(operator, path+"/redrive", redrive).with("Idempotency-Key", key))
	}
	w.clock.Advance(time.Second)
	discard := object{"reason": "sent by hand"}
	for range 2 {
		w.must(http.StatusOK, post(operator, path+"/discard", discard).with("Idempotency-Key", "3"))
	}
	w.must(http.StatusConflict, post(operator, path+"/redrive", redrive).with("Idempotency-Key", "4"))
	long := object{"reason": strings.Repeat("x", 501)}
	w.must(http.StatusBadRequest, post(operator, path+"/redrive", long).with("Idempotency-Key", "5"))
	got := w.must(http.StatusOK, get(operator, path))
	by := w.clock.Now().Format(time.RFC3339Nano)
	want := []any{
		object{
			"at": w.clock.Now().Add(-time.Second).Format(time.RFC3339Nano), "by": "person/operator-1", "action": "redrive",
			"reason": "role mended", "takeOver": true,
		},
		object{"at": by, "by": "person/operator-1", "action": "discard", "reason": "sent by hand"},
	}
	if diff := cmp.Diff(want, got.body["decisions"]); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if list := w.must(http.StatusOK, get(operator, "/dead-letters")); strings.Contains(list.raw, "decisions") {
		t.Errorf("the list has decisions: %s", list.raw)
	}
}
