package view

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
)

// How long readers go on with a generation that does not serve any more.
const (
	// CacheFor is how long a reader takes what it read of a view's generations for true. Reading it
	// each time would cost a request and some milliseconds for every list; a switch is rare, and
	// the generation that served is kept up for ReaderGrace after it.
	CacheFor = 5 * time.Second
	// ReaderGrace is how long a generation is kept up after a switch: longer than CacheFor and the
	// time that a function which answers queries has, together (shared/archtest compares).
	ReaderGrace = 20 * time.Second
)

// Source is what a reader needs of a table.
type Source interface {
	Rows
	Controls
}

// Reader reads the rows of the generation that serves. It is safe for concurrent use.
type Reader[R any] struct {
	definition Definition[R]
	source     Source
	clock      clock.Clock

	mu      sync.Mutex
	current Generation
	readAt  time.Time // zero: never
}

// NewReader makes a reader of a view.
func NewReader[R any](d Definition[R], source Source, c clock.Clock) *Reader[R] {
	return &Reader[R]{definition: d, source: source, clock: c}
}

// Row reads a stream's row; the zero R where there is none.
func (r *Reader[R]) Row(ctx context.Context, id string) (R, error) {
	var none R
	g, err := r.serving(ctx)
	if err != nil {
		return none, err
	}
	item, err := r.source.Row(ctx, g, id)
	if err != nil {
		return none, err
	}
	return r.definition.decode(item)
}

// Tally reads counters that rows of the view add to.
func (r *Reader[R]) Tally(ctx context.Context, name, id string) (map[string]int64, error) {
	g, err := r.serving(ctx)
	if err != nil {
		return nil, err
	}
	counters, _, err := r.source.Tally(ctx, g, name, id)
	return counters, err
}

// Listed is a row of a list with the id of its stream.
type Listed[R any] struct {
	ID   string
	Row  R
	Sort string // its place in the list
}

// rowsAhead is how many rows of a list are read together at most: what one request takes.
const rowsAhead = 100

// List reads a part of a list as the caller goes on, like Spread.
func (r *Reader[R]) List(ctx context.Context, q Query) iter.Seq2[Listed[R], error] {
	return r.Spread(ctx, q, []string{q.Partition})
}

// Spread reads lists that are one list spread over partitions, in the order of the whole, as
// Members does, and the rows with it, q.Limit of them together. A row that has left the list when
// it is read is left out. One that can't be read, an es.ErrCorrupt, keeps back none behind it; any
// other error is the last that comes.
func (r *Reader[R]) Spread(ctx context.Context, q Query, partitions []string) iter.Seq2[Listed[R], error] {
	return func(yield func(Listed[R], error) bool) {
		var members []Member
		left := q.Limit
		for m, err := range r.Members(ctx, q, partitions) {
			if err == nil {
				if members = append(members, m); len(members) < rowsAhead && len(members) != left {
					continue
				}
			}
			if !r.rows(ctx, q.Index, partitions, members, yield) {
				return
			}
			if err != nil {
				yield(Listed[R]{}, err)
				return
			}
			left, members = left-len(members), nil
		}
		r.rows(ctx, q.Index, partitions, members, yield)
	}
}

// rows reads rows of a list and gives them to the caller. It is false where nothing more is to
// come.
func (r *Reader[R]) rows(
	ctx context.Context, index Index, partitions []string, members []Member, yield func(Listed[R], error) bool,
) bool {
	if len(members) == 0 {
		return true
	}
	g, err := r.serving(ctx)
	if err != nil {
		yield(Listed[R]{}, err)
		return false
	}
	places := make([]Place, len(members))
	for i, m := range members {
		places[i] = Place{Generation: g, ID: m.ID}
	}
	_, looked, err := r.source.Look(ctx, nil, places)
	if err != nil {
		yield(Listed[R]{}, err)
		return false
	}
	for i, m := range members {
		listed, err := Listed[R]{ID: m.ID, Sort: m.Sort}, looked[i].Err
		if err == nil {
			if !slices.ContainsFunc(looked[i].Row.Keys, func(k Key) bool {
				return k.Index == index && k.Sort == m.Sort && slices.Contains(partitions, k.Partition)
			}) {
				continue
			}
			listed.Row, err = r.definition.decode(looked[i].Row)
		}
		if !yield(listed, err) || err != nil && !errors.Is(err, es.ErrCorrupt) {
			return false
		}
	}
	return true
}

// Members says which rows lists have that are one list spread over partitions, in the order of the
// whole: q.Partition names none of them. Each is read ahead by its share of q.Limit, all at once,
// and further as the caller goes on. A caller that takes long goes on in the generation that serves
// then: a row's place in a list is the same in all. An error is the last that comes.
func (r *Reader[R]) Members(ctx context.Context, q Query, partitions []string) iter.Seq2[Member, error] {
	if len(partitions) == 1 {
		q.Partition = partitions[0]
		return r.members(ctx, q)
	}
	return func(yield func(Member, error) bool) {
		heads := make([]head, len(partitions))
		var first sync.WaitGroup
		for i, partition := range partitions {
			part := q
			part.Partition = partition
			if q.Limit > 0 { // and some more, since shares differ and a second page costs more than keys
				share := (q.Limit + len(partitions) - 1) / len(partitions)
				part.Limit = share + share/4 + 1
			}
			heads[i].next, heads[i].stop = iter.Pull2(r.members(ctx, part))
			first.Go(heads[i].move)
		}
		defer func() {
			for _, h := range heads {
				h.stop()
			}
		}()
		first.Wait()
		for {
			best := -1
			for i, h := range heads {
				switch {
				case h.err != nil:
					yield(Member{}, h.err)
					return
				case !h.there:
				case best < 0, (h.member.Sort < heads[best].member.Sort) != q.Descending:
					best = i
				}
			}
			if best < 0 || !yield(heads[best].member, nil) {
				return
			}
			heads[best].move()
		}
	}
}

// members reads one partition.
func (r *Reader[R]) members(ctx context.Context, q Query) iter.Seq2[Member, error] {
	return func(yield func(Member, error) bool) {
		part := q
		for {
			g, err := r.serving(ctx)
			if err != nil {
				yield(Member{}, err)
				return
			}
			now := g
			for m, err := range r.source.List(ctx, g, part) {
				if !yield(m, err) || err != nil {
					return
				}
				if part.Descending {
					part.Before = m.Sort
				} else {
					part.After = m.Sort
				}
				if now, err = r.serving(ctx); err != nil {
					yield(Member{}, err)
					return
				}
				if now != g {
					break
				}
			}
			if now == g {
				return
			}
		}
	}
}

// head is the row at which one of several lists stands.
type head struct {
	next   func() (Member, error, bool)
	stop   func()
	member Member
	err    error
	there  bool
}

func (h *head) move() { h.member, h.err, h.there = h.next() }

// serving is the generation that serves, as read less than CacheFor ago by the time of day: a
// process that was frozen meanwhile must notice.
func (r *Reader[R]) serving(ctx context.Context) (Generation, error) {
	now := r.clock.Now().Round(0)
	r.mu.Lock()
	defer r.mu.Unlock()
	if age := now.Sub(r.readAt); !r.readAt.IsZero() && age >= 0 && age < CacheFor {
		return r.current, nil
	}
	control, err := r.source.Control(ctx, r.definition.Name)
	if err != nil {
		return Generation{}, fmt.Errorf("read the generations of view %s: %w", r.definition.Name, err)
	}
	control.View = r.definition.Name
	r.current, r.readAt = control.ServingGeneration(), now
	return r.current, nil
}

// TimeKey is a sort key by a time, and by an id where two have the same: text in UTC that sorts as
// time does, for the years 0 to 9999.
func TimeKey(at time.Time, id string) string { return Time(at) + "#" + id }

// Time is a time as TimeKey begins with it: above every key of an earlier time, below every key of
// its own or a later one.
func Time(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.000000000Z") }
