// Package catalog lists the views of the program, for all that works on each: the projector, the
// rebuild, the comparison with a replay.
package catalog

import (
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/customers"
	"orderflow/shared/read/view/orders"
)

// Views are all views. A further one is a line here.
func Views() []view.View {
	return []view.View{
		orders.View.View(),
		customers.View.View(),
	}
}
