package reconcile

import (
	"context"
	"fmt"
	"slices"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/stock"
)

// waits says of a reservation that waits where it doesn't stand in line.
func (u *run) waits(ctx context.Context, stream es.StreamID, s stock.ReservationState) (f []Finding, err error) {
	if u.Lines == nil || s.Status != es.AttemptWaiting {
		return nil, nil
	}
	for _, p := range s.Places {
		entries, err := u.Lines.Entries(ctx, p.SKU, p.Ticket-1, 1)
		if err != nil {
			return nil, err
		}
		if len(entries) == 0 || entries[0].Place != p || entries[0].ReservationID != s.ID {
			f = append(f, Finding{
				Rule: "line.missing", Stream: stream, Detail: fmt.Sprintf("it doesn't stand in line at %+v", p),
			})
		}
	}
	return f, nil
}

// entriesAtOnce is how many entries of a line are read at once.
const entriesAtOnce = 100

// line says of a SKU's line who stands in it and doesn't wait there, and whether its row of
// counters says another number. And who waits though it is their turn: whoever made room for them
// has told nobody.
func (u *run) line(ctx context.Context, stream es.StreamID) (findings []Finding, err error) {
	if u.Lines == nil {
		return nil, nil
	}
	find := func(rule, format string, args ...any) {
		findings = append(findings, Finding{Rule: rule, Stream: stream, Detail: fmt.Sprintf(format, args...)})
	}
	sku, n := stream.ID(), int64(0)
	line, err := u.Lines.Line(ctx, sku)
	for after := int64(0); err == nil; {
		var entries []stock.Entry
		if entries, err = u.Lines.Entries(ctx, sku, after, entriesAtOnce); len(entries) == 0 {
			break
		}
		for _, e := range entries {
			n, after = n+1, e.Ticket
			s, err := load(
				ctx, u, stock.ReservationCategory, e.ReservationID, stock.ReservationState{}, stock.EvolveReservation,
			)
			if err != nil {
				return nil, err
			}
			switch {
			case s.Status != es.AttemptWaiting || !slices.Contains(s.Places, e.Place):
				find("line.entry", "reservation %s stands in it at %d, and is %s", e.ReservationID, e.Ticket, s.Status)
			case line.Serves(e.Place):
				find("line.unserved", "reservation %s waits in it at %d for %d, and %d are available", e.ReservationID,
					e.Ticket, e.Quantity, line.Available)
			}
		}
	}
	if err == nil && n != line.Waiting {
		find("line.waiting", "%d reservations stand in it, and its row says %d", n, line.Waiting)
	}
	return findings, err
}
