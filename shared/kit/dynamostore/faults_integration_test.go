//go:build integration

package dynamostore_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/awstest"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
)

// seed is what the proxy's choices begin with. Which requests they meet differs from run to run
// where clients run side by side.
const seed = 20260329

// atOnce is a function's own retries without the waits between them.
type atOnce struct{ aws.RetryerV2 }

// RetryDelay implements aws.Retryer.
func (atOnce) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

// TestFaults: what no local DynamoDB ever does, injected on the wire.
func TestFaults(t *testing.T) {
	tb := newTables(t)
	for _, c := range []struct {
		name string
		test func(*testing.T, *tables)
	}{
		{"trouble that may pass", trouble},
		{"throttled transactions", throttledTransaction},
		{"contention", contention},
		{"contention of reads", contendedConfirm},
		{"refused", refused},
		{"a spent quota", spentQuota},
		{"late requests", lateRequests},
		{"writers", writersUnderFaults},
		{"the suite", suite},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, tb) })
	}
}

// tables are what stores behind the proxy, and past it, have in common.
type tables struct {
	proxy                            *awstest.Proxy
	events, numbers, states, archive string
	direct                           *faulty     // past the proxy
	long                             es.StreamID // of several pages, in the archive, so that scans of events are short
}

// faulty is a store with counters beside it, behind the proxy.
type faulty struct {
	*awstest.FaultyClient
	*dynamostore.Store
	archive   *dynamostore.Store
	counters  *counters
	snapshots dynamostore.Snapshots
}

func newTables(t *testing.T) *tables {
	t.Helper()
	tb := &tables{
		proxy: awstest.StartProxy(t, seed), events: awstest.Table(t, awstest.EventsTable()),
		numbers: awstest.Table(t, awstest.Key("name:S")),
		states:  awstest.Table(t, awstest.Key("stream:S", "fold:S")), archive: awstest.Table(t, awstest.EventsTable()),
		long: estest.Stream(),
	}
	tb.direct = tb.store(dynamodb.NewFromConfig(awstest.Config(t)))
	head := es.StoreHead(tb.long, 0, 0, "")
	for i := range pages {
		head = estest.Append(
			t, tb.direct.archive, head, fmt.Sprint(i), estest.Noted{Text: estest.Text(int64(i), 380_000)},
		)
	}
	return tb
}

func (tb *tables) store(client *dynamodb.Client) *faulty {
	now := dynamostore.WithClock(clock.NewFake(estest.Start))
	return &faulty{
		Store:     dynamostore.New(client, tb.events, es.NewRegistry(estest.Register), now),
		archive:   dynamostore.New(client, tb.archive, es.NewRegistry(estest.Register), now),
		counters:  &counters{client: client, table: tb.numbers},
		snapshots: dynamostore.NewSnapshots(client, tb.states),
	}
}

// behind opens a store of its own behind the proxy, with a function's retries.
func (tb *tables) behind(t *testing.T, options ...func(*dynamodb.Options)) *faulty {
	t.Helper()
	through := tb.proxy.Client()
	options = append(
		[]func(*dynamodb.Options){func(o *dynamodb.Options) { o.Retryer = atOnce{awsenv.Retryer()} }}, options...,
	)
	f := tb.store(dynamodb.NewFromConfig(through.Config(t), options...))
	f.FaultyClient = through
	return f
}

// scene is a stream of two events, a stream without any, and a counter at 0.
type scene struct {
	one, two    es.StreamID
	first, head es.Head // of one, after its first commit and at its end
	counter     string
}

func (tb *tables) scene(t *testing.T) scene {
	t.Helper()
	heads := make([]es.Head, 2)
	sc := scene{one: estest.Stream(), two: estest.Stream(), counter: estest.Stream().ID()}
	head := es.StoreHead(sc.one, 0, 0, "")
	for i := range heads {
		head = estest.Append(t, tb.direct, head, fmt.Sprint("before", i), estest.Counted{N: int64(i + 1)})
		heads[i] = head
	}
	sc.first, sc.head = heads[0], heads[1]
	return sc
}

// put is an append of two events to the first stream; both adds the second stream and the counter.
func (sc scene) put(f *faulty) (es.Appended, error) {
	return f.Append(
		context.Background(), []es.Commit{estest.Commit(sc.head, "next", estest.Counted{N: 3}, estest.Counted{N: 4})},
	)
}

func (sc scene) both(f *faulty) (es.Appended, error) {
	return f.Append(context.Background(), []es.Commit{
		estest.Commit(sc.head, "next", estest.Counted{N: 3}, estest.Counted{N: 4}),
		estest.Commit(es.StoreHead(sc.two, 0, 0, ""), "next", estest.Counted{N: 1}),
	}, f.counters.Add(sc.counter, 7))
}

// counted checks that a stream holds the events from 1 to n and nothing else.
func counted(t *testing.T, s es.Store, stream es.StreamID, n int) {
	t.Helper()
	h, err := s.Load(context.Background(), stream, 0)
	if err != nil || h.Head.Version() != int64(n) || len(h.Events) != n {
		t.Errorf("%s ends at %d with %d events, %v, want %d", stream, h.Head.Version(), len(h.Events), err, n)
		return
	}
	for i, e := range h.Events {
		if e.Version != int64(i+1) || e.Data != (estest.Counted{N: int64(i + 1)}) {
			t.Errorf("event %d is version %d: %+v", i+1, e.Version, e.Data)
		}
	}
}

// holds checks that the scene's streams hold so many events and its counter that number, and
// nothing besides.
func (tb *tables) holds(t *testing.T, sc scene, one, two int, counter int64) {
	t.Helper()
	counted(t, tb.direct, sc.one, one)
	counted(t, tb.direct, sc.two, two)
	if n, err := tb.direct.counters.Value(t.Context(), sc.counter); err != nil || n != counter {
		t.Errorf("the counter is %d, %v, want %d", n, err, counter)
	}
}

// operation is something that is asked of a store.
type operation struct {
	name string
	api  string // the request that it is made of
	body string // which of them, where it is made of several
	// ask asks once, and checks the answer where it is no error.
	ask func(t *testing.T, f *faulty, sc scene) error
	// writes says how many events it leaves on both streams, and what of the counter.
	one, two int
	counter  int64
}

func (tb *tables) operations() []operation {
	load := func(after int64, want int) func(*testing.T, *faulty, scene) error {
		return func(t *testing.T, f *faulty, sc scene) error {
			h, err := f.Load(t.Context(), sc.one, after)
			if err == nil && (h.Head != sc.head || len(h.Events) != want) {
				t.Errorf("%d events up to %+v, want %d up to %+v", len(h.Events), h.Head, want, sc.head)
			}
			if err != nil && (len(h.Events) > 0 || h.Head != es.Head{}) {
				t.Errorf("part of the history beside the error: %+v", h)
			}
			return err
		}
	}
	written := func(t *testing.T, a es.Appended, err error, versions ...int64) error {
		t.Helper()
		for i, v := range versions {
			if err == nil && (len(a.Heads) != len(versions) || a.Heads[i].Version() != v ||
				a.Heads[i].CommitID() != "next") {
				t.Errorf("appended %+v", a)
			}
		}
		return err
	}
	return []operation{
		{name: "append one commit", api: "PutItem", one: 4, ask: func(t *testing.T, f *faulty, sc scene) error {
			a, err := sc.put(f)
			return written(t, a, err, 4)
		}},
		{name: "append to two streams with an effect", api: "TransactWriteItems", one: 4, two: 1, counter: 7,
			ask: func(t *testing.T, f *faulty, sc scene) error {
				a, err := sc.both(f)
				return written(t, a, err, 4, 1)
			}},
		{name: "load", api: "Query", one: 2, ask: load(0, 2)},
		{name: "load after a version, the commit that holds it", api: "Query", body: "Limit", one: 2, ask: load(1, 1)},
		{name: "load after a version, what follows", api: "Query", body: "!Limit", one: 2, ask: load(1, 1)},
		{name: "load, a further page", api: "Query", body: "ExclusiveStartKey", one: 2,
			ask: func(t *testing.T, f *faulty, _ scene) error {
				h, err := f.archive.Load(t.Context(), tb.long, 0)
				if err == nil && (len(h.Events) != pages || h.Head.Version() != pages) || err != nil &&
					len(h.Events) > 0 {
					t.Errorf("%d events up to %d", len(h.Events), h.Head.Version())
				}
				return err
			}},
		{name: "what came since a head", api: "Query", one: 2, ask: func(t *testing.T, f *faulty, sc scene) error {
			h, err := f.Since(t.Context(), sc.first)
			if err == nil && (h.Head != sc.head || len(h.Events) != 1) || err != nil &&
				(len(h.Events) > 0 || h.Head != es.Head{}) {
				t.Errorf("%+v, %v", h, err)
			}
			return err
		}},
		{name: "read", api: "Query", one: 2, ask: func(t *testing.T, f *faulty, sc scene) error {
			return readAll(t, f, sc.one, es.Range{}, 1, 2)
		}},
		{name: "read backwards, a further page", api: "Query", body: "ExclusiveStartKey", one: 2,
			ask: func(t *testing.T, f *faulty, _ scene) error {
				return readAll(t, f.archive, tb.long, es.Range{Backwards: true}, pages, 1)
			}},
		{name: "scan", api: "Scan", one: 2, ask: func(t *testing.T, f *faulty, sc scene) error {
			found := 0
			for page, err := range f.Scan(t.Context(), 0, 1, "") {
				if err != nil {
					return err
				}
				for _, c := range page.Commits {
					if c.Stream == sc.one {
						found++
					}
				}
			}
			if found != 2 {
				t.Errorf("%d of 2 commits", found)
			}
			return nil
		}},
		{name: "confirm heads", api: "TransactGetItems", one: 2, ask: func(t *testing.T, f *faulty, sc scene) error {
			return f.Confirm(t.Context(), sc.head, es.StoreHead(sc.two, 0, 0, ""))
		}},
		{name: "the newest snapshot", api: "GetItem", one: 2, ask: func(t *testing.T, f *faulty, sc scene) error {
			if err := tb.direct.snapshots.Keep(t.Context(), sc.snapshot(sc.first)); err != nil {
				t.Fatal(err)
			}
			s, found, err := f.snapshots.Newest(t.Context(), sc.one, "f/1")
			if err == nil && (!found || s.Head != sc.first) || err != nil && (found || s.Head != es.Head{}) {
				t.Errorf("%+v, %t, %v", s, found, err)
			}
			return err
		}},
		{name: "keep a snapshot", api: "PutItem", one: 2, ask: func(t *testing.T, f *faulty, sc scene) error {
			err := f.snapshots.Keep(t.Context(), sc.snapshot(sc.head))
			if err == nil {
				sc.keeps(t, tb)
			}
			return err
		}},
		{name: "replace a snapshot", api: "PutItem", one: 2, ask: func(t *testing.T, f *faulty, sc scene) error {
			err := f.snapshots.Replace(t.Context(), sc.snapshot(sc.head))
			if err == nil {
				sc.keeps(t, tb)
			}
			return err
		}},
		{name: "the head of a version", api: "Query", one: 2, ask: func(t *testing.T, f *faulty, sc scene) error {
			head, err := f.At(t.Context(), sc.one, 2)
			if err == nil && head != sc.head {
				t.Errorf("%+v, want %+v", head, sc.head)
			}
			return err
		}},
	}
}

// readAll reads a range whose versions go from first to last by one, and gives the error that ends
// it.
func readAll(t *testing.T, s es.Store, stream es.StreamID, r es.Range, first, last int64) error {
	t.Helper()
	step := int64(1)
	if r.Backwards {
		step = -1
	}
	next := first
	for e, err := range s.Read(t.Context(), stream, r) {
		if err != nil {
			return err
		}
		if e.Version != next {
			t.Errorf("version %d, want %d", e.Version, next)
		}
		next = e.Version + step
	}
	if next != last+step {
		t.Errorf("read up to %d, not %d", next-step, last)
	}
	return nil
}

func (sc scene) snapshot(head es.Head) es.Snapshot {
	return es.Snapshot{Head: head, Fold: "f/1", Time: estest.Start, State: json.RawMessage(`{}`)}
}

// keeps checks that the scene's newest snapshot is of its end.
func (sc scene) keeps(t *testing.T, tb *tables) {
	t.Helper()
	if s, found, err := tb.direct.snapshots.Newest(t.Context(), sc.one, "f/1"); err != nil || !found ||
		s.Head != sc.head {
		t.Errorf("the newest snapshot is %+v, %t, %v", s, found, err)
	}
}

// pages is how many commits of 380 kB the long stream has: more than a query's megabyte.
const pages = 4

// troubles are what passes, or may pass, if the same is asked again.
func troubles() map[string]awstest.Fault {
	failed := func(code string, status int) awstest.Fault {
		return awstest.Fault{Error: &awstest.Error{Code: code, Status: status}}
	}
	return map[string]awstest.Fault{
		"throttled":                            failed("ThrottlingException", 0),
		"throttled by the table":               failed("ProvisionedThroughputExceededException", 0),
		"over the account's limit":             failed("RequestLimitExceeded", 0),
		"a fault of the service":               failed("InternalServerError", 0),
		"the service is away":                  failed("ServiceUnavailable", http.StatusServiceUnavailable),
		"no connection":                        {Reset: true},
		"the answer is lost":                   {Response: awstest.LostAnswer()},
		"the answer breaks off":                {Response: awstest.BrokenAnswer(0.5)},
		"the answer ends too early":            {Response: &awstest.Response{TruncateFrac: 0.5}},
		"an answer that is none of DynamoDB's": failed("BadGateway", http.StatusBadGateway),
	}
}

// trouble: what passes is not noticed, what does not is an ErrUnavailable, and afterwards the same
// asked again does what it says, once.
func trouble(t *testing.T, tb *tables) {
	for name, fault := range troubles() {
		for _, op := range tb.operations() {
			t.Run(name+"/"+op.name, func(t *testing.T) {
				t.Parallel()
				f, sc := tb.behind(t), tb.scene(t)
				fault := fault // each case has one of its own
				fault.Operation, fault.Body = op.api, op.body
				passes := fault
				passes.Times = 3
				f.Inject(t, passes)
				if err := op.ask(t, f, sc); err != nil {
					t.Errorf("three times: %v", err)
				}
				if n := f.Happened(t); n[0] != 3 {
					t.Errorf("it happened %d times, not 3", n[0])
				}
				tb.holds(t, sc, op.one, op.two, op.counter)

				sc = tb.scene(t)
				f.Inject(t, fault)
				if err := op.ask(t, f, sc); !errors.Is(err, es.ErrUnavailable) || errors.Is(err, es.ErrConflict) {
					t.Errorf("for good: %v", err)
				}
				f.Heal(t)
				if err := op.ask(t, f, sc); err != nil {
					t.Errorf("once it is over: %v", err)
				}
				tb.holds(t, sc, op.one, op.two, op.counter)
			})
		}
	}
}

// cancelled is the error of a transaction, with the reasons of its items.
func cancelled(reasons ...string) *awstest.Error {
	list := make([]map[string]string, len(reasons))
	for i, r := range reasons {
		list[i] = map[string]string{"Code": r, "Message": r}
	}
	return &awstest.Error{Code: "TransactionCanceledException", Fields: map[string]any{"CancellationReasons": list}}
}

// throttledTransaction: a transaction that is cancelled for want of throughput is tried again as
// any throttled request.
func throttledTransaction(t *testing.T, tb *tables) {
	for _, reasons := range [][]string{
		{"ThrottlingError", "None", "None"}, {"None", "ProvisionedThroughputExceeded", "None"},
		{"None", "None", "ThrottlingError"},
	} {
		t.Run(fmt.Sprint(reasons), func(t *testing.T) {
			t.Parallel()
			f, sc := tb.behind(t), tb.scene(t)
			f.Inject(t, awstest.Fault{Operation: "TransactWriteItems", Error: cancelled(reasons...)})
			if _, err := sc.both(f); !errors.Is(err, es.ErrUnavailable) || errors.Is(err, es.ErrConflict) {
				t.Errorf("for good: %v", err)
			}
			tb.holds(t, sc, 2, 0, 0)
			f.Inject(t, awstest.Fault{Operation: "TransactWriteItems", Times: 3, Error: cancelled(reasons...)})
			if a, err := sc.both(f); err != nil || a.Recognised {
				t.Errorf("three times: %+v, %v", a, err)
			}
			tb.holds(t, sc, 4, 1, 7)
		})
	}
}

// contention: another transaction is at work on an item, which no local DynamoDB ever says. The
// store gives the conflict to its caller at once, with nothing written, and whoever decides again
// gets through.
func contention(t *testing.T, tb *tables) {
	atWork := "TransactionConflict"
	for _, tt := range []struct {
		name   string
		append func(scene, *faulty) (es.Appended, error)
		api    string
		error  *awstest.Error
		onTwo  bool // the stream that the conflict is on
		tries  int  // that the client makes
	}{
		{"a put", scene.put, "PutItem", &awstest.Error{Code: "TransactionConflictException"}, false, 1},
		{
			"a put to a global table", scene.put, "PutItem",
			&awstest.Error{Code: "ReplicatedWriteConflictException", Status: 400}, false, 1,
		},
		{"the first stream", scene.both, "TransactWriteItems", cancelled(atWork, "None", "None"), false, 1},
		{"the second stream", scene.both, "TransactWriteItems", cancelled("None", atWork, "None"), true, 1},
		{"the effect", scene.both, "TransactWriteItems", cancelled("None", "None", atWork), false, 1},
		{
			"everything, and throttled", scene.both, "TransactWriteItems", cancelled(atWork, "ThrottlingError", atWork),
			false, 1,
		},
		{
			"the same transaction is under way", scene.both, "TransactWriteItems",
			&awstest.Error{Code: "TransactionInProgressException"}, false, 5,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, sc := tb.behind(t), tb.scene(t)
			one, two, counter := 4, 0, int64(0)
			if tt.api == "TransactWriteItems" {
				two, counter = 1, 7
			}
			want := es.ConflictError{Stream: sc.one, Expected: 2, Actual: -1}
			if tt.onTwo {
				want = es.ConflictError{Stream: sc.two, Expected: 0, Actual: -1}
			}
			fault := awstest.Fault{Operation: tt.api, Error: tt.error}
			f.Inject(t, fault)
			_, err := tt.append(sc, f)
			var conflict *es.ConflictError
			if !errors.As(err, &conflict) || *conflict != want || errors.Is(err, es.ErrUnavailable) {
				t.Errorf("%v, want %v", err, &want)
			}
			if n := f.Happened(t); n[0] != tt.tries {
				t.Errorf("%d requests, not %d", n[0], tt.tries)
			}
			tb.holds(t, sc, 2, 0, 0)

			fault.Times = 2 * tt.tries
			f.Inject(t, fault)
			err = es.RetryConflicts(t.Context(), clock.System{}, func(context.Context) error {
				_, err := tt.append(sc, f)
				return err
			})
			if err != nil {
				t.Errorf("decided again: %v", err)
			}
			tb.holds(t, sc, one, two, counter)
		})
	}
}

// contendedConfirm: a write is under way on one of the items that are read together. It is the
// caller's to ask again.
func contendedConfirm(t *testing.T, tb *tables) {
	f, sc := tb.behind(t), tb.scene(t)
	f.Inject(t, awstest.Fault{Operation: "TransactGetItems", Times: 2,
		Error: cancelled("None", "None", "TransactionConflict")})
	confirm := func(ctx context.Context) error { return f.Confirm(ctx, sc.head, es.StoreHead(sc.two, 0, 0, "")) }
	var conflict *es.ConflictError
	if err := confirm(t.Context()); !errors.As(err, &conflict) ||
		*conflict != (es.ConflictError{Stream: sc.two, Actual: -1}) {
		t.Error(err)
	}
	if n := f.Happened(t); n[0] != 1 {
		t.Errorf("%d requests", n[0])
	}
	if err := es.RetryConflicts(t.Context(), clock.System{}, confirm); err != nil {
		t.Error(err)
	}
}

// refused: what can't pass is asked once, is neither a conflict nor an ErrUnavailable, and leaves
// nothing behind.
func refused(t *testing.T, tb *tables) {
	for _, code := range []string{
		"AccessDeniedException", "ValidationException", "ResourceNotFoundException", "UnrecognizedClientException",
	} {
		for _, op := range tb.operations() {
			if op.body != "" {
				continue // the same request as another's
			}
			t.Run(code+"/"+op.name, func(t *testing.T) {
				t.Parallel()
				f, sc := tb.behind(t), tb.scene(t)
				f.Inject(t, awstest.Fault{Operation: op.api, Error: &awstest.Error{Code: code}})
				err := op.ask(t, f, sc)
				if err == nil || errors.Is(err, es.ErrUnavailable) || errors.Is(err, es.ErrConflict) ||
					errors.Is(err, es.ErrCorrupt) || !strings.Contains(err.Error(), code) {
					t.Errorf("%v", err)
				}
				if n := f.Happened(t); n[0] != 1 {
					t.Errorf("%d requests", n[0])
				}
				tb.holds(t, sc, 2, 0, 0)
			})
		}
	}
}

// spentQuota: a client that failed so often that the SDK allows it no more tries says the same of
// each failure as before.
func spentQuota(t *testing.T, tb *tables) {
	f, sc := tb.behind(t), tb.scene(t)
	f.Inject(t, awstest.Fault{Error: &awstest.Error{Code: "ThrottlingException"}})
	const calls = 40 // 500 tokens, of which each further try costs 5
	for i := range calls {
		if _, err := sc.put(f); !errors.Is(err, es.ErrUnavailable) {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	if n := f.Happened(t)[0]; n >= 5*calls {
		t.Errorf("%d requests: the quota was never spent", n)
	}
	f.Heal(t)
	if _, err := sc.put(f); err != nil {
		t.Error(err)
	}
	tb.holds(t, sc, 4, 0, 0)
}

// lateRequests: a try that hangs is given up and sent again, and arrives all the same, long after
// others have gone on.
func lateRequests(t *testing.T, tb *tables) {
	const late = 2000 // ms
	for _, tt := range []struct {
		name    string
		append  func(scene, *faulty) (es.Appended, error)
		api     string
		two     int
		counter int64
	}{{"a put", scene.put, "PutItem", 0, 0}, {"a transaction", scene.both, "TransactWriteItems", 1, 7}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			sc := tb.scene(t)
			f := tb.behind(t, func(o *dynamodb.Options) {
				o.HTTPClient = awshttp.NewBuildableClient().WithTimeout(late / 4 * time.Millisecond)
			})
			f.Inject(t, awstest.Fault{Operation: tt.api, Times: 1, Latency: late})
			a, err := tt.append(sc, f)
			if err != nil {
				t.Fatal(err)
			}
			estest.Append(t, tb.direct, a.Heads[0], "after", estest.Counted{N: 5})
			// This one starts later and takes as long, so the late one is through when it comes
			// back.
			patient := tb.behind(t)
			patient.Inject(t, awstest.Fault{Operation: "Query", Times: 1, Latency: late})
			counted(t, patient, sc.one, 5)
			tb.holds(t, sc, 5, tt.two, tt.counter)
		})
	}
}

// now and then is what the random tests inject: all that the client gets over by itself.
func nowAndThen() []awstest.Fault {
	return []awstest.Fault{
		{Probability: 0.03, Error: &awstest.Error{Code: "ThrottlingException"}},
		{Probability: 0.03, Error: &awstest.Error{Code: "InternalServerError"}},
		{Probability: 0.03, Reset: true},
		{Probability: 0.08, Response: awstest.LostAnswer()},
		{Probability: 0.03, Response: &awstest.Response{TruncateFrac: 0.5}},
	}
}

// stubborn lets a client try so often that random faults do not outlast it.
func stubborn(o *dynamodb.Options) {
	o.Retryer = retry.AddWithMaxAttempts(atOnce{awsenv.Retryer()}, 30)
}

// writersUnderFaults: whatever goes wrong on the way, each command of each writer is there once,
// with its effect.
func writersUnderFaults(t *testing.T, tb *tables) {
	const writers, commands = 4, 12
	streams := []es.StreamID{estest.Stream(), estest.Stream(), estest.Stream()}
	counter := estest.Stream().ID()
	conflict := func(items int, reasons ...string) awstest.Fault {
		return awstest.Fault{
			Operation: "TransactWriteItems", Body: fmt.Sprintf("length(TransactItems) == `%d`", items),
			Probability: 0.1, Error: cancelled(reasons...),
		}
	}
	faults := append(nowAndThen(),
		awstest.Fault{
			Operation: "PutItem", Probability: 0.1, Error: &awstest.Error{Code: "TransactionConflictException"},
		},
		conflict(2, "TransactionConflict", "None"), conflict(2, "None", "TransactionConflict"),
		conflict(3, "None", "TransactionConflict", "None"))
	var wg sync.WaitGroup
	for w := range writers {
		f := tb.behind(t) // with no more tries than a function has, so that some are not enough
		f.Inject(t, faults...)
		wg.Go(func() {
			for c := range commands {
				on := streams[(w+c)%3:][:1]
				if c%3 == 2 {
					on = []es.StreamID{streams[w%3], streams[(w+1)%3]}
				}
				write := func(ctx context.Context) error {
					id := fmt.Sprint(w, "-", c)
					var commits []es.Commit
					for _, stream := range on {
						h, err := f.Load(ctx, stream, 0)
						if err != nil {
							return err
						}
						if _, found := h.Commit(id); found {
							return nil
						}
						commits = append(
							commits, estest.Commit(h.Head, id, estest.Noted{Text: id}, estest.Noted{Text: id}),
						)
					}
					var effects []es.Effect
					if c%3 > 0 {
						effects = append(effects, f.counters.Add(counter, 1))
					}
					_, err := f.Append(ctx, commits, effects...)
					return err
				}
				err := es.ErrUnavailable
				for try := 0; try < 50 && errors.Is(err, es.ErrUnavailable); try++ {
					err = es.RetryConflicts(context.Background(), clock.System{}, write)
				}
				if err != nil {
					t.Errorf("writer %d, command %d: %v", w, c, err)
				}
			}
		})
	}
	wg.Wait()
	found := map[string]int{}
	for _, stream := range streams {
		for _, e := range estest.Load(t, tb.direct, stream, 0).Events {
			found[e.CommitID]++
		}
	}
	for w := range writers {
		for c := range commands {
			want := 2
			if c%3 == 2 {
				want = 4
			}
			if id := fmt.Sprint(w, "-", c); found[id] != want {
				t.Errorf("command %s left %d events, want %d", id, found[id], want)
			}
		}
	}
	if n, err := tb.direct.counters.Value(t.Context(), counter); err != nil || n != writers*commands*2/3 {
		t.Errorf("the effects were done %d times, %v, want %d", n, err, writers*commands*2/3)
	}
}

// suite: the suite that every store passes, on a network that fails one request in five.
func suite(t *testing.T, tb *tables) {
	checks := flag.Lookup("rapid.checks").Value.String()
	if err := flag.Set("rapid.checks", "5"); err != nil { // each of them is hundreds of requests
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := flag.Set("rapid.checks", checks); err != nil {
			t.Error(err)
		}
	})
	f := tb.behind(t, stubborn)
	f.Inject(t, nowAndThen()...)
	limits := &estest.Limits{
		CommitBytes: dynamostore.MaxCommitBytes, Items: dynamostore.MaxItems, AppendBytes: dynamostore.MaxAppendBytes,
	}
	estest.Run(t, func(*testing.T, *es.Registry) estest.Backend {
		return estest.Backend{Store: f.Store, Counters: f.counters, Limits: limits, Resends: true, Slow: true}
	})
	for i, n := range f.Happened(t) {
		if n == 0 {
			t.Errorf("fault %d never happened", i)
		}
	}
}
