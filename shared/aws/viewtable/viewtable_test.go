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
	err          error
	errs         []error // of the next requests, before err
	item         map[string]types.AttributeValue
	pages        []*dynamodb.QueryOutput
	scans        []*dynamodb.ScanOutput
	puts         []*dynamodb.PutItemInput
	updates      []*dynamodb.UpdateItemInput
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
	f.puts = append(f.puts, in)
	return &dynamodb.PutItemOutput{}, f.next()
}

func (f *fake) UpdateItem(
	_ context.Context, in *dynamodb.UpdateItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	f.updates = append(f.updates, in)
	return &dynamodb.UpdateItemOutput{}, f.next()
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

func tally(n int64) []view.Tally {
	return []view.Tally{{Name: "by-colour", ID: "red", Counters: map[string]int64{"n": n, "weight": -5}}}
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
				"row":         table.Put(context.Background(), rows, 6, thing("o1"), nil),
				"transaction": table.Put(context.Background(), rows, 6, thing("o1"), tally(1)),
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
			err := New(client, "views").Put(t.Context(), rows, 6, thing("o1"), tally(1))
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
			if err := table.Put(context.Background(), rows, tt.old, thing("o#1"), nil); err != nil {
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

// What is added to a tally's attributes is what is read from them, in one transaction with the row.
func TestTally(t *testing.T) {
	api := &fake{}
	if err := New(api, "views").Put(context.Background(), rows, 6, thing("o1"), tally(2)); err != nil {
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
	_, controlsErr := table().Controls(ctx)
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

// A batch that brought nothing newer than another one still counts its events, and one that is
// noted already is no error.
func TestAdvance(t *testing.T) {
	refused := &types.ConditionalCheckFailedException{}
	for name, tt := range map[string]struct {
		errs    []error
		updates int
		fails   bool
	}{
		"newer":                  {nil, 1, false},
		"older":                  {[]error{refused}, 2, false},
		"noted before":           {[]error{refused, refused}, 2, false},
		"down":                   {[]error{errDown}, 1, true},
		"down for the second":    {[]error{refused, errDown}, 2, true},
		"another write, at once": {[]error{&types.TransactionConflictException{}}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			api := &fake{errs: tt.errs}
			err := New(api, "views").Advance(
				context.Background(), "things", "b1", view.Checkpoint{Newest: at, Events: 3},
			)
			if (err != nil) != tt.fails || len(api.updates) != tt.updates {
				t.Errorf("%v after %d updates", err, len(api.updates))
			}
		})
	}
}

// Both of a batch's writes are of one part, and have the condition that the part doesn't name the
// batch.
func TestPartsOfACheckpoint(t *testing.T) {
	parts := map[string]int{}
	for i := range 200 {
		api := &fake{errs: []error{&types.ConditionalCheckFailedException{}}}
		batch := "b" + strconv.Itoa(i)
		if err := New(api, "views").Advance(t.Context(), "things", batch, view.Checkpoint{Newest: at}); err != nil {
			t.Fatal(err)
		}
		first := api.updates[0]
		if diff := cmp.Diff(first.Key, api.updates[1].Key, unexported); diff != "" {
			t.Errorf("the second write is of another item (-first +second)\n%s", diff)
		}
		for _, in := range api.updates {
			if !strings.Contains(*in.ConditionExpression, batchUnknown) ||
				!strings.Contains(*in.UpdateExpression, rememberBatch) {
				t.Errorf("%s on %s", *in.UpdateExpression, *in.ConditionExpression)
			}
			if got := in.ExpressionAttributeValues[":batch"].(*types.AttributeValueMemberS).Value; got != batch {
				t.Errorf("it notes %s", got)
			}
		}
		parts[first.Key["sk"].(*types.AttributeValueMemberS).Value]++
	}
	if len(parts) != checkpointParts || parts["things#0"] == 0 {
		t.Errorf("%v", parts)
	}
}

// A checkpoint is the sum of its parts and of what the releases before the parts kept, as of the
// newest.
func TestCheckpoints(t *testing.T) {
	item := func(sk string, newest time.Time, events int64) dynamo.Item {
		return dynamo.Item{
			"pk": dynamo.S("checkpoint"), "sk": dynamo.S(sk), "folded": dynamo.N(events), "lagMillis": dynamo.N(events),
			"newest": dynamo.S(view.Time(newest)), "foldedAt": dynamo.S(view.Time(newest.Add(time.Minute))),
			"batch0": dynamo.S("b"),
		}
	}
	api := &fake{pages: []*dynamodb.QueryOutput{{Items: []dynamo.Item{
		item("other#3", at.Add(time.Hour), 100), item("things", at, 20), item("things#11", at.Add(2), 3),
		item("things#9", at.Add(1), 4),
	}}}}
	got, err := New(api, "views").Checkpoints(t.Context())
	want := view.Checkpoint{
		Newest: at.Add(2), Events: 27, Lag: 3 * time.Millisecond, At: at.Add(2 + time.Minute),
	}
	if diff := cmp.Diff(want, got["things"]); err != nil || len(got) != 2 || diff != "" {
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
	_, controlsErr := table.Controls(ctx)
	_, checkpointsErr := table.Checkpoints(ctx)
	var entriesErr, listErr error
	for _, err := range table.Entries(ctx, "things", 0, 1) {
		entriesErr = err
	}
	for _, err := range table.List(ctx, rows, view.Query{Index: view.Index1, Partition: "red"}) {
		listErr = err
	}
	for what, err := range map[string]error{
		"row": rowErr, "control": controlErr, "controls": controlsErr, "checkpoints": checkpointsErr,
		"entries": entriesErr, "list": listErr,
		"delete":   table.Delete(ctx, []view.Entry{{Kind: view.KindRow}}),
		"position": table.SavePosition(ctx, rows, 0, view.Position{}),
	} {
		if !errors.Is(err, errDown) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
