package httpapi

import (
	"context"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/es"
	"orderflow/shared/ident"
	"orderflow/shared/stock"
)

type stockPath struct {
	SKU string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The article"`
}

type setStockBody struct {
	OnHand int64 `json:"onHand" minimum:"0" maximum:"1000000000" doc:"Pieces, with those that are reserved"`
}

type setStockInput struct {
	SKU         string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The article"`
	IfMatch     string `header:"If-Match" doc:"The ETag of the level that was counted against" example:"\"3\""`
	IfNoneMatch string `header:"If-None-Match" doc:"* for an article that is new"`
	Body        setStockBody
}

type stockAnswer struct {
	SKU       string `json:"sku"`
	OnHand    int64  `json:"onHand" doc:"Available and reserved together"`
	Available int64  `json:"available"`
	Reserved  int64  `json:"reserved"`
	Version   int64  `json:"version" doc:"Grows when somebody sets the stock and when a shipment leaves with pieces, not when an order reserves some"`
}

type stockOutput struct {
	ETag string `header:"ETag"`
	Body stockAnswer
}

// Resolve implements huma.Resolver.
func (in *setStockInput) Resolve(ctx huma.Context) []error {
	return append(single(ctx, "If-Match"), single(ctx, "If-None-Match")...)
}

// expected is the version that the preconditions name: 0 for an article that must be new.
func (in *setStockInput) expected() (int64, error) {
	return expectedVersion(in.IfMatch, in.IfNoneMatch, stock.ErrVersionRequired.Field("header.If-Match",
		"name the version that you counted against in If-Match, or say If-None-Match: * for a new article"))
}

func (c Commands) setStock(ctx context.Context, id identity, in *setStockInput) (*stockOutput, error) {
	version, err := in.expected()
	if err != nil {
		return nil, err
	}
	// A PUT needs no key: the caller, the version and the number that was counted name it, so that one whose answer was lost is recognised when it is
	// sent again.
	req := es.Request{
		CommitID: ident.Derive("set-stock", id.actor(), in.SKU, strconv.FormatInt(version, 10), strconv.FormatInt(in.Body.OnHand, 10)),
		Time:     c.Clock.Now(), Metadata: metadata(ctx),
	}
	level, err := c.Stock.Set(ctx, req, in.SKU, in.Body.OnHand, stock.Match{Version: version})
	if err != nil {
		return nil, err
	}
	return answerStock(level), nil
}

func (q Queries) getStock(ctx context.Context, _ identity, in *stockPath) (*stockOutput, error) {
	level, err := q.Stock.Get(ctx, in.SKU)
	if err != nil {
		return nil, err
	}
	return answerStock(level), nil
}

func answerStock(l stock.Level) *stockOutput {
	return &stockOutput{ETag: etag(l.Version), Body: stockAnswer{
		SKU: l.SKU, OnHand: l.OnHand, Available: l.Available, Reserved: l.Reserved, Version: l.Version,
	}}
}
