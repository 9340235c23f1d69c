package quota_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/shop/quota"
	"orderflow/shared/shop/quota/quotatest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestMemory(t *testing.T) { quotatest.Suite(t, &quotatest.Memory{}) }

func guard(perHour int64) (*quota.Guard, *quotatest.Memory, *clock.Fake) {
	counter, now := &quotatest.Memory{}, clock.NewFake(start)
	return quota.New(quota.Deps{Counter: counter, Clock: now, PerHour: perHour}), counter, now
}

// says is whether a command is let in, and how long to wait otherwise.
func says(t *testing.T, g *quota.Guard, customer, command string) (bool, time.Duration) {
	t.Helper()
	admitted, wait, err := g.Admit(t.Context(), customer, command)
	if err != nil {
		t.Fatal(err)
	}
	if admitted != (wait == 0) {
		t.Fatalf("admitted %v, and waits %s", admitted, wait)
	}
	return admitted, wait
}

// TestWindow: the quota holds up to the hour's last moment, and the wait that it names ends with
// the hour: whoever keeps to it is let in, and whoever comes a nanosecond earlier is not.
func TestWindow(t *testing.T) {
	g, _, now := guard(2)
	now.Advance(quota.HourOf("ada", start).Start.Sub(start)) // to the first moment of an hour
	for i := range 2 {
		if admitted, _ := says(t, g, "ada", fmt.Sprint(i)); !admitted {
			t.Fatalf("command %d of 2 is refused", i+1)
		}
	}
	_, wait := says(t, g, "ada", "2")
	if wait != time.Hour {
		t.Errorf("in the first moment of an hour it waits %s", wait)
	}
	now.Advance(wait - 1)
	if admitted, wait := says(t, g, "ada", "2"); admitted || wait != 1 {
		t.Errorf("in the last moment: %v, %s", admitted, wait)
	}
	now.Advance(1)
	for i := range 2 {
		if admitted, _ := says(t, g, "ada", fmt.Sprint(i)); !admitted {
			t.Fatalf("command %d of the next hour is refused", i+1)
		}
	}
	if admitted, _ := says(t, g, "ada", "2"); admitted {
		t.Error("the next hour takes three")
	}
}

// TestHourOf: an hour has every moment from its start to its end and no other, and those of
// customers begin all over the hour.
func TestHourOf(t *testing.T) {
	var quarters [4]int
	for i := range 400 {
		customer := fmt.Sprint("customer-", i)
		h := quota.HourOf(customer, start)
		if h.Start.After(start) || !h.End().After(start) || h.Customer != customer {
			t.Fatalf("%+v hasn't %s", h, start)
		}
		if h != quota.HourOf(customer, h.Start) || h != quota.HourOf(customer, h.End().Add(-1)) ||
			h == quota.HourOf(customer, h.End()) || h == quota.HourOf(customer, h.Start.Add(-1)) {
			t.Fatalf("%+v has other moments", h)
		}
		quarters[start.Sub(h.Start)/(quota.Window/4)]++
	}
	for i, n := range quarters {
		if n < 50 {
			t.Errorf("of 400 hours, only %d began in quarter %d", n, i)
		}
	}
}

// TestRepeats: a command that comes again is let in and counts nothing, also in a full hour, until
// they come too often.
func TestRepeats(t *testing.T) {
	g, _, _ := guard(2)
	for _, command := range []string{"a", "a", "a", "b"} {
		if admitted, _ := says(t, g, "ada", command); !admitted {
			t.Fatalf("%s is refused", command)
		}
	}
	if admitted, _ := says(t, g, "ada", "c"); admitted {
		t.Fatal("a third is let in")
	}
	for i := range 2*quota.Tries - 4 {
		if admitted, _ := says(t, g, "ada", "a"); !admitted {
			t.Fatalf("repeat %d is refused", i+4)
		}
	}
	if admitted, wait := says(t, g, "ada", "a"); admitted || wait <= 0 {
		t.Error("one command is repeated without end")
	}
}

// TestRefusalsAreCheap: what an instance has seen full it refuses by itself, until the hour ends.
// A repeat and another customer still ask.
func TestRefusalsAreCheap(t *testing.T) {
	g, counter, now := guard(1)
	says(t, g, "ada", "a")
	says(t, g, "ada", "b")
	asked := counter.Asked()
	for i := range 100 {
		if admitted, _ := says(t, g, "ada", fmt.Sprint(i)); admitted {
			t.Fatal("let in")
		}
	}
	if counter.Asked() != asked {
		t.Errorf("100 refusals asked %d times", counter.Asked()-asked)
	}
	if admitted, _ := says(t, g, "ada", "a"); !admitted {
		t.Error("a repeat is refused")
	}
	if admitted, _ := says(t, g, "bob", "c"); !admitted {
		t.Error("another customer is refused")
	}
	for range quota.Tries {
		says(t, g, "ada", "a")
	}
	asked = counter.Asked()
	if admitted, _ := says(t, g, "ada", "a"); admitted || counter.Asked() != asked {
		t.Error("a repeat too many is let in, or asks")
	}
	now.Advance(quota.Window)
	if admitted, _ := says(t, g, "ada", "c"); !admitted {
		t.Error("the next hour is refused from memory")
	}
}

// TestManyFull: what an instance remembers of full hours has an end, and forgetting refuses nobody.
func TestManyFull(t *testing.T) {
	g, counter, _ := guard(quota.Most)
	for i := range quota.Most {
		for c := range 3 {
			says(t, g, fmt.Sprint("c", c), fmt.Sprint(i))
		}
	}
	for range 2 {
		for c := range 3 {
			if admitted, _ := says(t, g, fmt.Sprint("c", c), "more"); admitted {
				t.Error("let in")
			}
		}
	}
	if asked := counter.Asked() - 3*quota.Most; asked != 3 {
		t.Errorf("six refusals asked %d times", asked)
	}
}

// TestInstances: instances whose clocks differ let in no more than the quota in any hour, and one
// that is behind refuses by its own hour.
func TestInstances(t *testing.T) {
	counter := &quotatest.Memory{}
	edge := quota.HourOf("ada", start).End()
	instance := func(at time.Time) *quota.Guard {
		return quota.New(quota.Deps{Counter: counter, Clock: clock.NewFake(at), PerHour: 3})
	}
	behind, ahead := instance(edge.Add(-time.Second)), instance(edge.Add(time.Second))
	var before, after atomic.Int64
	var wg sync.WaitGroup
	for i := range 10 {
		for _, side := range []struct {
			guard *quota.Guard
			count *atomic.Int64
		}{{behind, &before}, {ahead, &after}} {
			wg.Go(func() {
				if admitted, _ := says(t, side.guard, "ada", fmt.Sprint(i)); admitted {
					side.count.Add(1)
				}
			})
		}
	}
	wg.Wait()
	if before.Load() != 3 || after.Load() != 3 {
		t.Errorf("%d in the hour that ends, %d in the one that begins, want 3 each", before.Load(), after.Load())
	}
}

// TestOff: without a quota nothing is asked.
func TestOff(t *testing.T) {
	g, counter, _ := guard(0)
	for i := range 10 {
		if admitted, _ := says(t, g, "ada", fmt.Sprint(i)); !admitted {
			t.Error("refused")
		}
	}
	if counter.Asked() > 0 {
		t.Error("it asks")
	}
}

// TestUnavailable: a count that fails lets nothing in, and its error stays what it is.
func TestUnavailable(t *testing.T) {
	g, counter, _ := guard(5)
	down := errors.New("down")
	counter.Fail(down)
	if admitted, _, err := g.Admit(t.Context(), "ada", "a"); admitted || !errors.Is(err, down) {
		t.Errorf("%v, %v", admitted, err)
	}
	counter.Fail(nil)
	if admitted, _ := says(t, g, "ada", "a"); !admitted {
		t.Error("refused")
	}
}

func TestQuotasThatAreNone(t *testing.T) {
	for _, text := range []string{"", "-1", "1e3", "010", "10001", "many"} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, "quota: commands an hour: expected") {
					t.Errorf("%q: %s", text, said)
				}
			}()
			quota.MustParse(text)
		}()
	}
	if quota.MustParse("0") != 0 || quota.MustParse("10000") != quota.Most {
		t.Error("it reads other numbers")
	}
	defer func() {
		if said := fmt.Sprint(recover()); !strings.Contains(said, "got -1") {
			t.Error(said)
		}
	}()
	guard(-1)
}
