// Package effects shows what was done for an order outside of its own stream: money, stock, parcels
// and mails.
package effects

import (
	"context"
	"slices"
	"strings"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/inbox"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/process/notification"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// Most is how many attempts of a kind are shown, the newest. Each is a read. An order has as many
// as people changed it on purpose.
const Most = 10

// mostEvents is how many events of the order are looked up in the inbox, the newest: as many as one
// request takes.
const mostEvents = 100

// Attempt is the stream of one try at money, stock or a parcel.
type Attempt struct {
	Kind     string // payment, reservation or shipment
	ID       string
	Revision int64 // of the order, that the attempt is for
	Events   []es.Recorded
}

// Mail is one that followed from an event of the order.
type Mail struct {
	Event es.Recorded
	Entry inbox.Entry
}

// Effects are all that is known of an order.
type Effects struct {
	Attempts []Attempt // of each kind the oldest first
	Mails    []Mail    // in the order of their events
	Omitted  int       // attempts that are left out
}

// Orders gives the events of an order, oldest first. order.ErrNotFound where there are none.
type Orders interface {
	History(ctx context.Context, orderID string) ([]es.Recorded, error)
}

// Streams reads what attempts did.
type Streams interface {
	Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error)
}

// Inbox gives a consumer's entries for events, as far as there are any.
type Inbox interface {
	Entries(ctx context.Context, consumer string, events []string) ([]inbox.Entry, error)
}

// Desk shows what was done for orders.
type Desk struct {
	Orders  Orders
	Streams Streams
	Inbox   Inbox
}

// New makes a Desk.
func New(d Desk) Desk { return wiring.Complete(d) }

// kinds are those of attempts, with the revision that an order has got to in each.
var kinds = []struct {
	name  string
	id    func(orderID string, revision int64) string
	until func(order.State) int64
}{
	{payment.Category, payment.ID, func(s order.State) int64 { return s.PaymentRevision }},
	{stock.ReservationCategory, stock.ReservationID, func(s order.State) int64 { return s.StockRevision }},
	{shipment.Category, shipment.ID, func(s order.State) int64 { return s.ShipmentRevision }},
}

// Of gives what was done for an order. What was never begun is not there.
func (d Desk) Of(ctx context.Context, orderID string) (found Effects, err error) {
	history, err := d.Orders.History(ctx, orderID)
	if err != nil {
		return found, err
	}
	state, err := es.Fold(order.Decider.Initial(), order.Evolve, history)
	if err != nil {
		return found, err
	}
	for _, kind := range kinds {
		last := kind.until(state)
		first := max(1, last-Most+1)
		found.Omitted += int(first - 1)
		for revision := first; revision <= last; revision++ {
			id := kind.id(orderID, revision)
			h, err := d.Streams.Load(ctx, es.NewStreamID(kind.name, id), 0)
			if err != nil {
				return found, err
			}
			if len(h.Events) > 0 {
				found.Attempts = append(found.Attempts, Attempt{kind.name, id, revision, h.Events})
			}
		}
	}
	found.Mails, err = d.mails(ctx, history)
	return found, err
}

// mails are what the inbox says of the order's events. It forgets a mail after some weeks.
func (d Desk) mails(ctx context.Context, history []es.Recorded) (mails []Mail, err error) {
	history = history[max(0, len(history)-mostEvents):]
	ids := make([]string, len(history))
	for i, e := range history {
		ids[i] = e.ID()
	}
	entries, err := d.Inbox.Entries(ctx, notification.Consumer, ids)
	if err != nil {
		return nil, err
	}
	for i, e := range history {
		at := slices.IndexFunc(entries, func(n inbox.Entry) bool { return n.Key.Event == ids[i] })
		if at >= 0 {
			mails = append(mails, Mail{e, entries[at]})
		}
	}
	return mails, nil
}

// Outcome is what became of a mail: sent, refused, or unknown while somebody is at it, or died when
// they were.
func (m Mail) Outcome() string {
	switch m.Entry.State {
	case inbox.Done:
		return "sent"
	case inbox.Failed:
		return "refused"
	}
	return "unknown"
}

// Why is why a mail was refused, without personal data.
func (m Mail) Why() string {
	if m.Entry.State != inbox.Failed {
		return ""
	}
	return strings.TrimSpace(m.Entry.Result)
}
