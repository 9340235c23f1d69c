package stock

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
)

func TestDecide(t *testing.T) {
	counted := func(delta, n int64) Restocked { return Restocked{SKU: "cd-1", Delta: delta, Counted: n} }
	for _, tc := range []struct {
		name  string
		given []Event
		when  int64
		then  []Event
		fault error
		left  int64 // since the last count
	}{
		{name: "more than are left", given: []Event{counted(5, 5)}, when: 7, then: []Event{counted(5, 7)}, left: 3},
		{
			name: "what was counted before, of which some have left", given: []Event{counted(5, 5)}, when: 5,
			then: []Event{counted(3, 5)}, left: 3,
		},
		{name: "what is left", given: []Event{counted(5, 5)}, when: 2, left: 3},
		{"the first count", nil, 5, []Event{counted(5, 5)}, nil, 0},
		{"a first count of nothing", nil, 0, []Event{counted(0, 0)}, nil, 0},
		{"the most", nil, MaxOnHand, []Event{counted(MaxOnHand, MaxOnHand)}, nil, 0},
		{"more", []Event{counted(5, 5)}, 7, []Event{counted(2, 7)}, nil, 0},
		{"less", []Event{counted(5, 5), counted(2, 7)}, 1, []Event{counted(-6, 1)}, nil, 0},
		{"nothing left", []Event{counted(5, 5)}, 0, []Event{counted(-5, 0)}, nil, 0},
		{"the same", []Event{counted(5, 5)}, 5, nil, nil, 0},
		{"nothing, again", []Event{counted(0, 0)}, 0, nil, nil, 0},
		{"below nothing", []Event{counted(5, 5)}, -1, nil, ErrInvalidQuantity, 0},
		{"above the most", nil, MaxOnHand + 1, nil, ErrInvalidQuantity, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			state, before := Decider.Initial(), -tc.left
			for _, e := range tc.given {
				state, before = Evolve(state, e), before+e.(Restocked).Delta
			}
			got, err := Decider.Decide(adjustment{SKU: "cd-1", OnHand: tc.when, Before: before}, state)
			if !errors.Is(err, tc.fault) {
				t.Errorf("got %v, want %v", err, tc.fault)
			}
			if diff := cmp.Diff(tc.then, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDeltasAddUp: what was put in is what is on hand and what has left, whatever comes between the
// counts.
func TestDeltasAddUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state, sum, left := Decider.Initial(), int64(0), int64(0)
		for range rapid.IntRange(1, 20).Draw(t, "counts") {
			n := rapid.Int64Range(0, 9).Draw(t, "on hand")
			for again := range 2 {
				events, err := Decider.Decide(adjustment{SKU: "cd-1", OnHand: n, Before: sum - left}, state)
				if err != nil || again == 1 && len(events) > 0 {
					t.Fatalf("try %d: %v, %v", again, events, err)
				}
				for _, e := range events {
					state, sum = Evolve(state, e), sum+e.(Restocked).Delta
				}
			}
			if sum-left != n || !state.Known {
				t.Fatalf("%d counted, deltas add up to %d, %d left, state %+v", n, sum, left, state)
			}
			left += rapid.Int64Range(0, n).Draw(t, "leave")
		}
	})
}

func TestEvolveReservation(t *testing.T) {
	items := []Item{{SKU: "cd-1", Quantity: 2}}
	reserved := Reserved{ReservationID: "r", OrderID: "o", Items: items}
	for _, tc := range []struct {
		name  string
		given []ReservationEvent
		then  ReservationState
	}{
		{"nothing", nil, ReservationState{ID: "r"}},
		{
			"reserved", []ReservationEvent{reserved},
			ReservationState{ID: "r", OrderID: "o", Status: es.AttemptDone, Items: items},
		},
		{"refused", []ReservationEvent{Refused{
			ReservationID: "r", OrderID: "o", Code: "stock.insufficient", Detail: "d",
		}},
			ReservationState{
				ID: "r", OrderID: "o", Status: es.AttemptRefused, Code: "stock.insufficient", Detail: "d",
			}},
		{"released", []ReservationEvent{reserved, Released{ReservationID: "r", OrderID: "o", Items: items}},
			ReservationState{ID: "r", OrderID: "o", Status: es.AttemptUndone, Items: items}},
		{"departed", []ReservationEvent{reserved, Departed{ReservationID: "r", OrderID: "o", Items: items}},
			ReservationState{ID: "r", OrderID: "o", Status: es.AttemptDone, Items: items, Departed: true}},
		{"committed", []ReservationEvent{
			reserved, Departed{}, Committed{ReservationID: "r", OrderID: "o", Items: items, Departed: true},
		},
			ReservationState{
				ID: "r", OrderID: "o", Status: es.AttemptDone, Items: items, Departed: true, Committed: true,
			}},
		{"committed, of a release that knew no departures",
			[]ReservationEvent{reserved, Committed{ReservationID: "r", OrderID: "o", Items: items}},
			ReservationState{
				ID: "r", OrderID: "o", Status: es.AttemptDone, Items: items, Departed: true, Committed: true,
			}},
		{
			"voided", []ReservationEvent{Voided{ReservationID: "r", OrderID: "o"}},
			ReservationState{ID: "r", OrderID: "o", Status: es.AttemptVoided},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			state := ReservationState{ID: "r"}
			for _, e := range tc.given {
				state = EvolveReservation(state, e)
			}
			if diff := cmp.Diff(tc.then, state); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFaultOfARefusedReservation(t *testing.T) {
	f := Insufficient([]string{"cd-1", "50%d"})
	got := ReservationState{Code: f.Code, Detail: f.Detail}.fault()
	if *got != *f || got.Kind != faults.Rule || got.Detail != `not enough of "cd-1", "50%d"` {
		t.Errorf("got %+v, want %+v", got, f)
	}
	unknown := ReservationState{Code: "stock.of-the-future", Detail: "d"}.fault()
	if unknown.Code != "stock.of-the-future" || unknown.Detail != "d" || !faults.Final(unknown) {
		t.Errorf("got %+v", unknown)
	}
}

func TestDemand(t *testing.T) {
	of := func(sku string, quantity int64) Item { return Item{SKU: sku, Quantity: quantity} }
	skus := func(n int) (items []Item) {
		for i := range n {
			items = append(items, Item{SKU: fmt.Sprintf("cd-%02d", i), Quantity: 1})
		}
		return items
	}
	for _, tc := range []struct {
		name  string
		items []Item
		want  []Item
		fault error
		text  string
	}{
		{"one", skus(1), skus(1), nil, ""},
		{
			"one SKU on several lines", []Item{of("b", 1), of("a", 2), of("b", 3)},
			[]Item{of("a", 2), of("b", 4)}, nil, "",
		},
		{"as many SKUs as may be", skus(MaxSKUs), skus(MaxSKUs), nil, ""},
		{
			"as many, twice", append(skus(MaxSKUs), skus(1)...), append([]Item{of("cd-00", 2)}, skus(MaxSKUs)[1:]...),
			nil, "",
		},
		{"a SKU too many", skus(MaxSKUs + 1), nil, ErrInvalidQuantity, "at most 40 SKUs, not for 41"},
		{"none", nil, nil, ErrInvalidQuantity, "at least one"},
		{"of nothing", []Item{of("a", 0)}, nil, ErrInvalidQuantity, ""},
		{"below nothing", []Item{of("a", 3), of("a", -1)}, nil, ErrInvalidQuantity, ""},
		{"the most", []Item{of("a", MaxOnHand-1), of("a", 1)}, []Item{of("a", MaxOnHand)}, nil, ""},
		{"above the most", []Item{of("a", MaxOnHand), of("a", 1)}, nil, ErrInvalidQuantity, ""},
		{"above all numbers", []Item{of("a", 1<<63-1), of("a", 1<<63-1)}, nil, ErrInvalidQuantity, ""},
		{"no SKU", []Item{of("", 1)}, nil, ErrInsufficient, `not enough of ""`},
		{"names that no SKU has", []Item{of("a", 1), of("ü", 1), of("ü", 1), of(strings.Repeat("x", 65), 1)}, nil,
			ErrInsufficient,
			fmt.Sprintf(`not enough of "ü", %q`, strings.Repeat("x", 64))},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := demand(tc.items)
			if !errors.Is(err, tc.fault) || err != nil && !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %v %s", err, tc.fault, tc.text)
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestReservationID(t *testing.T) {
	// Stored streams are named by it.
	if id := ReservationID("0d5a1c7e-93a4-5b7f-8a63-5f7f5a0c9b21", 1); id != "d204b0db-25cd-50cf-a4ba-617f0f2f63e3" {
		t.Errorf("the reservation's id is %s", id)
	}
	if ReservationID("o", 1) == ReservationID("o", 2) || ReservationID("o", 1) == ReservationID("p", 1) {
		t.Error("two revisions share a reservation")
	}
}
