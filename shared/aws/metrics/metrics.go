// Package metrics counts things for CloudWatch without calling it: one line of the embedded metric
// format a count, from which CloudWatch makes the metric when it takes the log in. Nothing is sent
// and nothing waits, so counting costs an invocation microseconds.
package metrics

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// Namespace holds all metrics of the program.
const Namespace = "orderflow"

// The format's limits. CloudWatch drops a line that passes one, without a word.
const (
	maxDimensions = 30
	maxText       = 1024 // bytes of a metric's name or a dimension's value
	maxDimension  = 250  // bytes of a dimension's name
)

// Dimensions are names and values that tell series of one metric apart. Each combination of values
// is a metric that is paid for: a value comes from a small set, never from an id.
type Dimensions map[string]string

// Service are the dimensions of what is counted of a service's facts, by the name that Powertools
// gives the first of them.
func Service(name, stack string) Dimensions { return Dimensions{"service": name, "Stack": stack} }

// With is the dimensions with one more; with the same ones where its value is "".
func (d Dimensions) With(name, value string) Dimensions {
	with := maps.Clone(d)
	if value != "" {
		with[name] = value
	}
	return with
}

// Clock tells the time at which something is counted.
type Clock interface{ Now() time.Time }

// Writer writes metrics to a log. It is safe for concurrent use.
type Writer struct {
	mu    sync.Mutex
	out   io.Writer
	clock Clock
}

// New makes a Writer on a function's standard output, which is where CloudWatch looks for the
// format.
func New(out io.Writer, clock Clock) *Writer { return &Writer{out: out, clock: clock} }

// Count adds n to a metric. What the format can't hold is logged and left out: a metric never fails
// the work that it counts.
//
// Nothing is written of 0: CloudWatch charges for each metric by the hours in which it is written,
// and a shop without orders counts a dozen times nothing each minute. So an alarm on a metric takes
// missing data for none.
func (w *Writer) Count(name string, n int64, dimensions Dimensions) {
	if n != 0 {
		w.write(name, n, "Count", dimensions)
	}
}

// Seconds adds a duration to a metric, in seconds to the millisecond; like Count.
func (w *Writer) Seconds(name string, d time.Duration, dimensions Dimensions) {
	w.write(name, float64(d.Round(time.Millisecond).Milliseconds())/1000, "Seconds", dimensions)
}

func (w *Writer) write(name string, value any, unit string, dimensions Dimensions) {
	line, problem := encode(w.clock.Now(), name, value, unit, dimensions)
	if problem != "" {
		slog.Error("metric not counted", "metric", name, "problem", problem)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.out.Write(line); err != nil {
		slog.Error("metric not counted", "metric", name, "problem", err.Error())
	}
}

type metadata struct {
	Timestamp         int64       `json:"Timestamp"` // milliseconds
	CloudWatchMetrics []directive `json:"CloudWatchMetrics"`
}

type directive struct {
	Namespace  string       `json:"Namespace"`
	Dimensions [][]string   `json:"Dimensions"` // sets of names
	Metrics    []definition `json:"Metrics"`
}

type definition struct {
	Name string `json:"Name"`
	Unit string `json:"Unit"`
}

// encode gives the line with its end, or says what the format can't hold.
func encode(now time.Time, name string, value any, unit string, dimensions Dimensions) (line []byte, problem string) {
	names := slices.Sorted(maps.Keys(dimensions))
	if names == nil {
		names = []string{} // no dimensions are an empty set, not null
	}
	root := map[string]any{}
	for _, d := range names {
		switch v := dimensions[d]; {
		case d == "" || len(d) > maxDimension || d == "_aws" || d == name:
			return nil, "dimension " + d + " has a name that can't be used"
		case v == "" || len(v) > maxText:
			return nil, "dimension " + d + " has a value that is empty or too long"
		default:
			root[d] = v
		}
	}
	switch {
	case name == "" || len(name) > maxText || name == "_aws":
		return nil, "the name can't be used"
	case len(names) > maxDimensions:
		return nil, "too many dimensions"
	}
	root[name] = value
	root["_aws"] = metadata{
		Timestamp: now.UnixMilli(),
		CloudWatchMetrics: []directive{{
			Namespace: Namespace, Dimensions: [][]string{names}, Metrics: []definition{{Name: name, Unit: unit}},
		}},
	}
	line, err := json.Marshal(root)
	if err != nil {
		return nil, err.Error()
	}
	return append(line, '\n'), ""
}
