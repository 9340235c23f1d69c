package stock

import (
	"fmt"
	"strings"

	"orderflow/shared/kit/faults"
)

// The faults of stock.
var (
	// less is available than is asked for; nothing is of a SKU that nobody counted
	ErrInsufficient = faults.Declare(faults.Rule, "stock.insufficient")
	// ErrBackordered: it waits for stock. No run undoes that: it waits too.
	ErrBackordered = faults.Declare(faults.Conflict, "stock.backordered")
	// ErrPartial: what was there is reserved, and not all of it. No run undoes that: it has the
	// order follow.
	ErrPartial  = faults.Declare(faults.Conflict, "stock.partial")
	ErrNotFound = faults.Declare(faults.NotFound, "stock.not-found")
	// no number of pieces that can be counted or reserved
	ErrInvalidQuantity = faults.Declare(faults.Rule, "stock.invalid-quantity")
	ErrCommitted       = faults.Declare(faults.Conflict, "stock.committed")    // too late to release
	ErrNotReserved     = faults.Declare(faults.Conflict, "stock.not-reserved") // only what is reserved can leave
	// no parcel that can have left with the SKU
	ErrNotLeft         = faults.Declare(faults.Rule, "stock.not-left")
	ErrVersionRequired = faults.Declare(faults.Precondition, "stock.version-required")
	ErrVersionMismatch = faults.Declare(faults.Precondition, "stock.version-mismatch")
	// ErrInconsistent: a row of counters is not what its events say. No second try mends it;
	// orderflow stock rebuild does.
	ErrInconsistent = faults.Declare(faults.Conflict, "stock.inconsistent")
)

// Insufficient is the refusal of a reservation for want of those SKUs. It names them, and not how
// many there are: that is nobody's business who orders.
func Insufficient(skus []string) *faults.Fault {
	return ErrInsufficient.New("not enough of %s", list(skus))
}

// partly is the answer to a reservation that has less than it is asked for.
func partly(missing []Item) *faults.Fault {
	skus := make([]string, len(missing))
	for i, item := range missing {
		skus[i] = item.SKU
	}
	return ErrPartial.New("reserved what there is; not enough of %s", list(skus))
}

// list names SKUs.
func list(skus []string) string {
	var list strings.Builder
	for i, sku := range skus {
		if i > 0 {
			list.WriteString(", ")
		}
		list.WriteString(quote(sku))
	}
	return list.String()
}

// Inconsistent is the refusal of what would change a SKU's counters that are not what its events
// say.
func Inconsistent(sku, format string, args ...any) *faults.Fault {
	return ErrInconsistent.New("the counters of %s are not what its events say: %s; an operator repairs them with "+
		"orderflow stock rebuild", quote(sku), fmt.Sprintf(format, args...))
}
