package lending_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"example.com/kit/dynamostore"
	"example.com/kit/es"
	"example.com/kit/es/estest"
	"example.com/kit/es/memstore"

	"example.com/lending"
)

// A store of the team's own would be put through the suite in the same way.
func TestStore(t *testing.T) {
	estest.Run(t, func(_ *testing.T, registry *es.Registry) estest.Backend {
		s := memstore.New(registry)
		return estest.Backend{
			Store: s, Counters: &counters{}, Reopen: func(registry *es.Registry) es.Store { return s.Reopen(registry) },
		}
	})
}

// counters are numbers beside the streams. The suite changes and reads them while others do.
type counters struct{ values sync.Map }

var errBelowZero = errors.New("below zero")

func (c *counters) Add(name string, n int64) es.Effect { return addition{c, name, n} }

func (c *counters) Refused(err error) bool { return errors.Is(err, errBelowZero) }

func (c *counters) Value(_ context.Context, name string) (int64, error) {
	v, _ := c.values.Load(name)
	n, _ := v.(int64)
	return n, nil
}

type addition struct {
	to   *counters
	name string
	n    int64
}

func (a addition) EffectName() string { return "add to " + a.name }

func (a addition) Check() error {
	if v, err := a.to.Value(context.Background(), a.name); err != nil || v+a.n < 0 {
		return errBelowZero
	}
	return nil
}

func (a addition) Apply() {
	v, _ := a.to.Value(context.Background(), a.name)
	a.to.values.Store(a.name, v+a.n)
}

func TestSnapshots(t *testing.T) { estest.RunSnapshots(t, &memstore.Snapshots{}) }

func TestLending(t *testing.T) {
	books := lending.Books(memstore.New(es.NewRegistry(lending.Register)))
	for _, tt := range []struct {
		id, reader string
		want       lending.Book
		repeated   bool
		err        error
	}{
		{id: "1", reader: "ada", want: lending.Book{Reader: "ada"}},
		{id: "1", reader: "ada", want: lending.Book{Reader: "ada"}, repeated: true},
		{id: "2", reader: "grace", want: lending.Book{Reader: "ada"}, err: lending.ErrLent},
		{id: "3"},
		{id: "2", reader: "grace", want: lending.Book{Reader: "grace"}},
	} {
		got, err := books.Handle(t.Context(), "on-sets", es.Request{CommitID: tt.id, Time: time.Now()}, tt.reader)
		if !errors.Is(err, tt.err) || got.State != tt.want || got.Repeated != tt.repeated {
			t.Errorf("%s: %+v, %v", tt.id, got, err)
		}
	}
}

func TestOnDynamoDB(t *testing.T) {
	books, states := lending.OnDynamoDB(nil, "events", "snapshots")
	if _, scans := books.Store.(es.Scanner); !scans {
		t.Error("the store can't be scanned")
	}
	if _, kept := states.Snapshots.(dynamostore.Snapshots); !kept || states.Every == 0 {
		t.Errorf("%+v", states)
	}
}
