package dynamostore

import (
	"cmp"
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	smithy "github.com/aws/smithy-go"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
)

// fakeAPI answers as a test says. What it is not told to answer fails.
type fakeAPI struct {
	put      func(*dynamodb.PutItemInput) error
	transact func(*dynamodb.TransactWriteItemsInput) error
	joint    func(*dynamodb.TransactGetItemsInput) ([]types.ItemResponse, error)
	query    func(*dynamodb.QueryInput) (*dynamodb.QueryOutput, error)
	scan     func(*dynamodb.ScanInput) (*dynamodb.ScanOutput, error)
}

var errUnexpected = errors.New("unexpected request")

func (f fakeAPI) PutItem(
	_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	if f.put == nil {
		return nil, errUnexpected
	}
	return &dynamodb.PutItemOutput{}, f.put(in)
}

func (f fakeAPI) TransactWriteItems(
	_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	if f.transact == nil {
		return nil, errUnexpected
	}
	return &dynamodb.TransactWriteItemsOutput{}, f.transact(in)
}

func (f fakeAPI) TransactGetItems(
	_ context.Context, in *dynamodb.TransactGetItemsInput, _ ...func(*dynamodb.Options),
) (*dynamodb.TransactGetItemsOutput, error) {
	if f.joint == nil {
		return nil, errUnexpected
	}
	found, err := f.joint(in)
	return &dynamodb.TransactGetItemsOutput{Responses: found}, err
}

func (f fakeAPI) Query(
	_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	if f.query == nil {
		return nil, errUnexpected
	}
	return f.query(in)
}

func (f fakeAPI) Scan(
	_ context.Context, in *dynamodb.ScanInput, _ ...func(*dynamodb.Options),
) (*dynamodb.ScanOutput, error) {
	if f.scan == nil {
		return nil, errUnexpected
	}
	return f.scan(in)
}

func newStore(api API) *Store {
	return New(api, "events", es.NewRegistry(estest.Register), WithClock(clock.NewFake(estest.Start)))
}

const (
	order   = es.StreamID("order/1")
	account = es.StreamID("account/1")
)

// item is a commit of n events as it is stored, changed by what is given.
func item(stream es.StreamID, first int64, n int, id string, change ...func(attributes)) attributes {
	c := es.StoredCommit{Stream: stream, First: first, ID: id, Time: estest.Start}
	for range n {
		c.Events = append(c.Events, es.Stored{Type: "test.noted", Schema: 1, Data: []byte(`{"text":"x"}`)})
	}
	out := encodeItem(c)
	for _, f := range change {
		f(out)
	}
	return out
}

func set(name string, v types.AttributeValue) func(attributes) {
	return func(a attributes) { a[name] = v }
}

func without(name string) func(attributes) { return func(a attributes) { delete(a, name) } }

func commitAt(stream es.StreamID, version int64, id string) es.Commit {
	return es.Commit{
		Head: es.StoreHead(stream, version, version, "before"), ID: id, Time: estest.Start,
		Events: []any{estest.Noted{Text: "x"}},
	}
}

func TestAppendOne(t *testing.T) {
	apiError := func(code string) error { return &smithy.GenericAPIError{Code: code} }
	tests := []struct {
		name       string
		answer     error
		recognised int64 // the version that is recognised
		conflict   *es.ConflictError
		is, isNot  error
	}{
		{name: "written"},
		{
			name:   "its own commit is there",
			answer: &types.ConditionalCheckFailedException{Item: item(order, 4, 1, "mine")}, recognised: 4,
		},
		{
			name:   "its own commit is there and decided otherwise",
			answer: &types.ConditionalCheckFailedException{Item: item(order, 4, 3, "mine")}, recognised: 6,
		},
		{name: "another commit is there",
			answer:   &types.ConditionalCheckFailedException{Item: item(order, 4, 2, "theirs")},
			conflict: &es.ConflictError{Stream: order, Expected: 3, Actual: 5}},
		{name: "a commit is there and is not shown", answer: &types.ConditionalCheckFailedException{},
			conflict: &es.ConflictError{Stream: order, Expected: 3, Actual: -1}},
		{name: "what is there can't be read",
			answer: &types.ConditionalCheckFailedException{Item: item(order, 4, 1, "mine", without(attrCount))},
			is:     es.ErrCorrupt, isNot: es.ErrConflict},
		{
			name: "a transaction holds the item", answer: &types.TransactionConflictException{},
			conflict: &es.ConflictError{Stream: order, Expected: 3, Actual: -1},
		},
		{name: "another region writes the item", answer: &types.ReplicatedWriteConflictException{},
			conflict: &es.ConflictError{Stream: order, Expected: 3, Actual: -1}},
		{
			name: "throttled by the table", answer: &types.ProvisionedThroughputExceededException{},
			is: es.ErrUnavailable, isNot: es.ErrConflict,
		},
		{
			name: "throttled by the account", answer: apiError("ThrottlingException"), is: es.ErrUnavailable,
			isNot: es.ErrConflict,
		},
		{name: "denied", answer: apiError("AccessDeniedException"), isNot: es.ErrUnavailable},
		{name: "no such table", answer: &types.ResourceNotFoundException{}, isNot: es.ErrUnavailable},
		{
			name: "given up by the caller", answer: &aws.RequestCanceledError{Err: context.DeadlineExceeded},
			is: context.DeadlineExceeded, isNot: es.ErrUnavailable,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var sent *dynamodb.PutItemInput
			s := newStore(fakeAPI{put: func(in *dynamodb.PutItemInput) error { sent = in; return tt.answer }})
			appended, err := s.Append(t.Context(), []es.Commit{commitAt(order, 3, "mine")})
			if sent == nil || *sent.TableName != "events" ||
				*sent.ConditionExpression != "attribute_not_exists(#stream)" ||
				sent.ExpressionAttributeNames["#stream"] != "stream" ||
				sent.ReturnValuesOnConditionCheckFailure != types.ReturnValuesOnConditionCheckFailureAllOld {
				t.Errorf("sent %+v", sent)
			}
			check(
				t, appended, err, tt.answer == nil, []int64{4}, []int64{tt.recognised}, tt.conflict, tt.is, tt.isNot,
				tt.answer,
			)
		})
	}
}

// check compares an answer of Append with what is expected of it. heads are the versions expected
// where it was written, recognised where it was met.
func check(
	t *testing.T, got es.Appended, err error, written bool, heads, recognised []int64, conflict *es.ConflictError,
	is, isNot, cause error,
) {
	t.Helper()
	switch {
	case written || recognised[0] > 0:
		if !written {
			heads = recognised
		}
		if err != nil || got.Recognised == written || len(got.Heads) != len(heads) {
			t.Fatalf("%+v, %v", got, err)
		}
		for i, want := range heads {
			if got.Heads[i].Version() != want || got.Heads[i].CommitID() != "mine" {
				t.Errorf("head %d is %+v, want %d", i, got.Heads[i], want)
			}
		}
	case conflict != nil:
		var met *es.ConflictError
		if !errors.As(err, &met) || *met != *conflict {
			t.Errorf("%v, want %v", err, conflict)
		}
	default:
		if err == nil || is != nil && !errors.Is(err, is) || isNot != nil && errors.Is(err, isNot) || cause != nil &&
			is != es.ErrCorrupt && !errors.Is(err, cause) {
			t.Errorf("%v: want %v, want not %v, want the cause", err, is, isNot)
		}
	}
}

// taking is an effect of two items that is refused where its second condition fails.
type taking struct {
	items []types.TransactWriteItem
	err   error
	deaf  bool // names no refusal
	asked *[]types.CancellationReason
}

var errTaken = errors.New("nothing left")

func (e taking) EffectName() string { return "take" }

func (e taking) TransactItems() ([]types.TransactWriteItem, error) { return e.items, e.err }

func (e taking) Refusal(reasons []types.CancellationReason) error {
	if e.asked != nil {
		*e.asked = reasons
	}
	for _, r := range reasons {
		if aws.ToString(r.Code) == dynamo.ReasonCondition && !e.deaf {
			return errTaken
		}
	}
	return nil
}

func twoUpdates() []types.TransactWriteItem {
	update := types.TransactWriteItem{
		Update: &types.Update{TableName: aws.String("stock"), Key: attributes{"sku": text("a")}},
	}
	return []types.TransactWriteItem{update, update}
}

func reason(code string, met attributes) types.CancellationReason {
	return types.CancellationReason{Code: aws.String(code), Item: met}
}

// transaction is an answer to a transaction, and what Append makes of it.
type transaction struct {
	name       string
	answer     error
	deaf       bool
	recognised []int64
	conflict   *es.ConflictError
	is, isNot  error
	asked      bool // the effect is asked whether it was refused
}

// appendBoth appends two commits (order at 3, account at 0) with an effect of two items.
func appendBoth(t *testing.T, cases []transaction) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			var sent *dynamodb.TransactWriteItemsInput
			s := newStore(fakeAPI{
				transact: func(in *dynamodb.TransactWriteItemsInput) error { sent = in; return tt.answer },
			})
			var asked []types.CancellationReason
			appended, err := s.Append(t.Context(),
				[]es.Commit{commitAt(order, 3, "mine"), commitAt(account, 0, "mine")},
				taking{items: twoUpdates(), deaf: tt.deaf, asked: &asked})
			if sent == nil || len(sent.TransactItems) != 4 || sent.ClientRequestToken != nil {
				t.Fatalf("sent %+v", sent)
			}
			for _, put := range []*types.Put{sent.TransactItems[0].Put, sent.TransactItems[1].Put} {
				if *put.TableName != "events" || *put.ConditionExpression != keyIsFree ||
					put.ReturnValuesOnConditionCheckFailure != types.ReturnValuesOnConditionCheckFailureAllOld {
					t.Errorf("put %+v", put)
				}
			}
			if (asked != nil) != tt.asked || tt.asked && len(asked) != 2 {
				t.Errorf("the effect was asked about %v", asked)
			}
			recognised := tt.recognised
			if recognised == nil {
				recognised = []int64{0}
			}
			cause := tt.answer
			if tt.is == errTaken {
				cause = nil
			}
			check(t, appended, err, tt.answer == nil, []int64{4, 1}, recognised, tt.conflict, tt.is, tt.isNot, cause)
		})
	}
}

// TestAppendTransactionAgain: a commit that is there already is recognised, and a place that is
// taken is a conflict.
func TestAppendTransactionAgain(t *testing.T) {
	none := reason(dynamo.ReasonNone, nil)
	conflicting := reason(dynamo.ReasonConflict, nil)
	mine := []types.CancellationReason{
		reason(dynamo.ReasonCondition, item(order, 4, 2, "mine")),
		reason(dynamo.ReasonCondition, item(account, 1, 1, "mine")),
	}
	theirs := []types.CancellationReason{
		reason(dynamo.ReasonCondition, item(order, 4, 5, "theirs")),
		reason(dynamo.ReasonCondition, item(account, 1, 1, "theirs")),
	}
	refused := reason(dynamo.ReasonCondition, nil)
	cancelled := func(reasons ...types.CancellationReason) error {
		return &types.TransactionCanceledException{CancellationReasons: reasons}
	}
	onOrder := func(actual int64) *es.ConflictError {
		return &es.ConflictError{Stream: order, Expected: 3, Actual: actual}
	}
	onAccount := func(actual int64) *es.ConflictError {
		return &es.ConflictError{Stream: account, Actual: actual}
	}
	appendBoth(t, []transaction{
		{name: "written"},
		{name: "all there", answer: cancelled(mine[0], mine[1], none, none), recognised: []int64{5, 1}},
		{
			name: "all there, and the effect would now be refused", answer: cancelled(mine[0], mine[1], none, refused),
			recognised: []int64{5, 1},
		},
		{name: "only the first is there", answer: cancelled(mine[0], none, none, none), conflict: onOrder(5)},
		{name: "only the second is there", answer: cancelled(none, mine[1], none, none), conflict: onAccount(1)},
		{
			name: "one is there, the other lost its place", answer: cancelled(mine[0], theirs[1], none, none),
			conflict: onAccount(1),
		},
		{name: "one lost its place", answer: cancelled(none, theirs[1], none, none), conflict: onAccount(1)},
		{name: "both lost their place", answer: cancelled(theirs[0], theirs[1], none, none), conflict: onOrder(8)},
		{
			name: "a lost place and a refusal", answer: cancelled(theirs[0], none, refused, none), conflict: onOrder(8),
			isNot: errTaken,
		},
		{
			name: "a lost place and a transaction under way", answer: cancelled(conflicting, theirs[1], none, none),
			conflict: onAccount(1),
		},
	})
}

// TestAppendTransactionHeld: an item that another transaction holds is a conflict.
func TestAppendTransactionHeld(t *testing.T) {
	none := reason(dynamo.ReasonNone, nil)
	conflicting := reason(dynamo.ReasonConflict, nil)
	refused := reason(dynamo.ReasonCondition, nil)
	cancelled := func(reasons ...types.CancellationReason) error {
		return &types.TransactionCanceledException{CancellationReasons: reasons}
	}
	onOrder := func(actual int64) *es.ConflictError {
		return &es.ConflictError{Stream: order, Expected: 3, Actual: actual}
	}
	onAccount := func(actual int64) *es.ConflictError {
		return &es.ConflictError{Stream: account, Actual: actual}
	}
	appendBoth(t, []transaction{
		{
			name: "a transaction holds a commit's item", answer: cancelled(none, conflicting, none, none),
			conflict: onAccount(-1),
		},
		{
			name:   "a transaction holds a commit's item, and a refusal",
			answer: cancelled(conflicting, none, none, refused), conflict: onOrder(-1), isNot: errTaken,
		},
		{
			name: "a transaction holds an effect's item", answer: cancelled(none, none, conflicting, none),
			conflict: onOrder(-1), asked: true,
		},
		{
			name: "the same transaction is under way", answer: &types.TransactionInProgressException{},
			conflict: onOrder(-1),
		},
	})
}

// TestAppendTransactionRefused: an effect that was refused says so itself.
func TestAppendTransactionRefused(t *testing.T) {
	none := reason(dynamo.ReasonNone, nil)
	conflicting := reason(dynamo.ReasonConflict, nil)
	refused := reason(dynamo.ReasonCondition, nil)
	cancelled := func(reasons ...types.CancellationReason) error {
		return &types.TransactionCanceledException{CancellationReasons: reasons}
	}
	appendBoth(t, []transaction{
		{
			name: "refused", answer: cancelled(none, none, none, refused), is: errTaken, isNot: es.ErrConflict,
			asked: true,
		},
		{
			name: "refused, and a transaction holds another item", answer: cancelled(none, none, conflicting, refused),
			is: errTaken, isNot: es.ErrConflict, asked: true,
		},
		{
			name: "refused without a name", deaf: true, answer: cancelled(none, none, none, refused),
			isNot: es.ErrConflict, asked: true,
		},
	})
}

// TestAppendTransactionFails: what DynamoDB can't do now may pass later, and what it refuses never
// does.
func TestAppendTransactionFails(t *testing.T) {
	none := reason(dynamo.ReasonNone, nil)
	throttled := reason(dynamo.ReasonThrottling, nil)
	refused := reason(dynamo.ReasonCondition, nil)
	cancelled := func(reasons ...types.CancellationReason) error {
		return &types.TransactionCanceledException{CancellationReasons: reasons}
	}
	onOrder := func(actual int64) *es.ConflictError {
		return &es.ConflictError{Stream: order, Expected: 3, Actual: actual}
	}
	appendBoth(t, []transaction{
		{
			name: "a commit throttled", answer: cancelled(throttled, none, none, none), is: es.ErrUnavailable,
			isNot: es.ErrConflict,
		},
		{name: "a commit throttled, and a refusal", answer: cancelled(throttled, none, none, refused), isNot: errTaken},
		{
			name: "an effect throttled", answer: cancelled(none, none, reason(dynamo.ReasonThroughput, nil), none),
			is: es.ErrUnavailable, asked: true,
		},
		{
			name: "an item refused by the service", answer: cancelled(none, none, reason("ValidationError", nil), none),
			isNot: es.ErrUnavailable, asked: true,
		},
		{
			name: "what is there can't be read",
			answer: cancelled(
				reason(dynamo.ReasonCondition, item(order, 4, 1, "mine", without(attrCommit))), none, none, none,
			),
			is: es.ErrCorrupt,
		},
		{name: "what is there is not shown", answer: cancelled(refused, none, none, none), conflict: onOrder(-1)},
		{name: "reasons that do not fit", answer: cancelled(none), isNot: es.ErrConflict},
		{
			name: "throttled", answer: &smithy.GenericAPIError{Code: "ThrottlingException"}, is: es.ErrUnavailable,
			isNot: es.ErrConflict,
		},
		{
			name: "the token is another transaction's", answer: &types.IdempotentParameterMismatchException{},
			isNot: es.ErrUnavailable,
		},
	})
}

// TestOneCommitWithEffect: an effect needs the transaction, whatever it brings.
func TestOneCommitWithEffect(t *testing.T) {
	var sent *dynamodb.TransactWriteItemsInput
	s := newStore(fakeAPI{transact: func(in *dynamodb.TransactWriteItemsInput) error { sent = in; return nil }})
	if _, err := s.Append(
		t.Context(), []es.Commit{commitAt(order, 0, "mine")}, taking{items: twoUpdates()},
	); err != nil || len(sent.TransactItems) != 3 {
		t.Errorf("%+v, %v", sent, err)
	}
	broken := errors.New("broken")
	if _, err := s.Append(
		t.Context(), []es.Commit{commitAt(order, 0, "mine")}, taking{err: broken},
	); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// The floor's, in fewer letters.
type attributes = dynamo.Item

var text, number = dynamo.S, dynamo.N

// pages answers queries from items in their order, in pages of one, following the query's own
// direction, bounds and start.
func pages(t *testing.T, items ...attributes) fakeAPI {
	return fakeAPI{query: func(in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
		if in.ConsistentRead == nil || !*in.ConsistentRead {
			t.Error("an inconsistent read")
		}
		number := func(a attributes, name string) int64 {
			r := read(a)
			return r.number(name)
		}
		first, through := number(in.ExpressionAttributeValues, ":first"),
			number(in.ExpressionAttributeValues, ":through")
		var found []attributes
		for _, i := range items {
			if v := number(i, attrVersion); first <= v && v <= through {
				found = append(found, i)
			}
		}
		slices.SortStableFunc(
			found, func(a, b attributes) int { return cmp.Compare(number(a, attrVersion), number(b, attrVersion)) },
		)
		if !*in.ScanIndexForward {
			slices.Reverse(found)
		}
		if in.ExclusiveStartKey != nil {
			last := number(in.ExclusiveStartKey, attrVersion)
			found = found[1+slices.IndexFunc(found, func(i attributes) bool { return number(i, attrVersion) == last }):]
		}
		out := &dynamodb.QueryOutput{}
		if len(found) > 0 {
			out.Items = found[:1]
			out.LastEvaluatedKey = attributes{attrStream: text(string(order)), attrVersion: found[0][attrVersion]}
		}
		return out, nil
	}}
}

func TestLoad(t *testing.T) {
	a, b, c := item(order, 1, 2, "a"), item(order, 3, 1, "b"), item(order, 4, 3, "c")
	future := func(at attributes) {
		events := at[attrEvents].(*types.AttributeValueMemberL).Value
		events[0].(*types.AttributeValueMemberM).Value[attrSchema] = number(2)
	}
	tests := []struct {
		name    string
		items   []attributes
		after   int64
		first   int64 // of the versions loaded, 0 for none
		last    int64
		head    int64
		corrupt bool
		unknown bool
	}{
		{name: "nothing"},
		{name: "nothing after a version", after: 3},
		{name: "all", items: []attributes{a, b, c}, first: 1, last: 6, head: 6},
		{name: "inside of the first commit", items: []attributes{a, b, c}, after: 1, first: 2, last: 6, head: 6},
		{name: "between commits", items: []attributes{a, b, c}, after: 2, first: 3, last: 6, head: 6},
		{name: "inside of the last commit", items: []attributes{a, b, c}, after: 5, first: 6, last: 6, head: 6},
		{name: "at the end", items: []attributes{a, b, c}, after: 6, head: 6},
		{name: "beyond the end", items: []attributes{a, b, c}, after: 60, head: 6},
		{name: "a gap", items: []attributes{a, c}, corrupt: true},
		{name: "a gap above the version", items: []attributes{a, c}, after: 1, corrupt: true},
		{name: "an overlap", items: []attributes{item(order, 1, 3, "a"), b}, corrupt: true},
		{name: "no beginning", items: []attributes{b, c}, corrupt: true},
		{name: "no beginning, after a version below", items: []attributes{b, c}, after: 2, corrupt: true},
		{name: "an event from the future", items: []attributes{item(order, 1, 1, "a", future)}, unknown: true},
		{name: "an event that is loaded already need not be known",
			items: []attributes{item(order, 1, 1, "a", future), item(order, 2, 1, "b")}, after: 1,
			first: 2, last: 2, head: 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := newStore(pages(t, tt.items...)).Load(t.Context(), order, tt.after)
			var unknown *es.UnknownTypeError
			switch {
			case tt.corrupt:
				if !errors.Is(err, es.ErrCorrupt) {
					t.Errorf("%+v, %v", h, err)
				}
				return
			case tt.unknown:
				if !errors.As(err, &unknown) || unknown.Stream != order || unknown.Version != 1 ||
					unknown.Schema != 2 || unknown.Known != 1 {
					t.Errorf("%+v, %v", h, err)
				}
				return
			case err != nil:
				t.Fatal(err)
			}
			if h.Head.Version() != tt.head || h.Head.Stream() != order {
				t.Errorf("head %+v, want %d", h.Head, tt.head)
			}
			var first, last int64
			for i, e := range h.Events {
				if last = e.Version; i == 0 {
					first = last
				}
			}
			if first != tt.first || last != tt.last || tt.first > 0 && int64(len(h.Events)) != last-first+1 {
				t.Errorf("versions %d to %d (%d events), want %d to %d", first, last, len(h.Events), tt.first, tt.last)
			}
		})
	}
}

// TestReadAndSince: what Read and Since meet on broken streams, each of which they read in part
// only.
func TestReadAndSince(t *testing.T) {
	a, b, c := item(order, 1, 2, "a"), item(order, 3, 1, "b"), item(order, 4, 3, "c")
	tests := []struct {
		name  string
		items []attributes
		r     es.Range
		want  []int64
		err   error
	}{
		{"backwards", []attributes{a, b, c}, es.Range{Backwards: true}, []int64{6, 5, 4, 3, 2, 1}, nil},
		{"backwards over a gap", []attributes{a, c}, es.Range{Backwards: true}, []int64{6, 5, 4}, es.ErrCorrupt},
		{"backwards, short of the gap", []attributes{a, c}, es.Range{Backwards: true, After: 3}, []int64{6, 5, 4}, nil},
		{
			"backwards, stopped at the gap", []attributes{a, c}, es.Range{Backwards: true, Limit: 3}, []int64{6, 5, 4},
			nil,
		},
		{
			"backwards to no beginning", []attributes{b, c}, es.Range{Backwards: true}, []int64{6, 5, 4, 3},
			es.ErrCorrupt,
		},
		{"forwards, short of a gap", []attributes{a, c}, es.Range{Through: 2}, []int64{1, 2}, nil},
		{"forwards over a gap", []attributes{a, c}, es.Range{Through: 5}, []int64{1, 2}, es.ErrCorrupt},
		{
			"a broken item", []attributes{a, item(order, 3, 1, "b", without(attrCommit))}, es.Range{}, []int64{1, 2},
			es.ErrCorrupt,
		},
		{
			"of which nothing is wanted", []attributes{a, item(order, 3, 1, "b", without(attrCommit))},
			es.Range{Limit: 2}, []int64{1, 2}, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []int64
			var met error
			for e, err := range newStore(pages(t, tt.items...)).Read(t.Context(), order, tt.r) {
				if met = err; err == nil {
					got = append(got, e.Version)
				}
			}
			if !errors.Is(met, tt.err) || !slices.Equal(got, tt.want) {
				t.Errorf("%v, %v; want %v, %v", got, met, tt.want, tt.err)
			}
		})
	}
	for name, items := range map[string][]attributes{
		"another commit there":     {a, item(order, 3, 1, "x"), c},
		"a longer commit there":    {a, item(order, 3, 2, "b")},
		"the commit begins before": {a, item(order, 2, 2, "b")},
		"a shorter stream":         {a},
		"no stream":                nil,
	} {
		if h, err := newStore(pages(t, items...)).Since(
			t.Context(), es.StoreHead(order, 3, 3, "b"),
		); !errors.Is(err, es.ErrUnknownHead) {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
	if h, err := newStore(pages(t, a, b, item(order, 5, 1, "c"))).Since(
		t.Context(), es.StoreHead(order, 3, 3, "b"),
	); !errors.Is(err, es.ErrCorrupt) {
		t.Errorf("a gap: %+v, %v", h, err)
	}
}

// TestScan: pages follow on each other, also behind one with an item that can't be read.
func TestScan(t *testing.T) {
	items := []attributes{
		item("order/a@1", 1, 2, "a"), item(account, 3, 1, "b"), item(order, 4, 3, "x", without(attrTime)),
		item(order, 7, 1, "c"),
	}
	api := fakeAPI{scan: func(in *dynamodb.ScanInput) (*dynamodb.ScanOutput, error) {
		if !*in.ConsistentRead || *in.Segment != 2 || *in.TotalSegments != 5 {
			t.Errorf("asked %+v", in)
		}
		at := 0
		if in.ExclusiveStartKey != nil {
			at = 1 + slices.IndexFunc(items, func(i attributes) bool {
				return reflect.DeepEqual(
					in.ExclusiveStartKey, attributes{attrStream: i[attrStream], attrVersion: i[attrVersion]},
				)
			})
		}
		out := &dynamodb.ScanOutput{Items: items[at : at+1]}
		if at < len(items)-1 {
			out.LastEvaluatedKey = attributes{attrStream: items[at][attrStream], attrVersion: items[at][attrVersion]}
		}
		return out, nil
	}}
	read := func(from string) (ids, positions []string, met error) {
		for page, err := range newStore(api).Scan(t.Context(), 2, 5, from) {
			met = errors.Join(met, err)
			positions = append(positions, page.Next)
			for _, c := range page.Commits {
				ids = append(ids, c.ID)
			}
		}
		return ids, positions, met
	}
	ids, positions, err := read("")
	if !slices.Equal(ids, []string{"a", "b", "c"}) ||
		!slices.Equal(positions, []string{"order/a@1@1", "account/1@3", "order/1@4", ""}) ||
		!errors.Is(err, es.ErrCorrupt) {
		t.Errorf("%v, %q, %v", ids, positions, err)
	}
	if ids, _, err = read(positions[2]); !slices.Equal(ids, []string{"c"}) || err != nil {
		t.Errorf("from the third page on: %v, %v", ids, err)
	}
	for _, bad := range []string{"order/1", "@3", "order/1@", "order/1@x"} {
		if _, _, err := read(bad); err == nil {
			t.Errorf("position %q is taken", bad)
		}
	}
}

// TestLoadMeetsABeginning: a stream that begins between the two queries of a load gives no event at
// or below the version that was asked for.
func TestLoadMeetsABeginning(t *testing.T) {
	queries := 0
	s := newStore(fakeAPI{query: func(*dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
		if queries++; queries == 1 {
			return &dynamodb.QueryOutput{}, nil
		}
		return &dynamodb.QueryOutput{Items: []attributes{item(order, 1, 3, "a")}}, nil
	}})
	h, err := s.Load(t.Context(), order, 2)
	if err != nil || len(h.Events) != 1 || h.Events[0].Version != 3 || h.Head.Version() != 3 {
		t.Errorf("%+v, %v", h, err)
	}
}

// TestLoadFails: no page is left out in silence.
func TestLoadFails(t *testing.T) {
	for fail := 1; fail <= 3; fail++ {
		queries := 0
		good := pages(t, item(order, 1, 1, "a"), item(order, 2, 1, "b"), item(order, 3, 1, "c"))
		s := newStore(fakeAPI{query: func(in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
			if queries++; queries == fail {
				return nil, &smithy.GenericAPIError{Code: "ThrottlingException"}
			}
			return good.query(in)
		}})
		if h, err := s.Load(t.Context(), order, 1); !errors.Is(err, es.ErrUnavailable) || h.Events != nil {
			t.Errorf("query %d fails: %+v, %v", fail, h, err)
		}
	}
	denied := &smithy.GenericAPIError{Code: "AccessDeniedException"}
	s := newStore(fakeAPI{query: func(*dynamodb.QueryInput) (*dynamodb.QueryOutput, error) { return nil, denied }})
	if _, err := s.At(t.Context(), order, 1); !errors.Is(err, denied) || errors.Is(err, es.ErrUnavailable) {
		t.Error(err)
	}
}

// corruptions are changes of an item that nobody can read any more.
var corruptions = map[string]func(attributes){
	"no version":           without(attrVersion),
	"version 0":            set(attrVersion, number(0)),
	"version is text":      set(attrVersion, text("1")),
	"version is a half":    set(attrVersion, &types.AttributeValueMemberN{Value: "1.5"}),
	"no stream":            without(attrStream),
	"another stream":       set(attrStream, text("order/2")),
	"no count":             without(attrCount),
	"count is too high":    set(attrCount, number(3)),
	"count is too low":     set(attrCount, number(1)),
	"no commit":            without(attrCommit),
	"empty commit":         set(attrCommit, text("")),
	"fingerprint a number": set(attrFingerprint, number(1)),
	"no time":              without(attrTime),
	"no real time":         set(attrTime, text("yesterday")),
	"meta is text":         set(attrMeta, text("x")),
	"meta holds a number":  set(attrMeta, &types.AttributeValueMemberM{Value: attributes{"actor": number(1)}}),
	"no events":            without(attrEvents),
	"events is text":       set(attrEvents, text("[]")),
	"an event is text": set(
		attrEvents, &types.AttributeValueMemberL{Value: []types.AttributeValue{text("a"), text("b")}},
	),
	"an event has no type": set(attrEvents, eventList(without(attrType))),
	"no schema":            set(attrEvents, eventList(without(attrSchema))),
	"no data":              set(attrEvents, eventList(without(attrData))),
	"data is a map":        set(attrEvents, eventList(set(attrData, &types.AttributeValueMemberM{}))),
	"data is no JSON":      set(attrEvents, eventList(set(attrData, text("{")))),
	"data is of another":   set(attrEvents, eventList(set(attrData, text(`{"text":7}`)))),
}

// eventList is a list of two events of which the second is changed.
func eventList(change func(attributes)) types.AttributeValue {
	list := item(order, 1, 2, "a")[attrEvents].(*types.AttributeValueMemberL)
	change(list.Value[1].(*types.AttributeValueMemberM).Value)
	return list
}

func TestCorruptItems(t *testing.T) {
	for name, change := range corruptions {
		t.Run(name, func(t *testing.T) {
			bad := item(order, 1, 2, "a", change)
			s := newStore(fakeAPI{query: func(*dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
				return &dynamodb.QueryOutput{Items: []attributes{bad}}, nil
			}})
			if h, err := s.Load(t.Context(), order, 0); !errors.Is(err, es.ErrCorrupt) {
				t.Errorf("%+v, %v", h, err)
			}
		})
	}
	s := newStore(fakeAPI{query: func(*dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
		return &dynamodb.QueryOutput{Items: []attributes{item(order, 1, 2, "a", without(attrCount))}}, nil
	}})
	if _, err := s.At(t.Context(), order, 2); !errors.Is(err, es.ErrCorrupt) {
		t.Errorf("At: %v", err)
	}
}

// TestStrangeAttributes: what somebody else keeps beside ours (a global table's own, a later
// version's) is no harm.
func TestStrangeAttributes(t *testing.T) {
	strange := item(
		order, 1, 1, "a", set("aws:rep:updatetime", number(1)),
		set("later", &types.AttributeValueMemberBOOL{Value: true}),
	)
	c, err := decodeItem(order, strange)
	if err != nil || c.ID != "a" || !c.Time.Equal(estest.Start) || c.Time.Location() != time.UTC {
		t.Errorf("%+v, %v", c, err)
	}
}
