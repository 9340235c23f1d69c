package dynamostore

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
)

// record is a record of the table's stream as Lambda hands it over.
const record = `{
	"stream": {"S": "order/1"}, "version": {"N": "3"}, "count": {"N": "2"}, "commit": {"S": "do:1"}, "fingerprint": {"S": "f"},
	"time": {"S": "2026-03-29T01:59:59.123456789Z"},
	"meta": {"M": {"correlationId": {"S": "c"}, "causationId": {"S": "s/charge"}, "traceparent": {"S": "00-1"}, "tracestate": {"S": "a=1"}, "actor": {"S": "u"}}},
	"events": {"L": [
		{"M": {"type": {"S": "test.noted"}, "schema": {"N": "1"}, "data": {"S": "{\"text\":\"ü\"}"}}},
		{"M": {"type": {"S": "test.counted"}, "schema": {"N": "1"}, "data": {"S": "{\"n\":-9223372036854775808}"}}}
	]},
	"strange": {"L": [{"BOOL": true}, {"NULL": true}, {"B": "AAEC"}, {"BS": ["AA=="]}, {"NS": ["1"]}, {"SS": ["a"]}]}
}`

func image(t testing.TB, text string) map[string]events.DynamoDBAttributeValue {
	t.Helper()
	var m map[string]events.DynamoDBAttributeValue
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestCommitFromImage(t *testing.T) {
	got, err := CommitFromImage(image(t, record))
	if err != nil {
		t.Fatal(err)
	}
	want := es.StoredCommit{
		Stream: "order/1", First: 3, ID: "do:1", Fingerprint: "f", Time: estest.Start,
		Metadata: es.Metadata{CorrelationID: "c", CausationID: "s/charge", Traceparent: "00-1", Tracestate: "a=1", Actor: "u"},
		Events: []es.Stored{
			{Type: "test.noted", Schema: 1, Data: json.RawMessage(`{"text":"ü"}`)},
			{Type: "test.counted", Schema: 1, Data: json.RawMessage(`{"n":-9223372036854775808}`)},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	decoded, err := es.NewRegistry(estest.Register).DecodeCommit(got, 0)
	if err != nil || len(decoded) != 2 || decoded[1].Data != (estest.Counted{N: -1 << 63}) || decoded[1].Version != 4 {
		t.Errorf("%+v, %v", decoded, err)
	}
}

func TestCommitFromBadImage(t *testing.T) {
	for name, change := range map[string]func(map[string]events.DynamoDBAttributeValue){
		"empty":     func(m map[string]events.DynamoDBAttributeValue) { clear(m) },
		"no stream": func(m map[string]events.DynamoDBAttributeValue) { delete(m, attrStream) },
		"stream a number": func(m map[string]events.DynamoDBAttributeValue) {
			m[attrStream] = events.NewNumberAttribute("1")
		},
		"version is text": func(m map[string]events.DynamoDBAttributeValue) {
			m[attrVersion] = events.NewStringAttribute("1")
		},
		"no commit": func(m map[string]events.DynamoDBAttributeValue) { delete(m, attrCommit) },
		"events is a map": func(m map[string]events.DynamoDBAttributeValue) {
			m[attrEvents] = events.NewMapAttribute(nil)
		},
		"too few events": func(m map[string]events.DynamoDBAttributeValue) {
			m[attrEvents] = events.NewListAttribute(nil)
		},
		"keys only": func(m map[string]events.DynamoDBAttributeValue) {
			delete(m, attrEvents)
			delete(m, attrCount)
		},
		"a zero attribute": func(m map[string]events.DynamoDBAttributeValue) {
			m[attrEvents] = events.NewNullAttribute()
		},
	} {
		m := image(t, record)
		change(m)
		if c, err := CommitFromImage(m); !errors.Is(err, es.ErrCorrupt) {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
}

func toImage(item attributes) map[string]events.DynamoDBAttributeValue {
	out := map[string]events.DynamoDBAttributeValue{}
	for name, v := range item {
		out[name] = toImageValue(v)
	}
	return out
}

func toImageValue(v types.AttributeValue) events.DynamoDBAttributeValue {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return events.NewStringAttribute(v.Value)
	case *types.AttributeValueMemberN:
		return events.NewNumberAttribute(v.Value)
	case *types.AttributeValueMemberM:
		return events.NewMapAttribute(toImage(v.Value))
	case *types.AttributeValueMemberB:
		return events.NewBinaryAttribute(v.Value)
	case *types.AttributeValueMemberL:
		var list []events.DynamoDBAttributeValue
		for _, e := range v.Value {
			list = append(list, toImageValue(e))
		}
		return events.NewListAttribute(list)
	}
	panic("encodeItem makes no such value")
}

// TestItemSize follows the examples and rules of "DynamoDB item sizes and formats".
func TestItemSize(t *testing.T) {
	tests := []struct {
		name string
		item attributes
		want int
	}{
		{"nothing", attributes{}, 0},
		{"text counts in UTF-8", attributes{"Attr": text("ü🙂")}, 4 + 6},
		{"a number", attributes{"n": number(1234567)}, 1 + 6},
		{"bytes", attributes{"b": &types.AttributeValueMemberB{Value: make([]byte, 9)}}, 10},
		{"a boolean", attributes{"b": &types.AttributeValueMemberBOOL{}}, 2},
		{"null", attributes{"b": &types.AttributeValueMemberNULL{}}, 2},
		{"an empty list", attributes{"l": &types.AttributeValueMemberL{}}, 4},
		{
			"a list",
			attributes{"l": &types.AttributeValueMemberL{Value: []types.AttributeValue{text("ab"), text("c")}}},
			1 + 3 + 3 + 2,
		},
		{"a map", attributes{"m": &types.AttributeValueMemberM{Value: attributes{"ab": text("c")}}}, 1 + 3 + 4},
		{"sets", attributes{
			"s": &types.AttributeValueMemberSS{Value: []string{"ab"}},
			"n": &types.AttributeValueMemberNS{Value: []string{"12"}},
			"b": &types.AttributeValueMemberBS{Value: [][]byte{{1}}},
		}, 3 + 3 + 5 + 2},
	}
	for _, tt := range tests {
		if got := itemSize(tt.item); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	key := attributes{"sku": text("abc")} // 6
	for i, item := range []types.TransactWriteItem{
		{Put: &types.Put{Item: key}}, {Delete: &types.Delete{Key: key}},
		{ConditionCheck: &types.ConditionCheck{Key: key}},
		{Update: &types.Update{Key: key, ExpressionAttributeValues: attributes{}}},
	} {
		if got := transactItemSize(item); got != 6 {
			t.Errorf("item %d has size %d", i, got)
		}
	}
	if got := transactItemSize(types.TransactWriteItem{}); got != 0 {
		t.Errorf("no item has size %d", got)
	}
}

// TestLimits: nothing is sent that passes a limit; an API without answers would fail otherwise.
func TestLimits(t *testing.T) {
	s := newStore(fakeAPI{})
	large := taking{
		items: []types.TransactWriteItem{{
			Put: &types.Put{Item: attributes{"x": text(strings.Repeat("x", MaxAppendBytes))}},
		}},
	}
	many := taking{items: make([]types.TransactWriteItem, MaxItems)}
	big := commitAt(order, 0, "mine")
	big.Events = []any{estest.Noted{Text: estest.Text(1, 2*MaxCommitBytes)}}
	huge := commitAt(order, 0, "mine")
	huge.Events = []any{estest.Noted{Text: strings.Repeat("x", MaxEventsBytes)}}
	for name, tt := range map[string]struct {
		commit es.Commit
		effect []es.Effect
		what   string
	}{
		"a commit":               {big, nil, "bytes of a commit"},
		"the events of a commit": {huge, nil, "bytes of a commit's events"},
		"a commit with effect":   {big, []es.Effect{taking{}}, "bytes of a commit"},
		"an effect's items":      {commitAt(order, 0, "mine"), []es.Effect{many}, "items of a transaction"},
		"the bytes of an effect": {commitAt(order, 0, "mine"), []es.Effect{large}, "bytes of a transaction"},
	} {
		_, err := s.Append(t.Context(), []es.Commit{tt.commit}, tt.effect...)
		var limit *es.LimitError
		if !errors.As(err, &limit) || limit.What != tt.what || limit.Actual <= limit.Limit {
			t.Errorf("%s: %v", name, err)
		}
	}
}
