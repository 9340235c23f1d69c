// Package journaltable keeps the journal of the loss audit in one DynamoDB table, to which items
// are only added.
//
//	bucket    S  the partition: the hour of at, the side, and one of Parts: "2026-11-23T16#bus#3"
//	id        S  the sort key, derived from what the note says: written twice, it is one item
//	kind      S  an audit.Kind
//	at        N  when the note was written, in Unix milliseconds
//	versions  M  by stream, its versions as audit.Spans writes them: {"order/8c3c…": "1-2,5"}
//	expires   N  Unix seconds after which DynamoDB deletes the item
//
// A commit takes about 46 bytes and an item some 110 more, so one write unit has room for 18 to 20
// commits. The streams' names are written out: an item is to be understood by who looks at it.
package journaltable

import (
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/audit"
)

// Parts is in how many partitions a side's hour is: each takes 1,000 write units a second.
const Parts = 4

// maxVersions is how many bytes of versions an item has. DynamoDB takes 400 KB.
const maxVersions = 380_000

const (
	attrBucket   = "bucket"
	attrID       = "id"
	attrKind     = "kind"
	attrAt       = "at"
	attrVersions = "versions"
	attrExpires  = "expires"
)

// API is what the table needs of the DynamoDB client. Consumers, which only write, need PutItem
// alone.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Table is an audit.Journal. It is safe for concurrent use.
type Table struct {
	api   API
	table string
}

var _ audit.Journal = Table{}

// New keeps the journal in an existing table.
func New(api API, table string) Table { return Table{api: api, table: table} }

// Write implements audit.Writer with one write, and a further one for each 8,000 streams.
func (t Table) Write(ctx context.Context, note audit.Note) error {
	for _, item := range items(note) {
		if _, err := t.api.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.table, Item: item}); err != nil {
			return fmt.Errorf("journaltable: note what was %s: %w", note.Kind, dynamo.Failed(err))
		}
	}
	return nil
}

// Written implements audit.Journal with one strongly consistent read for each write.
func (t Table) Written(ctx context.Context, note audit.Note) (bool, error) {
	for _, item := range items(note) {
		there, err := dynamo.Get(
			ctx, t.api, t.table, dynamo.Item{attrBucket: item[attrBucket], attrID: item[attrID]},
		)
		if err != nil || len(there) == 0 {
			return false, err
		}
	}
	return true, nil
}

// Notes implements audit.Reader with one strongly consistent query for each part, and MB of it.
func (t Table) Notes(ctx context.Context, side audit.Side, hour time.Time) iter.Seq2[audit.Note, error] {
	return func(yield func(audit.Note, error) bool) {
		for part := range Parts {
			bucket := bucketOf(hour, side, part)
			for item, err := range dynamo.Query(ctx, t.api, &dynamodb.QueryInput{
				TableName: &t.table, ConsistentRead: aws.Bool(true),
				KeyConditionExpression:    aws.String("#bucket = :bucket"),
				ExpressionAttributeNames:  map[string]string{"#bucket": attrBucket},
				ExpressionAttributeValues: dynamo.Item{":bucket": dynamo.S(bucket)},
			}) {
				if err != nil {
					yield(audit.Note{}, fmt.Errorf("journaltable: read %s: %w", bucket, err))
					return
				}
				if !yield(noteOf(item)) {
					return
				}
			}
		}
	}
}

func bucketOf(at time.Time, side audit.Side, part int) string {
	return at.UTC().Format("2006-01-02T15") + "#" + string(side) + "#" + strconv.Itoa(part)
}

// items are what a note is written as: one item, or several where it is too large.
func items(note audit.Note) (all []dynamo.Item) {
	versions, id, size := dynamo.Item{}, []string{string(note.Kind)}, 0
	end := func() {
		if len(versions) == 0 {
			return
		}
		key := ident.Derive("note", id...)
		all = append(all, dynamo.Item{
			attrBucket: dynamo.S(bucketOf(note.At, note.Kind.Side(), part(key))), attrID: dynamo.S(key),
			attrKind: dynamo.S(string(note.Kind)), attrAt: dynamo.N(note.At.UnixMilli()),
			attrVersions: dynamo.M(versions), attrExpires: dynamo.N(note.At.Add(audit.Keep).Unix()),
		})
		versions, id, size = dynamo.Item{}, id[:1:1], 0
	}
	for _, stream := range slices.Sorted(maps.Keys(note.Versions)) {
		spans := note.Versions[stream].String()
		if spans == "" {
			continue
		}
		if size+len(stream)+len(spans) > maxVersions {
			end()
		}
		size += len(stream) + len(spans) + 1 // DynamoDB counts a byte for each
		versions[string(stream)] = dynamo.S(spans)
		id = append(id, string(stream), spans)
	}
	end()
	return all
}

func part(key string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	return int(h.Sum32() % Parts)
}

// noteOf reads an item. What can't be read is an audit.ErrUnreadable that names it.
func noteOf(item dynamo.Item) (audit.Note, error) {
	r := dynamo.Read(item)
	note := audit.Note{
		Kind: audit.Kind(r.String(attrKind)), At: time.UnixMilli(r.Number(attrAt)).UTC(), Versions: audit.Versions{},
	}
	if !slices.Contains(kinds, note.Kind) {
		r.Failf(attrKind, "%q is none", note.Kind)
	}
	versions := r.OptionalMap(attrVersions)
	for stream, value := range versions {
		text, _ := value.(*types.AttributeValueMemberS)
		if text == nil {
			r.Failf(attrVersions, "those of %s are no text", stream)
			continue
		}
		spans, err := audit.ParseSpans(text.Value)
		if err != nil || len(spans) == 0 {
			r.Failf(attrVersions, "those of %s are %q", stream, text.Value)
		}
		note.Versions[es.StreamID(stream)] = spans
	}
	if len(versions) == 0 {
		r.Failf(attrVersions, "there are none")
	}
	if err := r.Err(); err != nil {
		return audit.Note{}, fmt.Errorf(
			"%w: %s of %s: %w", audit.ErrUnreadable, dynamo.Read(item).OptionalString(attrID),
			dynamo.Read(item).OptionalString(attrBucket), err,
		)
	}
	return note, nil
}

var kinds = []audit.Kind{audit.Published, audit.Refused, audit.Abandoned, audit.Seen}
