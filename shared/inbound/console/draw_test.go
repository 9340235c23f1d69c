package console

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io/fs"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What others wrote is as its package in the registry has it, with its licence beside it.
func TestVendored(t *testing.T) {
	for name, want := range map[string]string{
		// htmx.org 2.0.11, dist/htmx.min.js
		"htmx/htmx.min.js": "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
		// @picocss/pico 2.1.1, css/pico.min.css
		"pico/pico.min.css": "fbc9a63fc9fc9f72d12fd7fc9806e11fa9f77ae4f9cad146b27003a1119ba3db",
	} {
		text, err := fs.ReadFile(assets, "assets/"+name)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s has the sum %x", name, sum)
		}
		folder, _, _ := strings.Cut(name, "/")
		if _, err := fs.Stat(assets, "assets/"+folder+"/LICENSE"); err != nil {
			t.Error(err)
		}
	}
}

// A message of few bytes that is nested deep would be a page of many megabytes, which Lambda
// doesn't send.
func TestIndented(t *testing.T) {
	deep := strings.Repeat(`[`, 5000) + strings.Repeat(`]`, 5000)
	wide := `{"a":["` + strings.Repeat("[", 5000) + `",1]}`
	for text, want := range map[string]string{
		`{"a":[1]}`: "{\n  \"a\": [\n    1\n  ]\n}", `{"a"`: `{"a"`, deep: deep,
		wide: "{\n  \"a\": [\n    \"" + strings.Repeat("[", 5000) + "\",\n    1\n  ]\n}",
	} {
		if got := indented(json.RawMessage(text)); got != want {
			t.Errorf("%.20s is shown in %d bytes, want %d", text, len(got), len(want))
		}
	}
}

func TestCauses(t *testing.T) {
	for id, want := range map[string][2]string{
		"":                {"", ""},
		"http/r":          {"request", "r"},
		"o/start-order":   {"saga: start order", "o"},
		"o-undo-4/refund": {"saga: refund", "o-undo-4"},
		"shipment/s@3":    {"event 3 of the shipment", "s"},
		"sweep":           {"cause", "sweep"},
	} {
		if what, which := cause(id); what != want[0] || which != want[1] {
			t.Errorf("%q is %q, %q", id, what, which)
		}
	}
}

// An arrow leads from each cause to its event, and from an event to the steps of the execution that
// it started.
func TestDraw(t *testing.T) {
	of := func(sequence int64, causation string) event {
		id := "order/o@" + strconv.FormatInt(sequence, 10)
		return event{Sequence: sequence, ID: id, Type: "order.x", CausationID: causation}
	}
	for name, tc := range map[string]struct {
		events []event
		kinds  []string // of the arrows
	}{
		"nothing":         {nil, nil},
		"a request":       {[]event{of(1, "http/r")}, []string{"direct"}},
		"nobody":          {[]event{of(1, "")}, nil},
		"the saga":        {[]event{of(1, "http/r"), of(2, "o/start-order")}, []string{"direct", "direct", "starts"}},
		"another stream":  {[]event{of(1, "http/r"), of(2, "shipment/s@2")}, []string{"direct", "direct"}},
		"its own":         {[]event{of(1, "http/r"), of(2, "order/o@1")}, []string{"direct", "direct"}},
		"an undo":         {[]event{of(1, "http/r"), of(4, "http/c"), of(5, "o-undo-4/cancel-order")}, []string{"direct", "direct", "direct", "starts"}},
		"a further undo":  {[]event{of(1, ""), of(4, ""), of(5, "o-undo-4-2/cancel-order")}, []string{"direct", "starts"}},
		"an unknown undo": {[]event{of(1, ""), of(5, "o-undo-3/cancel-order")}, []string{"direct"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := draw(tc.events)
			var kinds []string
			for _, a := range g.Arrows {
				kinds = append(kinds, a.Kind)
			}
			if diff := cmp.Diff(tc.kinds, kinds); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(g.Rows) != len(tc.events) || g.Height < len(tc.events)*rowHeight {
				t.Errorf("%d rows, %d high", len(g.Rows), g.Height)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	for name, tc := range map[string]struct {
		before, after string
		want          []change
	}{
		"nothing":        {`{"a":1}`, `{"a":1}`, nil},
		"bookkeeping":    {`{"version":1,"changedAt":"x"}`, `{"version":2,"changedAt":"y"}`, nil},
		"a value":        {`{"a":{"b":[1,2]}}`, `{"a":{"b":[1,3]}}`, []change{{"a.b[1]", "2", "3"}}},
		"from null":      {`{"a":null}`, `{"a":{"b":true}}`, []change{{"a.b", "", "true"}}},
		"to nothing":     {`{"a":[1]}`, `{"a":[]}`, []change{{"a[0]", "1", ""}}},
		"a large number": {`{"a":9007199254740993}`, `{"a":9007199254740992}`, []change{{"a", "9007199254740993", "9007199254740992"}}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := changes([]byte(tc.before), []byte(tc.after))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if _, err := changes([]byte(`x`), []byte(`{}`)); err == nil {
		t.Error("no JSON passes")
	}
}

// Each bar is as high as its number, the axis ends at or above the highest, and large numbers don't
// overflow.
func TestChart(t *testing.T) {
	for _, top := range []int64{0, 1, 4, 5, 9, 10, 99, 1_000, 123_456_789, 1<<62 + 1} {
		c := chart{Kinds: []string{"a", "b"}}
		for i := range 31 {
			c.add(group{Label: "03-01", At: "2026-03-01", Values: []int64{top, int64(i) % (top + 1)}})
		}
		c.layOut()
		if len(c.Bars) != 62 || len(c.Lines) < 2 || len(c.Lines) > 7 || len(c.Marks) > mostMarks {
			t.Errorf("%d: %d bars, %d lines, %d labels", top, len(c.Bars), len(c.Lines), len(c.Marks))
		}
		floor := c.Lines[0].Y
		for _, b := range c.Bars {
			if b.Y+b.Height != floor || b.Height < 0 || b.Y < 0 || b.X < chartLeft || b.X+b.Width > chartWidth {
				t.Errorf("%d: a bar is %+v", top, b)
			}
		}
		if top > 0 && c.Bars[0].Height < (chartHeight-chartBottom-chartTop)/3 {
			t.Errorf("%d: the highest bar is %d high", top, c.Bars[0].Height)
		}
	}
}

// An axis in steps that grow has each bound in its place, and between them what is between; no bar
// leaves the drawing, however high.
func TestChartOfTimes(t *testing.T) {
	for _, top := range []int64{0, 50, 100, 5_000, 20_000, 90_000, 30 * 24 * 60 * 60 * 1000} {
		c := chart{Kinds: []string{"p50"}, rungs: rungs(), name: within}
		for _, v := range []int64{0, top / 2, top} {
			c.add(group{Label: "03-01", At: "2026-03-01", Values: []int64{v}})
		}
		c.layOut()
		floor, ceiling := c.Lines[0].Y, c.Lines[0].Y
		for i, l := range c.Lines {
			ceiling = l.Y
			if i > 0 && l.Y >= c.Lines[i-1].Y || l.Y < 0 {
				t.Errorf("%d: the lines are %+v", top, c.Lines)
			}
		}
		if len(c.Lines) < 2 || len(c.Lines) > mostLines+1 {
			t.Errorf("%d: %d lines", top, len(c.Lines))
		}
		heights := []int{}
		for _, b := range c.Bars {
			heights = append(heights, b.Height)
			if b.Y+b.Height != floor || b.Y < min(ceiling, chartTop) {
				t.Errorf("%d: a bar is %+v under %d", top, b, ceiling)
			}
		}
		if heights[0] != 0 || top > 0 && (heights[1] <= 0 || heights[1] >= heights[2]) {
			t.Errorf("%d: bars of %v", top, heights)
		}
	}
	steps := rungs()
	last := steps[len(steps)-1]
	for v, want := range map[int64]int64{0: 0, 100: 10, 200: 15, 300: 20, 1000: 30, last: 140, last + 1: 140} {
		if got := rungOf(steps, v, 10); got != want {
			t.Errorf("%d is at %d, want %d", v, got, want)
		}
	}
}
