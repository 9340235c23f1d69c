// Package viewtest is the suite that the views pass on whatever keeps their rows. Only tests import
// it.
package viewtest

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/allorders"
	"orderflow/shared/read/view/catalog"
	"orderflow/shared/read/view/customers"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// Run runs the suite on a table, which may hold rows of other tests.
func Run(t *testing.T, table view.Table) {
	tables := newTables(table)
	Deliver(t, table)
	t.Run("a row is written once", func(t *testing.T) { writtenOnce(t, tables) })
	t.Run("rows are written together", func(t *testing.T) { writtenTogether(t, table) })
	t.Run("lists", func(t *testing.T) { lists(t, tables) })
	t.Run("a list that changes", func(t *testing.T) { changingList(t, tables) })
	t.Run("both ends of a list", func(t *testing.T) { between(t, tables) })
	t.Run("queries that are refused", func(t *testing.T) { refused(t, tables) })
	t.Run("standing orders", func(t *testing.T) { standing(t, tables) })
	t.Run("a customer whom nobody knows", func(t *testing.T) { unknownCustomer(t, tables) })
	t.Run("generations", func(t *testing.T) { generations(t, table) })
	t.Run("controls", func(t *testing.T) { controls(t, table) })
	t.Run("checkpoints", func(t *testing.T) { checkpoints(t, table) })
	t.Run("checkpoints whose answers are lost", func(t *testing.T) { lateCheckpoints(t, table) })
	t.Run("writers of a row", func(t *testing.T) { writers(t, table) })
	t.Run("positions", func(t *testing.T) { positions(t, table) })
}

// tables are a table with what reads from it.
type tables struct {
	view.Table
	orders.Lists
	customers.Statistics
	all allorders.Lists
}

func newTables(table view.Table) tables {
	return tables{
		table, orders.NewLists(table, clock.System{}), customers.NewStatistics(table, clock.System{}),
		allorders.NewLists(table, clock.System{}),
	}
}

// The generations that serve where nothing was rebuilt.
var (
	orderRows   = view.Generation{View: "orders", Number: 1}
	profileRows = view.Generation{View: "customers", Number: 1}
)

// put writes an order's row as it is given in place of another.
func (t tables) put(ctx context.Context, old, next orders.Row) error {
	d := orders.View
	d.Evolve = func(_ orders.Row, e es.Recorded) orders.Row { return e.Data.(orders.Row) }
	item, err := d.View().Fold(
		view.Item{ID: next.OrderID, Sequence: next.Sequence - 1, Data: []byte("{}")},
		[]es.Recorded{{Version: next.Sequence, Data: next}},
	)
	if err != nil {
		return err
	}
	return t.Put(ctx, view.Write{
		Generation: orderRows, Old: old.Sequence, Next: item,
		Differences: view.Difference(d.Tallies(old.OrderID, old), d.Tallies(next.OrderID, next)),
	})[0]
}

func readRow[R any](t fataler, table view.Table, g view.Generation, id string) R {
	var row R
	item, err := table.Row(context.Background(), g, id)
	if err != nil {
		t.Fatal(err)
	}
	if item.Sequence == 0 {
		return row
	}
	if err := json.Unmarshal(item.Data, &row); err != nil {
		t.Fatal(err)
	}
	return row
}

type fataler interface{ Fatal(...any) }

// Deliver is the part of the suite that brings events to the views.
func Deliver(t *testing.T, table view.Table) {
	tables := newTables(table)
	t.Run("any order of delivery", func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { anyOrder(t, tables) }) })
	t.Run("many projectors", func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { many(t, tables) }) })
	t.Run("paging under changes", func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { paging(t, tables) }) })
	t.Run("paging customers", func(t *testing.T) { rapid.Check(t, func(t *rapid.T) { pagingCustomers(t, tables) }) })
}

// fault makes one write fail, before or after it is done. Like a process that dies: what it has
// done stays, but nobody hears of it.
type fault int

const (
	faultNone fault = iota
	faultBefore
	faultAfter
	faultDeath // after one write, with all that would follow
	faultDead
)

var errFault = errors.New("the process died")

// faulty is a table whose next Put fails as it is told, and after a death everything.
func faulty(table view.Table, next *fault) view.Table {
	return Hooked{Table: table, Hook: func(_ context.Context, request string, after bool) error {
		switch {
		case *next == faultDead:
			return errFault
		case request != "Put":
			return nil
		case *next == faultDeath && after:
			*next = faultDead
			return errFault
		case *next == faultBefore && !after, *next == faultAfter && after:
			*next = faultNone
			return errFault
		}
		return nil
	}}
}

// handle has a projector handle one commit.
func handle(ctx context.Context, p *view.Projector, c es.StoredCommit) error {
	return p.HandleBatch(ctx, []es.StoredCommit{c})[0]
}

// anyOrder lets streams grow and delivers their commits in any order, some twice, some never, with
// a projector that dies now and then. At every moment a row is the fold of a beginning of its
// stream, and counts as that; when all is caught up, views equal totals computed from the events
// alone.
func anyOrder(t *rapid.T, tables tables) {
	ctx := context.Background()
	w := DrawWorld(t, ident.New()[:13]+"-")
	var next fault
	p := view.NewProjector(w.Store, faulty(tables.Table, &next), clock.NewFake(Epoch), nil, catalog.Views()...)
	var stored []es.StoredCommit
	seen := map[es.StreamID]int64{} // version that was handled without an error
	for range rapid.IntRange(0, 40).Draw(t, "steps") {
		if growing := w.Growing(); len(growing) > 0 && (len(stored) == 0 || rapid.Bool().Draw(t, "grow")) {
			c, err := w.Grow(ctx, rapid.SampledFrom(growing).Draw(t, "stream"))
			must(t, err)
			stored = append(stored, c)
			continue
		}
		if len(stored) == 0 {
			break
		}
		batch := rapid.SliceOfN(rapid.SampledFrom(stored), 1, 4).Draw(t, "batch")
		next = rapid.SampledFrom(
			[]fault{faultNone, faultNone, faultNone, faultBefore, faultAfter, faultDeath},
		).Draw(t, "fault")
		for i, err := range p.HandleBatch(ctx, batch) {
			switch c := batch[i]; {
			case err == nil:
				seen[c.Stream] = max(seen[c.Stream], c.Last())
			case !errors.Is(err, errFault):
				t.Fatal(err)
			}
		}
	}
	compare(t, tables, w, seen)

	next = faultNone
	for _, stream := range w.Streams {
		for slices.Contains(w.Growing(), stream) {
			c, err := w.Grow(ctx, stream)
			must(t, err)
			stored = append(stored, c)
		}
	}
	if rapid.Bool().Draw(t, "catch up") {
		for _, stream := range w.Streams {
			must(t, p.CatchUp(ctx, stream))
		}
	} else {
		for _, i := range rapid.Permutation(indexes(stored)).Draw(t, "order") {
			must(t, handle(ctx, p, stored[i]))
		}
	}
	compare(t, tables, w, ends(t, w))
}

// many has several projectors at work on the same streams, each with all commits in an order of its
// own.
func many(t *rapid.T, tables tables) {
	ctx := context.Background()
	w := DrawWorld(t, ident.New()[:13]+"-")
	var stored []es.StoredCommit
	for len(w.Growing()) > 0 {
		c, err := w.Grow(ctx, rapid.SampledFrom(w.Growing()).Draw(t, "stream"))
		must(t, err)
		stored = append(stored, c)
	}
	var group errgroup.Group
	for range rapid.IntRange(2, 4).Draw(t, "projectors") {
		p := view.NewProjector(w.Store, tables.Table, clock.System{}, nil, catalog.Views()...)
		delivery, size := rapid.Permutation(stored).Draw(t, "order"), rapid.IntRange(1, 5).Draw(t, "batch size")
		group.Go(func() error {
			for batch := range slices.Chunk(delivery, size) {
				if err := errors.Join(p.HandleBatch(ctx, batch)...); err != nil {
					return err
				}
			}
			return nil
		})
	}
	must(t, group.Wait())
	compare(t, tables, w, ends(t, w))
}

func indexes(commits []es.StoredCommit) []int {
	all := make([]int, len(commits))
	for i := range all {
		all[i] = i
	}
	return all
}

func ends(t *rapid.T, w *World) map[es.StreamID]int64 {
	all := map[es.StreamID]int64{}
	for _, stream := range w.Streams {
		history, err := w.Store.Load(context.Background(), stream, 0)
		must(t, err)
		all[stream] = history.Head.Version()
	}
	return all
}

// compare reads every row of the world and computes, from the events up to the row's sequence and
// by other means than the views, what rows and counters have to be. No row may be behind what was
// seen.
func compare(t *rapid.T, tables tables, w *World, seen map[es.StreamID]int64) {
	ctx := context.Background()
	want, lists := map[string]customers.Row{}, map[string][]string{}
	for _, stream := range w.Streams {
		history, err := w.Store.Load(ctx, stream, 0)
		must(t, err)
		if stream.Category() == customer.Category {
			row := want[stream.ID()]
			row.CustomerID = stream.ID()
			profile := readRow[customers.Profile](t, tables.Table, profileRows, stream.ID())
			if profile.Sequence < seen[stream] {
				t.Fatalf("%s is at version %d, has seen %d", stream, profile.Sequence, seen[stream])
			}
			if profile.Sequence > 0 {
				row.Registered, row.RegisteredAt, row.Sequence = true, history.Events[0].Time, profile.Sequence
				if last := history.Events[profile.Sequence-1]; last.Type == "customer.erased" {
					row.ErasedAt = last.Time
				}
			}
			want[stream.ID()] = row
			continue
		}
		got := readRow[orders.Row](t, tables.Table, orderRows, stream.ID())
		if got.Sequence < seen[stream] {
			t.Fatalf("%s is at version %d, has seen %d", stream, got.Sequence, seen[stream])
		}
		if got.Sequence == 0 {
			continue
		}
		events := history.Events[:got.Sequence]
		state, err := es.Fold(order.Decider.Initial(), order.Evolve, events)
		must(t, err)
		if diff := cmp.Diff(RowOf(state, events), got); diff != "" {
			t.Fatalf("%s: (-want +got)\n%s", stream, diff)
		}
		want[state.CustomerID] = count(want[state.CustomerID], state)
		lists[state.CustomerID] = append(lists[state.CustomerID], state.ID)
	}
	for id, row := range want {
		got, err := tables.Statistics.Statistics(ctx, id)
		must(t, err)
		row.CustomerID = id
		if diff := cmp.Diff(Full(row), Full(got)); diff != "" {
			t.Fatalf("customer %s: (-want +got)\n%s", id, diff)
		}
		page, err := tables.Lists.List(ctx, id, orders.Query{Limit: orders.MaxLimit})
		must(t, err)
		listed := []string{}
		for _, r := range page.Rows {
			listed = append(listed, r.OrderID)
		}
		slices.Sort(listed)
		if diff := cmp.Diff(append([]string{}, lists[id]...), listed); diff != "" {
			t.Fatalf("orders of customer %s: (-want +got)\n%s", id, diff)
		}
	}
}

// RowOf is the row that an order's state and its events come to.
func RowOf(s order.State, events []es.Recorded) orders.Row {
	if len(events) == 0 {
		return orders.Row{}
	}
	last, placed := events[len(events)-1], events[0].Time
	if at, err := clock.ParseTime(s.PlacedAt); err == nil {
		placed = at
	}
	items := map[string]bool{}
	for _, l := range s.Lines {
		sum := sha256.Sum256([]byte(l.SKU))
		items[base64.RawURLEncoding.EncodeToString(sum[:6])] = true
	}
	return orders.Row{
		Items:   strings.Join(slices.Sorted(maps.Keys(items)), ""),
		OrderID: s.ID, CustomerID: s.CustomerID, Status: s.Status, Saga: orders.Saga{ID: s.SagaID, State: s.Saga},
		Total: s.Total, Refunded: refunded(s), LineCount: len(s.Lines),
		PlacedAt: placed, UpdatedAt: last.Time, Reason: s.Reason, PaymentID: s.PaymentID,
		TrackingNumber: s.TrackingNumber, WaitsUntil: s.WaitsUntil(time.Time{}), Sequence: last.Version,
	}
}

// refunded is what was given back of an order, the zero Money where nothing ever was.
func refunded(s order.State) money.Money {
	if len(s.Refunds) == 0 {
		return money.Money{}
	}
	return s.Refunded()
}

// count adds an order to its customer's statistics.
func count(row customers.Row, s order.State) customers.Row {
	row = Full(row)
	row.Orders++
	row.ByStatus[s.Status]++
	if s.Status == order.StatusCancelled {
		row.CancelledByReason[s.Reason]++
	}
	if s.Status == order.StatusConfirmed || s.Status == order.StatusShipped || s.Status == order.StatusDelivered {
		row.ConfirmedTotal[s.Total.Currency] += s.Total.Amount
		row.RefundedTotal[s.Total.Currency] += s.Refunded().Amount
	}
	return row
}

// Full is a row whose maps are there and hold no zeros, for comparing.
func Full(row customers.Row) customers.Row {
	row.ByStatus, row.CancelledByReason, row.ConfirmedTotal = full(row.ByStatus), full(row.CancelledByReason),
		full(row.ConfirmedTotal)
	row.RefundedTotal = full(row.RefundedTotal)
	return row
}

func full[K comparable](m map[K]int64) map[K]int64 {
	out := map[K]int64{}
	for key, n := range m {
		if n != 0 {
			out[key] = n
		}
	}
	return out
}

// row is an order's row at a sequence.
func row(customerID string, n int, status order.Status, sequence int64) orders.Row {
	return orders.Row{
		OrderID: fmt.Sprintf("%s-o%04d", customerID, n), CustomerID: customerID, Status: status,
		Saga:  orders.Saga{State: order.SagaPending},
		Total: money.Money{Amount: 100, Currency: "USD"}, LineCount: 1,
		PlacedAt:  Epoch.Add(time.Duration(n) * 100 * time.Millisecond),
		UpdatedAt: Epoch.Add(time.Duration(n)*100*time.Millisecond + time.Duration(sequence)*time.Hour),
		Sequence:  sequence,
	}
}

func newCustomer() string { return "c" + ident.New() }

// writtenOnce: of many writers that read the same row one wins, the others meet a conflict and
// change nothing.
func writtenOnce(t *testing.T, tables tables) {
	ctx := context.Background()
	id := newCustomer()
	old, placed := orders.Row{}, row(id, 1, order.StatusPlaced, 1)
	for _, step := range []struct {
		old, next orders.Row
		counted   orders.Counters
	}{
		{old, placed, orders.Counters{Orders: 1, ByStatus: map[order.Status]int64{order.StatusPlaced: 1}}},
		{
			placed, row(id, 1, order.StatusPlaced, 2),
			orders.Counters{Orders: 1, ByStatus: map[order.Status]int64{order.StatusPlaced: 1}},
		},
		{row(id, 1, order.StatusPlaced, 2), row(id, 1, order.StatusConfirmed, 3), orders.Counters{
			Orders: 1, ByStatus: map[order.Status]int64{order.StatusConfirmed: 1},
			ConfirmedTotal: map[string]int64{"USD": 100},
		}},
	} {
		var mu sync.Mutex
		won := 0
		var group errgroup.Group
		for range 8 {
			group.Go(func() error {
				err := tables.put(ctx, step.old, step.next)
				if err == nil {
					mu.Lock()
					defer mu.Unlock()
					won++
					return nil
				}
				if !errors.Is(err, es.ErrConflict) {
					return err
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		got, err := tables.Statistics.Statistics(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if want := Full(customers.Row{Profile: customers.Profile{CustomerID: id}, Counters: step.counted}); won != 1 ||
			!cmp.Equal(want, Full(got)) {
			t.Fatalf("%d won: %s", won, cmp.Diff(want, Full(got)))
		}
	}
	if err := tables.put(ctx, orders.Row{}, placed); !errors.Is(err, es.ErrConflict) {
		t.Errorf("a row was made twice: %v", err)
	}
}

// fill makes rows of a customer's orders, three confirmed to each that is cancelled, every two of
// them placed at the same moment.
func fill(t *testing.T, tables tables, customerID string, n int) []orders.Row {
	t.Helper()
	rows := make([]orders.Row, n)
	var group errgroup.Group
	group.SetLimit(8)
	for i := range rows {
		status := order.StatusConfirmed
		if i%4 == 0 {
			status = order.StatusCancelled
		}
		rows[i] = row(customerID, i, status, 1)
		rows[i].PlacedAt = Epoch.Add(time.Duration(i/2) * 100 * time.Millisecond)
		group.Go(func() error {
			return es.RetryConflicts(context.Background(), clock.System{}, func(ctx context.Context) error {
				return tables.put(ctx, orders.Row{}, rows[i])
			})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return rows
}

func lists(t *testing.T, tables tables) {
	ctx := context.Background()
	id, other := newCustomer(), newCustomer()
	rows := fill(t, tables, id, 231)
	fill(t, tables, other, 3)
	for _, tt := range []struct {
		status order.Status
		limit  int
	}{
		{"", 0}, {"", 3}, {"", 77}, {"", 100}, {order.StatusCancelled, 10}, {order.StatusCancelled, 58},
		{order.StatusConfirmed, 57}, {order.StatusShipped, 5},
	} {
		t.Run(fmt.Sprintf("%s by %d", tt.status, tt.limit), func(t *testing.T) {
			var want []orders.Row
			for _, r := range slices.Backward(rows) {
				if tt.status == "" || r.Status == tt.status {
					want = append(want, r)
				}
			}
			size := tt.limit
			if size == 0 {
				size = orders.DefaultLimit
			}
			var got []orders.Row
			for q := (orders.Query{Status: tt.status, Limit: tt.limit}); ; {
				page, err := tables.Lists.List(ctx, id, q)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, page.Rows...)
				if q.Cursor = page.Next; q.Cursor == "" {
					break
				}
				if len(page.Rows) != size || len(got) > len(rows) {
					t.Fatalf("a page of %d that is not the last", len(page.Rows))
				}
				if strings.Trim(q.Cursor, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
					t.Fatalf("cursor %q does not fit in a URL", q.Cursor)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// changingList: while a list is paged through, orders leave it and come to it. What stays in it is
// shown once.
func changingList(t *testing.T, tables tables) {
	ctx := context.Background()
	id := newCustomer()
	rows := fill(t, tables, id, 24)
	q := orders.Query{Status: order.StatusConfirmed, Limit: 4}
	shown := map[string]int{}
	for page := 0; ; page++ {
		p, err := tables.Lists.List(ctx, id, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Rows {
			shown[r.OrderID]++
		}
		if q.Cursor = p.Next; q.Cursor == "" {
			break
		}
		// The order at the page's end moves to another list, and a newer one is placed.
		last := p.Rows[len(p.Rows)-1]
		moved := last
		moved.Status, moved.Sequence = order.StatusShipped, 2
		if err := tables.put(ctx, last, moved); err != nil {
			t.Fatal(err)
		}
		added := row(id, 100+page, order.StatusConfirmed, 1)
		if err := tables.put(ctx, orders.Row{}, added); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]int{}
	for _, r := range rows {
		if r.Status == order.StatusConfirmed {
			want[r.OrderID] = 1
		}
	}
	if diff := cmp.Diff(want, shown); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func refused(t *testing.T, tables tables) {
	ctx := context.Background()
	id := newCustomer()
	fill(t, tables, id, 3)
	page, err := tables.Lists.List(ctx, id, orders.Query{Limit: 1})
	if err != nil || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	for name, tt := range map[string]struct {
		customer string
		query    orders.Query
		err      error
	}{
		"another customer's cursor": {newCustomer(), orders.Query{Cursor: page.Next}, orders.ErrInvalidCursor},
		"another status's cursor": {
			id, orders.Query{Cursor: page.Next, Status: order.StatusPlaced}, orders.ErrInvalidCursor,
		},
		"no cursor at all": {id, orders.Query{Cursor: "x"}, orders.ErrInvalidCursor},
		"unknown status":   {id, orders.Query{Status: "lost"}, orders.ErrInvalidQuery},
		"below the limits": {id, orders.Query{Limit: -1}, orders.ErrInvalidQuery},
		"above the limits": {id, orders.Query{Limit: orders.MaxLimit + 1}, orders.ErrInvalidQuery},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tables.Lists.List(ctx, tt.customer, tt.query); !errors.Is(err, tt.err) {
				t.Errorf("%v, want %v", err, tt.err)
			}
		})
	}
}

// everySlot goes through a list of each slot.
func everySlot(
	ctx context.Context, list func(context.Context, int, orders.Dated, string) iter.Seq2[orders.Listed, error],
	dated orders.Dated,
) iter.Seq2[orders.Listed, error] {
	return func(yield func(orders.Listed, error) bool) {
		for slot := range orders.Slots {
			for listed, err := range list(ctx, slot, dated, "") {
				if !yield(listed, err) {
					return
				}
			}
		}
	}
}

// standing: the lists of what is to go on hold every such order that was placed before a time, and
// lose it when it moves on. Of those on which the saga is not through they hold what nothing has
// changed since.
func standing(t *testing.T, tables tables) {
	ctx := context.Background()
	id := newCustomer()
	failed := row(id, 3, order.StatusCancelling, 1)
	failed.Saga.State = order.SagaFailed
	waits := row(id, 7, order.StatusHeld, 1)
	waits.WaitsUntil = waits.UpdatedAt.Add(2 * time.Hour)
	rows := []orders.Row{
		row(id, 0, order.StatusPlaced, 1), row(id, 1, order.StatusConfirmed, 1), row(id, 2, order.StatusCancelling, 1),
		failed,
		row(id, 4, order.StatusCancelled, 1), row(id, 5, order.StatusPlaced, 1), row(id, 6, order.StatusPlaced, 1),
		waits,
	}
	for _, r := range rows {
		if err := tables.put(ctx, orders.Row{}, r); err != nil {
			t.Fatal(err)
		}
	}
	lists := func(dated orders.Dated, open, failed, waiting, shipped []int) {
		t.Helper()
		for _, tt := range []struct {
			name string
			list iter.Seq2[orders.Listed, error]
			want []int
		}{
			{"open", tables.Open(ctx, dated), open}, {"failed", tables.Failed(ctx, dated), failed},
			{"waiting", everySlot(ctx, tables.Waiting, dated), waiting},
			{"shipped", everySlot(ctx, tables.Shipped, dated), shipped},
		} {
			got, want := []string{}, []string{}
			for listed, err := range tt.list {
				if err != nil {
					t.Fatal(err)
				}
				if strings.HasPrefix(listed.ID, id) {
					got = append(got, listed.ID)
				}
			}
			for _, n := range tt.want {
				want = append(want, rows[n].OrderID)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", tt.name, diff)
			}
		}
	}
	never := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	check := func(before time.Time, open, failed, waiting, shipped []int) {
		t.Helper()
		lists(orders.Dated{Before: before, After: never}, open, failed, waiting, shipped)
	}
	check(rows[6].UpdatedAt, []int{0, 2, 5}, []int{3}, []int{1}, nil)
	check(rows[6].UpdatedAt.Add(time.Nanosecond), []int{0, 2, 5, 6}, []int{3}, []int{1}, nil)
	check(rows[0].UpdatedAt, nil, nil, []int{1}, nil)
	check(rows[1].PlacedAt, nil, nil, nil, nil)
	moved := row(id, 0, order.StatusPlaced, 2)
	if err := tables.put(ctx, rows[0], moved); err != nil {
		t.Fatal(err)
	}
	cancelled := row(id, 3, order.StatusCancelled, 2)
	if err := tables.put(ctx, failed, cancelled); err != nil {
		t.Fatal(err)
	}
	check(rows[6].UpdatedAt.Add(time.Minute), []int{2, 5, 6}, nil, []int{1}, nil)
	check(moved.UpdatedAt.Add(time.Minute), []int{0, 2, 5, 6}, nil, []int{1}, nil)
	shipped := row(id, 1, order.StatusShipped, 2)
	if err := tables.put(ctx, rows[1], shipped); err != nil {
		t.Fatal(err)
	}
	check(shipped.PlacedAt, nil, nil, nil, nil)
	check(shipped.PlacedAt.Add(time.Nanosecond), nil, nil, nil, []int{1})
	check(shipped.UpdatedAt.Add(time.Minute), []int{0, 2, 5, 6}, nil, nil, []int{1})
	if err := tables.put(ctx, shipped, row(id, 1, order.StatusDelivered, 3)); err != nil {
		t.Fatal(err)
	}
	check(shipped.UpdatedAt.Add(time.Hour), []int{0, 2, 5, 6}, nil, nil, nil)
	// What waits comes once its deadline is past.
	check(waits.WaitsUntil.Add(-time.Nanosecond), []int{0, 2, 5, 6}, nil, nil, nil)
	check(waits.WaitsUntil, []int{0, 2, 5, 6, 7}, nil, nil, nil)
	// What has changed lately does not come, and what is dated ahead does.
	behind := rows[5].UpdatedAt.Add(time.Nanosecond)
	lists(orders.Dated{Before: rows[2].UpdatedAt.Add(time.Nanosecond), After: behind}, []int{0, 2, 6}, nil, nil, nil)
	lists(orders.Dated{Before: rows[0].UpdatedAt, After: behind}, []int{0, 6}, nil, nil, nil)
	lists(orders.Dated{Before: rows[0].UpdatedAt, After: never}, nil, nil, nil, nil)
	// What was placed lately does not come either, unless that is dated ahead.
	lists(orders.Dated{Before: rows[2].PlacedAt, After: rows[5].PlacedAt.Add(1)}, []int{0, 6}, nil, nil, nil)
	places(t, tables)
	for _, err := range tables.Open(ctx, orders.Dated{Before: moved.UpdatedAt.Add(time.Minute), After: never}) {
		if err != nil {
			t.Error(err)
		}
		break // whoever has seen enough may stop
	}
}

// places: who goes on behind the place of an order that a slot gave comes to the next one, in
// either part of the list, and to none twice.
func places(t *testing.T, tables tables) {
	ctx := context.Background()
	id := newCustomer()
	slot := -1
	var want []string
	for n := 0; len(want) < 6; n++ {
		r := row(id, n, order.StatusConfirmed, 1)
		if slot < 0 {
			slot = orders.Slot(r.OrderID)
		}
		if orders.Slot(r.OrderID) != slot {
			continue
		}
		if len(want) >= 3 {
			r.PlacedAt = r.PlacedAt.AddDate(1000, 0, 0)
		}
		if err := tables.put(ctx, orders.Row{}, r); err != nil {
			t.Fatal(err)
		}
		want = append(want, r.OrderID)
	}
	dated := orders.Dated{Before: Epoch.AddDate(1, 0, 0), After: Epoch.AddDate(999, 0, 0)}
	got, after := []string{}, ""
	for more := true; more; {
		more = false
		for listed, err := range tables.Waiting(ctx, slot, dated, after) {
			if err != nil {
				t.Fatal(err)
			}
			after, more = listed.Place, true
			if strings.HasPrefix(listed.ID, id) {
				got = append(got, listed.ID)
				break
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("one by one: (-want +got)\n%s", diff)
	}
}

func unknownCustomer(t *testing.T, tables tables) {
	id := newCustomer()
	got, err := tables.Statistics.Statistics(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got.CustomerID != id || got.Registered || got.Orders != 0 {
		t.Errorf("%+v", got)
	}
	if got.ByStatus == nil || got.CancelledByReason == nil || got.ConfirmedTotal == nil ||
		got.RefundedTotal == nil {
		t.Error("counters that are null on the wire")
	}
	page, err := tables.Lists.List(context.Background(), id, orders.Query{})
	if err != nil || len(page.Rows) != 0 || page.Next != "" {
		t.Errorf("%+v, %v", page, err)
	}
}

func must(t *rapid.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// between: a list can be read between two places, both of them left out.
func between(t *testing.T, tables tables) {
	id := newCustomer()
	rows := fill(t, tables, id, 10)
	sort := func(n int) string { return view.TimeKey(rows[n].PlacedAt, rows[n].OrderID) }
	for _, tt := range []struct {
		name  string
		query view.Query
		want  []int
	}{
		{"both", view.Query{After: sort(2), Before: sort(6)}, []int{3, 4, 5}},
		{"both, backwards", view.Query{After: sort(2), Before: sort(6), Descending: true}, []int{5, 4, 3}},
		{"after", view.Query{After: sort(7)}, []int{8, 9}},
		{"before", view.Query{Before: sort(2)}, []int{0, 1}},
		{"nothing", view.Query{After: sort(4), Before: sort(5)}, nil},
	} {
		tt.query.Index, tt.query.Partition = view.Index1, id
		var got, want []string
		for item, err := range tables.Table.List(context.Background(), orderRows, tt.query) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, item.ID)
		}
		for _, n := range tt.want {
			want = append(want, rows[n].OrderID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// generations: each has rows, lists and tallies of its own, and whoever deletes one leaves the
// others.
func generations(t *testing.T, table view.Table) {
	ctx := context.Background()
	name := "v" + ident.New()[:8]
	other := name + "x" // whose name begins like this one's
	put := func(g view.Generation, id string) {
		item := view.Item{
			ID: id, Sequence: 2, Data: []byte(`{"n":1}`),
			Keys: []view.Key{{Index: view.Index2, Partition: "all", Sort: id}},
		}
		if err := table.Put(ctx, view.Write{
			Generation: g, Next: item,
			Differences: []view.Tally{{Name: "t", ID: "a#b", Counters: map[string]int64{"n": 2, "m": -1}}},
		})[0]; err != nil {
			t.Fatal(err)
		}
		if err := table.SavePosition(ctx, g, 1, view.Position{From: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	first, second := view.Generation{View: name, Number: 1}, view.Generation{View: name, Number: 12}
	put(first, "one")
	put(first, "two#2")
	put(second, "one")
	put(view.Generation{View: other, Number: 1}, "one")

	read := func() map[string]int {
		found := map[string]int{}
		for segment := range 3 {
			for page, err := range table.Entries(ctx, name, segment, 3) {
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range page {
					found[fmt.Sprint(
						e.Generation, " ", e.Kind, " ", e.Name, " ", e.ID, " ", e.Row.Sequence, " ", e.Counters,
					)]++
				}
			}
		}
		return found
	}
	all := map[string]int{
		fmt.Sprint(first, " row  one 2 map[]"): 1, fmt.Sprint(first, " row  two#2 2 map[]"): 1,
		fmt.Sprint(first, " tally t a#b 0 map[m:-2 n:4]"): 1,
		fmt.Sprint(first, " position 1  0 map[]"):         1, fmt.Sprint(second, " row  one 2 map[]"): 1,
		fmt.Sprint(second, " tally t a#b 0 map[m:-1 n:2]"): 1,
		fmt.Sprint(second, " position 1  0 map[]"):         1,
	}
	if diff := cmp.Diff(all, read()); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
	for segment := range 2 {
		for page, err := range table.Entries(ctx, name, segment, 2) {
			if err != nil {
				t.Fatal(err)
			}
			gone := slices.DeleteFunc(page, func(e view.Entry) bool { return e.Generation != first })
			for range 2 { // again, as one who was cut off would
				if err := table.Delete(ctx, gone); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for line := range all {
		if strings.HasPrefix(line, fmt.Sprint(first)) {
			delete(all, line)
		}
	}
	if diff := cmp.Diff(all, read()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for g, want := range map[view.Generation][]string{first: nil, second: {"one"}} {
		var got []string
		for item, err := range table.List(ctx, g, view.Query{Index: view.Index2, Partition: "all"}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, item.ID)
		}
		counters, revision, err := table.Tally(ctx, g, "t", "a#b")
		if !slices.Equal(got, want) || err != nil || revision != int64(len(want)) ||
			counters["n"] != 2*int64(len(want)) {
			t.Errorf("generation %d lists %v and counts %v at revision %d, %v", g.Number, got, counters, revision, err)
		}
	}
}

// writtenTogether: each of many writes has the result that it would have alone, and what they add
// to one tally is added once for each that was written, more of them than fit into a transaction.
func writtenTogether(t *testing.T, table view.Table) {
	ctx, g := context.Background(), view.Generation{View: "v" + ident.New()[:8], Number: 1}
	var writes []view.Write
	for i := range 130 {
		w := view.Write{
			Generation: g,
			Next:       view.Item{ID: fmt.Sprint("r", i), Sequence: 1, Data: []byte(`{}`), Writers: []string{"w"}},
		}
		for _, id := range []string{"all", fmt.Sprint(i % 40)} {
			w.Differences = append(w.Differences, view.Tally{
				Name: "n", ID: id, Counters: map[string]int64{"rows": 1, "sum": int64(i)},
			})
		}
		if i%10 == 7 {
			w.Differences = nil
		}
		writes = append(writes, w)
	}
	stale := map[int]bool{3: true, 57: true, 77: true}
	for i := range stale {
		if err := table.Put(ctx, view.Write{Generation: g, Next: writes[i].Next})[0]; err != nil {
			t.Fatal(err)
		}
	}
	rows, sum := int64(0), int64(0)
	for i, err := range table.Put(ctx, writes...) {
		if errors.Is(err, es.ErrConflict) != stale[i] || !stale[i] && err != nil {
			t.Errorf("row %d: %v", i, err)
		}
		if !stale[i] && i%10 != 7 {
			rows, sum = rows+1, sum+int64(i)
		}
	}
	counters, _, err := table.Tally(ctx, g, "n", "all")
	if diff := cmp.Diff(map[string]int64{"rows": rows, "sum": sum}, counters); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	places := []view.Place{{Generation: g, ID: "nobody"}}
	for _, w := range writes {
		places = append(places, view.Place{Generation: g, ID: w.Next.ID})
	}
	_, looked, err := table.Look(ctx, nil, places)
	if err != nil || looked[0].Row.Sequence != 0 || looked[0].Row.ID != "nobody" {
		t.Fatalf("%+v, %v", looked, err)
	}
	for i, l := range looked[1:] {
		if diff := cmp.Diff(writes[i].Next, l.Row); l.Err != nil || diff != "" {
			t.Errorf("row %d: %v (-want +got)\n%s", i, l.Err, diff)
		}
	}
	if counters, _, err = table.Tally(ctx, g, "n", "0"); err != nil || counters["rows"] != 4 {
		t.Errorf("%v, %v", counters, err)
	}
}

// controls: whoever saves has seen what was saved before.
func controls(t *testing.T, table view.Table) {
	ctx := context.Background()
	name := "v" + ident.New()[:8]
	fresh, err := table.Control(ctx, name)
	if diff := cmp.Diff(view.Control{View: name}, fresh); err != nil || diff != "" {
		t.Fatalf("%v, %s", err, diff)
	}
	begun := fresh.Begin("me", 4, Epoch)
	if err := table.Save(ctx, begun); err != nil {
		t.Fatal(err)
	}
	if err := table.Save(ctx, begun); !errors.Is(err, es.ErrConflict) {
		t.Errorf("a second first one: %v", err)
	}
	other := "v" + ident.New()[:8]
	all, _, err := table.Look(ctx, []string{name, other}, nil)
	if err != nil {
		t.Fatal(err)
	}
	begun.Revision = 1
	if diff := cmp.Diff(map[string]view.Control{name: begun, other: {View: other}}, all); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
	if err := table.Save(ctx, all[name].Switched()); err != nil {
		t.Fatal(err)
	}
	if err := table.Save(ctx, all[name].Dropped()); !errors.Is(err, es.ErrConflict) {
		t.Errorf("one who has not seen the last change: %v", err)
	}
	got, err := table.Control(ctx, name)
	want := view.Control{View: name, Revision: 2, Serving: 2, Last: 2, Draining: []int64{1}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, %s", err, diff)
	}
}

// checkpoints: events add up, and the newest commit stands, in whatever order batches are noted.
func checkpoints(t *testing.T, table view.Table) {
	ctx := context.Background()
	name := "v" + ident.New()[:8]
	first := view.Checkpoint{Newest: Epoch, Events: 3, Lag: time.Second, At: Epoch.Add(time.Second)}
	newer := view.Checkpoint{
		Newest: Epoch.Add(time.Millisecond), Events: 4, Lag: 2 * time.Second, At: Epoch.Add(2 * time.Second),
	}
	older := view.Checkpoint{Newest: Epoch.Add(-time.Hour), Events: 5, Lag: time.Hour, At: Epoch.Add(3 * time.Second)}
	for _, c := range []view.Checkpoint{first, newer, older, newer} {
		token := ident.New()
		for range 2 { // the second time as where the first answer was lost
			if err := table.Advance(ctx, token, map[string]view.Checkpoint{name: c, name + "-too": first}); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, err := table.Checkpoints(ctx)
	newer.Events = 16
	if diff := cmp.Diff(newer, all[name]); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	first.Events = 12
	if diff := cmp.Diff(first, all[name+"-too"]); diff != "" {
		t.Errorf("of the other view (-want +got)\n%s", diff)
	}
}

// lateCheckpoints lets the answers of many batches be lost, and gives each again after some dozen
// others.
func lateCheckpoints(t *testing.T, table view.Table) {
	ctx := context.Background()
	name := "v" + ident.New()[:8]
	batches := make([]string, 60)
	for i := range batches {
		batches[i] = ident.New()
	}
	for i := range len(batches) + 12 {
		for _, given := range []int{i, i - 12} {
			if given < 0 || given >= len(batches) {
				continue
			}
			c := view.Checkpoint{
				Newest: Epoch.Add(time.Duration(given) * time.Second), Events: 1 << (given % 8),
				At: Epoch.Add(time.Hour),
			}
			if err := table.Advance(ctx, batches[given], map[string]view.Checkpoint{name: c}); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, err := table.Checkpoints(ctx)
	want := view.Checkpoint{Newest: Epoch.Add(59 * time.Second), Events: 7*255 + 15, At: Epoch.Add(time.Hour)}
	if diff := cmp.Diff(want, all[name]); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// writers is that a row keeps the names of its writers, by which they know it again.
func writers(t *testing.T, table view.Table) {
	ctx := context.Background()
	g, id := view.Generation{View: "v" + ident.New()[:8], Number: 1}, ident.New()
	for sequence, names := range [][]string{{"a"}, {"b", "a"}, nil} {
		item := view.Item{ID: id, Sequence: int64(sequence + 1), Data: []byte("{}"), Writers: names}
		if err := table.Put(ctx, view.Write{Generation: g, Old: int64(sequence), Next: item})[0]; err != nil {
			t.Fatal(err)
		}
		if got, err := table.Row(ctx, g, id); err != nil || !slices.Equal(got.Writers, names) {
			t.Errorf("written by %q, %v; want %q", got.Writers, err, names)
		}
	}
}

func positions(t *testing.T, table view.Table) {
	ctx := context.Background()
	g := view.Generation{View: "v" + ident.New()[:8], Number: 3}
	for _, want := range []view.Position{{From: "a", Commits: 7, Events: 5}, {From: "", Done: true, Commits: 9}} {
		if err := table.SavePosition(ctx, g, 2, want); err != nil {
			t.Fatal(err)
		}
		if got, err := table.Position(ctx, g, 2); err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	if got, err := table.Position(ctx, g, 1); err != nil || got != (view.Position{}) {
		t.Errorf("a segment that was never read is at %+v, %v", got, err)
	}
}
