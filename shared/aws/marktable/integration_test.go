//go:build integration

package marktable_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/marktable"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/ops/audit"
)

var start = time.Date(2026, 3, 1, 12, 59, 0, 0, time.UTC)

// twice carries each update out twice and answers as the second time, as a client does whose first
// answer was lost.
type twice struct{ *dynamodb.Client }

func (w twice) UpdateItem(
	ctx context.Context, in *dynamodb.UpdateItemInput, o ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	if _, err := w.Client.UpdateItem(ctx, in, o...); err != nil {
		return nil, err
	}
	return w.Client.UpdateItem(ctx, in, o...)
}

func onEach(
	t *testing.T,
	test func(t *testing.T, marks marktable.Table, api *dynamodb.Client, table string, now *clock.Fake),
) {
	awstest.OnEachDynamoDB(t, func(t *testing.T, config aws.Config) {
		api, table, now := dynamodb.NewFromConfig(config), awstest.TableIn(t, config, awstest.Key("stream:S")),
			clock.NewFake(start)
		test(t, marktable.New(api, table, now), api, table, now)
	})
}

// Positions are read as earlier releases wrote them, as many as there are. One that can't be read
// keeps back no other.
func TestPositions(t *testing.T) {
	onEach(t, func(t *testing.T, marks marktable.Table, api *dynamodb.Client, table string, _ *clock.Fake) {
		var streams []es.StreamID
		for i := range 230 {
			stream := es.StreamID(fmt.Sprintf("order/%03d", i))
			if streams = append(streams, stream); i%2 == 0 {
				continue
			}
			item := dynamo.Item{
				"stream": dynamo.S(string(stream)), "published": dynamo.N(3), "beyond": dynamo.S("5-6,9-9"),
				"refused": dynamo.S("2-2,9-9"), "seen": dynamo.N(11), "seenAt": dynamo.S("2026-03-01T12:59:00Z"),
				"bucket": dynamo.S("2026-03-01T12#3"), "expires": dynamo.N(1_775_000_000),
			}
			switch stream {
			case "order/001":
				item["published"] = dynamo.N(0)
			case "order/003": // seen only
				delete(item, "published")
				delete(item, "beyond")
				delete(item, "refused")
			case "order/007":
				item["beyond"] = dynamo.S("9-1")
			}
			if _, err := api.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: item}); err != nil {
				t.Fatal(err)
			}
		}
		got, err := marks.Positions(t.Context(), streams)
		if err != nil || len(got) != 115 {
			t.Fatalf("%d positions, %v", len(got), err)
		}
		for stream, p := range got {
			settled, refused := "1-3,5-6,9", "2,9"
			switch stream {
			case "order/001":
				settled = "2,5-6,9"
			case "order/003":
				settled, refused = "", ""
			case "order/007":
				if !errors.Is(p.Err, audit.ErrUnreadable) || !strings.Contains(p.Err.Error(), "order/007") {
					t.Errorf("an unreadable position is %+v", p)
				}
				continue
			}
			if p.Err != nil || p.Settled.String() != settled || p.Refused.String() != refused || p.Seen != 11 {
				t.Errorf("%s: %+v", stream, p)
			}
		}
		if none, err := marks.Positions(t.Context(), nil); err != nil || len(none) > 0 {
			t.Errorf("%v, %v", none, err)
		}
	})
}

// One at a time has the state, until it keeps it or its time is up.
func TestState(t *testing.T) {
	onEach(t, func(t *testing.T, marks marktable.Table, api *dynamodb.Client, table string, now *clock.Fake) {
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
			Since: start, Hour: start, Looked: start, After: "order/ä", Canaries: []audit.Canary{{ID: "x", At: start}},
		}
		if err := marks.Keep(t.Context(), kept); err != nil {
			t.Fatal(err)
		}
		if s, taken := take(); !taken || !s.Looked.Equal(start) || s.After != kept.After || !s.Hour.Equal(start) ||
			!s.Began.IsZero() || len(s.Canaries) != 1 || s.Canaries[0] != kept.Canaries[0] {
			t.Errorf("%+v, %v", s, taken)
		}
		// somebody has it, and it may be looked at
		if s, err := marks.State(t.Context()); err != nil || !s.Since.Equal(start) {
			t.Errorf("%+v, %v", s, err)
		}
		now.Advance(time.Minute + time.Millisecond)
		if s, taken, err := marktable.New(twice{api}, table, now).Take(
			t.Context(), now.Now().Add(time.Minute),
		); err != nil || !taken || !s.Looked.Equal(start) {
			t.Errorf("taken by an answer that was lost: %+v, %v, %v", s, taken, err)
		}
		if _, taken := take(); taken {
			t.Error("another one has it too")
		}
	})
}
