//go:build integration

package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
)

// placed is the shop's largest event, as the shop has it.
type placed struct {
	OrderID    string `json:"orderId"`
	CustomerID string `json:"customerId"`
	AccountID  string `json:"accountId"`
	Lines      []line `json:"lines"`
	Total      price  `json:"total"`
	Address    string `json:"address"`
	Revision   int64  `json:"revision"`
	PlacedAt   string `json:"placedAt"`
}

type line struct {
	SKU       string `json:"sku"`
	Quantity  int64  `json:"quantity"`
	UnitPrice price  `json:"unitPrice"`
}

type price struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// withdrawn is what a payment leaves on its account, whose stream is the only one of the shop that
// grows long.
type withdrawn struct {
	Amount    price  `json:"amount"`
	Reference string `json:"reference"`
}

// bench is a store on DynamoDB Local, and the shop's events to fill it with.
type bench struct {
	*testing.B
	config      aws.Config
	client      *dynamodb.Client
	table       string
	store       *Store
	shop        es.StoredCommit
	orders      []any
	withdrawals []any
}

func newBench(b *testing.B) *bench {
	config := awstest.DynamoDBLocal(b)
	f := &bench{
		B: b, config: config, client: dynamodb.NewFromConfig(config),
		table: awstest.TableIn(b, config, awstest.EventsTable()),
	}
	f.store = New(f.client, f.table, es.NewRegistry(estest.Register, func(r *es.Registry) {
		es.Register[placed](r, "order.placed", 1)
		es.Register[withdrawn](r, "account.withdrawn", 1)
	}))
	for _, c := range shopCommits(b) {
		event, err := f.store.registry.Decode(c.Stream, c.First, c.Events[0])
		switch event.(type) {
		case placed:
			if len(f.orders) == 0 {
				f.shop = c
			}
			f.orders = append(f.orders, event)
		case withdrawn:
			f.withdrawals = append(f.withdrawals, event)
		default:
			if unknown := (*es.UnknownTypeError)(nil); !errors.As(err, &unknown) {
				f.must(err)
			}
		}
	}
	return f
}

func (f *bench) must(err error) {
	if err != nil {
		f.Helper()
		f.Fatal(err)
	}
}

// commit is the shop's commit with other events, on a stream of its own.
func (f *bench) commit(events ...any) es.Commit {
	return es.Commit{
		Head: es.StoreHead(estest.Stream(), 0, 0, ""), ID: f.shop.ID, Fingerprint: f.shop.Fingerprint,
		Time: f.shop.Time, Metadata: f.shop.Metadata, Events: events,
	}
}

func (f *bench) item(c es.Commit) attributes {
	stored, err := f.store.registry.EncodeCommit(c)
	f.must(err)
	item, _ := packed(f, stored)
	return item
}

func (f *bench) append(events ...any) func() func() {
	return func() func() {
		commits := []es.Commit{f.commit(events...)}
		return func() {
			_, err := f.store.Append(context.Background(), commits)
			f.must(err)
		}
	}
}

// put writes the very bytes of append, on a condition, and does nothing else.
func (f *bench) put(events ...any) func() func() {
	return func() func() {
		in := &dynamodb.PutItemInput{
			TableName: &f.table, Item: f.item(f.commit(events...)),
			ConditionExpression:      aws.String(keyIsFree),
			ExpressionAttributeNames: map[string]string{"#stream": attrStream},
		}
		return func() {
			_, err := f.client.PutItem(context.Background(), in)
			f.must(err)
		}
	}
}

// transact writes an event as stores do that keep a stream's last version in an item of its own:
// two items in one transaction.
func (f *bench) transact(events ...any) func() func() {
	return func() func() {
		item := f.item(f.commit(events...))
		last := attributes{attrStream: item[attrStream], attrVersion: number(1 << 40), "last": number(1)}
		put := func(item attributes) types.TransactWriteItem {
			return types.TransactWriteItem{Put: &types.Put{
				TableName: &f.table, Item: item, ConditionExpression: aws.String(keyIsFree),
				ExpressionAttributeNames: map[string]string{"#stream": attrStream},
			}}
		}
		in := &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{put(item), put(last)}}
		return func() {
			_, err := f.client.TransactWriteItems(context.Background(), in)
			f.must(err)
		}
	}
}

// BenchmarkAppend is a commit of one and of five orders, which are compressed, against the bare put
// of the same bytes.
func BenchmarkAppend(b *testing.B) {
	b.Run("append-1", func(b *testing.B) {
		f := newBench(b)
		awstest.Ratio(b, "append-1", 1.10, f.append(f.orders[0]), f.put(f.orders[0]))
	})
	b.Run("append-5", func(b *testing.B) {
		f := newBench(b)
		awstest.Ratio(b, "append-5", 1.25, f.append(f.orders[:5]...), f.put(f.orders[:5]...))
	})
	b.Run("transaction-of-2", func(b *testing.B) {
		f := newBench(b)
		awstest.Ratio(b, "transaction-of-2", 0, f.transact(f.orders[0]), f.put(f.orders[0]))
	})
}

// fill appends to a stream of the suite's events, in commits of that many.
func (f *bench) fill(commits, each int) es.StreamID {
	c := f.commit()
	for i := range commits {
		c.ID, c.Events = fmt.Sprint(i), counts(i*each+1, each)
		appended, err := f.store.Append(context.Background(), []es.Commit{c})
		f.must(err)
		c.Head = appended.Heads[0]
	}
	return c.Head.Stream()
}

// BenchmarkLoad is a stream of a hundred events, a commit each, against the bare query for its
// items: of an account's, as the shop's long streams are, and of the shop's largest ones, where
// reading the events' own JSON, which the query leaves to its caller, tells most.
func BenchmarkLoad(b *testing.B) {
	for _, tt := range []struct {
		name   string
		limit  float64
		events func(*bench) []any
	}{
		{"load-100", 1.15, func(f *bench) []any { return f.withdrawals }},
		{"load-100-orders", 0, func(f *bench) []any { return f.orders }},
	} {
		b.Run(tt.name, func(b *testing.B) {
			f := newBench(b)
			c, events := f.commit(), tt.events(f)
			for i := range 100 {
				c.ID, c.Events = fmt.Sprint(i), []any{events[i%len(events)]}
				appended, err := f.store.Append(context.Background(), []es.Commit{c})
				f.must(err)
				c.Head = appended.Heads[0]
			}
			load := func() {
				if h, err := f.store.Load(context.Background(), c.Head.Stream(), 0); err != nil ||
					len(h.Events) != 100 {
					f.Fatal(len(h.Events), err)
				}
			}
			in := between(1, maxVersion).query(f.table, c.Head.Stream())
			query := func() {
				if out, err := f.client.Query(context.Background(), in); err != nil || len(out.Items) != 100 ||
					out.LastEvaluatedKey != nil {
					f.Fatal(err)
				}
			}
			awstest.Ratio(b, tt.name, tt.limit, func() func() { return load }, func() func() { return query })
		})
	}
}

// BenchmarkRehydrate is a stream of 10,000 events with a snapshot against one of ten. The same
// repository asks for a snapshot of those, too, and finds none; one that has no snapshots does not
// ask.
func BenchmarkRehydrate(b *testing.B) {
	for _, tt := range []struct {
		name  string
		limit float64
		asks  bool
	}{{"rehydrate-10000", 1.50, true}, {"rehydrate-10000-against-10-without-snapshots", 0, false}} {
		b.Run(tt.name, func(b *testing.B) {
			f := newBench(b)
			sums := es.Repository[sum, any]{
				Category: "test", Initial: func() sum { return sum{} },
				Evolve: func(s sum, e any) sum { s.N += e.(estest.Counted).N; return s },
				Store:  f.store, Snapshots: NewSnapshots(
					f.client, awstest.TableIn(b, f.config, awstest.SnapshotsTable()),
				), Fold: "sum/1", Every: 100,
			}
			long, short := f.fill(100, 100), f.fill(10, 1)
			f.must(sums.Handle(
				context.Background(),
				es.StoredCommit{Stream: long, First: 9901, ID: "99", Events: make([]es.Stored, 100)},
			))
			get := func(r es.Repository[sum, any], stream es.StreamID, want int64) func() func() {
				run := func() {
					if got, err := r.Get(context.Background(), stream.ID()); err != nil || got.State.N != want {
						f.Fatal(got, err)
					}
				}
				return func() func() { return run }
			}
			few := sums
			if !tt.asks {
				few.Snapshots = nil
			}
			awstest.Ratio(b, tt.name, tt.limit, get(sums, long, 50_005_000), get(few, short, 55))
		})
	}
}
