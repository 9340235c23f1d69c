package backoff_test

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
)

var pace = backoff.Pace{Base: 10 * time.Millisecond, Max: 80 * time.Millisecond, Margin: time.Second, Tries: 20}

// Every wait stays under its ceiling, which doubles from Base to Max, and the tries come to an end.
func TestCeilings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := clock.NewFake(time.Unix(rapid.Int64Range(0, 1<<32).Draw(t, "start"), 0))
		b := backoff.New(pace, c)
		ceiling := pace.Base
		for {
			before := c.Now()
			if !b.Again(context.Background()) {
				break
			}
			if waited := c.Now().Sub(before); waited >= ceiling {
				t.Fatalf("waited %v before try %d, the ceiling is %v", waited, b.Tried(), ceiling)
			}
			ceiling = min(2*ceiling, pace.Max)
		}
		if b.Tried() != pace.Tries {
			t.Fatalf("%d tries, want %d", b.Tried(), pace.Tries)
		}
	})
}

func TestDeadline(t *testing.T) {
	deadline := time.Now().Add(time.Hour)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	c := clock.NewFake(deadline.Add(-pace.Margin - 200*time.Millisecond))
	b := backoff.New(pace, c)
	for b.Again(ctx) {
		if left := deadline.Sub(c.Now()); left < pace.Margin {
			t.Fatalf("a try begins with %v left, the margin is %v", left, pace.Margin)
		}
	}
	if b.Tried() == 1 || b.Tried() == pace.Tries {
		t.Errorf("%d tries: the deadline should have ended them", b.Tried())
	}
}

func TestDone(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if backoff.New(pace, clock.NewFake(time.Unix(0, 0))).Again(ctx) {
		t.Error("another try after the context's end")
	}
}
