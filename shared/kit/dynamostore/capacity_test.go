//go:build integration

package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
)

// metered sends requests on, counts them by operation, and adds up the units that DynamoDB says
// they cost; those of transactions by AWS's rules. It does not say what a request costs that fails.
type metered struct {
	client      *dynamodb.Client
	count       map[string]int
	write, read float64
}

func meter(config aws.Config) *metered {
	return &metered{client: dynamodb.NewFromConfig(config), count: map[string]int{}}
}

func (m *metered) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, f ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	m.count["PutItem"]++
	asked := *in
	asked.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.client.PutItem(ctx, &asked, f...)
	if err == nil && out.ConsumedCapacity != nil {
		m.write += aws.ToFloat64(out.ConsumedCapacity.CapacityUnits)
	}
	return out, err
}

func (m *metered) TransactWriteItems(
	ctx context.Context, in *dynamodb.TransactWriteItemsInput, f ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	m.count["TransactWriteItems"]++
	out, err := m.client.TransactWriteItems(ctx, in, f...)
	if err == nil {
		m.write += awstest.TransactionUnits(in) // DynamoDB Local counts a transaction wrongly
	}
	return out, err
}

func (m *metered) TransactGetItems(
	ctx context.Context, in *dynamodb.TransactGetItemsInput, f ...func(*dynamodb.Options),
) (*dynamodb.TransactGetItemsOutput, error) {
	m.count["TransactGetItems"]++
	asked := *in
	asked.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.client.TransactGetItems(ctx, &asked, f...)
	if err == nil {
		for _, table := range out.ConsumedCapacity {
			m.read += aws.ToFloat64(table.CapacityUnits)
		}
	}
	return out, err
}

func (m *metered) GetItem(
	ctx context.Context, in *dynamodb.GetItemInput, f ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	m.count["GetItem"]++
	asked := *in
	asked.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.client.GetItem(ctx, &asked, f...)
	if err == nil && out.ConsumedCapacity != nil {
		m.read += aws.ToFloat64(out.ConsumedCapacity.CapacityUnits)
	}
	return out, err
}

func (m *metered) Query(
	ctx context.Context, in *dynamodb.QueryInput, f ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	m.count["Query"]++
	asked := *in
	asked.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.client.Query(ctx, &asked, f...)
	if err == nil && out.ConsumedCapacity != nil {
		m.read += aws.ToFloat64(out.ConsumedCapacity.CapacityUnits)
	}
	return out, err
}

func (m *metered) Scan(
	ctx context.Context, in *dynamodb.ScanInput, f ...func(*dynamodb.Options),
) (*dynamodb.ScanOutput, error) {
	m.count["Scan"]++
	asked := *in
	asked.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := m.client.Scan(ctx, &asked, f...)
	if err == nil && out.ConsumedCapacity != nil {
		m.read += aws.ToFloat64(out.ConsumedCapacity.CapacityUnits)
	}
	return out, err
}

// cost runs f and tells its requests, as in "[PutItem:1]", and their units, as in "1 write".
func (m *metered) cost(f func()) (requests, units string) {
	clear(m.count)
	m.write, m.read = 0, 0
	f()
	switch {
	case m.write > 0 && m.read > 0:
		units = fmt.Sprintf("%g write, %g read", m.write, m.read)
	case m.write > 0:
		units = fmt.Sprintf("%g write", m.write)
	case m.read > 0:
		units = fmt.Sprintf("%g read", m.read)
	}
	return strings.TrimPrefix(fmt.Sprint(m.count), "map"), units
}

// tally is the effect of a counter that fits into a unit.
type tally struct{ table string }

func (tally) EffectName() string { return "tally" }

func (e tally) TransactItems() ([]types.TransactWriteItem, error) {
	return []types.TransactWriteItem{{Update: &types.Update{
		TableName: &e.table, Key: attributes{"name": text("n")}, UpdateExpression: aws.String("ADD n :n"),
		ExpressionAttributeValues: attributes{":n": number(1)},
	}}}, nil
}

func (tally) Refusal([]types.CancellationReason) error { return nil }

// counts are n events that say where they stand, from first on.
func counts(first, n int) (events []any) {
	for i := range n {
		events = append(events, estest.Counted{N: int64(first + i)})
	}
	return events
}

type sum struct {
	N int64 `json:"n"`
}

// TestCost holds each operation to the requests and units that it is said to cost. The default AWS
// counts requests alone: it makes units up.
func TestCost(t *testing.T) {
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		m := meter(config)
		table, tallies := awstest.TableIn(t, config, awstest.EventsTable()),
			awstest.TableIn(t, config, awstest.Key("name:S"))
		s := New(m, table, es.NewRegistry(estest.Register))
		snapshots := NewSnapshots(m, awstest.TableIn(t, config, awstest.SnapshotsTable()))
		sums := es.Repository[sum, any]{
			Category: "test", Initial: func() sum { return sum{} },
			Evolve: func(s sum, e any) sum { s.N += e.(estest.Counted).N; return s },
			Store:  s, Snapshots: snapshots, Fold: "sum/1", Every: 100,
		}
		stream, other, ten, big, long := estest.Stream(), estest.Stream(), estest.Stream(), estest.Stream(),
			estest.Stream()
		var head, stale es.Head
		// write appends one commit to a stream of its own.
		write := func(events ...any) func() {
			return func() { estest.Append(t, s, es.StoreHead(estest.Stream(), 0, 0, ""), "c", events...) }
		}
		load := func(stream es.StreamID, after int64, want int) func() {
			return func() {
				if h := estest.Load(t, s, stream, after); len(h.Events) != want {
					t.Errorf("%d events, want %d", len(h.Events), want)
				}
			}
		}
		since := func(head *es.Head, want int) func() {
			return func() {
				if h, err := s.Since(t.Context(), *head); err != nil || len(h.Events) != want {
					t.Errorf("%d events, want %d, %v", len(h.Events), want, err)
				}
			}
		}
		read := func(r es.Range, want int) func() {
			return func() {
				n := 0
				for _, err := range s.Read(t.Context(), stream, r) {
					if n++; err != nil {
						t.Error(err)
					}
				}
				if n != want {
					t.Errorf("%d events, want %d", n, want)
				}
			}
		}
		appendTo := func(effects []es.Effect, commits func() []es.Commit, want error) func() {
			return func() {
				if _, err := s.Append(t.Context(), commits(), effects...); !errors.Is(err, want) {
					t.Error(err)
				}
			}
		}
		get := func(stream es.StreamID, want int64) func() {
			return func() {
				if got, err := sums.Get(t.Context(), stream.ID()); err != nil || got.State.N != want {
					t.Errorf("%+v, want %d, %v", got, want, err)
				}
			}
		}
		handle := func(stream es.StreamID, first, last int64) func() {
			commit := es.StoredCommit{Stream: stream, First: first, ID: "c", Events: make([]es.Stored, last-first+1)}
			return func() {
				if err := sums.Handle(t.Context(), commit); err != nil {
					t.Error(err)
				}
			}
		}
		for _, tt := range []struct {
			name, requests string
			// "?" where they are not told: of a request that fails, and by DynamoDB Local of one
			// that finds nothing
			units string
			do    func()
		}{
			{"load nothing", "[Query:1]", "?", func() { stale = estest.Load(t, s, stream, 0).Head }},
			{
				"append an event", "[PutItem:1]", "1 write",
				func() { head = estest.Append(t, s, stale, "c1", estest.Noted{}) },
			},
			{"append five events", "[PutItem:1]", "1 write", write(counts(0, 5)...)},
			{"append an event of under 1 KB", "[PutItem:1]", "1 write", write(estest.Noted{Text: estest.Text(1, 850)})},
			{"append an event of over 1 KB", "[PutItem:1]", "2 write", write(estest.Noted{Text: estest.Text(1, 900)})},
			{"append an event of over 2 KB", "[PutItem:1]", "3 write", write(estest.Noted{Text: estest.Text(1, 2000)})},
			{"append five events of 3 KB in all", "[PutItem:1]", "3 write", func() {
				var events []any
				for i := range 5 {
					events = append(events, estest.Noted{Text: estest.Text(int64(i), 600)})
				}
				write(events...)()
			}},
			{
				"append an event of 100 KB that compresses", "[PutItem:1]", "1 write",
				write(estest.Noted{Text: strings.Repeat("compress ", 100_000/9)}),
			},
			{
				"append a hundred events", "[PutItem:1]", "1 write",
				func() { head = estest.Append(t, s, head, "c2", counts(0, 100)...) },
			},
			{"load 101 events", "[Query:1]", "1 read", load(stream, 0, 101)},
			{"load ten commits", "[PutItem:10 Query:2]", "10 write, 1 read", func() {
				h := estest.Load(t, s, ten, 0).Head
				for i := range 10 {
					h = estest.Append(t, s, h, fmt.Sprint(i), estest.Noted{})
				}
				load(ten, 0, 10)()
			}},
			{"load after a version", "[Query:2]", "?", load(stream, 50, 51)},
			{"load since the beginning", "[Query:1]", "1 read", since(&stale, 101)},
			{"load since a head", "[Query:1]", "1 read", since(&head, 0)},
			{"read the first ten", "[Query:1]", "1 read", read(es.Range{Limit: 10}, 10)},
			{"read the last ten", "[Query:1]", "1 read", read(es.Range{Backwards: true, Limit: 10}, 10)},
			{"at", "[Query:1]", "1 read", func() {
				if _, err := s.At(t.Context(), stream, 101); err != nil {
					t.Error(err)
				}
			}},
			{"confirm a head", "[TransactGetItems:1]", "4 read", func() {
				if err := s.Confirm(t.Context(), head); err != nil {
					t.Error(err)
				}
			}},
			{"confirm that an attempt is open and an account at its end", "[TransactGetItems:1]", "6 read", func() {
				if err := s.Confirm(t.Context(), es.StoreHead(estest.Stream(), 0, 0, ""), head); err != nil {
					t.Error(err)
				}
			}},
			{"append again", "[PutItem:1]", "?", func() { estest.Append(t, s, stale, "c1", estest.Noted{}) }},
			{
				"append at a stale head", "[PutItem:1]", "?",
				appendTo(
					nil, func() []es.Commit { return []es.Commit{estest.Commit(stale, "late", estest.Noted{})} },
					es.ErrConflict,
				),
			},
			{"append with an effect", "[TransactWriteItems:1]", "4 write",
				appendTo([]es.Effect{tally{tallies}}, func() []es.Commit {
					return []es.Commit{estest.Commit(es.StoreHead(estest.Stream(), 0, 0, ""), "c", estest.Noted{})}
				}, nil)},
			{"append over 1 KB with an effect", "[TransactWriteItems:1]", "6 write",
				appendTo([]es.Effect{tally{tallies}}, func() []es.Commit {
					return []es.Commit{estest.Commit(
						es.StoreHead(estest.Stream(), 0, 0, ""), "c", estest.Noted{Text: estest.Text(1, 900)},
					)}
				}, nil)},
			{"append to two streams", "[TransactWriteItems:1]", "4 write", appendTo(nil, func() []es.Commit {
				return []es.Commit{
					estest.Commit(head, "c3", estest.Noted{}),
					estest.Commit(es.StoreHead(other, 0, 0, ""), "c1", estest.Noted{}),
				}
			}, nil)},
			{"over a limit", "[]", "", appendTo(nil, func() []es.Commit {
				return []es.Commit{estest.Commit(head, "big", estest.Noted{Text: estest.Text(1, MaxCommitBytes)})}
			}, es.ErrLimit)},
			{"write 1.4 MB", "[PutItem:7]", "1372 write", func() {
				h := es.StoreHead(big, 0, 0, "")
				for i := range 7 {
					h = estest.Append(t, s, h, fmt.Sprint(i), estest.Noted{Text: estest.Text(int64(i), 200_000)})
				}
			}},
			{"load 1.4 MB", "[Query:2]", "343 read", load(big, 0, 7)},
			{"write 10,000 events in commits of a hundred", "[PutItem:100]", "?", func() {
				h := es.StoreHead(long, 0, 0, "")
				for i := range 100 {
					h = estest.Append(t, s, h, fmt.Sprint(i), counts(100*i+1, 100)...)
				}
			}},
			{"rehydrate them without a snapshot", "[GetItem:1 Query:1]", "?", get(long, 50_005_000)},
			{"a commit between snapshots", "[]", "", handle(long, 9902, 9902)},
			{"write their snapshot", "[GetItem:1 PutItem:1 Query:1]", "?", handle(long, 9901, 10_000)},
			{"rehydrate them", "[GetItem:1 Query:1]", "1.5 read", get(long, 50_005_000)},
		} {
			requests, units := m.cost(tt.do)
			if requests != tt.requests {
				t.Errorf("%s: %s, want %s", tt.name, requests, tt.requests)
			}
			if tt.units != "?" && units != tt.units && strings.HasSuffix(t.Name(), "Local") {
				t.Errorf("%s: %s, want %s", tt.name, units, tt.units)
			}
		}
	})
}

// TestSizes: an item has the size that DynamoDB counts, so that what saves a write unit here saves
// it there.
func TestSizes(t *testing.T) {
	config := awstest.DynamoDBLocal(t)
	m := meter(config)
	s := New(m, awstest.TableIn(t, config, awstest.EventsTable()), es.NewRegistry(estest.Register),
		WithClock(clock.NewFake(estest.Start)))
	for n := 800; n < 5000; n += 97 {
		c := estest.Commit(es.StoreHead(estest.Stream(), 0, 0, ""), "c", estest.Noted{Text: estest.Text(int64(n), n)})
		c.Metadata, c.Fingerprint, c.Time = es.Metadata{Actor: "a", CorrelationID: "c"}, "f",
			c.Time.Add(time.Duration(n))
		stored, err := s.registry.EncodeCommit(c)
		if err != nil {
			t.Fatal(err)
		}
		_, size := packed(t, stored)
		if margin := size % writeUnit; margin < 16 { // numbers are counted approximately
			continue
		}
		_, units := m.cost(func() {
			if _, err := s.Append(t.Context(), []es.Commit{c}); err != nil {
				t.Fatal(err)
			}
		})
		if want := fmt.Sprintf("%d write", writeUnits(size)); units != want {
			t.Errorf("%d bytes cost %s, want %s", size, units, want)
		}
	}
}
