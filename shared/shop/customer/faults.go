package customer

import (
	"errors"

	"orderflow/shared/kit/faults"
)

// The faults of a customer.
var (
	ErrInvalid           = faults.Declare(faults.Invalid, "customer.invalid")
	ErrAlreadyRegistered = faults.Declare(faults.Conflict, "customer.already-registered")
	ErrNotFound          = faults.Declare(faults.NotFound, "customer.not-found")
	ErrErased            = faults.Declare(faults.Rule, "customer.erased")
	ErrVersionRequired   = faults.Declare(faults.Precondition, "customer.version-required")
	ErrVersionMismatch   = faults.Declare(faults.Precondition, "customer.version-mismatch")
)

// ErrMailSuppressed says of a customer that no mail goes to their address, until they give one
// again.
var ErrMailSuppressed = errors.New("customer: mail to the address is suppressed")

// ErrNotErased says of a customer whose key was to be destroyed that their stream doesn't have them
// erased. Nothing was destroyed.
var ErrNotErased = errors.New("customer: not erased")
