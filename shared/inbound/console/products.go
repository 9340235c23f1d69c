package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/decimal"
	"orderflow/shared/shop/money"
)

type productList struct {
	Products []product `json:"products"`
	Next     string    `json:"next"`
}

type product struct {
	SKU        string        `json:"sku"`
	Current    []money.Money `json:"current"`
	OutOfStock string        `json:"outOfStock"`
	Withdrawn  bool          `json:"withdrawn"`
	Version    int64         `json:"version"`
	Prices     []price       `json:"prices"`
}

// price is one of a product's, in the form that the API takes.
type price struct {
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	ValidFrom string `json:"validFrom,omitempty"`
}

// Money is how much it is.
func (p price) Money() money.Money { return money.Money{Amount: p.Amount, Currency: p.Currency} }

// From is when it comes into force, nil for one that always was.
func (p price) From() (*time.Time, error) {
	if p.ValidFrom == "" {
		return nil, nil
	}
	at, err := clock.ParseTime(p.ValidFrom)
	return &at, err
}

// Scheduled are the prices that have a beginning.
func (p product) Scheduled() (all []price) {
	for _, price := range p.Prices {
		if price.ValidFrom != "" {
			all = append(all, price)
		}
	}
	return all
}

type productHistory struct {
	Changes []productChange `json:"changes"`
	Next    string          `json:"next"`
}

type productChange struct {
	Version    int64     `json:"version"`
	Time       time.Time `json:"time"`
	Kind       string    `json:"kind"`
	Prices     []price   `json:"prices"`
	OutOfStock string    `json:"outOfStock"`
	Reason     string    `json:"reason"`
	Actor      *actor    `json:"actor"`
}

type productsView struct {
	Withdrawn   bool
	Products    []product
	First, Next string // addresses of pages of the list
	Wrong       string
}

// wrongSKU says what the form of a SKU is.
const wrongSKU = "A SKU has 1 to 64 letters, digits, dots, - and _, and begins with a letter or digit."

// products is the list of products, by SKU: those for sale, or those that are withdrawn. A SKU
// leads to its product, whether it was ever listed or not.
func (c Console) products(x *exchange) error {
	asked := x.URL.Query()
	v := productsView{Withdrawn: asked.Get("withdrawn") == "true"}
	if sku := strings.TrimSpace(asked.Get("sku")); sku != "" {
		if skuForm().MatchString(sku) {
			return x.redirect("products/" + url.PathEscape(sku))
		}
		v.Wrong = wrongSKU
		x.status = http.StatusUnprocessableEntity
		return x.render("products", "Products", v)
	}
	query, kept := url.Values{"limit": {pageSize}}, url.Values{}
	if v.Withdrawn {
		query.Set("withdrawn", "true")
		kept.Set("withdrawn", "true")
	}
	v.First = "products?" + kept.Encode()
	if cursor := asked.Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	var list productList
	if err := x.api.get(x.Context(), "/products", query, &list); err != nil {
		return err
	}
	v.Products = list.Products
	if list.Next != "" {
		kept.Set("cursor", list.Next)
		v.Next = "products?" + kept.Encode()
	}
	return x.render("products", "Products", v)
}

// policies are what may become of orders that are short of a product.
var policies = []reason{
	{"reject", "they are cancelled"},
	{"backorder", "they wait until there is enough"},
	{"partial-wait", "they go on with what there is, and the rest waits as an order of its own"},
	{"partial-drop", "they go on with what there is, and the rest is dropped"},
}

type productView struct {
	SKU         string
	Product     *product // nil for one that was never listed
	Changes     []productChange
	First, Next string // addresses of pages of the history
	Policies    []reason
	Form        productForm
	Done        string // an action that was just carried out
}

// productForm is what the form of a product's prices has: as it is, or as somebody typed it.
type productForm struct {
	Version    int64 // that the form was made from, 0 for a product that was never listed
	Prices     []typedPrice
	OutOfStock string
	Reason     string
	Wrong      string
}

type typedPrice struct{ Amount, From string }

// emptyPrices is how many rows of the form are free.
const emptyPrices = 2

// product is one product: its prices now and later, and what changed of it.
func (c Console) product(x *exchange) error {
	v, err := x.readProduct()
	if err != nil {
		return err
	}
	if done := x.URL.Query().Get("done"); slices.Contains([]string{"set", "withdraw"}, done) {
		v.Done = done
	}
	return x.render("product", "Product "+v.SKU, v)
}

func (x *exchange) readProduct() (productView, error) {
	v := productView{SKU: x.PathValue("sku"), Policies: policies}
	if !skuForm().MatchString(v.SKU) {
		return v, refusal{http.StatusNotFound, "There is no such product.", wrongSKU}
	}
	at := url.PathEscape(v.SKU)
	v.First = "products/" + at
	query := url.Values{"limit": {pageSize}}
	if cursor := x.URL.Query().Get("cursor"); cursor != "" {
		query.Set("cursor", cursor)
	}
	listed, past := &product{}, &productHistory{}
	work, ctx := errgroup.WithContext(x.Context())
	work.Go(func() error { return unlessMissing(x.api.get(ctx, "/products/"+at, nil, listed), &listed) })
	work.Go(func() error { return unlessMissing(x.api.get(ctx, "/products/"+at+"/history", query, past), &past) })
	if err := work.Wait(); err != nil {
		return v, err
	}
	v.Product = listed
	if past != nil {
		v.Changes = past.Changes
		if past.Next != "" {
			v.Next = v.First + "?" + url.Values{"cursor": {past.Next}}.Encode()
		}
	}
	v.Form = formOf(listed)
	return v, nil
}

func formOf(p *product) (f productForm) {
	f.OutOfStock = policies[0].Name
	if p != nil {
		f.Version, f.OutOfStock = p.Version, p.OutOfStock
		for _, price := range p.Prices {
			f.Prices = append(f.Prices, typedPrice{price.Money().String(), price.ValidFrom})
		}
	}
	f.Prices = append(f.Prices, make([]typedPrice, emptyPrices)...)
	return f
}

// maxPrice and maxPrices are the API's.
const (
	maxPrice  = 1_000_000_000
	maxPrices = 100
)

// typed reads a form of prices: each row as a person writes it. Rows without an amount are left
// out.
func typed(form url.Values) (f productForm, prices []price, wrong string) {
	var err error
	if f.Version, err = decimal.Whole(form.Get("version"), 0, maxVersion); err != nil {
		wrong = "The form has no version. Reload the page."
	}
	f.OutOfStock, f.Reason = form.Get("outOfStock"), strings.TrimSpace(form.Get("reason"))
	amounts, times := form["amount"], form["from"]
	for i, amount := range amounts[:min(len(amounts), maxPrices+emptyPrices)] {
		row := typedPrice{Amount: strings.TrimSpace(amount)}
		if i < len(times) {
			row.From = strings.TrimSpace(times[i])
		}
		f.Prices = append(f.Prices, row)
		if row.Amount == "" {
			continue
		}
		m, err := money.Parse(row.Amount, 0, maxPrice)
		if err == nil && row.From != "" {
			_, err = clock.ParseTime(row.From)
		}
		if err != nil && wrong == "" {
			wrong = fmt.Sprintf("Price %d: %v", i+1, err)
		}
		prices = append(prices, price{m.Amount, m.Currency, row.From})
	}
	switch n := utf8.RuneCountInString(f.Reason); {
	case wrong != "":
	case len(prices) == 0:
		wrong = "At least one price is needed. To take the product off sale, withdraw it."
	case n == 0 || n > maxReason:
		wrong = "A reason of 1 to 500 characters is needed."
	case !slices.ContainsFunc(policies, func(p reason) bool { return p.Name == f.OutOfStock }):
		wrong = "Choose what becomes of orders that are short of it."
	}
	return f, prices, wrong
}

// setProduct puts a product's prices and policy over the version that the form was made from.
func (c Console) setProduct(x *exchange) error {
	if err := x.ParseForm(); err != nil {
		return refusal{http.StatusBadRequest, "The form can't be read.", "Go back and try again."}
	}
	form, prices, wrong := typed(x.PostForm)
	if wrong != "" {
		v, err := x.readProduct()
		if err != nil {
			return err
		}
		form.Wrong = wrong
		v.Form = form
		x.status = http.StatusUnprocessableEntity
		return x.render("product", "Product "+v.SKU, v)
	}
	return c.putProduct(x, form.Version, "set", map[string]any{
		"prices": prices, "outOfStock": form.OutOfStock, "reason": form.Reason,
	})
}

// withdrawProduct takes a product off sale.
func (c Console) withdrawProduct(x *exchange) error {
	if err := x.ParseForm(); err != nil {
		return refusal{http.StatusBadRequest, "The form can't be read.", "Go back and try again."}
	}
	why := strings.TrimSpace(x.PostForm.Get("reason"))
	if n := utf8.RuneCountInString(why); n == 0 || n > maxReason {
		return noReason()
	}
	version, err := decimal.Whole(x.PostForm.Get("version"), 1, maxVersion)
	if err != nil {
		return refusal{http.StatusBadRequest, "The form can't be read.", "Go back and try again."}
	}
	return c.putProduct(x, version, "withdraw", map[string]any{"withdrawn": true, "reason": why})
}

func (c Console) putProduct(x *exchange, version int64, done string, body any) error {
	sku := x.PathValue("sku")
	if !skuForm().MatchString(sku) {
		return notFound(x)
	}
	match := http.Header{"If-Match": {strconv.Quote(strconv.FormatInt(version, 10))}}
	if version == 0 {
		match = http.Header{"If-None-Match": {"*"}}
	}
	var answer json.RawMessage
	if err := x.api.put(x.Context(), "/products/"+url.PathEscape(sku), match, body, &answer); err != nil {
		return err
	}
	return x.redirect("../" + url.PathEscape(sku) + "?done=" + done)
}
