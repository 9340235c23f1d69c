package analytics

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/faults"
)

var (
	// ErrInvalidPeriod is a period that no report is made of.
	ErrInvalidPeriod = faults.Declare(faults.Invalid, "analytics.invalid-period")
	// ErrNoTimeZone says that the stack's time zone is none, so that nobody knows which days and
	// hours to show.
	ErrNoTimeZone = faults.Declare(faults.Unavailable, "analytics.no-time-zone")
)

// What a report has at most.
const (
	MaxDays     = 92 // a quarter
	MaxHourDays = 7  // with their hours
	MaxBest     = 100
)

// reads is how many days are read side by side.
const reads = 16

// SKU is how many pieces of an SKU were sold on a day.
type SKU struct {
	SKU    string
	Pieces int64
}

// Query asks for days.
type Query struct {
	From, To Date // both included
	Hours    bool // their hours too
	Best     int  // how many SKUs of each day
}

// Day is a day's figures.
type Day struct {
	Date Date
	Figures
	Best  []SKU  // those with the most pieces in the orders that were confirmed on the day, the most first
	Hours []Hour // where they were asked for: all that the day has, 23 to 25
}

// Hour is an hour's figures.
type Hour struct {
	Start time.Time // in the calendar's zone
	Figures
}

// Reader reads the figures.
type Reader interface {
	// Zone is the time zone whose days and hours the figures are of.
	Zone() string
	// Daily gives each day of a period, also those on which nothing happened. A period that is none
	// is an ErrInvalidPeriod.
	Daily(context.Context, Query) ([]Day, error)
	// Minutes gives how many orders were placed in each minute of a stretch, also in those in which
	// none was. A stretch that is none is an ErrInvalidPeriod.
	Minutes(context.Context, Stretch) (Minutes, error)
}

// Reports reads the figures from a table.
type Reports struct {
	Table    Table
	Calendar Calendar
}

// NewReports reads the figures by the days and hours of a time zone. Where there is no such zone,
// the figures are an ErrNoTimeZone: they alone lack it.
func NewReports(table Table, zone string) Reader {
	calendar, err := NewCalendar(zone)
	if err != nil {
		return noZone(zone)
	}
	return Reports{Table: table, Calendar: calendar}
}

// noZone is the Reader of a zone that there is not.
type noZone string

// Zone implements Reader.
func (z noZone) Zone() string { return string(z) }

// Daily implements Reader.
func (z noZone) Daily(context.Context, Query) ([]Day, error) { return nil, z.err() }

// Minutes implements Reader.
func (z noZone) Minutes(context.Context, Stretch) (Minutes, error) { return Minutes{}, z.err() }

func (z noZone) err() error {
	return ErrNoTimeZone.New(
		"the stack's parameter TimeZone is %q, which is no time zone of the IANA database, such as UTC or "+
			"Europe/Amsterdam",
		string(z),
	)
}

var _ Reader = Reports{}

// Zone implements Reader.
func (r Reports) Zone() string { return r.Calendar.Zone() }

// Check says what is wrong with a query.
func (q Query) Check() error {
	days := q.From.daysUntil(q.To) + 1
	switch {
	case days < 1:
		return ErrInvalidPeriod.Field("query.to", "the period ends before it begins")
	case days > MaxDays:
		return ErrInvalidPeriod.Field("query.to", "a period has at most %d days, this one has %d", MaxDays, days)
	case q.Hours && days > MaxHourDays:
		return ErrInvalidPeriod.Field("query.hours", "hours are shown of at most %d days, not of %d", MaxHourDays, days)
	case q.Best < 0 || q.Best > MaxBest:
		return ErrInvalidPeriod.Field("query.top", "0 to %d SKUs are shown, not %d", MaxBest, q.Best)
	}
	return nil
}

// Daily implements Reader: one query a day for its hours, and one for the SKUs that these have no
// room for.
func (r Reports) Daily(ctx context.Context, q Query) ([]Day, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	days := make([]Day, q.From.daysUntil(q.To)+1)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(reads)
	for i := range days {
		group.Go(func() (err error) {
			days[i], err = r.day(inner, q.From.Add(i), q)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("analytics: read %s to %s: %w", q.From, q.To, err)
	}
	return days, nil
}

func (r Reports) day(ctx context.Context, date Date, q Query) (Day, error) {
	day := Day{Date: date}
	rows, err := r.Table.Hours(ctx, date)
	if err != nil {
		return day, err
	}
	all := Counters{}
	for _, hour := range rows {
		if err := all.addAll(hour); err != nil {
			return day, err
		}
	}
	day.Figures = figuresOf(all)
	if q.Hours {
		for _, start := range r.Calendar.Hours(date) {
			day.Hours = append(day.Hours, Hour{Start: start, Figures: figuresOf(rows[start.UTC()])})
		}
	}
	if q.Best > 0 {
		day.Best, err = r.best(ctx, date, all.sold(), q.Best)
	}
	return day, err
}

// best gives the n SKUs of a day with the most pieces, the most first; among equals by SKU. sold is
// what the hours' rows have. An SKU may have pieces there and in a row of its own.
func (r Reports) best(ctx context.Context, date Date, sold map[string]int64, n int) ([]SKU, error) {
	rows, err := r.Table.Best(ctx, date)
	if err != nil {
		return nil, err
	}
	if len(rows) == BestRead { // and more may have rows: those of the hours' SKUs are missing
		missing := maps.Clone(sold)
		for _, row := range rows {
			delete(missing, row.SKU)
		}
		others, err := r.Table.Pieces(ctx, date, slices.Sorted(maps.Keys(missing)))
		if err != nil {
			return nil, err
		}
		for sku, pieces := range others {
			sold[sku] += pieces
		}
	}
	for _, row := range rows {
		sold[row.SKU] += row.Pieces
	}
	best := make([]SKU, 0, len(sold))
	for sku, pieces := range sold {
		best = append(best, SKU{SKU: sku, Pieces: pieces})
	}
	slices.SortFunc(best, func(a, b SKU) int {
		return cmp.Or(cmp.Compare(b.Pieces, a.Pieces), cmp.Compare(a.SKU, b.SKU))
	})
	return best[:min(n, len(best))], nil
}
