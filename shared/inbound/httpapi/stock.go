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
	SKU string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The SKU of the item"`
}

type setStockBody struct {
	OnHand int64    `json:"onHand" minimum:"0" maximum:"1000000000" doc:"Pieces on the shelf, including reserved and packed ones"`
	Left   []string `json:"left,omitempty" maxItems:"25" format:"uuid" nullable:"false" doc:"Shipments that had left the shelf before the count, and that may not be reported as dispatched yet, for example because the carrier reports late. This request dispatches each of them."`
}

type setStockInput struct {
	SKU         string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The SKU of the item"`
	IfMatch     string `header:"If-Match" doc:"The ETag of the stock level that you read before the count" example:"\"3\""`
	IfNoneMatch string `header:"If-None-Match" doc:"* for a new item"`
	Body        setStockBody
}

type stockAnswer struct {
	SKU       string `json:"sku"`
	OnHand    int64  `json:"onHand" doc:"The sum of available and reserved"`
	Available int64  `json:"available"`
	Reserved  int64  `json:"reserved"`
	Version   int64  `json:"version" doc:"Incremented by a count with another number and by the dispatch of a shipment, not by a reservation"`
	Shards    int64  `json:"shards,omitempty" minimum:"2" maximum:"16" doc:"Into how many shards the stock is split, where it is"`
}

type stockOutput struct {
	ETag string `header:"ETag"`
	Body stockAnswer
}

// expected is the version that the preconditions name: 0 for an article that must be new.
func (in *setStockInput) expected() (int64, error) {
	return expectedVersion(in.IfMatch, in.IfNoneMatch, stock.ErrVersionRequired.Field("header.If-Match",
		"expected If-Match with the ETag that you read before the count, or If-None-Match: * for a new item"))
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

type shardStockBody struct {
	Shards int64 `json:"shards" minimum:"1" maximum:"16" doc:"Into how many shards the stock is split; 1 for none"`
}

type shardStockInput struct {
	SKU  string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The SKU of the item"`
	Body shardStockBody
}

// shardStock needs no key: a duplicate spreads what is available once more.
func (c Commands) shardStock(ctx context.Context, _ identity, in *shardStockInput) (*stockOutput, error) {
	req := es.Request{CommitID: ident.New(), Time: c.Clock.Now(), Metadata: metadata(ctx)}
	level, err := c.Stock.Shard(ctx, req, in.SKU, in.Body.Shards)
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
			return nil, stock.ErrNotLeft.Field(
				fmt.Sprintf("body.left[%d]", i), "expected each shipment once, got a duplicate",
			)
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
	answer := stockAnswer{
		SKU: l.SKU, OnHand: l.OnHand, Available: l.Available, Reserved: l.Reserved, Version: l.Version,
	}
	if l.Shards > 1 {
		answer.Shards = l.Shards
	}
	return &stockOutput{ETag: etag(l.Version), Body: answer}
}
