//go:build integration

package main

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	"golang.org/x/sync/errgroup"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/viewtable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/rebuild"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/catalog"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// The price of a million request units, on demand, in us-east-1, in US dollars:
// https://aws.amazon.com/dynamodb/pricing/on-demand/, standard table class.
const (
	dollarsReadMillion  = 0.125
	dollarsWriteMillion = 0.625
)

// The store that is rebuilt from: orders of three commits with an event each, by so many customers.
const (
	benchOrders    = 2_000
	benchCustomers = 200
	benchEvents    = 3 * benchOrders
)

// units counts what requests are charged, those of transactions by AWS's rules, which DynamoDB
// Local does not follow.
type units struct {
	mu          sync.Mutex
	read, write float64
}

// client is a client of DynamoDB Local whose requests are counted.
func (u *units) client(b *testing.B) *dynamodb.Client {
	count := middleware.InitializeMiddlewareFunc("count units", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		switch p := in.Parameters.(type) {
		case *dynamodb.GetItemInput:
			p.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
		case *dynamodb.QueryInput:
			p.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
		case *dynamodb.ScanInput:
			p.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
		case *dynamodb.PutItemInput:
			p.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
		case *dynamodb.BatchGetItemInput:
			p.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
		}
		out, metadata, err := next.HandleInitialize(ctx, in)
		u.mu.Lock()
		defer u.mu.Unlock()
		switch r := out.Result.(type) {
		case *dynamodb.GetItemOutput:
			u.read += total(r.ConsumedCapacity)
		case *dynamodb.QueryOutput:
			u.read += total(r.ConsumedCapacity)
		case *dynamodb.ScanOutput:
			u.read += total(r.ConsumedCapacity)
		case *dynamodb.PutItemOutput:
			u.write += total(r.ConsumedCapacity)
		case *dynamodb.BatchGetItemOutput:
			for i := range r.ConsumedCapacity {
				u.read += total(&r.ConsumedCapacity[i])
			}
		case *dynamodb.TransactWriteItemsOutput: // each row is new, so that each index has one entry more
			sent := in.Parameters.(*dynamodb.TransactWriteItemsInput)
			u.write += awstest.TransactionUnits(sent)
			for _, action := range sent.TransactItems {
				for _, i := range view.Indexes() {
					if action.Put != nil {
						name := viewtable.IndexName(i)
						u.write += awstest.IndexUnits(nil, action.Put.Item, name+"pk", name+"sk")
					}
				}
			}
		}
		return out, metadata, err
	})
	return dynamodb.NewFromConfig(awstest.DynamoDBLocal(b), func(o *dynamodb.Options) {
		o.RetryMaxAttempts = viewAttempts
		o.APIOptions = append(
			o.APIOptions, func(s *middleware.Stack) error { return s.Initialize.Add(count, middleware.Before) },
		)
	})
}

func total(c *types.ConsumedCapacity) float64 {
	if c == nil {
		return 0
	}
	return aws.ToFloat64(c.CapacityUnits)
}

// impatient is a clock that waits for no grace: nobody else is there.
type impatient struct{ clock.System }

func (i impatient) Sleep(ctx context.Context, d time.Duration) error {
	return i.System.Sleep(ctx, min(d, 50*time.Millisecond))
}

// alone is a table that writes each row by itself, eight of them side by side.
type alone struct{ view.Table }

func (a alone) Put(ctx context.Context, writes ...view.Write) []error {
	results := make([]error, len(writes))
	var group errgroup.Group
	group.SetLimit(8)
	for i, w := range writes {
		group.Go(func() error {
			results[i] = a.Table.Put(ctx, w)[0]
			return nil
		})
	}
	_ = group.Wait() // each error is in the results
	return results
}

// BenchmarkRebuild rebuilds the orders, with lists and counters, and measures until the new
// generation serves; deleting the old one is not in it. Each time it does so too with a write for
// each row, and says how many times as fast it is.
func BenchmarkRebuild(b *testing.B) {
	ctx, u := context.Background(), &units{}
	api, registry := u.client(b), view.Registry(catalog.Views()...)
	config := awstest.DynamoDBLocal(b)
	store := dynamostore.New(api, awstest.TableIn(b, config, awstest.EventsTable()), registry)
	table := viewtable.New(api, awstest.TableIn(b, config, awstest.ViewsTable()))
	orders, err := viewNamed("orders")
	if err != nil {
		b.Fatal(err)
	}
	var group errgroup.Group
	group.SetLimit(8)
	for n := range benchOrders {
		group.Go(func() error { return benchOrder(ctx, store, n) })
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}

	var read, write float64
	var base time.Duration
	rebuilt := func(table view.Table, serves func()) {
		r := rebuild.Rebuild{
			View: orders, Store: store, Registry: registry, Table: table, Clock: impatient{}, Holder: "bench",
			Segments: 8,
		}
		r.Progress = func(p rebuild.Progress) {
			if p.Phase == rebuild.PhaseDrain {
				serves()
			}
		}
		if result, err := r.Run(ctx); err != nil || result.Events != benchEvents {
			b.Fatal(result, err)
		}
	}
	rebuilt(table, func() {}) // DynamoDB Local gets faster with use
	for b.Loop() {
		b.StopTimer()
		begun := time.Now()
		rebuilt(alone{table}, func() { base += time.Since(begun) })
		u.mu.Lock()
		readBefore, writeBefore := u.read, u.write
		u.mu.Unlock()
		b.StartTimer()
		rebuilt(table, func() {
			b.StopTimer()
			u.mu.Lock()
			defer u.mu.Unlock()
			read, write = read+u.read-readBefore, write+u.write-writeBefore
		})
		b.StartTimer()
	}
	events := float64(b.N) * benchEvents
	read, write = read/events*1e6, write/events*1e6
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(base.Seconds()/b.Elapsed().Seconds(), "times-a-write-a-row")
	b.ReportMetric(read, "read-units/Mevents")
	b.ReportMetric(write, "write-units/Mevents")
	b.ReportMetric(read/1e6*dollarsReadMillion+write/1e6*dollarsWriteMillion, "USD/Mevents")
}

// benchOrder stores an order that is placed, started and confirmed, as the shop's are.
func benchOrder(ctx context.Context, store *dynamostore.Store, n int) error {
	id := fmt.Sprintf("%08d-0000-4000-8000-000000000000", n)
	head, err := store.At(ctx, es.NewStreamID(order.Category, id), 0)
	if err != nil {
		return err
	}
	price := money.Money{Amount: 1999, Currency: "USD"}
	for i, e := range []any{
		order.Placed{
			OrderID: id, CustomerID: fmt.Sprint("customer-", n%benchCustomers), AccountID: id,
			Total: money.Money{Amount: 3998, Currency: "USD"}, Revision: 1,
			Lines: []order.Line{
				{SKU: "BOOK-1", Quantity: 1, UnitPrice: price}, {SKU: "BOOK-2", Quantity: 1, UnitPrice: price},
			},
		},
		order.Started{SagaID: id},
		order.Confirmed{SagaID: id, PaymentID: id, ShipmentID: id, TrackingNumber: "OF0123456789"},
	} {
		at := time.Date(2026, 1, 2, 3, 4, n, i, time.UTC)
		appended, err := store.Append(ctx, []es.Commit{{
			Head: head, ID: fmt.Sprint(id, "/", i), Time: at,
			Metadata: es.Metadata{CorrelationID: id, CausationID: "http/" + id, Actor: "customer/c"}, Events: []any{e},
		}})
		if err != nil {
			return err
		}
		head = appended.Heads[0]
	}
	return nil
}
