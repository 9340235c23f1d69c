package es

import (
	"encoding/json"
	"fmt"
	"time"

	"orderflow/shared/kit/clock"
)

// Envelope is a published event: CloudEvents 1.0 in structured JSON mode, with the extension
// attributes that a consumer of a stream needs. Extension names have lower-case letters and digits
// only, as the specification demands.
type Envelope struct {
	SpecVersion     string    `json:"specversion"`     // "1.0"
	ID              string    `json:"id"`              // the same each time that the event is published
	Source          string    `json:"source"`          // the context that it comes from: "order-service"
	Type            string    `json:"type"`            // "order.placed"
	Subject         string    `json:"subject"`         // the stream
	Time            time.Time `json:"time"`            // the commit's, in UTC
	DataContentType string    `json:"datacontenttype"` // "application/json"
	DataSchema      string    `json:"dataschema"`      // URI of this version's JSON Schema
	// of the published contract, from 1; not the schema version of the stored event
	DataVersion   int             `json:"dataversion"`
	Sequence      int64           `json:"sequence"` // position in its stream, from 1
	CorrelationID string          `json:"correlationid,omitempty"`
	CausationID   string          `json:"causationid,omitempty"`
	Traceparent   string          `json:"traceparent,omitempty"`
	Tracestate    string          `json:"tracestate,omitempty"`
	ActorKind     string          `json:"actorkind,omitempty"` // who brought it about: "person"
	ActorID       string          `json:"actorid,omitempty"`
	Data          json.RawMessage `json:"data"`
}

// SpecVersion is the version of CloudEvents that envelopes follow.
const SpecVersion = "1.0"

// UnmarshalJSON implements json.Unmarshaler. The time is read by clock.ParseTime: encoding/json
// takes texts that are no times of RFC 3339.
func (e *Envelope) UnmarshalJSON(text []byte) error {
	type plain Envelope // without this method
	read := struct {
		*plain

		Time string `json:"time"`
	}{plain: (*plain)(e)}
	if err := json.Unmarshal(text, &read); err != nil || read.Time == "" { // Validate refuses a missing one
		return err
	}
	at, err := clock.ParseTime(read.Time)
	if err != nil {
		return fmt.Errorf("es: envelope: time: %w", err)
	}
	e.Time = at
	return nil
}

// Validate says what an envelope lacks, the first thing only. The content type and the schema's URI
// may be missing, and it does not look whether the data is what the schema says.
func (e Envelope) Validate() error {
	switch {
	case e.SpecVersion != SpecVersion:
		return fmt.Errorf("es: envelope: specversion is %q, not %q", e.SpecVersion, SpecVersion)
	case e.ID == "":
		return fmt.Errorf("es: envelope: no id")
	case e.Source == "":
		return fmt.Errorf("es: envelope %s: no source", e.ID)
	case e.Type == "":
		return fmt.Errorf("es: envelope %s: no type", e.ID)
	case !StreamID(e.Subject).Valid():
		return fmt.Errorf("es: envelope %s: subject %q is no stream", e.ID, e.Subject)
	case e.Time.IsZero():
		return fmt.Errorf("es: envelope %s: no time", e.ID)
	case e.Sequence < 1:
		return fmt.Errorf("es: envelope %s: sequence %d", e.ID, e.Sequence)
	case e.DataVersion < 1:
		return fmt.Errorf("es: envelope %s: dataversion %d", e.ID, e.DataVersion)
	case len(e.Data) == 0:
		return fmt.Errorf("es: envelope %s: no data", e.ID)
	}
	return nil
}
