package viewtest

import (
	"context"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
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
	"orderflow/shared/shop/order"
)

// span is longer than a drawn world lives.
const span = time.Hour

// apart is a time for a world that no other one has, since a list of all has the orders of all
// worlds that a table keeps.
func apart(prefix string) time.Time {
	h := fnv.New32a()
	_, _ = h.Write([]byte(prefix)) // it never fails
	return Epoch.Add(time.Duration(h.Sum32()%500_000) * span)
}

// drawFilter draws what somebody asks for of a world's orders.
func drawFilter(t *rapid.T, w *World, prefix string) allorders.Query {
	q := allorders.Query{After: w.Base, Before: w.Base.Add(span), Limit: rapid.IntRange(1, 3).Draw(t, "limit")}
	if rapid.Bool().Draw(t, "by status") {
		q.Status = rapid.SampledFrom(order.Statuses()).Draw(t, "status")
	}
	if rapid.Bool().Draw(t, "by customer") {
		q.CustomerID = prefix + rapid.SampledFrom([]string{"ada", "bob", "nobody"}).Draw(t, "customer")
	}
	// At the time of a commit and not beside it: an order that is placed then is in the one part
	// and not in the other.
	at := func(name string) time.Time {
		return w.Base.Add(time.Duration(rapid.IntRange(1, 40).Draw(t, name)) * 333_333_333 * time.Nanosecond)
	}
	if rapid.Bool().Draw(t, "placed after") {
		q.After = at("after")
	}
	if rapid.Bool().Draw(t, "placed before") {
		q.Before = at("before")
	}
	if !q.After.Before(q.Before) {
		q.Before = w.Base.Add(span)
	}
	return q
}

// matching is what the orders of a world come to under a filter, newest first: computed from the
// events alone.
func matching(t *rapid.T, w *World, q allorders.Query) []orders.Row {
	var rows []orders.Row
	for _, stream := range w.Streams {
		history, err := w.Store.Load(context.Background(), stream, 0)
		must(t, err)
		if stream.Category() != order.Category || len(history.Events) == 0 {
			continue
		}
		state, err := es.Fold(order.Decider.Initial(), order.Evolve, history.Events)
		must(t, err)
		r := RowOf(state, history.Events)
		outside := r.PlacedAt.Before(q.After) || !r.PlacedAt.Before(q.Before)
		if outside || q.Status != "" && q.Status != r.Status || q.CustomerID != "" && q.CustomerID != r.CustomerID {
			continue
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b orders.Row) int {
		return strings.Compare(view.TimeKey(b.PlacedAt, b.OrderID), view.TimeKey(a.PlacedAt, a.OrderID))
	})
	return rows
}

func ids(rows []orders.Row) []string {
	all := make([]string, 0, len(rows))
	for _, r := range rows {
		all = append(all, r.OrderID)
	}
	return all
}

// paging: somebody goes through the list of all orders under a filter while orders are placed and
// move on. What has matched from the first page to the last is shown once, nothing is shown twice,
// and the order of the list holds. When nothing changes any more, the list is what the events come
// to.
func paging(t *rapid.T, tables tables) {
	ctx, prefix := context.Background(), ident.New()[:13]+"-"
	w := DrawWorld(t, prefix)
	w.Base = apart(prefix)
	p := view.NewProjector(w.Store, tables.Table, clock.NewFake(Epoch), nil, catalog.Views()...)
	grow := func() {
		c, err := w.Grow(ctx, rapid.SampledFrom(w.Growing()).Draw(t, "stream"))
		must(t, err)
		must(t, handle(ctx, p, c))
	}
	for range rapid.IntRange(0, 20).Draw(t, "before") {
		if len(w.Growing()) > 0 {
			grow()
		}
	}
	q := drawFilter(t, w, prefix)
	throughout, shown := ids(matching(t, w, q)), []orders.Row{}
	for {
		page, err := tables.all.List(ctx, q)
		must(t, err)
		if len(page.Rows) > q.Limit || page.Next != "" && len(page.Rows) < q.Limit {
			t.Fatalf("a page of %d", len(page.Rows))
		}
		shown = append(shown, page.Rows...)
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
		for len(w.Growing()) > 0 && rapid.Bool().Draw(t, "grow") {
			grow()
			now := ids(matching(t, w, q))
			throughout = slices.DeleteFunc(throughout, func(id string) bool { return !slices.Contains(now, id) })
		}
	}
	for i := 1; i < len(shown); i++ {
		one, next := shown[i-1], shown[i]
		if view.TimeKey(one.PlacedAt, one.OrderID) <= view.TimeKey(next.PlacedAt, next.OrderID) {
			t.Fatalf("%s is shown before %s", one.OrderID, next.OrderID)
		}
	}
	for _, id := range throughout {
		if !slices.Contains(ids(shown), id) {
			t.Fatalf("%s matched all the time and is not shown", id)
		}
	}

	for len(w.Growing()) > 0 {
		grow()
	}
	q.Cursor, q.Limit = "", orders.MaxLimit
	page, err := tables.all.List(ctx, q)
	must(t, err)
	if diff := cmp.Diff(matching(t, w, q), page.Rows); diff != "" {
		t.Fatalf("%+v: (-want +got)\n%s", q, diff)
	}
}

// pagingCustomers: the list of customers has each who registered once, with what their events come
// to and nothing of what they said.
func pagingCustomers(t *rapid.T, tables tables) {
	ctx, prefix := context.Background(), ident.New()[:13]+"-"
	w := DrawWorld(t, prefix)
	p := view.NewProjector(w.Store, tables.Table, clock.NewFake(Epoch), nil, catalog.Views()...)
	for len(w.Growing()) > 0 {
		c, err := w.Grow(ctx, rapid.SampledFrom(w.Growing()).Draw(t, "stream"))
		must(t, err)
		must(t, handle(ctx, p, c))
	}
	want := map[string]customers.Profile{}
	for _, stream := range w.Streams {
		history, err := w.Store.Load(ctx, stream, 0)
		must(t, err)
		if stream.Category() != customer.Category || len(history.Events) == 0 {
			continue
		}
		profile := customers.Profile{
			CustomerID: stream.ID(), Registered: true, RegisteredAt: history.Events[0].Time,
			Sequence: history.Head.Version(),
		}
		if last := history.Events[len(history.Events)-1]; last.Type == "customer.erased" {
			profile.ErasedAt = last.Time
		}
		want[stream.ID()] = profile
	}
	got, last := map[string]customers.Profile{}, ""
	for q := (customers.Query{Limit: rapid.IntRange(50, orders.MaxLimit).Draw(t, "limit")}); ; {
		page, err := tables.Statistics.List(ctx, q)
		must(t, err)
		for _, row := range page.Rows {
			place := view.TimeKey(row.RegisteredAt, row.CustomerID)
			if last != "" && place >= last {
				t.Fatalf("%s is listed behind %s", place, last)
			}
			if last = place; strings.HasPrefix(row.CustomerID, prefix) {
				got[row.CustomerID] = row
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}
