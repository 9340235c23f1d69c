package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/cmd/orderflow/doctor"
	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
)

// smokeTest places an order on a stack and cancels it.
type smokeTest struct {
	timeout time.Duration // of each step
	email   string
	to      shop.Address
}

// smokePrice is what the order costs.
var smokePrice = money.Money{Amount: 100, Currency: "USD"}

// smokeShop is what the test makes for itself.
type smokeShop struct {
	client  *shop.Client
	name    string // the customer's id and the SKU
	account string
	made    []func(context.Context) error // takes it away again, the last made first
	before  time.Duration                 // the time for each step
}

func (s smokeTest) run(
	ctx context.Context, d *deployment.Deployment, connect func(context.Context) (*shop.Client, error),
) doctor.Check {
	c := doctor.Check{Name: "smoke"}
	fail := func(part string, err error) {
		c.Problems = append(c.Problems, doctor.Problem{
			Severity: doctor.Failure, Part: part, Detail: err.Error(),
			Remedy: "the other checks may say why; else orderflow orders show, and the log of the function",
		})
	}
	client, err := connect(ctx)
	if err != nil {
		fail("token", err)
		return c
	}
	t := &smokeShop{client: client, name: "smoke-" + ident.New(), before: s.timeout}
	c.Detail, err = t.order(ctx, s, d.Parameters["SimulatedCarrier"] == "true")
	if err != nil {
		fail(t.name, err)
	}
	// Also when the test was interrupted: what it made doesn't stay.
	ctx = context.WithoutCancel(ctx)
	for _, undo := range slices.Backward(t.made) {
		within, cancel := context.WithTimeout(ctx, s.timeout)
		if err := undo(within); err != nil {
			fail("cleaning up", err)
		}
		cancel()
	}
	return c
}

// order is the test itself, and says what became of the order.
func (t *smokeShop) order(ctx context.Context, s smokeTest, simulated bool) (says string, err error) {
	if err := t.set(ctx, s.email); err != nil {
		return "", err
	}
	s.to.Recipient = "Smoke Test"
	placed, err := t.client.PlaceOrder(ctx, t.name, smokePrice.Currency, []shop.Line{{SKU: t.name, Quantity: 1}}, s.to)
	if err != nil {
		return "", err
	}
	t.made = append(t.made, func(ctx context.Context) error { return t.stop(ctx, placed.ID) })
	// A simulated carrier would take the parcel at once: there the order is cancelled on its way.
	wanted := []string{"confirmed", "shipped", "delivered"}
	if !simulated {
		if err := t.until(ctx, placed.ID, wanted...); err != nil {
			return "", err
		}
	}
	says = fmt.Sprintf("order %s was placed and cancelled", placed.ID)
	err = t.client.Cancel(ctx, placed.ID, "smoke test")
	if gone := (*shop.Problem)(nil); simulated && errors.As(err, &gone) && gone.Code == "order.dispatched" {
		says = fmt.Sprintf("order %s was placed, and delivered before it could be cancelled", placed.ID)
		return says, t.until(ctx, placed.ID, "delivered")
	}
	if err != nil {
		return "", err
	}
	if err := t.until(ctx, placed.ID, "cancelled"); err != nil {
		return "", err
	}
	return says, t.undone(ctx)
}

// stop cancels an order that the test has not come to cancel, so that nobody packs it.
func (t *smokeShop) stop(ctx context.Context, id string) error {
	order, err := t.client.Order(ctx, id)
	switch {
	case err != nil:
		return err
	case order.Status == "cancelled", order.Status == "shipped", order.Status == "delivered":
		return nil
	case order.Status != "cancelling":
		if err := t.client.Cancel(ctx, id, "smoke test"); err != nil {
			return err
		}
	}
	return t.until(ctx, id, "cancelled")
}

// set makes a customer with money, and an article with one piece. What takes a thing away is noted
// before it is made: an answer may be lost.
func (t *smokeShop) set(ctx context.Context, email string) (err error) {
	t.made = append(t.made, func(ctx context.Context) error {
		_, err := t.client.EraseCustomer(ctx, t.name, "")
		return unlessMissing(err)
	})
	if err := t.client.RegisterCustomer(ctx, t.name, "Smoke Test", email); err != nil {
		return err
	}
	if t.account, err = t.client.OpenAccount(ctx, t.name, smokePrice.Currency); err != nil {
		return err
	}
	t.made = append(t.made, func(ctx context.Context) error {
		return unlessMissing(t.client.WithdrawProduct(ctx, t.name, 1))
	})
	if err := t.client.ListProduct(ctx, t.name, smokePrice); err != nil {
		return err
	}
	t.made = append(t.made, func(ctx context.Context) error {
		return unlessMissing(t.client.ClearStock(ctx, t.name))
	})
	if err := t.client.NewStock(ctx, t.name, 1); err != nil {
		return err
	}
	t.made = append(t.made, func(ctx context.Context) error {
		balance, err := t.client.Balance(ctx, t.account)
		if err != nil || balance.Amount == 0 {
			return err
		}
		return t.client.Withdraw(ctx, t.account, balance)
	})
	return t.client.Deposit(ctx, t.account, smokePrice)
}

// unlessMissing takes it for done that there is nothing to take away.
func unlessMissing(err error) error {
	if missing := (*shop.Problem)(nil); errors.As(err, &missing) &&
		(missing.Status == http.StatusNotFound || missing.Status == http.StatusPreconditionFailed) {
		return nil
	}
	return err
}

// undone checks that the cancelled order has given back its money and its piece.
func (t *smokeShop) undone(ctx context.Context) error {
	balance, err := t.client.Balance(ctx, t.account)
	if err != nil {
		return err
	}
	stock, err := t.client.Stock(ctx, t.name)
	if err != nil {
		return err
	}
	if balance != smokePrice || stock.Available != 1 || stock.Reserved != 0 {
		return fmt.Errorf(
			"the order is cancelled, but the account has %s of %s, and %d of 1 pieces are available",
			balance, smokePrice, stock.Available,
		)
	}
	return nil
}

// until waits until the order has one of the statuses, and fails if it ends with another one.
func (t *smokeShop) until(ctx context.Context, id string, statuses ...string) error {
	return reaches(ctx, t.client, t.before, id, statuses...)
}

// reaches waits, at most so long, until an order has one of the statuses, and fails if it ends with
// another one.
func reaches(ctx context.Context, client *shop.Client, within time.Duration, id string, statuses ...string) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for last := "unknown"; ; {
		order, err := client.Order(ctx, id)
		if ctx.Err() != nil {
			return fmt.Errorf(
				"order %s is %s, not %s, after %s", id, last, strings.Join(statuses, " or "), within,
			)
		}
		if err != nil {
			return err
		}
		for _, s := range statuses {
			if order.Status == s {
				return nil
			}
		}
		if order.Status == "cancelled" {
			return fmt.Errorf("order %s is cancelled: %s", id, order.Cancellation.Reason)
		}
		last = order.Status
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}
