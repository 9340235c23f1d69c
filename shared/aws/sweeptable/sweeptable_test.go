package sweeptable_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/sweeptable"
	"orderflow/shared/process/sweep"
)

// fake answers with an item and an error.
type fake struct {
	item map[string]types.AttributeValue
	err  error
}

func (f fake) GetItem(
	context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	return &dynamodb.GetItemOutput{Item: f.item}, f.err
}

func (f fake) PutItem(
	context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	return nil, f.err
}

func item(position types.AttributeValue) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{
		"stream": &types.AttributeValueMemberS{Value: "sweep/position"}, "position": position,
	}
}

func TestFails(t *testing.T) {
	boom := errors.New("boom")
	table := sweeptable.New(fake{err: boom}, "t")
	if _, err := table.Load(t.Context()); !errors.Is(err, boom) {
		t.Error(err)
	}
	if _, saved, err := table.Save(t.Context(), sweep.Position{}); saved || !errors.Is(err, boom) {
		t.Error(saved, err)
	}
	for name, bad := range map[string]types.AttributeValue{
		"no text": &types.AttributeValueMemberN{Value: "1"}, "no JSON": &types.AttributeValueMemberS{Value: "{"},
	} {
		if p, err := sweeptable.New(fake{item: item(bad)}, "t").Load(t.Context()); err == nil ||
			p != (sweep.Position{}) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// A write whose answer was lost meets itself when the client sends it again, and is no other
// sweep's.
func TestLostAnswer(t *testing.T) {
	there := item(&types.AttributeValueMemberS{
		Value: `{"revision":8,"waiting":{"slot":3},"shipped":{"slot":1,"after":"a","begun":1}}`,
	})
	table := sweeptable.New(fake{err: &types.ConditionalCheckFailedException{Item: there}}, "t")
	mine := sweep.Position{
		Revision: 7, Waiting: sweep.Place{Slot: 3}, Shipped: sweep.Place{Slot: 1, After: "a", Begun: 1},
	}
	if next, saved, err := table.Save(t.Context(), mine); !saved || err != nil || next.Revision != 8 {
		t.Errorf("%+v, %t, %v", next, saved, err)
	}
	mine.Shipped.Begun = 0
	if _, saved, err := table.Save(t.Context(), mine); saved || err != nil {
		t.Errorf("another's: %t, %v", saved, err)
	}
	gone := sweeptable.New(fake{err: &types.ConditionalCheckFailedException{}}, "t")
	if _, saved, err := gone.Save(t.Context(), mine); saved || err != nil {
		t.Errorf("in place of none: %t, %v", saved, err)
	}
}
