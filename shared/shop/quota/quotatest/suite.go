package quotatest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"orderflow/shared/shop/quota"
)

// Suite is what every counter does.
func Suite(t *testing.T, counter quota.Counter) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	bounds := quota.Bounds{Commands: 3, Requests: 6}
	add := func(t *testing.T, customer, command string, b quota.Bounds) (bool, quota.Count) {
		t.Helper()
		admitted, there, err := counter.Add(t.Context(), quota.HourOf(customer, at), quota.CommandOf(command), b)
		if err != nil {
			t.Fatal(err)
		}
		return admitted, there
	}
	t.Run("exactly the quota", func(t *testing.T) {
		for i := range 3 {
			if admitted, _ := add(t, "exact", fmt.Sprint(i), bounds); !admitted {
				t.Fatalf("command %d of 3 is refused", i+1)
			}
		}
		admitted, there := add(t, "exact", "3", bounds)
		if admitted || len(there.Commands) != 3 || there.Requests != 3 ||
			!slices.Contains(there.Commands, quota.CommandOf("1")) {
			t.Errorf("the fourth: %v, %+v", admitted, there)
		}
		if admitted, _ := add(t, "other", "3", bounds); !admitted {
			t.Error("another customer is refused")
		}
		next := quota.Hour{Customer: "exact", Start: quota.HourOf("exact", at).End()}
		if admitted, _, err := counter.Add(t.Context(), next, quota.CommandOf("3"), bounds); err != nil || !admitted {
			t.Errorf("the next hour: %v, %v", admitted, err)
		}
	})
	t.Run("a repeat counts nothing and is let in when the hour is full", func(t *testing.T) {
		for _, command := range []string{"a", "a", "b", "c", "a"} {
			if admitted, _ := add(t, "repeats", command, bounds); !admitted {
				t.Fatalf("%s is refused", command)
			}
		}
		if admitted, _ := add(t, "repeats", "d", bounds); admitted {
			t.Error("a fourth is let in")
		}
		if admitted, _ := add(t, "repeats", "b", bounds); !admitted {
			t.Error("the sixth request, a repeat, is refused: refused ones were counted")
		}
		admitted, there := add(t, "repeats", "b", bounds)
		if admitted || there.Requests != 6 || len(there.Commands) != 3 {
			t.Errorf("the seventh request: %v, %+v", admitted, there)
		}
	})
	t.Run("at once", func(t *testing.T) {
		var admitted atomic.Int64
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				ok, _, err := counter.Add(
					t.Context(), quota.HourOf("many", at), quota.CommandOf(fmt.Sprint(i)),
					quota.Bounds{Commands: 7, Requests: 35},
				)
				if err != nil {
					t.Error(err)
				} else if ok {
					admitted.Add(1)
				}
			})
		}
		wg.Wait()
		if admitted.Load() != 7 {
			t.Errorf("of 20 commands at once, %d were let in, want 7", admitted.Load())
		}
	})
	t.Run("the largest quota", func(t *testing.T) {
		largest := quota.Bounds{Commands: quota.Most, Requests: quota.Most * quota.Tries}
		if admitted, _ := add(t, "large", "1", largest); !admitted {
			t.Error("refused")
		}
	})
}
