package recent_test

import (
	"fmt"
	"sync"
	"testing"

	"orderflow/shared/kit/recent"
)

func TestRecent(t *testing.T) {
	r := recent.New[string, int](2)
	remembered := func() (all string) {
		for _, key := range []string{"a", "b", "c"} {
			value, ok := r.Recall(key)
			all += fmt.Sprint(key, value, ok, " ")
		}
		return all
	}
	for _, step := range []struct {
		key   string
		value int
		want  string
	}{
		{"a", 1, "a1 true b0 false c0 false "},
		{"b", 2, "a1 true b2 true c0 false "},
		{"a", 3, "a3 true b2 true c0 false "},
		{"c", 4, "a0 false b2 true c4 true "}, // b was asked for after a
	} {
		if r.Remember(step.key, step.value); remembered() != step.want {
			t.Errorf("after %v: %s", step, remembered())
		}
	}
	r.Recall("b")
	if r.Remember("a", 5); remembered() != "a5 true b2 true c0 false " {
		t.Errorf("b was used later than c: %s", remembered())
	}
}

func TestSideBySide(t *testing.T) {
	r := recent.New[int, int](8)
	var group sync.WaitGroup
	for n := range 16 {
		group.Go(func() {
			r.Remember(n, n)
			if value, ok := r.Recall(n); ok && value != n {
				t.Errorf("%d is %d", n, value)
			}
		})
	}
	group.Wait()
}
