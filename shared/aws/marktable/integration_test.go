//go:build integration

package marktable_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/marktable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/audit"
)

var start = time.Date(2026, 3, 1, 12, 59, 0, 0, time.UTC)

// counting counts the writes to a table.
type counting struct {
	*dynamodb.Client
	table  string
	writes atomic.Int64
}

func (c *counting) UpdateItem(
	ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	c.writes.Add(1)
	return c.Client.UpdateItem(ctx, in, o...)
}

// twice carries each update out twice and answers as the second time, as a client does whose first
// answer was lost.
type twice struct{ *counting }

func (w twice) UpdateItem(
	ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	if _, err := w.counting.UpdateItem(ctx, in, o...); err != nil {
		return nil, err
	}
	return w.counting.UpdateItem(ctx, in, o...)
}

// definition is the table as the template has it.
func definition() *dynamodb.CreateTableInput {
	in := awstest.Key("stream:S")
	index := awstest.Key("bucket:S", "stream:S")
	in.AttributeDefinitions = index.AttributeDefinitions
	in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
		IndexName: aws.String(marktable.IndexName), KeySchema: index.KeySchema,
		Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
	}}
	return in
}

func onEach(t *testing.T, test func(t *testing.T, marks marktable.Table, api *counting, now *clock.Fake)) {
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		api, now := &counting{Client: dynamodb.NewFromConfig(config), table: awstest.TableIn(t, config, definition())},
			clock.NewFake(start)
		test(t, marktable.New(api, api.table, now), api, now)
	})
}

func markOf(t *testing.T, marks marktable.Table, stream es.StreamID) audit.Mark {
	t.Helper()
	m, err := marks.Mark(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// What is written is read, with one request where commits come in order, and two or three where
// they don't.
func TestAccepted(t *testing.T) {
	onEach(t, func(t *testing.T, marks marktable.Table, api *counting, _ *clock.Fake) {
		for _, step := range []struct {
			name            string
			refuse          bool
			spans           []audit.Span
			published       int64
			beyond, refused string
			writes          int64
		}{
			{"the first commit", false, []audit.Span{{From: 1, Through: 2}}, 2, "", "", 1},
			{"the next two", false, []audit.Span{{From: 5, Through: 5}, {From: 3, Through: 4}}, 5, "", "", 1},
			{"one again", false, []audit.Span{{From: 3, Through: 4}}, 5, "", "", 1},
			{"one ahead", false, []audit.Span{{From: 9, Through: 10}}, 5, "9-10", "", 2},
			{"the one behind it", false, []audit.Span{{From: 11, Through: 11}}, 5, "9-11", "", 2},
			{"one that is refused", true, []audit.Span{{From: 7, Through: 7}}, 5, "7-7,9-11", "7-7", 2},
			{"one gap closes", false, []audit.Span{{From: 6, Through: 6}}, 7, "9-11", "7-7", 2},
			{"the other does", false, []audit.Span{{From: 8, Through: 8}}, 11, "", "7-7", 2},
			{"what was refused passes", false, []audit.Span{{From: 7, Through: 7}}, 11, "", "", 2},
			{"nothing", false, nil, 11, "", "", 0},
		} {
			note := marks.Accepted
			if step.refuse {
				note = marks.Refused
			}
			before := api.writes.Load()
			if err := note(t.Context(), "order/a", step.spans...); err != nil {
				t.Fatalf("%s: %v", step.name, err)
			}
			m := markOf(t, marks, "order/a")
			if m.Published != step.published || m.Beyond.String() != step.beyond ||
				m.Refused.String() != step.refused || m.Stream != "order/a" {
				t.Fatalf("%s: the mark is %+v", step.name, m)
			}
			if n := api.writes.Load() - before; n != step.writes {
				t.Errorf("%s: %d writes, want %d", step.name, n, step.writes)
			}
		}
		if err := marks.Accepted(t.Context(), "order/late", audit.Span{From: 4, Through: 4}); err != nil {
			t.Fatal(err)
		}
		if m := markOf(t, marks, "order/late"); m.Published != 0 || m.Beyond.String() != "4-4" {
			t.Errorf("the mark of a stream that begins late is %+v", m)
		}
	})
}

// Many at once note each a part of a stream: nothing is lost, in the mark or beyond it.
func TestContention(t *testing.T) {
	onEach(t, func(t *testing.T, marks marktable.Table, _ *counting, _ *clock.Fake) {
		const most = 8
		var wait sync.WaitGroup
		var failed atomic.Int64
		for v := int64(1); v <= most; v++ {
			wait.Go(func() {
				if marks.Accepted(t.Context(), "order/a", audit.Span{From: v, Through: v}) != nil {
					failed.Add(1)
				}
				if err := marks.Seen(t.Context(), "order/a", v); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		m := markOf(t, marks, "order/a")
		noted := m.Published
		for _, s := range m.Beyond {
			noted += s.Through - s.From + 1
		}
		if noted != most-failed.Load() || m.Seen != most {
			t.Errorf("%d of %d are noted and %d failed: %+v", noted, most, failed.Load(), m)
		}
	})
}

// The index has each stream in the hour in which it was last met, and gives it page by page.
func TestChanged(t *testing.T) {
	onEach(t, func(t *testing.T, marks marktable.Table, _ *counting, now *clock.Fake) {
		const streams = 40
		for i := range streams {
			stream := es.StreamID(fmt.Sprintf("order/%02d", i))
			if err := marks.Seen(t.Context(), stream, 3); err != nil {
				t.Fatal(err)
			}
		}
		if err := marks.Accepted(t.Context(), "order/07", audit.Span{From: 1, Through: 2}); err != nil {
			t.Fatal(err)
		}
		now.Advance(time.Hour)
		// only the first is new
		for stream, version := range map[es.StreamID]int64{"order/01": 4, "order/02": 3, "order/03": 2} {
			if err := marks.Seen(t.Context(), stream, version); err != nil {
				t.Fatal(err)
			}
		}
		in := func(hour time.Time) (found []es.StreamID) {
			for shard := range audit.Shards {
				for after, more := es.StreamID(""), true; more; more = after != "" {
					page, next, err := marks.Changed(t.Context(), hour, shard, after, 2)
					if err != nil || len(page) > 2 {
						t.Fatalf("%d marks, %v", len(page), err)
					}
					for _, m := range page {
						if m.Stream == "order/07" && (m.Published != 2 || m.Seen != 3 || !m.SeenAt.Equal(start)) {
							t.Errorf("the mark is %+v", m)
						}
						found = append(found, m.Stream)
					}
					after = next
				}
			}
			slices.Sort(found)
			return found
		}
		first, second := in(start), in(start.Add(time.Hour))
		if len(first) != streams-1 || len(slices.Compact(first)) != streams-1 ||
			!slices.Equal(second, []es.StreamID{"order/01"}) {
			t.Errorf("%d in the first hour, %v in the second", len(first), second)
		}
		if third := in(start.Add(2 * time.Hour)); len(third) > 0 {
			t.Errorf("%v in the third", third)
		}
	})
}

// Marks are read by the names of their streams, as many as there are. One that can't be read keeps
// back no other, here and in its hour.
func TestMarks(t *testing.T) {
	onEach(t, func(t *testing.T, marks marktable.Table, api *counting, _ *clock.Fake) {
		var streams []es.StreamID
		for i := range 230 {
			stream := es.StreamID(fmt.Sprintf("order/%03d", i))
			if streams = append(streams, stream); i%2 == 0 {
				continue
			}
			if err := marks.Accepted(t.Context(), stream, audit.Span{From: 2, Through: 3}); err != nil {
				t.Fatal(err)
			}
			if err := marks.Seen(t.Context(), stream, 3); err != nil {
				t.Fatal(err)
			}
		}
		read := func(want int) error {
			t.Helper()
			got, err := marks.Marks(t.Context(), streams)
			for _, m := range got {
				if m.Seen != 3 || m.Beyond.String() != "2-3" || got[m.Stream].Stream != m.Stream {
					t.Errorf("the mark is %+v", m)
				}
			}
			if len(got) != want {
				t.Errorf("%d marks, want %d", len(got), want)
			}
			return err
		}
		if err := read(115); err != nil {
			t.Error(err)
		}
		if none, err := marks.Marks(t.Context(), nil); err != nil || len(none) > 0 {
			t.Errorf("%v, %v", none, err)
		}
		for _, stream := range []string{"order/007", "order/229"} {
			if _, err := api.Client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
				TableName: &api.table, Key: map[string]types.AttributeValue{
					"stream": &types.AttributeValueMemberS{Value: stream},
				},
				UpdateExpression: aws.String("SET beyond = :b"),
				ExpressionAttributeValues: map[string]types.AttributeValue{
					":b": &types.AttributeValueMemberS{Value: "9-1"},
				},
			}); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			err := read(113)
			if !errors.Is(err, audit.ErrUnreadable) || !strings.Contains(err.Error(), "order/007") ||
				!strings.Contains(err.Error(), "order/229") {
				t.Errorf("unreadable marks: %v", err)
			}
		}
		if _, err := marks.Mark(t.Context(), "order/007"); !errors.Is(err, audit.ErrUnreadable) {
			t.Errorf("an unreadable mark: %v", err)
		}
		found, unread := 0, 0
		for shard := range audit.Shards {
			page, _, err := marks.Changed(t.Context(), start, shard, "", 100)
			if err != nil {
				unread++
			}
			if found += len(page); err != nil && !errors.Is(err, audit.ErrUnreadable) {
				t.Error(err)
			}
		}
		if found != 113 || unread < 1 {
			t.Errorf("%d in the hour, and %d parts with unreadable ones", found, unread)
		}
	})
}

// One at a time has the state, until it keeps it or its time is up.
func TestState(t *testing.T) {
	onEach(t, func(t *testing.T, marks marktable.Table, api *counting, now *clock.Fake) {
		take := func() (audit.State, bool) {
			s, taken, err := marks.Take(t.Context(), now.Now().Add(time.Minute))
			if err != nil {
				t.Fatal(err)
			}
			return s, taken
		}
		if s, err := marks.State(t.Context()); err != nil || !s.Since.IsZero() {
			t.Errorf("%+v, %v", s, err)
		}
		if s, taken := take(); !taken || !s.Since.IsZero() {
			t.Fatalf("%+v, %v", s, taken)
		}
		if _, taken := take(); taken {
			t.Error("two have it")
		}
		now.Advance(time.Minute + time.Millisecond)
		if _, taken := take(); !taken {
			t.Error("nobody has it, and nobody gets it")
		}
		// Who takes it by a clock that is a week ahead, and dies, keeps nobody out for a week.
		now.Advance(7 * 24 * time.Hour)
		if _, taken := take(); !taken {
			t.Error("its time is up, and nobody gets it")
		}
		now.Advance(-7 * 24 * time.Hour)
		if _, taken := take(); !taken {
			t.Error("it is kept from everybody for a week")
		}
		if _, taken := take(); taken {
			t.Error("two have it")
		}
		kept := audit.State{
			Since: start, Hour: start, Shard: 3, After: "order/ä", Canaries: []audit.Canary{{ID: "x", At: start}},
		}
		if err := marks.Keep(t.Context(), kept); err != nil {
			t.Fatal(err)
		}
		if s, taken := take(); !taken || s.Shard != 3 || s.After != kept.After || !s.Hour.Equal(start) ||
			!s.Began.IsZero() || len(s.Canaries) != 1 || s.Canaries[0] != kept.Canaries[0] {
			t.Errorf("%+v, %v", s, taken)
		}
		// somebody has it, and it may be looked at
		if s, err := marks.State(t.Context()); err != nil || !s.Since.Equal(start) {
			t.Errorf("%+v, %v", s, err)
		}
		now.Advance(time.Minute + time.Millisecond)
		if s, taken, err := marktable.New(twice{api}, api.table, now).Take(
			t.Context(), now.Now().Add(time.Minute),
		); err != nil || !taken || s.Shard != 3 {
			t.Errorf("taken by an answer that was lost: %+v, %v, %v", s, taken, err)
		}
		if _, taken := take(); taken {
			t.Error("another one has it too")
		}
	})
}
