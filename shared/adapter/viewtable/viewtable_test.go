package viewtable

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/es"
	"orderflow/shared/money"
	"orderflow/shared/order"
	"orderflow/shared/view/customers"
	"orderflow/shared/view/orders"
)

// fake answers with what a test gives it and keeps what it was asked.
type fake struct {
	err          error
	item         map[string]types.AttributeValue
	pages        []*dynamodb.QueryOutput
	puts         []*dynamodb.PutItemInput
	updates      []*dynamodb.UpdateItemInput
	transactions []*dynamodb.TransactWriteItemsInput
	queries      []dynamodb.QueryInput
}

func (f *fake) GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error) {
	return &dynamodb.GetItemOutput{Item: f.item}, f.err
}

func (f *fake) PutItem(_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error) {
	f.puts = append(f.puts, in)
	return &dynamodb.PutItemOutput{}, f.err
}

func (f *fake) UpdateItem(_ context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error) {
	f.updates = append(f.updates, in)
	return &dynamodb.UpdateItemOutput{}, f.err
}

func (f *fake) TransactWriteItems(_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error) {
	f.transactions = append(f.transactions, in)
	return &dynamodb.TransactWriteItemsOutput{}, f.err
}

func (f *fake) Query(_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error) {
	f.queries = append(f.queries, *in)
	if f.err != nil {
		return nil, f.err
	}
	page := f.pages[0]
	f.pages = f.pages[1:]
	return page, nil
}

var at = time.Date(2026, 3, 4, 5, 6, 7, 80_000_000, time.FixedZone("", 3600))

func testRow(status order.Status, sequence int64) orders.Row {
	return orders.Row{
		OrderID: "o1", CustomerID: "c1", Status: status, Saga: orders.Saga{ID: "run", State: order.SagaRunning}, Total: money.Money{Amount: 1999, Currency: "USD"},
		LineCount: 2, PlacedAt: at.UTC(), UpdatedAt: at.Add(time.Minute).UTC(), Reason: "stock.insufficient", PaymentID: "p1", TrackingNumber: "OF1", Sequence: sequence,
	}
}

// Whoever else writes is tried again; anything else is not, least of all a conflict that comes with a throttle.
func TestConflict(t *testing.T) {
	cancelled := func(codes ...string) error {
		err := &types.TransactionCanceledException{}
		for _, code := range codes {
			err.CancellationReasons = append(err.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
		}
		return err
	}
	down := errors.New("down")
	for name, tt := range map[string]struct {
		err      error
		conflict bool
	}{
		"condition":                {&types.ConditionalCheckFailedException{}, true},
		"another transaction":      {&types.TransactionConflictException{}, true},
		"condition, in two":        {cancelled("ConditionalCheckFailed", "None"), true},
		"another one, in two":      {cancelled("None", "TransactionConflict"), true},
		"both":                     {cancelled("ConditionalCheckFailed", "TransactionConflict"), true},
		"throttled":                {cancelled("None", "ThrottlingError"), false},
		"conflict and throttled":   {cancelled("TransactionConflict", "ProvisionedThroughputExceeded"), false},
		"invalid":                  {cancelled("None", "ValidationError"), false},
		"cancelled for no reason":  {cancelled(), false},
		"too many requests":        {&types.RequestLimitExceeded{}, false},
		"nobody knows what it was": {down, false},
	} {
		t.Run(name, func(t *testing.T) {
			api := &fake{err: tt.err}
			for what, err := range map[string]error{
				"row":         NewOrders(api, "views").Put(context.Background(), "o1", testRow("placed", 1), testRow("placed", 2)),
				"transaction": NewOrders(api, "views").Put(context.Background(), "o1", testRow("placed", 1), testRow("confirmed", 2)),
				"profile":     NewCustomers(api, "views").Put(context.Background(), "c1", customers.Profile{}, customers.Profile{Sequence: 1}),
			} {
				if errors.Is(err, es.ErrConflict) != tt.conflict || !tt.conflict && !errors.Is(err, tt.err) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if len(api.puts) != 1 || len(api.transactions) != 1 || len(api.updates) != 1 {
				t.Errorf("%d puts, %d transactions, %d updates", len(api.puts), len(api.transactions), len(api.updates))
			}
		})
	}
}

func TestOrderItem(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*orders.Row)
		open   any
	}{
		"placed":      {func(*orders.Row) {}, "open"},
		"cancelling":  {func(r *orders.Row) { r.Status = order.StatusCancelling }, "open"},
		"undo failed": {func(r *orders.Row) { r.Status, r.Saga.State = order.StatusCancelling, order.SagaFailed }, "failed"},
		"confirmed":   {func(r *orders.Row) { r.Status = order.StatusConfirmed }, nil},
		"cancelled":   {func(r *orders.Row) { r.Status = order.StatusCancelled }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			row := testRow(order.StatusPlaced, 7)
			tt.change(&row)
			item := orderItem("o1", row)
			got := map[string]any{}
			for _, key := range []string{"pk", "sk", "gsi1pk", "gsi1sk", "gsi2pk", "gsi3pk", "gsi3sk"} {
				if s, ok := item[key].(*types.AttributeValueMemberS); ok {
					got[key] = s.Value
				}
			}
			want := map[string]any{
				"pk": "order#o1", "sk": "row", "gsi1pk": "customer#c1", "gsi1sk": "2026-03-04T04:06:07.080000000Z#o1", "gsi2pk": "customer#c1#" + string(row.Status),
			}
			if tt.open != nil {
				want["gsi3pk"], want["gsi3sk"] = tt.open, "2026-03-04T04:07:07.080000000Z#o1"
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if back, err := orderRow(item); err != nil || back != row {
				t.Errorf("%v: %s", err, cmp.Diff(row, back))
			}
		})
	}
}

func TestItemsThatCannotBeRead(t *testing.T) {
	for name, tt := range map[string]struct {
		attribute string
		value     types.AttributeValue
	}{
		"a number as a text": {"status", &types.AttributeValueMemberN{Value: "1"}},
		"a text as a number": {"orderSequence", &types.AttributeValueMemberS{Value: "1"}},
		"no int64":           {"totalAmount", &types.AttributeValueMemberN{Value: "1e40"}},
		"no time":            {"placedAt", &types.AttributeValueMemberS{Value: "yesterday"}},
	} {
		t.Run(name, func(t *testing.T) {
			item := orderItem("o1", testRow("placed", 1))
			item[tt.attribute] = tt.value
			if _, err := NewOrders(&fake{item: item}, "views").Get(context.Background(), "o1"); err == nil {
				t.Error("no error")
			}
		})
	}
	for _, attribute := range []string{"orders", "status_placed", "reason_x", "total_USD", "profileSequence", "customerId"} {
		item := map[string]types.AttributeValue{attribute: &types.AttributeValueMemberBOOL{Value: true}}
		if _, err := NewCustomers(&fake{item: item}, "views").Statistics(context.Background(), "c1"); err == nil {
			t.Errorf("%s: no error", attribute)
		}
	}
}

// What is added to the counters' attributes is what is read from them.
func TestCounters(t *testing.T) {
	delta := customers.Counters{
		Orders: 1, ByStatus: map[order.Status]int64{"placed": -1, "cancelled": 1, "confirmed": 0}, CancelledByReason: map[order.Reason]int64{"stock.insufficient": 1},
		ConfirmedTotal: map[string]int64{"USD": -1999, "JPY": 5},
	}
	update := addCounters(delta)
	const expression = "ADD #c0 :c0, #c1 :c1, #c2 :c2, #c3 :c3, #c4 :c4, #c5 :c5"
	if *update.UpdateExpression != expression {
		t.Errorf("got %s, want %s", *update.UpdateExpression, expression)
	}
	item := map[string]types.AttributeValue{"total_EUR": number(0)}
	for placeholder, name := range update.ExpressionAttributeNames {
		item[name] = update.ExpressionAttributeValues[":"+placeholder[1:]]
	}
	got, err := counters(item)
	if err != nil {
		t.Fatal(err)
	}
	delete(delta.ByStatus, "confirmed")
	if diff := cmp.Diff(delta, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A page of a query may be empty and yet not the last, and the table answers with no more than a megabyte at a time.
func TestQueryPages(t *testing.T) {
	item := func(id string) map[string]types.AttributeValue {
		row := testRow("placed", 1)
		row.OrderID = id
		return orderItem(id, row)
	}
	key := map[string]types.AttributeValue{"pk": text("x")}
	pages := func() []*dynamodb.QueryOutput {
		return []*dynamodb.QueryOutput{
			{Items: []map[string]types.AttributeValue{item("o1")}, LastEvaluatedKey: key},
			{LastEvaluatedKey: key},
			{Items: []map[string]types.AttributeValue{item("o2"), item("o3")}},
		}
	}
	api := &fake{pages: pages()}
	page, err := NewOrders(api, "views").List(context.Background(), "c1", orders.Query{Limit: 2})
	if err != nil || len(page.Rows) != 2 || page.Next == "" || len(api.queries) != 3 {
		t.Errorf("%+v after %d queries, %v", page, len(api.queries), err)
	}
	if api.queries[0].ExclusiveStartKey != nil || api.queries[2].ExclusiveStartKey == nil || *api.queries[0].Limit != 3 {
		t.Errorf("%+v", api.queries)
	}
	var open []string
	for id, err := range NewOrders(&fake{pages: pages()}, "views").Open(context.Background(), at) {
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, id)
	}
	if !slices.Equal(open, []string{"o1", "o2", "o3"}) {
		t.Errorf("open are %v", open)
	}
	down := errors.New("down")
	for _, err := range NewOrders(&fake{err: down}, "views").Failed(context.Background(), at) {
		if !errors.Is(err, down) {
			t.Errorf("got %v, want %v", err, down)
		}
	}
}
