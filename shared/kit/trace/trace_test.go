package trace_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/trace"
)

const (
	id   = "4bf92f3577b34da6a3ce929d0e0e4736"
	span = "00f067aa0ba902b7"
)

func TestParse(t *testing.T) {
	of := func(sampled bool) trace.Context { return trace.Context{TraceID: id, SpanID: span, Sampled: sampled} }
	for text, want := range map[string]trace.Context{
		"00-" + id + "-" + span + "-01":                      of(true),
		"00-" + id + "-" + span + "-00":                      of(false),
		"00-" + id + "-" + span + "-03":                      of(true), // a further flag is passed over
		"01-" + id + "-" + span + "-01":                      of(true),
		"01-" + id + "-" + span + "-01-later":                of(true),
		"":                                                   {},
		"00-" + id + "-" + span:                              {},
		"00-" + id + "-" + span + "-01-later":                {}, // version 00 has no more parts
		"01-" + id + "-" + span + "-01later":                 {},
		"ff-" + id + "-" + span + "-01":                      {},
		"0g-" + id + "-" + span + "-01":                      {},
		"00-" + id + "-" + span + "-0x":                      {},
		"00-" + id + "-" + strings.Repeat("0", 16) + "-01":   {},
		"00-" + strings.Repeat("0", 32) + "-" + span + "-01": {},
		"00-" + strings.ToUpper(id) + "-" + span + "-01":     {},
		"00_" + id + "_" + span + "_01":                      {},
		"00-" + id + "0" + span + "-01":                      {},
	} {
		got, ok := trace.Parse(text)
		if got != want || ok != (want != trace.Context{}) {
			t.Errorf("%q: %+v, %t; want %+v", text, got, ok, want)
		}
		if trace.ID(text) != want.TraceID {
			t.Errorf("%q: id %q", text, trace.ID(text))
		}
	}
}

// Whatever is parsed is written as it was; nothing makes Parse panic.
func TestParseAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.String(), rapid.StringMatching(`[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?`),
		).Draw(t, "text")
		if c, ok := trace.Parse(text); ok {
			if again, ok := trace.Parse(c.String()); !ok || again != c {
				t.Errorf("%q is %+v, and %q %+v", text, c, c.String(), again)
			}
		}
	})
}

func TestNew(t *testing.T) {
	for _, sampled := range []bool{false, true} {
		c, other := trace.New(sampled), trace.New(sampled)
		if got, ok := trace.Parse(c.String()); !ok || got != c || c.Sampled != sampled {
			t.Errorf("%+v is written as %q", c, c)
		}
		if c.TraceID == other.TraceID || c.SpanID == other.SpanID {
			t.Errorf("two traces %v and %v", c, other)
		}
		child := c.Child()
		if child.TraceID != c.TraceID || child.SpanID == c.SpanID || child.Sampled != sampled {
			t.Errorf("a child of %v is %v", c, child)
		}
	}
	if (trace.Context{}).String() != "" {
		t.Error("no trace has a traceparent")
	}
}
