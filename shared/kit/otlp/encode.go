// Package otlp sends spans in the protocol of OpenTelemetry, by HTTP to a collector or by UDP to
// the daemon of X-Ray that Lambda runs beside a function.
//
// A function is frozen as soon as it has answered. So spans are kept while it works, and sent
// before the answer goes out (Recorder.Flush), in bounded time. What can't be sent is lost.
//
// OpenTelemetry's own exporter links gRPC and Protobuf's reflection, which more than double the
// time to a function's first poll. This one writes the same bytes: its test reads them with the
// protocol's own types.
package otlp

import (
	"encoding/binary"
	"math"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// The wire types of Protobuf.
const (
	varint  = 0
	fixed64 = 1
	length  = 2
	fixed32 = 5
)

// The flags of a span or link that say of its parent, or of itself, whether it is another
// process's.
const (
	knowsRemote = 0x100
	isRemote    = 0x200
)

// message is a Protobuf message under way. What has its default is not written, as proto3 has it.
type message []byte

func (m *message) tag(field, wire int) {
	*m = binary.AppendUvarint(*m, uint64(field)<<3|uint64(wire)) //nolint:gosec // both are constants
}

func (m *message) bytes(field int, value []byte) {
	m.tag(field, length)
	*m = append(binary.AppendUvarint(*m, uint64(len(value))), value...)
}

// text writes a string, in UTF-8: a reader refuses a whole request for one that is not.
func (m *message) text(field int, value string) {
	if value != "" {
		value = strings.ToValidUTF8(value, "\ufffd")
		m.tag(field, length)
		*m = append(binary.AppendUvarint(*m, uint64(len(value))), value...)
	}
}

func (m *message) number(field int, value uint64) {
	if value != 0 {
		m.tag(field, varint)
		*m = binary.AppendUvarint(*m, value)
	}
}

func (m *message) fixed64(field int, value uint64) {
	if value != 0 {
		m.tag(field, fixed64)
		*m = binary.LittleEndian.AppendUint64(*m, value)
	}
}

func (m *message) fixed32(field int, value uint32) {
	if value != 0 {
		m.tag(field, fixed32)
		*m = binary.LittleEndian.AppendUint32(*m, value)
	}
}

func (m *message) time(field int, at time.Time) {
	if !at.IsZero() {
		m.fixed64(field, uint64(max(0, at.UnixNano())))
	}
}

// inner writes a message in the message.
func (m *message) inner(field int, write func(*message)) {
	var of message
	write(&of)
	m.bytes(field, of)
}

// encode writes an ExportTraceServiceRequest of spans that come from one process.
func encode(spans []sdk.ReadOnlySpan) []byte {
	if len(spans) == 0 {
		return nil
	}
	var request message
	request.inner(1, func(of *message) {
		resource, scope := spans[0].Resource(), spans[0].InstrumentationScope()
		of.inner(1, func(r *message) { r.attributes(1, resource.Attributes()) })
		of.inner(2, func(s *message) {
			s.inner(1, func(m *message) { m.text(1, scope.Name); m.text(2, scope.Version) })
			for _, span := range spans {
				s.inner(2, func(m *message) { m.span(span) })
			}
			s.text(3, scope.SchemaURL)
		})
		of.text(3, resource.SchemaURL())
	})
	return request
}

func (m *message) span(s sdk.ReadOnlySpan) {
	own, parent := s.SpanContext(), s.Parent()
	traceID, spanID := own.TraceID(), own.SpanID()
	m.bytes(1, traceID[:])
	m.bytes(2, spanID[:])
	m.text(3, own.TraceState().String())
	if parent.SpanID().IsValid() {
		id := parent.SpanID()
		m.bytes(4, id[:])
	}
	m.text(5, s.Name())
	m.number(6, uint64(s.SpanKind())) //nolint:gosec // the numbers of the kinds are the protocol's
	m.time(7, s.StartTime())
	m.time(8, s.EndTime())
	m.attributes(9, s.Attributes())
	m.number(10, count(s.DroppedAttributes()))
	for _, e := range s.Events() {
		m.inner(11, func(of *message) {
			of.time(1, e.Time)
			of.text(2, e.Name)
			of.attributes(3, e.Attributes)
			of.number(4, count(e.DroppedAttributeCount))
		})
	}
	m.number(12, count(s.DroppedEvents()))
	for _, l := range s.Links() {
		m.inner(13, func(of *message) {
			traceID, spanID := l.SpanContext.TraceID(), l.SpanContext.SpanID()
			of.bytes(1, traceID[:])
			of.bytes(2, spanID[:])
			of.text(3, l.SpanContext.TraceState().String())
			of.attributes(4, l.Attributes)
			of.number(5, count(l.DroppedAttributeCount))
			of.fixed32(6, flags(l.SpanContext, l.SpanContext.IsRemote()))
		})
	}
	m.number(14, count(s.DroppedLinks()))
	if status := s.Status(); status.Code != codes.Unset {
		m.inner(15, func(of *message) {
			of.text(2, status.Description)
			code := uint64(1)
			if status.Code == codes.Error {
				code = 2
			}
			of.number(3, code)
		})
	}
	m.fixed32(16, flags(own, parent.IsRemote()))
}

func count(n int) uint64 { return uint64(max(0, n)) }

func flags(of trace.SpanContext, remote bool) uint32 {
	all := uint32(of.TraceFlags()) | knowsRemote
	if remote {
		all |= isRemote
	}
	return all
}

func (m *message) attributes(field int, all []attribute.KeyValue) {
	for _, a := range all {
		m.inner(field, func(of *message) {
			of.text(1, string(a.Key))
			of.inner(2, func(v *message) { v.value(a.Value) })
		})
	}
}

// value writes an AnyValue. In it defaults are written: what is there says which kind it is.
func (m *message) value(v attribute.Value) {
	switch v.Type() {
	case attribute.BOOL:
		m.boolean(v.AsBool())
	case attribute.INT64:
		m.integer(v.AsInt64())
	case attribute.FLOAT64:
		m.float(v.AsFloat64())
	case attribute.BOOLSLICE:
		list(m, v.AsBoolSlice(), (*message).boolean)
	case attribute.INT64SLICE:
		list(m, v.AsInt64Slice(), (*message).integer)
	case attribute.FLOAT64SLICE:
		list(m, v.AsFloat64Slice(), (*message).float)
	case attribute.STRINGSLICE:
		list(m, v.AsStringSlice(), (*message).string)
	default:
		m.string(v.String())
	}
}

func (m *message) string(s string) { m.bytes(1, []byte(strings.ToValidUTF8(s, "\ufffd"))) }

func (m *message) boolean(b bool) {
	m.tag(2, varint)
	if b {
		*m = append(*m, 1)
	} else {
		*m = append(*m, 0)
	}
}

func (m *message) integer(n int64) {
	m.tag(3, varint)
	*m = binary.AppendUvarint(*m, uint64(n)) //nolint:gosec // Protobuf's int64 is its two's complement
}

func (m *message) float(f float64) {
	m.tag(4, fixed64)
	*m = binary.LittleEndian.AppendUint64(*m, math.Float64bits(f))
}

func list[T any](m *message, values []T, write func(*message, T)) {
	m.inner(5, func(of *message) {
		for _, v := range values {
			of.inner(1, func(one *message) { write(one, v) })
		}
	})
}
