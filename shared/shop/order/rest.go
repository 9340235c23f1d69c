package order

import (
	"context"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
)

// beside gives what the rest of an order gets with an order's events, in their append. The rest is
// placed with the confirmation, so it is there once and for all where its order is paid, and never
// where that was cancelled before. A confirmed order that is closed has its rest closed with it, as
// long as that is open: who ordered both as one cancels both as one.
func (s Service) beside(ctx context.Context, req es.Request, before State, events []Event) ([]es.Commit, error) {
	var commits []es.Commit
	for _, e := range events {
		switch e := e.(type) {
		case Confirmed:
			if e.RestID == "" {
				continue
			}
			rest, err := before.rest(e.RestID, req.Time)
			if err != nil {
				return nil, err
			}
			commits = append(commits, req.Commit(es.Empty(es.NewStreamID(Category, e.RestID)), rest))
		case Cancelling:
			if before.RestID == "" {
				continue
			}
			closing, err := s.closeRest(ctx, req, before.RestID, e)
			if err != nil {
				return nil, err
			}
			commits = append(commits, closing...)
		}
	}
	return commits, nil
}

// rest is the order of what was not there: the same customer's, at the same prices, from the same
// account to the same address. Who approved the order has approved it.
func (s State) rest(id string, at time.Time) (Placed, error) {
	total, err := Total(s.Rest)
	return Placed{
		OrderID: id, CustomerID: s.CustomerID, AccountID: s.AccountID, Lines: s.Rest, Total: total,
		Address: s.Address, Revision: 1, PlacedAt: at.UTC().Format(time.RFC3339Nano), PricedBy: s.PricedBy,
		OutOfStock: goods.Backorder, RestOf: s.ID,
	}, err
}

// closeRest closes the rest of an order that is closed. One that goes its own way by then does so.
func (s Service) closeRest(ctx context.Context, req es.Request, id string, e Cancelling) ([]es.Commit, error) {
	loaded, err := s.handler.Load(ctx, id)
	if err != nil || !loaded.State.Status.Open() {
		return nil, err
	}
	events, err := Decider.Decide(Close{Origin: e.Origin, Reason: e.Reason, Note: e.Note}, loaded.State)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	return []es.Commit{req.Commit(loaded.Head, events[0])}, nil
}
