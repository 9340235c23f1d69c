package order

import (
	"slices"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/personal"
)

// WaitKind is what an order waits for.
type WaitKind string

// The kinds.
const (
	WaitApproval WaitKind = "approval"
	WaitStock    WaitKind = "stock"
	WaitPayment  WaitKind = "payment"
)

// Wait is what an order waits for. A deadline ends it, measured by the run that waits.
type Wait struct {
	Kind     WaitKind
	Until    string       // RFC 3339, for people
	Revision int64        // of the attempt that it waits with
	Rules    []string     // that an order matches which waits for approval
	Items    []goods.Item // that are missing where it waits for stock
	Code     string       // of what declined the payment that it waits for
	Detail   string
}

// Approval is who let an order go on that matches rules.
type Approval struct {
	By   string
	Note personal.Sealed
}

// unapproved reports whether the order goes on only once somebody approves it.
func (s State) unapproved() bool { return s.Status.Open() && len(s.HoldRules) > 0 && s.Approval == nil }

// WaitsUntil is the deadline of what the order waits for, or at where it waits for nothing, or for
// something that ended before.
func (s State) WaitsUntil(at time.Time) time.Time {
	if s.Wait == nil {
		return at
	}
	if until, err := clock.ParseTime(s.Wait.Until); err == nil && until.After(at) {
		return until
	}
	return at
}

// Waits reports whether this run waits with the order.
func (s State) Waits(p Park) bool { return s.Wait != nil && slices.Contains(s.Parked, p) }

// Awaited are the tries to be woken once the wait is over: all that parked in it, since an earlier
// one may come after the one that waits. They may be awake already.
func (s State) Awaited() []Park {
	if s.Wait != nil {
		return nil
	}
	return s.Parked
}

// waitsForStock reports whether the order waits for stock, or has not been taken on again since.
func (s State) waitsForStock() bool { return s.Wait != nil && s.Wait.Kind == WaitStock }

// stocked reports whether it shows that the order's stock is reserved: it goes on with what was
// there, or a payment was declined. It never waits for stock again, whatever request comes late.
func (s State) stocked() bool {
	return len(s.Missing) > 0 || s.PaymentRevision > s.StockRevision || s.Wait != nil && s.Wait.Kind == WaitPayment
}

// waitsWith reports whether the order waits so, with this attempt.
func (s State) waitsWith(kind WaitKind, revision int64) bool {
	return s.Wait != nil && s.Wait.Kind == kind && s.Wait.Revision == revision
}

// approvalRevision is the attempt that an order waits with which waits for approval: it has made
// none yet.
const approvalRevision = 1

func evolveWait(s State, e Event) State {
	switch e := e.(type) {
	case Held:
		s.Status, s.Parked = StatusHeld, nil
		s.Wait = &Wait{Kind: WaitApproval, Until: e.Until, Revision: approvalRevision, Rules: e.Rules}
	case Approved:
		s.Status, s.Wait, s.Approval = StatusPlaced, nil, &Approval{By: e.By, Note: e.Note}
	case Backordered:
		s.Status, s.Parked = StatusBackordered, nil
		s.Wait = &Wait{Kind: WaitStock, Until: e.Until, Revision: e.Revision, Items: e.Items}
	case PaymentRequired:
		s.Status, s.Parked = StatusPaymentRequired, nil
		s.Wait = &Wait{
			Kind: WaitPayment, Until: e.Until, Revision: e.Revision, Code: e.Code, Detail: e.Detail,
		}
	case PaymentRequested:
		s.Status, s.Wait, s.AccountID = StatusPlaced, nil, e.AccountID
		s.Revision, s.PaymentRevision = e.Revision, e.Revision
	case Parked:
		s.Parked = append(slices.Clip(s.Parked), Park(e))
	}
	return s
}

// parks adds to what begins a wait, if anything does, that a run waits. A run that asks again parks
// again: the task token is another one. What asks with a token that has parked already came late,
// or twice: its wait may be over, and its run gone on, so that it begins no other one.
func (p Park) parks(s State, begins ...Event) []Event {
	switch {
	case p == (Park{}):
		return begins
	case slices.Contains(s.Parked, p):
		return nil
	}
	return append(begins, Parked(p))
}

// hold: an order that was approved, or closed, before its run came to wait goes on.
func hold(c Hold, s State) ([]Event, error) {
	switch {
	case !s.unapproved():
		return nil, nil
	case s.waitsWith(WaitApproval, approvalRevision):
		return c.Park.parks(s), nil
	}
	return c.Park.parks(s, Held{Rules: s.HoldRules, Until: c.Until}), nil
}

// approve: whoever approves need not wait until the run has come to wait.
func approve(c Approve, s State) ([]Event, error) {
	switch {
	case s.Approval != nil:
		return nil, nil
	case s.Status == StatusCancelling || s.Status == StatusCancelled:
		return nil, ErrCancelling.New("the order is %s", s.Status)
	case !s.unapproved():
		return nil, ErrNotWaiting.New("the order doesn't wait for approval: it is %s", s.Status)
	}
	return []Event{Approved(c)}, nil
}

// decline: the arbiter between declining and approving is the order's stream.
func decline(c Decline, s State) ([]Event, error) {
	switch {
	case s.Status == StatusCancelling || s.Status == StatusCancelled:
		return nil, nil
	case !s.unapproved():
		return nil, ErrNotWaiting.New("the order doesn't wait for approval: it is %s", s.Status)
	}
	return []Event{Cancelling{
		Reason: ReasonDeclined, Note: c.Note, From: s.Status, Origin: OriginOperator,
	}}, nil
}

func backorder(c Backorder, s State) ([]Event, error) {
	switch {
	case !s.Status.Open() || s.unapproved() || c.Revision != s.StockRevision || s.stocked():
		return nil, nil
	case s.waitsWith(WaitStock, c.Revision):
		return c.Park.parks(s), nil
	}
	return c.Park.parks(s, Backordered{Revision: c.Revision, Items: c.Items, Until: c.Until}), nil
}

// requirePayment: where the payment is tried again already, the order goes on.
func requirePayment(c RequirePayment, s State) ([]Event, error) {
	switch {
	case !s.Status.Open() || s.unapproved() || c.Revision != s.PaymentRevision:
		return nil, nil
	case s.waitsWith(WaitPayment, c.Revision):
		return c.Park.parks(s), nil
	}
	return c.Park.parks(s, PaymentRequired{
		Revision: c.Revision, Code: c.Code, Detail: c.Detail, Until: c.Until,
	}), nil
}

// requestPayment: the attempt that was declined stays as it is, and the next one has a revision of
// its own. Only an order that waits for it can be paid again: no two payments are under way.
func requestPayment(c RequestPayment, s State) ([]Event, error) {
	switch {
	case s.Status == StatusCancelling || s.Status == StatusCancelled:
		return nil, ErrCancelling.New("the order is %s", s.Status)
	case s.Status != StatusPaymentRequired:
		return nil, ErrNotWaiting.New("the order doesn't wait for a payment: it is %s", s.Status)
	case s.Revision >= MaxRevisions: // its run, too, has an end: Step Functions keeps 25,000 events of one
		return nil, ErrTooManyRevisions.New("an order is changed and paid again at most %d times: cancel it, and "+
			"place another one", MaxRevisions-1)
	}
	account := c.AccountID
	if account == "" {
		account = s.AccountID
	}
	return []Event{PaymentRequested{AccountID: account, Revision: s.Revision + 1, By: c.By}}, nil
}

// expire is the arbiter between a deadline and what ends the wait: an order that waits no more, or
// with another attempt, goes on.
func expire(c Expire, s State) ([]Event, error) {
	if !s.waitsWith(c.Wait, c.Revision) {
		return nil, nil
	}
	return []Event{Cancelling{
		Reason: ReasonExpired, From: s.Status, Origin: OriginSaga, SagaID: c.SagaID,
	}}, nil
}
