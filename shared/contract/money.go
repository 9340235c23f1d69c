package contract

import "orderflow/shared/shop/money"

// Money is an exact amount.
type Money struct {
	Amount   int64  `json:"amount" doc:"Minor units of the currency: cents of a dollar."`
	Currency string `json:"currency" doc:"ISO 4217 alphabetic code." pattern:"^[A-Z]{3}$" example:"USD"`
}

// Money is the amount in the program's own terms.
func (m Money) Money() money.Money { return money.Money{Amount: m.Amount, Currency: m.Currency} }

func amount(m money.Money) Money { return Money{Amount: m.Amount, Currency: m.Currency} }
