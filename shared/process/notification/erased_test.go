package notification_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/inbox"
	"orderflow/shared/process/notification"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
)

func (w *world) customers() customer.Service {
	return customer.New(customer.Deps{Store: w.store, Clock: w.clock, Vault: w.vault, Eraser: w.vault})
}

// unopened is a vault of which nothing opens.
type unopened struct{ personal.Vault }

func (unopened) Open(context.Context, string, string, personal.Sealed) ([]byte, error) {
	return nil, personal.ErrUnreadable
}

// claiming is an inbox in which something happens right behind a claim.
type claiming struct {
	inbox.Store
	behind func()
}

func (c *claiming) Swap(ctx context.Context, next inbox.Entry, was string) (inbox.Entry, bool, error) {
	there, swapped, err := c.Store.Swap(ctx, next, was)
	if f := c.behind; next.State == inbox.Claimed && swapped && f != nil {
		c.behind = nil
		f()
	}
	return there, swapped, err
}

// Nobody writes to a customer who was erased before the mail was written, whatever it is about:
// whether they were erased before the event came or while its mail was on its way to be sent, and
// whether their key is destroyed yet or the stream alone says it. The event is done then, however
// often it comes.
func TestNoMailToWhoIsErased(t *testing.T) {
	quiet(t)
	streamAlone := func(w *world) {
		history, err := w.store.Load(w.t.Context(), registered, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		event := customer.Erased{CustomerID: "ada", ErasedAt: "2026-03-01T12:00:00Z"}
		commit := w.request("erase").Commit(history.Head, event)
		if _, err := w.store.Append(w.t.Context(), []es.Commit{commit}); err != nil {
			w.t.Fatal(err)
		}
	}
	whole := func(w *world) {
		if _, err := w.customers().Erase(w.t.Context(), w.request("erase"), "ada", ""); err != nil {
			w.t.Fatal(err)
		}
	}
	for how, erase := range map[string]func(*world){"the stream says it": streamAlone, "the key is destroyed": whole} {
		for _, late := range []bool{false, true} {
			when := "before the event comes"
			if late {
				when = "behind the claim"
			}
			t.Run(how+", "+when, func(t *testing.T) {
				of := everyKind(t)
				for _, kind := range kinds {
					message := of[kind]
					w, body := message(t)
					store := &claiming{Store: w.inbox}
					if late {
						store.behind = func() { erase(w) }
					} else {
						erase(w)
					}
					notifier := w.with(func(d *notification.Deps) { d.Inbox = store })
					for range 3 {
						if err := notifier.Handle(t.Context(), notification.Delivery{Body: body}); err != nil {
							t.Errorf("%s: %v", kind, err)
						}
					}
					if len(w.mailer.sent) > 0 {
						t.Errorf("%s: sent %+v", kind, w.mailer.sent)
					}
				}
			})
		}
	}
}

// everyKind makes a message of each kind of mail.
func everyKind(t *testing.T) map[notification.Kind]func(*testing.T) (*world, []byte) {
	t.Helper()
	deliver := func(version int64) func(*testing.T) (*world, []byte) {
		return func(t *testing.T) (*world, []byte) {
			t.Helper()
			w := newWorld(t)
			w.run("start", order.Start{SagaID: "s"})
			w.run("confirm", order.Confirm{SagaID: "s", PaymentID: "p", ShipmentID: "sh", TrackingNumber: "OF-1"})
			w.run("ship", order.Ship{ShipmentID: "sh"})
			w.run("deliver", order.Deliver{ShipmentID: "sh"})
			message := w.message(placed, version)
			return w, message
		}
	}
	return map[notification.Kind]func(*testing.T) (*world, []byte){
		notification.Welcome: func(t *testing.T) (*world, []byte) {
			w := newWorld(t)
			message := w.message(registered, 1)
			return w, message
		},
		notification.OrderPlaced: deliver(1), notification.OrderConfirmed: deliver(3),
		notification.OrderShipped: deliver(4), notification.OrderDelivered: deliver(5),
		notification.OrderBackordered: func(t *testing.T) (*world, []byte) {
			w := newWorld(t)
			w.run("backorder", order.Backorder{
				Revision: 1, Items: []goods.Item{{SKU: "CD-0042", Quantity: 2}}, Until: "2026-03-01T12:30:00Z",
			})
			message := w.message(placed, 2)
			return w, message
		},
		notification.OrderPaymentRequired: func(t *testing.T) (*world, []byte) {
			w := newWorld(t)
			w.run("require", order.RequirePayment{
				Revision: 1, Code: "account.insufficient-funds", Until: "2026-03-01T12:30:00Z",
			})
			message := w.message(placed, 2)
			return w, message
		},
		notification.OrderHeld: func(t *testing.T) (*world, []byte) {
			w := newWorld(t)
			w.append(placed, order.Held{Rules: []string{"country"}, Until: "2026-03-01T12:30:00Z"})
			message := w.message(placed, 2)
			return w, message
		},
		notification.OrderAmended: func(t *testing.T) (*world, []byte) {
			w := newWorld(t)
			w.amend(1177)
			message := w.message(placed, 2)
			return w, message
		},
		notification.OrderPartial: func(t *testing.T) (*world, []byte) {
			w := newWorld(t)
			w.run("reduce", order.Reduce{Revision: 1, Items: []goods.Item{{SKU: "CD-0042", Quantity: 1}}})
			message := w.message(placed, 2)
			return w, message
		},
		notification.OrderRest: func(t *testing.T) (*world, []byte) {
			w := newWorld(t)
			of, err := w.orders.Get(t.Context(), "o1")
			if err != nil {
				t.Fatal(err)
			}
			rest := es.NewStreamID(order.Category, order.RestID("o1"))
			w.append(rest, order.Placed{
				OrderID: rest.ID(), CustomerID: "ada", Lines: of.State.Lines, Total: of.State.Total, Revision: 1,
				Address: of.State.Address, RestOf: "o1", OutOfStock: goods.Backorder,
			})
			message := w.message(rest, 1)
			return w, message
		},
		notification.OrderRefunded: func(t *testing.T) (*world, []byte) {
			w, _ := deliver(5)(t)
			w.run("give back", order.GiveBack{
				RefundID: "r1", Lines: []order.LineRefund{{SKU: "CD-0042", Quantity: 1}}, Reason: order.RefundDamaged,
				By: "person/p",
			})
			message := w.message(placed, 6)
			return w, message
		},
		notification.OrderCancelled: func(t *testing.T) (*world, []byte) {
			w, m := cancelled(t)
			return w, []byte(m)
		},
	}
}

// What can't be written now holds no claim, and whoever comes next writes it.
func TestWritingFails(t *testing.T) {
	quiet(t)
	w := newWorld(t)
	w.run("start", order.Start{SagaID: "s"})
	w.run("confirm", order.Confirm{SagaID: "s", PaymentID: "p", ShipmentID: "sh", TrackingNumber: "OF-1"})
	body := w.earlier(placed, 3)
	for name, deps := range map[string]func(*notification.Deps){
		"no order":    func(d *notification.Deps) { d.Orders = absent{} },
		"no customer": func(d *notification.Deps) { d.Customers = nobody{} },
		"not opened": func(d *notification.Deps) {
			d.Customers = customer.Contacts{Reader: apart{w.store, unopened{w.vault}}}
		},
	} {
		for range 2 {
			err := w.with(deps).Handle(t.Context(), notification.Delivery{Body: body})
			free := errors.Is(err, inbox.ErrNotDone) && !errors.Is(err, inbox.ErrInFlight)
			if !free || strings.Contains(err.Error(), "Lovelace") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	wantErr(t, w.handle(body), nil)
	if len(w.mailer.sent) != 1 {
		t.Errorf("sent %v", w.mailer.sent)
	}
}

type absent struct{}

func (absent) Get(context.Context, string) (es.Result[order.State], error) {
	return es.Result[order.State]{}, order.ErrNotFound.New("none")
}

type nobody struct{}

func (nobody) Contact(context.Context, string) (customer.Contact, error) {
	return customer.Contact{}, customer.ErrNotFound.New("none")
}
