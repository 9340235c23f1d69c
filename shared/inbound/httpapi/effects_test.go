package httpapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/inbox"
	"orderflow/shared/process/notification"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/shipment"
)

// Operators see what was done for an order outside of its stream, and nothing personal of it.
func TestEffects(t *testing.T) {
	s := newShop(t)
	sealed, err := s.vault.Seal(t.Context(), "ada", "shipment.address", []byte("1 Main Street"))
	if err != nil {
		t.Fatal(err)
	}
	paid, parcel := payment.ID(s.order, 1), shipment.ID(s.order, 1)
	for stream, events := range map[es.StreamID][]any{
		es.NewStreamID(payment.Category, paid): {
			payment.Processed{PaymentID: paid, OrderID: s.order, Amount: money.Money{Amount: 5, Currency: "EUR"}},
		},
		es.NewStreamID(shipment.Category, parcel): {
			shipment.Prepared{ShipmentID: parcel, OrderID: s.order, CustomerID: "ada", Address: sealed},
		},
	} {
		h, err := s.store.Load(context.Background(), stream, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(h.Events) > 0 {
			continue // the shop has made it
		}
		if _, err := s.store.Append(context.Background(), []es.Commit{{
			Head: h.Head, ID: ident.New(), Time: s.clock.Now(), Events: events,
		}}); err != nil {
			t.Fatal(err)
		}
	}
	event := "order/" + s.order + "@1"
	s.mails[event] = inbox.Entry{
		Key: inbox.Key{Event: event, Consumer: notification.Consumer}, State: inbox.Failed, Claims: 3,
		Claimed: s.clock.Now(), Result: "no such address " + string(sealed),
	}
	res := s.must(http.StatusOK, get(operator, "/orders/"+s.order+"/effects"))
	if strings.Contains(res.raw, "pd1:") || strings.Contains(res.raw, "address\":") {
		t.Errorf("it shows what is sealed: %s", res.raw)
	}
	want := []any{object{
		"about": "order.placed", "sequence": 1.0, "outcome": "refused", "time": "2026-03-01T12:00:00Z", "tries": 3.0,
		"why": "no such address (sealed)",
	}}
	if diff := cmp.Diff(want, res.body["mails"]); diff != "" {
		t.Errorf("mails (-want +got)\n%s", diff)
	}
	kinds := map[any]any{}
	attempts, _ := res.body["attempts"].([]any)
	for _, a := range attempts {
		a := a.(object)
		kinds[a["kind"]] = a["id"]
		if events, _ := a["events"].([]any); len(events) == 0 || a["revision"] != 1.0 {
			t.Errorf("an attempt is %v", a)
		}
	}
	if kinds["payment"] != paid || kinds["shipment"] != parcel {
		t.Errorf("attempts are %v", kinds)
	}
}

func TestEffectsOfNoOrder(t *testing.T) {
	s := newShop(t)
	res := s.send(get(operator, "/orders/"+ident.New()+"/effects"))
	if res.status != http.StatusNotFound || res.text("code") != "order.not-found" {
		t.Errorf("%d %s", res.status, res.raw)
	}
}
