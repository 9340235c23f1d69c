package customer

import (
	"context"
	"errors"
	"fmt"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/shop/personal"
)

// Deps is what the service works with.
type Deps struct {
	Store  es.Store
	Clock  clock.Clock
	Vault  personal.Vault  `wiring:"optional"` // what only erases or asks who is registered needs none
	Eraser personal.Eraser `wiring:"optional"` // of the Vault's keys; what doesn't erase needs none
	// what registers, changes or finds needs them; without them nobody is found by an address
	Addresses Addresses `wiring:"optional"`
}

// Service registers customers, knows them, and erases them.
type Service struct {
	deps    Deps
	handler es.Handler[Command, State, Event]
}

// New makes the service.
func New(deps Deps) Service {
	s := Service{
		deps: wiring.Complete(deps),
		handler: es.Handler[Command, State, Event]{
			Category: Category, Decider: Decider, Store: deps.Store, Clock: deps.Clock,
		},
	}
	if deps.Addresses != nil {
		s.handler.Effects = s.findable
	}
	return s
}

// Register makes a customer known. The same request again has the same answer, the same key with
// another body is es.ErrKeyReused, and another request for a customer who is registered is
// ErrAlreadyRegistered. A pseudonym whose owner was erased is ErrErased, to their own request too:
// it names their orders for ever. What is stored of the request's fingerprint is a fingerprint
// under the customer's key, which goes with it.
func (s Service) Register(ctx context.Context, req es.Request, in RegisterInput) (es.Result[State], error) {
	if err := in.Validate(); err != nil {
		return es.Result[State]{}, err
	}
	current, err := s.handler.Load(ctx, in.CustomerID)
	if err != nil {
		return es.Result[State]{}, err
	}
	if current.State.Erased() { // and its key perhaps not destroyed yet
		return es.Result[State]{}, erased()
	}
	join := Join{CustomerID: in.CustomerID}
	if !current.State.Exists() {
		// Before a data key is made for somebody whom the request may not be about.
		if err := req.Claim.Check(ctx, s.deps.Store); err != nil {
			return es.Result[State]{}, err
		}
		join, err = s.seal(ctx, in)
	}
	if err == nil {
		req.Fingerprint, err = s.deps.Vault.Fingerprint(ctx, in.CustomerID, req.Fingerprint)
	}
	switch {
	case errors.Is(err, personal.ErrErased):
		return es.Result[State]{}, erased()
	case err != nil:
		return es.Result[State]{}, fmt.Errorf("customer %s: %w", in.CustomerID, err)
	}
	var res es.Result[State]
	if current.State.Exists() { // the request comes again, or is refused: of the present state
		res, err = s.handler.Handle(ctx, in.CustomerID, req, join)
	} else {
		res, err = s.handler.HandleLoaded(ctx, current, req, join)
	}
	switch {
	case errors.Is(err, personal.ErrErased): // since the name was sealed
		return es.Result[State]{}, erased()
	case err == nil && res.State.Erased(): // the request is one of before, and they were erased since it was read above
		return es.Result[State]{}, erased()
	}
	return res, err
}

// Change gives the customer of a version another name or address, or both, and leaves a customer as
// they are who has them already; an address to which no mail goes counts as another one.
// ErrVersionMismatch where the version is another, ErrNotFound where nobody was registered by that
// id, and ErrErased where they are erased.
//
// The request's commit id names who asks, and on which version. What they ask for is added to it as
// a fingerprint under the customer's key, so that the same request again is known until somebody
// changes something else, and nothing that is stored confirms a guess at it.
func (s Service) Change(
	ctx context.Context, req es.Request, customerID string, version int64, in ChangeInput,
) (es.Result[State], error) {
	if err := in.Validate(); err != nil {
		return es.Result[State]{}, err
	}
	current, err := s.Get(ctx, customerID)
	switch {
	case err != nil:
		return es.Result[State]{}, err
	case current.State.Erased():
		return es.Result[State]{}, erased()
	}
	asked, err := s.deps.Vault.Fingerprint(ctx, customerID, fmt.Sprintf("change %q %q", in.Name, in.Email))
	var change Change
	if err == nil && current.Head.Version() == version {
		change, err = s.differing(ctx, current.State, in)
	}
	switch {
	case errors.Is(err, personal.ErrErased):
		return es.Result[State]{}, erased()
	case err != nil:
		return es.Result[State]{}, fmt.Errorf("customer %s: %w", customerID, err)
	}
	req.CommitID = ident.Derive(req.CommitID, asked)
	var res es.Result[State]
	err = es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) error {
		res, err = s.handler.HandleAt(ctx, customerID, version, req, change)
		var conflict *es.ConflictError
		if errors.As(err, &conflict) && conflict.Actual >= 0 && conflict.Actual != version {
			return s.passed(ctx, customerID, version)
		}
		return err
	})
	switch {
	case errors.Is(err, personal.ErrErased): // since what they ask for was sealed
		return es.Result[State]{}, erased()
	case err != nil:
		return es.Result[State]{}, err
	case res.State.Erased():
		return es.Result[State]{}, erased()
	case res.Repeated && res.Head.CommitID() != req.CommitID:
		return es.Result[State]{}, s.passed(ctx, customerID, version)
	}
	return res, nil
}

// passed says why a version is not the customer's any more.
func (s Service) passed(ctx context.Context, customerID string, version int64) error {
	now, err := s.Get(ctx, customerID)
	switch {
	case err != nil:
		return err
	case now.State.Erased():
		return erased()
	}
	return ErrVersionMismatch.New("the customer's version is %d, not %d", now.Head.Version(), version)
}

// differing seals what is asked for and is not so yet.
func (s Service) differing(ctx context.Context, current State, in ChangeInput) (Change, error) {
	var change Change
	name, email, err := s.Open(ctx, current)
	if err == nil && in.Name != "" && in.Name != name {
		change.Name, err = s.deps.Vault.Seal(ctx, current.ID, NameField, []byte(in.Name))
	}
	// An address that is given again while its mails are suppressed is one that the customer
	// vouches for: mails go again.
	if err == nil && in.Email != "" && (in.Email != email || current.Suppressed != "") {
		change.Email, err = s.deps.Vault.Seal(ctx, current.ID, EmailField, []byte(in.Email))
	}
	return change, err
}

// SuppressMail has no mail go any more to the customer's address of that number; where they have
// given another one since, or are erased, nothing changes. Again, it does nothing. ErrNotFound
// where nobody was registered by that id.
func (s Service) SuppressMail(
	ctx context.Context, req es.Request, customerID string, address int64, reason Reason,
) (es.Result[State], error) {
	return s.handler.Handle(ctx, customerID, req, SuppressMail{Address: address, Reason: reason})
}

// Erase erases a customer: customer.erased is appended, the data key is destroyed, and then the
// time personal.Remembered passes, so that from the answer on nobody can read what is stored of
// them, wherever it is stored. Again, it has the same answer, and keeps the first reason.
// ErrNotFound where nobody was registered by that id.
//
// With any other error the customer may be erased in the stream and the key still there, or still
// remembered. The same command finishes it, and so does DestroyKey, which whoever hears of
// customer.erased calls.
func (s Service) Erase(
	ctx context.Context, req es.Request, customerID string, why ErasureReason,
) (es.Result[State], error) {
	res, err := s.handler.Handle(ctx, customerID, req, Erase{Now: req.Time, Reason: why})
	if err == nil {
		err = s.destroy(ctx, customerID)
	}
	if err == nil {
		if err = s.deps.Clock.Sleep(ctx, personal.Remembered); err != nil {
			err = fmt.Errorf("customer %s: until the key is forgotten: %w", customerID, err)
		}
	}
	return res, err
}

// DestroyKey destroys the data key of a customer whom Erase has erased; again, it does nothing.
// What it destroys is gone for good, so it takes nobody's word for the erasure: ErrNotErased where
// the customer's own stream does not have it. Nobody waits for its answer, and so it doesn't wait
// until the key is forgotten.
func (s Service) DestroyKey(ctx context.Context, customerID string) error {
	res, err := s.handler.Get(ctx, customerID)
	switch {
	case err != nil:
		return err
	case !res.State.Erased():
		return fmt.Errorf("%w: %s at version %d", ErrNotErased, customerID, res.Head.Version())
	}
	return s.destroy(ctx, customerID)
}

func (s Service) destroy(ctx context.Context, customerID string) error {
	if err := s.deps.Eraser.Erase(ctx, customerID); err != nil {
		return fmt.Errorf("customer %s: destroy key: %w", customerID, err)
	}
	return nil
}

// seal makes the customer's key before anything is stored under it. A try that dies after that
// leaves a key that the next one finds.
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

// Registered reports whether the customer is known. ErrErased where they were, and are erased.
func (s Service) Registered(ctx context.Context, customerID string) (bool, error) {
	res, err := s.handler.Get(ctx, customerID)
	if err == nil && res.State.Erased() {
		err = erased()
	}
	return err == nil && res.State.Exists(), err
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
	if customer.Erased() { // whether their key is destroyed yet or not
		return "", "", personal.ErrErased
	}
	return opened(customer.ID, customer, func(field string, sealed personal.Sealed) ([]byte, error) {
		return s.deps.Vault.Open(ctx, customer.ID, field, sealed)
	})
}
