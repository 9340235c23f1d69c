package choreography_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/order/ordertest"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/shipment/shipmenttest"
	"orderflow/shared/shop/stock"
)

const (
	other      = "cd-2"
	otherPrice = 40
	otherThere = 4
)

var (
	home = shipment.Address{
		Recipient: "Ada Lovelace", Line1: "12 St James's Square", PostalCode: "SW1Y 4LB", City: "London", Country: "GB",
	}
	elsewhere = shipment.Address{
		Recipient: "Ada King", Line1: "1 Ockham Park", PostalCode: "GU23 6NQ", City: "Ockham", Country: "GB",
	}
)

func usd(amount int64) money.Money { return money.Money{Amount: amount, Currency: "USD"} }

// newShop is a world whose order can be amended, also to pieces of another SKU.
func newShop(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.orders = w.amending(w.stock)
	if _, err := w.stock.Set(
		context.Background(), w.request(), other, otherThere, stock.Match{MustBeNew: true},
	); err != nil {
		t.Fatal(err)
	}
	return w
}

// amending are orders that can be amended, with these reservations.
func (w *world) amending(reservations order.Reservations) order.Service {
	return order.New(order.Deps{
		Store: w.store, Clock: w.clock, Vault: w.vault, Customers: registered{},
		Prices:    ordertest.Prices{sku: usd(price), other: usd(otherPrice)},
		Shipments: w.shipments, Reservations: reservations, Payments: w.payments,
	})
}

// confirmedShop is one whose order is confirmed, and its shipment prepared.
func confirmedShop(t testing.TB) (*world, map[string]func([]byte) error) {
	t.Helper()
	w := newShop(t)
	consume := w.consumers(shipmenttest.NewCopies())
	w.settle(consume)
	return w, consume
}

// pieces are lines as a customer asks for them.
func pieces(of ...goods.Item) []order.AmendLine {
	lines := make([]order.AmendLine, len(of))
	for i, item := range of {
		lines[i].SKU, lines[i].Quantity = item.SKU, item.Quantity
	}
	return lines
}

// amend is the customer's, on the version that they see.
func (w *world) amend(in order.AmendInput) (es.Result[order.State], error) {
	now, err := w.orders.Get(context.Background(), orderID)
	if err != nil {
		return now, err
	}
	return w.amendAt(now.Head.Version(), in)
}

func (w *world) amendAt(version int64, in order.AmendInput) (es.Result[order.State], error) {
	in.By, in.CustomerID = order.OriginCustomer, customerID
	return w.orders.Amend(context.Background(), w.request(), orderID, version, in)
}

// whole is everything that there is of an order.
type whole struct {
	order    order.State
	sent     shipment.State
	reserved stock.ReservationState
	paid     payment.State
	levels   map[string]stock.Level
	balance  int64
}

func (w *world) whole(t fataler) whole {
	ctx := context.Background()
	o, err1 := w.orders.Get(ctx, orderID)
	sent, err2 := w.shipments.Get(ctx, orderID, 1)
	reserved, err3 := w.stock.Reservation(ctx, orderID, 1)
	paid, err4 := w.payments.Get(ctx, orderID, 1)
	here, err5 := w.stock.Get(ctx, sku)
	there, err6 := w.stock.Get(ctx, other)
	balance, err7 := w.accounts.Get(ctx, w.account)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
		t.Fatal(err)
	}
	return whole{
		o.State, sent, reserved, paid, map[string]stock.Level{sku: here, other: there}, balance.State.Balance,
	}
}

// fits compares the order, however often it was amended, with all that was done for it.
func (w *world) fits(t fataler) {
	all := w.whole(t)
	var ordered []goods.Item
	for _, l := range all.order.Lines {
		ordered = append(ordered, goods.Item{SKU: l.SKU, Quantity: l.Quantity})
	}
	ordered = goods.Sum(ordered)
	total, err := order.Total(all.order.Lines)
	if err != nil || total != all.order.Total {
		t.Fatalf("the lines come to %s, %v, and the order to %s", total, err, all.order.Total)
	}
	held, gone, charged := ordered, []goods.Item(nil), total.Amount
	switch all.order.Status {
	case order.StatusConfirmed:
	case order.StatusShipped, order.StatusDelivered:
		held, gone = nil, ordered
	case order.StatusCancelled:
		held, charged = nil, 0
	default:
		t.Fatalf("the order is %s", all.order.Status)
	}
	if all.balance != funds-charged {
		t.Fatalf("the order is %s and comes to %s; the account has %d", all.order.Status, total, all.balance)
	}
	for name, there := range map[string]int64{sku: onHand, other: otherThere} {
		want := stock.Level{
			SKU: name, OnHand: there - of(gone, name), Reserved: of(held, name),
			Available: there - of(gone, name) - of(held, name),
		}
		got := all.levels[name]
		got.Version, got.Departed = 0, 0
		if got != want {
			t.Fatalf("the order is %s with %v; the level is %+v, want %+v", all.order.Status, ordered, got, want)
		}
	}
	if all.order.Status == order.StatusCancelled {
		if status := all.sent.Attempt(); status != es.AttemptUndone && status != es.AttemptVoided {
			t.Fatalf("the order is cancelled, and its shipment %s", all.sent.Status)
		}
		return
	}
	if diff := cmp.Diff(ordered, all.reserved.Items) + cmp.Diff(ordered, all.sent.Items); diff != "" {
		t.Fatalf("ordered, and reserved or packed:\n%s", diff)
	}
	if all.paid.Status != payment.StatusProcessed || all.paid.Amount != total {
		t.Fatalf("the order comes to %s, and the payment is %+v", total, all.paid)
	}
	wanted, err1 := w.orders.OpenAddress(context.Background(), all.order)
	packed, err2 := w.shipments.OpenAddress(context.Background(), all.sent)
	if err := errors.Join(err1, err2); err != nil || wanted != packed {
		t.Fatalf("it is to go to %+v, and goes to %+v, %v", wanted, packed, err)
	}
}

func of(items []goods.Item, name string) (quantity int64) {
	for _, item := range items {
		if item.SKU == name {
			quantity += item.Quantity
		}
	}
	return quantity
}

// inOrder checks the shipment's own account of it: each amendment of the order is one of its
// shipment, and none came after the label or the dispatch.
func (w *world) inOrder(t fataler) {
	ctx := context.Background()
	h, err1 := w.kept.Load(ctx, es.NewStreamID(shipment.Category, shipmentID), 0)
	o, err2 := w.kept.Load(ctx, es.NewStreamID(order.Category, orderID), 0)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	var ofShipment, ofOrder []int64
	final := ""
	for _, e := range h.Events {
		switch d := e.Data.(type) {
		case shipment.Amended:
			if final != "" {
				t.Fatalf("amended after it was %s", final)
			}
			ofShipment = append(ofShipment, d.Revision)
		case shipment.Labelled, shipment.Dispatched, shipment.Cancelled:
			final = e.Type
		}
	}
	for _, e := range o.Events {
		if d, ok := e.Data.(order.Amended); ok {
			ofOrder = append(ofOrder, d.Revision)
		}
	}
	if diff := cmp.Diff(ofOrder, ofShipment); diff != "" {
		t.Fatalf("revisions of the order, and of its shipment:\n%s", diff)
	}
}

// expected are the refusals that an amendment may meet.
var expected = []error{
	order.ErrVersionMismatch, order.ErrDispatched, order.ErrCancelling, order.ErrUnderWay, shipment.ErrLabelled,
	stock.ErrInsufficient, account.ErrInsufficientFunds,
}

// TestAmendedWhole runs the saga, people who amend, cancel, label, dispatch and deliver, and the
// consumers of the bus, step by step in any order, on a store that loses requests and answers, and
// a bus that delivers twice and in any order. Whatever has come of the order in the end, all that
// was done for it is what it says: pieces, money, parcel and address.
func TestAmendedWhole(t *testing.T) {
	ends, met := map[order.Status]int{}, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		w := newShop(t)
		consume := w.consumers(shipmenttest.NewCopies())
		losing := false
		w.store.Before = func([]es.Commit) error {
			if losing && rapid.IntRange(0, 7).Draw(rt, "lose request") == 7 {
				return es.ErrUnavailable
			}
			return nil
		}
		w.store.After = func(a es.Appended, err error) (es.Appended, error) {
			if losing && rapid.IntRange(0, 7).Draw(rt, "lose answer") == 7 {
				return es.Appended{}, es.ErrUnavailable
			}
			return a, err
		}
		take := w.taking(rt, consume, &losing)
		for range rapid.SampledFrom([]int{0, 2, 4, 4, 4, 4, 4}).Draw(rt, "steps ahead") {
			w.step(w.runs[0])
		}
		for range rapid.SampledFrom([]int{0, 9}).Draw(rt, "messages ahead") {
			take("prepare")
		}
		losing = true
		actions := slices.Concat(
			[]string{"saga run", "prepare", "prepare", "follow", "commit", "saga"},
			slices.Repeat([]string{"amend"}, 6),
			rapid.SampledFrom([][]string{
				nil, {"cancel"}, {"label"}, {"dispatch"}, {"dispatch", "deliver", "deliver", "deliver"},
				{"cancel", "label", "dispatch", "dispatch", "deliver"},
			}).Draw(rt, "what else there is"),
		)
		for range rapid.IntRange(4, 30).Draw(rt, "actions") {
			switch action := rapid.SampledFrom(actions).Draw(rt, "action"); action {
			case "saga run":
				w.step(rapid.SampledFrom(w.runs).Draw(rt, "run"))
			case "amend":
				err := w.amendDrawn(rt)
				fault, refused := faults.As(err)
				is := func(refusal error) bool { return errors.Is(err, refusal) }
				if faults.Final(err) && !slices.ContainsFunc(expected, is) {
					rt.Fatalf("amended: %v", err)
				}
				if refused {
					met[fault.Code]++
				} else if err == nil {
					met["amended"]++
				}
			case "cancel", "label", "dispatch", "deliver":
				_ = w.person(action) // who got no answer may have died
			default:
				take(action)
			}
		}
		losing = false
		last := [][]string{nil, {"dispatch"}, {"dispatch", "deliver"}}
		for _, action := range rapid.SampledFrom(last).Draw(rt, "at last") {
			take("prepare")
			_ = w.person(action) // the order may be closed by now
		}
		w.settle(consume)
		w.fits(rt)
		w.inOrder(rt)
		w.belongs(rt)
		ends[w.whole(rt).order.Status]++
	})
	t.Logf("ends: %v, amendments: %v", ends, met)
	if t.Failed() {
		return
	}
	for _, status := range []order.Status{
		order.StatusConfirmed, order.StatusShipped, order.StatusDelivered, order.StatusCancelled,
	} {
		if ends[status] == 0 {
			t.Errorf("no draw ended %s: %v", status, ends)
		}
	}
	for _, what := range []error{
		order.ErrVersionMismatch, order.ErrUnderWay, shipment.ErrLabelled, stock.ErrInsufficient,
		account.ErrInsufficientFunds,
	} {
		if code := what.Error(); met[code] == 0 {
			t.Errorf("no amendment met %s: %v", code, met)
		}
	}
}

// person does what somebody does besides amending.
func (w *world) person(action string) error {
	ctx := context.Background()
	var err error
	switch action {
	case "cancel":
		_, err = w.orders.Cancel(
			ctx, w.request(), orderID, order.CancelInput{Origin: order.OriginCustomer, CustomerID: customerID},
		)
	case "label":
		now, errFind := w.shipments.Find(ctx, shipmentID)
		if err = errFind; err == nil {
			_, err = w.shipments.Label(ctx, w.request(), shipmentID, now.Head.Version())
		}
	case "dispatch":
		_, err = w.shipments.Dispatch(ctx, w.request(), shipmentID)
	case "deliver":
		_, err = w.shipments.Deliver(ctx, w.request(), shipmentID)
	}
	return err
}

// amendDrawn amends the order in some way, on the version that it has or another one, and mostly
// asks again where no answer comes.
func (w *world) amendDrawn(rt *rapid.T) error {
	var in order.AmendInput
	if rapid.IntRange(0, 3).Draw(rt, "with lines") > 0 {
		in.Lines = pieces(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) goods.Item {
			return goods.Item{
				SKU:      rapid.SampledFrom([]string{sku, sku, other}).Draw(t, "sku"),
				Quantity: rapid.SampledFrom([]int64{1, 2, 3, 4, 5, 9, 12}).Draw(t, "quantity"),
			}
		}), 1, 3).Draw(rt, "lines")...)
	}
	if in.Lines == nil || rapid.Bool().Draw(rt, "with an address") {
		to := rapid.SampledFrom([]shipment.Address{home, elsewhere}).Draw(rt, "address")
		in.Address = &to
	}
	now, err := w.orders.Get(context.Background(), orderID)
	if err != nil {
		return err
	}
	version := now.Head.Version() - int64(rapid.SampledFrom([]int{0, 0, 0, 0, 1}).Draw(rt, "versions behind"))
	in.By, in.CustomerID = order.OriginCustomer, customerID
	req := w.request()
	for range rapid.IntRange(1, 3).Draw(rt, "tries") {
		_, err = w.orders.Amend(context.Background(), req, orderID, version, in)
		if !errors.Is(err, es.ErrUnavailable) {
			return err
		}
	}
	return err
}

// taking gives what delivers one message of a queue, any one; unless it is acknowledged, or comes
// twice, it is gone.
func (w *world) taking(rt *rapid.T, consume map[string]func([]byte) error, losing *bool) func(string) {
	return func(name string) {
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
		if again := *losing && rapid.IntRange(0, 3).Draw(rt, "again") == 3; err == nil && !again {
			w.queues[name] = slices.Delete(slices.Clone(queue), n, n+1)
		}
	}
}

// TestOneArbiter forces each race of an amendment both ways: one is at its write when the other
// comes and is through. Never do both hold, and all that was done for the order is the winner's.
func TestOneArbiter(t *testing.T) {
	amend := func(w *world) error {
		_, err := w.amend(order.AmendInput{Lines: pieces(goods.Item{SKU: sku, Quantity: 1}), Address: &elsewhere})
		return err
	}
	second := func(w *world) error {
		_, err := w.amend(order.AmendInput{Lines: pieces(goods.Item{SKU: other, Quantity: 2})})
		return err
	}
	for name, tc := range map[string]struct {
		other       func(*world) error
		beaten      []error // the amendment, by the other
		loses       error   // the other, to the amendment; nil where it may follow it
		thenAmended bool    // the other may follow the amendment
	}{
		"cancel": {
			func(w *world) error { return w.person("cancel") }, []error{order.ErrCancelling, order.ErrVersionMismatch},
			nil, true,
		},
		"dispatch": {func(w *world) error { return w.person("dispatch") }, []error{order.ErrDispatched}, nil, true},
		"label": {
			func(w *world) error { return w.person("label") }, []error{shipment.ErrLabelled},
			shipment.ErrVersionMismatch, true,
		},
		"another amendment": {second, []error{order.ErrVersionMismatch}, order.ErrVersionMismatch, true},
	} {
		for _, amendFirst := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, the amendment first: %v", name, amendFirst), func(t *testing.T) {
				w, consume := confirmedShop(t)
				first, late := tc.other, amend
				if amendFirst {
					first, late = amend, tc.other
				}
				var errFirst error
				w.store.Before = func([]es.Commit) error {
					w.store.Before = nil
					errFirst = first(w)
					return nil
				}
				errLate := late(w)
				if errFirst != nil {
					t.Fatalf("the first is refused: %v", errFirst)
				}
				beaten := tc.beaten
				if amendFirst {
					beaten = []error{tc.loses}
				}
				if !slices.ContainsFunc(beaten, func(want error) bool { return errors.Is(errLate, want) }) {
					t.Errorf("the second: %v, want %v", errLate, beaten)
				}
				amended := w.whole(t).order.Amendment != nil
				if amended != (amendFirst || name == "another amendment") {
					t.Errorf("amended: %v", amended)
				}
				w.settle(consume)
				w.fits(t)
				w.inOrder(t)
			})
		}
	}
}

// meanwhile are reservations of which somebody asks when something else has just happened.
type meanwhile struct {
	order.Reservations
	happens func()
}

func (m meanwhile) Amendment(orderID string, revision int64, items []goods.Item) order.Part {
	part := m.Reservations.Amendment(orderID, revision, items)
	return func(ctx context.Context, req es.Request) ([]es.Commit, []es.Effect, error) {
		m.happens()
		return part(ctx, req)
	}
}

// TestRefusedByTheArbiter: a dispatch that comes between the looks at the shipment and at the stock
// is told of as what it is, and not by what it has done to the stock.
func TestRefusedByTheArbiter(t *testing.T) {
	w, consume := confirmedShop(t)
	w.orders = w.amending(meanwhile{w.stock, sync.OnceFunc(func() {
		if err := w.person("dispatch"); err != nil {
			t.Error(err)
		}
	})})
	_, err := w.amend(order.AmendInput{Lines: pieces(goods.Item{SKU: sku, Quantity: 1})})
	if !errors.Is(err, order.ErrDispatched) {
		t.Errorf("%v, want %v", err, order.ErrDispatched)
	}
	w.settle(consume)
	w.fits(t)
}

// TestAddressOnly: an amendment of the address touches neither stock nor money.
func TestAddressOnly(t *testing.T) {
	w, _ := confirmedShop(t)
	before := w.whole(t)
	var streams []string
	w.store.Before = func(commits []es.Commit) error {
		for _, c := range commits {
			streams = append(streams, c.Head.Stream().Category())
		}
		return nil
	}
	if _, err := w.amend(order.AmendInput{Address: &elsewhere}); err != nil {
		t.Fatal(err)
	}
	after := w.whole(t)
	if diff := cmp.Diff([]string{order.Category, shipment.Category}, streams); diff != "" {
		t.Errorf("written: %s", diff)
	}
	if diff := cmp.Diff(before.levels, after.levels); diff != "" || before.balance != after.balance {
		t.Errorf("balance %d and %d, levels:\n%s", before.balance, after.balance, diff)
	}
	w.fits(t)
	// What is so already is no amendment.
	streams = nil
	res, err := w.amend(order.AmendInput{
		Address: &elsewhere, Lines: pieces(goods.Item{SKU: sku, Quantity: ordered}), Note: "once more",
	})
	if err != nil || len(streams) > 0 || res.State.Revision != 2 {
		t.Errorf("written: %v; revision %d, %v", streams, res.State.Revision, err)
	}
}

// TestPriceOnly: an amendment of a price alone moves money, and no piece is taken or returned; what
// undoes the order then gives back what stands, of both.
func TestPriceOnly(t *testing.T) {
	w, consume := confirmedShop(t)
	before := w.whole(t)
	now, err := w.orders.Get(t.Context(), orderID)
	if err != nil {
		t.Fatal(err)
	}
	line := order.AmendLine{LineInput: order.LineInput{SKU: sku, Quantity: ordered, UnitPrice: &money.Money{
		Amount: 60, Currency: "USD",
	}}}
	_, err = w.orders.Amend(t.Context(), w.request(), orderID, now.Head.Version(), order.AmendInput{
		By: order.OriginOperator, NamedBy: "operator", Lines: []order.AmendLine{line},
	})
	if err != nil {
		t.Fatal(err)
	}
	after := w.whole(t)
	if diff := cmp.Diff(before.levels, after.levels) + cmp.Diff(before.reserved, after.reserved); diff != "" {
		t.Errorf("the stock changed:\n%s", diff)
	}
	if after.balance != funds-ordered*60 || after.order.PricedBy != "operator" {
		t.Errorf("the account has %d, priced by %s", after.balance, after.order.PricedBy)
	}
	w.fits(t)
	if err := w.person("cancel"); err != nil {
		t.Fatal(err)
	}
	w.settle(consume)
	w.fits(t)
	if got := w.whole(t); got.order.Status != order.StatusCancelled || got.balance != funds {
		t.Errorf("the order is %s, the account has %d", got.order.Status, got.balance)
	}
}

// TestPartialCancel: pieces and lines that are taken out are available again, and exactly they are
// refunded, once; those of a line that came later too.
func TestPartialCancel(t *testing.T) {
	w, consume := confirmedShop(t)
	for _, step := range []struct {
		lines []goods.Item
		total int64
	}{
		{[]goods.Item{{SKU: sku, Quantity: 2}}, 2 * price},
		{[]goods.Item{{SKU: sku, Quantity: 2}, {SKU: other, Quantity: 3}}, 2*price + 3*otherPrice},
		// two lines of one SKU are a sum to the stock
		{
			[]goods.Item{{SKU: other, Quantity: 1}, {SKU: other, Quantity: 3}, {SKU: sku, Quantity: 1}},
			4*otherPrice + price,
		},
		{[]goods.Item{{SKU: other, Quantity: 1}}, otherPrice},
	} {
		res, err := w.amend(order.AmendInput{Lines: pieces(step.lines...)})
		if err != nil || res.State.Total != usd(step.total) {
			t.Fatalf("%v come to %s, %v", step.lines, res.State.Total, err)
		}
		w.fits(t)
	}
	// One piece more than there is on both lines together.
	_, err := w.amend(order.AmendInput{
		Lines: pieces(goods.Item{SKU: other, Quantity: 2}, goods.Item{SKU: other, Quantity: 3}),
	})
	if !errors.Is(err, stock.ErrInsufficient) {
		t.Errorf("amended: %v", err)
	}
	if _, err := w.amend(order.AmendInput{Lines: []order.AmendLine{}}); !errors.Is(err, order.ErrInvalidLines) {
		t.Errorf("amended to nothing: %v", err)
	}
	w.fits(t)
	statement, err := w.accounts.Statement(t.Context(), w.account, 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	var moved []int64
	for _, l := range statement.Lines {
		moved = append(moved, l.Amount.Amount)
	}
	if diff := cmp.Diff([]int64{220, 60, -120, 100, -300, funds}, moved); diff != "" {
		t.Errorf("the statement, newest first:\n%s", diff)
	}
	w.settle(consume)
	w.fits(t)
}

// TestFailsWhole: an amendment that one of its parts refuses leaves the order, and all that was
// done for it, as it was.
func TestFailsWhole(t *testing.T) {
	w, _ := confirmedShop(t)
	before := w.whole(t)
	for name, tc := range map[string]struct {
		in   order.AmendInput
		want error
	}{
		"too few pieces of one": {
			order.AmendInput{
				Lines:   pieces(goods.Item{SKU: sku, Quantity: 1}, goods.Item{SKU: other, Quantity: otherThere + 1}),
				Address: &elsewhere,
			}, stock.ErrInsufficient,
		},
		"too little money": {
			order.AmendInput{
				Lines: pieces(goods.Item{SKU: sku, Quantity: onHand}, goods.Item{SKU: other, Quantity: 1}),
			},
			account.ErrInsufficientFunds,
		},
		"nobody sells it": {
			order.AmendInput{Lines: pieces(goods.Item{SKU: "cd-9", Quantity: 1})}, order.ErrNotForSale,
		},
	} {
		for range 2 {
			if _, err := w.amend(tc.in); !errors.Is(err, tc.want) {
				t.Errorf("%s: %v, want %v", name, err, tc.want)
			}
		}
		if diff := cmp.Diff(before, w.whole(t), cmp.AllowUnexported(whole{})); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

// TestAmendAgain: a request that comes again is known, whatever has come since. Another one on the
// same version is not taken for it.
func TestAmendAgain(t *testing.T) {
	w, consume := confirmedShop(t)
	now, err := w.orders.Get(t.Context(), orderID)
	if err != nil {
		t.Fatal(err)
	}
	req, in := w.request(), order.AmendInput{
		By: order.OriginCustomer, CustomerID: customerID, Lines: pieces(goods.Item{SKU: sku, Quantity: 1}),
		Address: &elsewhere, Note: "two are a present for somebody else",
	}
	req.Fingerprint = ident.Derive("what is asked for")
	for i := range 3 {
		res, err := w.orders.Amend(t.Context(), req, orderID, now.Head.Version(), in)
		if err != nil || res.State.Revision != 2 || res.Repeated != (i > 0) {
			t.Errorf("revision %d, repeated %v, %v", res.State.Revision, res.Repeated, err)
		}
		if i == 1 {
			if err := w.person("dispatch"); err != nil {
				t.Fatal(err)
			}
			w.settle(consume)
		}
	}
	another := req
	another.Fingerprint = ident.Derive("something else")
	if _, err := w.orders.Amend(t.Context(), another, orderID, now.Head.Version(), in); !errors.Is(
		err, order.ErrVersionMismatch,
	) {
		t.Errorf("another request: %v", err)
	}
	in.CustomerID = "bob"
	if _, err := w.orders.Amend(t.Context(), req, orderID, now.Head.Version(), in); !errors.Is(err, order.ErrNotFound) {
		t.Errorf("somebody else's order: %v", err)
	}
	w.fits(t)
}
