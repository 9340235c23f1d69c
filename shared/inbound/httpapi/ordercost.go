package httpapi

import (
	"context"

	"orderflow/shared/ops/cost"
)

type costLineAnswer struct {
	Item     cost.Item `json:"item" doc:"What AWS has a price for" example:"dynamodb.write-unit"`
	Quantity string    `json:"quantity" doc:"How much of it an order uses on average" example:"90.200"`
	Dollars  string    `json:"dollars" example:"0.0000564"`
}

type orderCostAnswer struct {
	Ends    string           `json:"ends" enum:"delivered,cancelled" doc:"How the order ends: cancelled means at the last step of its saga, so that everything is undone"`
	Dollars string           `json:"dollars" doc:"What the order costs, in US dollars" example:"0.0006742"`
	Lines   []costLineAnswer `json:"lines" doc:"The dearest first"`
}

type costAnswer struct {
	PricesOf string            `json:"pricesOf" doc:"When the price list was read: a year, or a date" example:"2025"`
	Region   string            `json:"region" doc:"Whose prices they are" example:"us-east-1"`
	Source   string            `json:"source" doc:"Where the prices are from"`
	Orders   []orderCostAnswer `json:"orders"`
}

type costOutput struct{ Body costAnswer }

func (o Operations) getOrderCost(context.Context, identity, *struct{}) (*costOutput, error) {
	list, err := cost.Prices()
	if err != nil {
		return nil, err
	}
	out := &costOutput{Body: costAnswer{PricesOf: list.Date, Region: list.Region, Source: list.Source}}
	for _, kind := range []string{cost.Delivered, cost.Cancelled} {
		usage, err := cost.OfOrder(kind)
		if err != nil {
			return nil, err
		}
		lines, total, err := list.Bill(usage)
		if err != nil {
			return nil, err
		}
		one := orderCostAnswer{Ends: kind, Dollars: cost.Dollars(total)}
		for _, l := range lines {
			one.Lines = append(one.Lines, costLineAnswer{
				Item: l.Item, Quantity: cost.Number(l.Quantity), Dollars: cost.Dollars(l.Amount),
			})
		}
		out.Body.Orders = append(out.Body.Orders, one)
	}
	return out, nil
}
