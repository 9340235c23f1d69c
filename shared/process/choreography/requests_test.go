package choreography_test

import (
	"context"
	"testing"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/process/choreography"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/shipment/shipmenttest"
	"orderflow/shared/shop/stock"
)

// asks are the requests that a step makes: of the events, and of the other tables that it has.
type asks struct{ reads, writes, confirms, others int64 }

// counted are the tables beside the events, each request of which counts.
type counted struct {
	shipment.Copies
	personal.Vault
	es.Snapshots
	asked int64
}

func (c *counted) Put(ctx context.Context, of shipment.Copy) (shipment.Known, bool, error) {
	c.asked++
	return c.Copies.Put(ctx, of)
}

func (c *counted) Confirm(ctx context.Context, of shipment.Confirmation) (shipment.Known, error) {
	c.asked++
	return c.Copies.Confirm(ctx, of)
}

func (c *counted) Open(ctx context.Context, subject, field string, sealed personal.Sealed) ([]byte, error) {
	c.asked++
	return c.Vault.Open(ctx, subject, field, sealed)
}

func (c *counted) Newest(ctx context.Context, stream es.StreamID, fold string) (es.Snapshot, bool, error) {
	c.asked++
	return c.Snapshots.Newest(ctx, stream, fold)
}

// TestRequests holds what an order's way costs, step by step: docs/sagas.md has the same table.
// Beside these, a command of the inventory answers the run that waits.
func TestRequests(t *testing.T) {
	w := worldOn(t, memstore.New(contract.Registry()))
	ctx := t.Context()
	beside := &counted{Copies: shipmenttest.NewCopies(), Vault: w.vault, Snapshots: &memstore.Snapshots{}}
	shipments := shipment.New(shipment.Deps{
		Store: w.store, Clock: w.clock, Vault: beside, Serves: shipment.Served("GB"), Books: w.stock,
	})
	payments := payment.New(payment.Deps{Store: w.store, Clock: w.clock, Snapshots: beside, Mends: true})
	preparer := choreography.Preparer{Copies: beside, Shipments: shipments, Clock: w.clock}
	follower := choreography.Follower{Orders: w.orders, Stock: w.stock, Clock: w.clock}
	committer := choreography.Committer{Stock: w.stock, Clock: w.clock}
	carrier := choreography.Carrier{Shipments: shipments, Clock: w.clock}
	placed, err := w.orders.Get(ctx, orderID)
	if err != nil {
		t.Fatal(err)
	}
	task := func(name string) es.Request { return w.task(w.runs[0], name) }
	// of gives a consumer the newest event of a type, which is looked for ahead of the count.
	of := func(handle func(context.Context, []byte) error, name string) func() func() error {
		return func() func() error {
			var body []byte
			for _, e := range envelopesOf(t, w) {
				if e.Type == name {
					body = delivered(t, e)
				}
			}
			return func() error { return handle(ctx, body) }
		}
	}
	command := func(do func() error) func() func() error { return func() func() error { return do } }
	for _, step := range []struct {
		name    string
		prepare func() func() error
		want    asks
	}{
		{"start order", command(func() error {
			_, err := w.orders.Run(ctx, task("start"), orderID, order.Start{SagaID: "fulfil"})
			return err
		}), asks{reads: 1, writes: 1}},
		{"reserve stock", command(func() error {
			_, err := w.stock.Reserve(ctx, task("reserve"), stock.Reservation{
				OrderID: orderID, Revision: 1, Items: []stock.Item{{SKU: sku, Quantity: ordered}},
			})
			return err
		}), asks{writes: 1}},
		{"charge payment", command(func() error {
			_, err := payments.Charge(ctx, task("charge"), payment.Charge{
				OrderID: orderID, Revision: 1, CustomerID: customerID, AccountID: w.account,
				Amount: money.Money{Amount: ordered * price, Currency: "USD"},
			})
			return err
		}), asks{reads: 1, writes: 1, others: 1}},
		{"schedule shipment", command(func() error {
			_, err := shipments.Schedule(ctx, task("schedule"), shipment.Schedule{
				OrderID: orderID, Revision: 1, CustomerID: customerID, Address: placed.State.Address,
			})
			return err
		}), asks{writes: 1, others: 1}},
		{"confirm order", command(func() error {
			_, err := w.orders.Run(ctx, task("confirm"), orderID, order.Confirm{
				SagaID: "fulfil", PaymentID: payment.ID(orderID, 1), ShipmentID: shipmentID,
				TrackingNumber: shipment.TrackingNumber(shipmentID),
			})
			return err
		}), asks{reads: 1, writes: 1}},
		{"prepare shipment", of(preparer.Handle, "order.updated"), asks{reads: 1, writes: 1, others: 1}},
		{"dispatch and deliver", of(carrier.Handle, "shipment.prepared"), asks{reads: 2, writes: 2, others: 1}},
		{"follow the dispatch", of(follower.Handle, "shipment.dispatched"), asks{reads: 1, writes: 1}},
		{"commit stock", of(committer.Handle, "order.shipped"), asks{}},
		{"follow the delivery", of(follower.Handle, "shipment.delivered"), asks{reads: 1, writes: 1}},
	} {
		do := step.prepare()
		before := asks{w.store.Loads.Load(), w.store.Appends.Load(), w.store.Confirms.Load(), beside.asked}
		if err := do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		got := asks{
			w.store.Loads.Load() - before.reads, w.store.Appends.Load() - before.writes,
			w.store.Confirms.Load() - before.confirms, beside.asked - before.others,
		}
		if got != step.want {
			t.Errorf("%s asks %+v, want %+v", step.name, got, step.want)
		}
	}
	w.check(t)
	w.belongs(t)
}
