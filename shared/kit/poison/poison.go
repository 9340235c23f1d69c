// Package poison tells what can never pass from what may pass if it is tried again. A consumer sets
// the first aside at once, so that it doesn't hold up the rest.
package poison

import (
	"errors"
	"fmt"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
)

// Err is in the chain of every marked error.
var Err = errors.New("can never pass")

// Mark says of err that trying again can't mend it.
func Mark(err error) error { return fmt.Errorf("%w: %w", Err, err) }

// Is reports whether trying again can't mend err: it is marked so, or a stored event can't be read,
// or what was asked for is invalid or against a rule of the business. Everything else, known or
// unknown, may pass again.
func Is(err error) bool {
	var unknown *es.UnknownTypeError
	if errors.Is(err, Err) || errors.Is(err, es.ErrCorrupt) || errors.As(err, &unknown) {
		return true
	}
	fault, ok := faults.As(err)
	return ok && (fault.Kind == faults.Invalid || fault.Kind == faults.Rule)
}

// errHeld is in the chain of every error that Hold marks.
var errHeld = errors.New("waits for a person")

// Hold says of err that trying again can't mend it and may do harm: nobody knows whether the effect
// happened. Its message, once a dead letter, is sent again by a person and by nothing else.
func Hold(err error) error { return fmt.Errorf("%w: %w", errHeld, Mark(err)) }

// IsHeld reports whether only a person may try again what failed of err.
func IsHeld(err error) bool { return errors.Is(err, errHeld) }
