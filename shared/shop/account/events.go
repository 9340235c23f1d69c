// Package account is a customer's money in one currency: what came in, what went out, and so what
// is left. The balance is never negative.
package account

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/money"
)

// The first parts of the stream ids. All but the first are attempts: each holds one request to open
// an account or to move money.
const (
	Category           = "account"
	OpeningCategory    = "opening"
	DepositCategory    = "deposit"
	WithdrawalCategory = "withdrawal"
	TransferCategory   = "transfer"
	InterestCategory   = "interest"
)

// Event is one of the events of an account's own stream.
type Event interface{ accountEvent() }

// Opened: the customer has an account in this currency.
type Opened struct {
	AccountID  string `json:"accountId"`
	CustomerID string `json:"customerId"`
	Currency   string `json:"currency"`
}

// Deposited: money came in. Reference is the stream of the attempt that brought it: a deposit's, or
// a payment's that was taken back.
type Deposited struct {
	Amount    money.Money `json:"amount"`
	Reference string      `json:"reference"`
}

// Withdrawn: money went out. Reference is the stream of the attempt that took it: a withdrawal's,
// or a payment's.
type Withdrawn struct {
	Amount    money.Money `json:"amount"`
	Reference string      `json:"reference"`
}

// TransferredOut: money went to another account, whose stream got its TransferredIn in the same
// append. Reference is the transfer's stream.
type TransferredOut struct {
	ToAccountID string      `json:"toAccountId"`
	Amount      money.Money `json:"amount"`
	Reference   string      `json:"reference"`
}

// TransferredIn: money came from another account. Reference is the transfer's stream.
type TransferredIn struct {
	FromAccountID string      `json:"fromAccountId"`
	Amount        money.Money `json:"amount"`
	Reference     string      `json:"reference"`
}

// InterestApplied: the balance bore interest. The amount was computed once and is stored, so that a
// later rule of rounding changes no balance.
type InterestApplied struct {
	RateBasisPoints int64       `json:"rateBasisPoints"`
	Amount          money.Money `json:"amount"`
	Reference       string      `json:"reference"`
}

func (Opened) accountEvent()          {}
func (Deposited) accountEvent()       {}
func (Withdrawn) accountEvent()       {}
func (TransferredOut) accountEvent()  {}
func (TransferredIn) accountEvent()   {}
func (InterestApplied) accountEvent() {}

// OpeningProcessed: the request opened this account. It stands on the request's own stream, since
// the account's id follows from the currency, and a key that comes again with another currency
// would otherwise meet nothing that knows it.
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

// TransferProcessed: the request's money went from one account to the other.
type TransferProcessed struct {
	TransferID    string      `json:"transferId"`
	FromAccountID string      `json:"fromAccountId"`
	ToAccountID   string      `json:"toAccountId"`
	Amount        money.Money `json:"amount"`
	// of the sending account, right after it; the receiver's is not the sender's to know
	Balance money.Money `json:"balance"`
}

// InterestProcessed: the request's interest was applied. An amount of 0 left the account as it was.
type InterestProcessed struct {
	InterestID      string      `json:"interestId"`
	AccountID       string      `json:"accountId"`
	RateBasisPoints int64       `json:"rateBasisPoints"`
	Amount          money.Money `json:"amount"`
	Balance         money.Money `json:"balance"` // right after it, so that a repeated request gets the same answer
}

// Register adds the account's events, and those of the attempts at it, to a registry.
func Register(r *es.Registry) {
	es.Register[Opened](r, "account.opened", 1)
	es.Register[Deposited](r, "account.deposited", 1)
	es.Register[Withdrawn](r, "account.withdrawn", 1)
	es.Register[TransferredOut](r, "account.transferred-out", 1)
	es.Register[TransferredIn](r, "account.transferred-in", 1)
	es.Register[InterestApplied](r, "account.interest-applied", 1)
	es.Register[OpeningProcessed](r, "opening.processed", 1)
	es.Register[DepositProcessed](r, "deposit.processed", 1)
	es.Register[WithdrawalProcessed](r, "withdrawal.processed", 1)
	es.Register[TransferProcessed](r, "transfer.processed", 1)
	es.Register[InterestProcessed](r, "interest.processed", 1)
}
