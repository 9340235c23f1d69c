package allorders_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/allorders"
	"orderflow/shared/read/view/catalog"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/read/view/viewtest"
	"orderflow/shared/shop/order"
)

// placed is a table with so many orders of two customers, placed a second apart, the last one first
// in the list.
func placed(t *testing.T, n int) *viewtest.Memory {
	t.Helper()
	ctx, table := context.Background(), viewtest.NewMemory()
	store := memstore.New(viewtest.Registry())
	p := view.NewProjector(store, table, clock.System{}, nil, catalog.Views()...)
	for i := range n {
		id := fmt.Sprintf("o%03d", i)
		event := order.Placed{
			OrderID: id, CustomerID: []string{"ada", "bob"}[i%2], Revision: 1,
			Lines: []order.Line{{SKU: "common"}, {SKU: fmt.Sprintf("rare-%d", i)}, {SKU: "common"}},
		}
		stream := es.NewStreamID(order.Category, id)
		history, err := store.Load(ctx, stream, 0)
		if err != nil {
			t.Fatal(err)
		}
		c := es.Commit{Head: history.Head, ID: id, Time: moment(i), Events: []any{event}}
		if _, err := store.Append(ctx, []es.Commit{c}); err != nil {
			t.Fatal(err)
		}
		if err := p.CatchUp(ctx, stream); err != nil {
			t.Fatal(err)
		}
	}
	return table
}

func moment(i int) time.Time { return viewtest.Epoch.Add(time.Duration(i) * time.Second) }

func TestFilters(t *testing.T) {
	lists := allorders.NewLists(placed(t, 20), clock.System{})
	for _, tt := range []struct {
		name        string
		query       allorders.Query
		first, last string
		n           int
	}{
		{"all", allorders.Query{Limit: 100}, "o019", "o000", 20},
		{"the usual page", allorders.Query{}, "o019", "o010", 10},
		{"of one", allorders.Query{CustomerID: "ada", Limit: 100}, "o018", "o000", 10},
		{"of nobody", allorders.Query{CustomerID: "eve"}, "", "", 0},
		{"placed", allorders.Query{Status: order.StatusPlaced, Limit: 100}, "o019", "o000", 20},
		{
			"of one, placed", allorders.Query{CustomerID: "bob", Status: order.StatusPlaced, Limit: 100}, "o019",
			"o001", 10,
		},
		{"confirmed", allorders.Query{Status: order.StatusConfirmed}, "", "", 0},
		{"from a time", allorders.Query{After: moment(15), Limit: 100}, "o019", "o015", 5},
		{"before a time", allorders.Query{Before: moment(15), Limit: 100}, "o014", "o000", 15},
		{"between", allorders.Query{After: moment(5), Before: moment(8)}, "o007", "o005", 3},
		{"of one between", allorders.Query{CustomerID: "ada", After: moment(5), Before: moment(8)}, "o006", "o006", 1},
		{"in another zone", allorders.Query{Before: moment(2).In(time.FixedZone("", 7200))}, "o001", "o000", 2},
		{"a nanosecond later", allorders.Query{After: moment(19).Add(1)}, "", "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page, err := lists.List(context.Background(), tt.query)
			if err != nil || len(page.Rows) != tt.n {
				t.Fatalf("%d orders, %v", len(page.Rows), err)
			}
			if tt.n > 0 && (page.Rows[0].OrderID != tt.first || page.Rows[tt.n-1].OrderID != tt.last) {
				t.Errorf("%s to %s", page.Rows[0].OrderID, page.Rows[tt.n-1].OrderID)
			}
			if (page.Next != "") != (tt.name == "the usual page") {
				t.Errorf("next is %q", page.Next)
			}
		})
	}
}

// TestRefused: a query that can't be says which parameter is wrong, and a cursor leads on in its
// own list alone.
func TestRefused(t *testing.T) {
	lists := allorders.NewLists(placed(t, 3), clock.System{})
	first := allorders.Query{Limit: 1, After: moment(0), Before: moment(9)}
	page, err := lists.List(context.Background(), first)
	if err != nil || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	with := func(change func(*allorders.Query)) allorders.Query {
		q := first
		q.Cursor = page.Next
		change(&q)
		return q
	}
	const at = "query.cursor"
	cursor := orders.ErrInvalidCursor
	for name, tt := range map[string]struct {
		query allorders.Query
		want  error
		field string
	}{
		"its own":                {with(func(*allorders.Query) {}), nil, ""},
		"its own, a longer page": {with(func(q *allorders.Query) { q.Limit = 50 }), nil, ""},
		"another status":         {with(func(q *allorders.Query) { q.Status = "placed" }), cursor, at},
		"another customer":       {with(func(q *allorders.Query) { q.CustomerID = "ada" }), cursor, at},
		"another beginning":      {with(func(q *allorders.Query) { q.After = moment(1) }), cursor, at},
		"another end":            {with(func(q *allorders.Query) { q.Before = time.Time{} }), cursor, at},
		"no cursor":              {allorders.Query{Cursor: "x"}, cursor, at},
		"a customers' cursor": {
			allorders.Query{Cursor: view.NewCursor("customers", view.TimeKey(moment(1), "c"))}, cursor, at,
		},
		"no status":       {allorders.Query{Status: "lost"}, orders.ErrInvalidQuery, "query.status"},
		"below the limit": {allorders.Query{Limit: -1}, orders.ErrInvalidQuery, "query.limit"},
		"above the limit": {allorders.Query{Limit: orders.MaxLimit + 1}, orders.ErrInvalidQuery, "query.limit"},
		"the end before the beginning": {
			allorders.Query{After: moment(2), Before: moment(1)}, orders.ErrInvalidQuery, "query.placedBefore",
		},
		"nothing between": {
			allorders.Query{After: moment(1), Before: moment(1)}, orders.ErrInvalidQuery, "query.placedBefore",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := lists.List(context.Background(), tt.query)
			if !errors.Is(err, tt.want) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if fault, ok := faults.As(err); ok && fault.Field != tt.field {
				t.Errorf("the fault is in %s", fault.Field)
			}
		})
	}
	// One that somebody made up leads no further than its filter: behind the list's end is nothing,
	// before its beginning all of it.
	var q allorders.Query
	for place, n := range map[time.Time]int{moment(-9): 0, moment(99): 2} {
		q = allorders.Query{After: moment(0), Before: moment(2)}
		filter := fmt.Sprintf(`["orders","","",%q,%q]`, view.Time(q.After), view.Time(q.Before))
		q.Cursor = view.NewCursor(filter, view.TimeKey(place, "o"))
		if page, err := lists.List(context.Background(), q); err != nil || len(page.Rows) != n {
			t.Errorf("from %s: %d orders, %v", place, len(page.Rows), err)
		}
	}
}

// TestErrorsOfTheTable: what can't be read is no end of the list.
func TestErrorsOfTheTable(t *testing.T) {
	broken := errors.New("broken")
	table := viewtest.Hooked{Table: placed(t, 3), Hook: func(_ context.Context, request string, _ bool) error {
		if request == "List" {
			return broken
		}
		return nil
	}}
	for _, q := range []allorders.Query{{}, {CustomerID: "ada"}, {Status: order.StatusPlaced}} {
		if _, err := allorders.NewLists(table, clock.System{}).List(context.Background(), q); !errors.Is(err, broken) {
			t.Errorf("%+v: %v", q, err)
		}
	}
}

// A search for a SKU looks at so many orders a page, says so, and goes on behind them.
func TestSearch(t *testing.T) {
	const n = 1100
	lists := allorders.NewLists(placed(t, n), clock.System{})
	type page struct {
		found, looked int
		through       time.Time
		next          bool
	}
	for name, tt := range map[string]struct {
		query allorders.Query
		want  []page
	}{
		"the newest": {
			allorders.Query{SKU: "rare-1099"}, []page{{1, 1000, moment(100), true}, {0, 100, moment(0), false}},
		},
		"the oldest": {
			allorders.Query{SKU: "rare-0"}, []page{{0, 1000, moment(100), true}, {1, 100, moment(0), false}},
		},
		"another case": {
			allorders.Query{SKU: "RARE-0", After: moment(1090)}, []page{{0, 10, moment(1090), false}},
		},
		"a part of a name": {allorders.Query{SKU: "rare-", After: moment(1090)}, []page{{0, 10, moment(1090), false}}},
		"one of the last ten": {
			allorders.Query{SKU: "rare-1095", After: moment(1090)}, []page{{1, 10, moment(1090), false}},
		},
		"what all have": {
			allorders.Query{SKU: "common", After: moment(1090), Limit: 4},
			[]page{{4, 4, moment(1096), true}, {4, 4, moment(1092), true}, {2, 2, moment(1090), false}},
		},
		"of a customer": {
			allorders.Query{SKU: "rare-1095", CustomerID: "ada", After: moment(1090)},
			[]page{{0, 5, moment(1090), false}},
		},
		"of a status": {
			allorders.Query{SKU: "common", Status: order.StatusConfirmed}, []page{{}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i, want := range tt.want {
				got, err := lists.List(t.Context(), tt.query)
				if err != nil {
					t.Fatal(err)
				}
				met := page{len(got.Rows), got.Looked, got.Through, got.Next != ""}
				if !met.through.Equal(want.through) && want.looked > 0 {
					t.Errorf("page %d looked through %s, want %s", i, met.through, want.through)
				}
				if met.through = want.through; met != want {
					t.Errorf("page %d is %+v, want %+v", i, met, want)
				}
				for _, row := range got.Rows {
					if !row.Holds(tt.query.SKU) {
						t.Errorf("found %+v", row)
					}
				}
				tt.query.Cursor = got.Next
			}
		})
	}
	first, err := lists.List(t.Context(), allorders.Query{SKU: "rare-0"})
	if err != nil {
		t.Fatal(err)
	}
	for _, other := range []allorders.Query{{SKU: "rare-1", Cursor: first.Next}, {Cursor: first.Next}} {
		if _, err := lists.List(t.Context(), other); !errors.Is(err, orders.ErrInvalidCursor) {
			t.Errorf("the cursor of another search: %v", err)
		}
	}
}
