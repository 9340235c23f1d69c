// Package account is a customer's money in one currency: what came in, what went out, and so what is left. The balance is never negative.
package account

import (
	"orderflow/shared/es"
	"orderflow/shared/money"
)

// The first parts of the stream ids. The last three are attempts: each holds one request to open an account or to move money.
const (
	Category           = "account"
	OpeningCategory    = "opening"
	DepositCategory    = "deposit"
	WithdrawalCategory = "withdrawal"
)

// Event is one of the events of an account's own stream.
type Event interface{ accountEvent() }

// Opened: the customer has an account in this currency.
type Opened struct {
	AccountID  string `json:"accountId"`
	CustomerID string `json:"customerId"`
	Currency   string `json:"currency"`
}

// Deposited: money came in. Reference is the stream of the attempt that brought it: a deposit's, or a payment's that was taken back.
type Deposited struct {
	Amount    money.Money `json:"amount"`
	Reference string      `json:"reference"`
}

// Withdrawn: money went out. Reference is the stream of the attempt that took it: a withdrawal's, or a payment's.
type Withdrawn struct {
	Amount    money.Money `json:"amount"`
	Reference string      `json:"reference"`
}

func (Opened) accountEvent()    {}
func (Deposited) accountEvent() {}
func (Withdrawn) accountEvent() {}

// OpeningProcessed: the request opened this account. It stands on the request's own stream, since the account's id follows from the currency, and
// a key that comes again with another currency would otherwise meet nothing that knows it.
type OpeningProcessed struct {
	OpeningID  string `json:"openingId"`
	AccountID  string `json:"accountId"`
	CustomerID string `json:"customerId"`
	Currency   string `json:"currency"`
}

// DepositProcessed: the request's money came in.
type DepositProcessed struct {
	DepositID string      `json:"depositId"`
	AccountID string      `json:"accountId"`
	Amount    money.Money `json:"amount"`
	Balance   money.Money `json:"balance"` // right after it, so that a repeated request gets the same answer
}

// WithdrawalProcessed: the request's money went out.
type WithdrawalProcessed struct {
	WithdrawalID string      `json:"withdrawalId"`
	AccountID    string      `json:"accountId"`
	Amount       money.Money `json:"amount"`
	Balance      money.Money `json:"balance"` // right after it, so that a repeated request gets the same answer
}

// Register adds the account's events, and those of the attempts at it, to a registry.
func Register(r *es.Registry) {
	es.Register[Opened](r, "account.opened", 1)
	es.Register[Deposited](r, "account.deposited", 1)
	es.Register[Withdrawn](r, "account.withdrawn", 1)
	es.Register[OpeningProcessed](r, "opening.processed", 1)
	es.Register[DepositProcessed](r, "deposit.processed", 1)
	es.Register[WithdrawalProcessed](r, "withdrawal.processed", 1)
}
