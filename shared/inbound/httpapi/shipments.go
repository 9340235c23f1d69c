package httpapi

import (
	"context"
	"errors"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/trace"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/trail"
)

type shipmentPath struct {
	ID string `path:"id" format:"uuid" doc:"The shipment's id"`
}

type moveShipmentInput struct {
	Keyed
	ID string `path:"id" format:"uuid" doc:"The shipment's id"`
}

type packedAnswer struct {
	SKU      string `json:"sku"`
	Quantity int64  `json:"quantity"`
}

type consignmentAnswer struct {
	ID              string          `json:"id"`
	OrderID         string          `json:"orderId"`
	Status          shipment.Status `json:"status" enum:"scheduled,prepared,dispatched,delivered,cancelled,refused,voided"`
	TrackingNumber  string          `json:"trackingNumber" doc:"Empty if the shipment was never scheduled"`
	Items           []packedAnswer  `json:"items" doc:"Packed items; empty before the shipment is prepared or its order amended"`
	ShippingAddress *addressAnswer  `json:"shippingAddress" doc:"Destination. null before the shipment is prepared or its order amended, if the customer is erased, and for the carrier once it is delivered or cancelled"`
	Labelled        bool            `json:"labelled,omitempty" doc:"true once the label is printed: the contents are final"`
	Version         int64           `json:"version" doc:"Sequence number of the shipment's last event"`
}

type consignmentOutput struct {
	ETag string `header:"ETag"`
	Body consignmentAnswer
}

func (c Commands) dispatchShipment(
	ctx context.Context, id identity, in *moveShipmentInput,
) (*consignmentOutput, error) {
	return c.moveShipment(ctx, id, in, "dispatch-shipment", c.Shipments.Dispatch)
}

func (c Commands) deliverShipment(ctx context.Context, id identity, in *moveShipmentInput) (*consignmentOutput, error) {
	return c.moveShipment(ctx, id, in, "deliver-shipment", c.Shipments.Deliver)
}

func (c Commands) moveShipment(ctx context.Context, id identity, in *moveShipmentInput, operation string,
	move func(context.Context, es.Request, string) (es.Result[shipment.State], error),
) (*consignmentOutput, error) {
	req, err := in.claimed(ctx, id, c.Clock.Now(), operation, shipment.Category, in.ID, struct{}{})
	if err != nil {
		return nil, err
	}
	res, err := move(ctx, req, in.ID)
	// A carrier has a trace of its own, or none: its report is linked to what it follows from.
	trace.Link(ctx, res.Traceparent)
	if err != nil {
		return nil, err
	}
	return answerShipment(ctx, id, c.Shipments, res)
}

func (q Queries) getShipment(ctx context.Context, id identity, in *shipmentPath) (*consignmentOutput, error) {
	res, err := q.Shipments.Find(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return answerShipment(ctx, id, q.Shipments, res)
}

// answerShipment decrypts where a shipment goes, for a carrier while they have a use for it. What
// nobody can read any more is left out.
func answerShipment(
	ctx context.Context, id identity, shipments shipment.Service, res es.Result[shipment.State],
) (*consignmentOutput, error) {
	s := res.State
	trail.Learn(ctx, trail.Trail{OrderID: s.OrderID})
	out := &consignmentOutput{ETag: etag(res.Head.Version()), Body: consignmentAnswer{
		ID: s.ID, OrderID: s.OrderID, Status: s.Status, TrackingNumber: s.TrackingNumber,
		Items: make([]packedAnswer, len(s.Items)), Version: res.Head.Version(),
		Labelled: s.Labelled,
	}}
	for i, item := range s.Items {
		out.Body.Items[i] = packedAnswer(item)
	}
	carried := s.Status == shipment.StatusPrepared || s.Status == shipment.StatusDispatched
	if s.Address == "" || id.carrier != "" && !carried {
		return out, nil
	}
	to, err := shipments.OpenAddress(ctx, s)
	switch {
	case errors.Is(err, personal.ErrErased):
	case err != nil:
		return nil, err
	default:
		out.Body.ShippingAddress = answerAddress(to)
	}
	return out, nil
}
