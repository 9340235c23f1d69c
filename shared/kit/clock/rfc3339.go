package clock

import (
	"errors"
	"regexp"
	"sync"
	"time"
)

// TimePattern is the form of the times that ParseTime reads: RFC 3339, with the choices made that
// it leaves. The letters are T and Z, a second has at most nine digits behind its point, and the
// leap second is refused, because Go's times have none. A pattern holds no calendar: ParseTime also
// refuses a day that its month does not have, and a moment outside the years 0000 to 9999 in UTC.
// RE2 and ECMA 262, which JSON Schema uses, read the pattern the same way.
const TimePattern = `^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])` +
	`T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`

// TimeRule tells people what ParseTime reads.
const TimeRule = "a time with its zone (RFC 3339), like 2026-11-01T00:00:00Z or 2026-11-01T01:00:00.5+01:00"

// errTime does not repeat the text, which may be long or personal.
var errTime = errors.New("expected " + TimeRule)

// ParseTime reads a time that comes from outside, and gives it in UTC. time.Parse accepts more than
// RFC 3339 does: an hour of one digit, a comma before the fraction, an offset of 24 hours, and
// digits behind the ninth, which it drops.
func ParseTime(text string) (time.Time, error) {
	if !inTimePattern(text) {
		return time.Time{}, errTime
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errTime
	}
	if t = t.UTC(); t.Year() < 0 || t.Year() > 9999 { // RFC 3339 has no form for it
		return time.Time{}, errTime
	}
	return t, nil
}

// inTimePattern is TimePattern without the cost of a regular expression: a store reads a time with
// each commit.
func inTimePattern(s string) bool {
	const date = "2006-01-02T15:04:05"
	if len(s) < len(date)+len("Z") {
		return false
	}
	for i := range len(date) {
		if want := date[i]; isDigit(want) != isDigit(s[i]) || !isDigit(want) && want != s[i] {
			return false
		}
	}
	month, day, hour, minute, second := two(s[5:]), two(s[8:]), two(s[11:]), two(s[14:]), two(s[17:])
	if month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 59 {
		return false
	}
	zone := s[len(date):]
	if zone[0] == '.' {
		digits := 1
		for digits < len(zone) && isDigit(zone[digits]) {
			digits++
		}
		if digits == 1 || digits > 1+9 {
			return false
		}
		zone = zone[digits:]
	}
	if zone == "Z" {
		return true
	}
	if len(zone) != len("+00:00") || zone[0] != '+' && zone[0] != '-' || zone[3] != ':' {
		return false
	}
	return isDigit(zone[1]) && isDigit(zone[2]) && isDigit(zone[4]) && isDigit(zone[5]) && two(zone[1:]) <= 23 &&
		two(zone[4:]) <= 59
}

// DurationRule tells people what ParseDuration reads.
const DurationRule = "a duration in decimal numbers with their units, like 24h, 90s or 1h30m"

var durationForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([0-9]+(\.[0-9]+)?(h|m|s|ms|us|µs|ns))+$`)
})

// ParseDuration reads a duration that a person gives. It takes no sign and no number without its
// unit, which time.ParseDuration does.
func ParseDuration(text string) (time.Duration, error) {
	if durationForm().MatchString(text) {
		if d, err := time.ParseDuration(text); err == nil {
			return d, nil
		}
	}
	return 0, errors.New("expected " + DurationRule)
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// two is the number of the first two digits.
func two(s string) int { return 10*int(s[0]-'0') + int(s[1]-'0') }
