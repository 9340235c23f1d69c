package account

import "orderflow/shared/money"

// Command is one of the commands below. Those that move money carry the stream of the attempt that moves it, which carries them out at most once.
type Command interface{ accountCommand() }

// Open opens the account.
type Open struct {
	AccountID  string
	CustomerID string
	Currency   string
}

// Deposit brings money in from outside.
type Deposit struct {
	Amount    money.Money
	Reference string
}

// Withdraw takes money out.
type Withdraw struct {
	Amount    money.Money
	Reference string
}

// Charge takes money for a payment, if the account is that customer's.
type Charge struct {
	CustomerID string
	Amount     money.Money
	Reference  string
}

// Refund brings back exactly what the Charge with the same reference took.
type Refund struct {
	Amount    money.Money
	Reference string
}

func (Open) accountCommand()     {}
func (Deposit) accountCommand()  {}
func (Withdraw) accountCommand() {}
func (Charge) accountCommand()   {}
func (Refund) accountCommand()   {}
