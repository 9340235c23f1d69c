package notification_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/inbox"
	"orderflow/shared/kit/poison"
	"orderflow/shared/process/notification"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/order/ordertest"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// mailer keeps what was sent. before and after are its errors on either side of the sending.
type mailer struct {
	mu            sync.Mutex
	sent          []notification.Mail
	before, after error
}

func (m *mailer) Send(_ context.Context, mail notification.Mail) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.before != nil {
		return "", m.before
	}
	m.sent = append(m.sent, mail)
	return fmt.Sprintf("mail-%d", len(m.sent)), m.after
}

// world has a customer, ada, who placed the order o1.
type world struct {
	notification.Notifier
	t      *testing.T
	store  *memstore.Store
	vault  *personal.Memory
	inbox  *inbox.Memory
	mailer *mailer
	clock  *clock.Fake
	orders order.Service
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, store: memstore.New(es.NewRegistry(order.Register, customer.Register)), vault: personal.NewMemory(),
		inbox: inbox.NewMemory(), mailer: &mailer{},
		clock: clock.NewFake(noon),
	}
	customers := customer.New(customer.Deps{Store: w.store, Clock: w.clock, Vault: w.vault})
	lines := content(notification.OrderPlaced).Lines
	w.orders = order.New(order.Deps{
		Store: w.store, Clock: w.clock, Vault: w.vault, Customers: customers, Prices: ordertest.PricesOf(lines...),
	})
	w.Notifier = w.with(func(*notification.Deps) {})
	if _, err := customers.Register(
		t.Context(), w.request("register"),
		customer.RegisterInput{CustomerID: "ada", Name: "Ada Lovelace", Email: "ada@example.com"},
	); err != nil {
		t.Fatal(err)
	}
	if _, err := w.orders.Place(t.Context(), w.request("place"), order.PlaceInput{
		OrderID: "o1", CustomerID: "ada", AccountID: "a1", Currency: "USD", Lines: ordertest.Inputs(lines...),
		NamedBy: "pricing/quotes",
		Address: shipment.Address{
			Recipient: "Ada Lovelace", Line1: "Keizersgracht 1", PostalCode: "1015 CJ", City: "Amsterdam",
			Country: "NL",
		},
	}); err != nil {
		t.Fatal(err)
	}
	return w
}

// with is a notifier of the world whose dependencies are changed.
func (w *world) with(change func(*notification.Deps)) notification.Notifier {
	d := notification.Deps{
		Inbox: w.inbox, Orders: w.orders, Customers: customer.Contacts{Reader: apart{w.store, w.vault}},
		Mailer: w.mailer, Clock: w.clock, Shop: "Analytical Engines",
	}
	change(&d)
	return notification.New(d)
}

// apart is a customer.Reader that reads stream and key one after the other.
type apart struct {
	store es.Store
	vault personal.Vault
}

func (a apart) LoadWithKey(
	ctx context.Context, stream es.StreamID, subject string,
) (es.History, personal.Opener, error) {
	history, err := a.store.Load(ctx, stream, 0)
	return history, opener{a.vault, subject}, err
}

type opener struct {
	personal.Vault
	subject string
}

func (o opener) Open(ctx context.Context, field string, sealed personal.Sealed) ([]byte, error) {
	return o.Vault.Open(ctx, o.subject, field, sealed)
}

func (w *world) request(id string) es.Request { return es.Request{CommitID: id, Time: w.clock.Now()} }

func (w *world) run(id string, c order.Command) {
	w.t.Helper()
	if _, err := w.orders.Run(w.t.Context(), w.request(id), "o1", c); err != nil {
		w.t.Fatal(err)
	}
}

// append stores an event behind a stream's last.
func (w *world) append(stream es.StreamID, event any) {
	w.t.Helper()
	h, err := w.store.Load(w.t.Context(), stream, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	id := fmt.Sprint("append-", h.Head.Version())
	if _, err := w.store.Append(w.t.Context(), []es.Commit{w.request(id).Commit(h.Head, event)}); err != nil {
		w.t.Fatal(err)
	}
}

// amend stores that the order has more of its first line, which comes to the difference.
func (w *world) amend(difference int64) {
	w.t.Helper()
	lines := slices.Clone(content(notification.OrderPlaced).Lines)
	lines[0].Quantity++
	w.append(placed, order.Amended{
		Revision: 2, Lines: lines, Total: usd(3853 + difference), Difference: usd(difference),
		By: order.OriginCustomer, Reason: order.ReasonCustomer,
	})
}

// change gives ada another name and address.
func (w *world) change(name, email string) {
	w.t.Helper()
	changed := customer.Changed{CustomerID: "ada"}
	for field, of := range map[string]struct {
		text string
		into *personal.Sealed
	}{customer.NameField: {name, &changed.Name}, customer.EmailField: {email, &changed.Email}} {
		sealed, err := w.vault.Seal(w.t.Context(), "ada", field, []byte(of.text))
		if err != nil {
			w.t.Fatal(err)
		}
		*of.into = sealed
	}
	w.append(registered, changed)
}

// message is what EventBridge delivers of a stream's event with that version.
func (w *world) message(stream es.StreamID, version int64) []byte {
	w.t.Helper()
	if stream.Category() != order.Category {
		return w.delivered(stream, version, order.State{})
	}
	past, err := w.orders.AsOf(w.t.Context(), stream.ID(), es.Point{Version: version})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.delivered(stream, version, past.State)
}

// earlier is message as an earlier release published it: an order's events said nothing of the
// order but placed.
func (w *world) earlier(stream es.StreamID, version int64) []byte {
	w.t.Helper()
	return w.delivered(stream, version, order.State{})
}

func (w *world) delivered(stream es.StreamID, version int64, of order.State) []byte {
	w.t.Helper()
	h, err := w.store.Load(w.t.Context(), stream, version-1)
	if err != nil {
		w.t.Fatal(err)
	}
	versions, err := contract.VersionsOf(h.Events[0], of)
	if err != nil {
		w.t.Fatal(err)
	}
	envelope := versions[0]
	body, err := json.Marshal(map[string]any{
		"version": "0", "id": "1", "detail-type": envelope.Type, "source": envelope.Source,
		"time": "2026-03-01T12:00:00Z", "resources": []string{}, "detail": envelope,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return body
}

var (
	registered = es.StreamID("customer/ada")
	placed     = es.StreamID("order/o1")
)

func (w *world) handle(body []byte) error {
	w.t.Helper()
	return w.Handle(w.t.Context(), notification.Delivery{Body: body})
}

func (w *world) subjects() []string {
	subjects := []string{}
	for _, m := range w.mailer.sent {
		subjects = append(subjects, m.Subject)
		if m.To != "ada@example.com" || !strings.Contains(m.Text, "Hello Ada Lovelace,") ||
			!strings.Contains(m.HTML, "Hello Ada Lovelace,") {
			w.t.Errorf("sent %+v", m)
		}
	}
	return subjects
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

// quiet gives what is logged in the test.
func quiet(t *testing.T) *bytes.Buffer {
	var log bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(old) })
	return &log
}

// Each event that a customer cares about has its mail, once, in whatever order and how often the
// events come, and whether this release published them or an earlier one did. So does an event that
// comes in both forms, as from the queue of before an upgrade and by the loss audit after it.
func TestMails(t *testing.T) {
	log := quiet(t)
	for name, tt := range map[string]struct {
		run  func(*world)
		want []string
	}{
		"an order that is delivered": {func(w *world) {
			w.run("start", order.Start{SagaID: "s"})
			w.run("confirm", order.Confirm{SagaID: "s", PaymentID: "p", ShipmentID: "sh", TrackingNumber: "OF-1"})
			w.run("ship", order.Ship{ShipmentID: "sh"})
			w.run("deliver", order.Deliver{ShipmentID: "sh"})
		}, []string{
			"We received your order o1", "Your order o1 was confirmed", "Your order o1 was shipped",
			"Your order o1 was delivered",
		}},
		"an order that is refunded": {func(w *world) {
			w.run("start", order.Start{SagaID: "s"})
			w.run("confirm", order.Confirm{SagaID: "s", PaymentID: "p", ShipmentID: "sh", TrackingNumber: "OF-1"})
			w.run("ship", order.Ship{ShipmentID: "sh"})
			one := []order.LineRefund{{SKU: "CD-0042", Quantity: 1}}
			w.run("first", order.GiveBack{RefundID: "r1", Lines: one, Reason: order.RefundDamaged, By: "person/p"})
			w.run("second", order.GiveBack{RefundID: "r2", Lines: one, Reason: order.RefundDamaged, By: "person/p"})
			// whose price has been given back
			w.append(placed, order.Refunded{
				RefundID: "r3", PaymentID: "p", Amount: money.Money{Currency: "USD"}, Reason: order.RefundReturned,
				By: "person/p", RefundedAt: "2026-03-01T12:00:00Z", Total: money.Money{Amount: 2354, Currency: "USD"},
				Lines: []order.RefundedLine{{SKU: "CD-0042", Quantity: 1, Amount: money.Money{Currency: "USD"}}},
			})
		}, []string{
			"We received your order o1", "Your order o1 was confirmed", "Your order o1 was shipped",
			"A refund for your order o1", "A refund for your order o1",
		}},
		"an order that is held, and amended": {func(w *world) {
			w.append(placed, order.Held{Rules: []string{"country"}, Until: "2026-03-01T12:30:00Z"})
			w.amend(1177)
		}, []string{
			"We received your order o1", "We check your order o1", "Your order o1 is changed",
		}},
		"an order of which not all is there": {func(w *world) {
			w.run("start", order.Start{SagaID: "s"})
			w.run("reduce", order.Reduce{Revision: 1, Items: []goods.Item{{SKU: "CD-0042", Quantity: 2}}})
		}, []string{"We received your order o1", "Part of your order o1 is not in stock"}},
		"an order that is cancelled": {func(w *world) {
			w.run("start", order.Start{SagaID: "s"})
			w.run("close", order.Close{Origin: order.OriginSaga, SagaID: "s", Reason: "stock.insufficient"})
			w.run("cancel", order.FinishUndo{SagaID: "s"})
		}, []string{"We received your order o1", "Your order o1 was cancelled"}},
	} {
		for of, forms := range map[string][]func(*world, es.StreamID, int64) []byte{
			"this release":               {(*world).message},
			"an earlier one":             {(*world).earlier},
			"the earlier, and then this": {(*world).earlier, (*world).message},
			"this, and then the earlier": {(*world).message, (*world).earlier},
		} {
			t.Run(name+", of "+of, func(t *testing.T) {
				w := newWorld(t)
				tt.run(w)
				w.deliverAll(forms)
				got, want := w.subjects(), append(slices.Clone(tt.want), "Welcome to Analytical Engines")
				slices.Sort(got)
				slices.Sort(want)
				if !slices.Equal(got, want) {
					t.Errorf("sent %q, want %q", got, want)
				}
				w.sayWhatTheyShould()
			})
		}
	}
	if text := log.String(); strings.Contains(text, "Lovelace") || strings.Contains(text, "ada@example") ||
		!strings.Contains(text, "mail sent") || !strings.Contains(text, "sent before") {
		t.Errorf("logged is %s", text)
	}
}

// deliverAll delivers each event of ada and of her order three times, in each of the forms.
func (w *world) deliverAll(forms []func(*world, es.StreamID, int64) []byte) {
	w.t.Helper()
	h, err := w.store.Load(w.t.Context(), placed, 0)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, form := range forms {
		messages := [][]byte{form(w, registered, 1)}
		for _, e := range h.Events {
			if e.Type != "order.started" && e.Type != "order.cancelling" { // which the rule leaves out
				messages = append(messages, form(w, placed, e.Version))
			}
		}
		for range 3 {
			slices.Reverse(messages)
			for _, m := range messages {
				if err := w.handle(m); err != nil {
					w.t.Error(err)
				}
			}
		}
	}
}

func (w *world) sayWhatTheyShould() {
	w.t.Helper()
	for _, m := range w.mailer.sent {
		const first = "2 × CD-0042 at USD 12.50, Voucher USD -3.38, Sales tax (8.875 %) USD 1.92: USD 23.54"
		lines := strings.Contains(m.Text, first) && strings.Contains(m.Text, "Total: USD 38.53")
		if strings.Contains(m.Subject, "confirmed") && (!lines || !strings.Contains(m.Text, "OF-1")) ||
			strings.Contains(m.Subject, "received your") && !lines ||
			strings.Contains(m.Subject, "was shipped") && !strings.Contains(m.Text, "OF-1") ||
			strings.Contains(m.Subject, "refund") &&
				!strings.Contains(m.Text, "\n  1 × CD-0042: USD 11.77\n  Total: USD 11.77\n") ||
			strings.Contains(m.Subject, "check your") && !strings.Contains(m.Text, "by 1 March 2026 12:30 UTC") ||
			strings.Contains(m.Subject, "changed") &&
				!strings.Contains(m.Text, "That is USD 11.77 more than before.") ||
			strings.Contains(m.Subject, "not in stock") && (!strings.Contains(m.Text, first) ||
				!strings.Contains(m.Text, "not in stock: 1 × CD-0107.") ||
				!strings.Contains(m.Text, "Total: USD 23.54")) ||
			strings.Contains(m.Subject, "cancelled") && (!lines || !strings.Contains(m.Text, "in stock")) {
			w.t.Errorf("%s", m.Text)
		}
	}
}

// counting counts what a mail asks for.
type counting struct {
	notification.Deps
	asked map[string]int
}

func (c *counting) Swap(ctx context.Context, next inbox.Entry, was string) (inbox.Entry, bool, error) {
	c.asked["inbox"]++
	return c.Inbox.Swap(ctx, next, was)
}

func (c *counting) Get(ctx context.Context, orderID string) (es.Result[order.State], error) {
	c.asked["order"]++
	return c.Orders.Get(ctx, orderID)
}

func (c *counting) Contact(ctx context.Context, customerID string) (customer.Contact, error) {
	c.asked["contact"]++
	return c.Customers.Contact(ctx, customerID)
}

func (c *counting) Send(ctx context.Context, m notification.Mail) (string, error) {
	c.asked["mail"]++
	return c.Mailer.Send(ctx, m)
}

// A mail takes four requests, whatever it is about: the claim, the contact, the mail, and that it
// is done. One that was sent takes the refused claim alone. The order is asked only for events of
// an earlier release.
func TestRequests(t *testing.T) {
	quiet(t)
	for kind, message := range everyKind(t) {
		w, body := message(t)
		c := &counting{asked: map[string]int{}}
		notifier := w.with(func(d *notification.Deps) {
			c.Deps = *d
			d.Inbox, d.Orders, d.Customers, d.Mailer = c, c, c, c
		})
		for _, want := range []map[string]int{
			{"inbox": 2, "contact": 1, "mail": 1}, {"inbox": 3, "contact": 1, "mail": 1},
		} {
			if err := notifier.Handle(t.Context(), notification.Delivery{Body: body}); err != nil {
				t.Error(err)
			}
			if !maps.Equal(c.asked, want) {
				t.Errorf("%s: asked %v, want %v", kind, c.asked, want)
			}
		}
	}
	w, _ := cancelled(t)
	c := &counting{asked: map[string]int{}}
	w.Notifier = w.with(func(d *notification.Deps) {
		c.Deps = *d
		d.Orders = c
	})
	wantErr(t, w.handle(w.earlier(placed, 4)), nil)
	if !maps.Equal(c.asked, map[string]int{"order": 1}) {
		t.Errorf("an event of an earlier release: asked %v", c.asked)
	}
}

// An event that comes to many at once has one mail.
func TestAtOnce(t *testing.T) {
	quiet(t)
	w := newWorld(t)
	m := w.message(registered, 1)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := w.handle(m); err != nil && !errors.Is(err, inbox.ErrInFlight) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := w.subjects(); len(got) != 1 {
		t.Errorf("sent %q", got)
	}
}

// Nobody writes to who is erased, whether the event or the stream tells the data, and before or
// after their key is gone from the stream's view.
func TestErased(t *testing.T) {
	log := quiet(t)
	w := newWorld(t)
	messages := [][]byte{w.message(registered, 1), w.message(placed, 1)}
	if err := w.vault.Erase(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		if err := w.handle(m); err != nil {
			t.Error(err)
		}
	}
	if len(w.mailer.sent) != 0 || strings.Count(log.String(), "the customer is erased") != 2 {
		t.Errorf("sent %v, logged %s", w.mailer.sent, log)
	}
}

// What the mail service says decides what becomes of the mail, now, when the event comes again, and
// when it comes again after the lease.
func TestMailerFails(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name          string
		before, after error
		poison        bool
		next, later   error // nil: the mail is sent
		sent          int   // in all
	}{
		{"not taken now", errors.Join(inbox.ErrNotDone, boom), nil, false, nil, nil, 1},
		{"refused for good", errors.Join(inbox.ErrRefused, boom), nil, true, nil, nil, 1},
		{"unknown, and not sent", boom, nil, true, inbox.ErrInFlight, inbox.ErrOutcomeUnknown, 0},
		{"unknown, and sent", nil, boom, true, inbox.ErrInFlight, inbox.ErrOutcomeUnknown, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			quiet(t)
			w := newWorld(t)
			m := w.message(registered, 1)
			w.mailer.before, w.mailer.after = tt.before, tt.after
			err := w.handle(m)
			wantErr(t, err, boom)
			if poison.Is(err) != tt.poison {
				t.Errorf("poison %t: %v", !tt.poison, err)
			}
			w.mailer.before, w.mailer.after = nil, nil
			wantErr(t, w.handle(m), tt.next)
			w.clock.Advance(notification.Lease)
			for range 3 {
				err = w.handle(m)
				wantErr(t, err, tt.later)
				if tt.later != nil && !poison.Is(err) {
					t.Errorf("no poison: %v", err)
				}
			}
			if got := w.subjects(); len(got) != tt.sent {
				t.Errorf("sent %q", got)
			}
		})
	}
}

// panicky sends and dies.
type panicky struct{ *mailer }

func (p panicky) Send(ctx context.Context, m notification.Mail) (string, error) {
	_, _ = p.mailer.Send(ctx, m)
	panic("crash")
}

// A crash after the mail was sent and before that was noted: it is never sent again by itself, and
// only after the lease to whom a person says so.
func TestCrash(t *testing.T) {
	quiet(t)
	w := newWorld(t)
	m := w.message(registered, 1)
	dying := w.with(func(d *notification.Deps) { d.Mailer = panicky{w.mailer} })
	func() {
		defer func() { _ = recover() }()
		_ = dying.Handle(t.Context(), notification.Delivery{Body: m})
	}()
	takeOver := func() error { return w.Handle(t.Context(), notification.Delivery{Body: m, TakeOver: "letter/1"}) }
	wantErr(t, w.handle(m), inbox.ErrInFlight)
	wantErr(t, takeOver(), inbox.ErrInFlight)
	w.clock.Advance(notification.Lease)
	wantErr(t, w.handle(m), inbox.ErrOutcomeUnknown)
	if len(w.mailer.sent) != 1 {
		t.Errorf("sent %v", w.mailer.sent)
	}
	for range 2 {
		wantErr(t, takeOver(), nil)
	}
	if len(w.mailer.sent) != 2 {
		t.Errorf("sent %v", w.mailer.sent)
	}
	wantErr(t, w.handle(m), nil)
}

// A message that a person lets be sent once more comes three times, as each message may: where
// nobody knows of that mail either, it is one more and not three.
func TestTakeOverIsOneMail(t *testing.T) {
	quiet(t)
	w := newWorld(t)
	m := w.message(registered, 1)
	w.mailer.after = errors.New("no answer")
	wantErr(t, w.handle(m), inbox.ErrOutcomeUnknown)
	deliver := func(permit string) (mails int) {
		t.Helper()
		before := len(w.mailer.sent)
		for range 3 {
			w.clock.Advance(180 * time.Second)
			err := w.Handle(t.Context(), notification.Delivery{Body: m, TakeOver: permit})
			wantErr(t, err, inbox.ErrOutcomeUnknown)
			if !poison.IsHeld(err) {
				t.Errorf("not held: %v", err)
			}
		}
		return len(w.mailer.sent) - before
	}
	for _, tt := range []struct {
		permit string
		mails  int
	}{{"", 0}, {"letter/1", 1}, {"letter/1", 0}, {"letter/2", 1}, {"letter/1", 0}} {
		if got := deliver(tt.permit); got != tt.mails {
			t.Errorf("%d mails with the permit %q, want %d", got, tt.permit, tt.mails)
		}
	}
}

// A message from which no mail can follow.
func TestUnfit(t *testing.T) {
	quiet(t)
	w := newWorld(t)
	w.run("start", order.Start{SagaID: "s"})
	good := string(w.message(registered, 1))
	for name, body := range map[string]string{
		"nothing":                 "",
		"no JSON":                 "customer.registered",
		"half a JSON":             good[:len(good)/2],
		"no envelope":             `{"detail-type":"customer.registered","source":"customer-service","detail":{}}`,
		"an unknown type":         strings.ReplaceAll(good, "customer.registered", "customer.abducted"),
		"a version of the future": strings.Replace(good, `"dataversion":1`, `"dataversion":2`, 1),
		"outside, another type": strings.Replace(
			good, `"detail-type":"customer.registered"`, `"detail-type":"order.placed"`, 1,
		),
		"a field is missing": strings.Replace(good, `"email":`, `"mail":`, 1),
		"another's stream":   strings.Replace(good, `"subject":"customer/ada"`, `"subject":"customer/bob"`, 1),
		"an order's, another": strings.Replace(
			string(w.message(placed, 1)), `"subject":"order/o1"`, `"subject":"order/o2"`, 1,
		),
		"no mail follows": string(w.message(placed, 2)),
	} {
		t.Run(name, func(t *testing.T) {
			err := w.handle([]byte(body))
			wantErr(t, err, contract.ErrMalformed)
			if !poison.Is(err) {
				t.Errorf("no poison: %v", err)
			}
		})
	}
	if len(w.mailer.sent) != 0 {
		t.Errorf("sent %v", w.mailer.sent)
	}
}

// An event that is too old for the inbox to be sure of has no mail, and one just young enough has.
func TestAge(t *testing.T) {
	quiet(t)
	if notification.Retention < notification.MaxAge+4*24*time.Hour || notification.Retention < 35*24*time.Hour {
		t.Errorf("the inbox forgets after %s, and events are good for %s", notification.Retention, notification.MaxAge)
	}
	w := newWorld(t)
	m := w.message(registered, 1)
	w.clock.Advance(notification.MaxAge + time.Second)
	err := w.handle(m)
	wantErr(t, err, contract.ErrMalformed)
	if !poison.Is(err) || len(w.mailer.sent) != 0 {
		t.Error(err, w.mailer.sent)
	}
	w.clock.Advance(-time.Second)
	wantErr(t, w.handle(m), nil)
}

// An event of the future would still be young when the inbox has forgotten its mail. Clocks that
// differ are none.
func TestAhead(t *testing.T) {
	quiet(t)
	w := newWorld(t)
	m := w.message(registered, 1)
	w.clock.Advance(-notification.MaxAhead - time.Second)
	err := w.handle(m)
	wantErr(t, err, contract.ErrMalformed)
	if !poison.Is(err) || len(w.mailer.sent) != 0 {
		t.Error(err, w.mailer.sent)
	}
	w.clock.Advance(time.Second)
	wantErr(t, w.handle(m), nil)
}

// cancelled is a world whose order is cancelled, and the message of that.
func cancelled(t *testing.T) (*world, string) {
	t.Helper()
	w := newWorld(t)
	w.run("start", order.Start{SagaID: "s"})
	w.run("close", order.Close{Origin: order.OriginSaga, SagaID: "s", Reason: "stock.insufficient"})
	w.run("cancel", order.FinishUndo{SagaID: "s"})
	return w, string(w.message(placed, 4))
}

// The same event id with other data is nobody's but a forger's, also after the mail was sent. What
// no mail follows from may differ.
func TestTampered(t *testing.T) {
	quiet(t)
	w, m := cancelled(t)
	other := string(w.message(placed, 1))
	wantErr(t, w.handle([]byte(m)), nil)
	wantErr(t, w.handle([]byte(other)), nil)
	for _, same := range []string{
		strings.Replace(m, `"id":"1"`, `"id":"2"`, 1), strings.Replace(m, `"orderId":`, `"added":1,"orderId":`, 1),
		strings.Replace(m, `"data":{`, `"data":  {`, 1),
		strings.Replace(other, `"quantity":2`, `"quantity":3`, 1), // what is said of the order is not compared
	} {
		if same == m || same == other {
			t.Fatal("nothing was changed")
		}
		wantErr(t, w.handle([]byte(same)), nil)
	}
	err := w.handle([]byte(strings.Replace(m, `"stock.insufficient"`, `"customer"`, 1)))
	wantErr(t, err, inbox.ErrTampered)
	if !poison.Is(err) || len(w.mailer.sent) != 2 {
		t.Error(err, w.mailer.sent)
	}
	welcome := w.message(registered, 1)
	wantErr(t, w.handle(welcome), nil)
	name, email := sealed(t, welcome)
	for field, was := range map[string]string{customer.NameField: name, customer.EmailField: email} {
		others, err := w.vault.Seal(t.Context(), "ada", field, []byte("eve@example.com"))
		if err != nil {
			t.Fatal(err)
		}
		wantErr(t, w.handle(bytes.Replace(welcome, []byte(was), []byte(others), 1)), inbox.ErrTampered)
	}
}

// sealed is what a message has of a customer.
func sealed(t *testing.T, message []byte) (name, email string) {
	t.Helper()
	var m struct {
		Detail struct{ Data struct{ Name, Email string } }
	}
	if err := json.Unmarshal(message, &m); err != nil {
		t.Fatal(err)
	}
	return m.Detail.Data.Name, m.Detail.Data.Email
}

// What the inbox keeps of an event says the same in every release: with another hash each mail that
// comes again after a deployment would be tampered with.
func TestHashStays(t *testing.T) {
	quiet(t)
	w, m := cancelled(t)
	wantErr(t, w.handle(w.message(placed, 1)), nil)
	wantErr(t, w.handle([]byte(m)), nil)
	body := w.message(registered, 1)
	wantErr(t, w.handle(body), nil)
	name, email := sealed(t, body)
	for event, want := range map[string]string{
		// of ["order.placed","order/o1"]
		"order/o1@1": "0547e7b848e143124bfc6bdad37ba6bf18f5c31741adb45a595a1c03c4be619c",
		// of ["order.cancelled","order/o1","stock.insufficient"]
		"order/o1@4":     "fdc8f447c1c9aee994617a3b829ced071b766e1de93187545e1df90ed90b737c",
		"customer/ada@1": inbox.Hash(fmt.Appendf(nil, `["customer.registered","customer/ada","%s","%s"]`, name, email)),
	} {
		if got := w.inbox.Get(inbox.Key{Consumer: notification.Consumer, Event: event}).Payload; got != want {
			t.Errorf("%s: the hash is %s, want %s", event, got, want)
		}
	}
}

// What can't be read now is no poison, and holds no claim.
func TestReadsFail(t *testing.T) {
	quiet(t)
	w := newWorld(t)
	w.run("start", order.Start{SagaID: "s"})
	w.run("confirm", order.Confirm{SagaID: "s", PaymentID: "p", ShipmentID: "sh", TrackingNumber: "OF-1"})
	m := w.earlier(placed, 3)
	elsewhere := memstore.New(es.NewRegistry(order.Register, customer.Register))
	noOrder := w.with(func(d *notification.Deps) {
		d.Orders = order.New(order.Deps{Store: elsewhere, Clock: w.clock})
	})
	err := noOrder.Handle(t.Context(), notification.Delivery{Body: m})
	wantErr(t, err, order.ErrNotFound)
	if poison.Is(err) {
		t.Error(err)
	}
	noCustomer := w.with(func(d *notification.Deps) {
		d.Customers = customer.Contacts{Reader: apart{elsewhere, w.vault}}
	})
	wantErr(t, noCustomer.Handle(t.Context(), notification.Delivery{Body: m}), customer.ErrNotFound)
	wantErr(t, w.handle(m), nil)
	// Sealed data that doesn't open is no erased customer.
	w.append(registered, customer.Changed{CustomerID: "ada", Email: "pd1:AAAA"})
	wantErr(t, w.handle(w.message(registered, 1)), personal.ErrUnreadable)
}

// A mail goes to whom the customer is when it is sent: also the welcome, whose event has the first
// address, and one that was tried before the change.
func TestMailsGoToTheNewAddress(t *testing.T) {
	quiet(t)
	w := newWorld(t)
	w.mailer.before = fmt.Errorf("%w: throttled", inbox.ErrNotDone)
	for _, m := range [][]byte{w.message(registered, 1), w.message(placed, 1)} {
		wantErr(t, w.handle(m), inbox.ErrNotDone)
	}
	w.change("Ada King", "king@example.com")
	w.mailer.before = nil
	for range 2 {
		for _, m := range [][]byte{w.message(registered, 1), w.message(placed, 1)} {
			wantErr(t, w.handle(m), nil)
		}
	}
	if len(w.mailer.sent) != 2 {
		t.Fatalf("%d mails", len(w.mailer.sent))
	}
	for _, m := range w.mailer.sent {
		if m.To != "king@example.com" || !strings.Contains(m.Text, "Hello Ada King,") {
			t.Errorf("%q goes to %s: %s", m.Subject, m.To, m.Text)
		}
	}
}

// No mail goes to an address once mails to it are suppressed, and the inbox says why; with another
// one they go again. Each says whose it is, and which of their addresses it went to.
func TestSuppressedMail(t *testing.T) {
	log := quiet(t)
	w := newWorld(t)
	wantErr(t, w.handle(w.message(registered, 1)), nil)
	w.append(registered, customer.MailSuppressed{CustomerID: "ada", Address: 1, Reason: customer.ReasonComplaint})
	for range 2 {
		wantErr(t, w.handle(w.message(placed, 1)), nil)
	}
	if len(w.mailer.sent) != 1 || !strings.Contains(log.String(), "no mail: those to the customer's address") {
		t.Fatalf("sent %+v: %s", w.mailer.sent, log)
	}
	noted := w.inbox.Get(inbox.Key{Consumer: notification.Consumer, Event: string(placed) + "@1"})
	if noted.State != inbox.Failed || !strings.Contains(noted.Result, "mail to the address is suppressed: complaint") ||
		strings.Contains(noted.Result, "example.com") {
		t.Errorf("the inbox has %+v", noted)
	}
	w.change("Ada King", "king@example.com")
	wantErr(t, w.handle(w.message(placed, 1)), nil)
	if len(w.mailer.sent) != 2 {
		t.Fatalf("sent %+v", w.mailer.sent)
	}
	for i, m := range w.mailer.sent {
		if m.CustomerID != "ada" || m.Address != int64(i+1) {
			t.Errorf("mail %d is to address %d of %s", i, m.Address, m.CustomerID)
		}
	}
}

// Nobody writes to a customer who was erased before the mail was written, whether their key is
// destroyed yet or not.
func TestNoMailToTheErased(t *testing.T) {
	quiet(t)
	w := newWorld(t)
	w.change("Ada King", "king@example.com")
	w.append(registered, customer.Erased{CustomerID: "ada", ErasedAt: "2026-03-01T12:00:00Z"})
	for _, m := range [][]byte{w.message(registered, 1), w.message(placed, 1)} {
		wantErr(t, w.handle(m), nil)
	}
	if len(w.mailer.sent) != 0 {
		t.Errorf("sent %+v", w.mailer.sent)
	}
}
