package account

import (
	"context"
	"errors"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
)

// errEarlier ends an attempt that an earlier release has carried out under another id.
var errEarlier = errors.New("account: carried out by an earlier release")

// earlierID is the id that releases before this one gave a movement: one key stood for one movement
// of an account, whoever sent it.
func earlierID(category, accountID, key string) string { return ident.Derive(category, accountID, key) }

// once carries out a movement, unless an earlier release has done so for this very request, which
// comes again after the release: money would move twice. It looks after it has read the accounts,
// so that a movement of that release which arrives since is a conflict.
func once[E any](ctx context.Context, attempt es.Attempt[E], id, earlier string, req es.Request,
	plan func(context.Context, *es.Reads) (es.Plan, error),
) (E, error) {
	// The attempt's stream is named by the key, so its one commit is too: whoever sends the key
	// again meets the fingerprint.
	req.CommitID = id
	var before E
	done, err := attempt.Do(ctx, id, req, func(ctx context.Context, from *es.Reads) (es.Plan, error) {
		p, err := plan(ctx, from)
		if err != nil && !faults.Final(err) {
			return p, err
		}
		history, lookup := from.Load(ctx, es.NewStreamID(attempt.Category, earlier), 0)
		switch {
		case lookup != nil:
			return es.Plan{}, lookup
		case len(history.Events) == 0 || history.Events[0].Metadata.Actor != req.Metadata.Actor:
			return p, err
		case history.Events[0].Fingerprint != req.Fingerprint:
			return es.Plan{}, es.ErrKeyReused
		}
		if before, err = attempt.Fold(history); err != nil {
			return es.Plan{}, err
		}
		return es.Plan{}, errEarlier
	})
	if errors.Is(err, errEarlier) {
		return before, nil
	}
	return done, err
}
