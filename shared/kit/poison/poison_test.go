package poison_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/poison"
)

var (
	errRule     = faults.Declare(faults.Rule, "poisontest.rule")
	errConflict = faults.Declare(faults.Conflict, "poisontest.conflict")
	errBusy     = faults.Declare(faults.Unavailable, "poisontest.busy")
)

func TestIs(t *testing.T) {
	cause := errors.New("cause")
	tests := []struct {
		err  error
		want bool
	}{
		{nil, false},
		{cause, false},
		{context.DeadlineExceeded, false},
		{es.ErrConflict, false},
		{poison.Mark(cause), true},
		{fmt.Errorf("around: %w", poison.Mark(cause)), true},
		{fmt.Errorf("around: %w", es.ErrCorrupt), true},
		{fmt.Errorf("around: %w", &es.UnknownTypeError{}), true},
		{fmt.Errorf("around: %w", errRule.New("no")), true},
		{errConflict.New("not now"), false},
		{errBusy.New("later"), false},
	}
	for _, tt := range tests {
		if got := poison.Is(tt.err); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.err, got, tt.want)
		}
	}
	if !errors.Is(poison.Mark(cause), cause) {
		t.Error("the cause is lost")
	}
}

func TestHold(t *testing.T) {
	cause := errors.New("cause")
	held := fmt.Errorf("around: %w", poison.Hold(cause))
	if !poison.IsHeld(held) || !poison.Is(held) || !errors.Is(held, cause) {
		t.Errorf("%v is not held, no poison, or of no cause", held)
	}
	if poison.IsHeld(poison.Mark(cause)) || poison.IsHeld(nil) {
		t.Error("poison alone waits for nobody")
	}
}
