package analytics

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"sync"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// What an event may bring. The order's own rules are narrower; these keep the counters exact and a
// transaction possible whatever is on the bus.
const (
	maxPieces  = order.MaxLines * order.MaxQuantity // of an SKU in an order
	maxSKUText = 1024                               // bytes: the most that a sort key of DynamoDB has
)

// reasonForm is that of a fault's code.
var reasonForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,63}$`)
})

// Order is what is known of an order: which of its events are counted, and what the others need of
// them. It has nothing of the customer.
//
// The facts come in any order. What an order adds to the figures follows from those that are
// known, so that an event that comes again adds nothing.
type Order struct {
	ID        string     `json:"-"`
	Revision  int64      `json:"-"` // how often it was written; 0 before the first time
	Placed    *Placed    `json:"placed,omitempty"`
	Confirmed *Confirmed `json:"confirmed,omitempty"`
	Cancelled *Cancelled `json:"cancelled,omitempty"`
	Refunded  []Refunded `json:"refunded,omitempty"`
	Amended   []Amended  `json:"amended,omitempty"`
	// Backordered is the first time, by its sequence, that the order waited for stock.
	Backordered *Backordered `json:"backordered,omitempty"`
	// Scope is scopeNow of an order that also counts by the minute, with its time to the decision
	// and as a stock-out. An order whose first event was counted by a release before has 0, and
	// stays as it was counted.
	Scope int `json:"scope,omitempty"`
}

// scopeNow is the Scope of an order that is new.
const scopeNow = 1

// Placed is what order.placed said.
type Placed struct {
	Sequence int64            `json:"sequence"`
	Time     time.Time        `json:"time"`
	Total    money.Money      `json:"total"`
	Pieces   map[string]int64 `json:"pieces,omitempty"` // by SKU, until they are counted
}

// Confirmed is what order.confirmed said.
type Confirmed struct {
	Sequence int64     `json:"sequence"`
	Time     time.Time `json:"time"`
}

// Cancelled is what order.cancelled said in its second version.
type Cancelled struct {
	Sequence int64     `json:"sequence"`
	Time     time.Time `json:"time"`
	Kind     string    `json:"kind"` // of reason: the contract names them all
	Code     string    `json:"code"`
}

// fact is one event that is counted; one of them is set.
type fact struct {
	order     string
	placed    *Placed
	confirmed *Confirmed
	cancelled *Cancelled
	refunded  *Refunded
	amended   *Amended
	waits     *Backordered
	replayed  bool
}

// readFact reads the event in a message's body, EventBridge's JSON around the envelope. The error
// is a contract.ErrMalformed.
func readFact(ctx context.Context, body []byte) (f fact, err error) {
	f.replayed = contract.IsReplay(body)
	err = contract.Handle(ctx, body,
		contract.On(func(_ context.Context, e es.Envelope, placed contract.OrderPlaced) (err error) {
			f.order = placed.OrderID
			f.placed, err = placedOf(e, placed)
			return countable(e, err)
		}),
		contract.On(func(_ context.Context, e es.Envelope, confirmed contract.OrderConfirmed) error {
			f.order, f.confirmed = confirmed.OrderID, &Confirmed{Sequence: e.Sequence, Time: e.Time.UTC()}
			return countable(e, nil)
		}),
		contract.On(func(_ context.Context, e es.Envelope, cancelled contract.OrderCancelledV2) (err error) {
			f.order = cancelled.OrderID
			f.cancelled = &Cancelled{
				Sequence: e.Sequence, Time: e.Time.UTC(), Kind: cancelled.Reason.Kind, Code: cancelled.Reason.Code,
			}
			if !reasonForm().MatchString(cancelled.Reason.Code) {
				err = errors.New("data.reason.code is no code")
			}
			return countable(e, err)
		}),
		contract.On(func(_ context.Context, e es.Envelope, amended contract.OrderAmended) (err error) {
			f.order = amended.OrderID
			f.amended, err = amendedOf(e, amended)
			return countable(e, err)
		}),
		contract.On(func(_ context.Context, e es.Envelope, refunded contract.OrderRefunded) (err error) {
			f.order = refunded.OrderID
			f.refunded, err = refundedOf(e, refunded)
			return countable(e, err)
		}),
		contract.On(func(_ context.Context, e es.Envelope, waits contract.OrderBackordered) error {
			f.order, f.waits = waits.OrderID, &Backordered{Sequence: e.Sequence, Time: e.Time.UTC()}
			return countable(e, nil)
		}),
	)
	return f, err
}

// countable makes a contract.ErrMalformed of what is wrong with an event, its time included.
func countable(e es.Envelope, err error) error {
	if year := e.Time.UTC().Year(); err == nil && (year < FirstYear || year > LastYear) {
		err = fmt.Errorf("its time is of the years %d to %d, not of %d", FirstYear, LastYear, year)
	}
	if err != nil {
		return contract.Malformed(fmt.Errorf("%s, %s: %w", e.ID, e.Type, err))
	}
	return nil
}

func placedOf(e es.Envelope, d contract.OrderPlaced) (*Placed, error) {
	p := &Placed{
		Sequence: e.Sequence, Time: e.Time.UTC(),
		Total: money.Money{Amount: d.Total.Amount, Currency: d.Total.Currency}, Pieces: map[string]int64{},
	}
	if p.Total.Amount < 0 || p.Total.Amount > order.MaxTotal {
		return nil, fmt.Errorf("data.total.amount is 0 to %d, not %d", int64(order.MaxTotal), p.Total.Amount)
	}
	if err := money.CheckCode(p.Total.Currency); err != nil {
		return nil, fmt.Errorf("data.total.currency: %w", err)
	}
	for i, l := range d.Lines {
		if l.SKU == "" || len(l.SKU) > maxSKUText {
			return nil, fmt.Errorf("data.lines[%d].sku has 1 to %d bytes, not %d", i, maxSKUText, len(l.SKU))
		}
		if l.Quantity < 1 || l.Quantity > maxPieces-p.Pieces[l.SKU] {
			return nil, fmt.Errorf("data.lines[%d].quantity: 1 to %d of an SKU are ordered", i, maxPieces)
		}
		p.Pieces[l.SKU] += l.Quantity
	}
	if len(p.Pieces) > order.MaxSKUs {
		return nil, fmt.Errorf("data.lines name at most %d SKUs, not %d", order.MaxSKUs, len(p.Pieces))
	}
	return p, nil
}

// with is the order with a fact more; fresh is false where it was known. An order is placed,
// confirmed and cancelled once: another event of the same kind is a contract.ErrMalformed. It is
// refunded as often as its events say.
func (o Order) with(f fact) (next Order, fresh bool, err error) {
	known := func(name string, before, now int64) (Order, bool, error) {
		if before != now {
			return o, false, contract.Malformed(fmt.Errorf(
				"order %s was %s by its event %d, and is again by its event %d", o.ID, name, before, now,
			))
		}
		return o, false, nil
	}
	next = o
	switch {
	case f.placed != nil && o.Placed != nil:
		return known("placed", o.Placed.Sequence, f.placed.Sequence)
	case f.confirmed != nil && o.Confirmed != nil:
		return known("confirmed", o.Confirmed.Sequence, f.confirmed.Sequence)
	case f.cancelled != nil && o.Cancelled != nil:
		return known("cancelled", o.Cancelled.Sequence, f.cancelled.Sequence)
	case f.placed != nil:
		next.Placed = f.placed
	case f.confirmed != nil:
		next.Confirmed = f.confirmed
	case f.cancelled != nil:
		next.Cancelled = f.cancelled
	case f.amended != nil:
		next, fresh := o.withAmendment(*f.amended)
		return next, fresh, nil
	case f.refunded != nil:
		next, fresh := o.withRefund(*f.refunded)
		return next, fresh, nil
	case f.waits != nil:
		next, fresh := o.withWait(*f.waits)
		return next, fresh, nil
	}
	return next, true, nil
}

// hourRow is the row of the hour that a moment is in.
func hourRow(c Calendar, at time.Time) Row {
	return Row{Kind: KindHour, Date: c.Day(at), Hour: c.Hour(at)}
}

// adds is everything that the order adds to the figures by what is known of it. Each fact counts in
// its own hour, so that none ever changes an hour that is over; what an order came to is known once
// it was both placed and confirmed, whichever of the two came in first.
func (o Order) adds(c Calendar) sum {
	s := sum{}
	add := func(at time.Time, counter string, n int64) { s.add(hourRow(c, at), counter, n) }
	if o.Placed != nil {
		add(o.Placed.Time, counterOrders, 1)
	}
	if o.Confirmed != nil {
		add(o.Confirmed.Time, counterConfirmed, 1)
	}
	if o.Cancelled != nil {
		add(o.Cancelled.Time, counterCancelled+o.Cancelled.Kind+"/"+o.Cancelled.Code, 1)
	}
	o.addRefunds(add)
	o.addMeasures(c, add)
	if o.Placed == nil || o.Confirmed == nil {
		return s
	}
	total := o.Placed.Total
	add(o.Confirmed.Time, counterRevenue+total.Currency, total.Amount)
	for sku, pieces := range o.Placed.Pieces {
		add(o.Confirmed.Time, counterSold+sku, pieces)
	}
	o.addAmendments(add)
	if o.Cancelled != nil {
		add(o.Cancelled.Time, counterRefunded+total.Currency, o.comesTo().Amount)
	}
	return s
}

// count gives the order with the facts more, and what they add. Facts that don't fit are given to
// refuse, by their place.
func (o Order) count(c Calendar, facts []fact, refuse func(i int, err error)) (next Order, added sum, changed bool) {
	next = o
	if o.Revision == 0 {
		next.Scope = scopeNow
	}
	for i, f := range facts {
		with, fresh, err := next.with(f)
		if err != nil {
			refuse(i, err)
			continue
		}
		next, changed = with, changed || fresh
	}
	added = sum{}
	if !changed {
		return o, added, false
	}
	added.addAll(next.adds(c), 1)
	added.addAll(o.adds(c), -1)
	next.Refunded = next.countedRefunds()
	if next.Placed != nil && next.Confirmed != nil && len(next.Placed.Pieces) > 0 {
		placed := *next.Placed
		placed.Pieces = nil // they are counted, and needed no more
		next.Placed = &placed
	}
	if next.Placed != nil && next.Confirmed != nil {
		next.Amended = next.countedAmendments()
	}
	return next, added, true
}
