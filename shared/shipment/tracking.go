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
	// checkDigits are those of ISO/IEC 7064, MOD 37,36.
	checkDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// TrackingNumber is the tracking number of a shipment: "OF", 12 digits and letters, and a check character. It follows from the shipment's id, so that
// scheduling again gives the same one: the 60 highest bits of the id's SHA-256, five a character. The check character is that of ISO/IEC 7064 MOD 37,36
// over the 12, which finds every mistyped character and every two neighbours that were swapped.
func TrackingNumber(shipmentID string) string {
	sum := sha256.Sum256([]byte(shipmentID))
	bits := binary.BigEndian.Uint64(sum[:8])
	body := make([]byte, trackingBody)
	for i := range body {
		body[i] = trackingDigits[bits>>59]
		bits <<= 5
	}
	return trackingPrefix + string(body) + string(checkCharacter(string(body)))
}

// ValidTrackingNumber reports whether a number has the form of a tracking number and its check character fits.
func ValidTrackingNumber(number string) bool {
	body, ok := strings.CutPrefix(number, trackingPrefix)
	if !ok || len(body) != trackingBody+1 {
		return false
	}
	for _, c := range body[:trackingBody] {
		if !strings.ContainsRune(trackingDigits, c) {
			return false
		}
	}
	return checkCharacter(body[:trackingBody]) == body[trackingBody]
}

// checkCharacter is ISO/IEC 7064's hybrid system with the moduli 37 and 36.
func checkCharacter(body string) byte {
	const modulus = len(checkDigits)
	p := modulus
	for i := range len(body) {
		s := (p + strings.IndexByte(checkDigits, body[i])) % modulus
		if s == 0 {
			s = modulus
		}
		p = 2 * s % (modulus + 1)
	}
	return checkDigits[(modulus+1-p)%modulus]
}
