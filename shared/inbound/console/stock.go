package console

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/shop/money"
)

type stockLevel struct {
	SKU       string `json:"sku"`
	OnHand    int64  `json:"onHand"`
	Available int64  `json:"available"`
	Reserved  int64  `json:"reserved"`
	Version   int64  `json:"version"`
	Shards    int64  `json:"shards"`
}

type product struct {
	SKU        string        `json:"sku"`
	Current    []money.Money `json:"current"`
	OutOfStock string        `json:"outOfStock"`
	Withdrawn  bool          `json:"withdrawn"`
	Version    int64         `json:"version"`
	Prices     []struct {
		Amount    int64      `json:"amount"`
		Currency  string     `json:"currency"`
		ValidFrom *time.Time `json:"validFrom"`
	} `json:"prices"`
}

// Scheduled are the prices that have a beginning.
func (p product) Scheduled() (all []scheduled) {
	for _, price := range p.Prices {
		if price.ValidFrom != nil {
			all = append(all, scheduled{money.Money{Amount: price.Amount, Currency: price.Currency}, *price.ValidFrom})
		}
	}
	return all
}

type scheduled struct {
	Price money.Money
	From  time.Time
}

type stockView struct {
	SKU     string
	Stock   *stockLevel // nil for an item that was never counted
	Product *product    // nil for one that was never listed
	Wrong   string
}

var skuForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
})

// stock shows an item: how much of it there is, and what it costs.
func (c Console) stock(x *exchange) error {
	v := stockView{SKU: strings.TrimSpace(x.URL.Query().Get("sku"))}
	if v.SKU == "" {
		return x.render("stock", "Stock", v)
	}
	if !skuForm().MatchString(v.SKU) {
		v.Wrong = "A SKU has 1 to 64 letters, digits, dots, - and _, and begins with a letter or digit."
		x.status = http.StatusUnprocessableEntity
		return x.render("stock", "Stock", v)
	}
	level, listed := &stockLevel{}, &product{}
	work, ctx := errgroup.WithContext(x.Context())
	work.Go(func() error {
		return unlessMissing(x.api.get(ctx, "/stock/"+url.PathEscape(v.SKU), nil, level), &level)
	})
	work.Go(func() error {
		return unlessMissing(x.api.get(ctx, "/products/"+url.PathEscape(v.SKU), nil, listed), &listed)
	})
	if err := work.Wait(); err != nil {
		return err
	}
	v.Stock, v.Product = level, listed
	return x.render("stock", "Stock of "+v.SKU, v)
}

// unlessMissing takes 404 for nothing.
func unlessMissing[T any](err error, found **T) error {
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		*found = nil
		return nil
	}
	return err
}
