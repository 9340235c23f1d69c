package eventbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func envelope(n int) es.Envelope {
	return es.Envelope{
		SpecVersion: "1.0", ID: fmt.Sprintf("order/o@%d", n), Source: "order-service", Type: "order.placed",
		Subject: "order/o", Time: start,
		DataContentType: "application/json", DataSchema: "urn:x", DataVersion: 1, Sequence: int64(n),
		Data: json.RawMessage(`{"n":1}`),
	}
}

func envelopes(n int) []es.Envelope {
	all := make([]es.Envelope, n)
	for i := range all {
		all[i] = envelope(i + 1)
	}
	return all
}

// sized is an envelope whose entry has exactly that size.
func sized(t interface{ Fatalf(string, ...any) }, n, size int) es.Envelope {
	e := envelope(n)
	e.Data = json.RawMessage(`""`)
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatalf("%v", err)
	}
	pad := size - len(text) - len(e.Source) - len(e.Type) - 14
	if pad < 0 {
		t.Fatalf("%d bytes are too few", size)
	}
	e.Data = json.RawMessage(`"` + strings.Repeat("x", pad) + `"`)
	return e
}

// fake is EventBridge. answer says what becomes of an entry, by the id of its envelope and the
// number of times that it was sent; call, of a whole request.
type fake struct {
	requests [][]types.PutEventsRequestEntry
	sent     map[string]int
	bus      map[string]int // what was published, by id
	answer   func(id string, times int) (code string)
	call     func(request int) (err error, taken bool)
	count    int32 // FailedEntryCount is this much too low
}

func (f *fake) PutEvents(
	_ context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options),
) (*eventbridge.PutEventsOutput, error) {
	f.requests = append(f.requests, in.Entries)
	if f.sent == nil {
		f.sent, f.bus = map[string]int{}, map[string]int{}
	}
	var err error
	taken := true
	if f.call != nil {
		err, taken = f.call(len(f.requests))
	}
	out := &eventbridge.PutEventsOutput{}
	for _, e := range in.Entries {
		var got es.Envelope
		if err := json.Unmarshal([]byte(aws.ToString(e.Detail)), &got); err != nil {
			return nil, err
		}
		f.sent[got.ID]++
		code := ""
		if f.answer != nil {
			code = f.answer(got.ID, f.sent[got.ID])
		}
		if code != "" {
			out.FailedEntryCount++
			out.Entries = append(
				out.Entries, types.PutEventsResultEntry{ErrorCode: aws.String(code), ErrorMessage: aws.String("no")},
			)
			continue
		}
		if taken {
			f.bus[got.ID]++
		}
		out.Entries = append(out.Entries, types.PutEventsResultEntry{EventId: aws.String("e")})
	}
	out.FailedEntryCount -= f.count
	if err != nil {
		return nil, err
	}
	return out, nil
}

// answered is a request's error as the SDK gives it.
func answered(status int, code string) error {
	return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
		Err:      &smithy.GenericAPIError{Code: code},
	}}
}

// refusing refuses a request as a whole that has one of the ids in it.
type refusing struct {
	fake
	ids []string
	err error
}

func (r *refusing) PutEvents(
	ctx context.Context, in *eventbridge.PutEventsInput, o ...func(*eventbridge.Options),
) (*eventbridge.PutEventsOutput, error) {
	for _, e := range in.Entries {
		var got es.Envelope
		if err := json.Unmarshal([]byte(aws.ToString(e.Detail)), &got); err != nil || slices.Contains(r.ids, got.ID) {
			r.requests = append(r.requests, in.Entries)
			return nil, errors.Join(err, r.err)
		}
	}
	return r.fake.PutEvents(ctx, in, o...)
}

// A request that is refused as a whole keeps back none but the entries that are to blame, and those
// can never pass. Where it is the caller who is refused, or nobody knows, every entry may pass
// later, and no more is sent for it.
func TestRefusedRequests(t *testing.T) {
	for name, tc := range map[string]struct {
		err   error
		entry bool // it is about the entry
	}{
		"invalid":                    {answered(400, "ValidationException"), true},
		"invalid, in other words":    {answered(400, "ValidationError"), true},
		"no JSON":                    {answered(400, "SerializationException"), true},
		"a code of a later release":  {answered(400, "EntryOfNoKindException"), true},
		"too large":                  {answered(413, ""), true},
		"throttled":                  {answered(400, "ThrottlingException"), false},
		"throttled by another name":  {answered(400, "TooManyRequestsException"), false},
		"throttled by status":        {answered(429, ""), false},
		"not allowed":                {answered(400, "AccessDeniedException"), false},
		"an old token":               {answered(403, "ExpiredTokenException"), false},
		"an old token, as 400":       {answered(400, "ExpiredTokenException"), false},
		"a clock that is wrong":      {answered(400, "RequestExpired"), false},
		"a client that nobody knows": {answered(400, "UnrecognizedClientException"), false},
		"no such bus":                {answered(400, "ResourceNotFoundException"), false},
		"nothing at that address":    {answered(404, "UnknownOperationException"), false},
		"too late":                   {answered(408, "RequestTimeoutException"), false},
		"out of service":             {answered(500, "InternalException"), false},
		"unavailable":                {answered(503, "ServiceUnavailable"), false},
		"no answer":                  {errors.New("no route"), false},
	} {
		t.Run(name, func(t *testing.T) {
			api := &refusing{ids: []string{"order/o@3", "order/o@8"}, err: tc.err}
			results := New(api, "bus", clock.NewFake(start)).Put(t.Context(), envelopes(12))
			for i, err := range results {
				bad := i == 2 || i == 7
				if first := i < 10; errors.Is(err, tc.err) != (bad || first && !tc.entry) ||
					poison.Is(err) != (bad && tc.entry) {
					t.Errorf("%d: %v", i+1, err)
				}
			}
			if most := 2 * pace.Tries; !tc.entry && len(api.requests) > most {
				t.Errorf("%d requests", len(api.requests))
			}
			for id, times := range api.bus {
				if times != 1 {
					t.Errorf("%s was published %d times", id, times)
				}
			}
		})
	}
}

// Whichever entries are to blame, however many there are: each of the others is published once, and
// what is refused is found with few requests.
func TestRefusedEntriesAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := envelopes(rapid.IntRange(1, MaxEntries).Draw(t, "entries"))
		api := &refusing{err: answered(400, "ValidationException")}
		for _, e := range all {
			if rapid.Bool().Draw(t, e.ID) {
				api.ids = append(api.ids, e.ID)
			}
		}
		for i, err := range New(api, "bus", clock.NewFake(start)).Put(context.Background(), all) {
			id := all[i].ID
			bad, published := slices.Contains(api.ids, id), api.bus[id]
			if poison.Is(err) != bad || (err == nil) == bad || (published == 1) == bad {
				t.Fatalf("%s, to blame: %t: %v, published %d times", id, bad, err, published)
			}
		}
		if most := 2*len(all) - 1; len(api.requests) > most {
			t.Fatalf("%d requests for %d entries", len(api.requests), len(all))
		}
	})
}

// result is what becomes of an event.
type result int

const (
	passes result = iota
	mayPass
	never
)

// publication is what is published, what the bus answers, and what comes of it.
type publication struct {
	name      string
	envelopes []es.Envelope
	api       fake
	results   map[int]result // by index; the others pass
	requests  []int          // entries of each request, where it matters
}

// put publishes each list of envelopes and wants its results.
func put(t *testing.T, cases []publication) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			results := New(&tt.api, "orders", clock.NewFake(start)).Put(context.Background(), tt.envelopes)
			if len(results) != len(tt.envelopes) {
				t.Fatalf("%d results for %d envelopes", len(results), len(tt.envelopes))
			}
			for i, err := range results {
				got := passes
				if err != nil {
					got = mayPass
				}
				if poison.Is(err) {
					got = never
				}
				if got != tt.results[i] {
					t.Errorf("envelope %d: %v", i, err)
				}
				if id := tt.envelopes[i].ID; (tt.api.bus[id] == 1) != (got == passes) {
					t.Errorf("%s was published %d times", id, tt.api.bus[id])
				}
			}
			if tt.requests != nil {
				got := []int{}
				for _, r := range tt.api.requests {
					got = append(got, len(r))
				}
				if !slices.Equal(got, tt.requests) {
					t.Errorf("requests of %v entries, want %v", got, tt.requests)
				}
			}
		})
	}
}

// TestPutBatches: requests are filled up to the limits of entries and bytes.
func TestPutBatches(t *testing.T) {
	put(t, []publication{
		{name: "nothing", requests: []int{}},
		{name: "one", envelopes: envelopes(1), requests: []int{1}},
		{name: "ten fit", envelopes: envelopes(10), requests: []int{10}},
		{name: "eleven don't", envelopes: envelopes(11), requests: []int{10, 1}},
		{
			name: "a hundred and one", envelopes: envelopes(101),
			requests: []int{10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 1},
		},
		{
			name: "bytes that fit exactly", envelopes: []es.Envelope{sized(t, 1, MaxBytes/2), sized(t, 2, MaxBytes/2)},
			requests: []int{2},
		},
		{
			name: "one byte too many", envelopes: []es.Envelope{sized(t, 1, MaxBytes/2), sized(t, 2, MaxBytes/2+1)},
			requests: []int{1, 1},
		},
		{name: "one of the largest size", envelopes: []es.Envelope{sized(t, 1, MaxBytes)}, requests: []int{1}},
	})
}

// TestPutMalformed: an event that can never be published keeps no other from it.
func TestPutMalformed(t *testing.T) {
	put(t, []publication{
		{
			name:      "one too large among others",
			envelopes: []es.Envelope{envelope(1), sized(t, 2, MaxBytes+1), envelope(3)},
			results:   map[int]result{1: never}, requests: []int{2},
		},
		{
			name: "one without a source", envelopes: []es.Envelope{envelope(1), {ID: "x"}},
			results: map[int]result{1: never}, requests: []int{1},
		},
		{
			name: "a malformed entry is not sent again", envelopes: envelopes(3), results: map[int]result{1: never},
			requests: []int{3},
			api: fake{answer: func(id string, _ int) string {
				if id == "order/o@2" {
					return "MalformedDetail"
				}
				return ""
			}},
		},
	})
}

// TestPutAgain: only what failed is sent again, and only if that can help.
func TestPutAgain(t *testing.T) {
	errThrottled := errors.New("ThrottlingException")
	put(t, []publication{
		{
			name: "only what failed is sent again", envelopes: envelopes(10), requests: []int{10, 2, 1},
			api: fake{answer: func(id string, times int) string {
				if id == "order/o@3" && times <= 2 || id == "order/o@7" && times == 1 {
					return "InternalFailure"
				}
				return ""
			}},
		},
		{
			name: "failures that the count hides", envelopes: envelopes(3), requests: []int{3, 1},
			api: fake{count: 1, answer: func(id string, times int) string {
				if id == "order/o@2" && times == 1 {
					return "ThrottlingException"
				}
				return ""
			}},
		},
		{
			name: "nor is one without permission, which may pass another day", envelopes: envelopes(3),
			results: map[int]result{0: mayPass}, requests: []int{3},
			api: fake{answer: func(id string, _ int) string {
				if id == "order/o@1" {
					return "NotAuthorizedForSourceException"
				}
				return ""
			}},
		},
		{
			name: "throttled to the end", envelopes: envelopes(2), results: map[int]result{1: mayPass},
			api: fake{answer: func(id string, _ int) string {
				if id == "order/o@2" {
					return "ThrottlingException"
				}
				return ""
			}},
		},
		{
			name: "a request that fails for a while", envelopes: envelopes(12), requests: []int{10, 2, 10},
			api: fake{call: func(n int) (error, bool) {
				if n == 1 {
					return errThrottled, false
				}
				return nil, true
			}},
		},
		{
			name: "a bus that is down", envelopes: envelopes(2), results: map[int]result{0: mayPass, 1: mayPass},
			api: fake{call: func(int) (error, bool) { return errThrottled, false }},
		},
	})
}

// The answer to a request that had arrived is lost: its events are published again, with the same
// ids.
func TestLostAnswer(t *testing.T) {
	api := &fake{call: func(n int) (error, bool) {
		if n == 1 {
			return errors.New("connection reset"), true
		}
		return nil, true
	}}
	for _, err := range New(api, "orders", clock.NewFake(start)).Put(context.Background(), envelopes(2)) {
		if err != nil {
			t.Error(err)
		}
	}
	if api.bus["order/o@1"] != 2 || api.bus["order/o@2"] != 2 {
		t.Errorf("published %v", api.bus)
	}
}

func TestEntry(t *testing.T) {
	api := &fake{}
	if err := New(api, "orders", clock.NewFake(start)).Put(context.Background(), envelopes(1))[0]; err != nil {
		t.Fatal(err)
	}
	e := api.requests[0][0]
	if aws.ToString(e.EventBusName) != "orders" || aws.ToString(e.Source) != "order-service" ||
		aws.ToString(e.DetailType) != "order.placed" || !aws.ToTime(e.Time).Equal(start) {
		t.Errorf("entry %+v", e)
	}
	var got es.Envelope
	if err := json.Unmarshal([]byte(aws.ToString(e.Detail)), &got); err != nil || got.Validate() != nil ||
		got.ID != "order/o@1" {
		t.Errorf("detail %s, %v", aws.ToString(e.Detail), err)
	}
}

func TestWrongBusOrSource(t *testing.T) {
	api := &fake{}
	for _, name := range []string{"", "two words", "arn:aws:events:us-east-1:1:event-bus/orders"} {
		err := New(api, name, clock.NewFake(start)).Put(context.Background(), envelopes(1))[0]
		if err == nil || poison.Is(err) {
			t.Errorf("a bus by the name of %q: %v", name, err)
		}
	}
	reserved := envelope(1)
	reserved.Source = "aws.orders"
	if err := New(api, "orders", clock.NewFake(start)).Put(
		context.Background(), []es.Envelope{reserved},
	)[0]; !poison.Is(err) {
		t.Errorf("a reserved source: %v", err)
	}
	if len(api.requests) != 0 {
		t.Error("something was sent")
	}
}

// The tries end while the caller still has time.
func TestDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	deadline, _ := ctx.Deadline()
	c := clock.NewFake(deadline.Add(-time.Second))
	api := &fake{call: func(int) (error, bool) { return errors.New("down"), false }}
	if err := New(api, "orders", c).Put(ctx, envelopes(1))[0]; err == nil {
		t.Error("no error")
	}
	if left := deadline.Sub(c.Now()); left < pace.Margin {
		t.Errorf("%v left", left)
	}
}

// Whatever sizes come, each request keeps the limits, and all envelopes go out in order.
func TestChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(1_000, MaxBytes), 0, 30).Draw(t, "sizes")
		entries := make([]entry, len(sizes))
		for i, n := range sizes {
			entries[i] = entry{index: i, size: n}
		}
		next := 0
		for _, chunk := range chunks(entries) {
			bytes := 0
			for _, e := range chunk {
				if e.index != next {
					t.Fatalf("entry %d, want %d", e.index, next)
				}
				next++
				bytes += e.size
			}
			if len(chunk) == 0 || len(chunk) > MaxEntries || bytes > MaxBytes {
				t.Fatalf("a request of %d entries and %d bytes", len(chunk), bytes)
			}
		}
		if next != len(entries) {
			t.Fatalf("%d of %d entries", next, len(entries))
		}
	})
}
