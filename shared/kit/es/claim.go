package es

import (
	"context"
	"fmt"
	"reflect"
)

// Claim keeps a client's key to one request where the client names the target as well. The target's
// own stream knows the keys of the commands that it got, and no others: a key that cancelled one
// order would cancel the next one too. So such a command writes one event more, on a stream that
// the key names, in the same append as its first effect, whose condition is that the stream is not
// there; and a command that is refused or finds nothing to do looks whether it is.
//
// A command that writes nothing, because it is refused or finds nothing left to do, claims nothing
// either, and its key stays free.
type Claim struct {
	Stream StreamID // named by the caller, the operation and the key, so that no other request has it
	Event  any      // the stream's only one: operation and target
	// Begun says that an earlier effect of the same request may have written the claim: it is read
	// ahead of the next one, whose append would else meet it.
	Begun bool
}

// Check is an ErrKeyReused where the key belongs to a request with another event. It says nothing
// of the request's fingerprint, for a caller that has to write before it knows that.
func (c Claim) Check(ctx context.Context, from loader) error {
	if c.Stream == "" {
		return nil
	}
	h, err := from.Load(ctx, c.Stream, 0)
	if err == nil && len(h.Events) > 0 && !reflect.DeepEqual(h.Events[0].Data, c.Event) {
		return ErrKeyReused
	}
	return err
}

type loader interface {
	Load(ctx context.Context, stream StreamID, after int64) (History, error)
}

// Unclaimed gives the commit that goes with the command's first one as long as the key is free,
// which it nearly always is: without a read, since the append tells. Where it is not, where the
// command is refused or finds nothing to do, Claimed says whose the key is.
func (r Request) Unclaimed() []Commit {
	if r.Claim.Stream == "" {
		return nil
	}
	return []Commit{r.Commit(Empty(r.Claim.Stream), r.Claim.Event)}
}

// Claimed gives the commit that goes with the command's first one: none where the request claims
// nothing, or has its claim already and may have got no further. It is ErrKeyReused where the key
// is another request's.
func (r Request) Claimed(ctx context.Context, from loader) ([]Commit, error) {
	if r.Claim.Stream == "" {
		return nil, nil
	}
	h, err := from.Load(ctx, r.Claim.Stream, 0)
	switch {
	case err != nil:
		return nil, fmt.Errorf("es: look up the request's key: %w", err)
	case len(h.Events) == 0:
		return []Commit{r.Commit(h.Head, r.Claim.Event)}, nil
	case h.Events[0].Fingerprint != r.Fingerprint || !reflect.DeepEqual(h.Events[0].Data, r.Claim.Event):
		return nil, ErrKeyReused
	}
	return nil, nil
}
