package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/refund"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// kind is what a stream is of, as far as they are counted.
type kind int

const (
	another kind = iota
	anOrder
	anAccount
)

// looks says how a stream is looked at; nil for not at all.
func (u *run) looks(stream es.StreamID) (func(context.Context, es.StreamID) ([]Finding, error), kind) {
	switch stream.Category() {
	case order.Category:
		return u.whole, anOrder
	case account.Category:
		return u.account, anAccount
	case payment.Category, stock.ReservationCategory, shipment.Category:
		return u.attempt, another
	case refund.Category:
		return u.refund, another
	case stock.Category:
		return u.line, another
	}
	return nil, another
}

// life is an order with what was done for it.
type life struct {
	order    order.State
	last     time.Time // its last event
	payments map[int64]payment.State
	reserved map[int64]stock.ReservationState
	shipped  map[int64]shipment.State
}

func (u *run) order(ctx context.Context, id string) (order.State, error) {
	h, err := u.Store.Load(ctx, es.NewStreamID(order.Category, id), 0)
	if err != nil {
		return order.State{}, err
	}
	return order.Decider.Fold(h)
}

func load[S, E any](
	ctx context.Context, u *run, category, id string, initial S, evolve func(S, E) S,
) (S, error) {
	h, err := u.Store.Load(ctx, es.NewStreamID(category, id), 0)
	if err != nil {
		return initial, err
	}
	return es.Fold(initial, evolve, h.Events)
}

// life reads an order and the attempts of all its revisions.
func (u *run) life(ctx context.Context, stream es.StreamID) (l life, err error) {
	h, err := u.Store.Load(ctx, stream, 0)
	if err != nil || len(h.Events) == 0 {
		return l, err
	}
	l = life{
		last: h.Events[len(h.Events)-1].Time, payments: map[int64]payment.State{},
		reserved: map[int64]stock.ReservationState{}, shipped: map[int64]shipment.State{},
	}
	if l.order, err = order.Decider.Fold(h); err != nil {
		return l, err
	}
	id := stream.ID()
	for r := int64(1); r <= l.order.Revision; r++ {
		if l.payments[r], err = load(
			ctx, u, payment.Category, payment.ID(id, r), payment.Initial(), payment.Evolve,
		); err != nil {
			return l, err
		}
		if l.reserved[r], err = load(
			ctx, u, stock.ReservationCategory, stock.ReservationID(id, r), stock.ReservationState{},
			stock.EvolveReservation,
		); err != nil {
			return l, err
		}
		if l.shipped[r], err = load(
			ctx, u, shipment.Category, shipment.ID(id, r), shipment.State{}, shipment.Evolve,
		); err != nil {
			return l, err
		}
	}
	return l, nil
}

// whole compares an order with what was done for it.
func (u *run) whole(ctx context.Context, stream es.StreamID) ([]Finding, error) {
	l, err := u.life(ctx, stream)
	if err != nil {
		return nil, err
	}
	if !l.order.Exists() {
		return []Finding{{Rule: "order.not-placed", Stream: stream, Detail: "it doesn't begin with order.placed"}}, nil
	}
	abandoned, err := u.abandoned(ctx, l.order)
	if err != nil {
		return nil, err
	}
	apart, err := u.apart(ctx, l.order)
	if err != nil {
		return nil, err
	}
	var findings []Finding
	for _, broken := range slices.Concat(l.broken(), l.late(u.Clock.Now(), u.Overdue), abandoned, apart) {
		broken.Stream = stream
		findings = append(findings, broken)
	}
	return findings, nil
}

// apart says that an order and the rest of it don't know of each other, which one append has made
// so.
func (u *run) apart(ctx context.Context, o order.State) (findings []Finding, err error) {
	find := func(format string, args ...any) {
		findings = append(findings, Finding{Rule: "order.rest", Detail: fmt.Sprintf(format, args...)})
	}
	if o.RestID != "" {
		rest, err := u.order(ctx, o.RestID)
		if err != nil {
			return nil, err
		}
		if rest.RestOf != o.ID {
			find("order %s is not what was not there of it", o.RestID)
		}
	}
	if o.RestOf != "" {
		first, err := u.order(ctx, o.RestOf)
		if err != nil {
			return nil, err
		}
		if first.RestID != o.ID {
			find("it is the rest of order %s, which doesn't say so", o.RestOf)
		}
	}
	return findings, nil
}

// late says of an order that it should have come to an end: each wait has one.
func (l life) late(now time.Time, overdue time.Duration) []Finding {
	o := l.order
	due := l.last.Add(overdue)
	if o.Wait != nil {
		if until, err := clock.ParseTime(o.Wait.Until); err == nil && until.After(l.last) {
			due = until.Add(overdue)
		}
	}
	switch {
	case o.Saga == order.SagaFailed:
		return []Finding{{
			Rule: "order.undo-failed", Detail: fmt.Sprintf("steps %q of its undo have failed", o.FailedSteps),
		}}
	case !o.Status.Final() && now.After(due):
		return []Finding{{
			Rule: "order.overdue", Detail: fmt.Sprintf("it is %s since %s", o.Status, l.last.Format(time.RFC3339)),
		}}
	}
	return nil
}

// abandoned says of an order that is open that no run goes on with it, or waits with it: nothing
// comes of it before the sweep does.
func (u *run) abandoned(ctx context.Context, o order.State) ([]Finding, error) {
	if u.Runs == nil || !o.Status.Open() {
		return nil, nil
	}
	for _, name := range []string{o.SagaID, saga.FulfilName(o.ID)} {
		if name == "" {
			continue
		}
		if running, err := u.Runs.Running(ctx, name); err != nil || running {
			return nil, err
		}
	}
	return []Finding{{Rule: "order.run", Detail: fmt.Sprintf("it is %s, and no run goes on with it", o.Status)}}, nil
}

// broken says which rules an order breaks, as it is.
func (l life) broken() (findings []Finding) {
	o := l.order
	find := func(rule, format string, args ...any) {
		findings = append(findings, Finding{Rule: rule, Detail: fmt.Sprintf(format, args...)})
	}
	if total, err := order.Total(o.Lines); err != nil || total.Amount != o.Total.Amount {
		find("order.total", "it comes to %s, and its lines to %s (%v)", o.Total, total, err)
	}
	if o.Refundable().Amount < 0 {
		find("order.refunds", "%s is given back of %s", o.Refunded(), o.Total)
	}
	for _, r := range l.revisions() {
		p, s, parcel := l.payments[r], l.reserved[r], l.shipped[r]
		taken := p.Status == payment.StatusProcessed
		switch {
		case o.Status == order.StatusCancelled && taken && p.Amount.Amount > p.Returned.Amount:
			find("payment.standing", "it is cancelled, and %s of payment %s is not given back", p.Amount, p.ID)
		case taken && r != o.PaymentRevision:
			find("payment.twice", "payment %s of revision %d stands beside that of revision %d", p.ID, r,
				o.PaymentRevision)
		}
		held := s.Status == es.AttemptDone && !s.Departed
		switch {
		case o.Status == order.StatusCancelled && (s.Status == es.AttemptDone || s.Status == es.AttemptWaiting):
			find("stock.standing", "it is cancelled, and reservation %s is %s", s.ID, s.Status)
		case held && r != o.StockRevision:
			find("stock.twice", "reservation %s of revision %d stands beside that of revision %d", s.ID, r,
				o.StockRevision)
		}
		switch {
		case o.Status == order.StatusCancelled && parcel.Attempt() == es.AttemptDone:
			find("shipment.standing", "it is cancelled, and shipment %s is %s", parcel.ID, parcel.Status)
		case parcel.Attempt() == es.AttemptDone && r != o.ShipmentRevision:
			find("shipment.twice", "shipment %s of revision %d stands beside that of revision %d", parcel.ID, r,
				o.ShipmentRevision)
		}
	}
	if o.Status == order.StatusConfirmed || o.Dispatched() {
		l.fulfilled(find)
	}
	return findings
}

func (l life) revisions() []int64 {
	var all []int64
	for r := range l.payments {
		all = append(all, r)
	}
	slices.Sort(all)
	return all
}

// fulfilled says what is wrong with an order that was confirmed.
func (l life) fulfilled(find func(rule, format string, args ...any)) {
	o := l.order
	p, s, parcel := l.payments[o.PaymentRevision], l.reserved[o.StockRevision], l.shipped[o.ShipmentRevision]
	switch {
	case p.Status != payment.StatusProcessed:
		find("payment.missing", "it is %s, and its payment is %s", o.Status, p.Status)
	case p.Amount != o.Total:
		find("payment.amount", "it comes to %s, and %s was taken", o.Total, p.Amount)
	case p.Returned.Amount != o.Refunded().Amount:
		find("payment.refunds", "%s is given back by the order, and %s by the payment", o.Refunded(), returned(p))
	}
	switch wanted := items(o.Lines); {
	case s.Status != es.AttemptDone:
		find("stock.missing", "it is %s, and its reservation is %s", o.Status, s.Status)
	case !slices.Equal(goods.Sum(s.Items), wanted):
		find("stock.items", "%v is ordered, and %v reserved", wanted, s.Items)
	case o.Status == order.StatusDelivered && !s.Committed:
		find("stock.open", "it is delivered, and its reservation is not closed")
	case o.Status == order.StatusConfirmed && s.Committed:
		find("stock.left", "it is confirmed, and its reservation is closed")
	}
	left := parcel.Status == shipment.StatusDispatched || parcel.Status == shipment.StatusDelivered
	switch {
	case parcel.Attempt() != es.AttemptDone:
		find("shipment.missing", "it is %s, and its shipment is %s", o.Status, parcel.Status)
	case o.Dispatched() != left:
		find("shipment.status", "it is %s, and its shipment is %s", o.Status, parcel.Status)
	case parcel.Packed() && !slices.Equal(goods.Sum(parcel.Items), items(o.Lines)):
		find("shipment.items", "%v is ordered, and %v packed", items(o.Lines), parcel.Items)
	}
}

func returned(p payment.State) money.Money {
	return money.Money{Amount: p.Returned.Amount, Currency: p.Amount.Currency}
}

// items are the pieces of an order's lines, by SKU.
func items(lines []order.Line) []goods.Item {
	all := make([]goods.Item, len(lines))
	for i, l := range lines {
		all[i] = goods.Item{SKU: l.SKU, Quantity: l.Quantity}
	}
	return goods.Sum(all)
}

// attempt looks whether an attempt is one of an order that there is.
func (u *run) attempt(ctx context.Context, stream es.StreamID) (findings []Finding, err error) {
	var of string
	var name func(orderID string, revision int64) string
	switch stream.Category() {
	case payment.Category:
		var s payment.State
		s, err = load(ctx, u, payment.Category, stream.ID(), payment.Initial(), payment.Evolve)
		of, name = s.OrderID, payment.ID
	case stock.ReservationCategory:
		var s stock.ReservationState
		s, err = load(
			ctx, u, stock.ReservationCategory, stream.ID(), stock.ReservationState{}, stock.EvolveReservation,
		)
		of, name = s.OrderID, stock.ReservationID
		if err == nil {
			findings, err = u.waits(ctx, stream, s)
		}
	case shipment.Category:
		var s shipment.State
		s, err = load(ctx, u, shipment.Category, stream.ID(), shipment.State{}, shipment.Evolve)
		of, name = s.OrderID, shipment.ID
	}
	if err != nil {
		return nil, err
	}
	o, err := u.order(ctx, of)
	if err != nil {
		return nil, err
	}
	for r := int64(1); r <= o.Revision; r++ {
		if name(of, r) == stream.ID() {
			return findings, nil
		}
	}
	return append(findings, Finding{
		Rule: stream.Category() + ".order", Stream: stream,
		Detail: fmt.Sprintf("it says that it is of order %q, which has no such attempt", of),
	}), nil
}
