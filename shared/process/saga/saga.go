// Package saga says how a run of the order's state machine is named and what it is given. Whoever
// starts runs names them alike, so that two starters of the same run start one: Step Functions has
// one run of a name.
package saga

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"orderflow/shared/kit/es"
)

// Mode is which half of the state machine a run starts with.
type Mode string

// The modes. A run that fulfils goes over to undoing by itself where a step fails.
const (
	ModeFulfil Mode = "fulfil"
	ModeUndo   Mode = "undo"
)

// InputVersion is the version of Input that this program writes and reads.
const InputVersion = 1

// MaxName is the longest name of an execution that Step Functions takes, in characters.
const MaxName = 80

// ErrInvalid says that a run can't be: no order, an unknown mode or version, or a name that Step
// Functions refuses.
var ErrInvalid = errors.New("saga: invalid run")

// Input is all that a run is given. It reads the rest from the order itself, so an old input never
// carries old facts.
type Input struct {
	Version int    `json:"version"`
	OrderID string `json:"orderId"`
	Mode    Mode   `json:"mode"`
	// CorrelationID is the order's, for what the run says of itself before it has read the order.
	// Whoever doesn't know it leaves it out.
	CorrelationID string `json:"correlationId,omitempty"`
	// Traceparent is that of the request that placed the order, likewise.
	Traceparent string `json:"traceparent,omitempty"`
	Tracestate  string `json:"tracestate,omitempty"`
}

// From is the request that placed the order, as far as it is known.
func (in Input) From() es.Metadata {
	return es.Metadata{CorrelationID: in.CorrelationID, Traceparent: in.Traceparent, Tracestate: in.Tracestate}
}

// Following is the input of a run that follows from a request.
func (in Input) Following(m es.Metadata) Input {
	in.CorrelationID, in.Traceparent, in.Tracestate = m.CorrelationID, m.Traceparent, m.Tracestate
	return in
}

// Means reports whether two inputs ask for the same.
func (in Input) Means(other Input) bool {
	in = in.Following(other.From())
	return in == other
}

// Run is a run of the state machine: the name of its execution and its input.
type Run struct {
	Name  string
	Input Input
}

// Fulfil is the first run of an order, started by its order.placed.
func Fulfil(orderID string) Run {
	return Run{Name: FulfilName(orderID), Input: Input{Version: InputVersion, OrderID: orderID, Mode: ModeFulfil}}
}

// Undo is the first run that undoes an order, started by the order.cancelling at that sequence of
// its stream.
func Undo(orderID string, sequence int64) Run {
	return Run{Name: UndoName(orderID, sequence), Input: Input{Version: InputVersion, OrderID: orderID, Mode: ModeUndo}}
}

// ResumeUndo is a further run of an order that stands still while it is being undone. n counts the
// budgets that have passed since, so that all who find it within one of them start one run.
func ResumeUndo(orderID string, sequence, n int64) Run {
	return Run{
		Name:  ResumeUndoName(orderID, sequence, n),
		Input: Input{Version: InputVersion, OrderID: orderID, Mode: ModeUndo},
	}
}

// FulfilName is the order's id.
func FulfilName(orderID string) string { return orderID }

// UndoName is "<order>-undo-<sequence of the order.cancelling event>": an order is closed once, so
// it has one such name.
func UndoName(orderID string, sequence int64) string {
	return fmt.Sprintf("%s-undo-%d", orderID, sequence)
}

// ResumeUndoName is "<order>-undo-<sequence>-<n>".
func ResumeUndoName(orderID string, sequence, n int64) string {
	return fmt.Sprintf("%s-%d", UndoName(orderID, sequence), n)
}

// RedrivePrefix begins the names of the runs that a redrive starts, which are named for its
// dead-letter entry.
const RedrivePrefix = "redrive-"

// OrderOf is the order whose run has this name, "" for a run of a redrive.
func OrderOf(name string) string {
	if strings.HasPrefix(name, RedrivePrefix) {
		return ""
	}
	orderID, _, _ := strings.Cut(name, "-undo-")
	return orderID
}

// validName is stricter than Step Functions, which also takes characters that no id of ours has.
var validName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)
})

// Validate says why a run can't be started. The error is an ErrInvalid.
func (r Run) Validate() error {
	if !validName().MatchString(r.Name) {
		return fmt.Errorf(
			"%w: %q is no name of an execution: 1 to %d letters, digits, - and _", ErrInvalid, r.Name, MaxName,
		)
	}
	return r.Input.Validate()
}

// Validate says why a run can't work with this input. The error is an ErrInvalid.
func (in Input) Validate() error {
	switch {
	case in.Version != InputVersion:
		return fmt.Errorf("%w: input version %d, known is %d", ErrInvalid, in.Version, InputVersion)
	case in.OrderID == "":
		return fmt.Errorf("%w: no order", ErrInvalid)
	case in.Mode != ModeFulfil && in.Mode != ModeUndo:
		return fmt.Errorf("%w: unknown mode %q", ErrInvalid, in.Mode)
	}
	return nil
}

// JSON is the input as the state machine gets it.
func (in Input) JSON() string {
	text, err := json.Marshal(in)
	if err != nil {
		panic("saga: strings and numbers always encode: " + err.Error())
	}
	return string(text)
}

// ParseInput reads an input. What is no JSON and what Validate refuses are ErrInvalid. Fields that
// it doesn't know it passes over: a later release, which may be rolled back to this one, writes
// some that only add to what is asked for. One that changes that is a new InputVersion, read by a
// release before any writes it.
func ParseInput(text []byte) (Input, error) {
	var in Input
	if err := json.Unmarshal(text, &in); err != nil {
		return Input{}, fmt.Errorf("%w: input: %w", ErrInvalid, err)
	}
	if err := in.Validate(); err != nil {
		return Input{}, err
	}
	return in, nil
}
