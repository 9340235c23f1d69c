package lifecycle_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"testing"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
	"orderflow/shared/process/lifecycle/lifecycletest"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/account/accounttest"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/order/ordertest"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/refund"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/shipment/shipmenttest"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/stock/stocktest"
)

// registry has the events of the whole shop.
var registry = contract.Registry()

// histories are how many are drawn, and how long they are on average, unless flags say otherwise:
// one has some ten orders, and is as much as a hundred other draws.
var histories = map[string]string{"rapid.checks": "30", "rapid.steps": "50"}

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Visit(func(f *flag.Flag) { delete(histories, f.Name) })
	for name, value := range histories {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the draws log thousands of lines
	os.Exit(m.Run())
}

// registered says that everybody is.
type registered struct{}

func (registered) Registered(context.Context, string) (bool, error) { return true, nil }

func eur(amount int64) money.Money {
	return money.Money{Amount: amount, Currency: lifecycletest.Currency}
}

// shop is a shop: the real services over one store that loses what it is told to, and what moves
// its orders along.
type shop struct {
	clock    *clock.Fake
	kept     *memstore.Store
	store    *estest.Hooked
	counters *stocktest.Counters

	orders    order.Service
	shipments shipment.Service
	stock     stock.Service
	inventory stock.Service // the same, in a process that remembers other things
	payments  payment.Service
	accounts  account.Service
	refunds   refund.Service

	wrong    fault
	requests int
	placed   []string // orders, the oldest first
	again    []func() error

	machine
}

// fault is something that is done wrong, for the test that such things are found.
type fault string

const (
	forgetsRefunds  fault = "the undo refunds nothing"
	forgetsReleases fault = "the undo releases nothing"
	leavesParcels   fault = "the undo takes no shipment back"
	chargesAnew     fault = "each try of a charge is another payment"
	losesMessages   fault = "messages of the bus are lost, and nobody sweeps"
	leavesPayments  fault = "an amendment changes no payment"
	leavesStock     fault = "an amendment changes no reservation"
	waitsForEver    fault = "no wait has a deadline"
	reducesNothing  fault = "an order of which not all is there is charged for as it was placed"
	servesNobody    fault = "what there is again is given to nobody who waits for it"
	wakesNobody     fault = "who has got what they waited for is not told"
)

// leaves is an amendment that changes nothing of what was done for the order.
type leaves struct{}

func (leaves) Amendment(string, int64, []stock.Item) order.Part             { return nothing }
func (leaves) Adjustment(string, int64, string, money.Money) order.Part     { return nothing }
func nothing(context.Context, es.Request) ([]es.Commit, []es.Effect, error) { return nil, nil, nil }

// idle serves nobody, and wakes nobody.
type idle struct{}

func (idle) Serve(context.Context, es.Request, string) error { return nil }
func (idle) Succeed(context.Context, string, any) error      { return nil }

func newShop(seed string, wrong fault) *shop {
	s := &shop{
		clock:    clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)),
		kept:     memstore.New(registry, memstore.Staggered(seed)),
		counters: stocktest.NewCounters(), wrong: wrong,
	}
	s.store = &estest.Hooked{Store: s.kept}
	vault := personal.NewMemory()
	counted := stock.Deps{Store: s.store, Clock: s.clock, Counters: s.counters, Lines: s.counters}
	s.stock, s.inventory = stock.New(counted), stock.New(counted)
	s.payments = payment.New(payment.Deps{Store: s.store, Clock: s.clock})
	s.accounts = account.New(account.Deps{Store: s.store, Clock: s.clock, Customers: accounttest.Everybody{}})
	s.shipments = shipment.New(shipment.Deps{
		Store: s.store, Clock: s.clock, Vault: vault, Books: s.stock,
		Serves: shipment.Served(lifecycletest.Home + "," + lifecycletest.Held),
	})
	s.refunds = refund.New(refund.Deps{Store: s.store, Clock: s.clock, Vault: vault, Payments: s.payments})
	prices := ordertest.Prices{}
	for sku, price := range lifecycletest.Prices {
		prices[sku] = eur(price)
	}
	deps := order.Deps{
		Store: s.store, Clock: s.clock, Vault: vault, Customers: registered{}, Prices: prices,
		Shipments: s.shipments, Reservations: s.stock, Payments: s.payments, Accounts: s.accounts,
		HoldRules: order.HoldRules{Countries: []string{lifecycletest.Held}},
	}
	switch wrong {
	case leavesPayments:
		deps.Payments = leaves{}
	case leavesStock:
		deps.Reservations = leaves{}
	}
	s.orders = order.New(deps)
	s.machine = newMachine(shipmenttest.NewCopies())
	ctx := context.Background()
	for n := range lifecycletest.Customers {
		_, errOpen := s.accounts.Open(ctx, s.request(), customer(n), lifecycletest.Currency)
		_, errDeposit := s.accounts.Deposit(ctx, s.request(), purse(n), customer(n), eur(lifecycletest.Funds))
		if err := errors.Join(errOpen, errDeposit, vault.Enrol(ctx, customer(n))); err != nil {
			panic(err) // nothing has gone wrong yet
		}
	}
	for _, sku := range lifecycletest.SKUs {
		isNew := stock.Match{MustBeNew: true}
		if _, err := s.stock.Set(ctx, s.request(), sku, lifecycletest.Pieces, isNew); err != nil {
			panic(err)
		}
	}
	return s
}

func customer(n int) string { return fmt.Sprint("customer-", n) }

func purse(n int) string { return account.ID(customer(n), lifecycletest.Currency) }

// request is somebody's over HTTP, a second after the one before.
func (s *shop) request() es.Request {
	s.requests++
	s.clock.Advance(time.Second)
	return es.Request{
		CommitID: ident.Derive("test", fmt.Sprint(s.requests)), Time: s.clock.Now(),
		Fingerprint: fmt.Sprint(s.requests),
		Metadata: es.Metadata{
			CorrelationID: fmt.Sprint("request-", s.requests), CausationID: fmt.Sprint("http/", s.requests),
			Actor: "client/test",
		},
	}
}

// key is the Idempotency-Key of the latest request.
func (s *shop) key() string { return fmt.Sprint("key-", s.requests) }

// carryOut does what somebody does, and says how it was answered: "" where no answer came. Whoever
// gets none asks again, as often as they do anyway.
func (s *shop) carryOut(a lifecycletest.Action) (code string, err error) {
	do := s.asks(a)
	if do == nil {
		return "", nil
	}
	s.again = append(s.again, do)
	for range a.Again + 1 {
		if code, err = answer(do()); err != nil {
			return code, fmt.Errorf("%s: %w", a, err)
		}
	}
	return code, nil
}

// answer is what an error tells its caller. What tells nothing, and is not for trying again, is an
// error.
func answer(err error) (code string, unexpected error) {
	fault, refused := faults.As(err)
	switch {
	case err == nil:
		return "done", nil
	case refused && faults.Final(err):
		return fault.Code, nil
	case refused, errors.Is(err, es.ErrUnavailable), errors.Is(err, es.ErrConflict):
		return "", nil
	}
	return "", err
}

// about is the order that an action is about, as it is. One that nobody has placed after all has no
// status.
func (s *shop) about(a lifecycletest.Action) (of es.Result[order.State], err error) {
	all, states := make([]es.Result[order.State], len(s.placed)), make([]order.Status, len(s.placed))
	for i, id := range s.placed {
		if all[i], err = s.orders.Get(context.Background(), id); err != nil && !errors.Is(err, order.ErrNotFound) {
			return of, err
		}
		states[i] = all[i].State.Status
	}
	if i, ok := a.Of(states); ok {
		of = all[i]
	}
	return of, nil
}

// asks is the request with which somebody does something; nil where there is nothing yet that it
// could be about.
func (s *shop) asks(a lifecycletest.Action) func() error {
	ctx, req, key := context.Background(), s.request(), s.key()
	switch a.Do {
	case lifecycletest.Place:
		return s.asksToPlace(a, req)
	case lifecycletest.Deposit:
		return func() error {
			_, err := s.accounts.Deposit(ctx, req, purse(a.Customer), key, eur(a.Amount))
			return err
		}
	case lifecycletest.Withdraw:
		return func() error {
			_, err := s.accounts.Withdraw(ctx, req, purse(a.Customer), key, eur(a.Amount))
			return err
		}
	case lifecycletest.Split:
		return func() error { _, err := s.stock.Shard(ctx, req, a.Items[0].SKU, a.Amount); return err }
	case lifecycletest.Restock:
		level, err := s.stock.Get(ctx, a.Items[0].SKU)
		if err != nil {
			return func() error { return err }
		}
		return func() error {
			_, err := s.stock.Set(ctx, req, level.SKU, level.OnHand+a.Amount, stock.Match{Version: level.Version})
			return err
		}
	}
	now, err := s.about(a)
	switch {
	case err != nil:
		return func() error { return err }
	case !now.State.Exists():
		return nil
	}
	if do := s.asksOfParcel(a, req, now.State); do != nil {
		return do
	}
	return s.asksOfOrder(a, req, key, now)
}

func (s *shop) asksToPlace(a lifecycletest.Action, req es.Request) func() error {
	id := ident.Derive("order", fmt.Sprint(len(s.placed)))
	in := order.PlaceInput{
		OrderID: id, CustomerID: customer(a.Customer), AccountID: purse(a.Customer), Currency: lifecycletest.Currency,
		OutOfStock: a.OutOfStock, Address: lifecycletest.Address(a.Country),
	}
	for _, item := range a.Items {
		in.Lines = append(in.Lines, order.LineInput{SKU: item.SKU, Quantity: item.Quantity})
	}
	s.placed = append(s.placed, id)
	return func() error { _, err := s.orders.Place(context.Background(), req, in); return err }
}

// asksOfParcel is what carriers do; nil for all others.
func (s *shop) asksOfParcel(a lifecycletest.Action, req es.Request, of order.State) func() error {
	ctx, parcel := context.Background(), shipment.ID(of.ID, of.ShipmentRevision)
	switch a.Do {
	case lifecycletest.Label:
		now, err := s.shipments.Find(ctx, parcel)
		if err != nil {
			return func() error { return err }
		}
		return func() error { _, err := s.shipments.Label(ctx, req, parcel, now.Head.Version()); return err }
	case lifecycletest.Dispatch:
		return func() error { _, err := s.shipments.Dispatch(ctx, req, parcel); return err }
	case lifecycletest.Deliver:
		return func() error { _, err := s.shipments.Deliver(ctx, req, parcel); return err }
	}
	return nil
}

func (s *shop) asksOfOrder(
	a lifecycletest.Action, req es.Request, key string, now es.Result[order.State],
) func() error {
	ctx, id, of := context.Background(), now.State.ID, now.State.CustomerID
	decision := order.Decision{By: "person/operator", Note: "as agreed"}
	switch a.Do {
	case lifecycletest.Amend:
		in := order.AmendInput{By: order.OriginCustomer, CustomerID: of}
		for _, item := range a.Items {
			in.Lines = append(in.Lines, order.AmendLine{LineInput: order.LineInput{
				SKU: item.SKU, Quantity: item.Quantity,
			}})
		}
		if a.Country != "" {
			to := lifecycletest.Address(a.Country)
			to.Line1 = key // another one each time
			in.Address = &to
		}
		return func() error { _, err := s.orders.Amend(ctx, req, id, now.Head.Version(), in); return err }
	case lifecycletest.Cancel:
		in := order.CancelInput{Origin: order.OriginCustomer, CustomerID: of}
		if a.Operator {
			in = order.CancelInput{Origin: order.OriginOperator}
		}
		return func() error { _, err := s.orders.Cancel(ctx, req, id, in); return err }
	case lifecycletest.Approve:
		return func() error { _, err := s.orders.Approve(ctx, req, id, decision); return err }
	case lifecycletest.Decline:
		return func() error { _, err := s.orders.Decline(ctx, req, id, decision); return err }
	case lifecycletest.Pay:
		in := order.PaymentInput{CustomerID: of, By: "customer"}
		return func() error { _, err := s.orders.RequestPayment(ctx, req, id, in); return err }
	case lifecycletest.Refund:
		line := int64(0)
		in := refund.Input{OrderID: id, GiveBack: order.GiveBack{
			Lines: []order.LineRefund{{Line: &line, Quantity: a.Amount}}, Reason: order.RefundDamaged,
		}}
		return func() error { _, err := s.refunds.GiveBack(ctx, req, key, in); return err }
	}
	panic("nobody does " + string(a.Do))
}
