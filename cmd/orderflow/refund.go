package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/decimal"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// refundFlags is a refund as it is asked for on the command line.
type refundFlags struct {
	pieces, prices     []string // LINE=NUMBER
	shipping, goodwill int      // minor units, 0 for none
	reason, note, key  string
	json               bool
}

// ordersRefundCommand is the command over an API. It connects once the flags are checked.
func ordersRefundCommand(connect connectFunc) *cobra.Command {
	f := &refundFlags{}
	cmd := &cobra.Command{
		Use: "refund ID", Short: "Refunds a dispatched order",
		Long: "Refunds a dispatched order: pays back what was paid for lines, shipping or as goodwill.\n\n" +
			"Lines count from 0, as orders show them. Amounts are in minor units of the order's currency, for " +
			"example cents.",
		Example: "  orderflow orders refund ID --reason damaged --pieces 0=2\n" +
			"  orderflow orders refund ID --reason late --price 1=500 --shipping 499",
		Args: needsOne("order id"), ValidArgsFunction: completion(newestOrders).over(connect),
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := f.wanted()
			if err != nil {
				return fmt.Errorf("%s: %w", path(cmd), err)
			}
			client, err := connect(cmd.Context())
			if err != nil {
				return err
			}
			return f.refund(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), client, args[0], wanted)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.pieces, "pieces", nil, "LINE=QUANTITY: pieces of a line to refund")
	flags.StringSliceVar(&f.prices, "price", nil, "LINE=AMOUNT: what to refund of a line, if not the pieces' share")
	flags.IntVar(&f.shipping, "shipping", 0, "amount to refund for shipping")
	flags.IntVar(&f.goodwill, "goodwill", 0, "amount to refund as goodwill")
	flags.StringVar(&f.reason, "reason", "", "why: "+strings.Join(reasons(), ", "))
	flags.StringVar(&f.note, "note", "", "your own words, for operators; stored encrypted")
	flags.StringVar(
		&f.key, "key", "", "the key of an earlier try, which is carried out at most once; by default a new one",
	)
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

func reasons() []string {
	var all []string
	for _, r := range order.RefundReasons {
		all = append(all, string(r))
	}
	return all
}

// wanted reads the flags. The currencies are still missing.
func (f *refundFlags) wanted() (shop.Refund, error) {
	r := shop.Refund{Reason: f.reason, Note: f.note}
	if !slices.Contains(reasons(), f.reason) {
		return r, fmt.Errorf("--reason: expected one of %s, got %q", strings.Join(reasons(), ", "), f.reason)
	}
	line := func(n int64) *shop.RefundLine {
		at := slices.IndexFunc(r.Lines, func(l shop.RefundLine) bool { return l.Line == n })
		if at < 0 {
			at, r.Lines = len(r.Lines), append(r.Lines, shop.RefundLine{Line: n})
		}
		return &r.Lines[at]
	}
	for _, text := range f.pieces {
		n, quantity, err := ofLine(text)
		if err != nil || quantity == 0 || line(n).Quantity > 0 {
			return r, fmt.Errorf("--pieces: expected LINE=QUANTITY, each line once, got %q", text)
		}
		line(n).Quantity = quantity
	}
	for _, text := range f.prices {
		n, amount, err := ofLine(text)
		if err != nil || line(n).Amount != nil {
			return r, fmt.Errorf("--price: expected LINE=AMOUNT, each line once, got %q", text)
		}
		line(n).Amount = &money.Money{Amount: amount}
	}
	for _, part := range []struct {
		flag   string
		amount int
		into   **money.Money
	}{{"--shipping", f.shipping, &r.Shipping}, {"--goodwill", f.goodwill, &r.Goodwill}} {
		if part.amount < 0 {
			return r, fmt.Errorf("%s: expected an amount in minor units, got %d", part.flag, part.amount)
		}
		if part.amount > 0 {
			*part.into = &money.Money{Amount: int64(part.amount)}
		}
	}
	if len(r.Lines) == 0 && r.Shipping == nil && r.Goodwill == nil {
		return r, errors.New("expected --pieces, --price, --shipping or --goodwill; see --help")
	}
	return r, nil
}

// ofLine reads LINE=NUMBER.
func ofLine(text string) (line, n int64, err error) {
	left, right, _ := strings.Cut(text, "=")
	if line, err = decimal.Whole(left, 0, order.MaxLines-1); err == nil {
		n, err = decimal.Whole(right, 0, order.MaxTotal)
	}
	return line, n, err
}

// keyed gives the key of a request: the given one of an earlier try, or a new one. hints has it
// before anything is sent, so that whoever loses the answer can ask for the same again.
func keyed(hints io.Writer, given string) (string, error) {
	key := given
	if key == "" {
		key = ident.New()
	}
	_, err := fmt.Fprintf(hints, "If there is no answer, repeat the command with --key %s\n", key)
	return key, err
}

// refund carries it out, in the currency of the order.
func (f *refundFlags) refund(
	ctx context.Context, out, hints io.Writer, client *shop.Client, id string, wanted shop.Refund,
) error {
	of, err := client.Order(ctx, id)
	if err != nil {
		return err
	}
	for _, l := range wanted.Lines {
		if l.Amount != nil {
			l.Amount.Currency = of.Total.Currency
		}
	}
	for _, m := range []*money.Money{wanted.Shipping, wanted.Goodwill} {
		if m != nil {
			m.Currency = of.Total.Currency
		}
	}
	key, err := keyed(hints, f.key)
	if err != nil {
		return err
	}
	done, err := client.RefundOrder(ctx, id, key, wanted)
	if err != nil {
		return err
	}
	if f.json {
		return printJSON(out, done)
	}
	_, err = fmt.Fprintf(
		out, "refund %s: %s, %s of %s in all\n", done.ID, done.Amount, done.Refunded, of.Total,
	)
	return err
}
