package clock

import "time"

// Skew is how far the clocks of two machines may differ. A time that lies further ahead was told by
// a clock that is wrong, and says nothing: what waits for such a time to pass waits for what is
// long there.
const Skew = 5 * time.Minute

// Ahead reports whether a time that another machine told lies further ahead of now than clocks
// differ.
func Ahead(t, now time.Time) bool { return t.After(now.Add(Skew)) }
