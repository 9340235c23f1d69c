// Package notification writes to customers: which mail follows from which event, what it says, and
// that it is sent at most once.
//
// An event is a notification here and no more: what else a mail needs is asked for, read-only, with
// the right to. Name and address are ciphertext until the mail is made, and are in no error, log or
// entry of the inbox.
package notification

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/inbox"
	"orderflow/shared/kit/poison"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
)

const (
	// Consumer is what the inbox knows this one as.
	Consumer = "send-mails"
	// Lease is how long a mail may be on its way to the mail service: longer than a function runs,
	// and shorter than its queue hides a message.
	Lease = 90 * time.Second
	// MaxAge is how old an event may be. No mail is sent for an older one: it would come too late
	// to be of use, and the inbox may soon forget that it was sent.
	MaxAge = 30 * 24 * time.Hour
	// MaxAhead is how far in the future an event may be dated, since clocks differ. A later date
	// would let it be young after its retention.
	MaxAhead = 5 * time.Minute
	// Retention is how long the inbox knows of a mail: longer than MaxAge, so that no event comes
	// again after it.
	Retention = 35 * 24 * time.Hour
)

// Mailer hands a mail to the mail service, and gives the service's id of it. That it was taken is
// not that it arrives.
//
// Its error is an inbox.ErrNotDone where the mail was not taken and may be if it is tried again,
// and an inbox.ErrRefused where it was not and can't be. Any other error says that nobody knows. No
// error holds the address.
type Mailer interface {
	Send(context.Context, Mail) (id string, err error)
}

// Orders knows the orders. ErrNotFound where there is none.
type Orders interface {
	Get(ctx context.Context, orderID string) (es.Result[order.State], error)
}

// Customers knows the customers, and opens what is sealed of them. ErrNotFound where there is none,
// personal.ErrErased where they were erased.
type Customers interface {
	Get(ctx context.Context, customerID string) (es.Result[customer.State], error)
	Open(context.Context, customer.State) (name, email string, err error)
}

// Deps is what a Notifier works with. All fields are required.
type Deps struct {
	Inbox     inbox.Store
	Orders    Orders
	Customers Customers
	Mailer    Mailer
	Clock     clock.Clock
	Shop      string // the name that mails give it
}

// Notifier sends the mails.
type Notifier struct {
	deps  Deps
	inbox inbox.Inbox
}

// New makes a notifier.
func New(deps Deps) Notifier {
	deps = wiring.Complete(deps)
	return Notifier{deps: deps, inbox: inbox.Inbox{
		Store: deps.Inbox, Clock: deps.Clock, Consumer: Consumer, Lease: Lease, Retention: Retention,
	}}
}

// Delivery is an event as it comes from the bus.
type Delivery struct {
	Body []byte // EventBridge's JSON around the envelope
	// TakeOver is the id of a person's permit, "" for none: they looked into a mail of which nobody
	// knows whether it was sent, and want it sent once more. The customer may get it twice.
	// Deliveries with one permit are one more mail, however many they are.
	TakeOver string
}

// Handle sends the mail that follows from an event, unless it was sent before. A customer who was
// erased gets none.
//
// An error that is poison.Is can't be mended by coming again: no mail follows from the message, or
// it is too old or of the future (contract.ErrMalformed), the mail service refuses the mail, or
// nobody knows whether it was sent (inbox.ErrOutcomeUnknown). In every other case the mail was not
// sent, or is on its way by another's hand.
func (n Notifier) Handle(ctx context.Context, d Delivery) error {
	m := delivered{Notifier: n, takeOver: d.TakeOver}
	return contract.Handle(ctx, d.Body,
		contract.On(func(ctx context.Context, e es.Envelope, registered contract.CustomerRegistered) error {
			return m.send(ctx, e, topic{kind: Welcome, customerID: registered.CustomerID}, registered)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, placed contract.OrderPlaced) error {
			return m.send(ctx, e, topic{kind: OrderPlaced, orderID: placed.OrderID}, placed)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, confirmed contract.OrderConfirmed) error {
			return m.send(ctx, e, topic{kind: OrderConfirmed, orderID: confirmed.OrderID}, confirmed)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, shipped contract.OrderShipped) error {
			return m.send(ctx, e, topic{kind: OrderShipped, orderID: shipped.OrderID}, shipped)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, arrived contract.OrderDelivered) error {
			return m.send(ctx, e, topic{kind: OrderDelivered, orderID: arrived.OrderID}, arrived)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, cancelled contract.OrderCancelled) error {
			content := Content{Reason: order.Reason(cancelled.Reason)}
			return m.send(ctx, e, topic{kind: OrderCancelled, orderID: cancelled.OrderID, content: content}, cancelled)
		}),
	)
}

// delivered is a delivery in a notifier's hands.
type delivered struct {
	Notifier
	takeOver string
}

// topic is what a mail is about: a customer, or an order, whose customer is then asked of it.
type topic struct {
	kind                Kind
	customerID, orderID string
	content             Content
}

// send sends the mail about a topic, which follows from an event with its data.
func (n delivered) send(ctx context.Context, envelope es.Envelope, of topic, data any) error {
	if age := n.deps.Clock.Now().Sub(envelope.Time); age > MaxAge || age < -MaxAhead {
		return contract.Malformed(fmt.Errorf("%s is %s old", envelope.ID, age.Truncate(time.Minute)))
	}
	log := slog.With("event", envelope.ID, "correlationId", envelope.CorrelationID)
	payload, err := payloadOf(envelope, data)
	if err != nil {
		return err
	}
	event, subject := inbox.Event{ID: envelope.ID, Payload: payload, TakeOver: n.takeOver}, ""
	// The mail is written behind the claim and right before it is sent: nothing lies between asking
	// who is erased and sending but the opening of name and address.
	id, fresh, err := n.inbox.Do(ctx, event, func(ctx context.Context) (string, error) {
		mail, err := n.write(ctx, envelope, of)
		if err != nil {
			return "", fmt.Errorf("%w: %w", inbox.ErrNotDone, err)
		}
		subject = mail.Subject
		return n.deps.Mailer.Send(ctx, mail)
	})
	switch {
	case errors.Is(err, personal.ErrErased):
		log.InfoContext(ctx, "no mail: the customer is erased")
	case errors.Is(err, inbox.ErrOutcomeUnknown):
		return poison.Hold(fmt.Errorf("notification: %s: %w", envelope.ID, err))
	case errors.Is(err, inbox.ErrRefused), errors.Is(err, inbox.ErrTampered):
		return poison.Mark(fmt.Errorf("notification: %s: %w", envelope.ID, err))
	case err != nil:
		return fmt.Errorf("notification: %s: %w", envelope.ID, err)
	case !fresh:
		log.InfoContext(ctx, "no mail: it was sent before", "mail", id)
	default:
		log.InfoContext(ctx, "mail sent", "mail", id, "subject", subject)
	}
	return nil
}

// write makes the mail about a topic.
func (n Notifier) write(ctx context.Context, e es.Envelope, t topic) (Mail, error) {
	if t.orderID == "" {
		return n.writeTo(ctx, e, t.kind, t.customerID, t.content)
	}
	of, err := n.deps.Orders.Get(ctx, t.orderID)
	if err != nil {
		return Mail{}, fmt.Errorf("notification: %s: %w", e.ID, err)
	}
	c := t.content
	c.OrderID, c.Lines, c.Total, c.Tracking = t.orderID, of.State.Lines, of.State.Total, of.State.TrackingNumber
	return n.writeTo(ctx, e, t.kind, of.State.CustomerID, c)
}

// writeTo makes a mail to a customer as they are now: under the name and to the address that their
// own stream has, whatever the event says. One who is erased gets none.
func (n Notifier) writeTo(ctx context.Context, e es.Envelope, k Kind, customerID string, c Content) (Mail, error) {
	who, err := n.deps.Customers.Get(ctx, customerID)
	if err != nil {
		return Mail{}, fmt.Errorf("notification: %s: %w", e.ID, err)
	}
	return n.render(ctx, e, k, who.State, c)
}

// render opens what is sealed of the customer, and makes the mail.
func (n Notifier) render(ctx context.Context, e es.Envelope, k Kind, who customer.State, c Content) (Mail, error) {
	if who.Email == "" { // the stream says so, whether the key is destroyed yet or not
		return Mail{}, personal.ErrErased
	}
	name, address, err := n.deps.Customers.Open(ctx, who)
	if err != nil {
		return Mail{}, fmt.Errorf("notification: %s: %w", e.ID, err)
	}
	c.Shop, c.Name = n.deps.Shop, name
	mail, err := Render(k, address, c)
	if err != nil {
		return Mail{}, poison.Mark(fmt.Errorf("%s: %w", e.ID, err))
	}
	return mail, nil
}

// payloadOf is the hash of what the mail follows from, and of nothing else of the event: a field
// that a publisher adds, or that this program learns to read, makes it no other event. What stands
// in the inbox is compared with it for as long as it is kept there, so that it stays as it is.
func payloadOf(e es.Envelope, data any) (string, error) {
	of := []string{e.Type, e.Subject}
	switch data := data.(type) {
	case contract.CustomerRegistered:
		of = append(of, data.Name, data.Email)
	case contract.OrderCancelled:
		of = append(of, data.Reason)
	}
	text, err := json.Marshal(of)
	if err != nil {
		return "", fmt.Errorf("notification: %s: %w", e.ID, err)
	}
	return inbox.Hash(text), nil
}
