package shop

import (
	"context"
	"encoding/json"
	"net/url"
	"time"
)

// DeadLetter is a dead-letter entry: a message that exhausted its retries.
type DeadLetter struct {
	ID            string            `json:"id"`
	Status        string            `json:"status"`
	Consumer      string            `json:"consumer"`
	Topic         string            `json:"topic"`
	CorrelationID string            `json:"correlationId"`
	Kind          string            `json:"kind"`
	Error         string            `json:"error"`
	Code          string            `json:"code,omitempty"`
	RetryCount    int               `json:"retryCount"`
	FirstFailure  time.Time         `json:"firstFailure"`
	LastFailure   time.Time         `json:"lastFailure"`
	RecordedAt    time.Time         `json:"recordedAt"`
	Redrives      int               `json:"redrives"`
	RedriveError  string            `json:"redriveError,omitempty"`
	NextRedriveAt *time.Time        `json:"nextRedriveAt,omitempty"`
	Held          bool              `json:"held"`
	Hint          string            `json:"hint,omitempty"`
	ClosedAt      *time.Time        `json:"closedAt,omitempty"`
	ClosedBy      string            `json:"closedBy,omitempty"`
	Reason        string            `json:"reason,omitempty"`
	Message       json.RawMessage   `json:"message,omitempty"` // only where a single entry is read
	Attributes    map[string]string `json:"attributes,omitempty"`
	Decisions     []Decision        `json:"decisions,omitempty"` // only where a single entry is read
}

// Decision is what an operator decided about an entry.
type Decision struct {
	At       time.Time `json:"at"`
	By       string    `json:"by"`
	Action   string    `json:"action"`
	Reason   string    `json:"reason,omitempty"`
	TakeOver bool      `json:"takeOver,omitempty"`
}

// DeadLetters reads a page of entries, newest first. The query's names are the API's: consumer,
// topic, status, error, before, limit, cursor.
func (c *Client) DeadLetters(ctx context.Context, query url.Values) (entries []DeadLetter, next string, err error) {
	var out struct {
		DeadLetters []DeadLetter `json:"deadLetters"`
		Next        string       `json:"next"`
	}
	err = c.get(ctx, "/dead-letters?"+query.Encode(), &out)
	return out.DeadLetters, out.Next, err
}

// DeadLetter reads an entry with its message.
func (c *Client) DeadLetter(ctx context.Context, id string) (DeadLetter, error) {
	var out DeadLetter
	err := c.get(ctx, "/dead-letters/"+url.PathEscape(id), &out)
	return out, err
}

// RedriveDeadLetter marks an entry for the next run of the redrive, for a reason, "" for none.
// takeOver accepts that its effect may happen a second time.
func (c *Client) RedriveDeadLetter(ctx context.Context, id, reason string, takeOver bool) (DeadLetter, error) {
	var out DeadLetter
	err := c.post(ctx, "/dead-letters/"+url.PathEscape(id)+"/redrive", struct {
		Reason   string `json:"reason,omitempty"`
		TakeOver bool   `json:"takeOver"`
	}{reason, takeOver}, &out)
	return out, err
}

// DiscardDeadLetter closes an entry that is no longer needed.
func (c *Client) DiscardDeadLetter(ctx context.Context, id, reason string) (DeadLetter, error) {
	var out DeadLetter
	err := c.post(ctx, "/dead-letters/"+url.PathEscape(id)+"/discard", map[string]string{"reason": reason}, &out)
	return out, err
}
