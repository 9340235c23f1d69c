package account

import (
	"context"
	"fmt"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/shop/money"
)

// Customers says who may have money here.
type Customers interface {
	// Registered reports whether the customer is known. A fault says why one who is known takes no
	// more money: they are erased.
	Registered(ctx context.Context, customerID string) (bool, error)
}

// Deps is what the service works with.
type Deps struct {
	Store     es.Store
	Clock     clock.Clock
	Customers Customers    `wiring:"optional"` // who only reads needs none
	Snapshots es.Snapshots `wiring:"optional"` // of the accounts; nil where there are none
	Mends     bool         // writes a snapshot where an account lacks it for long
}

// Service carries out the commands on accounts. An account whose customer is erased takes nothing
// in any more, but for what is refunded, and its balance leaves by an operator alone.
type Service struct {
	deps     Deps
	states   es.Repository[State, Event]
	operator bool
	customer string // who asks, where it is a customer
}

// New makes the service.
func New(deps Deps) Service {
	states := States(deps.Store, deps.Snapshots)
	states.Clock, states.Mends = deps.Clock, deps.Mends
	return Service{deps: wiring.Complete(deps), states: states}
}

// ByOperator is the service for an operator, who pays out also what an erased customer left.
func (s Service) ByOperator() Service {
	s.operator = true
	return s
}

// ByCustomer is the service for a customer, to whom only their own accounts are there.
func (s Service) ByCustomer(customerID string) Service {
	s.customer = customerID
	return s
}

// ID is the id of a customer's account in a currency: there is one.
func ID(customerID, currency string) string { return ident.Derive("account", customerID, currency) }

// OpeningID is the id of the opening that a request stands for, whoever the account is for.
func OpeningID(requestID string) string { return ident.Derive(OpeningCategory, requestID) }

// DepositID is the id of the deposit that a caller's key stands for, whatever account it is to. It
// names the caller as events do.
func DepositID(actor, key string) string { return ident.Derive(DepositCategory, actor, key) }

// WithdrawalID is the id of the withdrawal that a caller's key stands for.
func WithdrawalID(actor, key string) string { return ident.Derive(WithdrawalCategory, actor, key) }

// TransferID is the id of the transfer that a caller's key stands for.
func TransferID(actor, key string) string { return ident.Derive(TransferCategory, actor, key) }

// InterestID is the id of the interest that a caller's key stands for.
func InterestID(actor, key string) string { return ident.Derive(InterestCategory, actor, key) }

// Plan decides a command that moves money on the account as it stands, for a caller that appends
// the commit together with that of its own attempt. That attempt alone tells whether the command
// was carried out before: the commits that a snapshot stands for are not looked at. The state is
// the one right after the movement. The commit's id follows from the command's reference. Interest
// that rounds to nothing moves nothing: its commit has no events, and nobody may append it. In the
// plan of an attempt, states read from what the plan is given.
func Plan(
	ctx context.Context, states es.Repository[State, Event], req es.Request, accountID string, c Command,
) (State, es.Commit, error) {
	current, err := states.Get(ctx, accountID)
	state := current.State
	if err != nil {
		return state, es.Commit{}, err
	}
	events, err := Decider.Decide(c, state)
	if err != nil {
		return state, es.Commit{}, err
	}
	if req.CommitID, err = commitID(c); err != nil {
		return state, es.Commit{}, err
	}
	commit := req.Commit(current.Head)
	for _, e := range events {
		commit.Events = append(commit.Events, e)
		state = Evolve(state, e)
	}
	return state, commit, nil
}

// commitID tells the two movements that one reference can have apart: the attempt's effect, and its
// undoing.
func commitID(c Command) (string, error) {
	switch c := c.(type) {
	case Deposit:
		return "do:" + c.Reference, nil
	case Withdraw:
		return "do:" + c.Reference, nil
	case Charge:
		return "do:" + c.Reference, nil
	case TransferOut:
		return "do:" + c.Reference, nil
	case TransferIn:
		return "do:" + c.Reference, nil
	case ApplyInterest:
		return "do:" + c.Reference, nil
	case Refund:
		return "undo:" + c.Reference, nil
	}
	return "", fmt.Errorf("account: %T moves no money", c)
}

// Open opens the customer's account in a currency (ISO 4217). The request's commit id stands for
// the caller's key: for the same customer and currency it gets the account as it is now, for
// another es.ErrKeyReused. An account that another request opened is ErrAlreadyOpen.
func (s Service) Open(ctx context.Context, req es.Request, customerID, currency string) (es.Result[State], error) {
	accountID, openingID := ID(customerID, currency), OpeningID(req.CommitID)
	attempt := recorded(s, OpeningCategory, func(o OpeningProcessed) string { return o.OpeningID })
	taken := true               // for new, as the account nearly always is: the append tells
	var opened es.Result[State] // by this very try
	opening, err := attempt.Do(ctx, openingID, req, func(ctx context.Context, from *es.Reads) (es.Plan, error) {
		var current es.Result[State]
		var err error
		if taken { // after a conflict the account is read
			taken, current.Head = false, from.Empty(es.NewStreamID(Category, accountID))
		} else if current, err = s.states.From(from).Get(ctx, accountID); err != nil {
			return es.Plan{}, err
		}
		events, err := Decider.Decide(
			Open{AccountID: accountID, CustomerID: customerID, Currency: currency}, current.State,
		)
		if err != nil {
			return es.Plan{}, err
		}
		if err := s.takesIn(ctx, customerID, "body.customerId"); err != nil {
			return es.Plan{}, err
		}
		commit, state := req.Commit(current.Head), current.State
		for _, e := range events {
			commit.Events, state = append(commit.Events, e), Evolve(state, e)
		}
		return es.Plan{
			Event: OpeningProcessed{
				OpeningID: openingID, AccountID: accountID, CustomerID: customerID, Currency: currency,
			},
			Commits:  []es.Commit{commit},
			Appended: func(ends []es.Head) { opened = es.Result[State]{State: state, Head: ends[0]} },
		}, nil
	})
	if err == nil && opening.AccountID != accountID {
		err = es.ErrKeyReused
	}
	if err != nil {
		return es.Result[State]{}, err
	}
	if opened.State.Exists() {
		return opened, nil
	}
	return s.found(ctx, accountID)
}

// found gives an account whose opening was found, though its own first commit may be seen a moment
// later.
func (s Service) found(ctx context.Context, accountID string) (res es.Result[State], err error) {
	err = es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) error {
		if res, err = s.states.Get(ctx, accountID); err == nil && !res.State.Exists() {
			err = &es.ConflictError{Stream: res.Head.Stream(), Expected: 1, Actual: 0}
		}
		return err
	})
	return res, err
}

// Movement is a deposit or a withdrawal that was carried out. The zero Movement is one that was
// not.
type Movement struct {
	ID        string
	AccountID string
	Amount    money.Money
	Balance   money.Money // right after the movement, whatever has happened since
}

// Deposit brings money in. The key stands for one deposit by the request's actor: the same request
// gets the same answer, another amount or account es.ErrKeyReused. A deposit that is refused writes
// nothing, and its key may be used again. ErrNotFound where there is no such account,
// ErrUnknownCustomer where its customer was never registered.
func (s Service) Deposit(
	ctx context.Context, req es.Request, accountID, key string, amount money.Money,
) (Movement, error) {
	id := DepositID(req.Metadata.Actor, key)
	return s.move(ctx, req, DepositCategory, Movement{ID: id, AccountID: accountID, Amount: amount},
		Deposit{Amount: amount, Reference: string(es.NewStreamID(DepositCategory, id))},
		func(ctx context.Context, customerID string) error { return s.takesIn(ctx, customerID, "") },
		func(m Movement) any {
			return DepositProcessed{DepositID: m.ID, AccountID: m.AccountID, Amount: m.Amount, Balance: m.Balance}
		})
}

// Withdraw takes money out: of what an erased customer left, for an operator alone. Key, repetition
// and refusal are as with Deposit.
func (s Service) Withdraw(
	ctx context.Context, req es.Request, accountID, key string, amount money.Money,
) (Movement, error) {
	id := WithdrawalID(req.Metadata.Actor, key)
	return s.move(ctx, req, WithdrawalCategory, Movement{ID: id, AccountID: accountID, Amount: amount},
		Withdraw{Amount: amount, Reference: string(es.NewStreamID(WithdrawalCategory, id))}, s.letsOut,
		func(m Movement) any {
			return WithdrawalProcessed{WithdrawalID: m.ID, AccountID: m.AccountID, Amount: m.Amount, Balance: m.Balance}
		})
}

// plan is Plan for whoever asks for a movement: ErrNotFound, whatever else forbids it, where there
// is no such account for them.
func (s Service) plan(
	ctx context.Context, states es.Repository[State, Event], req es.Request, accountID string, c Command,
) (State, es.Commit, error) {
	state, commit, err := Plan(ctx, states, req, accountID, c)
	read := err == nil || faults.Final(err)
	if read && (!state.Exists() || s.customer != "" && state.CustomerID != s.customer) {
		return State{}, es.Commit{}, notFound()
	}
	return state, commit, err
}

func notFound() error { return ErrNotFound.New("there is no such account") }

// move carries out a movement in one append: the attempt's event and the account's.
func (s Service) move(
	ctx context.Context, req es.Request, category string, wanted Movement, c Command,
	allowed func(ctx context.Context, customerID string) error, processed func(Movement) any,
) (Movement, error) {
	attempt := es.Attempt[Movement]{
		Category: category, Store: s.deps.Store, Clock: s.deps.Clock, Fold: foldMovement,
		Status: func(m Movement) es.AttemptStatus { return status(m.ID) },
	}
	done, err := once(ctx, attempt, wanted.ID, req, func(ctx context.Context, from *es.Reads) (es.Plan, error) {
		after, commit, err := s.plan(ctx, s.states.From(from), req, wanted.AccountID, c)
		if err == nil {
			err = allowed(ctx, after.CustomerID)
		}
		if err != nil {
			return es.Plan{}, err
		}
		m := wanted
		m.Balance = after.Money()
		return es.Plan{Event: processed(m), Commits: []es.Commit{commit}}, nil
	})
	if err != nil {
		return Movement{}, err
	}
	if done.Amount != wanted.Amount || done.AccountID != wanted.AccountID {
		return Movement{}, es.ErrKeyReused // of a caller that gives no fingerprint
	}
	return done, nil
}

// once carries out a movement, or gives what its first try has done. The attempt's stream is named
// by the key, so its one commit is too: whoever sends the key again meets the fingerprint.
func once[E any](ctx context.Context, attempt es.Attempt[E], id string, req es.Request,
	plan func(context.Context, *es.Reads) (es.Plan, error),
) (E, error) {
	req.CommitID = id
	return attempt.Do(ctx, id, req, plan)
}

// Transfer sends money from one account to another, in one append over both and the transfer
// itself: it happens whole or not at all. The key stands for one transfer by the request's actor.
// Repetition and refusal are as with Deposit. Whatever the receiver's side forbids is
// ErrCannotReceive. ErrSameAccount where both are one.
func (s Service) Transfer(
	ctx context.Context, req es.Request, fromAccountID, toAccountID, key string, amount money.Money,
) (TransferProcessed, error) {
	id := TransferID(req.Metadata.Actor, key)
	reference := string(es.NewStreamID(TransferCategory, id))
	attempt := recorded(s, TransferCategory, func(e TransferProcessed) string { return e.TransferID })
	done, err := once(ctx, attempt, id, req, func(ctx context.Context, from *es.Reads) (es.Plan, error) {
		states := s.states.From(from)
		sender, out, err := s.plan(ctx, states, req, fromAccountID,
			TransferOut{ToAccountID: toAccountID, Amount: amount, Reference: reference})
		if err == nil {
			err = s.letsOut(ctx, sender.CustomerID)
		}
		if err != nil {
			return es.Plan{}, err
		}
		in, err := s.receives(ctx, states, req, toAccountID,
			TransferIn{FromAccountID: fromAccountID, Amount: amount, Reference: reference})
		if err != nil {
			return es.Plan{}, err
		}
		return es.Plan{
			Event: TransferProcessed{
				TransferID: id, FromAccountID: fromAccountID, ToAccountID: toAccountID, Amount: amount,
				Balance: sender.Money(),
			},
			Commits: []es.Commit{out, in},
		}, nil
	})
	if err == nil && (done.Amount != amount || done.FromAccountID != fromAccountID || done.ToAccountID != toAccountID) {
		err = es.ErrKeyReused // of a caller that gives no fingerprint
	}
	if err != nil {
		return TransferProcessed{}, err
	}
	return done, nil
}

// ApplyInterest adds interest to the balance as it stands when the request is carried out: rate
// basis points of it, 1 to MaxRate, rounded to whole minor units, a half to the even one. The key
// stands for one application by the request's actor, also where it rounded to nothing and left the
// account as it was. Repetition and refusal are as with Deposit.
func (s Service) ApplyInterest(
	ctx context.Context, req es.Request, accountID, key string, rate int64,
) (InterestProcessed, error) {
	id := InterestID(req.Metadata.Actor, key)
	attempt := recorded(s, InterestCategory, func(e InterestProcessed) string { return e.InterestID })
	done, err := once(ctx, attempt, id, req, func(ctx context.Context, from *es.Reads) (es.Plan, error) {
		after, commit, err := s.plan(ctx, s.states.From(from), req, accountID,
			ApplyInterest{RateBasisPoints: rate, Reference: string(es.NewStreamID(InterestCategory, id))})
		if err == nil {
			err = s.takesIn(ctx, after.CustomerID, "")
		}
		if err != nil {
			return es.Plan{}, err
		}
		processed := InterestProcessed{
			InterestID: id, AccountID: accountID, RateBasisPoints: rate, Amount: money.Money{Currency: after.Currency},
			Balance: after.Money(),
		}
		var commits []es.Commit
		for _, e := range commit.Events {
			if applied, ok := e.(InterestApplied); ok {
				processed.Amount, commits = applied.Amount, []es.Commit{commit}
			}
		}
		return es.Plan{Event: processed, Commits: commits}, nil
	})
	if err == nil && (done.RateBasisPoints != rate || done.AccountID != accountID) {
		err = es.ErrKeyReused // of a caller that gives no fingerprint
	}
	if err != nil {
		return InterestProcessed{}, err
	}
	return done, nil
}

// recorded is an attempt whose stream has one event, which says all that is to know of it. id gives
// the event's own id, "" for none.
func recorded[E any](s Service, category string, id func(E) string) es.Attempt[E] {
	return es.Attempt[E]{
		Category: category, Store: s.deps.Store, Clock: s.deps.Clock,
		Fold: func(h es.History) (E, error) {
			var none E
			return es.Fold(none, func(_, e E) E { return e }, h.Events)
		},
		Status: func(e E) es.AttemptStatus { return status(id(e)) },
	}
}

// status of an attempt that records no refusals and is never taken back: done once it has an id.
func status(id string) es.AttemptStatus {
	if id == "" {
		return es.AttemptOpen
	}
	return es.AttemptDone
}

func foldMovement(h es.History) (Movement, error) {
	return es.Fold(Movement{}, func(_ Movement, e movementEvent) Movement { return e.movement() }, h.Events)
}

// movementEvent is an event of a deposit's or a withdrawal's stream, which has only one.
type movementEvent interface{ movement() Movement }

func (e DepositProcessed) movement() Movement {
	return Movement{ID: e.DepositID, AccountID: e.AccountID, Amount: e.Amount, Balance: e.Balance}
}

func (e WithdrawalProcessed) movement() Movement {
	return Movement{ID: e.WithdrawalID, AccountID: e.AccountID, Amount: e.Amount, Balance: e.Balance}
}

// Get gives the account as it stands: it always shows one's own write. ErrNotFound where there is
// none.
func (s Service) Get(ctx context.Context, accountID string) (es.Result[State], error) {
	res, err := s.states.Get(ctx, accountID)
	if err == nil && !res.State.Exists() {
		err = notFound()
	}
	return res, err
}

// Pays checks that an account can pay for a customer in a currency, whatever it holds. ErrNotYours
// where it is not theirs, or nobody's: whose it is is no business of the customer's.
func (s Service) Pays(ctx context.Context, accountID, customerID, currency string) error {
	res, err := s.states.Get(ctx, accountID)
	switch {
	case err != nil:
		return err
	case res.State.CustomerID != customerID:
		return ErrNotYours.Field("body.accountId", "the customer has no such account")
	case res.State.Currency != currency:
		return ErrWrongCurrency.Field(
			"body.accountId", "the account is in %s, and the order in %s", res.State.Currency, currency,
		)
	}
	return nil
}

// AsOf gives the account as it was. ErrNotFound where there was none by then.
func (s Service) AsOf(ctx context.Context, accountID string, p es.Point) (es.Past[State], error) {
	past, err := s.states.AsOf(ctx, accountID, p)
	if err == nil && !past.State.Exists() {
		err = ErrNotFound.New("there was no such account by then")
	}
	return past, err
}
