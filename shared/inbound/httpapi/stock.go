package httpapi

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

type stockPath struct {
	SKU string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The article"`
}

type setStockBody struct {
	OnHand int64    `json:"onHand" minimum:"0" maximum:"1000000000" doc:"Pieces on the shelf, with those that are reserved and packed"`
	Left   []string `json:"left,omitempty" maxItems:"25" format:"uuid" nullable:"false" doc:"Shipments that were gone from the shelf when it was counted and that nobody may have said so of yet, as where the carrier's call is late. Each is dispatched by this."`
}

type setStockInput struct {
	SKU         string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The article"`
	IfMatch     string `header:"If-Match" doc:"The ETag of the level as it was read before the shelf was looked at" example:"\"3\""`
	IfNoneMatch string `header:"If-None-Match" doc:"* for an article that is new"`
	Body        setStockBody
}

type stockAnswer struct {
	SKU       string `json:"sku"`
	OnHand    int64  `json:"onHand" doc:"Available and reserved together"`
	Available int64  `json:"available"`
	Reserved  int64  `json:"reserved"`
	Version   int64  `json:"version" doc:"Grows when somebody counts another number and when a shipment leaves with pieces, not when an order reserves some"`
}

type stockOutput struct {
	ETag string `header:"ETag"`
	Body stockAnswer
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
	// A PUT needs no key: the caller, the version, the number that was counted and what had left
	// name it, so that one whose answer was lost is recognised when it is sent again.
	parts := []string{id.actor(), in.SKU, strconv.FormatInt(version, 10), strconv.FormatInt(in.Body.OnHand, 10)}
	parts = append(parts, slices.Sorted(slices.Values(in.Body.Left))...)
	req := es.Request{CommitID: ident.Derive("set-stock", parts...), Time: c.Clock.Now(), Metadata: metadata(ctx)}
	parcels, err := c.parcels(ctx, in.Body.Left)
	if err != nil {
		return nil, err
	}
	level, err := c.Stock.Set(ctx, req, in.SKU, in.Body.OnHand, stock.Match{Version: version}, parcels...)
	if err != nil {
		return nil, err
	}
	return answerStock(level), nil
}

// parcels are the shipments that a count names, as the stock knows them. A shipment that was never
// packed can't have left.
func (c Commands) parcels(ctx context.Context, left []string) ([]stock.Parcel, error) {
	parcels := make([]stock.Parcel, len(left))
	for i, id := range left {
		if slices.Contains(left[:i], id) {
			return nil, stock.ErrNotLeft.Field(fmt.Sprintf("body.left[%d]", i), "a shipment is named once")
		}
		res, err := c.Shipments.Find(ctx, id)
		switch {
		case errors.Is(err, shipment.ErrNotFound):
			return nil, stock.ErrNotLeft.Field(fmt.Sprintf("body.left[%d]", i), "there is no such shipment")
		case err != nil:
			return nil, err
		case !res.State.Packed():
			return nil, stock.ErrNotLeft.Field(fmt.Sprintf("body.left[%d]", i), "the shipment is %s", res.State.Status)
		}
		parcels[i] = stock.Parcel{
			OrderID: res.State.OrderID, Revision: res.State.Revision,
			Dispatch: func(ctx context.Context, req es.Request) error {
				_, err := c.Shipments.Dispatch(ctx, req, id)
				return err
			},
		}
	}
	return parcels, nil
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
