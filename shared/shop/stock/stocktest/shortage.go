package stocktest

import (
	"testing"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/stock"
)

// inBetween: what comes in after a reservation was found to be too much, and before anybody has
// written that down, is reserved. So it is with two lines of one SKU, which are one demand.
func inBetween(t *testing.T, s *shop) {
	for name, raise := range map[string]func(s *shop, name, other string) error{
		"a restock": func(s *shop, name, _ string) error {
			_, err := s.service.Set(t.Context(), request(), name, 3, stock.Match{Version: 1})
			return err
		},
		"a release": func(s *shop, _, other string) error {
			_, err := s.service.Release(t.Context(), request(), other, 1)
			return err
		},
		"a rebuild": func(s *shop, name, _ string) error {
			err := s.Rows.Mark(t.Context(), name, "m")
			if err == nil {
				err = s.Rows.Correct(t.Context(), name, "m", stock.Numbers{Available: 1})
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			name, other, order := s.stocked(t, 2), ident.New(), ident.New()
			if _, err := s.service.Reserve(t.Context(), request(), stock.Reservation{
				OrderID: other, Revision: 1, Items: []stock.Item{{SKU: name, Quantity: 1}},
			}); err != nil {
				t.Fatal(err)
			}
			raised := false
			hooked := &estest.Hooked{Store: s.Store, Before: func(commits []es.Commit) error {
				if _, refusal := commits[0].Events[0].(stock.Refused); !refusal || raised {
					return nil
				}
				raised = true
				return raise(s, name, other)
			}}
			service := stock.New(stock.Deps{Store: hooked, Clock: clock.NewFake(estest.Start), Counters: s.Counters})
			state, err := service.Reserve(t.Context(), request(), stock.Reservation{
				OrderID: order, Revision: 1, Items: []stock.Item{{SKU: name, Quantity: 1}, {SKU: name, Quantity: 1}},
			})
			if err != nil || state.Status != es.AttemptDone || !raised {
				t.Fatalf("the reservation is %s, %v, raised %v", state.Status, err, raised)
			}
			level, err := s.service.Get(t.Context(), name)
			if err != nil || level.Available != 0 {
				t.Errorf("left with %+v, %v", level, err)
			}
		})
	}
}
