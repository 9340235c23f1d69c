package httpapi

import (
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/kit/clock"
)

// Instant is a time in a request. A field of type time.Time would take texts that RFC 3339 refuses.
// It is zero where the field is absent, and never where it is given.
type Instant struct{ time.Time }

// Schema implements huma.SchemaProvider.
func (Instant) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Type: huma.TypeString, Format: "date-time", Pattern: clock.TimePattern,
		Examples: []any{"2026-03-01T12:00:00Z"},
	}
	s.PrecomputeMessages()
	return s
}

// UnmarshalText implements encoding.TextUnmarshaler, for parameters.
func (i *Instant) UnmarshalText(text []byte) (err error) {
	if i.Time, err = clock.ParseTime(string(text)); err == nil && i.IsZero() {
		i.Time = i.Add(1) // nothing of ours is as old as either
	}
	return err
}

// UnmarshalJSON implements json.Unmarshaler, for bodies.
func (i *Instant) UnmarshalJSON(text []byte) error {
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	return i.UnmarshalText([]byte(s))
}
