package httpapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
)

// TestKeysOfAnEarlierRelease: a request that an earlier release carried out, and that comes again
// after the upgrade, is answered with what that release did. Its ids followed from the account or
// the customer, whoever had sent the key.
func TestKeysOfAnEarlierRelease(t *testing.T) {
	body := object{"amount": usd(5)}
	for _, c := range []struct {
		category string
		subject  func(s *shop) string // what the earlier id follows from
		who      caller
		request  func(s *shop, who caller) request
		other    func(s *shop, who caller) request // with another body
		another  caller                            // who may ask for the same
	}{
		{"deposit", ofAda, operator, moves("deposits", body), moves("deposits", object{"amount": usd(6)}), operator2},
		{"withdrawal", ofAda, ada, moves("withdrawals", body),
			moves("withdrawals", object{"amount": usd(6)}), operator},
		{"transfer", ofAda, ada, func(s *shop, who caller) request {
			return moves("transfers", object{"toAccountId": s.bobs, "amount": usd(5)})(s, who)
		}, func(s *shop, who caller) request {
			return moves("transfers", object{"toAccountId": s.bobs, "amount": usd(6)})(s, who)
		}, operator},
		{"interest", ofAda, operator, moves("interest", object{"rateBasisPoints": 500}),
			moves("interest", object{"rateBasisPoints": 501}), operator2},
		{"order", func(*shop) string { return "ada" }, ada, func(_ *shop, who caller) request {
			return post(who, "/orders", set(anOrder(), "customerId", "ada"))
		}, func(_ *shop, who caller) request {
			return post(who, "/orders", set(set(anOrder(), "customerId", "ada"), "lines.0.quantity", 3))
		}, operator},
	} {
		t.Run(c.category, func(t *testing.T) {
			t.Parallel()
			s := newShop(t)
			// What it did has the same form as what is done now, and another id.
			now := s.send(c.request(s, c.who).with("Idempotency-Key", "of-now"))
			earlier := ident.Derive(c.category, c.subject(s), oneKey)
			s.copyStream(es.NewStreamID(c.category, now.text("id")), es.NewStreamID(c.category, earlier))

			written := s.store.commits.Load()
			if again := s.send(c.request(s, c.who).with("Idempotency-Key", oneKey)); again.status != now.status ||
				again.raw != now.raw {
				t.Errorf("%d %s, want %d %s", again.status, again.raw, now.status, now.raw)
			}
			checkProblem(
				t,
				s.send(c.other(s, c.who).with("Idempotency-Key", oneKey)),
				http.StatusUnprocessableEntity,
				"idempotency.key-reused",
			)
			if n := s.store.commits.Load() - written; n != 0 {
				t.Errorf("%d commits were written", n)
			}
			theirs := s.send(c.request(s, c.another).with("Idempotency-Key", oneKey))
			if theirs.status != now.status || theirs.text("id") == now.text("id") ||
				s.store.commits.Load() == written {
				t.Errorf("somebody else: %d %s", theirs.status, theirs.raw)
			}
		})
	}
}

func ofAda(s *shop) string { return s.account }

func moves(what string, body object) func(*shop, caller) request {
	return func(s *shop, who caller) request { return post(who, "/accounts/"+s.account+"/"+what, body) }
}

// copyStream writes what is on one stream on another, as if it had been decided there. Ids inside
// of events stay.
func (w *world) copyStream(from, to es.StreamID) {
	w.t.Helper()
	history, err := w.store.Load(w.t.Context(), from, 0)
	if err != nil || len(history.Events) != 1 {
		w.t.Fatalf("%s has %d events, %v", from, len(history.Events), err)
	}
	e := history.Events[0]
	head, err := w.store.At(w.t.Context(), to, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	commit := es.Commit{
		Head:        head,
		ID:          e.CommitID,
		Fingerprint: e.Fingerprint,
		Time:        e.Time,
		Metadata:    e.Metadata,
		Events:      []any{e.Data},
	}
	if _, err := w.store.Append(w.t.Context(), []es.Commit{commit}); err != nil {
		w.t.Fatal(err)
	}
}

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
	paid := s.must(http.StatusCreated, moves("deposits", object{"amount": usd(5)})(s, operator)).text("id")
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
