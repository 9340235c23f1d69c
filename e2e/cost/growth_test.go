//go:build e2e

package cost_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"golang.org/x/sync/errgroup"

	"orderflow/shared/aws/redrive"
	"orderflow/shared/aws/viewtable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/cost"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/catalog"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/stock"
)

// What a shop has after a while: orders, of which a customer has many; reservations of one SKU; and
// an account with a long history.
const (
	grownOrders       = 10_000
	grownCustomer     = 2_000
	grownReservations = 5_000
	grownAccount      = 20_000
)

// An order costs as much in a store that has grown as in one that is new: for the customer with
// thousands of orders, of the article with thousands of reservations, from the account with
// thousands of movements. The history is written into the tables themselves, past the consumers,
// which would take hours for it.
func TestGrowth(t *testing.T) {
	s := newShopper(t)
	count := func() cost.Counts {
		s.delivered(t) // the functions have started
		var id string
		counts := counted(t, func() {
			for range orders / 2 {
				id = s.delivered(t)
			}
		})
		counts.Orders, counts.Transitions = orders/2, transitions(t, id)*orders/2
		return counts
	}
	before := count()
	resume := pause(t)
	s.grow(t)
	resume()
	// The account's next event is where project-views writes a snapshot.
	s.deposit(t)
	after := count()
	show(t, after)
	for _, excess := range withoutKeys(after).Over(before, loose) {
		t.Errorf("in a store that has grown: %s", excess)
	}
}

func (s shopper) deposit(t *testing.T) {
	t.Helper()
	counted(t, func() {
		call(t, stack.operator, http.MethodPost, "/accounts/"+s.account+"/deposits",
			object{"amount": object{"amount": 1, "currency": "USD"}})
	})
}

// pause takes the consumers of the events table's stream off it, and gives what puts them back at
// the stream's end.
func pause(t *testing.T) (resume func()) {
	t.Helper()
	functions := lambda.NewFromConfig(stack.Config())
	var back []*lambda.CreateEventSourceMappingInput
	for _, name := range []string{"publish-events", "project-views"} {
		function := stack.Stack + "-" + name + ":" + redrive.Alias
		out, err := functions.ListEventSourceMappings(t.Context(), &lambda.ListEventSourceMappingsInput{
			FunctionName: &function, EventSourceArn: aws.String(stack.Outputs["EventsStreamArn"]),
		})
		if err != nil || len(out.EventSourceMappings) != 1 {
			t.Fatalf("mappings of %s: %v, %v", name, out, err)
		}
		m := out.EventSourceMappings[0]
		back = append(back, &lambda.CreateEventSourceMappingInput{
			FunctionName: &function, EventSourceArn: m.EventSourceArn,
			StartingPosition: lambdatypes.EventSourcePositionLatest, BatchSize: m.BatchSize,
			BisectBatchOnFunctionError: m.BisectBatchOnFunctionError,
			DestinationConfig:          m.DestinationConfig, MaximumRecordAgeInSeconds: m.MaximumRecordAgeInSeconds,
			MaximumRetryAttempts: m.MaximumRetryAttempts, ParallelizationFactor: m.ParallelizationFactor,
			MaximumBatchingWindowInSeconds: m.MaximumBatchingWindowInSeconds,
		})
		if _, err := functions.DeleteEventSourceMapping(
			t.Context(), &lambda.DeleteEventSourceMappingInput{UUID: m.UUID},
		); err != nil {
			t.Fatal(err)
		}
	}
	return func() {
		t.Helper()
		for _, in := range back {
			if _, err := functions.CreateEventSourceMapping(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// grow gives the shopper, their account and their article a past.
func (s shopper) grow(t *testing.T) {
	t.Helper()
	db, items := dynamodb.NewFromConfig(stack.Config()), &writer{}
	registry := es.NewRegistry(order.Register, account.Register, stock.Register)
	table := stack.Outputs["EventsTable"]
	store := dynamostore.New(items, table, registry)
	write := func(c es.Commit) {
		if _, err := store.Append(t.Context(), []es.Commit{c}); err != nil {
			t.Fatal(err)
		}
	}
	cent := money.Money{Amount: 1, Currency: "USD"}
	commit := func(head es.Head, events ...any) es.Commit {
		return es.Request{CommitID: ident.New(), Time: time.Now().UTC()}.Commit(head, events...)
	}

	known, err := dynamostore.New(db, table, registry).Load(t.Context(), es.NewStreamID(account.Category, s.account), 0)
	if err != nil {
		t.Fatal(err)
	}
	const each = 100 // as many as a snapshot is apart
	head := known.Head
	for head.Version()%each != each-1 || head.Version() < grownAccount-each {
		n := int64(each)
		if rest := head.Version() % each; rest != each-1 {
			n = each - 1 - rest
		}
		events := make([]any, n)
		for i := range events {
			events[i] = account.Deposited{Amount: cent, Reference: "deposit/" + ident.New()}
		}
		appended, err := store.Append(t.Context(), []es.Commit{commit(head, events...)})
		if err != nil {
			t.Fatal(err)
		}
		head = appended.Heads[0]
	}

	var theirs []es.StreamID
	for n := range grownOrders {
		id, customer := ident.New(), s.id
		if n >= grownCustomer {
			customer = "cost-" + ident.New()
		}
		stream := es.NewStreamID(order.Category, id)
		lines := []order.Line{{SKU: s.sku, Quantity: 1, UnitPrice: cent}}
		write(commit(es.Empty(stream),
			order.Placed{
				OrderID: id, CustomerID: customer, AccountID: s.account, Lines: lines, Total: cent, Address: "pd1:x",
				Revision: 1, PlacedAt: time.Now().UTC().Format(time.RFC3339), PricedBy: order.PricedByCatalogue,
			},
			order.Started{SagaID: id}, order.Confirmed{SagaID: id, PaymentID: id, ShipmentID: id, TrackingNumber: "x"},
			order.Shipped{ShipmentID: id, Revision: 1}, order.Delivered{ShipmentID: id},
		))
		if n < grownCustomer {
			theirs = append(theirs, stream)
		}
		if n < grownReservations {
			reservation := stock.ReservationID(id, 1)
			write(commit(es.Empty(es.NewStreamID(stock.ReservationCategory, reservation)), stock.Reserved{
				ReservationID: reservation, OrderID: id, Items: []stock.Item{{SKU: s.sku, Quantity: 1}},
			}))
		}
	}
	items.flush(t, db, table)

	views := catalog.Views()
	projector := view.NewProjector(
		dynamostore.New(db, table, view.Registry(views...)), viewtable.New(db, stack.Outputs["ViewsTable"]),
		clock.System{}, nil, views...,
	)
	var g errgroup.Group
	g.SetLimit(8)
	for _, stream := range theirs {
		g.Go(func() error { return projector.CatchUp(t.Context(), stream) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// writer keeps the items that a store puts, to be written many at a time.
type writer struct {
	dynamostore.API // a store that appends asks for nothing else

	items []map[string]types.AttributeValue
}

func (w *writer) PutItem(
	_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	w.items = append(w.items, in.Item)
	return &dynamodb.PutItemOutput{}, nil
}

func (w *writer) flush(t *testing.T, db *dynamodb.Client, table string) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(4)
	for batch := range slices.Chunk(w.items, 25) {
		g.Go(func() error {
			requests := make([]types.WriteRequest, len(batch))
			for i, item := range batch {
				requests[i] = types.WriteRequest{PutRequest: &types.PutRequest{Item: item}}
			}
			out, err := db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{
				RequestItems: map[string][]types.WriteRequest{table: requests},
			})
			if err == nil && len(out.UnprocessedItems) > 0 {
				err = errors.New("items were not written")
			}
			if err != nil {
				return fmt.Errorf("write the past: %w", err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}
