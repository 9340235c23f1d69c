package inboxtable_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/inbox"
	"orderflow/shared/kit/inboxtable"
)

// fake answers every request with err.
type fake struct{ err error }

func (f fake) PutItem(
	context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	return nil, f.err
}

func TestFails(t *testing.T) {
	boom := errors.New("boom")
	s := inboxtable.New(fake{boom}, "t")
	if _, swapped, err := s.Swap(t.Context(), inbox.Entry{}, ""); swapped || !errors.Is(err, boom) {
		t.Error(swapped, err)
	}
}

// An item that somebody else wrote lets nobody have the effect.
func TestUnreadable(t *testing.T) {
	str := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	num := func(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
	good := func() map[string]types.AttributeValue {
		return map[string]types.AttributeValue{
			"event": str("e"), "consumer": str("c"), "payload": str("p"), "state": str("done"), "token": str("t"),
			"claims": num("1"), "claimed": num("1"),
			"until": num("2"), "result": str(""), "expires": num("3"),
		}
	}
	for name, change := range map[string]func(map[string]types.AttributeValue){
		"good":                      nil,
		"no state":                  func(i map[string]types.AttributeValue) { delete(i, "state") },
		"a state that there is not": func(i map[string]types.AttributeValue) { i["state"] = str("sent") },
		"a number as text":          func(i map[string]types.AttributeValue) { i["until"] = str("2") },
		"no number":                 func(i map[string]types.AttributeValue) { i["until"] = num("2.5") },
		"permits as text":           func(i map[string]types.AttributeValue) { i["permits"] = str("p") },
		"a permit as a number": func(i map[string]types.AttributeValue) {
			i["permits"] = &types.AttributeValueMemberL{Value: []types.AttributeValue{str("p"), num("1")}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			there := good()
			if change != nil {
				change(there)
			}
			s := inboxtable.New(fake{&types.ConditionalCheckFailedException{Item: there}}, "t")
			box := inbox.Inbox{
				Store: s, Clock: clock.NewFake(time.Unix(0, 0)), Consumer: "c", Lease: time.Minute,
				Retention: time.Hour,
			}
			claim, err := box.Claim(t.Context(), inbox.Event{ID: "e", Payload: "p"})
			if readable := err == nil && claim.Done; readable != (change == nil) {
				t.Errorf("%+v, %v", claim, err)
			}
		})
	}
}
