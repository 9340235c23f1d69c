package shop

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"orderflow/shared/shop/money"
)

// Get reads what is at a path, as the API says it.
func (c *Client) Get(ctx context.Context, path string, query url.Values) (answer json.RawMessage, err error) {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	err = c.get(ctx, path, &answer)
	return answer, err
}

// Send sends a request that writes, and gives what the API says to it. The header has the request's
// key or precondition, so that the same request can be sent again.
func (c *Client) Send(
	ctx context.Context, method, path string, header http.Header, body any,
) (answer json.RawMessage, err error) {
	err = c.send(ctx, method, path, header, body, &answer)
	return answer, err
}

// Path joins the parts of a path, each of which may hold any character.
func Path(parts ...string) string {
	var path string
	for _, part := range parts {
		path += "/" + url.PathEscape(part)
	}
	return path
}

// IfVersion is the precondition that something is at a version: at none, if that is 0.
func IfVersion(version int64) http.Header {
	if version == 0 {
		return http.Header{"If-None-Match": {"*"}}
	}
	return http.Header{"If-Match": {strconv.Quote(strconv.FormatInt(version, 10))}}
}

// Version reads the version of what is at a path, 0 where there is nothing.
func (c *Client) Version(ctx context.Context, path string) (int64, error) {
	var out struct {
		Version int64 `json:"version"`
	}
	err := c.get(ctx, path, &out)
	if NotFound(err) {
		return 0, nil
	}
	return out.Version, err
}

// Product is what is sold as a SKU.
type Product struct {
	SKU        string         `json:"sku"`
	Version    int64          `json:"version"`
	Withdrawn  bool           `json:"withdrawn"`
	OutOfStock string         `json:"outOfStock"`
	Current    []money.Money  `json:"current"`
	Prices     []ProductPrice `json:"prices"`
}

// ProductPrice is a price from a time on; from ever, if that is empty.
type ProductPrice struct {
	money.Money

	ValidFrom string `json:"validFrom,omitempty"`
}

// Products is a page of the catalogue.
type Products struct {
	Products []Product `json:"products"`
	Next     string    `json:"next"`
}

// Products reads a page of the catalogue. The query's names are the API's: withdrawn, limit,
// cursor.
func (c *Client) Products(ctx context.Context, query url.Values) (out Products, err error) {
	err = c.get(ctx, "/products?"+query.Encode(), &out)
	return out, err
}

// ListedCustomer is a customer as the list of all has them.
type ListedCustomer struct {
	ID           string `json:"id"`
	RegisteredAt string `json:"registeredAt"`
	Erased       bool   `json:"erased"`
}

// Customers is a page of the list of all customers.
type Customers struct {
	Customers []ListedCustomer `json:"customers"`
	Next      string           `json:"next"`
}

// Customers reads a page of all customers, the newest first. The query's names are the API's:
// limit, cursor.
func (c *Client) Customers(ctx context.Context, query url.Values) (out Customers, err error) {
	err = c.get(ctx, "/customers?"+query.Encode(), &out)
	return out, err
}

// FindCustomers gives the ids of all customers who have an e-mail address.
func (c *Client) FindCustomers(ctx context.Context, email string) (ids []string, err error) {
	body := struct {
		Email string `json:"email"`
		Limit int    `json:"limit"`
		After string `json:"after,omitempty"`
	}{Email: strings.TrimSpace(email), Limit: 100}
	for {
		var page struct {
			Customers []struct {
				ID string `json:"id"`
			} `json:"customers"`
			Next string `json:"next"`
		}
		if err := c.post(ctx, "/customers/search", body, &page); err != nil {
			return nil, err
		}
		for _, found := range page.Customers {
			ids = append(ids, found.ID)
		}
		if body.After = page.Next; body.After == "" {
			return ids, nil
		}
	}
}

// IndexCustomer lets a customer be found by their e-mail address.
func (c *Client) IndexCustomer(ctx context.Context, id string) error {
	return c.send(ctx, http.MethodPut, Path("customers", id)+"/index", http.Header{}, nil, nil)
}
