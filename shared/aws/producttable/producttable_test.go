package producttable_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/aws/producttable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/product"
)

type attributes = map[string]types.AttributeValue

func s(text string) types.AttributeValue { return &types.AttributeValueMemberS{Value: text} }
func n(text string) types.AttributeValue { return &types.AttributeValueMemberN{Value: text} }
func l(list ...types.AttributeValue) types.AttributeValue {
	return &types.AttributeValueMemberL{Value: list}
}
func m(of attributes) types.AttributeValue { return &types.AttributeValueMemberM{Value: of} }

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)
	euros = product.Price{Money: money.Money{Amount: 999, Currency: "EUR"}}
	sale  = product.Price{Money: money.Money{Amount: 799, Currency: "EUR"}, ValidFrom: noon}
)

// row is the row of a product with the two prices, with what is changed; nil takes an attribute
// away.
func row(changed attributes) attributes {
	r := attributes{
		"sku": s("cd-1"), "rev": n("3"), "status": s("listed"), "prices": l(
			m(attributes{"amount": n("999"), "currency": s("EUR")}),
			m(attributes{"amount": n("799"), "currency": s("EUR"), "validFrom": s("2026-03-01T12:00:00.000000005Z")}),
		),
	}
	for name, value := range changed {
		if r[name] = value; value == nil {
			delete(r, name)
		}
	}
	return r
}

// table answers reads with a row and writes with err.
type table struct {
	producttable.API
	row     attributes
	err     error
	get     *dynamodb.GetItemInput
	put     *dynamodb.PutItemInput
	removed *dynamodb.DeleteItemInput
}

func (t *table) GetItem(
	_ context.Context,
	in *dynamodb.GetItemInput,
	_ ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	t.get = in
	return &dynamodb.GetItemOutput{Item: t.row}, t.err
}

func (t *table) PutItem(
	_ context.Context,
	in *dynamodb.PutItemInput,
	_ ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	t.put = in
	return &dynamodb.PutItemOutput{}, t.err
}

func (t *table) DeleteItem(
	_ context.Context,
	in *dynamodb.DeleteItemInput,
	_ ...func(*dynamodb.Options),
) (*dynamodb.DeleteItemOutput, error) {
	t.removed = in
	return &dynamodb.DeleteItemOutput{}, t.err
}

func TestRow(t *testing.T) {
	price := func(name string, value types.AttributeValue) attributes {
		p := attributes{"amount": n("1"), "currency": s("EUR"), "validFrom": s("2026-03-01T12:00:00Z")}
		if p[name] = value; value == nil {
			delete(p, name)
		}
		return attributes{"prices": l(m(p))}
	}
	listed := product.Product{SKU: "cd-1", Version: 3, Prices: []product.Price{euros, sale}}
	for name, tc := range map[string]struct {
		table table
		want  product.Product
		text  string // of the error
	}{
		"a row":                 {table{row: row(nil)}, listed, ""},
		"a row with more in it": {table{row: row(attributes{"more": s("x")})}, listed, ""},
		"withdrawn": {
			table{row: row(attributes{"status": s("withdrawn"), "prices": l()})},
			product.Product{SKU: "cd-1", Version: 3, Withdrawn: true}, "",
		},
		"no row":              {table{}, product.Product{}, ""},
		"no answer":           {table{err: errors.New("no answer")}, product.Product{}, "no answer"},
		"no version":          {table{row: row(attributes{"rev": nil})}, product.Product{}, "rev is no number"},
		"a version in words":  {table{row: row(attributes{"rev": s("3")})}, product.Product{}, "rev is no number"},
		"a version too large": {table{row: row(attributes{"rev": n("1e30")})}, product.Product{}, "1e30"},
		"no status": {
			table{row: row(attributes{"status": nil})}, product.Product{}, "status is no text",
		},
		"another status": {
			table{row: row(attributes{"status": s("sold")})}, product.Product{}, `status is "sold"`,
		},
		"no prices": {
			table{row: row(attributes{"prices": nil})}, product.Product{}, "prices is no list",
		},
		"prices that are none": {
			table{row: row(attributes{"prices": l(s("999 EUR"))})}, product.Product{}, "prices[0] is no map",
		},
		"a price of no amount": {
			table{row: row(price("amount", nil))}, product.Product{}, "prices[0]: amount is no number",
		},
		"a price of a fraction": {table{row: row(price("amount", n("9.99")))}, product.Product{}, "9.99"},
		"a price of no currency": {
			table{row: row(price("currency", nil))}, product.Product{}, "prices[0]: currency is no text",
		},
		"a price from a number on": {
			table{row: row(price("validFrom", n("1")))}, product.Product{}, "prices[0]: validFrom is no text",
		},
		"a price from noon on": {
			table{row: row(price("validFrom", s("noon")))}, product.Product{}, "prices[0]: validFrom: expected a time",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := producttable.New(&tc.table, "products", clock.System{}).Row(t.Context(), "cd-1")
			if diff := cmp.Diff(
				tc.want,
				got,
			); diff != "" || (err == nil) != (tc.text == "") ||
				err != nil && !strings.Contains(err.Error(), tc.text) {
				t.Errorf("%v, want %q (-want +got)\n%s", err, tc.text, diff)
			}
			if err != nil && tc.table.err == nil && !errors.Is(err, es.ErrCorrupt) {
				t.Errorf("%v doesn't say that the row is corrupt", err)
			}
			if in := tc.table.get; !aws.ToBool(in.ConsistentRead) || *in.TableName != "products" {
				t.Errorf("asked for %+v", in)
			}
		})
	}
}

// storeEffect is what the event store needs of an effect.
type storeEffect interface {
	es.Effect
	TransactItems() ([]types.TransactWriteItem, error)
	Refusal([]types.CancellationReason) error
}

// TestPut: the row is written whole, and only in the place of the version that was read.
func TestPut(t *testing.T) {
	rows := producttable.New(&table{}, "products", clock.System{})
	for _, tc := range []struct {
		before    int64
		condition string
		values    attributes
	}{
		{0, "attribute_not_exists(#sku)", nil},
		{2, "#rev = :before", attributes{":before": n("2")}},
	} {
		listed := product.Product{SKU: "cd-1", Version: 3, Prices: []product.Price{euros, sale}}
		effect, ok := rows.Put(listed, tc.before).(storeEffect)
		if !ok {
			t.Fatal("it is no effect of the store")
		}
		items, err := effect.TransactItems()
		if err != nil || len(items) != 1 || items[0].Put == nil {
			t.Fatalf("%+v, %v", items, err)
		}
		put := items[0].Put
		if diff := cmp.Diff(fmt.Sprint(show(row(nil))), fmt.Sprint(show(put.Item))); diff != "" {
			t.Error(diff)
		}
		if *put.TableName != "products" || *put.ConditionExpression != tc.condition ||
			show(put.ExpressionAttributeValues) != show(tc.values) {
			t.Errorf("%s with %s", *put.ConditionExpression, show(put.ExpressionAttributeValues))
		}
		for _, reason := range []struct {
			code   string
			item   attributes
			actual int64 // of the conflict, 0 for none
		}{
			{"None", nil, 0}, {"TransactionConflict", nil, 0}, {"ThrottlingError", nil, 0},
			{"ConditionalCheckFailed", attributes{"rev": n("7")}, 7}, {"ConditionalCheckFailed", nil, -1},
		} {
			err := effect.Refusal([]types.CancellationReason{{Code: &reason.code, Item: reason.item}})
			wantConflict(t, err, tc.before, reason.actual)
		}
	}
}

func wantConflict(t *testing.T, err error, expected, actual int64) {
	t.Helper()
	var conflict *es.ConflictError
	if actual == 0 {
		if err != nil {
			t.Errorf("refused: %v", err)
		}
		return
	}
	if !errors.As(err, &conflict) ||
		*conflict != (es.ConflictError{Stream: "product/cd-1", Expected: expected, Actual: actual}) {
		t.Errorf("got %v, want a conflict of %d with %d", err, expected, actual)
	}
}

// show is a map of attributes as text, in order.
func show(item attributes) string {
	var b strings.Builder
	write(&b, &types.AttributeValueMemberM{Value: item})
	return b.String()
}

func write(b *strings.Builder, v types.AttributeValue) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		fmt.Fprintf(b, "%q", v.Value)
	case *types.AttributeValueMemberN:
		b.WriteString(v.Value)
	case *types.AttributeValueMemberL:
		for _, e := range v.Value {
			b.WriteString(" [")
			write(b, e)
			b.WriteString("]")
		}
	case *types.AttributeValueMemberM:
		texts := map[string]string{}
		for name, e := range v.Value {
			var inner strings.Builder
			write(&inner, e)
			texts[name] = inner.String()
		}
		fmt.Fprint(b, texts)
	}
}

func TestMend(t *testing.T) {
	listed := product.Product{SKU: "cd-1", Version: 3, Prices: []product.Price{euros, sale}}
	moved := &types.ConditionalCheckFailedException{Item: attributes{"rev": n("7")}}
	for name, tc := range map[string]struct {
		err    error
		actual int64
		text   string
	}{
		"fine":                    {nil, 0, ""},
		"moved on":                {moved, 7, ""},
		"moved on, and not told":  {&types.ConditionalCheckFailedException{}, -1, ""},
		"a transaction under way": {&types.TransactionConflictException{}, -1, ""},
		"something else":          {errors.New("no answer"), 0, "no answer"},
		"something else, throttle": {
			&types.ProvisionedThroughputExceededException{}, 0, "ProvisionedThroughputExceeded",
		},
	} {
		t.Run(name, func(t *testing.T) {
			api := &table{err: tc.err}
			rows := producttable.New(api, "products", clock.System{})
			for _, p := range []product.Product{listed, {}} {
				err := rows.Mend(t.Context(), "cd-1", p, 2)
				if tc.text != "" {
					if err == nil || !strings.Contains(err.Error(), tc.text) || errors.Is(err, es.ErrConflict) {
						t.Errorf("got %v, want %q", err, tc.text)
					}
					continue
				}
				wantConflict(t, err, 2, tc.actual)
			}
			if show(api.put.Item) != show(row(nil)) || *api.put.ConditionExpression != "#rev = :before" ||
				*api.removed.ConditionExpression != "#rev = :before" {
				t.Errorf("put %+v, removed %+v", api.put, api.removed)
			}
		})
	}
}

// busy leaves out half of what it is asked for, rounded up, so many times.
type busy struct {
	producttable.API
	times int
	asked []int
	err   error
}

func (b *busy) BatchGetItem(
	_ context.Context,
	in *dynamodb.BatchGetItemInput,
	_ ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	request := in.RequestItems["products"]
	if b.asked = append(
		b.asked,
		len(request.Keys),
	); !aws.ToBool(request.ConsistentRead) ||
		len(in.RequestItems) != 1 {
		return nil, errors.New("not consistent")
	}
	now, later := request.Keys, []map[string]types.AttributeValue(nil)
	if b.times > 0 {
		b.times--
		now, later = request.Keys[:len(request.Keys)/2], request.Keys[len(request.Keys)/2:]
	}
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]map[string]types.AttributeValue{}}
	for _, key := range now {
		out.Responses["products"] = append(out.Responses["products"], row(attributes{"sku": key["sku"]}))
	}
	if later != nil {
		out.UnprocessedKeys = map[string]types.KeysAndAttributes{
			"products": {Keys: later, ConsistentRead: request.ConsistentRead},
		}
	}
	return out, b.err
}

// until is a context whose deadline is one of the fake clock's.
type until struct {
	context.Context
	at time.Time
}

func (u until) Deadline() (time.Time, bool) { return u.at, true }

// TestBatch: what a busy table leaves out is asked for again, with waits, until the deadline is
// near.
func TestBatch(t *testing.T) {
	skus := []string{"cd-1", "cd-2", "cd-3", "cd-4"}
	now := clock.NewFake(noon)
	for _, tc := range []struct {
		name     string
		times    int
		err      error
		deadline time.Duration
		asked    []int
		fails    error
	}{
		{"at once", 0, nil, time.Minute, []int{4}, nil},
		{"in three parts", 2, nil, time.Minute, []int{4, 2, 1}, nil},
		{"no answer", 0, es.ErrCorrupt, time.Minute, []int{4}, es.ErrCorrupt},
		{
			"busy for ever", 1000, nil, time.Minute, append([]int{4, 2}, slices.Repeat([]int{1}, 18)...),
			es.ErrUnavailable,
		},
		{"busy at the end", 1000, nil, 400 * time.Millisecond, []int{4}, es.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			api := &busy{times: tc.times, err: tc.err}
			got, err := producttable.New(api, "products", now).
				Batch(until{t.Context(), now.Now().Add(tc.deadline)}, skus)
			if !errors.Is(err, tc.fails) || !slices.Equal(tc.asked, api.asked) {
				t.Errorf("%v after asking for %v, want %v", err, api.asked, tc.asked)
			}
			if tc.fails == nil && len(got) != len(skus) {
				t.Errorf("read %v", got)
			}
		})
	}
}
