// Package customers is the read model of customers: what of their own stream is not personal. Their statistics are that, and what the view of orders counts for
// them: the two are fed by streams of their own, and each is as new as its own.
package customers

import (
	"context"
	"time"

	"orderflow/shared/clock"
	"orderflow/shared/customer"
	"orderflow/shared/es"
	"orderflow/shared/view"
	"orderflow/shared/view/orders"
)

// View is the read model of the customers' own streams.
var View = view.Definition[Profile]{Name: "customers", Category: customer.Category, Events: customer.Register, Evolve: Evolve}

// Profile is what the customer's own stream says, without personal data.
type Profile struct {
	CustomerID   string    `json:"customerId"`
	Registered   bool      `json:"registered"`
	RegisteredAt time.Time `json:"registeredAt,omitzero"`
	Sequence     int64     `json:"version" doc:"Version of the customer's own stream, 0 for none"`
}

// Row is a customer's statistics.
type Row struct {
	Profile
	orders.Counters
}

// Evolve folds an event of a customer's stream. It makes no decision and never fails.
func Evolve(p Profile, e es.Recorded) Profile {
	if d, ok := e.Data.(customer.Registered); ok {
		p.CustomerID, p.Registered, p.RegisteredAt = d.CustomerID, true, e.Time
	}
	p.Sequence = e.Version
	return p
}

// Reader reads statistics.
type Reader interface {
	// Statistics gives a customer's row. A customer who never ordered, or whom nobody knows, has zero counters and is not registered.
	Statistics(ctx context.Context, customerID string) (Row, error)
}

// Statistics is a Reader on a table of views.
type Statistics struct {
	profiles *view.Reader[Profile]
	orders   orders.Lists
}

// NewStatistics reads statistics from a table of views.
func NewStatistics(source view.Source, c clock.Clock) Statistics {
	return Statistics{profiles: view.NewReader(View, source, c), orders: orders.NewLists(source, c)}
}

// Statistics implements Reader. It reads consistently: what is missing is still on its way to the views.
func (s Statistics) Statistics(ctx context.Context, customerID string) (Row, error) {
	profile, err := s.profiles.Row(ctx, customerID)
	if err != nil {
		return Row{}, err
	}
	profile.CustomerID = customerID
	counters, err := s.orders.Counters(ctx, customerID)
	return Row{Profile: profile, Counters: counters}, err
}
