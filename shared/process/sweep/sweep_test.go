package sweep_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/process/saga"
	"orderflow/shared/process/sweep"
	"orderflow/shared/process/sweep/sweeptest"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/stock/stocktest"
	"orderflow/shared/shop/trail"
)

// TestMain keeps the log, a line an order, out of the tests' output.
func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	os.Exit(m.Run())
}

const budget = time.Hour

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

var errDown = errors.New("down")

// world is a store, its clock, and a state machine of which only the names are seen.
type world struct {
	clock *clock.Fake
	store es.Store
	runs  *runs
	ids   []string
	rows  map[string]orders.Row // as the view has them: only what project was called for
	// counted is what each metric was given, a number a sweep.
	counted map[string][]int64
	rounds  sweep.Rounds
	// counters are the rows of stock.
	counters *stocktest.Counters
	mu       sync.Mutex // of slots: sweeps run side by side
	slots    []string   // that were looked at
}

// newWorld is one in which it is the turn of the orders that wait in one slot with o1.
func newWorld() *world {
	registry := es.NewRegistry(customer.Register, order.Register, shipment.Register, stock.Register)
	rounds, turn := &sweeptest.Memory{}, sweep.Place{Slot: orders.Slot("o1")}
	at := sweep.Position{Waiting: turn, Shipped: turn}
	if _, saved, err := rounds.Save(context.Background(), at); err != nil || !saved {
		panic(fmt.Sprint("no position is kept: ", err))
	}
	return &world{
		clock: clock.NewFake(start), store: memstore.New(registry),
		runs: &runs{names: map[string]bool{}}, rows: map[string]orders.Row{}, counted: map[string][]int64{},
		rounds: rounds, counters: stocktest.NewCounters(),
	}
}

func (w *world) sweeper() sweep.Sweeper {
	shipments := shipment.New(shipment.Deps{Store: w.store, Clock: w.clock})
	return sweep.Sweeper{
		Rows: w, Orders: order.New(order.Deps{Store: w.store, Clock: w.clock, Shipments: shipments}),
		Shipments: shipments,
		Customers: customer.New(customer.Deps{Store: w.store, Clock: w.clock}),
		Runs:      w.runs, Rounds: w.rounds, Clock: w.clock, Budget: budget,
		Stock: stock.New(stock.Deps{Store: w.store, Clock: w.clock, Counters: w.counters}),
		Count: func(metric string, n int64) { w.counted[metric] = append(w.counted[metric], n) },
	}
}

// traceID is that of what commits follow from.
const traceID = "4bf92f3577b34da6a3ce929d0e0e4736"

// do appends events to an order's stream, and projects them.
func (w *world) do(t fataler, id string, events ...any) {
	t.Helper()
	stream := es.NewStreamID(order.Category, id)
	history, err := w.store.Load(context.Background(), stream, 0)
	if err == nil {
		_, err = w.store.Append(context.Background(), []es.Commit{{
			Head: history.Head, ID: fmt.Sprint("given-", history.Head.Version()), Time: w.clock.Now(), Events: events,
			Metadata: es.Metadata{
				CorrelationID: "correlation", Traceparent: "00-" + traceID + "-00f067aa0ba902b7-01",
			},
		}})
	}
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(w.ids, id) {
		w.ids = append(w.ids, id)
	}
	w.project(t, id)
}

// project brings an order's row up to date.
func (w *world) project(t fataler, id string) {
	t.Helper()
	row := orders.Row{}
	for _, e := range w.history(t, id) {
		row = orders.Evolve(row, e)
	}
	w.rows[id] = row
}

func (w *world) history(t fataler, id string) []es.Recorded {
	t.Helper()
	h, err := w.store.Load(context.Background(), es.NewStreamID(order.Category, id), 0)
	if err != nil {
		t.Fatal(err)
	}
	return h.Events
}

func (w *world) state(t fataler, id string) order.State {
	t.Helper()
	s, err := es.Fold(order.Decider.Initial(), order.Evolve, w.history(t, id))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) Open(_ context.Context, dated orders.Dated) iter.Seq2[orders.Listed, error] {
	return w.list(dated, "", func(_ string, r orders.Row) bool {
		return unfinished(r, dated) && r.Saga.State != order.SagaFailed
	})
}

func (w *world) Failed(_ context.Context, dated orders.Dated) iter.Seq2[orders.Listed, error] {
	return w.list(dated, "", func(_ string, r orders.Row) bool {
		return unfinished(r, dated) && r.Saga.State == order.SagaFailed
	})
}

func unfinished(r orders.Row, dated orders.Dated) bool {
	return (r.Status.Open() || r.Status == order.StatusCancelling) && so(dated, r.UpdatedAt) &&
		!r.WaitsUntil.After(dated.Before)
}

func so(dated orders.Dated, at time.Time) bool {
	return at.Before(dated.Before) || at.After(dated.After)
}

func (w *world) looksAt(slot string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.slots = append(w.slots, slot)
}

func (w *world) Waiting(_ context.Context, slot int, dated orders.Dated, after string) iter.Seq2[orders.Listed, error] {
	w.looksAt(fmt.Sprint("waiting ", slot))
	return w.list(dated, after, func(id string, r orders.Row) bool {
		return r.Status == order.StatusConfirmed && orders.Slot(id) == slot
	})
}

func (w *world) Shipped(_ context.Context, slot int, dated orders.Dated, after string) iter.Seq2[orders.Listed, error] {
	w.looksAt(fmt.Sprint("shipped ", slot))
	return w.list(dated, after, func(id string, r orders.Row) bool {
		return r.Status == order.StatusShipped && orders.Slot(id) == slot
	})
}

func (w *world) list(
	dated orders.Dated, after string, match func(string, orders.Row) bool,
) iter.Seq2[orders.Listed, error] {
	var list []orders.Listed
	for _, id := range w.ids {
		r := w.rows[id]
		place := view.TimeKey(r.PlacedAt, id)
		if match(id, r) && so(dated, r.PlacedAt) && place > after {
			list = append(list, orders.Listed{ID: id, Place: place})
		}
	}
	slices.SortFunc(list, func(a, b orders.Listed) int { return strings.Compare(a.Place, b.Place) })
	return func(yield func(orders.Listed, error) bool) {
		for _, listed := range list {
			if !yield(listed, nil) {
				return
			}
		}
	}
}

type fataler interface {
	Helper()
	Fatal(...any)
}

// runs are the state machine's executions: whether each still goes. They answer as Step Functions
// does: a start of a run that goes is a success like the first, and only a run that has ended is
// known as one that was there.
type runs struct {
	mu      sync.Mutex
	names   map[string]bool
	strict  bool // knows runs that go as ones that were there too, as stand-ins of Step Functions do
	started []string
	fail    func(call string) error // called ahead of each
	late    func(name string) error // called behind each start: the run is there, and nobody hears of it
}

func (r *runs) Start(_ context.Context, run saga.Run) (bool, error) {
	if err := run.Validate(); err != nil {
		return false, err
	}
	if run.Input.CorrelationID != "correlation" {
		return false, fmt.Errorf("%s is said to belong to %q", run.Name, run.Input.CorrelationID)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail("start " + run.Name); err != nil {
			return false, err
		}
	}
	if goes, exists := r.names[run.Name]; exists {
		return goes && !r.strict, nil
	}
	r.names[run.Name], r.started = true, append(r.started, run.Name)
	if r.late != nil {
		if err := r.late(run.Name); err != nil {
			return false, err
		}
	}
	return true, nil
}

func (r *runs) Running(_ context.Context, name string) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail("look at " + name); err != nil {
			return false, err
		}
	}
	return r.names[name], nil
}

var (
	placed    = order.Placed{OrderID: "o1", CustomerID: "c1"}
	started   = order.Started{SagaID: "o1"}
	confirmed = order.Confirmed{SagaID: "o1", PaymentID: "p1"}
	bySaga    = order.Cancelling{
		Reason: "stock.insufficient", From: order.StatusPlaced, Origin: order.OriginSaga, SagaID: "o1",
	}
	byCustomer = order.Cancelling{Reason: order.ReasonCustomer, From: order.StatusPlaced, Origin: order.OriginCustomer}
	undoFailed = order.UndoFailed{SagaID: "o1", Steps: []string{"refund"}}
	cancelled  = order.Cancelled{SagaID: "o1", Reason: order.ReasonCustomer}
)

// found is an order's events and the executions that there were, the time that has passed since,
// and what the sweep does.
type found struct {
	name    string
	events  []any
	runs    map[string]bool
	passed  time.Duration
	stage   sweep.Stage
	action  sweep.Action
	started []string
	status  order.Status
}

// sweeps wants what the sweep finds, does and leaves, whatever Step Functions remembers of names.
func sweeps(t *testing.T, cases []found) {
	t.Helper()
	for _, strict := range []bool{false, true} {
		for _, tt := range cases {
			t.Run(fmt.Sprintf("%s, strict %v", tt.name, strict), func(t *testing.T) {
				w := newWorld()
				w.runs.strict = strict
				for _, e := range tt.events {
					w.do(t, "o1", e)
				}
				maps.Copy(w.runs.names, tt.runs)
				w.clock.Advance(tt.passed)
				summary, err := w.sweeper().Sweep(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				want := sweep.Summary{Found: map[sweep.Stage]int{}, Actions: map[sweep.Action]int{}}
				counted := map[string][]int64{
					sweep.MetricFound: {0}, sweep.MetricFailed: {0}, sweep.MetricUnprepared: {0},
					sweep.MetricAtOdds: {0},
				}
				switch tt.stage {
				case "":
				case sweep.StageFailed:
					counted[sweep.MetricFailed] = []int64{1}
				case sweep.StageUnprepared:
					counted[sweep.MetricUnprepared] = []int64{1}
				default:
					counted[sweep.MetricFound] = []int64{1}
				}
				if tt.stage != "" {
					want.Found[tt.stage], want.Actions[tt.action] = 1, 1
				}
				if diff := cmp.Diff(want, summary); diff != "" {
					t.Errorf("summary: (-want +got)\n%s", diff)
				}
				if diff := cmp.Diff(tt.started, w.runs.started); diff != "" {
					t.Errorf("started: (-want +got)\n%s", diff)
				}
				if diff := cmp.Diff(counted, w.counted); diff != "" {
					t.Errorf("counted: (-want +got)\n%s", diff)
				}
				state := w.state(t, "o1")
				if state.Status != tt.status {
					t.Errorf("the order is %s, want %s", state.Status, tt.status)
				}
				if tt.action == sweep.ActionClosed {
					events := w.history(t, "o1")
					last := events[len(events)-1]
					if state.Reason != order.ReasonExpired || state.ClosedBy != order.OriginSweep ||
						last.Metadata.CorrelationID != "correlation" {
						t.Errorf("closed by %s for %s, %+v", state.ClosedBy, state.Reason, last.Metadata)
					}
				}
			})
		}
	}
}

// TestSweepWaiting: an order that waits stands still only once a budget has passed since its
// deadline, whatever has become of the run that measures it.
func TestSweepWaiting(t *testing.T) {
	const waiting = 10 * budget
	until := start.Add(waiting).Format(time.RFC3339)
	parked := order.Parked{Token: "t", SagaID: "o1"}
	matching := placed
	matching.HoldRules = []string{"amount"}
	pays := []any{placed, started, order.PaymentRequired{Revision: 1, Code: "c", Until: until}, parked}
	holds := []any{matching, order.Held{Rules: matching.HoldRules, Until: until}, parked}
	sweeps(t, []found{
		{
			name: "to be paid", events: pays, runs: map[string]bool{"o1": true},
			passed: waiting + budget - time.Second, status: order.StatusPaymentRequired,
		},
		{
			name: "to be paid, and the run is gone", events: pays, runs: map[string]bool{"o1": false},
			passed: waiting + budget + time.Second,
			stage:  sweep.StageRunning, action: sweep.ActionClosed, started: []string{"o1-undo-5"},
			status: order.StatusCancelling,
		},
		{
			name: "backordered, and the run is gone", runs: map[string]bool{"o1": false},
			events: []any{placed, started, order.Backordered{Revision: 1, Until: until}},
			passed: waiting + budget + time.Second,
			stage:  sweep.StageRunning, action: sweep.ActionClosed, started: []string{"o1-undo-4"},
			status: order.StatusCancelling,
		},
		{
			name: "paid again, and the run is gone", runs: map[string]bool{"o1": false},
			events: append(slices.Clone(pays), order.PaymentRequested{AccountID: "a2", Revision: 2, By: "c"}),
			passed: budget + time.Second,
			stage:  sweep.StageRunning, action: sweep.ActionClosed, started: []string{"o1-undo-6"},
			status: order.StatusCancelling,
		},
		{
			name: "held", events: holds, runs: map[string]bool{"o1": true}, passed: waiting + budget - time.Second,
			status: order.StatusHeld,
		},
		{
			name: "held, and the run is gone", events: holds, runs: map[string]bool{"o1": false},
			passed: waiting + budget + time.Second,
			stage:  sweep.StagePending, action: sweep.ActionClosed, started: []string{"o1-undo-4"},
			status: order.StatusCancelling,
		},
		{
			name: "held, and the run still goes", events: holds, runs: map[string]bool{"o1": true},
			passed: waiting + budget + time.Second,
			stage:  sweep.StagePending, action: sweep.ActionLeft, status: order.StatusHeld,
		},
		{
			name: "approved, and the run is gone", runs: map[string]bool{"o1": false},
			events: append(slices.Clone(holds), order.Approved{By: "o"}), passed: budget + time.Second,
			stage: sweep.StagePending, action: sweep.ActionClosed, started: []string{"o1-undo-5"},
			status: order.StatusCancelling,
		},
	})
}

// TestSweepForward: an order that is not confirmed in time gets an execution, or is closed.
func TestSweepForward(t *testing.T) {
	const standing = budget + time.Second
	sweeps(t, []found{
		{name: "just placed", events: []any{placed}, passed: budget - time.Second, status: order.StatusPlaced},
		{
			name: "placed, never started", events: []any{placed}, passed: standing,
			stage: sweep.StagePending, action: sweep.ActionStarted, started: []string{"o1"}, status: order.StatusPlaced,
		},
		{
			name: "placed, and the run is under way", events: []any{placed}, runs: map[string]bool{"o1": true},
			passed: standing,
			stage:  sweep.StagePending, action: sweep.ActionLeft, status: order.StatusPlaced,
		},
		{
			name: "placed, and the run is gone", events: []any{placed}, runs: map[string]bool{"o1": false},
			passed: standing,
			stage:  sweep.StagePending, action: sweep.ActionClosed, started: []string{"o1-undo-2"},
			status: order.StatusCancelling,
		},
		{
			name: "just started", events: []any{placed, started}, runs: map[string]bool{"o1": true},
			passed: budget - time.Second, status: order.StatusPlaced,
		},
		{
			name: "started, and the run is gone", events: []any{placed, started}, runs: map[string]bool{"o1": false},
			passed: standing,
			stage:  sweep.StageRunning, action: sweep.ActionClosed, started: []string{"o1-undo-3"},
			status: order.StatusCancelling,
		},
		{
			name: "started, and the run still goes past the budget", events: []any{placed, started},
			runs: map[string]bool{"o1": true}, passed: standing,
			stage: sweep.StageRunning, action: sweep.ActionClosed, started: []string{"o1-undo-3"},
			status: order.StatusCancelling,
		},
	})
}

// TestSweepUndo: an order whose undo stalled gets another execution, at most one a budget.
func TestSweepUndo(t *testing.T) {
	const standing = budget + time.Second
	sweeps(t, []found{
		{
			name: "cancelled by the customer, never undone", events: []any{placed, byCustomer}, passed: standing,
			stage: sweep.StageCompensating, action: sweep.ActionResumed, started: []string{"o1-undo-2"},
			status: order.StatusCancelling,
		},
		{
			name: "cancelled by the customer, being undone", events: []any{placed, byCustomer},
			runs: map[string]bool{"o1-undo-2": true}, passed: standing,
			stage: sweep.StageCompensating, action: sweep.ActionLeft, status: order.StatusCancelling,
		},
		{
			name: "the undoing run is gone", events: []any{placed, byCustomer},
			runs: map[string]bool{"o1-undo-2": false}, passed: standing,
			stage: sweep.StageCompensating, action: sweep.ActionResumed, started: []string{"o1-undo-2-1"},
			status: order.StatusCancelling,
		},
		{
			name: "the resumed run was started in this budget", events: []any{placed, byCustomer},
			runs: map[string]bool{"o1-undo-2": false, "o1-undo-2-1": true}, passed: standing,
			stage: sweep.StageCompensating, action: sweep.ActionLeft, status: order.StatusCancelling,
		},
		{
			name: "the resumed run was started in this budget, and is gone", events: []any{placed, byCustomer},
			runs: map[string]bool{"o1-undo-2": false, "o1-undo-2-1": false}, passed: standing,
			stage: sweep.StageCompensating, action: sweep.ActionLeft, status: order.StatusCancelling,
		},
		{
			name: "the resumed run goes on into the next budget", events: []any{placed, byCustomer},
			runs: map[string]bool{"o1-undo-2": false, "o1-undo-2-1": true}, passed: 2*budget + time.Second,
			stage: sweep.StageCompensating, action: sweep.ActionLeft, status: order.StatusCancelling,
		},
		{
			name: "the resumed run is gone in the next budget", events: []any{placed, byCustomer},
			runs: map[string]bool{"o1-undo-2": false, "o1-undo-2-1": false}, passed: 2*budget + time.Second,
			stage: sweep.StageCompensating, action: sweep.ActionResumed, started: []string{"o1-undo-2-2"},
			status: order.StatusCancelling,
		},
		{
			name: "the run that closed the order undoes it", events: []any{placed, started, bySaga},
			runs: map[string]bool{"o1": true}, passed: standing,
			stage: sweep.StageCompensating, action: sweep.ActionLeft, status: order.StatusCancelling,
		},
		{
			name: "the run that closed the order is gone", events: []any{placed, started, bySaga},
			runs: map[string]bool{"o1": false}, passed: standing,
			stage: sweep.StageCompensating, action: sweep.ActionResumed, started: []string{"o1-undo-3"},
			status: order.StatusCancelling,
		},
		{
			name: "cancelled after it was confirmed", events: []any{placed, started, confirmed, byCustomer},
			runs: map[string]bool{"o1": false}, passed: standing,
			stage: sweep.StageCompensating, action: sweep.ActionResumed, started: []string{"o1-undo-4"},
			status: order.StatusCancelling,
		},
	})
}

// TestSweepSettled: an order that is settled, or that people have to look at, is left.
func TestSweepSettled(t *testing.T) {
	const standing = budget + time.Second
	sweeps(t, []found{
		{
			name: "the undo has failed", events: []any{placed, started, bySaga, undoFailed},
			runs: map[string]bool{"o1": false}, passed: standing,
			stage: sweep.StageFailed, action: sweep.ActionNone, status: order.StatusCancelling,
		},
		{
			name: "just confirmed", events: []any{placed, started, confirmed}, passed: budget - time.Second,
			status: order.StatusConfirmed,
		},
		{
			name: "confirmed, and nothing follows", events: []any{placed, started, confirmed}, passed: standing,
			stage: sweep.StageUnprepared, action: sweep.ActionNone, status: order.StatusConfirmed,
		},
		{
			name: "cancelled", events: []any{placed, byCustomer, cancelled}, passed: standing,
			status: order.StatusCancelled,
		},
	})
}

// waiting is an order that waits, and what the sweep does about it.
type waiting struct {
	order    []any
	shipment []any
	stage    sweep.Stage
	action   sweep.Action
	then     []any // the order's further events
	stock    []any // the reservation's, reserved and departed where it is nil
	booked   any   // its further one
}

// follows sweeps each order with its shipment and its reservation, twice.
func follows(t *testing.T, cases map[string]waiting) {
	t.Helper()
	id := shipment.ID("o1", 1)
	items := []stock.Item{{SKU: "s1", Quantity: 2}}
	reservationID := stock.ReservationID("o1", 1)
	reserved := stock.Reserved{ReservationID: reservationID, OrderID: "o1", Items: items}
	departed := stock.Departed{ReservationID: reservationID, OrderID: "o1", Items: items}
	for name, tt := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.do(t, "o1", tt.order...)
			w.append(t, es.NewStreamID(shipment.Category, id), nil, tt.shipment...)
			if tt.stock == nil {
				tt.stock = []any{reserved, departed}
			}
			counted := stock.Restocked{SKU: "s1", Delta: 5, Counted: 5}
			w.append(
				t, es.NewStreamID(stock.Category, "s1"),
				w.counters.Restock(stock.Level{SKU: "s1"}, 5, 1, stock.Marks{}, stock.Waiting{}), counted,
			)
			w.append(
				t, es.NewStreamID(stock.ReservationCategory, reservationID),
				w.counters.Reserve(items, stock.Marks{}, stock.Shortage{}),
				tt.stock...,
			)
			w.clock.Advance(budget + time.Second)
			summary, err := w.sweeper().Sweep(t.Context())
			want := sweep.Summary{Found: map[sweep.Stage]int{}, Actions: map[sweep.Action]int{}}
			if tt.stage != "" {
				want.Found[tt.stage], want.Actions[tt.action] = 1, 1
			}
			if got := w.counted[sweep.MetricAtOdds]; len(got) != 1 || got[0] != int64(want.Found[sweep.StageAtOdds]) {
				t.Errorf("counted %v", w.counted)
			}
			if diff := cmp.Diff(want, summary); diff != "" || err != nil {
				t.Errorf("%v, summary: (-want +got)\n%s", err, diff)
			}
			history := w.history(t, "o1")
			var then []any
			for _, e := range history[len(tt.order):] {
				then = append(then, e.Data)
				if e.Metadata.CorrelationID != "correlation" || e.Metadata.Actor != "sweep-orders" {
					t.Errorf("%s is by %+v", e.Type, e.Metadata)
				}
			}
			if diff := cmp.Diff(tt.then, then); diff != "" {
				t.Errorf("the order's further events: (-want +got)\n%s", diff)
			}
			reservation, err := w.store.Load(t.Context(), es.NewStreamID(stock.ReservationCategory, reservationID), 0)
			if err != nil {
				t.Fatal(err)
			}
			var further any
			for _, e := range reservation.Events[len(tt.stock):] {
				further = e.Data
			}
			if diff := cmp.Diff(tt.booked, further); diff != "" || len(reservation.Events) > len(tt.stock)+1 {
				t.Errorf("the reservation's further event: (-want +got)\n%s", diff)
			}
			// The next turn finds nothing more to do but what is for people.
			w.project(t, "o1")
			w.clock.Advance(budget + time.Second)
			again, err := w.turn("o1").Sweep(t.Context())
			acted := again.Actions[sweep.ActionFollowed] + again.Actions[sweep.ActionCommitted]
			if acted > 0 && tt.booked != nil || err != nil {
				t.Errorf("again: %+v, %v", again, err)
			}
		})
	}
}

// TestWaiting: an order that waits follows its shipment once that has left or arrived, though the
// event that says so is exhausted.
func TestWaiting(t *testing.T) {
	id := shipment.ID("o1", 1)
	scheduled := shipment.Scheduled{ShipmentID: id, OrderID: "o1", TrackingNumber: "OF1"}
	prepared := shipment.Prepared{ShipmentID: id, OrderID: "o1", CustomerID: "c1"}
	dispatched := shipment.Dispatched{
		ShipmentID: id, OrderID: "o1", TrackingNumber: "OF1", DispatchedAt: "2026-01-02T03:00:00Z",
	}
	delivered := shipment.Delivered{ShipmentID: id, OrderID: "o1", DispatchedAt: "2026-01-02T03:00:00Z"}
	ordered := []any{
		order.Placed{OrderID: "o1", CustomerID: "c1", Revision: 1}, started,
		order.Confirmed{SagaID: "o1", PaymentID: "p1", ShipmentID: id},
	}
	shipped := order.Shipped{ShipmentID: id, Revision: 1, DispatchedAt: "2026-01-02T03:00:00Z"}
	arrived := order.Delivered{ShipmentID: id}
	items := []stock.Item{{SKU: "s1", Quantity: 2}}
	reservationID := stock.ReservationID("o1", 1)
	reserved := stock.Reserved{ReservationID: reservationID, OrderID: "o1", Items: items}
	departed := stock.Departed{ReservationID: reservationID, OrderID: "o1", Items: items}
	booked := stock.Committed{ReservationID: reservationID, OrderID: "o1", Items: items, Departed: true}
	left := append(slices.Clone(ordered), shipped)
	closing, closedArrived, closedShipped := dispatched, delivered, shipped
	closing.StockClosed, closedArrived.StockClosed, closedShipped.StockClosed = true, true, true
	follows(t, map[string]waiting{
		"never prepared": {
			order: ordered, shipment: []any{scheduled}, stage: sweep.StageUnprepared, action: sweep.ActionNone,
		},
		"waits for the carrier": {order: ordered, shipment: []any{scheduled, prepared}},
		"left": {
			order: ordered, shipment: []any{scheduled, prepared, dispatched},
			stage: sweep.StageLeft, action: sweep.ActionFollowed, then: []any{shipped},
		},
		"arrived": {
			order: ordered, shipment: []any{scheduled, prepared, dispatched, delivered},
			stage: sweep.StageLeft, action: sweep.ActionFollowed, then: []any{shipped, arrived}, booked: booked,
		},
		"arrived, and its stock was closed as it left": {
			order: ordered, shipment: []any{scheduled, prepared, closing, closedArrived},
			stock: []any{reserved, departed, booked},
			stage: sweep.StageLeft, action: sweep.ActionFollowed, then: []any{closedShipped, arrived},
		},
		"left, and its stock was closed": {
			order: ordered, shipment: []any{scheduled, prepared, closing}, stock: []any{reserved, departed, booked},
			stage: sweep.StageLeft, action: sweep.ActionFollowed, then: []any{closedShipped},
		},
		"arrived, and known to have left": {
			order: left, shipment: []any{scheduled, prepared, dispatched, delivered},
			stock: []any{reserved, departed, booked},
			stage: sweep.StageLeft, action: sweep.ActionFollowed, then: []any{arrived},
		},
	})
}

// TestWaitingForStock: once an order has left, its reservation is committed.
func TestWaitingForStock(t *testing.T) {
	id := shipment.ID("o1", 1)
	scheduled := shipment.Scheduled{ShipmentID: id, OrderID: "o1", TrackingNumber: "OF1"}
	prepared := shipment.Prepared{ShipmentID: id, OrderID: "o1", CustomerID: "c1"}
	dispatched := shipment.Dispatched{
		ShipmentID: id, OrderID: "o1", TrackingNumber: "OF1", DispatchedAt: "2026-01-02T03:00:00Z",
	}
	delivered := shipment.Delivered{ShipmentID: id, OrderID: "o1", DispatchedAt: "2026-01-02T03:00:00Z"}
	ordered := []any{
		order.Placed{OrderID: "o1", CustomerID: "c1", Revision: 1}, started,
		order.Confirmed{SagaID: "o1", PaymentID: "p1", ShipmentID: id},
	}
	shipped := order.Shipped{ShipmentID: id, Revision: 1, DispatchedAt: "2026-01-02T03:00:00Z"}
	arrived := order.Delivered{ShipmentID: id}
	items := []stock.Item{{SKU: "s1", Quantity: 2}}
	reservationID := stock.ReservationID("o1", 1)
	reserved := stock.Reserved{ReservationID: reservationID, OrderID: "o1", Items: items}
	departed := stock.Departed{ReservationID: reservationID, OrderID: "o1", Items: items}
	booked := stock.Committed{ReservationID: reservationID, OrderID: "o1", Items: items, Departed: true}
	late := stock.Committed{ReservationID: reservationID, OrderID: "o1", Items: items}
	released := stock.Released{ReservationID: reservationID, OrderID: "o1", Items: items}
	left := append(slices.Clone(ordered), shipped)
	follows(t, map[string]waiting{
		"on its way": {
			order: left, shipment: []any{scheduled, prepared, dispatched}, stock: []any{reserved, departed, booked},
		},
		"arrived, and its stock is open": {
			order: left, shipment: []any{scheduled, prepared, dispatched, delivered},
			stage: sweep.StageLeft, action: sweep.ActionFollowed, then: []any{arrived}, booked: booked,
		},
		"on its way, and its stock is open": {
			order: left, shipment: []any{scheduled, prepared, dispatched},
			stage: sweep.StageUnbooked, action: sweep.ActionCommitted, booked: booked,
		},
		"on its way since an earlier release": {
			order: left, shipment: []any{scheduled, prepared, dispatched}, stock: []any{reserved},
			stage: sweep.StageUnbooked, action: sweep.ActionCommitted, booked: late,
		},
		"on its way, and its stock is released": {
			order: left, shipment: []any{scheduled, prepared, dispatched}, stock: []any{reserved, released},
			stage: sweep.StageAtOdds, action: sweep.ActionNone,
		},
		"arrived, and its stock is released": {
			order: left, shipment: []any{scheduled, prepared, dispatched, delivered}, stock: []any{reserved, released},
			stage: sweep.StageAtOdds, action: sweep.ActionNone, then: []any{arrived},
		},
	})
}

// TestWaitingForStopped: an order follows a shipment that a person took back, and nobody else's.
func TestWaitingForStopped(t *testing.T) {
	id := shipment.ID("o1", 1)
	scheduled := shipment.Scheduled{ShipmentID: id, OrderID: "o1", TrackingNumber: "OF1"}
	prepared := shipment.Prepared{ShipmentID: id, OrderID: "o1", CustomerID: "c1"}
	dispatched := shipment.Dispatched{
		ShipmentID: id, OrderID: "o1", TrackingNumber: "OF1", DispatchedAt: "2026-01-02T03:00:00Z",
	}
	delivered := shipment.Delivered{ShipmentID: id, OrderID: "o1", DispatchedAt: "2026-01-02T03:00:00Z"}
	stopped := func(origin order.Origin) shipment.Cancelled {
		return shipment.Cancelled{
			ShipmentID: id, OrderID: "o1", Origin: string(origin), Reason: string(order.ReasonErased), Note: "pd1:n",
		}
	}
	ordered := []any{
		order.Placed{OrderID: "o1", CustomerID: "c1", Revision: 1}, started,
		order.Confirmed{SagaID: "o1", PaymentID: "p1", ShipmentID: id},
	}
	others := append(slices.Clone(ordered[:2]), order.Confirmed{SagaID: "o1", PaymentID: "p1", ShipmentID: "another"})
	closed := order.Cancelling{
		Reason: order.ReasonErased, Note: "pd1:n", From: order.StatusConfirmed, Origin: order.OriginOperator,
	}
	items := []stock.Item{{SKU: "s1", Quantity: 2}}
	reservationID := stock.ReservationID("o1", 1)
	reserved := stock.Reserved{ReservationID: reservationID, OrderID: "o1", Items: items}
	follows(t, map[string]waiting{
		"taken back by a person": {
			order: ordered, shipment: []any{scheduled, prepared, stopped(order.OriginOperator)}, stock: []any{reserved},
			stage: sweep.StageStopped, action: sweep.ActionFollowed, then: []any{closed},
		},
		"taken back by nobody who may": {
			order: ordered, shipment: []any{scheduled, stopped(order.OriginSaga)},
			stage: sweep.StageAtOdds, action: sweep.ActionNone,
		},
		"another's left": {
			order: others, shipment: []any{scheduled, prepared, dispatched}, stage: sweep.StageAtOdds,
			action: sweep.ActionNone,
		},
		"another's arrived": {
			order: others, shipment: []any{scheduled, prepared, dispatched, delivered},
			stage: sweep.StageAtOdds, action: sweep.ActionNone,
		},
		"another's taken back": {
			order: others, shipment: []any{scheduled, stopped(order.OriginOperator)},
			stage: sweep.StageAtOdds, action: sweep.ActionNone,
		},
	})
}

// turn is a sweeper whose turn it is to look at an order that waits.
func (w *world) turn(id string) sweep.Sweeper {
	at := sweep.Place{Slot: orders.Slot(id)}
	w.rounds = &sweeptest.Memory{}
	position := sweep.Position{Waiting: at, Shipped: at}
	if _, saved, err := w.rounds.Save(context.Background(), position); err != nil || !saved {
		panic(fmt.Sprint("no position is kept: ", err))
	}
	return w.sweeper()
}

// append puts events into a stream that has none, with an effect or nil.
func (w *world) append(t *testing.T, stream es.StreamID, effect es.Effect, events ...any) {
	t.Helper()
	head, err := w.store.At(t.Context(), stream, 0)
	if err == nil {
		var effects []es.Effect
		if effect != nil {
			effects = append(effects, effect)
		}
		commit := es.Commit{Head: head, ID: "given", Time: w.clock.Now(), Events: events}
		_, err = w.store.Append(t.Context(), []es.Commit{commit}, effects...)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// An order of a customer who is erased ends, though finish-erasure passed it over: the list of the
// customer's orders did not show it yet, or the release that erased them cancelled nothing. It is
// refunded, and leaves for nowhere.
func TestErased(t *testing.T) {
	id := shipment.ID("o1", 1)
	scheduled := shipment.Scheduled{ShipmentID: id, OrderID: "o1", TrackingNumber: "OF1"}
	prepared := shipment.Prepared{ShipmentID: id, OrderID: "o1", CustomerID: "c1"}
	dispatched := shipment.Dispatched{
		ShipmentID: id, OrderID: "o1", TrackingNumber: "OF1", DispatchedAt: "2026-01-02T03:00:00Z",
	}
	registered, erased := customer.Registered{CustomerID: "c1", Name: "pd1:n", Email: "pd1:e"},
		customer.Erased{CustomerID: "c1", ErasedAt: "2026-01-02T03:00:00Z"}
	for name, tt := range map[string]struct {
		customer []any
		shipment []any
		leaves   bool // at the same time
		stage    sweep.Stage
		action   sweep.Action
		status   order.Status
	}{
		"packed": {
			[]any{registered, erased}, []any{scheduled, prepared}, false, sweep.StageErased, sweep.ActionCancelled,
			order.StatusCancelling,
		},
		"not packed": {
			[]any{registered, erased}, []any{scheduled}, false, sweep.StageErased, sweep.ActionCancelled,
			order.StatusCancelling,
		},
		"packed, and leaves": {
			[]any{registered, erased}, []any{scheduled, prepared}, true, sweep.StageErased, sweep.ActionNone,
			order.StatusConfirmed,
		},
		"gone": {
			[]any{registered, erased}, []any{scheduled, prepared, dispatched}, false, sweep.StageLeft,
			sweep.ActionFollowed, order.StatusShipped,
		},
		"packed for who isn't erased": {
			[]any{registered}, []any{scheduled, prepared}, false, "", "", order.StatusConfirmed,
		},
		"not packed for them": {
			[]any{registered}, []any{scheduled}, false, sweep.StageUnprepared, sweep.ActionNone, order.StatusConfirmed,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.do(
				t, "o1", order.Placed{OrderID: "o1", CustomerID: "c1", Revision: 1}, started,
				order.Confirmed{SagaID: "o1", PaymentID: "p1", ShipmentID: id},
			)
			w.append(t, es.NewStreamID(customer.Category, "c1"), nil, tt.customer...)
			w.append(t, es.NewStreamID(shipment.Category, id), nil, tt.shipment...)
			w.clock.Advance(budget + time.Second)
			if memory := w.store; tt.leaves {
				w.store = &hooked{Store: memory, before: func() {
					history, err := memory.Load(t.Context(), es.NewStreamID(shipment.Category, id), 0)
					if err == nil {
						_, err = memory.Append(
							t.Context(),
							[]es.Commit{{
								Head: history.Head, ID: "dispatch", Time: w.clock.Now(), Events: []any{dispatched},
							}},
						)
					}
					if err != nil {
						t.Error(err)
					}
				}}
			}
			summary, err := w.sweeper().Sweep(t.Context())
			want := sweep.Summary{Found: map[sweep.Stage]int{}, Actions: map[sweep.Action]int{}}
			if tt.stage != "" {
				want.Found[tt.stage], want.Actions[tt.action] = 1, 1
			}
			if diff := cmp.Diff(want, summary); diff != "" || err != nil {
				t.Errorf("%v, summary: (-want +got)\n%s", err, diff)
			}
			state := w.state(t, "o1")
			if state.Status != tt.status {
				t.Errorf("the order is %s, want %s", state.Status, tt.status)
			}
			if tt.action == sweep.ActionCancelled {
				s, err := w.sweeper().Shipments.Get(t.Context(), "o1", 1)
				if err != nil || s.Status != shipment.StatusCancelled || state.Reason != order.ReasonErased ||
					state.ClosedBy != order.OriginOperator {
					t.Errorf(
						"the shipment is %s, the order closed by %s for %s, %v", s.Status, state.ClosedBy, state.Reason,
						err,
					)
				}
			}
		})
	}
}

// Whether a customer is erased can be unknown for now: nothing is said of their order, and the next
// turn asks again.
func TestErasedOrNot(t *testing.T) {
	w := newWorld()
	w.do(t, "o1", placed, started, confirmed)
	w.clock.Advance(budget + time.Second)
	s := w.sweeper()
	s.Customers = customer.New(customer.Deps{
		Store: &unreadable{Store: w.store, stream: es.NewStreamID(customer.Category, "c1"), err: errDown},
		Clock: w.clock,
	})
	if summary, err := s.Sweep(t.Context()); !errors.Is(err, errDown) || len(summary.Found) > 0 {
		t.Errorf("%+v, %v", summary, err)
	}
}

// unreported are lists with orders on their way that take all the time there is.
type unreported struct{ *world }

func (unreported) Shipped(ctx context.Context, _ int, _ orders.Dated, _ string) iter.Seq2[orders.Listed, error] {
	return endless{}.Open(ctx, orders.Dated{})
}

// However many orders are on their way for ever, those that wait to leave have their turn.
func TestShippedAreLookedAtLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.do(t, "o1", placed, started, confirmed)
		w.clock.Advance(budget + time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := w.sweeper()
		s.Rows = unreported{w}
		summary, err := s.Sweep(ctx)
		if err != nil || !summary.Unfinished || summary.Found[sweep.StageUnprepared] != 1 {
			t.Errorf("%+v, %v", summary, err)
		}
	})
}

// The view is behind: what the stream says goes.
func TestViewThatIsBehind(t *testing.T) {
	for name, tt := range map[string]struct {
		events []any
		passed time.Duration
		want   map[sweep.Stage]int
	}{
		"the order is final": {
			[]any{started, confirmed}, 2 * budget, map[sweep.Stage]int{sweep.StageBehind: 1},
		},
		"the order is cancelled": {
			[]any{byCustomer, cancelled}, 2 * budget, map[sweep.Stage]int{sweep.StageBehind: 1},
		},
		"the order has just started": {[]any{started}, time.Second, nil},
		"the undo has failed": {
			[]any{bySaga, undoFailed}, 2 * budget, map[sweep.Stage]int{sweep.StageFailed: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.do(t, "o1", placed)
			stale := w.rows["o1"]
			w.clock.Advance(2 * budget)
			w.do(t, "o1", tt.events...)
			w.rows["o1"] = stale
			w.clock.Advance(tt.passed)
			summary, err := w.sweeper().Sweep(context.Background())
			if err != nil || len(w.runs.started) != 0 {
				t.Errorf("started %v, %v", w.runs.started, err)
			}
			if diff := cmp.Diff(tt.want, summary.Found, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(
				map[string][]int64{
					sweep.MetricFound: {0}, sweep.MetricFailed: {int64(tt.want[sweep.StageFailed])},
					sweep.MetricUnprepared: {0}, sweep.MetricAtOdds: {0},
				},
				w.counted,
			); diff != "" {
				t.Errorf("counted: (-want +got)\n%s", diff)
			}
			if n := len(w.history(t, "o1")); n != 1+len(tt.events) {
				t.Errorf("the stream has %d events", n)
			}
		})
	}
}

// hooked lets somebody else be faster: before runs ahead of the sweep's own append.
type hooked struct {
	es.Store
	before func()
}

func (h *hooked) Append(ctx context.Context, commits []es.Commit, effects ...es.Effect) (es.Appended, error) {
	if f := h.before; f != nil {
		h.before = nil
		f()
	}
	return h.Store.Append(ctx, commits, effects...)
}

func TestSomebodyElseIsFaster(t *testing.T) {
	for name, tt := range map[string]struct {
		event   any
		action  sweep.Action
		started []string
		status  order.Status
	}{
		"the run confirms":     {confirmed, sweep.ActionLeft, nil, order.StatusConfirmed},
		"the run closes":       {bySaga, sweep.ActionLeft, nil, order.StatusCancelling},
		"the customer cancels": {byCustomer, sweep.ActionClosed, []string{"o1-undo-3"}, order.StatusCancelling},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.do(t, "o1", placed)
			w.do(t, "o1", started)
			w.clock.Advance(budget)
			memory := w.store
			store := &hooked{Store: memory}
			store.before = func() {
				w.store = memory
				w.do(t, "o1", tt.event)
			}
			w.store = store
			w.clock.Advance(time.Second)
			summary, err := w.sweeper().Sweep(context.Background())
			if err != nil || summary.Actions[tt.action] != 1 {
				t.Errorf("%+v, %v", summary, err)
			}
			if diff := cmp.Diff(tt.started, w.runs.started); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if s := w.state(t, "o1"); s.Status != tt.status || len(w.history(t, "o1")) != 3 {
				t.Errorf("%s after %d events", s.Status, len(w.history(t, "o1")))
			}
		})
	}
}

// Two sweeps at once close an order with one commit and start one run of a name.
func TestTwoSweepsAtOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		w.runs.strict = rapid.Bool().Draw(t, "strict")
		for i := range rapid.IntRange(1, 6).Draw(t, "orders") {
			id := fmt.Sprint("order-", i)
			for _, e := range rapid.SampledFrom([][]any{
				{placed}, {placed, started}, {placed, byCustomer}, {placed, started, bySaga},
			}).Draw(t, "events") {
				w.do(t, id, e)
			}
			for _, name := range rapid.SampledFrom([][]string{
				nil, {id}, {id + "-undo-2"}, {id + "-undo-3"},
			}).Draw(t, "gone") {
				w.runs.names[name] = false
			}
		}
		w.clock.Advance(budget + time.Second)
		var wait sync.WaitGroup
		for range 3 {
			s := w.sweeper()
			s.Count = func(string, int64) {}
			wait.Go(func() {
				if _, err := s.Sweep(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if unique := slices.Compact(slices.Sorted(slices.Values(w.runs.started))); len(unique) != len(w.runs.started) {
			t.Fatalf("started %v", w.runs.started)
		}
		for _, id := range w.ids {
			closed, started := 0, 0
			for _, e := range w.history(t, id) {
				if _, ok := e.Data.(order.Cancelling); ok {
					closed++
				}
			}
			for _, name := range w.runs.started {
				if name == id || len(name) > len(id) && name[:len(id)+1] == id+"-" {
					started++
				}
			}
			if closed > 1 || started > 1 {
				t.Fatalf("%s was closed %d times; started %v", id, closed, w.runs.started)
			}
		}
	})
}

// failing is a store whose appends fail before or after they are done.
type failing struct {
	es.Store
	before, after func(call string) error
}

func (f failing) Append(ctx context.Context, commits []es.Commit, effects ...es.Effect) (es.Appended, error) {
	if err := f.before("append"); err != nil {
		return es.Appended{}, err
	}
	out, err := f.Store.Append(ctx, commits, effects...)
	if err == nil {
		err = f.after("append")
	}
	return out, err
}

// Sweeps that die anywhere, on runs that die anywhere, still end every order: each is undone or
// waits for people in the end, and an order whose run was lost before it began is fulfilled.
func TestEveryOrderEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		w.runs.strict = rapid.Bool().Draw(t, "strict")
		memory := w.store
		trouble := rapid.IntRange(1, 12).Draw(t, "calls that fail")
		die := func(call string) error {
			if trouble > 0 && rapid.Bool().Draw(t, call+" fails") {
				trouble--
				return errDown
			}
			return nil
		}
		w.do(t, "o1", placed)
		w.runs.fail, w.runs.late = die, func(name string) error { return die("answer of " + name) }
		if rapid.Bool().Draw(t, "the starter works") {
			w.runs.names["o1"] = true
		}
		// progress carries out a run, or lets it die at one of its steps.
		progress := func(name string) {
			w.runs.names[name] = false
			if rapid.Bool().Draw(t, name+" dies at once") && trouble > 0 {
				trouble--
				return
			}
			decide := func(c order.Command) bool {
				events, err := order.Decider.Decide(c, w.state(t, "o1"))
				if err != nil {
					return false
				}
				for _, e := range events {
					w.do(t, "o1", e)
				}
				return true
			}
			if name == "o1" && decide(order.Start{SagaID: name}) {
				if rapid.Bool().Draw(t, name+" dies when it has started") && trouble > 0 {
					trouble--
					return
				}
				if decide(order.Confirm{SagaID: name}) {
					return
				}
			}
			if rapid.Bool().Draw(t, name+" can't undo") {
				decide(order.FailUndo{SagaID: name, Steps: []string{"refund"}})
			} else {
				decide(order.FinishUndo{SagaID: name})
			}
		}
		for round := 0; ; round++ {
			for _, name := range slices.Sorted(maps.Keys(w.runs.names)) {
				if w.runs.names[name] {
					progress(name)
				}
			}
			s := w.state(t, "o1")
			if s.Status.Final() || s.Saga == order.SagaFailed {
				if w.runs.started = slices.DeleteFunc(
					w.runs.started, func(n string) bool { return n == "o1" },
				); s.Status == order.StatusConfirmed && len(w.runs.started) > 0 {
					t.Fatalf("a confirmed order was undone by %v", w.runs.started)
				}
				break
			}
			if round > 30 {
				t.Fatalf("the order stands still: %+v, runs %v", s, w.runs.names)
			}
			w.clock.Advance(budget + time.Second)
			sweeper := w.sweeper()
			sweeper.Orders = order.New(order.Deps{
				Store: failing{memory, die, func(string) error { return die("answer") }}, Clock: w.clock,
			})
			if _, err := sweeper.Sweep(context.Background()); err != nil && !errors.Is(err, errDown) {
				t.Fatal(err)
			}
			w.project(t, "o1")
		}
	})
}

// One order that fails does not hold up the others, and is told.
func TestErrors(t *testing.T) {
	w := newWorld()
	for i := range 30 {
		w.do(t, fmt.Sprint("order-", i), placed)
	}
	w.clock.Advance(budget + time.Second)
	w.runs.fail = func(call string) error {
		if call == "start order-7" {
			return errDown
		}
		return nil
	}
	w.ids = append(w.ids, "order-that-never-was")
	w.rows["order-that-never-was"] = orders.Row{Status: order.StatusPlaced}
	summary, err := w.sweeper().Sweep(context.Background())
	if !errors.Is(err, errDown) || summary.Errors != 1 || summary.Found[sweep.StageUnknown] != 1 {
		t.Errorf("%+v, %v", summary, err)
	}
	if len(w.runs.started) != 29 || summary.Found[sweep.StagePending] != 30 ||
		summary.Actions[sweep.ActionStarted] != 29 || w.counted[sweep.MetricFound][0] != 30 {
		t.Errorf("%+v, %d started, counted %v", summary, len(w.runs.started), w.counted)
	}
}

// unreadable is a store in which a stream can't be read, from a load on.
type unreadable struct {
	es.Store
	stream es.StreamID
	err    error
	ok     int // loads that still succeed
}

func (u *unreadable) Load(ctx context.Context, stream es.StreamID, from int64) (es.History, error) {
	if stream == u.stream {
		if u.ok--; u.ok < 0 {
			return es.History{}, u.err
		}
	}
	return u.Store.Load(ctx, stream, from)
}

// An order that can't be read is counted and told of, and fails no sweep: it would fail each, and
// the next that fails would not be seen.
func TestUnreadable(t *testing.T) {
	future := &es.UnknownTypeError{Stream: "order/o2", Version: 2, Type: "order.teleported", Schema: 1}
	for name, tt := range map[string]struct {
		err        error
		ok         int
		unreadable bool
	}{
		"a corrupt commit":                        {fmt.Errorf("%w: order/o2@2: no events", es.ErrCorrupt), 0, true},
		"an event of the future":                  {fmt.Errorf("load: %w", future), 0, true},
		"an event of the future, met on closing":  {future, 1, true},
		"an event of the future, met when closed": {future, 2, true},
		"no answer": {errDown, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			before := slog.Default()
			slog.SetDefault(slog.New(trail.Handler(slog.NewTextHandler(&log, nil))))
			defer slog.SetDefault(before)
			w := newWorld()
			for _, id := range []string{"o1", "o2", "o3"} {
				w.do(t, id, placed, started)
			}
			w.store = &unreadable{Store: w.store, stream: "order/o2", err: tt.err, ok: tt.ok}
			w.clock.Advance(budget + time.Second)
			summary, err := w.sweeper().Sweep(context.Background())
			want := sweep.Summary{
				Found: map[sweep.Stage]int{sweep.StageRunning: 2}, Actions: map[sweep.Action]int{sweep.ActionClosed: 2},
			}
			if tt.unreadable {
				want.Found[sweep.StageUnreadable], want.Actions[sweep.ActionNone] = 1, 1
			} else {
				want.Errors = 1
			}
			if diff := cmp.Diff(want, summary); diff != "" {
				t.Errorf("summary: (-want +got)\n%s", diff)
			}
			if tt.unreadable != (err == nil) || err != nil && !errors.Is(err, tt.err) {
				t.Errorf("error %v", err)
			}
			if found := int64(2 + want.Found[sweep.StageUnreadable]); w.counted[sweep.MetricFound][0] != found ||
				w.counted[sweep.MetricFailed][0] != 0 {
				t.Errorf("counted %v, want %d found", w.counted, found)
			}
			quoted := strings.Trim(strconv.Quote(tt.err.Error()), `"`)
			if text := log.String(); !strings.Contains(text, quoted) || !strings.Contains(text, "level=ERROR") {
				t.Errorf("logged %s", text)
			}
			for _, line := range []string{
				"action=closed subject=order/o1 orderId=o1 correlationId=correlation traceId=" + traceID,
				"subject=order/o2 orderId=o2",
			} {
				if !strings.Contains(log.String(), line) {
					t.Errorf("logged %s, want %s", &log, line)
				}
			}
		})
	}
}

// lists are the two lists, each of which may be broken: it gives its orders and then an error.
type lists struct {
	*world
	open, failed bool
}

func (l lists) Open(ctx context.Context, dated orders.Dated) iter.Seq2[orders.Listed, error] {
	return breaking(l.world.Open(ctx, dated), l.open)
}

func (l lists) Failed(ctx context.Context, dated orders.Dated) iter.Seq2[orders.Listed, error] {
	return breaking(l.world.Failed(ctx, dated), l.failed)
}

func breaking(list iter.Seq2[orders.Listed, error], breaks bool) iter.Seq2[orders.Listed, error] {
	return func(yield func(orders.Listed, error) bool) {
		for listed, err := range list {
			if !yield(listed, err) {
				return
			}
		}
		if breaks {
			yield(orders.Listed{}, errDown)
		}
	}
}

func TestListThatBreaks(t *testing.T) {
	for name, broken := range map[string]lists{"open": {open: true}, "failed": {failed: true}} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.do(t, "o1", placed)
			w.do(t, "o2", placed, byCustomer, undoFailed)
			w.clock.Advance(budget + time.Second)
			broken.world = w
			s := w.sweeper()
			s.Rows = broken
			summary, err := s.Sweep(context.Background())
			if !errors.Is(err, errDown) || summary.Errors != 1 || len(w.runs.started) != 1 ||
				summary.Found[sweep.StageFailed] != 1 {
				t.Errorf("%+v, started %v, %v", summary, w.runs.started, err)
			}
		})
	}
}

// A sweep that acts no more goes on counting; the next ones act on the rest.
func TestLimits(t *testing.T) {
	const all = sweep.MaxActions + 100
	w := newWorld()
	for i := range all {
		w.do(t, fmt.Sprintf("order-%04d", i), placed)
	}
	w.do(t, "failed", placed, byCustomer, undoFailed)
	w.clock.Advance(budget + time.Second)
	first, err := w.sweeper().Sweep(context.Background())
	// Some may be under way when the limit is met.
	n := len(w.runs.started)
	if err != nil || !first.Unfinished || n < sweep.MaxActions || n >= all {
		t.Errorf("first: %+v, %d started, %v", first, n, err)
	}
	want := sweep.Summary{
		Found:      map[sweep.Stage]int{sweep.StagePending: all, sweep.StageFailed: 1},
		Actions:    map[sweep.Action]int{sweep.ActionStarted: n, sweep.ActionPostponed: all - n, sweep.ActionNone: 1},
		Unfinished: true,
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("first: (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(
		map[string][]int64{
			sweep.MetricFound: {all}, sweep.MetricFailed: {1}, sweep.MetricUnprepared: {0}, sweep.MetricAtOdds: {0},
		},
		w.counted,
	); diff != "" {
		t.Errorf("counted: (-want +got)\n%s", diff)
	}
	second, err := w.sweeper().Sweep(context.Background())
	if err != nil || second.Unfinished || len(w.runs.started) != all {
		t.Errorf("second: %+v, %d started, %v", second, len(w.runs.started), err)
	}
}

// Runs that go on past the budget are left alone, sweep after sweep, and keep no other order
// waiting.
func TestRunsThatGoOnHoldUpNobody(t *testing.T) {
	const all = 2*sweep.MaxActions - 100
	for _, strict := range []bool{false, true} {
		for name, events := range map[string][]any{"placed": {placed}, "being undone": {placed, byCustomer}} {
			t.Run(fmt.Sprintf("%s, strict %v", name, strict), func(t *testing.T) {
				w := newWorld()
				w.runs.strict = strict
				for i := range all {
					w.do(t, fmt.Sprintf("order-%04d", i), events...)
				}
				w.clock.Advance(budget + time.Second)
				for range 2 {
					if _, err := w.sweeper().Sweep(context.Background()); err != nil {
						t.Fatal(err)
					}
					w.clock.Advance(5 * time.Minute)
				}
				if len(w.runs.started) != all {
					t.Errorf("%d of %d orders have a run", len(w.runs.started), all)
				}
				third, err := w.sweeper().Sweep(context.Background())
				if err != nil || third.Unfinished || third.Actions[sweep.ActionLeft] != all ||
					len(w.runs.started) != all {
					t.Errorf("%+v, %d started, %v", third, len(w.runs.started), err)
				}
			})
		}
	}
}

// Another one starts the run after the sweep saw none: nothing is closed, and no second run is
// started.
func TestRunThatStartsInBetween(t *testing.T) {
	for _, strict := range []bool{false, true} {
		for run, events := range map[string][]any{"o1": {placed}, "o1-undo-2": {placed, byCustomer}} {
			t.Run(fmt.Sprintf("%s, strict %v", run, strict), func(t *testing.T) {
				w := newWorld()
				w.runs.strict = strict
				for _, e := range events {
					w.do(t, "o1", e)
				}
				w.clock.Advance(budget + time.Second)
				w.runs.fail = func(call string) error {
					if call == "start "+run {
						w.runs.names[run] = true
					}
					return nil
				}
				summary, err := w.sweeper().Sweep(context.Background())
				if err != nil || len(w.runs.started) != 0 || len(w.history(t, "o1")) != len(events) {
					t.Errorf("%+v, started %v, %v", summary, w.runs.started, err)
				}
				if summary.Actions[sweep.ActionLeft] != 1 && strict {
					t.Errorf("%+v", summary)
				}
			})
		}
	}
}

func TestDeadline(t *testing.T) {
	w := newWorld()
	w.do(t, "o1", placed)
	w.clock.Advance(budget + time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second) // less than what is kept back
	defer cancel()
	summary, err := w.sweeper().Sweep(ctx)
	if err != nil || !summary.Unfinished || len(w.runs.started) != 0 {
		t.Errorf("%+v, %v", summary, err)
	}
}

// endless is a list of open orders that takes all the time there is.
type endless struct{ *world }

func (endless) Open(ctx context.Context, _ orders.Dated) iter.Seq2[orders.Listed, error] {
	return func(yield func(orders.Listed, error) bool) {
		<-ctx.Done()
		yield(orders.Listed{}, ctx.Err())
	}
}

// However long the open orders take, those that wait for people are counted.
func TestFailedAreCountedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.do(t, "o1", placed, byCustomer, undoFailed)
		w.clock.Advance(budget + time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s := w.sweeper()
		s.Rows = endless{w}
		summary, err := s.Sweep(ctx)
		if err != nil || !summary.Unfinished || ctx.Err() != nil {
			t.Errorf("%+v, %v, %v", summary, err, ctx.Err())
		}
		if diff := cmp.Diff(
			map[string][]int64{
				sweep.MetricFound: {0}, sweep.MetricFailed: {1}, sweep.MetricUnprepared: {0}, sweep.MetricAtOdds: {0},
			},
			w.counted,
		); diff != "" {
			t.Errorf("counted: (-want +got)\n%s", diff)
		}
	})
}

// TestClockThatJumpedBack: whoever took the order wrote by a clock that was hours slow. The order
// has its whole budget all the same.
func TestClockThatJumpedBack(t *testing.T) {
	w := newWorld()
	w.do(t, "o1", placed)
	w.clock.Advance(-3 * budget)
	w.do(t, "o1", started)
	w.clock.Advance(3*budget + time.Minute)
	if s, err := w.sweeper().Sweep(t.Context()); err != nil || len(s.Found) > 0 || len(w.runs.started) > 0 ||
		w.state(t, "o1").Status != order.StatusPlaced {
		t.Errorf("%+v, %v, started %v, %s", s, err, w.runs.started, w.state(t, "o1").Status)
	}
	w.clock.Advance(budget)
	if s, err := w.sweeper().Sweep(t.Context()); err != nil || s.Found[sweep.StageRunning] != 1 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestBudget(t *testing.T) {
	if got := sweep.Budget("5400"); got != 90*time.Minute {
		t.Errorf("got %s", got)
	}
	for _, text := range []string{
		"", "0", "-1", "1.5", "90m", "99999999999999", "010", "+5", "0x10", "1_0", "1e1", " 60", "60 ",
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%q is a budget", text)
				}
			}()
			sweep.Budget(text)
		}()
	}
	w := newWorld()
	s := w.sweeper()
	s.Budget = 0
	if _, err := s.Sweep(context.Background()); err == nil {
		t.Error("swept without a budget")
	}
}
