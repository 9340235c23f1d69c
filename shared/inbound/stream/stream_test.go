package stream_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"pgregory.net/rapid"

	"orderflow/shared/inbound/stream"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/poison"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/catalog"
	"orderflow/shared/read/view/viewtest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// letters keeps what was sent; fail makes sending fail.
type letters struct {
	sent []stream.DeadLetter
	fail error
}

func (l *letters) Send(_ context.Context, letter stream.DeadLetter) error {
	if l.fail != nil {
		return l.fail
	}
	l.sent = append(l.sent, letter)
	return nil
}

func (l *letters) streams() []string {
	names := []string{}
	for _, letter := range l.sent {
		names = append(names, letter.Stream)
	}
	return names
}

func record(streamID string, version int64) events.DynamoDBEventRecord {
	keys := map[string]events.DynamoDBAttributeValue{
		"stream":  events.NewStringAttribute(streamID),
		"version": events.NewNumberAttribute(strconv.FormatInt(version, 10)),
	}
	return events.DynamoDBEventRecord{
		EventID: fmt.Sprintf("event-%s-%d", streamID, version), EventName: "INSERT",
		EventSourceArn: "arn:aws:dynamodb:us-east-1:1:table/events/stream/1",
		Change: events.DynamoDBStreamRecord{
			Keys: keys, NewImage: keys, SequenceNumber: fmt.Sprintf("%d00", version),
		},
	}
}

// batch has one record for each stream, named "order/<name>".
func batch(names ...string) stream.Batch {
	var b stream.Batch
	for _, name := range names {
		b.Records = append(b.Records, record("order/"+name, 1))
	}
	return b
}

var errUnreadable = errors.New("no commit")

// decode reads the keys as a commit; the stream "order/unreadable" it can't read, and
// "order/breaks" breaks it.
func decode(image map[string]events.DynamoDBAttributeValue) (es.StoredCommit, error) {
	version, err := image["version"].Integer()
	if err != nil {
		return es.StoredCommit{}, err
	}
	id := es.StreamID(image["stream"].String())
	switch id.ID() {
	case "unreadable":
		return es.StoredCommit{}, errUnreadable
	case "breaks":
		panic("decode breaks")
	}
	return es.StoredCommit{Stream: id, First: version, ID: "c"}, nil
}

var (
	errTrouble = errors.New("trouble")
	errNever   = poison.Mark(errors.New("never"))
)

// outcome is what a handler does with a commit, by the stream's name: "ok…", "never…" (poison),
// "down…" (fails each time), "slow…" (fails twice, then passes), "panics…", "idle…" (there is
// nothing to do).
func outcome(tries map[string]int, c es.StoredCommit) error {
	name := c.Stream.ID()
	tries[name]++
	switch {
	case strings.HasPrefix(name, "never"):
		return errNever
	case strings.HasPrefix(name, "down"), strings.HasPrefix(name, "slow") && tries[name] <= 2:
		return errTrouble
	case strings.HasPrefix(name, "panics"):
		panic("handler breaks")
	}
	return nil
}

func needs(c es.StoredCommit) bool { return !strings.HasPrefix(c.Stream.ID(), "idle") }

// modes are the two ways to handle commits, which behave alike.
var modes = map[string]func(c *stream.Consumer, handle func(context.Context, es.StoredCommit) error){
	"each": func(c *stream.Consumer, handle func(context.Context, es.StoredCommit) error) { c.Handle = handle },
	"batch": func(c *stream.Consumer, handle func(context.Context, es.StoredCommit) error) {
		c.HandleBatch = func(ctx context.Context, commits []es.StoredCommit) []error {
			results := make([]error, len(commits))
			for i := range commits {
				results[i] = handle(ctx, commits[i])
			}
			return results
		}
	},
}

func TestRun(t *testing.T) {
	tests := []struct {
		name    string
		batch   []string
		letters []string // streams that become dead letters
		again   bool     // the batch comes again
		tries   map[string]int
	}{
		{name: "nothing"},
		{name: "all pass", batch: []string{"ok1", "ok2"}},
		{
			name: "what fails for a while passes in the same invocation", batch: []string{"slow1", "ok1", "slow2"},
			tries: map[string]int{"slow1": 3, "ok1": 1, "slow2": 3},
		},
		{
			name: "poison among good ones", batch: []string{"ok1", "never1", "ok2"}, letters: []string{"order/never1"},
			tries: map[string]int{"never1": 1, "ok2": 1},
		},
		{name: "poison alone", batch: []string{"never1"}, letters: []string{"order/never1"}},
		{
			name: "nothing but poison", batch: []string{"never1", "never2"},
			letters: []string{"order/never1", "order/never2"},
		},
		{
			name: "unreadable among good ones", batch: []string{"ok1", "unreadable", "ok2"},
			letters: []string{"order/unreadable"},
		},
		{name: "unreadable alone", batch: []string{"unreadable"}, letters: []string{"order/unreadable"}},
		{name: "what breaks the decoder", batch: []string{"breaks", "ok1"}, letters: []string{"order/breaks"}},
		{name: "what breaks the handler", batch: []string{"ok1", "panics1", "ok2"}, letters: []string{"order/panics1"}},
		{name: "one fails while others pass", batch: []string{"down1", "ok1"}, letters: []string{"order/down1"}},
		{
			name: "one fails while another passes late", batch: []string{"down1", "slow1"},
			letters: []string{"order/down1"},
		},
		{name: "all fail", batch: []string{"down1", "down2"}, again: true},
		{name: "one alone fails", batch: []string{"down1"}, again: true},
		// Nothing passed, so the failure may be anybody's. The poison is met again when the batch
		// comes again, and has one letter then.
		{name: "all but the poison fail", batch: []string{"down1", "never1"}, again: true},
		// What there is nothing to do for passes whatever is down: an order's commits lie between
		// those of its stock and its payment.
		{
			name: "all fail for which there is anything to do", batch: []string{"idle1", "down1", "down2", "idle2"},
			again: true,
		},
		{
			name: "one fails while one passes and another has nothing to do", batch: []string{"idle1", "down1", "ok1"},
			letters: []string{"order/down1"},
		},
		{
			name: "poison among those that there is nothing to do for", batch: []string{"idle1", "never1"},
			letters: []string{"order/never1"},
		},
		{name: "nothing to do at all", batch: []string{"idle1", "idle2"}},
	}
	for mode, set := range modes {
		for _, tt := range tests {
			t.Run(mode+"/"+tt.name, func(t *testing.T) {
				tries, sender := map[string]int{}, &letters{}
				c := stream.Consumer{
					Name: "test", Decode: decode, Needs: needs, DeadLetters: sender, Clock: clock.NewFake(start),
				}
				set(&c, func(_ context.Context, commit es.StoredCommit) error { return outcome(tries, commit) })
				err := c.Run(context.Background(), batch(tt.batch...))
				if (err != nil) != tt.again {
					t.Errorf("error %v, want one: %v", err, tt.again)
				}
				if tt.again && !errors.Is(err, errTrouble) {
					t.Errorf("error %v does not tell the trouble", err)
				}
				if got := sender.streams(); !slices.Equal(got, append([]string{}, tt.letters...)) {
					t.Errorf("letters %v, want %v", got, tt.letters)
				}
				for name, want := range tt.tries {
					if tries[name] != want {
						t.Errorf("%s was tried %d times, want %d", name, tries[name], want)
					}
				}
			})
		}
	}
}

// What a placed order brings is commits of several streams, of which views are of some: while the
// views are down, all of it waits.
func TestViewsThatAreDown(t *testing.T) {
	table := viewtest.Hooked{
		Table: viewtest.NewMemory(), Hook: func(context.Context, string, bool) error { return errTrouble },
	}
	projector := view.NewProjector(memstore.New(es.NewRegistry()), table, clock.NewFake(start), nil, catalog.Views()...)
	sender := &letters{}
	c := stream.Consumer{
		Name: "project-views", Decode: decode, DeadLetters: sender, Clock: clock.NewFake(start),
		HandleBatch: projector.HandleBatch, Needs: projector.Needs,
	}
	var b stream.Batch
	for _, id := range []string{"stock/x", "order/a", "order/b", "stock/y"} {
		b.Records = append(b.Records, record(id, 1))
	}
	if err := c.Run(t.Context(), b); !errors.Is(err, errTrouble) || len(sender.sent) > 0 {
		t.Errorf("%v, letters %v", err, sender.streams())
	}
}

func TestDeadLetter(t *testing.T) {
	sender := &letters{}
	c := stream.Consumer{Name: "project-views", Decode: decode, DeadLetters: sender, Clock: clock.NewFake(start)}
	c.Handle = func(_ context.Context, commit es.StoredCommit) error { return outcome(map[string]int{}, commit) }
	var b stream.Batch
	b.Records = []events.DynamoDBEventRecord{
		record("order/ok", 1), record("order/down", 4), record("order/unreadable", 7),
	}
	if err := c.Run(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if len(sender.sent) != 2 {
		t.Fatalf("%d letters, want 2", len(sender.sent))
	}
	for i, want := range []stream.DeadLetter{
		{
			Stream: "order/down", FirstSequence: 4, SequenceNumber: "400", Poison: false, EventID: "event-order/down-4",
			Tries: 25,
		},
		{
			Stream: "order/unreadable", FirstSequence: 7, SequenceNumber: "700", Poison: true,
			EventID: "event-order/unreadable-7", Tries: 1,
		},
	} {
		got := sender.sent[i]
		if got.Version != stream.DeadLetterVersion || got.Consumer != "project-views" ||
			got.StreamARN != b.Records[0].EventSourceArn || got.Error == "" || got.At.Before(start) {
			t.Errorf("letter %+v", got)
		}
		if got.Stream != want.Stream || got.FirstSequence != want.FirstSequence ||
			got.SequenceNumber != want.SequenceNumber || got.Poison != want.Poison ||
			got.EventID != want.EventID || got.Tries != want.Tries || !got.FirstFailure.Equal(start) {
			t.Errorf("letter %+v, want %+v", got, want)
		}
		var image map[string]events.DynamoDBAttributeValue
		if err := json.Unmarshal(got.Image, &image); err != nil || image["stream"].String() != want.Stream {
			t.Errorf("image %s, %v", got.Image, err)
		}
	}
}

func TestLetterThatCannotBeSent(t *testing.T) {
	sender := &letters{fail: errors.New("queue is gone")}
	c := stream.Consumer{Name: "test", Decode: decode, DeadLetters: sender, Clock: clock.NewFake(start)}
	c.Handle = func(_ context.Context, commit es.StoredCommit) error { return outcome(map[string]int{}, commit) }
	if err := c.Run(context.Background(), batch("ok", "never")); !errors.Is(err, sender.fail) {
		t.Errorf("%v: the batch has to come again", err)
	}
}

func TestOnlyInsertsAreCommits(t *testing.T) {
	b := batch("modified", "removed", "ok")
	b.Records[0].EventName, b.Records[1].EventName = "MODIFY", "REMOVE"
	tries, sender := map[string]int{}, &letters{}
	c := stream.Consumer{Name: "test", Decode: decode, DeadLetters: sender, Clock: clock.NewFake(start)}
	c.Handle = func(_ context.Context, commit es.StoredCommit) error { return outcome(tries, commit) }
	if err := c.Run(context.Background(), b); err != nil || len(tries) != 1 || len(sender.sent) != 0 {
		t.Errorf("%v, handled %v, letters %v", err, tries, sender.sent)
	}
}

// After a commit of a stream has failed, the stream's later ones are handed on nevertheless.
func TestLaterCommitsOfAFailedStream(t *testing.T) {
	var handled []int64
	sender := &letters{}
	c := stream.Consumer{Name: "test", Decode: decode, DeadLetters: sender, Clock: clock.NewFake(start)}
	c.Handle = func(_ context.Context, commit es.StoredCommit) error {
		handled = append(handled, commit.First)
		if commit.First == 2 {
			return errNever
		}
		return nil
	}
	var b stream.Batch
	b.Records = []events.DynamoDBEventRecord{record("order/a", 1), record("order/a", 2), record("order/a", 3)}
	if err := c.Run(context.Background(), b); err != nil || !slices.Equal(handled, []int64{1, 2, 3}) ||
		len(sender.sent) != 1 {
		t.Errorf("%v, handled %v, letters %v", err, handled, sender.streams())
	}
}

// A record that the deadline kept from a full try is no dead letter, whatever passed.
func TestTimeRunsOut(t *testing.T) {
	for mode, set := range modes {
		t.Run(mode, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 500*time.Millisecond)
			defer cancel()
			sender := &letters{}
			c := stream.Consumer{Name: "test", Decode: decode, DeadLetters: sender}
			function, _ := ctx.Deadline()
			set(&c, func(ctx context.Context, commit es.StoredCommit) error {
				if own, ok := ctx.Deadline(); !ok || !own.Before(function) {
					t.Error("no time is kept back for dead letters")
				}
				if commit.Stream.ID() == "hangs" {
					<-ctx.Done()
					return fmt.Errorf("cut off: %w", ctx.Err())
				}
				return nil
			})
			if err := c.Run(ctx, batch("ok", "hangs", "ok2")); err == nil || len(sender.sent) != 0 {
				t.Errorf("%v, letters %v", err, sender.streams())
			}
		})
	}
}

func TestHandlersThatAreWrong(t *testing.T) {
	pass := func(context.Context, es.StoredCommit) error { return nil }
	short := func(_ context.Context, commits []es.StoredCommit) []error { return make([]error, len(commits)-1) }
	for name, c := range map[string]stream.Consumer{
		"none":            {DeadLetters: &letters{}},
		"both":            {DeadLetters: &letters{}, Handle: pass, HandleBatch: short},
		"no dead letters": {Handle: pass},
		"too few results": {DeadLetters: &letters{}, HandleBatch: short},
	} {
		c.Decode, c.Clock = decode, clock.NewFake(start)
		if err := c.Run(context.Background(), batch("ok1", "ok2")); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	all := stream.Consumer{
		Decode: decode, Clock: clock.NewFake(start), DeadLetters: &letters{},
		HandleBatch: func(context.Context, []es.StoredCommit) []error { return nil },
	}
	if err := all.Run(context.Background(), batch("ok1", "ok2")); err != nil {
		t.Errorf("nil for all passed: %v", err)
	}
}

// Whatever the batch holds and in whatever order: a commit is done, or has a letter, or the batch
// comes again; and a letter is only ever written for what failed, and where it may pass again, only
// beside something that was done.
func TestNothingIsLost(t *testing.T) {
	kinds := []string{"ok", "never", "down", "slow", "panics", "unreadable", "idle"}
	rapid.Check(t, func(t *rapid.T) {
		drawn := rapid.SliceOfN(rapid.SampledFrom(kinds), 0, 8).Draw(t, "batch")
		names := make([]string, len(drawn))
		for i, kind := range drawn {
			if names[i] = kind; kind != "unreadable" {
				names[i] += strconv.Itoa(i)
			}
		}
		mode := rapid.SampledFrom([]string{"each", "batch"}).Draw(t, "mode")
		var mu sync.Mutex
		tries, done, sender := map[string]int{}, map[string]bool{}, &letters{}
		c := stream.Consumer{
			Name: "test", Decode: decode, Needs: needs, DeadLetters: sender, Clock: clock.NewFake(start),
		}
		modes[mode](&c, func(_ context.Context, commit es.StoredCommit) error {
			mu.Lock()
			defer mu.Unlock()
			err := outcome(tries, commit)
			done["order/"+commit.Stream.ID()] = err == nil
			return err
		})
		err := c.Run(context.Background(), batch(names...))
		lettered := sender.streams()
		if err != nil && len(lettered) > 0 {
			t.Fatalf("%v comes again and has letters %v", names, lettered)
		}
		healthy := slices.ContainsFunc(
			names, func(name string) bool { return done["order/"+name] && !strings.HasPrefix(name, "idle") },
		)
		for _, letter := range sender.sent {
			if !letter.Poison && !healthy {
				t.Fatalf("%s of %v may pass again, and has a letter while nothing was done", letter.Stream, names)
			}
		}
		for _, name := range names {
			id := "order/" + name
			if has := slices.Contains(lettered, id); err == nil && done[id] == has {
				t.Fatalf("%s of %v: done %v, letter %v", id, names, done[id], has)
			}
		}
	})
}

type fakeSQS struct{ sent []*sqs.SendMessageInput }

func (f *fakeSQS) SendMessage(
	_ context.Context, in *sqs.SendMessageInput, _ ...func(*sqs.Options),
) (*sqs.SendMessageOutput, error) {
	f.sent = append(f.sent, in)
	return &sqs.SendMessageOutput{}, nil
}

func TestQueue(t *testing.T) {
	api := &fakeSQS{}
	q := stream.NewQueue(api, "https://queue")
	small := stream.DeadLetter{
		Version: 1, Stream: "order/a", FirstSequence: 3, Error: "e", At: start,
		Image: json.RawMessage(`{"a":{"S":"b"}}`),
	}
	large := small
	large.Error = strings.Repeat("e", 10_000)
	large.Image = json.RawMessage(`"` + strings.Repeat("x", 1_000_000) + `"`)
	for _, letter := range []stream.DeadLetter{small, large} {
		if err := q.Send(context.Background(), letter); err != nil {
			t.Fatal(err)
		}
	}
	var got [2]stream.DeadLetter
	for i, in := range api.sent {
		if aws.ToString(in.QueueUrl) != "https://queue" {
			t.Errorf("sent to %s", aws.ToString(in.QueueUrl))
		}
		if err := json.Unmarshal([]byte(aws.ToString(in.MessageBody)), &got[i]); err != nil {
			t.Fatal(err)
		}
	}
	if string(got[0].Image) != string(small.Image) || got[0].Stream != small.Stream || !got[0].At.Equal(start) {
		t.Errorf("got %+v", got[0])
	}
	if got[1].Image != nil || len(got[1].Error) > 4_000 || got[1].Stream != "order/a" || got[1].FirstSequence != 3 {
		t.Errorf(
			"a large letter has image %d, error %d, %s@%d", len(got[1].Image), len(got[1].Error), got[1].Stream,
			got[1].FirstSequence,
		)
	}
}

// SQS takes the characters of XML and no others: a letter has none of those, and says the same.
func TestLettersHaveCharactersThatQueuesTake(t *testing.T) {
	api := &fakeSQS{}
	const text = "a\x00\t\uFFFE\uFFFF\U0010FFFFz"
	image, err := json.Marshal(map[string]string{"S": text})
	if err != nil {
		t.Fatal(err)
	}
	letter := stream.DeadLetter{Version: 1, Error: text, At: start, Image: image}
	if err := stream.NewQueue(api, "https://queue").Send(t.Context(), letter); err != nil {
		t.Fatal(err)
	}
	body := aws.ToString(api.sent[0].MessageBody)
	refused := func(r rune) bool { return r < ' ' && !strings.ContainsRune("\t\n\r", r) || r == 0xFFFE || r == 0xFFFF }
	if i := strings.IndexFunc(body, refused); i >= 0 {
		t.Errorf("no queue takes %q", body[i:])
	}
	var got stream.DeadLetter
	var value struct{ S string }
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got.Image, &value); err != nil || got.Error != text || value.S != text {
		t.Errorf("%v: error %q, image %q", err, got.Error, value.S)
	}
}

// A record that is redriven is tried once, answers what it comes to, and has no second letter.
func TestRedrive(t *testing.T) {
	for mode, set := range modes {
		for _, tt := range []struct {
			name  string
			fails error
			tries int
		}{{"ok", nil, 1}, {"down", errTrouble, 1}, {"never", errNever, 1}, {"unreadable", errUnreadable, 0}} {
			t.Run(mode+"/"+tt.name, func(t *testing.T) {
				tries, sender := map[string]int{}, &letters{}
				c := stream.Consumer{Name: "test", Decode: decode, DeadLetters: sender, Clock: clock.NewFake(start)}
				set(&c, func(_ context.Context, commit es.StoredCommit) error { return outcome(tries, commit) })
				text, err := json.Marshal(map[string]any{"redrive": true, "Records": batch(tt.name).Records})
				if err != nil {
					t.Fatal(err)
				}
				var b stream.Batch
				if err := json.Unmarshal(text, &b); err != nil {
					t.Fatal(err)
				}
				if err := c.Run(context.Background(), b); !errors.Is(err, tt.fails) ||
					(err == nil) != (tt.fails == nil) || tries[tt.name] != tt.tries || len(sender.sent) != 0 {
					t.Errorf("%v after %d tries, letters %v", err, tries[tt.name], sender.streams())
				}
			})
		}
	}
}
