package stock_test

import (
	"context"
	"fmt"
	"iter"
	"testing"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/stock/stocktest"
)

// years is how often a SKU is counted in two years, every five minutes.
const years = 2 * 365 * 24 * 12

// ends is a store of which nobody may read more than a stream's end, and counts how often somebody
// does.
type ends struct {
	*memstore.Store
	t     *testing.T
	reads int
}

func (e *ends) Load(context.Context, es.StreamID, int64) (es.History, error) {
	e.t.Fatal("the stream is loaded")
	return es.History{}, nil
}

func (e *ends) Since(context.Context, es.Head) (es.History, error) {
	e.t.Fatal("the stream is loaded")
	return es.History{}, nil
}

func (e *ends) Read(context.Context, es.StreamID, es.Range) iter.Seq2[es.Recorded, error] {
	e.t.Fatal("the stream is read")
	return nil
}

func (e *ends) At(ctx context.Context, stream es.StreamID, version int64) (es.Head, error) {
	e.reads++
	return e.Store.At(ctx, stream, version)
}

// TestLongHistory: however often a SKU was counted, a count reads the row, and the end of the
// stream once.
func TestLongHistory(t *testing.T) {
	const sku = "cd-1"
	ctx, stream := t.Context(), es.NewStreamID(stock.Category, sku)
	store := &ends{Store: memstore.New(es.NewRegistry(stock.Register)), t: t}
	head := es.StoreHead(stream, 0, 0, "")
	for head.Version() < years {
		commit := es.Request{CommitID: fmt.Sprint(head.Version()), Time: estest.Start}.Commit(head)
		for range years / 10 {
			commit.Events = append(commit.Events, stock.Restocked{SKU: sku, Delta: 1, Counted: 1})
		}
		appended, err := store.Append(ctx, []es.Commit{commit})
		if err != nil {
			t.Fatal(err)
		}
		head = appended.Heads[0]
	}
	counters := stocktest.NewCounters()
	if err := counters.Create(ctx, sku, "m", stock.Numbers{Available: years, Counts: years}); err != nil {
		t.Fatal(err)
	}
	service := stock.New(stock.Deps{Store: store, Clock: clock.NewFake(estest.Start), Counters: counters})
	req := es.Request{CommitID: "the next", Time: estest.Start}
	for range 2 { // the second time, its answer was lost
		store.reads = 0
		level, err := service.Set(ctx, req, sku, 7, stock.Match{Version: years})
		if err != nil || level.OnHand != 7 || level.Version != years+1 || store.reads != 1 {
			t.Errorf("counted as %+v, %v, with %d reads of the stream", level, err, store.reads)
		}
	}
	if level, err := service.Get(ctx, sku); err != nil || level.OnHand != 7 {
		t.Errorf("read as %+v, %v", level, err)
	}
}
