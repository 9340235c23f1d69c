package analytics

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Backordered is what order.backordered said.
type Backordered struct {
	Sequence int64     `json:"sequence"`
	Time     time.Time `json:"time"`
}

// kindStock is the kind of reasons of an order that is cancelled for want of stock.
const kindStock = "stock"

// withWait is the order with the first of the times that it waited for stock; fresh is false where
// one before is known.
func (o Order) withWait(b Backordered) (next Order, fresh bool) {
	if o.Backordered != nil && o.Backordered.Sequence <= b.Sequence {
		return o, false
	}
	o.Backordered = &b
	return o, true
}

// addMeasures adds what an order counts besides its outcome: the minute in which it was placed, how
// long it took until it was decided, and whether stock was short of it. Each follows from the facts
// that are known; where one comes that was before them, the difference moves what was counted.
func (o Order) addMeasures(c Calendar, add func(at time.Time, counter string, n int64)) {
	if o.Scope < scopeNow {
		return
	}
	if o.Placed != nil {
		add(o.Placed.Time, minuteCounter(c.minuteOf(o.Placed.Time)), 1)
	}
	if at, took, known := o.decided(); known {
		add(at, counterTook+bucketOf(took), 1)
	}
	if at, short := o.shortSince(); short {
		add(at, counterStockOuts, 1)
	}
}

// decided is when the order was confirmed, or cancelled without, and how long after its placing.
// The times are those of two events, by the clocks of two machines: for people to look at, and for
// no decision. Less than nothing is nothing.
func (o Order) decided() (at time.Time, took time.Duration, known bool) {
	switch {
	case o.Placed == nil:
		return at, 0, false
	case o.Confirmed != nil:
		at = o.Confirmed.Time
	case o.Cancelled != nil:
		at = o.Cancelled.Time
	default:
		return at, 0, false
	}
	return at, max(0, at.Sub(o.Placed.Time)), true
}

// shortSince is when stock was first short of something of the order: it waited for it, went on
// without it, or was cancelled for want of it. Which was first, the sequence of its events says.
func (o Order) shortSince() (at time.Time, short bool) {
	var first int64
	for sequence, when := range o.shortages() {
		if !short || sequence < first {
			at, first, short = when, sequence, true
		}
	}
	return at, short
}

func (o Order) shortages() map[int64]time.Time {
	all := map[int64]time.Time{}
	if o.Backordered != nil {
		all[o.Backordered.Sequence] = o.Backordered.Time
	}
	for _, a := range o.Amended {
		if a.Partial {
			all[a.Sequence] = a.Time
		}
	}
	if o.Cancelled != nil && o.Cancelled.Kind == kindStock {
		all[o.Cancelled.Sequence] = o.Cancelled.Time
	}
	return all
}

// Bounds are those of the buckets that times to the decision are counted in: about five to a factor
// of ten. They are part of what is stored: one that is taken away is still read.
func Bounds() []time.Duration {
	bounds := make([]time.Duration, 0, 38)
	add := func(millis int64, times ...int64) {
		for _, n := range times {
			bounds = append(bounds, time.Duration(millis*n)*time.Millisecond)
		}
	}
	const second, minute, hour = 1000, 60 * 1000, 60 * 60 * 1000
	add(100, 1, 2, 3, 5, 7, 10, 15)
	add(second, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 90)
	add(minute, 2, 3, 5, 7, 10, 15, 20, 30, 45)
	add(hour, 1, 2, 3, 6, 12)
	add(24*hour, 1, 2, 3, 7, 14, 30)
	return bounds
}

// tookLonger is the bucket beyond all bounds.
const tookLonger = "more"

// bucketOf names the bucket of a time: its bound in milliseconds.
func bucketOf(took time.Duration) string {
	for _, bound := range Bounds() {
		if took <= bound {
			return strconv.FormatInt(bound.Milliseconds(), 10)
		}
	}
	return tookLonger
}

// Bucket is how many orders took so long at most, and longer than the bucket before.
type Bucket struct {
	AtMost time.Duration // 0 in the last, of those beyond all bounds
	Orders int64
}

// Durations are how long orders took from placed to decided: those of the buckets that have any,
// the shortest first. Durations of several hours are added bucket by bucket; percentiles can't be.
type Durations []Bucket

// timesOf reads them of counters. A bucket of another form is one of a later version and is passed
// over.
func timesOf(c Counters) Durations {
	var times Durations
	for name, n := range c {
		bucket, ok := strings.CutPrefix(name, counterTook)
		if !ok || n <= 0 { // 0: a confirmation that came late has moved it
			continue
		}
		millis, err := strconv.ParseInt(bucket, 10, 64)
		if err == nil && millis > 0 || bucket == tookLonger {
			times = append(times, Bucket{AtMost: time.Duration(millis) * time.Millisecond, Orders: n})
		}
	}
	slices.SortFunc(times, func(a, b Bucket) int {
		switch {
		case a.AtMost == 0:
			return 1
		case b.AtMost == 0:
			return -1
		}
		return int(a.AtMost/time.Millisecond - b.AtMost/time.Millisecond)
	})
	return times
}

// Orders is how many orders they are of.
func (t Durations) Orders() (n int64) {
	for _, b := range t {
		n += b.Orders
	}
	return n
}

// Percentile is the time within which so many of a hundred orders were decided: the bound of the
// bucket that has the last of them, which is never less than the time itself. It is not known where
// there are no orders; beyond says that it is more than all bounds.
func (t Durations) Percentile(percent int64) (atMost time.Duration, beyond, known bool) {
	n := t.Orders()
	rank := n/100*percent + (n%100*percent+99)/100
	for _, b := range t {
		if rank -= b.Orders; rank <= 0 {
			return b.AtMost, b.AtMost == 0, true
		}
	}
	return 0, false, false
}

// Plus is the times of both.
func (t Durations) Plus(more Durations) Durations {
	c := Counters{}
	for _, b := range slices.Concat(t, more) {
		name := tookLonger
		if b.AtMost > 0 {
			name = strconv.FormatInt(b.AtMost.Milliseconds(), 10)
		}
		c[counterTook+name] += b.Orders
	}
	return timesOf(c)
}
