package customer

import (
	"context"
	"errors"
	"fmt"

	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/personal"
)

// Deps is what the service works with.
type Deps struct {
	Store es.Store
	Clock clock.Clock
	Vault personal.Vault
}

// Service registers customers and knows them.
type Service struct {
	deps    Deps
	handler es.Handler[Command, State, Event]
}

// New makes the service. What only asks whether a customer is registered needs no Vault.
func New(deps Deps) Service {
	return Service{deps: deps, handler: es.Handler[Command, State, Event]{Category: Category, Decider: Decider, Store: deps.Store, Clock: deps.Clock}}
}

// Register makes a customer known. The same request again has the same answer, the same key with another body is es.ErrKeyReused, and another request
// for a customer who is registered is ErrAlreadyRegistered. A pseudonym whose owner was erased is ErrErased, to their own request too: it names their
// orders for ever. What is stored of the request's fingerprint is a fingerprint under the customer's key, which goes with it.
func (s Service) Register(ctx context.Context, req es.Request, in RegisterInput) (es.Result[State], error) {
	if err := in.Validate(); err != nil {
		return es.Result[State]{}, err
	}
	current, err := s.handler.Get(ctx, in.CustomerID)
	if err != nil {
		return es.Result[State]{}, err
	}
	join := Join{CustomerID: in.CustomerID}
	if !current.State.Exists() {
		join, err = s.seal(ctx, in)
	}
	if err == nil {
		req.Fingerprint, err = s.deps.Vault.Fingerprint(ctx, in.CustomerID, req.Fingerprint)
	}
	switch {
	case errors.Is(err, personal.ErrErased):
		return es.Result[State]{}, ErrErased.Field("body.customerId", "the customer who had this id is erased")
	case err != nil:
		return es.Result[State]{}, fmt.Errorf("customer %s: %w", in.CustomerID, err)
	}
	return s.handler.Handle(ctx, in.CustomerID, req, join)
}

// seal makes the customer's key before anything is stored under it. A try that dies after that leaves a key that the next one finds.
func (s Service) seal(ctx context.Context, in RegisterInput) (Join, error) {
	join := Join{CustomerID: in.CustomerID}
	err := s.deps.Vault.Enrol(ctx, in.CustomerID)
	if err == nil {
		join.Name, err = s.deps.Vault.Seal(ctx, in.CustomerID, NameField, []byte(in.Name))
	}
	if err == nil {
		join.Email, err = s.deps.Vault.Seal(ctx, in.CustomerID, EmailField, []byte(in.Email))
	}
	return join, err
}

// Registered reports whether the customer is known.
func (s Service) Registered(ctx context.Context, customerID string) (bool, error) {
	res, err := s.handler.Get(ctx, customerID)
	return res.State.Exists(), err
}

// Get folds the customer's stream. ErrNotFound where there is none.
func (s Service) Get(ctx context.Context, customerID string) (es.Result[State], error) {
	res, err := s.handler.Get(ctx, customerID)
	if err == nil && !res.State.Exists() {
		err = ErrNotFound.New("there is no such customer")
	}
	return res, err
}

// Open decrypts name and address. personal.ErrErased where the customer was erased.
func (s Service) Open(ctx context.Context, customer State) (name, email string, err error) {
	plainName, err := s.deps.Vault.Open(ctx, customer.ID, NameField, customer.Name)
	if err != nil {
		return "", "", fmt.Errorf("customer %s: open name: %w", customer.ID, err)
	}
	plainEmail, err := s.deps.Vault.Open(ctx, customer.ID, EmailField, customer.Email)
	if err != nil {
		return "", "", fmt.Errorf("customer %s: open e-mail: %w", customer.ID, err)
	}
	return string(plainName), string(plainEmail), nil
}
