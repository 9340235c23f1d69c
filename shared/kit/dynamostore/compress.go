package dynamostore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
)

// MaxEventsBytes bounds the events of a commit before they are compressed, in bytes of their types
// and JSON. Whoever reads a commit holds that much at once, so none is written that is larger, and
// none that claims to be is unpacked.
const MaxEventsBytes = 4 * 1024 * 1024

// writeUnit is how many bytes of an item one write unit pays for. Each that is begun counts.
const writeUnit = 1024

// zstdEncoding is the value of attrEncoding where attrEvents is one Zstandard frame with a checksum
// (RFC 8878) around a line for each event: type, schema and JSON, with a space between them and a
// line feed behind. BenchmarkEncoding says why it is this.
const zstdEncoding = "zstd"

// The encoder and the decoder are made when the first commit needs them: their tables are nothing
// that a cold start should pay for.
var (
	encoder = sync.OnceValues(func() (*zstd.Encoder, error) {
		return zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	})
	decoder = sync.OnceValues(func() (*zstd.Decoder, error) {
		return zstd.NewReader(nil, zstd.WithDecoderMaxMemory(MaxEventsBytes), zstd.WithDecoderLowmem(true))
	})
)

// pack gives a commit's item and the item's size in bytes. The events are compressed where that
// saves a write unit at least; the rest of the item, from which At and a failed condition are
// answered, never is. A commit that is too large all the same is an *es.LimitError.
func pack(c es.StoredCommit) (item dynamo.Item, size int, err error) {
	item = encodeItem(c)
	size = itemSize(item)
	if size > writeUnit {
		if size, err = compress(item, size, c.Events); err != nil {
			return nil, 0, err
		}
	}
	if size > MaxCommitBytes {
		return nil, 0, &es.LimitError{What: "bytes of a commit", Limit: MaxCommitBytes, Actual: size}
	}
	return item, size, nil
}

// compress replaces the events of an item by a frame where that pays. It gets the item's size and
// gives the one that it has then.
func compress(item dynamo.Item, before int, list []es.Stored) (int, error) {
	plain, ok := lines(list)
	if !ok {
		return before, nil
	}
	if len(plain) > MaxEventsBytes {
		return 0, &es.LimitError{What: "bytes of a commit's events", Limit: MaxEventsBytes, Actual: len(plain)}
	}
	z, err := encoder()
	if err != nil {
		return 0, fmt.Errorf("dynamostore: zstd: %w", err)
	}
	frame := z.EncodeAll(plain, make([]byte, 0, len(plain)/2))
	after := before - size(item[attrEvents]) + len(frame) + len(attrEncoding) + len(zstdEncoding)
	if writeUnits(after) >= writeUnits(before) {
		return before, nil
	}
	item[attrEvents], item[attrEncoding] = dynamo.B(frame), dynamo.S(zstdEncoding)
	return after, nil
}

// writeUnits is what DynamoDB charges for writing an item of that size, and half of what it charges
// in a transaction.
func writeUnits(size int) int { return (size + writeUnit - 1) / writeUnit }

// lines gives the events' lines. ok is false where an event would not come back as it is: what
// encoding/json makes has no line feeds, and the name of a type has no spaces, but nothing holds a
// program to that.
func lines(list []es.Stored) (out []byte, ok bool) {
	n := 0
	for _, e := range list {
		n += len(e.Type) + len(e.Data) + len(" 10 \n")
	}
	out = make([]byte, 0, n)
	for _, e := range list {
		if strings.ContainsAny(e.Type, " \n") || bytes.IndexByte(e.Data, '\n') >= 0 {
			return nil, false
		}
		out = append(out, e.Type...)
		out = append(out, ' ')
		out = strconv.AppendInt(out, int64(e.Schema), 10)
		out = append(out, ' ')
		out = append(out, e.Data...)
		out = append(out, '\n')
	}
	return out, true
}

// unpack reads the events of a frame.
func unpack(frame []byte) ([]es.Stored, error) {
	z, err := decoder()
	if err != nil {
		return nil, err
	}
	plain, err := z.DecodeAll(frame, nil)
	if err != nil {
		return nil, err
	}
	out := make([]es.Stored, 0, bytes.Count(plain, []byte{'\n'}))
	for len(plain) > 0 {
		line, rest, whole := bytes.Cut(plain, []byte{'\n'})
		name, line, _ := bytes.Cut(line, []byte{' '})
		number, data, _ := bytes.Cut(line, []byte{' '})
		schema, err := strconv.Atoi(string(number))
		if !whole || len(name) == 0 || len(data) == 0 || err != nil || schema < 1 {
			return nil, fmt.Errorf("line %d is not an event's type, schema from 1 and JSON", len(out)+1)
		}
		out = append(
			out, es.Stored{Type: string(name), Schema: schema, Data: json.RawMessage(data[:len(data):len(data)])},
		)
		plain = rest
	}
	return out, nil
}
