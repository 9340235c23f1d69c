package order

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func eur(amount int64) money.Money { return money.Money{Amount: amount, Currency: "EUR"} }

func lines(n int) []Line {
	out := make([]Line, n)
	for i := range out {
		out[i] = Line{SKU: "cd-1", Quantity: 2, UnitPrice: eur(150)}
	}
	return out
}

// The events of an order's life, from which the givens are put together.
var (
	placed = Placed{
		OrderID: "o1", CustomerID: "c1", AccountID: "a1", Lines: lines(1), Total: eur(300), Address: "pd1:x",
		Revision: 1, PlacedAt: "2026-03-01T12:00:00Z",
	}
	started    = Started{SagaID: "run-1"}
	confirmed  = Confirmed{SagaID: "run-1", PaymentID: "p1", ShipmentID: "s1", TrackingNumber: "OF1"}
	cancelling = Cancelling{
		Reason: "stock.insufficient", Detail: "too few", From: StatusPlaced, Origin: OriginSaga, SagaID: "run-1",
	}
	cancelled  = Cancelled{SagaID: "run-1", Reason: "stock.insufficient"}
	undoFailed = UndoFailed{SagaID: "run-1", Steps: []string{"refund payment"}}
	shipped    = Shipped{ShipmentID: "s1", Revision: 1, DispatchedAt: "2026-03-02T08:00:00Z"}
	delivered  = Delivered{ShipmentID: "s1"}
)

// decision is what a command comes to after some events.
type decision struct {
	name  string
	given []Event
	when  Command
	then  []Event
	fault *faults.Spec
}

// decides wants each command to yield its events, or its fault.
func decides(t *testing.T, cases []decision) {
	t.Helper()
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Decider.Decide(tt.when, fold(tt.given))
			if tt.fault == nil && err != nil || tt.fault != nil && !errors.Is(err, tt.fault) {
				t.Fatalf("error %v, want %v", err, tt.fault)
			}
			if !reflect.DeepEqual(got, tt.then) {
				t.Errorf("events %+v, want %+v", got, tt.then)
			}
		})
	}
}

// TestDecidePlace: an order is placed once, and its total has a limit.
func TestDecidePlace(t *testing.T) {
	place := Place{OrderID: "o1", CustomerID: "c1", AccountID: "a1", Lines: lines(1), Address: "pd1:x", Now: noon}
	decides(t, []decision{
		{"place", nil, place, []Event{placed}, nil},
		{"place again", []Event{placed}, place, nil, nil},
		{
			"place too dear an order", nil,
			Place{OrderID: "o1", Lines: []Line{{SKU: "cd-1", Quantity: MaxQuantity, UnitPrice: eur(MaxUnitPrice)}}},
			nil, ErrInvalidLines,
		},
		{"place too dear an order, of lines that are not", nil,
			Place{
				OrderID: "o1",
				Lines:   slices.Repeat([]Line{{SKU: "cd-1", Quantity: 1000, UnitPrice: eur(MaxUnitPrice)}}, 2),
			},
			nil, ErrInvalidLines},
	})
}

// TestDecideStart: a saga takes an order that is neither closed nor confirmed.
func TestDecideStart(t *testing.T) {
	decides(t, []decision{
		{"start what is not there", nil, Start{SagaID: "run-1"}, nil, ErrNotFound},
		{"start", []Event{placed}, Start{SagaID: "run-1"}, []Event{started}, nil},
		{"start again", []Event{placed, started}, Start{SagaID: "run-1"}, nil, nil},
		{
			"start by a run that resumes", []Event{placed, started}, Start{SagaID: "run-2"},
			[]Event{Started{SagaID: "run-2"}}, nil,
		},
		{"start what is confirmed", []Event{placed, started, confirmed}, Start{SagaID: "run-2"}, nil, nil},
		{"start what a customer closed first", []Event{placed, cancelling}, Start{SagaID: "run-1"}, nil, ErrCancelling},
		{"start what is cancelled", []Event{placed, cancelling, cancelled}, Start{SagaID: "run-1"}, nil, ErrCancelling},
	})
}

// TestDecideConfirm: an order is confirmed unless it was closed before.
func TestDecideConfirm(t *testing.T) {
	confirm := Confirm{SagaID: "run-1", PaymentID: "p1", ShipmentID: "s1", TrackingNumber: "OF1"}
	decides(t, []decision{
		{"confirm", []Event{placed, started}, confirm, []Event{confirmed}, nil},
		{"confirm again", []Event{placed, started, confirmed}, confirm, nil, nil},
		{"confirm what ships", []Event{placed, started, confirmed, shipped}, confirm, nil, nil},
		{"confirm what is being cancelled", []Event{placed, started, cancelling}, confirm, nil, ErrCancelling},
		{"confirm what is cancelled", []Event{placed, started, cancelling, cancelled}, confirm, nil, ErrCancelling},
	})
}

// TestDecideCloseForPerson: a person closes an order until its shipment is dispatched, and needs
// the shipment taken back once the order is confirmed.
func TestDecideCloseForPerson(t *testing.T) {
	byCustomer := Close{Origin: OriginCustomer, Reason: ReasonCustomer, Note: "pd1:n"}
	byOperator := Close{Origin: OriginOperator, Reason: ReasonOperator}
	stopped := func(c Close) Close {
		c.Stopped = "s1"
		return c
	}
	decides(t, []decision{
		{"customer cancels before the start", []Event{placed}, byCustomer,
			[]Event{Cancelling{Reason: ReasonCustomer, Note: "pd1:n", From: StatusPlaced, Origin: OriginCustomer}},
			nil},
		{"customer cancels during the run", []Event{placed, started}, byCustomer,
			[]Event{Cancelling{Reason: ReasonCustomer, Note: "pd1:n", From: StatusPlaced, Origin: OriginCustomer}},
			nil},
		{
			"customer cancels what is confirmed, while its shipment goes on", []Event{placed, started, confirmed},
			byCustomer, nil, ErrShipmentUnderWay,
		},
		{
			"customer cancels what is confirmed, with another shipment taken back", []Event{placed, started, confirmed},
			Close{Origin: OriginCustomer, Stopped: "s2"}, nil, ErrShipmentUnderWay,
		},
		{
			"customer cancels what is confirmed, to no shipment", []Event{placed, started, Confirmed{SagaID: "run-1"}},
			byCustomer, nil, ErrShipmentUnderWay,
		},
		{"customer cancels what is confirmed", []Event{placed, started, confirmed}, stopped(byCustomer),
			[]Event{Cancelling{Reason: ReasonCustomer, Note: "pd1:n", From: StatusConfirmed, Origin: OriginCustomer}},
			nil},
		{"operator cancels what is confirmed", []Event{placed, started, confirmed}, stopped(byOperator),
			[]Event{Cancelling{Reason: ReasonOperator, From: StatusConfirmed, Origin: OriginOperator}}, nil},
		{
			"customer cancels what is dispatched", []Event{placed, started, confirmed, shipped}, byCustomer, nil,
			ErrDispatched,
		},
		{
			"operator cancels what is delivered", []Event{placed, started, confirmed, shipped, delivered}, byOperator,
			nil, ErrDispatched,
		},
		{"customer cancels again", []Event{placed, cancelling}, byCustomer, nil, nil},
		{"customer cancels what is cancelled", []Event{placed, cancelling, cancelled}, byCustomer, nil, nil},
	})
}

// TestDecideCloseForSystem: the saga and the sweep close an order, but not one that is confirmed.
func TestDecideCloseForSystem(t *testing.T) {
	bySaga := Close{Origin: OriginSaga, Reason: "stock.insufficient", Detail: "too few", SagaID: "run-1"}
	bySweep := Close{Origin: OriginSweep, Reason: ReasonExpired}
	decides(t, []decision{
		{"saga closes", []Event{placed, started}, bySaga, []Event{cancelling}, nil},
		{"saga closes, and finds it confirmed after all", []Event{placed, started, confirmed}, bySaga, nil, nil},
		{"saga closes, and finds it shipped", []Event{placed, started, confirmed, shipped}, bySaga, nil, nil},
		{"saga closes what a customer closed", []Event{placed, started, cancelling}, bySaga, nil, nil},
		{
			"sweep closes", []Event{placed, started}, bySweep,
			[]Event{Cancelling{Reason: ReasonExpired, From: StatusPlaced, Origin: OriginSweep}}, nil,
		},
		{"sweep leaves what is confirmed", []Event{placed, started, confirmed}, bySweep, nil, nil},
	})
}

// TestDecideUndo: the undo of a closed order is through, or its steps are exhausted.
func TestDecideUndo(t *testing.T) {
	decides(t, []decision{
		{
			"cancelled is written last", []Event{placed, started, cancelling}, FinishUndo{SagaID: "run-1"},
			[]Event{cancelled}, nil,
		},
		{
			"cancelled again, by another run", []Event{placed, cancelling, cancelled}, FinishUndo{SagaID: "run-2"},
			nil, nil,
		},
		{"cancel what nobody closed", []Event{placed, started}, FinishUndo{SagaID: "run-1"}, nil, ErrNotClosed},
		{
			"cancel what is confirmed", []Event{placed, started, confirmed}, FinishUndo{SagaID: "run-1"},
			nil, ErrNotClosed,
		},
		{
			"cancel after an undo that failed", []Event{placed, cancelling, undoFailed}, FinishUndo{SagaID: "run-2"},
			[]Event{Cancelled{SagaID: "run-2", Reason: "stock.insufficient"}}, nil,
		},
		{
			"undo failed", []Event{placed, cancelling}, FailUndo{SagaID: "run-1", Steps: []string{"refund payment"}},
			[]Event{undoFailed}, nil,
		},
		{
			"undo failed again", []Event{placed, cancelling, undoFailed},
			FailUndo{SagaID: "run-1", Steps: []string{"refund payment"}}, nil, nil,
		},
		{"undo failed in another run", []Event{placed, cancelling, undoFailed},
			FailUndo{SagaID: "run-2", Steps: []string{"release stock"}},
			[]Event{UndoFailed{SagaID: "run-2", Steps: []string{"release stock"}}}, nil},
		{
			"undo failed after another run undid it", []Event{placed, cancelling, cancelled},
			FailUndo{SagaID: "run-1", Steps: []string{"refund payment"}}, nil, nil,
		},
		{"undo failed of what nobody closed", []Event{placed}, FailUndo{SagaID: "run-1"}, nil, ErrNotClosed},
	})
}

// TestDecideShip: an order follows its own shipment, and no other.
func TestDecideShip(t *testing.T) {
	ship, deliver := Ship{ShipmentID: "s1", DispatchedAt: "2026-03-02T08:00:00Z"},
		Deliver{ShipmentID: "s1", DispatchedAt: "2026-03-02T08:00:00Z"}
	amended := placed
	amended.Revision = 2
	decides(t, []decision{
		{"ship", []Event{placed, started, confirmed}, ship, []Event{shipped}, nil},
		{
			"ship its second revision", []Event{amended, started, confirmed}, ship,
			[]Event{Shipped{ShipmentID: "s1", Revision: 2, DispatchedAt: "2026-03-02T08:00:00Z"}}, nil,
		},
		{
			"ship what was closed in the books", []Event{placed, started, confirmed},
			Ship{ShipmentID: "s1", StockClosed: true},
			[]Event{Shipped{ShipmentID: "s1", Revision: shipped.Revision, StockClosed: true}}, nil,
		},
		{
			"ship with another's shipment", []Event{placed, started, confirmed}, Ship{ShipmentID: "s2"}, nil,
			ErrOtherShipment,
		},
		{
			"ship again with another's shipment", []Event{placed, started, confirmed, shipped}, Ship{ShipmentID: "s2"},
			nil, ErrOtherShipment,
		},
		{
			"deliver another's shipment", []Event{placed, started, confirmed, shipped}, Deliver{ShipmentID: "s2"}, nil,
			ErrOtherShipment,
		},
		{"deliver its second revision before it is said that it was shipped", []Event{amended, started, confirmed},
			deliver,
			[]Event{Shipped{ShipmentID: "s1", Revision: 2, DispatchedAt: "2026-03-02T08:00:00Z"}, delivered}, nil},
		{"ship again", []Event{placed, started, confirmed, shipped, delivered}, ship, nil, nil},
		{"ship what is not confirmed", []Event{placed, started}, ship, nil, ErrNotConfirmed},
		{"ship what is being cancelled", []Event{placed, started, confirmed, cancelling}, ship, nil, ErrCancelling},
		{"deliver", []Event{placed, started, confirmed, shipped}, deliver, []Event{delivered}, nil},
		{"deliver again", []Event{placed, started, confirmed, shipped, delivered}, deliver, nil, nil},
		{
			"deliver before it is said that it was shipped", []Event{placed, started, confirmed}, deliver,
			[]Event{shipped, delivered}, nil,
		},
		{"deliver what is not confirmed", []Event{placed, started}, deliver, nil, ErrNotConfirmed},
		{
			"deliver what is being cancelled", []Event{placed, started, confirmed, cancelling}, deliver, nil,
			ErrCancelling,
		},
	})
}

func TestTotal(t *testing.T) {
	skus := func(n int) []Line {
		out := lines(n)
		for i := range out {
			out[i].SKU = fmt.Sprintf("cd-%d", i)
		}
		return out
	}
	line := func(quantity, price int64, currency string) Line {
		return Line{SKU: "cd-1", Quantity: quantity, UnitPrice: money.Money{Amount: price, Currency: currency}}
	}
	tests := []struct {
		name  string
		lines []Line
		want  money.Money
		fault *faults.Spec
		field string
	}{
		{"one line", lines(1), eur(300), nil, ""},
		{"a SKU on two lines", lines(2), eur(600), nil, ""},
		{"nothing to pay", []Line{line(1, 0, "EUR")}, eur(0), nil, ""},
		{"the most lines", lines(MaxLines), eur(300 * MaxLines), nil, ""},
		{"the most SKUs", skus(MaxSKUs), eur(300 * MaxSKUs), nil, ""},
		{"the dearest order", slices.Repeat([]Line{line(10, MaxUnitPrice, "EUR")}, MaxLines), eur(MaxTotal), nil, ""},
		{
			"too dear an order",
			append(
				slices.Repeat([]Line{line(10, MaxUnitPrice, "EUR")}, MaxLines-2), line(20, MaxUnitPrice, "EUR"),
				line(1, 1, "EUR"),
			),
			money.Money{}, ErrInvalidLines, "body.lines",
		},
		{
			"the dearest lines there could be", slices.Repeat([]Line{line(MaxQuantity, MaxUnitPrice, "EUR")}, MaxLines),
			money.Money{}, ErrInvalidLines, "body.lines",
		},
		{"no line", nil, money.Money{}, ErrInvalidLines, "body.lines"},
		{"too many lines", lines(MaxLines + 1), money.Money{}, ErrInvalidLines, "body.lines"},
		{"too many SKUs", skus(MaxSKUs + 1), money.Money{}, ErrInvalidLines, "body.lines"},
		{"no SKU", []Line{{Quantity: 1, UnitPrice: eur(1)}}, money.Money{}, ErrInvalidLines, "body.lines[0].sku"},
		{"no quantity", []Line{line(0, 1, "EUR")}, money.Money{}, ErrInvalidLines, "body.lines[0].quantity"},
		{
			"negative quantity", []Line{line(1, 1, "EUR"), line(-1, 1, "EUR")}, money.Money{}, ErrInvalidLines,
			"body.lines[1].quantity",
		},
		{
			"too large a quantity", []Line{line(MaxQuantity+1, 1, "EUR")}, money.Money{}, ErrInvalidLines,
			"body.lines[0].quantity",
		},
		{
			"negative price", []Line{line(1, -1, "EUR")}, money.Money{}, ErrInvalidLines,
			"body.lines[0].unitPrice.amount",
		},
		{
			"absurd price", []Line{line(1, MaxUnitPrice+1, "EUR")}, money.Money{}, ErrInvalidLines,
			"body.lines[0].unitPrice.amount",
		},
		{
			"no such currency", []Line{line(1, 1, "EURO")}, money.Money{}, money.ErrCurrency,
			"body.lines[0].unitPrice.currency",
		},
		{
			"two currencies", []Line{line(1, 1, "EUR"), line(1, 1, "USD")}, money.Money{}, money.ErrMixedCurrency,
			"body.lines[1].unitPrice",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Total(tt.lines)
			if tt.fault == nil {
				if err != nil || got != tt.want {
					t.Fatalf("total %v, %v; want %v", got, err, tt.want)
				}
				return
			}
			if f, _ := faults.As(err); !errors.Is(err, tt.fault) || f.Field != tt.field {
				t.Errorf("error %v in %q, want %v in %q", err, f.Field, tt.fault, tt.field)
			}
		})
	}
}

// TestProperties runs any commands in any order, each perhaps twice, and holds what must be true of
// every order.
func TestProperties(t *testing.T) {
	command := rapid.OneOf(
		rapid.Just[Command](Place{OrderID: "o1", CustomerID: "c1", Lines: lines(1), Now: noon}),
		rapid.Just[Command](Place{
			OrderID: "o1", CustomerID: "c1", Lines: lines(1), HoldRules: []string{"amount"}, Now: noon,
		}),
		rapid.Map(
			rapid.SampledFrom([]string{"run-1", "run-2"}), func(run string) Command { return Start{SagaID: run} },
		),
		rapid.Map(
			rapid.SampledFrom([]string{"run-1", "run-2"}),
			func(run string) Command { return Confirm{SagaID: run, ShipmentID: "s1"} },
		),
		rapid.Map(
			rapid.SampledFrom([]Origin{OriginCustomer, OriginOperator, OriginSaga, OriginSweep}),
			func(o Origin) Command { return Close{Origin: o, Reason: "r"} },
		),
		rapid.Just[Command](Close{Origin: OriginCustomer, Reason: "r", Stopped: "s1"}),
		rapid.Just[Command](Approve{By: "person/o"}),
		rapid.Map(rapid.SampledFrom([]string{"t1", "t2"}), func(token string) Command {
			return Hold{Until: tomorrow, Park: Park{Token: token, SagaID: "run-1"}}
		}),
		rapid.Map(rapid.Int64Range(1, 3), func(revision int64) Command {
			return RequirePayment{Revision: revision, Until: tomorrow, Park: Park{Token: "t1", SagaID: "run-1"}}
		}),
		rapid.Just[Command](Backorder{Revision: 1, Until: tomorrow}),
		rapid.Just[Command](Reduce{Revision: 1, Items: []goods.Item{{SKU: "cd-1", Quantity: 1}}}),
		rapid.Map(rapid.Int64Range(1, 3), func(revision int64) Command {
			return Expire{Wait: WaitPayment, Revision: revision, SagaID: "run-1"}
		}),
		rapid.Just[Command](FinishUndo{SagaID: "run-1"}),
		rapid.Just[Command](FailUndo{SagaID: "run-1", Steps: []string{"refund payment"}}),
		rapid.Just[Command](Ship{ShipmentID: "s1"}),
		rapid.Just[Command](Deliver{ShipmentID: "s1"}),
	)
	rapid.Check(t, func(t *rapid.T) {
		var history []Event
		for range rapid.IntRange(1, 30).Draw(t, "commands") {
			c := command.Draw(t, "command")
			events, err := Decider.Decide(c, fold(history))
			if err != nil {
				if len(events) > 0 {
					t.Fatalf("%T is refused and yields %v", c, events)
				}
				continue
			}
			history = append(history, events...)
			again, err := Decider.Decide(c, fold(history))
			if err != nil || len(again) > 0 {
				t.Fatalf("%T repeated yields %v, %v", c, again, err)
			}
		}
		seen := map[string]int{}
		for i, e := range history {
			seen[fmt.Sprintf("%T", e)]++
			before, after := fold(history[:i]), fold(history[:i+1])
			if _, reduced := e.(Amended); before.Exists() && after.Total != before.Total &&
				!(reduced && before.Status == StatusPlaced) {
				t.Fatalf("%T changes the total of an order that is %s", e, before.Status)
			}
			if before.Status == StatusCancelled || before.Status == StatusCancelling &&
				after.Status == StatusConfirmed || before.Status == StatusDelivered {
				t.Fatalf("%T follows on %s", e, before.Status)
			}
		}
		for _, once := range []Event{placed, confirmed, cancelling, cancelled, shipped, delivered} {
			if n := seen[fmt.Sprintf("%T", once)]; n > 1 {
				t.Fatalf("%T happens %d times", once, n)
			}
		}
		if seen["order.Shipped"] > 0 && seen["order.Cancelling"] > 0 {
			t.Fatal("an order is both shipped and cancelled")
		}
	})
}

func fold(events []Event) State {
	s := Decider.Initial()
	for _, e := range events {
		s = Decider.Evolve(s, e)
	}
	return s
}

// TestRegister keeps each event type registered: an event that is not can be decided but never
// stored.
func TestRegister(t *testing.T) {
	r := es.NewRegistry(Register)
	for _, e := range []Event{
		placed, matching, started, held, approved, backordered, required, requested, parked, confirmed, cancelling,
		cancelled, undoFailed, shipped, delivered,
	} {
		stored, err := r.Encode(e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := r.Decode("order/o1", 1, stored)
		if err != nil || !reflect.DeepEqual(back, e) {
			t.Errorf("%T comes back as %+v, %v", e, back, err)
		}
	}
}
