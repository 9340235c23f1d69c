package order

import (
	"context"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
)

// TestDecideReduce: an order is for what is reserved, before anything is charged, and only then.
func TestDecideReduce(t *testing.T) {
	has := func(n int64) []goods.Item { return []goods.Item{{SKU: "cd-1", Quantity: n}} }
	to := func(n int64) Reduce { return Reduce{Revision: 1, Items: has(n)} }
	reduced := func(n int64) Amended {
		return Amended{
			Revision: 2, Lines: []Line{{SKU: "cd-1", Quantity: n, UnitPrice: eur(150)}}, Total: eur(150 * n),
			Difference: eur(150*n - 300), Removed: has(2 - n), By: OriginSaga, Reason: ReasonPartial,
		}
	}
	two := placed
	two.Lines = []Line{{SKU: "cd-1", Quantity: 2, UnitPrice: eur(150)}, {SKU: "cd-2", Quantity: 1, UnitPrice: eur(50)}}
	two.Total = eur(350)
	one := reduced(2)
	one.Difference, one.Removed = eur(-50), []goods.Item{{SKU: "cd-2", Quantity: 1}}
	sums := placed // two lines of one SKU
	sums.Lines, sums.Total = lines(2), eur(600)
	first := reduced(2)
	first.Lines = append(first.Lines, Line{SKU: "cd-1", Quantity: 1, UnitPrice: eur(150)})
	first.Total, first.Difference, first.Removed = eur(450), eur(-150), has(1)
	required := PaymentRequired{Revision: 1, Code: "account.insufficient-funds"}
	decides(t, []decision{
		{"a part of a line", []Event{placed, started}, to(1), []Event{reduced(1)}, nil},
		{"a line of two", []Event{two, started}, to(2), []Event{one}, nil},
		{"two lines of one SKU", []Event{sums, started}, to(3), []Event{first}, nil},
		{"all", []Event{placed, started}, to(2), nil, nil},
		{"more than is ordered", []Event{placed, started}, to(3), nil, nil},
		{"again", []Event{placed, started, reduced(1)}, to(1), nil, nil},
		{"of another attempt", []Event{placed, started}, Reduce{Revision: 2, Items: has(1)}, nil, nil},
		{"once it is confirmed", []Event{placed, started, confirmed}, to(1), nil, nil},
		{"while its payment is declined", []Event{placed, started, required}, to(1), nil, nil},
		{"while somebody cancels it", []Event{placed, started, cancelling}, to(1), nil, ErrCancelling},
		{"after that", []Event{placed, started, cancelling, cancelled}, to(1), nil, ErrCancelling},
		{"before it is approved", []Event{matching}, to(1), nil, ErrHeld},
	})
	later := Amended{Revision: 3, Lines: lines(1), Total: eur(300)}
	state := fold([]Event{placed, started, reduced(1), confirmed, later})
	if len(state.Missing) != 1 || state.Missing[0] != has(1)[0] || state.StockRevision != 1 {
		t.Errorf("an order that was amended since has gone on without %v", state.Missing)
	}
}

// TestDivide: whatever is there of whatever lines, those that are kept and those that are left are
// the lines, piece by piece, and come to what they came to: no discount or tax is given twice, none
// is lost, and nothing is rounded away.
func TestDivide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ordered []Line
		adjustment := func(most int64, name string) *Adjustment {
			if !rapid.Bool().Draw(t, name) {
				return nil
			}
			return &Adjustment{Name: name, Amount: eur(rapid.Int64Range(0, most).Draw(t, name))}
		}
		for range rapid.IntRange(1, 4).Draw(t, "lines") {
			l := Line{
				SKU: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "sku"), Quantity: rapid.Int64Range(1, 7).Draw(t, "pieces"),
				UnitPrice: eur(rapid.Int64Range(0, 999).Draw(t, "price")),
			}
			l.Discount = adjustment(l.Quantity*l.UnitPrice.Amount, "discount")
			l.Tax = adjustment(1_000, "tax")
			ordered = append(ordered, l)
		}
		wanted := goods.Sum(itemsOf(ordered))
		there := make([]goods.Item, len(wanted))
		for i, item := range wanted {
			there[i] = goods.Item{SKU: item.SKU, Quantity: rapid.Int64Range(0, item.Quantity+1).Draw(t, "there")}
		}
		kept, rest, err := divide(ordered, there)
		if err != nil {
			t.Fatal(err)
		}
		var sum, whole money.Money
		for _, lines := range [][]Line{kept, rest} {
			if len(lines) == 0 {
				continue
			}
			total, err := Total(lines)
			if err != nil {
				t.Fatalf("%v can't be ordered: %v", lines, err)
			}
			if sum, err = sum.Add(total); err != nil {
				t.Fatal(err)
			}
		}
		if whole, err = Total(ordered); err != nil || sum != whole {
			t.Fatalf("%v and %v come to %v, and all to %v, %v", kept, rest, sum, whole, err)
		}
		for i, item := range wanted {
			pieces := func(lines []Line) (n int64) {
				for _, l := range lines {
					if l.SKU == item.SKU {
						n += l.Quantity
					}
				}
				return n
			}
			if want := min(there[i].Quantity, item.Quantity); pieces(kept) != want ||
				pieces(kept)+pieces(rest) != item.Quantity {
				t.Fatalf("%d and %d of %d, of which %d are there", pieces(kept), pieces(rest), item.Quantity, want)
			}
		}
	})
}

// TestReduceReadsBehindTheOrder: an order that changes between the reservation and the decision is
// not reduced by what was reserved before.
func TestReduceReadsBehindTheOrder(t *testing.T) {
	store := &estest.Hooked{Store: memstore.New(es.NewRegistry(Register))}
	s := New(Deps{Store: store, Clock: clock.NewFake(noon)})
	run := func(id string, c Command) {
		t.Helper()
		if _, err := s.Run(t.Context(), es.Request{CommitID: id, Time: noon}, "o1", c); err != nil {
			t.Fatal(err)
		}
	}
	run("place", Place{OrderID: "o1", CustomerID: "c1", Lines: lines(1), Now: noon})
	run("start", Start{SagaID: "run-1"})
	has, asked := int64(1), 0
	reduce := func() (es.Result[State], error) {
		return s.Reduce(t.Context(), es.Request{CommitID: "reduce", Time: noon}, "o1", 1,
			func(context.Context) ([]goods.Item, error) {
				asked++
				was := has
				if asked == 1 { // all that others do until the order waits to be reduced once more
					run("require", RequirePayment{Revision: 1, Until: tomorrow})
					has = 2
					run("again", RequestPayment{By: "person/p"})
				}
				return []goods.Item{{SKU: "cd-1", Quantity: was}}, nil
			})
	}
	if res, err := reduce(); err != nil || asked != 2 || res.State.Lines[0].Quantity != 2 {
		t.Errorf("asked %d times: %+v, %v", asked, res.State.Lines, err)
	}
	errDown := errors.New("down")
	_, err := s.Reduce(t.Context(), es.Request{CommitID: "other", Time: noon}, "o1", 1,
		func(context.Context) ([]goods.Item, error) { return nil, errDown })
	if !errors.Is(err, errDown) {
		t.Errorf("error %v", err)
	}
	run("close", Close{Origin: OriginCustomer, Reason: ReasonCustomer})
	if _, err := s.Reduce(t.Context(), es.Request{CommitID: "late", Time: noon}, "o1", 1,
		func(context.Context) ([]goods.Item, error) { return nil, errDown }); !errors.Is(err, ErrCancelling) {
		t.Errorf("a closed order: %v", err)
	}
	if _, err := s.Reduce(t.Context(), es.Request{CommitID: "none", Time: noon}, "o2", 1,
		func(context.Context) ([]goods.Item, error) { return nil, errDown }); !errors.Is(err, ErrNotFound) {
		t.Errorf("no order: %v", err)
	}
}
