package account

import "orderflow/shared/shop/money"

// Command is one of the commands below. Those that move money carry the stream of the attempt that
// moves it, which carries them out at most once.
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

// TransferOut sends money to another account, which receives it by a TransferIn with the same
// reference.
type TransferOut struct {
	ToAccountID string
	Amount      money.Money
	Reference   string
}

// TransferIn receives what another account sends by a TransferOut.
type TransferIn struct {
	FromAccountID string
	Amount        money.Money
	Reference     string
}

// ApplyInterest adds a part of the balance to it: RateBasisPoints hundredths of a percent, rounded
// to whole minor units, a half to the even one.
type ApplyInterest struct {
	RateBasisPoints int64 // 1 to MaxRate
	Reference       string
}

// MaxRate is the most interest that is applied at once, in basis points: it doubles the balance.
const MaxRate = 10_000

func (Open) accountCommand()          {}
func (Deposit) accountCommand()       {}
func (Withdraw) accountCommand()      {}
func (Charge) accountCommand()        {}
func (Refund) accountCommand()        {}
func (TransferOut) accountCommand()   {}
func (TransferIn) accountCommand()    {}
func (ApplyInterest) accountCommand() {}
