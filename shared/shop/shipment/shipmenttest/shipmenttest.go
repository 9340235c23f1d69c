// Package shipmenttest is the suite that keeps of shipping's copies of orders pass, and one in
// memory. Only tests import it.
package shipmenttest

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/shipment"
)

// Copies keep copies in memory. They are safe for concurrent use.
type Copies struct {
	mu   sync.Mutex
	rows map[string]shipment.Known
}

// NewCopies keeps nothing yet.
func NewCopies() *Copies { return &Copies{rows: map[string]shipment.Known{}} }

// Put implements shipment.Copies.
func (c *Copies) Put(ctx context.Context, next shipment.Copy) (shipment.Known, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	row := c.rows[next.OrderID]
	completes := row.Copy.Sequence == next.Sequence && row.Copy.ShipmentID == "" && next.ShipmentID != ""
	fresh := row.Copy.Sequence < next.Sequence || completes
	if fresh {
		row.Copy = next
		c.rows[next.OrderID] = row
	}
	return row, fresh, ctx.Err()
}

// Confirm implements shipment.Copies.
func (c *Copies) Confirm(ctx context.Context, next shipment.Confirmation) (shipment.Known, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	row := c.rows[next.OrderID]
	if row.Confirmation.Sequence < next.Sequence {
		row.Confirmation = next
		c.rows[next.OrderID] = row
	}
	return row, ctx.Err()
}

// Run puts a keep of copies through the suite.
func Run(t *testing.T, copies shipment.Copies) {
	t.Helper()
	of := func(order string, sequence int64, status string) shipment.Copy {
		id := ""
		if status != "placed" {
			id = "s-" + order
		}
		return shipment.Copy{
			ShipmentID: id, OrderID: order, Sequence: sequence, Status: status, Revision: 1, CustomerID: "ada",
			Address: "pd1:x",
			Lines:   []shipment.Item{{SKU: "cd-1", Quantity: sequence}, {SKU: "cd-1", Quantity: 1}},
		}
	}
	put := func(t *testing.T, c shipment.Copy, fresh bool, want shipment.Known) {
		t.Helper()
		got, is, err := copies.Put(t.Context(), c)
		if err != nil || is != fresh {
			t.Fatalf("copy %d: fresh %v, %v, want %v", c.Sequence, is, err, fresh)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("copy %d (-want +got):\n%s", c.Sequence, diff)
		}
	}
	confirm := func(t *testing.T, c shipment.Confirmation, want shipment.Known) {
		t.Helper()
		got, err := copies.Confirm(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("confirmation (-want +got):\n%s", diff)
		}
	}
	t.Run("stale and repeated copies are refused", func(t *testing.T) {
		id := ident.New()
		one, three, four := of(id, 1, "placed"), of(id, 3, "confirmed"), of(id, 4, "shipped")
		put(t, one, true, shipment.Known{Copy: one})
		put(t, one, false, shipment.Known{Copy: one})
		put(t, four, true, shipment.Known{Copy: four})
		put(t, three, false, shipment.Known{Copy: four})
		put(t, four, false, shipment.Known{Copy: four})
	})
	t.Run("a copy and a confirmation come in any order", func(t *testing.T) {
		for _, confirmedFirst := range []bool{false, true} {
			id := ident.New()
			c, placed, k := of(id, 3, "confirmed"), of(id, 1, "placed"),
				shipment.Confirmation{OrderID: id, Sequence: 3, ShipmentID: "s"}
			if confirmedFirst {
				confirm(t, k, shipment.Known{Confirmation: k})
				put(t, placed, true, shipment.Known{Copy: placed, Confirmation: k})
				put(t, c, true, shipment.Known{Copy: c, Confirmation: k})
			} else {
				put(t, c, true, shipment.Known{Copy: c})
				confirm(t, k, shipment.Known{Copy: c, Confirmation: k})
			}
			confirm(t, k, shipment.Known{Copy: c, Confirmation: k})
			put(t, c, false, shipment.Known{Copy: c, Confirmation: k})
			confirm(
				t, shipment.Confirmation{OrderID: id, Sequence: 2, ShipmentID: "before"},
				shipment.Known{Copy: c, Confirmation: k},
			)
		}
	})
	t.Run("a copy of an earlier release gets its shipment", func(t *testing.T) {
		three := of(ident.New(), 3, "confirmed")
		earlier := three
		earlier.ShipmentID = ""
		put(t, earlier, true, shipment.Known{Copy: earlier})
		put(t, earlier, false, shipment.Known{Copy: earlier})
		put(t, three, true, shipment.Known{Copy: three})
		put(t, earlier, false, shipment.Known{Copy: three})
		other := three
		other.ShipmentID = "another"
		put(t, other, false, shipment.Known{Copy: three})
	})
	t.Run("of many at once the newest stays", func(t *testing.T) {
		id := ident.New()
		var wg sync.WaitGroup
		for n := range int64(12) {
			wg.Go(func() {
				if _, _, err := copies.Put(context.Background(), of(id, 1+n, "placed")); err != nil {
					t.Errorf("copy %d: %v", 1+n, err)
				}
			})
		}
		wg.Wait()
		put(t, of(id, 1, "placed"), false, shipment.Known{Copy: of(id, 12, "placed")})
	})
}
