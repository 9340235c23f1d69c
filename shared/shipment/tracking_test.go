package shipment

import "testing"

// TestCheckCharacter holds against a number that others publish: the example of the Global Release Identifier, which has the same check character.
func TestCheckCharacter(t *testing.T) {
	if got := checkCharacter("A12425GABC1234002"); got != 'M' {
		t.Errorf("the check character is %c, want M", got)
	}
}
