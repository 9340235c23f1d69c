package product

import "orderflow/shared/kit/faults"

// The faults of a product.
var (
	ErrNotFound        = faults.Declare(faults.NotFound, "product.not-found")  // nobody ever listed it
	ErrInvalidPrices   = faults.Declare(faults.Rule, "product.invalid-prices") // no prices that a product can have
	ErrVersionRequired = faults.Declare(faults.Precondition, "product.version-required")
	ErrVersionMismatch = faults.Declare(faults.Precondition, "product.version-mismatch")
)

// inField says of a fault where in the request it arose.
func inField(err error, field string) error {
	if f, ok := faults.As(err); ok {
		f.Field = field
	}
	return err
}
