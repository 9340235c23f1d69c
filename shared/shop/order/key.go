package order

import (
	"context"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
)

// ID is the id of the order that a caller's key stands for, whoever it is for. It names the caller
// as events do.
func ID(actor, key string) string { return ident.Derive(Category, actor, key) }

// EarlierID is the id that releases before it gave that order: one key of a customer's stood for
// one order, whoever sent it.
func EarlierID(customerID, key string) string { return ident.Derive(Category, customerID, key) }

// earlier finds the order that an earlier release placed for this very request, which comes again:
// two orders would be paid. Somebody else's order is none of the caller's; their own from another
// request is es.ErrKeyReused.
func (s Service) earlier(ctx context.Context, req es.Request, id string) (res es.Result[State], found bool, err error) {
	if id == "" {
		return res, false, nil
	}
	history, err := s.deps.Store.Load(ctx, es.NewStreamID(Category, id), 0)
	switch {
	case err != nil || len(history.Events) == 0 || history.Events[0].Metadata.Actor != req.Metadata.Actor:
		return res, false, err
	case history.Events[0].Fingerprint != req.Fingerprint:
		return res, false, es.ErrKeyReused
	}
	state, err := Decider.Fold(history)
	return es.Result[State]{State: state, Head: history.Head, Repeated: true}, err == nil, err
}
