package order

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/personal"
)

// RefundNoteField is what an operator's words about a refund are sealed as.
const RefundNoteField = "order.refund-note"

// MaxRefunds is how many refunds an order has at most: order.updated has all of them.
const MaxRefunds = 50

// The faults of a refund.
var (
	// before that, cancelling or amending an order gives money back
	ErrNotDispatched = faults.Declare(faults.Conflict, "order.not-dispatched")
	ErrInvalidRefund = faults.Declare(faults.Rule, "order.invalid-refund")
	// ErrRefundExceeds: it is more than is left of what was paid.
	ErrRefundExceeds  = faults.Declare(faults.Conflict, "order.refund-exceeds")
	ErrTooManyRefunds = faults.Declare(faults.Conflict, "order.too-many-refunds")
)

// RefundReason says why money is given back, for programs to tell apart.
type RefundReason string

// The reasons.
const (
	RefundReturned   RefundReason = "returned"
	RefundDamaged    RefundReason = "damaged"
	RefundWrongItem  RefundReason = "wrong-item"
	RefundMissing    RefundReason = "missing" // it did not arrive, or not all of it
	RefundLate       RefundReason = "late"
	RefundOvercharge RefundReason = "overcharge"
	RefundGoodwill   RefundReason = "goodwill"
	RefundOther      RefundReason = "other"
)

// RefundReasons are all of them.
var RefundReasons = []RefundReason{
	RefundReturned, RefundDamaged, RefundWrongItem, RefundMissing, RefundLate, RefundOvercharge, RefundGoodwill,
	RefundOther,
}

// Refunded: money was given back for an order that has left. What comes back of it, if anything
// does, is another matter.
type Refunded struct {
	RefundID   string          `json:"refundId"`
	PaymentID  string          `json:"paymentId"`          // of which it is given back
	Amount     money.Money     `json:"amount"`             // in all; 0 for pieces that cost nothing
	Lines      []RefundedLine  `json:"lines,omitempty"`    // in the order's order
	Shipping   *money.Money    `json:"shipping,omitempty"` // of the amount, for the shipping
	Goodwill   *money.Money    `json:"goodwill,omitempty"` // of the amount, for nothing in particular
	Reason     RefundReason    `json:"reason"`
	Note       personal.Sealed `json:"note,omitempty"` // the operator's own words
	By         string          `json:"by"`             // es.Metadata.By
	RefundedAt string          `json:"refundedAt"`     // RFC 3339, for people; the commit's time orders things
	Total      money.Money     `json:"total"`          // of all refunds of the order, with this one
}

// RefundedLine is what a refund gives back of one line.
type RefundedLine struct {
	Line     int64       `json:"line"` // its place in the order, from 0
	SKU      string      `json:"sku"`
	Quantity int64       `json:"quantity,omitempty"` // pieces for which it is; 0 for a part of the price alone
	Amount   money.Money `json:"amount"`
}

func (Refunded) orderEvent() {}

// GiveBack gives money back for an order that has left.
type GiveBack struct {
	RefundID string
	Lines    []LineRefund
	Shipping *money.Money // nil for nothing
	Goodwill *money.Money // nil for nothing
	Reason   RefundReason
	Note     personal.Sealed
	By       string
	Now      time.Time
}

// LineRefund is what is to be given back of one line: for pieces, an amount, or an amount of one's
// own for pieces. Pieces without an amount are given back for their share of what is left of the
// line: of a line whose pieces all come back, one by one or together, exactly the rest.
type LineRefund struct {
	Line     *int64 // the line's place in the order, from 0; nil where the SKU tells
	SKU      string // "" where Line tells
	Quantity int64  // 0 for none
	Amount   *money.Money
}

func (GiveBack) orderCommand() {}

// Dispatched reports whether the order has left: from then on money is given back by refunds alone.
func (s State) Dispatched() bool { return s.Status == StatusShipped || s.Status == StatusDelivered }

// Refunded is what was given back of an order so far.
func (s State) Refunded() money.Money {
	if n := len(s.Refunds); n > 0 {
		return s.Refunds[n-1].Total
	}
	return money.Money{Currency: s.Total.Currency}
}

// Refundable is what may still be given back of an order, in all.
func (s State) Refundable() money.Money {
	return money.Money{Amount: s.Total.Amount - s.Refunded().Amount, Currency: s.Total.Currency}
}

// refunded folds a refund into an order. Orders share what they were before.
func (s State) refunded(e Refunded) State {
	s.Refunds = append(slices.Clip(s.Refunds), e)
	return s
}

// giveBack: the order's stream is the arbiter between two refunds, which both may want the last
// that is left. So what was paid for a line, and for the whole, is never exceeded.
func giveBack(c GiveBack, s State) ([]Event, error) {
	if slices.ContainsFunc(s.Refunds, func(r Refunded) bool { return r.RefundID == c.RefundID }) {
		return nil, nil
	}
	switch {
	case s.Status == StatusCancelling || s.Status == StatusCancelled:
		return nil, ErrCancelling.New("the order is %s, which gives back all that was paid", s.Status)
	case !s.Dispatched():
		return nil, ErrNotDispatched.New(
			"the order is %s: as long as it is not dispatched, cancel or amend it to give money back", s.Status,
		)
	}
	if len(s.Refunds) == MaxRefunds {
		return nil, ErrTooManyRefunds.New("the order has %d refunds, as many as an order may have", MaxRefunds)
	}
	if !slices.Contains(RefundReasons, c.Reason) {
		return nil, ErrInvalidRefund.Field("body.reason", "%q is no reason for a refund", c.Reason)
	}
	e := Refunded{
		RefundID: c.RefundID, PaymentID: s.PaymentID, Shipping: c.Shipping, Goodwill: c.Goodwill, Reason: c.Reason,
		Note: c.Note, By: c.By, RefundedAt: c.Now.UTC().Format(time.RFC3339Nano),
		Amount: money.Money{Currency: s.Total.Currency},
	}
	var err error
	if e.Lines, err = refundedLines(c.Lines, s); err != nil {
		return nil, err
	}
	for _, l := range e.Lines {
		if e.Amount, err = e.Amount.Add(l.Amount); err != nil {
			return nil, at(err, "body.lines")
		}
	}
	for _, part := range []struct {
		field  string
		amount *money.Money
	}{{"body.shipping", c.Shipping}, {"body.goodwill", c.Goodwill}} {
		if part.amount == nil {
			continue
		}
		if err := refundable(*part.amount, 1, s.Refundable(), part.field, "of the order"); err != nil {
			return nil, err
		}
		if e.Amount, err = e.Amount.Add(*part.amount); err != nil {
			return nil, at(err, part.field)
		}
	}
	if len(e.Lines) == 0 && c.Shipping == nil && c.Goodwill == nil {
		return nil, ErrInvalidRefund.Field("body", "expected lines, shipping or goodwill to give money back for")
	}
	if left := s.Refundable(); e.Amount.Amount > left.Amount {
		return nil, ErrRefundExceeds.Field("body", "the refund is %s, and %s is left of the order", e.Amount, left)
	}
	if e.Total, err = s.Refunded().Add(e.Amount); err != nil {
		return nil, err
	}
	return []Event{e}, nil
}

// refundable refuses an amount that is below the least, above what is left, or in another currency.
func refundable(amount money.Money, least int64, left money.Money, field, of string) error {
	switch {
	case amount.Currency != left.Currency:
		return money.ErrMixedCurrency.Field(
			field+".currency", "the order is in %s, and this amount in %q", left.Currency, amount.Currency,
		)
	case amount.Amount < least:
		return ErrInvalidRefund.Field(
			field+".amount", "an amount is at least %d minor units here, not %d", least, amount.Amount,
		)
	case amount.Amount > left.Amount:
		return ErrRefundExceeds.Field(field+".amount", "%s is left %s, not %s", left, of, amount)
	}
	return nil
}

// lineRest is what is left of a line.
type lineRest struct {
	pieces int64
	amount money.Money
}

// rests are what is left of each line.
func (s State) rests() ([]lineRest, error) {
	rests := make([]lineRest, len(s.Lines))
	for i, l := range s.Lines {
		amount, err := l.Amount()
		if err != nil {
			return nil, fmt.Errorf("order %s: line %d: %w", s.ID, i, err)
		}
		rests[i] = lineRest{pieces: l.Quantity, amount: amount}
	}
	for _, r := range s.Refunds {
		for _, l := range r.Lines {
			rests[l.Line].pieces -= l.Quantity
			rests[l.Line].amount.Amount -= l.Amount.Amount
		}
	}
	return rests, nil
}

func refundedLines(wanted []LineRefund, s State) ([]RefundedLine, error) {
	rests, err := s.rests()
	if err != nil {
		return nil, err
	}
	var lines []RefundedLine
	named := map[int64]bool{}
	for i, w := range wanted {
		line, err := w.find(s.Lines, i)
		if err != nil {
			return nil, err
		}
		if named[line] {
			return nil, ErrInvalidRefund.Field(lineField(i, "line"), "line %d of the order is named twice", line)
		}
		named[line] = true
		amount, err := w.amount(rests[line], i)
		if err != nil {
			return nil, err
		}
		lines = append(lines, RefundedLine{Line: line, SKU: s.Lines[line].SKU, Quantity: w.Quantity, Amount: amount})
	}
	slices.SortFunc(lines, func(a, b RefundedLine) int { return cmp.Compare(a.Line, b.Line) })
	return lines, nil
}

// find gives the place of the line that is meant by the one at place i of a refund.
func (w LineRefund) find(lines []Line, i int) (int64, error) {
	if w.Line != nil {
		switch n := *w.Line; {
		case n < 0 || n >= int64(len(lines)):
			return 0, ErrInvalidRefund.Field(
				lineField(i, "line"), "the order's lines are 0 to %d, not %d", len(lines)-1, n,
			)
		case w.SKU != "" && lines[n].SKU != w.SKU:
			return 0, ErrInvalidRefund.Field(lineField(i, "sku"), "line %d of the order is of %s, not of %s", n,
				lines[n].SKU, w.SKU)
		default:
			return n, nil
		}
	}
	if w.SKU == "" {
		return 0, ErrInvalidRefund.Field(lineField(i, "line"), "expected the line's place in the order, or its SKU")
	}
	of := func(l Line) bool { return l.SKU == w.SKU }
	n := slices.IndexFunc(lines, of)
	if n < 0 {
		return 0, ErrInvalidRefund.Field(lineField(i, "sku"), "no line of the order is of %s", w.SKU)
	}
	if slices.ContainsFunc(lines[n+1:], of) {
		return 0, ErrInvalidRefund.Field(
			lineField(i, "sku"), "several lines of the order are of %s: name the line by its place", w.SKU,
		)
	}
	return int64(n), nil
}

// amount is what is given back of a line of which that is left.
func (w LineRefund) amount(rest lineRest, i int) (money.Money, error) {
	switch {
	case w.Quantity < 0 || w.Quantity == 0 && w.Amount == nil:
		return money.Money{}, ErrInvalidRefund.Field(lineField(i, "quantity"), "expected a quantity, an amount or both")
	case w.Quantity > rest.pieces:
		return money.Money{}, ErrRefundExceeds.Field(
			lineField(i, "quantity"), "%d pieces of the line are left, not %d", rest.pieces, w.Quantity,
		)
	case w.Amount == nil:
		amount, err := rest.amount.Share(w.Quantity, rest.pieces)
		return amount, at(err, lineField(i, "quantity"))
	}
	least := int64(1)
	if w.Quantity > 0 {
		least = 0 // they come back, and that is all
	}
	return *w.Amount, refundable(*w.Amount, least, rest.amount, lineField(i, "amount"), "of the line")
}

// OpenRefundNote decrypts what an operator wrote about a refund of the order, "" where they wrote
// nothing, or nobody can read it any more.
func (s Service) OpenRefundNote(ctx context.Context, of State, r Refunded) (string, error) {
	if r.Note == "" {
		return "", nil
	}
	plain, err := s.deps.Vault.Open(ctx, of.CustomerID, RefundNoteField, r.Note)
	if err != nil && !errors.Is(err, personal.ErrErased) {
		return "", fmt.Errorf("order %s: open the note of refund %s: %w", of.ID, r.RefundID, err)
	}
	return string(plain), nil
}
