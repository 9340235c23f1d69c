package dynamostore

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/clock"
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

type attributes = map[string]types.AttributeValue

func encodeItem(c es.StoredCommit) attributes {
	list := make([]types.AttributeValue, len(c.Events))
	for i, e := range c.Events {
		list[i] = &types.AttributeValueMemberM{Value: attributes{
			attrType: text(e.Type), attrSchema: number(int64(e.Schema)), attrData: text(string(e.Data)),
		}}
	}
	item := attributes{
		attrStream:  text(string(c.Stream)),
		attrVersion: number(c.First),
		attrCount:   number(int64(len(c.Events))),
		attrCommit:  text(c.ID),
		attrTime:    text(c.Time.UTC().Format(time.RFC3339Nano)),
		attrEvents:  &types.AttributeValueMemberL{Value: list},
	}
	if c.Fingerprint != "" {
		item[attrFingerprint] = text(c.Fingerprint)
	}
	if meta := encodeMeta(c.Metadata); len(meta) > 0 {
		item[attrMeta] = &types.AttributeValueMemberM{Value: meta}
	}
	return item
}

// metaFields pairs each field of the metadata with its name.
func metaFields(m *es.Metadata) map[string]*string {
	return map[string]*string{
		"correlationId": &m.CorrelationID, "causationId": &m.CausationID, "traceparent": &m.Traceparent,
		"actor": &m.Actor,
	}
}

func encodeMeta(m es.Metadata) attributes {
	out := attributes{}
	for name, value := range metaFields(&m) {
		if *value != "" {
			out[name] = text(*value)
		}
	}
	return out
}

// decodeHead reads which commit an item is, without its events.
func decodeHead(stream es.StreamID, item attributes) (es.Head, error) {
	r := reader{item: item}
	c := r.header()
	switch {
	case r.err != nil:
		return es.Head{}, corrupt(stream, c.first, "%v", r.err)
	case c.stream != stream:
		return es.Head{}, corrupt(stream, c.first, "the item is of stream %q", c.stream)
	}
	return es.StoreHead(stream, c.first, c.first+c.count-1, c.id), nil
}

// decodeItem reads an item of a stream.
func decodeItem(stream es.StreamID, item attributes) (es.StoredCommit, error) {
	r := reader{item: item}
	h := r.header()
	c := es.StoredCommit{Stream: h.stream, First: h.first, ID: h.id}
	c.Fingerprint, _ = r.optional(attrFingerprint)
	c.Time = r.time(attrTime)
	c.Metadata = r.meta()
	c.Events = r.events()
	switch {
	case r.err != nil:
		return es.StoredCommit{}, corrupt(stream, h.first, "%v", r.err)
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
	item := make(attributes, len(image))
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
		return text(v.String()), nil
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
		return &types.AttributeValueMemberL{Value: list}, nil
	case events.DataTypeMap:
		m := make(attributes, len(v.Map()))
		for name, e := range v.Map() {
			var err error
			if m[name], err = fromImage(e); err != nil {
				return nil, err
			}
		}
		return &types.AttributeValueMemberM{Value: m}, nil
	case events.DataTypeBoolean:
		return &types.AttributeValueMemberBOOL{Value: v.Boolean()}, nil
	case events.DataTypeNull:
		return &types.AttributeValueMemberNULL{Value: true}, nil
	case events.DataTypeBinary:
		return &types.AttributeValueMemberB{Value: v.Binary()}, nil
	case events.DataTypeBinarySet:
		return &types.AttributeValueMemberBS{Value: v.BinarySet()}, nil
	case events.DataTypeNumberSet:
		return &types.AttributeValueMemberNS{Value: v.NumberSet()}, nil
	case events.DataTypeStringSet:
		return &types.AttributeValueMemberSS{Value: v.StringSet()}, nil
	}
	return nil, fmt.Errorf("data type %d", v.DataType())
}

// reader reads attributes and keeps the first error. Attributes that it doesn't know are left to
// those who do.
type reader struct {
	item attributes
	err  error
}

func (r *reader) fail(name, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("attribute %s %s", name, fmt.Sprintf(format, args...))
	}
}

type header struct {
	stream es.StreamID
	first  int64
	count  int64
	id     string
}

func (r *reader) header() header {
	return header{
		first: r.number(attrVersion), stream: es.StreamID(r.text(attrStream)), count: r.number(attrCount),
		id: r.text(attrCommit),
	}
}

// text reads a text that is not empty.
func (r *reader) text(name string) string {
	s, ok := r.optional(name)
	if !ok || s == "" {
		r.fail(name, "is missing or empty")
	}
	return s
}

// optional reads a text where there is one.
func (r *reader) optional(name string) (string, bool) {
	v, ok := r.item[name]
	if !ok {
		return "", false
	}
	s, ok := v.(*types.AttributeValueMemberS)
	if !ok {
		r.fail(name, "is a %T, not a string", v)
		return "", false
	}
	return s.Value, true
}

// number reads a whole number from 1: everything that is counted here begins with one.
func (r *reader) number(name string) int64 {
	v, ok := r.item[name].(*types.AttributeValueMemberN)
	if !ok {
		r.fail(name, "is no number")
		return 0
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil || n < 1 {
		r.fail(name, "is %q, not a whole number from 1", v.Value)
		return 0
	}
	return n
}

func (r *reader) time(name string) time.Time {
	s := r.text(name)
	t, err := clock.ParseTime(s)
	if err != nil {
		r.fail(name, "is %q, not a time in RFC 3339", s)
	}
	return t
}

func (r *reader) meta() es.Metadata {
	v, ok := r.item[attrMeta]
	if !ok {
		return es.Metadata{}
	}
	m, ok := v.(*types.AttributeValueMemberM)
	if !ok {
		r.fail(attrMeta, "is a %T, not a map", v)
		return es.Metadata{}
	}
	var out es.Metadata
	inner := reader{item: m.Value}
	for name, value := range metaFields(&out) {
		*value, _ = inner.optional(name)
	}
	if inner.err != nil {
		r.fail(attrMeta, "is unreadable: %v", inner.err)
	}
	return out
}

func (r *reader) events() []es.Stored {
	switch encoding, named := r.optional(attrEncoding); {
	case !named:
		return r.list()
	case encoding == zstdEncoding:
		return r.frame()
	default:
		r.fail(attrEncoding, "is %q, which is not known", encoding)
		return nil
	}
}

func (r *reader) frame() []es.Stored {
	v, ok := r.item[attrEvents].(*types.AttributeValueMemberB)
	if !ok {
		r.fail(attrEvents, "is no binary, where the encoding is %s", zstdEncoding)
		return nil
	}
	out, err := unpack(v.Value)
	if err != nil {
		r.fail(attrEvents, "can't be unpacked: %v", err)
	}
	return out
}

func (r *reader) list() []es.Stored {
	v, ok := r.item[attrEvents].(*types.AttributeValueMemberL)
	if !ok {
		r.fail(attrEvents, "is no list")
		return nil
	}
	out := make([]es.Stored, len(v.Value))
	for i, e := range v.Value {
		m, ok := e.(*types.AttributeValueMemberM)
		if !ok {
			r.fail(attrEvents, "holds a %T at %d", e, i)
			return nil
		}
		inner := reader{item: m.Value}
		out[i] = es.Stored{
			Type: inner.text(attrType), Schema: int(inner.number(attrSchema)),
			Data: json.RawMessage(inner.text(attrData)),
		}
		if inner.err != nil {
			r.fail(attrEvents, "at %d: %v", i, inner.err)
			return nil
		}
	}
	return out
}

// itemSize is the size of an item by DynamoDB's rules: names and values in UTF-8 bytes, three bytes
// for each list and map and one for each of its elements.
func itemSize(item attributes) int {
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
