package analytics

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// MaxMinutes is the longest stretch of minutes: a day.
const MaxMinutes = 24 * 60

// Settles is how long after its end a minute may still grow, as a rule: events are gathered for a
// minute before they are counted. Events that come late count in their own minute at any time.
const Settles = 2 * time.Minute

// Stretch asks for minutes.
type Stretch struct {
	Before time.Time // the minute that this is in is the first that is not shown: it isn't over
	Count  int       // how many minutes
}

// Minute is how many orders were placed in a minute.
type Minute struct {
	Start  time.Time // in the calendar's zone
	Orders int64
}

// Minutes are those of a stretch, the oldest first.
type Minutes struct {
	All []Minute
	// Unknown is how many orders of the hours that the stretch touches have no minute: a release
	// that knew none has counted them.
	Unknown int64
}

// Check says what is wrong with a stretch.
func (s Stretch) Check() error {
	year := s.Before.UTC().Year()
	switch {
	case s.Count < 1 || s.Count > MaxMinutes:
		return ErrInvalidPeriod.Field("query.minutes", "1 to %d minutes are shown, not %d", MaxMinutes, s.Count)
	case year <= FirstYear || year > LastYear:
		return ErrInvalidPeriod.Field(
			"query.before", "expected a time of the years %d to %d, got one of %d", FirstYear+1, LastYear, year,
		)
	}
	return nil
}

// Minutes implements Reader: one query for each day that the stretch touches, two or three.
func (r Reports) Minutes(ctx context.Context, s Stretch) (Minutes, error) {
	if err := s.Check(); err != nil {
		return Minutes{}, err
	}
	shown, days := r.Calendar.minutesBefore(s)
	hours, err := r.hours(ctx, days)
	if err != nil {
		return Minutes{}, fmt.Errorf("analytics: read %d minutes before %s: %w", s.Count, s.Before, err)
	}
	m := Minutes{All: make([]Minute, len(shown))}
	for i, of := range shown {
		counters := hours[of.hour]
		m.All[i] = Minute{Start: of.start, Orders: counters[minuteCounter(of.minute)]}
		if i == 0 || !shown[i-1].hour.Equal(of.hour) {
			m.Unknown += counters.withoutMinute()
		}
	}
	return m, nil
}

// place is where a minute's orders are counted.
type place struct {
	start  time.Time
	hour   time.Time // when its hour begins
	minute int       // of the hour
}

// minutesBefore gives the minutes of a stretch, the oldest first, and the days that they are of. It
// goes back hour by hour, as the calendar has them: some are cut short by a change of the clocks.
func (c Calendar) minutesBefore(s Stretch) (all []place, days []Date) {
	for end := c.Minute(s.Before); len(all) < s.Count; {
		last := end.Add(-1)
		hour := c.Hour(last)
		if day := c.Day(last); len(days) == 0 || days[len(days)-1] != day {
			days = append(days, day)
		}
		for n := int(last.Sub(hour) / time.Minute); n >= 0 && len(all) < s.Count; n-- {
			start := hour.Add(time.Duration(n) * time.Minute).In(c.zone)
			all = append(all, place{start: start, hour: hour, minute: n})
		}
		end = hour
	}
	slices.Reverse(all)
	return all, days
}

// hours reads the rows of several days' hours.
func (r Reports) hours(ctx context.Context, days []Date) (map[time.Time]Counters, error) {
	read := make([]map[time.Time]Counters, len(days))
	group, inner := errgroup.WithContext(ctx)
	for i, day := range days {
		group.Go(func() (err error) {
			read[i], err = r.Table.Hours(inner, day)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := map[time.Time]Counters{}
	for _, of := range read {
		for hour, counters := range of {
			all[hour.UTC()] = counters
		}
	}
	return all, nil
}

// minuteCounter is the counter of a minute of the hour.
func minuteCounter(minute int) string { return counterMinute + fmt.Sprintf("%02d", minute) }

// withoutMinute is how many of an hour's orders are counted in none of its minutes.
func (c Counters) withoutMinute() int64 {
	n := c[counterOrders]
	for minute := range 60 {
		n -= c[minuteCounter(minute)]
	}
	return max(0, n)
}
