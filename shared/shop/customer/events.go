// Package customer is who orders. Their name and address of mail are stored as ciphertext only; the
// pseudonym that everything else names them by tells nothing.
package customer

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/personal"
)

// Category is the first part of a customer's stream id.
const Category = "customer"

// The fields that a customer's sealed data is bound to.
const (
	NameField  = "customer.name"
	EmailField = "customer.email"
)

// Reason is why mails to an address are suppressed.
type Reason string

// The reasons, by the names that mail services have for them.
const (
	ReasonBounce    Reason = "bounce"    // the address takes no mail, and won't
	ReasonComplaint Reason = "complaint" // whoever has it calls the shop's mails spam
)

// ErasureReason is why somebody is erased. It is one of a few words and never a text: what a text
// says of a person would outlive their data key.
type ErasureReason string

// The reasons.
const (
	ErasureRequested ErasureReason = "requested" // the customer asked the shop for it
	ErasureRetention ErasureReason = "retention" // the time for which the shop keeps customers is over
	ErasureMistaken  ErasureReason = "mistaken"  // registered by mistake, or twice
	ErasureOrdered   ErasureReason = "ordered"   // by a court or an authority
)

// Event is one of the events below.
type Event interface{ customerEvent() }

// Registered: the customer is known, and may order.
type Registered struct {
	CustomerID string          `json:"customerId"`
	Name       personal.Sealed `json:"name"`
	Email      personal.Sealed `json:"email"`
}

// Changed: the customer's name or address of mail is another, or both are. What stays is not in it.
type Changed struct {
	CustomerID string          `json:"customerId"`
	Name       personal.Sealed `json:"name,omitempty"`
	Email      personal.Sealed `json:"email,omitempty"`
}

// MailSuppressed: no mail goes to the customer's address any more, until they give one again. The
// address is not in it.
type MailSuppressed struct {
	CustomerID string `json:"customerId"`
	Address    int64  `json:"address"` // which of the customer's addresses, from 1 on (State.Address)
	Reason     Reason `json:"reason"`
}

// Erased: nobody can read any more what the customer said of themselves, and nobody gets their id
// again. It holds nothing personal.
type Erased struct {
	CustomerID string `json:"customerId"`
	ErasedAt   string `json:"erasedAt"` // RFC 3339, UTC
	// Reason is what an operator gave; "" where nobody gave one, as customers who erase themselves.
	Reason ErasureReason `json:"reason,omitempty"`
}

func (Registered) customerEvent()     {}
func (Changed) customerEvent()        {}
func (MailSuppressed) customerEvent() {}
func (Erased) customerEvent()         {}

// Register adds the customer's events to a registry.
func Register(r *es.Registry) {
	es.Register[Registered](r, "customer.registered", 1)
	es.Register[Changed](r, "customer.changed", 1)
	es.Register[MailSuppressed](r, "customer.mail-suppressed", 1)
	es.Register[Erased](r, "customer.erased", 1)
}
