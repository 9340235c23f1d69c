package stocktest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/stock"
)

// command asks for items of a new order.
func command(items ...stock.Item) stock.Command {
	return stock.Command{
		Request: request(), Reservation: stock.Reservation{OrderID: ident.New(), Revision: 1, Items: items},
	}
}

// wantReplies checks that each is answered with a reservation, or else with its fault.
func wantReplies(t tester, got []stock.Reply, want ...error) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d replies, want %d", len(got), len(want))
	}
	for i, reply := range got {
		wantFault(t, reply.Err, want[i], "")
		if want[i] == nil && reply.State.Status != es.AttemptDone {
			t.Errorf("reply %d: the reservation is %+v", i, reply.State)
		}
	}
}

// reservedTogether: each of several orders has a reservation of its own, as if it had been alone.
func reservedTogether(t *testing.T, s *shop) {
	cd, dvd := s.stocked(t, 10), s.stocked(t, 5)
	commands := []stock.Command{
		command(stock.Item{SKU: dvd, Quantity: 1}, stock.Item{SKU: cd, Quantity: 2}),
		command(stock.Item{SKU: cd, Quantity: 1}, stock.Item{SKU: cd, Quantity: 3}),
		command(stock.Item{SKU: dvd, Quantity: 4}),
	}
	want := [][]stock.Item{
		{{SKU: cd, Quantity: 2}, {SKU: dvd, Quantity: 1}}, {{SKU: cd, Quantity: 4}}, {{SKU: dvd, Quantity: 4}},
	}
	if cd > dvd {
		want[0][0], want[0][1] = want[0][1], want[0][0]
	}
	for range 2 { // the second time, the answers were lost
		replies := s.service.ReserveAll(t.Context(), commands)
		wantReplies(t, replies, nil, nil, nil)
		for i, c := range commands {
			id := stock.ReservationID(c.Reservation.OrderID, 1)
			state := stock.ReservationState{
				ID: id, OrderID: c.Reservation.OrderID, Status: es.AttemptDone, Items: want[i],
			}
			if diff := cmp.Diff(state, replies[i].State); diff != "" {
				t.Error(diff)
			}
			event := stock.Reserved{ReservationID: id, OrderID: c.Reservation.OrderID, Items: want[i]}
			if diff := cmp.Diff(
				[]any{event}, s.events(t, es.NewStreamID(stock.ReservationCategory, id)),
			); diff != "" {
				t.Error(diff)
			}
		}
		s.want(t, cd, 4, 6, 1)
		s.want(t, dvd, 0, 5, 1)
	}
	// Each is as good as one of its own.
	if _, err := s.service.Release(t.Context(), commands[1].Request, commands[1].Reservation.OrderID, 1); err != nil {
		t.Error(err)
	}
	s.want(t, cd, 8, 2, 1)
	if got := s.service.ReserveAll(t.Context(), nil); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// refusedTogether: each is refused for its own sake, and nobody for another's.
func refusedTogether(t *testing.T, s *shop) {
	cd, dvd := s.stocked(t, 5), s.stocked(t, 1)
	begun, voided, refused := command(stock.Item{SKU: cd, Quantity: 1}), command(stock.Item{SKU: cd, Quantity: 1}),
		command(stock.Item{SKU: dvd, Quantity: 2})
	_, err := s.service.Reserve(t.Context(), begun.Request, begun.Reservation)
	wantFault(t, err, nil, "")
	_, err = s.service.Release(t.Context(), request(), voided.Reservation.OrderID, 1)
	wantFault(t, err, nil, "")
	_, err = s.service.Reserve(t.Context(), refused.Request, refused.Reservation)
	wantFault(t, err, stock.ErrInsufficient, dvd)
	last := command(stock.Item{SKU: dvd, Quantity: 1})
	reused := begun
	reused.Request.Fingerprint = "another"
	replies := s.service.ReserveAll(t.Context(), []stock.Command{
		command(stock.Item{SKU: cd, Quantity: 2}), begun, command(stock.Item{SKU: cd, Quantity: 3}), voided, last,
		command(stock.Item{SKU: dvd, Quantity: 1}), last, refused, command(),
		command(stock.Item{SKU: "?", Quantity: 1}),
		command(stock.Item{SKU: cd, Quantity: 2}), command(stock.Item{SKU: sku("nobody-counted"), Quantity: 1}), reused,
	})
	wantReplies(t, replies, nil, nil, stock.ErrInsufficient, es.ErrAttemptClosed, nil,
		stock.ErrInsufficient, nil, stock.ErrInsufficient, stock.ErrInvalidQuantity, stock.ErrInsufficient,
		nil, stock.ErrInsufficient, es.ErrKeyReused)
	s.want(t, cd, 0, 5, 1)
	s.want(t, dvd, 0, 1, 1)
}

// packedTogether: what one transaction can't take goes into several.
func packedTogether(t *testing.T, s *shop) {
	var commands []stock.Command
	var want []error
	for range 5 {
		var items []stock.Item
		for range stock.MaxSKUs {
			items = append(items, stock.Item{SKU: s.stocked(t, 1), Quantity: 1})
		}
		commands, want = append(commands, command(items...)), append(want, nil)
	}
	wantReplies(t, s.service.ReserveAll(t.Context(), commands), want...)
	for _, c := range commands {
		s.want(t, c.Reservation.Items[0].SKU, 0, 1, 1)
	}
}

// togetherAsAlone: whatever several orders ask for, each is answered as if they had come one by
// one.
func togetherAsAlone(t *testing.T, s *shop) {
	rapid.Check(t, func(t *rapid.T) {
		const kinds = 3
		var batched, single [kinds]string
		for i := range kinds {
			there := rapid.Int64Range(0, 6).Draw(t, "there")
			batched[i], single[i] = s.stocked(t, there), s.stocked(t, there)
		}
		var commands, alone []stock.Command
		for range rapid.IntRange(1, 8).Draw(t, "orders") {
			if len(commands) > 0 && rapid.IntRange(0, 5).Draw(t, "again") == 0 {
				n := rapid.IntRange(0, len(commands)-1).Draw(t, "which")
				commands, alone = append(commands, commands[n]), append(alone, alone[n])
				continue
			}
			var a, b []stock.Item
			for range rapid.IntRange(1, 3).Draw(t, "lines") {
				n, q := rapid.IntRange(0, kinds-1).Draw(t, "kind"), rapid.Int64Range(1, 4).Draw(t, "quantity")
				a = append(a, stock.Item{SKU: batched[n], Quantity: q})
				b = append(b, stock.Item{SKU: single[n], Quantity: q})
			}
			commands, alone = append(commands, command(a...)), append(alone, command(b...))
		}
		replies := s.service.ReserveAll(context.Background(), commands)
		for i, c := range alone {
			want, err := s.service.Reserve(context.Background(), c.Request, c.Reservation)
			if errors.Is(replies[i].Err, stock.ErrInsufficient) != (err != nil) ||
				replies[i].State.Status != want.Status {
				t.Errorf("order %d is answered with %+v, and alone with %+v, %v", i, replies[i], want, err)
			}
		}
		for i := range kinds {
			want, err := s.service.Get(context.Background(), single[i])
			if err != nil {
				t.Fatalf("%v", err)
			}
			s.want(t, batched[i], want.Available, want.Reserved, 1)
		}
	})
}

// lostTogether: batches whose requests and answers are lost are repeated until each has its answer.
func lostTogether(t *testing.T, s *shop) {
	flaky := s.flaky()
	for range 10 {
		name := s.stocked(t, 5)
		var commands []stock.Command
		for range 4 {
			commands = append(commands, command(stock.Item{SKU: name, Quantity: 2}))
		}
		replies := make([]stock.Reply, len(commands))
		for range 100 {
			failed := false
			for i, reply := range flaky.ReserveAll(t.Context(), commands) {
				lost := reply.Err != nil && !errors.Is(reply.Err, stock.ErrInsufficient)
				if replies[i].Err == nil && replies[i].State.ID != "" && (lost || reply.Err == nil) {
					continue // answered before, and not otherwise
				}
				replies[i], failed = reply, failed || lost
			}
			if !failed {
				break
			}
		}
		reserved := int64(0)
		for _, reply := range replies {
			if reply.Err == nil {
				reserved += 2
			} else {
				wantFault(t, reply.Err, stock.ErrInsufficient, name)
			}
		}
		if reserved != 4 {
			t.Errorf("%d are reserved of 5, in twos", reserved)
		}
		s.want(t, name, 5-reserved, reserved, 1)
	}
}

// raceTogether: batches of orders race for the last, with some who come alone.
func raceTogether(t *testing.T, s *shop) {
	const batches, size, there = 8, 5, 23
	name := s.stocked(t, there)
	var reserved atomic.Int64
	together(batches, func(n int) {
		var commands []stock.Command
		for i := range size {
			commands = append(commands, command(stock.Item{SKU: name, Quantity: int64(1 + (n+i)%2)}))
		}
		if n == 0 {
			commands = commands[:1]
		}
		for i, reply := range s.service.ReserveAll(context.Background(), commands) {
			switch {
			case reply.Err == nil:
				reserved.Add(commands[i].Reservation.Items[0].Quantity)
			case !errors.Is(reply.Err, stock.ErrInsufficient):
				t.Errorf("batch %d, order %d: %v", n, i, reply.Err)
			}
		}
	})
	if reserved.Load() != there {
		t.Errorf("%d are reserved, %d were there", reserved.Load(), there)
	}
	s.want(t, name, 0, there, 1)
}
