package shipment

import "orderflow/shared/kit/faults"

// The faults of a shipment.
var (
	ErrInvalidAddress    = faults.Declare(faults.Invalid, "shipment.invalid-address")
	ErrCountryNotServed  = faults.Declare(faults.Rule, "shipment.country-not-served")
	ErrAddressUnreadable = faults.Declare(faults.Rule, "shipment.address-unreadable") // the customer was erased
	ErrNotFound          = faults.Declare(faults.NotFound, "shipment.not-found")
	// or it was refused: it never leaves
	ErrCancelled = faults.Declare(faults.Conflict, "shipment.cancelled")
	// its order is not confirmed, or it is not packed yet
	ErrNotPrepared   = faults.Declare(faults.Conflict, "shipment.not-prepared")
	ErrNotDispatched = faults.Declare(faults.Conflict, "shipment.not-dispatched") // only what left can arrive
	ErrDispatched    = faults.Declare(faults.Conflict, "shipment.dispatched")     // too late to cancel
	// ErrLabelled: what is in it is final. It can still be cancelled.
	ErrLabelled        = faults.Declare(faults.Conflict, "shipment.labelled")
	ErrVersionRequired = faults.Declare(faults.Precondition, "shipment.version-required")
	ErrVersionMismatch = faults.Declare(faults.Precondition, "shipment.version-mismatch")
)
