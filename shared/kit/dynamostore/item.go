package dynamostore

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
)

// The attributes of an item.
const (
	attrStream      = "stream"      // S, partition key
	attrVersion     = "version"     // N, sort key: the version of the first event
	attrCount       = "count"       // N, of events
	attrCommit      = "commit"      // S, the commit's id
	attrFingerprint = "fingerprint" // S, left out where it is empty
	attrTime        = "time"        // S, RFC 3339 with nanoseconds, UTC
	attrMeta        = "meta"        // M of S, under the names of es.Metadata's JSON; empty ones are left out
	// L of M: type S, schema N, data S with the event's JSON; B where an encoding is named
	attrEvents   = "events"
	attrEncoding = "encoding" // S, how the events are compressed; left out where they are not
	attrType     = "type"
	attrSchema   = "schema"
	attrData     = "data"
)

func encodeItem(c es.StoredCommit) dynamo.Item {
	list := make([]types.AttributeValue, len(c.Events))
	for i, e := range c.Events {
		list[i] = dynamo.M(dynamo.Item{
			attrType: dynamo.S(e.Type), attrSchema: dynamo.N(int64(e.Schema)), attrData: dynamo.S(string(e.Data)),
		})
	}
	item := dynamo.Item{
		attrStream:  dynamo.S(string(c.Stream)),
		attrVersion: dynamo.N(c.First),
		attrCount:   dynamo.N(int64(len(c.Events))),
		attrCommit:  dynamo.S(c.ID),
		attrTime:    dynamo.S(c.Time.UTC().Format(time.RFC3339Nano)),
		attrEvents:  dynamo.L(list...),
	}
	if c.Fingerprint != "" {
		item[attrFingerprint] = dynamo.S(c.Fingerprint)
	}
	if meta := encodeMeta(c.Metadata); len(meta) > 0 {
		item[attrMeta] = dynamo.M(meta)
	}
	return item
}

// metaFields pairs each field of the metadata with its name.
func metaFields(m *es.Metadata) map[string]*string {
	return map[string]*string{
		"correlationId": &m.CorrelationID, "causationId": &m.CausationID, "traceparent": &m.Traceparent,
		"tracestate": &m.Tracestate, "actor": &m.Actor, "principal": &m.Principal,
	}
}

func encodeMeta(m es.Metadata) dynamo.Item {
	out := dynamo.Item{}
	for name, value := range metaFields(&m) {
		if *value != "" {
			out[name] = dynamo.S(*value)
		}
	}
	return out
}

// decodeHead reads which commit an item is, without its events.
func decodeHead(stream es.StreamID, item dynamo.Item) (es.Head, error) {
	r := read(item)
	c := r.header()
	switch {
	case r.Err() != nil:
		return es.Head{}, corrupt(stream, c.first, "%v", r.Err())
	case c.stream != stream:
		return es.Head{}, corrupt(stream, c.first, "the item is of stream %q", c.stream)
	}
	return es.StoreHead(stream, c.first, c.first+c.count-1, c.id), nil
}

// decodeItem reads an item of a stream.
func decodeItem(stream es.StreamID, item dynamo.Item) (es.StoredCommit, error) {
	r := read(item)
	h := r.header()
	c := es.StoredCommit{Stream: h.stream, First: h.first, ID: h.id}
	c.Fingerprint = r.OptionalString(attrFingerprint)
	c.Time = r.Time(attrTime)
	c.Metadata = r.meta()
	c.Events = r.events()
	switch {
	case r.Err() != nil:
		return es.StoredCommit{}, corrupt(stream, h.first, "%v", r.Err())
	case c.Stream != stream:
		return es.StoredCommit{}, corrupt(stream, h.first, "the item is of stream %q", c.Stream)
	case int64(len(c.Events)) != h.count:
		return es.StoredCommit{}, corrupt(stream, h.first, "%d events, where count says %d", len(c.Events), h.count)
	}
	return c, nil
}

// CommitFromImage reads the new image of a record of the table's stream, which has to be one with
// new images. The events stay encoded, so one of a type that the program doesn't know is read here
// all the same. An image that can't be read is an es.ErrCorrupt.
func CommitFromImage(image map[string]events.DynamoDBAttributeValue) (es.StoredCommit, error) {
	item := make(dynamo.Item, len(image))
	for name, value := range image {
		var err error
		if item[name], err = fromImage(value); err != nil {
			return es.StoredCommit{}, fmt.Errorf("%w: image: %s: %w", es.ErrCorrupt, name, err)
		}
	}
	return decodeAny(item)
}

// fromImage turns a stream record's value into the API's. Lambda's event type is another for the
// same thing, and panics where it is asked for a wrong kind.
func fromImage(v events.DynamoDBAttributeValue) (types.AttributeValue, error) {
	switch v.DataType() {
	case events.DataTypeString:
		return dynamo.S(v.String()), nil
	case events.DataTypeNumber:
		return &types.AttributeValueMemberN{Value: v.Number()}, nil
	case events.DataTypeList:
		list := make([]types.AttributeValue, len(v.List()))
		for i, e := range v.List() {
			var err error
			if list[i], err = fromImage(e); err != nil {
				return nil, err
			}
		}
		return dynamo.L(list...), nil
	case events.DataTypeMap:
		m := make(dynamo.Item, len(v.Map()))
		for name, e := range v.Map() {
			var err error
			if m[name], err = fromImage(e); err != nil {
				return nil, err
			}
		}
		return dynamo.M(m), nil
	case events.DataTypeBoolean:
		return &types.AttributeValueMemberBOOL{Value: v.Boolean()}, nil
	case events.DataTypeNull:
		return &types.AttributeValueMemberNULL{Value: true}, nil
	case events.DataTypeBinary:
		return dynamo.B(v.Binary()), nil
	case events.DataTypeBinarySet:
		return &types.AttributeValueMemberBS{Value: v.BinarySet()}, nil
	case events.DataTypeNumberSet:
		return &types.AttributeValueMemberNS{Value: v.NumberSet()}, nil
	case events.DataTypeStringSet:
		return &types.AttributeValueMemberSS{Value: v.StringSet()}, nil
	}
	return nil, fmt.Errorf("data type %d", v.DataType())
}

// reader is the floor's, for attributes that have more to be than of their kind. Those that it
// doesn't know are left to those who do.
type reader struct{ *dynamo.Reader }

func read(item dynamo.Item) reader { return reader{dynamo.Read(item)} }

// Err is the first error, as in "attribute count is no number".
func (r reader) Err() error {
	if err := r.Reader.Err(); err != nil {
		return fmt.Errorf("attribute %w", err)
	}
	return nil
}

type header struct {
	stream es.StreamID
	first  int64
	count  int64
	id     string
}

func (r reader) header() header {
	return header{
		first: r.number(attrVersion), stream: es.StreamID(r.text(attrStream)), count: r.number(attrCount),
		id: r.text(attrCommit),
	}
}

// text reads a text that is not empty.
func (r reader) text(name string) string {
	s := r.OptionalString(name)
	if s == "" {
		r.Failf(name, "is missing or empty")
	}
	return s
}

// number reads a whole number from 1: everything that is counted here begins with one.
func (r reader) number(name string) int64 {
	n := r.Number(name)
	if n < 1 {
		r.Failf(name, "is %d, not a whole number from 1", n)
	}
	return n
}

func (r reader) meta() (m es.Metadata) {
	inner := dynamo.Read(r.OptionalMap(attrMeta))
	for name, value := range metaFields(&m) {
		*value = inner.OptionalString(name)
	}
	if inner.Err() != nil {
		r.Failf(attrMeta, "is unreadable: %w", inner.Err())
	}
	return m
}

func (r reader) events() []es.Stored {
	if !r.Has(attrEncoding) {
		return r.list()
	}
	if encoding := r.String(attrEncoding); encoding != zstdEncoding {
		r.Failf(attrEncoding, "is %q, which is not known", encoding)
		return nil
	}
	return r.frame()
}

func (r reader) frame() []es.Stored {
	out, err := unpack(r.Bytes(attrEvents))
	if err != nil {
		r.Failf(attrEvents, "can't be unpacked: %w", err)
	}
	return out
}

func (r reader) list() (out []es.Stored) {
	r.Maps(attrEvents, func(element *dynamo.Reader) {
		e := reader{element}
		out = append(out, es.Stored{
			Type: e.text(attrType), Schema: int(e.number(attrSchema)), Data: json.RawMessage(e.text(attrData)),
		})
	})
	return out
}

// itemSize is the size of an item by DynamoDB's rules: names and values in UTF-8 bytes, three bytes
// for each list and map and one for each of its elements.
func itemSize(item dynamo.Item) int {
	n := 0
	for name, v := range item {
		n += len(name) + size(v)
	}
	return n
}

// size is the size of a value. Numbers, of which DynamoDB says only "approximately" one byte for
// two digits and one more, get two more.
func size(v types.AttributeValue) int {
	n := 0
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		n = len(v.Value)
	case *types.AttributeValueMemberN:
		n = len(v.Value)/2 + 3
	case *types.AttributeValueMemberB:
		n = len(v.Value)
	case *types.AttributeValueMemberSS:
		for _, e := range v.Value {
			n += len(e) + 1
		}
	case *types.AttributeValueMemberNS:
		for _, e := range v.Value {
			n += len(e)/2 + 4
		}
	case *types.AttributeValueMemberBS:
		for _, e := range v.Value {
			n += len(e) + 1
		}
	case *types.AttributeValueMemberL:
		n = 3
		for _, e := range v.Value {
			n += size(e) + 1
		}
	case *types.AttributeValueMemberM:
		n = 3
		for name, e := range v.Value {
			n += len(name) + size(e) + 1
		}
	default:
		n = 1 // a boolean or null
	}
	return n
}

// transactItemSize is what is known of the size of an effect's item: a put's exactly, of an update
// or a check what it carries.
func transactItemSize(item types.TransactWriteItem) int {
	switch {
	case item.Put != nil:
		return itemSize(item.Put.Item)
	case item.Update != nil:
		return itemSize(item.Update.Key) + itemSize(item.Update.ExpressionAttributeValues)
	case item.Delete != nil:
		return itemSize(item.Delete.Key)
	case item.ConditionCheck != nil:
		return itemSize(item.ConditionCheck.Key)
	}
	return 0
}
