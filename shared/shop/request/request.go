// Package request is the registry of clients' keys for commands whose target the client names:
// cancelling an order, handing a shipment over. What a client creates with a key is its own
// registry, since its id follows from the key.
package request

import (
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
)

// Category is the first part of a request's stream id.
const Category = "request"

// Accepted: a client's key stands for this request from here on, and for no other. It is written
// with the request's first effect.
type Accepted struct {
	RequestID string `json:"requestId"`
	Operation string `json:"operation"` // as the API names it: "cancel-order"
	Target    string `json:"target"`    // the stream or entry that it is about: "order/5f0c2f5e-…"
}

// Register adds the request's event to a registry.
func Register(r *es.Registry) {
	es.Register[Accepted](r, "request.accepted", 1)
}

// ID names what a key stands for: one operation of one caller. Callers choose their keys by
// themselves, so two may choose the same.
func ID(operation, caller, key string) string { return ident.Derive(operation, caller, key) }

// Claim keeps a request's key to its target.
func Claim(id, operation, target string) es.Claim {
	return es.Claim{
		Stream: es.NewStreamID(Category, id),
		Event:  Accepted{RequestID: id, Operation: operation, Target: target},
	}
}
