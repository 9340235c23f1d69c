//go:build integration

package stocktable_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/stocktable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/stock"
)

const (
	hotClients = 4  // that reserve at the same time
	hotBatch   = 10 // orders of one batch, as the mapping hands them over
	hotOrders  = hotClients * hotBatch
	hotWarm    = 5  // rounds that aren't counted
	hotRounds  = 30 // at least
	// keyUnits is how many write units a second AWS gives to one key.
	keyUnits = 1000
	// batchedLimit is how often as many reservations a batch makes as single orders do, at least.
	batchedLimit = 3.0
)

// units is a client that adds up the write units of its transactions by AWS's rules, in all and of
// each row of the counters, those of refused ones included.
type units struct {
	*dynamodb.Client
	mu    sync.Mutex
	all   float64
	ofKey map[string]float64
}

func (u *units) TransactWriteItems(
	ctx context.Context, in *dynamodb.TransactWriteItemsInput, f ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	u.mu.Lock()
	u.all += awstest.TransactionUnits(in)
	for _, item := range in.TransactItems {
		if item.Update != nil {
			u.ofKey[item.Update.Key["sku"].(*types.AttributeValueMemberS).Value] += 2
		}
	}
	u.mu.Unlock()
	return u.Client.TransactWriteItems(ctx, in, f...)
}

// hottest is what the key gets that gets most.
func (u *units) hottest() (most float64) {
	for _, n := range u.ofKey {
		most = max(most, n)
	}
	return most
}

// way is how a round's orders are reserved for.
type way struct {
	name    string
	run     func() // a round
	units   *units
	seconds []float64 // of the rounds
}

// persecond gives how many orders a second a round made: the median, and the middle half.
func (w way) persecond() (median, low, high float64) {
	rates := make([]float64, len(w.seconds))
	for i, s := range w.seconds {
		rates[i] = hotOrders / s
	}
	return quartiles(rates)
}

func quartiles(of []float64) (median, low, high float64) {
	sorted := slices.Sorted(slices.Values(of))
	return sorted[len(sorted)/2], sorted[len(sorted)/4], sorted[len(sorted)*3/4]
}

// against gives the ratio of two ways' rates, round by round.
func (w way) against(o way) (median, low, high float64) {
	ratios := make([]float64, len(w.seconds))
	for i := range ratios {
		ratios[i] = o.seconds[i] / w.seconds[i]
	}
	return quartiles(ratios)
}

// BenchmarkHotSKU reserves a piece of one SKU for each of many orders, at the same time: by an
// order, and by the batch, beside single puts of as many items. The ways take turns, and each round
// of one is compared with the same round of another. DynamoDB Local has no limit for a key, as AWS
// has: what that comes to is told by the units of the key that gets most.
func BenchmarkHotSKU(b *testing.B) {
	config := awstest.DynamoDBLocal(b)
	puts := way{name: "put", units: &units{ofKey: map[string]float64{}}}
	client := dynamodb.NewFromConfig(config)
	bare := awstest.TableIn(b, config, awstest.Key("id:S"))
	puts.run = func() {
		side(func(context.Context) error {
			for range hotBatch {
				if _, err := client.PutItem(b.Context(), &dynamodb.PutItemInput{
					TableName: &bare, ConditionExpression: aws.String("attribute_not_exists(id)"),
					Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: ident.New()}},
				}); err != nil {
					return err
				}
			}
			return nil
		}, b)
	}
	ways := []way{puts}
	for _, shards := range []int64{1, 4, stock.MaxShards} {
		ways = append(ways, reserving(b, config, shards, false), reserving(b, config, shards, true))
	}
	for range hotWarm {
		for _, w := range ways {
			w.run()
		}
	}
	for _, w := range ways {
		w.units.all, w.units.ofKey = 0, map[string]float64{}
	}
	round := func() {
		turn := len(ways[0].seconds) // each way is first in its turn
		for i := range ways {
			w := &ways[(i+turn)%len(ways)]
			began := time.Now()
			w.run()
			w.seconds = append(w.seconds, time.Since(began).Seconds())
		}
	}
	for b.Loop() {
		round()
	}
	for len(ways[0].seconds) < hotRounds {
		round()
	}
	report(ways)
}

// reserving is a way with a SKU, tables and a service of its own.
func reserving(b *testing.B, config aws.Config, shards int64, batched bool) way {
	w := way{
		name:  fmt.Sprintf("reserve-%d-shards", shards),
		units: &units{Client: dynamodb.NewFromConfig(config), ofKey: map[string]float64{}},
	}
	if batched {
		w.name += "-batched"
	}
	service := stock.New(stock.Deps{
		Store: dynamostore.New(
			w.units, awstest.TableIn(b, config, awstest.EventsTable()), es.NewRegistry(stock.Register),
		),
		Clock:    clock.System{},
		Counters: stocktable.New(w.units, awstest.TableIn(b, config, awstest.Key("sku:S"))),
	})
	const sku = "HOT-1"
	request := func() es.Request { return es.Request{CommitID: ident.New(), Time: time.Now()} }
	if _, err := service.Set(b.Context(), request(), sku, stock.MaxOnHand, stock.Match{MustBeNew: true}); err != nil {
		b.Fatal(err)
	}
	if shards > 1 {
		if _, err := service.Shard(b.Context(), request(), sku, shards); err != nil {
			b.Fatal(err)
		}
	}
	w.run = func() {
		side(func(ctx context.Context) error {
			commands := make([]stock.Command, hotBatch)
			for i := range commands {
				commands[i] = stock.Command{Request: request(), Reservation: stock.Reservation{
					OrderID: ident.New(), Revision: 1, Items: []stock.Item{{SKU: sku, Quantity: 1}},
				}}
			}
			if batched {
				for _, reply := range service.ReserveAll(ctx, commands) {
					if reply.Err != nil {
						return reply.Err
					}
				}
				return nil
			}
			for _, c := range commands {
				if _, err := service.Reserve(ctx, c.Request, c.Reservation); err != nil {
					return err
				}
			}
			return nil
		}, b)
	}
	return w
}

// side runs what each client does, side by side.
func side(client func(context.Context) error, b *testing.B) {
	errs := make([]error, hotClients)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = client(b.Context()) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			b.Fatal(err)
		}
	}
}

// report prints a line for each way, and the ratios.
func report(ways []way) {
	single := map[string]way{}
	for _, w := range ways {
		median, low, high := w.persecond()
		fmt.Printf("%s orders/s %.0f (%.0f to %.0f)", w.name, median, low, high)
		if rounds := float64(len(w.seconds)); w.units.all > 0 {
			orders := rounds * hotOrders
			each := w.units.hottest() / orders
			fmt.Printf(", write units an order %.2f, of the hottest key %.2f: AWS bounds it at %.0f orders/s",
				w.units.all/orders, each, keyUnits/each)
		}
		fmt.Println()
		median, low, high = w.against(ways[0])
		fmt.Printf("%s ratio %.2f (%.2f to %.2f) of single puts\n", w.name, median, low, high)
		single[w.name] = w
	}
	for _, w := range ways {
		alone, batched := single[w.name[:len(w.name)-min(len("-batched"), len(w.name))]]
		if !batched {
			continue
		}
		median, low, high := w.against(alone)
		fmt.Printf("%s ratio %.2f (%.2f to %.2f) of %s\n", w.name, median, low, high, alone.name)
		if alone.name == "reserve-1-shards" {
			fmt.Printf(
				"%s limit %.2f%s\n", w.name, batchedLimit, map[bool]string{true: " (under)"}[median < batchedLimit],
			)
		}
	}
}
