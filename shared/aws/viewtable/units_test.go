package viewtable

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/catalog"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// ledger keeps items as DynamoDB does, as far as a projector needs it, and counts requests and, by
// AWS's rules, units. It answers at once.
type ledger struct {
	API
	mu          sync.Mutex
	items       map[string]dynamo.Item
	requests    map[string]int
	read, write float64
}

func newLedger() *ledger { return &ledger{items: map[string]dynamo.Item{}, requests: map[string]int{}} }

func name(key dynamo.Item) string {
	return key["pk"].(*types.AttributeValueMemberS).Value + " " + key["sk"].(*types.AttributeValueMemberS).Value
}

func (l *ledger) BatchGetItem(
	_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests["BatchGetItem"]++
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]dynamo.Item{}}
	for table, of := range in.RequestItems {
		for _, key := range of.Keys {
			l.read++ // no item of a test is above 4 KB, and what is not there costs the same
			if item := l.items[name(key)]; item != nil {
				out.Responses[table] = append(out.Responses[table], item)
			}
		}
	}
	return out, nil
}

func (l *ledger) GetItem(
	_ context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests["GetItem"]++
	l.read++
	return &dynamodb.GetItemOutput{Item: l.items[name(in.Key)]}, nil
}

func (l *ledger) PutItem(
	_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests["PutItem"]++
	if !l.met(in.Item, in.ExpressionAttributeValues) {
		return nil, &types.ConditionalCheckFailedException{}
	}
	l.put(in.Item, 1)
	return &dynamodb.PutItemOutput{}, nil
}

func (l *ledger) TransactWriteItems(
	_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests["TransactWriteItems"]++
	for _, action := range in.TransactItems {
		if p := action.Put; p != nil && !l.met(p.Item, p.ExpressionAttributeValues) {
			return nil, errors.New("ledger: a condition of a transaction is not met")
		}
	}
	for _, action := range in.TransactItems {
		if action.Put != nil {
			l.put(action.Put.Item, 2)
			continue
		}
		u := action.Update
		item := maps.Clone(u.Key)
		maps.Copy(item, l.items[name(u.Key)])
		for placeholder, attribute := range u.ExpressionAttributeNames {
			by := u.ExpressionAttributeValues[":"+placeholder[1:]].(*types.AttributeValueMemberN)
			sum := number(by)
			if old, ok := item[attribute].(*types.AttributeValueMemberN); ok {
				sum += number(old)
			}
			item[attribute] = dynamo.N(sum)
		}
		l.put(item, 2)
	}
	return &dynamodb.TransactWriteItemsOutput{}, nil
}

func number(v *types.AttributeValueMemberN) int64 {
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// met reports whether the item is where the condition of a put says.
func (l *ledger) met(item, values dynamo.Item) bool {
	old := l.items[name(item)]
	want, changes := values[":old"].(*types.AttributeValueMemberN)
	if !changes {
		return old == nil
	}
	for _, attribute := range []string{attrSequence, attrRevision} {
		if at, ok := old[attribute].(*types.AttributeValueMemberN); ok {
			return at.Value == want.Value
		}
	}
	return false
}

func (l *ledger) put(item dynamo.Item, each float64) {
	old := l.items[name(item)]
	l.write += each * awstest.WriteUnits(max(awstest.ItemBytes(old), awstest.ItemBytes(item)))
	for _, i := range view.Indexes() {
		partition, sort := indexAttributes(i)
		l.write += awstest.IndexUnits(old, item, partition, sort)
	}
	l.items[name(item)] = item
}

// wayOf are the commits of an order that is delivered, the size of the shop's own.
func wayOf(t testing.TB, registry *es.Registry, id string, at time.Time) []es.StoredCommit {
	t.Helper()
	price := money.Money{Amount: 1999, Currency: "USD"}
	saga := "0190d7a2-1111-4222-8333-444455556666"
	var commits []es.StoredCommit
	for i, e := range []any{
		order.Placed{
			OrderID: id, CustomerID: "customer-1", AccountID: saga, Total: price, Revision: 1,
			Lines: []order.Line{{SKU: "BOOK-1", Quantity: 1, UnitPrice: price}},
		},
		order.Started{SagaID: saga},
		order.Confirmed{SagaID: saga, PaymentID: saga, ShipmentID: saga, TrackingNumber: "OF0123456789"},
		order.Shipped{ShipmentID: saga, Revision: 1}, order.Delivered{ShipmentID: saga},
	} {
		c := es.StoredCommit{
			Stream: es.NewStreamID(order.Category, id), First: int64(i + 1), ID: strconv.Itoa(i),
			Time: at.Add(time.Duration(i) * time.Second),
		}
		stored, err := registry.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		c.Events = []es.Stored{stored}
		commits = append(commits, c)
	}
	return commits
}

// TestCost holds what the docs say that an order costs the views, by AWS's rules. The commits of an
// order come in these parts, with as many other orders in each batch.
func TestCost(t *testing.T) {
	const counted, part = "BatchGetItem:%d TransactWriteItems:%d", "%g read, %g write"
	for name, tt := range map[string]struct {
		parts    []int // commits of an order in each batch
		orders   int
		requests string
		units    string // of each order, without the checkpoint
	}{
		"each commit in a batch of its own": {
			[]int{1, 1, 1, 1, 1}, 1, "BatchGetItem:5 PutItem:1 TransactWriteItems:4", fmt.Sprintf(part, 10., 26.),
		},
		"until it is confirmed, and then each": {
			[]int{3, 1, 1}, 1, fmt.Sprintf(counted, 3, 3), fmt.Sprintf(part, 6., 19.),
		},
		"until it is confirmed, and until it is delivered": {
			[]int{3, 2}, 1, fmt.Sprintf(counted, 2, 2), fmt.Sprintf(part, 4., 13.),
		},
		"all at once":                {[]int{5}, 1, fmt.Sprintf(counted, 1, 1), fmt.Sprintf(part, 2., 7.)},
		"all of twenty orders":       {[]int{5}, 20, fmt.Sprintf(counted, 1, 1), fmt.Sprintf(part, 1.05, 5.1)},
		"of twenty orders, in parts": {[]int{3, 2}, 20, fmt.Sprintf(counted, 2, 2), fmt.Sprintf(part, 2.1, 9.2)},
	} {
		t.Run(name, func(t *testing.T) {
			registry := view.Registry(catalog.Views()...)
			l, store := newLedger(), memstore.New(registry)
			p := view.NewProjector(store, New(l, "views"), clock.NewFake(at), nil, catalog.Views()...)
			// The checkpoint, and the price of the first one, are out of the way.
			if err := errors.Join(p.HandleBatch(t.Context(), wayOf(t, registry, "first", at)[:1])...); err != nil {
				t.Fatal(err)
			}
			l.requests, l.read, l.write = map[string]int{}, 0, 0
			var ways [][]es.StoredCommit
			for n := range tt.orders {
				ways = append(ways, wayOf(t, registry, fmt.Sprintf("0190d7a2-0000-4222-8333-%012d", n), at))
			}
			from := 0
			for _, n := range tt.parts {
				var batch []es.StoredCommit
				for _, way := range ways {
					batch = append(batch, way[from:from+n]...)
				}
				from += n
				if err := errors.Join(p.HandleBatch(t.Context(), batch)...); err != nil {
					t.Fatal(err)
				}
			}
			n := float64(tt.orders)
			requests, units := fmt.Sprint(l.requests), fmt.Sprintf(part, l.read/n, l.write/n)
			if requests != "map["+tt.requests+"]" || units != tt.units {
				t.Errorf("%s, %s; want %s, %s", requests, units, tt.requests, tt.units)
			}
		})
	}
}

// TestRowSize: a row of an order of five SKUs is a unit, however long its customer's id is. Of more
// SKUs it may be two (docs/decisions/0126).
func TestRowSize(t *testing.T) {
	const limit = 1024
	long, execution := strings.Repeat("x", 64), "0190d7a2-1111-4222-8333-444455556666-undo-12"
	total := money.Money{Amount: 1_234_567_890, Currency: "USD"}
	var events []es.Recorded
	for i, data := range []any{
		order.Placed{
			OrderID: "0190d7a2-1111-4222-8333-444455556666", CustomerID: long, Total: total, Revision: 1,
			Lines: []order.Line{{SKU: "a"}, {SKU: "b"}, {SKU: "c"}, {SKU: "d"}, {SKU: "e"}}, PlacedAt: "2026-03-04T04:06:07.123456789Z",
		},
		order.Started{SagaID: execution},
		order.Confirmed{
			SagaID: execution, PaymentID: "0190d7a2-2222-4222-8333-444455556666", TrackingNumber: "OF0123456789",
		},
		order.Cancelling{SagaID: execution, Reason: "payment.insufficient-funds"},
		order.Cancelled{SagaID: execution, Reason: "payment.insufficient-funds"},
	} {
		events = append(events, es.Recorded{Version: int64(i + 1), Time: at.Add(123_456_789), Data: data})
	}
	item, err := orders.View.View().Fold(view.Item{ID: "0190d7a2-1111-4222-8333-444455556666"}, events)
	if err != nil {
		t.Fatal(err)
	}
	item.Writers = slices.Repeat([]string{strings.Repeat("w", 13)}, view.MaxWriters)
	put := Table{table: "views"}.put(view.Write{Generation: view.Generation{View: "orders", Number: 12}, Next: item})
	if bytes := awstest.ItemBytes(put.Item); bytes > limit {
		t.Errorf("%d bytes", bytes)
	}
}

// TestCheckpointsCost: two requests in ten seconds, for all views.
func TestCheckpointsCost(t *testing.T) {
	registry := view.Registry(catalog.Views()...)
	l, now := newLedger(), clock.NewFake(at)
	p := view.NewProjector(memstore.New(registry), New(l, "views"), now, nil, catalog.Views()...)
	for n := range 40 {
		if err := p.HandleBatch(t.Context(), wayOf(t, registry, fmt.Sprint("o", n), at)[:1])[0]; err != nil {
			t.Fatal(err)
		}
		now.Advance(time.Second / 2)
	}
	if gets, puts := l.requests["GetItem"], l.requests["PutItem"]; gets != 2 || puts != 2 {
		t.Errorf("%d reads and %d writes for 40 batches in 20 seconds", gets, puts)
	}
}
