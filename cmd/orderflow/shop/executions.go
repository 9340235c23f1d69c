package shop

import (
	"context"
	"encoding/json"
	"time"
)

// Executions are those of an order, as the API shows them. Omitted is how many it left out behind
// the first one.
type Executions struct {
	Executions []Execution `json:"executions"`
	Omitted    int         `json:"omitted,omitempty"`
}

// Execution is one of the state machine's. Of an expired one only its name is known.
type Execution struct {
	Name      string          `json:"name"`
	Expired   bool            `json:"expired,omitempty"`
	Status    string          `json:"status,omitempty"`
	Started   time.Time       `json:"startedAt,omitzero"`
	Ended     time.Time       `json:"endedAt,omitzero"`
	Error     string          `json:"error,omitempty"`
	Cause     string          `json:"cause,omitempty"`
	Steps     []Step          `json:"steps,omitempty"`
	Truncated bool            `json:"truncated,omitempty"`
	StartAt   string          `json:"startAt,omitempty"`
	States    json.RawMessage `json:"states,omitempty"`
}

// Step is a state that an execution entered.
type Step struct {
	Name    string    `json:"name"`
	Type    string    `json:"type"`
	Entered time.Time `json:"enteredAt"`
	Exited  time.Time `json:"exitedAt,omitzero"`
	Tries   int       `json:"tries,omitempty"` // of a task
	Failed  bool      `json:"failed,omitempty"`
	Error   string    `json:"error,omitempty"` // of its last try that failed
	Cause   string    `json:"cause,omitempty"`
}

// Executions reads the executions of an order.
func (c *Client) Executions(ctx context.Context, orderID string) (out Executions, err error) {
	err = c.get(ctx, Path("orders", orderID, "executions"), &out)
	return out, err
}
