package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/ops/reconcile"
	"orderflow/shared/ops/resume"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/refund"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func eur(n int64) money.Money { return money.Money{Amount: n, Currency: "EUR"} }

// books are the events of streams.
type books map[es.StreamID][]any

// The parts of a life.
const (
	paid      = "paid"
	confirmed = "confirmed"
	delivered = "delivered"
	refunded  = "refunded"
	cancelled = "cancelled"
)

func streams(id string) (o, p, r, s es.StreamID) {
	return es.NewStreamID(order.Category, id), es.NewStreamID(payment.Category, payment.ID(id, 1)),
		es.NewStreamID(stock.ReservationCategory, stock.ReservationID(id, 1)),
		es.NewStreamID(shipment.Category, shipment.ID(id, 1))
}

var (
	accountID = account.ID("ada", "EUR")
	purse     = es.NewStreamID(account.Category, accountID)
)

// fund opens ada's account with a deposit.
func (b books) fund(amount int64) {
	b[purse] = []any{
		account.Opened{AccountID: accountID, CustomerID: "ada", Currency: "EUR"},
		account.Deposited{Amount: eur(amount), Reference: "deposit/d"},
	}
	b["deposit/d"] = []any{
		account.DepositProcessed{DepositID: "d", AccountID: accountID, Amount: eur(amount), Balance: eur(amount)},
	}
}

func (b books) add(stream es.StreamID, events ...any) { b[stream] = append(b[stream], events...) }

// live adds an order as it comes to a status.
func (b books) live(id, to string) {
	o, p, r, s := streams(id)
	paymentID, reservationID, shipmentID := p.ID(), r.ID(), s.ID()
	items := []goods.Item{{SKU: "cd-1", Quantity: 3}, {SKU: "cd-2", Quantity: 1}}
	b.add(o, order.Placed{
		OrderID: id, CustomerID: "ada", AccountID: accountID, Revision: 1, Total: eur(1000),
		PlacedAt: noon.Format(time.RFC3339),
		Lines: []order.Line{
			{SKU: "cd-2", Quantity: 1, UnitPrice: eur(100)}, {SKU: "cd-1", Quantity: 1, UnitPrice: eur(300)},
			{SKU: "cd-1", Quantity: 2, UnitPrice: eur(300)},
		},
	}, order.Started{SagaID: id})
	b.add(r, stock.Reserved{ReservationID: reservationID, OrderID: id, Items: items})
	b.add(p, payment.Processed{PaymentID: paymentID, OrderID: id, AccountID: accountID, Amount: eur(1000)})
	b.add(purse, account.Withdrawn{Amount: eur(1000), Reference: string(p)})
	if to == paid {
		return
	}
	b.add(s, shipment.Scheduled{ShipmentID: shipmentID, OrderID: id, TrackingNumber: "OF", Revision: 1})
	if to == cancelled {
		b.add(o, order.Cancelling{Reason: order.ReasonCustomer, From: order.StatusPlaced, Origin: order.OriginCustomer},
			order.Cancelled{SagaID: "undo", Reason: order.ReasonCustomer})
		b.add(r, stock.Released{ReservationID: reservationID, OrderID: id, Items: items})
		b.add(p, payment.Refunded{PaymentID: paymentID, OrderID: id, AccountID: accountID, Amount: eur(1000)})
		b.add(purse, account.Deposited{Amount: eur(1000), Reference: string(p)})
		b.add(s, shipment.Cancelled{ShipmentID: shipmentID, OrderID: id})
		return
	}
	b.add(o, order.Confirmed{SagaID: id, PaymentID: paymentID, ShipmentID: shipmentID, TrackingNumber: "OF"})
	b.add(s, shipment.Prepared{ShipmentID: shipmentID, OrderID: id, CustomerID: "ada", Items: items})
	if to == confirmed {
		return
	}
	b.add(s, shipment.Dispatched{ShipmentID: shipmentID, OrderID: id},
		shipment.Delivered{ShipmentID: shipmentID, OrderID: id})
	b.add(r, stock.Departed{ReservationID: reservationID, OrderID: id, Items: items},
		stock.Committed{ReservationID: reservationID, OrderID: id, Items: items, Departed: true})
	b.add(o, order.Shipped{ShipmentID: shipmentID, Revision: 1}, order.Delivered{ShipmentID: shipmentID})
	if to == delivered {
		return
	}
	given := order.Refunded{
		RefundID: "r-" + id, PaymentID: paymentID, Amount: eur(300), Reason: order.RefundDamaged, By: "person/p",
		Lines: []order.RefundedLine{{Line: 1, SKU: "cd-1", Quantity: 1, Amount: eur(300)}}, Total: eur(300),
	}
	attempt := es.NewStreamID(refund.Category, given.RefundID)
	b.add(o, given)
	b.add(p, payment.PartiallyRefunded{
		PaymentID: paymentID, OrderID: id, AccountID: accountID, RefundID: given.RefundID, Amount: eur(300),
		Refunded: eur(300),
	})
	b.add(purse, account.Deposited{Amount: eur(300), Reference: string(attempt)})
	b.add(attempt, refund.Processed{RefundID: given.RefundID, OrderID: id, AccountID: accountID, Refund: given})
}

// whole is one order of each kind.
func whole() books {
	b := books{}
	b.fund(10_000)
	for _, to := range []string{confirmed, delivered, refunded, cancelled} {
		b.live(to, to)
	}
	return b
}

// stored puts the books into a store.
func (b books) stored(t *testing.T) *memstore.Store {
	t.Helper()
	store := memstore.New(contract.Registry())
	for stream, events := range b {
		head := es.Empty(stream)
		for i, e := range events {
			a, err := store.Append(t.Context(), []es.Commit{{
				Head: head, ID: fmt.Sprint(i), Time: noon, Events: []any{e},
			}})
			if err != nil {
				t.Fatal(err)
			}
			head = a.Heads[0]
		}
	}
	return store
}

// verify compares what a store has, as of some hours later.
func verify(store reconcile.Store) reconcile.Verify {
	return reconcile.Verify{
		Store: store, Registry: contract.Registry(), Clock: clock.NewFake(noon.Add(3 * time.Hour)), Segments: 3,
		Patience: time.Second, Overdue: 24 * time.Hour, Keep: func(reconcile.State) error { return nil },
	}
}

func rules(r reconcile.Report) []string {
	all := []string{}
	for _, f := range r.Findings {
		all = append(all, f.Rule)
	}
	return all
}

// TestSound: books that fit have no finding, and the money adds up.
func TestSound(t *testing.T) {
	report, err := verify(whole().stored(t)).Run(t.Context(), reconcile.State{})
	if err != nil || len(report.Findings) > 0 || report.Orders != 4 || report.Accounts != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	m := report.Money["EUR"]
	if m.Balances != 10_000-3*1000+300 || m.HeldOrders != 3*1000-300 || m.Deposits.Accounts != 10_000 ||
		m.GivenBack.Attempts != 1300 {
		t.Errorf("%+v", m)
	}
}

// TestPlantedFaults: each fault that is planted is found, and named.
func TestPlantedFaults(t *testing.T) {
	o, p, r, s := streams(delivered)
	co, cp, cr, cs := streams(cancelled)
	drop := func(stream es.StreamID) func(books) {
		return func(b books) { b[stream] = b[stream][:len(b[stream])-1] }
	}
	swap := func(stream es.StreamID, at int, e any) func(books) {
		return func(b books) { b[stream][at] = e }
	}
	for name, tt := range map[string]struct {
		plant func(books)
		want  []string
	}{
		"paid, cancelled and kept": {
			drop(cp), []string{"money.balance", "money.refunds", "payment.standing"},
		},
		"the account has no refund": {func(b books) {
			b[purse] = slices.DeleteFunc(b[purse], func(e any) bool {
				d, ok := e.(account.Deposited)
				return ok && d.Reference == string(cp)
			})
		}, []string{"money.balance", "money.refunds"}},
		"reserved, cancelled and kept": {drop(cr), []string{"stock.standing"}},
		"cancelled and on its way":     {drop(cs), []string{"shipment.standing"}},
		"delivered unpaid": {
			func(b books) { b[p] = []any{payment.Declined{PaymentID: p.ID(), OrderID: delivered}} },
			[]string{"money.balance", "money.payments", "payment.missing"},
		},
		"another amount": {
			swap(p, 0, payment.Processed{
				PaymentID: p.ID(), OrderID: delivered, AccountID: accountID, Amount: eur(999),
			}),
			[]string{"money.balance", "money.payments", "payment.amount"},
		},
		"delivered and not closed": {drop(r), []string{"stock.open"}},
		"never reserved": {
			func(b books) { b[r] = []any{stock.Voided{ReservationID: r.ID(), OrderID: delivered}} },
			[]string{"stock.missing"},
		},
		"too few reserved": {
			swap(r, 0, stock.Reserved{
				ReservationID: r.ID(), OrderID: delivered, Items: []goods.Item{{SKU: "cd-1", Quantity: 3}},
			}),
			[]string{"stock.items"},
		},
		"a line that was never packed": {
			swap(s, 1, shipment.Prepared{
				ShipmentID: s.ID(), OrderID: delivered, Items: []goods.Item{{SKU: "cd-1", Quantity: 3}},
			}),
			[]string{"shipment.items"},
		},
		"delivered and never sent": {
			func(b books) { b[s] = b[s][:2] }, []string{"shipment.status"},
		},
		"delivered and taken back": {
			func(b books) { b[s] = append(b[s][:1:1], shipment.Cancelled{ShipmentID: s.ID(), OrderID: delivered}) },
			[]string{"shipment.missing"},
		},
		"a total that is none": {func(b books) {
			placed := b[o][0].(order.Placed)
			placed.Total = eur(1001)
			b[o][0] = placed
		}, []string{"order.total", "payment.amount"}},
		"a rest that is not there": {func(b books) {
			for i, e := range b[o] {
				if confirmed, ok := e.(order.Confirmed); ok {
					confirmed.RestID = "none"
					b[o][i] = confirmed
				}
			}
		}, []string{"order.rest"}},
		"a rest of an order that doesn't know of it": {func(b books) {
			placed := b[o][0].(order.Placed)
			placed.RestOf = "none"
			b[o][0] = placed
		}, []string{"order.rest"}},
		"a refund that only the order knows": {func(b books) {
			b.add(o, order.Refunded{RefundID: "x", Amount: eur(5), Total: eur(5)})
		}, []string{"payment.refunds"}},
		"more given back than paid": {func(b books) {
			b.add(o, order.Refunded{RefundID: "x", Amount: eur(5), Total: eur(1005)})
		}, []string{"order.refunds", "payment.refunds"}},
		"a refund that the order doesn't know": {func(b books) {
			b["refund/x"] = []any{refund.Processed{RefundID: "x", OrderID: delivered}}
		}, []string{"refund.order"}},
		"a payment of no order": {func(b books) {
			b["payment/x"] = []any{payment.Voided{PaymentID: "x", OrderID: "none"}}
		}, []string{"payment.order"}},
		"a shipment of another revision": {func(b books) {
			b["shipment/x"] = []any{shipment.Voided{ShipmentID: "x", OrderID: delivered}}
		}, []string{"shipment.order"}},
		"an account below zero": {func(b books) {
			b.add(purse, account.Withdrawn{Amount: eur(20_000), Reference: "withdrawal/w"})
			b["withdrawal/w"] = []any{
				account.WithdrawalProcessed{WithdrawalID: "w", AccountID: accountID, Amount: eur(20_000)},
			}
		}, []string{"account.below-zero"}},
		"money out of nothing": {func(b books) {
			b.add(purse, account.Deposited{Amount: eur(1), Reference: "deposit/x"})
		}, []string{"money.balance", "money.deposits"}},
		"half a transfer": {func(b books) {
			b.add(purse, account.TransferredOut{ToAccountID: "x", Amount: eur(1), Reference: "transfer/x"})
			b["transfer/x"] = []any{
				account.TransferProcessed{TransferID: "x", FromAccountID: accountID, Amount: eur(1)},
			}
		}, []string{"money.balance", "money.receipts"}},
		"a failed undo": {func(b books) {
			b[co] = b[co][:3]
			b.add(co, order.UndoFailed{SagaID: "undo", Steps: []string{"refund"}})
		}, []string{"order.undo-failed"}},
		"another stream's event": {func(b books) {
			b["order/x"] = []any{account.Opened{AccountID: "x"}}
		}, []string{"event.unreadable"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := whole()
			tt.plant(b)
			report, err := verify(b.stored(t)).Run(t.Context(), reconcile.State{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, rules(report)); diff != "" {
				t.Errorf("(-want +got)\n%s%+v", diff, report.Findings)
			}
		})
	}
}

// TestOverdue: each wait has an end, and so has each run.
func TestOverdue(t *testing.T) {
	for name, tt := range map[string]struct {
		until time.Duration // of the wait, 0 for none
		after time.Duration
		want  []string
	}{
		"under way":                 {0, time.Hour, []string{}},
		"stalled":                   {0, 25 * time.Hour, []string{"order.overdue"}},
		"waits":                     {48 * time.Hour, 50 * time.Hour, []string{}},
		"waits behind its deadline": {48 * time.Hour, 73 * time.Hour, []string{"order.overdue"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := books{}
			b.fund(10_000)
			b.live("o", paid)
			if tt.until > 0 {
				b.add("order/o", order.PaymentRequired{Revision: 1, Until: noon.Add(tt.until).Format(time.RFC3339)})
			}
			v := verify(b.stored(t))
			v.Clock = clock.NewFake(noon.Add(tt.after))
			report, err := v.Run(t.Context(), reconcile.State{})
			if diff := cmp.Diff(tt.want, rules(report)); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// runs are those that go.
type runs []string

func (r runs) Running(_ context.Context, name string) (bool, error) {
	return slices.Contains(r, name), nil
}

// TestAbandoned: an order that is open has a run, the one that took it or the first one.
func TestAbandoned(t *testing.T) {
	for name, tt := range map[string]struct {
		runs runs
		want []string
	}{
		"it goes":         {runs{"other", "again"}, []string{}},
		"the first goes":  {runs{"o"}, []string{}},
		"none goes":       {runs{"other"}, []string{"order.run"}},
		"none ever began": {nil, []string{"order.run"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := whole() // whose orders are at their ends, and need none
			b.live("o", paid)
			b.add("order/o", order.Started{SagaID: "again"})
			v := verify(b.stored(t))
			v.Runs = tt.runs
			report, err := v.Run(t.Context(), reconcile.State{})
			if diff := cmp.Diff(tt.want, rules(report)); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// TestTwice: no two attempts of an order stand.
func TestTwice(t *testing.T) {
	b := whole()
	o, _, _, _ := streams(confirmed)
	second := payment.ID(confirmed, 2)
	b[o] = slices.Insert(b[o], 2, any(order.PaymentRequested{AccountID: accountID, Revision: 2}))
	b.add(es.NewStreamID(payment.Category, second),
		payment.Processed{PaymentID: second, OrderID: confirmed, AccountID: accountID, Amount: eur(1000)})
	b.add(purse, account.Withdrawn{Amount: eur(1000), Reference: "payment/" + second})
	report, err := verify(b.stored(t)).Run(t.Context(), reconcile.State{})
	if diff := cmp.Diff([]string{"payment.twice"}, rules(report)); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// moving is a store that shows an order's payment only after some looks.
type moving struct {
	*memstore.Store
	hidden es.StreamID
	looks  atomic.Int64 // streams are looked at side by side
}

func (m *moving) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	if stream == m.hidden {
		if m.looks.Add(-1) >= 0 {
			return es.History{Head: es.Empty(stream)}, nil
		}
	}
	return m.Store.Load(ctx, stream, after)
}

// TestLooksAgain: what fits a moment later is no finding.
func TestLooksAgain(t *testing.T) {
	_, p, _, _ := streams(delivered)
	for looks, want := range map[int64][]string{2: {}, 1000: {"payment.missing", "payment.order"}} {
		store := &moving{Store: whole().stored(t), hidden: p}
		store.looks.Store(looks)
		v := verify(store)
		v.Segments = 1
		report, err := v.Run(t.Context(), reconcile.State{})
		if diff := cmp.Diff(want, rules(report)); err != nil || diff != "" {
			t.Errorf("%v (-want +got)\n%s", err, diff)
		}
	}
}

// TestResumes: wherever it ends, the next run goes on, and comes to the same.
func TestResumes(t *testing.T) {
	b := whole()
	for i := range 200 {
		b.live(fmt.Sprint("o", i), []string{delivered, cancelled, refunded}[i%3])
	}
	b[purse][1] = account.Deposited{Amount: eur(1_000_000), Reference: "deposit/d"}
	b["deposit/d"][0] = account.DepositProcessed{DepositID: "d", AccountID: accountID, Amount: eur(1_000_000)}
	_, cp, _, _ := streams("o1")
	b[cp] = b[cp][:1] // paid, cancelled and kept
	store := b.stored(t)
	want, err := verify(store).Run(t.Context(), reconcile.State{})
	if err != nil || !slices.Contains(rules(want), "payment.standing") {
		t.Fatalf("%v, %v", rules(want), err)
	}
	file := resume.File[reconcile.State]{Path: t.TempDir() + "/state.json"}
	broken, runs := errors.New("broken"), 0
	for {
		v := verify(store)
		from, _, err := file.Load(func(s reconcile.State) bool { return s.Fits(v.Segments) })
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		pages := 0
		v.Parallel, v.Keep = 1, file.Save
		v.Progress = func(int64) {
			if pages++; pages == 2 {
				cancel(broken)
			}
		}
		got, err := v.Run(ctx, from)
		cancel(nil)
		if runs++; err != nil && runs < 1000 {
			continue
		}
		if diff := cmp.Diff(want, got); err != nil || diff != "" || runs < 2 {
			t.Errorf("after %d runs: %v (-want +got)\n%s", runs, err, diff)
		}
		return
	}
}

// TestMany: what is found beyond the limit is counted.
func TestMany(t *testing.T) {
	b := books{}
	for i := range reconcile.MaxFindings + 7 {
		id := fmt.Sprint("x", i)
		b[es.NewStreamID(payment.Category, id)] = []any{payment.Voided{PaymentID: id, OrderID: "none"}}
	}
	v := verify(b.stored(t))
	v.Patience = 0
	report, err := v.Run(t.Context(), reconcile.State{})
	if err != nil || len(report.Findings) != reconcile.MaxFindings || report.More != 7 {
		t.Errorf("%d findings and %d more, %v", len(report.Findings), report.More, err)
	}
	if _, err := (reconcile.Verify{}).Run(t.Context(), reconcile.State{}); err == nil ||
		!strings.Contains(err.Error(), "0 segments") {
		t.Error(err)
	}
}

// lines are some, by SKU.
type lines map[string][]stock.Entry

// Line implements reconcile.Lines: 2 are available. The row of "odd" says one more than there are.
func (l lines) Line(_ context.Context, sku string) (stock.Line, error) {
	line := stock.Line{Available: 2, Waiting: int64(len(l[sku]))}
	if sku == "odd" {
		line.Waiting++
	}
	return line, nil
}

// Entries implements reconcile.Lines.
func (l lines) Entries(_ context.Context, sku string, after int64, limit int) ([]stock.Entry, error) {
	entries := slices.DeleteFunc(slices.Clone(l[sku]), func(e stock.Entry) bool { return e.Ticket <= after })
	return entries[:min(limit, len(entries))], nil
}

// TestLines: those who wait stand in line, and nobody else does.
func TestLines(t *testing.T) {
	place := stock.Place{SKU: "cd-1", Quantity: 3, Ticket: 7}
	o, _, r, _ := streams("waits")
	entry := stock.Entry{Waiter: stock.Waiter{ReservationID: r.ID(), OrderID: "waits", Revision: 1}, Place: place}
	turn := stock.Entry{Waiter: entry.Waiter, Place: stock.Place{SKU: "cd-2", Quantity: 2, Ticket: 8}}
	gone := entry
	gone.Ticket, gone.ReservationID = 9, "gone"
	for name, tt := range map[string]struct {
		lines lines
		plant func(books)
		want  []string
	}{
		"as it should be":       {lines{"cd-1": {entry}}, nil, []string{}},
		"nobody stands in line": {lines{}, nil, []string{"line.missing"}},
		"another stands there": {
			lines{"cd-1": {{Waiter: gone.Waiter, Place: place}}}, nil, []string{"line.entry", "line.missing"},
		},
		"somebody else stands in line": {lines{"cd-1": {entry, gone}}, nil, []string{"line.entry"}},
		"it is the turn of who waits": {lines{"cd-1": {entry}, "cd-2": {turn}}, func(b books) {
			b["stock/cd-2"] = []any{stock.Restocked{SKU: "cd-2"}}
			b.add(r, stock.Backordered{
				ReservationID: r.ID(), OrderID: "waits", Revision: 1, Items: []goods.Item{{SKU: "cd-1", Quantity: 3}},
				Places: []stock.Place{place, turn.Place},
			})
		}, []string{"line.unserved"}},
		"the row says another number": {
			lines{"cd-1": {entry}}, func(b books) { b["stock/odd"] = []any{stock.Restocked{SKU: "odd"}} },
			[]string{"line.waiting"},
		},
		"cancelled, and waits": {lines{"cd-1": {entry}}, func(b books) {
			b.add(o, order.Cancelling{Reason: order.ReasonCustomer, From: order.StatusBackordered},
				order.Cancelled{SagaID: "undo", Reason: order.ReasonCustomer})
		}, []string{"stock.standing"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := books{"stock/cd-1": {stock.Restocked{SKU: "cd-1"}}}
			b.add(o, order.Placed{
				OrderID: "waits", CustomerID: "ada", AccountID: accountID, Revision: 1, Total: eur(9),
				Lines: []order.Line{{SKU: "cd-1", Quantity: 3, UnitPrice: eur(3)}},
			}, order.Started{SagaID: "waits"}, order.Backordered{Revision: 1, Until: noon.Format(time.RFC3339)})
			b.add(r, stock.Backordered{
				ReservationID: r.ID(), OrderID: "waits", Revision: 1, Items: []goods.Item{{SKU: "cd-1", Quantity: 3}},
				Places: []stock.Place{place},
			})
			if tt.plant != nil {
				tt.plant(b)
			}
			v := verify(b.stored(t))
			v.Lines = tt.lines
			report, err := v.Run(t.Context(), reconcile.State{})
			if diff := cmp.Diff(tt.want, rules(report)); err != nil || diff != "" {
				t.Errorf("%v, %s: %+v", err, diff, report.Findings)
			}
		})
	}
}
