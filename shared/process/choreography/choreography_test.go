package choreography_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
	"orderflow/shared/process/choreography"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/account/accounttest"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/order/ordertest"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/shipment/shipmenttest"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/stock/stocktest"
)

const (
	orderID    = "o1"
	customerID = "ada"
	sku        = "cd-1"
	onHand     = 10
	ordered    = 3
	price      = 100
	funds      = 1000
)

var shipmentID = shipment.ID(orderID, 1)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the draws log thousands of lines
	os.Exit(m.Run())
}

// registered says that everybody is.
type registered struct{}

func (registered) Registered(context.Context, string) (bool, error) { return true, nil }

// world is a shop with one order, the real services over one store that loses what it is told to,
// and a bus that keeps what is published.
type world struct {
	t         testing.TB
	kept      *memstore.Store
	store     *estest.Hooked
	counters  *stocktest.Counters
	vault     *personal.Memory
	clock     *clock.Fake
	orders    order.Service
	shipments shipment.Service
	stock     stock.Service
	payments  payment.Service
	accounts  account.Service
	account   string

	correlation string // of the request that placed the order
	published   map[string]bool
	queues      map[string][][]byte // of each consumer
	runs        []*run
	requests    int
	earlier     bool // the rules are an earlier release's
}

func newWorld(t testing.TB) *world {
	return worldOn(t, memstore.New(contract.Registry(), memstore.Staggered(t.Name())))
}

func worldOn(t testing.TB, kept *memstore.Store) *world {
	w := &world{
		t: t, kept: kept, counters: stocktest.NewCounters(),
		vault: personal.NewMemory(),
		clock: clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), published: map[string]bool{},
		queues: map[string][][]byte{},
	}
	w.store = &estest.Hooked{Store: w.kept}
	w.stock = stock.New(stock.Deps{Store: w.store, Clock: w.clock, Counters: w.counters})
	w.shipments = shipment.New(shipment.Deps{
		Store: w.store, Clock: w.clock, Vault: w.vault, Serves: shipment.Served("GB"), Books: w.stock,
	})
	line := order.Line{SKU: sku, Quantity: ordered, UnitPrice: money.Money{Amount: price, Currency: "USD"}}
	w.orders = order.New(order.Deps{
		Store: w.store, Clock: w.clock, Vault: w.vault, Customers: registered{}, Prices: ordertest.PricesOf(line),
		Shipments: w.shipments,
	})
	w.payments = payment.New(payment.Deps{Store: w.store, Clock: w.clock})
	w.accounts = account.New(account.Deps{Store: w.store, Clock: w.clock, Customers: accounttest.Everybody{}})
	w.account = account.ID(customerID, "USD")
	ctx := context.Background()
	_, errOpen := w.accounts.Open(ctx, w.request(), customerID, "USD")
	_, errDeposit := w.accounts.Deposit(ctx, w.request(), w.account, "k", money.Money{Amount: funds, Currency: "USD"})
	_, errStock := w.stock.Set(ctx, w.request(), sku, onHand, stock.Match{MustBeNew: true})
	errEnrol := w.vault.Enrol(ctx, customerID)
	place := w.request()
	w.correlation = place.Metadata.CorrelationID
	_, errPlace := w.orders.Place(ctx, place, order.PlaceInput{
		OrderID: orderID, CustomerID: customerID, AccountID: w.account, Currency: "USD", Lines: ordertest.Inputs(line),
		Address: shipment.Address{
			Recipient: "Ada Lovelace", Line1: "12 St James's Square", PostalCode: "SW1Y 4LB", City: "London",
			Country: "GB",
		},
	})
	if err := errors.Join(errOpen, errDeposit, errStock, errEnrol, errPlace); err != nil {
		t.Fatal(err)
	}
	w.start("fulfil", false)
	return w
}

// request is somebody's over HTTP, a second after the one before.
func (w *world) request() es.Request {
	w.requests++
	w.clock.Advance(time.Second)
	return es.Request{
		CommitID: ident.Derive("test", fmt.Sprint(w.requests)), Time: w.clock.Now(),
		Metadata: es.Metadata{
			CorrelationID: fmt.Sprint("request-", w.requests), CausationID: fmt.Sprint("http/", w.requests),
		},
	}
}

// run is a run of the saga: its steps, one after the other. A step that fails and may pass is done
// again; one that is refused leads to the undo.
type run struct {
	name  string
	steps []func(*run) error
	undo  bool
}

func (w *world) start(name string, undo bool) {
	r := &run{name: name}
	w.runs = append(w.runs, r)
	if undo {
		w.undoes(r)
		return
	}
	ctx := context.Background()
	r.steps = []func(*run) error{
		func(*run) error {
			_, err := w.stock.Reserve(
				ctx, w.task(r, "reserve"),
				stock.Reservation{OrderID: orderID, Revision: 1, Items: []stock.Item{{SKU: sku, Quantity: ordered}}},
			)
			return err
		},
		func(*run) error {
			_, err := w.payments.Charge(ctx, w.task(r, "charge"), payment.Charge{
				OrderID: orderID, Revision: 1, CustomerID: customerID, AccountID: w.account,
				Amount: money.Money{Amount: ordered * price, Currency: "USD"},
			})
			return err
		},
		func(*run) error {
			current, err := w.orders.Get(ctx, orderID)
			if err == nil {
				_, err = w.shipments.Schedule(ctx, w.task(r, "schedule"), shipment.Schedule{
					OrderID: orderID, Revision: 1, CustomerID: customerID, Address: current.State.Address,
				})
			}
			return err
		},
		func(*run) error {
			_, err := w.orders.Run(ctx, w.task(r, "confirm"), orderID, order.Confirm{
				SagaID: r.name, PaymentID: payment.ID(orderID, 1), ShipmentID: shipmentID,
				TrackingNumber: shipment.TrackingNumber(shipmentID),
			})
			return err
		},
	}
}

// task identifies a task of a run, which the state machine may send more than once.
func (w *world) task(r *run, name string) es.Request {
	return saga.Request(w.clock, r.name, name, orderID, es.Metadata{CorrelationID: w.correlation})
}

func (w *world) undoes(r *run) {
	ctx := context.Background()
	r.undo = true
	r.steps = []func(*run) error{
		func(*run) error {
			_, err := w.shipments.Cancel(
				ctx, w.task(r, "cancel-shipment"),
				shipment.Cancel{OrderID: orderID, Revision: 1, Origin: string(order.OriginSaga)},
			)
			return err
		},
		func(*run) error {
			_, err := w.payments.Refund(ctx, w.task(r, "refund"), orderID, 1)
			return err
		},
		func(*run) error {
			_, err := w.stock.Release(ctx, w.task(r, "release"), orderID, 1)
			return err
		},
		func(*run) error {
			_, err := w.orders.Run(ctx, w.task(r, "cancel"), orderID, order.FinishUndo{SagaID: r.name})
			return err
		},
	}
}

// step takes a run one step further.
func (w *world) step(r *run) {
	if len(r.steps) == 0 {
		return
	}
	err := r.steps[0](r)
	switch {
	case err == nil:
		r.steps = r.steps[1:]
	case !faults.Final(err): // the step is done again
	case r.undo:
		w.t.Fatalf("the undo %s is refused: %v", r.name, err)
	default:
		r.steps = []func(*run) error{func(r *run) error {
			res, err := w.orders.Run(
				context.Background(), w.task(r, "close"), orderID,
				order.Close{Origin: order.OriginSaga, Reason: "r", SagaID: r.name},
			)
			if err == nil && !res.State.Status.Final() {
				w.undoes(r)
				r.steps = append([]func(*run) error{nil}, r.steps...) // the step that is done
			}
			return err
		}}
	}
}

// consumers are the bus's consumers, as the template wires them.
func (w *world) consumers(copies shipment.Copies) map[string]func([]byte) error {
	ctx := context.Background()
	preparer := choreography.Preparer{Copies: copies, Shipments: w.shipments, Clock: w.clock}
	follower := choreography.Follower{Orders: w.orders, Stock: w.stock, Clock: w.clock}
	committer := choreography.Committer{Stock: w.stock, Clock: w.clock}
	return map[string]func([]byte) error{
		"prepare": func(body []byte) error { return preparer.Handle(ctx, body) },
		"follow":  func(body []byte) error { return follower.Handle(ctx, body) },
		"commit":  func(body []byte) error { return committer.Handle(ctx, body) },
		"saga": func(body []byte) error {
			envelope, err := contract.Open(body)
			if err != nil {
				return err
			}
			name := fmt.Sprint("undo-", envelope.Sequence)
			if !slices.ContainsFunc(w.runs, func(r *run) bool { return r.name == name }) {
				w.start(name, true)
			}
			return nil
		},
	}
}

// wanted says which consumer an event is for, by the rules of this release or those of an earlier
// one.
func wanted(e es.Envelope, earlier bool) string {
	switch e.Type {
	case "order.updated":
		var d contract.OrderUpdated
		if earlier || json.Unmarshal(e.Data, &d) == nil && d.Status == string(order.StatusConfirmed) {
			return "prepare"
		}
	case "order.confirmed":
		if earlier {
			return "prepare"
		}
	case "shipment.dispatched", "shipment.delivered", "shipment.cancelled":
		return "follow"
	case "order.shipped":
		var d contract.OrderShipped
		if earlier || json.Unmarshal(e.Data, &d) == nil && !d.StockClosed {
			return "commit"
		}
	case "order.cancelling":
		var d contract.OrderCancelling
		if json.Unmarshal(e.Data, &d) == nil && d.Origin != string(order.OriginSaga) {
			return "saga"
		}
	}
	return ""
}

// publish puts what was appended on the bus.
func (w *world) publish() {
	for page, err := range w.kept.Scan(context.Background(), 0, 1, "") {
		if err != nil {
			w.t.Fatal(err)
		}
		slices.SortFunc(page.Commits, func(a, b es.StoredCommit) int {
			return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.First, b.First))
		})
		for _, c := range page.Commits {
			id := fmt.Sprintf("%s@%d", c.Stream, c.First)
			if w.published[id] {
				continue
			}
			w.published[id] = true
			envelopes, err := publish.Envelopes(
				context.Background(), contract.Registry(), order.Decider.Repository(order.Category, w.kept), c,
			)
			if err != nil {
				w.t.Fatal(err)
			}
			for _, e := range envelopes {
				if to := wanted(e, w.earlier); to != "" {
					w.queues[to] = append(w.queues[to], delivered(w.t, e))
				}
			}
		}
	}
}

func delivered(t testing.TB, e es.Envelope) []byte {
	body, err := json.Marshal(map[string]any{"detail-type": e.Type, "source": e.Source, "detail": e})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// fataler is what testing.T and rapid.T share.
type fataler interface {
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// belongs checks that all that was done for the order says so: everything has the correlation id of
// the request that placed it, whoever asked for it, and the consumers name the event that they
// acted on.
func (w *world) belongs(t fataler) {
	var events []es.Recorded
	ids := map[string]bool{}
	for page, err := range w.kept.Scan(context.Background(), 0, 1, "") {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Commits {
			if !slices.Contains(
				[]string{order.Category, shipment.Category, stock.ReservationCategory, payment.Category},
				c.Stream.Category(),
			) {
				continue
			}
			recorded, err := contract.Registry().DecodeCommit(c, 0)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range recorded {
				ids[e.ID()] = true
			}
			events = append(events, recorded...)
		}
	}
	for _, e := range events {
		consumer := slices.Contains(
			[]string{"prepare-shipments", "follow-shipments", "commit-stock", "simulate-carrier"}, e.Metadata.Actor,
		)
		cause := strings.TrimSuffix(e.Metadata.CausationID, "/updated")
		if e.Metadata.CorrelationID != w.correlation || cause == "" || consumer && !ids[cause] {
			t.Fatalf("%s, a %s, has %+v, want correlation %s", e.ID(), e.Type, e.Metadata, w.correlation)
		}
	}
}

// settle lets everything go on until nothing does.
func (w *world) settle(consume map[string]func([]byte) error) {
	w.t.Helper()
	for quiet := false; !quiet; {
		quiet = true
		w.publish()
		for _, r := range w.runs {
			for len(r.steps) > 0 {
				w.step(r)
				quiet = false
			}
		}
		for _, name := range []string{"commit", "follow", "prepare", "saga"} {
			for _, body := range w.queues[name] {
				if err := consume[name](body); err != nil {
					w.t.Fatal(err)
				}
				quiet = false
			}
			w.queues[name] = nil
		}
	}
}

// check compares the order with all that was done for it.
func (w *world) check(t fataler) {
	ctx := context.Background()
	o, err1 := w.orders.Get(ctx, orderID)
	sent, err2 := w.shipments.Get(ctx, orderID, 1)
	reserved, err3 := w.stock.Reservation(ctx, orderID, 1)
	paid, err4 := w.payments.Get(ctx, orderID, 1)
	level, err5 := w.stock.Get(ctx, sku)
	balance, err6 := w.accounts.Get(ctx, w.account)
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprintf("%s, shipment %s, reservation %s committed %v, payment %s, %d on hand, %d reserved, %d in "+
		"the account",
		o.State.Status, sent.Status, reserved.Status, reserved.Committed, paid.Status, level.OnHand, level.Reserved,
		balance.State.Balance)
	kept := fmt.Sprintf(
		"payment %s, %d on hand, %d reserved, %d in the account", payment.StatusProcessed, onHand, ordered,
		funds-ordered*price,
	)
	gone := fmt.Sprintf(
		"payment %s, %d on hand, 0 reserved, %d in the account", payment.StatusProcessed, onHand-ordered,
		funds-ordered*price,
	)
	var wants []string
	switch o.State.Status {
	case order.StatusConfirmed:
		wants = []string{"confirmed, shipment prepared, reservation done committed false, " + kept}
	case order.StatusShipped:
		wants = []string{"shipped, shipment dispatched, reservation done committed true, " + gone}
	case order.StatusDelivered:
		wants = []string{"delivered, shipment delivered, reservation done committed true, " + gone}
	case order.StatusCancelled:
		if sent.Status != shipment.StatusCancelled && sent.Status != shipment.StatusVoided || level.OnHand != onHand ||
			level.Reserved != 0 || reserved.Committed ||
			reserved.Status != es.AttemptUndone && reserved.Status != es.AttemptVoided ||
			balance.State.Balance != funds {
			t.Fatalf("a mixture: %s", got)
		}
		return
	}
	if !slices.Contains(wants, got) {
		t.Fatalf("a mixture: %s", got)
	}
}

// TestEitherShippedOrCancelled runs the saga, a person who cancels, one who dispatches and
// delivers, and the consumers of the bus, step by step in any order, on a store that loses requests
// and answers, and a bus that delivers twice and in any order. Whatever has come of the order in
// the end, all of it has: shipped, paid and out of stock, or cancelled, refunded and back in stock.
func TestEitherShippedOrCancelled(t *testing.T) {
	ends := map[order.Status]int{}
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.earlier = rapid.Bool().Draw(rt, "the rules are an earlier release's")
		consume := w.consumers(shipmenttest.NewCopies())
		carried := w.shipments
		if rapid.Bool().Draw(rt, "the dispatch tells the books nothing") {
			carried = shipment.New(shipment.Deps{Store: w.store, Clock: w.clock, Vault: w.vault, Books: unheard{}})
		}
		losing := false
		w.store.Before = func([]es.Commit) error {
			if losing && rapid.IntRange(0, 5).Draw(rt, "lose request") == 5 {
				return es.ErrUnavailable
			}
			return nil
		}
		w.store.After = func(a es.Appended, err error) (es.Appended, error) {
			if losing && rapid.IntRange(0, 5).Draw(rt, "lose answer") == 5 {
				return es.Appended{}, es.ErrUnavailable
			}
			return a, err
		}
		ctx := context.Background()
		people := map[string]func() error{
			"cancel": func() error {
				_, err := w.orders.Cancel(
					ctx, w.request(), orderID, order.CancelInput{
						Origin: order.OriginCustomer, CustomerID: customerID, Note: "changed my mind",
					},
				)
				return err
			},
			"dispatch": func() error { _, err := carried.Dispatch(ctx, w.request(), shipmentID); return err },
			"deliver":  func() error { _, err := w.shipments.Deliver(ctx, w.request(), shipmentID); return err },
		}
		// take delivers one message of a queue, any one; unless it is acknowledged, or comes twice,
		// it is gone.
		take := func(name string) {
			w.publish()
			queue := w.queues[name]
			if len(queue) == 0 {
				return
			}
			n := rapid.IntRange(0, len(queue)-1).Draw(rt, "message")
			err := consume[name](queue[n])
			if errors.Is(err, contract.ErrMalformed) || faults.Final(err) {
				rt.Fatalf("%s can't take %s: %v", name, queue[n], err)
			}
			if again := losing && rapid.IntRange(0, 3).Draw(rt, "again") == 3; err == nil && !again {
				w.queues[name] = slices.Delete(slices.Clone(queue), n, n+1)
			}
		}
		// A confirmed order is where the race begins, so most draws begin there, and some with a
		// shipment that is prepared.
		for range rapid.SampledFrom([]int{0, 2, 4, 4, 4, 4}).Draw(rt, "steps ahead") {
			w.step(w.runs[0])
		}
		for range rapid.SampledFrom([]int{0, 9}).Draw(rt, "messages ahead") {
			take("prepare")
		}
		losing = true
		actions := []string{
			"saga run", "dispatch", "dispatch", "dispatch", "prepare", "prepare", "follow", "commit", "saga",
		}
		if rapid.Bool().Draw(rt, "somebody cancels") {
			actions = append(actions, "cancel")
		}
		if rapid.Bool().Draw(rt, "it arrives") {
			actions = append(actions, "deliver", "deliver")
		}
		for range rapid.IntRange(4, 40).Draw(rt, "actions") {
			switch action := rapid.SampledFrom(actions).Draw(rt, "action"); action {
			case "saga run":
				w.step(rapid.SampledFrom(w.runs).Draw(rt, "run"))
			case "cancel", "dispatch", "deliver":
				// Nobody waits for the answer: who got none may have died.
				_ = people[action]()
			default:
				take(action)
			}
		}
		losing = false
		for quiet := false; !quiet; {
			quiet = true
			w.publish()
			for _, r := range w.runs {
				if len(r.steps) > 0 {
					w.step(r)
					quiet = false
				}
			}
			for _, name := range []string{"commit", "follow", "prepare", "saga"} {
				if len(w.queues[name]) > 0 {
					take(name)
					quiet = false
				}
			}
		}
		w.check(rt)
		w.belongs(rt)
		o, err := w.orders.Get(ctx, orderID)
		if err != nil {
			rt.Fatal(err)
		}
		ends[o.State.Status]++
		if o.State.Status == order.StatusCancelled && o.State.ClosedBy == order.OriginCustomer {
			if note, err := w.orders.OpenNote(ctx, o.State, o.State.Note); err != nil || note != "changed my mind" {
				rt.Fatalf("the customer's words are %q, %v", note, err)
			}
		}
	})
	t.Logf("ends: %v", ends)
	for _, status := range []order.Status{
		order.StatusConfirmed, order.StatusShipped, order.StatusDelivered, order.StatusCancelled,
	} {
		if ends[status] == 0 && !t.Failed() {
			t.Errorf("no draw ended %s: %v", status, ends)
		}
	}
}

// TestEitherWins forces the race between dispatching and cancelling both ways: each is at its write
// when the other comes, and the books are the winner's.
func TestEitherWins(t *testing.T) {
	for _, want := range []order.Status{order.StatusShipped, order.StatusCancelled} {
		t.Run(string(want), func(t *testing.T) {
			w := newWorld(t)
			consume := w.consumers(shipmenttest.NewCopies())
			w.settle(consume)
			var dispatched, cancelled error
			dispatch := func() { _, dispatched = w.shipments.Dispatch(t.Context(), w.request(), shipmentID) }
			cancel := func() {
				_, cancelled = w.orders.Cancel(
					t.Context(), w.request(), orderID, order.CancelInput{
						Origin: order.OriginCustomer, CustomerID: customerID,
					},
				)
			}
			first, second := dispatch, cancel
			if want == order.StatusCancelled {
				first, second = cancel, dispatch
			}
			w.store.Before = func(commits []es.Commit) error {
				if commits[0].Head.Stream().Category() == shipment.Category {
					w.store.Before = nil
					first()
				}
				return nil
			}
			second()
			if want == order.StatusShipped && (dispatched != nil || !errors.Is(cancelled, order.ErrDispatched)) ||
				want == order.StatusCancelled && (cancelled != nil || !errors.Is(dispatched, shipment.ErrCancelled)) {
				t.Errorf("dispatch: %v, cancel: %v", dispatched, cancelled)
			}
			w.settle(consume)
			w.check(t)
			w.belongs(t)
			if o, err := w.orders.Get(t.Context(), orderID); err != nil || o.State.Status != want {
				t.Errorf("the order is %s, %v", o.State.Status, err)
			}
		})
	}
}

// TestCountedBeforeItIsBooked: between a dispatch and what follows from it, the books have no
// pieces that the shelf has not.
func TestCountedBeforeItIsBooked(t *testing.T) {
	for _, arrivalFirst := range []bool{false, true} {
		w := newWorld(t)
		consume := w.consumers(shipmenttest.NewCopies())
		w.settle(consume)
		_, errDispatch := w.shipments.Dispatch(t.Context(), w.request(), shipmentID)
		_, errLate := w.stock.Set(t.Context(), w.request(), sku, onHand, stock.Match{Version: 1})
		_, errCount := w.stock.Set(t.Context(), w.request(), sku, onHand-ordered, stock.Match{Version: 2})
		_, errDeliver := w.shipments.Deliver(t.Context(), w.request(), shipmentID)
		if err := errors.Join(errDispatch, errCount, errDeliver); err != nil ||
			!errors.Is(errLate, stock.ErrVersionMismatch) {
			t.Fatal(err, errLate)
		}
		w.publish()
		if arrivalFirst {
			slices.Reverse(w.queues["follow"])
		}
		w.settle(consume)
		w.check(t)
	}
}

// unheard are books that a dispatch tells nothing, as in earlier releases.
type unheard struct{}

func (unheard) Departure(string, int64) func(context.Context, es.Request) ([]es.Commit, []es.Effect, error) {
	return func(context.Context, es.Request) ([]es.Commit, []es.Effect, error) { return nil, nil, nil }
}

// TestDispatchOfAnEarlierRelease: pieces that a dispatch took from no books leave them with the
// booking, or with a count that names the shipment, and once.
func TestDispatchOfAnEarlierRelease(t *testing.T) {
	for name, tc := range map[string]struct {
		pieces int64
		left   []stock.Parcel
	}{
		"nobody counts": {},
		"counted ahead of the dispatch, or as if": {pieces: onHand},
		"counted after it, and the parcel is named": {
			onHand - ordered, []stock.Parcel{{OrderID: orderID, Revision: 1}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			consume := w.consumers(shipmenttest.NewCopies())
			w.settle(consume)
			earlier := shipment.New(shipment.Deps{Store: w.store, Clock: w.clock, Vault: w.vault, Books: unheard{}})
			if _, err := earlier.Dispatch(t.Context(), w.request(), shipmentID); err != nil {
				t.Fatal(err)
			}
			if tc.pieces > 0 {
				if _, err := w.stock.Set(
					t.Context(), w.request(), sku, tc.pieces, stock.Match{Version: 1}, tc.left...,
				); err != nil {
					t.Fatal(err)
				}
			}
			w.publish()
			w.settle(consume)
			w.check(t)
		})
	}
}

// TestAnotherRevisionLeaves: what is committed is what was reserved for the revision that left.
func TestAnotherRevisionLeaves(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		shipped  order.Shipped
		revision int64
	}{
		"of a release that told none": {order.Shipped{ShipmentID: "s"}, 1},
		"the second revision": {
			order.Shipped{ShipmentID: "s", Revision: 2, DispatchedAt: "2026-03-01T11:00:00Z"}, 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := contract.Map(es.Recorded{
				Stream: "order/o1", Version: 4, Type: "order.shipped", Schema: 1, Data: tc.shipped, Time: at,
			})
			if err != nil {
				t.Fatal(err)
			}
			spy := &committed{}
			if err := (choreography.Committer{
				Stock: spy, Clock: clock.NewFake(at),
			}).Handle(t.Context(), delivered(t, e)); err != nil {
				t.Fatal(err)
			}
			if spy.orderID != "o1" || spy.revision != tc.revision {
				t.Errorf("committed is %+v", spy)
			}
		})
	}
}

// committed notes what is committed.
type committed struct {
	orderID  string
	revision int64
}

func (c *committed) Commit(
	_ context.Context, _ es.Request, orderID string, revision int64,
) (stock.ReservationState, error) {
	*c = committed{orderID, revision}
	return stock.ReservationState{}, nil
}

// TestNobodyTookItBack: the saga takes shipments back of closed orders alone. Should one of a
// confirmed order say that it did, a person has to look.
func TestNobodyTookItBack(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.step(w.runs[0])
	}
	if _, err := w.shipments.Cancel(
		t.Context(), w.request(), shipment.Cancel{OrderID: orderID, Revision: 1, Origin: string(order.OriginSaga)},
	); err != nil {
		t.Fatal(err)
	}
	cancelled := delivered(t, envelopeOf(t, w, "shipment.cancelled"))
	follower := choreography.Follower{Orders: w.orders, Stock: w.stock, Clock: w.clock}
	if err := follower.Handle(t.Context(), cancelled); err == nil || errors.Is(err, contract.ErrMalformed) {
		t.Errorf("followed: %v", err)
	}
}

// TestWrongCopyIsMadeAgain: a copy that is wrong and has the right number refuses the right one.
// Without its row the replay makes it again.
func TestWrongCopyIsMadeAgain(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.step(w.runs[0])
	}
	updated := envelopeOf(t, w, "order.updated")
	for _, e := range envelopesOf(t, w) {
		if e.Type == "order.updated" && e.Sequence > updated.Sequence {
			updated = e
		}
	}
	replayed := [][]byte{delivered(t, updated), delivered(t, envelopeOf(t, w, "order.confirmed"))}
	for _, deleted := range []bool{false, true} {
		copies := shipmenttest.NewCopies()
		if !deleted {
			wrong := shipment.Copy{OrderID: orderID, Sequence: updated.Sequence, Status: "placed", Revision: 1,
				ShipmentID: "another"}
			if _, _, err := copies.Put(t.Context(), wrong); err != nil {
				t.Fatal(err)
			}
		}
		preparer := choreography.Preparer{Copies: copies, Shipments: w.shipments, Clock: w.clock}
		for _, body := range replayed {
			if err := preparer.Handle(t.Context(), body); err != nil {
				t.Fatal(err)
			}
		}
		want := shipment.StatusScheduled
		if deleted {
			want = shipment.StatusPrepared
		}
		if got, err := w.shipments.Get(t.Context(), orderID, 1); err != nil || got.Status != want {
			t.Errorf("deleted %v: the shipment is %+v, %v", deleted, got, err)
		}
	}
}

// TestCancellationThatDies: who dies between taking the shipment back and closing the order leaves
// it to whoever follows shipments, note and all.
func TestCancellationThatDies(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.step(w.runs[0])
	}
	w.store.Before = func(commits []es.Commit) error {
		if commits[0].Head.Stream().Category() == order.Category {
			return es.ErrUnavailable
		}
		return nil
	}
	if _, err := w.orders.Cancel(
		t.Context(), w.request(), orderID,
		order.CancelInput{Origin: order.OriginOperator, Reason: order.ReasonErased, Note: "a word"},
	); !errors.Is(err, es.ErrUnavailable) {
		t.Fatal(err)
	}
	w.store.Before = nil
	if _, err := w.shipments.Dispatch(t.Context(), w.request(), shipmentID); !errors.Is(err, shipment.ErrCancelled) {
		t.Errorf("dispatched: %v", err)
	}
	w.publish()
	consume := w.consumers(shipmenttest.NewCopies())
	for range 2 {
		for _, body := range w.queues["follow"] {
			if err := consume["follow"](body); err != nil {
				t.Fatal(err)
			}
		}
	}
	o, err := w.orders.Get(t.Context(), orderID)
	if err != nil {
		t.Fatal(err)
	}
	note, err := w.orders.OpenNote(t.Context(), o.State, o.State.Note)
	if o.State.Status != order.StatusCancelling || o.State.ClosedBy != order.OriginOperator ||
		o.State.Reason != order.ReasonErased || note != "a word" || o.Head.Version() != 3 {
		t.Errorf("the order is %+v, note %q, %v", o.State, note, err)
	}
}

// TestCarrier: who comes at once has every prepared shipment delivered, however often the event
// comes, and takes nothing that was cancelled, nor what nobody can say the way of.
func TestCarrier(t *testing.T) {
	for _, want := range []shipment.Status{
		shipment.StatusDelivered, shipment.StatusCancelled, shipment.StatusPrepared,
	} {
		w := newWorld(t)
		for range 4 {
			w.step(w.runs[0])
		}
		w.publish()
		consume := w.consumers(shipmenttest.NewCopies())
		for _, body := range w.queues["prepare"] {
			if err := consume["prepare"](body); err != nil {
				t.Fatal(err)
			}
		}
		switch want {
		case shipment.StatusCancelled:
			if _, err := w.orders.Cancel(
				t.Context(), w.request(), orderID, order.CancelInput{
					Origin: order.OriginCustomer, CustomerID: customerID,
				},
			); err != nil {
				t.Fatal(err)
			}
		case shipment.StatusPrepared: // to nobody knows where
			if err := w.vault.Erase(t.Context(), customerID); err != nil {
				t.Fatal(err)
			}
		}
		prepared := envelopeOf(t, w, "shipment.prepared")
		for range 3 {
			if err := (choreography.Carrier{Shipments: w.shipments, Clock: w.clock}).Handle(
				t.Context(), delivered(t, prepared),
			); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := w.shipments.Get(t.Context(), orderID, 1); err != nil || got.Status != want {
			t.Errorf("the shipment is %+v, %v, want %s", got, err, want)
		}
	}
}

// envelopeOf is the published form of the first event of a type.
func envelopeOf(t *testing.T, w *world, name string) es.Envelope {
	t.Helper()
	envelopes := envelopesOf(t, w)
	i := slices.IndexFunc(envelopes, func(e es.Envelope) bool { return e.Type == name })
	if i < 0 {
		t.Fatalf("nothing has published %s", name)
	}
	return envelopes[i]
}

// envelopesOf is all that was published.
func envelopesOf(t *testing.T, w *world) (all []es.Envelope) {
	t.Helper()
	for page, err := range w.kept.Scan(t.Context(), 0, 1, "") {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range page.Commits {
			envelopes, err := publish.Envelopes(
				t.Context(), contract.Registry(), order.Decider.Repository(order.Category, w.kept), c,
			)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, envelopes...)
		}
	}
	return all
}

// TestOrdersAreNotAsked: shipping prepares from its own copy alone. Its consumer reads and writes
// the streams of shipments and no others.
func TestOrdersAreNotAsked(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.step(w.runs[0])
	}
	w.publish()
	own := &shipping{store: w.kept}
	preparer := choreography.Preparer{
		Copies: shipmenttest.NewCopies(), Clock: w.clock,
		Shipments: shipment.New(shipment.Deps{Store: own, Clock: w.clock}),
	}
	for _, body := range w.queues["prepare"] {
		if err := preparer.Handle(t.Context(), body); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.shipments.Get(t.Context(), orderID, 1)
	if err != nil || got.Status != shipment.StatusPrepared ||
		!slices.Equal(got.Items, []shipment.Item{{SKU: sku, Quantity: ordered}}) {
		t.Fatalf("the shipment is %+v, %v", got, err)
	}
	if to, err := w.shipments.OpenAddress(t.Context(), got); err != nil || to.City != "London" {
		t.Errorf("it goes to %+v, %v", to, err)
	}
	if len(own.others) > 0 {
		t.Errorf("it reads or writes %v", own.others)
	}
}

// shipping notes the streams that are not shipments', by whatever way they are reached.
type shipping struct {
	store  es.Store
	others []es.StreamID
}

func (s *shipping) note(stream es.StreamID) {
	if stream.Category() != shipment.Category {
		s.others = append(s.others, stream)
	}
}

func (s *shipping) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	s.note(stream)
	return s.store.Load(ctx, stream, after)
}

func (s *shipping) Since(ctx context.Context, head es.Head) (es.History, error) {
	s.note(head.Stream())
	return s.store.Since(ctx, head)
}

func (s *shipping) Read(ctx context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.Recorded, error] {
	s.note(stream)
	return s.store.Read(ctx, stream, r)
}

func (s *shipping) At(ctx context.Context, stream es.StreamID, version int64) (es.Head, error) {
	s.note(stream)
	return s.store.At(ctx, stream, version)
}

func (s *shipping) Confirm(ctx context.Context, heads ...es.Head) error {
	for _, h := range heads {
		s.note(h.Stream())
	}
	return s.store.Confirm(ctx, heads...)
}

func (s *shipping) Append(ctx context.Context, commits []es.Commit, effects ...es.Effect) (es.Appended, error) {
	for _, c := range commits {
		s.note(c.Head.Stream())
	}
	return s.store.Append(ctx, commits, effects...)
}

// TestUnfit: what is no event of the consumer's is refused, for a person to look at.
func TestUnfit(t *testing.T) {
	w := newWorld(t)
	for range 4 {
		w.step(w.runs[0])
	}
	confirmed := envelopeOf(t, w, "order.confirmed")
	elsewhere, future, broken := confirmed, confirmed, confirmed
	elsewhere.Subject = "order/o2"
	future.DataVersion = 9
	broken.Data = json.RawMessage(`{}`)
	ctx := t.Context()
	preparer := choreography.Preparer{Copies: shipmenttest.NewCopies(), Shipments: w.shipments, Clock: w.clock}
	handlers := map[string]func(context.Context, []byte) error{
		"prepare": preparer.Handle, "follow": choreography.Follower{
			Orders: w.orders, Stock: w.stock, Clock: w.clock,
		}.Handle,
		"commit": choreography.Committer{Stock: w.stock, Clock: w.clock}.Handle,
		"carry":  choreography.Carrier{Shipments: w.shipments, Clock: w.clock}.Handle,
	}
	bodies := map[string][]byte{
		"no JSON": []byte("order.confirmed"), "another event": delivered(t, envelopeOf(t, w, "order.placed")),
		"another order":    delivered(t, elsewhere),
		"a future version": delivered(t, future), "no order": delivered(t, broken),
		"outside and inside differ": []byte(strings.Replace(
			string(delivered(t, confirmed)), `"detail-type":"order.confirmed"`, `"detail-type":"order.updated"`, 1,
		)),
	}
	for consumer, handle := range handlers {
		for name, body := range bodies {
			if err := handle(ctx, body); !errors.Is(err, contract.ErrMalformed) {
				t.Errorf("%s of %s: %v", consumer, name, err)
			}
		}
	}
}
