package estest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
)

// Run puts a store through the suite, which takes it seconds. open is called once, with a registry
// that knows the suite's events. The store may hold streams of others, and is left with those that
// the tests have written. A store that is an es.Scanner is tested as one.
func Run(t *testing.T, open func(t *testing.T, registry *es.Registry) Backend) {
	t.Helper()
	b := open(t, es.NewRegistry(Register))
	if b.Store == nil || b.Counters == nil {
		t.Fatal("estest: a Backend has to have Store and Counters")
	}
	for _, c := range []struct {
		name string
		test func(*testing.T, Backend)
	}{
		{"a stream without events", emptyStream},
		{"what is appended is loaded", roundTrip},
		{"load after a version", loadAfter},
		{"since a head", since},
		{"a part of a stream", readRange},
		{"reading while others append", readWhile},
		{"a scan of all", scan},
		{"the head of a version", headAt},
		{"streams are apart", streamsApart},
		{"the time of an append", stamped},
		{"heads together", confirm},
		{"many heads together", confirmMany},
		{"heads together while others append", confirmWhole},
		{"appends that no store takes", invalidAppends},
		{"a stale head", staleHead},
		{"writers race for one head", race},
		{"commands race for one stream", handlerRace},
		{"a repeated commit", recognised},
		{"a repeated append on several streams", recognisedSeveral},
		{"part of an append was there", recognisedPart},
		{"a lost answer", lostAnswer},
		{"several streams, all or none", severalStreams},
		{"more than a page", longStream},
		{"over a limit", overLimits},
		{"effects, all or none", effects},
		{"effects and conflicts", effectsAndConflicts},
		{"writers race for a counter", effectRace},
		{"releases with other schemas", releases},
		{"a cancelled context", cancelled},
		{"as a simple model does", model},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, b) })
	}
}

func emptyStream(t *testing.T, b Backend) {
	stream := Stream()
	for _, after := range []int64{0, 1, 7} {
		h := Load(t, b.Store, stream, after)
		if len(h.Events) != 0 || h.Head.Version() != 0 || h.Head.CommitID() != "" || h.Head.Stream() != stream {
			t.Errorf("after %d: %+v", after, h)
		}
	}
	head, err := b.Store.At(t.Context(), stream, 0)
	if err != nil || head != Load(t, b.Store, stream, 0).Head {
		t.Errorf("At 0 is %+v, %v", head, err)
	}
	wantConflict(t, mustFailAt(t, b.Store, stream, 1), stream, 1)
}

func roundTrip(t *testing.T, b Backend) {
	stream := Stream()
	meta := es.Metadata{
		CorrelationID: "c-1", CausationID: "saga/charge",
		Traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Tracestate: "a=1",
		Actor: "u-1", Principal: "person/p-1",
	}
	commit := es.Commit{
		Head: Load(t, b.Store, stream, 0).Head, ID: "commit/1 ü", Fingerprint: "sha256:abc",
		Time: Start.In(time.FixedZone("", 2*3600)), Metadata: meta,
		Events: []any{Noted{Text: "<&> \u2028 ‘ü’ \x00 \"\\ 🙂"}, Counted{N: -1 << 63}, Counted{N: 1<<63 - 1}, Noted{}},
	}
	appended, err := b.Store.Append(t.Context(), []es.Commit{commit})
	if err != nil {
		t.Fatal(err)
	}
	want := []es.Recorded{}
	for i, e := range commit.Events {
		kind := "test.noted"
		if _, ok := e.(Counted); ok {
			kind = "test.counted"
		}
		want = append(want, es.Recorded{
			Stream: stream, Version: int64(i + 1), Type: kind, Schema: 1, Data: e,
			CommitID: commit.ID, Fingerprint: commit.Fingerprint, Time: Start, Metadata: meta,
		})
	}
	h := Load(t, b.Store, stream, 0)
	if diff := cmp.Diff(want, h.Events); diff != "" {
		t.Error(diff)
	}
	if h.Events[0].Time.Location() != time.UTC {
		t.Errorf("the time is in %v", h.Events[0].Time.Location())
	}
	if !b.wrote(appended) || len(appended.Heads) != 1 || appended.Heads[0] != h.Head || h.Head.Version() != 4 ||
		h.Head.CommitID() != commit.ID || h.Head.Stream() != stream {
		t.Errorf("appended %+v, loaded %+v", appended, h.Head)
	}
	// A commit without any of the optional parts.
	head := Append(t, b.Store, h.Head, "bare", Noted{Text: "x"})
	h = Load(t, b.Store, stream, 4)
	if len(h.Events) != 1 || h.Events[0].Metadata != (es.Metadata{}) || h.Events[0].Fingerprint != "" ||
		h.Head != head {
		t.Errorf("the bare commit reads %+v", h)
	}
}

// uneven appends commits of the given sizes, with Counted events that hold their own version.
func uneven(t *testing.T, s es.Store, stream es.StreamID, sizes ...int) (heads []es.Head) {
	t.Helper()
	head := Load(t, s, stream, 0).Head
	for i, size := range sizes {
		var events []any
		for n := range size {
			events = append(events, Counted{N: head.Version() + int64(n) + 1})
		}
		head = Append(t, s, head, fmt.Sprintf("c%d", i), events...)
		heads = append(heads, head)
	}
	return heads
}

// wantVersions checks that exactly the events from first to last are there, each where it belongs.
func wantVersions(t *testing.T, h es.History, first, last int64) {
	t.Helper()
	if int64(len(h.Events)) != max(last-first+1, 0) {
		t.Errorf("%d events, want versions %d to %d", len(h.Events), first, last)
		return
	}
	for i, e := range h.Events {
		if want := first + int64(i); e.Version != want || e.Data != (Counted{N: want}) {
			t.Errorf("event %d is version %d: %+v", want, e.Version, e.Data)
		}
	}
}

func loadAfter(t *testing.T, b Backend) {
	stream := Stream()
	heads := uneven(t, b.Store, stream, 1, 5, 2, 1, 3) // ends 1, 6, 8, 9, 12
	last := heads[len(heads)-1]
	for after := int64(-1); after <= 14; after++ {
		h := Load(t, b.Store, stream, after)
		wantVersions(t, h, max(after, 0)+1, 12)
		if h.Head != last {
			t.Errorf("after %d: head %+v, want %+v", after, h.Head, last)
		}
	}
	// The head of a partial load takes an append like that of a whole one, also where there was
	// nothing to load.
	for after := int64(11); after <= 13; after++ {
		h := Load(t, b.Store, stream, after)
		Append(t, b.Store, h.Head, fmt.Sprintf("next%d", after), Noted{Text: "x"})
	}
}

func since(t *testing.T, b Backend) {
	stream := Stream()
	heads := append([]es.Head{Load(t, b.Store, stream, 0).Head}, uneven(t, b.Store, stream, 1, 5, 2)...)
	for _, head := range heads {
		h, err := b.Store.Since(t.Context(), head)
		if err != nil {
			t.Fatal(err)
		}
		if wantVersions(t, h, head.Version()+1, 8); h.Head != heads[3] {
			t.Errorf("since %d: head %+v, want %+v", head.Version(), h.Head, heads[3])
		}
		for through := int64(0); through <= 9; through++ {
			var want []int64
			for v := head.Version() + 1; v <= 8 && (through == 0 || v <= through); v++ {
				want = append(want, v)
			}
			got := versionsOf(t, b.Store, stream, es.Range{Since: head, Through: through})
			if !slices.Equal(got, want) {
				t.Errorf("since %d, through %d: %v, want %v", head.Version(), through, got, want)
			}
		}
	}
	// Heads of another store, which has the same stream: it ended elsewhere, went on further, or
	// held another commit there.
	for _, head := range []es.Head{
		es.StoreHead(stream, 9, 9, "c3"), es.StoreHead(stream, 2, 6, "x"), es.StoreHead(stream, 2, 4, "c1"),
		es.StoreHead(Stream(), 1, 1, "c0"),
	} {
		if h, err := b.Store.Since(t.Context(), head); !errors.Is(err, es.ErrUnknownHead) {
			t.Errorf("since %+v: %+v, %v", head, h, err)
		}
		read := 0
		for e, err := range b.Store.Read(t.Context(), head.Stream(), es.Range{Since: head}) {
			if read++; !errors.Is(err, es.ErrUnknownHead) {
				t.Errorf("since %+v: %+v, %v", head, e, err)
			}
		}
		if read != 1 {
			t.Errorf("since %+v: %d events and errors", head, read)
		}
	}
}

// versionsOf reads a range to its end.
func versionsOf(t *testing.T, s es.Store, stream es.StreamID, r es.Range) (versions []int64) {
	t.Helper()
	for e, err := range s.Read(t.Context(), stream, r) {
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		if e.Data != (Counted{N: e.Version}) || e.Stream != stream || e.CommitID == "" {
			t.Errorf("%+v: %+v", r, e)
		}
		versions = append(versions, e.Version)
	}
	return versions
}

func readRange(t *testing.T, b Backend) {
	stream := Stream()
	uneven(t, b.Store, stream, 1, 5, 2, 1, 3) // ends 1, 6, 8, 9, 12
	step, throughs, limits := int64(2), []int64{-1, 0, 1, 3, 6, 9, 11, 12, 40}, []int{-1, 0, 1, 4, 5}
	if b.Slow {
		step, throughs, limits = 4, []int64{0, 3, 11}, []int{0, 4}
	}
	for _, backwards := range []bool{false, true} {
		for after := int64(-1); after <= 13; after += step {
			for _, through := range throughs {
				for _, limit := range limits {
					var want []int64
					for v := int64(1); v <= 12; v++ {
						if v > after && (through < 1 || v <= through) {
							want = append(want, v)
						}
					}
					if backwards {
						slices.Reverse(want)
					}
					if limit > 0 {
						want = want[:min(limit, len(want))]
					}
					r := es.Range{After: after, Through: through, Backwards: backwards, Limit: limit}
					if got := versionsOf(t, b.Store, stream, r); !slices.Equal(got, want) {
						t.Errorf("%+v: %v, want %v", r, got, want)
					}
				}
			}
		}
	}
	if got := versionsOf(t, b.Store, Stream(), es.Range{Backwards: true}); len(got) > 0 {
		t.Errorf("a stream without events: %v", got)
	}
}

// readWhile: what is read was there as it is read, and nothing is left out, though the stream grows
// under the reader's hands.
func readWhile(t *testing.T, b Backend) {
	stream := Stream()
	head := uneven(t, b.Store, stream, 2, 1)[1]
	next := int64(1)
	for e, err := range b.Store.Read(t.Context(), stream, es.Range{}) {
		if err != nil || e.Version != next {
			t.Fatalf("%+v, %v, want version %d", e, err, next)
		}
		next++
		if e.Version <= 3 {
			head = Append(t, b.Store, head, fmt.Sprintf("during%d", e.Version), Noted{})
		}
	}
	if next < 4 {
		t.Errorf("read up to version %d of the 3 that were there", next-1)
	}
}

// scan finds each commit once, whatever the number of segments, also when it goes on from a
// position; there may be commits of other tests.
func scan(t *testing.T, b Backend) {
	scanner, ok := b.Store.(es.Scanner)
	if !ok {
		t.Skip("this store is no Scanner")
	}
	want := map[es.Head]bool{}
	text := Text(1, 10_000)
	for range 50 { // 1.5 MB: more than a page of DynamoDB's
		head := Load(t, b.Store, Stream(), 0).Head
		for i := range 3 {
			head = Append(t, b.Store, head, fmt.Sprint(i), Noted{Text: text}, Noted{})
			want[head] = true
		}
	}
	for _, segments := range []int{1, 3} {
		found := map[es.Head]int{}
		pages := 0
		for segment := range segments {
			// Stopped after each page and taken up again.
			for from, first := "", true; first || from != ""; first = false {
				for page, err := range scanner.Scan(t.Context(), segment, segments, from) {
					if err != nil {
						t.Fatal(err)
					}
					for _, c := range page.Commits {
						found[c.Head()]++
						if want[c.Head()] && (len(c.Events) != 2 || !c.Time.Equal(Start)) {
							t.Errorf("%+v", c)
						}
					}
					pages++
					from = page.Next
					break
				}
			}
		}
		for head := range want {
			if found[head] != 1 {
				t.Errorf(
					"%s@%d was found %d times in %d segments", head.Stream(), head.Version(), found[head], segments,
				)
			}
		}
		if pages < 2 {
			t.Error("all on one page: no scan was taken up again")
		}
	}
}

func headAt(t *testing.T, b Backend) {
	stream := Stream()
	heads := uneven(t, b.Store, stream, 2, 3)
	for version := int64(-1); version <= 7; version++ {
		if version == 5 {
			continue
		}
		wantConflict(t, mustFailAt(t, b.Store, stream, version), stream, version)
	}
	head, err := b.Store.At(t.Context(), stream, 5)
	if err != nil || head != heads[1] {
		t.Fatalf("At 5 is %+v, %v, want %+v", head, err, heads[1])
	}
	if head = Append(t, b.Store, head, "next", Noted{}); head.Version() != 6 {
		t.Errorf("the next version is %d", head.Version())
	}
}

// streamsApart: no id is taken for another that it begins with, or that differs in its category.
// stamped: what is appended has the store's time, where it was not decided later.
func stamped(t *testing.T, b Backend) {
	if b.Clock == nil {
		t.Skip("this store has no clock")
	}
	one, two := Load(t, b.Store, Stream(), 0).Head, Load(t, b.Store, Stream(), 0).Head
	earlier, later := Commit(one, "earlier", Noted{}), Commit(two, "later", Noted{})
	earlier.Time, later.Time = Start.Add(-time.Hour), Start.Add(time.Hour)
	if _, err := b.Store.Append(t.Context(), []es.Commit{earlier, later}); err != nil {
		t.Fatal(err)
	}
	if at := Load(t, b.Store, one.Stream(), 0).Events[0].Time; !at.Equal(b.Clock.Now()) {
		t.Errorf("decided an hour ago, and appended at %v", at)
	}
	if at := Load(t, b.Store, two.Stream(), 0).Events[0].Time; !at.Equal(later.Time) {
		t.Errorf("decided in an hour, and appended at %v", at)
	}
}

func streamsApart(t *testing.T, b Backend) {
	one := Stream()
	others := []es.StreamID{
		one + "0", one + "/1", es.NewStreamID("other", one.ID()), es.NewStreamID("test", strings.ToUpper(one.ID()+"a")),
	}
	uneven(t, b.Store, one, 2)
	for i, other := range others {
		if h := Load(t, b.Store, other, 0); h.Head.Version() != 0 {
			t.Errorf("%s has %d events", other, h.Head.Version())
		}
		uneven(t, b.Store, other, i+1)
	}
	wantVersions(t, Load(t, b.Store, one, 0), 1, 2)
	for i, other := range others {
		wantVersions(t, Load(t, b.Store, other, 0), 1, int64(i+1))
	}
}

func invalidAppends(t *testing.T, b Backend) {
	stream := Stream()
	head := Load(t, b.Store, stream, 0).Head
	type unregistered struct{}
	good := Commit(head, "good", Noted{})
	for name, commits := range map[string][]es.Commit{
		"none":              {},
		"no events":         {Commit(head, "c")},
		"no id":             {Commit(head, "", Noted{})},
		"no time":           {{Head: head, ID: "c", Events: []any{Noted{}}}},
		"no head":           {Commit(es.Head{}, "c", Noted{})},
		"a stream twice":    {good, Commit(head, "c", Noted{})},
		"an unknown type":   {Commit(head, "c", unregistered{})},
		"a nil event":       {Commit(head, "c", nil)},
		"a pointer":         {Commit(head, "c", &Noted{})},
		"one of two is bad": {good, Commit(Load(t, b.Store, Stream(), 0).Head, "c")},
	} {
		_, err := b.Store.Append(t.Context(), commits)
		if err == nil || errors.Is(err, es.ErrConflict) || errors.Is(err, es.ErrLimit) {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantEmpty(t, b.Store, stream)
}

func staleHead(t *testing.T, b Backend) {
	stream := Stream()
	start := Load(t, b.Store, stream, 0).Head
	heads := append([]es.Head{start}, uneven(t, b.Store, stream, 1, 3, 1)...)
	for _, head := range heads[:3] {
		_, err := b.Store.Append(
			t.Context(), []es.Commit{Commit(head, "late", Noted{}, Noted{}, Noted{}, Noted{}, Noted{}, Noted{})},
		)
		wantConflict(t, err, stream, head.Version())
	}
	wantVersions(t, Load(t, b.Store, stream, 0), 1, 5)
}

func race(t *testing.T, b Backend) {
	const writers = 8
	stream := Stream()
	head := uneven(t, b.Store, stream, 2)[0]
	won, errs := make([]es.Head, writers), make([]error, writers)
	together(writers, func(i int) {
		appended, err := b.Store.Append(
			context.Background(), []es.Commit{Commit(head, fmt.Sprintf("w%d", i), make3(i)...)},
		)
		if errs[i] = err; err == nil {
			won[i] = appended.Heads[0]
		}
	})
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			t.Fatalf("writers %d and %d both won", winner, i)
		case err == nil:
			winner = i
		default:
			wantConflict(t, err, stream, 2)
		}
	}
	if winner < 0 {
		t.Fatalf("nobody won: %v", errs)
	}
	h := Load(t, b.Store, stream, 2)
	if len(h.Events) != 1+winner%3 || h.Head != won[winner] || h.Head.CommitID() != fmt.Sprintf("w%d", winner) {
		t.Errorf("writer %d won, the stream has %+v", winner, h)
	}
}

// make3 gives one, two or three events.
func make3(i int) []any { return []any{Noted{}, Noted{}, Noted{}}[:1+i%3] }

type tally struct{ total, count int64 }

func counter(s es.Store, c clock.Clock) es.Handler[int64, tally, Counted] {
	return es.Handler[int64, tally, Counted]{
		Category: "test", Store: s, Clock: c,
		Decider: es.Decider[int64, tally, Counted]{
			Initial: func() tally { return tally{} },
			Decide: func(n int64, _ tally) ([]Counted, error) {
				return []Counted{{N: n}, {N: -n}, {N: n}}[:1+2*(n%2)], nil
			},
			Evolve: func(s tally, e Counted) tally { return tally{s.total + e.N, s.count + 1} },
		},
	}
}

func handlerRace(t *testing.T, b Backend) {
	const writers = 8
	stream := Stream()
	h := counter(b.Store, clock.System{})
	errs := make([]error, writers)
	together(writers, func(i int) {
		_, errs[i] = h.Handle(
			context.Background(), stream.ID(), es.Request{CommitID: fmt.Sprintf("w%d", i), Time: Start}, int64(i),
		)
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	res, err := h.Get(t.Context(), stream.ID())
	if err != nil || res.State.total != writers*(writers-1)/2 || res.State.count != 2*writers {
		t.Errorf("%+v, %v", res, err)
	}
	for i, e := range Load(t, b.Store, stream, 0).Events {
		if e.Version != int64(i+1) {
			t.Errorf("event %d has version %d", i, e.Version)
		}
	}
}

func recognised(t *testing.T, b Backend) {
	stream := Stream()
	heads := uneven(t, b.Store, stream, 2)
	first := Commit(heads[0], "mine", Counted{N: 3}, Counted{N: 4})
	head := Append(t, b.Store, first.Head, first.ID, first.Events...)
	check := func(repeat es.Commit) {
		t.Helper()
		again, err := b.Store.Append(t.Context(), []es.Commit{repeat})
		if err != nil || !again.Recognised || len(again.Heads) != 1 || again.Heads[0] != head {
			t.Errorf("%+v, %v, want head %+v", again, err, head)
		}
	}
	check(first)
	// The second try may decide otherwise: what is stored counts.
	check(Commit(heads[0], "mine", Noted{Text: "another"}))
	// Others may have appended since.
	Append(t, b.Store, head, "theirs", Counted{N: 5})
	check(first)
	wantVersions(t, Load(t, b.Store, stream, 0), 1, 5)
	// At another place the id is not the same commit.
	_, err := b.Store.Append(t.Context(), []es.Commit{Commit(head, "mine", Noted{})})
	wantConflict(t, err, stream, 4)
	// Several tries at once: one writes, and each of them has written.
	stream = Stream()
	start := Load(t, b.Store, stream, 0).Head
	var mu sync.Mutex
	fresh := 0
	together(8, func(int) {
		a, err := b.Store.Append(context.Background(), []es.Commit{Commit(start, "mine", Counted{N: 1})})
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			t.Errorf("a try: %v", err)
		} else if !a.Recognised {
			fresh++
		}
	})
	if wantVersions(t, Load(t, b.Store, stream, 0), 1, 1); fresh > 1 || fresh < 1 && !b.Resends {
		t.Errorf("%d of the tries wrote", fresh)
	}
}

func recognisedSeveral(t *testing.T, b Backend) {
	one, two := Stream(), Stream()
	heads := uneven(t, b.Store, one, 2)
	counter := one.ID()
	commits := []es.Commit{
		Commit(heads[0], "mine", Counted{N: 3}, Counted{N: 4}),
		Commit(Load(t, b.Store, two, 0).Head, "mine", Counted{N: 1}),
	}
	first, err := b.Store.Append(t.Context(), commits, b.Counters.Add(counter, 5))
	if err != nil || !b.wrote(first) {
		t.Fatalf("%+v, %v", first, err)
	}
	// Whatever the effects of the repeat would do, or be refused for, they were done with the
	// first.
	for _, n := range []int64{5, -100} {
		again, err := b.Store.Append(t.Context(), commits, b.Counters.Add(counter, n))
		if err != nil || !again.Recognised {
			t.Fatalf("%+v, %v", again, err)
		}
		if diff := cmp.Diff(first.Heads, again.Heads, cmp.AllowUnexported(es.Head{})); diff != "" {
			t.Error(diff)
		}
	}
	wantVersions(t, Load(t, b.Store, one, 0), 1, 4)
	wantVersions(t, Load(t, b.Store, two, 0), 1, 1)
	wantCounter(t, b, counter, 5)
}

// recognisedPart: an earlier try with these ids wrote something else, of which one commit is here.
// That is not this append, and the caller decides again.
func recognisedPart(t *testing.T, b Backend) {
	one, two := Stream(), Stream()
	start := Load(t, b.Store, one, 0).Head
	Append(t, b.Store, start, "mine", Counted{N: 1})
	other := Commit(Load(t, b.Store, two, 0).Head, "mine", Counted{N: 1})
	for _, commits := range [][]es.Commit{
		{Commit(start, "mine", Counted{N: 1}), other}, {other, Commit(start, "mine", Counted{N: 1})},
	} {
		_, err := b.Store.Append(t.Context(), commits, b.Counters.Add(one.ID(), 1))
		wantConflict(t, err, one, 0)
	}
	// One is mine and the other is somebody else's: either stream may be named, since neither ends
	// where its head says.
	Append(t, b.Store, other.Head, "theirs", Counted{N: 1})
	if _, err := b.Store.Append(
		t.Context(), []es.Commit{Commit(start, "mine", Counted{N: 1}), other},
	); !errors.Is(err, es.ErrConflict) {
		t.Errorf("%v, want a conflict", err)
	}
	wantVersions(t, Load(t, b.Store, one, 0), 1, 1)
	wantVersions(t, Load(t, b.Store, two, 0), 1, 1)
	wantCounter(t, b, one.ID(), 0)
}

func lostAnswer(t *testing.T, b Backend) {
	stream := Stream()
	lost := errors.New("connection reset")
	answers := 0
	h := counter(&Hooked{Store: b.Store, After: func(a es.Appended, err error) (es.Appended, error) {
		if answers++; answers == 1 && err == nil {
			return es.Appended{}, lost
		}
		return a, err
	}}, clock.System{})
	req := es.Request{CommitID: "mine", Fingerprint: "f", Time: Start}
	if _, err := h.Handle(t.Context(), stream.ID(), req, 7); !errors.Is(err, lost) {
		t.Fatal(err)
	}
	res, err := h.Handle(t.Context(), stream.ID(), req, 7)
	if err != nil || !res.Repeated || res.State != (tally{7, 3}) || res.Head.Version() != 3 {
		t.Errorf("%+v, %v", res, err)
	}
	req.Fingerprint = "another"
	if _, err := h.Handle(t.Context(), stream.ID(), req, 8); !errors.Is(err, es.ErrKeyReused) {
		t.Errorf("another request under the same id: %v", err)
	}
}

func severalStreams(t *testing.T, b Backend) {
	one, two, three := Stream(), Stream(), Stream()
	heads := []es.Head{uneven(t, b.Store, one, 2)[0], uneven(t, b.Store, two, 1, 1)[1], Load(t, b.Store, three, 0).Head}
	commits := []es.Commit{
		Commit(heads[0], "t1", Counted{N: 3}), Commit(heads[1], "t2", Counted{N: 3}, Counted{N: 4}),
		Commit(heads[2], "t3", Counted{N: 1}),
	}
	appended, err := b.Store.Append(t.Context(), commits)
	if err != nil || !b.wrote(appended) || len(appended.Heads) != 3 {
		t.Fatalf("%+v, %v", appended, err)
	}
	for i, want := range []int64{3, 4, 1} {
		h := Load(t, b.Store, commits[i].Head.Stream(), 0)
		wantVersions(t, h, 1, want)
		if appended.Heads[i] != h.Head {
			t.Errorf("head %d is %+v, loaded %+v", i, appended.Heads[i], h.Head)
		}
	}
	// One stale head keeps all of them out, wherever it stands.
	for i := range commits {
		now := append([]es.Head(nil), appended.Heads...)
		now[i] = heads[i]
		_, err := b.Store.Append(
			t.Context(),
			[]es.Commit{
				Commit(now[0], "late", Noted{}), Commit(now[1], "late", Noted{}), Commit(now[2], "late", Noted{}),
			},
		)
		wantConflict(t, err, now[i].Stream(), heads[i].Version())
	}
	for i, want := range []int64{3, 4, 1} {
		wantVersions(t, Load(t, b.Store, commits[i].Head.Stream(), 0), 1, want)
	}
}

// longStream has more than two of DynamoDB's pages of 1 MB, with a boundary inside the part that is
// loaded after a version.
func longStream(t *testing.T, b Backend) {
	const commits, perCommit, size = 9, 3, 120_000
	stream := Stream()
	head := Load(t, b.Store, stream, 0).Head
	for i := range commits {
		var events []any
		for n := range perCommit {
			events = append(events, Noted{Text: Text(int64(i*perCommit+n+1), size)})
		}
		head = Append(t, b.Store, head, fmt.Sprintf("c%d", i), events...)
	}
	for _, after := range []int64{0, 1, 8, 26, 27} {
		h := Load(t, b.Store, stream, after)
		if h.Head != head || int64(len(h.Events)) != commits*perCommit-after {
			t.Fatalf("after %d: %d events, head %+v", after, len(h.Events), h.Head)
		}
		for i, e := range h.Events {
			version := after + int64(i) + 1
			if e.Version != version || e.Data.(Noted).Text != Text(version, size) {
				t.Fatalf("after %d: event %d is %s", after, i, e.ID())
			}
		}
	}
}

// overLimits has texts that compressing makes smaller by a quarter, so what has to be over a limit
// is twice as large.
func overLimits(t *testing.T, b Backend) {
	if b.Limits == nil {
		t.Skip("this store has no limits")
	}
	l := *b.Limits
	var streams []es.StreamID
	fresh := func(text int) es.Commit {
		stream := Stream()
		streams = append(streams, stream)
		return Commit(Load(t, b.Store, stream, 0).Head, "c", Noted{Text: Text(int64(len(streams)), text)})
	}
	several := func(n, text int) (commits []es.Commit) {
		for range n {
			commits = append(commits, fresh(text))
		}
		return commits
	}
	counter := Stream().ID()
	tests := []struct {
		name    string
		commits []es.Commit
		effects []es.Effect
	}{
		{"a commit that is too large", several(1, 2*l.CommitBytes), nil},
		{
			"a commit that is too large, with an effect", several(1, 2*l.CommitBytes),
			[]es.Effect{b.Counters.Add(counter, 1)},
		},
		{"one of several is too large", append(several(1, 1), fresh(2*l.CommitBytes)), nil},
		{"too many commits", several(l.Items+1, 1), nil},
		{"too many commits and effects", several(l.Items, 1), []es.Effect{b.Counters.Add(counter, 1)}},
		{"too much in all", several(2*l.AppendBytes/l.CommitBytes, l.CommitBytes-4096), nil},
	}
	for _, tt := range tests {
		_, err := b.Store.Append(t.Context(), tt.commits, tt.effects...)
		var limit *es.LimitError
		if !errors.As(err, &limit) || !errors.Is(err, es.ErrLimit) || limit.Limit <= 0 || limit.Actual <= limit.Limit ||
			limit.What == "" {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, stream := range streams {
		wantEmpty(t, b.Store, stream)
	}
	wantCounter(t, b, counter, 0)
	// What is just within the limits goes in.
	if _, err := b.Store.Append(t.Context(), several(1, l.CommitBytes-1024)); err != nil {
		t.Errorf("a commit just within the limit: %v", err)
	}
	if _, err := b.Store.Append(t.Context(), several(l.Items-1, 1), b.Counters.Add(counter, 1)); err != nil {
		t.Errorf("as many items as the limit: %v", err)
	}
	if _, err := b.Store.Append(t.Context(), several(l.AppendBytes/l.CommitBytes, l.CommitBytes-4096)); err != nil {
		t.Errorf("an append just within the limit: %v", err)
	}
}

func effects(t *testing.T, b Backend) {
	stream := Stream()
	x, y := stream.ID()+"-x", stream.ID()+"-y"
	head := Load(t, b.Store, stream, 0).Head
	appended, err := b.Store.Append(
		t.Context(), []es.Commit{Commit(head, "c1", Counted{N: 1})}, b.Counters.Add(x, 5), b.Counters.Add(y, 2),
	)
	if err != nil {
		t.Fatal(err)
	}
	wantCounter(t, b, x, 5)
	wantCounter(t, b, y, 2)
	for _, refused := range [][]es.Effect{
		{b.Counters.Add(x, -6)},
		{b.Counters.Add(x, -1), b.Counters.Add(y, -3)},
		{b.Counters.Add(x, -6), b.Counters.Add(y, -1)},
	} {
		_, err := b.Store.Append(t.Context(), []es.Commit{Commit(appended.Heads[0], "c2", Counted{N: 2})}, refused...)
		if !b.Counters.Refused(err) {
			t.Errorf("%v, want a refusal", err)
		}
	}
	wantVersions(t, Load(t, b.Store, stream, 0), 1, 1)
	wantCounter(t, b, x, 5)
	wantCounter(t, b, y, 2)
	if _, err := b.Store.Append(
		t.Context(), []es.Commit{Commit(appended.Heads[0], "c2", Counted{N: 2})}, b.Counters.Add(x, -5),
	); err != nil {
		t.Fatal(err)
	}
	wantVersions(t, Load(t, b.Store, stream, 0), 1, 2)
	wantCounter(t, b, x, 0)
	if _, err := b.Store.Append(t.Context(), []es.Commit{Commit(head, "c3", Noted{})}, stranger{}); err == nil {
		t.Error("an effect of another store was taken")
	}
}

// stranger is an effect that no store knows how to perform.
type stranger struct{}

func (stranger) EffectName() string { return "something strange" }

func effectsAndConflicts(t *testing.T, b Backend) {
	stream := Stream()
	stale := Load(t, b.Store, stream, 0).Head
	uneven(t, b.Store, stream, 1)
	// An effect that would be done is not, and one that would be refused is not asked: whoever
	// decides on a stale head decides again.
	for _, n := range []int64{1, -1} {
		_, err := b.Store.Append(
			t.Context(), []es.Commit{Commit(stale, "late", Noted{})}, b.Counters.Add(stream.ID(), n),
		)
		wantConflict(t, err, stream, 0)
		if b.Counters.Refused(err) {
			t.Error("a refusal for a stale head")
		}
	}
	wantCounter(t, b, stream.ID(), 0)
	wantVersions(t, Load(t, b.Store, stream, 0), 1, 1)
}

// effectRace: twice as many takers as there is to take, each with a stream of its own.
func effectRace(t *testing.T, b Backend) {
	const there = 4
	name := Stream().ID()
	if _, err := b.Store.Append(
		t.Context(), []es.Commit{Commit(Load(t, b.Store, Stream(), 0).Head, "fill", Noted{})},
		b.Counters.Add(name, there),
	); err != nil {
		t.Fatal(err)
	}
	var streams [2 * there]es.StreamID
	var errs [2 * there]error
	for i := range streams {
		streams[i] = Stream()
	}
	together(len(streams), func(i int) {
		errs[i] = es.RetryConflicts(context.Background(), clock.System{}, func(ctx context.Context) error {
			h, err := b.Store.Load(ctx, streams[i], 0)
			if err != nil {
				return err
			}
			_, err = b.Store.Append(ctx, []es.Commit{Commit(h.Head, "take", Counted{N: 1})}, b.Counters.Add(name, -1))
			return err
		})
	})
	took := 0
	for i, err := range errs {
		switch h := Load(t, b.Store, streams[i], 0); {
		case err == nil:
			took++
			wantVersions(t, h, 1, 1)
		case b.Counters.Refused(err):
			wantVersions(t, h, 1, 0)
		default:
			t.Errorf("taker %d: %v", i, err)
		}
	}
	if took != there {
		t.Errorf("%d took one of %d", took, there)
	}
	wantCounter(t, b, name, 0)
}

func cancelled(t *testing.T, b Backend) {
	stream := Stream()
	head := Load(t, b.Store, stream, 0).Head
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, load := b.Store.Load(ctx, stream, 0)
	_, at := b.Store.At(ctx, stream, 0)
	_, since := b.Store.Since(ctx, Append(t, b.Store, Load(t, b.Store, Stream(), 0).Head, "c", Noted{}))
	var read error
	for _, read = range b.Store.Read(ctx, stream, es.Range{}) {
		break
	}
	_, one := b.Store.Append(ctx, []es.Commit{Commit(head, "c", Noted{})})
	_, several := b.Store.Append(
		ctx, []es.Commit{Commit(head, "c", Noted{}), Commit(Load(t, b.Store, Stream(), 0).Head, "c", Noted{})},
	)
	for i, err := range []error{load, since, read, at, one, several} {
		if !errors.Is(err, context.Canceled) || errors.Is(err, es.ErrConflict) {
			t.Errorf("call %d: %v", i, err)
		}
	}
	wantEmpty(t, b.Store, stream)
}

// together runs f n times at once.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

func mustFailAt(t *testing.T, s es.Store, stream es.StreamID, version int64) error {
	t.Helper()
	head, err := s.At(t.Context(), stream, version)
	if err == nil {
		t.Fatalf("%s has a head %+v at %d", stream, head, version)
	}
	return err
}

// wantConflict checks that err is a conflict on that stream for that expectation. The version met
// is another than expected, or -1 where the store could not tell.
func wantConflict(t *testing.T, err error, stream es.StreamID, expected int64) {
	t.Helper()
	var conflict *es.ConflictError
	if !errors.As(err, &conflict) || !errors.Is(err, es.ErrConflict) {
		t.Errorf("%v, want a conflict", err)
		return
	}
	if conflict.Stream != stream || conflict.Expected != expected || conflict.Actual == conflict.Expected &&
		expected >= 0 || conflict.Actual < -1 {
		t.Errorf("%+v, want one on %s at %d", conflict, stream, expected)
	}
}

func wantEmpty(t *testing.T, s es.Store, stream es.StreamID) {
	t.Helper()
	if h := Load(t, s, stream, 0); h.Head.Version() != 0 || len(h.Events) != 0 {
		t.Errorf("%s has %d events", stream, h.Head.Version())
	}
}

func wantCounter(t *testing.T, b Backend, name string, want int64) {
	t.Helper()
	if got, err := b.Counters.Value(context.Background(), name); err != nil || got != want {
		t.Errorf("the counter is %d, %v, want %d", got, err, want)
	}
}
