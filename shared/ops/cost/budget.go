package cost

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed budget.json
var budget []byte

// Budget is what orders may come to, by how they end: "delivered", "cancelled". They were counted
// on a deployed stack, one order after the other, and a test there holds each count to it.
func Budget() (map[string]Counts, error) {
	var kinds map[string]Counts
	if err := json.Unmarshal(budget, &kinds); err != nil {
		return nil, fmt.Errorf("cost: budget: %w", err)
	}
	return kinds, nil
}
