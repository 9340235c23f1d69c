// Package contract is what other programs may rely on: the published event types, version by version, and how stored events become them.
//
// A contract is a type of its own and not the stored event, so that what is stored can change without anybody outside noticing, and nothing is
// published that was only meant to be stored. Within a version a contract may gain optional fields and nothing else; whatever breaks a reader is a new version.
package contract

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"orderflow/shared/account"
	"orderflow/shared/customer"
	"orderflow/shared/es"
	"orderflow/shared/order"
	"orderflow/shared/payment"
	"orderflow/shared/shipment"
	"orderflow/shared/stock"
)

//go:generate go run ./generate -root ../../events

var (
	// ErrUnmapped says of a stored event that there is no contract for it. Trying again doesn't help.
	ErrUnmapped = errors.New("contract: no contract for the stored event")
	// ErrUnknown says of an envelope that its type, or its version of the type, is none that this program knows.
	ErrUnknown = errors.New("contract: unknown type or version")
	// ErrInvalid says of an envelope that it breaks its contract.
	ErrInvalid = errors.New("contract: the event breaks its contract")
)

// Type is a published event type in one version.
type Type struct {
	Name        string // "order.placed"
	Version     int
	Context     string // that publishes it: "order"
	Subject     string // the shape of the stream id: "order/{orderId}"
	Description string // what happened, in one sentence
	Published   bool   // false for a version that is only read any more

	data     reflect.Type
	required []string
	decode   func([]byte) (any, error)
}

// Source is the envelope's source: the context's service.
func (t Type) Source() string { return t.Context + "-service" }

// DataSchema is the URI of the version's JSON Schema. It is a name and no place: the schema itself stands under events/schemas.
func (t Type) DataSchema() string {
	return fmt.Sprintf("urn:orderflow:schema:%s:%d", t.Name, t.Version)
}

// Data is the Go type of the envelope's data.
func (t Type) Data() reflect.Type { return t.data }

// entry is a Type with its mapping. A version without a mapping is not published any more.
type entry struct {
	Type
	convert func(es.Recorded) (any, bool)
}

type key struct {
	name    string
	version int
}

type catalogue struct {
	all       []Type
	known     map[key]Type
	published map[string]entry
}

var catalogued = newCatalogue(orderTypes, customerTypes, accountTypes, paymentTypes, stockTypes, shipmentTypes)

func newCatalogue(contexts ...func() []entry) catalogue {
	c := catalogue{known: map[key]Type{}, published: map[string]entry{}}
	for _, entries := range contexts {
		for _, e := range entries() {
			k := key{e.Name, e.Version}
			if _, twice := c.known[k]; twice || e.Version < 1 {
				panic(fmt.Sprintf("contract: %s version %d does not fit", e.Name, e.Version))
			}
			if e.Published = e.convert != nil; e.Published {
				if _, twice := c.published[e.Name]; twice {
					panic("contract: two versions of " + e.Name + " are published")
				}
				c.published[e.Name] = e
			}
			c.known[k] = e.Type
			c.all = append(c.all, e.Type)
		}
	}
	slices.SortFunc(c.all, func(a, b Type) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version)) })
	return c
}

// publish makes the entry of a type whose stored events E become contracts C.
func publish[E, C any](t Type, convert func(es.Recorded, E) C) entry {
	t.data = reflect.TypeFor[C]()
	t.required = required(t.data)
	t.decode = func(text []byte) (any, error) {
		var data C
		err := decodeJSON(text, &data)
		return data, err
	}
	return entry{Type: t, convert: func(r es.Recorded) (any, bool) {
		e, ok := r.Data.(E)
		if !ok {
			return nil, false
		}
		return convert(r, e), true
	}}
}

// required lists the fields of a contract that are always there.
func required(t reflect.Type) []string {
	var names []string
	for i := range t.NumField() {
		name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if !strings.Contains(options, "omitempty") {
			names = append(names, name)
		}
	}
	return names
}

// Registry knows every stored event that is published.
func Registry() *es.Registry {
	return es.NewRegistry(order.Register, customer.Register, account.Register, payment.Register, stock.Register, shipment.Register)
}

// Types lists every published type in every version, by name and version.
func Types() []Type { return slices.Clone(catalogued.all) }

// Map makes the published form of a stored event. The same event gives the same envelope each time. An event without a contract is an ErrUnmapped.
func Map(r es.Recorded) (es.Envelope, error) {
	t, ok := catalogued.published[r.Type]
	if !ok {
		return es.Envelope{}, fmt.Errorf("%w: %s is a %s", ErrUnmapped, r.ID(), r.Type)
	}
	data, ok := t.convert(r)
	if !ok {
		return es.Envelope{}, fmt.Errorf("%w: %s is a %s, and a %T", ErrUnmapped, r.ID(), r.Type, r.Data)
	}
	text, err := json.Marshal(data)
	if err != nil {
		return es.Envelope{}, fmt.Errorf("%w: %s: %w", ErrUnmapped, r.ID(), err)
	}
	e := es.Envelope{
		SpecVersion: es.SpecVersion, ID: r.ID(), Source: t.Source(), Type: t.Name, Subject: string(r.Stream), Time: r.Time.UTC(),
		DataContentType: "application/json", DataSchema: t.DataSchema(), DataVersion: t.Version, Sequence: r.Version,
		CorrelationID: r.Metadata.CorrelationID, CausationID: r.Metadata.CausationID, Traceparent: r.Metadata.Traceparent, Data: text,
	}
	if err := e.Validate(); err != nil {
		return es.Envelope{}, fmt.Errorf("%w: %w", ErrUnmapped, err)
	}
	return e, nil
}

// Decode gives the contract that an envelope carries, as a value of one of this package's types. Fields that it doesn't know are passed over, since a
// newer publisher may have added them; a field that the contract requires must be there. The error is an ErrUnknown or an ErrInvalid.
func Decode(e es.Envelope) (any, error) {
	if err := e.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	t, ok := catalogued.known[key{e.Type, e.DataVersion}]
	if !ok {
		return nil, fmt.Errorf("%w: %s is %s version %d", ErrUnknown, e.ID, e.Type, e.DataVersion)
	}
	if e.Source != t.Source() || e.DataSchema != t.DataSchema() {
		return nil, fmt.Errorf("%w: %s is of %q after %q, want %q after %q", ErrInvalid, e.ID, e.Source, e.DataSchema, t.Source(), t.DataSchema())
	}
	var fields map[string]json.RawMessage
	if err := decodeJSON(e.Data, &fields); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, e.ID, err)
	}
	for _, name := range t.required {
		if value, there := fields[name]; !there || string(value) == "null" {
			return nil, fmt.Errorf("%w: %s: %s lacks %s", ErrInvalid, e.ID, e.Type, name)
		}
	}
	data, err := t.decode(e.Data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrInvalid, e.ID, err)
	}
	return data, nil
}

// decodeJSON decodes exactly one JSON value.
func decodeJSON(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the JSON value")
	}
	return nil
}
