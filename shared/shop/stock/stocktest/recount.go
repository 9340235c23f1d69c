package stocktest

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/recount"
	"orderflow/shared/shop/stock"
)

// broken: rows that are not what their events say are found by the first count, and told from a
// twin that counts just now. So it is where table and events are restored from backups of two
// moments.
func broken(t *testing.T, s *shop) {
	for name, tc := range map[string]struct {
		by   stock.Numbers
		lost bool
		text string
	}{
		"the row is behind": {
			by: stock.Numbers{Available: -3, Counts: -1}, text: "version 1 before version 3",
		},
		"the row is ahead": {
			by: stock.Numbers{Available: 3, Counts: 1}, text: "version 3 before version 3",
		},
		"the row is lost": {lost: true, text: "version 0 before version 3"},
		"the row is behind its parcels": {
			by: stock.Numbers{Departed: -1, Counts: -1}, text: "version 1 before version 3",
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			name := s.stocked(t, 5)
			if _, err := s.service.Set(ctx, request(), name, 8, stock.Match{Version: 1}); err != nil {
				t.Fatal(err)
			}
			s.spoil(t, name, tc.by, tc.lost)
			for _, match := range []stock.Match{{Version: 2}, {Version: 1}, {Version: 3}, {MustBeNew: true}} {
				for _, pieces := range []int64{5, 8, 9} {
					_, err := s.service.Set(ctx, request(), name, pieces, match)
					wantFault(t, err, stock.ErrInconsistent, tc.text)
					wantFault(t, err, stock.ErrInconsistent, "orderflow stock rebuild")
				}
			}
			if got := s.rebuild(t, name, nil); len(got.Corrections) != 1 || got.Corrections[0].SKU != name {
				t.Errorf("corrected: %+v", got)
			}
			s.want(t, name, 8, 0, 2)
			if level, err := s.service.Set(ctx, request(), name, 9, stock.Match{Version: 2}); err != nil ||
				level.OnHand != 9 {
				t.Errorf("counted as %+v, %v", level, err)
			}
		})
	}
	t.Run("the own row of a split SKU is lost", func(t *testing.T) {
		name, before, after := s.stocked(t, 8), command(), command()
		s.split(t, name, 4)
		for _, c := range []*stock.Command{&before, &after} {
			c.Reservation.Items = []stock.Item{{SKU: name, Quantity: 2}}
			_, err := s.service.Reserve(t.Context(), c.Request, c.Reservation)
			wantFault(t, err, nil, "")
		}
		s.spoil(t, name, stock.Numbers{}, true)
		// What is given back makes no row: the rebuild would take it for all that there is.
		_, err := s.service.Release(t.Context(), request(), before.Reservation.OrderID, 1)
		wantFault(t, err, stock.ErrInconsistent, "there is no row of it")
		wantFault(t, s.amend(request(), after.Reservation.OrderID, stock.Item{SKU: name, Quantity: 1}),
			stock.ErrInconsistent, "there is no row of it")
		s.rebuild(t, name, nil)
		s.want(t, name, 4, 4, 1)
		_, err = s.service.Release(t.Context(), request(), before.Reservation.OrderID, 1)
		wantFault(t, err, nil, "")
		s.want(t, name, 6, 2, 1)
	})
	t.Run("a row without events", func(t *testing.T) {
		name := sku("cd")
		if err := s.Rows.Create(t.Context(), name, "m", stock.Numbers{Available: 4, Counts: 2}); err != nil {
			t.Fatal(err)
		}
		_, err := s.service.Set(t.Context(), request(), name, 5, stock.Match{Version: 2})
		wantFault(t, err, stock.ErrInconsistent, "they are at version 2 before version 1")
		s.rebuild(t, name, nil)
		_, err = s.service.Get(t.Context(), name)
		wantFault(t, err, stock.ErrNotFound, "")
		if _, err := s.service.Set(t.Context(), request(), name, 5, stock.Match{MustBeNew: true}); err != nil {
			t.Error(err)
		}
		s.want(t, name, 5, 0, 1)
	})
}

// lostShard: where the row of a shard was lost, and pieces that are moved there make it anew at any
// moment of a rebuild, it has what the events say in the end.
func lostShard(t *testing.T, open func() *shop) {
	for at, n := 1, 1; n >= at; at++ { // of the rebuild's requests
		s := open()
		name := s.stocked(t, 8)
		s.split(t, name, 4)
		if err := s.Lose(t.Context(), stock.ShardRow(name, 1)); err != nil {
			t.Fatal(err)
		}
		n = 0
		s.rebuild(t, name, func(r *recount.Rebuild) {
			between := func() error {
				if n++; n == at {
					s.split(t, name, 2)
				}
				return nil
			}
			r.Rows, r.Scanner = busyRows{r.Rows, between}, busyStore{r.Scanner, between}
		})
		if report := s.compare(t, 0, name); len(report.Differences) > 0 {
			t.Errorf("split at request %d of %d: %+v", at, n, report.Differences)
		}
		s.want(t, name, 8, 0, 1)
	}
}

// spoil makes a row what its events don't say.
func (s *shop) spoil(t tester, name string, by stock.Numbers, lost bool) {
	t.Helper()
	ctx, mark := context.Background(), ident.New()
	err := s.Rows.Mark(ctx, name, mark)
	if err == nil {
		err = s.Rows.Correct(ctx, name, mark, by)
	}
	if err == nil && lost {
		err = s.Lose(ctx, name)
	}
	if err != nil {
		t.Fatalf("spoil %s: %v", name, err)
	}
}

// kept is a state of a rebuild as a file keeps it.
type kept struct{ state recount.State }

// Save implements recount.Keeper.
func (k *kept) Save(s recount.State) error {
	k.state = s
	k.state.Segments, k.state.Sums = slices.Clone(s.Segments), maps.Clone(s.Sums)
	k.state.Corrections = maps.Clone(s.Corrections)
	return nil
}

// rebuild rebuilds the rows of some SKUs, going on where it was after each interruption.
func (s *shop) rebuild(t tester, skus string, with func(*recount.Rebuild)) recount.Result {
	t.Helper()
	state, err := recount.Begin(recount.Arguments{Segments: 2, SKUs: strings.Split(skus, " ")}, ident.New())
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	file := &kept{state: state}
	for {
		r := recount.Rebuild{
			Scanner: s.Store.(es.Scanner), Registry: es.NewRegistry(stock.Register), Rows: s.Rows,
			Clock: clock.System{},
			State: file.state, Keeper: file, Parallel: 1,
		}
		if with != nil {
			with(&r)
		}
		result, err := r.Run(context.Background())
		if errors.Is(err, errInterrupted) {
			continue
		}
		if err != nil {
			t.Fatalf("rebuild: %v", err)
		}
		return result
	}
}

var errInterrupted = errors.New("interrupted")

// busyRows have orders go on, and the rebuild interrupted now and then, around each of its
// requests.
type busyRows struct {
	of      recount.Rows
	between func() error
}

// around does a request, unless it is interrupted; or it is done, and its answer lost.
func (b busyRows) around(do func() error) error {
	if err := b.between(); err != nil {
		return err
	}
	return errors.Join(do(), b.between())
}

// Rows implements recount.Rows.
func (b busyRows) Rows(ctx context.Context) iter.Seq2[[]recount.Row, error] {
	return func(yield func([]recount.Row, error) bool) {
		for rows, err := range b.of.Rows(ctx) {
			if err == nil {
				err = b.between()
			}
			if !yield(rows, err) || err != nil {
				return
			}
		}
	}
}

// Row implements recount.Rows.
func (b busyRows) Row(ctx context.Context, sku string) (recount.Row, bool, error) {
	return b.of.Row(ctx, sku)
}

// Mark implements recount.Rows.
func (b busyRows) Mark(ctx context.Context, sku, mark string) error {
	return b.around(func() error { return b.of.Mark(ctx, sku, mark) })
}

// Correct implements recount.Rows.
func (b busyRows) Correct(ctx context.Context, sku, mark string, by stock.Numbers) error {
	return b.around(func() error { return b.of.Correct(ctx, sku, mark, by) })
}

// Create implements recount.Rows.
func (b busyRows) Create(ctx context.Context, sku, mark string, numbers stock.Numbers) error {
	return b.around(func() error { return b.of.Create(ctx, sku, mark, numbers) })
}

// Unmark implements recount.Rows.
func (b busyRows) Unmark(ctx context.Context, sku string) error {
	return b.around(func() error { return b.of.Unmark(ctx, sku) })
}

// busyStore is the same of the store.
type busyStore struct {
	of      es.Scanner
	between func() error
}

// Scan implements es.Scanner.
func (b busyStore) Scan(ctx context.Context, segment, segments int, from string) iter.Seq2[es.ScanPage, error] {
	return func(yield func(es.ScanPage, error) bool) {
		if err := b.between(); err != nil {
			yield(es.ScanPage{}, err)
			return
		}
		for page, err := range b.of.Scan(ctx, segment, segments, from) {
			if err == nil {
				err = b.between()
			}
			if !yield(page, err) || err != nil {
				return
			}
		}
	}
}

// orders are what goes on in a shop, of few SKUs and few orders.
type orders struct {
	*shop
	skus, ids []string
	done      map[string]int // how often what came about
}

// act does one thing. What the counters are too broken for is refused, and that is all.
func (o *orders) act(t *rapid.T) {
	ctx, req, order := context.Background(), request(), rapid.SampledFrom(o.ids).Draw(t, "order")
	name := rapid.SampledFrom(o.skus).Draw(t, "sku")
	actions := []string{
		"reserve", "reserve", "reserve", "amend", "amend", "release", "leave", "commit", "count", "split",
	}
	action := rapid.SampledFrom(actions).Draw(t, "action")
	var err error
	switch action {
	case "reserve":
		items := []stock.Item{{SKU: name, Quantity: rapid.Int64Range(1, 3).Draw(t, "quantity")}}
		if other := rapid.SampledFrom(o.skus).Draw(t, "and"); other != name {
			items = append(items, stock.Item{SKU: other, Quantity: 1})
		}
		_, err = o.service.Reserve(ctx, req, stock.Reservation{OrderID: order, Revision: 1, Items: items})
	case "amend":
		items := []stock.Item{{SKU: name, Quantity: rapid.Int64Range(1, 3).Draw(t, "quantity")}}
		err = o.amend(req, order, items...)
	case "release":
		_, err = o.service.Release(ctx, req, order, 1)
	case "leave":
		_, err = o.service.Leave(ctx, req, order, 1)
	case "commit":
		_, err = o.service.Commit(ctx, req, order, 1)
	case "split":
		_, err = o.service.Shard(ctx, req, name, rapid.Int64Range(1, 3).Draw(t, "shards"))
	case "count":
		var level stock.Level
		if level, err = o.service.Get(ctx, name); err == nil || errors.Is(err, stock.ErrNotFound) {
			onHand := rapid.Int64Range(0, 9).Draw(t, "on hand")
			_, err = o.service.Set(ctx, req, name, onHand, stock.Match{Version: level.Version})
		}
	}
	if err == nil {
		o.done[action]++
		return
	}
	for _, refusal := range []error{
		stock.ErrInsufficient, stock.ErrInconsistent, stock.ErrNotReserved, stock.ErrCommitted, es.ErrAttemptClosed,
		stock.ErrVersionMismatch, stock.ErrNotFound,
	} {
		if errors.Is(err, refusal) {
			return
		}
	}
	t.Fatalf("%s: %v", action, err)
}

// compare reads all of the store, and tells in which rows it differs.
func (s *shop) compare(t tester, patience time.Duration, skus ...string) recount.Report {
	t.Helper()
	report, err := recount.Verify{
		Store: s.Store.(recount.Store), Registry: es.NewRegistry(stock.Register), Rows: s.Rows, Clock: clock.System{},
		Recent: func(context.Context, time.Time) iter.Seq2[recount.Changed, error] {
			return func(func(recount.Changed, error) bool) {}
		},
		Segments: 2, SKUs: skus, Patience: patience, Parallel: 1,
	}.Run(context.Background())
	if err != nil {
		t.Fatalf("verify: %v", err)
	}
	return report
}

// recounted: while orders go on, broken rows come to be what the events say, whatever the rebuild
// is interrupted at. One that only looks tells exactly how they were broken.
func recounted(t *testing.T, open func() *shop) {
	total := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		s := open()
		o := &orders{shop: s, done: total}
		for range 4 {
			o.skus = append(o.skus, s.stocked(t, rapid.Int64Range(3, 9).Draw(t, "there")))
		}
		o.skus = append(o.skus, sku("new")) // nobody has counted it
		for range 6 {
			o.ids = append(o.ids, ident.New())
		}
		for range rapid.IntRange(0, 12).Draw(t, "before") {
			o.act(t)
		}
		spoiled := map[string]stock.Numbers{}
		for _, name := range o.skus[:3] {
			if !rapid.Bool().Draw(t, "spoiled") {
				continue
			}
			by := stock.Numbers{
				Available: rapid.Int64Range(-3, 3).Draw(t, "available"),
				Reserved:  rapid.Int64Range(0, 3).Draw(t, "reserved"),
				Counts:    rapid.Int64Range(-1, 2).Draw(t, "counts"),
				Departed:  rapid.Int64Range(0, 2).Draw(t, "departed"),
			}
			lost := rapid.IntRange(0, 3).Draw(t, "lost") == 0
			s.spoil(t, name, by, lost)
			if spoiled[name] = by; lost || by == (stock.Numbers{}) {
				delete(spoiled, name)
			}
		}
		if rapid.IntRange(0, 3).Draw(t, "lost shard") == 0 {
			name := stock.ShardRow(rapid.SampledFrom(o.skus[:4]).Draw(t, "of"), rapid.Int64Range(1, 3).Draw(t, "shard"))
			if err := s.Lose(context.Background(), name); err != nil {
				t.Fatal(err)
			}
		}
		interruptions := rapid.IntRange(0, 6).Draw(t, "interruptions")
		between := func() error {
			for range rapid.IntRange(0, 2).Draw(t, "orders") {
				o.act(t)
			}
			if interruptions > 0 && rapid.IntRange(0, 5).Draw(t, "interrupted") == 0 {
				interruptions--
				total["interrupted"]++
				return errInterrupted
			}
			return nil
		}
		with := func(dry bool) func(r *recount.Rebuild) {
			return func(r *recount.Rebuild) {
				r.State.Arguments.DryRun = dry
				r.Rows, r.Scanner = busyRows{r.Rows, between}, busyStore{r.Scanner, between}
			}
		}
		names := strings.Join(o.skus, " ")
		for _, d := range s.rebuild(t, names, with(true)).Corrections {
			if by, found := spoiled[d.SKU]; found && d.Row.Minus(d.Events) != by {
				t.Fatalf("spoiled by %+v, and the rebuild sees %+v", by, d)
			}
			delete(spoiled, d.SKU)
		}
		if len(spoiled) > 0 {
			t.Fatalf("not seen: %+v", spoiled)
		}
		s.rebuild(t, names, with(false))
		if report := s.compare(t, 0, o.skus...); len(report.Differences) > 0 || len(report.Unreadable) > 0 {
			t.Fatalf("after the rebuild: %+v", report)
		}
		for _, name := range o.skus {
			if row, _, err := s.Rows.Row(context.Background(), name); err != nil || row.Mark != "" {
				t.Fatalf("the row is %+v, %v", row, err)
			}
		}
	})
	for _, what := range []string{"reserve", "amend", "release", "leave", "commit", "count", "split", "interrupted"} {
		if total[what] == 0 {
			t.Errorf("nothing came of %s", what)
		}
	}
}
