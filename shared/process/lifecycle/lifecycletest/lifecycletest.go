// Package lifecycletest draws what people do in a shop: customers who order and change their minds,
// operators, carriers. Histories of it are carried out by the services themselves
// (shared/process/lifecycle) and by a deployed stack (e2e/simulate). Only tests import it.
package lifecycletest

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"

	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
)

// The shop: what it sells, for how much, and to how many.
const (
	Currency  = "EUR"
	Customers = 4
	// Funds and Pieces are what each account and each SKU begin with: enough for some orders, and
	// too little for all.
	Funds  = 800
	Pieces = 10
)

// Prices are those of the SKUs, in minor units.
var Prices = map[string]int64{"cd-1": 100, "cd-2": 40, "cd-3": 250}

// SKUs are what the shop sells.
var SKUs = []string{"cd-1", "cd-2", "cd-3"}

// Held is the country whose orders wait for approval; Home is that of all others.
const (
	Home = "GB"
	Held = "LU"
)

// Address is somewhere in a country.
func Address(country string) shipment.Address {
	if country == Held {
		return shipment.Address{
			Recipient: "Test Person", Line1: "1 Test Street", PostalCode: "1111", City: "Luxembourg", Country: Held,
		}
	}
	return shipment.Address{
		Recipient: "Ada Lovelace", Line1: "12 St James's Square", PostalCode: "SW1Y 4LB", City: "London", Country: Home,
	}
}

// Do is what somebody does.
type Do string

// What people do.
const (
	Place    Do = "place"
	Amend    Do = "amend"   // lines, or the address, or both
	Cancel   Do = "cancel"  // the customer, or an operator
	Approve  Do = "approve" // an operator
	Decline  Do = "decline" // an operator
	Pay      Do = "pay"     // a declined order, again
	Deposit  Do = "deposit"
	Withdraw Do = "withdraw"
	Restock  Do = "restock" // an operator counts, and finds more than there was
	Split    Do = "split"   // an operator has a SKU's stock in so many shards
	Label    Do = "label"   // the carrier
	Dispatch Do = "dispatch"
	Deliver  Do = "deliver"
	Refund   Do = "refund" // an operator, once it has left
)

// often is how often each comes, against the others.
var often = map[Do]int{
	Place: 8, Amend: 6, Cancel: 2, Approve: 3, Decline: 1, Pay: 4, Deposit: 4, Withdraw: 2, Restock: 3, Split: 2,
	Label: 2, Dispatch: 5, Deliver: 4, Refund: 3,
}

// All are what people do, in the order in which a report has them.
var All = []Do{
	Place, Amend, Cancel, Approve, Decline, Pay, Deposit, Withdraw, Restock, Split, Label, Dispatch, Deliver,
	Refund,
}

// Action is something that somebody does.
type Action struct {
	Do       Do
	Customer int          // who orders, deposits and withdraws
	Order    int          // which one it is about: see Of
	Unfit    bool         // it is about any order, whether that is in a state for it or not
	Items    []goods.Item // what is ordered; nil where an amendment leaves the lines
	Amount   int64        // of money, pieces, or shards
	Country  string       // where it goes; "" where an amendment leaves the address
	Operator bool         // an operator does it for the customer
	Again    int          // how often the request is sent once more
	// OutOfStock is what becomes of what is ordered where stock is short.
	OutOfStock goods.OutOfStock
}

// String says it in a line of a history.
func (a Action) String() string {
	switch a.Do {
	case Place:
		return fmt.Sprintf(
			"customer %d orders %v to %s, or %s%s", a.Customer, a.Items, a.Country, a.OutOfStock, a.again(),
		)
	case Amend:
		return fmt.Sprintf("order %d from behind is amended to %v, %q%s", a.Order, a.Items, a.Country, a.again())
	case Deposit, Withdraw:
		return fmt.Sprintf("customer %d: %s %d%s", a.Customer, a.Do, a.Amount, a.again())
	case Restock, Split:
		return fmt.Sprintf("%s %d %s%s", a.Do, a.Amount, a.Items[0].SKU, a.again())
	}
	return fmt.Sprintf("%s order %d from behind%s", a.Do, a.Order, a.again())
}

func (a Action) again() string {
	if a.Again == 0 {
		return ""
	}
	return fmt.Sprintf(", sent %d times", a.Again+1)
}

// fit are the states of orders with which it makes sense to do something; those with which
// something makes sense whatever the state are in none.
var fit = map[Do][]order.Status{
	Amend:   {order.StatusConfirmed, order.StatusPaymentRequired, order.StatusHeld},
	Approve: {order.StatusHeld}, Decline: {order.StatusHeld}, Pay: {order.StatusPaymentRequired},
	Label: {order.StatusConfirmed}, Dispatch: {order.StatusConfirmed}, Deliver: {order.StatusShipped},
	Refund: {order.StatusShipped, order.StatusDelivered},
}

// Of says which order an action is about, of those with these states, the oldest first: from the
// newest on the Order-th of those that are fit for it, and where fewer are, the oldest of these. It
// is any order where none is fit, and not ok where there is none at all.
func (a Action) Of(states []order.Status) (i int, ok bool) {
	var all, fits []int
	for i := range slices.Backward(states) {
		all = append(all, i)
		if fit[a.Do] == nil || slices.Contains(fit[a.Do], states[i]) {
			fits = append(fits, i)
		}
	}
	if a.Unfit || len(fits) == 0 {
		fits = all
	}
	if len(fits) == 0 {
		return 0, false
	}
	return fits[min(a.Order, len(fits)-1)], true
}

// policies are what becomes of orders where stock is short, as often as each comes.
var policies = []goods.OutOfStock{
	goods.Reject, goods.Backorder, goods.Backorder, goods.PartialWait, goods.PartialWait, goods.PartialDrop,
}

// Actions draws one. What it is about may not be there, or not in a state for it: it is refused
// then.
func Actions() *rapid.Generator[Action] {
	var all []Do
	for _, do := range All {
		for range often[do] {
			all = append(all, do)
		}
	}
	return rapid.Custom(func(t *rapid.T) Action {
		a := Action{
			Do: rapid.SampledFrom(all).Draw(t, "do"),
			// the newest orders are those with which most is under way
			Order: rapid.SampledFrom([]int{0, 0, 0, 1, 1, 2, 3, 5, 8}).Draw(t, "order"),
			Unfit: rapid.IntRange(0, 4).Draw(t, "unfit") == 4,
			Again: rapid.SampledFrom([]int{0, 0, 0, 0, 1, 2}).Draw(t, "again"),
		}
		switch a.Do {
		case Place:
			a.Customer, a.Items = customer(t), items(t)
			a.Country = rapid.SampledFrom([]string{Home, Home, Home, Held}).Draw(t, "country")
			a.OutOfStock = rapid.SampledFrom(policies).Draw(t, "out of stock")
		case Amend:
			a.Country = rapid.SampledFrom([]string{"", "", Home}).Draw(t, "country")
			if a.Country == "" || rapid.Bool().Draw(t, "with lines") {
				a.Items = items(t)
			}
		case Cancel:
			a.Operator = rapid.IntRange(0, 3).Draw(t, "operator") == 3
		case Deposit:
			a.Customer, a.Amount = customer(t), rapid.Int64Range(1, 600).Draw(t, "amount")
		case Withdraw:
			a.Customer, a.Amount = customer(t), rapid.Int64Range(1, 300).Draw(t, "amount")
		case Restock:
			a.Items, a.Amount = items(t), rapid.Int64Range(1, 6).Draw(t, "amount")
		case Split:
			a.Items, a.Amount = items(t), rapid.SampledFrom([]int64{1, 2, 3, 4}).Draw(t, "shards")
		case Refund:
			a.Amount = rapid.SampledFrom([]int64{1, 1, 2, 5}).Draw(t, "pieces")
		}
		return a
	})
}

func customer(t *rapid.T) int { return rapid.IntRange(0, Customers-1).Draw(t, "customer") }

// items are lines: a SKU may come twice.
func items(t *rapid.T) []goods.Item {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) goods.Item {
		return goods.Item{
			SKU:      rapid.SampledFrom(SKUs).Draw(t, "sku"),
			Quantity: rapid.SampledFrom([]int64{1, 1, 2, 3, 5}).Draw(t, "quantity"),
		}
	}), 1, 3).Draw(t, "items")
}
