package lifecycle

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// amount is the rule that a held order matches.
var amount = []string{"amount"}

// placed is a world in which an order was just placed.
func placed(account string, rules []string, can budget) world {
	return placedFor(1, account, rules, "", can)
}

// placedFor is placed for so many pieces, with a word for where not all are there.
func placedFor(quantity int64, account string, rules []string, policy goods.OutOfStock, can budget) world {
	w := world{Counted: pieces, Available: pieces, Can: can}
	w.Payments, w.Charged = map[int64]es.AttemptStatus{}, map[int64]int{}
	if account == rich {
		w.Balance = price
	}
	err := w.decide(order.Place{
		OrderID: "o", CustomerID: "c", AccountID: account, HoldRules: rules,
		Lines:      []order.Line{{SKU: "a", Quantity: quantity, UnitPrice: money.Money{Amount: 1, Currency: "EUR"}}},
		OutOfStock: policy,
	})
	if err != nil {
		panic(err)
	}
	return w
}

// ample is placed in a world with a piece and money to spare.
func ample(account string, rules []string, can budget) world {
	w := placed(account, rules, can)
	w.Counted, w.Available = w.Counted+pieces, w.Available+pieces
	if account == rich {
		w.Balance, w.Deposits = w.Balance+price, w.Deposits+price
	}
	return w
}

// soldOut is placed in a world without pieces, by a customer who waits for them.
func soldOut(account string, can budget) world {
	w := placed(account, nil, can)
	w.Patient, w.Counted, w.Available = true, 0, 0
	return w
}

// partly is placed for two pieces in a world with one.
func partly(account string, policy goods.OutOfStock, can budget) world {
	w := placedFor(2, account, nil, policy, can)
	w.Partial, w.Patient = policy.Partial(), policy.Waits()
	return w
}

// deposited is a world with money for a piece more.
func deposited(w world) world {
	w.Balance, w.Deposits = w.Balance+price, w.Deposits+price
	return w
}

// none is a world without its pieces.
func (w world) none() world {
	w.Counted, w.Available = 0, 0
	return w
}

// TestEveryHistory visits all that can become of an order with as much trouble as each line says.
func TestEveryHistory(t *testing.T) {
	for name, begin := range map[string]world{
		"plain, cancelled":  placed(rich, nil, budget{Cancels: 1}),
		"plain, crash":      placed(rich, nil, budget{Cancels: 1, Crashes: 1}),
		"plain, late":       placed(rich, nil, budget{Cancels: 1, Late: 1}),
		"plain, slow":       placed(rich, nil, budget{Cancels: 1, Sweeps: 1, Crashes: 1}),
		"declined":          placed(poor, nil, budget{Cancels: 1, Deposits: 1, Requests: 2}),
		"declined, crash":   placed(poor, nil, budget{Deposits: 1, Requests: 1, Crashes: 1}),
		"declined, late":    placed(poor, nil, budget{Deposits: 1, Requests: 1, Late: 1}),
		"held":              placed(rich, amount, budget{Cancels: 1, Approvals: 1, Declines: 1}),
		"held, crash":       placed(rich, amount, budget{Approvals: 1, Declines: 1, Crashes: 1}),
		"held, late":        placed(rich, amount, budget{Approvals: 1, Declines: 1, Late: 1}),
		"sold out":          soldOut(rich, budget{Cancels: 1, Restocks: 1}),
		"sold out, crash":   soldOut(rich, budget{Cancels: 1, Restocks: 1, Crashes: 1}),
		"sold out, late":    soldOut(rich, budget{Cancels: 1, Restocks: 1, Late: 1}),
		"sold out, poor":    soldOut(poor, budget{Deposits: 1, Requests: 1, Restocks: 1}),
		"sold out, unpaid":  soldOut(poor, budget{Deposits: 1, Requests: 1, Restocks: 1, Late: 1}),
		"amended":           ample(rich, nil, budget{Cancels: 1, More: 1, Fewer: 1}),
		"amended, crash":    ample(rich, nil, budget{Cancels: 1, More: 1, Crashes: 1}),
		"amended, late":     ample(rich, nil, budget{Cancels: 1, More: 1, Late: 1}),
		"amended, too dear": placed(rich, nil, budget{Cancels: 1, More: 1, Deposits: 1, Restocks: 1}),
		"amended, held":     ample(rich, amount, budget{Approvals: 1, Declines: 1, More: 1, Crashes: 1}),
		"amended, declined": ample(poor, nil, budget{Deposits: 2, Requests: 1, More: 1, Fewer: 1}),
		"dropped":           partly(rich, goods.PartialDrop, budget{Cancels: 1, Restocks: 1}),
		"dropped, crash":    partly(rich, goods.PartialDrop, budget{Cancels: 1, Crashes: 1}),
		"dropped, late":     partly(rich, goods.PartialDrop, budget{Cancels: 1, Late: 1}),
		"dropped, slow":     partly(rich, goods.PartialDrop, budget{Cancels: 1, Sweeps: 1, Crashes: 1}),
		"dropped, poor":     partly(poor, goods.PartialDrop, budget{Deposits: 1, Requests: 1, Cancels: 1, Late: 1}),
		"dropped, amended":  partly(rich, goods.PartialDrop, budget{Restocks: 1, Deposits: 1, More: 1, Late: 1}),
		"divided":           partly(rich, goods.PartialWait, budget{Cancels: 1, Restocks: 1, Rests: 1}),
		"divided, crash":    partly(rich, goods.PartialWait, budget{Cancels: 1, Crashes: 1, Rests: 1}),
		"divided, late":     partly(rich, goods.PartialWait, budget{Cancels: 1, Late: 1, Rests: 1}),
		"divided, slow":     partly(rich, goods.PartialWait, budget{Cancels: 1, Sweeps: 1, Crashes: 1}),
		"divided, poor":     partly(poor, goods.PartialWait, budget{Deposits: 1, Requests: 1, Cancels: 1, Crashes: 1}),
		"nothing, dropped":  partly(rich, goods.PartialDrop, budget{Cancels: 1, Restocks: 2, Crashes: 1}).none(),
		"nothing, waits":    partly(rich, goods.PartialWait, budget{Cancels: 1, Restocks: 2, Deposits: 1}).none(),
		"held and declined": placed(poor, amount, budget{Approvals: 1, Deposits: 1, Requests: 1}),
	} {
		t.Run(name, func(t *testing.T) {
			g, err := endsAlways(begin)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d states", len(g.worlds))
		})
	}
}

// endsAlways visits all histories, and says whether one of them breaks a rule, or leads to where no
// further step ends the order.
func endsAlways(begin world) (graph, error) {
	g, err := explore(begin, steps, rule)
	if err != nil {
		return g, err
	}
	for i, can := range g.reaches(func(w world) bool { return w.Order.Status.Final() }) {
		if !can {
			return g, fmt.Errorf("the order can't end any more\n%s", g.history(i))
		}
	}
	return g, nil
}

// wakesAlways visits all histories in which no deadline comes, and says whether a run waits in one
// of them that nobody wakes.
func wakesAlways(begin world) (graph, error) {
	begin.Can.WaitForEver = true
	g, err := explore(begin, steps, rule)
	if err != nil {
		return g, err
	}
	for i, w := range g.worlds {
		waits := w.Order.Wait != nil && (w.Order.Wait.Kind != order.WaitStock || w.InLine)
		if len(g.after[i]) == 0 && !w.Order.Status.Final() && !waits {
			return g, fmt.Errorf("a run waits, and nobody wakes it\n%s", g.history(i))
		}
	}
	return g, nil
}

// TestNoLostWakeUp: also where no deadline ever comes, an order whose wait is over goes on.
func TestNoLostWakeUp(t *testing.T) {
	for name, begin := range map[string]world{
		"declined":            placed(poor, nil, budget{Deposits: 1, Requests: 1, Late: 1, Crashes: 1}),
		"declined, cancelled": placed(poor, nil, budget{Cancels: 1, Late: 1}),
		"held":                placed(rich, amount, budget{Approvals: 1, Declines: 1, Late: 1, Crashes: 1}),
		"sold out":            soldOut(rich, budget{Restocks: 1, Late: 1, Crashes: 1}),
		"sold out, unpaid":    soldOut(poor, budget{Restocks: 1, Deposits: 1, Requests: 1, Late: 1}),
		"divided":             partly(rich, goods.PartialWait, budget{Late: 1, Crashes: 1}),
		"nothing, waits":      partly(rich, goods.PartialWait, budget{Restocks: 2, Deposits: 1, Late: 1}).none(),
	} {
		t.Run(name, func(t *testing.T) {
			g, err := wakesAlways(begin)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%d states", len(g.worlds))
		})
	}
}

// TestFaultsAreFound: what is done wrong breaks a rule.
func TestFaultsAreFound(t *testing.T) {
	for _, tc := range []struct {
		fault fault
		begin world
		check func(world) (graph, error)
	}{
		{parksBlindly, placed(rich, amount, budget{Approvals: 1}), wakesAlways},
		{looksNever, soldOut(rich, budget{Restocks: 1}), wakesAlways},
		{refundsTheFirst, placed(poor, nil, budget{Cancels: 1, Deposits: 1, Requests: 1}), endsAlways},
		{cancelsTooLate, placed(rich, nil, budget{Cancels: 1}), endsAlways},
		{amendsTooLate, ample(rich, nil, budget{More: 1}), endsAlways},
		{chargesBefore, ample(poor, nil, budget{Deposits: 2, Requests: 1, More: 1}), endsAlways},
		{amendsUnpaid, ample(poor, nil, budget{Deposits: 1, More: 1}), endsAlways},
		{releasesAsRead, ample(poor, nil, budget{More: 1}), endsAlways},
		{reducesNothing, deposited(partly(rich, goods.PartialDrop, budget{})), endsAlways},
		{dividesAtOnce, partly(rich, goods.PartialWait, budget{Cancels: 1}), endsAlways},
		{leavesRests, partly(rich, goods.PartialWait, budget{Cancels: 1}), endsAlways},
		{wakesNobody, placed(poor, nil, budget{Cancels: 1}), func(w world) (graph, error) {
			g, err := wakesAlways(w)
			for i, w := range g.worlds {
				if err == nil && len(g.after[i]) == 0 && slices.ContainsFunc(w.Runs, run.live) &&
					w.Order.Status.Final() {
					err = errors.New("a run waits for ever")
				}
			}
			return g, err
		}},
	} {
		t.Run(string(tc.fault), func(t *testing.T) {
			if _, err := tc.check(tc.begin); err != nil {
				t.Fatal("without it:", err)
			}
			tc.begin.Can.Fault = tc.fault
			if _, err := tc.check(tc.begin); err == nil {
				t.Error("not found")
			}
		})
	}
}
