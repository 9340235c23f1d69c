package clock

import (
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseTime(t *testing.T) {
	utc := func(year int, month time.Month, day, hour, minute, second, ns int) time.Time {
		return time.Date(year, month, day, hour, minute, second, ns, time.UTC)
	}
	for text, want := range map[string]time.Time{
		"2026-01-01T00:00:00Z":           utc(2026, 1, 1, 0, 0, 0, 0),
		"2026-01-01T00:00:00.5Z":         utc(2026, 1, 1, 0, 0, 0, 5e8),
		"2026-01-01T00:00:00.123456789Z": utc(2026, 1, 1, 0, 0, 0, 123456789),
		"2026-01-01T00:00:00.000000000Z": utc(2026, 1, 1, 0, 0, 0, 0),
		"2026-01-01T23:59:59+23:59":      utc(2026, 1, 1, 0, 0, 59, 0),
		"2026-01-01T00:00:00-23:59":      utc(2026, 1, 1, 23, 59, 0, 0),
		"2026-01-01T00:00:00+00:00":      utc(2026, 1, 1, 0, 0, 0, 0),
		// RFC 3339, 4.3: in UTC, and nobody says where it was
		"2026-01-01T00:00:00-00:00":           utc(2026, 1, 1, 0, 0, 0, 0),
		"2024-02-29T00:00:00Z":                utc(2024, 2, 29, 0, 0, 0, 0),
		"0000-01-01T00:00:00Z":                utc(0, 1, 1, 0, 0, 0, 0),
		"0000-02-29T00:00:00-23:59":           utc(0, 2, 29, 23, 59, 0, 0),
		"9999-12-31T23:59:59.999999999Z":      utc(9999, 12, 31, 23, 59, 59, 999999999),
		"9999-12-31T23:59:59.999999999+00:01": utc(9999, 12, 31, 23, 58, 59, 999999999),
	} {
		if got, err := ParseTime(text); err != nil || !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", " ", "now", "2026", "2026-01-01", "2026-01-01T00:00Z", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z",
		"2026-01-01T00:00:00 Z",
		"2026-01-01T00:00:00,5Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00.5",
		"2026-01-01T00:00:00.5 Z",
		"2026-01-01T1:00:00Z", "2026-1-01T00:00:00Z", "26-01-01T00:00:00Z", "12026-01-01T00:00:00Z",
		"+2026-01-01T00:00:00Z", "-2026-01-01T00:00:00Z",
		"2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00-24:00", "2026-01-01T00:00:00+23:60",
		"2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00+01",
		"2026-01-01T00:00:00+0100", "2026-01-01T00:00:00+01:00:00", "2026-01-01T00:00:00 01:00",
		"2026-01-01T00:00:00\u221201:00", "2026-01-01T00:00:00Z+01:00",
		"2026-01-01t00:00:00Z", "2026-01-01T00:00:00z", "2016-12-31T23:59:60Z", "2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z",
		"2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-32T00:00:00Z",
		"2026-02-29T00:00:00Z", "2026-02-30T12:00:00Z",
		"1900-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01",
		"2026-01-01T00:00:00Z ", " 2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z\n", "2026-01-01T00:00:00Z\x00",
		"٢٠٢٦-01-01T00:00:00Z",
	} {
		if got, err := ParseTime(text); err == nil || !got.IsZero() {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
}

// What Go writes is read back, whatever the zone.
func TestParseTimeReadsWhatIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("", 60*rapid.IntRange(-23*60-59, 23*60+59).Draw(t, "minutes"))
		first, last := time.Date(0, 1, 2, 0, 0, 0, 0, time.UTC).Unix(),
			time.Date(9999, 12, 30, 0, 0, 0, 0, time.UTC).Unix()
		at := time.Unix(
			rapid.Int64Range(first, last).Draw(t, "second"), rapid.Int64Range(0, 999999999).Draw(t, "nanosecond"),
		).In(zone)
		if got, err := ParseTime(at.Format(time.RFC3339Nano)); err != nil || !got.Equal(at) {
			t.Fatalf("%s: %s, %v", at.Format(time.RFC3339Nano), got, err)
		}
	})
}

// The pattern, which stands in the contracts, and the parser say the same of every text but for
// what no pattern says: the days of a month, and the first and the last moments of the years that
// there are.
func TestTimePattern(t *testing.T) {
	pattern := regexp.MustCompile(TimePattern)
	accepted, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		// part is one of the good texts, and now and then one of the others.
		part := func(what, good, bad string) string {
			from := good
			if rapid.IntRange(0, 15).Draw(t, what+" is bad") == 0 {
				from = bad
			}
			return rapid.SampledFrom(strings.Split(from, " ")).Draw(t, what)
		}
		text := part(
			"year", "2026 2024 1900 2000 0000 9999 0001", "26 12026 -026",
		) + part("dash", "-", "/  -- −") + part("month", "01 02 04 12", "00 13 1") + "-" +
			part("day", "01 28 29 30 31", "00 32 3") + part("t", "T", "t _ ") + part("hour", "00 09 23", "24 1 1:") +
			":" + part("minute", "00 59", "60 5") + ":" +
			part("second", "00 59", "60 61 ") + part("fraction", " .5 .123456789", ".1234567890 ,5 .") + part(
			"zone", "Z +00:00 -00:00 +23:59 -23:59", "z +24:00 +01:60 +0100 +1:00 ",
		)
		if rapid.IntRange(0, 4).Draw(t, "is changed") == 0 {
			at := rapid.IntRange(0, len(text)).Draw(t, "at")
			put := rapid.SampledFrom([]string{
				"", "0", "9", ".", "Z", "T", "-", "+", ":", " ", "\n", "é",
			}).Draw(t, "put")
			text = text[:at] + put + text[min(len(text), at+rapid.IntRange(0, 1).Draw(t, "instead")):]
		}
		matches := pattern.MatchString(text)
		if inTimePattern(text) != matches {
			t.Fatalf("%q: the pattern says %t", text, matches)
		}
		got, err := ParseTime(text)
		if !matches {
			if refused++; err == nil {
				t.Fatalf("%q is %s", text, got)
			}
			return
		}
		accepted++
		// The days of a month, by another way than Go's own.
		y, m, d := number(text[:4]), number(text[5:7]), number(text[8:10])
		days := []int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[m-1]
		if m == 2 && y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			days++
		}
		first, last := y == 0 && m == 1 && d == 1, y == 9999 && m == 12 && d == 31
		if d > days && err == nil || d <= days && !first && !last && err != nil {
			t.Fatalf("%q: %s, %v", text, got, err)
		}
		if err == nil && (got.Year() < 0 || got.Year() > 9999) {
			t.Fatalf("%q is %s", text, got)
		}
	})
	if accepted == 0 || refused == 0 {
		t.Errorf("%d texts were accepted, %d were refused", accepted, refused)
	}
}

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"24h": 24 * time.Hour, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "0s": 0,
		"10ms": 10 * time.Millisecond,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "0", "24", "-1h", "+24h", ".5h", "5.h", "1 h", "h", "1_0s", "1e3s", "0x10s", "1d", "24h ", "2562048h",
		"99999999999999999999h",
	} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}
}

func number(digits string) int {
	n, err := strconv.Atoi(digits)
	if err != nil {
		panic(err)
	}
	return n
}

// BenchmarkParseTime is what a store pays for each commit that it reads.
func BenchmarkParseTime(b *testing.B) {
	for b.Loop() {
		if _, err := ParseTime("2026-01-01T00:00:00.123456789Z"); err != nil {
			b.Fatal(err)
		}
	}
}
