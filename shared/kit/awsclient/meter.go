package awsclient

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// CountedMessage is the message of the log line that has what a Meter counted in an invocation,
// under "requests": shared/aws/awsenv writes it, and shared/aws/invocationlog reads it.
const CountedMessage = "requests counted"

// entryBytes is what EventBridge bills as one event; a larger one counts once for each such part.
const entryBytes = 64 << 10

// Requests is how often one operation was asked for, and what AWS bills for it.
type Requests struct {
	Service   string  `json:"service"`   // as the SDK calls it: DynamoDB, EventBridge
	Operation string  `json:"operation"` // PutItem
	On        string  `json:"on"`        // the table, or "" where the operation is on none or on several
	Count     int64   `json:"count"`     // attempts: one that was sent again is paid for again
	Read      float64 `json:"readUnits,omitempty"`
	Write     float64 `json:"writeUnits,omitempty"`
	Entries   int64   `json:"entries,omitempty"` // of PutEvents, in parts of 64 KB
}

// Meter counts the requests of the clients that have it, and their units by DynamoDB's own answer
// (ReturnConsumedCapacity). A write that its condition refused is billed by the size of the item
// that is there, which no answer tells: it counts as the least, one unit, or two an action of a
// transaction. It is safe for concurrent use.
type Meter struct {
	// Name gives a table's name in the counts, from its name in AWS. Required.
	Name func(table string) string

	mu    sync.Mutex
	calls map[operation]*Requests
	spent time.Duration
}

type operation struct{ service, operation, on string }

// Count is one of a client's APIOptions.
func (m *Meter) Count(stack *middleware.Stack) error {
	units := middleware.InitializeMiddlewareFunc("MeterUnits", m.units)
	if err := stack.Initialize.Add(units, middleware.After); err != nil {
		return fmt.Errorf("awsclient: meter: %w", err)
	}
	// Behind Retry, so that each attempt passes it.
	if err := stack.Finalize.Insert(
		middleware.FinalizeMiddlewareFunc("MeterAttempts", m.attempt), "Retry", middleware.After,
	); err != nil {
		return fmt.Errorf("awsclient: meter: %w", err)
	}
	return nil
}

// Take gives what was counted since the last Take, in the order of service, operation and table,
// and how long all requests together took.
func (m *Meter) Take() (counted []Requests, spent time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.calls {
		counted = append(counted, *r)
	}
	slices.SortFunc(counted, func(a, b Requests) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.On, b.On))
	})
	spent = m.spent
	m.calls, m.spent = nil, 0
	return counted, spent
}

type onKey struct{}

// units asks DynamoDB for the capacity that an operation consumes, and notes its answer.
func (m *Meter) units(
	ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
) (middleware.InitializeOutput, middleware.Metadata, error) {
	on := m.ask(in.Parameters)
	began := time.Now()
	out, metadata, err := next.HandleInitialize(context.WithValue(ctx, onKey{}, on), in)
	took := time.Since(began)
	at := operation{awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), on}
	units := consumed(out.Result)
	switch {
	case err != nil:
		units = refused(err, in.Parameters)
	case units == 0:
		units = keys(in.Parameters)
	}
	m.add(at, func(r *Requests) {
		m.spent += took
		if writes(at.operation) {
			r.Write += units
		} else {
			r.Read += units
		}
		r.Entries += entries(in.Parameters)
	})
	return out, metadata, err
}

// attempt counts one request on the wire.
func (m *Meter) attempt(
	ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
) (middleware.FinalizeOutput, middleware.Metadata, error) {
	on, _ := ctx.Value(onKey{}).(string)
	m.add(operation{awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), on}, func(r *Requests) {
		r.Count++
	})
	return next.HandleFinalize(ctx, in)
}

func (m *Meter) add(at operation, change func(*Requests)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.calls[at]
	if r == nil {
		r = &Requests{Service: at.service, Operation: at.operation, On: at.on}
		if m.calls == nil {
			m.calls = map[operation]*Requests{}
		}
		m.calls[at] = r
	}
	change(r)
}

func writes(operation string) bool {
	for _, verb := range []string{"Put", "Update", "Delete", "TransactWrite", "BatchWrite"} {
		if strings.HasPrefix(operation, verb) {
			return true
		}
	}
	return false
}

// ask sets ReturnConsumedCapacity where the operation has it, and names the table where it has one.
// By reflection: the operations share these fields and no interface, and an import of DynamoDB's
// client would link it into functions that have none.
func (m *Meter) ask(input any) (table string) {
	in := reflect.Indirect(reflect.ValueOf(input))
	if in.Kind() != reflect.Struct {
		return ""
	}
	if f := in.FieldByName("ReturnConsumedCapacity"); f.IsValid() && f.Kind() == reflect.String && f.CanSet() {
		f.SetString("TOTAL")
	}
	if f := in.FieldByName("TableName"); f.IsValid() {
		if name, ok := f.Interface().(*string); ok && name != nil {
			return m.Name(*name)
		}
	}
	return ""
}

// consumed adds up the units of an answer, which has them of one table or of several.
func consumed(output any) (units float64) {
	out := reflect.Indirect(reflect.ValueOf(output))
	if out.Kind() != reflect.Struct {
		return 0
	}
	f := out.FieldByName("ConsumedCapacity")
	if !f.IsValid() {
		return 0
	}
	if f.Kind() != reflect.Slice {
		return capacity(f)
	}
	for i := range f.Len() {
		units += capacity(f.Index(i))
	}
	return units
}

// keys is what a BatchGetItem costs at least: a unit for each key, half of one where the read is
// not consistent. An emulator may not say what it consumed.
func keys(input any) (units float64) {
	in := reflect.Indirect(reflect.ValueOf(input))
	if in.Kind() != reflect.Struct {
		return 0
	}
	tables := in.FieldByName("RequestItems")
	if tables.Kind() != reflect.Map {
		return 0
	}
	for _, name := range tables.MapKeys() {
		of := tables.MapIndex(name)
		if of.Kind() != reflect.Struct { // a BatchWriteItem has a list
			return 0
		}
		each := 0.5
		if f := reflect.Indirect(of.FieldByName("ConsistentRead")); f.Kind() == reflect.Bool && f.Bool() {
			each = 1
		}
		units += each * float64(of.FieldByName("Keys").Len())
	}
	return units
}

// refused is what a write costs at least whose condition refused it.
func refused(err error, input any) float64 {
	var failed smithy.APIError
	if !errors.As(err, &failed) {
		return 0
	}
	switch failed.ErrorCode() {
	case "ConditionalCheckFailedException":
		return 1
	case "TransactionCanceledException":
		if f := reflect.Indirect(reflect.ValueOf(input)).FieldByName("TransactItems"); f.Kind() == reflect.Slice {
			return 2 * float64(f.Len())
		}
	}
	return 0
}

func capacity(of reflect.Value) float64 {
	of = reflect.Indirect(of)
	if of.Kind() != reflect.Struct {
		return 0
	}
	if f := of.FieldByName("CapacityUnits"); f.IsValid() {
		if units, ok := f.Interface().(*float64); ok && units != nil {
			return *units
		}
	}
	return 0
}

// entries counts what EventBridge bills of a PutEvents, by the size of the details.
func entries(input any) (n int64) {
	in := reflect.Indirect(reflect.ValueOf(input))
	if in.Kind() != reflect.Struct {
		return 0
	}
	f := in.FieldByName("Entries")
	if !f.IsValid() || f.Kind() != reflect.Slice {
		return 0
	}
	for i := range f.Len() {
		size := 0
		if entry := reflect.Indirect(f.Index(i)); entry.Kind() == reflect.Struct {
			if detail := reflect.Indirect(entry.FieldByName("Detail")); detail.Kind() == reflect.String {
				size = detail.Len()
			}
		}
		n += max(1, int64((size+entryBytes-1)/entryBytes))
	}
	return n
}
