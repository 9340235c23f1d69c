package httpapi

import (
	"context"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/order"
)

// Watch is the part of a query's input that lets it wait for a change. It is exported because huma
// passes over unexported embedded fields.
type Watch struct {
	IfNoneMatch string `header:"If-None-Match" doc:"The ETag of the version that you have. The answer is 304, without a body, while that is the present one. Not with asOf." example:"\"3\""`
	Wait        int    `query:"wait" minimum:"1" maximum:"10" doc:"Seconds to wait: with If-None-Match until the version is another one, else until the saga's state is completed or failed. The answer comes at once when it is so, and at the end of the wait it shows the present state. Not with asOf."`
}

// The pauses between the reads of a request that waits: 100 ms, half as long again each time, up to
// a second. So one that waits ten seconds reads the order's stream 14 times after the first. It
// needs an instance of the function for all that time (docs/decisions/0080).
const (
	firstPause = 100 * time.Millisecond
	lastPause  = time.Second
)

// allowed refuses to watch the past.
func (w Watch) allowed(p Past) error {
	switch {
	case !p.asked():
		return nil
	case w.Wait > 0:
		return ErrInvalid.Field("query.wait", "expected either wait or asOf, got both: the past doesn't change")
	case w.IfNoneMatch != "":
		return ErrInvalid.Field("header.If-None-Match", "expected either If-None-Match or asOf, got both")
	}
	return nil
}

// known reports whether the caller has the version already.
func (w Watch) known(res es.Result[order.State]) bool {
	return w.IfNoneMatch != "" && w.IfNoneMatch == etag(res.Head.Version())
}

// settled reports whether there is nothing left to wait for.
func (w Watch) settled(res es.Result[order.State]) bool {
	if w.IfNoneMatch != "" {
		return !w.known(res)
	}
	return res.State.Saga == order.SagaCompleted || res.State.Saga == order.SagaFailed
}

// watch waits until an order is as the caller wants it, or the time is over, and gives the order as
// it is then. Each look reads what came after the one before, and nothing else. Nobody tells a
// function that its client is gone, so then it waits for nobody.
func (q Queries) watch(
	ctx context.Context, res es.Result[order.State], w Watch,
) (es.Result[order.State], error) {
	end := q.Clock.Now().Add(time.Duration(w.Wait) * time.Second)
	for pause := firstPause; !w.settled(res); pause = min(pause*3/2, lastPause) {
		left := end.Sub(q.Clock.Now())
		if left <= 0 {
			break
		}
		err := q.Clock.Sleep(ctx, min(pause, left))
		if err == nil {
			res, err = q.Orders.Refresh(ctx, res)
		}
		if err != nil {
			return res, err
		}
	}
	return res, nil
}
