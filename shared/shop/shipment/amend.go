package shipment

import (
	"context"
	"errors"
	"slices"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/personal"
)

// Amended: the order has changed, in the same transaction. The shipment has these contents from
// here on, whether it was prepared before or is later.
type Amended struct {
	ShipmentID string          `json:"shipmentId"`
	OrderID    string          `json:"orderId"`
	Revision   int64           `json:"revision"`   // of the order, that the amendment made
	CustomerID string          `json:"customerId"` // whose data key the address is under
	Items      []Item          `json:"items"`      // one an SKU, ordered by SKU
	Address    personal.Sealed `json:"address"`    // an Address
}

// Labelled: its label is printed, and its contents are final. It may still be cancelled.
type Labelled struct {
	ShipmentID     string `json:"shipmentId"`
	OrderID        string `json:"orderId"`
	TrackingNumber string `json:"trackingNumber"`
}

func (Amended) shipmentEvent()  {}
func (Labelled) shipmentEvent() {}

// Contents is what a shipment brings, and where to.
type Contents struct {
	Revision   int64 // of the order that wants it so
	CustomerID string
	Items      []Item // a SKU may stand in them more than once
	Address    personal.Sealed
	Country    string // of the address, where it is a new one; "" where it stays
}

type amend struct{ Contents }

type label struct{}

func (amend) shipmentCommand() {}
func (label) shipmentCommand() {}

// amended: the shipment's stream decides between an amendment and the label, the dispatch and the
// cancellation, whichever comes first.
func amended(c amend, s State) ([]Event, error) {
	switch {
	case s.Labelled:
		return nil, ErrLabelled.New("the shipment is labelled")
	case s.Status == StatusScheduled || s.Status == StatusPrepared:
		return []Event{Amended{
			ShipmentID: s.ID, OrderID: s.OrderID, Revision: c.Revision, CustomerID: c.CustomerID,
			Items: goods.Sum(c.Items), Address: c.Address,
		}}, nil
	}
	return nil, ErrDispatched.New("the shipment is %s", s.Status)
}

func labelled(s State) ([]Event, error) {
	switch {
	case s.Status == StatusScheduled:
		return nil, ErrNotPrepared.New("the shipment is scheduled, and not prepared")
	case s.Status == StatusPrepared && !s.Labelled:
		return []Event{Labelled{ShipmentID: s.ID, OrderID: s.OrderID, TrackingNumber: s.TrackingNumber}}, nil
	}
	return nil, nil
}

// Amendment gives, at each try, what the append of an order's amendment writes besides, so that the
// shipment of one revision of the order has these contents from that very moment on. It is written
// whatever has changed: the shipment's stream is the arbiter between an amendment and the label or
// the dispatch.
//
// ErrLabelled, ErrDispatched and ErrCancelled where it is too late, ErrNotFound where it was never
// scheduled, ErrCountryNotServed where nothing is shipped to the new address's country.
func (s Service) Amendment(
	orderID string, revision int64, to Contents,
) func(context.Context, es.Request) ([]es.Commit, []es.Effect, error) {
	return func(ctx context.Context, req es.Request) ([]es.Commit, []es.Effect, error) {
		if to.Country != "" && !s.deps.Serves(to.Country) {
			return nil, nil, ErrCountryNotServed.Field(
				"body.shippingAddress.country", "orders are not shipped to the address's country",
			)
		}
		res, err := s.handler.Get(ctx, ID(orderID, revision))
		if err != nil {
			return nil, nil, err
		}
		events, err := decider.Decide(amend{to}, res.State)
		if err != nil {
			return nil, nil, err
		}
		return []es.Commit{req.Commit(res.Head, events[0])}, nil, nil
	}
}

// Label says that a shipment's label is printed with what it had at that version: its order is not
// amended any more. One that is labelled or has left is left as it is. ErrVersionMismatch where it
// has another version: what is in it may have changed since somebody looked. ErrNotFound,
// ErrCancelled, ErrNotPrepared where it is not packed.
func (s Service) Label(
	ctx context.Context, req es.Request, shipmentID string, version int64,
) (res es.Result[State], err error) {
	err = es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) error {
		res, err = s.handler.HandleAt(ctx, shipmentID, version, req, label{})
		var conflict *es.ConflictError
		if !errors.As(err, &conflict) || conflict.Actual < 0 || conflict.Actual == version {
			return err
		}
		res, err = s.labelledSince(ctx, shipmentID, version)
		return err
	})
	return res, err
}

// labelledSince gives a shipment that somebody has labelled with what it had at an earlier version.
func (s Service) labelledSince(ctx context.Context, shipmentID string, version int64) (es.Result[State], error) {
	now, err := s.Find(ctx, shipmentID)
	if err != nil {
		return now, err
	}
	history, err := s.deps.Store.Load(ctx, es.NewStreamID(Category, shipmentID), version)
	if err != nil {
		return now, err
	}
	changed := slices.ContainsFunc(history.Events, func(e es.Recorded) bool {
		switch e.Data.(type) {
		case Prepared, Amended, Cancelled:
			return true
		}
		return false
	})
	if changed || !now.State.Labelled || version > now.Head.Version() {
		return now, ErrVersionMismatch.New("the shipment's version is %d, not %d", now.Head.Version(), version)
	}
	return now, nil
}
