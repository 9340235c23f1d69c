package shipment

import "testing"

// TestCheckTellsNeighboursApart tries all there are: whatever comes before, a pair and the pair
// swapped never check alike.
func TestCheckTellsNeighboursApart(t *testing.T) {
	for _, before := range trackingDigits {
		for _, a := range trackingDigits {
			for _, b := range trackingDigits {
				if alike := check(string([]rune{
					before, a, b,
				})) == check(string([]rune{before, b, a})); alike != (a == b) {
					t.Errorf("behind %c, %c%c and %c%c check alike: %v", before, a, b, b, a, alike)
				}
			}
		}
	}
}
