package shipment

import "orderflow/shared/faults"

// The faults of a shipment.
var (
	ErrInvalidAddress    = faults.Declare(faults.Invalid, "shipment.invalid-address")
	ErrCountryNotServed  = faults.Declare(faults.Rule, "shipment.country-not-served")
	ErrAddressUnreadable = faults.Declare(faults.Rule, "shipment.address-unreadable") // the customer was erased
)
