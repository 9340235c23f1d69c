package awsclient

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
)

// scripted gives one answer after the other, and keeps what was asked.
type scripted struct {
	asked []string
	give  []answer
}

type answer struct {
	status int
	body   string
}

func (a *scripted) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	a.asked = append(a.asked, string(body))
	next := a.give[0]
	a.give = a.give[1:]
	return &http.Response{
		StatusCode: next.status, Header: http.Header{}, Request: r,
		Body: io.NopCloser(bytes.NewReader([]byte(next.body))),
	}, err
}

func metered(give ...answer) (*Meter, *scripted, aws.Config) {
	meter, wire := &Meter{Name: func(table string) string { return "the " + table }}, &scripted{give: give}
	return meter, wire, aws.Config{
		Region: "eu-west-1", HTTPClient: wire, Credentials: aws.AnonymousCredentials{},
		APIOptions: []func(*middleware.Stack) error{PlainBodies, meter.Count},
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
			})
		},
	}
}

// Each attempt counts, units are what DynamoDB says of all tables together, and a Take begins anew.
func TestMeter(t *testing.T) {
	meter, wire, config := metered(
		answer{500, `{}`},
		answer{200, `{"ConsumedCapacity":{"TableName":"things","CapacityUnits":3}}`},
		answer{200, `{"ConsumedCapacity":{"TableName":"things","CapacityUnits":0.5}}`},
		answer{200, `{"ConsumedCapacity":[{"TableName":"a","CapacityUnits":4},{"TableName":"b","CapacityUnits":2}]}`},
	)
	db := dynamodb.NewFromConfig(config)
	key := map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "a"}}
	table := aws.String("things")
	if _, err := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: table, Item: key}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: table, Key: key}); err != nil {
		t.Fatal(err)
	}
	if _, err := db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
		TransactItems: []types.TransactWriteItem{{Put: &types.Put{TableName: aws.String("a"), Item: key}}},
	}); err != nil {
		t.Fatal(err)
	}
	for i, body := range wire.asked {
		if !strings.Contains(body, `"ReturnConsumedCapacity":"TOTAL"`) {
			t.Errorf("request %d doesn't ask for its units: %s", i, body)
		}
	}
	want := []Requests{
		{Service: "DynamoDB", Operation: "GetItem", On: "the things", Count: 1, Read: 0.5},
		{Service: "DynamoDB", Operation: "PutItem", On: "the things", Count: 2, Write: 3},
		{Service: "DynamoDB", Operation: "TransactWriteItems", Count: 1, Write: 6},
	}
	got, spent := meter.Take()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	if spent <= 0 {
		t.Errorf("the requests took %s", spent)
	}
	if again, spent := meter.Take(); len(again) != 0 || spent != 0 {
		t.Errorf("counted again: %v, %s", again, spent)
	}
}

// What a condition refuses is billed, and so counted at the least that it costs.
func TestMeterCountsRefusals(t *testing.T) {
	item := map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "a"}}
	meter, _, config := metered(
		answer{400, `{"__type":"ConditionalCheckFailedException"}`},
		answer{400, `{"__type":"TransactionCanceledException"}`},
		answer{400, `{"__type":"ValidationException"}`},
	)
	db := dynamodb.NewFromConfig(config)
	put := &types.Put{TableName: aws.String("things"), Item: item}
	_, one := db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: put.TableName, Item: item})
	_, two := db.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{
		TransactItems: []types.TransactWriteItem{{Put: put}, {Put: put}},
	})
	_, invalid := db.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: put.TableName, Key: item})
	if one == nil || two == nil || invalid == nil {
		t.Fatal("no error", one, two, invalid)
	}
	want := []Requests{
		{Service: "DynamoDB", Operation: "DeleteItem", On: "the things", Count: 1},
		{Service: "DynamoDB", Operation: "PutItem", On: "the things", Count: 1, Write: 1},
		{Service: "DynamoDB", Operation: "TransactWriteItems", Count: 1, Write: 4},
	}
	got, _ := meter.Take()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
}

// EventBridge bills a large event by its parts of 64 KB.
func TestEntries(t *testing.T) {
	type entry struct{ Detail *string }
	of := func(sizes ...int) any {
		in := struct{ Entries []entry }{}
		for _, size := range sizes {
			in.Entries = append(in.Entries, entry{aws.String(strings.Repeat("x", size))})
		}
		return &in
	}
	for _, tc := range []struct {
		input any
		want  int64
	}{
		{of(2, entryBytes), 2}, {of(2, entryBytes+1), 3}, {of(), 0}, {of(0), 1}, {&struct{ Name string }{}, 0}, {nil, 0},
	} {
		if got := entries(tc.input); got != tc.want {
			t.Errorf("%d entries, want %d", got, tc.want)
		}
	}
}

// Of a batch whose answer says nothing each key counts, of each table at its own price.
func TestMeterCountsKeys(t *testing.T) {
	meter, _, config := metered(answer{200, `{}`})
	keys := []map[string]types.AttributeValue{
		{"id": &types.AttributeValueMemberS{Value: "a"}}, {"id": &types.AttributeValueMemberS{Value: "b"}},
	}
	if _, err := dynamodb.NewFromConfig(config).BatchGetItem(t.Context(), &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{
			"consistent": {Keys: keys, ConsistentRead: aws.Bool(true)}, "eventual": {Keys: keys[:1]},
		},
	}); err != nil {
		t.Fatal(err)
	}
	got, _ := meter.Take()
	if len(got) != 1 || got[0].Read != 2.5 || got[0].Write != 0 {
		t.Errorf("counted %+v, want 2.5 read units", got)
	}
}
