// Package marktable keeps the marks of the loss audit, and its state, in one DynamoDB table.
//
//	stream       S  the key: a stream, or audit/state
//	published    N  the version up to which all was accepted or refused
//	beyond       S  what was accepted above it, as audit.Spans writes it; not there where nothing was
//	refused      S  what can never be published; not there where nothing is
//	seen         N  the newest version that the other consumer has met
//	seenAt       S  when that was, RFC 3339
//	bucket       S  the hour of seenAt and a shard, "2026-11-23T16#3": the partition key of the index
//	                by-hour, whose sort key is stream
//	expires      N  Unix seconds after which DynamoDB deletes the item
//	state        S  of audit/state: an audit.State as JSON
//	lease        N  of audit/state: until when somebody has it, in Unix milliseconds
//	holder       S  of audit/state: who has it, an id of each taking, by which whoever lost the answer
//	                knows its own again
//
// The index has the keys only: so a write costs it nothing while a stream stays in its hour, which
// most do for all of their life.
package marktable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/audit"
)

// IndexName is the name of the index of streams by the hour in which they were met.
const IndexName = "by-hour"

// Keep is how long a mark is kept after its last change. It is longer than audit.MaxAge: by then
// all that it stood for is too old to be published again.
const Keep = 35 * 24 * time.Hour

const (
	attrStream    = "stream"
	attrPublished = "published"
	attrBeyond    = "beyond"
	attrRefused   = "refused"
	attrSeen      = "seen"
	attrSeenAt    = "seenAt"
	attrBucket    = "bucket"
	attrExpires   = "expires"
	attrState     = "state"
	attrLease     = "lease"
	attrHolder    = "holder"

	keyState = "audit/state"
)

// pace is how the tries at a mark follow each other that others change at the same time, and at
// keys that DynamoDB leaves over.
var pace = backoff.Pace{Base: 10 * time.Millisecond, Max: 200 * time.Millisecond, Tries: 8}

// API is what the table needs of the DynamoDB client. Those who publish and see need UpdateItem
// alone.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(
		context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.BatchGetItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	UpdateItem(
		context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.UpdateItemOutput, error)
}

// Table keeps marks. It is safe for concurrent use.
type Table struct {
	api   API
	table string
	clock clock.Clock
}

var (
	_ audit.Marks  = Table{}
	_ audit.Index  = Table{}
	_ audit.States = Table{}
)

// New keeps marks in an existing table.
func New(api API, table string, c clock.Clock) Table { return Table{api: api, table: table, clock: c} }

// Accepted implements audit.Marks: one conditional update where the commits come in their order, as
// they mostly do, and otherwise one more, with the mark that the first one has met.
func (t Table) Accepted(ctx context.Context, stream es.StreamID, spans ...audit.Span) error {
	return t.settle(ctx, stream, spans, audit.Mark.Accept)
}

// Refused implements audit.Index, with as many updates.
func (t Table) Refused(ctx context.Context, stream es.StreamID, spans ...audit.Span) error {
	return t.settle(ctx, stream, spans, audit.Mark.Refuse)
}

func (t Table) settle(
	ctx context.Context, stream es.StreamID, spans []audit.Span, change func(audit.Mark, ...audit.Span) audit.Mark,
) error {
	ordered := audit.Spans(nil).Add(spans...)
	if len(ordered) == 0 {
		return nil
	}
	old := audit.Mark{Published: ordered[0].From - 1} // as it is if all of the stream was published in order
	for tries := backoff.New(pace, t.clock); ; {
		met, err := t.replace(ctx, stream, old, change(old, ordered...))
		if err != nil || met == nil {
			return err
		}
		if old, err = markOf(stream, met); err != nil {
			return err
		}
		if next := change(old, ordered...); next.Published == old.Published &&
			next.Beyond.String() == old.Beyond.String() && next.Refused.String() == old.Refused.String() {
			return nil // it was marked before
		}
		if !tries.Again(ctx) {
			return fmt.Errorf("marktable: %s: the mark changes too often", stream)
		}
	}
}

// replace puts the next mark in the place of the old one. Where another one is there, it gives that
// one's item.
func (t Table) replace(ctx context.Context, stream es.StreamID, old, next audit.Mark) (met dynamo.Item, err error) {
	in := &dynamodb.UpdateItemInput{
		TableName: &t.table, Key: key(string(stream)),
		ExpressionAttributeNames: map[string]string{
			"#published": attrPublished, "#beyond": attrBeyond, "#refused": attrRefused, "#expires": attrExpires,
		},
		ExpressionAttributeValues: dynamo.Item{
			":old": dynamo.N(old.Published), ":next": dynamo.N(next.Published), ":expires": t.expires(),
		},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	condition, set, remove := "#published = :old", "SET #published = :next, #expires = :expires", ""
	if old.Published == 0 {
		condition = "(attribute_not_exists(#published) OR #published = :old)"
	}
	for _, one := range []struct {
		name      string
		old, next string
	}{{"beyond", old.Beyond.String(), next.Beyond.String()}, {"refused", old.Refused.String(), next.Refused.String()}} {
		if one.old == "" {
			condition += " AND attribute_not_exists(#" + one.name + ")"
		} else {
			condition += " AND #" + one.name + " = :old_" + one.name
			in.ExpressionAttributeValues[":old_"+one.name] = dynamo.S(one.old)
		}
		switch {
		case one.next != "":
			set += ", #" + one.name + " = :" + one.name
			in.ExpressionAttributeValues[":"+one.name] = dynamo.S(one.next)
		case remove == "":
			remove = " REMOVE #" + one.name
		default:
			remove += ", #" + one.name
		}
	}
	in.ConditionExpression, in.UpdateExpression = &condition, aws.String(set+remove)
	_, err = t.api.UpdateItem(ctx, in)
	if other, failed := dynamo.ConditionFailed(err); failed {
		if other == nil {
			return dynamo.Item{}, nil // the stream has no mark yet
		}
		return other, nil
	}
	if err != nil {
		return nil, fmt.Errorf("marktable: mark %s: %w", stream, dynamo.Failed(err))
	}
	return nil, nil
}

// Seen implements audit.Marks with one conditional update.
func (t Table) Seen(ctx context.Context, stream es.StreamID, version int64) error {
	now := t.clock.Now().UTC()
	_, err := t.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.table, Key: key(string(stream)),
		UpdateExpression:    aws.String("SET #seen = :seen, #at = :at, #bucket = :bucket, #expires = :expires"),
		ConditionExpression: aws.String("attribute_not_exists(#seen) OR #seen < :seen"),
		ExpressionAttributeNames: map[string]string{
			"#seen": attrSeen, "#at": attrSeenAt, "#bucket": attrBucket, "#expires": attrExpires,
		},
		ExpressionAttributeValues: dynamo.Item{
			":seen": dynamo.N(version), ":at": dynamo.S(now.Format(time.RFC3339Nano)),
			":bucket": dynamo.S(bucket(now, shard(stream))), ":expires": t.expires(),
		},
	})
	if _, newer := dynamo.ConditionFailed(err); err == nil || newer {
		return nil
	}
	return fmt.Errorf("marktable: mark %s as seen: %w", stream, dynamo.Failed(err))
}

// Changed implements audit.Index: a query of the index, and a batch read of the items, both
// eventually consistent.
func (t Table) Changed(
	ctx context.Context, hour time.Time, shard int, after es.StreamID, limit int,
) (marks []audit.Mark, next es.StreamID, err error) {
	in := &dynamodb.QueryInput{
		TableName: &t.table, IndexName: aws.String(IndexName),
		Limit:                     aws.Int32(int32(min(max(limit, 1), dynamo.MaxBatch))),
		KeyConditionExpression:    aws.String("#bucket = :bucket"),
		ExpressionAttributeNames:  map[string]string{"#bucket": attrBucket},
		ExpressionAttributeValues: dynamo.Item{":bucket": dynamo.S(bucket(hour, shard))},
	}
	if after != "" { // by a condition: the item that an ExclusiveStartKey names may have left the bucket since
		in.KeyConditionExpression = aws.String("#bucket = :bucket AND #stream > :after")
		in.ExpressionAttributeNames["#stream"] = attrStream
		in.ExpressionAttributeValues[":after"] = dynamo.S(string(after))
	}
	out, err := t.api.Query(ctx, in)
	if err != nil {
		return nil, "", fmt.Errorf("marktable: streams of %s: %w", bucket(hour, shard), dynamo.Failed(err))
	}
	if len(out.Items) == 0 {
		return nil, "", nil
	}
	keys := make([]dynamo.Item, len(out.Items))
	for i, item := range out.Items {
		r := dynamo.Read(item)
		stream := r.String(attrStream)
		if err := r.Err(); err != nil {
			return nil, "", fmt.Errorf("marktable: streams of %s: %w", bucket(hour, shard), err)
		}
		keys[i], next = key(stream), es.StreamID(stream)
	}
	if len(out.LastEvaluatedKey) == 0 {
		next = ""
	}
	if marks, err = t.marks(ctx, keys); err != nil && !errors.Is(err, audit.ErrUnreadable) {
		return nil, "", err
	}
	return marks, next, err
}

// Marks implements whole.Marks with one batch read for each hundred, eventually consistent.
func (t Table) Marks(ctx context.Context, streams []es.StreamID) (map[es.StreamID]audit.Mark, error) {
	found, unread := make(map[es.StreamID]audit.Mark, len(streams)), []error(nil)
	for part := range slices.Chunk(streams, dynamo.MaxBatch) {
		keys := make([]dynamo.Item, len(part))
		for i, stream := range part {
			keys[i] = key(string(stream))
		}
		marks, err := t.marks(ctx, keys)
		if err != nil && !errors.Is(err, audit.ErrUnreadable) {
			return nil, err
		}
		unread = append(unread, err)
		for _, m := range marks {
			found[m.Stream] = m
		}
	}
	return found, errors.Join(unread...)
}

// marks reads the marks that there are of up to dynamo.MaxBatch keys. Those that can't be read are
// an audit.ErrUnreadable, which comes with the others.
func (t Table) marks(ctx context.Context, keys []dynamo.Item) (marks []audit.Mark, err error) {
	items, err := dynamo.BatchGet(
		ctx, t.api, t.table, types.KeysAndAttributes{Keys: keys}, backoff.New(pace, t.clock),
	)
	if err != nil {
		return nil, fmt.Errorf("marktable: read marks: %w", err)
	}
	var unread []error
	for _, item := range items {
		m, err := markOf("", item)
		if err != nil {
			unread = append(unread, err)
			continue
		}
		marks = append(marks, m)
	}
	return marks, errors.Join(unread...)
}

// Mark implements audit.Index with one strongly consistent read.
func (t Table) Mark(ctx context.Context, stream es.StreamID) (audit.Mark, error) {
	item, err := dynamo.Get(ctx, t.api, t.table, key(string(stream)))
	if err != nil {
		return audit.Mark{}, fmt.Errorf("marktable: read mark of %s: %w", stream, err)
	}
	return markOf(stream, item)
}

// free is the condition on which the state can be taken.
const free = "attribute_not_exists(#lease) OR #lease < :now OR #lease > :most OR #holder = :holder"

// Take implements audit.States with one conditional update.
func (t Table) Take(ctx context.Context, until time.Time) (state audit.State, taken bool, err error) {
	out, err := t.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.table, Key: key(keyState),
		UpdateExpression:         aws.String("SET #lease = :until, #holder = :holder"),
		ConditionExpression:      aws.String(free),
		ExpressionAttributeNames: map[string]string{"#lease": attrLease, "#holder": attrHolder},
		ExpressionAttributeValues: dynamo.Item{
			":until": dynamo.N(until.UnixMilli()), ":now": dynamo.N(t.clock.Now().UnixMilli()),
			":holder": dynamo.S(ident.New()),
			// No lease ends so late: whoever took it had a clock that is wrong, and died.
			":most": dynamo.N(until.Add(clock.Skew).UnixMilli()),
		},
		ReturnValues: types.ReturnValueAllNew,
	})
	if _, busy := dynamo.ConditionFailed(err); busy {
		return audit.State{}, false, nil
	}
	if err != nil {
		return audit.State{}, false, fmt.Errorf("marktable: take the state: %w", dynamo.Failed(err))
	}
	state, err = stateOf(out.Attributes)
	return state, err == nil, err
}

// State gives the state as it was kept last, the zero State before the first audit, and leaves it
// to whoever has it.
func (t Table) State(ctx context.Context) (audit.State, error) {
	item, err := dynamo.Get(ctx, t.api, t.table, key(keyState))
	if err != nil {
		return audit.State{}, fmt.Errorf("marktable: read the state: %w", err)
	}
	return stateOf(item)
}

func stateOf(item dynamo.Item) (state audit.State, err error) {
	r := dynamo.Read(item)
	if !r.Has(attrState) {
		return audit.State{}, nil
	}
	written := r.String(attrState)
	if err = r.Err(); err == nil {
		err = json.Unmarshal([]byte(written), &state)
	}
	if err != nil {
		return audit.State{}, fmt.Errorf("marktable: the state is unreadable: %w", err)
	}
	return state, nil
}

// Keep implements audit.States with one update.
func (t Table) Keep(ctx context.Context, state audit.State) error {
	written, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("marktable: encode the state: %w", err)
	}
	if _, err := t.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.table, Key: key(keyState),
		UpdateExpression:          aws.String("SET #state = :state REMOVE #lease, #holder"),
		ExpressionAttributeNames:  map[string]string{"#state": attrState, "#lease": attrLease, "#holder": attrHolder},
		ExpressionAttributeValues: dynamo.Item{":state": dynamo.S(string(written))},
	}); err != nil {
		return fmt.Errorf("marktable: keep the state: %w", dynamo.Failed(err))
	}
	return nil
}

func (t Table) expires() types.AttributeValue { return dynamo.N(t.clock.Now().Add(Keep).Unix()) }

func shard(stream es.StreamID) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(stream)) // never fails
	return int(h.Sum32() % audit.Shards)
}

func bucket(t time.Time, shard int) string {
	return t.UTC().Format("2006-01-02T15") + "#" + strconv.Itoa(shard)
}

// markOf reads an item's mark. "" takes the stream that it names; without an item it is the mark of
// a stream of which nothing is known. What can't be read is an audit.ErrUnreadable.
func markOf(stream es.StreamID, item dynamo.Item) (audit.Mark, error) {
	m := audit.Mark{Stream: stream}
	if len(item) == 0 {
		return m, nil
	}
	r := dynamo.Read(item)
	m.Stream, m.SeenAt = es.StreamID(r.String(attrStream)), r.OptionalTime(attrSeenAt)
	m.Published, m.Seen = r.OptionalNumber(attrPublished), r.OptionalNumber(attrSeen)
	m.Beyond, m.Refused = spans(r, attrBeyond), spans(r, attrRefused)
	if err := r.Err(); err != nil {
		return audit.Mark{}, fmt.Errorf("%w: %s: %w", audit.ErrUnreadable, m.Stream, err)
	}
	return m, nil
}

func spans(r *dynamo.Reader, name string) audit.Spans {
	if !r.Has(name) {
		return nil
	}
	spans, err := audit.ParseSpans(r.String(name))
	if err != nil {
		r.Failf(name, "can't be read: %w", err)
	}
	return spans
}

func key(stream string) dynamo.Item { return dynamo.Item{attrStream: dynamo.S(stream)} }
