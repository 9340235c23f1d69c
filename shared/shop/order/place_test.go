package order_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/product/producttest"
	"orderflow/shared/shop/shipment"
)

func usd(amount int64) money.Money { return money.Money{Amount: amount, Currency: "USD"} }
func eur(amount int64) money.Money { return money.Money{Amount: amount, Currency: "EUR"} }

type everybody struct{}

func (everybody) Registered(context.Context, string) (bool, error) { return true, nil }

// checkout is the order service on a catalogue of cd-1 (USD and EUR), cd-2 (USD), free (nothing)
// and gone, which is withdrawn.
type checkout struct {
	order.Service
	t        *testing.T
	store    *estest.Hooked
	products product.Service
	clock    *clock.Fake
	read     [][]string // the SKUs of each read of the catalogue
	ahead    func()     // once, ahead of the next read of the catalogue
	broken   error
}

func newCheckout(t *testing.T) *checkout {
	t.Helper()
	c := &checkout{t: t, clock: clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))}
	registry := es.NewRegistry(order.Register, product.Register)
	c.store = &estest.Hooked{Store: memstore.New(registry, memstore.Staggered(t.Name()))}
	c.products = product.New(product.Deps{Store: c.store, Clock: c.clock, Rows: producttest.NewRows()})
	vault := personal.NewMemory()
	if err := vault.Enrol(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	c.Service = order.New(order.Deps{Store: c.store, Clock: c.clock, Vault: vault, Customers: everybody{}, Prices: c})
	c.list("cd-1", 0, usd(1050), eur(999))
	c.list("cd-2", 0, usd(500))
	c.list("free", 0, usd(0))
	c.list("gone", 0, usd(1))
	c.withdraw("gone", 1)
	return c
}

func (c *checkout) list(sku string, version int64, prices ...money.Money) {
	c.t.Helper()
	var want product.Desired
	for _, p := range prices {
		want.Prices = append(want.Prices, product.Price{Money: p})
	}
	c.set(sku, version, want)
}

func (c *checkout) withdraw(sku string, version int64) {
	c.t.Helper()
	c.set(sku, version, product.Desired{Withdrawn: true})
}

func (c *checkout) set(sku string, version int64, want product.Desired) {
	c.t.Helper()
	req := es.Request{CommitID: fmt.Sprintf("%s-%d", sku, version), Time: c.clock.Now()}
	if _, err := c.products.Set(c.t.Context(), req, sku, want, product.Match{Version: version}); err != nil {
		c.t.Fatal(err)
	}
}

// Offers implements order.Prices.
func (c *checkout) Offers(ctx context.Context, skus []string, at time.Time) (map[string]product.Offer, error) {
	c.read = append(c.read, skus)
	if first := c.ahead; first != nil {
		c.ahead = nil
		first()
	}
	offers, err := c.products.Offers(ctx, skus, at)
	return offers, errors.Join(err, c.broken)
}

func (c *checkout) place(key, fingerprint string, in order.PlaceInput) (es.Result[order.State], error) {
	in.OrderID, in.CustomerID, in.AccountID = "o-"+key, "ada", "a"
	in.Address = shipment.Address{
		Recipient: "Ada Lovelace", Line1: "12 St James's Square", PostalCode: "SW1Y 4LB", City: "London", Country: "GB",
	}
	return c.Place(c.t.Context(), es.Request{CommitID: key, Fingerprint: fingerprint, Time: c.clock.Now()}, in)
}

// inDollars are the lines as somebody sends them who may name prices, where named is their actor.
func inDollars(named string, lines ...order.LineInput) order.PlaceInput {
	return order.PlaceInput{Currency: "USD", Lines: lines, NamedBy: named}
}

func plain(sku string, quantity int64) order.LineInput {
	return order.LineInput{SKU: sku, Quantity: quantity}
}

func expected(sku string, quantity int64, price money.Money) order.LineInput {
	return order.LineInput{SKU: sku, Quantity: quantity, UnitPrice: &price}
}

const quotes = "pricing/quotes"

// TestPlaceAtPrices: who names the price of what, what is refused, and where. What is refused
// writes nothing.
func TestPlaceAtPrices(t *testing.T) {
	sale := &order.Adjustment{Name: "Sale", Amount: usd(100)}
	vat := &order.Adjustment{Name: "VAT", Amount: usd(380)}
	quoted := func(amount *money.Money) order.LineInput {
		return order.LineInput{SKU: "cd-1", Quantity: 2, Discount: sale, Tax: vat, Amount: amount}
	}
	right, wrong, foreign := usd(2380), usd(2381), eur(2380)
	for _, tt := range []struct {
		name   string
		in     order.PlaceInput
		lines  []order.Line // that are placed, or none
		total  money.Money
		by     string
		fault  *faults.Spec
		places []string // of the fault
	}{
		{
			"as the catalogue says", inDollars("", plain("cd-1", 2), plain("cd-2", 1), plain("cd-1", 1)), []order.Line{
				{SKU: "cd-1", Quantity: 2, UnitPrice: usd(1050), ProductVersion: 1},
				{SKU: "cd-2", Quantity: 1, UnitPrice: usd(500), ProductVersion: 1},
				{SKU: "cd-1", Quantity: 1, UnitPrice: usd(1050), ProductVersion: 1},
			}, usd(3650), "catalogue", nil, nil,
		},
		{
			"in another of its currencies",
			order.PlaceInput{Currency: "EUR", Lines: []order.LineInput{plain("cd-1", 1)}},
			[]order.Line{{SKU: "cd-1", Quantity: 1, UnitPrice: eur(999), ProductVersion: 1}}, eur(999), "catalogue",
			nil, nil,
		},
		{
			"what the catalogue gives away", inDollars("", plain("free", 1)),
			[]order.Line{{SKU: "free", Quantity: 1, UnitPrice: usd(0), ProductVersion: 1}}, usd(0), "catalogue", nil,
			nil,
		},
		{
			"as expected", inDollars("", expected("cd-1", 1, usd(1050)), plain("cd-2", 1)), []order.Line{
				{SKU: "cd-1", Quantity: 1, UnitPrice: usd(1050), ProductVersion: 1},
				{SKU: "cd-2", Quantity: 1, UnitPrice: usd(500), ProductVersion: 1},
			}, usd(1550), "catalogue", nil, nil,
		},
		{
			"expected dearer", inDollars("", expected("cd-1", 1, usd(1051))), nil, usd(0), "",
			order.ErrPriceChanged, []string{"body.lines[0].unitPrice"},
		},
		{
			"for nothing", inDollars("", expected("cd-2", 1, usd(500)), expected("cd-1", 1, usd(0))), nil, usd(0), "",
			order.ErrPriceChanged, []string{"body.lines[1].unitPrice"},
		},
		{
			"two at other prices",
			inDollars("", expected("cd-2", 1, usd(1)), plain("cd-1", 1), expected("cd-1", 1, usd(1))), nil, usd(0), "",
			order.ErrPriceChanged, []string{"body.lines[0].unitPrice", "body.lines[2].unitPrice"},
		},
		{
			"not listed, withdrawn, not in the currency", order.PlaceInput{Currency: "EUR", Lines: []order.LineInput{
				plain("cd-3", 1), plain("cd-1", 1), plain("gone", 1), plain("cd-2", 1), expected("cd-1", 1, eur(1)),
			}}, nil, usd(0), "", order.ErrNotForSale,
			[]string{"body.lines[0].sku", "body.lines[2].sku", "body.lines[3].sku"},
		},
		{
			"at a named price", inDollars(quotes, expected("cd-1", 2, usd(7)), expected("cd-2", 1, usd(0))),
			[]order.Line{
				{SKU: "cd-1", Quantity: 2, UnitPrice: usd(7)}, {SKU: "cd-2", Quantity: 1, UnitPrice: usd(0)},
			}, usd(14), quotes, nil, nil,
		},
		{
			"one price named", inDollars(quotes, expected("cd-1", 2, usd(7)), plain("cd-2", 1)), []order.Line{
				{SKU: "cd-1", Quantity: 2, UnitPrice: usd(7)},
				{SKU: "cd-2", Quantity: 1, UnitPrice: usd(500), ProductVersion: 1},
			}, usd(514), quotes, nil, nil,
		},
		{
			"a discount and a tax on the catalogue's price", inDollars(quotes, quoted(nil)),
			[]order.Line{{SKU: "cd-1", Quantity: 2, UnitPrice: usd(1050), ProductVersion: 1, Discount: sale, Tax: vat}},
			usd(2380), quotes, nil, nil,
		},
		{
			"and the amount that they come to", inDollars(quotes, quoted(&right)),
			[]order.Line{{SKU: "cd-1", Quantity: 2, UnitPrice: usd(1050), ProductVersion: 1, Discount: sale, Tax: vat}},
			usd(2380), quotes, nil, nil,
		},
		{
			"and another amount", inDollars(quotes, plain("cd-2", 1), quoted(&wrong)), nil, usd(0), "",
			order.ErrInvalidLines, []string{"body.lines[1].amount"},
		},
		{
			"and another currency's", inDollars(quotes, quoted(&foreign)), nil, usd(0), "",
			order.ErrInvalidLines, []string{"body.lines[0].amount"},
		},
		{
			"nothing named by who may", inDollars(quotes, plain("cd-1", 1)),
			[]order.Line{{SKU: "cd-1", Quantity: 1, UnitPrice: usd(1050), ProductVersion: 1}}, usd(1050), "catalogue",
			nil, nil,
		},
		{
			"a named price where the catalogue has none",
			order.PlaceInput{Currency: "EUR", NamedBy: quotes, Lines: []order.LineInput{expected("cd-2", 1, eur(450))}},
			[]order.Line{{SKU: "cd-2", Quantity: 1, UnitPrice: eur(450)}}, eur(450), quotes, nil, nil,
		},
		{
			"a named price of what is not listed",
			inDollars(quotes, expected("cd-3", 1, usd(7)), expected("gone", 1, usd(7))), nil, usd(0), "",
			order.ErrNotForSale, []string{"body.lines[0].sku", "body.lines[1].sku"},
		},
		{
			"a named price below zero", inDollars(quotes, expected("cd-1", 1, usd(-1))), nil, usd(0), "",
			order.ErrInvalidLines, []string{"body.lines[0].unitPrice.amount"},
		},
		{
			"a discount of more than the line",
			inDollars(quotes, order.LineInput{SKU: "free", Quantity: 1, Discount: sale}), nil, usd(0), "",
			order.ErrInvalidLines, []string{"body.lines[0].discount.amount.amount"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCheckout(t)
			written := c.store.Appends.Load()
			got, err := c.place("1", "f", tt.in)
			if tt.fault == nil {
				want := order.State{Lines: tt.lines, Total: tt.total, PricedBy: tt.by}
				state := order.State{Lines: got.State.Lines, Total: got.State.Total, PricedBy: got.State.PricedBy}
				if diff := cmp.Diff(want, state); diff != "" || err != nil {
					t.Errorf("%v: %s", err, diff)
				}
				if len(c.read) != 1 || c.store.Appends.Load() != written+1 {
					t.Errorf("the catalogue was read %d times", len(c.read))
				}
				return
			}
			if places := placesOf(err); !errors.Is(err, tt.fault) || !cmp.Equal(places, tt.places) {
				t.Errorf("%v in %v, want %v in %v", err, places, tt.fault, tt.places)
			}
			if _, err := c.Get(t.Context(), "o-1"); !errors.Is(err, order.ErrNotFound) ||
				c.store.Appends.Load() != written {
				t.Errorf("something was written: %v", err)
			}
			// The key is free for what is all right.
			if _, err := c.place("1", "another", inDollars("", plain("cd-1", 1))); err != nil {
				t.Errorf("the key is taken: %v", err)
			}
		})
	}
}

func placesOf(err error) (fields []string) {
	var several *faults.Several
	if errors.As(err, &several) {
		for _, p := range several.Places {
			fields = append(fields, p.Field)
		}
		return fields
	}
	if f, ok := faults.As(err); ok {
		fields = []string{f.Field}
	}
	return fields
}

// TestPriceChangedSaysAll: the present price of each line, those included that are as expected.
func TestPriceChangedSaysAll(t *testing.T) {
	c := newCheckout(t)
	in := inDollars("", plain("cd-2", 1), expected("cd-1", 1, usd(1)), expected("cd-2", 3, usd(500)))
	_, err := c.place("1", "f", in)
	var changed *order.PriceChangedError
	if !errors.As(err, &changed) {
		t.Fatal(err)
	}
	want := []order.LinePrice{
		{Line: 0, SKU: "cd-2", UnitPrice: usd(500)}, {Line: 1, SKU: "cd-1", UnitPrice: usd(1050)},
		{Line: 2, SKU: "cd-2", UnitPrice: usd(500)},
	}
	if diff := cmp.Diff(want, changed.Lines); diff != "" {
		t.Error(diff)
	}
	if f, ok := faults.As(err); !ok || f.Kind != faults.Conflict ||
		f.Detail != "cd-1 costs USD 10.50, and not USD 0.01" {
		t.Errorf("fault %+v", f)
	}
}

// TestPricesStand: what was placed is never priced again, neither when it is read nor when its
// request comes again.
func TestPricesStand(t *testing.T) {
	for name, later := range map[string]func(*checkout){
		"repriced":   func(c *checkout) { c.list("cd-1", 1, usd(2000)) },
		"withdrawn":  func(c *checkout) { c.withdraw("cd-1", 1) },
		"unreadable": func(c *checkout) { c.broken = es.ErrUnavailable },
	} {
		t.Run(name, func(t *testing.T) {
			c := newCheckout(t)
			in := inDollars("", expected("cd-1", 2, usd(1050)))
			first, err := c.place("1", "f", in)
			if err != nil {
				t.Fatal(err)
			}
			later(c)
			c.clock.Advance(time.Hour)
			c.read = nil
			again, err := c.place("1", "f", in)
			if err != nil || !again.Repeated || len(c.read) > 1 {
				t.Errorf("%+v, %v, after %d reads of the catalogue", again, err, len(c.read))
			}
			if diff := cmp.Diff(first.State, again.State); diff != "" || again.State.Total != usd(2100) {
				t.Error(diff)
			}
			if _, err := c.place("1", "other", inDollars("", plain("cd-2", 1))); !errors.Is(err, es.ErrKeyReused) {
				t.Errorf("the key with another request: %v", err)
			}
			if _, err := c.place("2", "f", in); err == nil {
				t.Error("another request is placed at the former price")
			}
		})
	}
}

// TestTwinThatArrivesMeanwhile: while a request that comes again is on its way to the catalogue,
// the first one arrives, and then the catalogue changes. The answer is what is stored, and not a
// refusal by what the catalogue says by now.
func TestTwinThatArrivesMeanwhile(t *testing.T) {
	for name, change := range map[string]func(*checkout){
		"and then the price changes":       func(c *checkout) { c.list("cd-1", 1, usd(2000)) },
		"and then it is withdrawn":         func(c *checkout) { c.withdraw("cd-1", 1) },
		"and then the catalogue is gone":   func(c *checkout) { c.broken = es.ErrUnavailable },
		"and the catalogue stays as it is": func(*checkout) {},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCheckout(t)
			in := inDollars("", expected("cd-1", 2, usd(1050)))
			c.ahead = func() {
				if _, err := c.place("1", "f", in); err != nil {
					t.Errorf("the first: %v", err)
				}
				change(c)
			}
			got, err := c.place("1", "f", in)
			if err != nil || !got.Repeated || got.State.Total != usd(2100) {
				t.Errorf("%+v, %v", got, err)
			}
			if len(c.read) != 2 {
				t.Errorf("the catalogue was read %d times", len(c.read))
			}
		})
	}
}

// TestUnreadableCatalogue: nobody orders at a price that can't be read.
func TestUnreadableCatalogue(t *testing.T) {
	c := newCheckout(t)
	c.broken = es.ErrUnavailable
	if _, err := c.place("1", "f", inDollars(quotes, expected("cd-1", 1, usd(1)))); !errors.Is(err, es.ErrUnavailable) {
		t.Error(err)
	}
	c.broken = nil
	if _, err := c.place("1", "f", inDollars("", plain("cd-1", 1))); err != nil {
		t.Error(err)
	}
}

func TestCurrency(t *testing.T) {
	for _, tt := range []struct {
		name   string
		stated string
		lines  []order.LineInput
		want   string
		fault  *faults.Spec
		field  string
	}{
		{"stated", "USD", []order.LineInput{plain("a", 1)}, "USD", nil, ""},
		{"by a price", "", []order.LineInput{plain("a", 1), expected("b", 1, eur(1))}, "EUR", nil, ""},
		{"both", "EUR", []order.LineInput{expected("b", 1, eur(1))}, "EUR", nil, ""},
		{"neither", "", []order.LineInput{plain("a", 1)}, "", order.ErrCurrencyMissing, "body.currency"},
		{"none of this world", "ZZZ", []order.LineInput{plain("a", 1)}, "", money.ErrCurrency, "body.currency"},
		{
			"a price's of no world", "", []order.LineInput{expected("a", 1, money.Money{Amount: 1, Currency: "ZZZ"})},
			"",
			money.ErrCurrency, "body.lines[0].unitPrice.currency",
		},
		{
			"one stated, another in a price", "USD", []order.LineInput{plain("a", 1), expected("b", 1, eur(1))}, "",
			money.ErrMixedCurrency, "body.lines[1].unitPrice",
		},
		{
			"two in prices", "", []order.LineInput{expected("a", 1, eur(1)), expected("b", 1, usd(1))}, "",
			money.ErrMixedCurrency, "body.lines[1].unitPrice",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := order.Currency(tt.stated, tt.lines)
			if tt.fault == nil {
				if err != nil || got != tt.want {
					t.Errorf("%q, %v", got, err)
				}
				return
			}
			if f, _ := faults.As(err); !errors.Is(err, tt.fault) || f.Field != tt.field {
				t.Errorf("%v, want %v in %q", err, tt.fault, tt.field)
			}
		})
	}
}

// TestOutOfStock: an order is as strict as its strictest product, unless it says so itself.
func TestOutOfStock(t *testing.T) {
	c := newCheckout(t)
	for sku, policy := range map[string]goods.OutOfStock{
		"waits": goods.Backorder, "waits-too": goods.Backorder, "drops": goods.PartialDrop, "drops-too": goods.PartialDrop,
	} {
		c.set(sku, 0, product.Desired{Prices: []product.Price{{Money: usd(1)}}, OutOfStock: policy})
	}
	for i, tt := range []struct {
		says goods.OutOfStock
		skus []string
		want goods.OutOfStock
	}{
		{"", []string{"cd-1"}, ""},
		{"", []string{"waits"}, goods.Backorder},
		{"", []string{"waits", "waits-too"}, goods.Backorder},
		{"", []string{"waits", "cd-1"}, ""},
		{"", []string{"cd-1", "waits"}, ""},
		{goods.Reject, []string{"waits"}, ""},
		{"", []string{"drops", "drops-too"}, goods.PartialDrop},
		{"", []string{"drops", "waits"}, goods.Backorder},
		{"", []string{"waits", "drops"}, goods.Backorder},
		{"", []string{"drops", "cd-1"}, ""},
		{goods.PartialWait, []string{"cd-1", "drops"}, goods.PartialWait},
		{goods.PartialDrop, []string{"cd-1", "waits"}, goods.PartialDrop},
		{goods.Backorder, []string{"cd-1", "waits"}, goods.Backorder},
	} {
		in := order.PlaceInput{Currency: "USD", OutOfStock: tt.says}
		for _, sku := range tt.skus {
			in.Lines = append(in.Lines, plain(sku, 1))
		}
		got, err := c.place(fmt.Sprint("policy-", i), "f", in)
		if err != nil || got.State.OutOfStock != tt.want {
			t.Errorf("%q of %v: %q, %v, want %q", tt.says, tt.skus, got.State.OutOfStock, err, tt.want)
		}
	}
}
