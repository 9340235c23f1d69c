//go:build integration

package journaltable_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/journaltable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/audit"
	"orderflow/shared/ops/audit/audittest"
)

func TestMain(m *testing.M) {
	given := false
	flag.Parse()
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given { // each check is a hundred requests
		if err := flag.Set("rapid.checks", "10"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

var start = time.Date(2026, 3, 1, 12, 59, 0, 0, time.UTC)

// counting counts the writes to a table, and the units that they cost.
type counting struct {
	*dynamodb.Client
	mu     sync.Mutex
	writes int
	units  float64
}

func (c *counting) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	asked := *in
	asked.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
	out, err := c.Client.PutItem(ctx, &asked, o...)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writes++; err == nil && out.ConsumedCapacity != nil {
		c.units += aws.ToFloat64(out.ConsumedCapacity.CapacityUnits)
	}
	return out, err
}

// twice carries each write out twice and answers as the second time, as a client does whose first
// answer was lost.
type twice struct{ *dynamodb.Client }

func (w twice) PutItem(
	ctx context.Context, in *dynamodb.PutItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	if _, err := w.Client.PutItem(ctx, in, o...); err != nil {
		return nil, err
	}
	return w.Client.PutItem(ctx, in, o...)
}

func onEach(t *testing.T, test func(t *testing.T, api *dynamodb.Client, table string)) {
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		test(t, dynamodb.NewFromConfig(config), awstest.TableIn(t, config, awstest.Key("bucket:S", "id:S")))
	})
}

func TestJournal(t *testing.T) {
	onEach(t, func(t *testing.T, api *dynamodb.Client, table string) {
		audittest.Run(t, journaltable.New(api, table))
	})
}

func TestJournalLosingAnswers(t *testing.T) {
	onEach(t, func(t *testing.T, api *dynamodb.Client, table string) {
		audittest.Run(t, journaltable.New(twice{api}, table))
	})
}

// batch is what a consumer gets at once: commits of new orders, each of one event.
func batch(commits int) (all []es.StoredCommit) {
	for range commits {
		all = append(all, es.StoredCommit{
			Stream: es.NewStreamID("order", ident.New()), First: 1, Events: make([]es.Stored, 1),
		})
	}
	return all
}

// A batch is one request for each consumer, and one write unit for each 18 commits and more; it is
// the same item when the batch comes again. One of which nothing passed costs nothing.
func TestCost(t *testing.T) {
	onEach(t, func(t *testing.T, api *dynamodb.Client, table string) {
		passes := func(context.Context, []es.StoredCommit) []error { return nil }
		for _, tt := range []struct {
			commits int
			units   float64
		}{{1, 1}, {18, 1}, {36, 2}, {100, 5}} {
			commits := batch(tt.commits)
			for range 2 {
				c := &counting{Client: api}
				m := audit.Marker{
					Journal: journaltable.New(c, table), Clock: clock.NewFake(start),
					Failed: func(n int64) { t.Errorf("%d streams are not noted", n) },
				}
				for _, of := range []func(audit.Handle) audit.Handle{m.Published, m.Seen} {
					c.writes, c.units = 0, 0
					of(passes)(t.Context(), commits)
					// MiniStack counts a unit for each write whatever its size
					if c.writes != 1 || c.units > tt.units {
						t.Errorf("%d commits: %d writes, %g units, want %g", tt.commits, c.writes, c.units, tt.units)
					}
				}
				m.Published(func(_ context.Context, commits []es.StoredCommit) []error {
					failed := make([]error, len(commits))
					for i := range failed {
						failed[i] = errors.New("down")
					}
					return failed
				})(t.Context(), commits)
				if c.writes != 1 {
					t.Errorf("a batch of which nothing passes costs %d writes", c.writes-1)
				}
			}
		}
		out, err := api.Scan(t.Context(), &dynamodb.ScanInput{TableName: &table})
		if err != nil || len(out.Items) != 4*2 {
			t.Errorf("%d items, %v", len(out.Items), err)
		}
		for _, item := range out.Items {
			if expires := dynamo.Read(item).Number("expires"); expires != start.Add(audit.Keep).Unix() {
				t.Errorf("an item expires at %d", expires)
			}
		}
	})
}

// What is too large for an item is several, and read as a whole.
func TestSplit(t *testing.T) {
	onEach(t, func(t *testing.T, api *dynamodb.Client, table string) {
		c := &counting{Client: api}
		j := journaltable.New(c, table)
		note := audit.Note{Kind: audit.Seen, At: start, Versions: audit.Versions{}}
		for _, commit := range batch(20_000) {
			note.Versions[commit.Stream] = audit.Spans{audit.Of(commit)}
		}
		if err := j.Write(t.Context(), note); err != nil {
			t.Fatal(err)
		}
		read := audit.Versions{}
		for part, err := range j.Notes(t.Context(), audit.InViews, start.Truncate(time.Hour)) {
			if err != nil {
				t.Fatal(err)
			}
			for stream, spans := range part.Versions {
				read[stream] = spans
			}
		}
		there, err := j.Written(t.Context(), note)
		if err != nil || !there || c.writes != 3 || len(read) != len(note.Versions) {
			t.Errorf("%d writes, %d streams are read, written %t, %v", c.writes, len(read), there, err)
		}
	})
}

// An item that can't be read keeps back no other, and is named.
func TestUnreadable(t *testing.T) {
	onEach(t, func(t *testing.T, api *dynamodb.Client, table string) {
		j := journaltable.New(api, table)
		good := audit.Note{
			Kind: audit.Published, At: start, Versions: audit.Versions{"order/a": {{From: 1, Through: 1}}},
		}
		if err := j.Write(t.Context(), good); err != nil {
			t.Fatal(err)
		}
		versions := dynamo.M(dynamo.Item{"order/b": dynamo.S("1")})
		for id, item := range map[string]dynamo.Item{
			"no-kind":     {"at": dynamo.N(1), "versions": versions},
			"other-kind":  {"kind": dynamo.S("lost"), "at": dynamo.N(1), "versions": versions},
			"no-time":     {"kind": dynamo.S("published"), "versions": versions},
			"no-versions": {"kind": dynamo.S("published"), "at": dynamo.N(1)},
			"no-spans": {
				"kind": dynamo.S("published"), "at": dynamo.N(1),
				"versions": dynamo.M(dynamo.Item{"order/b": dynamo.S("2-1")}),
			},
			"no-text": {
				"kind": dynamo.S("published"), "at": dynamo.N(1),
				"versions": dynamo.M(dynamo.Item{"order/b": dynamo.N(1)}),
			},
		} {
			item["bucket"], item["id"] = dynamo.S("2026-03-01T12#bus#0"), dynamo.S(id)
			if _, err := api.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item}); err != nil {
				t.Fatal(err)
			}
		}
		read, unread := 0, ""
		for note, err := range j.Notes(t.Context(), audit.OnBus, start.Truncate(time.Hour)) {
			if err == nil {
				read += len(note.Versions)
			} else if unread += err.Error(); !errors.Is(err, audit.ErrUnreadable) {
				t.Error(err)
			}
		}
		for _, id := range []string{"no-kind", "other-kind", "no-time", "no-versions", "no-spans", "no-text"} {
			if !strings.Contains(unread, fmt.Sprintf("%s of 2026-03-01T12#bus#0", id)) {
				t.Errorf("%s is read, or is not named: %s", id, unread)
			}
		}
		if read != 1 {
			t.Errorf("%d streams are read", read)
		}
	})
}
