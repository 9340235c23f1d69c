package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
)

// The order is for one piece, and costs as much as a rich account has. Each piece that is added
// costs as much. One that is divided is for two, of which one is there.
const (
	pieces = 1
	price  = 1
)

// world is all that there is of one order.
type world struct {
	Order     order.State
	Patient   bool // waits for stock that is not there
	Partial   bool // goes on with what is there
	Rests     int  // orders of what was not there
	RestOpen  bool // one of them is open
	Counted   int  // pieces, all that somebody has put in
	Available int
	Reserved  int
	Departed  int
	Stock     es.AttemptStatus
	Held      int                        // pieces that the reservation's own events come to
	InLine    bool                       // the reservation is open, and waits
	Payments  map[int64]es.AttemptStatus // by revision
	Charged   map[int64]int              // what those of them come to that are done
	Balance   int
	Deposits  int // that came in beside what the account began with
	Shipment  shipment.Status
	Packed    int       // pieces that leave with it
	Runs      []run     // in the order in which they began
	Messages  []message // that nobody has got yet
	Sent      []late    // requests that may come once more
	Can       budget
}

// budget says how often something may still happen.
type budget struct {
	Cancels, Approvals, Declines, Requests, Deposits, Restocks int // of people
	More, Fewer                                                int // amendments to two pieces, and to one
	Rests                                                      int // the rest of the order is confirmed
	Crashes, Late, Sweeps                                      int
	WaitForEver                                                bool // no deadline ever comes
	Fault                                                      fault
}

// fault is something done wrong, for the test that such things are found.
type fault string

const (
	parksBlindly    fault = "a run parks whatever has come before"
	looksNever      fault = "a run that parks for stock does not look for it"
	refundsTheFirst fault = "the undo refunds the first payment"
	cancelsTooLate  fault = "a cancel does not ask the shipment"
	wakesNobody     fault = "a cancel wakes nobody"
	amendsTooLate   fault = "an amendment does not ask the shipment"
	chargesBefore   fault = "a run charges what it read before it waited"
	amendsUnpaid    fault = "an amendment charges a payment that was declined"
	releasesAsRead  fault = "the undo releases what the run has read"
	reducesNothing  fault = "a run charges what was placed, of which not all is there"
	dividesAtOnce   fault = "the rest is placed when it is found to be missing"
	leavesRests     fault = "a cancel leaves the rest of the order"
)

// place is where a run stands in the state machine.
type place string

const (
	atStart    place = "start order"
	atReserve  place = "reserve stock"
	atReduce   place = "reduce order"
	atCharge   place = "charge payment"
	atSchedule place = "schedule shipment"
	atConfirm  place = "confirm order"
	atHold     place = "park, for approval"
	atRequire  place = "park, for a payment"
	atAwait    place = "park, for stock"
	atLook     place = "look for the stock it is parked for" // the same task as the one before
	parked     place = "parked"
	atClose    place = "close order"
	atCancel   place = "cancel shipment"
	atRefund   place = "refund payment"
	atRelease  place = "release stock"
	atFinish   place = "cancel order"
	ended      place = "ended"
	died       place = "died" // timed out as a whole, or was aborted
)

// run is an execution of the state machine.
type run struct {
	Name     string
	At       place
	Payment  int64          // revision of the payment, as the run has read it
	Pieces   int            // of the order, as the run has read it
	Waits    order.WaitKind // what it is parked for
	Revision int64          // of what it is parked for
	Try      int            // names its task token: each try to park has another one
}

func (r run) token() string { return fmt.Sprint(r.Name, "#", r.Try) }

func (r run) live() bool { return r.At != ended && r.At != died }

// message is an event on its way to a consumer.
type message struct {
	To    string
	Event string
}

// late is a request that was made, and may come again at any time.
type late struct {
	Effect   string
	Run      string
	Revision int64
	Pieces   int
	Try      int
}

func (w world) key() string {
	text, err := json.Marshal(w)
	if err != nil {
		panic(err) // there is nothing in it that doesn't encode
	}
	return string(text)
}

// clone is a world that can be changed without changing this one. What the order's events hold is
// never changed.
func (w world) clone() world {
	w.Payments, w.Charged = maps.Clone(w.Payments), maps.Clone(w.Charged)
	w.Runs, w.Messages, w.Sent = slices.Clone(w.Runs), slices.Clone(w.Messages), slices.Clone(w.Sent)
	return w
}

// forget drops what no step looks at any more, so that worlds which differ only in that are one.
func (w *world) forget() {
	if w.Can.Late == 0 {
		w.Sent = nil
	}
	for i, r := range w.Runs {
		if !r.live() {
			w.Runs[i] = run{Name: r.Name, At: r.At}
		}
	}
}

// send has consumers get an event. They get it in any order, so what waits is a set.
func (w *world) send(to, event string) {
	m := message{To: to, Event: event}
	i, there := slices.BinarySearchFunc(w.Messages, m, func(a, b message) int {
		return compare(a.To+a.Event, b.To+b.Event)
	})
	if !there {
		w.Messages = slices.Insert(w.Messages, i, m)
	}
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// remember keeps a request that may come again. Only so many are of interest as may come.
func (w *world) remember(l late) {
	if w.Can.Late > 0 && !slices.Contains(w.Sent, l) {
		w.Sent = append(w.Sent, l)
		slices.SortFunc(w.Sent, func(a, b late) int { return compare(fmt.Sprint(a), fmt.Sprint(b)) })
	}
}

// decide has the order decide, and its events go to who follows them.
func (w *world) decide(c order.Command) error {
	events, err := order.Decider.Decide(c, w.Order)
	if err != nil {
		return err
	}
	for _, e := range events {
		w.Order = order.Evolve(w.Order, e)
		switch e := e.(type) {
		case order.Placed:
			w.send("start-saga", "placed")
		case order.Approved, order.PaymentRequested:
			w.send("start-saga", "go on")
		case order.Cancelling:
			if e.Origin != order.OriginSaga {
				w.send("start-saga", "cancelling")
			}
			if w.Order.RestID != "" && w.Can.Fault != leavesRests {
				w.RestOpen = false
			}
		case order.Confirmed:
			w.send("prepare-shipments", "confirmed")
			if e.RestID != "" && w.Can.Fault != dividesAtOnce {
				w.Rests, w.RestOpen = w.Rests+1, true
			}
		case order.Amended:
			if len(e.Rest) > 0 && w.Can.Fault == dividesAtOnce {
				w.Rests, w.RestOpen = w.Rests+1, true
			}
		}
	}
	return nil
}

// ordered is how many pieces the order is for.
func (w world) ordered() int { return int(w.Order.Lines[0].Quantity) }

func (w *world) take(n int) { w.Available, w.Reserved, w.Held = w.Available-n, w.Reserved+n, w.Held+n }

func (w *world) reserve(n int) error {
	switch w.Stock {
	case es.AttemptOpen:
		switch {
		case w.Available >= n && !w.InLine: // who is in line is served there
			w.Stock = es.AttemptDone
			w.take(n)
		case w.Partial && w.Available > 0 && !w.InLine:
			w.Stock = es.AttemptDone
			w.take(w.Available)
			return errPartial
		case w.Patient:
			w.InLine = true
			return errBackordered
		default:
			w.Stock = es.AttemptRefused
			return errRefused
		}
	case es.AttemptDone:
		if w.Partial && w.Held < n {
			return errPartial
		}
	case es.AttemptRefused:
		return errRefused
	case es.AttemptUndone, es.AttemptVoided:
		return es.ErrAttemptClosed.New("")
	}
	return nil
}

// reduce has the order be for what is reserved.
func (w *world) reduce() error {
	if w.Order.Status == order.StatusPlaced && w.Stock != es.AttemptDone {
		return errRefused
	}
	return w.decide(order.Reduce{
		Revision: w.Order.StockRevision, Items: []goods.Item{{SKU: "a", Quantity: int64(w.Held)}},
	})
}

func (w *world) release(read int) {
	n := w.Held
	if w.Can.Fault == releasesAsRead {
		n = read
	}
	switch w.Stock {
	case es.AttemptOpen:
		w.Stock, w.InLine = es.AttemptVoided, false
	case es.AttemptDone:
		if w.Departed == 0 {
			w.Stock = es.AttemptUndone
			w.take(-n)
		}
	}
}

// serve gives what is available to the reservation that waits.
func (w *world) serve() {
	if w.InLine && w.Available >= w.ordered() {
		w.InLine, w.Stock = false, es.AttemptDone
		w.take(w.ordered())
		w.send("fill-backorders", "reserved")
	}
}

func (w *world) charge(revision int64, n int) error {
	switch w.Payments[revision] {
	case es.AttemptOpen:
		if w.Balance < n*price {
			w.Payments[revision] = es.AttemptRefused
			return errRefused
		}
		w.Payments[revision], w.Charged[revision], w.Balance = es.AttemptDone, n*price, w.Balance-n*price
	case es.AttemptRefused:
		return errRefused
	case es.AttemptUndone, es.AttemptVoided:
		return es.ErrAttemptClosed.New("")
	}
	return nil
}

func (w *world) refund(revision int64) {
	switch w.Payments[revision] {
	case es.AttemptOpen:
		w.Payments[revision] = es.AttemptVoided
	case es.AttemptDone:
		w.Payments[revision], w.Balance = es.AttemptUndone, w.Balance+w.Charged[revision]
		delete(w.Charged, revision)
	}
}

// amend has the order be for n pieces, and all that was done for it: in one transaction, so that it
// is refused as a whole where a part of it is.
func (w *world) amend(n int) {
	more, before := n-w.ordered(), w.clone()
	status := w.Order.Status
	lines := slices.Clone(w.Order.Lines)
	lines[0].Quantity = int64(n)
	if more == 0 || w.decide(order.Amend{Lines: lines, By: order.OriginCustomer}) != nil {
		return
	}
	left := w.Shipment != shipment.StatusScheduled && w.Shipment != shipment.StatusPrepared
	charges := status == order.StatusConfirmed ||
		status == order.StatusPaymentRequired && w.Can.Fault == amendsUnpaid
	switch {
	case status == order.StatusHeld: // nothing was done for it yet
		return
	case status == order.StatusConfirmed && left && w.Can.Fault != amendsTooLate,
		w.Available < more, charges && w.Balance < more*price:
		*w = before
		return
	}
	w.take(more)
	if charges {
		w.Charged[w.Order.PaymentRevision] += more * price
		w.Balance -= more * price
	}
	if w.Packed > 0 {
		w.Packed = n
	}
}

func (w *world) schedule() error {
	switch w.Shipment {
	case "":
		w.Shipment = shipment.StatusScheduled
	case shipment.StatusCancelled, shipment.StatusVoided:
		return es.ErrAttemptClosed.New("")
	}
	return nil
}

// takeBack is the shipment's side between dispatching and cancelling.
func (w *world) takeBack() error {
	switch w.Shipment {
	case "":
		w.Shipment = shipment.StatusVoided
	case shipment.StatusScheduled, shipment.StatusPrepared:
		w.Shipment = shipment.StatusCancelled
	case shipment.StatusDispatched, shipment.StatusDelivered:
		return shipment.ErrDispatched.New("")
	}
	return nil
}

// errRefused is the refusal of an attempt, whatever its rule.
var errRefused = errors.New("refused")

// errPartial says that less than all is reserved.
var errPartial = errors.New("partial")

// errBackordered says that the reservation waits.
var errBackordered = errors.New("backordered")

// paid is how many payments stand.
func (w world) paid() (n int) {
	for _, status := range w.Payments {
		if status == es.AttemptDone {
			n++
		}
	}
	return n
}

// charged is what they come to.
func (w world) charged() (n int) {
	for _, amount := range w.Charged {
		n += amount
	}
	return n
}

// rule is what holds in every world.
func rule(w world) error {
	left := w.Shipment == shipment.StatusDispatched || w.Shipment == shipment.StatusDelivered
	o := w.Order
	switch {
	case w.Available < 0 || w.Reserved < 0 || w.Available+w.Reserved+w.Departed != w.Counted:
		return fmt.Errorf("stock: %d available, %d reserved, %d departed", w.Available, w.Reserved, w.Departed)
	case w.Reserved > 0 && w.Stock != es.AttemptDone:
		return fmt.Errorf("stock is reserved, and the reservation is %s", w.Stock)
	case w.Balance < 0 || w.Balance+w.charged() != begins(o)+w.Deposits:
		return fmt.Errorf("money: %d in the account, %d charged", w.Balance, w.charged())
	case w.paid() > 1:
		return errors.New("paid twice")
	case left && (w.paid() != 1 || w.Departed != w.ordered() || w.Packed != w.ordered()):
		return fmt.Errorf("shipped: %d payments, %d departed, %d packed", w.paid(), w.Departed, w.Packed)
	case left && (o.Status == order.StatusCancelling || o.Status == order.StatusCancelled):
		return fmt.Errorf("shipped, and the order is %s", o.Status)
	case len(o.HoldRules) > 0 && o.Approval == nil && (w.Stock == es.AttemptDone || w.paid() > 0):
		return errors.New("reserved or paid without approval")
	case w.Rests > 1 || w.Rests == 1 && o.PaymentID == "" && o.RestID == "":
		return fmt.Errorf("%d orders of what was not there of one that is %s", w.Rests, o.Status)
	case w.RestOpen && (o.Status == order.StatusCancelling || o.Status == order.StatusCancelled):
		return fmt.Errorf("the rest of the order waits, and the order is %s", o.Status)
	case o.Saga == order.SagaFailed:
		return fmt.Errorf("the undo failed: %v", o.FailedSteps)
	}
	switch o.Status {
	case order.StatusConfirmed, order.StatusShipped, order.StatusDelivered:
		if w.Payments[o.PaymentRevision] != es.AttemptDone || w.Stock != es.AttemptDone {
			return fmt.Errorf("%s: the payment is %s, stock is %s", o.Status, w.Payments[o.PaymentRevision], w.Stock)
		}
		if w.Held != w.ordered() || w.charged() != w.ordered()*price {
			return fmt.Errorf("%s for %d: %d are held, %d is charged", o.Status, w.ordered(), w.Held, w.charged())
		}
		if waits := len(o.Rest) > 0; waits != (w.Rests == 1) || waits != (o.RestID != "") {
			return fmt.Errorf("%s without %v, which is %d orders", o.Status, o.Rest, w.Rests)
		}
	case order.StatusCancelled:
		if w.paid() > 0 || w.charged() > 0 || w.Reserved > 0 || w.InLine || w.Shipment == shipment.StatusScheduled ||
			w.Shipment == shipment.StatusPrepared {
			return fmt.Errorf("cancelled: %d payments, %d reserved, shipment %s", w.paid(), w.Reserved, w.Shipment)
		}
	case order.StatusPaymentRequired:
		if w.paid() > 0 {
			return errors.New("a payment is required of an order that is paid")
		}
	}
	return nil
}

// begins is what the account of the order begins with: the id says so.
func begins(o order.State) int {
	if o.AccountID == rich {
		return price
	}
	return 0
}

// The accounts.
const (
	rich = "rich" // has what the order costs
	poor = "poor" // has nothing
)
