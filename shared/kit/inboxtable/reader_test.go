package inboxtable_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/inbox"
	"orderflow/shared/kit/inboxtable"
)

// batches answers BatchGetItem.
type batches struct {
	items []map[string]types.AttributeValue
	keys  int
	err   error
}

func (b *batches) BatchGetItem(
	_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	b.keys += len(in.RequestItems["t"].Keys)
	return &dynamodb.BatchGetItemOutput{
		Responses: map[string][]map[string]types.AttributeValue{"t": b.items},
	}, b.err
}

func TestReader(t *testing.T) {
	s := func(text string) types.AttributeValue { return &types.AttributeValueMemberS{Value: text} }
	n := func(text string) types.AttributeValue { return &types.AttributeValueMemberN{Value: text} }
	there := map[string]types.AttributeValue{
		"event": s("order/1@1"), "consumer": s("c"), "payload": s("p"), "state": s("done"), "token": s("t"),
		"claims": n("2"), "claimed": n("5"), "until": n("6"), "result": s("r"), "expires": n("7"),
	}
	api := &batches{items: []map[string]types.AttributeValue{there}}
	got, err := inboxtable.NewReader(api, "t").Entries(t.Context(), "c", []string{"order/1@1", "order/1@2"})
	if err != nil || len(got) != 1 || got[0].Key != (inbox.Key{Event: "order/1@1", Consumer: "c"}) ||
		got[0].State != inbox.Done || got[0].Claims != 2 || api.keys != 2 {
		t.Errorf("%+v, %v, %d keys", got, err, api.keys)
	}
	got, err = inboxtable.NewReader(api, "t").Entries(t.Context(), "c", nil)
	if err != nil || got != nil || api.keys != 2 {
		t.Errorf("of no events: %+v, %v, %d keys", got, err, api.keys)
	}
	there["state"] = s("odd")
	if _, err := inboxtable.NewReader(api, "t").Entries(t.Context(), "c", []string{"order/1@1"}); err == nil {
		t.Error("an item that is none is taken")
	}
	boom := errors.New("boom")
	_, err = inboxtable.NewReader(&batches{err: boom}, "t").Entries(t.Context(), "c", []string{"order/1@1"})
	if !errors.Is(err, boom) {
		t.Error(err)
	}
}
