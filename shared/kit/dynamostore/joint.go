package dynamostore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
)

// maxJoint is how many items AWS reads in one transaction.
const maxJoint = 100

// joint reads items of several callers in one request. A caller that finds no request under way
// makes its own at once. Those who come meanwhile wait for its answer, and the next request is of
// them all. So nobody waits for others to come, and no read begins before it was asked for.
//
// A request of several that fails is no answer to any of them: each then reads alone.
type joint struct {
	api API

	mu      sync.Mutex
	busy    bool
	waiting []*reading
}

// reading is what a caller waits for.
type reading struct {
	ctx   context.Context //nolint:containedctx // of the caller, as long as it waits
	gets  []types.Get
	done  chan struct{}
	items []dynamo.Item // of gets; nil where it has to read alone
}

// read gives the items, as of one moment; one that is not there is empty.
func (j *joint) read(ctx context.Context, gets ...types.Get) ([]dynamo.Item, error) {
	j.mu.Lock()
	if !j.busy {
		j.busy = true
		j.mu.Unlock()
		defer j.next()
		return j.ask(ctx, gets)
	}
	r := &reading{ctx: ctx, gets: gets, done: make(chan struct{})}
	j.waiting = append(j.waiting, r)
	j.mu.Unlock()
	select {
	case <-r.done:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the request before: %w", ctx.Err())
	}
	if r.items == nil {
		return j.ask(ctx, gets)
	}
	return r.items, nil
}

// next has those who wait served, as many as fit into a request, and those behind them after that.
func (j *joint) next() {
	j.mu.Lock()
	defer j.mu.Unlock()
	together, items := 0, 0
	for _, r := range j.waiting {
		if items += len(r.gets); items > maxJoint {
			break
		}
		together++
	}
	if j.busy = together > 0; j.busy {
		go j.serve(j.waiting[:together:together])
		j.waiting = j.waiting[together:]
	}
}

// serve asks for what several callers wait for, as long as one of them does. What two of them want
// is read once: a transaction names no item twice.
func (j *joint) serve(all []*reading) {
	defer j.next()
	defer func() {
		_ = recover() // each meets it again alone, where its caller is ready for it
		for _, r := range all {
			close(r.done)
		}
	}()
	ctx, cancel := context.WithCancel(context.WithoutCancel(all[0].ctx))
	defer cancel()
	var left atomic.Int64
	for _, r := range all { // what is left of them when it ends only cancels what is over
		context.AfterFunc(r.ctx, func() {
			if left.Add(1) == int64(len(all)) {
				cancel()
			}
		})
	}
	var gets []types.Get
	places, of := map[string]int{}, make([][]int, len(all))
	for i, r := range all {
		for _, g := range r.gets {
			name, err := json.Marshal([]any{g.TableName, g.Key})
			if err != nil {
				return // each alone
			}
			at, known := places[string(name)]
			if !known {
				at, gets = len(gets), append(gets, g)
				places[string(name)] = at
			}
			of[i] = append(of[i], at)
		}
	}
	items, err := j.ask(ctx, gets)
	if err != nil {
		return
	}
	for i, r := range all {
		r.items = make([]dynamo.Item, len(of[i]))
		for n, at := range of[i] {
			r.items[n] = items[at]
		}
	}
}

// ask makes one request.
func (j *joint) ask(ctx context.Context, gets []types.Get) ([]dynamo.Item, error) {
	in := &dynamodb.TransactGetItemsInput{TransactItems: make([]types.TransactGetItem, len(gets))}
	for i := range gets {
		in.TransactItems[i].Get = &gets[i]
	}
	out, err := j.api.TransactGetItems(ctx, in, dynamo.RetryThrottled(dynamo.ReasonConflict))
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller knows what it asked for
	}
	if len(out.Responses) != len(gets) {
		return nil, errors.New("DynamoDB answered for another number of items")
	}
	items := make([]dynamo.Item, len(gets))
	for i, r := range out.Responses {
		items[i] = r.Item
	}
	return items, nil
}
