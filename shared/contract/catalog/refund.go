package catalog

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/refund"
)

var refundID = refund.ID("operator", "sample")

func refundFixtures() []fixture {
	shipping := usd(499)
	given := order.Refunded{
		RefundID: refundID, PaymentID: paymentID, Amount: usd(1676), Shipping: &shipping, Reason: order.RefundDamaged,
		Lines: []order.RefundedLine{{Line: 0, SKU: "CD-0042", Quantity: 1, Amount: usd(1177)}},
		Note:  sealed, By: "person/9d1c7b0e", RefundedAt: "2026-03-02T09:30:06Z", Total: usd(1676),
	}
	processed := given
	processed.Note = ""
	return []fixture{
		{es.NewStreamID(order.Category, orderID), 6, given},
		{es.NewStreamID(payment.Category, paymentID), 2, payment.PartiallyRefunded{
			PaymentID: paymentID, OrderID: orderID, AccountID: accountID, RefundID: refundID, Amount: usd(1676),
			Refunded: usd(1676),
		}},
		{es.NewStreamID(refund.Category, refundID), 1, refund.Processed{
			RefundID: refundID, OrderID: orderID, AccountID: accountID, Refund: processed,
		}},
	}
}
