package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"orderflow/shared/inbound/httpapi"
)

// A function that lacks something doesn't start, and says what.
func TestMissingDependencies(t *testing.T) {
	for name, start := range map[string]func(){
		"Commands":   func() { httpapi.NewCommands(httpapi.Commands{}) },
		"Queries":    func() { httpapi.NewQueries(httpapi.Queries{}) },
		"Operations": func() { httpapi.NewOperations(httpapi.Operations{}) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				want := "wiring: httpapi." + name + " lacks Clock, Log"
				if says := fmt.Sprint(recover()); !strings.HasPrefix(says, want) {
					t.Errorf("it says %s", says)
				}
			}()
			start()
		})
	}
}
