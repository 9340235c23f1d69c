package contract

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/payment"
)

// PaymentProcessed is payment.processed.
type PaymentProcessed struct {
	PaymentID string `json:"paymentId" doc:"The payment." minLength:"1"`
	OrderID   string `json:"orderId" doc:"The order that it is for." minLength:"1"`
	AccountID string `json:"accountId" doc:"The account that was charged." minLength:"1"`
	Amount    Money  `json:"amount" doc:"What was charged. Nothing was moved where it is 0."`
}

// PaymentDeclined is payment.declined.
type PaymentDeclined struct {
	PaymentID string `json:"paymentId" doc:"The payment." minLength:"1"`
	OrderID   string `json:"orderId" doc:"The order that it was for." minLength:"1"`
	Code      string `json:"code" doc:"The rule that forbade it: account.insufficient-funds, for one." minLength:"1"`
	Detail    string `json:"detail,omitempty" doc:"The same in words, without personal data."`
}

// PaymentRefunded is payment.refunded.
type PaymentRefunded struct {
	PaymentID string `json:"paymentId" doc:"The payment." minLength:"1"`
	OrderID   string `json:"orderId" doc:"The order that it was for." minLength:"1"`
	AccountID string `json:"accountId" doc:"The account that has its money back." minLength:"1"`
	Amount    Money  `json:"amount" doc:"What was given back: all that was charged, less what was given back before."`
}

// PaymentVoided is payment.voided.
type PaymentVoided struct {
	PaymentID string `json:"paymentId" doc:"The payment." minLength:"1"`
	OrderID   string `json:"orderId" doc:"The order that it would have been for." minLength:"1"`
}

func paymentTypes() []entry {
	of := func(name, description string) Type {
		return Type{
			Name: name, Version: 1, Context: "payment", Subject: "payment/{paymentId}", Description: description,
		}
	}
	return []entry{
		publish(of("payment.processed", "An account was charged for an order."),
			func(_ es.Recorded, e payment.Processed) PaymentProcessed {
				return PaymentProcessed{
					PaymentID: e.PaymentID, OrderID: e.OrderID, AccountID: e.AccountID, Amount: amount(e.Amount),
				}
			}),
		publish(of("payment.declined", "A rule forbade the charge, for good."),
			func(_ es.Recorded, e payment.Declined) PaymentDeclined {
				return PaymentDeclined{PaymentID: e.PaymentID, OrderID: e.OrderID, Code: e.Code, Detail: e.Detail}
			}),
		paymentAdjusted(of(
			"payment.adjusted", "The order was amended: the account was charged the difference, or has it back.",
		)),
		publish(of("payment.refunded", "The account has back what was charged."),
			func(_ es.Recorded, e payment.Refunded) PaymentRefunded {
				return PaymentRefunded{
					PaymentID: e.PaymentID, OrderID: e.OrderID, AccountID: e.AccountID, Amount: amount(e.Amount),
				}
			}),
		publish(of("payment.voided", "The payment was taken back before it was made; it will not be made any more."),
			func(_ es.Recorded, e payment.Voided) PaymentVoided {
				return PaymentVoided{PaymentID: e.PaymentID, OrderID: e.OrderID}
			}),
	}
}
