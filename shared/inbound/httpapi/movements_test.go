package httpapi_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/es"
)

// TestStockMovements: what orders did to a SKU, newest first, with who brought it about. An order
// without the SKU is looked at, and has nothing.
func TestStockMovements(t *testing.T) {
	s, shipmentID := packed(t)
	reserved := s.clock.Now()
	s.project(es.NewStreamID("order", s.order))
	s.clock.Advance(time.Minute)
	s.must(http.StatusOK, post(carrier, "/shipments/"+shipmentID+"/dispatch", nil))
	want := []any{
		object{
			"time": reserved.Add(time.Minute).Format(time.RFC3339), "kind": "stock.departed", "orderId": s.order,
			"revision": 1.0, "quantity": 2.0, "available": 0.0, "onHand": -2.0,
			"actor": object{"kind": "person", "id": "carrier-1"},
		},
		object{
			"time": reserved.Format(time.RFC3339), "kind": "stock.reserved", "orderId": s.order,
			"revision": 1.0, "quantity": 2.0, "available": -2.0, "onHand": 0.0,
		},
	}
	res := s.must(http.StatusOK, get(operator, "/stock/cd-1/movements"))
	diff := cmp.Diff(want, res.body["movements"])
	if diff != "" || res.body["lookedAt"] != 1.0 || res.text("next") != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, res.raw)
	}
	none := s.must(http.StatusOK, get(operator, "/stock/cd-9/movements"))
	if entries, ok := none.body["movements"].([]any); !ok || len(entries) != 0 || none.body["lookedAt"] != 1.0 {
		t.Errorf("an item of no order: %s", none.raw)
	}
	checkProblem(t, s.send(get(operator, "/stock/cd-1/movements?cursor=x")), http.StatusBadRequest, "cursor.invalid")
	checkProblem(t, s.send(get(operator, "/stock/cd-1/movements?limit=26")), http.StatusBadRequest, "request.invalid")
}
