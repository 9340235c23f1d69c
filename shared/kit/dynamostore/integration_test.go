//go:build integration

package dynamostore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awsenv"
	"orderflow/shared/aws/awstest"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
)

func TestStore(t *testing.T) {
	limits := &estest.Limits{
		CommitBytes: dynamostore.MaxCommitBytes, Items: dynamostore.MaxItems, AppendBytes: dynamostore.MaxAppendBytes,
	}
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		client := dynamodb.NewFromConfig(config)
		c := &counters{client: client, table: awstest.TableIn(t, config, awstest.Key("name:S"))}
		estest.Run(t, func(t *testing.T, registry *es.Registry) estest.Backend {
			table := awstest.TableIn(t, config, awstest.EventsTable())
			now := clock.NewFake(estest.Start)
			open := func(registry *es.Registry) es.Store {
				return dynamostore.New(client, table, registry, dynamostore.WithClock(now))
			}
			return estest.Backend{Store: open(registry), Counters: c, Clock: now, Reopen: open, Limits: limits,
				Resends: true}
		})
	})
}

func TestSnapshots(t *testing.T) { awstest.OnEachDynamoDB(t, testSnapshots) }

func testSnapshots(t *testing.T, config aws.Config) {
	client := dynamodb.NewFromConfig(config)
	table := awstest.TableIn(t, config, awstest.SnapshotsTable())
	s := dynamostore.NewSnapshots(client, table)
	estest.RunSnapshots(t, s)

	stream := estest.Stream()
	kept := es.Snapshot{
		Head: es.StoreHead(stream, 4, 5, "c5"), Fold: "f/1", Time: estest.Start, State: []byte(`{"n":1}`),
	}
	for name, change := range map[string]func(map[string]types.AttributeValue){
		"another state": func(item map[string]types.AttributeValue) {
			item["state"] = &types.AttributeValueMemberS{Value: `{"n":2}`}
		},
		"another version": func(item map[string]types.AttributeValue) {
			item["version"] = &types.AttributeValueMemberN{Value: "6"}
		},
		"no state":    func(item map[string]types.AttributeValue) { delete(item, "state") },
		"no checksum": func(item map[string]types.AttributeValue) { delete(item, "checksum") },
	} {
		if err := s.Replace(t.Context(), kept); err != nil {
			t.Fatal(err)
		}
		at := map[string]types.AttributeValue{
			"stream": &types.AttributeValueMemberS{Value: string(stream)},
			"fold":   &types.AttributeValueMemberS{Value: "f/1"},
		}
		out, err := client.GetItem(
			t.Context(), &dynamodb.GetItemInput{TableName: &table, Key: at, ConsistentRead: aws.Bool(true)},
		)
		if err != nil {
			t.Fatal(err)
		}
		change(out.Item)
		if _, err := client.PutItem(
			t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: out.Item},
		); err != nil {
			t.Fatal(err)
		}
		if got, found, err := s.Newest(t.Context(), stream, "f/1"); !errors.Is(err, es.ErrCorrupt) || found {
			t.Errorf("%s: %+v, %t, %v", name, got, found, err)
		}
	}
	kept.State = []byte(`"` + strings.Repeat("x", dynamostore.MaxCommitBytes) + `"`)
	if err := s.Replace(t.Context(), kept); !errors.Is(err, es.ErrLimit) {
		t.Errorf("a state that is too large: %v", err)
	}
}

// counters are rows of a table of their own.
type counters struct {
	client *dynamodb.Client
	table  string
}

var errBelowZero = errors.New("below zero")

func (c *counters) Add(name string, n int64) es.Effect { return addition{c.table, name, n} }

func (c *counters) Refused(err error) bool { return errors.Is(err, errBelowZero) }

func (c *counters) Value(ctx context.Context, name string) (int64, error) {
	out, err := c.client.GetItem(
		ctx, &dynamodb.GetItemInput{TableName: &c.table, ConsistentRead: aws.Bool(true), Key: key(name)},
	)
	if err != nil || out.Item == nil {
		return 0, err
	}
	return strconv.ParseInt(out.Item["n"].(*types.AttributeValueMemberN).Value, 10, 64)
}

func key(name string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{"name": &types.AttributeValueMemberS{Value: name}}
}

type addition struct {
	table, name string
	n           int64
}

func (a addition) EffectName() string { return "add to " + a.name }

func (a addition) TransactItems() ([]types.TransactWriteItem, error) {
	update := &types.Update{
		TableName: &a.table, Key: key(a.name), UpdateExpression: aws.String("ADD n :n"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":n": &types.AttributeValueMemberN{Value: strconv.FormatInt(a.n, 10)},
		},
	}
	if a.n < 0 {
		update.ConditionExpression = aws.String("n >= :taken")
		update.ExpressionAttributeValues[":taken"] = &types.AttributeValueMemberN{Value: strconv.FormatInt(-a.n, 10)}
	}
	return []types.TransactWriteItem{{Update: update}}, nil
}

func (a addition) Refusal(reasons []types.CancellationReason) error {
	if len(reasons) == 1 && aws.ToString(reasons[0].Code) == "ConditionalCheckFailed" {
		return fmt.Errorf("%s: %w", a.EffectName(), errBelowZero)
	}
	return nil
}

// losing sends requests and loses the answers of the first writes.
type losing struct{ left atomic.Int64 }

func (l *losing) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil || strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".Query") || l.left.Add(-1) < 0 {
		return res, err
	}
	if err := res.Body.Close(); err != nil {
		return nil, err
	}
	return nil, io.ErrUnexpectedEOF
}

// TestLostAnswers: the client tries again by itself, and the append is there once.
func TestLostAnswers(t *testing.T) {
	network := &losing{}
	client := dynamodb.NewFromConfig(awstest.Config(t), func(o *dynamodb.Options) {
		o.HTTPClient, o.Retryer = &http.Client{Transport: network, Timeout: 30 * time.Second}, awsenv.Retryer()
	})
	s := dynamostore.New(client, awstest.Table(t, awstest.EventsTable()), es.NewRegistry(estest.Register))
	c := &counters{client: client, table: awstest.Table(t, awstest.Key("name:S"))}
	one, two := estest.Stream(), estest.Stream()

	network.left.Store(2)
	appended, err := s.Append(
		t.Context(), []es.Commit{estest.Commit(estest.Load(t, s, one, 0).Head, "c1", estest.Noted{}, estest.Noted{})},
	)
	if err != nil || !appended.Recognised || appended.Heads[0] != estest.Load(t, s, one, 0).Head ||
		appended.Heads[0].Version() != 2 {
		t.Fatalf("%+v, %v", appended, err)
	}

	network.left.Store(2)
	commits := []es.Commit{
		estest.Commit(appended.Heads[0], "c2", estest.Noted{}),
		estest.Commit(estest.Load(t, s, two, 0).Head, "c1", estest.Noted{}),
	}
	appended, err = s.Append(t.Context(), commits, c.Add("n", 7))
	if err != nil || appended.Heads[0] != estest.Load(t, s, one, 0).Head ||
		appended.Heads[1] != estest.Load(t, s, two, 0).Head {
		t.Fatalf("%+v, %v", appended, err)
	}
	// The same again in a call of its own has a token of its own.
	again, err := s.Append(t.Context(), commits, c.Add("n", 7))
	if err != nil || !again.Recognised || again.Heads[0] != appended.Heads[0] || again.Heads[1] != appended.Heads[1] {
		t.Fatalf("%+v, %v", again, err)
	}
	if n, err := c.Value(t.Context(), "n"); err != nil || n != 7 {
		t.Errorf("the effect was done %d/7 times, %v", n, err)
	}
	// All tries lost: the caller sees an error that leaves the outcome open, and the same commit
	// tried again meets itself.
	network.left.Store(5)
	commit := []es.Commit{estest.Commit(appended.Heads[0], "c3", estest.Noted{})}
	if _, err = s.Append(t.Context(), commit); !errors.Is(err, es.ErrUnavailable) || errors.Is(err, es.ErrConflict) {
		t.Fatal(err)
	}
	if appended, err = s.Append(t.Context(), commit); err != nil || !appended.Recognised {
		t.Fatalf("%+v, %v", appended, err)
	}
}
