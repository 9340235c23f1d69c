//go:build integration

package dynamostore_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
)

type (
	unheard      struct{ N int64 }
	otherwise    struct{ N []string } // what "test.counted" never was
	laterCounted struct{ N int64 }
)

// damage breaks the commit of a stream that follows a head.
type damage = func(t *testing.T, stream es.StreamID, before es.Head)

// broken is a commit that nobody can read.
type broken struct {
	name    string
	damage  damage
	says    string               // behind the stream's name
	unknown *es.UnknownTypeError // expected in place of an ErrCorrupt, but for the stream and the version
	whole   bool                 // all but the events can be read
	gone    bool                 // there is nothing in the commit's place
}

// TestBrokenStreams: a stream of three commits (versions 1 and 2, 3, 4 and 5) whose second or third
// nobody can read. Whoever asks for it hears which it is, nobody else notices, and nothing is
// written onto it.
func TestBrokenStreams(t *testing.T) {
	d := damager{client: dynamodb.NewFromConfig(awstest.Config(t)), table: awstest.Table(t, awstest.EventsTable())}
	s := dynamostore.New(d.client, d.table, es.NewRegistry(estest.Register))
	var others []es.StreamID
	for _, tt := range d.ways() {
		for _, last := range []bool{false, true} {
			if last && tt.gone {
				continue // a stream that lost its end looks like one that is shorter
			}
			t.Run(fmt.Sprintf("%s, last %t", tt.name, last), func(t *testing.T) {
				others = append(others, tt.isNoticed(t, s, last))
			})
		}
	}
	passOver(t, s, others)
}

// damager breaks what is stored in a table.
type damager struct {
	client *dynamodb.Client
	table  string
}

// ways are those in which a commit can break.
func (d damager) ways() []broken {
	return []broken{
		{
			name: "no count", damage: d.change(func(i map[string]types.AttributeValue) { delete(i, "count") }),
			says: "attribute count",
		},
		{
			name: "count is text",
			damage: d.change(func(i map[string]types.AttributeValue) {
				i["count"] = &types.AttributeValueMemberS{Value: "1"}
			}),
			says: "attribute count",
		},
		{
			name: "no commit id", damage: d.change(func(i map[string]types.AttributeValue) { delete(i, "commit") }),
			says: "attribute commit",
		},
		{name: "it is gone", damage: d.remove, says: "the commit before it ends at version", gone: true},
		{
			name: "events of another shape", says: "decode test.counted", whole: true,
			damage: d.foreign(
				func(int64) any { return otherwise{[]string{"x"}} },
				func(r *es.Registry) { es.Register[otherwise](r, "test.counted", 1) },
			),
		},
		{
			name: "a type that no registry knows", unknown: &es.UnknownTypeError{Type: "test.unheard", Schema: 1},
			whole: true,
			damage: d.foreign(
				func(n int64) any { return unheard{n} },
				func(r *es.Registry) { es.Register[unheard](r, "test.unheard", 1) },
			),
		},
		{
			name: "a schema from the future", unknown: &es.UnknownTypeError{Type: "test.counted", Schema: 2, Known: 1},
			whole: true,
			damage: d.foreign(func(n int64) any { return laterCounted{n} }, func(r *es.Registry) {
				es.Register[laterCounted](r, "test.counted", 2)
				r.Upcast("test.counted", 1, func(data json.RawMessage) (json.RawMessage, error) { return data, nil })
			}),
		},
	}
}

func streamKey(stream es.StreamID, version string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"stream":  &types.AttributeValueMemberS{Value: string(stream)},
		"version": &types.AttributeValueMemberN{Value: version},
	}
}

// change puts an item anew as f leaves it.
func (d damager) change(f func(item map[string]types.AttributeValue)) damage {
	return func(t *testing.T, stream es.StreamID, before es.Head) {
		out, err := d.client.GetItem(
			t.Context(),
			&dynamodb.GetItemInput{TableName: &d.table, Key: streamKey(stream, fmt.Sprint(before.Version()+1))},
		)
		if err != nil || out.Item == nil {
			t.Fatalf("%v, %v", out, err)
		}
		f(out.Item)
		if _, err := d.client.PutItem(
			t.Context(), &dynamodb.PutItemInput{TableName: &d.table, Item: out.Item},
		); err != nil {
			t.Fatal(err)
		}
	}
}

func (d damager) remove(t *testing.T, stream es.StreamID, before es.Head) {
	t.Helper()
	if _, err := d.client.DeleteItem(
		t.Context(),
		&dynamodb.DeleteItemInput{TableName: &d.table, Key: streamKey(stream, fmt.Sprint(before.Version()+1))},
	); err != nil {
		t.Fatal(err)
	}
}

// foreign writes the commit anew by a program that knows other events than this one.
func (d damager) foreign(event func(n int64) any, register func(*es.Registry)) damage {
	return func(t *testing.T, stream es.StreamID, before es.Head) {
		d.remove(t, stream, before)
		events := []any{event(3)}
		if before.Version() == 3 {
			events = []any{event(4), event(5)}
		}
		estest.Append(t, dynamostore.New(d.client, d.table, es.NewRegistry(register)), before, "foreign", events...)
	}
}

// isNoticed breaks the second or the last commit of a stream: whoever asks for it hears of it, and
// an append neither succeeds in its place nor is kept from the stream's end. It gives a stream
// beside, which nothing happens to.
func (tt broken) isNoticed(t *testing.T, s *dynamostore.Store, last bool) (other es.StreamID) {
	t.Helper()
	stream, other := estest.Stream(), estest.Stream()
	first := estest.Append(
		t, s, es.StoreHead(stream, 0, 0, ""), "a", estest.Counted{N: 1}, estest.Counted{N: 2},
	)
	second := estest.Append(t, s, first, "b", estest.Counted{N: 3})
	third := estest.Append(t, s, second, "c", estest.Counted{N: 4}, estest.Counted{N: 5})
	beside := estest.Append(t, s, es.StoreHead(other, 0, 0, ""), "a", estest.Counted{N: 1})
	before, version := first, int64(3)
	if last {
		before, version = second, 4
	}
	tt.damage(t, stream, before)
	if tt.gone {
		version = 4 // which follows on nothing
	}
	unreadable := func(what string, err error) {
		t.Helper()
		tt.unreadable(t, what, err, stream, version)
	}

	_, err := s.Load(t.Context(), stream, 0)
	unreadable("load", err)
	_, err = s.Since(t.Context(), first)
	unreadable("since", err)
	var read []int64
	for e, each := range s.Read(t.Context(), stream, es.Range{}) {
		if err = each; err == nil {
			read = append(read, e.Version)
		}
	}
	unreadable("read", err)
	if len(read) != int(before.Version()) {
		t.Errorf("read %v ahead of it", read)
	}

	// The end of the stream, and what is appended there, know nothing of what stands before.
	head, err := s.At(t.Context(), stream, 5)
	if last && !tt.whole {
		unreadable("at", err)
	} else if err != nil || head.Version() != 5 {
		t.Errorf("at: %+v, %v", head, err)
	}

	// An append in the place of what is broken is no success, and no conflict that would be decided
	// again for ever.
	if !tt.gone && !tt.whole {
		own := before
		_, err = s.Append(t.Context(), []es.Commit{estest.Commit(own, "again", estest.Counted{N: 9})})
		unreadable("append", err)
		_, err = s.Append(
			t.Context(),
			[]es.Commit{
				estest.Commit(own, "again", estest.Counted{N: 9}),
				estest.Commit(beside, "b", estest.Counted{N: 2}),
			},
		)
		unreadable("append to two streams", err)
	}
	counted(t, s, other, 1)
	if beside = estest.Append(t, s, beside, "c", estest.Counted{N: 2}); beside.Version() != 2 {
		t.Errorf("%+v", beside)
	}
	if !last {
		estest.Append(t, s, third, "d", estest.Counted{N: 6})
	}
	return other
}

// unreadable wants an error that names the commit that can't be read, and that nobody tries again.
func (tt broken) unreadable(t *testing.T, what string, err error, stream es.StreamID, version int64) {
	t.Helper()
	var unknown *es.UnknownTypeError
	switch {
	case tt.unknown != nil:
		want := *tt.unknown
		want.Stream, want.Version = stream, version
		if !errors.As(err, &unknown) || *unknown != want || errors.Is(err, es.ErrCorrupt) {
			t.Errorf("%s: %v, want %v", what, err, &want)
		}
	case !errors.Is(err, es.ErrCorrupt) ||
		!strings.Contains(err.Error(), fmt.Sprintf("%s@%d: ", stream, version)) ||
		!strings.Contains(err.Error(), tt.says):
		t.Errorf("%s: %v", what, err)
	}
	if errors.Is(err, es.ErrConflict) || errors.Is(err, es.ErrUnavailable) {
		t.Errorf("%s would be tried again: %v", what, err)
	}
}

// passOver: a scan says that there are broken commits, and gives all that can be read, without
// decoding the events.
func passOver(t *testing.T, s *dynamostore.Store, others []es.StreamID) {
	t.Helper()
	broken, healthy := false, map[es.StreamID]bool{}
	for page, err := range s.Scan(context.Background(), 0, 1, "") {
		if broken = broken || errors.Is(err, es.ErrCorrupt); err != nil && !errors.Is(err, es.ErrCorrupt) {
			t.Fatal(err)
		}
		for _, c := range page.Commits {
			healthy[c.Stream] = true
		}
	}
	for _, other := range others {
		if !broken || !healthy[other] {
			t.Errorf("a scan over broken items (said: %t) has %s: %t", broken, other, healthy[other])
		}
	}
}
