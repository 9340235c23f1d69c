// Package alarms is what the alarms of a stack say, for people.
package alarms

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// State is an alarm's, as CloudWatch names it.
type State string

// The states.
const (
	OK           State = "OK"
	InAlarm      State = "ALARM"
	Insufficient State = "INSUFFICIENT_DATA" // mostly because nothing has happened yet that it counts
)

// Alarm is an alarm as it is now.
type Alarm struct {
	Name    string // without the stack's
	State   State
	Since   time.Time // when it came into the state
	Reason  string    // CloudWatch's own, for the state
	Says    string    // what the alarm means
	Runbook string    // where it is written what to do: docs/runbooks.md#section; "" where nowhere
	Silent  bool      // it notifies nobody
}

// runbook is how the description of an alarm names its section.
const runbook = " What to do: "

// Describe takes an alarm's description apart.
func (a *Alarm) Describe(text string) {
	a.Says, a.Runbook, _ = strings.Cut(text, runbook)
}

// urgency of the states: what is in alarm comes first.
var urgency = map[State]int{InAlarm: 0, Insufficient: 1, OK: 2}

// Sort orders alarms for people: what is in alarm first, and then by name.
func Sort(all []Alarm) {
	slices.SortFunc(all, func(a, b Alarm) int {
		return cmp.Or(cmp.Compare(urgency[a.State], urgency[b.State]), strings.Compare(a.Name, b.Name))
	})
}
