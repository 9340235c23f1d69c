//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"orderflow/cmd/orderflow/shop"
)

// amend changes an order at the version that its answer has.
func (c customer) amend(o order, body object) request {
	return request{method: http.MethodPatch, path: "/orders/" + o.ID, token: c.token, body: body}.
		with("If-Match", fmt.Sprintf("%q", fmt.Sprint(o.Version)))
}

// A confirmed order is changed until its shipment is labelled: stock and money move by the
// difference, the carrier gets what was changed, and what can't be changes nothing.
func TestOrderIsAmended(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 5_000)
	records, books := newStock(t, 10), newStock(t, 5)
	o, p := c.prepared(t, c.place(t, line(records, 2, 300), line(books, 1, 1_000)).ID)
	if len(p.Items) != 2 || c.balance(t) != 5_000-1_600 {
		t.Fatalf("packed %+v, balance %d", p, c.balance(t))
	}
	three := object{"lines": []object{{"sku": records, "quantity": 3}}}
	refused(t, http.StatusPreconditionRequired, "order.version-required",
		request{method: http.MethodPatch, path: "/orders/" + o.ID, token: c.token, body: three})

	request := c.amend(o, three)
	amended := must[order](t, http.StatusOK, request)
	if again := must[order](t, http.StatusOK, request); again.Version != amended.Version || again.Total != usd(900) {
		t.Errorf("amended %+v, and again %+v", amended, again)
	}
	fits := func() {
		t.Helper()
		if got := c.balance(t); got != 5_000-900 {
			t.Errorf("the account holds %d", got)
		}
		checkStock(t, records, shop.Stock{OnHand: 10, Available: 7, Reserved: 3})
		checkStock(t, books, shop.Stock{OnHand: 5, Available: 5})
	}
	fits()
	refused(t, http.StatusPreconditionFailed, "order.version-mismatch",
		c.amend(o, object{"lines": []object{{"sku": records, "quantity": 1}}}))
	refused(t, http.StatusUnprocessableEntity, "stock.insufficient",
		c.amend(amended, object{"lines": []object{{"sku": records, "quantity": 11}}}))
	fits()
	if p = getParcel(t, p.ID); len(p.Items) != 1 || p.Items[0].SKU != records || p.Items[0].Quantity != 3 {
		t.Errorf("packed %+v", p)
	}

	label := post(stack.operator, "/shipments/"+p.ID+"/label", nil)
	must[parcel](t, http.StatusOK, label.with("If-Match", fmt.Sprintf("%q", fmt.Sprint(p.Version))))
	refused(t, http.StatusConflict, "shipment.labelled",
		c.amend(amended, object{"lines": []object{{"sku": records, "quantity": 1}}}))
	must[parcel](t, http.StatusOK, post(stack.operator, "/shipments/"+p.ID+"/dispatch", nil))
	c.becomes(t, o.ID, "shipped")
	checkStock(t, records, shop.Stock{OnHand: 7, Available: 7})
	if h := types(c.history(t, o.ID)); strings.Count(h, "order.amended") != 1 {
		t.Errorf("history is %s", h)
	}
}
