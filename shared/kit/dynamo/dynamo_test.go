package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
)

type option = func(*dynamodb.Options)

// TestReader: what is written is read, and of what can't be read the first error says where.
func TestReader(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	item := dynamo.Item{
		"text": dynamo.S("a"), "empty": dynamo.S(""), "number": dynamo.N(-7), "bytes": dynamo.B([]byte("b")),
		"time": dynamo.S("2026-03-01T13:00:00+01:00"), "texts": dynamo.Strings([]string{"x", "y"}),
		"map":      dynamo.M(dynamo.Item{"n": dynamo.N(1)}),
		"maps":     dynamo.L(dynamo.M(dynamo.Item{"n": dynamo.N(1)}), dynamo.M(dynamo.Item{"n": dynamo.N(2)})),
		"fraction": &types.AttributeValueMemberN{Value: "1.5"}, "noon": dynamo.S("noon"),
		"mixed": dynamo.L(dynamo.S("x"), dynamo.N(1)),
		"wrong": dynamo.L(dynamo.M(dynamo.Item{"n": dynamo.N(1)}), dynamo.M(dynamo.Item{"n": dynamo.S("2")})),
	}
	for name, tc := range map[string]struct {
		read func(r *dynamo.Reader) any
		want any
		err  string
	}{
		"a text":           {func(r *dynamo.Reader) any { return r.String("text") }, "a", ""},
		"an empty text":    {func(r *dynamo.Reader) any { return r.String("empty") }, "", ""},
		"no text":          {func(r *dynamo.Reader) any { return r.String("none") }, "", "none is no text"},
		"a number as text": {func(r *dynamo.Reader) any { return r.String("number") }, "", "number is no text"},
		"none to be had":   {func(r *dynamo.Reader) any { return r.OptionalString("none") }, "", ""},
		"not even so":      {func(r *dynamo.Reader) any { return r.OptionalString("number") }, "", "number is no text"},
		"a number":         {func(r *dynamo.Reader) any { return r.Number("number") }, int64(-7), ""},
		"no number":        {func(r *dynamo.Reader) any { return r.Number("none") }, int64(0), "none is no number"},
		"none needed":      {func(r *dynamo.Reader) any { return r.OptionalNumber("none") }, int64(0), ""},
		"a fraction": {
			func(r *dynamo.Reader) any { return r.Number("fraction") }, int64(0), "fraction: no whole",
		},
		"bytes":           {func(r *dynamo.Reader) any { return string(r.Bytes("bytes")) }, "b", ""},
		"no bytes":        {func(r *dynamo.Reader) any { return string(r.Bytes("none")) }, "", "none is no binary"},
		"no bytes needed": {func(r *dynamo.Reader) any { return string(r.OptionalBytes("none")) }, "", ""},
		"a time":          {func(r *dynamo.Reader) any { return r.Time("time") }, at, ""},
		"no time": {
			func(r *dynamo.Reader) any { return r.Time("noon") }, time.Time{}, "noon: expected a time",
		},
		"no time needed": {func(r *dynamo.Reader) any { return r.OptionalTime("none") }, time.Time{}, ""},
		"no list":        {func(r *dynamo.Reader) any { return len(r.List("text")) }, 0, "text is no list"},
		"texts":          {func(r *dynamo.Reader) any { return fmt.Sprint(r.OptionalStrings("texts")) }, "[x y]", ""},
		"no texts":       {func(r *dynamo.Reader) any { return fmt.Sprint(r.OptionalStrings("none")) }, "[]", ""},
		"a text amiss": {
			func(r *dynamo.Reader) any { return fmt.Sprint(r.OptionalStrings("mixed")) }, "[]", "mixed[1] is no text",
		},
		"a map":    {func(r *dynamo.Reader) any { return len(r.OptionalMap("map")) }, 1, ""},
		"no map":   {func(r *dynamo.Reader) any { return len(r.OptionalMap("none")) }, 0, ""},
		"maps":     {func(r *dynamo.Reader) any { return sum(r, "maps") }, int64(3), ""},
		"no maps":  {func(r *dynamo.Reader) any { return sum(r, "texts") }, int64(0), "texts[0] is no map"},
		"in a map": {func(r *dynamo.Reader) any { return sum(r, "wrong") }, int64(1), "wrong[1]: n is no number"},
		"the first alone": {
			func(r *dynamo.Reader) any {
				r.Failf("a", "is %w", io.EOF)
				r.Failf("b", "is late")
				return errors.Is(r.Err(), io.EOF)
			}, true, "a is EOF",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := dynamo.Read(item)
			if got := tc.read(r); got != tc.want {
				t.Errorf("%v, want %v", got, tc.want)
			}
			if err := fmt.Sprint(r.Err()); tc.err == "" && r.Err() != nil || !strings.HasPrefix(err, tc.err) {
				t.Errorf("%v, want %q", err, tc.err)
			}
		})
	}
}

func sum(r *dynamo.Reader, list string) (n int64) {
	r.Maps(list, func(element *dynamo.Reader) { n += element.Number("n") })
	return n
}

// client answers with what it is given, and counts.
type client struct {
	fails error // of the second request
	asked []dynamo.Item
	busy  int // how often a batch read is left half done
}

func (c *client) GetItem(_ context.Context, in *dynamodb.GetItemInput, _ ...option) (*dynamodb.GetItemOutput, error) {
	if !aws.ToBool(in.ConsistentRead) {
		return nil, errors.New("an inconsistent read")
	}
	return &dynamodb.GetItemOutput{Item: in.Key}, c.fails
}

func (c *client) page(start dynamo.Item) (items []dynamo.Item, last dynamo.Item, err error) {
	c.asked = append(c.asked, start)
	if len(c.asked) == 2 && c.fails != nil {
		return nil, nil, c.fails
	}
	n := int64(len(c.asked))
	if n == 3 {
		return []dynamo.Item{{"n": dynamo.N(30)}}, nil, nil
	}
	if n == 2 { // an empty page is not the last one
		return nil, dynamo.Item{"n": dynamo.N(2)}, nil
	}
	return []dynamo.Item{{"n": dynamo.N(10)}, {"n": dynamo.N(11)}}, dynamo.Item{"n": dynamo.N(1)}, nil
}

func (c *client) Query(_ context.Context, in *dynamodb.QueryInput, _ ...option) (*dynamodb.QueryOutput, error) {
	items, last, err := c.page(in.ExclusiveStartKey)
	return &dynamodb.QueryOutput{Items: items, LastEvaluatedKey: last}, err
}

func (c *client) Scan(_ context.Context, in *dynamodb.ScanInput, _ ...option) (*dynamodb.ScanOutput, error) {
	items, last, err := c.page(in.ExclusiveStartKey)
	return &dynamodb.ScanOutput{Items: items, LastEvaluatedKey: last}, err
}

func (c *client) BatchGetItem(
	_ context.Context, in *dynamodb.BatchGetItemInput, _ ...option,
) (*dynamodb.BatchGetItemOutput, error) {
	if c.fails != nil {
		return nil, c.fails
	}
	of := in.RequestItems["t"]
	done := of.Keys
	out := &dynamodb.BatchGetItemOutput{}
	if c.busy > 0 {
		c.busy--
		done = of.Keys[:len(of.Keys)/2]
		out.UnprocessedKeys = map[string]types.KeysAndAttributes{"t": {Keys: of.Keys[len(done):]}}
	}
	out.Responses = map[string][]dynamo.Item{"t": done}
	return out, nil
}

// TestPages: queries and scans go on as far as their caller does, and end with an error.
func TestPages(t *testing.T) {
	busy := &types.ProvisionedThroughputExceededException{}
	for name, tc := range map[string]struct {
		fails  error
		most   int
		want   string
		asked  int
		failed bool
	}{
		"all":          {nil, 9, "[10 11 30]", 3, false},
		"some":         {nil, 2, "[10 11]", 1, false},
		"to the error": {busy, 9, "[10 11]", 2, true},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(what string, c *client, got []int64, err error) {
				if fmt.Sprint(got) != tc.want || len(c.asked) != tc.asked ||
					errors.Is(err, es.ErrUnavailable) != tc.failed {
					t.Errorf("%s: %v of %d requests, %v", what, got, len(c.asked), err)
				}
			}
			var got []int64
			var failed error
			c, query := &client{fails: tc.fails}, &dynamodb.QueryInput{}
			for item, err := range dynamo.Query(t.Context(), c, query) {
				if failed = err; err == nil {
					got = append(got, dynamo.Read(item).Number("n"))
				}
				if len(got) == tc.most {
					break
				}
			}
			if check("query", c, got, failed); query.ExclusiveStartKey != nil {
				t.Error("the caller's input is changed")
			}
			got, failed, c = nil, nil, &client{fails: tc.fails}
			for page, err := range dynamo.Scan(t.Context(), c, &dynamodb.ScanInput{}) {
				if failed = err; err != nil {
					continue
				}
				for _, item := range page.Items {
					got = append(got, dynamo.Read(item).Number("n"))
				}
				if len(got) >= tc.most {
					break
				}
			}
			check("scan", c, got, failed)
		})
	}
}

// TestGet: one item, strongly consistent.
func TestGet(t *testing.T) {
	item, err := dynamo.Get(t.Context(), &client{}, "t", dynamo.Item{"k": dynamo.S("a")})
	if err != nil || len(item) != 1 {
		t.Errorf("%v, %v", item, err)
	}
	if _, err := dynamo.Get(
		t.Context(), &client{fails: &types.RequestLimitExceeded{}}, "t", nil,
	); !errors.Is(err, es.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}

// TestBatchGet: keys that are left over are asked for again, and what is left at the end is not
// available.
func TestBatchGet(t *testing.T) {
	keys := []dynamo.Item{{"k": dynamo.S("a")}, {"k": dynamo.S("b")}, {"k": dynamo.S("c")}, {"k": dynamo.S("d")}}
	pace := backoff.Pace{Base: time.Millisecond, Max: time.Millisecond, Tries: 3}
	for name, tc := range map[string]struct {
		client
		tries bool
		want  int
		err   error
	}{
		"at once":         {client{}, false, 4, nil},
		"in parts":        {client{busy: 2}, true, 4, nil},
		"with no tries":   {client{busy: 1}, false, 0, es.ErrUnavailable},
		"busy to the end": {client{busy: 3}, true, 0, es.ErrUnavailable},
		"refused":         {client{fails: io.EOF}, true, 0, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var tries *backoff.Backoff
				if tc.tries {
					tries = backoff.New(pace, clock.System{})
				}
				items, err := dynamo.BatchGet(
					t.Context(), &tc.client, "t", types.KeysAndAttributes{Keys: keys}, tries,
				)
				if len(items) != tc.want || !errors.Is(err, tc.err) {
					t.Errorf("%d items, %v", len(items), err)
				}
			})
		})
	}
}

func cancelled(codes ...string) error {
	err := &types.TransactionCanceledException{}
	for _, code := range codes {
		err.CancellationReasons = append(err.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
	}
	return err
}

func answered(status int, err error) error {
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err,
	}
}

// TestMayPass: the errors after which the same request is worth sending again.
func TestMayPass(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want bool
	}{
		"throttled":                {&types.ProvisionedThroughputExceededException{}, true},
		"throttled by the account": {&smithy.GenericAPIError{Code: "ThrottlingException"}, true},
		"a limit of the table":     {&types.RequestLimitExceeded{}, true},
		"too many requests":        {answered(429, io.EOF), true},
		"a transaction throttled":  {cancelled(dynamo.ReasonNone, dynamo.ReasonThrottling), true},
		"another write":            {&types.TransactionConflictException{}, true},
		"their fault":              {&types.InternalServerError{}, true},
		"their fault by status":    {answered(500, io.EOF), true},
		"not there":                {answered(503, &smithy.GenericAPIError{Code: "ServiceUnavailable"}), true},
		"an answer broken off":     {&smithy.DeserializationError{Err: io.ErrUnexpectedEOF}, true},
		"a caller who has gone":    {&smithy.DeserializationError{Err: context.Canceled}, false},
		"given up":                 {&aws.RequestCanceledError{Err: context.DeadlineExceeded}, false},
		"a condition":              {&types.ConditionalCheckFailedException{}, false},
		"a transaction's condition": {
			cancelled(dynamo.ReasonCondition, dynamo.ReasonThrottling), false,
		},
		"invalid":        {&smithy.GenericAPIError{Code: "ValidationException", Fault: smithy.FaultClient}, false},
		"not allowed to": {answered(400, &smithy.GenericAPIError{Code: "AccessDeniedException"}), false},
		"no such table":  {&types.ResourceNotFoundException{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			wrapped := fmt.Errorf("put: %w", tc.err)
			if dynamo.MayPass(wrapped) != tc.want {
				t.Errorf("may pass: %v", !tc.want)
			}
			err := dynamo.Failed(wrapped)
			if errors.Is(err, es.ErrUnavailable) != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("%v", err)
			}
			if again := dynamo.Failed(err); again.Error() != err.Error() {
				t.Errorf("%v, marked twice: %v", err, again)
			}
		})
	}
	if err := dynamo.Failed(nil); err != nil {
		t.Error(err)
	}
}

// TestReasons: why a transaction was cancelled. One reason that stays outweighs those that pass.
func TestReasons(t *testing.T) {
	for name, tc := range map[string]struct {
		err       error
		contended bool // for a condition or a conflict, and nothing else
		throttled bool
		besides   bool // throttled, conflicts aside
	}{
		"a condition":           {cancelled("None", "ConditionalCheckFailed"), true, false, false},
		"a conflict":            {cancelled("TransactionConflict", ""), true, false, false},
		"throttled":             {cancelled("ProvisionedThroughputExceeded", "None"), false, true, true},
		"throttled, a conflict": {cancelled("ThrottlingError", "TransactionConflict"), false, false, true},
		"throttled, too long":   {cancelled("ThrottlingError", "ValidationError"), false, false, false},
		"no reasons":            {cancelled(), false, false, false},
		"not cancelled":         {io.EOF, false, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := fmt.Errorf("write: %w", tc.err)
			if got := dynamo.CancelledFor(err, dynamo.ReasonCondition, dynamo.ReasonConflict); got != tc.contended {
				t.Errorf("for a condition or a conflict: %v", got)
			}
			if got := dynamo.Throttled(err); got != tc.throttled {
				t.Errorf("throttled: %v", got)
			}
			for _, of := range []struct {
				besides []string
				want    bool
			}{{nil, tc.throttled}, {[]string{dynamo.ReasonConflict}, tc.besides}} {
				o := dynamodb.Options{Retryer: retry.NewStandard()}
				dynamo.RetryThrottled(of.besides...)(&o)
				if got := o.Retryer.IsErrorRetryable(err); got != of.want {
					t.Errorf("tried again, but for %v: %v", of.besides, got)
				}
			}
		})
	}
	var none dynamodb.Options
	if dynamo.RetryThrottled()(&none); none.Retryer != nil {
		t.Error("a client without a retryer has one now")
	}
}

// TestConditionFailed: the item that a condition failed on is there for who asked for it.
func TestConditionFailed(t *testing.T) {
	met := dynamo.Item{"k": dynamo.S("a")}
	for name, tc := range map[string]struct {
		err    error
		met    int
		failed bool
	}{
		"failed":          {&types.ConditionalCheckFailedException{Item: met}, 1, true},
		"failed, unasked": {&types.ConditionalCheckFailedException{}, 0, true},
		"another error":   {io.EOF, 0, false},
		"none":            {nil, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got, failed := dynamo.ConditionFailed(tc.err); len(got) != tc.met || failed != tc.failed {
				t.Errorf("%v, %v", got, failed)
			}
		})
	}
	reasons := dynamo.Cancelled(cancelled("None", "ConditionalCheckFailed"))
	if got := slices.IndexFunc(reasons, dynamo.Refused); got != 1 {
		t.Errorf("refused is item %d", got)
	}
}
