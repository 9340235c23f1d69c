package contract

import "orderflow/shared/shop/money"

// Money is an exact amount.
type Money struct {
	Amount   int64  `json:"amount" doc:"Minor units of the currency: cents of a dollar."`
	Currency string `json:"currency" doc:"ISO 4217 alphabetic code." pattern:"^[A-Z]{3}$" example:"USD"`
}

func amount(m money.Money) Money { return Money{Amount: m.Amount, Currency: m.Currency} }
