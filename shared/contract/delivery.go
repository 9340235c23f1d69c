package contract

import (
	"fmt"

	"orderflow/shared/es"
)

// delivery is EventBridge's JSON around an event. Fields that are not of interest are passed over; EventBridge may add to them.
type delivery struct {
	DetailType string      `json:"detail-type"`
	Source     string      `json:"source"`
	Detail     es.Envelope `json:"detail"`
}

// Open takes the envelope out of EventBridge's JSON around it, and checks that the two agree: rules match on the outside, and consumers work with the
// inside. What the envelope carries is Decode's to check. The error is an ErrInvalid.
func Open(body []byte) (es.Envelope, error) {
	var d delivery
	if err := decodeJSON(body, &d); err != nil {
		return es.Envelope{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if d.DetailType != d.Detail.Type || d.Source != d.Detail.Source {
		return es.Envelope{}, fmt.Errorf("%w: %s of %q around %s of %q", ErrInvalid, d.DetailType, d.Source, d.Detail.Type, d.Detail.Source)
	}
	return d.Detail, nil
}
