package contract

import (
	"context"
	"fmt"

	"orderflow/shared/kit/es"
)

// delivery is EventBridge's JSON around an event. Fields that are not of interest are passed over;
// EventBridge may add to them.
type delivery struct {
	DetailType string      `json:"detail-type"`
	Source     string      `json:"source"`
	Detail     es.Envelope `json:"detail"`
}

// Open takes the envelope out of EventBridge's JSON around it, and checks that the two agree: rules
// match on the outside, and consumers work with the inside. What the envelope carries is Decode's
// to check. The error is an ErrInvalid.
func Open(body []byte) (es.Envelope, error) {
	var d delivery
	if err := decodeJSON(body, &d); err != nil {
		return es.Envelope{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if d.DetailType != d.Detail.Type || d.Source != d.Detail.Source {
		return es.Envelope{}, fmt.Errorf(
			"%w: %s of %q around %s of %q", ErrInvalid, d.DetailType, d.Source, d.Detail.Type, d.Detail.Source,
		)
	}
	return d.Detail, nil
}

// Handle opens what EventBridge delivers and gives an event whose contract is T to handle, with
// what it carries. Another event, and one that breaks its contract, is an ErrInvalid or an
// ErrUnknown; any other error is handle's.
func Handle[T any](ctx context.Context, body []byte, handle func(context.Context, es.Envelope, T) error) error {
	e, err := Open(body)
	if err != nil {
		return err
	}
	data, err := Decode(e)
	if err != nil {
		return err
	}
	of, ok := data.(T)
	if !ok {
		return fmt.Errorf(
			"%w: %s is a %s in version %d, and not expected here", ErrInvalid, e.ID, e.Type, e.DataVersion,
		)
	}
	return handle(ctx, e, of)
}
