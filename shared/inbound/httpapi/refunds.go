package httpapi

import (
	"context"

	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/refund"
)

type refundLine struct {
	Line     *int64   `json:"line,omitempty" minimum:"0" maximum:"99" doc:"Index of the line in the order, from 0. Omit it if sku names the line." example:"0"`
	SKU      string   `json:"sku,omitempty" pattern:"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$" doc:"The line's SKU, if only one line of the order has it. With line, it must be that line's." example:"CD-0042"`
	Quantity int64    `json:"quantity,omitempty" minimum:"1" maximum:"100000" doc:"Pieces to refund. Without amount, they are refunded for their share of what is left of the line amount: all pieces together come to exactly that." example:"1"`
	Amount   *partSum `json:"amount,omitempty" doc:"Amount to refund for the line. Without quantity, it is a part of the price, and no piece counts as refunded."`
}

// partSum is an amount of a line, which may be 0 beside pieces. Its limit is order.MaxTotal.
type partSum struct {
	Amount   int64  `json:"amount" minimum:"0" maximum:"1000000000000" doc:"Minor units, for example cents for USD and yen for JPY" example:"500"`
	Currency string `json:"currency" pattern:"^[A-Z]{3}$" doc:"The order's currency, which may have been withdrawn since" example:"USD"`
}

type refundOrderBody struct {
	Lines    []refundLine       `json:"lines,omitempty" minItems:"1" maxItems:"100" doc:"Lines to refund, each named once"`
	Shipping *sum               `json:"shipping,omitempty" doc:"Amount to refund for shipping"`
	Goodwill *sum               `json:"goodwill,omitempty" doc:"Amount to refund as goodwill"`
	Reason   order.RefundReason `json:"reason" enum:"returned,damaged,wrong-item,missing,late,overcharge,goodwill,other" doc:"Why money is refunded. The customer's mail says it in words."`
	Note     string             `json:"note,omitempty" maxLength:"500" doc:"In the operator's own words, for operators only. Stored encrypted, like an address: not possible if the customer is erased."`
}

type refundOrderInput struct {
	Keyed
	ID   string `path:"id" format:"uuid" doc:"The order's id"`
	Body refundOrderBody
}

type refundedLineAnswer struct {
	Line     int64       `json:"line" doc:"Index of the line in the order, from 0"`
	SKU      string      `json:"sku"`
	Quantity int64       `json:"quantity,omitempty" doc:"Refunded pieces. Absent for a part of the price."`
	Amount   money.Money `json:"amount"`
}

// RefundAnswer is a refund. It is exported because huma passes over unexported embedded fields.
type RefundAnswer struct {
	ID         string               `json:"id"`
	Amount     money.Money          `json:"amount" doc:"The sum of lines, shipping and goodwill"`
	Lines      []refundedLineAnswer `json:"lines,omitempty"`
	Shipping   *money.Money         `json:"shipping,omitempty"`
	Goodwill   *money.Money         `json:"goodwill,omitempty"`
	Reason     order.RefundReason   `json:"reason" enum:"returned,damaged,wrong-item,missing,late,overcharge,goodwill,other"`
	RefundedAt string               `json:"refundedAt" format:"date-time"`
	By         string               `json:"by,omitempty" doc:"Who refunded; for operators" example:"person/9d1c7b0e"`
}

type orderRefundAnswer struct {
	RefundAnswer
	Note string `json:"note,omitempty" doc:"The operator's words; for operators. Absent if there are none, or if the customer is erased."`
}

type refundMade struct {
	RefundAnswer
	OrderID   string      `json:"orderId"`
	AccountID string      `json:"accountId" doc:"The account that received the money"`
	Refunded  money.Money `json:"refunded" doc:"Total of the order's refunds, right after this one"`
}

type refundOrderOutput struct {
	Location string `header:"Location" doc:"URL of the order, which shows all refunds"`
	Body     refundMade
}

func (c Commands) refundOrder(ctx context.Context, id identity, in *refundOrderInput) (*refundOrderOutput, error) {
	req, err := in.request(ctx, id, c.Clock.Now(), "refund-order", in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	b := in.Body
	give := order.GiveBack{Shipping: b.Shipping.money(), Goodwill: b.Goodwill.money(), Reason: b.Reason}
	for _, l := range b.Lines {
		give.Lines = append(
			give.Lines, order.LineRefund{Line: l.Line, SKU: l.SKU, Quantity: l.Quantity, Amount: l.Amount.money()},
		)
	}
	done, err := c.Refunds.GiveBack(ctx, req, in.Key, refund.Input{OrderID: in.ID, GiveBack: give, Note: b.Note})
	if err != nil {
		return nil, err
	}
	return &refundOrderOutput{Location: "/orders/" + done.OrderID, Body: refundMade{
		RefundAnswer: answerRefund(id, done.Refund), OrderID: done.OrderID, AccountID: done.AccountID,
		Refunded: done.Refund.Total,
	}}, nil
}

func answerRefund(id identity, r order.Refunded) RefundAnswer {
	a := RefundAnswer{
		ID: r.RefundID, Amount: r.Amount, Shipping: r.Shipping, Goodwill: r.Goodwill, Reason: r.Reason,
		RefundedAt: r.RefundedAt,
	}
	for _, l := range r.Lines {
		a.Lines = append(a.Lines, refundedLineAnswer(l))
	}
	if id.isOperator() { // others don't learn who works for the shop
		a.By = r.By
	}
	return a
}

// answerRefunds shows an order's refunds: to operators, with what they wrote.
func answerRefunds(
	ctx context.Context, orders order.Service, id identity, s order.State,
) ([]orderRefundAnswer, error) {
	var refunds []orderRefundAnswer
	for _, r := range s.Refunds {
		a := orderRefundAnswer{RefundAnswer: answerRefund(id, r)}
		if id.isOperator() {
			var err error
			if a.Note, err = orders.OpenRefundNote(ctx, s, r); err != nil {
				return nil, err
			}
		}
		refunds = append(refunds, a)
	}
	return refunds, nil
}

func (s *sum) money() *money.Money {
	if s == nil {
		return nil
	}
	return new(money.Money(*s))
}

func (p *partSum) money() *money.Money {
	if p == nil {
		return nil
	}
	return new(money.Money(*p))
}
