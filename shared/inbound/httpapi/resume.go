package httpapi

import (
	"context"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
)

type payOrderBody struct {
	AccountID string `json:"accountId,omitempty" format:"uuid" doc:"The account to charge, of the order's customer and in its currency. The order's own account if omitted."`
}

type payOrderInput struct {
	Keyed
	ID   string `path:"id" format:"uuid" doc:"The order's id"`
	Body payOrderBody
}

type decideOrderBody struct {
	Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"Why, in the operator's own words. Stored encrypted, like an address."`
}

type decideOrderInput struct {
	Keyed
	ID   string `path:"id" format:"uuid" doc:"The order's id"`
	Body decideOrderBody
}

type approvalAnswer struct {
	_    struct{} `nullable:"true"`
	By   string   `json:"by" doc:"Who approved it, as the order's history names them" example:"person/4d1c"`
	Note string   `json:"note,omitempty" doc:"Why, in the words of who approved it. Absent if the customer is erased."`
}

func (c Commands) payOrder(ctx context.Context, id identity, in *payOrderInput) (*orderAccepted, error) {
	req, err := in.claimed(ctx, id, c.Clock.Now(), "pay-order", order.Category, in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	payment := order.PaymentInput{CustomerID: id.customer, AccountID: in.Body.AccountID, By: id.actor()}
	if id.isOperator() {
		payment.CustomerID = ""
	}
	return c.acceptOrder(ctx, id, func() (es.Result[order.State], error) {
		return c.Orders.RequestPayment(ctx, req, in.ID, payment)
	})
}

func (c Commands) approveOrder(ctx context.Context, id identity, in *decideOrderInput) (*orderAccepted, error) {
	return c.decideOrder(ctx, id, in, "approve-order", c.Orders.Approve)
}

func (c Commands) declineOrder(ctx context.Context, id identity, in *decideOrderInput) (*orderAccepted, error) {
	return c.decideOrder(ctx, id, in, "decline-order", c.Orders.Decline)
}

func (c Commands) decideOrder(
	ctx context.Context, id identity, in *decideOrderInput, operation string,
	decide func(context.Context, es.Request, string, order.Decision) (es.Result[order.State], error),
) (*orderAccepted, error) {
	req, err := in.claimed(ctx, id, c.Clock.Now(), operation, order.Category, in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	return c.acceptOrder(ctx, id, func() (es.Result[order.State], error) {
		return decide(ctx, req, in.ID, order.Decision{By: id.actor(), Note: in.Body.Reason})
	})
}

// acceptOrder answers a command on an order with the order.
func (c Commands) acceptOrder(
	ctx context.Context, id identity, command func() (es.Result[order.State], error),
) (*orderAccepted, error) {
	res, err := command()
	if err != nil {
		return nil, err
	}
	answer, err := openOrder(ctx, c.Orders, id, res.State, res.Head.Version())
	if err != nil {
		return nil, err
	}
	return accepted(answer), nil
}
