package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/recount"
	"orderflow/shared/ops/resume"
	"orderflow/shared/shop/stock"
)

// TestStockIsAskedForProperly: what can't be meant is refused before anything is asked of AWS.
func TestStockIsAskedForProperly(t *testing.T) {
	for _, command := range []string{"verify", "rebuild"} {
		refused(t, []string{"--segments"}, "stock", command, "--segments", "0")
		refused(t, []string{"--segments"}, "stock", command, "--segments", "1001")
		refused(t, []string{"--sku", `"a b"`}, "stock", command, "--sku", "a b")
		refused(t, []string{"--sku"}, "stock", command, "--sku", "")
	}
}

// difference is a row that lost a count and sold what it had not.
var difference = recount.Difference{
	SKU:    "cd-1",
	Row:    stock.Numbers{Available: 4, Reserved: 2, Counts: 1},
	Events: stock.Numbers{Available: -3, Reserved: 5, Counts: 2},
}

func TestStockReport(t *testing.T) {
	var out bytes.Buffer
	report := recount.Report{
		Rows: 2, Commits: 9, Differences: []recount.Difference{difference}, Unreadable: []string{"order/o@1: no"},
	}
	err := printStockReport(&out, report, false)
	if err == nil || !strings.Contains(err.Error(), "1 rows differ") || !strings.Contains(err.Error(), "rebuild") {
		t.Errorf("ends with %v", err)
	}
	for _, want := range []string{
		"cd-1", "row", "events", "-3", "3 more are reserved than are on hand", "can't be read: order/o@1: no",
		"2 rows compared",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s doesn't say %q", out.String(), want)
		}
	}
	out.Reset()
	if err := printStockReport(&out, report, true); err == nil {
		t.Error("ends well")
	}
	var again recount.Report
	err = json.Unmarshal(out.Bytes(), &again)
	if err != nil || len(again.Differences) != 1 || again.Differences[0] != difference {
		t.Errorf("%s: %v", out.String(), err)
	}
	out.Reset()
	if err := printStockReport(&out, recount.Report{Rows: 2}, false); err != nil ||
		!strings.Contains(out.String(), "0 differ") {
		t.Errorf("%s, %v", out.String(), err)
	}
}

// TestEndOfARebuild: what can be gone on with is kept, and what can't is forgotten.
func TestEndOfARebuild(t *testing.T) {
	result := recount.Result{Rows: 2, Corrections: []recount.Difference{difference}}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx    context.Context
		dryRun bool
		err    error
		kept   bool
		says   string // the error, "" for none
	}{
		"done":        {ctx: t.Context()},
		"compared":    {ctx: t.Context(), dryRun: true, says: "1 of 2 rows differ"},
		"interrupted": {ctx: cancelled, err: context.Canceled, kept: true, says: "canceled"},
		"no answer": {
			ctx: t.Context(), err: errors.New("no answer"), kept: true, says: "stock rebuild again to continue",
		},
		"another's rows":     {ctx: t.Context(), err: recount.ErrMarked, says: "--cancel to remove the marks"},
		"what can't be read": {ctx: t.Context(), err: recount.ErrUnreadable, says: "--accept-unreadable"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			r := stockRebuild{arguments: recount.Arguments{Segments: 1, DryRun: tc.dryRun}, out: &out}
			state, err := recount.Begin(r.arguments, "m")
			if err != nil {
				t.Fatal(err)
			}
			file := resume.File[recount.State]{Path: filepath.Join(t.TempDir(), "state.json")}
			if err := file.Save(state); err != nil {
				t.Fatal(err)
			}
			err = r.end(tc.ctx, file, result, tc.err)
			if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) ||
				tc.err != nil && !errors.Is(err, tc.err) {
				t.Errorf("ends with %v", err)
			}
			if _, statErr := os.Stat(file.Path); (statErr == nil) != tc.kept {
				t.Errorf("the state: %v", statErr)
			}
			if stopped := (*stoppedError)(nil); (name == "interrupted") != errors.As(err, &stopped) {
				t.Errorf("%v is %T", err, err)
			}
		})
	}
}

// noted is the loss audit's journal, of which each hour has two notes that can be read, and one
// that can't.
type noted struct {
	hours map[time.Time]int
	fails bool
}

func (n *noted) Notes(_ context.Context, side audit.Side, hour time.Time) iter.Seq2[audit.Note, error] {
	return func(yield func(audit.Note, error) bool) {
		n.hours[hour]++
		if n.fails || side != audit.InViews {
			yield(audit.Note{}, errors.New("no journal"))
			return
		}
		one := audit.Note{Kind: audit.Seen, Versions: audit.Versions{
			"stock/cd-1": {{From: 1, Through: 1}, {From: 3, Through: 4}},
		}}
		other := audit.Note{Kind: audit.Seen, Versions: audit.Versions{"reservation/1": {{From: 1, Through: 1}}}}
		_ = yield(one, nil) && yield(audit.Note{}, audit.ErrUnreadable) && yield(other, nil)
	}
}

// TestRecently: the streams of each hour are asked for, with the newest version that is noted,
// whatever of the notes can't be read.
func TestRecently(t *testing.T) {
	now := clock.NewFake(estest.Start.Add(90 * time.Minute))
	n := &noted{hours: map[time.Time]int{}}
	var changed []recount.Changed
	for c, err := range recently(n, now)(t.Context(), estest.Start.Add(10*time.Minute)) {
		if err != nil {
			t.Fatal(err)
		}
		changed = append(changed, c)
	}
	hour := []recount.Changed{{Stream: "stock/cd-1", Version: 4}, {Stream: "reservation/1", Version: 1}}
	if !slices.Equal(changed, slices.Concat(hour, hour)) || len(n.hours) != 2 {
		t.Errorf("changed %v, hours %v", changed, n.hours)
	}
	for _, err := range recently(n, now)(t.Context(), estest.Start) {
		if err != nil {
			t.Fatal(err)
		}
		break // who has enough is not given more
	}
	n.fails = true
	failed := false
	for _, err := range recently(n, now)(t.Context(), estest.Start) {
		failed = failed || err != nil
	}
	if !failed {
		t.Error("a journal that doesn't answer is taken for an empty one")
	}
}
