package order

import (
	"errors"

	"orderflow/shared/kit/faults"
)

// The faults of an order.
var (
	ErrNotFound     = faults.Declare(faults.NotFound, "order.not-found")
	ErrInvalidLines = faults.Declare(faults.Rule, "order.invalid-lines")
	ErrCancelling   = faults.Declare(faults.Conflict, "order.cancelling") // it is being cancelled, or is
	ErrFulfilled    = faults.Declare(faults.Conflict, "order.fulfilled")  // confirmed or further: nothing is left to do
	ErrDispatched   = faults.Declare(faults.Conflict, "order.dispatched") // too late to cancel
	ErrHeld         = faults.Declare(faults.Conflict, "order.held")       // it waits for approval
	// ErrNotWaiting: the order doesn't wait for what would end the wait.
	ErrNotWaiting   = faults.Declare(faults.Conflict, "order.not-waiting")
	ErrNotConfirmed = faults.Declare(faults.Conflict, "order.not-confirmed")
	ErrNotClosed    = faults.Declare(faults.Conflict, "order.not-closed") // cancelled is written only after cancelling
	// ErrShipmentUnderWay: a person may close a confirmed order only after its shipment is taken
	// back.
	ErrShipmentUnderWay = faults.Declare(faults.Conflict, "order.shipment-under-way")
	// what left or arrived is not the order's
	ErrOtherShipment = faults.Declare(faults.Conflict, "order.other-shipment")
	// ErrPriceChanged: something costs another amount than the caller expects. It comes as a
	// *PriceChangedError.
	ErrPriceChanged = faults.Declare(faults.Conflict, "order.price-changed")
	// ErrNotForSale: a SKU is not listed, is withdrawn, or has no price in the order's currency.
	ErrNotForSale      = faults.Declare(faults.Rule, "order.not-for-sale")
	ErrCurrencyMissing = faults.Declare(faults.Invalid, "order.currency-missing")
	ErrUnknownCustomer = faults.Declare(faults.Rule, "order.unknown-customer")
)

// ErrNobodyStopped says of a confirmed order that its shipment was taken back by nobody who may
// close it.
var ErrNobodyStopped = errors.New("order: the shipment of a confirmed order was taken back by nobody who may")
