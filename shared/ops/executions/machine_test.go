package executions_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/ops/executions"
)

func TestParseMachine(t *testing.T) {
	m, err := executions.ParseMachine([]byte(`{"StartAt": "DoIt", "States": {
"DoIt": {"Type": "Task", "Resource": "x.waitForTaskToken", "Next": "AndThen", "Catch": [
	{"ErrorEquals": ["a.b", "a.c"], "Next": "AndThen"}, {"ErrorEquals": ["States.ALL"], "Next": "Over"}]},
"AndThen": {"Type": "Choice", "Choices": [{"Next": "DoIt"}], "Default": "Last"},
"Last": {"Type": "Task", "Resource": "x", "End": true},
"Over": {"Type": "Fail"}}}`))
	want := executions.Machine{Start: "DoIt", States: []executions.State{
		{Name: "DoIt", Type: "Task", Waits: true, Next: []executions.Transition{
			{To: "AndThen"}, {To: "AndThen", Errors: []string{"a.b", "a.c"}},
			{To: "Over", Errors: []string{executions.Everything}},
		}},
		{Name: "AndThen", Type: "Choice", Next: []executions.Transition{{To: "DoIt"}, {To: "Last", Otherwise: true}}},
		{Name: "Last", Type: "Task", End: true},
		{Name: "Over", Type: "Fail", End: true},
	}}
	if diff := cmp.Diff(want, m); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestMachinesThatCannotBe(t *testing.T) {
	for text, says := range map[string]string{
		`[]`:                                    "cannot unmarshal",
		`{"StartAt": "A", "States": []}`:        "the states are no object",
		`{"StartAt": "A", "States": {"A": 1}}`:  "state A",
		`{"StartAt": "B", "States": {"A": {}}}`: `starts at "B"`,
		`{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}`: `A leads to "B"`,
	} {
		if _, err := executions.ParseMachine([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %s", text, err, says)
		}
	}
}

// The saga's own definition is read whole, in its order.
func TestParseTheSaga(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "statemachines", "order-saga.asl.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := executions.ParseMachine(text)
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ States map[string]any }
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range m.States {
		names = append(names, s.Name)
	}
	if len(names) != len(all.States) || names[0] != m.Start || names[1] != "UnknownInput" {
		t.Errorf("states are %v", names)
	}
	waits := func(n executions.Transition) bool {
		return n.To == "AwaitStock" && slices.Equal(n.Errors, []string{"stock.backordered"})
	}
	if s := m.State("ReserveStock"); s == nil || !s.Waits || !slices.ContainsFunc(s.Next, waits) {
		t.Errorf("ReserveStock is %+v", s)
	}
}
