package customer

import (
	"cmp"
	"fmt"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/personal"
)

// State is a customer, folded.
type State struct {
	ID    string
	Name  personal.Sealed // "" for one who is erased, and so the address
	Email personal.Sealed
	// Address counts the addresses of mail that the customer gave: 1 for the first. A mail says
	// which it went to, so that what comes back late is not taken for one of the present address.
	Address    int64
	Suppressed Reason // why no mail goes to the address, "" where mails go
	ErasedAt   string // RFC 3339, "" for one who is not erased
	Why        ErasureReason
}

// Exists reports whether the customer was ever registered. One who is erased was.
func (s State) Exists() bool { return s.ID != "" }

// Erased reports whether the customer is erased, which nothing undoes.
func (s State) Erased() bool { return s.ErasedAt != "" }

// Decider decides for customers.
var Decider = es.Decider[Command, State, Event]{
	Initial: func() State { return State{} }, Decide: decide, Evolve: Evolve,
}

// Evolve folds an event into a customer.
func Evolve(s State, e Event) State {
	switch e := e.(type) {
	case Registered:
		s = State{ID: e.CustomerID, Name: e.Name, Email: e.Email, Address: 1}
	case Changed:
		s.Name = cmp.Or(e.Name, s.Name)
		if e.Email != "" {
			s.Email, s.Suppressed = e.Email, ""
			s.Address++
		}
	case MailSuppressed:
		s.Suppressed = e.Reason
	case Erased:
		s = State{ID: e.CustomerID, ErasedAt: e.ErasedAt, Why: e.Reason}
	}
	return s
}

func decide(c Command, s State) ([]Event, error) {
	switch c := c.(type) {
	case Join:
		return join(c, s)
	case Change:
		return change(c, s)
	case SuppressMail:
		return suppressMail(c, s)
	case Erase:
		return erase(c, s)
	}
	return nil, fmt.Errorf("customer: unknown command %T", c)
}

// join refuses a second registration whatever it holds: ciphertexts of one name differ each time,
// so only the request tells whether it is the same.
func join(c Join, s State) ([]Event, error) {
	switch {
	case s.Erased():
		return nil, erased()
	case s.Exists():
		return nil, ErrAlreadyRegistered.Field("body.customerId", "the customer is registered already")
	}
	return []Event{Registered(c)}, nil
}

func change(c Change, s State) ([]Event, error) {
	switch {
	case !s.Exists():
		return nil, ErrNotFound.New("there is no such customer")
	case s.Erased():
		return nil, erased()
	case c == Change{}:
		return nil, nil
	}
	return []Event{Changed{CustomerID: s.ID, Name: c.Name, Email: c.Email}}, nil
}

// suppressMail is about one of the customer's addresses. They may have given another one since, may
// be erased, or the address's mails are suppressed already, for whichever reason came first.
func suppressMail(c SuppressMail, s State) ([]Event, error) {
	switch {
	case !s.Exists():
		return nil, ErrNotFound.New("there is no such customer")
	case s.Erased(), s.Suppressed != "", c.Address != s.Address:
		return nil, nil
	}
	return []Event{MailSuppressed{CustomerID: s.ID, Address: c.Address, Reason: c.Reason}}, nil
}

func erase(c Erase, s State) ([]Event, error) {
	switch {
	case !s.Exists():
		return nil, ErrNotFound.New("there is no such customer")
	case s.Erased():
		return nil, nil
	}
	return []Event{
		Erased{CustomerID: s.ID, ErasedAt: c.Now.UTC().Format(time.RFC3339Nano), Reason: c.Reason},
	}, nil
}

// erased is the answer to whoever wants something new for a customer who is erased.
func erased() error {
	return ErrErased.Field("body.customerId", "the customer who had this id is erased")
}
