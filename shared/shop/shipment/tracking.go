package shipment

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"
)

const (
	trackingPrefix = "OF"
	trackingBody   = 12
	// trackingDigits are Crockford's 32: without I, L, O and U, which people take for others.
	trackingDigits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
)

// TrackingNumber is the tracking number of a shipment: "OF", 12 digits and letters, and a check
// character. It follows from the shipment's id, so that scheduling again gives the same one: the 60
// highest bits of the id's SHA-256, five a character. The check character finds every single
// mistyped character and every two neighbours that were swapped.
func TrackingNumber(shipmentID string) string {
	sum := sha256.Sum256([]byte(shipmentID))
	bits := binary.BigEndian.Uint64(sum[:8])
	number := make([]byte, trackingBody, trackingBody+1)
	for i := range number {
		number[i] = trackingDigits[bits>>59]
		bits <<= 5
	}
	return trackingPrefix + string(append(number, trackingDigits[check(string(number))]))
}

// ValidTrackingNumber reports whether a number has the form of a tracking number and its check
// character fits.
func ValidTrackingNumber(number string) bool {
	body, ok := strings.CutPrefix(number, trackingPrefix)
	if !ok || len(body) != trackingBody+1 {
		return false
	}
	for i := range len(body) {
		if strings.IndexByte(trackingDigits, body[i]) < 0 {
			return false
		}
	}
	return check(body) == 0
}

// check runs Damm's scheme over the field of 32 elements: c becomes 2(c+d) for each digit d. What
// it gives for digits is the digit that makes it 0. Neighbours a and b add 4a+2b, and swapped
// 4b+2a; the two are the same only if 6(a+b) is 0, which is only if a is b. ISO/IEC 7064's MOD
// 37,36, the usual scheme for letters, lets some swaps pass.
func check(digits string) int {
	const polynomial = 0b100101 // x⁵+x²+1
	c := 0
	for i := range len(digits) {
		c = (c ^ strings.IndexByte(trackingDigits, digits[i])) << 1
		if c >= len(trackingDigits) {
			c ^= polynomial
		}
	}
	return c
}
