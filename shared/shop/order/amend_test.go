package order

import (
	"testing"

	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
)

// TestDecideAmend: what is changed, by how much, and when an order can't be changed any more.
func TestDecideAmend(t *testing.T) {
	pieces := func(sku string, n int64) []goods.Item { return []goods.Item{{SKU: sku, Quantity: n}} }
	line := func(sku string, n int64) Line { return Line{SKU: sku, Quantity: n, UnitPrice: eur(150)} }
	to := func(lines ...Line) Amend { return Amend{Lines: lines, By: OriginCustomer} }
	amended := func(revision, total, difference int64, lines ...Line) Amended {
		return Amended{
			Revision: revision, Lines: lines, Total: eur(total), Difference: eur(difference),
			By: OriginCustomer, Reason: ReasonCustomer,
		}
	}
	three, one := amended(2, 450, 150, line("cd-1", 3)), amended(2, 150, -150, line("cd-1", 1))
	three.Added, one.Removed = pieces("cd-1", 1), pieces("cd-1", 1)
	other := amended(2, 150, -150, line("cd-2", 1))
	other.Added, other.Removed = pieces("cd-2", 1), pieces("cd-1", 2)
	split := amended(2, 300, 0, line("cd-1", 1), line("cd-1", 1)) // the same pieces
	back := amended(3, 300, -150, line("cd-1", 2))
	back.Removed = pieces("cd-1", 1)
	moved := amended(2, 300, 0, line("cd-1", 2))
	moved.Address = "pd1:y"
	byOperator := moved
	byOperator.By, byOperator.Reason, byOperator.Note = OriginOperator, ReasonOperator, "pd1:n"
	move := Amend{Lines: lines(1), Address: "pd1:y", By: OriginCustomer}
	moveFor := Amend{Lines: lines(1), Address: "pd1:y", By: OriginOperator, Note: "pd1:n"}

	done := []Event{placed, started, confirmed}
	held := []Event{placed, Held{Rules: []string{RuleFirstOrder}, Until: "2026-03-02T12:00:00Z"}}
	declined := []Event{placed, started, PaymentRequired{Code: "account.insufficient-funds"}}
	waiting := []Event{placed, started, Backordered{Items: pieces("cd-1", 1)}}
	many := []Event{placed, started, confirmed, Amended{Revision: MaxRevisions, Lines: lines(1), Total: eur(300)}}
	decides(t, []decision{
		{"more", done, to(line("cd-1", 3)), []Event{three}, nil},
		{"less", done, to(line("cd-1", 1)), []Event{one}, nil},
		{"something else", done, to(line("cd-2", 1)), []Event{other}, nil},
		{"the same pieces on two lines", done, to(line("cd-1", 1), line("cd-1", 1)), []Event{split}, nil},
		{"back again", append(done, three), to(line("cd-1", 2)), []Event{back}, nil},
		{"another address", done, move, []Event{moved}, nil},
		{"another address by an operator", done, moveFor, []Event{byOperator}, nil},
		{"nothing", done, to(line("cd-1", 2)), nil, nil},
		{"while it is held", held, to(line("cd-1", 3)), []Event{three}, nil},
		{"while its payment is declined", declined, to(line("cd-1", 1)), []Event{one}, nil},
		{"while it is under way", []Event{placed, started}, to(line("cd-1", 3)), nil, ErrUnderWay},
		{"while it waits for stock", waiting, to(line("cd-1", 1)), nil, ErrNotAmendable},
		{"after a cancel", append(done, cancelling), to(line("cd-1", 1)), nil, ErrCancelling},
		{"after the undo", append(done, cancelling, cancelled), to(line("cd-1", 1)), nil, ErrCancelling},
		{"after it has left", append(done, shipped), to(line("cd-1", 1)), nil, ErrDispatched},
		{"after it has arrived", append(done, shipped, delivered), to(line("cd-1", 1)), nil, ErrDispatched},
		{"too often", many, to(line("cd-1", 1)), nil, ErrTooManyRevisions},
		{
			"in another currency", done, to(Line{SKU: "cd-1", Quantity: 2, UnitPrice: money.Money{Amount: 1, Currency: "USD"}}),
			nil, money.ErrMixedCurrency,
		},
	})
}
