// Package dynamo is what the adapters of DynamoDB share: attributes and how they are read, the
// pages of queries and scans, batch reads, and what the service's errors mean.
//
// An adapter keeps its table's layout and its conditions to itself. It hands on no error name of
// the service: what may pass when it is tried again is an es.ErrUnavailable (Failed), and whether a
// write met another one is the adapter's to say, which knows what it wrote (ConditionFailed,
// Contended, CancelledFor).
package dynamo

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/clock"
)

// Item is an item, a key or another map of attributes.
type Item = map[string]types.AttributeValue

// S is a text.
func S(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// N is a whole number.
func N(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// B is a binary.
func B(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }

// L is a list.
func L(values ...types.AttributeValue) types.AttributeValue {
	return &types.AttributeValueMemberL{Value: values}
}

// Strings is a list of texts.
func Strings(texts []string) types.AttributeValue {
	list := make([]types.AttributeValue, len(texts))
	for i, s := range texts {
		list[i] = S(s)
	}
	return L(list...)
}

// M is a map.
func M(m Item) types.AttributeValue { return &types.AttributeValueMemberM{Value: m} }

// Names are the names of attributes as expressions refer to them: #name for each.
func Names(attributes ...string) map[string]string {
	out := make(map[string]string, len(attributes))
	for _, a := range attributes {
		out["#"+a] = a
	}
	return out
}

// Reader reads the attributes of an item and keeps the first error, so that it is asked for once,
// when all is read. An attribute that can't be read is its type's zero. A missing one is an error,
// but for the methods named Optional: there it is the zero too.
type Reader struct {
	item Item
	err  error
}

// Read reads an item.
func Read(item Item) *Reader { return &Reader{item: item} }

// Err is the first error, nil where all could be read.
func (r *Reader) Err() error { return r.err }

// Failf notes what is wrong with an attribute, as in "status is no text". Only the first error is
// kept.
func (r *Reader) Failf(name, format string, args ...any) {
	r.fail(fmt.Errorf("%s "+format, append([]any{name}, args...)...))
}

func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// Has reports whether the item has the attribute.
func (r *Reader) Has(name string) bool { return r.item[name] != nil }

// attribute reads one of a certain kind, the zero where it is missing or of another kind.
func attribute[T types.AttributeValue](r *Reader, name, kind string, optional bool) (v T, ok bool) {
	v, ok = r.item[name].(T)
	if !ok && (!optional || r.Has(name)) {
		r.Failf(name, "is no %s", kind)
	}
	return v, ok
}

func (r *Reader) text(name string, optional bool) string {
	if s, ok := attribute[*types.AttributeValueMemberS](r, name, "text", optional); ok {
		return s.Value
	}
	return ""
}

// String reads a text, which may be empty.
func (r *Reader) String(name string) string { return r.text(name, false) }

// OptionalString reads a text where there is one.
func (r *Reader) OptionalString(name string) string { return r.text(name, true) }

func (r *Reader) number(name string, optional bool) int64 {
	v, ok := attribute[*types.AttributeValueMemberN](r, name, "number", optional)
	if !ok {
		return 0
	}
	n, err := strconv.ParseInt(v.Value, 10, 64)
	if err != nil {
		r.fail(fmt.Errorf("%s: no whole number of 64 bits: %w", name, err))
		return 0
	}
	return n
}

// Number reads a whole number.
func (r *Reader) Number(name string) int64 { return r.number(name, false) }

// OptionalNumber reads a whole number where there is one.
func (r *Reader) OptionalNumber(name string) int64 { return r.number(name, true) }

func (r *Reader) time(name string, optional bool) time.Time {
	if optional && !r.Has(name) {
		return time.Time{}
	}
	t, err := clock.ParseTime(r.String(name))
	if err != nil {
		r.fail(fmt.Errorf("%s: %w", name, err))
	}
	return t
}

// Time reads a time in RFC 3339, and gives it in UTC.
func (r *Reader) Time(name string) time.Time { return r.time(name, false) }

// OptionalTime reads a time where there is one.
func (r *Reader) OptionalTime(name string) time.Time { return r.time(name, true) }

func (r *Reader) bytes(name string, optional bool) []byte {
	if b, ok := attribute[*types.AttributeValueMemberB](r, name, "binary", optional); ok {
		return b.Value
	}
	return nil
}

// Bytes reads a binary.
func (r *Reader) Bytes(name string) []byte { return r.bytes(name, false) }

// OptionalBytes reads a binary where there is one.
func (r *Reader) OptionalBytes(name string) []byte { return r.bytes(name, true) }

// List reads a list.
func (r *Reader) List(name string) []types.AttributeValue {
	if l, ok := attribute[*types.AttributeValueMemberL](r, name, "list", false); ok {
		return l.Value
	}
	return nil
}

// Maps reads a list of maps, of which each is read in its turn. What is wrong inside of one is an
// error of the list.
func (r *Reader) Maps(name string, read func(element *Reader)) {
	for i, v := range r.List(name) {
		m, ok := v.(*types.AttributeValueMemberM)
		if !ok {
			r.Failf(element(name, i), "is no map")
			return
		}
		inner := Read(m.Value)
		if read(inner); inner.err != nil {
			r.fail(fmt.Errorf("%s: %w", element(name, i), inner.err))
		}
	}
}

func element(list string, i int) string { return list + "[" + strconv.Itoa(i) + "]" }

// OptionalMap reads a map where there is one: nil where there is none.
func (r *Reader) OptionalMap(name string) Item {
	if m, ok := attribute[*types.AttributeValueMemberM](r, name, "map", true); ok {
		return m.Value
	}
	return nil
}

// OptionalStrings reads a list of texts where there is one.
func (r *Reader) OptionalStrings(name string) (texts []string) {
	if !r.Has(name) {
		return nil
	}
	for i, v := range r.List(name) {
		s, ok := v.(*types.AttributeValueMemberS)
		if !ok {
			r.Failf(element(name, i), "is no text")
			return nil
		}
		texts = append(texts, s.Value)
	}
	return texts
}
