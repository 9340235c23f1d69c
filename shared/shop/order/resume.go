package order

import (
	"context"
	"fmt"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/personal"
)

// Accounts says which accounts pay for whom.
type Accounts interface {
	// Pays checks that an account can pay for a customer in a currency: that it is open, theirs and
	// of that currency. Whether it holds enough is the charge's to find out.
	Pays(ctx context.Context, accountID, customerID, currency string) error
}

// PaymentInput says who wants a declined payment tried again, and with what.
type PaymentInput struct {
	// CustomerID is who asks, where it is a customer: it has to be their own order. "" for an
	// operator.
	CustomerID string
	AccountID  string // another one of the order's customer, "" for the order's
	By         string // the actor
}

// RequestPayment tries the declined payment of an order again, as another attempt, which the run
// makes that waits with the order. ErrNotWaiting where no payment is required: so two requests have
// one attempt, and no two are under way at a time. ErrNotFound also for another customer's order.
func (s Service) RequestPayment(
	ctx context.Context, req es.Request, orderID string, in PaymentInput,
) (es.Result[State], error) {
	loaded, err := s.handler.Load(ctx, orderID)
	if err != nil {
		return es.Result[State]{}, err
	}
	state := loaded.State
	if !state.Exists() || in.CustomerID != "" && in.CustomerID != state.CustomerID {
		return es.Result[State]{}, NotFound()
	}
	if in.AccountID != "" && in.AccountID != state.AccountID {
		if err := s.deps.Accounts.Pays(ctx, in.AccountID, state.CustomerID, state.Total.Currency); err != nil {
			return es.Result[State]{}, err
		}
	}
	return s.handler.HandleLoaded(ctx, loaded, req, RequestPayment{AccountID: in.AccountID, By: in.By})
}

// Decision is what an operator makes of an order that is held.
type Decision struct {
	By   string // the actor
	Note string // why, in their own words
}

// Approve lets an order go on that waits for approval, or will. ErrNotWaiting where it doesn't; one
// that is approved stays as it is. The words are sealed under the key of the order's customer, of
// whom they may tell, and the request's fingerprint is stored as one under it: personal.ErrErased
// where the customer was erased.
func (s Service) Approve(ctx context.Context, req es.Request, orderID string, d Decision) (es.Result[State], error) {
	return s.onHeld(ctx, req, orderID, d, func(note personal.Sealed) Command { return Approve{By: d.By, Note: note} })
}

// Decline closes an order that waits for approval, or will, like Approve. One that is closed
// already stays as it is.
func (s Service) Decline(ctx context.Context, req es.Request, orderID string, d Decision) (es.Result[State], error) {
	return s.onHeld(ctx, req, orderID, d, func(note personal.Sealed) Command { return Decline{Note: note} })
}

func (s Service) onHeld(
	ctx context.Context, req es.Request, orderID string, d Decision, command func(note personal.Sealed) Command,
) (es.Result[State], error) {
	loaded, err := s.handler.Load(ctx, orderID)
	if err != nil {
		return es.Result[State]{}, err
	}
	if !loaded.State.Exists() {
		return es.Result[State]{}, NotFound()
	}
	var note personal.Sealed
	if note, req.Fingerprint, err = s.sealNote(ctx, loaded.State.CustomerID, d.Note, req.Fingerprint); err != nil {
		return es.Result[State]{}, err
	}
	return s.handler.HandleLoaded(ctx, loaded, req, command(note))
}

// sealNote seals words, and the fingerprint of the request that has them. Where there are none,
// nothing is to be sealed.
func (s Service) sealNote(
	ctx context.Context, customerID, words, fingerprint string,
) (note personal.Sealed, sealed string, err error) {
	if words == "" {
		return "", fingerprint, nil
	}
	if note, err = s.deps.Vault.Seal(ctx, customerID, NoteField, []byte(words)); err != nil {
		return "", "", fmt.Errorf("order: seal note: %w", err)
	}
	if sealed, err = s.deps.Vault.Fingerprint(ctx, customerID, fingerprint); err != nil {
		return "", "", fmt.Errorf("order: fingerprint request: %w", err)
	}
	return note, sealed, nil
}
