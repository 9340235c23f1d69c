package stock_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/stock/stocktest"
)

// TestMovements: each event of a reservation, by what it changed in the numbers of one of its SKUs,
// as docs/stock.md has it. What changed nothing of the SKU is left out.
func TestMovements(t *testing.T) {
	items := []stock.Item{{SKU: "cd-1", Quantity: 2}, {SKU: "cd-2", Quantity: 5}}
	type moved struct {
		Kind                        string
		Quantity, Available, OnHand int64
	}
	for name, tc := range map[string]struct {
		events []any
		want   []moved
	}{
		"nothing":   {nil, nil},
		"reserved":  {[]any{stock.Reserved{Items: items}}, []moved{{"stock.reserved", 2, -2, 0}}},
		"of others": {[]any{stock.Reserved{Items: items[1:]}}, nil},
		"refused":   {[]any{stock.Refused{Code: "stock.insufficient"}}, nil},
		"waited": {
			[]any{stock.Backordered{Items: items}, stock.Reserved{Items: items}, stock.Released{Items: items}},
			[]moved{{"stock.backordered", 2, 0, 0}, {"stock.reserved", 2, -2, 0}, {"stock.released", 2, 2, 0}},
		},
		"voided while it waited": {
			[]any{stock.Backordered{Items: items}, stock.Voided{}}, []moved{{"stock.backordered", 2, 0, 0}},
		},
		"amended": {
			[]any{
				stock.Amended{Items: items, Taken: items[:1]}, stock.Amended{Items: items[1:], Returned: items[:1]},
				stock.Amended{Items: items, Taken: items[1:]},
			},
			[]moved{{"stock.amended", 2, -2, 0}, {"stock.amended", 2, 2, 0}},
		},
		"left": {
			[]any{stock.Departed{Items: items}, stock.Committed{Items: items, Departed: true}},
			[]moved{{"stock.departed", 2, 0, -2}},
		},
		"left with the books": {[]any{stock.Committed{Items: items}}, []moved{{"stock.committed", 2, 0, -2}}},
		"counted off": {
			[]any{stock.Committed{Items: items, CountedOff: []string{"cd-1"}}}, []moved{{"stock.committed", 2, 2, 0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, counters := memstore.New(es.NewRegistry(stock.Register)), stocktest.NewCounters()
			service := stock.New(stock.Deps{
				Store: store, Clock: clock.NewFake(estest.Start), Counters: counters, Lines: counters,
			})
			if len(tc.events) > 0 {
				stream := es.NewStreamID(stock.ReservationCategory, stock.ReservationID("o-1", 3))
				_, err := store.Append(t.Context(), []es.Commit{{
					Head: es.StoreHead(stream, 0, 0, ""), ID: "c", Time: estest.Start, Events: tc.events,
					Metadata: es.Metadata{Actor: "order-saga"},
				}})
				if err != nil {
					t.Fatal(err)
				}
			}
			got, err := service.Movements(t.Context(), "o-1", 3, "cd-1")
			if err != nil {
				t.Fatal(err)
			}
			var want []stock.Movement
			for _, m := range tc.want {
				want = append(want, stock.Movement{
					Kind: m.Kind, OrderID: "o-1", Revision: 3, Quantity: m.Quantity, Available: m.Available, OnHand: m.OnHand,
					Metadata: es.Metadata{Actor: "order-saga"},
				})
			}
			if diff := cmp.Diff(want, got, cmpopts.IgnoreTypes(time.Time{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
