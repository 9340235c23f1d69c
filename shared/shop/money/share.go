package money

import "math/bits"

// Share gives n of the equal parts of m, of which there are of, rounded down to whole minor units.
// Whoever takes parts one after the other, each of what is left by then, ends with exactly m: the
// last part is all that is left. A fault where m, n or of is negative, of is 0, or n is more than
// of.
func (m Money) Share(n, of int64) (Money, error) {
	if m.Amount < 0 || n < 0 || of < 1 || n > of {
		return Money{}, ErrOverflow.New("%d × %d/%d: expected 0 to all parts of an amount", m.Amount, n, of)
	}
	hi, lo := bits.Mul64(uint64(m.Amount), uint64(n))
	quotient, _ := bits.Div64(hi, lo, uint64(of))
	if quotient > 1<<63-1 { // it is at most m
		return Money{}, ErrOverflow.New("%d × %d/%d is out of range", m.Amount, n, of)
	}
	return Money{Amount: int64(quotient), Currency: m.Currency}, nil
}
