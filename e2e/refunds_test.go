//go:build e2e

package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/reconcile"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
	orders "orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/refund"
)

// refundOf is a refund as the API shows it.
type refundOf struct {
	ID       string      `json:"id"`
	Amount   money.Money `json:"amount"`
	Reason   string      `json:"reason"`
	By       string      `json:"by"`
	Note     string      `json:"note"`
	Refunded money.Money `json:"refunded"` // where it is made
}

// refunded is what an order shows of its refunds.
type refunded struct {
	Refunds    []refundOf  `json:"refunds"`
	Refunded   money.Money `json:"refunded"`
	Refundable money.Money `json:"refundable"`
}

// An operator gives money back for an order that has left: once for each key, never more than was
// paid, also where several ask at once. Order, account, statement, mail, list, statistics and
// figures show it.
func TestOrderIsRefunded(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 5_000)
	records, books := newStock(t, 10), newStock(t, 5)
	began := time.Now().UTC()
	placed := c.place(t, line(records, 3, 333), line(books, 1, 1_001))
	path := "/orders/" + placed.ID + "/refunds"
	piece := object{"reason": "damaged", "note": "photos came", "lines": []object{{"sku": records, "quantity": 1}}}
	_, p := c.prepared(t, placed.ID)
	refused(t, http.StatusConflict, "order.not-dispatched", post(stack.operator, path, piece))
	must[parcel](t, http.StatusOK, post(stack.operator, "/shipments/"+p.ID+"/dispatch", nil))
	c.becomes(t, placed.ID, "shipped")

	refused(t, http.StatusForbidden, "auth.forbidden", post(c.token, path, piece))
	request := post(stack.operator, path, piece)
	first := must[refundOf](t, http.StatusCreated, request)
	if again := must[refundOf](t, http.StatusCreated, request); again != first || first.Amount != usd(333) ||
		first.Refunded != usd(333) || !strings.HasPrefix(first.By, "machine/") {
		t.Errorf("refunded %+v, and again %+v", first, again)
	}
	refused(t, http.StatusConflict, "order.refund-exceeds", post(stack.operator, path,
		object{"reason": "damaged", "lines": []object{{"line": 0, "quantity": 3}}}))

	// 1,667 are left: of five who ask for 600 each at once, two get it.
	var wg sync.WaitGroup
	answers := make([]answer, 5)
	for i := range answers {
		wg.Go(func() {
			answers[i] = send(t, post(stack.operator, path, object{"reason": "goodwill", "goodwill": usd(600)}))
		})
	}
	wg.Wait()
	made := 0
	for _, a := range answers {
		if a.status == http.StatusCreated {
			made++
		} else if a.status != http.StatusConflict || !strings.Contains(string(a.body), "order.refund-exceeds") {
			t.Errorf("answered %s", a)
		}
	}
	if made != 2 {
		t.Errorf("%d refunds were made, want 2", made)
	}
	const total = 333 + 2*600
	if got := c.balance(t); got != 5_000-2_000+total {
		t.Errorf("the account holds %d", got)
	}
	for token, note := range map[string]string{stack.operator: "photos came", c.token: ""} {
		got := must[refunded](t, http.StatusOK, get(token, "/orders/"+placed.ID))
		if len(got.Refunds) != 3 || got.Refunded != usd(total) || got.Refundable != usd(2_000-total) ||
			got.Refunds[0].ID != first.ID || got.Refunds[0].Note != note || (got.Refunds[0].By == "") != (note == "") {
			t.Errorf("the order shows %+v", got)
		}
	}
	if history := types(c.history(t, placed.ID)); strings.Count(history, "order.refunded") != 3 {
		t.Errorf("the history is %s", history)
	}
	statement := must[struct {
		Movements []struct {
			Kind      string      `json:"kind"`
			Amount    money.Money `json:"amount"`
			Reference string      `json:"reference"`
		} `json:"movements"`
	}](t, http.StatusOK, get(c.token, "/accounts/"+c.account+"/statement"))
	if first := statement.Movements[2]; first.Kind != "refund" || first.Amount != usd(333) {
		t.Errorf("the statement is %+v", statement.Movements)
	}
	customerMailbox{c.id}.gets(
		t, "A refund for your order "+placed.ID[:8], "1 × "+records, "USD 3.33", "arrived damaged",
	)
	eventually(t, "the statistics show the refunds", func() (statistics, bool) {
		s := c.statistics(t)
		return s, slices.Equal(s.RefundedTotal, []money.Money{usd(total)}) &&
			slices.Equal(s.ConfirmedTotal, []money.Money{usd(2_000)})
	})
	eventually(t, "the figures show the refunds", func() (int64, bool) {
		given := int64(0)
		for _, d := range daily(t, began.AddDate(0, 0, -1), began.AddDate(0, 0, 1)) {
			given += amountIn(d.GivenBack, "USD")
		}
		return given, given >= total
	})

	// Other tests plant faults: none is of this order, its payment or this account.
	tables, events := stack.tables, contract.Registry()
	report, err := reconcile.Verify{
		Store: dynamostore.New(tables, stack.Outputs["EventsTable"], events), Registry: events, Clock: clock.System{},
		Segments: 2, Overdue: time.Hour, Keep: func(reconcile.State) error { return nil },
	}.Run(t.Context(), reconcile.State{})
	if err != nil || report.Orders == 0 {
		t.Errorf("%+v, %v", report, err)
	}
	mine := []es.StreamID{
		es.NewStreamID(orders.Category, placed.ID), es.NewStreamID(account.Category, c.account),
		es.NewStreamID(payment.Category, payment.ID(placed.ID, 1)), es.NewStreamID(refund.Category, first.ID),
	}
	for _, f := range report.Findings {
		if slices.Contains(mine, f.Stream) {
			t.Errorf("found %+v", f)
		}
	}
}
