package analytics

import (
	"fmt"
	"sort"
	"time"
	_ "time/tzdata" // Lambda's image has no zones of its own
)

// Date is a day of the calendar, written 2006-01-02.
type Date string

// The years of which there are figures: a date has four digits for its year, in every zone, and so
// has the one after it.
const (
	FirstYear = 1970
	LastYear  = 9998
)

// DatePattern is the form of the dates that ParseDate reads. It has no calendar: ParseDate refuses
// a day that its month does not have besides.
const DatePattern = `^(19[7-9][0-9]|[2-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])` +
	`-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$`

// ParseDate reads a date. It must be written in full, be in the calendar, and of the years that
// there are figures of.
func ParseDate(text string) (Date, error) {
	if t, err := time.Parse(time.DateOnly, text); err != nil || t.Year() < FirstYear || t.Year() > LastYear {
		return "", fmt.Errorf(
			"analytics: %q is no date like 2006-01-02, of the years %d to %d", text, FirstYear, LastYear,
		)
	}
	return Date(text), nil
}

// midnight is the date's first moment in UTC.
func (d Date) midnight() time.Time {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		panic(fmt.Sprintf("analytics: the date %q was not made by ParseDate", string(d)))
	}
	return t
}

// Add is the date so many days later.
func (d Date) Add(days int) Date { return Date(d.midnight().AddDate(0, 0, days).Format(time.DateOnly)) }

// daysUntil is how many days later the other date is.
func (d Date) daysUntil(other Date) int {
	return int(other.midnight().Sub(d.midnight()) / (24 * time.Hour))
}

// Calendar tells which day and hour a moment is in, by the clocks of one time zone.
type Calendar struct{ zone *time.Location }

// NewCalendar makes the calendar of a zone of the IANA database, "Europe/Amsterdam" or "UTC". The
// database is part of the program.
func NewCalendar(zone string) (Calendar, error) {
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "" || zone == "Local" {
		return Calendar{}, fmt.Errorf(
			"analytics: %q is no time zone of the IANA database, such as UTC or Europe/Amsterdam", zone,
		)
	}
	return Calendar{zone: location}, nil
}

// MustCalendar is NewCalendar for who can do nothing without one: it panics on a name that there is
// not, and a function of a stack with such a parameter doesn't start.
func MustCalendar(zone string) Calendar {
	c, err := NewCalendar(zone)
	if err != nil {
		panic(err.Error())
	}
	return c
}

// Zone is the zone's name.
func (c Calendar) Zone() string { return c.zone.String() }

// Day is the day that a moment is in.
func (c Calendar) Day(t time.Time) Date { return Date(t.In(c.zone).Format(time.DateOnly)) }

// starts is the day's first moment. It is not always midnight: there are zones that put their
// clocks forward at 24:00.
func (c Calendar) starts(d Date) time.Time {
	// Midnight anywhere is within 15 hours of midnight in UTC, and dates only go up: the first
	// second of that time that has the date, or a later one.
	const span = 15 * time.Hour
	from := d.midnight().Add(-span)
	second := sort.Search(
		int(2*span/time.Second), func(i int) bool { return c.Day(from.Add(time.Duration(i)*time.Second)) >= d },
	)
	return from.Add(time.Duration(second) * time.Second)
}

// Hour is the moment at which the hour begins that a moment is in, in UTC. Hours are counted from
// the day's first moment: a day on which the clocks are put back has 25 of them, one on which they
// are put forward 23.
func (c Calendar) Hour(t time.Time) time.Time {
	start := c.starts(c.Day(t))
	return start.Add(t.Sub(start).Truncate(time.Hour)).UTC()
}

// minuteOf is which minute of its hour a moment is in, from 0.
func (c Calendar) minuteOf(t time.Time) int { return int(t.Sub(c.Hour(t)) / time.Minute) }

// Minute is the moment at which the minute begins that a moment is in, in the zone's time. Minutes
// are counted from their hour's beginning.
func (c Calendar) Minute(t time.Time) time.Time {
	return c.Hour(t).Add(time.Duration(c.minuteOf(t)) * time.Minute).In(c.zone)
}

// Hours lists the moments at which the hours of a day begin, in the zone's time.
func (c Calendar) Hours(d Date) []time.Time {
	var hours []time.Time
	end := c.starts(d.Add(1))
	for at := c.starts(d); at.Before(end); at = at.Add(time.Hour) {
		hours = append(hours, at.In(c.zone))
	}
	return hours
}
