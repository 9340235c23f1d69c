package analyticstable_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/aws/analyticstable"
	"orderflow/shared/kit/es"
	"orderflow/shared/read/analytics"
)

// failing answers each request with what it holds.
type failing struct {
	analyticstable.API
	err   error
	items []map[string]types.AttributeValue
}

func (f failing) TransactWriteItems(
	context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	return nil, f.err
}

func (f failing) BatchGetItem(
	context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	return &dynamodb.BatchGetItemOutput{Responses: map[string][]map[string]types.AttributeValue{"t": f.items}}, f.err
}

// What is gone in a moment is a conflict, and tried again; what is not fails.
func TestConflicts(t *testing.T) {
	cancelled := func(codes ...string) error {
		e := &types.TransactionCanceledException{}
		for _, code := range codes {
			e.CancellationReasons = append(e.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
		}
		return e
	}
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"written by somebody else": {cancelled("None", "ConditionalCheckFailed"), true},
		"being written":            {cancelled("TransactionConflict", "None"), true},
		"throttled":                {cancelled("ThrottlingError", "ProvisionedThroughputExceeded"), true},
		"too long an item":         {cancelled("TransactionConflict", "ValidationError"), false},
		"no reasons":               {cancelled(), false},
		"no answer":                {context.DeadlineExceeded, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := analyticstable.New(failing{err: tc.err}, "t", "1").Write(
				t.Context(), []analytics.Order{{ID: "o1"}}, nil,
			)
			if errors.Is(err, es.ErrConflict) != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("%v", err)
			}
		})
	}
}

// What DynamoDB refuses as a whole, and would take in a moment, is not available, and tried again;
// what it never takes fails.
func TestUnavailable(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"too many requests":    {&types.ProvisionedThroughputExceededException{}, true},
		"throttled":            {&smithy.GenericAPIError{Code: "ThrottlingException"}, true},
		"a limit of the table": {&types.RequestLimitExceeded{}, true},
		"an answer broken off": {&smithy.DeserializationError{Err: io.ErrUnexpectedEOF}, true},
		"invalid":              {&smithy.GenericAPIError{Code: "ValidationException"}, false},
		"no such table":        {&types.ResourceNotFoundException{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			table := analyticstable.New(failing{err: tc.err}, "t", "1")
			_, _, read := table.Read(t.Context(), []string{"o1"}, nil)
			_, best := table.Pieces(t.Context(), "2026-03-01", []string{"a"})
			for _, err := range []error{read, best, table.Write(t.Context(), []analytics.Order{{ID: "o1"}}, nil)} {
				if errors.Is(err, es.ErrUnavailable) != tc.want || !errors.Is(err, tc.err) ||
					errors.Is(err, es.ErrConflict) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	if _, _, err := analyticstable.New(leaving{}, "t", "1").Read(
		t.Context(), []string{"o1"}, nil,
	); !errors.Is(err, es.ErrUnavailable) {
		t.Errorf("orders are left out: %v", err)
	}
}

// leaving is too busy for each key.
type leaving struct{ analyticstable.API }

func (leaving) BatchGetItem(
	_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	return &dynamodb.BatchGetItemOutput{UnprocessedKeys: in.RequestItems}, nil
}

// A row that somebody changed by hand is told by its name, and nothing is counted on top of it.
func TestCorruptOrders(t *testing.T) {
	s := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	n := func(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }
	for name, item := range map[string]map[string]types.AttributeValue{
		"no revision":          {"pk": s("1#order#o1"), "data": s("{}")},
		"no data":              {"pk": s("1#order#o1"), "revision": n("1")},
		"no JSON":              {"pk": s("1#order#o1"), "revision": n("1"), "data": s("{")},
		"a fraction":           {"pk": s("1#order#o1"), "revision": n("1.5"), "data": s("{}")},
		"another generation's": {"pk": s("2#order#o1"), "revision": n("1"), "data": s("{}")},
	} {
		t.Run(name, func(t *testing.T) {
			api := failing{items: []map[string]types.AttributeValue{item}}
			if _, _, err := analyticstable.New(api, "t", "1").Read(
				t.Context(), []string{"o1"}, nil,
			); !errors.Is(err, es.ErrCorrupt) {
				t.Errorf("%v", err)
			}
		})
	}
}

// hours is a table with these rows of hours.
type hours struct {
	analyticstable.API
	items []map[string]types.AttributeValue
}

func (h hours) Query(
	context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	return &dynamodb.QueryOutput{Items: h.items}, nil
}

// A row that a release before has begun, whose names of pieces were longer, has both added up. The
// key and what a later release adds are no counters.
func TestHoursOfTheReleaseBefore(t *testing.T) {
	s := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	n := func(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }
	table := analyticstable.New(hours{items: []map[string]types.AttributeValue{{
		"pk": s("1#hour#2026-03-01"), "sk": s("2026-03-01T12:00:00Z"), "count_orders": n("3"),
		"count_sold.k": n("2"), "s.k": n("5"), "s.of.two": n("1"), "m07": n("2"), "t1500": n("1"), "tmore": n("1"),
		"later": s("something"),
	}}}, "t", "1")
	got, err := table.Hours(t.Context(), "2026-03-01")
	want := map[time.Time]analytics.Counters{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC): {
		"orders": 3, "sold.k": 7, "sold.of.two": 1, "minute.07": 2, "took.1500": 1, "took.more": 1,
	}}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
