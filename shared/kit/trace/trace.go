// Package trace reads and writes the traceparent of W3C Trace Context, which ties together what one
// request brings about.
package trace

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
)

// The lengths of version 00, in characters.
const (
	idLength   = 32
	spanLength = 16
	length     = len("00-") + idLength + len("-") + spanLength + len("-00")
)

// Context is what a traceparent says. The zero Context is none.
type Context struct {
	TraceID string // 32 lower-case hexadecimal digits, not all 0
	SpanID  string // 16 of them: the span that the work follows from
	Sampled bool   // whoever began the trace may have recorded it
}

// Parse reads a traceparent. Of a version above 00 it reads what version 00 has, as the
// specification says (3.2.2). ok is false for what is malformed, which is to be taken for none.
func Parse(traceparent string) (c Context, ok bool) {
	if len(traceparent) < length {
		return Context{}, false
	}
	head, rest := traceparent[:length], traceparent[length:]
	version, traceID, spanID, flags := head[:2], head[3:35], head[36:52], head[53:]
	if head[2] != '-' || head[35] != '-' || head[52] != '-' || !hexadecimal(version, 2) ||
		!hexadecimal(traceID, idLength) || !hexadecimal(spanID, spanLength) || !hexadecimal(flags, 2) {
		return Context{}, false
	}
	switch {
	case version == "ff", version == "00" && rest != "", rest != "" && rest[0] != '-':
		return Context{}, false
	case strings.Trim(traceID, "0") == "", strings.Trim(spanID, "0") == "":
		return Context{}, false
	}
	sampled := strings.IndexByte("13579bdf", flags[1]) >= 0 // the lowest bit
	return Context{TraceID: traceID, SpanID: spanID, Sampled: sampled}, true
}

func hexadecimal(text string, length int) bool {
	return len(text) == length && strings.Trim(text, "0123456789abcdef") == ""
}

// New begins a trace, for work that follows from nothing.
func New(sampled bool) Context {
	return Context{TraceID: random(idLength), SpanID: random(spanLength), Sampled: sampled}
}

// Child is a further span of the trace.
func (c Context) Child() Context {
	c.SpanID = random(spanLength)
	return c
}

// random gives that many digits, not all 0.
func random(digits int) string {
	bytes := make([]byte, digits/2)
	for {
		_, _ = rand.Read(bytes) // never fails
		if text := hex.EncodeToString(bytes); strings.Trim(text, "0") != "" {
			return text
		}
	}
}

// String is the traceparent, in version 00; "" for none.
func (c Context) String() string {
	switch {
	case c == Context{}:
		return ""
	case c.Sampled:
		return "00-" + c.TraceID + "-" + c.SpanID + "-01"
	}
	return "00-" + c.TraceID + "-" + c.SpanID + "-00"
}

// ID is the trace's id in a traceparent, "" where there is none.
func ID(traceparent string) string {
	c, _ := Parse(traceparent)
	return c.TraceID
}
