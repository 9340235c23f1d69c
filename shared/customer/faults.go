package customer

import "orderflow/shared/faults"

// The faults of a customer.
var (
	ErrInvalid           = faults.Declare(faults.Invalid, "customer.invalid")
	ErrAlreadyRegistered = faults.Declare(faults.Conflict, "customer.already-registered")
	ErrNotFound          = faults.Declare(faults.NotFound, "customer.not-found")
	ErrErased            = faults.Declare(faults.Rule, "customer.erased")
)
