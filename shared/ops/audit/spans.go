package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"orderflow/shared/kit/es"
)

// Span is the versions From to Through of a stream, both included; From is at least 1 and at most
// Through.
type Span struct{ From, Through int64 }

// Has reports whether all of another span is within this one.
func (s Span) Has(o Span) bool { return s.From <= o.From && o.Through <= s.Through }

// Of is the span of a commit.
func Of(c es.StoredCommit) Span { return Span{c.First, c.Last()} }

// Spans are versions of a stream: in order, and with a gap between any two.
type Spans []Span

// Add gives the spans with more versions in them. It changes neither.
func (s Spans) Add(more ...Span) Spans {
	all := slices.Concat(s, more)
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	var out Spans
	for _, next := range all {
		if n := len(out); n > 0 && next.From <= out[n-1].Through+1 {
			out[n-1].Through = max(out[n-1].Through, next.Through)
			continue
		}
		out = append(out, next)
	}
	return out
}

// Minus gives the spans without the versions of others. It changes neither.
func (s Spans) Minus(others ...Span) Spans {
	out := slices.Clone(s)
	for _, o := range others {
		var left Spans
		for _, one := range out {
			if one.From < o.From {
				left = append(left, Span{one.From, min(one.Through, o.From-1)})
			}
			if one.Through > o.Through {
				left = append(left, Span{max(one.From, o.Through+1), one.Through})
			}
		}
		out = left
	}
	return out
}

// And gives the versions that are in both. It changes neither.
func (s Spans) And(others Spans) Spans { return s.Minus(s.Minus(others...)...) }

// events is how many versions they are.
func (s Spans) events() (n int64) {
	for _, one := range s {
		n += one.Through - one.From + 1
	}
	return n
}

// Has reports whether all versions of the span are among them.
func (s Spans) Has(o Span) bool { return len(Spans{o}.Minus(s...)) == 0 }

// Meets reports whether a version of the span is among them.
func (s Spans) Meets(o Span) bool {
	return slices.ContainsFunc(s, func(one Span) bool { return one.From <= o.Through && o.From <= one.Through })
}

// String writes them as "3-5,9". No spans are "".
func (s Spans) String() string {
	parts := make([]string, len(s))
	for i, one := range s {
		if parts[i] = strconv.FormatInt(one.From, 10); one.Through > one.From {
			parts[i] += "-" + strconv.FormatInt(one.Through, 10)
		}
	}
	return strings.Join(parts, ",")
}

// ParseSpans reads what String wrote, and "9-9" for "9" as earlier releases did.
func ParseSpans(text string) (Spans, error) {
	if text == "" {
		return nil, nil
	}
	var out Spans
	for part := range strings.SplitSeq(text, ",") {
		from, through, two := strings.Cut(part, "-")
		if !two {
			through = from
		}
		var one Span
		var err error
		if one.From, err = strconv.ParseInt(from, 10, 64); err == nil {
			one.Through, err = strconv.ParseInt(through, 10, 64)
		}
		if err != nil || one.From < 1 || one.Through < one.From ||
			len(out) > 0 && one.From <= out[len(out)-1].Through+1 {
			return nil, fmt.Errorf("audit: %q are no spans", text)
		}
		out = append(out, one)
	}
	return out, nil
}
