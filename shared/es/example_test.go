package es_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/es/memstore"
)

// jarEvent is one of the events of a jar of coins.
type jarEvent interface{ jarEvent() }

type coinsAdded struct {
	Coins int `json:"coins"`
}

type coinsTaken struct {
	Coins int `json:"coins"`
}

func (coinsAdded) jarEvent() {}
func (coinsTaken) jarEvent() {}

// jar decides on commands that say how many coins come in, or go out where that is below zero. Its state is the coins that are there.
var jar = es.Decider[int, int, jarEvent]{
	Initial: func() int { return 0 },
	Decide: func(change, coins int) ([]jarEvent, error) {
		if coins+change < 0 {
			return nil, errors.New("not that many coins")
		}
		if change < 0 {
			return []jarEvent{coinsTaken{-change}}, nil
		}
		return []jarEvent{coinsAdded{change}}, nil
	},
	Evolve: func(coins int, e jarEvent) int {
		switch e := e.(type) {
		case coinsAdded:
			return coins + e.Coins
		case coinsTaken:
			return coins - e.Coins
		}
		return coins
	},
}

func Example() {
	ctx := context.Background()
	store := memstore.New(es.NewRegistry(func(r *es.Registry) {
		es.Register[coinsAdded](r, "coins.added", 1)
		es.Register[coinsTaken](r, "coins.taken", 1)
	}))
	jars := es.Handler[int, int, jarEvent]{Category: "jar", Decider: jar, Store: store, Clock: clock.System{}}
	handle := func(commitID string, change int) {
		res, err := jars.Handle(ctx, "kitchen", es.Request{CommitID: commitID, Time: time.Now()}, change)
		fmt.Println(commitID, res.State, res.Head.Version(), res.Repeated, err)
	}
	handle("a", 5)
	handle("b", -3)
	handle("b", -3) // sent again
	handle("c", -3)

	history, err := store.Load(ctx, "jar/kitchen", 0)
	if err != nil {
		fmt.Println(err)
	}
	for _, e := range history.Events {
		fmt.Println(e.ID(), e.Type, e.Data)
	}
	fmt.Println(jar.Fold(history)) // the state and an error
	// Output:
	// a 5 1 false <nil>
	// b 2 2 false <nil>
	// b 2 2 true <nil>
	// c 2 2 false not that many coins
	// jar/kitchen@1 coins.added {5}
	// jar/kitchen@2 coins.taken {3}
	// 2 <nil>
}
