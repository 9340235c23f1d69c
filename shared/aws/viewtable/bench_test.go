//go:build integration

package viewtable

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/catalog"
)

// batchOrders is how many orders of five commits a batch of the benchmark has.
const batchOrders = 20

// recorder keeps what is asked of a ledger.
type recorder struct {
	*ledger
	looks []*dynamodb.BatchGetItemInput
	puts  []*dynamodb.PutItemInput
	sets  []*dynamodb.TransactWriteItemsInput
}

func (r *recorder) BatchGetItem(
	ctx context.Context, in *dynamodb.BatchGetItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	r.looks = append(r.looks, in)
	return r.ledger.BatchGetItem(ctx, in, o...)
}

func (r *recorder) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	r.mu.Lock()
	r.puts = append(r.puts, in)
	r.mu.Unlock()
	return r.ledger.PutItem(ctx, in, o...)
}

func (r *recorder) TransactWriteItems(
	ctx context.Context, in *dynamodb.TransactWriteItemsInput, o ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	r.sets = append(r.sets, in)
	return r.ledger.TransactWriteItems(ctx, in, o...)
}

// send sends the requests again, to DynamoDB.
func (r *recorder) send(ctx context.Context, api API) error {
	for _, in := range r.looks {
		if _, err := api.BatchGetItem(ctx, in); err != nil {
			return err
		}
	}
	var group errgroup.Group
	group.SetLimit(puts)
	for _, in := range r.puts {
		group.Go(func() error { _, err := api.PutItem(ctx, in); return err })
	}
	for _, in := range r.sets {
		if _, err := api.TransactWriteItems(ctx, in); err != nil {
			return err
		}
	}
	return group.Wait()
}

// BenchmarkProjectViews compares a projector's batch, twenty orders from their beginning to their
// end, with the bare requests that it makes.
func BenchmarkProjectViews(b *testing.B) {
	config := awstest.DynamoDBLocal(b)
	api, table := dynamodb.NewFromConfig(config), awstest.TableIn(b, config, awstest.ViewsTable())
	registry := view.Registry(catalog.Views()...)
	batches := 0
	batch := func() []es.StoredCommit {
		batches++
		var commits []es.StoredCommit
		for n := range batchOrders {
			commits = append(commits, wayOf(b, registry, fmt.Sprintf("%08d-0000-4222-8333-%012d", batches, n), at)...)
		}
		return commits
	}
	projector := func(api API) *view.Projector {
		return view.NewProjector(
			memstore.New(registry), New(api, table), clock.NewFake(at), nil, catalog.Views()...,
		)
	}
	p := projector(api)
	awstest.Ratio(b, "project-views", 0, func() func() {
		commits := batch()
		return func() {
			if err := errors.Join(p.HandleBatch(b.Context(), commits)...); err != nil {
				b.Fatal(err)
			}
		}
	}, func() func() {
		r := &recorder{ledger: newLedger()}
		p := projector(r)
		if err := p.HandleBatch(b.Context(), batch()[:1])[0]; err != nil { // with the checkpoint
			b.Fatal(err)
		}
		r.ledger, r.looks, r.puts, r.sets = newLedger(), nil, nil, nil
		if err := errors.Join(p.HandleBatch(b.Context(), batch())...); err != nil {
			b.Fatal(err)
		}
		return func() {
			if err := r.send(b.Context(), api); err != nil {
				b.Fatal(err)
			}
		}
	})
}
