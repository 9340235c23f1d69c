package lifecycle_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/contract/publish"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/process/backorder"
	"orderflow/shared/process/choreography"
	"orderflow/shared/process/saga"
	"orderflow/shared/process/starter"
	"orderflow/shared/process/sweep"
	"orderflow/shared/process/sweep/sweeptest"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// How long waits take, and when the sweep finds an order.
const (
	payWithin       = 30 * time.Minute
	approveWithin   = 24 * time.Hour
	backorderWithin = 14 * 24 * time.Hour
	budget          = 15 * time.Minute
)

// place is where a run stands in the state machine: that of statemachines/order-saga.asl.json.
type place string

const (
	atStart    place = "start order"
	atReserve  place = "reserve stock"
	atReduce   place = "reduce order"
	atCharge   place = "charge payment"
	atSchedule place = "schedule shipment"
	atConfirm  place = "confirm order"
	atHold     place = "wait for approval"
	atStock    place = "wait for stock"
	atRequire  place = "wait for the payment"
	atExpire   place = "end the wait"
	atClose    place = "close order"
	atCancel   place = "cancel shipment"
	atRefund   place = "refund payment"
	atRelease  place = "release stock"
	atFinish   place = "cancel order"
	atFail     place = "mark the undo as failed"
	ended      place = "ended"
)

// tries is how often a step of the fulfilment is tried before the run gives it up.
const tries = 4

// run is an execution of the state machine.
type run struct {
	saga.Run
	at       place
	of       order.State // as the run has read it
	tries    int         // of this state, that have failed
	waiting  bool        // for the answer to its token
	token    string
	tokens   int // that it had
	wait     order.Wait
	deadline time.Time
	payBy    time.Time
	reason   order.Reason
	failed   []string // steps of the undo
}

func (r *run) live() bool { return r.at != ended }

func (r *run) enter(at place) { r.at, r.tries, r.waiting = at, 0, false }

// task identifies a task of a run, which the state machine may send more than once.
func (s *shop) task(r run, name string) es.Request {
	return saga.Request(s.clock, r.Name, name, r.Input.OrderID, r.Input.From())
}

// The commands of the inventory's queue.
const (
	reserveStock   = "reserve.stock"
	backorderStock = "backorder.stock"
	partialStock   = "partial.stock"
	partialOrWait  = "partial-backorder.stock"
	releaseStock   = "release.stock"
)

// command is a message of the inventory's queue.
type command struct {
	token string
	name  string
	of    run
}

// command is what a run has the inventory do where it is.
func (r *run) command() string {
	switch {
	case r.at == atRelease:
		return releaseStock
	case r.of.OutOfStock == goods.Backorder:
		return backorderStock
	case r.of.OutOfStock == goods.PartialDrop:
		return partialStock
	case r.of.OutOfStock == goods.PartialWait:
		return partialOrWait
	}
	return reserveStock
}

// message is an event on its way to a consumer.
type message struct {
	to, name string
	body     []byte
}

// machine is what moves orders along, and what is on its way.
type machine struct {
	runs      []*run
	commands  []command
	messages  []message
	late      []func() error // requests that may come once more
	published map[string]bool
	appends   int64 // that the store was asked for when it was last looked through
	copies    shipment.Copies
}

func newMachine(copies shipment.Copies) machine {
	return machine{published: map[string]bool{}, copies: copies}
}

// remembered is how many requests of runs may still come once more.
const remembered = 40

// step takes a run a state further.
func (s *shop) step(r *run) error {
	if r.waiting {
		return nil
	}
	switch r.at {
	case atReserve, atRelease, atHold, atStock, atRequire:
		r.tokens++
		r.token, r.waiting = fmt.Sprint(r.Name, "#", r.tokens), true
	}
	asked := *r
	s.late = append(s.late, func() error { _, err := s.perform(asked); return err })
	s.late = s.late[max(len(s.late)-remembered, 0):]
	state, err := s.perform(asked)
	if _, unexpected := answer(err); unexpected != nil {
		return fmt.Errorf("%s of %s: %w", asked.at, r.Name, unexpected)
	}
	s.follow(r, asked.at, state, err)
	return nil
}

// perform carries out what a run asks for where it is.
func (s *shop) perform(r run) (of order.State, err error) {
	ctx, id := context.Background(), r.Input.OrderID
	run := func(task string, c order.Command) (order.State, error) {
		res, err := s.orders.Run(ctx, s.task(r, task), id, c)
		return res.State, err
	}
	switch r.at {
	case atStart:
		task := "start-order"
		if r.wait.Kind != "" {
			task += "-after-" + string(r.wait.Kind)
		}
		return run(task, order.Start{SagaID: r.Name})
	case atReserve, atRelease:
		s.commands = append(s.commands, command{token: r.token, name: r.command(), of: r})
	case atReduce:
		return s.reduce(r)
	case atCharge:
		return of, s.charge(r)
	case atSchedule:
		_, err = s.shipments.Schedule(ctx, s.task(r, "schedule-shipment"), shipment.Schedule{
			OrderID: id, Revision: r.of.ShipmentRevision, CustomerID: r.of.CustomerID, Address: r.of.Address,
		})
	case atConfirm:
		parcel := shipment.ID(id, r.of.ShipmentRevision)
		return run("confirm-order", order.Confirm{
			SagaID: r.Name, PaymentID: payment.ID(id, r.of.PaymentRevision), ShipmentID: parcel,
			TrackingNumber: shipment.TrackingNumber(parcel),
		})
	case atHold:
		return s.park(r, "await-approval", order.Hold{Until: r.wait.Until, Park: r.park()})
	case atStock:
		return s.awaitStock(r)
	case atRequire:
		return s.park(r, "await-payment", order.RequirePayment{
			Revision: r.wait.Revision, Code: string(r.reason), Until: r.wait.Until, Park: r.park(),
		})
	case atExpire:
		if r.wait.Kind == order.WaitStock {
			if short, err := s.short(r); err != nil || len(short) == 0 {
				return of, err
			}
		}
		return run(fmt.Sprintf("expire-%s-%d", r.wait.Kind, r.wait.Revision), order.Expire{
			Wait: r.wait.Kind, Revision: r.wait.Revision, SagaID: r.Name,
		})
	case atClose:
		return run("close-order", order.Close{Origin: order.OriginSaga, Reason: r.reason, SagaID: r.Name})
	case atCancel:
		if s.wrong != leavesParcels {
			_, err = s.shipments.Cancel(ctx, s.task(r, "cancel-shipment"), shipment.Cancel{
				OrderID: id, Revision: r.of.ShipmentRevision, Origin: string(order.OriginSaga),
			})
		}
	case atRefund:
		if s.wrong != forgetsRefunds {
			_, err = s.payments.Refund(ctx, s.paymentTask(r, "refund-payment"), id, r.of.PaymentRevision)
		}
	case atFinish:
		return run("cancel-order", order.FinishUndo{SagaID: r.Name})
	case atFail:
		return run("fail-undo", order.FailUndo{SagaID: r.Name, Steps: r.failed})
	}
	return of, err
}

func (r run) park() order.Park { return order.Park{Token: r.token, SagaID: r.Name} }

// park is a task with which a run begins to wait. What ends the wait may have come before.
func (s *shop) park(r run, task string, c order.Command) (order.State, error) {
	id := r.Input.OrderID
	req := saga.WaitRequest(s.clock, r.Name, task, id, r.token, r.Input.From())
	res, err := s.orders.Run(context.Background(), req, id, c)
	if err == nil && !res.State.Waits(r.park()) {
		err = s.Succeed(context.Background(), r.token, nil)
	}
	return res.State, err
}

// awaitStock is park for a run whose reservation waits. What fills that is no event of the order,
// so the reservation is asked once the run is parked.
func (s *shop) awaitStock(r run) (of order.State, err error) {
	short, err := s.short(r)
	if err == nil && len(short) > 0 {
		of, err = s.park(r, "await-stock", order.Backorder{
			Revision: r.wait.Revision, Items: short, Until: r.wait.Until, Park: r.park(),
		})
		if err == nil {
			short, err = s.short(r)
		}
	}
	if err != nil || len(short) > 0 {
		return of, err
	}
	return of, s.Succeed(context.Background(), r.token, nil)
}

// short is what the reservation of a run waits for.
func (s *shop) short(r run) ([]goods.Item, error) {
	reservation, err := s.stock.Reservation(context.Background(), r.Input.OrderID, r.wait.Revision)
	if err != nil || reservation.Status != es.AttemptWaiting {
		return nil, err
	}
	return reservation.Short(), nil
}

// reduce has the order of a run be for what its reservation has, and answers with it, open.
func (s *shop) reduce(r run) (of order.State, err error) {
	id, revision := r.Input.OrderID, r.of.StockRevision
	res, err := s.orders.Reduce(context.Background(), s.task(r, fmt.Sprint("reduce-order-", revision)), id, revision,
		func(ctx context.Context) ([]goods.Item, error) {
			reservation, err := s.stock.Reservation(ctx, id, revision)
			if err == nil && reservation.Status != es.AttemptDone {
				err = stock.ErrNotReserved.New("the reservation is %s", reservation.Status)
			}
			return reservation.Items, err
		})
	switch {
	case err != nil || res.State.Status.Open():
		return res.State, err
	case res.State.Status.Final() && res.State.Status != order.StatusCancelled:
		return of, order.ErrFulfilled.New("the order is %s", res.State.Status)
	}
	return of, order.ErrCancelling.New("the order is %s", res.State.Status)
}

func (s *shop) charge(r run) error {
	revision := r.of.PaymentRevision
	if s.wrong == chargesAnew {
		revision += int64(r.tries)
	}
	_, err := s.payments.Charge(context.Background(), s.paymentTask(r, "charge-payment"), payment.Charge{
		OrderID: r.Input.OrderID, Revision: revision, CustomerID: r.of.CustomerID,
		AccountID: r.of.AccountID, Amount: r.of.Total,
	})
	return err
}

// paymentTask identifies a task on one of the order's payments.
func (s *shop) paymentTask(r run, name string) es.Request {
	if r.of.PaymentRevision > 1 {
		name = fmt.Sprintf("%s-%d", name, r.of.PaymentRevision)
	}
	return s.task(r, name)
}

// follow takes a run where the answer leads that it got at a place: it may be elsewhere by now,
// where its token was answered first.
func (s *shop) follow(r *run, at place, of order.State, err error) {
	if r.at != at {
		return
	}
	code, _ := answer(err)
	if err != nil && code == "" { // no answer, or one for trying again
		s.retry(r)
		return
	}
	refused := err != nil
	switch at {
	case atStart:
		s.started(r, of, err)
	case atReduce:
		switch {
		case code == order.ErrFulfilled.Code():
			r.enter(ended)
		case refused:
			s.giveUp(r, string(order.ReasonSaga))
		default:
			r.of = of
			r.enter(atCharge)
		}
	case atCharge:
		s.charged(r, code, refused)
	case atSchedule:
		s.next(r, refused, atConfirm, code)
	case atConfirm:
		s.next(r, refused, ended, code)
	case atHold, atStock, atRequire:
		if refused {
			s.giveUp(r, code)
		}
	case atExpire:
		s.next(r, refused, atStart, code)
	case atClose:
		r.of = of
		r.enter(ended)
		if of.Status == order.StatusCancelling {
			r.enter(atCancel)
		}
	case atCancel:
		r.enter(atRefund)
		if refused {
			r.failed = append(r.failed, "cancel shipment")
			r.enter(atFail)
		}
	case atRefund:
		r.enter(atRelease)
	case atFinish, atFail:
		r.enter(ended)
	}
}

// retry tries a state again, which may be too often.
func (s *shop) retry(r *run) {
	r.waiting = false
	if r.tries++; r.tries < tries {
		return
	}
	switch r.at {
	case atClose, atCancel, atRefund, atRelease, atFinish, atFail: // as often as it takes
	default:
		s.giveUp(r, string(order.ReasonSaga))
	}
}

func (s *shop) giveUp(r *run, reason string) {
	r.reason = order.Reason(reason)
	r.enter(atClose)
}

func (s *shop) next(r *run, refused bool, on place, code string) {
	if refused {
		s.giveUp(r, code)
		return
	}
	r.enter(on)
}

func (s *shop) started(r *run, of order.State, err error) {
	switch {
	case errors.Is(err, order.ErrHeld):
		if r.wait.Kind != order.WaitApproval {
			s.waits(r, order.WaitApproval, 1, s.clock.Now().Add(approveWithin))
		}
		r.enter(atHold)
	case err == nil && of.Status.Open():
		r.of = of
		r.enter(atReserve)
	case err == nil && of.Status.Final() && of.Status != order.StatusCancelled:
		r.enter(ended)
	default:
		s.giveUp(r, string(order.ReasonSaga))
	}
}

func (s *shop) waits(r *run, kind order.WaitKind, revision int64, until time.Time) {
	r.deadline = until
	r.wait = order.Wait{Kind: kind, Revision: revision, Until: until.Format(time.RFC3339)}
}

// declined are the refusals of a charge after which the customer may pay again.
var declined = []string{
	"account.not-open", "account.insufficient-funds", "account.wrong-currency", "account.not-yours",
}

func (s *shop) charged(r *run, code string, refused bool) {
	if refused && slices.Contains(declined, code) && s.clock.Now().Before(r.payBy) {
		r.reason = order.Reason(code)
		s.waits(r, order.WaitPayment, r.of.PaymentRevision, r.payBy)
		r.enter(atRequire)
		return
	}
	s.next(r, refused, atSchedule, code)
}

// Succeed answers the run that waits with a token, as Step Functions does.
func (s *shop) Succeed(_ context.Context, token string, _ any) error {
	for _, r := range s.runs {
		if !r.waiting || r.token != token {
			continue
		}
		switch r.at {
		case atReserve:
			s.reserved(r, atCharge)
		case atRelease:
			if r.enter(atFinish); len(r.failed) > 0 {
				r.enter(atFail)
			}
		default:
			r.enter(atStart)
		}
	}
	return nil
}

// reserved takes a run on for which something is reserved.
func (s *shop) reserved(r *run, to place) {
	if r.payBy.IsZero() {
		r.payBy = s.clock.Now().Add(payWithin)
	}
	r.enter(to)
}

// fail answers it with a refusal.
func (s *shop) fail(token, code string) {
	for _, r := range s.runs {
		if !r.waiting || r.token != token {
			continue
		}
		switch {
		case r.at == atRelease:
			r.failed = append(r.failed, "release stock")
			r.enter(atFail)
		case r.at == atReserve && code == stock.ErrPartial.Code():
			if s.reserved(r, atReduce); s.wrong == reducesNothing {
				r.at = atCharge
			}
		case r.at == atReserve && code == stock.ErrBackordered.Code():
			if r.wait.Kind != order.WaitStock {
				s.waits(r, order.WaitStock, r.of.StockRevision, s.clock.Now().Add(backorderWithin))
			}
			r.enter(atStock)
		default:
			s.giveUp(r, code)
		}
	}
}

// Start starts a run, of which there is one of a name.
func (s *shop) Start(_ context.Context, asked saga.Run) (fresh bool, err error) {
	if slices.ContainsFunc(s.runs, func(r *run) bool { return r.Name == asked.Name }) {
		return false, nil
	}
	r := &run{Run: asked, at: atStart}
	if asked.Input.Mode == saga.ModeUndo {
		r.at, r.reason = atClose, order.ReasonExpired
	}
	s.runs = append(s.runs, r)
	return true, nil
}

// Running implements sweep.Runs.
func (s *shop) Running(_ context.Context, name string) (bool, error) {
	return slices.ContainsFunc(s.runs, func(r *run) bool { return r.Name == name && r.live() }), nil
}

// takeStock carries out commands of the inventory's queue together: those at places, each of
// another order.
func (s *shop) takeStock(at ...int) error {
	var reservations []stock.Command
	done := map[int]stock.Reply{}
	var places []int
	for _, i := range at {
		c := s.commands[i]
		id := c.of.Input.OrderID
		if c.name == releaseStock {
			var reply stock.Reply
			if s.wrong != forgetsReleases {
				req := s.task(c.of, c.name)
				reply.State, reply.Err = s.inventory.Release(context.Background(), req, id, c.of.of.StockRevision)
			}
			done[i] = reply
			continue
		}
		places = append(places, i)
		reservations = append(reservations, stock.Command{
			Request: s.task(c.of, c.name),
			Reservation: stock.Reservation{
				OrderID: id, Revision: c.of.of.StockRevision, Items: itemsOf(c.of.of.Lines),
				Backorder: c.name == backorderStock || c.name == partialOrWait,
				Partial:   c.name == partialStock || c.name == partialOrWait,
			},
		})
	}
	for i, reply := range s.inventory.ReserveAll(context.Background(), reservations) {
		done[places[i]] = reply
	}
	slices.Sort(at)
	for _, i := range slices.Backward(at) {
		c, reply := s.commands[i], done[i]
		code, err := answer(reply.Err)
		switch {
		case err != nil:
			return fmt.Errorf("inventory: %w", err)
		case reply.Err != nil && code == "": // it stays in the queue
			continue
		case reply.Err != nil:
			s.fail(c.token, code)
		default:
			_ = s.Succeed(context.Background(), c.token, nil)
		}
		s.commands = slices.Delete(s.commands, i, i+1)
	}
	return nil
}

func itemsOf(lines []order.Line) []goods.Item {
	items := make([]goods.Item, len(lines))
	for i, l := range lines {
		items[i] = goods.Item{SKU: l.SKU, Quantity: l.Quantity}
	}
	return goods.Sum(items)
}

// wanted says which consumer an event is for, by the rules of the template.
func wanted(e es.Envelope) string {
	var d struct {
		Status, Origin string
		Waiting        []string
	}
	_ = json.Unmarshal(e.Data, &d) // who needs neither has another form
	switch e.Type {
	case "order.placed", "order.approved", "order.payment-requested":
		return "start-saga"
	case "order.cancelling":
		if d.Origin != string(order.OriginSaga) {
			return "start-saga"
		}
	case "order.updated":
		if d.Status == string(order.StatusConfirmed) {
			return "prepare-shipments"
		}
	case "shipment.dispatched", "shipment.delivered", "shipment.cancelled":
		return "follow-shipments"
	case "order.shipped":
		return "commit-stock"
	case "stock.restocked", "stock.released", "stock.amended", "stock.voided", "stock.backordered", "stock.reserved":
		if len(d.Waiting) > 0 {
			return "fill-backorders"
		}
	}
	return ""
}

// publish puts what was appended on the bus.
func (s *shop) publish() error {
	if s.appends == s.store.Appends.Load() {
		return nil
	}
	s.appends = s.store.Appends.Load()
	ctx := context.Background()
	var fresh []es.StoredCommit
	for page, err := range s.kept.Scan(ctx, 0, 1, "") {
		if err != nil {
			return err
		}
		for _, c := range page.Commits {
			if id := fmt.Sprint(c.Stream, "@", c.First); !s.published[id] {
				s.published[id] = true
				fresh = append(fresh, c)
			}
		}
	}
	slices.SortFunc(fresh, func(a, b es.StoredCommit) int {
		return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.First, b.First))
	})
	for _, c := range fresh {
		// The rest of an order is placed by nobody but its order.
		if id := c.Stream.ID(); c.Stream.Category() == order.Category && !slices.Contains(s.placed, id) {
			s.placed = append(s.placed, id)
		}
		all, err := publish.Envelopes(
			ctx, registry, order.Decider.Repository(order.Category, s.kept), c,
		)
		if err != nil {
			return err
		}
		for _, e := range all {
			to := wanted(e)
			if to == "" {
				continue
			}
			body, err := json.Marshal(map[string]any{"detail-type": e.Type, "source": e.Source, "detail": e})
			if err != nil {
				return err
			}
			s.messages = append(s.messages, message{to: to, name: e.ID, body: body})
		}
	}
	return nil
}

func (s *shop) filler() backorder.Filler {
	f := backorder.Filler{Stock: s.stock, Orders: s.orders, Tokens: s, Clock: s.clock}
	switch s.wrong {
	case servesNobody:
		f.Stock = idle{}
	case wakesNobody:
		f.Tokens = idle{}
	}
	return f
}

// take delivers a message; unless it is acknowledged, or comes again, it is gone.
func (s *shop) take(i int, again bool) error {
	m, ctx := s.messages[i], context.Background()
	var err error
	switch m.to {
	case "start-saga":
		err = (starter.Starter{Runs: s, Orders: s.orders, Tokens: s}).Handle(ctx, m.body)
	case "prepare-shipments":
		err = choreography.Preparer{Copies: s.copies, Shipments: s.shipments, Clock: s.clock}.Handle(ctx, m.body)
	case "follow-shipments":
		err = choreography.Follower{Orders: s.orders, Stock: s.stock, Clock: s.clock}.Handle(ctx, m.body)
	case "commit-stock":
		err = choreography.Committer{Stock: s.stock, Clock: s.clock}.Handle(ctx, m.body)
	case "fill-backorders":
		err = s.filler().Handle(ctx, m.body)
	}
	if faults.Final(err) || errors.Is(err, contract.ErrMalformed) {
		return fmt.Errorf("%s can't take %s: %w", m.to, m.name, err)
	}
	if err == nil && !again {
		s.messages = slices.Delete(s.messages, i, i+1)
	}
	return nil
}

// rows are the lists in which the sweep finds an order.
type rows struct {
	id    string
	state order.State
}

func (r rows) when(is bool) iter.Seq2[orders.Listed, error] {
	return func(yield func(orders.Listed, error) bool) {
		if is {
			yield(orders.Listed{ID: r.id, Place: r.id}, nil)
		}
	}
}

func (r rows) Open(context.Context, orders.Dated) iter.Seq2[orders.Listed, error] {
	return r.when(!r.state.Status.Final() && r.state.Saga != order.SagaFailed)
}

func (r rows) Failed(context.Context, orders.Dated) iter.Seq2[orders.Listed, error] {
	return r.when(false)
}

func (r rows) Waiting(_ context.Context, _ int, _ orders.Dated, after string) iter.Seq2[orders.Listed, error] {
	return r.when(r.state.Status == order.StatusConfirmed && after == "")
}

func (r rows) Shipped(_ context.Context, _ int, _ orders.Dated, after string) iter.Seq2[orders.Listed, error] {
	return r.when(r.state.Status == order.StatusShipped && after == "")
}

// sweep comes a budget later, and looks at an order.
func (s *shop) sweep(id string) error {
	s.clock.Advance(budget + time.Minute)
	now, err := s.orders.Get(context.Background(), id)
	if errors.Is(err, order.ErrNotFound) {
		return nil // nobody has placed it after all
	}
	if err != nil {
		return err
	}
	_, err = sweep.Sweeper{
		Rows: rows{id, now.State}, Orders: s.orders, Shipments: s.shipments, Customers: registered{}, Stock: s.stock,
		Runs: s, Rounds: &sweeptest.Memory{}, Clock: s.clock, Budget: budget, Count: func(string, int64) {},
	}.Sweep(context.Background())
	if err != nil && strings.Contains(err.Error(), "panic") {
		return err
	}
	return nil // what it could not do, the next one does
}
