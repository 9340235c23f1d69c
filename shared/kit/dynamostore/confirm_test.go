package dynamostore

import (
	"errors"
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	smithy "github.com/aws/smithy-go"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
)

// TestConfirm: an order that ends with the commit of versions 4 and 5, and an account without
// events.
func TestConfirm(t *testing.T) {
	heads := []es.Head{es.StoreHead(order, 4, 5, "mine"), es.StoreHead(account, 0, 0, "")}
	cancelled := func(codes ...string) error {
		e := &types.TransactionCanceledException{}
		for _, code := range codes {
			e.CancellationReasons = append(e.CancellationReasons, reason(code, nil))
		}
		return e
	}
	mine := item(order, 4, 2, "mine")
	on := func(stream es.StreamID, expected, actual int64) *es.ConflictError {
		return &es.ConflictError{Stream: stream, Expected: expected, Actual: actual}
	}
	for _, tt := range []struct {
		name      string
		found     []attributes // of the order's commit, of what follows on it, of what would be the account's first
		answer    error
		conflict  *es.ConflictError
		is, isNot error
	}{
		{name: "the ends", found: []attributes{mine, nil, nil}},
		{name: "the order has gone on", found: []attributes{mine, item(order, 6, 2, "next"), nil},
			conflict: on(order, 5, 7)},
		{name: "the account has begun", found: []attributes{mine, nil, item(account, 1, 1, "first")},
			conflict: on(account, 0, 1)},
		{name: "another commit in its place", found: []attributes{item(order, 4, 2, "theirs"), nil, nil},
			conflict: on(order, 5, 5)},
		{name: "a longer commit in its place", found: []attributes{item(order, 4, 3, "mine"), nil, nil},
			conflict: on(order, 5, 6)},
		{name: "no commit in its place", found: []attributes{nil, nil, nil}, conflict: on(order, 5, -1)},
		{name: "what is there can't be read", is: es.ErrCorrupt,
			found: []attributes{item(order, 4, 2, "mine", without(attrCount)), nil, nil}},
		{name: "fewer answers", found: []attributes{mine, nil}, isNot: es.ErrConflict},
		{name: "a write to the order", answer: cancelled(dynamo.ReasonNone, dynamo.ReasonConflict, dynamo.ReasonNone),
			conflict: on(order, 5, -1)},
		{name: "a write to the account", answer: cancelled(dynamo.ReasonNone, dynamo.ReasonNone, dynamo.ReasonConflict),
			conflict: on(account, 0, -1)},
		{name: "throttled", answer: cancelled(dynamo.ReasonNone, dynamo.ReasonThrottling, dynamo.ReasonNone),
			is:    es.ErrUnavailable,
			isNot: es.ErrConflict},
		{name: "refused by the service", answer: cancelled(dynamo.ReasonNone, "ValidationError", dynamo.ReasonNone),
			isNot: es.ErrUnavailable},
		{name: "throttled by the account", answer: &smithy.GenericAPIError{Code: "ThrottlingException"},
			is: es.ErrUnavailable, isNot: es.ErrConflict},
		{name: "denied", answer: &smithy.GenericAPIError{Code: "AccessDeniedException"}, isNot: es.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sent *dynamodb.TransactGetItemsInput
			s := newStore(fakeAPI{joint: func(in *dynamodb.TransactGetItemsInput) ([]types.ItemResponse, error) {
				sent = in
				var all []types.ItemResponse
				for _, found := range tt.found {
					all = append(all, types.ItemResponse{Item: found})
				}
				return all, tt.answer
			}})
			err := s.Confirm(t.Context(), heads...)
			wanted := []attributes{
				{attrStream: text(string(order)), attrVersion: number(4)},
				{attrStream: text(string(order)), attrVersion: number(6)},
				{attrStream: text(string(account)), attrVersion: number(1)},
			}
			if sent == nil || len(sent.TransactItems) != len(wanted) {
				t.Fatalf("sent %+v", sent)
			}
			for i, get := range sent.TransactItems {
				if aws.ToString(get.Get.TableName) != "events" || !maps.EqualFunc(get.Get.Key, wanted[i], sameValue) {
					t.Errorf("read %+v, want %+v", get.Get.Key, wanted[i])
				}
			}
			var conflict *es.ConflictError
			switch {
			case tt.conflict != nil:
				if !errors.As(err, &conflict) || *conflict != *tt.conflict {
					t.Errorf("%v, want %v", err, tt.conflict)
				}
			case tt.is == nil && tt.isNot == nil:
				if err != nil {
					t.Error(err)
				}
			default:
				if err == nil || tt.is != nil && !errors.Is(err, tt.is) || tt.isNot != nil && errors.Is(err, tt.isNot) {
					t.Errorf("%v: want %v, want not %v", err, tt.is, tt.isNot)
				}
			}
		})
	}
}

func sameValue(a, b types.AttributeValue) bool {
	switch a := a.(type) {
	case *types.AttributeValueMemberS:
		b, ok := b.(*types.AttributeValueMemberS)
		return ok && a.Value == b.Value
	case *types.AttributeValueMemberN:
		b, ok := b.(*types.AttributeValueMemberN)
		return ok && a.Value == b.Value
	}
	return false
}

// TestConfirmOnTheWire: the client asks again where a joint read is throttled, and leaves one that
// met a write to the caller.
func TestConfirmOnTheWire(t *testing.T) {
	head := es.StoreHead(order, 4, 5, "mine")
	ends := answer{200, `{"Responses":[{"Item":` + mineAtFour + `},{}]}`}
	busy := answer{400, cancelledBody(`{"Code":"None"},{"Code":"ThrottlingError","Message":"slow down"}`)}
	met := answer{400, cancelledBody(`{"Code":"None"},{"Code":"TransactionConflict","Message":"x"}`)}
	for name, tt := range map[string]struct {
		answers []answer
		is      error
	}{
		"the end":                  {[]answer{ends}, nil},
		"an answer that is lost":   {[]answer{{}, ends}, nil},
		"throttled for a while":    {[]answer{busy, busy, ends}, nil},
		"throttled for good":       {[]answer{busy, busy, busy}, es.ErrUnavailable},
		"it meets a write":         {[]answer{met}, es.ErrConflict},
		"an answer out of reading": {[]answer{{200, "{"}}, es.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			w := &wire{answers: tt.answers}
			if err := w.store(t).Confirm(t.Context(), head); !errors.Is(err, tt.is) {
				t.Errorf("%v, want %v", err, tt.is)
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.requests) != len(tt.answers) {
				t.Errorf("%d requests, want %d", len(w.requests), len(tt.answers))
			}
		})
	}
}
