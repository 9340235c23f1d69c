package es_test

import (
	"context"
	"fmt"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
)

type jarEvent interface{ apply(coins int) int } // coinsAdded or coinsTaken
type coinsAdded struct {
	Coins int `json:"coins"`
}
type coinsTaken struct {
	Coins int `json:"coins"`
}

func (e coinsAdded) apply(coins int) int { return coins + e.Coins }
func (e coinsTaken) apply(coins int) int { return coins - e.Coins }

// jar decides on commands that say how many coins come in, or go out where that is below zero. Its
// state is the coins that are there.
var jar = es.Decider[int, int, jarEvent]{
	Initial: func() int { return 0 },
	Evolve:  func(coins int, e jarEvent) int { return e.apply(coins) },
	Decide: func(change, coins int) ([]jarEvent, error) {
		if coins+change < 0 {
			return nil, fmt.Errorf("there are %d coins", coins)
		}
		if change < 0 {
			return []jarEvent{coinsTaken{-change}}, nil
		}
		return []jarEvent{coinsAdded{change}}, nil
	},
}

func Example() {
	store := memstore.New(es.NewRegistry(func(r *es.Registry) {
		es.Register[coinsAdded](r, "coins.added", 1)
		es.Register[coinsTaken](r, "coins.taken", 1)
	}))
	jars := es.Handler[int, int, jarEvent]{Category: "jar", Decider: jar, Store: store, Clock: clock.System{}}
	for i, change := range []int{5, -3, -3, -3} { // the third is the second, sent again
		req := es.Request{CommitID: []string{"a", "b", "b", "c"}[i], Time: time.Now()}
		res, err := jars.Handle(context.Background(), "kitchen", req, change)
		fmt.Println(req.CommitID, res.State, res.Head.Version(), res.Repeated, err)
	}
	history, err := store.Load(context.Background(), "jar/kitchen", 0)
	coins, foldErr := jar.Fold(history) // the replay
	fmt.Println(history.Events[0].Data, history.Events[1].Data, coins, err, foldErr)
	// Output:
	// a 5 1 false <nil>
	// b 2 2 false <nil>
	// b 2 2 true <nil>
	// c 2 2 false there are 2 coins
	// {5} {3} 2 <nil> <nil>
}
