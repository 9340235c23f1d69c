package cost

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"math/big"
)

//go:embed budget.json
var budget []byte

// How orders end that the budget has counts of.
const (
	Delivered = "delivered"
	Cancelled = "cancelled" // at the last step of the saga, from where everything is undone
)

// Budget is what orders may come to, by how they end: Delivered, Cancelled. They were counted
// on a deployed stack, one order after the other, and a test there holds each count to it.
func Budget() (map[string]Counts, error) {
	var kinds map[string]Counts
	if err := json.Unmarshal(budget, &kinds); err != nil {
		return nil, fmt.Errorf("cost: budget: %w", err)
	}
	return kinds, nil
}

// OfOrder is what an order uses on average, by how it ends.
func OfOrder(kind string) (Usage, error) {
	kinds, err := Budget()
	if err != nil {
		return nil, err
	}
	counts, ok := kinds[kind]
	if !ok || counts.Orders < 1 {
		return nil, fmt.Errorf("cost: nothing was counted of an order that is %s", kind)
	}
	return counts.Usage().Scaled(big.NewRat(1, counts.Orders)), nil
}
