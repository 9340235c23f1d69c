package httpapi

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/product"
)

// skuHistories adds what operators read of the past of a SKU, and of who waits for it.
func (s *server) skuHistories(q Queries) {
	operation := func(id, path, summary, description string, errors ...int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: path, Summary: summary,
			Description: "For operators. " + description, Errors: errors,
		}
	}
	register(s, accessOperator, operation("getProductHistory", "/products/{sku}/history",
		"Read what changed of a product", "Each change of its prices or its policy, newest first, in pages, with "+
			"who changed it and why.", http.StatusNotFound), q.getProductHistory)
	register(s, accessOperator, operation("getStockHistory", "/stock/{sku}/history",
		"Read the counts of an item", "Each count, newest first, in pages, with who counted, and what left between "+
			"two counts. What is reserved for orders is no part of it.", http.StatusNotFound), q.getStockHistory)
	register(s, accessOperator, operation("getWaitlist", "/stock/{sku}/waitlist", "Read who waits for an item",
		"The orders that wait for it, first in line first, in pages. Empty if nobody waits."), q.getWaitlist)
}

type skuHistoryInput struct {
	SKU    string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The SKU"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"10" doc:"Maximum number of entries per page"`
	Cursor string `query:"cursor" maxLength:"1024" doc:"The next value of the previous page; opaque"`
}

type productChangeAnswer struct {
	Version    int64                `json:"version" doc:"The product's version from then on"`
	Time       time.Time            `json:"time"`
	Kind       product.Kind         `json:"kind" enum:"listed,repriced,withdrawn"`
	Prices     []productPriceAnswer `json:"prices,omitempty" doc:"All prices from then on"`
	OutOfStock goods.OutOfStock     `json:"outOfStock,omitempty" enum:"reject,backorder,partial-wait,partial-drop" doc:"What became of orders that were short of it; absent if the product was withdrawn"`
	Reason     string               `json:"reason,omitempty" doc:"Why, where whoever changed it said so"`
	Actor      *actorAnswer         `json:"actor,omitempty" doc:"Who changed it"`
}

type productHistoryAnswer struct {
	Changes []productChangeAnswer `json:"changes" doc:"Newest first"`
	Next    string                `json:"next,omitempty" doc:"The cursor of the next page; absent on the last page"`
}

type productHistoryOutput struct{ Body productHistoryAnswer }

func (q Queries) getProductHistory(
	ctx context.Context, id identity, in *skuHistoryInput,
) (*productHistoryOutput, error) {
	before, err := in.at("product")
	if err != nil {
		return nil, err
	}
	changes, next, err := q.Products.History(ctx, in.SKU, before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &productHistoryOutput{Body: productHistoryAnswer{Changes: make([]productChangeAnswer, len(changes))}}
	for i, c := range changes {
		a := productChangeAnswer{
			Version: c.Version, Time: c.Time.UTC(), Kind: c.Kind, Prices: answerPrices(c.Prices), Reason: c.Reason,
			Actor: actorFor(id, c.Metadata),
		}
		if c.Kind != product.KindWithdrawn {
			a.OutOfStock = cmp.Or(c.OutOfStock, goods.Reject)
		}
		out.Body.Changes[i] = a
	}
	out.Body.Next, err = in.next("product", next)
	return out, err
}

type stockCountAnswer struct {
	Sequence int64        `json:"sequence" doc:"The first count of the item is 1"`
	Time     time.Time    `json:"time"`
	Counted  int64        `json:"counted" doc:"Pieces on hand that were counted"`
	Before   int64        `json:"before" doc:"Pieces on hand that the books had then"`
	Delta    int64        `json:"delta" doc:"What the count changed: counted, less before"`
	Left     int64        `json:"left" doc:"Pieces that left between the count before and this one, as the books had it; 0 for the first count. Below 0 if the books were corrected between the two."`
	Actor    *actorAnswer `json:"actor,omitempty" doc:"Who counted"`
}

type stockHistoryAnswer struct {
	Counts []stockCountAnswer `json:"counts" doc:"Newest first"`
	Next   string             `json:"next,omitempty" doc:"The cursor of the next page; absent on the last page"`
}

type stockHistoryOutput struct{ Body stockHistoryAnswer }

func (q Queries) getStockHistory(ctx context.Context, id identity, in *skuHistoryInput) (*stockHistoryOutput, error) {
	before, err := in.at("stock")
	if err != nil {
		return nil, err
	}
	counts, next, err := q.Stock.Counts(ctx, in.SKU, before, in.Limit)
	if err != nil {
		return nil, err
	}
	out := &stockHistoryOutput{Body: stockHistoryAnswer{Counts: make([]stockCountAnswer, len(counts))}}
	for i, c := range counts {
		out.Body.Counts[i] = stockCountAnswer{
			Sequence: c.Version, Time: c.Time.UTC(), Counted: c.Counted, Before: c.Before, Delta: c.Delta(),
			Left: c.Left, Actor: actorFor(id, c.Metadata),
		}
	}
	out.Body.Next, err = in.next("stock", next)
	return out, err
}

type waitingAnswer struct {
	OrderID  string `json:"orderId" format:"uuid"`
	Revision int64  `json:"revision" doc:"Of the order"`
	Quantity int64  `json:"quantity" doc:"Pieces that it waits for"`
}

type waitlistAnswer struct {
	Waiting int64           `json:"waiting" doc:"How many orders wait for the item"`
	Passed  int64           `json:"passed" doc:"How many orders got pieces past the first in line. From the tenth on, pieces are kept until the first fits."`
	Entries []waitingAnswer `json:"entries" doc:"First in line first"`
	Next    string          `json:"next,omitempty" doc:"The cursor of the next page; absent on the last page"`
}

type waitlistOutput struct{ Body waitlistAnswer }

func (q Queries) getWaitlist(ctx context.Context, _ identity, in *skuHistoryInput) (*waitlistOutput, error) {
	after, err := in.at("waitlist")
	if err != nil {
		return nil, err
	}
	line, entries, err := q.Stock.Waiting(ctx, in.SKU, after, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &waitlistOutput{Body: waitlistAnswer{
		Waiting: line.Waiting, Passed: line.Passed, Entries: []waitingAnswer{},
	}}
	var next int64
	if len(entries) > in.Limit {
		entries = entries[:in.Limit]
		next = entries[in.Limit-1].Ticket
	}
	for _, e := range entries {
		out.Body.Entries = append(out.Body.Entries, waitingAnswer{
			OrderID: e.OrderID, Revision: e.Revision, Quantity: e.Quantity,
		})
	}
	out.Body.Next, err = in.next("waitlist", next)
	return out, err
}

// skuCursor is what a cursor says: of which list of which SKU it is, and a place in it. It is not
// signed: whoever may read the list may read all of it.
type skuCursor struct {
	Version int    `json:"v"`
	List    string `json:"l"`
	SKU     string `json:"s"`
	At      int64  `json:"a"`
}

const skuCursorVersion = 1

// at is the place that the request's cursor names, 0 where it has none.
func (in *skuHistoryInput) at(list string) (int64, error) {
	if in.Cursor == "" {
		return 0, nil
	}
	var c skuCursor
	if err := parseCursor(in.Cursor, &c); err != nil || c.Version != skuCursorVersion || c.At < 1 {
		return 0, badCursor()
	}
	if c.List != list || c.SKU != in.SKU {
		return 0, orders.ErrInvalidCursor.Field(
			"query.cursor", "the cursor is from another list; send the next value of the previous page",
		)
	}
	return c.At, nil
}

// next is a cursor of the place at which the next page begins, "" for none.
func (in *skuHistoryInput) next(list string, at int64) (string, error) {
	if at == 0 {
		return "", nil
	}
	return newCursor(skuCursor{Version: skuCursorVersion, List: list, SKU: in.SKU, At: at})
}
