package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
)

// slow answers a joint read only when it is told to, and refuses, as AWS does, one that names an
// item twice or has too many.
type slow struct {
	mu       sync.Mutex
	requests []int // how many items each names
	answer   chan error
}

func (s *slow) joint(in *dynamodb.TransactGetItemsInput) ([]types.ItemResponse, error) {
	s.mu.Lock()
	s.requests = append(s.requests, len(in.TransactItems))
	s.mu.Unlock()
	switch err := <-s.answer; {
	case errors.Is(err, errPanic):
		panic(err)
	case err != nil:
		return nil, err
	}
	var all []types.ItemResponse
	named := map[string]bool{}
	for _, i := range in.TransactItems {
		r := dynamo.Read(i.Get.Key)
		name := fmt.Sprint(
			aws.ToString(i.Get.TableName), r.OptionalString("subject"), r.OptionalString(attrStream),
			r.OptionalNumber(attrVersion),
		)
		if named[name] || len(in.TransactItems) > maxJoint {
			return nil, errors.New("ValidationException")
		}
		named[name] = true
		switch {
		case aws.ToString(i.Get.TableName) == "keys":
			all = append(all, types.ItemResponse{Item: attributes{"of": i.Get.Key["subject"]}})
		case r.OptionalNumber(attrVersion) == 1:
			all = append(all, types.ItemResponse{Item: item(es.StreamID(r.String(attrStream)), 1, 1, "first")})
		default:
			all = append(all, types.ItemResponse{})
		}
	}
	return all, nil
}

var errPanic = errors.New("panic")

// loads has customers loaded side by side, the first of them first, and gives what became of each.
func (s *slow) loads(ctx context.Context, store *Store, customers ...string) <-chan error {
	results := make(chan error, len(customers))
	for _, id := range customers {
		go func() {
			history, row, err := store.LoadWith(
				ctx, es.NewStreamID("customer", id), "keys", attributes{"subject": text(id)},
			)
			if err == nil && (history.Head.Stream() != es.NewStreamID("customer", id) || history.Head.Version() != 1 ||
				!sameValue(row["of"], text(id))) {
				err = fmt.Errorf("%s: %+v, %+v", id, history, row)
			}
			results <- err
		}()
		synctest.Wait()
	}
	return results
}

// Reads that come while one is under way are one request. It asks once for what two of them want.
func TestLoadWithOthers(t *testing.T) {
	down := errors.New("down")
	busy := &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{
		reason(dynamo.ReasonNone, nil), reason(dynamo.ReasonNone, nil), reason(dynamo.ReasonNone, nil),
		reason(dynamo.ReasonConflict, nil), reason(dynamo.ReasonNone, nil), reason(dynamo.ReasonNone, nil),
	}}
	many := []string{"first"}
	for i := range 40 {
		many = append(many, fmt.Sprint("c", i))
	}
	for _, tt := range []struct {
		name      string
		customers []string
		answers   []error
		requests  []int
		failed    int
	}{
		{"one after the other", []string{"ada"}, nil, []int{3}, 0},
		{"at the same time", []string{"ada", "bob", "eve"}, nil, []int{3, 6}, 0},
		{"two of one customer", []string{"ada", "bob", "bob", "ada"}, nil, []int{3, 6}, 0},
		{"more than a request has", many, nil, []int{3, 99, 21}, 0},
		{"the first one fails", []string{"ada", "bob", "eve"}, []error{down}, []int{3, 6}, 1},
		{"they fail together", []string{"ada", "bob", "eve"}, []error{nil, down}, []int{3, 6, 3, 3}, 0},
		{"one of them is being written", []string{"ada", "bob", "eve"}, []error{nil, busy}, []int{3, 6, 3, 3}, 0},
		{"they panic together", []string{"ada", "bob", "eve"}, []error{nil, errPanic}, []int{3, 6, 3, 3}, 0},
		{"and one fails alone", []string{"ada", "bob", "eve"}, []error{nil, busy, down}, []int{3, 6, 3, 3}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				api := &slow{answer: make(chan error)}
				results := api.loads(t.Context(), newStore(fakeAPI{joint: api.joint}), tt.customers...)
				for i := range tt.requests {
					var err error
					if i < len(tt.answers) {
						err = tt.answers[i]
					}
					api.answer <- err
					synctest.Wait()
				}
				failed := 0
				for range tt.customers {
					if err := <-results; errors.Is(err, down) {
						failed++
					} else if err != nil {
						t.Error(err)
					}
				}
				if failed != tt.failed || fmt.Sprint(api.requests) != fmt.Sprint(tt.requests) {
					t.Errorf(
						"%d failed, requests of %v items, want %d and %v", failed, api.requests, tt.failed, tt.requests,
					)
				}
			})
		})
	}
}

// Who waits no longer keeps back nobody: the others are answered, and whoever comes later is too.
func TestLoadWithImpatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &slow{answer: make(chan error)}
		store := newStore(fakeAPI{joint: api.joint})
		first := api.loads(t.Context(), store, "ada")
		ctx, cancel := context.WithCancel(t.Context())
		gone := api.loads(ctx, store, "bob")
		stays := api.loads(t.Context(), store, "eve")
		cancel()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		for range 2 {
			api.answer <- nil
		}
		for _, results := range []<-chan error{first, stays} {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		later := api.loads(t.Context(), store, "ada")
		api.answer <- nil
		if err := <-later; err != nil || len(api.requests) != 3 {
			t.Errorf("%v after requests of %v items", err, api.requests)
		}
	})
}

// hung answers its first request when it is told to, and the second never.
type hung struct {
	*slow
	fakeAPI
}

func (h *hung) TransactGetItems(
	ctx context.Context, in *dynamodb.TransactGetItemsInput, o ...func(*dynamodb.Options),
) (*dynamodb.TransactGetItemsOutput, error) {
	if len(h.requests) == 1 {
		h.requests = append(h.requests, 0)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return h.fakeAPI.TransactGetItems(ctx, in, o...)
}

// A request ends with the last one who waits for it, and keeps back nobody after that.
func TestLoadWithNobodyLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := &slow{answer: make(chan error)}
		store := newStore(fakeAPI{})
		store.joint.api = &hung{slow: api, fakeAPI: fakeAPI{joint: api.joint}}
		first := api.loads(t.Context(), store, "ada")
		ctx, cancel := context.WithCancel(t.Context())
		gone := api.loads(ctx, store, "bob", "eve")
		api.answer <- nil
		synctest.Wait()
		if err := <-first; err != nil || len(api.requests) != 2 {
			t.Errorf("%v after requests of %v items", err, api.requests)
		}
		cancel()
		for range 2 {
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		}
		later := api.loads(t.Context(), store, "ada")
		api.answer <- nil
		if err := <-later; err != nil {
			t.Error(err)
		}
	})
}
