package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
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

// IsReplay reports whether a message is an event that is replayed: one that carries the name of its
// replay, which EventBridge puts into the field replay-name, beside the event's detail, as
// orderflow events replay does. A body that is no JSON object is none.
func IsReplay(body []byte) bool {
	var event struct {
		ReplayName *string `json:"replay-name"`
	}
	return json.Unmarshal(body, &event) == nil && event.ReplayName != nil
}

// ErrMalformed says of a message that nothing follows from it, however often it comes: it is no
// event of the bus, it breaks its contract (ErrInvalid, ErrUnknown), it is of another stream than
// its data, or its consumer doesn't take it.
var ErrMalformed = errors.New("contract: malformed message")

// Malformed makes an ErrMalformed of a consumer's own objection to an event. It is poison.Is.
func Malformed(err error) error { return poison.Mark(fmt.Errorf("%w: %w", ErrMalformed, err)) }

// Route is what is done for the events of one type in one version. On makes one.
type Route func(ctx context.Context, e es.Envelope, data any) (taken bool, err error)

// On is the route of the events whose contract is T.
func On[T any](handle func(context.Context, es.Envelope, T) error) Route {
	return func(ctx context.Context, e es.Envelope, data any) (bool, error) {
		of, ok := data.(T)
		if !ok {
			return false, nil
		}
		return true, handle(ctx, e, of)
	}
}

// Handle is the door through which a consumer takes what EventBridge delivers: it opens the
// message, checks the event against its contract and its data against the stream that it is of, and
// gives it to the one route that is its type's. A message that doesn't come so far is an
// ErrMalformed, and poison.Is; any other error is the route's.
func Handle(ctx context.Context, body []byte, routes ...Route) error {
	e, err := Open(body)
	if err != nil {
		return Malformed(err)
	}
	t, data, err := decode(e)
	if err != nil {
		return Malformed(err)
	}
	if stream := t.stream(data); e.Subject != stream {
		return Malformed(fmt.Errorf("%w: %s is about %s and of %s", ErrInvalid, e.ID, stream, e.Subject))
	}
	value := data.Interface()
	for _, route := range routes {
		if taken, err := route(ctx, e, value); taken {
			return err
		}
	}
	return Malformed(fmt.Errorf(
		"%w: %s is a %s in version %d, and not expected here", ErrInvalid, e.ID, e.Type, e.DataVersion,
	))
}

// Request is the request of a consumer's command that follows from an event. Where the commit's id
// derives from the event, or from what the event is about, the event is one command however often
// it comes.
func Request(e es.Envelope, consumer, commitID string, now time.Time) es.Request {
	return es.Request{
		CommitID: commitID, Time: now,
		Metadata: es.Metadata{
			CorrelationID: e.CorrelationID, CausationID: e.ID,
			Traceparent: e.Traceparent, Tracestate: e.Tracestate, Actor: consumer,
		},
	}
}
