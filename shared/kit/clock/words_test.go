package clock_test

import (
	"testing"
	"time"

	"orderflow/shared/kit/clock"
)

func TestWords(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		0: "0 ms", 100 * time.Millisecond: "100 ms", time.Second: "1 s", 1500 * time.Millisecond: "1.5 s",
		59 * time.Second: "59 s", 90 * time.Second: "1.5 min", 45 * time.Minute: "45 min", 6 * time.Hour: "6 h",
		day: "1 day", 36 * time.Hour: "1.5 days", 30 * day: "30 days", 1999 * time.Millisecond: "1.9 s",
	} {
		if got := clock.Words(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
}
