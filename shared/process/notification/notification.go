// Package notification writes to customers: which mail follows from which event, what it says, and
// that it is sent at most once.
//
// What a mail says of an order comes with its event. To whom it goes does not: name and address are
// read when the mail is made, with the right to. They are ciphertext until then, and are in no
// error, log or entry of the inbox.
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
	"orderflow/shared/shop/goods"
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

// Orders knows the orders, for events of releases that did not say whose order it is. ErrNotFound
// where there is none.
type Orders interface {
	Get(ctx context.Context, orderID string) (es.Result[order.State], error)
}

// Customers knows how customers are written to.
type Customers interface {
	// Contact is name and address of a customer as they are now, by reads that begin after it is
	// called: it is asked for each mail, and nothing that it said before is used again.
	// customer.ErrNotFound where there is none, personal.ErrErased where they were erased, and
	// customer.ErrMailSuppressed where no mail goes to their address.
	Contact(ctx context.Context, customerID string) (customer.Contact, error)
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
// erased gets none, nor does one to whose address no mail goes.
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
			return m.send(ctx, e, placedTopic(placed), placed)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, confirmed contract.OrderConfirmed) error {
			about := ordered(OrderConfirmed, confirmed.OrderID, confirmed.CustomerID).
				of(confirmed.Lines, confirmed.Total)
			about.content.Tracking = confirmed.TrackingNumber
			return m.send(ctx, e, about, confirmed)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, waits contract.OrderBackordered) error {
			about, err := ordered(OrderBackordered, waits.OrderID, waits.CustomerID).of(waits.Lines, waits.Total).
				until(e, waits.Until)
			if err != nil {
				return err
			}
			for _, item := range waits.Items {
				about.content.Missing = append(about.content.Missing, goods.Item(item))
			}
			return m.send(ctx, e, about, waits)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, required contract.OrderPaymentRequired) error {
			about, err := ordered(OrderPaymentRequired, required.OrderID, required.CustomerID).
				of(required.Lines, required.Total).until(e, required.Until)
			if err != nil {
				return err
			}
			about.content.Reason = order.Reason(required.Code)
			return m.send(ctx, e, about, required)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, held contract.OrderHeld) error {
			about, err := ordered(OrderHeld, held.OrderID, held.CustomerID).until(e, held.Until)
			if err != nil {
				return err
			}
			return m.send(ctx, e, about, held)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, amended contract.OrderAmended) error {
			return m.send(ctx, e, amendedTopic(amended), amended)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, shipped contract.OrderShipped) error {
			about := ordered(OrderShipped, shipped.OrderID, shipped.CustomerID)
			about.content.Tracking = shipped.TrackingNumber
			return m.send(ctx, e, about, shipped)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, arrived contract.OrderDelivered) error {
			return m.send(ctx, e, ordered(OrderDelivered, arrived.OrderID, arrived.CustomerID), arrived)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, cancelled contract.OrderCancelled) error {
			about := ordered(OrderCancelled, cancelled.OrderID, cancelled.CustomerID).
				of(cancelled.Lines, cancelled.Total)
			about.content.Reason = order.Reason(cancelled.Reason)
			return m.send(ctx, e, about, cancelled)
		}),
		contract.On(func(ctx context.Context, e es.Envelope, refunded contract.OrderRefunded) error {
			if refunded.Amount.Amount == 0 {
				return nil // pieces that cost nothing: no money was given back
			}
			return m.send(ctx, e, refundedTopic(refunded), refunded)
		}),
	)
}

// delivered is a delivery in a notifier's hands.
type delivered struct {
	Notifier
	takeOver string
}

// topic is what a mail is about, and who gets it.
type topic struct {
	kind       Kind
	customerID string // "" where the event doesn't say whose order it is, which the order is then asked for
	content    Content
}

// ordered is a topic of an order.
func ordered(kind Kind, orderID, customerID string) topic {
	return topic{kind: kind, customerID: customerID, content: Content{OrderID: orderID}}
}

// of is the topic with what was ordered, and what it comes to.
func (t topic) of(lines []contract.OrderLine, total *contract.Money) topic {
	for _, l := range lines {
		t.content.Lines = append(t.content.Lines, l.Line())
	}
	if total != nil {
		t.content.Total = total.Money()
	}
	return t
}

// until is the topic with the moment at which the order is cancelled if it still waits.
func (t topic) until(e es.Envelope, until string) (topic, error) {
	at, err := clock.ParseTime(until)
	if err != nil {
		return topic{}, contract.Malformed(fmt.Errorf("%s: data.until: %w", e.ID, err))
	}
	t.content.Until = at
	return t, nil
}

// send sends the mail about a topic, which follows from an event with its data.
func (n delivered) send(ctx context.Context, envelope es.Envelope, of topic, data any) error {
	if age := n.deps.Clock.Now().Sub(envelope.Time); age > MaxAge || age < -MaxAhead {
		return contract.Malformed(fmt.Errorf("%s is %s old", envelope.ID, age.Truncate(time.Minute)))
	}
	log := slog.With("event", envelope.ID)
	payload, err := payloadOf(envelope, data)
	if err != nil {
		return err
	}
	event, title := inbox.Event{ID: envelope.ID, Payload: payload, TakeOver: n.takeOver}, ""
	// The mail is written behind the claim and right before it is sent: nothing lies between asking
	// who is erased and sending but the opening of name and address.
	id, fresh, err := n.inbox.Do(ctx, event, func(ctx context.Context) (string, error) {
		mail, err := n.write(ctx, envelope, of)
		switch {
		case errors.Is(err, customer.ErrMailSuppressed): // the inbox keeps why
			return "", fmt.Errorf("%w: %w", inbox.ErrRefused, err)
		case err != nil:
			return "", fmt.Errorf("%w: %w", inbox.ErrNotDone, err)
		}
		title = mail.Subject
		return n.deps.Mailer.Send(ctx, mail)
	})
	switch {
	case errors.Is(err, personal.ErrErased):
		log.InfoContext(ctx, "no mail: the customer is erased")
	case errors.Is(err, customer.ErrMailSuppressed):
		log.InfoContext(ctx, "no mail: those to the customer's address are suppressed")
	case errors.Is(err, inbox.ErrOutcomeUnknown):
		return poison.Hold(fmt.Errorf("notification: %s: %w", envelope.ID, err))
	case errors.Is(err, inbox.ErrRefused), errors.Is(err, inbox.ErrTampered):
		return poison.Mark(fmt.Errorf("notification: %s: %w", envelope.ID, err))
	case err != nil:
		return fmt.Errorf("notification: %s: %w", envelope.ID, err)
	case !fresh:
		log.InfoContext(ctx, "no mail: it was sent before", "mail", id)
	default:
		log.InfoContext(ctx, "mail sent", "mail", id, "title", title)
	}
	return nil
}

// write makes the mail about a topic, to a customer as they are now: under the name and to the
// address that their own stream has, whatever the event says. One who is erased gets none.
func (n Notifier) write(ctx context.Context, e es.Envelope, t topic) (Mail, error) {
	if t.customerID == "" {
		of, err := n.deps.Orders.Get(ctx, t.content.OrderID)
		if err != nil {
			return Mail{}, fmt.Errorf("notification: %s: %w", e.ID, err)
		}
		t.customerID = of.State.CustomerID
		t.content.Tracking = of.State.TrackingNumber
		if t.content.Refund == nil { // which says itself what it comes to
			t.content.Lines, t.content.Total = of.State.Lines, of.State.Total
		}
	}
	to, err := n.deps.Customers.Contact(ctx, t.customerID)
	if err != nil {
		return Mail{}, fmt.Errorf("notification: %s: %w", e.ID, err)
	}
	t.content.Shop, t.content.Name = n.deps.Shop, to.Name
	mail, err := Render(t.kind, to.Email, t.content)
	if err != nil {
		return Mail{}, poison.Mark(fmt.Errorf("%s: %w", e.ID, err))
	}
	mail.CustomerID, mail.Address = t.customerID, to.Address
	return mail, nil
}

// payloadOf is the hash of what says which event it is, and of nothing else of it: a field that a
// publisher adds, or that this program learns to read, makes it no other event. So what an event
// says of its order is not in it: of one event, one release said nothing of that. What stands in
// the inbox is compared with it for as long as it is kept there, so that it stays as it is.
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
