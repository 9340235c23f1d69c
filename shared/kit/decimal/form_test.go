package decimal

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

// Both forms as patterns say them.
func TestForms(t *testing.T) {
	whole := regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)
	fraction := regexp.MustCompile(`^(0|[1-9][0-9]*)(\.[0-9]+)?$`)
	texts := rapid.OneOf(rapid.StringMatching(`[-+.0-9eE_ ]{0,6}`), rapid.StringMatching(`-?[0-9]{0,3}(\.[0-9]{0,2})?`))
	rapid.Check(t, func(t *rapid.T) {
		text := texts.Draw(t, "text")
		if got, want := IsWhole(text), whole.MatchString(text); got != want {
			t.Errorf("%q is whole: %v, want %v", text, got, want)
		}
		if got, want := isFraction(text), fraction.MatchString(text); got != want {
			t.Errorf("%q is a fraction: %v, want %v", text, got, want)
		}
	})
}
