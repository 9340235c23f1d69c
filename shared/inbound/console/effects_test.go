package console_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// withEffects has the API know what was done for the order, with hostile texts wherever there are
// texts.
func (w *world) withEffects() {
	w.answer("GET /orders/"+orderID+"/effects", http.StatusOK, strings.ReplaceAll(`{"omitted":1,"attempts":[
		{"kind":"payment","id":"p","revision":1,"events":[{"sequence":1,"type":"payment.processed",
		"time":"2026-03-01T10:00:01Z","data":{"amount":{"amount":3998,"currency":"EUR"}}},{"sequence":2,
		"type":"payment.declined","time":"2026-03-01T10:00:02Z","data":{"code":"HOSTILE","detail":"HOSTILE"}}]},
		{"kind":"reservation","id":"HOSTILE","revision":1,"events":[{"sequence":1,"type":"stock.reserved",
		"time":"2026-03-01T10:00:00Z","data":{"items":[{"sku":"HOSTILE","quantity":2}]}}]},
		{"kind":"shipment","id":"s","revision":1,"events":[{"sequence":1,"type":"shipment.scheduled",
		"time":"2026-03-01T10:00:03Z","data":{"trackingNumber":"HOSTILE"}},{"sequence":2,"type":"HOSTILE",
		"time":"2026-03-01T10:00:04Z","data":7}]}],
		"mails":[{"about":"HOSTILE","sequence":1,"outcome":"refused","time":"2026-03-01T10:00:05Z","tries":3,
		"why":"HOSTILE"}]}`, `"HOSTILE"`, quoted(hostile)))
	w.answer("GET /dead-letters?limit=10&order="+orderID, http.StatusOK, strings.ReplaceAll(`{"next":"c",
		"deadLetters":[{"id":"l1","status":"open","consumer":"HOSTILE","error":"HOSTILE",
		"recordedAt":"2026-03-01T10:00:06Z"}]}`, `"HOSTILE"`, quoted(hostile)))
}

// The part shows what was done elsewhere: two requests, once.
func TestEffectsPart(t *testing.T) {
	w, path := newWorld(t), "/orders/"+orderID+"/effects"
	w.withEffects()
	out := w.send(http.MethodGet, path, nil, signedIn, byScript)
	wantPage(
		t, out, http.StatusOK, "EUR 39.98", "2 of &lt;script&gt;", "payment.declined", "stock.reserved", "refused",
		`href="../dead-letters/l1"`, "orderflow deadletters list --order "+orderID, "1 at most", "data-loaded",
	)
	if strings.Contains(out.Body.String(), "<html") {
		t.Error("the part is a page")
	}
	asked := w.requests()
	if len(asked) == 2 && asked[0] > asked[1] {
		asked[0], asked[1] = asked[1], asked[0]
	}
	want := []string{"GET /dead-letters?limit=10&order=" + orderID, "GET /orders/" + orderID + "/effects"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}
