package shop

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"orderflow/shared/shop/money"
)

// RefundLine is what is to be refunded of a line of an order.
type RefundLine struct {
	Line     int64        `json:"line"` // from 0
	Quantity int64        `json:"quantity,omitempty"`
	Amount   *money.Money `json:"amount,omitempty"`
}

// Refund is what is to be refunded of an order.
type Refund struct {
	Lines    []RefundLine `json:"lines,omitempty"`
	Shipping *money.Money `json:"shipping,omitempty"`
	Goodwill *money.Money `json:"goodwill,omitempty"`
	Reason   string       `json:"reason"`
	Note     string       `json:"note,omitempty"`
}

// Refunded is a refund that was carried out.
type Refunded struct {
	ID       string       `json:"id"`
	OrderID  string       `json:"orderId"`
	Amount   money.Money  `json:"amount"`
	Lines    []RefundLine `json:"lines,omitempty"`
	Shipping *money.Money `json:"shipping,omitempty"`
	Goodwill *money.Money `json:"goodwill,omitempty"`
	Reason   string       `json:"reason"`
	At       time.Time    `json:"refundedAt"`
	Refunded money.Money  `json:"refunded"` // of the order, with this
}

// RefundOrder gives money back for an order that has left, once for each key.
func (c *Client) RefundOrder(ctx context.Context, id, key string, r Refund) (Refunded, error) {
	var out Refunded
	header := http.Header{"Idempotency-Key": {key}}
	err := c.send(ctx, http.MethodPost, "/orders/"+url.PathEscape(id)+"/refunds", header, r, &out)
	return out, err
}
