// Package reconcile compares orders with what was done for them, and what came into accounts with
// what went out and what is left. It reads events alone, and writes nothing.
//
// It goes through the store page by page, and holds a page's streams and the sums by currency, so
// that any number of orders can be compared. How far it has come is a State, from which the next
// run goes on. Orders go on meanwhile: one that doesn't fit is looked at again, at the end, until
// patience ends. Money is summed up to one moment, at which the commits of a transaction are all
// there or none is.
package reconcile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	"orderflow/shared/ops/resume"
	"orderflow/shared/shop/stock"
)

const (
	// again is the wait between two looks at what did not fit.
	again = 500 * time.Millisecond
	// workers is how many streams of a page are looked at side by side.
	workers = 8
	// saving is how often the state is kept.
	saving = 5 * time.Second
	// MaxFindings is how many findings a report has: what is beyond them is counted.
	MaxFindings = 1000
	// maxSuspects is how many streams are looked at again.
	maxSuspects = 100_000
)

// Finding is something that is not as it should be.
type Finding struct {
	Rule   string      `json:"rule"`             // that is broken
	Stream es.StreamID `json:"stream,omitempty"` // whose it is, "" for a sum
	Detail string      `json:"detail"`
}

// Report is what a comparison came to.
type Report struct {
	Commits  int64            `json:"commits"`  // that were read
	Orders   int64            `json:"orders"`   // that were compared
	Accounts int64            `json:"accounts"` // that were folded
	Until    time.Time        `json:"until"`    // the moment up to which money was summed
	Money    map[string]Money `json:"money"`    // by currency
	Findings []Finding        `json:"findings"` // never nil, at most MaxFindings
	More     int64            `json:"more"`     // findings, or streams that don't fit, beyond those
}

// State is how far a comparison has come.
type State struct {
	Segments []resume.Segment `json:"segments"`
	Report   Report           `json:"report"`
	Suspects []es.StreamID    `json:"suspects"` // to be looked at again
}

// Fits reports whether a State is one of that many segments.
func (s State) Fits(segments int) bool {
	return len(s.Segments) == segments && !s.Report.Until.IsZero()
}

// Store is what a comparison reads.
type Store interface {
	es.Store
	es.Scanner
}

// Runs says whether runs of the saga go on.
type Runs interface {
	// Running reports whether the run with that name still goes. One that never was does not.
	Running(ctx context.Context, name string) (bool, error)
}

// Lines are those of the reservations that wait for stock. stock.Lines are some.
type Lines interface {
	Line(ctx context.Context, sku string) (stock.Line, error)
	Entries(ctx context.Context, sku string, after int64, limit int) ([]stock.Entry, error)
}

// Verify compares. All but Lines, Runs, Parallel and Progress are needed.
type Verify struct {
	Store    Store
	Lines    Lines        // nil where they are not compared
	Registry *es.Registry // of the shop's events
	Runs     Runs         // nil: nobody asks whether open orders have one
	Clock    clock.Clock
	Segments int           // of the scan, at least 1
	Parallel int           // segments at once, 0 for all
	Patience time.Duration // how long what doesn't fit is looked at again
	// Overdue is how long an order may go on behind its deadline, and where it has none, since its
	// last event.
	Overdue  time.Duration
	Keep     func(State) error // keeps how far it has come
	Progress func(commits int64)
}

// run is a comparison under way.
type run struct {
	Verify
	mu    sync.Mutex
	state State
	kept  time.Time
}

// Run compares, from the beginning or from where a State is. The error is what store or Keep say;
// what doesn't fit is in the report.
func (v Verify) Run(ctx context.Context, from State) (Report, error) {
	if v.Segments < 1 {
		return Report{}, fmt.Errorf("reconcile: %d segments; there is 1 at least", v.Segments)
	}
	if !from.Fits(v.Segments) {
		from = State{Segments: make([]resume.Segment, v.Segments), Report: Report{
			// what came before is all there by now
			Until: v.Clock.Now().Add(-es.Settled).UTC(), Money: map[string]Money{}, Findings: []Finding{},
		}}
	}
	u := &run{Verify: v, state: from, kept: v.Clock.Now()}
	group, groupCtx := errgroup.WithContext(ctx)
	if v.Parallel > 0 {
		group.SetLimit(v.Parallel)
	}
	for n := range v.Segments {
		group.Go(func() error { return u.segment(groupCtx, n) })
	}
	err := group.Wait()
	if err := errors.Join(err, u.keep()); err != nil {
		return u.state.Report, err
	}
	if err := u.lookAgain(ctx); err != nil {
		return u.state.Report, err
	}
	for _, f := range unbalanced(u.state.Report.Money) {
		u.find(f)
	}
	slices.SortFunc(u.state.Report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Detail, b.Detail))
	})
	return u.state.Report, nil
}

func (u *run) keep() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.Keep(u.state)
}

func (u *run) find(f Finding) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.state.Report.add(f)
}

func (r *Report) add(f Finding) {
	if len(r.Findings) == MaxFindings {
		r.More++
		return
	}
	r.Findings = append(r.Findings, f)
}

// segment goes through a segment, from where the state is. A page counts as a whole: its place and
// what it came to are kept together.
func (u *run) segment(ctx context.Context, n int) error {
	u.mu.Lock()
	at := u.state.Segments[n]
	u.mu.Unlock()
	if at.Done {
		return nil
	}
	for page, err := range u.Store.Scan(ctx, n, u.Segments, at.Next) {
		if err != nil && !errors.Is(err, es.ErrCorrupt) {
			return err
		}
		p := &found{money: map[string]Money{}}
		for _, part := range es.Parts(err) {
			p.findings = append(p.findings, Finding{Rule: "event.unreadable", Detail: part.Error()})
		}
		if err := u.page(ctx, page, p); err != nil {
			return err
		}
		if err := u.merge(n, page, p); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// found is what a page comes to.
type found struct {
	mu       sync.Mutex
	orders   int64
	accounts int64
	money    map[string]Money
	suspects []es.StreamID
	findings []Finding
}

func (p *found) add(f ...Finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.findings = append(p.findings, f...)
}

func (u *run) page(ctx context.Context, page es.ScanPage, p *found) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for _, c := range page.Commits {
		if !c.Time.After(u.state.Report.Until) {
			if err := u.count(c, p.money); err != nil {
				p.add(Finding{Rule: "event.unreadable", Stream: c.Stream, Detail: err.Error()})
			}
		}
		if c.First == 1 {
			group.Go(func() error { return u.stream(ctx, c, p) })
		}
	}
	return group.Wait()
}

// stream looks at a stream that begins on a page. What doesn't fit is looked at again later.
func (u *run) stream(ctx context.Context, first es.StoredCommit, p *found) error {
	findings, kind, err := u.check(ctx, first.Stream)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch kind {
	case anOrder:
		p.orders++
	case anAccount:
		p.accounts++
	}
	if len(findings) > 0 {
		p.suspects = append(p.suspects, first.Stream)
	}
	return nil
}

func (u *run) merge(n int, page es.ScanPage, p *found) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := &u.state.Report
	r.Commits += int64(len(page.Commits))
	r.Orders += p.orders
	r.Accounts += p.accounts
	for currency, m := range p.money {
		r.Money[currency] = r.Money[currency].plus(m)
	}
	for _, f := range p.findings {
		r.add(f)
	}
	for _, s := range p.suspects {
		if len(u.state.Suspects) == maxSuspects {
			r.More++
			continue
		}
		u.state.Suspects = append(u.state.Suspects, s)
	}
	u.state.Segments[n] = resume.Segment{Next: page.Next, Done: page.Next == ""}
	if u.Progress != nil {
		u.Progress(r.Commits)
	}
	if now := u.Clock.Now(); now.Sub(u.kept) >= saving {
		u.kept = now
		return u.Keep(u.state)
	}
	return nil
}

// lookAgain looks at what did not fit until it does, or patience ends: then that is a finding.
func (u *run) lookAgain(ctx context.Context) error {
	open := slices.Clone(u.state.Suspects)
	for deadline := u.Clock.Now().Add(u.Patience); len(open) > 0; {
		last := !u.Clock.Now().Before(deadline)
		var still []es.StreamID
		for _, stream := range open {
			findings, _, err := u.check(ctx, stream)
			if err != nil {
				return err
			}
			if len(findings) > 0 {
				still = append(still, stream)
			}
			if last {
				for _, f := range findings {
					u.find(f)
				}
			}
		}
		if open = still; last || len(open) == 0 {
			return nil
		}
		if err := u.Clock.Sleep(ctx, again); err != nil {
			return err
		}
	}
	return nil
}

// check looks at a stream as it is now, and says of what kind it is. What can't be read is a
// finding.
func (u *run) check(ctx context.Context, stream es.StreamID) (findings []Finding, k kind, err error) {
	look, k := u.looks(stream)
	if look == nil {
		return nil, k, nil
	}
	findings, err = look(ctx, stream)
	if err != nil && poison.Is(err) {
		return []Finding{{Rule: "event.unreadable", Stream: stream, Detail: err.Error()}}, k, nil
	}
	return findings, k, err
}
