package viewtest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// Epoch is when the first commit of a drawn history is made.
var Epoch = time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC)

// Registry knows the events that the views fold.
func Registry() *es.Registry { return es.NewRegistry(order.Register, customer.Register) }

// Commands are commands that a decided order may get, in no order that makes sense.
func Commands() []order.Command {
	return []order.Command{
		order.Start{SagaID: "run-1"}, order.Start{SagaID: "run-2"},
		order.Confirm{SagaID: "run-1", PaymentID: "payment-1", ShipmentID: "shipment-1", TrackingNumber: "OF1"},
		order.Close{Origin: order.OriginCustomer, Reason: order.ReasonCustomer},
		order.Close{Origin: order.OriginSaga, Reason: "stock.insufficient", SagaID: "run-1"},
		order.Close{Origin: order.OriginOperator, Reason: order.ReasonOperator, Stopped: "shipment-1"},
		order.Close{Origin: order.OriginSweep, Reason: order.ReasonExpired},
		order.Hold{Until: deadline, Park: order.Park{Token: "token-1", SagaID: "run-1"}},
		order.Approve{By: "person/o"}, order.Backorder{Revision: 1, Until: deadline},
		order.RequirePayment{Revision: 1, Code: "account.insufficient-funds", Until: deadline},
		order.RequirePayment{Revision: 2, Code: "account.insufficient-funds", Until: "soon"},
		order.RequestPayment{AccountID: "account-2", By: "customer/ada"},
		order.Expire{Wait: order.WaitPayment, Revision: 1, SagaID: "run-1"},
		order.Amend{
			Lines: []order.Line{{SKU: "sku-0", Quantity: 2, UnitPrice: money.Money{Amount: 70, Currency: "USD"}}},
			By:    order.OriginOperator,
		},
		order.FinishUndo{SagaID: "run-2"}, order.FailUndo{SagaID: "run-2", Steps: []string{"refund"}},
		order.Ship{ShipmentID: "shipment-1"}, order.Deliver{ShipmentID: "shipment-1"},
		order.GiveBack{
			RefundID: "refund-1", Reason: order.RefundDamaged,
			Lines: []order.LineRefund{{Line: new(int64), Quantity: 1}},
		},
		order.GiveBack{
			RefundID: "refund-2", Reason: order.RefundReturned,
			Lines: []order.LineRefund{{SKU: "sku-1", Quantity: 1}},
		},
	}
}

// deadline is what orders wait until.
const deadline = "2026-03-01T12:00:00Z"

// DrawOrder draws an order's life as the decider allows it: its commits, of one event or more.
func DrawOrder(t *rapid.T, orderID, customerID string) [][]any {
	price := money.Money{
		Amount:   rapid.Int64Range(0, 100_000).Draw(t, "price"),
		Currency: rapid.SampledFrom([]string{"USD", "EUR", "JPY"}).Draw(t, "currency"),
	}
	lines := make([]order.Line, rapid.IntRange(1, 3).Draw(t, "lines"))
	for i := range lines {
		lines[i] = order.Line{
			SKU: fmt.Sprint("sku-", i), Quantity: rapid.Int64Range(1, 5).Draw(t, "quantity"), UnitPrice: price,
		}
		if rapid.Bool().Draw(t, "is taxed") {
			tax := money.Money{Amount: rapid.Int64Range(0, 1000).Draw(t, "tax"), Currency: price.Currency}
			lines[i].Tax = &order.Adjustment{Name: "VAT", Amount: tax}
		}
	}
	var rules []string
	if rapid.Bool().Draw(t, "matches a rule") {
		rules = []string{"amount"}
	}
	commands := append([]order.Command{order.Place{
		OrderID: orderID, CustomerID: customerID, Lines: lines, HoldRules: rules, Now: Epoch,
	}},
		rapid.SliceOfN(rapid.SampledFrom(Commands()), 0, 10).Draw(t, "commands")...)
	state := order.Decider.Initial()
	var events []any
	for _, c := range commands {
		decided, err := order.Decider.Decide(c, state)
		if err != nil {
			continue
		}
		for _, e := range decided {
			state = order.Decider.Evolve(state, e)
			events = append(events, e)
		}
	}
	var commits [][]any
	for rest := events; len(rest) > 0; {
		n := min(rapid.SampledFrom([]int{1, 1, 1, 2, 3}).Draw(t, "events of a commit"), len(rest))
		commits, rest = append(commits, rest[:n:n]), rest[n:]
	}
	return commits
}

// World is a store whose streams grow commit by commit.
type World struct {
	Store   *memstore.Store
	Streams []es.StreamID
	Base    time.Time // before the first commit

	prefix  string
	waiting map[es.StreamID][][]any
	commits int
}

// DrawWorld draws some customers, registered or not, and their orders. Nothing is stored yet. The
// ids begin with prefix.
func DrawWorld(t *rapid.T, prefix string) *World {
	w := &World{Store: memstore.New(Registry()), Base: Epoch, prefix: prefix, waiting: map[es.StreamID][][]any{}}
	customerIDs := []string{prefix + "ada", prefix + "bob", prefix + "cy"}[:rapid.IntRange(1, 3).Draw(t, "customers")]
	for _, id := range customerIDs {
		if rapid.Bool().Draw(t, "registered") {
			life := [][]any{{customer.Registered{CustomerID: id, Name: "pd1:a", Email: "pd1:b"}}}
			if rapid.Bool().Draw(t, "changed") {
				life = append(life, []any{customer.Changed{CustomerID: id, Name: "pd1:c"}})
			}
			if rapid.Bool().Draw(t, "erased") {
				life = append(life, []any{customer.Erased{CustomerID: id, ErasedAt: "2026-03-01T00:00:00Z"}})
			}
			w.add(es.NewStreamID(customer.Category, id), life)
		} else {
			w.add(es.NewStreamID(customer.Category, id), nil)
		}
	}
	for i := range rapid.IntRange(0, 5).Draw(t, "orders") {
		id := fmt.Sprint(prefix, "order-", i)
		w.add(es.NewStreamID(order.Category, id), DrawOrder(t, id, rapid.SampledFrom(customerIDs).Draw(t, "customer")))
	}
	return w
}

func (w *World) add(stream es.StreamID, commits [][]any) {
	w.Streams, w.waiting[stream] = append(w.Streams, stream), commits
}

// Growing lists the streams that have commits left.
func (w *World) Growing() []es.StreamID {
	return slices.DeleteFunc(slices.Clone(w.Streams), func(s es.StreamID) bool { return len(w.waiting[s]) == 0 })
}

// Grow appends the next commit of a stream that has one left.
func (w *World) Grow(ctx context.Context, stream es.StreamID) (es.StoredCommit, error) {
	history, err := w.Store.Load(ctx, stream, 0)
	if err != nil {
		return es.StoredCommit{}, err
	}
	w.commits++
	c := es.Commit{
		Head: history.Head, ID: fmt.Sprint("commit-", w.commits),
		Time:   w.Base.Add(time.Duration(w.commits) * 333_333_333 * time.Nanosecond),
		Events: w.waiting[stream][0],
	}
	w.waiting[stream] = w.waiting[stream][1:]
	if _, err := w.Store.Append(ctx, []es.Commit{c}); err != nil {
		return es.StoredCommit{}, err
	}
	return Registry().EncodeCommit(c)
}
