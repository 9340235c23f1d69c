package customer

import (
	"fmt"

	"orderflow/shared/es"
	"orderflow/shared/personal"
)

// State is a customer, folded.
type State struct {
	ID    string
	Name  personal.Sealed
	Email personal.Sealed
}

// Exists reports whether the customer is registered.
func (s State) Exists() bool { return s.ID != "" }

// Decider decides for customers.
var Decider = es.Decider[Command, State, Event]{Initial: func() State { return State{} }, Decide: decide, Evolve: Evolve}

// Evolve folds an event into a customer.
func Evolve(s State, e Event) State {
	if e, ok := e.(Registered); ok {
		s = State{ID: e.CustomerID, Name: e.Name, Email: e.Email}
	}
	return s
}

// decide refuses a second registration whatever it holds: ciphertexts of one name differ each time, so only the request tells whether it is the same.
func decide(c Command, s State) ([]Event, error) {
	join, ok := c.(Join)
	if !ok {
		return nil, fmt.Errorf("customer: unknown command %T", c)
	}
	if s.Exists() {
		return nil, ErrAlreadyRegistered.Field("body.customerId", "the customer is registered already")
	}
	return []Event{Registered(join)}, nil
}
