package httpapi

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/kit/es"
	"orderflow/shared/read/view/allorders"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/stock"
)

// maxAttempts is how many reservations of an order are looked at, the newest: one for each time
// that people changed its stock on purpose.
const maxAttempts = 10

// movements adds what orders did to the stock of a SKU.
func (s *server) movements(q Queries) {
	register(s, accessOperator, huma.Operation{
		OperationID: "listStockMovements", Method: http.MethodGet, Path: "/stock/{sku}/movements",
		Summary: "Read what orders did to an item's stock",
		Description: "For operators. What was reserved, given back and dispatched of the item, and for which order, " +
			"in pages of orders that have it now, the most recently placed order first. A page looks at up to " +
			"1000 orders, and may have none of them and a next page. What was counted is the item's history.",
	}, q.listStockMovements)
}

type stockMovementsInput struct {
	SKU    string `path:"sku" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The SKU"`
	Limit  int    `query:"limit" minimum:"1" maximum:"25" default:"10" doc:"Maximum number of orders per page"`
	Cursor string `query:"cursor" maxLength:"1024" doc:"The next value of the previous page; opaque"`
}

type stockMovementAnswer struct {
	Time      time.Time    `json:"time"`
	Kind      string       `json:"kind" enum:"stock.reserved,stock.backordered,stock.amended,stock.released,stock.departed,stock.committed" doc:"The event"`
	OrderID   string       `json:"orderId" format:"uuid"`
	Revision  int64        `json:"revision" doc:"Of the order"`
	Quantity  int64        `json:"quantity" doc:"Pieces that were moved, or that the order waits for"`
	Available int64        `json:"available" doc:"By how much the available pieces changed"`
	OnHand    int64        `json:"onHand" doc:"By how much the pieces on hand changed"`
	Actor     *actorAnswer `json:"actor,omitempty" doc:"Who brought it about"`
}

type stockMovementsAnswer struct {
	Movements     []stockMovementAnswer `json:"movements" doc:"Of the orders of the page, newest first"`
	LookedAt      int                   `json:"lookedAt" doc:"How many orders the page looked at"`
	LookedThrough *time.Time            `json:"lookedThrough,omitempty" doc:"When the oldest of them was placed"`
	Next          string                `json:"next,omitempty" doc:"The cursor of the next page; absent on the last page"`
}

type stockMovementsOutput struct{ Body stockMovementsAnswer }

func (q Queries) listStockMovements(
	ctx context.Context, id identity, in *stockMovementsInput,
) (*stockMovementsOutput, error) {
	page, err := q.AllOrders.List(ctx, allorders.Query{SKU: in.SKU, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, err
	}
	var all []stock.Movement
	for _, row := range page.Rows {
		made, err := q.movementsOf(ctx, row.OrderID, in.SKU)
		if err != nil {
			return nil, err
		}
		all = append(all, made...)
	}
	slices.SortStableFunc(all, func(a, b stock.Movement) int { return b.Time.Compare(a.Time) })
	out := &stockMovementsOutput{Body: stockMovementsAnswer{
		Movements: make([]stockMovementAnswer, len(all)), LookedAt: page.Looked, Next: page.Next,
	}}
	for i, m := range all {
		out.Body.Movements[i] = stockMovementAnswer{
			Time: m.Time.UTC(), Kind: m.Kind, OrderID: m.OrderID, Revision: m.Revision, Quantity: m.Quantity,
			Available: m.Available, OnHand: m.OnHand, Actor: actorFor(id, m.Metadata),
		}
	}
	if page.Looked > 0 {
		through := page.Through.UTC()
		out.Body.LookedThrough = &through
	}
	return out, nil
}

// movementsOf are those of an order, newest first. Its stream says which reservations it has made.
func (q Queries) movementsOf(ctx context.Context, orderID, sku string) (all []stock.Movement, err error) {
	history, err := q.Orders.History(ctx, orderID)
	if err != nil {
		return nil, err
	}
	state, err := es.Fold(order.Decider.Initial(), order.Evolve, history)
	if err != nil {
		return nil, err
	}
	for revision := max(1, state.StockRevision-maxAttempts+1); revision <= state.StockRevision; revision++ {
		made, err := q.Stock.Movements(ctx, orderID, revision, sku)
		if err != nil {
			return nil, err
		}
		all = append(all, made...)
	}
	slices.Reverse(all)
	return all, nil
}
