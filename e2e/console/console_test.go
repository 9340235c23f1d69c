//go:build e2e

package console_test

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
)

// signIn signs in as make console does: the address fills the token in, and a button takes it.
func (b *browser) signIn(s stack) {
	b.Helper()
	b.do(chromedp.Navigate(s.console+"/sign-in#"+url.Values{"token": {s.token}}.Encode()),
		chromedp.WaitVisible(chromedp.CSS("#token-form button")))
	if address, err := chromedp.Run(b.ctx, chromedp.Location()); err != nil || strings.Contains(address, s.token) {
		b.Errorf("the token stays in the address: %v", err)
	}
	b.check("sign-in")
	b.do(chromedp.Click(chromedp.CSS("#token-form button")))
	b.shows("h1", "Orders")
}

// fill fills the field of a form in and sends it.
func (b *browser) decide(name, reason string) {
	b.Helper()
	form := `form[action$="/` + name + `"] `
	b.do(
		chromedp.Click(chromedp.CSS(`details:has(form[action$="/`+name+`"]) > summary`)),
		chromedp.SendKeys(chromedp.CSS(form+`input[name=reason]`), reason),
		chromedp.Click(chromedp.CSS(form+"button")),
	)
}

// held places an order that waits for approval.
func held(t *testing.T, s stack) shop.Order {
	t.Helper()
	return placed(t, s, "LU", 2)
}

// placed places an order of so many pieces, of which there are ten, to a country.
func placed(t *testing.T, s stack, country string, pieces int64) shop.Order {
	t.Helper()
	customer, sku := "console-"+ident.New(), "console-"+ident.New()
	price := money.Money{Amount: 1250, Currency: "EUR"}
	if err := s.RegisterCustomer(t.Context(), customer, "Test <b>Person</b>", "test@example.com"); err != nil {
		t.Fatal(err)
	}
	account, err := s.OpenAccount(t.Context(), customer, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		s.Deposit(t.Context(), account, money.Money{Amount: 10_000, Currency: "EUR"}),
		s.ListProduct(t.Context(), sku, price), s.NewStock(t.Context(), sku, 10),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	o, err := s.PlaceOrder(t.Context(), customer, "EUR", []shop.Line{{SKU: sku, Quantity: pieces}}, shop.Address{
		Recipient: "Test <script>alert(1)</script>", Line1: "1 Test Street", PostalCode: map[string]string{"LU": "1111", "GB": "SW1Y 4LB"}[country],
		City: "Testing", Country: country,
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// TestOrder: an operator signs in, finds an order that is held, approves it, watches it go on,
// looks at how it was, and cancels it.
func TestOrder(t *testing.T) {
	s, b := find(t), open(t)
	o := held(t, s)
	b.signIn(s)
	b.do(chromedp.Navigate(s.console + "/orders?customer=" + o.CustomerID))
	b.shows("main", o.ID[:8])
	b.do(chromedp.Click(chromedp.CSS(`a[href="orders/` + o.ID + `"]`)))
	b.shows("#live", "held")
	b.check("order-held")

	b.decide("approve", "known to us")
	b.shows("main", "Done: approve")
	b.shows("#live", "confirmed") // without a reload
	b.saga("Fulfil: succeeded")   // after its last step's event, and without a reload
	b.took("start order", "await approval", "reserve stock", "charge payment", "schedule shipment", "confirm order")
	b.effects("stock.reserved", "payment.processed", "EUR 25.00", "shipment.scheduled", "Dead letters\n\nNone.")
	b.check("order")

	b.do(chromedp.Navigate(s.console + "/orders/" + o.ID + "?asOf=1"))
	b.shows("main", "What version 1 changed: order.placed")
	b.do(chromedp.Click(chromedp.CSS(`a[href$="asOf=2"]`)))
	b.shows("h1", "at version 2")
	b.check("order-as-of")
	b.do(chromedp.Focus(chromedp.ID("asOf")), chromedp.KeyEvent(kb.ArrowRight))
	b.shows("h1", "at version 3")
	b.do(chromedp.NavigateBack())
	b.shows("h1", "at version 2")

	b.do(chromedp.Navigate(s.console + "/orders/" + o.ID))
	b.decide("cancel", "the customer asked for it")
	b.shows("#live .status", "cancelled")
	b.shows("#live", "the customer asked for it")
	b.saga("Undo: succeeded")
	b.effects("payment.refunded", "stock.released", "shipment.cancelled") // since the order has news
	got, err := s.Client.Order(t.Context(), o.ID)
	if err != nil || got.Status != "cancelled" || got.Cancellation.Reason != "operator.request" {
		t.Errorf("the API says %+v, %v", got, err)
	}

	b.do(chromedp.Navigate(s.console + "/orders"))
	b.shows("main", o.ID[:8])
	b.check("orders")
	b.do(chromedp.Click(chromedp.CSS(`form[action$="sign-out"] button`)))
	b.shows("h1", "Sign in")
	b.do(chromedp.Navigate(s.console + "/orders/" + o.ID))
	b.shows("h1", "Sign in")
}

// saga scrolls to the part of an order's page about its executions, which is asked for then, and
// waits until it says something.
func (b *browser) saga(says string) {
	b.Helper()
	b.do(chromedp.ScrollIntoView(chromedp.CSS("#saga-part")))
	b.shows("#saga-part", says)
}

// effects scrolls to what was done for an order, which is asked for then, and waits until it says
// all of it.
func (b *browser) effects(says ...string) {
	b.Helper()
	b.do(chromedp.ScrollIntoView(chromedp.CSS("#effects-part")))
	for _, s := range says {
		b.shows("#effects-part", s)
	}
}

// took wants the drawing to show these steps as those that the execution was in, among others.
func (b *browser) took(steps ...string) {
	b.Helper()
	shown, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](
		`[...document.querySelectorAll(".machine .state:not(.idle) text:first-of-type")].map((t) => t.textContent)`))
	if err != nil {
		b.Fatal(err)
	}
	for _, step := range steps {
		if !slices.Contains(shown, step) {
			b.Errorf("the drawing doesn't show that %s was taken: %s", step, shown)
		}
	}
}

// TestCancelledOrder: an order that is out of stock is cancelled. Its page shows the step that
// failed, why, and how the rest was undone.
func TestCancelledOrder(t *testing.T) {
	s, b := find(t), open(t)
	o := placed(t, s, "GB", 99)
	b.signIn(s)
	b.do(chromedp.Navigate(s.console + "/orders/" + o.ID))
	b.shows("#live .status", "cancelled")
	b.saga("Fulfil: succeeded")
	b.took("reserve stock", "close order", "cancel shipment", "refund payment", "release stock", "cancel order")
	b.shows(".machine .state.failed", "stock.insufficient")
	b.do(chromedp.Click(chromedp.CSS(".execution summary")))
	b.shows(".execution .steps", "reserve stock failed")
	b.check("order-cancelled")
	b.do(chromedp.Navigate(s.console + "/orders/" + o.ID + "/saga"))
	b.shows(".machine .state.failed", "stock.insufficient")
}

// TestDeadLetter: a message that nobody can read is given up. An operator finds it, has it
// redriven, and discards it.
func TestDeadLetter(t *testing.T) {
	s, b := find(t), open(t)
	queue, err := s.Output("FinishErasureQueueUrl")
	if err != nil {
		t.Fatal(err)
	}
	queues := sqs.NewFromConfig(s.Config())
	comeAgain(t, queues, queue)
	mark := "console-" + ident.New()
	body := `{"mark":"` + mark + `","text":"<script>alert(1)</script>"}`
	message := &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body}
	if _, err := queues.SendMessage(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	b.signIn(s)
	id := recorded(t, s, mark)
	b.do(chromedp.Navigate(s.console + "/dead-letters?status=open&consumer=finish-erasure"))
	b.shows("main", id[:8])
	b.check("dead-letters")
	b.do(chromedp.Click(chromedp.CSS(`a[href="dead-letters/` + id + `"]`)))
	b.shows("pre", mark)
	b.check("dead-letter")
	b.decide("redrive", "mended meanwhile")
	b.shows("main", "Done: the next redrive sends it")
	b.shows("main", "mended meanwhile") // in what was decided about it
	b.decide("discard", "a test")
	b.shows("main", "Discarded: a test")
	if l, err := s.Client.DeadLetter(t.Context(), id); err != nil || l.Status != "discarded" {
		t.Errorf("the API says %+v, %v", l, err)
	}
	b.do(chromedp.Navigate(s.console + "/stock?sku=missing"))
	b.shows("main", "Nobody has counted missing yet.")
	b.check("stock")
}

// comeAgain has what a consumer failed at come again after a second, for the test's time: after the
// third try it is given up.
func comeAgain(t *testing.T, queues *sqs.Client, queue string) {
	t.Helper()
	const name = sqstypes.QueueAttributeNameVisibilityTimeout
	was, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{name},
	})
	if err != nil {
		t.Fatal(err)
	}
	set := func(ctx context.Context, seconds string) error {
		_, err := queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
			QueueUrl: &queue, Attributes: map[string]string{string(name): seconds},
		})
		return err
	}
	if err := set(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set(context.WithoutCancel(t.Context()), was.Attributes[string(name)]); err != nil {
			t.Error(err)
		}
	})
}

// recorded waits for the entry of a message.
func recorded(t *testing.T, s stack, mark string) string {
	t.Helper()
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-look.C {
		entries, _, err := s.DeadLetters(t.Context(), url.Values{"consumer": {"finish-erasure"}, "status": {"open"}})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			whole, err := s.Client.DeadLetter(t.Context(), e.ID)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(whole.Message), mark) {
				return e.ID
			}
		}
	}
	t.Fatalf("no entry of the message within %s", patience)
	return ""
}
