package account

import "orderflow/shared/kit/faults"

// The faults of an account. A balance that would not fit is a money.ErrOverflow.
var (
	ErrAlreadyOpen       = faults.Declare(faults.Conflict, "account.already-open")
	ErrNotOpen           = faults.Declare(faults.Rule, "account.not-open")
	ErrNotFound          = faults.Declare(faults.NotFound, "account.not-found")
	ErrInsufficientFunds = faults.Declare(faults.Rule, "account.insufficient-funds")
	ErrWrongCurrency     = faults.Declare(faults.Rule, "account.wrong-currency")
	ErrAmountNotPositive = faults.Declare(faults.Rule, "account.amount-not-positive")
	ErrSameAccount       = faults.Declare(faults.Rule, "account.same-account")
	ErrRateOutOfRange    = faults.Declare(faults.Rule, "account.rate-out-of-range")
	ErrUnknownCustomer   = faults.Declare(faults.Rule, "account.unknown-customer") // whose the account is or would be
	// ErrCannotReceive is the one answer to a transfer that the receiver's side forbids. Whoever
	// sends learns nothing of that account: not whether there is one, whose it is, nor what is in
	// it.
	ErrCannotReceive = faults.Declare(faults.Rule, "account.cannot-receive")
	ErrNotYours      = faults.Declare(faults.Rule, "account.not-yours")
)
