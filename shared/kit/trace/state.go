package trace

import (
	"strings"

	otel "go.opentelemetry.io/otel/trace"
)

// The limits of a tracestate that is carried, in characters. The specification (3.3.1.5) has every
// party carry 512 at least, and names 128 as the size from which a member is left out first.
const (
	maxState  = 512
	maxMember = 128
)

// State reads the tracestate of a request, which may be in several headers: what other tracing
// systems tell each other. Whoever carries a traceparent carries it on. One that is malformed, or
// has more than 32 members, is none, as the specification says. Of one that is too long whole
// members are left out: first those that are long themselves, then the last, which are the oldest.
// State of what State gives is the same.
func State(given ...string) string {
	var members []string
	for member := range strings.SplitSeq(strings.Join(given, ","), ",") {
		if member = strings.Trim(member, " \t"); member != "" { // the specification allows empty members
			members = append(members, member)
		}
	}
	text := strings.Join(members, ",")
	if _, err := otel.ParseTraceState(text); err != nil {
		return ""
	}
	for i := len(members) - 1; i >= 0 && len(text) > maxState; i-- {
		if len(members[i]) > maxMember {
			members = append(members[:i], members[i+1:]...)
			text = strings.Join(members, ",")
		}
	}
	for len(text) > maxState {
		members = members[:len(members)-1]
		text = strings.Join(members, ",")
	}
	return text
}
