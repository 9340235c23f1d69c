package es

import (
	"cmp"
	"context"
	"errors"
	"time"

	"orderflow/shared/kit/clock"
)

// Request is what identifies one command: the id that its commit gets, and the rest of what is
// recorded beside the events. Where CommitID or Time is missing, a command that has something to
// write fails, with nothing written.
type Request struct {
	// required; derived from the command: a second try has the same, and another command on the
	// stream another
	CommitID    string
	Fingerprint string    // hash of the request's body where a client chose the key, else ""
	Time        time.Time // required; when the command was taken
	Metadata    Metadata
	Claim       Claim // where a client chose the key and the target, so that CommitID is to name one request alone
}

// Commit makes the commit of a request on a stream.
func (r Request) Commit(head Head, events ...any) Commit {
	return Commit{
		Head: head, ID: r.CommitID, Fingerprint: r.Fingerprint, Time: r.Time, Metadata: r.Metadata, Events: events,
	}
}

// Handler runs commands of one aggregate against a store. All of its fields but Continues,
// Beside and Effects are required. It is safe for concurrent use where they are.
//
// It reads the stream from its first event for each try, but for the first one of a caller that has
// read it (HandleLoaded) or takes it for new (Create), so it is for streams of at most some
// hundreds of events: an order, a payment. Where streams grow for years, an account's for one, let
// a command be an Attempt with a stream of its own, and decide on the state that a Repository
// gives.
type Handler[C, S, E any] struct {
	Category string // of the aggregate's streams
	Decider  Decider[C, S, E]
	Store    Store
	// waits after a conflict, and tells how near the deadline is; the time of a commit is the
	// Request's
	Clock clock.Clock
	// Continues: whatever is written belongs to the process that the stream's first event began,
	// whoever asks for it, and has the correlation id of that event, where it has one.
	Continues bool
	// Beside gives what other streams get with the events that a request yields, in the same
	// append: what must be true of both at once. Nil for nothing. An ErrConflict of theirs has the
	// command decided again. Its commits are made of the request, and have its id.
	Beside func(ctx context.Context, req Request, before S, events []E) ([]Commit, error)
	// Effects gives what else changes in the append of the events, after which the stream has that
	// version. Nil for nothing. Its errors come back as the store's do.
	Effects func(ctx context.Context, version int64, events []E) ([]Effect, error)
}

// Result is the state after a command. Beside an error it is the present state where that error is
// Decide's or ErrKeyReused, and else says nothing.
type Result[S any] struct {
	State    S
	Head     Head
	Repeated bool // the request had been carried out before; State is the present one
	// of the stream's first event; "" where there is none, and from a Repository
	CorrelationID string
	Traceparent   string // likewise
}

// Handle loads the stream, decides and appends; on a conflict it does so again. A request that was
// carried out before is answered with the present state, and with ErrKeyReused where its
// fingerprint is another. A decision without events writes nothing. With a Claim, ErrKeyReused is
// also the answer where the key belongs to a request on another stream: the claim's commit goes
// with the command's own, and its condition says so; where nothing would be written, one read more
// does. The error is an ErrConflict once RetryConflicts gives up. Any other is the store's, Fold's
// or Decide's, as it is.
func (h Handler[C, S, E]) Handle(ctx context.Context, id string, req Request, command C) (Result[S], error) {
	return h.handle(ctx, id, req, h.deciding(command), nil)
}

// Loaded is a stream as it was read: its state, and what tells which requests were carried out.
type Loaded[S any] struct {
	Result[S]
	history History
}

// Origin is where the stream's first event comes from, the zero Metadata where there is none.
func (l Loaded[S]) Origin() Metadata {
	if len(l.history.Events) == 0 {
		return Metadata{}
	}
	return l.history.Events[0].Metadata
}

// Load is Get for HandleLoaded.
func (h Handler[C, S, E]) Load(ctx context.Context, id string) (Loaded[S], error) {
	history, err := h.Store.Load(ctx, NewStreamID(h.Category, id), 0)
	if err != nil {
		return Loaded[S]{}, err
	}
	loaded := Loaded[S]{Result: Result[S]{Head: history.Head}, history: history}
	loaded.CorrelationID, loaded.Traceparent = loaded.Origin().CorrelationID, loaded.Origin().Traceparent
	loaded.State, err = h.Decider.Fold(history)
	return loaded, err
}

// HandleLoaded is Handle for a caller that has read the stream to make the command of it: the first
// try decides on what was read then.
func (h Handler[C, S, E]) HandleLoaded(
	ctx context.Context, loaded Loaded[S], req Request, command C,
) (Result[S], error) {
	return h.handle(ctx, loaded.Head.stream.ID(), req, h.deciding(command), &loaded)
}

// Create is Handle for a command that begins a stream, and is made of more than the caller gave: of
// what another table says. The stream's id follows from the request, so it is nearly always new.
// The first try takes it for empty without a read, and the append's condition tells where it is
// not; then the stream is read.
//
// prepare may run for a request that was carried out before, and such a request has its answer all
// the same: where prepare fails or the command is refused, the stream is read, and a commit of the
// request, by whatever try, counts. prepare's errors come back as Decide's do.
func (h Handler[C, S, E]) Create(
	ctx context.Context, id string, req Request, prepare func(context.Context, S) (C, error),
) (Result[S], error) {
	var refusal error
	prepared := h.preparing(prepare)
	decide := func(ctx context.Context, state S) (events []E, err error) {
		events, refusal = prepared(ctx, state)
		return events, refusal
	}
	head := Empty(NewStreamID(h.Category, id))
	empty := Loaded[S]{Result: Result[S]{State: h.Decider.Initial(), Head: head}, history: History{Head: head}}
	res, err := h.handle(ctx, id, req, decide, &empty)
	if err == nil && res.Head.version == 0 { // nothing to write: no append has told whether the stream is empty
		res, err = h.handle(ctx, id, req, decide, nil)
	}
	if err == nil || refusal == nil {
		return res, err
	}
	return h.handle(ctx, id, req, func(context.Context, S) ([]E, error) { return nil, refusal }, nil)
}

// HandleWith is Handle for a command that is made of more than the stream and the caller say:
// prepare reads it at each try, behind the stream, so that the command is never older than what it
// is decided on. prepare's errors come back as Decide's do.
func (h Handler[C, S, E]) HandleWith(
	ctx context.Context, id string, req Request, prepare func(context.Context, S) (C, error),
) (Result[S], error) {
	return h.handle(ctx, id, req, h.preparing(prepare), nil)
}

// preparing is the decision on a command that is made of more.
func (h Handler[C, S, E]) preparing(prepare func(context.Context, S) (C, error)) func(context.Context, S) ([]E, error) {
	return func(ctx context.Context, state S) ([]E, error) {
		command, err := prepare(ctx, state)
		if err != nil {
			return nil, err
		}
		return h.Decider.Decide(command, state)
	}
}

// HandleAt is Handle for a caller that names the version on which it decided (If-Match), 0 for a
// stream without events: any other is a *ConflictError and is not tried again. A request that was
// carried out before is answered as by Handle, whatever the version is now.
func (h Handler[C, S, E]) HandleAt(
	ctx context.Context, id string, version int64, req Request, command C,
) (Result[S], error) {
	for {
		loaded, err := h.Load(ctx, id)
		if err != nil {
			return Result[S]{}, err
		}
		// The claim is read: a conflict of its append would pass for one of the version.
		res, again, err := h.once(ctx, loaded, req, h.deciding(command), &version, true)
		if err != nil || !again {
			return res, err
		}
	}
}

// HandleFrom is Handle for a caller who holds what an earlier command on the stream has given: it
// decides on that, without a read. A decision counts where its append shows that the stream still
// ends there; with any other the stream is loaded, as by Handle. It doesn't look for the request's
// commit first, so it is for commands that yield no events once they are carried out.
func (h Handler[C, S, E]) HandleFrom(
	ctx context.Context, from Result[S], req Request, command C,
) (Result[S], error) {
	events, err := h.Decider.Decide(command, from.State)
	if err == nil && len(events) > 0 && req.Claim.Stream == "" {
		res, again, err := h.append(ctx, from, req, events, nil)
		if !again && !errors.Is(err, ErrConflict) {
			return res, err
		}
	}
	return h.Handle(ctx, from.Head.stream.ID(), req, command)
}

// Get loads and folds the stream without changing it. A stream without events gives the initial
// state and a Head of version 0, so whether there is such a thing is the caller's question. The
// errors are the store's and Fold's.
func (h Handler[C, S, E]) Get(ctx context.Context, id string) (Result[S], error) {
	return h.Decider.Repository(h.Category, h.Store).Get(ctx, id)
}

// Refresh is Get for a caller that has an earlier Result: it reads what came after that, and no
// more. The errors are Store.Since's and Fold's.
func (h Handler[C, S, E]) Refresh(ctx context.Context, earlier Result[S]) (Result[S], error) {
	history, err := h.Store.Since(ctx, earlier.Head)
	if err != nil {
		return earlier, err
	}
	state, err := Fold(earlier.State, h.Decider.Evolve, history.Events)
	return Result[S]{
		State: state, Head: history.Head, CorrelationID: earlier.CorrelationID, Traceparent: earlier.Traceparent,
	}, err
}

// AsOf is Get for a moment of the past: see Repository.AsOf.
func (h Handler[C, S, E]) AsOf(ctx context.Context, id string, p Point) (Past[S], error) {
	states := h.Decider.Repository(h.Category, h.Store)
	states.Clock = h.Clock
	return states.AsOf(ctx, id, p)
}

// deciding is the decision on a command that is there already.
func (h Handler[C, S, E]) deciding(command C) func(context.Context, S) ([]E, error) {
	return func(_ context.Context, state S) ([]E, error) { return h.Decider.Decide(command, state) }
}

// handle begins with what was loaded, where that is not nil.
func (h Handler[C, S, E]) handle(
	ctx context.Context, id string, req Request, decide func(context.Context, S) ([]E, error), first *Loaded[S],
) (Result[S], error) {
	var res Result[S]
	readClaim := req.Claim.Begun
	err := RetryConflicts(ctx, h.Clock, func(ctx context.Context) error {
		for {
			var loaded Loaded[S]
			var again bool
			var err error
			if first != nil {
				loaded, first = *first, nil
			} else if loaded, err = h.Load(ctx, id); err != nil {
				return err
			}
			res, again, err = h.once(ctx, loaded, req, decide, nil, readClaim)
			readClaim = true
			if err != nil || !again {
				return err
			}
		}
	})
	return res, err
}

// once is one try; want is the version that the stream must have, nil where any will do. Without
// readClaim the request's claim is taken for free as long as there is something to write: the
// append tells. again means that an earlier try's commit was met at the append: what it decided is
// read next time.
func (h Handler[C, S, E]) once(
	ctx context.Context, loaded Loaded[S], req Request, decide func(context.Context, S) ([]E, error), want *int64,
	readClaim bool,
) (res Result[S], again bool, err error) {
	res = loaded.Result
	if fingerprint, found := loaded.history.Commit(req.CommitID); found {
		res.Repeated = true
		if fingerprint != req.Fingerprint {
			return res, false, ErrKeyReused
		}
		return res, false, nil
	}
	var events []E
	if want != nil && res.Head.version != *want {
		err = &ConflictError{Stream: res.Head.stream, Expected: *want, Actual: res.Head.version}
	} else {
		events, err = decide(ctx, res.State)
	}
	claims := req.Unclaimed()
	if readClaim || err != nil || len(events) == 0 {
		var claimErr error
		if claims, claimErr = req.Claimed(ctx, h.Store); claimErr != nil {
			return res, false, claimErr
		}
	}
	if err != nil || len(events) == 0 {
		return res, false, err
	}
	return h.append(ctx, res, req, events, claims)
}

// append writes what was decided on a state; again is as with once.
func (h Handler[C, S, E]) append(
	ctx context.Context, from Result[S], req Request, events []E, claims []Commit,
) (res Result[S], again bool, err error) {
	res = Result[S]{State: from.State, CorrelationID: from.CorrelationID, Traceparent: from.Traceparent}
	switch {
	case from.Head.version == 0:
		res.CorrelationID = req.Metadata.CorrelationID
	case h.Continues:
		req.Metadata.CorrelationID = cmp.Or(from.CorrelationID, req.Metadata.CorrelationID)
	}
	commit := req.Commit(from.Head)
	for _, e := range events {
		commit.Events = append(commit.Events, e)
		res.State = h.Decider.Evolve(res.State, e)
	}
	commits := append([]Commit{commit}, claims...)
	if h.Beside != nil {
		beside, err := h.Beside(ctx, req, from.State, events)
		if err != nil {
			return res, false, err
		}
		commits = append(commits, beside...)
	}
	var effects []Effect
	if h.Effects != nil {
		var err error
		if effects, err = h.Effects(ctx, from.Head.version+int64(len(events)), events); err != nil {
			return res, false, err
		}
	}
	appended, err := h.Store.Append(ctx, commits, effects...)
	if err != nil {
		return res, false, err
	}
	res.Head = appended.Heads[0]
	return res, appended.Recognised, nil
}
