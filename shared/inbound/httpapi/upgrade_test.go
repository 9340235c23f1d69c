package httpapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"

	"orderflow/shared/kit/es"
)

// TestFingerprintsStay: a request is compared with what an earlier release stored of it, so that
// what it hashed may never change.
func TestFingerprintsStay(t *testing.T) {
	s := newShop(t)
	of := func(stream es.StreamID) string {
		t.Helper()
		history, err := s.store.Load(t.Context(), stream, 0)
		if err != nil || len(history.Events) == 0 {
			t.Fatalf("%s: %v", stream, err)
		}
		return history.Events[0].Fingerprint
	}
	sum := func(text string) string {
		hash := sha256.Sum256([]byte(text))
		return hex.EncodeToString(hash[:])
	}
	paid := s.must(http.StatusCreated, moved(operator, "deposits", object{"amount": usd(5)})(s)).text("id")
	want := sum(
		`{"operation":"deposit","target":"` + s.account + `","body":{"amount":{"amount":5,"currency":"USD"}}}`,
	)
	if got := of(es.NewStreamID("deposit", paid)); got != want {
		t.Errorf("a deposit has the fingerprint %s, want %s", got, want)
	}
	placed := s.must(http.StatusAccepted, post(ada, "/orders", anOrder(line("cd-1", 2, 1050)))).text("id")
	want, err := s.vault.Fingerprint(
		t.Context(),
		"ada",
		sum(`{"operation":"place-order","target":"","body":{"customerId":"ada",`+
			`"lines":[{"sku":"cd-1","quantity":2,"unitPrice":{"amount":1050,"currency":"USD"}}],"shippingAddress":{`+
			`"recipient":"Ada Lovelace","line1":"12 St James's Square","postalCode":"SW1Y 4LB",`+
			`"city":"London","country":"GB"}}}`),
	)
	if got := of(es.NewStreamID("order", placed)); err != nil || got != want {
		t.Errorf("an order has the fingerprint %s, want %s, %v", got, want, err)
	}
}
