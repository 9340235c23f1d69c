package executions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Machine is a state machine as a graph: what is done in its states is left out.
type Machine struct {
	Start  string
	States []State // in the order of the definition
}

// State is one of a machine's.
type State struct {
	Name  string
	Type  string
	Waits bool // a task that waits for an answer with a task token
	End   bool // the execution may end here
	Next  []Transition
}

// Transition leads from a state to another one.
type Transition struct {
	To        string
	Otherwise bool     // where no other choice applies
	Errors    []string // that lead there; none where the state succeeded or chose
}

// Everything is the error name that stands for all errors.
const Everything = "States.ALL"

// ParseMachine reads a definition in Amazon States Language. Every transition leads to a state of
// the machine.
func ParseMachine(definition []byte) (Machine, error) {
	var in struct {
		StartAt string
		States  states
	}
	if err := json.Unmarshal(definition, &in); err != nil {
		return Machine{}, fmt.Errorf("executions: the definition of a machine: %w", err)
	}
	m := Machine{Start: in.StartAt, States: in.States}
	known := func(name string) bool { return m.State(name) != nil }
	if !known(m.Start) {
		return Machine{}, fmt.Errorf("executions: a machine starts at %q, which is none of its states", m.Start)
	}
	for _, s := range m.States {
		for _, t := range s.Next {
			if !known(t.To) {
				return Machine{}, fmt.Errorf("executions: %s leads to %q, which is no state", s.Name, t.To)
			}
		}
	}
	return m, nil
}

// State is the one with that name, nil where there is none.
func (m Machine) State(name string) *State {
	i := slices.IndexFunc(m.States, func(s State) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &m.States[i]
}

// states are read one by one: a map would lose their order.
type states []State

// UnmarshalJSON implements json.Unmarshaler.
func (all *states) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return errors.Join(err, errors.New("the states are no object"))
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, ok := key.(string)
		if !ok {
			return fmt.Errorf("%v is no name of a state", key)
		}
		var s definedState
		if err := d.Decode(&s); err != nil {
			return fmt.Errorf("state %s: %w", name, err)
		}
		*all = append(*all, s.state(name))
	}
	return nil
}

type definedState struct {
	Type     string
	Resource string
	Next     string
	Default  string
	End      bool
	Choices  []struct{ Next string }
	Catch    []struct {
		ErrorEquals []string
		Next        string
	}
}

func (d definedState) state(name string) State {
	s := State{
		Name: name, Type: d.Type, Waits: strings.HasSuffix(d.Resource, ".waitForTaskToken"),
		End: d.End || d.Type == "Succeed" || d.Type == "Fail",
	}
	if d.Next != "" {
		s.Next = append(s.Next, Transition{To: d.Next})
	}
	for _, c := range d.Choices {
		s.Next = append(s.Next, Transition{To: c.Next})
	}
	if d.Default != "" {
		s.Next = append(s.Next, Transition{To: d.Default, Otherwise: true})
	}
	for _, c := range d.Catch {
		s.Next = append(s.Next, Transition{To: c.Next, Errors: c.ErrorEquals})
	}
	return s
}
