package payment

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/money"
)

// Status is where a payment stands.
type Status string

// The statuses.
const (
	StatusOpen      Status = "open" // nothing has happened
	StatusProcessed Status = "processed"
	StatusDeclined  Status = "declined"
	StatusRefunded  Status = "refunded"
	StatusVoided    Status = "voided"
)

// State is a payment, folded.
type State struct {
	ID        string
	OrderID   string
	AccountID string
	Amount    money.Money // that stands charged, and is given back if it is refunded
	Returned  money.Money // of it, what was given back before that
	Status    Status
	Code      string // of a declined payment's fault
	Detail    string
}

// Initial is a payment that nobody has tried.
func Initial() State { return State{Status: StatusOpen} }

// Evolve folds an event into a payment. What may happen next is decided by es.Attempt, and whether
// the account can be charged by the account.
func Evolve(s State, e Event) State {
	switch e := e.(type) {
	case Processed:
		return State{
			ID: e.PaymentID, OrderID: e.OrderID, AccountID: e.AccountID, Amount: e.Amount, Status: StatusProcessed,
		}
	case Declined:
		return State{ID: e.PaymentID, OrderID: e.OrderID, Status: StatusDeclined, Code: e.Code, Detail: e.Detail}
	case PartiallyRefunded:
		s.Returned = e.Refunded
	case Adjusted:
		s.Amount = e.Amount
	case Refunded:
		s.Status = StatusRefunded
	case Voided:
		return State{ID: e.PaymentID, OrderID: e.OrderID, Status: StatusVoided}
	}
	return s
}

func fold(h es.History) (State, error) { return es.Fold(Initial(), Evolve, h.Events) }

// attemptStatus says the status in the attempt's terms.
func (s State) attemptStatus() es.AttemptStatus {
	switch s.Status {
	case StatusProcessed:
		return es.AttemptDone
	case StatusDeclined:
		return es.AttemptRefused
	case StatusRefunded:
		return es.AttemptUndone
	case StatusVoided:
		return es.AttemptVoided
	}
	return es.AttemptOpen
}

// fault gives a declined payment's fault back as it was recorded.
func (s State) fault() *faults.Fault {
	if spec, ok := faults.Lookup(s.Code); ok {
		return spec.New("%s", s.Detail)
	}
	return &faults.Fault{Kind: faults.Rule, Code: s.Code, Detail: s.Detail} // of a program that knew the code
}
