package es

import (
	"context"
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

// Handler runs commands of one aggregate against a store. All of its fields are required. It is
// safe for concurrent use where they are.
//
// It reads the stream from its first event for each try, so it is for streams of at most some
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
}

// Result is the state after a command. Beside an error it is the present state where that error is
// Decide's or ErrKeyReused, and else says nothing.
type Result[S any] struct {
	State    S
	Head     Head
	Repeated bool // the request had been carried out before; State is the present one
}

// Handle loads the stream, decides and appends; on a conflict it does so again. A request that was
// carried out before is answered with the present state, and with ErrKeyReused where its
// fingerprint is another. A decision without events writes nothing. With a Claim, ErrKeyReused is
// also the answer where the key belongs to a request on another stream: that costs one read more,
// and the claim's commit goes with the command's own. The error is an ErrConflict once
// RetryConflicts gives up. Any other is the store's, Fold's or Decide's, as it is.
func (h Handler[C, S, E]) Handle(ctx context.Context, id string, req Request, command C) (Result[S], error) {
	return h.handle(ctx, id, req, h.deciding(command))
}

// HandlePrepared is Handle for a command that is made of more than the caller gave: of what another
// table says. prepare runs only for a request that was not carried out before, so that a repeated
// one has its answer whatever the table says by now. Its errors come back as Decide's do.
//
// What prepare reads is newer than the stream as it was loaded. Where the request is refused, the
// stream is read once more: if another try of the same request has arrived meanwhile, its answer
// counts.
func (h Handler[C, S, E]) HandlePrepared(
	ctx context.Context, id string, req Request, prepare func(context.Context, S) (C, error),
) (Result[S], error) {
	var refusal error
	res, err := h.handle(ctx, id, req, func(ctx context.Context, state S) (events []E, err error) {
		command, err := prepare(ctx, state)
		if err == nil {
			events, err = h.Decider.Decide(command, state)
		}
		refusal = err
		return events, err
	})
	if err == nil || refusal == nil {
		return res, err
	}
	return h.handle(ctx, id, req, func(context.Context, S) ([]E, error) { return nil, refusal })
}

// HandleAt is Handle for a caller that names the version on which it decided (If-Match), 0 for a
// stream without events: any other is a *ConflictError and is not tried again. A request that was
// carried out before is answered as by Handle, whatever the version is now.
func (h Handler[C, S, E]) HandleAt(
	ctx context.Context, id string, version int64, req Request, command C,
) (Result[S], error) {
	for {
		res, again, err := h.once(ctx, id, req, h.deciding(command), &version)
		if err != nil || !again {
			return res, err
		}
	}
}

// Get loads and folds the stream without changing it. A stream without events gives the initial
// state and a Head of version 0, so whether there is such a thing is the caller's question. The
// errors are the store's and Fold's.
func (h Handler[C, S, E]) Get(ctx context.Context, id string) (Result[S], error) {
	return h.Decider.Repository(h.Category, h.Store).Get(ctx, id)
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

func (h Handler[C, S, E]) handle(
	ctx context.Context, id string, req Request, decide func(context.Context, S) ([]E, error),
) (Result[S], error) {
	var res Result[S]
	err := RetryConflicts(ctx, h.Clock, func(ctx context.Context) error {
		for {
			var again bool
			var err error
			res, again, err = h.once(ctx, id, req, decide, nil)
			if err != nil || !again {
				return err
			}
		}
	})
	return res, err
}

// once is one try; want is the version that the stream must have, nil where any will do. again
// means that an earlier try's commit was met at the append: what it decided is read next time.
func (h Handler[C, S, E]) once(
	ctx context.Context, id string, req Request, decide func(context.Context, S) ([]E, error), want *int64,
) (res Result[S], again bool, err error) {
	history, err := h.Store.Load(ctx, NewStreamID(h.Category, id), 0)
	if err != nil {
		return res, false, err
	}
	state, err := h.Decider.Fold(history)
	if err != nil {
		return res, false, err
	}
	res = Result[S]{State: state, Head: history.Head}
	if fingerprint, found := history.Commit(req.CommitID); found {
		res.Repeated = true
		if fingerprint != req.Fingerprint {
			return res, false, ErrKeyReused
		}
		return res, false, nil
	}
	claims, err := req.Claimed(ctx, h.Store)
	if err != nil {
		return res, false, err
	}
	if want != nil && history.Head.version != *want {
		return res, false, &ConflictError{Stream: history.Head.stream, Expected: *want, Actual: history.Head.version}
	}
	events, err := decide(ctx, state)
	if err != nil || len(events) == 0 {
		return res, false, err
	}
	commit := req.Commit(history.Head)
	for _, e := range events {
		commit.Events = append(commit.Events, e)
		res.State = h.Decider.Evolve(res.State, e)
	}
	appended, err := h.Store.Append(ctx, append([]Commit{commit}, claims...))
	if err != nil {
		return res, false, err
	}
	res.Head = appended.Heads[0]
	return res, appended.Recognised, nil
}
