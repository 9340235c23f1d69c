package estest

import (
	"fmt"
	"testing"

	"orderflow/shared/es/memstore"
)

// Twins carries out a command whose append has n items, and at one moment of that append a twin of
// it: a second request of the same client, or the client's own repeat. Each order in which the
// items become visible, and each moment before the last of them, is a test of its own, on what
// scene gives: a store of its own, and the command, which tells its answer. Both get the same
// answer, and no error.
func Twins(t *testing.T, n int, scene func(t *testing.T) (*memstore.Store, func() (string, error))) {
	t.Helper()
	for _, order := range orders(n) {
		for moment := range n {
			t.Run(fmt.Sprintf("order %v, a twin when %d can be seen", order, moment), func(t *testing.T) {
				store, command := scene(t)
				var twin string
				var failed error
				seen, ran := 0, false
				store.Meanwhile(order, func() {
					if seen == moment {
						ran = true
						twin, failed = command()
					}
					seen++
				})
				answer, err := command()
				store.Meanwhile(nil, nil)
				switch {
				case !ran:
					t.Errorf("the append has fewer than %d items", n)
				case err != nil || failed != nil || answer != twin:
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
