package viewtable

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/read/view"
)

// fake answers with what a test gives it and keeps what it was asked.
type fake struct {
	mu           sync.Mutex
	err          error
	putErr       error   // of each put
	errs         []error // of the next requests, before err
	item         map[string]types.AttributeValue
	items        []dynamo.Item // that a batch read finds
	most         int           // how many a batch read gives at once, 0 for all
	pages        []*dynamodb.QueryOutput
	scans        []*dynamodb.ScanOutput
	puts         []*dynamodb.PutItemInput
	batches      []*dynamodb.BatchGetItemInput
	transactions []*dynamodb.TransactWriteItemsInput
	queries      []dynamodb.QueryInput
}

func (f *fake) next() error {
	if len(f.errs) == 0 {
		return f.err
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return err
}

func (f *fake) GetItem(
	context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	return &dynamodb.GetItemOutput{Item: f.item}, f.next()
}

func (f *fake) PutItem(
	_ context.Context, in *dynamodb.PutItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.PutItemOutput, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.puts = append(f.puts, in)
	if f.putErr != nil {
		return nil, f.putErr
	}
	return &dynamodb.PutItemOutput{}, f.next()
}

func (f *fake) BatchGetItem(
	_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	f.batches = append(f.batches, in)
	if err := f.next(); err != nil {
		return nil, err
	}
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]dynamo.Item{}}
	for table, of := range in.RequestItems {
		keys := of.Keys
		if len(keys) > f.most && f.most > 0 {
			keys, of.Keys = keys[:f.most], keys[f.most:]
			out.UnprocessedKeys = map[string]types.KeysAndAttributes{table: of}
		}
		for _, key := range keys {
			for _, item := range f.items {
				if cmp.Equal(key, dynamo.Item{"pk": item["pk"], "sk": item["sk"]}, unexported) {
					out.Responses[table] = append(out.Responses[table], item)
				}
			}
		}
	}
	return out, nil
}

func (f *fake) DeleteItem(
	context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options),
) (*dynamodb.DeleteItemOutput, error) {
	return &dynamodb.DeleteItemOutput{}, f.next()
}

func (f *fake) TransactWriteItems(
	_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	f.transactions = append(f.transactions, in)
	return &dynamodb.TransactWriteItemsOutput{}, f.next()
}

func (f *fake) Query(
	_ context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	f.queries = append(f.queries, *in)
	if err := f.next(); err != nil {
		return nil, err
	}
	page := f.pages[0]
	f.pages = f.pages[1:]
	return page, nil
}

func (f *fake) Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error) {
	if err := f.next(); err != nil {
		return nil, err
	}
	page := f.scans[0]
	f.scans = f.scans[1:]
	return page, nil
}

var (
	rows    = view.Generation{View: "things", Number: 3}
	errDown = errors.New("down")
	at      = time.Date(2026, 3, 4, 4, 6, 7, 80_000_000, time.UTC)
)

// thing is a row in two lists.
func thing(id string) view.Item {
	return view.Item{ID: id, Sequence: 7, Data: json.RawMessage(`{"colour":"red"}`), Writers: []string{"w2", "w1"},
		Keys: []view.Key{
			{Index: view.Index1, Partition: "red", Sort: "a#" + id}, {Index: view.Index3, Partition: "all", Sort: "b"},
		}}
}

func stored(id string) dynamo.Item {
	return dynamo.Item{
		"pk": dynamo.S("things#3#" + id), "sk": dynamo.S("row"), "data": dynamo.S(`{"colour":"red"}`),
		"sequence": dynamo.N(7),
		"writers":  dynamo.S("w2 w1"),
		"gsi1pk":   dynamo.S("things#3#red"), "gsi1sk": dynamo.S("a#" + id),
		"gsi3pk": dynamo.S("things#3#all"), "gsi3sk": dynamo.S("b"),
	}
}

// changed is the write of a row that adds n to a tally, none where n is 0.
func changed(id string, n int64) view.Write {
	w := view.Write{Generation: rows, Old: 6, Next: thing(id)}
	if n != 0 {
		w.Differences = []view.Tally{{Name: "by-colour", ID: "red", Counters: map[string]int64{"n": n, "weight": -5}}}
	}
	return w
}

// Whoever else writes is tried again; anything else is not, least of all a conflict that comes with
// a throttle.
func TestConflict(t *testing.T) {
	cancelled := func(codes ...string) error {
		err := &types.TransactionCanceledException{}
		for _, code := range codes {
			err.CancellationReasons = append(err.CancellationReasons, types.CancellationReason{Code: aws.String(code)})
		}
		return err
	}
	for name, tt := range map[string]struct {
		err      error
		conflict bool
	}{
		"condition":                {&types.ConditionalCheckFailedException{}, true},
		"another transaction":      {&types.TransactionConflictException{}, true},
		"condition, in two":        {cancelled("ConditionalCheckFailed", "None"), true},
		"another one, in two":      {cancelled("None", "TransactionConflict"), true},
		"both":                     {cancelled("ConditionalCheckFailed", "TransactionConflict"), true},
		"throttled":                {cancelled("None", "ThrottlingError"), false},
		"conflict and throttled":   {cancelled("TransactionConflict", "ProvisionedThroughputExceeded"), false},
		"invalid":                  {cancelled("None", "ValidationError"), false},
		"cancelled for no reason":  {cancelled(), false},
		"too many requests":        {&types.RequestLimitExceeded{}, false},
		"nobody knows what it was": {errDown, false},
	} {
		t.Run(name, func(t *testing.T) {
			api := &fake{err: tt.err}
			table := New(api, "views")
			for what, err := range map[string]error{
				"row":         table.Put(context.Background(), changed("o1", 0))[0],
				"transaction": table.Put(context.Background(), changed("o1", 1))[0],
				"control":     table.Save(context.Background(), view.Control{View: "things"}),
			} {
				if errors.Is(err, es.ErrConflict) != tt.conflict || !tt.conflict && !errors.Is(err, tt.err) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if len(api.puts) != 2 || len(api.transactions) != 1 {
				t.Errorf("%d puts, %d transactions", len(api.puts), len(api.transactions))
			}
		})
	}
}

// A transaction that is throttled is tried again by the client, as a put is; what the same
// transaction would meet again is the caller's.
func TestThrottledTransaction(t *testing.T) {
	const busy, none = `{"Code":"ThrottlingError","Message":"slow down"}`, `{"Code":"None"}`
	for name, tt := range map[string]struct {
		reasons  string // of the first two answers
		requests int
		ok       bool
	}{
		"throttled":              {none + "," + busy, 3, true},
		"and in conflict":        {`{"Code":"TransactionConflict"},` + busy, 3, true},
		"and the row is another": {`{"Code":"ConditionalCheckFailed"},` + busy, 1, false},
		"in conflict":            {none + `,{"Code":"TransactionConflict"}`, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			var tokens []string
			server := httptest.NewServer(http.HandlerFunc(func(res http.ResponseWriter, req *http.Request) {
				var asked struct{ ClientRequestToken string }
				if err := json.NewDecoder(req.Body).Decode(&asked); err != nil {
					t.Error(err)
				}
				tokens = append(tokens, asked.ClientRequestToken)
				res.Header().Set("Content-Type", "application/x-amz-json-1.0")
				answer := "{}"
				if len(tokens) < 3 {
					res.WriteHeader(http.StatusBadRequest)
					answer = `{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",` +
						`"CancellationReasons":[` + tt.reasons + `]}`
				}
				if _, err := io.WriteString(res, answer); err != nil {
					t.Error(err)
				}
			}))
			defer server.Close()
			client := dynamodb.NewFromConfig(aws.Config{
				Region: "us-east-1", BaseEndpoint: aws.String(server.URL),
				Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
				Retryer: func() aws.Retryer {
					return retry.NewStandard(func(o *retry.StandardOptions) {
						o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
					})
				},
			})
			err := New(client, "views").Put(t.Context(), changed("o1", 1))[0]
			if (err == nil) != tt.ok || len(tokens) != tt.requests || tokens[0] == "" ||
				len(slices.Compact(tokens)) != 1 {
				t.Errorf("requests with the tokens %q, %v", tokens, err)
			}
		})
	}
}

// A row is the item that the package's comment describes, and is read back from it.
func TestRow(t *testing.T) {
	for name, tt := range map[string]struct {
		old       int64
		condition string
		values    dynamo.Item
	}{
		"a new one": {0, "attribute_not_exists(pk)", nil},
		"changed":   {6, "#sequence = :old", dynamo.Item{":old": dynamo.N(6)}},
	} {
		t.Run(name, func(t *testing.T) {
			api := &fake{item: stored("o#1")}
			table := New(api, "views")
			w := view.Write{Generation: rows, Old: tt.old, Next: thing("o#1")}
			if err := table.Put(context.Background(), w)[0]; err != nil {
				t.Fatal(err)
			}
			put := api.puts[0]
			if diff := cmp.Diff(stored("o#1"), put.Item, unexported); diff != "" ||
				*put.ConditionExpression != tt.condition || *put.TableName != "views" {
				t.Errorf("on %s, (-want +got)\n%s", *put.ConditionExpression, diff)
			}
			if diff := cmp.Diff(tt.values, put.ExpressionAttributeValues, unexported); diff != "" {
				t.Errorf("values (-want +got)\n%s", diff)
			}
			got, err := table.Row(context.Background(), rows, "o#1")
			if diff := cmp.Diff(thing("o#1"), got); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
	got, err := New(&fake{}, "views").Row(context.Background(), rows, "none")
	if diff := cmp.Diff(view.Item{ID: "none"}, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// unexported lets cmp look into attribute values.
var unexported = cmpopts.IgnoreUnexported(types.AttributeValueMemberS{}, types.AttributeValueMemberN{})

// Rows that add to tallies are written in one transaction, in which what they add to one tally is
// one action; the others by a put each, which costs half. A row that is refused is left out, and
// the others are sent again without it.
func TestTogether(t *testing.T) {
	none := types.CancellationReason{Code: aws.String("None")}
	refused := types.CancellationReason{Code: aws.String("ConditionalCheckFailed")}
	busy := types.CancellationReason{Code: aws.String("TransactionConflict")}
	other := changed("o4", 7)
	other.Differences[0].ID = "yellow" // behind red
	for name, tt := range map[string]struct {
		reasons      []types.CancellationReason // of the first transaction: its four rows, and two tallies
		transactions int
		conflicts    string // results that are
	}{
		"all at once":                    {nil, 1, ""},
		"one is refused":                 {[]types.CancellationReason{none, refused, none, none, none, none}, 2, "2"},
		"a tally that others write":      {[]types.CancellationReason{none, none, none, none, none, busy}, 2, "3"},
		"the tally of all but one":       {[]types.CancellationReason{none, none, none, none, busy, none}, 2, "0 2 4"},
		"a row and the tally of the one": {[]types.CancellationReason{refused, none, none, none, none, busy}, 2, "0 3"},
	} {
		t.Run(name, func(t *testing.T) {
			api := &fake{}
			if tt.reasons != nil {
				api.errs = []error{&types.TransactionCanceledException{CancellationReasons: tt.reasons}}
			}
			api.putErr = errDown
			results := New(api, "views").Put(
				t.Context(), changed("o0", 1), changed("o1", 0), changed("o2", 2), other, changed("o5", 3),
			)
			var conflicts []string
			for i, err := range results {
				if errors.Is(err, es.ErrConflict) {
					conflicts = append(conflicts, strconv.Itoa(i))
				} else if (err != nil) != (i == 1) {
					t.Errorf("%d: %v", i, err)
				}
			}
			if got := strings.Join(conflicts, " "); got != tt.conflicts || len(api.transactions) != tt.transactions ||
				len(api.puts) != 1 {
				t.Errorf(
					"conflicts %q after %d transactions and %d puts", got, len(api.transactions), len(api.puts),
				)
			}
			first := api.transactions[0].TransactItems
			if len(first) != 6 {
				t.Fatalf("%d actions", len(first))
			}
			sum := first[4].Update.ExpressionAttributeValues
			if diff := cmp.Diff(
				dynamo.Item{":r": dynamo.N(1), ":c0": dynamo.N(6), ":c1": dynamo.N(-15)}, sum, unexported,
			); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Controls and rows are read by one request, consistently, and what DynamoDB leaves of it by
// another.
func TestLook(t *testing.T) {
	control := dynamo.Item{
		"pk": dynamo.S("control"), "sk": dynamo.S("things"), "revision": dynamo.N(2), "data": dynamo.S(`{"Serving":3}`),
	}
	broken := stored("o3")
	broken["sequence"] = dynamo.S("x")
	for name, most := range map[string]int{"at once": 0, "in parts": 2} {
		t.Run(name, func(t *testing.T) {
			api := &fake{most: most, items: []dynamo.Item{stored("o1"), broken, control}}
			places := []view.Place{
				{Generation: rows, ID: "o1"}, {Generation: rows, ID: "o2"}, {Generation: rows, ID: "o3"},
			}
			controls, looked, err := New(api, "views").Look(t.Context(), []string{"things", "others"}, places)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]view.Control{
				"things": {View: "things", Revision: 2, Serving: 3}, "others": {View: "others"},
			}
			if diff := cmp.Diff(want, controls); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if diff := cmp.Diff(
				[]view.Item{thing("o1"), {ID: "o2"}}, []view.Item{looked[0].Row, looked[1].Row},
			); diff != "" || looked[0].Err != nil || looked[1].Err != nil || !errors.Is(looked[2].Err, es.ErrCorrupt) {
				t.Errorf("%+v (-want +got)\n%s", looked, diff)
			}
			if requests := len(api.batches); requests != 1 && most == 0 ||
				!*api.batches[0].RequestItems["views"].ConsistentRead {
				t.Errorf("%d requests", requests)
			}
		})
	}
}

// What is added to a tally's attributes is what is read from them, in one transaction with the row.
func TestTally(t *testing.T) {
	api := &fake{}
	if err := New(api, "views").Put(context.Background(), changed("o1", 2))[0]; err != nil {
		t.Fatal(err)
	}
	writes := api.transactions[0].TransactItems
	if len(writes) != 2 || writes[0].Put == nil || writes[1].Update == nil {
		t.Fatalf("%+v", writes)
	}
	update := writes[1].Update
	if diff := cmp.Diff(
		dynamo.Item{"pk": dynamo.S("things#3#red"), "sk": dynamo.S("tally#by-colour")}, update.Key, unexported,
	); diff != "" {
		t.Errorf("key (-want +got)\n%s", diff)
	}
	if *update.UpdateExpression != "ADD #r :r, #c0 :c0, #c1 :c1" {
		t.Errorf("got %s", *update.UpdateExpression)
	}
	item := dynamo.Item{}
	for placeholder, name := range update.ExpressionAttributeNames {
		item[name] = update.ExpressionAttributeValues[":"+placeholder[1:]]
	}
	counters, revision, err := New(&fake{item: item}, "views").Tally(context.Background(), rows, "by-colour", "red")
	if diff := cmp.Diff(map[string]int64{"n": 2, "weight": -5}, counters); diff != "" || err != nil || revision != 1 {
		t.Errorf("revision %d, %v (-want +got)\n%s", revision, err, diff)
	}
}

func TestItemsThatCannotBeRead(t *testing.T) {
	for name, tt := range map[string]struct {
		attribute string
		value     types.AttributeValue
	}{
		"no text":              {"data", dynamo.N(1)},
		"a text as a number":   {"sequence", dynamo.S("1")},
		"no int64":             {"sequence", &types.AttributeValueMemberN{Value: "1e40"}},
		"no sequence":          {"sequence", nil},
		"another's list":       {"gsi1pk", dynamo.S("things#4#red")},
		"a list without place": {"gsi1sk", dynamo.N(1)},
	} {
		t.Run(name, func(t *testing.T) {
			item := stored("o1")
			item[tt.attribute] = tt.value
			if _, err := New(&fake{item: item}, "views").Row(
				context.Background(), rows, "o1",
			); !errors.Is(err, es.ErrCorrupt) {
				t.Error(err)
			}
			// It can be found all the same, so that it can be named and deleted.
			found := false
			for page, err := range New(
				&fake{scans: []*dynamodb.ScanOutput{{Items: []dynamo.Item{item}}}}, "views",
			).Entries(context.Background(), "things", 0, 1) {
				found = err == nil && len(page) == 1 && page[0].ID == "o1" && page[0].Row.Sequence == 0
			}
			if !found {
				t.Error("it is not among the entries")
			}
		})
	}
	wrong := dynamo.Item{
		"pk": dynamo.S("things#x#o1"), "sk": dynamo.S("row"), "data": dynamo.N(1), "revision": dynamo.S("x"),
		"tally_n": dynamo.S("1"),
		"newest":  dynamo.S("yesterday"),
	}
	table := func() Table {
		return New(
			&fake{
				item: wrong, pages: []*dynamodb.QueryOutput{{Items: []dynamo.Item{wrong}}},
				scans: []*dynamodb.ScanOutput{{Items: []dynamo.Item{wrong}}},
			},
			"views",
		)
	}
	ctx := context.Background()
	_, controlErr := table().Control(ctx, "things")
	unread := &fake{items: []dynamo.Item{{"pk": dynamo.S("control"), "sk": dynamo.S("things"), "data": dynamo.N(1)}}}
	_, _, controlsErr := New(unread, "views").Look(ctx, []string{"things"}, nil)
	_, checkpointsErr := table().Checkpoints(ctx)
	_, positionErr := table().Position(ctx, rows, 1)
	_, _, tallyErr := table().Tally(ctx, rows, "n", "red")
	var entriesErr, listErr error
	for _, err := range table().Entries(ctx, "things", 0, 1) {
		entriesErr = err
	}
	for _, err := range table().List(ctx, rows, view.Query{Index: view.Index1, Partition: "red"}) {
		listErr = err
	}
	for what, err := range map[string]error{
		"control": controlErr, "controls": controlsErr, "checkpoints": checkpointsErr, "position": positionErr,
		"tally": tallyErr, "entries": entriesErr, "list": listErr,
	} {
		if err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// What others noted in the same part meanwhile stays, and what was noted before is not noted again.
func TestAdvance(t *testing.T) {
	refused := &types.ConditionalCheckFailedException{}
	noted := dynamo.Item{
		"pk": dynamo.S("checkpoint"), "revision": dynamo.N(4),
		"data": dynamo.S(`{"views":{"things":{"Events":2}},"tokens":["b1"]}`),
	}
	for name, tt := range map[string]struct {
		item  dynamo.Item
		errs  []error
		puts  int
		fails bool
	}{
		"the first":        {nil, nil, 1, false},
		"another writes":   {nil, []error{nil, refused}, 2, false},
		"others, for ever": {nil, slices.Repeat([]error{nil, refused}, 10), 10, true},
		"noted before":     {noted, nil, 0, false},
		"can't be read":    {nil, []error{errDown}, 0, true},
		"can't be written": {nil, []error{nil, errDown}, 1, true},
		"is no checkpoint": {dynamo.Item{"data": dynamo.S("[")}, nil, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			api := &fake{errs: tt.errs, item: tt.item}
			err := New(api, "views").Advance(
				t.Context(), "b1", map[string]view.Checkpoint{"things": {Newest: at, Events: 3}},
			)
			if (err != nil) != tt.fails || len(api.puts) != tt.puts {
				t.Errorf("%v after %d puts", err, len(api.puts))
			}
		})
	}
}

// Tokens are spread over the parts, and each part names the last ones.
func TestPartsOfACheckpoint(t *testing.T) {
	parts := map[string]int{}
	var last part
	for i := range 200 {
		api, token := &fake{}, "b"+strconv.Itoa(i)
		if len(last.Tokens) > 0 {
			data, err := json.Marshal(last)
			if err != nil {
				t.Fatal(err)
			}
			api.item = dynamo.Item{"data": dynamo.S(string(data)), "revision": dynamo.N(int64(i))}
		}
		of := map[string]view.Checkpoint{"things": {Newest: at.Add(time.Duration(-i)), Events: 1}}
		if err := New(api, "views").Advance(t.Context(), token, of); err != nil {
			t.Fatal(err)
		}
		put := api.puts[0]
		parts[put.Item["sk"].(*types.AttributeValueMemberS).Value]++
		var err error
		if last, _, err = partOf(put.Item); err != nil || last.Tokens[0] != token || len(last.Tokens) > tokensOfAPart {
			t.Fatalf("%+v, %v", last, err)
		}
		if want := "attribute_not_exists(pk)"; (*put.ConditionExpression == want) != (i == 0) {
			t.Errorf("put %d on %s", i, *put.ConditionExpression)
		}
	}
	if len(parts) != checkpointParts || parts["#0"] == 0 {
		t.Errorf("%v", parts)
	}
	if want := (view.Checkpoint{Newest: at, Events: 200}); last.Views["things"] != want {
		t.Errorf("%+v, want %+v", last.Views["things"], want)
	}
}

// A checkpoint is the sum of its parts, each view's by itself, as of the newest.
func TestCheckpoints(t *testing.T) {
	item := func(sk, views string) dynamo.Item {
		return dynamo.Item{
			"pk": dynamo.S("checkpoint"), "sk": dynamo.S(sk), "revision": dynamo.N(2),
			"data": dynamo.S(`{"views":` + views + `,"tokens":["b"]}`),
		}
	}
	api := &fake{pages: []*dynamodb.QueryOutput{{Items: []dynamo.Item{
		item("#11", `{"things":{"Newest":"2026-03-04T04:06:09Z","Events":20,"Lag":3},"others":{"Events":7}}`),
		item("#7", `{"things":{"Newest":"2026-03-04T04:06:07Z","Events":1000}}`),
	}}}}
	got, err := New(api, "views").Checkpoints(t.Context())
	want := map[string]view.Checkpoint{
		"things": {Newest: time.Date(2026, 3, 4, 4, 6, 9, 0, time.UTC), Events: 1020, Lag: 3}, "others": {Events: 7},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// A page of a query may be empty and yet not the last, and the table answers with no more than a
// megabyte at a time.
func TestPages(t *testing.T) {
	last := dynamo.Item{"pk": dynamo.S("x")}
	api := &fake{pages: []*dynamodb.QueryOutput{
		{Items: []dynamo.Item{stored("o1")}, LastEvaluatedKey: last}, {LastEvaluatedKey: last},
		{Items: []dynamo.Item{stored("o2"), stored("o3")}},
	}}
	var got []string
	for item, err := range New(api, "views").List(
		context.Background(), rows, view.Query{Index: view.Index1, Partition: "red", Limit: 2},
	) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, item.ID)
	}
	if !slices.Equal(got, []string{"o1", "o2", "o3"}) || api.queries[0].ExclusiveStartKey != nil ||
		api.queries[2].ExclusiveStartKey == nil || *api.queries[0].Limit != 2 {
		t.Errorf("%v by %+v", got, api.queries)
	}
	api = &fake{scans: []*dynamodb.ScanOutput{
		{Items: []dynamo.Item{stored("o1")}, LastEvaluatedKey: last}, {LastEvaluatedKey: last},
		{Items: []dynamo.Item{stored("o2")}},
	}}
	got = nil
	for page, err := range New(api, "views").Entries(context.Background(), "things", 0, 1) {
		if err != nil || len(page) != 1 || page[0].Generation != rows {
			t.Fatal(page, err)
		}
		got = append(got, page[0].ID)
	}
	if !slices.Equal(got, []string{"o1", "o2"}) {
		t.Errorf("entries %v", got)
	}
}

func TestTableThatIsDown(t *testing.T) {
	ctx, table := context.Background(), New(&fake{err: errDown}, "views")
	_, rowErr := table.Row(ctx, rows, "o1")
	_, controlErr := table.Control(ctx, "things")
	_, _, lookErr := table.Look(ctx, []string{"things"}, nil)
	_, checkpointsErr := table.Checkpoints(ctx)
	var entriesErr, listErr error
	for _, err := range table.Entries(ctx, "things", 0, 1) {
		entriesErr = err
	}
	for _, err := range table.List(ctx, rows, view.Query{Index: view.Index1, Partition: "red"}) {
		listErr = err
	}
	for what, err := range map[string]error{
		"row": rowErr, "control": controlErr, "look": lookErr, "checkpoints": checkpointsErr,
		"entries": entriesErr, "list": listErr,
		"delete":   table.Delete(ctx, []view.Entry{{Kind: view.KindRow}}),
		"position": table.SavePosition(ctx, rows, 0, view.Position{}),
	} {
		if !errors.Is(err, errDown) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
