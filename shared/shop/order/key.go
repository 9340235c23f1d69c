package order

import "orderflow/shared/kit/ident"

// ID is the id of the order that a caller's key stands for, whoever it is for. It names the caller
// as events do.
func ID(actor, key string) string { return ident.Derive(Category, actor, key) }

// RestID is the id of the order of what was not there of another one.
func RestID(orderID string) string { return ident.Derive("order-rest", orderID) }
