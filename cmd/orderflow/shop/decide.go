package shop

import (
	"context"
	"net/http"
	"net/url"
)

// ApproveOrder lets an order go on that waits for approval, once for each key.
func (c *Client) ApproveOrder(ctx context.Context, id, key, reason string) (Order, error) {
	return c.decideOrder(ctx, id, "approve", key, reason)
}

// DeclineOrder closes an order that waits for approval, once for each key.
func (c *Client) DeclineOrder(ctx context.Context, id, key, reason string) (Order, error) {
	return c.decideOrder(ctx, id, "decline", key, reason)
}

func (c *Client) decideOrder(ctx context.Context, id, decision, key, reason string) (Order, error) {
	var out Order
	header, body := http.Header{"Idempotency-Key": {key}}, map[string]string{"reason": reason}
	err := c.send(ctx, http.MethodPost, "/orders/"+url.PathEscape(id)+"/"+decision, header, body, &out)
	return out, err
}
