package account

import (
	"cmp"
	"context"
	"fmt"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
)

// takesIn refuses to bring money to a customer who was never registered or is erased. field is
// where the request names them, or "". It is asked while the request is decided, and an erasure at
// the same time may come in between: what arrives then is part of the balance that the customer
// leaves.
func (s Service) takesIn(ctx context.Context, customerID, field string) error {
	known, err := s.deps.Customers.Registered(ctx, customerID)
	if err != nil {
		return fmt.Errorf("account: look up customer: %w", inField(err, field))
	}
	if !known {
		return ErrUnknownCustomer.Field(field, "the customer is not registered")
	}
	return nil
}

// letsOut refuses to take money out for a customer who is erased: whoever still has a token of
// theirs is nobody whom the shop could pay. One who was never registered has what an earlier
// release took in for them.
func (s Service) letsOut(ctx context.Context, customerID string) error {
	if s.operator {
		return nil
	}
	if _, err := s.deps.Customers.Registered(ctx, customerID); err != nil {
		return fmt.Errorf("account: look up customer: %w", inField(err, ""))
	}
	return nil
}

// receives decides on the receiver's side of a transfer. Whatever forbids it, the answer is one and
// so is the work: who sends to an account that is not there has a customer looked up who is not
// there.
func (s Service) receives(
	ctx context.Context, states es.Repository[State, Event], req es.Request, accountID string, c TransferIn,
) (es.Commit, error) {
	receiver, in, refused := Plan(ctx, states, req, accountID, c)
	if refused != nil && !faults.Final(refused) {
		return es.Commit{}, refused
	}
	known, err := s.deps.Customers.Registered(ctx, cmp.Or(receiver.CustomerID, accountID))
	switch {
	case err != nil && !faults.Final(err):
		return es.Commit{}, fmt.Errorf("account: look up customer: %w", err)
	case refused != nil || err != nil || !known:
		return es.Commit{}, cannotReceive()
	}
	return in, nil
}
