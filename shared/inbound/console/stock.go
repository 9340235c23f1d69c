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
)

type stockLevel struct {
	SKU       string `json:"sku"`
	OnHand    int64  `json:"onHand"`
	Available int64  `json:"available"`
	Reserved  int64  `json:"reserved"`
	Version   int64  `json:"version"`
	Shards    int64  `json:"shards"`
}

type stockCounts struct {
	Counts []stockCount `json:"counts"`
	Next   string       `json:"next"`
}

type stockCount struct {
	Sequence int64     `json:"sequence"`
	Time     time.Time `json:"time"`
	Counted  int64     `json:"counted"`
	Before   int64     `json:"before"`
	Delta    int64     `json:"delta"`
	Left     int64     `json:"left"`
	Actor    *actor    `json:"actor"`
}

type stockMovements struct {
	Movements     []stockMovement `json:"movements"`
	LookedAt      int             `json:"lookedAt"`
	LookedThrough *time.Time      `json:"lookedThrough"`
	Next          string          `json:"next"`
}

// stockMovement is what an order did to an item at one time.
type stockMovement struct {
	Time      time.Time `json:"time"`
	Kind      string    `json:"kind"`
	OrderID   string    `json:"orderId"`
	Quantity  int64     `json:"quantity"`
	Available int64     `json:"available"`
	OnHand    int64     `json:"onHand"`
	Actor     *actor    `json:"actor"`
}

type waitlist struct {
	Waiting int64     `json:"waiting"`
	Passed  int64     `json:"passed"`
	Entries []waiting `json:"entries"`
	Next    string    `json:"next"`
}

type waiting struct {
	OrderID  string `json:"orderId"`
	Quantity int64  `json:"quantity"`
}

type stockView struct {
	SKU     string
	Stock   *stockLevel // nil for an item that was never counted
	Product *product    // nil for one that was never listed
	Counts  []stockCount
	Line    waitlist
	Moved   *stockMovements // nil unless they are asked for: a page looks at up to 1000 orders
	// addresses of pages: the newest counts and the line's first, older counts, who is behind, and
	// the newest and older movements
	Newest, Older, Behind, Movements, Earlier string
	Wrong                                     string
}

var skuForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
})

// stock shows an item: how much of it there is, what it costs, who waits for it, and how it was
// counted.
func (c Console) stock(x *exchange) error {
	asked := x.URL.Query()
	v := stockView{SKU: strings.TrimSpace(asked.Get("sku"))}
	if v.SKU == "" {
		return x.render("stock", "Stock", v)
	}
	if !skuForm().MatchString(v.SKU) {
		v.Wrong = wrongSKU
		x.status = http.StatusUnprocessableEntity
		return x.render("stock", "Stock", v)
	}
	item := "/stock/" + url.PathEscape(v.SKU)
	level, listed, counts := &stockLevel{}, &product{}, &stockCounts{}
	pages := func(cursor string) url.Values {
		query := url.Values{"limit": {pageOfItem}}
		if at := asked.Get(cursor); at != "" {
			query.Set("cursor", at)
		}
		return query
	}
	work, ctx := errgroup.WithContext(x.Context())
	work.Go(func() error { return unlessMissing(x.api.get(ctx, item, nil, level), &level) })
	work.Go(func() error {
		return unlessMissing(x.api.get(ctx, "/products/"+url.PathEscape(v.SKU), nil, listed), &listed)
	})
	work.Go(func() error {
		return unlessMissing(x.api.get(ctx, item+"/history", pages("counts"), counts), &counts)
	})
	work.Go(func() error { return x.api.get(ctx, item+"/waitlist", pages("line"), &v.Line) })
	if asked.Get("movements") != "" {
		v.Moved = &stockMovements{}
		query := url.Values{"limit": {pageOfItem}}
		if at := asked.Get("movements"); at != newest {
			query.Set("cursor", at)
		}
		work.Go(func() error { return x.api.get(ctx, item+"/movements", query, v.Moved) })
	}
	if err := work.Wait(); err != nil {
		return err
	}
	v.Stock, v.Product = level, listed
	if counts != nil {
		v.Counts = counts.Counts
		v.Older = v.page("counts", counts.Next)
	}
	v.Behind = v.page("line", v.Line.Next)
	v.Movements = v.page("movements", newest)
	if v.Moved != nil {
		v.Earlier = v.page("movements", v.Moved.Next)
	}
	if asked.Get("counts") != "" || asked.Get("line") != "" {
		v.Newest = "stock?" + url.Values{"sku": {v.SKU}}.Encode()
	}
	return x.render("stock", "Stock of "+v.SKU, v)
}

// newest asks for the first page of movements.
const newest = "newest"

// pageOfItem is how many counts, and how many who wait, an item's page has.
const pageOfItem = "10"

// page is the address of another page of a list of the item, "" for none.
func (v stockView) page(list, cursor string) string {
	if cursor == "" {
		return ""
	}
	return "stock?" + url.Values{"sku": {v.SKU}, list: {cursor}}.Encode()
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
