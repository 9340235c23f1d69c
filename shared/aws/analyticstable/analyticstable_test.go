package analyticstable_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

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
