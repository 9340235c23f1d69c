package console

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/ops/executions"
)

// theMachine is the saga's own, as the API shows it.
func theMachine(t *testing.T) (start string, states []state) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "statemachines", "order-saga.asl.json"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := executions.ParseMachine(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.States {
		one := state{Name: s.Name, Type: s.Type, Waits: s.Waits, End: s.End}
		for _, n := range s.Next {
			one.Next = append(one.Next, transition(n))
		}
		states = append(states, one)
	}
	return m.Start, states
}

// run is an execution of the saga that took a way: names of states, with ! behind one that failed,
// and ? behind one where it still is.
func run(t *testing.T, status, way string) execution {
	t.Helper()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	e := execution{Name: "o1", Status: status, StartedAt: at}
	e.StartAt, e.States = theMachine(t)
	for _, name := range strings.Fields(way) {
		at = at.Add(time.Second)
		left := at.Add(800 * time.Millisecond)
		s := step{Name: strings.TrimRight(name, "!?"), EnteredAt: at, ExitedAt: &left}
		i := slices.IndexFunc(e.States, func(of state) bool { return of.Name == s.Name })
		if i < 0 {
			t.Fatalf("there is no state %s", s.Name)
		}
		if s.Type = e.States[i].Type; s.Type == "Task" {
			s.Tries = 1
		}
		switch {
		case strings.HasSuffix(name, "!"):
			s.Failed, s.Error, s.Tries = true, "test.fault", 3
		case strings.HasSuffix(name, "?"), s.Type == "Fail":
			s.ExitedAt = nil
		}
		e.Steps = append(e.Steps, s)
	}
	return e
}

// ways are those of docs/sagas.md.
var waysOfTheSaga = map[string]struct{ status, way string }{
	"confirmed": {"SUCCEEDED", "WhichWay StartOrder ReserveStock ChargePayment ScheduleShipment ConfirmOrder"},
	"out of stock": {"SUCCEEDED", "WhichWay StartOrder ReserveStock! CloseOrder Closed CancelShipment RefundPayment " +
		"ReleaseStock AllUndone CancelOrder"},
	"held, and approved": {"SUCCEEDED", "WhichWay StartOrder! AwaitApproval StartOrder ReserveStock ChargePayment " +
		"ScheduleShipment ConfirmOrder"},
	"held": {"RUNNING", "WhichWay StartOrder! AwaitApproval?"},
	"held for too long": {"SUCCEEDED", "WhichWay StartOrder! AwaitApproval! ExpireWait StartOrder! CloseOrder Closed " +
		"CancelShipment RefundPayment ReleaseStock AllUndone CancelOrder"},
	"paid again": {"SUCCEEDED", "WhichWay StartOrder ReserveStock ChargePayment! MayPayAgain AwaitPayment StartOrder " +
		"ReserveStock ChargePayment ScheduleShipment ConfirmOrder"},
	"backordered": {"RUNNING", "WhichWay StartOrder ReserveStock! AwaitStock?"},
	"a part":      {"SUCCEEDED", "WhichWay StartOrder ReserveStock! ReduceOrder ChargePayment ScheduleShipment ConfirmOrder"},
	"undone":      {"SUCCEEDED", "WhichWay CloseOrder Closed CancelShipment RefundPayment ReleaseStock AllUndone CancelOrder"},
	"undo failed": {"FAILED", "WhichWay CloseOrder Closed CancelShipment RefundPayment! ReleaseStock! AllUndone " +
		"MarkUndoFailed ReportUndoFailed UndoFailed"},
	"unresolved":               {"FAILED", "WhichWay StartOrder ReserveStock ChargePayment! CloseOrder! ReportUnresolved Unresolved"},
	"unknown input":            {"FAILED", "WhichWay UnknownInput"},
	"not begun":                {"RUNNING", ""},
	"fulfilled by another one": {"SUCCEEDED", "WhichWay StartOrder! Completed"},
	"timed out":                {"TIMED_OUT", "WhichWay StartOrder ReserveStock?"},
}

// Each state is drawn once, and what was taken is what the execution did, whatever way it took.
func TestDrawMachine(t *testing.T) {
	for name, tt := range waysOfTheSaga {
		t.Run(name, func(t *testing.T) {
			e := run(t, tt.status, tt.way)
			m, ok := drawMachine(e)
			if !ok {
				t.Fatal("there is nothing to draw")
			}
			names := map[string]int{}
			for _, s := range m.States {
				names[s.Name]++
			}
			want, times, went := map[string]string{}, map[string]int{}, map[string]int{}
			for i, s := range e.Steps {
				want[inWords(s.Name)] = e.at(i)
				times[s.Name]++
				if i > 0 {
					went[e.Steps[i-1].Name+" "+s.Name]++
				}
			}
			for _, s := range e.States {
				if names[inWords(s.Name)] != 1 {
					t.Errorf("%s is drawn %d times", s.Name, names[inWords(s.Name)])
				}
			}
			for _, s := range m.States {
				if became := orElse(want[s.Name], "idle"); s.Became != became {
					t.Errorf("%s is drawn as %s, want %s", s.Name, s.Became, became)
				}
			}
			for _, a := range m.Arrows {
				if a.Taken != went[a.From+" "+a.To] {
					t.Errorf("%s is drawn as taken %d times, want %d", a.Says, a.Taken, went[a.From+" "+a.To])
				}
				delete(went, a.From+" "+a.To)
			}
			if len(went) > 0 {
				t.Errorf("not drawn: %v", went)
			}
			inside(t, m)
		})
	}
}

// inside: no box covers another one, and all are on the drawing.
func inside(t *testing.T, m machine) {
	t.Helper()
	for i, a := range m.States {
		if a.X < 0 || a.Y < 0 || a.X+a.Width > m.Width || a.Y+a.Height > m.Height {
			t.Errorf("%s is not on the drawing: %+v", a.Name, a)
		}
		for _, b := range m.States[i+1:] {
			if a.X < b.X+b.Width && b.X < a.X+a.Width && a.Y < b.Y+b.Height && b.Y < a.Y+a.Height {
				t.Errorf("%s covers %s", a.Name, b.Name)
			}
		}
	}
}

// Whoever looks at two executions finds the states in the same rows.
func TestRowsStay(t *testing.T) {
	rows := func(e execution) map[string]int {
		m, _ := drawMachine(e)
		all := map[string]int{}
		for _, s := range m.States {
			all[s.Name] = s.Y
		}
		return all
	}
	want := fmt.Sprint(rows(run(t, "RUNNING", "")))
	for name, tt := range waysOfTheSaga {
		if got := fmt.Sprint(rows(run(t, tt.status, tt.way))); got != want {
			t.Errorf("%s: rows are %s, want %s", name, got, want)
		}
	}
}
