package httpapi

import (
	"log/slog"
	"testing"

	"orderflow/shared/kit/clock"
)

// A cold start makes the routes and nothing that a single operation needs: what huma derives from
// the types of one operation alone takes thousands of allocations.
func TestStartMakesNoOperation(t *testing.T) {
	const most = 60 // allocations of an operation: its route, and what it is made of later
	for name, fill := range map[string]func(*server){
		"commands":   func(s *server) { s.commands(Commands{}); s.deadLetterCommands(Commands{}) },
		"queries":    func(s *server) { s.queries(Queries{}); s.deadLetterQueries(Queries{}); s.document() },
		"operations": func(s *server) { s.operations(Operations{}) },
	} {
		operations := 0
		allocations := testing.AllocsPerRun(3, func() {
			s := newServer(Auth{}, clock.System{}, slog.Default())
			fill(s)
			operations = len(s.edge.operations)
		})
		if allocations > float64(operations*most) {
			t.Errorf("%s: %.0f allocations for %d operations, want %d each", name, allocations, operations, most)
		}
	}
}
