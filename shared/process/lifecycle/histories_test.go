package lifecycle_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
	"orderflow/shared/ops/reconcile"
	"orderflow/shared/ops/recount"
	"orderflow/shared/process/lifecycle/lifecycletest"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// tally is what histories came to.
type tally struct {
	histories, steps, orders int
	ends                     map[order.Status]int
	answers                  map[string]int           // by what was asked for
	moved                    map[string]int           // what else happened
	waits                    map[es.AttemptStatus]int // what became of reservations that stood in line
}

func newTally() *tally {
	return &tally{
		ends: map[order.Status]int{}, answers: map[string]int{}, moved: map[string]int{},
		waits: map[es.AttemptStatus]int{},
	}
}

func (c *tally) String() string {
	var lines []string
	for _, of := range []map[string]int{c.answers, c.moved} {
		var line []string
		for _, name := range slices.Sorted(maps.Keys(of)) {
			line = append(line, fmt.Sprintf("%s %d", name, of[name]))
		}
		lines = append(lines, strings.Join(line, ", "))
	}
	return fmt.Sprintf("%d histories of %d steps, %d orders, which end %v, and those in line %v\n%s",
		c.histories, c.steps, c.orders, c.ends, c.waits, strings.Join(lines, "\n"))
}

// history is one that is under way.
type history struct {
	*shop
	rt     *rapid.T
	count  *tally
	losing bool
	spent  bool  // the filler takes no event: each is spent, and a dead letter
	err    error // the first thing that went wrong: nothing follows it
}

// live draws a history, carries it out, and has everything come to rest. It says what is wrong with
// what is left then.
func live(rt *rapid.T, wrong fault, count *tally) error {
	h := &history{shop: newShop(fmt.Sprint(rapid.Uint16().Draw(rt, "who reads what")), wrong), rt: rt, count: count}
	lose := func(what string) error {
		if h.losing && rapid.IntRange(0, 15).Draw(h.rt, what) == 15 {
			h.count.moved[what]++
			return es.ErrUnavailable
		}
		return nil
	}
	h.store.Before = func([]es.Commit) error { return lose("request lost") }
	h.store.After = func(a es.Appended, err error) (es.Appended, error) {
		if lost := lose("answer lost"); lost != nil {
			return es.Appended{}, lost
		}
		return a, err
	}
	h.losing, h.spent = true, h.sometimes(1)
	rt.Repeat(map[string]func(*rapid.T){
		"":           h.always,
		"somebody":   h.somebody,
		"it goes on": h.goesOn,
	})
	h.losing = false
	refilled := rapid.Bool().Draw(rt, "the shelves are filled")
	carried := rapid.Bool().Draw(rt, "carriers take the rest")
	for _, next := range []func() error{
		func() error { return h.refill(refilled) }, h.rest, func() error { return h.carry(carried) }, h.rest, h.verify,
	} {
		if h.err == nil {
			h.err = next()
		}
	}
	h.count.histories++
	h.count.orders += len(h.placed)
	return h.err
}

// does notes what a step came to, and that it came to nothing good.
func (h *history) does(rt *rapid.T, step func() error) {
	h.rt = rt // what is drawn meanwhile is part of the step
	if h.err == nil {
		h.count.steps++
		h.err = step()
	}
}

// somebody does something, or sends once more what somebody has sent before.
func (h *history) somebody(rt *rapid.T) {
	h.does(rt, func() error {
		if len(h.again) > 0 && rapid.IntRange(0, 15).Draw(rt, "an old request") == 15 {
			h.count.moved["request sent later"]++
			_, err := answer(h.again[rapid.IntRange(0, len(h.again)-1).Draw(rt, "which")]())
			return err
		}
		a := lifecycletest.Actions().Draw(rt, "action")
		code, err := h.carryOut(a)
		if code != "" {
			h.count.answers[string(a.Do)+" "+code]++
		}
		return err
	})
}

// moves are what else happens, and how often against each other.
var moves = slices.Concat(
	slices.Repeat([]string{"run"}, 10), slices.Repeat([]string{"message"}, 6), slices.Repeat([]string{"inventory"}, 4),
	[]string{"late", "late", "deadline", "crash", "time-out", "sweep"},
)

// goesOn has a few things happen that nobody asks for.
func (h *history) goesOn(rt *rapid.T) {
	h.does(rt, func() error {
		for range rapid.IntRange(1, 20).Draw(rt, "how many") {
			move := rapid.SampledFrom(moves).Draw(rt, "move")
			happened, err := h.move(move)
			if err != nil {
				return fmt.Errorf("%s: %w", move, err)
			}
			if happened {
				h.count.moved[move]++
			}
		}
		return nil
	})
}

// some draws a run of a kind; nil where there is none.
func (h *history) some(kind func(*run) bool) *run {
	var of []*run
	for _, r := range h.runs {
		if kind(r) {
			of = append(of, r)
		}
	}
	if len(of) == 0 {
		return nil
	}
	r := of[rapid.IntRange(0, len(of)-1).Draw(h.rt, "run")]
	h.rt.Logf("%s is at %q", r.Name, r.at)
	return r
}

func parked(r *run) bool {
	return r.waiting && (r.at == atHold || r.at == atStock || r.at == atRequire)
}
func sent(r *run) bool   { return r.waiting && (r.at == atReserve || r.at == atRelease) }
func moving(r *run) bool { return r.live() && !r.waiting }

// which draws one of so many.
func (h *history) which(of int) int { return rapid.IntRange(0, of-1).Draw(h.rt, "which") }

// sometimes draws whether something is the case, which it is that often in eight times.
func (h *history) sometimes(inEight int) bool {
	return rapid.IntRange(0, 7).Draw(h.rt, "whether") >= 8-inEight
}

func (h *history) move(move string) (happened bool, err error) {
	switch move {
	case "run":
		if r := h.some(moving); r != nil {
			return true, h.step(r)
		}
	case "message":
		if err := h.publish(); err != nil || len(h.messages) == 0 {
			return false, err
		}
		i := h.which(len(h.messages))
		if h.wrong == losesMessages && h.sometimes(4) || h.spent && h.messages[i].to == "fill-backorders" {
			h.messages = slices.Delete(h.messages, i, i+1)
			return true, nil
		}
		again := h.sometimes(1)
		if again {
			h.count.moved["message comes again"]++
		}
		return true, h.take(i, again)
	case "inventory":
		if together := h.together(); len(together) > 0 {
			return true, h.takeStock(together...)
		}
	case "late":
		if len(h.late) > 0 {
			_, err := answer(h.late[h.which(len(h.late))]())
			return true, err
		}
	case "deadline":
		if r := h.some(parked); r != nil && h.wrong != waitsForEver {
			h.expire(r)
			return true, nil
		}
	case "crash":
		if r := h.some((*run).live); r != nil && h.sometimes(4) && h.wrong != losesMessages {
			r.enter(ended)
			return true, nil
		}
	case "time-out":
		if r := h.some(sent); r != nil {
			h.retry(r)
			return true, nil
		}
	case "sweep":
		if len(h.placed) > 0 && h.wrong != losesMessages && h.sometimes(2) {
			return true, h.sweep(h.placed[h.which(len(h.placed))])
		}
	}
	return false, nil
}

// expire is the deadline of a run that waits.
func (h *history) expire(r *run) {
	if now := h.clock.Now(); now.Before(r.deadline) {
		h.clock.Advance(r.deadline.Sub(now))
	}
	r.enter(atExpire)
}

// together are commands of the inventory's queue, each of another order.
func (h *history) together() (at []int) {
	seen := map[string]bool{}
	for i, c := range h.commands {
		if id := c.of.Input.OrderID; !seen[id] && (len(at) == 0 || h.sometimes(6)) {
			seen[id] = true
			at = append(at, i)
		}
	}
	return at
}

// refill counts more of each SKU than all who wait for it want.
func (h *history) refill(all bool) error {
	if !all {
		return nil
	}
	if err := h.quiet(); err != nil {
		return err
	}
	for _, sku := range lifecycletest.SKUs {
		level, err := h.stock.Get(context.Background(), sku)
		if err == nil {
			match := stock.Match{Version: level.Version}
			_, err = h.stock.Set(context.Background(), h.request(), sku, level.OnHand+1000, match)
		}
		if err != nil {
			return fmt.Errorf("refill %s: %w", sku, err)
		}
	}
	return nil
}

// rest has everything go on until nothing does: deadlines come, and the sweep, and all that is lost
// is found.
func (h *history) rest() error {
	for range 20 {
		if err := cmp.Or(h.quiet(), h.served()); err != nil {
			return err
		}
		waits := false
		for _, r := range h.runs {
			if parked(r) && h.wrong != waitsForEver {
				h.expire(r)
				waits = true
			}
		}
		if waits || h.wrong == losesMessages {
			continue
		}
		if open, err := h.sweepAll(); err != nil || !open {
			return err
		}
	}
	return nil // what has come to no end is found by who compares
}

// carry has carriers take and deliver what is confirmed: whatever has come before, it can be.
func (h *history) carry(all bool) error {
	for _, id := range h.placed {
		now, err := h.orders.Get(context.Background(), id)
		if errors.Is(err, order.ErrNotFound) || err == nil && (!all || now.State.Status != order.StatusConfirmed) {
			continue
		}
		parcel := shipment.ID(id, now.State.ShipmentRevision)
		if err == nil && h.wrong == "" {
			_, err = h.shipments.Dispatch(context.Background(), h.request(), parcel)
		}
		if err == nil && h.wrong == "" {
			_, err = h.shipments.Deliver(context.Background(), h.request(), parcel)
		}
		if err != nil {
			return fmt.Errorf("carry %s: %w", id, err)
		}
	}
	return nil
}

// sweepAll sweeps what is not at rest.
func (h *history) sweepAll() (open bool, err error) {
	for _, id := range h.placed {
		now, err := h.orders.Get(context.Background(), id)
		if errors.Is(err, order.ErrNotFound) {
			continue
		}
		if err != nil {
			return false, err
		}
		if open = open || !now.State.Status.Final(); now.State.Wait != nil && h.wrong == waitsForEver {
			continue
		}
		// Whoever waits is looked at after the deadline, should the run be gone that measures it.
		if wait := now.State.WaitsUntil(h.clock.Now()).Sub(h.clock.Now()); wait > 0 {
			h.clock.Advance(wait)
		}
		if err := h.sweep(id); err != nil {
			return false, err
		}
	}
	return open || h.publish() == nil && len(h.messages) > 0, nil
}

// quiet takes all that is on its way to where it goes.
func (h *history) quiet() error {
	for range 1000 {
		if err := h.publish(); err != nil {
			return err
		}
		still := len(h.messages) == 0 && len(h.commands) == 0
		for len(h.messages) > 0 {
			if err := h.take(0, false); err != nil {
				return err
			}
		}
		for len(h.commands) > 0 {
			if err := h.takeStock(0); err != nil {
				return err
			}
		}
		for _, r := range h.runs {
			if sent(r) {
				h.retry(r)
			}
			if moving(r) {
				still = false
				if err := h.step(r); err != nil {
					return err
				}
			}
		}
		if still {
			return nil
		}
	}
	return errors.New("it never comes to rest")
}

// always checks what holds after each step.
func (h *history) always(rt *rapid.T) {
	if h.rt = rt; h.err != nil {
		return
	}
	ctx := context.Background()
	for _, sku := range lifecycletest.SKUs {
		level, err := h.stock.Get(ctx, sku)
		switch {
		case err != nil:
			h.err = err
		case level.Available < 0 || level.Reserved < 0 || level.OnHand != level.Available+level.Reserved:
			h.err = fmt.Errorf("the row of %s is %+v", sku, level)
		}
	}
	for n := range lifecycletest.Customers {
		res, err := h.accounts.Get(ctx, purse(n))
		switch {
		case err != nil:
			h.err = err
		case res.State.Balance < 0:
			h.err = fmt.Errorf("account of %s has %d", customer(n), res.State.Balance)
		}
	}
}

// served says who still waits for stock when nothing is on its way, though it is there. Where
// events are spent, deadlines end that.
func (h *history) served() error {
	if h.spent {
		return nil
	}
	for _, r := range h.runs {
		if !r.waiting || r.at != atStock {
			continue
		}
		if short, err := h.short(*r); err != nil || len(short) == 0 {
			return cmp.Or(err, fmt.Errorf("%s waits for stock that it has got", r.Name))
		}
		h.count.moved["still in line"]++
	}
	ctx, waiting := context.Background(), int64(0)
	for _, sku := range lifecycletest.SKUs {
		line, err := h.counters.Line(ctx, sku)
		if err != nil {
			return err
		}
		waiting += line.Waiting
	}
	if waiting == 0 {
		return nil
	}
	report, err := h.reconcile()
	for _, f := range report.Findings {
		if strings.HasPrefix(f.Rule, "line.") { // all others are of what is at its end
			err = cmp.Or(err, fmt.Errorf("%s %s: %s", f.Rule, f.Stream, f.Detail))
		}
	}
	return err
}

func (h *history) reconcile() (reconcile.Report, error) {
	return reconcile.Verify{
		Store: h.kept, Lines: h.counters, Registry: registry, Runs: h.shop, Clock: h.clock, Segments: 1,
		Overdue: 24 * time.Hour, Keep: func(reconcile.State) error { return nil },
	}.Run(context.Background(), reconcile.State{})
}

// verify compares everything with everything, by the rules of orderflow verify.
func (h *history) verify() error {
	ctx := context.Background()
	h.clock.Advance(48 * time.Hour)
	report, err := h.reconcile()
	if err != nil {
		return err
	}
	rows, err := recount.Verify{
		Store: h.kept, Registry: registry, Rows: h.counters, Clock: h.clock, Segments: 1,
		Recent: func(context.Context, time.Time) iter.Seq2[recount.Changed, error] {
			return func(func(recount.Changed, error) bool) {}
		},
	}.Run(ctx)
	if err != nil {
		return err
	}
	var found []string
	for _, f := range report.Findings {
		found = append(found, fmt.Sprintf("%s %s: %s", f.Rule, f.Stream, f.Detail))
	}
	for _, d := range rows.Differences {
		found = append(found, fmt.Sprintf("stock.counters %s: %+v, by its events %+v", d.SKU, d.Row, d.Events))
	}
	if len(found) > 0 {
		return fmt.Errorf("%d findings:\n%s", len(found), strings.Join(found, "\n"))
	}
	for _, id := range h.placed {
		now, err := h.orders.Get(ctx, id)
		if err == nil {
			h.count.ends[now.State.Status]++
			err = cmp.Or(h.countWait(now.State), h.compareRest(now.State))
		}
		if err != nil && !errors.Is(err, order.ErrNotFound) {
			return err
		}
	}
	return nil
}

// compareRest says whether an order and the rest of it know of each other, and counts those that go
// on with what is there.
func (h *history) compareRest(of order.State) error {
	if len(of.Missing) > 0 {
		h.count.moved["part of an order"]++
	}
	if of.RestID != "" {
		rest, err := h.orders.Get(context.Background(), of.RestID)
		if err != nil || rest.State.RestOf != of.ID || len(rest.State.Rest) > 0 {
			return cmp.Or(err, fmt.Errorf("the rest of %s is %+v", of.ID, rest.State))
		}
		h.count.moved[fmt.Sprintf("rest %s of an order %s", rest.State.Status, of.Status)]++
	}
	if of.RestOf == "" {
		return nil
	}
	first, err := h.orders.Get(context.Background(), of.RestOf)
	if err != nil || first.State.RestID != of.ID || first.State.PaymentID == "" {
		return cmp.Or(err, fmt.Errorf("%s is the rest of %+v", of.ID, first.State))
	}
	return nil
}

// countWait counts what became of a reservation that stood in line.
func (h *history) countWait(of order.State) error {
	stream := es.NewStreamID(stock.ReservationCategory, stock.ReservationID(of.ID, of.StockRevision))
	history, err := h.kept.Load(context.Background(), stream, 0)
	if err != nil {
		return err
	}
	for _, e := range history.Events {
		if _, waited := e.Data.(stock.Backordered); waited {
			state, err := h.stock.Reservation(context.Background(), of.ID, of.StockRevision)
			h.count.waits[state.Status]++
			return err
		}
	}
	return nil
}

// TestHistories has customers, operators, carriers, runs, consumers and the sweep do what they do
// in any order, to many orders at once, while requests and answers are lost, messages come twice
// and in any order, runs die and time out, and requests come once more long after. Whatever has
// come of it when everything is at rest, orderflow verify finds nothing.
//
// More of it: go test ./shared/process/lifecycle -run TestHistories -v -rapid.checks=1000
// -rapid.steps=100.
func TestHistories(t *testing.T) {
	count := newTally()
	rapid.Check(t, func(rt *rapid.T) {
		if err := live(rt, "", count); err != nil {
			rt.Fatal(err)
		}
	})
	t.Log(count)
}

// missing is what no history has come to yet.
func (c *tally) missing() (all []string) {
	for _, status := range []order.Status{
		order.StatusConfirmed, order.StatusShipped, order.StatusDelivered, order.StatusCancelled,
	} {
		if c.ends[status] == 0 {
			all = append(all, fmt.Sprintf("an order that ends %s", status))
		}
	}
	for _, status := range []es.AttemptStatus{es.AttemptDone, es.AttemptUndone, es.AttemptVoided} {
		if c.waits[status] == 0 {
			all = append(all, fmt.Sprintf("a reservation that stood in line and ends %s", status))
		}
	}
	for _, name := range []string{
		"part of an order", "rest cancelled of an order confirmed", "rest confirmed of an order confirmed",
	} {
		if c.moved[name] == 0 {
			all = append(all, name)
		}
	}
	for _, done := range lifecycletest.All {
		if name := string(done) + " done"; c.answers[name] == 0 {
			all = append(all, name)
		}
	}
	return all
}

// TestHistoriesComeToEverything: the draws leave nothing out that the histories are there for. The
// seeds are the same each time, and so is what they come to.
func TestHistoriesComeToEverything(t *testing.T) {
	count := newTally()
	histories := drawn("", count)
	const first = 32 // from which on few come to everything
	for n := range 100 {
		seed := first + n
		if found := histories.Example(seed); found != "" {
			t.Fatalf("seed %d: %s", seed, found)
		}
		if len(count.missing()) == 0 {
			t.Logf("by seed %d: %s", seed, count)
			return
		}
	}
	t.Errorf("nothing came to %q: %s", count.missing(), count)
}

// drawn are histories, as what is wrong with them.
func drawn(wrong fault, count *tally) *rapid.Generator[string] {
	return rapid.Custom(func(rt *rapid.T) string {
		if err := live(rt, wrong, count); err != nil {
			return err.Error()
		}
		return ""
	})
}

// TestHistoriesFindFaults: what is done wrong in some place is found in a history.
func TestHistoriesFindFaults(t *testing.T) {
	// The first seed that is tried is one that found it, for the time that it takes.
	for wrong, first := range map[fault]int{
		forgetsRefunds: 75, forgetsReleases: 5, leavesParcels: 27, chargesAnew: 96, losesMessages: 70,
		leavesPayments: 61, leavesStock: 87, waitsForEver: 25, servesNobody: 16, wakesNobody: 70,
		reducesNothing: 6,
	} {
		t.Run(string(wrong), func(t *testing.T) {
			t.Parallel()
			histories := drawn(wrong, newTally())
			for n := range 200 {
				seed := first + n
				if found := histories.Example(seed); found != "" {
					t.Logf("found by seed %d: %s", seed, found)
					return
				}
			}
			t.Error("not found")
		})
	}
}
