package clock

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 12, 0, 0, 0, time.FixedZone("", 3600))

func TestFake(t *testing.T) {
	f := NewFake(start)
	if got := f.Now(); !got.Equal(start) || got.Location() != time.UTC {
		t.Errorf("now %v", got)
	}
	f.Advance(-time.Hour)
	if err := f.Sleep(t.Context(), 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	if got := f.Now(); !got.Equal(start.Add(time.Hour)) {
		t.Errorf("now %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got := f.Now(); !got.Equal(start.Add(time.Hour)) {
		t.Errorf("a sleep that did not happen moved the clock to %v", got)
	}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := f.Sleep(t.Context(), time.Second); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := f.Now(); !got.Equal(start.Add(time.Hour + 50*time.Second)) {
		t.Errorf("now %v", got)
	}
}

func TestSystem(t *testing.T) {
	c := System{}
	before := time.Now()
	if err := c.Sleep(t.Context(), time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if now := c.Now(); now.Location() != time.UTC || now.Sub(before) < time.Millisecond {
		t.Errorf("now %v, before %v", now, before)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Sleep(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
