package audit_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/ops/audit"
)

// In whatever order and however often what was published is noted: the mark stands below the first
// version that was not, and what is missing is exactly what was seen and not published.
func TestMark(t *testing.T) {
	const most = 40
	rapid.Check(t, func(t *rapid.T) {
		var commits []audit.Span
		for from := int64(1); from <= most; {
			through := min(from+rapid.Int64Range(0, 3).Draw(t, "events"), most)
			commits = append(commits, audit.Span{From: from, Through: through})
			from = through + 1
		}
		published, refused := map[int64]bool{}, map[int64]bool{}
		m := audit.Mark{Seen: rapid.Int64Range(0, most).Draw(t, "seen")}
		for range rapid.IntRange(0, 60).Draw(t, "notes") {
			c := rapid.SampledFrom(commits).Draw(t, "commit")
			refuses := rapid.IntRange(0, 4).Draw(t, "refuses") == 0
			if m = m.Accept(c); refuses {
				m = m.Refuse(c)
			}
			for v := c.From; v <= c.Through; v++ {
				published[v], refused[v] = true, refuses
			}
		}
		first := int64(1)
		for published[first] {
			first++
		}
		if m.Published != first-1 {
			t.Fatalf("the mark is at %d, and %d is the first that is missing", m.Published, first)
		}
		for v := int64(1); v <= most; v++ {
			at := audit.Span{From: v, Through: v}
			if missing := m.Missing().Meets(at); missing != (v <= m.Seen && !published[v]) {
				t.Fatalf("%d of %d: missing %v, published %v", v, m.Seen, missing, published[v])
			}
			if m.Lacks(at) == published[v] {
				t.Fatalf("%d: lacks %v, published %v", v, m.Lacks(at), published[v])
			}
			if m.Refused.Meets(at) != refused[v] {
				t.Fatalf("%d is refused: %v", v, m.Refused)
			}
		}
		for _, c := range commits {
			lacks := false
			for v := c.From; v <= c.Through; v++ {
				lacks = lacks || !published[v]
			}
			if m.Lacks(c) != lacks {
				t.Fatalf("%v: lacks %v, want %v", c, m.Lacks(c), lacks)
			}
		}
		read, err := audit.ParseSpans(m.Beyond.String())
		if err != nil || !slices.Equal(read, m.Beyond) {
			t.Fatalf("%v is written %q and read %v, %v", m.Beyond, m.Beyond, read, err)
		}
	})
}

// A mark has room for so many gaps. What it has none for it forgets, never the other way round.
func TestMarkForgets(t *testing.T) {
	m := audit.Mark{Seen: 1000}
	for v := int64(2); v <= 400; v += 2 {
		m = m.Accept(audit.Span{From: v, Through: v}).Refuse(audit.Span{From: v, Through: v})
	}
	if len(m.Beyond) != audit.MaxSpans || len(m.Refused) != audit.MaxSpans || m.Published != 0 {
		t.Fatalf("%d spans beyond %d, %d refused", len(m.Beyond), m.Published, len(m.Refused))
	}
	for v := int64(1); v < 400; v += 2 {
		m = m.Accept(audit.Span{From: v, Through: v})
	}
	if m.Published != 2*audit.MaxSpans+1 || m.Missing().Meets(audit.Span{From: 1, Through: m.Published}) {
		t.Errorf("it stands at %d", m.Published)
	}
}

func TestParseSpans(t *testing.T) {
	for _, text := range []string{"1", "1-", "-1", "0-1", "2-1", "1-2,3-4", "5-6,1-2", "a-b", "1-2,", "1-2-3"} {
		if got, err := audit.ParseSpans(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
