package shop

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"orderflow/shared/kit/clock"
)

// The pauses between the looks at the list: half as long again while there is no news.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 2 * time.Second
)

// watchedPage is how many orders a look asks for at once, the most that the API gives.
const watchedPage = 100

// Lister reads a page of all orders. Client.Orders is one.
type Lister func(ctx context.Context, query url.Values) (orders []ListedOrder, next string, err error)

// waitsFor says what an order of a status waits for, which may take longer than whoever watches it
// does, and which parameter of the stack says how long.
var waitsFor = map[string]string{
	"held":             ": it waits for somebody to approve it (parameters HoldCountries and HoldMinutes)",
	"backordered":      ": it waits for stock (parameter BackorderMinutes)",
	"payment-required": ": it waits for its customer to pay (parameter PaymentMinutes; 0 waits for nobody)",
}

// Watch tells when orders have come where somebody waits for them. It looks at the list of all
// orders, so that one request tells of all that are under way. The list follows the orders'
// streams: what it shows has happened, and is shown moments later. So it tells that, and not when,
// an order came there. It is safe for concurrent use.
type Watch struct {
	list  Lister
	clock clock.Clock
	wake  chan struct{} // holds one, after somebody has begun to wait

	mu      sync.Mutex
	waiting map[string]*follower // by order
}

// Arrival is an order that came where somebody waited for it, or why it did not.
type Arrival struct {
	Order ListedOrder
	Err   error
}

type follower struct {
	placedAt time.Time
	timeout  time.Duration
	until    time.Time
	there    func(ListedOrder) bool
	last     ListedOrder
	arrived  chan Arrival // takes one
}

// NewWatch makes a watch that looks only while Run runs.
func NewWatch(list Lister, c clock.Clock) *Watch {
	return &Watch{list: list, clock: c, wake: make(chan struct{}, 1), waiting: map[string]*follower{}}
}

// Follow waits for an order to be there, and at most for the timeout. The answer comes once, while
// Run runs. Nobody else may wait for the same order.
func (w *Watch) Follow(
	id string, placedAt time.Time, timeout time.Duration, there func(ListedOrder) bool,
) <-chan Arrival {
	f := &follower{
		placedAt: placedAt, timeout: timeout, until: w.clock.Now().Add(timeout), there: there,
		arrived: make(chan Arrival, 1),
	}
	w.mu.Lock()
	w.waiting[id] = f
	w.mu.Unlock()
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return f.arrived
}

// Run looks at the list as long as somebody waits, until ctx is done, which is no error.
func (w *Watch) Run(ctx context.Context) error {
	for pause := firstPause; ; {
		waiting, since := w.underWay()
		if len(waiting) == 0 {
			select {
			case <-w.wake:
			case <-ctx.Done():
				return nil
			}
			pause = firstPause
			continue
		}
		if w.clock.Sleep(ctx, pause) != nil {
			return nil //nolint:nilerr // who stops the watch knows why
		}
		news, err := w.look(ctx, waiting, since)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // who stops the watch knows why
		}
		if err != nil {
			return fmt.Errorf("follow the orders: %w", err)
		}
		w.giveUp()
		if pause = min(pause*3/2, lastPause); news {
			pause = firstPause
		}
	}
}

// underWay gives the orders that somebody waits for, and when the oldest of them was placed.
func (w *Watch) underWay() (waiting map[string]bool, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	waiting = make(map[string]bool, len(w.waiting))
	for id, f := range w.waiting {
		if waiting[id] = true; since.IsZero() || f.placedAt.Before(since) {
			since = f.placedAt
		}
	}
	return waiting, since
}

// look reads the list, newest first, until it has met all that are waited for, or those that were
// placed since then.
func (w *Watch) look(ctx context.Context, waiting map[string]bool, since time.Time) (news bool, err error) {
	query := url.Values{
		"limit": {strconv.Itoa(watchedPage)}, "placedAfter": {since.UTC().Format(time.RFC3339Nano)},
	}
	for {
		orders, next, err := w.list(ctx, query)
		if err != nil {
			return false, err
		}
		for _, o := range orders {
			delete(waiting, o.ID)
			news = w.tell(o) || news
		}
		if next == "" || len(waiting) == 0 {
			return news, nil
		}
		query.Set("cursor", next)
	}
}

// tell passes an order on, where it has come to where somebody waits for it.
func (w *Watch) tell(o ListedOrder) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.waiting[o.ID]
	if f == nil {
		return false
	}
	if f.last = o; !f.there(o) {
		return false
	}
	delete(w.waiting, o.ID)
	f.arrived <- Arrival{Order: o}
	return true
}

// giveUp ends the waits that took too long.
func (w *Watch) giveUp() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock.Now()
	for id, f := range w.waiting {
		if now.Before(f.until) {
			continue
		}
		delete(w.waiting, id)
		f.arrived <- Arrival{Err: fmt.Errorf(
			"order %s is %s in the list of all orders after %s%s", id, cmp.Or(f.last.Status, "not yet"), f.timeout,
			waitsFor[f.last.Status],
		)}
	}
}
