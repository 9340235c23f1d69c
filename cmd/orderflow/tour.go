package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
)

func tourCommand(stack *stackFlag) *cobra.Command {
	var patience time.Duration
	cmd := &cobra.Command{
		Use:     "tour",
		Example: "  orderflow tour",
		Short:   "Places orders that wait or change, and shows what becomes of them",
		Long: "Places orders that wait or change, and shows what becomes of them. Each has a customer, an account " +
			"and an article of its own.\n\n" +
			"The stack has to hold orders to " + tourCountry + ", and to have a simulated carrier: HoldCountries=" +
			tourCountry + " SimulatedCarrier=true, as make run deploys it.",
		Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			if err := tourable(d.Parameters); err != nil {
				return err
			}
			client, err := operatorClient(cmd.Context(), d)
			if err != nil {
				return err
			}
			t := tour{deployment: d, client: client, patience: patience, out: cmd.OutOrStdout()}
			return partly(t.run(cmd.Context()))
		},
	}
	cmd.Flags().DurationVar(&patience, "patience", time.Minute, "timeout for an order to get on")
	return cmd
}

// tourCountry is where the orders of a tour go, of which each is held.
const tourCountry = "LU"

// tourable says why a stack with these parameters has nothing to show.
func tourable(parameters map[string]string) error {
	held := slices.Contains(strings.Split(parameters["HoldCountries"], ","), tourCountry)
	if !held || parameters["SimulatedCarrier"] != "true" {
		return fmt.Errorf(
			"tour: expected a stack with HoldCountries=%s and SimulatedCarrier=true, which has %q and %q",
			tourCountry, parameters["HoldCountries"], parameters["SimulatedCarrier"],
		)
	}
	return nil
}

// tour shows stories of orders on a stack.
type tour struct {
	deployment *deployment.Deployment
	client     *shop.Client
	patience   time.Duration
	out        io.Writer
}

var (
	tourPrice   = money.Money{Amount: 1_000, Currency: "EUR"}
	tourAddress = shop.Address{
		Recipient: "Tour Customer", Line1: "Boulevard Royal 1", PostalCode: "2449", City: "Luxembourg",
		Country: tourCountry,
	}
)

func (t tour) run(ctx context.Context) error {
	for _, story := range []struct {
		title string
		tell  func(context.Context, string) (orderID string, err error)
	}{
		{"Held for approval, changed while it waits, approved, and delivered", t.amended},
		{"Approved, out of stock, in line for a restock, and delivered", t.backordered},
	} {
		if _, err := fmt.Fprintf(t.out, "\n%s:\n", story.title); err != nil {
			return err
		}
		id, err := story.tell(ctx, "tour-"+ident.New())
		if err != nil {
			return fmt.Errorf("tour: %s: %w", story.title, err)
		}
		if err := showOrder(ctx, t.out, t.client, id); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(t.out)
	return err
}

// set makes a customer with money, and an article with so many pieces, on sale by list; both have
// the name.
func (t tour) set(
	ctx context.Context, name string, onHand int64, list func(context.Context, string, money.Money) error,
) error {
	if err := t.client.RegisterCustomer(ctx, name, tourAddress.Recipient, name+"@example.com"); err != nil {
		return err
	}
	account, err := t.client.OpenAccount(ctx, name, tourPrice.Currency)
	if err != nil {
		return err
	}
	funds := money.Money{Amount: 10 * tourPrice.Amount, Currency: tourPrice.Currency}
	if err := t.client.Deposit(ctx, account, funds); err != nil {
		return err
	}
	if err := list(ctx, name, tourPrice); err != nil {
		return err
	}
	return t.client.NewStock(ctx, name, onHand)
}

// place places an order of so many pieces of the name's article, and waits until it is held.
func (t tour) place(ctx context.Context, name string, quantity int64) (shop.Order, error) {
	o, err := t.client.PlaceOrder(
		ctx, name, tourPrice.Currency, []shop.Line{{SKU: name, Quantity: quantity}}, tourAddress,
	)
	if err != nil {
		return o, err
	}
	if err := reaches(ctx, t.client, t.patience, o.ID, "held"); err != nil {
		return o, err
	}
	return t.client.Order(ctx, o.ID)
}

func (t tour) approve(ctx context.Context, id string) error {
	_, err := t.client.Send(
		ctx, http.MethodPost, shop.Path("orders", id, "approve"), http.Header{"Idempotency-Key": {ident.New()}},
		map[string]string{"reason": "looked at on a tour"},
	)
	return err
}

// amended is of an order that is changed while it is held.
func (t tour) amended(ctx context.Context, name string) (string, error) {
	if err := t.set(ctx, name, 5, t.client.ListProduct); err != nil {
		return "", err
	}
	o, err := t.place(ctx, name, 1)
	if err != nil {
		return "", err
	}
	if o, err = t.client.Amend(ctx, o, []shop.Line{{SKU: name, Quantity: 3}}); err != nil {
		return "", err
	}
	if err := t.approve(ctx, o.ID); err != nil {
		return "", err
	}
	return o.ID, reaches(ctx, t.client, t.patience, o.ID, statusDelivered)
}

// backordered is of an order for more than there is, which a restock frees.
func (t tour) backordered(ctx context.Context, name string) (string, error) {
	if err := t.set(ctx, name, 1, t.client.ListBackordered); err != nil {
		return "", err
	}
	o, err := t.place(ctx, name, 2)
	if err != nil {
		return "", err
	}
	if err := t.approve(ctx, o.ID); err != nil {
		return "", err
	}
	if err := reaches(ctx, t.client, t.patience, o.ID, "backordered"); err != nil {
		return "", err
	}
	if err := t.client.CountStock(ctx, name, 2); err != nil {
		return "", err
	}
	return o.ID, reaches(ctx, t.client, t.patience, o.ID, statusDelivered)
}
