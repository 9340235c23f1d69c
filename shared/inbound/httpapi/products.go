package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/product"
)

type productPath struct {
	SKU string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The SKU of the product"`
}

// productPrice is a price as it is set. Its limits are product.MaxPrice and money.CheckCurrency.
type productPrice struct {
	Amount    int64        `json:"amount" minimum:"0" maximum:"1000000000" doc:"Minor units, for example cents for USD and yen for JPY" example:"1999"`
	Currency  currencyCode `json:"currency" example:"USD"`
	ValidFrom Instant      `json:"validFrom,omitzero" doc:"When the price comes into force. A price without validFrom applies until another price in its currency comes into force. No two prices in one currency have the same validFrom." example:"2026-11-27T00:00:00-05:00"`
}

type setProductBody struct {
	Prices     []productPrice `json:"prices,omitempty" maxItems:"100" nullable:"false" doc:"All prices, in any order. At least one, unless the product is withdrawn. In each currency, the price with the latest validFrom that has passed is in force."`
	OutOfStock string         `json:"outOfStock,omitempty" enum:"reject,backorder,partial-wait,partial-drop" doc:"What becomes of orders that are short of the product: they are cancelled (reject, the default), wait until there is enough (backorder), or go on without what is missing, which waits as an order of its own (partial-wait), or is dropped and never charged (partial-drop). An order may say otherwise."`
	Withdrawn  bool           `json:"withdrawn,omitempty" doc:"true takes the product off sale; omit prices then"`
	Reason     string         `json:"reason,omitempty" minLength:"1" maxLength:"500" doc:"Why, for the product's history. It is stored unencrypted: write no personal data."`
}

type setProductInput struct {
	SKU         string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The SKU of the product"`
	IfMatch     string `header:"If-Match" doc:"The ETag of the product version that you want to change" example:"\"3\""`
	IfNoneMatch string `header:"If-None-Match" doc:"* if the product was never listed"`
	Body        setProductBody
}

// productPriceAnswer is a price as it was set. Its currency may have been withdrawn since.
type productPriceAnswer struct {
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	ValidFrom string `json:"validFrom,omitempty" format:"date-time"`
}

type productAnswer struct {
	SKU        string               `json:"sku"`
	Withdrawn  bool                 `json:"withdrawn" doc:"true if the product is no longer for sale"`
	Current    []money.Money        `json:"current" doc:"Unit price now, one per currency, ordered by currency. Empty if the product is withdrawn or not for sale yet."`
	Prices     []productPriceAnswer `json:"prices,omitempty" doc:"Only for operators: all prices in the format of PUT, including past and scheduled ones"`
	OutOfStock goods.OutOfStock     `json:"outOfStock" enum:"reject,backorder,partial-wait,partial-drop" doc:"What becomes of orders that are short of it"`
	Version    int64                `json:"version" doc:"Incremented by each change, but not when a scheduled price comes into force"`
}

type productOutput struct {
	ETag string `header:"ETag"`
	Body productAnswer
}

type listProductsInput struct {
	Withdrawn bool   `query:"withdrawn" doc:"Only for operators: true lists the withdrawn products"`
	Limit     int    `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"Maximum number of products per page"`
	Cursor    string `query:"cursor" maxLength:"1024" doc:"The next value of the previous page; opaque"`
}

type productsAnswer struct {
	Products []productAnswer `json:"products" doc:"By SKU"`
	Next     string          `json:"next,omitempty" doc:"The cursor of the next page; absent on the last page"`
}

type productsOutput struct{ Body productsAnswer }

func (c Commands) setProduct(ctx context.Context, id identity, in *setProductInput) (*productOutput, error) {
	version, err := expectedVersion(in.IfMatch, in.IfNoneMatch, product.ErrVersionRequired.Field("header.If-Match",
		"expected If-Match with the ETag that you read, or If-None-Match: * for a product that was never listed"))
	if err != nil {
		return nil, err
	}
	want := product.Desired{
		Withdrawn: in.Body.Withdrawn, Prices: make([]product.Price, len(in.Body.Prices)),
		OutOfStock: goods.OutOfStock(in.Body.OutOfStock), Reason: in.Body.Reason,
	}
	for i, p := range in.Body.Prices {
		want.Prices[i] = product.Price{
			Money: money.Money{Amount: p.Amount, Currency: string(p.Currency)}, ValidFrom: p.ValidFrom.Time,
		}
	}
	body, err := json.Marshal(in.Body)
	if err != nil {
		return nil, fmt.Errorf("httpapi: encode request: %w", err)
	}
	// A PUT needs no key: caller, version and body name it. So a duplicate, sent because the first
	// answer was lost, has the same commit id.
	req := es.Request{
		CommitID: ident.Derive("set-product", id.actor(), in.SKU, strconv.FormatInt(version, 10), string(body)),
		Time:     c.Clock.Now(), Metadata: metadata(ctx),
	}
	p, err := c.Products.Set(ctx, req, in.SKU, want, product.Match{Version: version})
	if err != nil {
		return nil, err
	}
	return &productOutput{ETag: etag(p.Version), Body: answerProduct(id, p, c.Clock.Now())}, nil
}

func (q Queries) getProduct(ctx context.Context, id identity, in *productPath) (*productOutput, error) {
	p, err := q.Products.Get(ctx, in.SKU)
	if err != nil {
		return nil, err
	}
	now := q.Clock.Now()
	if !id.seesProduct(p, now) {
		return nil, product.ErrNotFound.New("nobody has listed %q", in.SKU)
	}
	return &productOutput{ETag: etag(p.Version), Body: answerProduct(id, p, now)}, nil
}

func (q Queries) listProducts(ctx context.Context, id identity, in *listProductsInput) (*productsOutput, error) {
	if in.Withdrawn && !id.isOperator() {
		return nil, ErrForbidden.Field("query.withdrawn", "allowed for operators only")
	}
	after, err := readProductsCursor(in.Cursor, in.Withdrawn)
	if err != nil {
		return nil, err
	}
	products, err := q.Products.List(ctx, in.Withdrawn, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &productsOutput{Body: productsAnswer{Products: []productAnswer{}}}
	if len(products) > in.Limit {
		products = products[:in.Limit]
		if out.Body.Next, err = newCursor(productsCursor{
			Version: productsCursorVersion, Withdrawn: in.Withdrawn, After: products[in.Limit-1].SKU,
		}); err != nil {
			return nil, err
		}
	}
	now := q.Clock.Now()
	for _, p := range products {
		if id.seesProduct(p, now) {
			out.Body.Products = append(out.Body.Products, answerProduct(id, p, now))
		}
	}
	return out, nil
}

// seesProduct reports whether the caller may know of a product. Only operators know of one that
// goes on sale later.
func (id identity) seesProduct(p product.Product, now time.Time) bool {
	_, offered := p.Offer(now)
	return offered || p.Withdrawn || id.isOperator()
}

func answerProduct(id identity, p product.Product, now time.Time) productAnswer {
	a := productAnswer{SKU: p.SKU, Withdrawn: p.Withdrawn, Current: p.Current(now), Version: p.Version,
		OutOfStock: cmp.Or(p.OutOfStock, goods.Reject),
	}
	if a.Current == nil {
		a.Current = []money.Money{}
	}
	if !id.isOperator() {
		return a
	}
	a.Prices = answerPrices(p.Prices)
	return a
}

func answerPrices(prices []product.Price) (all []productPriceAnswer) {
	for _, price := range prices {
		set := productPriceAnswer{Amount: price.Amount, Currency: price.Currency}
		if !price.ValidFrom.IsZero() {
			set.ValidFrom = price.ValidFrom.UTC().Format(time.RFC3339Nano)
		}
		all = append(all, set)
	}
	return all
}

// productsCursor names one of the two lists and a place in it. It is not signed: whoever may read
// the list may read all of it. After may be the SKU of a product that is not on sale yet.
type productsCursor struct {
	Version   int    `json:"v"`
	Withdrawn bool   `json:"w,omitempty"`
	After     string `json:"a"`
}

const productsCursorVersion = 1

// readProductsCursor gives the SKU after which a page begins, "" for the first page.
func readProductsCursor(text string, withdrawn bool) (after string, err error) {
	if text == "" {
		return "", nil
	}
	var c productsCursor
	if err := parseCursor(text, &c); err != nil || c.Version != productsCursorVersion || !product.ValidSKU(c.After) {
		return "", badCursor()
	}
	if c.Withdrawn != withdrawn {
		return "", orders.ErrInvalidCursor.Field(
			"query.cursor", "the cursor is from another list; send the next value of the previous page",
		)
	}
	return c.After, nil
}
