package es_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
)

// newJars gives a store of jars, and one in the kitchen that coins came into, each time in a commit
// of its own.
func newJars(changes ...int) *memstore.Store {
	store := memstore.New(es.NewRegistry(func(r *es.Registry) {
		es.Register[coinsAdded](r, "coins.added", 1)
		es.Register[coinsTaken](r, "coins.taken", 1)
	}))
	jars := es.Handler[int, int, jarEvent]{Category: "jar", Decider: jar, Store: store, Clock: clock.System{}}
	for i, change := range changes {
		at := time.Date(2026, 3, 1+i, 0, 0, 0, 0, time.UTC)
		if _, err := jars.Handle(
			context.Background(), "kitchen", es.Request{CommitID: fmt.Sprint(i), Time: at}, change,
		); err != nil {
			fmt.Println(err)
		}
	}
	return store
}

// The last events of a stream, without those before them.
func ExampleRange() {
	for e, err := range newJars(5, 2, -3).Read(
		context.Background(), "jar/kitchen", es.Range{Backwards: true, Limit: 2},
	) {
		fmt.Println(e.ID(), e.Type, e.Data, err)
	}
	// Output:
	// jar/kitchen@3 coins.taken {3} <nil>
	// jar/kitchen@2 coins.added {2} <nil>
}

// A snapshot after every second event. Whatever follows the store's commits, a stream of changes
// for one, hands them to Handle; here it is a scan.
func ExampleRepository() {
	ctx, store := context.Background(), newJars(5, 2, -3)
	jars := jar.Repository("jar", store)
	jars.Clock, jars.Snapshots, jars.Fold, jars.Every = clock.System{}, &memstore.Snapshots{}, "jar/1", 2
	for page, err := range store.Scan(ctx, 0, 1, "") {
		for _, commit := range page.Commits {
			err = errors.Join(err, jars.Handle(ctx, commit))
		}
		fmt.Println(len(page.Commits), "commits", err)
	}
	kept, found, err := jars.Snapshots.Newest(ctx, "jar/kitchen", "jar/1")
	fmt.Println(string(kept.State), kept.Head.Version(), found, err)

	now, err := jars.Get(ctx, "kitchen")
	fmt.Println(now.State, now.Head.Version(), err)
	then, err := jars.AsOf(ctx, "kitchen", es.Point{Time: time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)})
	fmt.Println(then.State, then.Version, err)
	// Output:
	// 3 commits <nil>
	// 4 3 true <nil>
	// 4 3 <nil>
	// 7 2 <nil>
}

// The second version of an event's schema says cents where the first one said coins. The release
// before it reads both, and still writes the first.
func ExampleRegistry_Upcast() {
	scale := func(from, to string, by func(int) int) func(json.RawMessage) (json.RawMessage, error) {
		return func(data json.RawMessage) (json.RawMessage, error) {
			var old map[string]int
			if err := json.Unmarshal(data, &old); err != nil {
				return nil, err
			}
			return json.Marshal(map[string]int{to: by(old[from])})
		}
	}
	before := es.NewRegistry(func(r *es.Registry) {
		es.Register[coinsAdded](r, "coins.added", 1)
		r.Downcast("coins.added", 2, scale("cents", "coins", func(cents int) int { return cents / 10 }))
	})
	type centsAdded struct {
		Cents int `json:"cents"`
	}
	after := es.NewRegistry(func(r *es.Registry) {
		es.Register[centsAdded](r, "coins.added", 2)
		r.Upcast("coins.added", 1, scale("coins", "cents", func(coins int) int { return 10 * coins }))
	})
	old, err := before.Encode(coinsAdded{5})
	fmt.Println(string(old.Data), old.Schema, err)
	fmt.Println(after.Decode("jar/kitchen", 1, old))
	next, err := after.Encode(centsAdded{70})
	fmt.Println(string(next.Data), next.Schema, err)
	fmt.Println(before.Decode("jar/kitchen", 2, next))
	_, err = es.NewRegistry().Decode("jar/kitchen", 2, next)
	fmt.Println(err)
	// Output:
	// {"coins":5} 1 <nil>
	// {50} <nil>
	// {"cents":70} 2 <nil>
	// {7} <nil>
	// es: jar/kitchen@2: unknown event type "coins.added"
}

// A gift takes coins out of a jar, at most once, and may be taken back; the jar's commit and the
// gift's own are written together.
func ExampleAttempt() {
	type (
		given struct{}
		back  struct{}
		never struct{}
	)
	store := memstore.New(es.NewRegistry(func(r *es.Registry) {
		es.Register[coinsAdded](r, "coins.added", 1)
		es.Register[coinsTaken](r, "coins.taken", 1)
		es.Register[given](r, "gift.given", 1)
		es.Register[back](r, "gift.taken-back", 1)
		es.Register[never](r, "gift.voided", 1)
	}))
	gifts := es.Attempt[es.AttemptStatus]{
		Category: "gift", Store: store, Clock: clock.System{},
		Status: func(s es.AttemptStatus) es.AttemptStatus { return s },
		Fold: func(h es.History) (es.AttemptStatus, error) {
			return es.Fold(es.AttemptOpen, func(_ es.AttemptStatus, e any) es.AttemptStatus {
				return map[any]es.AttemptStatus{
					given{}: es.AttemptDone, back{}: es.AttemptUndone, never{}: es.AttemptVoided,
				}[e]
			}, h.Events)
		},
	}
	ctx, req := context.Background(), es.Request{CommitID: "birthday", Time: time.Now()}
	plan := func(own any, change jarEvent) func(context.Context, *es.Reads) (es.Plan, error) {
		return func(ctx context.Context, from *es.Reads) (es.Plan, error) {
			jar, err := from.Load(ctx, "jar/kitchen", 0)
			commit := req.Commit(jar.Head, change)
			commit.ID = fmt.Sprintf("birthday:%T", change)
			return es.Plan{Event: own, Commits: []es.Commit{commit}}, err
		}
	}
	for range 2 { // the second finds the first done
		fmt.Println(gifts.Do(ctx, "ada", req, plan(given{}, coinsTaken{3})))
	}
	takeBack := plan(back{}, coinsAdded{3})
	fmt.Println(gifts.Undo(ctx, "ada", req, never{},
		func(ctx context.Context, from *es.Reads, _ es.AttemptStatus) (es.Plan, error) {
			return takeBack(ctx, from)
		}))
	_, err := gifts.Do(ctx, "ada", req, plan(given{}, coinsTaken{3}))
	fault, _ := faults.As(err)
	fmt.Println(fault)
	history, err := store.Load(ctx, "jar/kitchen", 0)
	fmt.Println(len(history.Events), err)
	// Output:
	// done <nil>
	// done <nil>
	// undone <nil>
	// attempt.closed: gift/ada is undone
	// 2 <nil>
}
