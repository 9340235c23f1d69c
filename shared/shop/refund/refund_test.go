package refund_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/account/accounttest"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/refund"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func registry() *es.Registry {
	return es.NewRegistry(order.Register, payment.Register, account.Register, refund.Register)
}

func eur(n int64) money.Money { return money.Money{Amount: n, Currency: "EUR"} }

// stand is an order of 10.00 that was paid and has left, and who gives money back for it.
type stand struct {
	store    *estest.Hooked
	orders   order.Service
	accounts account.Service
	payments payment.Service
	refunds  refund.Service
	vault    *personal.Memory
	account  string
	payment  string
}

const orderID, customerID = "5f0c2f5e-0000-4000-8000-000000000001", "ada"

func newStand(t testing.TB, store *memstore.Store) *stand {
	t.Helper()
	now := clock.NewFake(noon)
	s := &stand{
		store: &estest.Hooked{Store: store}, vault: personal.NewMemory(), account: account.ID(customerID, "EUR"),
		payment: payment.ID(orderID, 1),
	}
	s.orders = order.New(order.Deps{Store: s.store, Clock: now, Vault: s.vault})
	s.accounts = account.New(account.Deps{Store: s.store, Clock: now, Customers: accounttest.Everybody{}})
	s.payments = payment.New(payment.Deps{Store: s.store, Clock: now})
	s.refunds = refund.New(refund.Deps{Store: s.store, Clock: now, Vault: s.vault, Payments: s.payments})
	if err := s.vault.Enrol(t.Context(), customerID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.accounts.Open(t.Context(), request("open", "a"), customerID, "EUR"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.accounts.Deposit(t.Context(), request("first", "a"), s.account, "first", eur(1000)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.payments.Charge(t.Context(), request("charge", "saga"), payment.Charge{
		OrderID: orderID, Revision: 1, CustomerID: customerID, AccountID: s.account, Amount: eur(1000),
	}); err != nil {
		t.Fatal(err)
	}
	placing := request("order", "ada")
	if _, err := s.store.Append(t.Context(), []es.Commit{placing.Commit(
		es.Empty(es.NewStreamID(order.Category, orderID)),
		order.Placed{
			OrderID: orderID, CustomerID: customerID, AccountID: s.account, Total: eur(1000), Revision: 1,
			Lines: []order.Line{
				{SKU: "cd-1", Quantity: 3, UnitPrice: eur(300), Tax: &order.Adjustment{Name: "VAT", Amount: eur(100)}},
				{SKU: "gift", Quantity: 2, UnitPrice: eur(0)},
			},
		},
		order.Confirmed{SagaID: "run", PaymentID: s.payment, ShipmentID: "s", TrackingNumber: "OF1"},
		order.Shipped{ShipmentID: "s", Revision: 1},
	)}); err != nil {
		t.Fatal(err)
	}
	return s
}

func inMemory(t testing.TB) *stand {
	return newStand(t, memstore.New(registry(), memstore.Staggered(t.Name())))
}

func request(id, actor string) es.Request {
	return es.Request{
		CommitID: id, Time: noon, Fingerprint: "fingerprint of " + id,
		Metadata: es.Metadata{Actor: actor, Principal: "person/" + actor, CorrelationID: "asked by " + actor},
	}
}

func pieces(line, quantity int64) order.GiveBack {
	return order.GiveBack{
		Reason: order.RefundDamaged, Lines: []order.LineRefund{{Line: new(line), Quantity: quantity}},
	}
}

func goodwill(amount int64) order.GiveBack {
	return order.GiveBack{Reason: order.RefundGoodwill, Goodwill: new(eur(amount))}
}

// give gives money back under a key, which stands for the fingerprint too.
func (s *stand) give(ctx context.Context, key string, g order.GiveBack) (refund.Processed, error) {
	return s.refunds.GiveBack(ctx, request(key, "op"), key, refund.Input{OrderID: orderID, GiveBack: g})
}

// want wants order, payment and account to say the same.
func (s *stand) want(t interface {
	Helper()
	Fatal(...any)
	Errorf(string, ...any)
}, refunds int, amount int64,
) {
	t.Helper()
	ctx := context.Background()
	o, err := s.orders.Get(ctx, orderID)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.payments.Get(ctx, orderID, 1)
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.accounts.Get(ctx, s.account)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.State.Refunds) != refunds || o.State.Refunded().Amount != amount || p.Returned.Amount != amount ||
		a.State.Balance != amount {
		t.Errorf("%d refunds of %s, the payment says %s and the account holds %s, want %d of %d",
			len(o.State.Refunds), o.State.Refunded(), p.Returned, a.State.Money(), refunds, amount)
	}
}

func TestGiveBack(t *testing.T) {
	s := inMemory(t)
	first, err := s.give(t.Context(), "1", pieces(0, 1))
	if err != nil {
		t.Fatal(err)
	}
	id := refund.ID("op", "1")
	of := order.Refunded{
		RefundID: id, PaymentID: s.payment, Amount: eur(333), Reason: order.RefundDamaged, By: "person/op",
		Lines:      []order.RefundedLine{{Line: 0, SKU: "cd-1", Quantity: 1, Amount: eur(333)}},
		RefundedAt: "2026-03-01T12:00:00Z", Total: eur(333),
	}
	want := refund.Processed{RefundID: id, OrderID: orderID, AccountID: s.account, Refund: of}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
	if _, err := s.give(t.Context(), "2", goodwill(7)); err != nil {
		t.Fatal(err)
	}
	again, err := s.give(t.Context(), "1", pieces(0, 1))
	if diff := cmp.Diff(first, again); err != nil || diff != "" {
		t.Errorf("again: %v (-want +got):\n%s", err, diff)
	}
	s.want(t, 2, 340)

	paid := estest.Load(t, s.store, es.NewStreamID(payment.Category, s.payment), 0).Events
	if diff := cmp.Diff(payment.PartiallyRefunded{
		PaymentID: s.payment, OrderID: orderID, AccountID: s.account, RefundID: id, Amount: eur(333),
		Refunded: eur(333),
	}, paid[1].Data); diff != "" {
		t.Errorf("payment (-want +got):\n%s", diff)
	}
	statement, err := s.accounts.Statement(t.Context(), s.account, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	line := statement.Lines[1]
	if line.Kind != account.KindRefund || line.Amount != eur(333) || line.Reference != "refund/"+id ||
		line.Metadata.By() != "person/op" {
		t.Errorf("the statement has %+v", line)
	}
}

// TestUndoGivesBackTheRest: what an order got back before is not given back again.
func TestUndoGivesBackTheRest(t *testing.T) {
	for given, want := range map[int64]int64{0: 1000, 400: 600, 1000: 0} {
		t.Run(fmt.Sprint(given), func(t *testing.T) {
			s := inMemory(t)
			if given > 0 {
				if _, err := s.give(t.Context(), "1", goodwill(given)); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				p, err := s.payments.Refund(t.Context(), request("undo", "saga"), orderID, 1)
				if err != nil || p.Status != payment.StatusRefunded {
					t.Fatalf("%+v, %v", p, err)
				}
			}
			events := estest.Load(t, s.store, es.NewStreamID(payment.Category, s.payment), 0).Events
			if last, ok := events[len(events)-1].Data.(payment.Refunded); !ok || last.Amount != eur(want) {
				t.Errorf("the undo gave back %+v", events[len(events)-1].Data)
			}
			a, err := s.accounts.Get(t.Context(), s.account)
			if err != nil || a.State.Balance != 1000 {
				t.Errorf("the account holds %s, %v", a.State.Money(), err)
			}
			// and from then on there is nothing left
			if _, err := s.give(t.Context(), "2", goodwill(1)); !errors.Is(err, payment.ErrNotProcessed) &&
				!errors.Is(err, order.ErrRefundExceeds) {
				t.Error(err)
			}
		})
	}
}

// TestFreePieces: pieces that cost nothing are noted, and no money moves.
func TestFreePieces(t *testing.T) {
	s := inMemory(t)
	done, err := s.give(t.Context(), "1", pieces(1, 2))
	if err != nil || done.Refund.Amount != eur(0) {
		t.Fatalf("%+v, %v", done, err)
	}
	s.want(t, 1, 0)
	if n := estest.Load(t, s.store, es.NewStreamID(payment.Category, s.payment), 0).Head.Version(); n != 1 {
		t.Errorf("the payment has %d events", n)
	}
	if _, err := s.give(t.Context(), "2", pieces(1, 1)); !errors.Is(err, order.ErrRefundExceeds) {
		t.Error(err)
	}
}

// TestRefusals: what is refused writes nothing, and its key is free for another try.
func TestRefusals(t *testing.T) {
	s := inMemory(t)
	before := s.store.Writes.Load()
	if _, err := s.give(t.Context(), "1", goodwill(1001)); !errors.Is(err, order.ErrRefundExceeds) {
		t.Error(err)
	}
	_, err := s.refunds.GiveBack(t.Context(), request("1", "op"), "1",
		refund.Input{OrderID: "none", GiveBack: goodwill(1)})
	if !errors.Is(err, order.ErrNotFound) {
		t.Error(err)
	}
	_, err = s.refunds.GiveBack(t.Context(), request("1", "op"), "1",
		refund.Input{OrderID: "none", GiveBack: goodwill(1), Note: "with a note"})
	if !errors.Is(err, order.ErrNotFound) {
		t.Error(err)
	}
	if n := s.store.Writes.Load() - before; n != 0 {
		t.Errorf("%d appends", n)
	}
	if _, err := s.give(t.Context(), "1", goodwill(1000)); err != nil {
		t.Error(err)
	}
	s.want(t, 1, 1000)
}

// TestKeys: a key stands for one refund of one caller.
func TestKeys(t *testing.T) {
	s := inMemory(t)
	if _, err := s.give(t.Context(), "1", goodwill(1)); err != nil {
		t.Fatal(err)
	}
	another := request("1", "op")
	another.Fingerprint = "another"
	if _, err := s.refunds.GiveBack(t.Context(), another, "1",
		refund.Input{OrderID: orderID, GiveBack: goodwill(2)}); !errors.Is(err, es.ErrKeyReused) {
		t.Error(err)
	}
	if _, err := s.refunds.GiveBack(t.Context(), request("1", "another op"), "1",
		refund.Input{OrderID: orderID, GiveBack: goodwill(1)}); err != nil {
		t.Error(err)
	}
	s.want(t, 2, 2)
}

// TestNote: the operator's words are sealed, and read back. Of an erased customer nobody can seal
// any, and the account has its money back all the same.
func TestNote(t *testing.T) {
	s := inMemory(t)
	noted := refund.Input{OrderID: orderID, GiveBack: goodwill(5), Note: "Ada called twice"}
	for range 2 {
		if _, err := s.refunds.GiveBack(t.Context(), request("1", "op"), "1", noted); err != nil {
			t.Fatal(err)
		}
	}
	s.want(t, 1, 5)
	o, err := s.orders.Get(t.Context(), orderID)
	if err != nil {
		t.Fatal(err)
	}
	note, err := s.orders.OpenRefundNote(t.Context(), o.State, o.State.Refunds[0])
	if err != nil || note != noted.Note {
		t.Errorf("%q, %v", note, err)
	}
	if err := s.vault.Erase(t.Context(), customerID); err != nil {
		t.Fatal(err)
	}
	if note, err = s.orders.OpenRefundNote(t.Context(), o.State, o.State.Refunds[0]); err != nil || note != "" {
		t.Errorf("%q, %v", note, err)
	}
	if _, err := s.refunds.GiveBack(t.Context(), request("2", "op"), "2", noted); !errors.Is(err, personal.ErrErased) {
		t.Error(err)
	}
	if _, err := s.give(t.Context(), "2", goodwill(7)); err != nil {
		t.Error(err)
	}
	s.want(t, 2, 12)
}

// TestCorrelation: what is written of the order and its money belongs to the order.
func TestCorrelation(t *testing.T) {
	s := inMemory(t)
	if _, err := s.give(t.Context(), "1", goodwill(5)); err != nil {
		t.Fatal(err)
	}
	for stream, want := range map[es.StreamID]string{
		es.NewStreamID(order.Category, orderID):               "asked by ada",
		es.NewStreamID(payment.Category, s.payment):           "asked by ada",
		es.NewStreamID(account.Category, s.account):           "asked by ada",
		es.NewStreamID(refund.Category, refund.ID("op", "1")): "asked by op",
	} {
		events := estest.Load(t, s.store, stream, 0).Events
		if got := events[len(events)-1].Metadata.CorrelationID; got != want {
			t.Errorf("%s: %q, want %q", stream, got, want)
		}
	}
}

// TestTwins: a request that comes twice at once has one answer and one effect, in whatever order
// what it writes becomes visible.
func TestTwins(t *testing.T) {
	estest.Twins(t, 4, func(t *testing.T) (*memstore.Store, func() (string, error)) {
		store := memstore.New(registry())
		s := newStand(t, store)
		t.Cleanup(func() { s.want(t, 1, 1000) })
		return store, func() (string, error) {
			answer, err := s.give(context.Background(), "1", goodwill(1000))
			return fmt.Sprintf("%+v", answer), err
		}
	})
}

// TestLastEuro: of two who want all that is left, one gets it, in whatever order what the first
// writes becomes visible to the second.
func TestLastEuro(t *testing.T) {
	for i := range 20 {
		s := newStand(t, memstore.New(registry(), memstore.Staggered(fmt.Sprint(i))))
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for n := range errs {
			wg.Go(func() { _, errs[n] = s.give(context.Background(), fmt.Sprint(n), goodwill(600)) })
		}
		wg.Wait()
		given := 0
		for _, err := range errs {
			if err == nil {
				given++
			} else if f, ok := faults.As(err); !ok || f.Code != order.ErrRefundExceeds.Code() ||
				f.Kind != faults.Conflict {
				t.Error(err)
			}
		}
		if given != 1 {
			t.Errorf("%d of them got it", given)
		}
		s.want(t, 1, 600)
	}
}

// TestRequests: what a refund asks the store. docs/cost.md names the numbers.
func TestRequests(t *testing.T) {
	s := newStand(t, memstore.New(registry()))
	for name, tt := range map[string]struct {
		in    refund.Input
		loads int64
	}{
		"plain":       {refund.Input{OrderID: orderID, GiveBack: goodwill(1)}, 3},
		"with a note": {refund.Input{OrderID: orderID, GiveBack: goodwill(1), Note: "sorry"}, 4},
		"of nothing":  {refund.Input{OrderID: orderID, GiveBack: pieces(1, 1)}, 1},
	} {
		loads, appends, confirms := s.store.Loads.Load(), s.store.Appends.Load(), s.store.Confirms.Load()
		if _, err := s.refunds.GiveBack(t.Context(), request(name, "op"), name, tt.in); err != nil {
			t.Fatal(err)
		}
		if got := s.store.Loads.Load() - loads; got != tt.loads {
			t.Errorf("%s: %d reads, want %d", name, got, tt.loads)
		}
		if a, c := s.store.Appends.Load()-appends, s.store.Confirms.Load()-confirms; a != 1 || c != 0 {
			t.Errorf("%s: %d appends and %d confirms", name, a, c)
		}
	}
}

// TestConservation: whatever is asked for, by whom, how often and at once, and whichever request or
// answer is lost, the order, the payment and the account say the same, and never more than was
// paid.
func TestConservation(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newStand(t, memstore.New(registry(), memstore.Staggered(fmt.Sprint(rapid.Uint64().Draw(rt, "seed")))))
		answers := map[string]string{}
		var mu sync.Mutex
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			s.store.Inject(rapid.SliceOfN(rapid.SampledFrom([]string{"", estest.Conflict, estest.Lost}), 0, 4).
				Draw(rt, "faults"))
			var wg sync.WaitGroup
			for range rapid.IntRange(1, 3).Draw(rt, "at once") {
				kind, amount := rapid.IntRange(0, 2).Draw(rt, "kind"), rapid.Int64Range(1, 700).Draw(rt, "amount")
				g := []order.GiveBack{goodwill(amount), pieces(0, 1+amount%3), pieces(1, 1)}[kind]
				key := fmt.Sprint(kind, "/", amount, "/", rapid.IntRange(0, 1).Draw(rt, "again"))
				wg.Go(func() {
					done, err := s.give(context.Background(), key, g)
					if err != nil {
						f, ok := faults.As(err)
						if !errors.Is(err, estest.ErrLost) && !errors.Is(err, es.ErrConflict) &&
							(!ok || f.Code != order.ErrRefundExceeds.Code()) {
							rt.Errorf("%s: %v", key, err)
						}
						return
					}
					mu.Lock()
					defer mu.Unlock()
					answer := fmt.Sprintf("%+v", done)
					if before, ok := answers[key]; ok && before != answer {
						rt.Errorf("%s: %s, and before %s", key, answer, before)
					}
					answers[key] = answer
				})
			}
			wg.Wait()
			s.store.Heal()
		}
		o, err := s.orders.Get(context.Background(), orderID)
		if err != nil {
			rt.Fatal(err)
		}
		if o.State.Refunded().Amount > 1000 || len(o.State.Refunds) < len(answers) {
			rt.Fatalf("%s in %d refunds, and %d answers", o.State.Refunded(), len(o.State.Refunds), len(answers))
		}
		s.want(rt, len(o.State.Refunds), o.State.Refunded().Amount)
	})
}
