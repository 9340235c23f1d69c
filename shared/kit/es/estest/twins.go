package estest

import (
	"fmt"
	"testing"

	"orderflow/shared/kit/es/memstore"
)

// Twins carries out a command whose appends have n items each, and at one moment of one of them a
// twin of it: a second request of the same client, or the client's own repeat. Each order in which
// the items become visible, and each moment before the last of them, is a test of its own, on what
// scene gives: a store of its own, and the command, which tells its answer. Both get the same
// answer, and no error.
func Twins(t *testing.T, n int, scene func(t *testing.T) (*memstore.Store, func() (string, error))) {
	t.Helper()
	for _, order := range orders(n) {
		for moment, met := 0, true; met; moment++ {
			t.Run(fmt.Sprintf("order %v, moment %d", order, moment), func(t *testing.T) {
				store, command := scene(t)
				var twin string
				var failed error
				seen := 0
				met = false
				store.Meanwhile(order, func() {
					if seen == moment {
						met = true
						twin, failed = command()
					}
					seen++
				})
				answer, err := command()
				store.Meanwhile(nil, nil)
				switch {
				case !met && moment < n:
					t.Errorf("no append has %d items", n)
				case err != nil || met && (failed != nil || answer != twin):
					t.Errorf("the answers are %q, %v, and to the twin %q, %v", answer, err, twin, failed)
				}
			})
		}
	}
}

// orders are the permutations of the numbers below n.
func orders(n int) [][]int {
	if n == 0 {
		return [][]int{{}}
	}
	var all [][]int
	for _, rest := range orders(n - 1) {
		for i := range n {
			order := append(append(append([]int{}, rest[:i]...), n-1), rest[i:]...)
			all = append(all, order)
		}
	}
	return all
}
