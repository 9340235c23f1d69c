package audit

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"orderflow/shared/kit/es"
)

// Span is the versions From to Through of a stream, both included; From is at least 1 and at most
// Through.
type Span struct{ From, Through int64 }

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

// Meets reports whether a version of the span is among them.
func (s Spans) Meets(o Span) bool {
	return slices.ContainsFunc(s, func(one Span) bool { return one.From <= o.Through && o.From <= one.Through })
}

// String writes them as "3-5,9-9". No spans are "".
func (s Spans) String() string {
	parts := make([]string, len(s))
	for i, one := range s {
		parts[i] = strconv.FormatInt(one.From, 10) + "-" + strconv.FormatInt(one.Through, 10)
	}
	return strings.Join(parts, ",")
}

// ParseSpans reads what String wrote.
func ParseSpans(text string) (Spans, error) {
	if text == "" {
		return nil, nil
	}
	var out Spans
	for part := range strings.SplitSeq(text, ",") {
		from, through, _ := strings.Cut(part, "-")
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

// ErrUnreadable says of a mark that what is kept of it can't be read.
var ErrUnreadable = errors.New("audit: the mark can't be read")

// MaxSpans is how many spans a mark keeps beyond its contiguous part, and how many refused ones.
// What it has no room for is published again.
const MaxSpans = 64

// Mark is what is known of the publication of a stream.
type Mark struct {
	Stream es.StreamID
	// Published is the version up to which each event was accepted by the bus, or is Refused; 0
	// before the first.
	Published int64
	// Beyond is what was accepted or refused above it, out of its turn.
	Beyond Spans
	// Refused is what can never be published, though the audit has tried. Publishing it all the
	// same, once that is mended, takes it out.
	Refused Spans
	// Seen is the newest version that the other consumer of the events' stream has met, and SeenAt
	// when that was.
	Seen   int64
	SeenAt time.Time
}

// Accept gives the mark once the bus has accepted these versions. Any order and any number of times
// come to the same.
func (m Mark) Accept(spans ...Span) Mark {
	m = m.settle(spans)
	m.Refused = m.Refused.Minus(spans...)
	return m
}

// Refuse gives the mark once these versions have turned out such that they can never be published.
func (m Mark) Refuse(spans ...Span) Mark {
	m = m.settle(spans)
	m.Refused = m.Refused.Add(spans...)
	m.Refused = m.Refused[max(0, len(m.Refused)-MaxSpans):]
	return m
}

func (m Mark) settle(spans []Span) Mark {
	all := m.Beyond.Add(spans...)
	if m.Published > 0 {
		all = all.Add(Span{1, m.Published})
	}
	if len(all) > 0 && all[0].From == 1 {
		m.Published, all = all[0].Through, all[1:]
	}
	if m.Beyond = all[:min(len(all), MaxSpans)]; len(m.Beyond) == 0 {
		m.Beyond = nil
	}
	return m
}

// Missing is what the other consumer has met and of which it is not known that the bus accepted it.
func (m Mark) Missing() Spans {
	if m.Seen <= m.Published {
		return nil
	}
	return Spans{{m.Published + 1, m.Seen}}.Minus(m.Beyond...)
}

// Lacks reports whether it is not known of a part of these versions that the bus accepted it,
// whoever has met them.
func (m Mark) Lacks(s Span) bool {
	return len(Spans{s}.Minus(m.Beyond...).Minus(Span{1, m.Published})) > 0
}
