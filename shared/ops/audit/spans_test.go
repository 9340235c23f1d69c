package audit_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/ops/audit"
)

// Spans are sets of versions, and are written so that they are read as they were.
func TestSpans(t *testing.T) {
	const most = 20
	span := rapid.Custom(func(t *rapid.T) audit.Span {
		from := rapid.Int64Range(1, most).Draw(t, "from")
		return audit.Span{From: from, Through: min(most, from+rapid.Int64Range(0, 4).Draw(t, "more"))}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.SliceOf(span).Draw(t, "a"), rapid.SliceOf(span).Draw(t, "b")
		in := func(spans []audit.Span, v int64) bool {
			return slices.ContainsFunc(spans, func(s audit.Span) bool { return s.Has(audit.Span{From: v, Through: v}) })
		}
		one, both := audit.Spans(nil).Add(a...), audit.Spans(nil).Add(a...).Add(b...)
		less := one.Minus(b...)
		for v := int64(1); v <= most; v++ {
			at := audit.Span{From: v, Through: v}
			if one.Has(at) != in(a, v) || both.Has(at) != (in(a, v) || in(b, v)) ||
				less.Has(at) != (in(a, v) && !in(b, v)) {
				t.Fatalf("%d of %v and %v: %v, %v, %v", v, a, b, one, both, less)
			}
		}
		for _, s := range b {
			if !both.Has(s) || one.Has(s) != (len(audit.Spans{s}.Minus(one...)) == 0) {
				t.Fatalf("%v has %v", both, s)
			}
		}
		for i := range max(0, len(both)-1) {
			if both[i].Through+1 >= both[i+1].From {
				t.Fatalf("%v has no gap", both)
			}
		}
		read, err := audit.ParseSpans(both.String())
		if err != nil || !slices.Equal(read, both) {
			t.Fatalf("%v is written %q and read %v, %v", both, both, read, err)
		}
	})
}

func TestParseSpans(t *testing.T) {
	for text, want := range map[string]string{"": "", "3": "3", "3-3": "3", "1-2,9-9": "1-2,9"} {
		if got, err := audit.ParseSpans(text); err != nil || got.String() != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"1-", "0", "-1", "0-1", "2-1", "1-2,3-4", "5-6,1-2", "a-b", "1-2,", "1-2-3"} {
		if got, err := audit.ParseSpans(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}
