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
//	consumers, topics, statuses               the same of one consumer, topic, status
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
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/clock"
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
	attrStatus   = "status"
	attrError    = "error"
	attrWork     = "work"
	attrDue      = "due"
	attrBody     = "body"
	attrExpires  = "expires"
	attrWrite    = "write"

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

type attributes = map[string]types.AttributeValue

// Table is a deadletter.Table. It is safe for concurrent use.
type Table struct {
	api   API
	table string
}

var _ deadletter.Table = Table{}

// New gives the dead letters of an existing table. How often a failed request is sent again is up
// to the client.
func New(api API, table string) Table { return Table{api: api, table: table} }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func key(id, part string) attributes { return attributes{attrID: text(id), attrPart: text(part)} }

func textOf(item attributes, name string) string {
	s, _ := item[name].(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

func numberOf(item attributes, name string) int64 {
	n, _ := item[name].(*types.AttributeValueMemberN)
	if n == nil {
		return 0
	}
	value, _ := strconv.ParseInt(n.Value, 10, 64) // DynamoDB keeps numbers as numbers
	return value
}

// Get implements deadletter.Table, with a consistent read.
func (t Table) Get(ctx context.Context, id string) (deadletter.Entry, error) {
	out, err := t.api.GetItem(
		ctx, &dynamodb.GetItemInput{TableName: &t.table, Key: key(id, partEntry), ConsistentRead: aws.Bool(true)},
	)
	if err != nil {
		return deadletter.Entry{}, fmt.Errorf("deadlettertable: get %s: %w", id, err)
	}
	if out.Item == nil {
		return deadletter.Entry{}, deadletter.ErrNoEntry
	}
	return entryOf(out.Item)
}

func entryOf(item attributes) (e deadletter.Entry, err error) {
	if err := json.Unmarshal([]byte(textOf(item, attrData)), &e); err != nil {
		e.ID = textOf(item, attrID)
		return e, fmt.Errorf("%w: %s: %w", deadletter.ErrUnreadable, e.ID, err)
	}
	e.Revision = numberOf(item, attrRevision)
	return e, nil
}

// itemOf is an entry's next item.
func itemOf(e deadletter.Entry) (attributes, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("deadlettertable: entry %s: %w", e.ID, err)
	}
	item := key(e.ID, partEntry)
	item[attrData], item[attrRevision] = text(string(data)), number(e.Revision+1)
	item[attrKind], item[attrPlace], item[attrError] = text(partEntry), text(e.Place()), text(e.Error)
	for name, value := range map[string]string{
		attrConsumer: e.Consumer, attrTopic: e.Topic, attrStatus: string(e.Status),
	} {
		if value != "" { // no key of an index is empty
			item[name] = text(value)
		}
	}
	if !e.Next.IsZero() {
		item[attrWork], item[attrDue] = text(workDue), text(e.Next.UTC().Format(timeForm))
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
		item[attrBody] = &types.AttributeValueMemberB{Value: bytes.Clone(packed.Next(maxPiece))}
		if _, err := t.api.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.table, Item: item}); err != nil {
			return err
		}
	}
	return nil
}

// Update implements deadletter.Table.
func (t Table) Update(ctx context.Context, e deadletter.Entry) error {
	return t.put(
		ctx, e, "#revision = :revision", map[string]string{"#revision": attrRevision},
		attributes{":revision": number(e.Revision)},
	)
}

func (t Table) put(
	ctx context.Context, e deadletter.Entry, condition string, names map[string]string, values attributes,
) error {
	item, err := itemOf(e)
	if err != nil {
		return err
	}
	write := ident.New()
	item[attrWrite] = text(write)
	_, err = t.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &t.table, Item: item, ConditionExpression: &condition, ExpressionAttributeNames: names,
		ExpressionAttributeValues:           values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	var failed *types.ConditionalCheckFailedException
	switch {
	case errors.As(err, &failed):
		// A write whose answer was lost is sent again by the client, and meets itself. What
		// somebody else wrote is another write, though it be the same.
		if textOf(failed.Item, attrWrite) == write {
			return nil
		}
		return deadletter.ErrConflict
	case err != nil:
		return fmt.Errorf("deadlettertable: put %s: %w", e.ID, err)
	}
	return nil
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
	entry[attrWrite] = text(write)
	request := requestKey(r.ID)
	request[attrData] = text(string(data))
	_, err = t.api.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
		{Put: &types.Put{
			TableName: &t.table, Item: entry, ConditionExpression: aws.String("#revision = :revision"),
			ExpressionAttributeNames:            map[string]string{"#revision": attrRevision},
			ExpressionAttributeValues:           attributes{":revision": number(e.Revision)},
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}},
		{Put: &types.Put{
			TableName: &t.table, Item: request, ConditionExpression: aws.String("attribute_not_exists(#id)"),
			ExpressionAttributeNames: map[string]string{"#id": attrID},
		}},
	}})
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		if err != nil {
			err = fmt.Errorf("deadlettertable: decide on %s: %w", e.ID, err)
		}
		return err
	}
	for i, reason := range cancelled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "ConditionalCheckFailed":
			if i == 0 && textOf(reason.Item, attrWrite) == write { // as in put
				return nil
			}
			return deadletter.ErrConflict
		case "TransactionConflict":
			return deadletter.ErrConflict
		}
	}
	return fmt.Errorf("deadlettertable: decide on %s: %w", e.ID, err)
}

func requestKey(id string) attributes { return key("request/"+id, partRequest) }

// Decided implements deadletter.Table, with a consistent read.
func (t Table) Decided(ctx context.Context, requestID string) (r deadletter.Request, found bool, err error) {
	out, err := t.api.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.table, Key: requestKey(requestID), ConsistentRead: aws.Bool(true),
	})
	if err == nil && out.Item != nil {
		found, err = true, json.Unmarshal([]byte(textOf(out.Item, attrData)), &r)
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
		ExpressionAttributeValues: attributes{":id": text(id), ":part": text(part)},
	}
	var packed bytes.Buffer
	for item, err := range t.query(ctx, in) {
		if err != nil {
			return nil, false, err
		}
		if piece, ok := item[attrBody].(*types.AttributeValueMemberB); ok {
			packed.Write(piece.Value)
		}
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

// query gives the items of a query, page by page.
func (t Table) query(ctx context.Context, in *dynamodb.QueryInput) iter.Seq2[attributes, error] {
	return func(yield func(attributes, error) bool) {
		for {
			out, err := t.api.Query(ctx, in)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range out.Items {
				if !yield(item, nil) {
					return
				}
			}
			if len(out.LastEvaluatedKey) == 0 {
				return
			}
			in.ExclusiveStartKey = out.LastEvaluatedKey
		}
	}
}

// Due implements deadletter.Table.
func (t Table) Due(ctx context.Context, now time.Time) iter.Seq2[deadletter.Entry, error] {
	return func(yield func(deadletter.Entry, error) bool) {
		for item, err := range t.query(ctx, &dynamodb.QueryInput{
			TableName: &t.table, IndexName: aws.String(indexDue),
			KeyConditionExpression:    aws.String("#work = :work AND #due <= :now"),
			ExpressionAttributeNames:  map[string]string{"#work": attrWork, "#due": attrDue},
			ExpressionAttributeValues: attributes{":work": text(workDue), ":now": text(now.UTC().Format(timeForm))},
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
		ExpressionAttributeValues: attributes{":of": text(value)},
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
		in.ExpressionAttributeNames["#place"], in.ExpressionAttributeValues[":place"] = attrPlace, text(place)
	}
	read := 0
	for item, err := range t.query(ctx, in) {
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

func noteKey(queue, messageID string) attributes {
	return key("note/"+queue+"/"+messageID, partNote)
}

// Note implements deadletter.Table. A note is forgotten after 15 days, when no message that it is
// about is left.
func (t Table) Note(ctx context.Context, n deadletter.Note) error {
	data, err := json.Marshal(n)
	if err != nil {
		return fmt.Errorf("deadlettertable: note: %w", err)
	}
	if _, err := t.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.table, Key: noteKey(n.Queue, n.MessageID),
		UpdateExpression: aws.String(
			"SET #data = :data, #first = if_not_exists(#first, :first), #expires = :expires",
		),
		ExpressionAttributeNames: map[string]string{"#data": attrData, "#first": "first", "#expires": attrExpires},
		ExpressionAttributeValues: attributes{
			":data": text(string(data)), ":first": text(n.First.UTC().Format(timeForm)),
			":expires": number(n.Last.Add(keepNotes).Unix()),
		},
	}); err != nil {
		return fmt.Errorf("deadlettertable: note %s: %w", n.MessageID, err)
	}
	return nil
}

// NoteOf implements deadletter.Table.
func (t Table) NoteOf(ctx context.Context, queue, messageID string) (n deadletter.Note, found bool, err error) {
	out, err := t.api.GetItem(
		ctx,
		&dynamodb.GetItemInput{TableName: &t.table, Key: noteKey(queue, messageID), ConsistentRead: aws.Bool(true)},
	)
	if err != nil {
		return n, false, fmt.Errorf("deadlettertable: note of %s: %w", messageID, err)
	}
	if out.Item == nil {
		return n, false, nil
	}
	if err := json.Unmarshal([]byte(textOf(out.Item, attrData)), &n); err != nil {
		return n, false, fmt.Errorf("deadlettertable: note of %s: %w", messageID, err)
	}
	if first, err := clock.ParseTime(textOf(out.Item, "first")); err == nil {
		n.First = first
	}
	return n, true, nil
}
