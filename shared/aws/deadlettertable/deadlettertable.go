// Package deadlettertable keeps dead letters in a DynamoDB table: a deadletter.Table.
//
//	id                     part         item
//	<entry's id>           entry        data (the Entry as JSON), revision, and the attributes of the indexes
//	<entry's id>           message#<n>  a piece of the message's body, gzipped
//	<entry's id>           with#<n>     a piece of the message's attributes, as JSON, gzipped; none where it has none
//	note/<queue>/<id>      note         what a consumer left of a try; expires by itself
//	request/<id>           request      the Request as JSON: what an operator's key stands for
//
// The message stands in items of its own: it may be larger than an item, and the lists don't read
// it. Indexes:
//
//	due        work (always "due"), due       entries for which a time is set
//	entries    kind (always "entry"), place   all, by when they were recorded
//	consumers, topics, statuses, orders       the same of one consumer, topic, status, order
package deadlettertable

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/deadletter"
)

// API is what the table needs of the DynamoDB client.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(
		context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.UpdateItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(
		context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options),
	) (*dynamodb.TransactWriteItemsOutput, error)
}

const (
	attrID       = "id"
	attrPart     = "part"
	attrData     = "data"
	attrRevision = "revision"
	attrKind     = "kind"
	attrPlace    = "place"
	attrConsumer = "consumer"
	attrTopic    = "topic"
	attrOrder    = "orderId"
	attrStatus   = "status"
	attrError    = "error"
	attrWork     = "work"
	attrDue      = "due"
	attrBody     = "body"
	attrExpires  = "expires"
	attrWrite    = "write"
	attrFirst    = "first"
	attrTries    = "tries"

	partEntry   = "entry"
	partMessage = "message#"
	partWith    = "with#"
	partNote    = "note"
	partRequest = "request"
	workDue     = "due"

	indexDue       = "due"
	indexEntries   = "entries"
	indexConsumers = "consumers"
	indexTopics    = "topics"
	indexOrders    = "orders"
	indexStatuses  = "statuses"
)

const (
	// maxPiece is the largest piece of a message in an item, which has 400 KB at most.
	maxPiece = 350_000
	// keepNotes is how long a note is kept: a message lives 14 days at most.
	keepNotes = 15 * 24 * time.Hour
	// maxRead is how many entries a page of a list looks through at most. A page that finds too few
	// says where to go on.
	maxRead = 2_000
	// timeForm has a fixed width, so that texts sort as times do.
	timeForm = "2006-01-02T15:04:05.000000000Z"
)

// Table is a deadletter.Table. It is safe for concurrent use.
type Table struct {
	api   API
	table string
}

var _ deadletter.Table = Table{}

// New gives the dead letters of an existing table. How often a failed request is sent again is up
// to the client.
func New(api API, table string) Table { return Table{api: api, table: table} }

func key(id, part string) dynamo.Item {
	return dynamo.Item{attrID: dynamo.S(id), attrPart: dynamo.S(part)}
}

// Get implements deadletter.Table, with a consistent read.
func (t Table) Get(ctx context.Context, id string) (deadletter.Entry, error) {
	item, err := dynamo.Get(ctx, t.api, t.table, key(id, partEntry))
	if err != nil {
		return deadletter.Entry{}, fmt.Errorf("deadlettertable: get %s: %w", id, err)
	}
	if item == nil {
		return deadletter.Entry{}, deadletter.ErrNoEntry
	}
	return entryOf(item)
}

// entryOf reads what it can: an entry whose JSON is readable is shown, whatever stands beside it.
func entryOf(item dynamo.Item) (e deadletter.Entry, err error) {
	r := dynamo.Read(item)
	if err := json.Unmarshal([]byte(r.String(attrData)), &e); err != nil {
		e.ID = r.String(attrID)
		return e, fmt.Errorf("%w: %s: %w", deadletter.ErrUnreadable, e.ID, err)
	}
	e.Revision = r.Number(attrRevision)
	return e, nil
}

// itemOf is an entry's next item.
func itemOf(e deadletter.Entry) (dynamo.Item, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("deadlettertable: entry %s: %w", e.ID, err)
	}
	item := key(e.ID, partEntry)
	item[attrData], item[attrRevision] = dynamo.S(string(data)), dynamo.N(e.Revision+1)
	item[attrKind], item[attrPlace], item[attrError] = dynamo.S(partEntry), dynamo.S(e.Place()), dynamo.S(e.Error)
	for name, value := range map[string]string{
		attrConsumer: e.Consumer, attrTopic: e.Topic, attrStatus: string(e.Status),
		attrOrder: e.OrderID,
	} {
		if value != "" { // no key of an index is empty
			item[name] = dynamo.S(value)
		}
	}
	if !e.Next.IsZero() {
		item[attrWork], item[attrDue] = dynamo.S(workDue), dynamo.S(e.Next.UTC().Format(timeForm))
	}
	return item, nil
}

// Create implements deadletter.Table: the message's items first, so that an entry never lacks them.
// They are the same when they are written again.
func (t Table) Create(ctx context.Context, e deadletter.Entry, m deadletter.Message) error {
	err := t.write(ctx, e.ID, partMessage, m.Body)
	if err == nil && len(m.Attributes) > 0 {
		var with []byte
		if with, err = json.Marshal(m.Attributes); err == nil {
			err = t.write(ctx, e.ID, partWith, with)
		}
	}
	if err != nil {
		return fmt.Errorf("deadlettertable: message of %s: %w", e.ID, err)
	}
	return t.put(ctx, e, "attribute_not_exists(#id)", map[string]string{"#id": attrID}, nil)
}

// write gzips a part of a message and puts it into as many items as it takes, one at least.
func (t Table) write(ctx context.Context, id, part string, content []byte) error {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, written := w.Write(content)
	if err := errors.Join(written, w.Close()); err != nil {
		return err
	}
	for i := 0; packed.Len() > 0; i++ {
		item := key(id, fmt.Sprintf("%s%03d", part, i))
		item[attrBody] = dynamo.B(bytes.Clone(packed.Next(maxPiece)))
		if _, err := t.api.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.table, Item: item}); err != nil {
			return dynamo.Failed(err)
		}
	}
	return nil
}

// Update implements deadletter.Table.
func (t Table) Update(ctx context.Context, e deadletter.Entry) error {
	return t.put(
		ctx, e, "#revision = :revision", map[string]string{"#revision": attrRevision},
		dynamo.Item{":revision": dynamo.N(e.Revision)},
	)
}

func (t Table) put(
	ctx context.Context, e deadletter.Entry, condition string, names map[string]string, values dynamo.Item,
) error {
	item, err := itemOf(e)
	if err != nil {
		return err
	}
	write := ident.New()
	item[attrWrite] = dynamo.S(write)
	_, err = t.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &t.table, Item: item, ConditionExpression: &condition, ExpressionAttributeNames: names,
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if met, failed := dynamo.ConditionFailed(err); failed {
		return ours(met, write)
	}
	if err != nil {
		return fmt.Errorf("deadlettertable: put %s: %w", e.ID, dynamo.Failed(err))
	}
	return nil
}

// ours is nil where a condition failed on the very write that it was of: one whose answer was lost
// is sent again by the client, and meets itself. What somebody else wrote is another write, though
// it be the same.
func ours(met dynamo.Item, write string) error {
	if dynamo.Read(met).OptionalString(attrWrite) == write {
		return nil
	}
	return deadletter.ErrConflict
}

// Decide implements deadletter.Table, with one transaction over the entry and the request.
func (t Table) Decide(ctx context.Context, e deadletter.Entry, r deadletter.Request) error {
	entry, err := itemOf(e)
	if err != nil {
		return err
	}
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("deadlettertable: request %s: %w", r.ID, err)
	}
	write := ident.New()
	entry[attrWrite] = dynamo.S(write)
	request := requestKey(r.ID)
	request[attrData] = dynamo.S(string(data))
	_, err = t.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{
			TableName: &t.table, Item: entry, ConditionExpression: aws.String("#revision = :revision"),
			ExpressionAttributeNames:            map[string]string{"#revision": attrRevision},
			ExpressionAttributeValues:           dynamo.Item{":revision": dynamo.N(e.Revision)},
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}},
		{Put: &types.Put{
			TableName: &t.table, Item: request, ConditionExpression: aws.String("attribute_not_exists(#id)"),
			ExpressionAttributeNames: map[string]string{"#id": attrID},
		}},
	}})
	if err == nil {
		return nil
	}
	for i, reason := range dynamo.Cancelled(err) {
		switch aws.ToString(reason.Code) {
		case dynamo.ReasonCondition:
			if i == 0 { // the entry, which returns what it has met
				return ours(reason.Item, write)
			}
			return deadletter.ErrConflict
		case dynamo.ReasonConflict:
			return deadletter.ErrConflict
		}
	}
	return fmt.Errorf("deadlettertable: decide on %s: %w", e.ID, dynamo.Failed(err))
}

func requestKey(id string) dynamo.Item { return key("request/"+id, partRequest) }

// Decided implements deadletter.Table, with a consistent read.
func (t Table) Decided(ctx context.Context, requestID string) (r deadletter.Request, found bool, err error) {
	item, err := dynamo.Get(ctx, t.api, t.table, requestKey(requestID))
	if err == nil && item != nil {
		found, err = true, json.Unmarshal([]byte(dynamo.Read(item).String(attrData)), &r)
	}
	if err != nil {
		return r, false, fmt.Errorf("deadlettertable: request %s: %w", requestID, err)
	}
	return r, found, nil
}

// Message implements deadletter.Table.
func (t Table) Message(ctx context.Context, id string) (m deadletter.Message, err error) {
	var found bool
	var with []byte
	if m.Body, found, err = t.read(ctx, id, partMessage); err == nil && !found {
		return m, deadletter.ErrNoEntry
	}
	if err == nil {
		with, found, err = t.read(ctx, id, partWith)
	}
	if err == nil && found && json.Unmarshal(with, &m.Attributes) != nil {
		err = fmt.Errorf("%w: its attributes are no JSON", deadletter.ErrUnreadable)
	}
	if err != nil {
		return deadletter.Message{}, fmt.Errorf("deadlettertable: message of %s: %w", id, err)
	}
	return m, nil
}

// read gives a part of a message as write has written it; an ErrUnreadable where a piece of it is
// broken or gone.
func (t Table) read(ctx context.Context, id, part string) (content []byte, found bool, err error) {
	in := &dynamodb.QueryInput{
		TableName: &t.table, KeyConditionExpression: aws.String("#id = :id AND begins_with(#part, :part)"),
		ConsistentRead:            aws.Bool(true),
		ExpressionAttributeNames:  map[string]string{"#id": attrID, "#part": attrPart},
		ExpressionAttributeValues: dynamo.Item{":id": dynamo.S(id), ":part": dynamo.S(part)},
	}
	var packed bytes.Buffer
	for item, err := range dynamo.Query(ctx, t.api, in) {
		if err != nil {
			return nil, false, err
		}
		packed.Write(dynamo.Read(item).Bytes(attrBody))
	}
	if packed.Len() == 0 {
		return nil, false, nil
	}
	r, err := gzip.NewReader(&packed)
	if err == nil {
		content, err = io.ReadAll(r)
	}
	if err != nil {
		return nil, true, fmt.Errorf("%w: %w", deadletter.ErrUnreadable, err)
	}
	return content, true, nil
}

// Due implements deadletter.Table.
func (t Table) Due(ctx context.Context, now time.Time) iter.Seq2[deadletter.Entry, error] {
	return func(yield func(deadletter.Entry, error) bool) {
		for item, err := range dynamo.Query(ctx, t.api, &dynamodb.QueryInput{
			TableName: &t.table, IndexName: aws.String(indexDue),
			KeyConditionExpression:   aws.String("#work = :work AND #due <= :now"),
			ExpressionAttributeNames: map[string]string{"#work": attrWork, "#due": attrDue},
			ExpressionAttributeValues: dynamo.Item{
				":work": dynamo.S(workDue), ":now": dynamo.S(now.UTC().Format(timeForm)),
			},
		}) {
			var e deadletter.Entry
			if err == nil {
				e, err = entryOf(item)
			} else {
				err = fmt.Errorf("deadlettertable: due: %w", err)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// List implements deadletter.Table, over the index of the narrowest of what is asked for: few
// entries have yet to be closed, and those that are closed stay. The rest is left out of what that
// finds.
func (t Table) List(ctx context.Context, q deadletter.Query) (page deadletter.Page, err error) {
	index, name, value := indexEntries, attrKind, partEntry
	switch {
	case q.Order != "":
		index, name, value = indexOrders, attrOrder, q.Order
	case q.Status == deadletter.StatusOpen, q.Status == deadletter.StatusRedriving, q.Status == deadletter.StatusSpent:
		index, name, value = indexStatuses, attrStatus, string(q.Status)
	case q.Consumer != "":
		index, name, value = indexConsumers, attrConsumer, q.Consumer
	case q.Topic != "":
		index, name, value = indexTopics, attrTopic, q.Topic
	case q.Status != "":
		index, name, value = indexStatuses, attrStatus, string(q.Status)
	}
	in := &dynamodb.QueryInput{
		TableName: &t.table, IndexName: &index, ScanIndexForward: &q.Oldest, Limit: aws.Int32(deadletter.MaxPage),
		KeyConditionExpression:    aws.String("#of = :of"),
		ExpressionAttributeNames:  map[string]string{"#of": name},
		ExpressionAttributeValues: dynamo.Item{":of": dynamo.S(value)},
	}
	before := ""
	if !q.Before.IsZero() {
		before = deadletter.PlaceBefore(q.Before)
	}
	side, place := "<", before
	switch {
	case q.Oldest && q.After != "": // what is not before is left out of what is found
		side, place = ">", q.After
	case q.After != "" && (before == "" || q.After < before):
		place = q.After
	}
	if place != "" {
		in.KeyConditionExpression = aws.String("#of = :of AND #place " + side + " :place")
		in.ExpressionAttributeNames["#place"], in.ExpressionAttributeValues[":place"] = attrPlace, dynamo.S(place)
	}
	read := 0
	for item, err := range dynamo.Query(ctx, t.api, in) {
		if err != nil {
			return deadletter.Page{}, fmt.Errorf("deadlettertable: list: %w", err)
		}
		e, err := entryOf(item)
		if err != nil {
			slog.ErrorContext(ctx, "dead letter can't be read", "deadLetterId", e.ID, "error", err.Error())
			continue
		}
		switch read++; {
		case !q.Matches(e) && read < maxRead:
			continue
		case !q.Matches(e):
			page.Next = e.Place()
			return page, nil
		case len(page.Entries) == q.Limit:
			page.Next = page.Entries[q.Limit-1].Place()
			return page, nil
		}
		page.Entries = append(page.Entries, e)
	}
	return page, nil
}

func noteKey(queue, messageID string) dynamo.Item {
	return key("note/"+queue+"/"+messageID, partNote)
}

// Note implements deadletter.Table, with one conditional update: one whose answer was lost and that
// the client sends again meets itself, and the try counts once. A note is forgotten after 15 days,
// when no message that it is about is left.
func (t Table) Note(ctx context.Context, n deadletter.Note) (deadletter.Note, error) {
	n.Tries = 0 // counted beside
	data, err := json.Marshal(n)
	if err != nil {
		return n, fmt.Errorf("deadlettertable: note: %w", err)
	}
	out, err := t.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.table, Key: noteKey(n.Queue, n.MessageID),
		UpdateExpression: aws.String("SET #data = :data, #first = if_not_exists(#first, :first), " +
			"#expires = :expires, #write = :write ADD #tries :one"),
		ConditionExpression: aws.String("attribute_not_exists(#write) OR #write <> :write"),
		ExpressionAttributeNames: map[string]string{
			"#data": attrData, "#first": attrFirst, "#expires": attrExpires, "#write": attrWrite, "#tries": attrTries,
		},
		ExpressionAttributeValues: dynamo.Item{
			":data": dynamo.S(string(data)), ":first": dynamo.S(n.First.UTC().Format(timeForm)),
			":expires": dynamo.N(n.Last.Add(keepNotes).Unix()), ":write": dynamo.S(ident.New()), ":one": dynamo.N(1),
		},
		ReturnValues:                        types.ReturnValueAllNew,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	item, met := dynamo.ConditionFailed(err)
	switch {
	case err == nil:
		item = out.Attributes
	case !met:
		return n, fmt.Errorf("deadlettertable: note %s: %w", n.MessageID, dynamo.Failed(err))
	}
	return noteOf(item, n.MessageID)
}

// NoteOf implements deadletter.Table.
func (t Table) NoteOf(ctx context.Context, queue, messageID string) (n deadletter.Note, found bool, err error) {
	item, err := dynamo.Get(ctx, t.api, t.table, noteKey(queue, messageID))
	if err != nil {
		return n, false, fmt.Errorf("deadlettertable: note of %s: %w", messageID, err)
	}
	if item == nil {
		return n, false, nil
	}
	n, err = noteOf(item, messageID)
	return n, err == nil, err
}

// noteOf reads a note. One of an earlier release has no count: its queue counted.
func noteOf(item dynamo.Item, messageID string) (n deadletter.Note, err error) {
	r := dynamo.Read(item)
	if err := json.Unmarshal([]byte(r.String(attrData)), &n); err != nil {
		return n, fmt.Errorf("deadlettertable: note of %s: %w", messageID, err)
	}
	if first := r.Time(attrFirst); !first.IsZero() {
		n.First = first
	}
	n.Tries = int(r.OptionalNumber(attrTries))
	return n, nil
}
