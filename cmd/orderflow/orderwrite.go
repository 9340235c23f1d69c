package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/decimal"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/stock"
)

// printOrder says what became of an order that was written to.
var printOrder = shows(func(o shop.Order) []string {
	return orderLines(shop.Order{ID: o.ID, Status: o.Status, Total: o.Total, Wait: o.Wait})
})

// postOrder asks for something that is done to an order, under a key.
func postOrder(
	what string, body func() any,
) func(context.Context, *shop.Client, []string, http.Header) (json.RawMessage, error) {
	return func(ctx context.Context, c *shop.Client, args []string, key http.Header) (json.RawMessage, error) {
		return c.Send(ctx, http.MethodPost, shop.Path("orders", args[0], what), key, body())
	}
}

// pieces reads SKU=QUANTITY.
func pieces(flag, text string) (shop.Line, error) {
	sku, number, _ := strings.Cut(text, "=")
	quantity, err := decimal.Whole(number, 1, order.MaxQuantity)
	if err != nil || !stock.ValidSKU(sku) {
		return shop.Line{}, fmt.Errorf("%s: expected SKU=QUANTITY, got %q", flag, text)
	}
	return shop.Line{SKU: sku, Quantity: quantity}, nil
}

// addressFlags are the fields of an address.
type addressFlags struct{ to shop.Address }

// fields are the flags and what they set, in the order of a letter.
func (a *addressFlags) fields() []struct {
	name, usage string
	value       *string
} {
	return []struct {
		name, usage string
		value       *string
	}{
		{"recipient", "who gets it", &a.to.Recipient},
		{"line1", "street and number", &a.to.Line1},
		{"line2", "what the first line has no room for", &a.to.Line2},
		{"postal-code", "postal code, where the country has some", &a.to.PostalCode},
		{"city", "city", &a.to.City},
		{"state", "state, province or prefecture", &a.to.State},
		{"country", "ISO 3166-1 alpha-2 code", &a.to.Country},
		{"phone", "whom the carrier calls", &a.to.Phone},
	}
}

func (a *addressFlags) addTo(f *pflag.FlagSet) {
	for _, field := range a.fields() {
		f.StringVar(field.value, field.name, "", field.usage)
	}
}

// over are the given fields over those of an address.
func (a *addressFlags) over(present shop.Address) shop.Address {
	all := addressFlags{to: present}
	into := all.fields()
	for i, field := range a.fields() {
		if *field.value != "" {
			*into[i].value = *field.value
		}
	}
	return all.to
}

func (a *addressFlags) given() bool { return a.to != shop.Address{} }

// placeFlags is an order as it is placed on the command line.
type placeFlags struct {
	addressFlags

	customer, currency, outOfStock string
	texts                          []string
	lines                          []shop.Line
}

func ordersPlaceCommand(connect connectFunc) *cobra.Command {
	f := &placeFlags{}
	return apiCommand{
		use: "place", short: "Places an order for a customer",
		long: "Places an order for a customer, at the prices of the catalogue. The customer has to be registered, " +
			"and " +
			"to have an account in the currency that pays.\nThe answer comes when the order is accepted; orders " +
			"watch " +
			"shows what becomes of it.",
		example: "  orderflow orders place --customer ada --currency EUR --line BOOK-1=2 --recipient 'Ada Lovelace' " +
			"\\\n" +
			"    --line1 \"12 St James's Square\" --postal-code 'SW1Y 4LB' --city London --country GB",
		args: needsNone, keyed: true,
		flags: func(flags *pflag.FlagSet) {
			flags.StringVar(&f.customer, "customer", "", "the customer's id")
			flags.StringVar(&f.currency, "currency", "", "ISO 4217 code of the order's currency")
			flags.StringSliceVar(&f.texts, "line", nil, "SKU=QUANTITY: a line of the order; repeat it for more")
			flags.StringVar(
				&f.outOfStock, "out-of-stock", "",
				"what becomes of the order where stock is short, if not what its products say: reject or backorder",
			)
			f.addTo(flags)
		},
		check: f.check, ask: f.place, show: printOrder,
	}.over(connect)
}

func (f *placeFlags) check(*cobra.Command) (err error) {
	for _, needed := range []struct{ name, value string }{
		{"customer", f.customer}, {"currency", f.currency}, {"line", strings.Join(f.texts, "")},
		{"recipient", f.to.Recipient}, {"line1", f.to.Line1}, {"country", f.to.Country},
	} {
		if needed.value == "" {
			return fmt.Errorf("--%s: expected; see --help", needed.name)
		}
	}
	f.lines, err = allPieces("--line", f.texts)
	return err
}

// allPieces reads a flag that may be repeated.
func allPieces(flag string, texts []string) ([]shop.Line, error) {
	lines := make([]shop.Line, len(texts))
	for i, text := range texts {
		var err error
		if lines[i], err = pieces(flag, text); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

func (f *placeFlags) place(
	ctx context.Context, c *shop.Client, _ []string, key http.Header,
) (json.RawMessage, error) {
	body := map[string]any{
		"customerId": f.customer, "currency": f.currency, "lines": f.lines, "shippingAddress": f.to,
	}
	if f.outOfStock != "" {
		body["outOfStock"] = f.outOfStock
	}
	return c.Send(ctx, http.MethodPost, "/orders", key, body)
}

func ordersCancelCommand(connect connectFunc) *cobra.Command {
	var reason string
	return apiCommand{
		use: "cancel ID", short: "Cancels an order that has not left",
		long: "Cancels an order that has not left: what it holds in stock is released, and what was paid is given " +
			"back. " +
			"The answer comes when that is accepted, not when all is undone.",
		example: "  orderflow orders cancel ID --reason 'ordered twice'",
		args:    needsOne("order id"), complete: newestOrders, keyed: true,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&reason, "reason", "", "why, in your own words; stored encrypted")
		},
		check: func(*cobra.Command) error { return needsReason(reason) },
		ask:   postOrder("cancel", func() any { return map[string]string{"reason": reason} }),
		show:  printOrder,
	}.over(connect)
}

// needsReason is for what is done to somebody else's things.
func needsReason(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return errors.New("expected --reason, why, in your own words")
	}
	return nil
}

func ordersPayCommand(connect connectFunc) *cobra.Command {
	var account string
	return apiCommand{
		use: "pay ID", short: "Tries the payment of a declined order again",
		long: "Tries the payment of an order again that was declined and waits, after a deposit or from another " +
			"account.",
		example: "  orderflow orders pay ID\n  orderflow orders pay ID --account 0b7c3c0e-6f57-5c3c-8a39-0a8b8e3f4f10",
		args:    needsOne("order id"), complete: newestOrders, keyed: true,
		flags: func(f *pflag.FlagSet) {
			f.StringVar(&account, "account", "", "another account of the customer's that is to pay")
		},
		ask: postOrder("payment", func() any {
			if account == "" {
				return map[string]string{}
			}
			return map[string]string{"accountId": account}
		}),
		show: printOrder,
	}.over(connect)
}

// amendFlags is what is to become of an order.
type amendFlags struct {
	addressFlags

	quantities, removed, added []string
	reason                     string
	version                    int64

	changes map[int64]int64 // the quantity by line, 0 for one that goes
	new     []shop.Line
	hints   io.Writer
}

func ordersAmendCommand(connect connectFunc) *cobra.Command {
	f := &amendFlags{}
	return apiCommand{
		use: "amend ID", short: "Changes an order's lines or address before it leaves",
		long: "Changes an order's lines or address before it leaves. All of it happens, or nothing. Lines count from " +
			"0, as orders show prints them; those that aren't named stay.\n" +
			"Stock and money move by the difference. Without --version, the order may have changed since you looked " +
			"at it. The same again with the same --version is carried out at most once.",
		example: "  orderflow orders amend ID --quantity 0=3 --remove 1 --add BOOK-2=1\n" +
			"  orderflow orders amend ID --line1 '10 Downing Street' --postal-code 'SW1A 2AA' --version 4",
		args: needsOne("order id"), complete: newestOrders,
		flags: func(flags *pflag.FlagSet) {
			flags.StringSliceVar(&f.quantities, "quantity", nil, "LINE=QUANTITY: how many pieces a line is to have")
			flags.StringSliceVar(&f.removed, "remove", nil, "LINE that goes")
			flags.StringSliceVar(&f.added, "add", nil, "SKU=QUANTITY: a line that comes")
			flags.StringVar(&f.reason, "reason", "", "why, in your own words; stored encrypted")
			flags.Int64Var(&f.version, "version", 0, "the order's version that you read; the present one by default")
			f.addTo(flags)
		},
		check: f.check, ask: f.amend, show: printOrder,
	}.over(connect)
}

func (f *amendFlags) check(cmd *cobra.Command) (err error) {
	if f.hints = cmd.ErrOrStderr(); f.version < 0 {
		return fmt.Errorf("--version: expected 1 or more, got %d", f.version)
	}
	f.changes = map[int64]int64{}
	change := func(line, quantity int64) bool {
		_, twice := f.changes[line]
		f.changes[line] = quantity
		return !twice
	}
	for _, text := range f.quantities {
		line, quantity, err := ofLine(text)
		if err != nil || quantity == 0 || quantity > order.MaxQuantity || !change(line, quantity) {
			return fmt.Errorf("--quantity: expected LINE=QUANTITY, each line once, got %q", text)
		}
	}
	for _, text := range f.removed {
		line, err := decimal.Whole(text, 0, order.MaxLines-1)
		if err != nil || !change(line, 0) {
			return fmt.Errorf("--remove: expected a LINE, each once, got %q", text)
		}
	}
	if f.new, err = allPieces("--add", f.added); err != nil {
		return err
	}
	if len(f.changes) == 0 && len(f.new) == 0 && !f.given() {
		return errors.New("expected --quantity, --remove, --add or a field of the address; see --help")
	}
	return nil
}

// amendedLine is a line that an order is to have.
type amendedLine struct {
	Line     *int64 `json:"line,omitempty"` // which one of the present lines it goes on with
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

// amend reads the order, since the API takes all lines and the whole address. With a version, it
// reads the order at that one: so a command that is given again asks for the very same, which the
// API carries out once. It refuses what is of a version that has passed.
func (f *amendFlags) amend(
	ctx context.Context, c *shop.Client, args []string, _ http.Header,
) (json.RawMessage, error) {
	of, err := f.read(ctx, c, args[0])
	if err != nil {
		return nil, err
	}
	body := map[string]any{}
	if f.reason != "" {
		body["reason"] = f.reason
	}
	if len(f.changes) > 0 || len(f.new) > 0 {
		if body["lines"], err = f.lines(of); err != nil {
			return nil, err
		}
	}
	if f.given() {
		if of.Address == nil {
			return nil, fmt.Errorf("order %s: its customer is erased, and it has no address", of.ID)
		}
		body["shippingAddress"] = f.over(*of.Address)
	}
	if _, err := fmt.Fprintf(
		f.hints, "If there is no answer, repeat the command with --version %d\n", of.Version,
	); err != nil {
		return nil, err
	}
	return c.Send(ctx, http.MethodPatch, shop.Path("orders", of.ID), shop.IfVersion(of.Version), body)
}

func (f *amendFlags) read(ctx context.Context, c *shop.Client, id string) (of shop.Order, err error) {
	if f.version == 0 {
		return c.Order(ctx, id)
	}
	return c.OrderAsOf(ctx, id, f.version)
}

func (f *amendFlags) lines(of shop.Order) ([]amendedLine, error) {
	var lines []amendedLine
	for i, present := range of.Lines {
		line := int64(i)
		quantity, changed := f.changes[line]
		if !changed {
			quantity = present.Quantity
		}
		if quantity > 0 {
			lines = append(lines, amendedLine{Line: &line, SKU: present.SKU, Quantity: quantity})
		}
	}
	for line := range f.changes {
		if line >= int64(len(of.Lines)) {
			return nil, fmt.Errorf("order %s has no line %d: it has %d, from 0", of.ID, line, len(of.Lines))
		}
	}
	for _, added := range f.new {
		lines = append(lines, amendedLine{SKU: added.SKU, Quantity: added.Quantity})
	}
	return lines, nil
}
