package deadlettertable_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/ops/deadletter"
)

// queried is a table that answers each query with the same items, and says which index was asked.
type queried struct {
	deadlettertable.API
	items []map[string]types.AttributeValue
	index string
}

func (q *queried) Query(
	_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	q.index = aws.ToString(in.IndexName)
	return &dynamodb.QueryOutput{Items: q.items}, nil
}

func stored(t *testing.T, id string) map[string]types.AttributeValue {
	t.Helper()
	data, err := json.Marshal(deadletter.Entry{ID: id, Status: deadletter.StatusOpen})
	if err != nil {
		t.Fatal(err)
	}
	return map[string]types.AttributeValue{
		"id": &types.AttributeValueMemberS{Value: id}, "data": &types.AttributeValueMemberS{Value: string(data)},
	}
}

// An entry that can't be read holds up none of the others.
func TestUnreadable(t *testing.T) {
	api := &queried{
		items: []map[string]types.AttributeValue{
			stored(t, "1"), {"id": &types.AttributeValueMemberS{Value: "odd"}}, stored(t, "2"),
		},
	}
	table := deadlettertable.New(api, "table")
	var read, unreadable []string
	for e, err := range table.Due(t.Context(), time.Now()) {
		switch {
		case errors.Is(err, deadletter.ErrUnreadable):
			unreadable = append(unreadable, e.ID)
		case err != nil:
			t.Fatal(err)
		default:
			read = append(read, e.ID)
		}
	}
	if !slices.Equal(read, []string{"1", "2"}) || !slices.Equal(unreadable, []string{"odd"}) {
		t.Errorf("due are %v, unreadable %v", read, unreadable)
	}
	if page, err := table.List(t.Context(), deadletter.Query{Limit: 10}); err != nil || len(page.Entries) != 2 {
		t.Errorf("%+v, %v", page, err)
	}
	if _, err := table.Message(t.Context(), "1"); !errors.Is(err, deadletter.ErrNoEntry) {
		t.Errorf("a message without a piece: %v", err)
	}
	api.items = []map[string]types.AttributeValue{{"body": &types.AttributeValueMemberB{Value: []byte("no gzip")}}}
	if _, err := table.Message(t.Context(), "1"); !errors.Is(err, deadletter.ErrUnreadable) {
		t.Errorf("a message in a broken piece: %v", err)
	}
}

// Entries stay when they are closed, so that those of a consumer become many, and those that are
// open are few.
func TestNarrowestIndex(t *testing.T) {
	for index, q := range map[string]deadletter.Query{
		"statuses":  {Consumer: "c", Topic: "t", Status: deadletter.StatusSpent},
		"consumers": {Consumer: "c", Topic: "t", Status: deadletter.StatusResolved},
		"topics":    {Topic: "t", Status: deadletter.StatusDiscarded},
		"orders":    {Order: "o", Status: deadletter.StatusOpen, Consumer: "c"},
		"entries":   {Error: "e"},
	} {
		api := &queried{}
		q.Limit = 1
		if _, err := deadlettertable.New(api, "table").List(t.Context(), q); err != nil || api.index != index {
			t.Errorf("%+v: %s, %v, want %s", q, api.index, err, index)
		}
	}
}
