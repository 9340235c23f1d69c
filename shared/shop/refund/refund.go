// Package refund gives money back for orders that have left: one transaction over the order, its
// payment and the account that paid. What an operator's key creates is a refund, whose stream is
// the attempt at it.
package refund

import (
	"cmp"
	"context"
	"fmt"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/personal"
)

// Category is the first part of a refund's stream id.
const Category = "refund"

// Processed: the request's money was given back. It is the only event of a refund's stream, and has
// all that a repeat of the request is answered with.
type Processed struct {
	RefundID  string         `json:"refundId"`
	OrderID   string         `json:"orderId"`
	AccountID string         `json:"accountId"`
	Refund    order.Refunded `json:"refund"` // as the order has it, without the note
}

// Register adds the refund's event to a registry. A program that gives money back needs those of
// orders, payments and accounts as well.
func Register(r *es.Registry) {
	es.Register[Processed](r, "refund.processed", 1)
}

// ID is the id of the refund that a caller's key stands for, whatever order it is of. It names the
// caller as events do.
func ID(actor, key string) string { return ident.Derive(Category, actor, key) }

// Payments gives parts of payments back.
type Payments interface {
	// GiveBack gives what the append of a refund writes besides.
	GiveBack(ctx context.Context, from *es.Reads, req es.Request, g payment.GiveBack) ([]es.Commit, error)
}

// Deps is what the service works with.
type Deps struct {
	Store    es.Store
	Clock    clock.Clock
	Vault    personal.Vault
	Payments Payments
}

// Service carries out refunds.
type Service struct {
	deps   Deps
	orders es.Repository[order.State, order.Event]
}

// New makes the service.
func New(deps Deps) Service {
	deps = wiring.Complete(deps)
	return Service{deps: deps, orders: order.Decider.Repository(order.Category, deps.Store)}
}

// Input is a refund as an operator gives it.
type Input struct {
	OrderID  string
	GiveBack order.GiveBack // without RefundID, Note, By and Now
	Note     string         // in the operator's own words, "" for none
}

// GiveBack gives money back for an order that has left. The key stands for one refund by the
// request's actor: the same request gets the same answer, another es.ErrKeyReused. A refund that is
// refused writes nothing, and its key may be used again. order.ErrNotFound where there is no such
// order; order.ErrNotDispatched, order.ErrCancelling, order.ErrRefundExceeds and the other faults
// of order.GiveBack. personal.ErrErased where there is a note and the customer was erased: without
// one, their account gets the money. With a note the request's fingerprint is stored as one under
// the customer's key, since it follows from the note.
//
// What it writes of the order, the payment and the account has the correlation id of the order's
// first event.
func (s Service) GiveBack(ctx context.Context, req es.Request, key string, in Input) (Processed, error) {
	id := ID(req.Metadata.Actor, key)
	command := in.GiveBack
	command.RefundID, command.By, command.Now = id, req.Metadata.By(), req.Time
	var err error
	if in.Note != "" {
		if command.Note, req.Fingerprint, err = s.seal(ctx, req, in); err != nil {
			return Processed{}, err
		}
	}
	req.CommitID = id
	return s.attempt().Do(ctx, id, req, func(ctx context.Context, from *es.Reads) (es.Plan, error) {
		return s.plan(ctx, from, req, in.OrderID, command)
	})
}

// seal encrypts the note, and makes the fingerprint of a request that has one.
func (s Service) seal(ctx context.Context, req es.Request, in Input) (personal.Sealed, string, error) {
	of, err := s.orders.Get(ctx, in.OrderID)
	if err != nil {
		return "", "", err
	}
	if !of.State.Exists() {
		return "", "", order.NotFound()
	}
	note, err := s.deps.Vault.Seal(ctx, of.State.CustomerID, order.RefundNoteField, []byte(in.Note))
	if err != nil {
		return "", "", fmt.Errorf("refund: seal note: %w", err)
	}
	fingerprint, err := s.deps.Vault.Fingerprint(ctx, of.State.CustomerID, req.Fingerprint)
	if err != nil {
		return "", "", fmt.Errorf("refund: fingerprint request: %w", err)
	}
	return note, fingerprint, nil
}

// plan decides on the order, and gives what is written of it, of its payment and of the account.
func (s Service) plan(
	ctx context.Context, from *es.Reads, req es.Request, orderID string, command order.GiveBack,
) (es.Plan, error) {
	h, err := from.Load(ctx, es.NewStreamID(order.Category, orderID), 0)
	if err != nil {
		return es.Plan{}, err
	}
	state, err := order.Decider.Fold(h)
	if err != nil {
		return es.Plan{}, err
	}
	events, err := order.Decider.Decide(command, state)
	if err != nil {
		return es.Plan{}, err
	}
	if len(events) == 0 { // a twin's, whose attempt can't be seen yet
		return es.Plan{}, &es.ConflictError{Stream: h.Head.Stream(), Expected: h.Head.Version(), Actual: -1}
	}
	refunded := events[0].(order.Refunded) // there is no other event of a GiveBack
	reference := string(es.NewStreamID(Category, command.RefundID))
	of := req
	of.CommitID = "do:" + reference
	of.Metadata.CorrelationID = cmp.Or(h.Events[0].Metadata.CorrelationID, req.Metadata.CorrelationID)
	commits := []es.Commit{of.Commit(h.Head, refunded)}
	if refunded.Amount.Amount > 0 {
		more, err := s.deps.Payments.GiveBack(ctx, from, of, payment.GiveBack{
			PaymentID: refunded.PaymentID, RefundID: command.RefundID, Amount: refunded.Amount, Reference: reference,
		})
		if err != nil {
			return es.Plan{}, err
		}
		commits = append(commits, more...)
	}
	refunded.Note = ""
	return es.Plan{
		Event: Processed{
			RefundID: command.RefundID, OrderID: orderID, AccountID: state.AccountID, Refund: refunded,
		},
		Commits: commits,
	}, nil
}

func (s Service) attempt() es.Attempt[Processed] {
	return es.Attempt[Processed]{
		Category: Category, Store: s.deps.Store, Clock: s.deps.Clock,
		Fold: func(h es.History) (Processed, error) {
			return es.Fold(Processed{}, func(_, e Processed) Processed { return e }, h.Events)
		},
		Status: func(p Processed) es.AttemptStatus {
			if p.RefundID == "" {
				return es.AttemptOpen
			}
			return es.AttemptDone
		},
	}
}
