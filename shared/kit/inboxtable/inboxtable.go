// Package inboxtable is the inbox.Store of the deployed program: a DynamoDB table with an item for
// each event and consumer.
package inboxtable

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/inbox"
)

// API is what the store needs of a DynamoDB client.
type API interface {
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
}

// The attributes of an item.
const (
	eventAttr    = "event"    // S, the partition key: events spread, and one shows all who handled it
	consumerAttr = "consumer" // S, the sort key
	payloadAttr  = "payload"  // S
	stateAttr    = "state"    // S
	tokenAttr    = "token"    // S
	claimsAttr   = "claims"   // N
	claimedAttr  = "claimed"  // N, Unix time in milliseconds
	untilAttr    = "until"    // N, Unix time in milliseconds
	resultAttr   = "result"   // S
	permitsAttr  = "permits"  // L of S; missing where none was used
	expiresAttr  = "expires"  // N, Unix time in seconds: the table's time to live
)

// Store is an inbox.Store on a table with the partition key event (S), the sort key consumer (S)
// and the time-to-live attribute expires. Times are kept to the millisecond, and when an entry
// expires to the second. It is safe for concurrent use.
type Store struct {
	api   API
	table string
}

// New makes a store on an existing table.
func New(api API, table string) Store { return Store{api: api, table: table} }

// Swap implements inbox.Store with one conditional put.
func (s Store) Swap(ctx context.Context, next inbox.Entry, was string) (inbox.Entry, bool, error) {
	put := &dynamodb.PutItemInput{
		TableName: &s.table, Item: encode(next),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		ConditionExpression:                 aws.String("attribute_not_exists(#event)"),
		ExpressionAttributeNames:            map[string]string{"#event": eventAttr},
	}
	if was != "" {
		put.ConditionExpression = aws.String("#token = :was")
		put.ExpressionAttributeNames = map[string]string{"#token": tokenAttr}
		put.ExpressionAttributeValues = dynamo.Item{":was": dynamo.S(was)}
	}
	_, err := s.api.PutItem(ctx, put)
	if met, refused := dynamo.ConditionFailed(err); refused {
		if len(met) == 0 {
			return inbox.Entry{}, false, nil
		}
		there, err := decode(met)
		return there, err == nil && inbox.Written(there, next), err
	}
	if err != nil {
		return inbox.Entry{}, false, fmt.Errorf("inboxtable: put: %w", dynamo.Failed(err))
	}
	return next, true, nil
}

func keyOf(k inbox.Key) dynamo.Item {
	return dynamo.Item{eventAttr: dynamo.S(k.Event), consumerAttr: dynamo.S(k.Consumer)}
}

func encode(e inbox.Entry) dynamo.Item {
	i := keyOf(e.Key)
	i[payloadAttr], i[resultAttr] = dynamo.S(e.Payload), dynamo.S(e.Result)
	i[stateAttr], i[tokenAttr] = dynamo.S(string(e.State)), dynamo.S(e.Token)
	i[claimsAttr], i[claimedAttr] = dynamo.N(e.Claims), dynamo.N(e.Claimed.UnixMilli())
	i[untilAttr], i[expiresAttr] = dynamo.N(e.Until.UnixMilli()), dynamo.N(e.Expires.Unix())
	if len(e.Permits) > 0 {
		i[permitsAttr] = dynamo.Strings(e.Permits)
	}
	return i
}

// decode reads an item. One that is none of this package's is an error and never an entry: it would
// let an effect happen that did.
func decode(i dynamo.Item) (inbox.Entry, error) {
	r := dynamo.Read(i)
	e := inbox.Entry{
		Key: inbox.Key{Event: r.String(eventAttr), Consumer: r.String(consumerAttr)}, Payload: r.String(payloadAttr),
		State: inbox.State(r.String(stateAttr)),
		Token: r.String(tokenAttr), Claims: r.Number(claimsAttr), Claimed: time.UnixMilli(r.Number(claimedAttr)).UTC(),
		Until: time.UnixMilli(r.Number(untilAttr)).UTC(), Result: r.String(resultAttr),
		Permits: r.OptionalStrings(permitsAttr),
		Expires: time.Unix(r.Number(expiresAttr), 0).UTC(),
	}
	if e.State != inbox.Claimed && e.State != inbox.Done && e.State != inbox.Failed {
		r.Failf(stateAttr, "is %q", e.State)
	}
	if err := r.Err(); err != nil {
		return inbox.Entry{}, fmt.Errorf(
			"inboxtable: the item of %s for %s can't be read: %w", e.Key.Event, e.Key.Consumer, err,
		)
	}
	return e, nil
}
