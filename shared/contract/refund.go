package contract

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/refund"
)

// OrderRefunded is order.refunded. The operator's own words are left out.
type OrderRefunded struct {
	OrderID    string              `json:"orderId" doc:"The order. It has left, and stays as it is." minLength:"1"`
	RefundID   string              `json:"refundId" doc:"The refund." minLength:"1"`
	PaymentID  string              `json:"paymentId" doc:"The payment of which it is given back." minLength:"1"`
	CustomerID string              `json:"customerId,omitempty" doc:"Who ordered, as a pseudonym. Missing where the order was not read to publish it." minLength:"1"`
	Amount     Money               `json:"amount" doc:"What is given back: the sum of lines, shipping and goodwill. 0 for pieces that cost nothing."`
	Lines      []OrderRefundedLine `json:"lines,omitempty" doc:"Of it, what is given back for lines of the order." minItems:"1" nullable:"false"`
	Shipping   *Money              `json:"shipping,omitempty" doc:"Of it, what is given back for the shipping."`
	Goodwill   *Money              `json:"goodwill,omitempty" doc:"Of it, what is given back for nothing in particular."`
	Reason     string              `json:"reason" doc:"Why: returned, damaged, wrong-item, missing, late, overcharge, goodwill or other. More may follow." minLength:"1"`
	By         string              `json:"by" doc:"Who gave it back, as a pseudonym: person/ or machine/ and an id." minLength:"1"`
	RefundedAt string              `json:"refundedAt" doc:"When, RFC 3339." format:"date-time"`
	Refunded   Money               `json:"refunded" doc:"What is given back of the order in all, with this."`
}

// OrderRefundedLine is what a refund gives back for one line.
type OrderRefundedLine struct {
	Line     int64  `json:"line" doc:"The line's place in the order, from 0." minimum:"0"`
	SKU      string `json:"sku" doc:"What was ordered by it." minLength:"1"`
	Quantity int64  `json:"quantity,omitempty" doc:"Pieces for which it is given back. Missing for a part of the price alone." minimum:"1"`
	Amount   Money  `json:"amount" doc:"What is given back. 0 for pieces that cost nothing."`
}

// OrderRefund is a refund as order.updated has it.
type OrderRefund struct {
	RefundID   string              `json:"refundId" doc:"The refund." minLength:"1"`
	Amount     Money               `json:"amount" doc:"What was given back, as in order.refunded."`
	Lines      []OrderRefundedLine `json:"lines,omitempty" doc:"As in order.refunded." minItems:"1" nullable:"false"`
	Shipping   *Money              `json:"shipping,omitempty" doc:"As in order.refunded."`
	Goodwill   *Money              `json:"goodwill,omitempty" doc:"As in order.refunded."`
	Reason     string              `json:"reason" doc:"As in order.refunded." minLength:"1"`
	Note       string              `json:"note,omitempty" doc:"The operator's own words: ciphertext under the customer's data key."`
	By         string              `json:"by" doc:"As in order.refunded." minLength:"1"`
	RefundedAt string              `json:"refundedAt" doc:"As in order.refunded." format:"date-time"`
}

// PaymentPartiallyRefunded is payment.partially-refunded.
type PaymentPartiallyRefunded struct {
	PaymentID string `json:"paymentId" doc:"The payment." minLength:"1"`
	OrderID   string `json:"orderId" doc:"The order that it is for." minLength:"1"`
	AccountID string `json:"accountId" doc:"The account that has a part of its money back." minLength:"1"`
	RefundID  string `json:"refundId" doc:"The refund." minLength:"1"`
	Amount    Money  `json:"amount" doc:"What was given back by it."`
	Refunded  Money  `json:"refunded" doc:"What was given back of the payment in all, with this: at most what was charged."`
}

// RefundProcessed is refund.processed.
type RefundProcessed struct {
	RefundID  string `json:"refundId" doc:"The refund." minLength:"1"`
	OrderID   string `json:"orderId" doc:"The order: its order.refunded says for what." minLength:"1"`
	AccountID string `json:"accountId" doc:"The account that has the money." minLength:"1"`
	Amount    Money  `json:"amount" doc:"What was given back. Nothing was moved where it is 0."`
}

func orderRefunds(of []order.Refunded) []OrderRefund {
	var refunds []OrderRefund
	for _, r := range of {
		refunds = append(refunds, OrderRefund{
			RefundID: r.RefundID, Amount: amount(r.Amount), Lines: refundedLines(r.Lines),
			Shipping: amountOf(r.Shipping), Goodwill: amountOf(r.Goodwill), Reason: string(r.Reason),
			Note: string(r.Note), By: r.By, RefundedAt: r.RefundedAt,
		})
	}
	return refunds
}

func refundedLines(of []order.RefundedLine) []OrderRefundedLine {
	var lines []OrderRefundedLine
	for _, l := range of {
		lines = append(
			lines, OrderRefundedLine{Line: l.Line, SKU: l.SKU, Quantity: l.Quantity, Amount: amount(l.Amount)},
		)
	}
	return lines
}

// amountOf is an amount that may be missing.
func amountOf(m *money.Money) *Money {
	if m == nil {
		return nil
	}
	return new(amount(*m))
}

func refundTypes() []entry {
	of := func(context, name, subject, description string) Type {
		return Type{Name: name, Version: 1, Context: context, Subject: subject, Description: description}
	}
	return []entry{
		publishWith(
			of("order", "order.refunded", "order/{orderId}", "Money was given back for an order that has left."),
			func(r es.Recorded, e order.Refunded, s order.State) OrderRefunded {
				return OrderRefunded{
					OrderID: r.Stream.ID(), RefundID: e.RefundID, PaymentID: e.PaymentID, CustomerID: s.CustomerID,
					Amount: amount(e.Amount), Lines: refundedLines(e.Lines), Shipping: amountOf(e.Shipping),
					Goodwill: amountOf(e.Goodwill), Reason: string(e.Reason), By: e.By, RefundedAt: e.RefundedAt,
					Refunded: amount(e.Total),
				}
			}),
		publish(
			of("payment", "payment.partially-refunded", "payment/{paymentId}",
				"The account has a part of what was charged back; the order stands."),
			func(_ es.Recorded, e payment.PartiallyRefunded) PaymentPartiallyRefunded {
				return PaymentPartiallyRefunded{
					PaymentID: e.PaymentID, OrderID: e.OrderID, AccountID: e.AccountID, RefundID: e.RefundID,
					Amount: amount(e.Amount), Refunded: amount(e.Refunded),
				}
			}),
		publish(
			of("payment", "refund.processed", "refund/{refundId}", "A request to give money back was carried out."),
			func(_ es.Recorded, e refund.Processed) RefundProcessed {
				return RefundProcessed{
					RefundID: e.RefundID, OrderID: e.OrderID, AccountID: e.AccountID, Amount: amount(e.Refund.Amount),
				}
			}),
	}
}
