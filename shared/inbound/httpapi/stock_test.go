package httpapi_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// packed is a shop whose order is packed: ten pieces of cd-1 and of cd-2 are on the shelf, two and
// one of them in its parcel.
func packed(t *testing.T) (s *shop, shipmentID string) {
	s = newShop(t)
	s.must(http.StatusOK, put(operator, "/stock/cd-2", 10, "If-None-Match", "*"))
	items := []stock.Item{{SKU: "cd-1", Quantity: 2}, {SKU: "cd-2", Quantity: 1}}
	if _, err := s.stocks.Reserve(
		context.Background(), s.own(), stock.Reservation{OrderID: s.order, Revision: 1, Items: items},
	); err != nil {
		t.Fatal(err)
	}
	shipmentID = s.ship(shipment.StatusPrepared)
	return s, shipmentID
}

func (s *shop) own() es.Request { return es.Request{CommitID: ident.New(), Time: s.clock.Now()} }

// book closes the order's reservation, as the inventory does once the order is shipped.
func (s *shop) book() {
	s.t.Helper()
	if _, err := s.stocks.Commit(context.Background(), s.own(), s.order, 1); err != nil {
		s.t.Fatal(err)
	}
}

// counted is a count of cd-1, by a clock that is off.
func (s *shop) counted(pieces int, etag string, skew time.Duration, left ...string) response {
	s.t.Helper()
	s.clock.Advance(skew)
	defer s.clock.Advance(-skew)
	r := put(operator, "/stock/cd-1", pieces, "If-Match", etag)
	if left != nil {
		r.body = object{"onHand": pieces, "left": left}
	}
	return s.send(r)
}

// TestCountAndDispatch: the order in which a count and a dispatch come decides, and nobody's clock.
func TestCountAndDispatch(t *testing.T) {
	for _, skew := range []time.Duration{-time.Hour, 0, time.Hour} {
		for name, day := range map[string]func(*testing.T, *shop, string){
			"counted before, sent before, arrived after": func(t *testing.T, s *shop, id string) {
				s.must(http.StatusOK, post(carrier, "/shipments/"+id+"/dispatch", nil))
				checkProblem(t, s.counted(10, `"1"`, skew), http.StatusPreconditionFailed, "stock.version-mismatch")
			},
			"counted after, by the version from before": func(t *testing.T, s *shop, id string) {
				s.must(http.StatusOK, post(carrier, "/shipments/"+id+"/dispatch", nil))
				checkProblem(t, s.counted(8, `"1"`, skew), http.StatusPreconditionFailed, "stock.version-mismatch")
			},
			"counted after": func(t *testing.T, s *shop, id string) {
				s.must(http.StatusOK, post(carrier, "/shipments/"+id+"/dispatch", nil))
				if res := s.counted(8, `"2"`, skew); res.status != http.StatusOK {
					t.Errorf("counted: %s", res.raw)
				}
			},
			"gone before the carrier calls": func(t *testing.T, s *shop, id string) {
				for range 2 {
					if res := s.counted(8, `"1"`, skew, id); res.status != http.StatusOK ||
						res.headers["Etag"] != `"2"` {
						t.Errorf("counted: %s, %v", res.raw, res.headers)
					}
				}
				if res := s.must(http.StatusOK, get(operator, "/shipments/"+id)); res.text("status") != "dispatched" {
					t.Errorf("the shipment is %s", res.raw)
				}
				s.must(http.StatusOK, post(carrier, "/shipments/"+id+"/dispatch", nil))
			},
		} {
			t.Run(name+", "+skew.String(), func(t *testing.T) {
				s, id := packed(t)
				day(t, s, id)
				for range 3 {
					for sku, there := range map[string]float64{"cd-1": 8, "cd-2": 9} {
						res := s.must(http.StatusOK, get(ada, "/stock/"+sku))
						if res.body["onHand"] != there || res.body["available"] != there ||
							res.body["reserved"] != 0.0 {
							t.Errorf("%s: %s", sku, res.raw)
						}
					}
					s.book()
				}
			})
		}
	}
}

// TestLeftIsRefused: what a count says of shipments is checked before anything is written.
func TestLeftIsRefused(t *testing.T) {
	s, id := packed(t)
	other := ident.New()
	before := s.counters.String()
	many := make([]string, stock.MaxLeft+1)
	for i := range many {
		many[i] = ident.New()
	}
	for _, tc := range []struct {
		name   string
		left   []string
		status int
		code   string
		field  string
	}{
		{"unknown", []string{id, other}, http.StatusUnprocessableEntity, "stock.not-left", "body.left[1]"},
		{"no id", []string{"x"}, http.StatusBadRequest, "request.invalid", "body.left[0]"},
		{"twice", []string{id, id}, http.StatusUnprocessableEntity, "stock.not-left", "body.left[1]"},
		{"too many", many, http.StatusBadRequest, "request.invalid", "body.left"},
	} {
		res := s.counted(8, `"1"`, 0, tc.left...)
		checkProblem(t, res, tc.status, tc.code)
		if !slices.Contains(locations(res), tc.field) {
			t.Errorf("%s: %s", tc.name, res.raw)
		}
	}
	nested := put(operator, "/stock/cd-1", 8, "If-Match", `"1"`)
	nested.body = object{"onHand": 8, "left": []any{[]any{nil}}}
	if res := s.send(nested); res.status != http.StatusBadRequest || !slices.Contains(locations(res), "body.left[0]") {
		t.Errorf("a list in the list: %s", res.raw)
	}
	scheduled := newShop(t)
	res := scheduled.counted(8, `"1"`, 0, scheduled.ship(shipment.StatusScheduled))
	checkProblem(t, res, http.StatusUnprocessableEntity, "stock.not-left")
	if after := s.counters.String(); after != before {
		t.Errorf("changed from %s to %s", before, after)
	}
	if res := s.must(http.StatusOK, get(operator, "/shipments/"+id)); res.text("status") != "prepared" {
		t.Errorf("the shipment is %s", res.raw)
	}
}
