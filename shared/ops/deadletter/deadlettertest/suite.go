package deadlettertest

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/deadletter"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// entry is one of many; i sets it apart.
func entry(i int) deadletter.Entry {
	return deadletter.Entry{
		ID: ident.Derive("test", fmt.Sprint(i)), Status: deadletter.StatusOpen, Consumer: "start-saga",
		Topic: "order.placed", CorrelationID: "c",
		Kind: deadletter.KindQueue, Target: "arn:aws:sqs:us-east-1:1:s-start-saga", Origin: "start-saga-dlq",
		Error: fmt.Sprintf("trouble %d", i), Failures: 3,
		FirstFailure: start, LastFailure: start.Add(time.Second), RecordedAt: start.Add(time.Duration(i) * time.Minute),
		Letters:  []string{"m"},
		Requests: []deadletter.Request{{ID: "r", Fingerprint: "f"}},
	}
}

// noise is bytes that nothing makes smaller.
func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // it never fails
	return b
}

// Run runs the suite. Each call of newTable gives an empty table.
func Run(t *testing.T, newTable func(t *testing.T) deadletter.Table) {
	ctx := context.Background()
	create := func(t *testing.T, table deadletter.Table, entries ...deadletter.Entry) {
		t.Helper()
		for _, e := range entries {
			if err := table.Create(ctx, e, deadletter.Message{Body: []byte(e.ID)}); err != nil {
				t.Fatal(err)
			}
		}
	}

	t.Run("entry and message", func(t *testing.T) {
		table := newTable(t)
		e := entry(1)
		if _, err := table.Get(ctx, e.ID); !errors.Is(err, deadletter.ErrNoEntry) {
			t.Errorf("%v before it is there", err)
		}
		if _, err := table.Message(ctx, e.ID); !errors.Is(err, deadletter.ErrNoEntry) {
			t.Errorf("message: %v before it is there", err)
		}
		for name, m := range map[string]deadletter.Message{
			"small": {
				Body: []byte(`{"a":1}`), Attributes: map[string]string{"a": "b", "dots.and spaces": "ü"},
			},
			"empty": {},
			"as large as a queue's": {
				Body:       bytes.Repeat([]byte("0123456789abcdef"), 1<<16),
				Attributes: map[string]string{"a": strings.Repeat("x", 1_000)},
			},
			"no text": {Body: []byte{0, 255, 254, 10}},
			// What compresses badly, and with it attributes, which may be as large as the body.
			"as large as may be": {
				Body:       noise(700_000),
				Attributes: map[string]string{"a": base64.StdEncoding.EncodeToString(noise(300_000)), "b": "c"},
			},
		} {
			e.ID = ident.New()
			if err := table.Create(ctx, e, m); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			got, err := table.Message(ctx, e.ID)
			if err != nil || !bytes.Equal(got.Body, m.Body) || !maps.Equal(got.Attributes, m.Attributes) {
				t.Errorf("%s: %d bytes of %d, %v, %v", name, len(got.Body), len(m.Body), got.Attributes, err)
			}
			want := e
			want.Revision = 1
			if got, err := table.Get(ctx, e.ID); err != nil || !cmp.Equal(got, want) {
				t.Errorf("%s: %v, %s", name, err, cmp.Diff(want, got))
			}
			if err := table.Create(ctx, e, deadletter.Message{}); !errors.Is(err, deadletter.ErrConflict) {
				t.Errorf("%s: created twice: %v", name, err)
			}
		}
	})

	t.Run("the longest names", func(t *testing.T) {
		table := newTable(t)
		e := entry(1)
		long := strings.Repeat("x", 256)
		e.Consumer, e.Topic, e.CorrelationID, e.Code, e.Target = long, long, long, long, long
		e.Error, e.RedriveError = strings.Repeat("e", 4_000), strings.Repeat("r", 4_000)
		create(t, table, e)
		if page, err := table.List(ctx, deadletter.Query{Topic: long, Limit: 1}); err != nil || len(page.Entries) != 1 {
			t.Errorf("%v, %v", page, err)
		}
	})

	t.Run("of several updates one wins", func(t *testing.T) {
		table := newTable(t)
		e := entry(1)
		if err := table.Update(ctx, e); !errors.Is(err, deadletter.ErrConflict) {
			t.Errorf("update of nothing: %v", err)
		}
		create(t, table, e)
		read, err := table.Get(ctx, e.ID)
		if err != nil {
			t.Fatal(err)
		}
		const writers = 8
		errs := [writers]error{}
		var group sync.WaitGroup
		for i := range writers {
			group.Go(func() {
				next := read
				next.Redrives = i + 1
				errs[i] = table.Update(ctx, next)
			})
		}
		group.Wait()
		winner := 0
		for i, err := range errs {
			switch {
			case err == nil && winner == 0:
				winner = i + 1
			case err == nil:
				t.Errorf("%d and %d have written", winner, i+1)
			case !errors.Is(err, deadletter.ErrConflict):
				t.Error(err)
			}
		}
		if got, err := table.Get(ctx, e.ID); err != nil || got.Redrives != winner || winner == 0 {
			t.Errorf("%d, %v, want %d", got.Redrives, err, winner)
		}
	})

	t.Run("a request is decided once", func(t *testing.T) {
		table := newTable(t)
		create(t, table, entry(1), entry(2))
		read := func(i int) deadletter.Entry {
			e, err := table.Get(ctx, entry(i).ID)
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
		r := deadletter.Request{ID: ident.New(), Fingerprint: "f"}
		if got, found, err := table.Decided(ctx, r.ID); err != nil || found {
			t.Errorf("%+v, %v, %v before it is there", got, found, err)
		}
		stale := read(1)
		if err := table.Update(ctx, stale); err != nil {
			t.Fatal(err)
		}
		if err := table.Decide(ctx, stale, r); !errors.Is(err, deadletter.ErrConflict) {
			t.Errorf("about an entry that has changed: %v", err)
		}
		if _, found, err := table.Decided(ctx, r.ID); err != nil || found {
			t.Errorf("the request is there without its entry: %v", err)
		}
		// About two entries at once: one wins, and the other is as it was.
		errs := [2]error{}
		var group sync.WaitGroup
		for i := range errs {
			next := read(i + 1)
			next.Redrives = 7
			group.Go(func() { errs[i] = table.Decide(ctx, next, r) })
		}
		group.Wait()
		for i, err := range errs {
			other := errs[1-i]
			e := read(i + 1)
			if (err == nil) != (e.Redrives == 7) || err == nil && !errors.Is(other, deadletter.ErrConflict) {
				t.Errorf("entry %d has %d redrives: %v, and the other %v", i+1, e.Redrives, err, other)
			}
		}
		got, found, err := table.Decided(ctx, r.ID)
		if err != nil || !found || got != r || errors.Join(errs[:]...) == nil {
			t.Errorf("%+v, %v, %v after %v", got, found, err, errs)
		}
		if page, err := table.List(ctx, deadletter.Query{Limit: 10}); err != nil || len(page.Entries) != 2 {
			t.Errorf("the list has %d entries, %v", len(page.Entries), err)
		}
	})

	t.Run("due", func(t *testing.T) {
		table := newTable(t)
		var entries []deadletter.Entry
		for i, next := range []time.Time{
			start.Add(2 * time.Second), {}, start.Add(time.Second), start.Add(time.Hour), start.Add(2*time.Second + 1),
		} {
			e := entry(i)
			e.Next = next
			entries = append(entries, e)
		}
		create(t, table, entries...)
		due := func() (ids []string) {
			for e, err := range table.Due(ctx, start.Add(2*time.Second)) {
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, e.ID)
			}
			return ids
		}
		if got, want := due(), []string{entries[2].ID, entries[0].ID}; !slices.Equal(got, want) {
			t.Errorf("due are %v, want %v", got, want)
		}
		e, err := table.Get(ctx, entries[2].ID)
		if err != nil {
			t.Fatal(err)
		}
		e.Next = time.Time{}
		if err := table.Update(ctx, e); err != nil {
			t.Fatal(err)
		}
		if got, want := due(), []string{entries[0].ID}; !slices.Equal(got, want) {
			t.Errorf("after a change due are %v, want %v", got, want)
		}
	})

	t.Run("list", func(t *testing.T) {
		table := newTable(t)
		var entries []deadletter.Entry
		for i := range 12 {
			e := entry(i)
			e.RecordedAt = start.Add(time.Duration(i/2) * time.Minute) // two at a time
			e.Consumer = []string{"start-saga", "send-mails", "project-views"}[i%3]
			e.Topic = []string{"order.placed", "order.cancelling", "", "order.placed"}[i%4]
			e.Status = deadletter.Statuses()[i%5]
			e.OrderID = []string{"", "o1", "o2"}[i%3]
			entries = append(entries, e)
		}
		create(t, table, entries...)
		for _, q := range []deadletter.Query{
			{}, {Consumer: "send-mails"}, {Topic: "order.placed"}, {Status: deadletter.StatusSpent},
			{Error: "trouble 1"}, {Error: "Trouble"},
			{Consumer: "start-saga", Topic: "order.placed"}, {Consumer: "send-mails", Status: deadletter.StatusOpen},
			{Topic: "order.placed", Error: "3"},
			{Order: "o1"}, {Order: "o1", Status: deadletter.StatusOpen, Consumer: "send-mails"}, {Order: "o9"},
			{Order: "o1", Before: start.Add(2 * time.Minute)},
			{Before: start.Add(2 * time.Minute)}, {Before: start},
			{Consumer: "start-saga", Before: start.Add(3*time.Minute + 1)}, {Consumer: "nobody"},
			{Oldest: true}, {Oldest: true, Status: deadletter.StatusSpent},
			{Oldest: true, Before: start.Add(2 * time.Minute)}, {Oldest: true, Topic: "order.placed", Error: "3"},
		} {
			var want []string
			for _, e := range entries {
				if q.Matches(e) {
					want = append(want, e.Place())
				}
			}
			slices.Sort(want)
			if !q.Oldest {
				slices.Reverse(want)
			}
			for _, limit := range []int{1, 5, deadletter.MaxPage} {
				var got []string
				q.Limit, q.After = limit, ""
				for pages := 0; ; pages++ {
					page, err := table.List(ctx, q)
					if err != nil || len(page.Entries) > limit || pages > 50 {
						t.Fatalf("%+v: %d entries, %v", q, len(page.Entries), err)
					}
					for _, e := range page.Entries {
						got = append(got, e.Place())
					}
					if q.After = page.Next; q.After == "" {
						break
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("%+v: %v, want %v", q, got, want)
				}
			}
		}
	})

	t.Run("notes", func(t *testing.T) {
		table := newTable(t)
		if _, found, err := table.NoteOf(ctx, "q", "m"); err != nil || found {
			t.Errorf("%v, %v before there is one", found, err)
		}
		first := deadletter.Note{
			Queue: "q", MessageID: "m", Error: "one", Code: "a.code", First: start, Last: start,
		}
		second := deadletter.Note{
			Queue: "q", MessageID: "m", Error: "two", Held: true, First: start.Add(time.Minute),
			Last: start.Add(time.Minute),
		}
		want := second
		want.First, want.Tries = start, 2
		one, other := first, deadletter.Note{Queue: "q", MessageID: "m2", Error: "other", First: start, Last: start}
		one.Tries = 1
		another := other
		another.Tries = 1
		for _, tc := range []struct{ given, want deadletter.Note }{{first, one}, {second, want}, {other, another}} {
			if got, err := table.Note(ctx, tc.given); err != nil || !cmp.Equal(got, tc.want) {
				t.Errorf("%v, %s", err, cmp.Diff(tc.want, got))
			}
		}
		if got, found, err := table.NoteOf(ctx, "q", "m"); err != nil || !found || !cmp.Equal(got, want) {
			t.Errorf("%v, %v, %s", found, err, cmp.Diff(want, got))
		}
		if _, found, err := table.NoteOf(ctx, "q2", "m"); err != nil || found {
			t.Errorf("another queue's: %v, %v", found, err)
		}
		if page, err := table.List(ctx, deadletter.Query{Limit: 10}); err != nil || len(page.Entries) != 0 {
			t.Errorf("notes are listed: %v, %v", page, err)
		}
	})
}
