package es_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
)

var errTooMuch = errors.New("too much")

// things count what was opened: at most ten, and opening nothing is no event.
func things(s es.Store) es.Handler[int, int, opened] {
	return es.Handler[int, int, opened]{
		Category: "thing", Store: s, Clock: clock.NewFake(time.Now()),
		Decider: es.Decider[int, int, opened]{
			Initial: func() int { return 0 },
			Decide: func(n, total int) ([]opened, error) {
				switch {
				case total+n > 10:
					return nil, errTooMuch
				case n == 0:
					return nil, nil
				}
				return []opened{{n - 1}, {1}}, nil
			},
			Evolve: func(total int, e opened) int { return total + e.N },
		},
	}
}

func request(id string) es.Request {
	return es.Request{
		CommitID: id, Fingerprint: "f-" + id, Time: estest.Start, Metadata: es.Metadata{CorrelationID: "c"},
	}
}

func newHooked() *estest.Hooked {
	return &estest.Hooked{Store: memstore.New(es.NewRegistry(register))}
}

func TestHandle(t *testing.T) {
	tests := []struct {
		name     string
		before   []int // commands c0, c1, … that came first
		req      es.Request
		command  int
		state    int
		version  int64
		repeated bool
		err      error
		appends  int64
		loads    int64
	}{
		{name: "the first", req: request("x"), command: 3, state: 3, version: 2, appends: 1, loads: 1},
		{
			name: "another", before: []int{3, 4}, req: request("x"), command: 2, state: 9, version: 6, appends: 1,
			loads: 1,
		},
		{name: "nothing to do", before: []int{3}, req: request("x"), state: 3, version: 2, loads: 1},
		{
			name: "refused", before: []int{3}, req: request("x"), command: 8, state: 3, version: 2, err: errTooMuch,
			loads: 1,
		},
		{
			name: "again", before: []int{3, 4}, req: request("c1"), command: 4, state: 7, version: 4, repeated: true,
			loads: 1,
		},
		{
			name: "again, after others", before: []int{3, 4}, req: request("c0"), command: 3, state: 7, version: 4,
			repeated: true, loads: 1,
		},
		{
			name: "again, where it would now be refused", before: []int{8, 2}, req: request("c0"), command: 8,
			state: 10, version: 4, repeated: true, loads: 1,
		},
		{name: "the key with another request", before: []int{3},
			req: es.Request{CommitID: "c0", Fingerprint: "other", Time: estest.Start}, command: 3,
			state: 3, version: 2, repeated: true, err: es.ErrKeyReused, loads: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newHooked()
			h := things(s)
			for i, n := range tt.before {
				if _, err := h.Handle(t.Context(), "1", request(fmt.Sprintf("c%d", i)), n); err != nil {
					t.Fatal(err)
				}
			}
			appends, loads := s.Appends.Load(), s.Loads.Load()
			got, err := h.Handle(t.Context(), "1", tt.req, tt.command)
			if !errors.Is(err, tt.err) || got.State != tt.state || got.Repeated != tt.repeated ||
				got.Head.Version() != tt.version || got.Head.Stream() != "thing/1" {
				t.Errorf("%+v, %v", got, err)
			}
			if s.Appends.Load()-appends != tt.appends || s.Loads.Load()-loads != tt.loads {
				t.Errorf(
					"%d appends and %d loads, want %d and %d", s.Appends.Load()-appends, s.Loads.Load()-loads,
					tt.appends, tt.loads,
				)
			}
			if tt.appends == 0 {
				return
			}
			read, err := h.Get(t.Context(), "1")
			if err != nil || read.State != got.State || read.Head != got.Head {
				t.Errorf("stored is %+v, %v", read, err)
			}
			for _, e := range estest.Load(t, s, "thing/1", 2*int64(len(tt.before))).Events {
				if e.CommitID != tt.req.CommitID || e.Fingerprint != tt.req.Fingerprint || !e.Time.Equal(tt.req.Time) ||
					e.Metadata != tt.req.Metadata {
					t.Errorf("recorded %+v", e)
				}
			}
		})
	}
}

// TestCreate: a command that begins a stream reads nothing but what it is made of. One that was
// carried out before has its answer, whatever making it again comes to. A refusal is the answer
// only where no other try of the request has arrived by then.
func TestCreate(t *testing.T) {
	errGone := errors.New("gone")
	x, y := request("x"), request("y")
	for _, tt := range []struct {
		name     string
		before   []int // commands c0, c1, … that came first
		req      es.Request
		twin     *es.Request // arrives while the command is made
		make     int
		err      error // of the preparation
		state    int
		repeated bool
		want     error
		prepared int
		loads    int64
	}{
		{name: "new", req: x, make: 4, state: 4, prepared: 1},
		{
			name: "again", before: []int{3, 4}, req: request("c0"), make: 3, state: 7, repeated: true,
			prepared: 1, loads: 1,
		},
		{
			name: "again, not prepared", before: []int{3, 4}, req: request("c0"), err: errGone, state: 7,
			repeated: true, prepared: 1, loads: 1,
		},
		{
			name: "again, refused", before: []int{3, 4}, req: request("c0"), make: 11, state: 7, repeated: true,
			prepared: 1, loads: 1,
		},
		{
			name: "again, with nothing to do", before: []int{3}, req: request("c0"), state: 3, repeated: true,
			prepared: 1, loads: 1,
		},
		{name: "again, with another request", before: []int{3}, req: es.Request{
			CommitID: "c0", Fingerprint: "other", Time: estest.Start,
		}, make: 3, state: 3, repeated: true, want: es.ErrKeyReused, prepared: 1, loads: 1},
		{name: "again, with another request, not prepared", before: []int{3}, req: es.Request{
			CommitID: "c0", Fingerprint: "other", Time: estest.Start,
		}, err: errGone, state: 3, repeated: true, want: es.ErrKeyReused, prepared: 1, loads: 1},
		{name: "on what is there", before: []int{3}, req: x, make: 4, state: 7, prepared: 2, loads: 1},
		{name: "nothing to do", req: x, prepared: 2, loads: 1},
		{name: "nothing to do on what is there", before: []int{3}, req: x, state: 3, prepared: 2, loads: 1},
		{name: "not prepared", req: x, err: errGone, want: errGone, prepared: 1, loads: 1},
		{name: "refused", req: x, make: 11, want: errTooMuch, prepared: 1, loads: 1},
		{
			name: "refused on what is there", before: []int{3}, req: x, make: 9, state: 3, want: errTooMuch,
			prepared: 2, loads: 2,
		},
		{name: "not prepared, and a twin was", req: x, twin: &x, err: errGone,
			state: 2, repeated: true, prepared: 1, loads: 2},
		{name: "refused, and a twin was not", req: x, twin: &x, make: 11,
			state: 2, repeated: true, prepared: 1, loads: 2},
		{name: "not prepared, and another was", req: x, twin: &y, err: errGone,
			state: 2, want: errGone, prepared: 1, loads: 2},
		{name: "prepared, and so was a twin", req: x, twin: &x, make: 2,
			state: 2, repeated: true, prepared: 1, loads: 2},
		{name: "prepared, and another arrived", req: x, twin: &y, make: 2, state: 4, prepared: 2, loads: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newHooked()
			h := things(s)
			for i, n := range tt.before {
				if _, err := h.Handle(t.Context(), "1", request(fmt.Sprintf("c%d", i)), n); err != nil {
					t.Fatal(err)
				}
			}
			loads, prepared := s.Loads.Load(), 0
			got, err := h.Create(t.Context(), "1", tt.req, func(ctx context.Context, _ int) (int, error) {
				if prepared++; prepared == 1 && tt.twin != nil {
					if _, err := h.Handle(ctx, "1", *tt.twin, 2); err != nil {
						t.Error(err)
					}
				}
				return tt.make, tt.err
			})
			if !errors.Is(err, tt.want) || got.State != tt.state || got.Repeated != tt.repeated {
				t.Errorf("%+v, %v", got, err)
			}
			if prepared != tt.prepared || s.Loads.Load()-loads != tt.loads {
				t.Errorf("prepared %d times over %d loads", prepared, s.Loads.Load()-loads)
			}
		})
	}
}

// TestHandleLoaded: the first try decides on what the caller has read, and any further one reads.
func TestHandleLoaded(t *testing.T) {
	s := newHooked()
	h := things(s)
	load := func() es.Loaded[int] {
		t.Helper()
		loaded, err := h.Load(t.Context(), "1")
		if err != nil {
			t.Fatal(err)
		}
		return loaded
	}
	first := load()
	if first.Origin() != (es.Metadata{}) {
		t.Errorf("nothing comes from %+v", first.Origin())
	}
	got, err := h.HandleLoaded(t.Context(), first, request("a"), 3)
	if err != nil || got.State != 3 || got.Head.Version() != 2 || s.Loads.Load() != 1 {
		t.Errorf("%+v, %v after %d loads", got, err, s.Loads.Load())
	}
	second := load()
	if second.Origin() != request("a").Metadata {
		t.Errorf("it comes from %+v", second.Origin())
	}
	got, err = h.HandleLoaded(t.Context(), second, request("a"), 3)
	if err != nil || !got.Repeated || got.State != 3 || s.Loads.Load() != 2 {
		t.Errorf("again: %+v, %v after %d loads", got, err, s.Loads.Load())
	}
	// What was read is out of date by now.
	if got, err = h.HandleLoaded(t.Context(), first, request("a"), 3); err != nil || !got.Repeated || got.State != 3 {
		t.Errorf("a twin: %+v, %v", got, err)
	}
	if got, err = h.HandleLoaded(t.Context(), first, request("b"), 8); !errors.Is(err, errTooMuch) || got.State != 3 {
		t.Errorf("another: %+v, %v", got, err)
	}
}

// TestRefresh reads on from what is known.
func TestRefresh(t *testing.T) {
	h := things(memstore.New(es.NewRegistry(register)))
	got, err := h.Get(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{3, 7} {
		if _, err := h.Handle(t.Context(), "1", request(fmt.Sprint(i)), want-got.State); err != nil {
			t.Fatal(err)
		}
		got, err = h.Refresh(t.Context(), got)
		if err != nil || got.State != want || got.Head.Version() != int64(2*i+2) {
			t.Errorf("%+v, %v", got, err)
		}
	}
	same, err := h.Refresh(t.Context(), got)
	if err != nil || same != got {
		t.Errorf("nothing new: %+v, %v", same, err)
	}
	if _, err := h.Refresh(t.Context(), es.Result[int]{
		Head: es.StoreHead("thing/1", 1, 2, "elsewhere"),
	}); !errors.Is(err, es.ErrUnknownHead) {
		t.Error(err)
	}
}

// intrude makes a Before hook that lets somebody else append one event ahead of the first n
// appends.
func intrude(t *testing.T, s es.Store, n int) func([]es.Commit) error {
	return func(commits []es.Commit) error {
		if n--; n >= 0 {
			stream := commits[0].Head.Stream()
			estest.Append(t, s, estest.Load(t, s, stream, 0).Head, fmt.Sprintf("intruder%d", n), opened{1})
		}
		return nil
	}
}

// TestHandleConflicts: the command is decided anew on what the others left.
func TestHandleConflicts(t *testing.T) {
	s := newHooked()
	s.Before = intrude(t, s.Store, 3)
	got, err := things(s).Handle(t.Context(), "1", request("x"), 4)
	if err != nil || got.State != 7 || got.Head.Version() != 5 || s.Appends.Load() != 4 || got.Repeated {
		t.Errorf("%+v, %v after %d appends", got, err, s.Appends.Load())
	}
	s.Before = intrude(t, s.Store, 1)
	if got, err = things(s).Handle(t.Context(), "1", request("y"), 3); !errors.Is(err, errTooMuch) || got.State != 8 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestHandleLostAnswers: an append that arrived is not made again, by the same try, a later one of
// the client, or a store that sends it twice.
func TestHandleLostAnswers(t *testing.T) {
	lost := fmt.Errorf("%w: no answer", es.ErrUnavailable)
	for name, answer := range map[string]error{
		"to the caller": lost, "as a conflict": &es.ConflictError{Stream: "thing/1", Actual: -1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newHooked()
			answers := 0
			s.After = func(a es.Appended, err error) (es.Appended, error) {
				if answers++; answers == 1 {
					return es.Appended{}, answer
				}
				return a, err
			}
			got, err := things(s).Handle(t.Context(), "1", request("x"), 4)
			if errors.Is(answer, es.ErrUnavailable) {
				if !errors.Is(err, lost) {
					t.Fatalf("%+v, %v", got, err)
				}
				got, err = things(s).Handle(t.Context(), "1", request("x"), 4)
			}
			if err != nil || !got.Repeated || got.State != 4 || got.Head.Version() != 2 {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	// The store recognises its own write: the state is read, since the earlier try may have decided
	// otherwise.
	s := newHooked()
	stale := estest.Load(t, s, "thing/1", 0).Head
	twice := &estest.Hooked{Store: s.Store}
	twice.Before = func([]es.Commit) error {
		c := request("x").Commit(stale, opened{5})
		_, err := s.Store.Append(t.Context(), []es.Commit{c})
		return err
	}
	got, err := things(twice).Handle(t.Context(), "1", request("x"), 4)
	if err != nil || !got.Repeated || got.State != 5 || got.Head.Version() != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	// The same with another request under the key.
	s = newHooked()
	stale = estest.Load(t, s, "thing/1", 0).Head
	s.Before = func([]es.Commit) error {
		c := request("x").Commit(stale, opened{5})
		c.Fingerprint = "other"
		_, err := s.Store.Append(t.Context(), []es.Commit{c})
		return err
	}
	if got, err := things(s).Handle(t.Context(), "1", request("x"), 4); !errors.Is(err, es.ErrKeyReused) {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestHandleAt(t *testing.T) {
	s := newHooked()
	h := things(s)
	if _, err := h.HandleAt(t.Context(), "1", 0, request("a"), 3); err != nil {
		t.Fatal(err)
	}
	wantConflict := func(name string, err error, expected, actual int64) {
		t.Helper()
		var conflict *es.ConflictError
		if !errors.As(err, &conflict) || *conflict != (es.ConflictError{
			Stream: "thing/1", Expected: expected, Actual: actual,
		}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, version := range []int64{-1, 0, 1, 3} { // less than none, none, inside of the commit, beyond the end
		_, err := h.HandleAt(t.Context(), "1", version, request("b"), 3)
		wantConflict(fmt.Sprint("version ", version), err, version, 2)
	}
	// The conflict is no answer to what the version's holder would have been refused anyway: the
	// version comes first.
	_, err := h.HandleAt(t.Context(), "1", 1, request("b"), 100)
	wantConflict("a refusal", err, 1, 2)
	// Carried out before: the version that was right then is right again.
	got, err := h.HandleAt(t.Context(), "1", 0, request("a"), 3)
	if err != nil || !got.Repeated || got.State != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	// Somebody comes in between: no second try.
	before := s.Appends.Load()
	s.Before = intrude(t, s.Store, 1)
	_, err = h.HandleAt(t.Context(), "1", 2, request("c"), 3)
	wantConflict("overtaken", err, 2, 3)
	if s.Appends.Load() != before+1 {
		t.Errorf("%d appends", s.Appends.Load()-before)
	}
	if got, err := h.HandleAt(t.Context(), "1", 3, request("c"), 3); err != nil || got.State != 7 ||
		got.Head.Version() != 5 {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestWithoutAnID: the message names what the caller left out, and nothing is written.
func TestWithoutAnID(t *testing.T) {
	const want = `es: "thing/" is no stream: category or id is missing`
	s := newHooked()
	if _, err := things(s).Handle(t.Context(), "", request("a"), 1); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if h := estest.Load(t, s, "thing/", 0); h.Head.Version() != 0 {
		t.Errorf("written: %+v", h)
	}
}

func TestHandlerErrors(t *testing.T) {
	down := errors.New("down")
	h := things(failing{err: down})
	if _, err := h.Handle(t.Context(), "1", request("a"), 1); !errors.Is(err, down) {
		t.Error(err)
	}
	if _, err := h.Get(t.Context(), "1"); !errors.Is(err, down) {
		t.Error(err)
	}
	// A stream that holds another aggregate's events is not folded in silence.
	s := memstore.New(es.NewRegistry(register))
	estest.Append(t, s, estest.Load(t, s, "thing/1", 0).Head, "c", renamed{})
	h = things(s)
	if _, err := h.Handle(t.Context(), "1", request("a"), 1); !errors.Is(err, es.ErrCorrupt) {
		t.Error(err)
	}
	if _, err := h.Get(t.Context(), "1"); !errors.Is(err, es.ErrCorrupt) {
		t.Error(err)
	}
	if got, err := things(newHooked()).Get(t.Context(), "nobody"); err != nil || got.State != 0 ||
		got.Head.Version() != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// failing is a store that can't be read.
type failing struct {
	es.Store
	err error
}

func (f failing) Load(context.Context, es.StreamID, int64) (es.History, error) {
	return es.History{}, f.err
}

func (f failing) At(context.Context, es.StreamID, int64) (es.Head, error) { return es.Head{}, f.err }

func (f failing) Append(context.Context, []es.Commit, ...es.Effect) (es.Appended, error) {
	return es.Appended{}, f.err
}

// TestInjected: a conflict is decided again, a lost answer is learned of by sending the command
// again.
func TestInjected(t *testing.T) {
	s := newHooked()
	h := things(s)
	s.Inject([]string{estest.Conflict, "", estest.Conflict, estest.Lost})
	if got, err := h.Handle(t.Context(), "1", request("a"), 3); err != nil || got.State != 3 || s.Appends.Load() != 2 {
		t.Fatalf("after a conflict %+v, %v in %d appends", got, err, s.Appends.Load())
	}
	if _, err := h.Handle(t.Context(), "1", request("b"), 4); !errors.Is(err, estest.ErrLost) {
		t.Fatalf("error %v, want a lost answer", err)
	}
	s.Heal()
	if got, err := h.Handle(t.Context(), "1", request("b"), 4); err != nil || got.State != 7 || !got.Repeated {
		t.Errorf("sent again %+v, %v", got, err)
	}
}

// TestHandleWith: a command that is made of more than the stream says is made anew at each try, and
// not at all for a request that was carried out.
func TestHandleWith(t *testing.T) {
	s := newHooked()
	h, made := things(s), 0
	prepare := func(ctx context.Context, state int) (int, error) {
		if made++; made == 1 {
			if _, err := h.Handle(ctx, "1", request("b"), 4); err != nil {
				return 0, err
			}
		}
		return state + 1, nil
	}
	for range 2 {
		got, err := h.HandleWith(t.Context(), "1", request("a"), prepare)
		if err != nil || got.State != 9 || made != 2 {
			t.Fatalf("%+v, %v, made %d times", got, err, made)
		}
	}
	_, err := h.HandleWith(t.Context(), "1", request("c"), func(context.Context, int) (int, error) {
		return 0, errTooMuch
	})
	if !errors.Is(err, errTooMuch) {
		t.Errorf("error %v", err)
	}
}

// TestBeside: what another stream gets with a command is appended with it, or not at all, and is
// made anew where that stream has moved on.
func TestBeside(t *testing.T) {
	s := newHooked()
	other, tries := es.NewStreamID(things(s).Category, "2"), 0
	h := things(s)
	var beside error
	h.Beside = func(ctx context.Context, req es.Request, _ int, events []opened) ([]es.Commit, error) {
		history, err := s.Load(ctx, other, 0)
		if tries++; tries == 1 {
			_, err = things(s).Handle(ctx, "2", request("z"), 5)
		}
		return []es.Commit{req.Commit(history.Head, events[0])}, errors.Join(err, beside)
	}
	want := func(id string, state int) {
		t.Helper()
		if got, err := h.Get(t.Context(), id); err != nil || got.State != state {
			t.Errorf("%s is %+v, %v, want %d", id, got, err, state)
		}
	}
	for range 2 {
		if got, err := h.Handle(t.Context(), "1", request("a"), 3); err != nil || got.State != 3 || tries != 2 {
			t.Fatalf("%+v, %v after %d tries", got, err, tries)
		}
	}
	want("2", 7)
	if _, err := h.Handle(t.Context(), "1", request("b"), 0); err != nil || tries != 2 {
		t.Errorf("without events: %v after %d tries", err, tries)
	}
	beside = errTooMuch
	if _, err := h.Handle(t.Context(), "1", request("c"), 1); !errors.Is(err, errTooMuch) {
		t.Errorf("error %v", err)
	}
	want("1", 3)
	want("2", 7)
}

// TestHandleFrom: what somebody holds of a stream saves the read where it is up to date, and
// decides nothing where it is not.
func TestHandleFrom(t *testing.T) {
	ctx := context.Background()
	for name, tt := range map[string]struct {
		meanwhile func(es.Handler[int, int, opened], *estest.Hooked)
		command   int
		state     int
		err       error
		loads     int64
	}{
		"up to date": {command: 2, state: 5},
		"moved on": {func(h es.Handler[int, int, opened], _ *estest.Hooked) {
			_, _ = h.Handle(ctx, "1", request("b"), 4)
		}, 2, 9, nil, 1},
		"moved on, and refused by that": {func(h es.Handler[int, int, opened], _ *estest.Hooked) {
			_, _ = h.Handle(ctx, "1", request("b"), 6)
		}, 2, 9, errTooMuch, 1},
		"refused": {command: 8, state: 3, err: errTooMuch, loads: 1},
		"nothing": {command: 0, state: 3, loads: 1},
		"its first answer is lost": {func(h es.Handler[int, int, opened], _ *estest.Hooked) {
			_, _ = h.Handle(ctx, "1", request("x"), 2)
		}, 2, 5, nil, 1},
		"the store is busy": {func(_ es.Handler[int, int, opened], s *estest.Hooked) {
			s.Before = func([]es.Commit) error { return es.ErrUnavailable }
		}, 2, 5, es.ErrUnavailable, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newHooked()
			h := things(s)
			held, err := h.Handle(ctx, "1", request("a"), 3)
			if err != nil {
				t.Fatal(err)
			}
			if tt.meanwhile != nil {
				tt.meanwhile(h, s)
			}
			loads := s.Loads.Load()
			got, err := h.HandleFrom(ctx, held, request("x"), tt.command)
			if !errors.Is(err, tt.err) || got.State != tt.state || s.Loads.Load()-loads != tt.loads {
				t.Errorf("%+v, %v after %d loads", got, err, s.Loads.Load()-loads)
			}
			if read, err := h.Get(ctx, "1"); tt.err == nil && (err != nil || read.Head != got.Head) {
				t.Errorf("stored is %+v, %v, and the answer %+v", read, err, got)
			}
		})
	}
}

// TestHandleFromClaims: a key that is another request's is refused, whatever is held.
func TestHandleFromClaims(t *testing.T) {
	h := things(newHooked())
	held, err := h.Handle(t.Context(), "1", request("a"), 3)
	if err != nil {
		t.Fatal(err)
	}
	if held, err = h.HandleFrom(t.Context(), held, claiming(1), 1); err != nil || held.State != 4 {
		t.Fatalf("%+v, %v", held, err)
	}
	other := claiming(2)
	other.CommitID = "another"
	if got, err := h.HandleFrom(t.Context(), held, other, 1); !errors.Is(err, es.ErrKeyReused) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestContinues: what is written belongs to the process that the stream's first event began.
func TestContinues(t *testing.T) {
	for _, continues := range []bool{false, true} {
		h := things(newHooked())
		h.Continues = continues
		asks := func(id string) es.Request {
			r := request(id)
			r.Metadata.CorrelationID = id
			return r
		}
		first, err1 := h.Handle(t.Context(), "1", asks("a"), 1)
		second, err2 := h.Handle(t.Context(), "1", asks("b"), 1)
		third, err3 := h.HandleFrom(t.Context(), second, asks("c"), 1)
		if err := errors.Join(err1, err2, err3); err != nil {
			t.Fatal(err)
		}
		for i, res := range []es.Result[int]{first, second, third} {
			if res.CorrelationID != "a" {
				t.Errorf("answer %d belongs to %q", i, res.CorrelationID)
			}
		}
		want := []string{"a", "a", "b", "b", "c", "c"}
		if continues {
			want = []string{"a", "a", "a", "a", "a", "a"}
		}
		for i, e := range estest.Load(t, h.Store, "thing/1", 0).Events {
			if e.Metadata.CorrelationID != want[i] {
				t.Errorf(
					"continues %v: event %d belongs to %q, want %q", continues, i, e.Metadata.CorrelationID, want[i],
				)
			}
		}
	}
	// Where the first event has none, the request's counts.
	h := things(newHooked())
	h.Continues = true
	nameless := request("a")
	nameless.Metadata = es.Metadata{}
	if _, err := h.Handle(t.Context(), "1", nameless, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Handle(t.Context(), "1", request("b"), 1); err != nil {
		t.Fatal(err)
	}
	if got := estest.Load(t, h.Store, "thing/1", 2).Events[0].Metadata.CorrelationID; got != "c" {
		t.Errorf("it belongs to %q", got)
	}
}
