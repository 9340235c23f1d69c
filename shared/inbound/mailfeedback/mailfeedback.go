// Package mailfeedback takes what the mail service tells of mails that were sent: that an address
// takes none, that its owner calls them spam, or that a mail was rejected.
//
// The service names a recipient by the address, which is personal. So the rules of the stack hand
// over a report of their own making, which holds what a mail is tagged with and no address: what
// waits in a queue or becomes a dead letter tells nothing of the person.
package mailfeedback

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/decimal"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/poison"
	"orderflow/shared/shop/customer"
)

// consumer is who acts, as commits name them.
const consumer = "follow-mails"

// Report is a message as a rule writes it. A tag of a mail is a list, by SES's rule.
type Report struct {
	ID       string   `json:"id"`       // of the mail service's event
	Kind     Kind     `json:"kind"`     // what happened
	Mail     string   `json:"mail"`     // the service's id of the mail
	Customer []string `json:"customer"` // whose mail it was
	Address  []string `json:"address"`  // which of the customer's addresses it went to (customer.State)
}

// Kind is what happened to a mail.
type Kind string

// The kinds. A bounce that may pass, such as a full mailbox, is not reported, nor is a complaint
// that says the mail is no spam after all.
const (
	Bounce    Kind = "bounce"
	Complaint Kind = "complaint"
	Reject    Kind = "reject" // the service found harm in a mail that it had taken, and did not send it
)

// ErrMalformed says of a message that it is no report, and won't be one when it comes again.
var ErrMalformed = errors.New("mailfeedback: malformed message")

// Customers has mails to an address suppressed. customer.Service is one.
type Customers interface {
	// SuppressMail has no mail go any more to the customer's address of that number. Again, it does
	// nothing. customer.ErrNotFound where nobody was registered by that id.
	SuppressMail(
		ctx context.Context, req es.Request, customerID string, address int64, reason customer.Reason,
	) (es.Result[customer.State], error)
}

// Handler takes reports. All fields are required.
type Handler struct {
	Customers Customers
	Clock     clock.Clock
}

// Handle suppresses the mails to an address that a report is about, if it still is the customer's.
// The same report any number of times, and reports in any order, do the same. A message that is no
// report is an ErrMalformed, and poison.Is.
func (h Handler) Handle(ctx context.Context, body []byte) error {
	r, address, err := decode(body)
	if err != nil {
		return poison.Mark(fmt.Errorf("%w: %w", ErrMalformed, err))
	}
	customerID := r.Customer[0]
	log := slog.With("report", r.ID, "kind", string(r.Kind), "mail", r.Mail, "customerId", customerID)
	if r.Kind == Reject { // the mail's fault, and not the address's
		log.ErrorContext(ctx, "SES rejected a mail that it had taken, and nobody got it")
		return nil
	}
	req := es.Request{
		CommitID: ident.Derive("suppress-mail", customerID, r.Address[0]), Time: h.Clock.Now(),
		Metadata: es.Metadata{
			CorrelationID: ident.Derive("mail-feedback", r.ID), CausationID: "mail-feedback/" + r.ID, Actor: consumer,
		},
	}
	res, err := h.Customers.SuppressMail(ctx, req, customerID, address, customer.Reason(r.Kind))
	switch {
	case errors.Is(err, customer.ErrNotFound):
		log.WarnContext(ctx, "a report on a mail to nobody who is registered")
	case err != nil:
		return fmt.Errorf("mailfeedback: report %s: %w", r.ID, err)
	case res.State.Suppressed != "" && res.State.Address == address:
		log.InfoContext(ctx, "mails to the customer's address are suppressed")
	default: // erased, or late
		log.InfoContext(ctx, "a report on an address that is not the customer's any more")
	}
	return nil
}

// decode reads a report and the number of the address. Its errors name fields, rules and no values.
func decode(body []byte) (r Report, address int64, err error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if d.Decode(&r) != nil || d.More() {
		return Report{}, 0, errors.New("expected the JSON of a report, and nothing else")
	}
	switch {
	case !ident.Valid(r.ID):
		return r, 0, errors.New("id: expected a UUID")
	case r.Kind != Bounce && r.Kind != Complaint && r.Kind != Reject:
		return r, 0, errors.New("kind: expected bounce, complaint or reject")
	case r.Mail == "":
		return r, 0, errors.New("mail: expected the id of a mail")
	case len(r.Customer) != 1 || !ident.IsName(r.Customer[0], 64, "_-"):
		return r, 0, errors.New("customer: expected one customer id")
	case len(r.Address) != 1:
		return r, 0, errors.New("address: expected one number")
	}
	if address, err = decimal.Whole(r.Address[0], 1, math.MaxInt64); err != nil {
		return r, 0, errors.New("address: expected a whole number, from 1 on")
	}
	return r, address, nil
}
