package clock

import (
	"strconv"
	"strings"
	"time"
)

// Words writes a time of milliseconds as people do, in its largest unit: "100 ms", "1.5 s", "2
// min", "6 h", "3 days". What is no whole number of tenths of that is cut.
func Words(d time.Duration) string {
	const day = 24 * time.Hour
	unit, name := time.Millisecond, " ms"
	for _, larger := range []struct {
		unit time.Duration
		name string
	}{{time.Second, " s"}, {time.Minute, " min"}, {time.Hour, " h"}, {day, " days"}} {
		if d >= larger.unit {
			unit, name = larger.unit, larger.name
		}
	}
	if unit == day && d/day == 1 && d%day == 0 {
		name = " day"
	}
	whole, tenth := int64(d/unit), int64(d%unit*10/unit)
	return strings.TrimSuffix(strconv.FormatInt(whole, 10)+"."+strconv.FormatInt(tenth, 10), ".0") + name
}
