// Package shop is a client of the HTTP API.
package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
)

// Client calls the API as one caller. It is safe for concurrent use.
type Client struct {
	base  string
	token string
	http  *retryablehttp.Client
}

// longest is how long a client waits for what says when to come again. A quota's hour ends later:
// whoever called is told so instead.
const longest = 30 // seconds

// New makes a client that tries a request again on 429, 5xx and lost connections, up to 8 times:
// every request has a key or is harmless to repeat.
func New(base, token string) *Client {
	h := retryablehttp.NewClient()
	h.Logger = nil
	h.RetryMax = 8
	h.RetryWaitMin, h.RetryWaitMax = 100*time.Millisecond, 5*time.Second
	h.ErrorHandler = retryablehttp.PassthroughErrorHandler
	h.CheckRetry = func(ctx context.Context, res *http.Response, err error) (bool, error) {
		if res != nil && ctx.Err() == nil {
			if seconds, bad := strconv.Atoi(res.Header.Get("Retry-After")); bad == nil && seconds > longest {
				return false, nil
			}
		}
		return retryablehttp.DefaultRetryPolicy(ctx, res, err)
	}
	return &Client{base: base, token: token, http: h}
}

// Problem is the API's answer to a request that it did not carry out (RFC 9457).
type Problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
	Errors []struct {
		Location string `json:"location"`
		Message  string `json:"message"`
	} `json:"errors"`
}

func (p *Problem) Error() string {
	text := fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail)
	for _, e := range p.Errors {
		text += fmt.Sprintf("; %s: %s", e.Location, e.Message)
	}
	return text
}

// NotFound reports whether the API has no such thing.
func NotFound(err error) bool {
	var p *Problem
	return errors.As(err, &p) && p.Status == http.StatusNotFound
}

// Order is an order as the API shows it.
type Order struct {
	ID         string      `json:"id"`
	CustomerID string      `json:"customerId"`
	Status     string      `json:"status"`
	Version    int64       `json:"version"`
	Total      money.Money `json:"total"`
	PlacedAt   time.Time   `json:"placedAt"`
	Lines      []OrderLine `json:"lines"`
	Address    *Address    `json:"shippingAddress"` // nil if the customer is erased
	Saga       Saga        `json:"saga"`
	Wait       *Wait       `json:"wait"` // nil unless it waits
	Shipment   *struct {
		ID             string `json:"id"`
		TrackingNumber string `json:"trackingNumber"`
	} `json:"shipment"` // nil before it is confirmed
	Cancellation struct {
		Reason string `json:"reason"`
		Detail string `json:"detail"`
	} `json:"cancellation"`
}

// Saga is the execution that processes an order, and where it stands.
type Saga struct {
	ID    string `json:"id"` // "" before one has started
	State string `json:"state"`
}

// OrderLine is a line of an order.
type OrderLine struct {
	SKU       string      `json:"sku"`
	Quantity  int64       `json:"quantity"`
	UnitPrice money.Money `json:"unitPrice"`
	Amount    money.Money `json:"amount"`
}

// Wait is what an order waits for, and until when.
type Wait struct {
	For    string    `json:"for"`
	Until  time.Time `json:"until"`
	Code   string    `json:"code"`
	Detail string    `json:"detail"`
	Rules  []string  `json:"rules"`
	Queue  []struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
		Place    int64  `json:"place"`
	} `json:"queue"`
}

// ListedOrder is an order as the list of all orders has it.
type ListedOrder struct {
	ID         string      `json:"id"`
	CustomerID string      `json:"customerId"`
	Status     string      `json:"status"`
	Reason     string      `json:"reason,omitempty"` // of a cancellation
	Total      money.Money `json:"total"`
	LineCount  int         `json:"lineCount"`
	PlacedAt   time.Time   `json:"placedAt"`
	UpdatedAt  time.Time   `json:"updatedAt"`
	Saga       Saga        `json:"saga"`
}

// Orders reads a page of all orders, newest first. The query's names are the API's: status,
// customer, placedAfter, placedBefore, limit, cursor; an empty cursor is none.
func (c *Client) Orders(ctx context.Context, query url.Values) (orders []ListedOrder, next string, err error) {
	if query.Get("cursor") == "" {
		query.Del("cursor")
	}
	var out struct {
		Orders []ListedOrder `json:"orders"`
		Next   string        `json:"next"`
	}
	err = c.get(ctx, "/orders?"+query.Encode(), &out)
	return out.Orders, out.Next, err
}

// Final reports whether the saga has nothing left to do for the order.
func (o ListedOrder) Final() bool {
	return o.Status == "confirmed" || o.Status == "cancelled" || o.Status == "shipped" || o.Status == "delivered"
}

// Line is a line of an order to place.
type Line struct {
	SKU       string       `json:"sku"`
	Quantity  int64        `json:"quantity"`
	UnitPrice *money.Money `json:"unitPrice,omitempty"` // what is expected, nil for whatever the catalogue says
}

// Address is where an order goes.
type Address struct {
	Recipient  string `json:"recipient"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	PostalCode string `json:"postalCode,omitempty"`
	City       string `json:"city,omitempty"`
	State      string `json:"state,omitempty"`
	Country    string `json:"country"`
	Phone      string `json:"phone,omitempty"`
}

// Actor is who caused an event.
type Actor struct {
	Kind string `json:"kind"`
	ID   string `json:"id,omitempty"`
}

// Event is one event of an order's history.
type Event struct {
	Sequence    int64          `json:"sequence"`
	ID          string         `json:"id"`
	Type        string         `json:"type"`
	Time        time.Time      `json:"time"`
	Actor       Actor          `json:"actor"`
	CausationID string         `json:"causationId"`
	Data        map[string]any `json:"data"`

	Raw json.RawMessage `json:"-"` // as the API has it
}

// UnmarshalJSON implements json.Unmarshaler. Numbers stay as they are written.
func (e *Event) UnmarshalJSON(text []byte) error {
	type plain Event
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode((*plain)(e)); err != nil {
		return err
	}
	e.Raw = slices.Clone(text)
	return nil
}

// Statistics is a customer's view.
type Statistics struct {
	Orders         int64         `json:"orders"`
	Confirmed      int64         `json:"confirmed"`
	Cancelled      int64         `json:"cancelled"`
	ConfirmedTotal []money.Money `json:"confirmedTotal"`
}

// Stock is what is there of a SKU.
type Stock struct {
	OnHand    int64 `json:"onHand"`
	Available int64 `json:"available"`
	Reserved  int64 `json:"reserved"`
}

// RegisterCustomer registers a customer.
func (c *Client) RegisterCustomer(ctx context.Context, customerID, name, email string) error {
	return c.post(ctx, "/customers", map[string]string{"customerId": customerID, "name": name, "email": email}, nil)
}

// Erased says that a customer is erased.
type Erased struct {
	ID       string    `json:"id"`
	ErasedAt time.Time `json:"erasedAt"`
}

// EraseCustomer erases a customer for good, or says when that was done. The reason is one of the
// API's words, or "".
func (c *Client) EraseCustomer(ctx context.Context, customerID, reason string) (Erased, error) {
	var out Erased
	path := Path("customers", customerID)
	if reason != "" {
		path += "?" + url.Values{"reason": {reason}}.Encode()
	}
	err := c.send(ctx, http.MethodDelete, path, http.Header{}, nil, &out)
	return out, err
}

// OpenAccount opens a customer's account in a currency and gives its id.
func (c *Client) OpenAccount(ctx context.Context, customerID, currency string) (string, error) {
	var out struct {
		ID string `json:"id"`
	}
	err := c.post(ctx, "/accounts", map[string]string{"customerId": customerID, "currency": currency}, &out)
	return out.ID, err
}

// Deposit puts money in.
func (c *Client) Deposit(ctx context.Context, accountID string, amount money.Money) error {
	return c.post(
		ctx, "/accounts/"+url.PathEscape(accountID)+"/deposits", map[string]money.Money{"amount": amount}, nil,
	)
}

// Withdraw takes money out.
func (c *Client) Withdraw(ctx context.Context, accountID string, amount money.Money) error {
	return c.post(
		ctx, "/accounts/"+url.PathEscape(accountID)+"/withdrawals", map[string]money.Money{"amount": amount}, nil,
	)
}

// Balance reads an account's balance from its stream.
func (c *Client) Balance(ctx context.Context, accountID string) (money.Money, error) {
	var out struct {
		Balance money.Money `json:"balance"`
	}
	err := c.get(ctx, "/accounts/"+url.PathEscape(accountID), &out)
	return out.Balance, err
}

// ListProduct puts a SKU on sale that was never listed, at one price.
func (c *Client) ListProduct(ctx context.Context, sku string, price money.Money) error {
	return c.list(ctx, sku, map[string]any{"prices": []money.Money{price}})
}

// ListBackordered is ListProduct for a SKU whose orders wait where it is out of stock.
func (c *Client) ListBackordered(ctx context.Context, sku string, price money.Money) error {
	return c.list(ctx, sku, map[string]any{"prices": []money.Money{price}, "outOfStock": "backorder"})
}

func (c *Client) list(ctx context.Context, sku string, body any) error {
	return c.send(ctx, http.MethodPut, "/products/"+url.PathEscape(sku), http.Header{"If-None-Match": {"*"}}, body, nil)
}

// WithdrawProduct takes a SKU off sale, whose version is known.
func (c *Client) WithdrawProduct(ctx context.Context, sku string, version int64) error {
	body := map[string]bool{"withdrawn": true}
	return c.send(ctx, http.MethodPut, "/products/"+url.PathEscape(sku), ifMatch(version), body, nil)
}

// AnyProduct reports whether any product is on sale, or will be.
func (c *Client) AnyProduct(ctx context.Context) (bool, error) {
	var out struct {
		Products []struct{} `json:"products"`
		Next     string     `json:"next"`
	}
	err := c.get(ctx, "/products?limit=1", &out)
	return len(out.Products) > 0 || out.Next != "", err
}

func ifMatch(version int64) http.Header {
	return http.Header{"If-Match": {`"` + strconv.FormatInt(version, 10) + `"`}}
}

// NewStock sets the stock of a SKU that has none yet.
func (c *Client) NewStock(ctx context.Context, sku string, onHand int64) error {
	return c.send(
		ctx, http.MethodPut, "/stock/"+url.PathEscape(sku), http.Header{"If-None-Match": {"*"}},
		map[string]int64{"onHand": onHand}, nil,
	)
}

// ClearStock counts a SKU as sold out. It does nothing while pieces are reserved: they belong to
// orders that are not final.
func (c *Client) ClearStock(ctx context.Context, sku string) error {
	now, err := c.versioned(ctx, sku)
	if err != nil || now.OnHand == 0 || now.Reserved > 0 {
		return err
	}
	return c.count(ctx, sku, now.Version, 0)
}

// CountStock sets the stock of a SKU that has some.
func (c *Client) CountStock(ctx context.Context, sku string, onHand int64) error {
	now, err := c.versioned(ctx, sku)
	if err != nil {
		return err
	}
	return c.count(ctx, sku, now.Version, onHand)
}

// versionedStock is what is there of a SKU, with the version that a count names.
type versionedStock struct {
	Stock
	Version int64 `json:"version"`
}

func (c *Client) versioned(ctx context.Context, sku string) (now versionedStock, err error) {
	err = c.get(ctx, "/stock/"+url.PathEscape(sku), &now)
	return now, err
}

func (c *Client) count(ctx context.Context, sku string, version, onHand int64) error {
	body := map[string]int64{"onHand": onHand}
	return c.send(ctx, http.MethodPut, "/stock/"+url.PathEscape(sku), ifMatch(version), body, nil)
}

// Stock reads what is there of a SKU.
func (c *Client) Stock(ctx context.Context, sku string) (Stock, error) {
	var out Stock
	err := c.get(ctx, "/stock/"+url.PathEscape(sku), &out)
	return out, err
}

// PlaceOrder places an order in a currency; the answer comes when it is accepted, not when it is
// final.
func (c *Client) PlaceOrder(ctx context.Context, customerID, currency string, lines []Line, to Address) (Order, error) {
	var out Order
	body := map[string]any{"customerId": customerID, "currency": currency, "lines": lines, "shippingAddress": to}
	err := c.post(ctx, "/orders", body, &out)
	return out, err
}

// Order reads an order from its stream.
func (c *Client) Order(ctx context.Context, id string) (Order, error) {
	var out Order
	err := c.get(ctx, "/orders/"+url.PathEscape(id), &out)
	return out, err
}

// OrderAsOf reads an order as it was at a version.
func (c *Client) OrderAsOf(ctx context.Context, id string, version int64) (Order, error) {
	var out Order
	err := c.get(ctx, "/orders/"+url.PathEscape(id)+"?asOf="+strconv.FormatInt(version, 10), &out)
	return out, err
}

// Amend has an order be of these lines from now on, unless it has changed since it was read.
func (c *Client) Amend(ctx context.Context, read Order, lines []Line) (Order, error) {
	var out Order
	path, body := "/orders/"+url.PathEscape(read.ID), map[string][]Line{"lines": lines}
	err := c.send(ctx, http.MethodPatch, path, ifMatch(read.Version), body, &out)
	return out, err
}

// Cancel cancels an order; the answer comes when that is accepted, not when all is undone.
func (c *Client) Cancel(ctx context.Context, id, reason string) error {
	return c.post(ctx, "/orders/"+url.PathEscape(id)+"/cancel", map[string]string{"reason": reason}, nil)
}

// Wait waits until the saga has nothing left to do for an order, or for 10 seconds.
func (c *Client) Wait(ctx context.Context, id string) error {
	return c.get(ctx, "/orders/"+url.PathEscape(id)+"?wait=10", nil)
}

// History reads an order's events, oldest first.
func (c *Client) History(ctx context.Context, id string) ([]Event, error) {
	var out struct {
		Events []Event `json:"events"`
	}
	err := c.get(ctx, "/orders/"+url.PathEscape(id)+"/history", &out)
	return out.Events, err
}

// Statistics reads a customer's view.
func (c *Client) Statistics(ctx context.Context, customerID string) (Statistics, error) {
	var out Statistics
	err := c.get(ctx, "/customers/"+url.PathEscape(customerID)+"/statistics", &out)
	return out, err
}

// CustomerOrders lists every order of a customer from the view, page by page.
func (c *Client) CustomerOrders(ctx context.Context, customerID string) ([]Order, error) {
	var all []Order
	query := url.Values{"limit": {strconv.Itoa(100)}}
	for {
		var page struct {
			Orders []Order `json:"orders"`
			Next   string  `json:"next"`
		}
		if err := c.get(ctx, "/customers/"+url.PathEscape(customerID)+"/orders?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Orders...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("cursor", page.Next)
	}
}

func (c *Client) get(ctx context.Context, path string, out any) error {
	return c.send(ctx, http.MethodGet, path, http.Header{}, nil, out)
}

// post sends a request under a key of its own, which all its tries share.
func (c *Client) post(ctx context.Context, path string, body, out any) error {
	return c.send(ctx, http.MethodPost, path, http.Header{"Idempotency-Key": {ident.New()}}, body, out)
}

func (c *Client) send(ctx context.Context, method, path string, header http.Header, body, out any) error {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return fmt.Errorf("%s %s: %w", method, path, err)
		}
		header.Set("Content-Type", "application/json")
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	header.Set("Authorization", "Bearer "+c.token)
	req.Header = header
	res, err := c.http.Do(req)
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s %s: read the answer: %w", method, path, err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		p := &Problem{Status: res.StatusCode}
		if json.Unmarshal(answer, p) != nil || p.Code == "" {
			p = &Problem{Status: res.StatusCode, Code: "http", Detail: string(bytes.TrimSpace(answer))}
		}
		return fmt.Errorf("%s %s: %w", method, path, p)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s %s: decode the answer: %w", method, path, err)
	}
	return nil
}
