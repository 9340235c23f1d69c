package customer

import (
	"context"
	"fmt"
	"strings"

	"orderflow/shared/kit/es"
)

// Addresses finds customers by their address of mail, without keeping any. Each customer has one
// entry at most, that of their present address; personal.Eraser destroys it together with the data
// key. An implementation passes the suite of package customertest.
type Addresses interface {
	// Give has the customer found by the address and by no other. It is part of the append after
	// which their stream has that version. The append fails with a personal.ErrErased, and nothing
	// is written, where the customer's key is destroyed.
	Give(ctx context.Context, customerID, address string, version int64) (es.Effect, error)
	// Mend is Give outside of an append, for an address that the customer had at that version. It
	// does nothing where a later version's is there, or where the customer's key is destroyed.
	Mend(ctx context.Context, customerID, address string, version int64) error
	// Find gives customers who have the address now, at most limit, in the order of their ids after
	// that one. next is the id to go on after, "" where there are no more; a page with one may be
	// short, or empty. A customer appears moments after the append.
	Find(ctx context.Context, address, after string, limit int) (customerIDs []string, next string, err error)
}

// MaxFound is the largest page of customers who share an address.
const MaxFound = 100

// Comparable is an address in the form in which two are compared: without the space around it, and
// in lower case. RFC 5321 leaves the case of what stands before the @ to its host. No mail service
// of today tells two people apart by it, and people write their own address in either. Dots and
// tags (ada+shop@) stay: they are others' addresses elsewhere.
func Comparable(address string) string { return strings.ToLower(strings.TrimSpace(address)) }

// Find gives customers who have an address of mail now, whatever its case; see Addresses.Find.
// ErrInvalid where it is no address, which the fault doesn't repeat.
func (s Service) Find(
	ctx context.Context, address, after string, limit int,
) (customerIDs []string, next string, err error) {
	address = strings.TrimSpace(address)
	if err := validEmail(address); err != nil {
		return nil, "", err
	}
	if limit < 1 || limit > MaxFound {
		return nil, "", ErrInvalid.Field("body.limit", "expected 1 to %d, got %d", MaxFound, limit)
	}
	return s.deps.Addresses.Find(ctx, address, after, limit)
}

// MakeFindable has a customer found by their address who was registered before there were entries.
// For anybody else it changes nothing. ErrNotFound where nobody was registered by that id.
func (s Service) MakeFindable(ctx context.Context, customerID string) (es.Result[State], error) {
	res, err := s.Get(ctx, customerID)
	if err != nil || res.State.Erased() {
		return res, err
	}
	_, email, err := s.Open(ctx, res.State)
	if err == nil {
		err = s.deps.Addresses.Mend(ctx, customerID, email, res.Head.Version())
	}
	if err != nil {
		return res, fmt.Errorf("customer %s: %w", customerID, err)
	}
	return res, nil
}

// findable is what has customers found by the address that their events give them.
func (s Service) findable(ctx context.Context, version int64, events []Event) ([]es.Effect, error) {
	for _, e := range events { // one event a command
		var of State
		switch e := e.(type) {
		case Registered:
			of = State{ID: e.CustomerID, Email: e.Email}
		case Changed:
			of = State{ID: e.CustomerID, Email: e.Email}
		}
		if of.Email == "" {
			continue
		}
		email, err := s.deps.Vault.Open(ctx, of.ID, EmailField, of.Email)
		if err != nil {
			return nil, fmt.Errorf("customer %s: open e-mail: %w", of.ID, err)
		}
		effect, err := s.deps.Addresses.Give(ctx, of.ID, string(email), version)
		if err != nil {
			return nil, fmt.Errorf("customer %s: %w", of.ID, err)
		}
		return []es.Effect{effect}, nil
	}
	return nil, nil
}
