package viewtest_test

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orderflow/shared/es"
	"orderflow/shared/order"
	"orderflow/shared/view/customers"
	"orderflow/shared/view/orders"
	"orderflow/shared/view/viewtest"
)

func TestMemory(t *testing.T) {
	m := &memory{orders: map[string]orders.Row{}, customers: map[string]customers.Row{}}
	viewtest.Run(t, viewtest.Tables{Orders: memoryOrders{m}, Customers: memoryCustomers{m}})
}

// memory keeps rows in maps.
type memory struct {
	mu        sync.Mutex
	orders    map[string]orders.Row
	customers map[string]customers.Row
}

type (
	memoryOrders    struct{ m *memory }
	memoryCustomers struct{ m *memory }
)

func (o memoryOrders) Get(_ context.Context, id string) (orders.Row, error) {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	return o.m.orders[id], nil
}

func (o memoryOrders) Put(_ context.Context, id string, old, next orders.Row) error {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	if actual := o.m.orders[id].Sequence; actual != old.Sequence {
		return &es.ConflictError{Stream: es.NewStreamID(order.Category, id), Expected: old.Sequence, Actual: actual}
	}
	o.m.orders[id] = next
	row := o.m.customers[next.CustomerID]
	row.Counters = row.Plus(customers.Delta(old, next))
	o.m.customers[next.CustomerID] = row
	return nil
}

// sorted gives the rows that match, the smallest key first.
func (o memoryOrders) sorted(match func(orders.Row) bool, at func(orders.Row) time.Time) []orders.Row {
	o.m.mu.Lock()
	defer o.m.mu.Unlock()
	var rows []orders.Row
	for _, r := range o.m.orders {
		if match(r) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b orders.Row) int {
		if c := at(a).Compare(at(b)); c != 0 {
			return c
		}
		return strings.Compare(a.OrderID, b.OrderID)
	})
	return rows
}

func (o memoryOrders) List(_ context.Context, customerID string, q orders.Query) (orders.Page, error) {
	limit, from, err := q.Check(customerID)
	if err != nil {
		return orders.Page{}, err
	}
	rows := o.sorted(func(r orders.Row) bool {
		before := from == orders.Position{} || r.PlacedAt.Before(from.PlacedAt) || r.PlacedAt.Equal(from.PlacedAt) && r.OrderID < from.OrderID
		return r.CustomerID == customerID && (q.Status == "" || r.Status == q.Status) && before
	}, func(r orders.Row) time.Time { return r.PlacedAt })
	slices.Reverse(rows)
	return q.NewPage(customerID, limit, rows[:min(len(rows), limit+1)]), nil
}

func (o memoryOrders) Open(_ context.Context, before time.Time) iter.Seq2[string, error] {
	return o.standing(before, false)
}

func (o memoryOrders) Failed(_ context.Context, before time.Time) iter.Seq2[string, error] {
	return o.standing(before, true)
}

func (o memoryOrders) standing(before time.Time, failed bool) iter.Seq2[string, error] {
	rows := o.sorted(func(r orders.Row) bool {
		return !r.Status.Final() && (r.Saga.State == order.SagaFailed) == failed && r.UpdatedAt.Before(before)
	}, func(r orders.Row) time.Time { return r.UpdatedAt })
	return func(yield func(string, error) bool) {
		for _, r := range rows {
			if !yield(r.OrderID, nil) {
				return
			}
		}
	}
}

func (c memoryCustomers) Get(_ context.Context, id string) (customers.Profile, error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	return c.m.customers[id].Profile, nil
}

func (c memoryCustomers) Put(_ context.Context, id string, old, next customers.Profile) error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	row := c.m.customers[id]
	if row.Sequence != old.Sequence {
		return &es.ConflictError{Stream: es.NewStreamID("customer", id), Expected: old.Sequence, Actual: row.Sequence}
	}
	row.Profile = next
	c.m.customers[id] = row
	return nil
}

func (c memoryCustomers) Statistics(_ context.Context, id string) (customers.Row, error) {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	row := viewtest.Full(c.m.customers[id])
	row.CustomerID = id
	return row, nil
}
