package account

import "orderflow/shared/faults"

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
	ErrNotYours          = faults.Declare(faults.Rule, "account.not-yours")
)
