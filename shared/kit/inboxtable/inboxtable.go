// Package inboxtable is the inbox.Store of the deployed program: a DynamoDB table with an item for
// each event and consumer.
package inboxtable

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

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

type item = map[string]types.AttributeValue

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
		put.ExpressionAttributeValues = item{":was": text(was)}
	}
	_, err := s.api.PutItem(ctx, put)
	if refused, ok := errors.AsType[*types.ConditionalCheckFailedException](err); ok {
		if len(refused.Item) == 0 {
			return inbox.Entry{}, false, nil
		}
		there, err := decode(refused.Item)
		return there, err == nil && inbox.Written(there, next), err
	}
	if err != nil {
		return inbox.Entry{}, false, fmt.Errorf("inboxtable: put: %w", err)
	}
	return next, true, nil
}

func keyOf(k inbox.Key) item { return item{eventAttr: text(k.Event), consumerAttr: text(k.Consumer)} }

func encode(e inbox.Entry) item {
	i := keyOf(e.Key)
	i[payloadAttr], i[stateAttr], i[tokenAttr], i[resultAttr] = text(e.Payload), text(string(e.State)), text(e.Token),
		text(e.Result)
	i[claimsAttr], i[claimedAttr], i[untilAttr] = number(e.Claims), number(e.Claimed.UnixMilli()),
		number(e.Until.UnixMilli())
	i[expiresAttr] = number(e.Expires.Unix())
	if len(e.Permits) > 0 {
		i[permitsAttr] = texts(e.Permits)
	}
	return i
}

// decode reads an item. One that is none of this package's is an error and never an entry: it would
// let an effect happen that did.
func decode(i item) (inbox.Entry, error) {
	r := reader{item: i}
	e := inbox.Entry{
		Key: inbox.Key{Event: r.text(eventAttr), Consumer: r.text(consumerAttr)}, Payload: r.text(payloadAttr),
		State: inbox.State(r.text(stateAttr)),
		Token: r.text(tokenAttr), Claims: r.number(claimsAttr), Claimed: time.UnixMilli(r.number(claimedAttr)).UTC(),
		Until: time.UnixMilli(r.number(untilAttr)).UTC(), Result: r.text(resultAttr), Permits: r.texts(permitsAttr),
		Expires: time.Unix(r.number(expiresAttr), 0).UTC(),
	}
	if e.State != inbox.Claimed && e.State != inbox.Done && e.State != inbox.Failed {
		r.missing = append(r.missing, stateAttr)
	}
	if len(r.missing) > 0 {
		return inbox.Entry{}, fmt.Errorf(
			"inboxtable: the item of %s for %s can't be read: %v", e.Key.Event, e.Key.Consumer, r.missing,
		)
	}
	return e, nil
}

// reader reads attributes and notes those that are missing or of another kind.
type reader struct {
	item    item
	missing []string
}

func (r *reader) text(name string) string {
	s, ok := r.item[name].(*types.AttributeValueMemberS)
	if !ok {
		r.missing = append(r.missing, name)
		return ""
	}
	return s.Value
}

func (r *reader) number(name string) int64 {
	if n, ok := r.item[name].(*types.AttributeValueMemberN); ok {
		if v, err := strconv.ParseInt(n.Value, 10, 64); err == nil {
			return v
		}
	}
	r.missing = append(r.missing, name)
	return 0
}

// texts reads a list, nil where it is missing.
func (r *reader) texts(name string) (texts []string) {
	value, there := r.item[name]
	if !there {
		return nil
	}
	list, _ := value.(*types.AttributeValueMemberL)
	if list == nil {
		r.missing = append(r.missing, name)
		return nil
	}
	for _, v := range list.Value {
		if s, ok := v.(*types.AttributeValueMemberS); ok {
			texts = append(texts, s.Value)
		} else {
			r.missing = append(r.missing, name)
		}
	}
	return texts
}

func texts(all []string) types.AttributeValue {
	list := &types.AttributeValueMemberL{}
	for _, s := range all {
		list.Value = append(list.Value, text(s))
	}
	return list
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}
