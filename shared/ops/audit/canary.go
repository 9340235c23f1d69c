package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
)

// The canary's envelope. It is no contract: nobody but the audit's own rule is to match it.
const (
	CanarySource = "audit-service"
	CanaryType   = "audit.sampled"
)

// Canary is an event that says nothing. What it is tells by itself whether it arrived as it was
// sent.
type Canary struct {
	ID string    `json:"id"`
	At time.Time `json:"at"` // when it was sent
}

// Envelope is the canary on the bus.
func (c Canary) Envelope() es.Envelope {
	data, err := json.Marshal(struct {
		SentAt time.Time `json:"sentAt"`
	}{c.At})
	if err != nil {
		panic("audit: a time always encodes: " + err.Error())
	}
	return es.Envelope{
		SpecVersion: es.SpecVersion, ID: "audit/" + c.ID + "@1", Source: CanarySource, Type: CanaryType,
		Subject: "audit/" + c.ID, Time: c.At,
		DataContentType: "application/json", DataSchema: "urn:orderflow:schema:" + CanaryType + ":1", DataVersion: 1,
		Sequence: 1, CorrelationID: c.ID, Data: data,
	}
}

// Bus takes envelopes and returns one result for each.
type Bus interface {
	Put(context.Context, []es.Envelope) []error
}

// Arrival is a message that the bus has delivered to the audit's queue.
type Arrival struct {
	Body    []byte
	At      time.Time // when it came into the queue
	Receipt string
}

// Sample is the audit's queue.
type Sample interface {
	// Receive gives some of the messages in the queue, and waits up to wait for the first. None
	// says that there are none.
	Receive(ctx context.Context, wait time.Duration) ([]Arrival, error)
	// Delete takes messages out of the queue. One that stays comes again.
	Delete(ctx context.Context, arrivals []Arrival) error
}

// The most that is received at the beginning and at the end of an audit. More than a canary a run
// comes only where audits were cut off.
const (
	receives = 20
	waits    = 3
	wait     = 3 * time.Second
	// ahead of giving up a canary: a queue that is asked without waiting may keep back what it has
	glance = time.Second
)

// canary takes in what has arrived, gives up what should have, and sends the next one.
func (r *run) canary(ctx context.Context) (all []Arrival, err error) {
	ctx, cancel := before(ctx, looking)
	defer cancel()
	ctx, cancel = context.WithTimeout(ctx, sending)
	defer cancel()
	for range receives {
		wait := time.Duration(0)
		if len(r.state.Canaries) > 0 {
			wait = glance
		}
		got, err := r.receive(ctx, wait)
		if err != nil {
			return all, err
		}
		if all = append(all, got...); len(got) == 0 {
			break
		}
	}
	waiting := r.state.Canaries
	r.state.Canaries = nil
	for _, c := range waiting {
		if r.now.Sub(c.At) <= r.Settle && !clock.Ahead(c.At, r.now) { // one dated ahead would be waited for until then
			r.state.Canaries = append(r.state.Canaries, c)
			continue
		}
		slog.ErrorContext(ctx, "canary did not arrive", "id", c.ID, "sent", c.At)
		r.summary.CanaryMissing++
	}
	next := Canary{ID: ident.New(), At: r.Clock.Now().UTC()}
	results := r.Bus.Put(ctx, []es.Envelope{next.Envelope()})
	if err := errors.Join(results...); err != nil {
		return all, fmt.Errorf("the bus takes no canary: %w", err)
	}
	r.state.Canaries = append(r.state.Canaries, next)
	return all, nil
}

// await waits a while for the canaries. One that does not arrive now may do so until the next
// audit.
func (r *run) await(ctx context.Context) (all []Arrival, err error) {
	ctx, cancel := before(ctx, keeping)
	defer cancel()
	for range waits {
		if len(r.state.Canaries) == 0 {
			break
		}
		got, err := r.receive(ctx, wait)
		if err != nil {
			return all, err
		}
		all = append(all, got...)
	}
	return all, nil
}

// receive takes in some of what has arrived.
func (r *run) receive(ctx context.Context, wait time.Duration) ([]Arrival, error) {
	arrivals, err := r.Sample.Receive(ctx, wait)
	for _, a := range arrivals {
		r.arrived(ctx, a)
	}
	return arrivals, err
}

// arrived strikes off the canary that has arrived. Anything else in the queue, and a canary that is
// not as it was sent, counts for nothing.
func (r *run) arrived(ctx context.Context, a Arrival) {
	got, err := contract.Open(a.Body)
	for i, c := range r.state.Canaries {
		sent := c.Envelope()
		if err != nil || got.ID != sent.ID || !same(got, sent) {
			continue
		}
		r.state.Canaries = append(r.state.Canaries[:i:i], r.state.Canaries[i+1:]...)
		r.summary.Arrived++
		r.Latency(MetricCanaryLatency, max(0, a.At.Sub(c.At)))
		return
	}
	slog.WarnContext(ctx, "what arrived is no canary that is waited for", "id", got.ID)
}

func same(a, b es.Envelope) bool {
	first, err1 := json.Marshal(a)
	second, err2 := json.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(first, second)
}
