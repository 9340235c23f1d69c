package view_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/viewtest"
)

var listed = view.Definition[row]{Name: "sums", Category: "sum", Evolve: evolve, Events: func(*es.Registry) {}}

// fill puts rows a to f into the list "all" of a generation, with the generation's digit.
func fill(t *testing.T, table view.Table, number int64, ids ...string) {
	t.Helper()
	for _, id := range ids {
		item := view.Item{
			ID: id, Sequence: 1, Data: []byte(`{"digits":"` + string(rune('0'+number)) + `"}`),
			Keys: []view.Key{{Index: view.Index2, Partition: "all", Sort: id}},
		}
		if err := table.Put(context.Background(), view.Write{
			Generation: generation(number), Next: item,
			Differences: []view.Tally{{Name: "n", ID: "all", Counters: map[string]int64{"n": number}}},
		})[0]; err != nil {
			t.Fatal(err)
		}
	}
}

func change(t *testing.T, table view.Table, f func(view.Control) view.Control) {
	t.Helper()
	c, err := table.Control(context.Background(), "sums")
	if err == nil {
		err = table.Save(context.Background(), f(c))
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A reader goes over to a new generation within CacheFor, and asks which serves no more often than
// that; also where the clock jumps back.
func TestReaderFollowsTheSwitch(t *testing.T) {
	ctx := context.Background()
	table, asked, now := viewtest.NewMemory(), 0, clock.NewFake(start)
	source := viewtest.Hooked{Table: table, Hook: func(_ context.Context, request string, _ bool) error {
		if request == "Control" {
			asked++
		}
		return nil
	}}
	fill(t, table, 1, "a")
	fill(t, table, 2, "a")
	reader := view.NewReader(listed, source, now)
	read := func(want string, asks int) {
		t.Helper()
		r, err := reader.Row(ctx, "a")
		counters, tallyErr := reader.Tally(ctx, "n", "all")
		if err != nil || tallyErr != nil || r.Digits != want || counters["n"] != int64(want[0]-'0') || asked != asks {
			t.Fatalf(
				"%+v, %v, %v, %v; asked %d times, want generation %s after %d", r, counters, err, tallyErr, asked, want,
				asks,
			)
		}
	}
	read("1", 1)
	change(t, table, func(c view.Control) view.Control { return c.Begin("me", 1, start) })
	change(t, table, view.Control.Switched)
	now.Advance(view.CacheFor - 1)
	read("1", 1)
	now.Advance(1)
	read("2", 2)
	now.Advance(-time.Hour)
	read("2", 3)
}

// A list goes on in the generation that serves when it has taken long: nothing twice, nothing left
// out, in either direction.
func TestListAcrossTheSwitch(t *testing.T) {
	for name, tt := range map[string]struct {
		query view.Query
		want  []string
	}{
		"forwards":  {view.Query{Limit: 2}, []string{"a1", "b1", "c2", "d2", "f2"}},
		"backwards": {view.Query{Limit: 2, Descending: true}, []string{"f1", "e1", "d2", "c2", "b2", "a2"}},
	} {
		t.Run(name, func(t *testing.T) {
			table, now := viewtest.NewMemory(), clock.NewFake(start)
			fill(t, table, 1, "a", "b", "c", "d", "e", "f")
			fill(t, table, 2, "a", "b", "c", "d", "f")
			tt.query.Index, tt.query.Partition = view.Index2, "all"
			var got []string
			for r, err := range view.NewReader(listed, table, now).List(context.Background(), tt.query) {
				if err != nil {
					t.Fatal(err)
				}
				if got = append(got, r.ID+r.Row.Digits); len(got) == 2 {
					change(t, table, func(c view.Control) view.Control { return c.Begin("me", 1, start) })
					change(t, table, view.Control.Switched)
					now.Advance(view.CacheFor)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestReaderFailures(t *testing.T) {
	down := errors.New("down")
	full := viewtest.NewMemory()
	fill(t, full, 1, "a")
	for _, request := range []string{"Control", "Row", "Tally", "List", "Look"} {
		table := viewtest.Hooked{Table: full, Hook: func(_ context.Context, r string, _ bool) error {
			if r == request {
				return down
			}
			return nil
		}}
		reader := view.NewReader(listed, table, clock.NewFake(start))
		_, rowErr := reader.Row(context.Background(), "a")
		_, tallyErr := reader.Tally(context.Background(), "n", "all")
		var listErr error
		for _, err := range reader.List(context.Background(), view.Query{Index: view.Index2, Partition: "all"}) {
			listErr = err
		}
		for of, err := range map[string]error{"Row": rowErr, "Tally": tallyErr, "List": listErr} {
			wanted := request == of || request == "Control" || request == "Look" && of == "List"
			if errors.Is(err, down) != wanted {
				t.Errorf("%s fails: %s says %v", request, of, err)
			}
		}
	}
	table := viewtest.NewMemory()
	if err := table.Put(context.Background(), view.Write{
		Generation: generation(1), Next: view.Item{ID: "a", Sequence: 1, Data: []byte(`[]`)},
	})[0]; err != nil {
		t.Fatal(err)
	}
	if _, err := view.NewReader(
		listed, table, clock.NewFake(start),
	).Row(context.Background(), "a"); !errors.Is(err, es.ErrCorrupt) {
		t.Errorf("a row that can't be read: %v", err)
	}
}

// A row that has left the list when it is read is left out, as is one that is gone. One that can't
// be read keeps back none behind it.
func TestListThatLags(t *testing.T) {
	ctx, table := context.Background(), viewtest.NewMemory()
	fill(t, table, 1, "a", "b", "c", "d", "e")
	put := func(id string, data string, k view.Key) {
		t.Helper()
		next := view.Item{ID: id, Sequence: 2, Data: []byte(data), Keys: []view.Key{k}}
		if err := table.Put(ctx, view.Write{Generation: generation(1), Old: 1, Next: next})[0]; err != nil {
			t.Fatal(err)
		}
	}
	source := viewtest.Hooked{Table: table, Hook: func(_ context.Context, request string, _ bool) error {
		if request != "Look" {
			return nil
		}
		put("a", `{}`, view.Key{Index: view.Index2, Partition: "others", Sort: "a"})
		put("b", `[]`, view.Key{Index: view.Index2, Partition: "all", Sort: "b"})
		put("d", `{}`, view.Key{Index: view.Index2, Partition: "all", Sort: "z"})
		return table.Delete(ctx, []view.Entry{{Generation: generation(1), Kind: view.KindRow, ID: "e"}})
	}}
	var got []string
	for listed, err := range view.NewReader(listed, source, clock.NewFake(start)).List(
		ctx, view.Query{Index: view.Index2, Partition: "all"},
	) {
		if errors.Is(err, es.ErrCorrupt) {
			listed.ID += " can't be read"
		} else if err != nil {
			t.Fatal(err)
		}
		got = append(got, listed.ID)
	}
	if !slices.Equal(got, []string{"b can't be read", "c"}) {
		t.Errorf("listed are %v", got)
	}
}

// Rows of a list are read a hundred at a time, and no more than the caller says that it takes.
func TestRowsAhead(t *testing.T) {
	for _, tt := range []struct{ limit, takes, looks, rows int }{
		{0, 250, 3, 250}, {11, 11, 1, 11}, {101, 101, 2, 101}, {11, 12, 2, 111}, {0, 1, 1, 100},
	} {
		table, looks, rows := viewtest.NewMemory(), 0, 0
		for i := range 250 {
			fill(t, table, 1, fmt.Sprintf("r%03d", i))
		}
		source := counted{table, func(places int) { looks, rows = looks+1, rows+places }}
		n := 0
		for _, err := range view.NewReader(listed, source, clock.NewFake(start)).List(
			context.Background(), view.Query{Index: view.Index2, Partition: "all", Limit: tt.limit},
		) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == tt.takes {
				break
			}
		}
		if n != tt.takes || looks != tt.looks || rows != tt.rows {
			t.Errorf("%+v: %d requests for %d rows gave %d", tt, looks, rows, n)
		}
	}
}

// counted tells how many places each look is for.
type counted struct {
	*viewtest.Memory
	looked func(places int)
}

func (c counted) Look(
	ctx context.Context, views []string, places []view.Place,
) (map[string]view.Control, []view.Looked, error) {
	c.looked(len(places))
	return c.Memory.Look(ctx, views, places)
}

// spread puts rows into a list of three partitions, and reads them as one.
func spread(t *testing.T, hook func(request string) error, q view.Query, want ...string) error {
	t.Helper()
	table := viewtest.NewMemory()
	for i, id := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		partition := []string{"0", "1", "0", "0", "2", "2", "1"}[i]
		item := view.Item{
			ID: id, Sequence: 1, Data: []byte(`{}`),
			Keys: []view.Key{{Index: view.Index2, Partition: partition, Sort: id}},
		}
		if err := table.Put(context.Background(), view.Write{Generation: generation(1), Next: item})[0]; err != nil {
			t.Fatal(err)
		}
	}
	ask := func(_ context.Context, request string, _ bool) error { return hook(request) }
	source := viewtest.Hooked{Table: table, Hook: ask}
	reader := view.NewReader(listed, source, clock.NewFake(start))
	var got []string
	q.Index = view.Index2
	for listed, err := range reader.Spread(context.Background(), q, []string{"0", "1", "2", "nothing"}) {
		if err != nil {
			return err
		}
		if listed.Sort != listed.ID {
			t.Errorf("%s is at %q", listed.ID, listed.Sort)
		}
		if got = append(got, listed.ID); len(got) == q.Limit {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v gives %v, want %v", q, got, want)
	}
	return nil
}

// A list that is spread over partitions is read in the order of the whole, between the same ends,
// and each partition is asked once.
func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		query view.Query
		want  []string
	}{
		{view.Query{}, []string{"a", "b", "c", "d", "e", "f", "g"}},
		{view.Query{Descending: true}, []string{"g", "f", "e", "d", "c", "b", "a"}},
		{view.Query{Descending: true, Limit: 3}, []string{"g", "f", "e"}},
		{view.Query{After: "b", Before: "f"}, []string{"c", "d", "e"}},
		{view.Query{Descending: true, Before: "a"}, nil},
	} {
		var mu sync.Mutex
		asked := map[string]int{}
		if err := spread(t, func(request string) error {
			mu.Lock()
			defer mu.Unlock()
			asked[request]++
			return nil
		}, tt.query, tt.want...); err != nil {
			t.Error(err)
		}
		looks := 1 // for the rows, together
		if tt.want == nil {
			looks = 0
		}
		if asked["List"] != 4 || asked["Control"] != 1 || asked["Look"] != looks {
			t.Errorf("%+v asks %v", tt.query, asked)
		}
	}
	broken := errors.New("broken")
	err := spread(t, func(request string) error {
		if request == "List" {
			return broken
		}
		return nil
	}, view.Query{})
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
}
