// Package contract is what other programs may rely on: the published event types, version by
// version, and how stored events become them.
//
// A contract is a type of its own and not the stored event, so that what is stored can change
// without anybody outside noticing, and nothing is published that was only meant to be stored.
// Within a version a contract may gain optional fields and nothing else; whatever breaks a reader
// is a new version.
package contract

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/refund"
	"orderflow/shared/shop/request"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

//go:generate go run ./generate -root ../../events

var (
	// ErrUnmapped says of a stored event that there is no contract for it. Trying again doesn't
	// help.
	ErrUnmapped = errors.New("contract: no contract for the stored event")
	// ErrUnknown says of an envelope that its type, or its version of the type, is none that this
	// program knows.
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

	// Deprecated and Until are days (2006-01-02), both "" for a version that is current: since when
	// there is a newer one to go to, and through which day this one is published beside it, at
	// least.
	Deprecated string
	Until      string

	data   reflect.Type
	shape  func() *shape                   // of the data
	stream func(data reflect.Value) string // that the data is of, by the form of Subject
}

// SupportMonths is for how long a version is published, at least, once a newer one is there: long
// enough that a consumer's team finds a quarter for the move.
const SupportMonths = 12

// Status says what a version is to a consumer.
type Status string

// The statuses.
const (
	Current    Status = "current"    // the one to consume
	Deprecated Status = "deprecated" // published beside a newer one, until Until
	ReadOnly   Status = "read-only"  // not published any more; what redelivers or replays may still bring it
)

// Status is the version's.
func (t Type) Status() Status {
	switch {
	case !t.Published:
		return ReadOnly
	case t.Deprecated != "":
		return Deprecated
	}
	return Current
}

// Source is the envelope's source: the context's service.
func (t Type) Source() string { return t.Context + "-service" }

// DataSchema is the URI of the version's JSON Schema. It is a name and no place: the schema itself
// stands under events/schemas.
func (t Type) DataSchema() string {
	return fmt.Sprintf("urn:orderflow:schema:%s:%d", t.Name, t.Version)
}

// Data is the Go type of the envelope's data.
func (t Type) Data() reflect.Type { return t.data }

// entry is a Type with its mapping. A version without a mapping is not published any more.
type entry struct {
	Type
	convert func(es.Recorded, order.State) (any, bool)
}

type key struct {
	name    string
	version int
}

type catalogue struct {
	all       []Type
	known     map[key]Type
	published map[string][]entry // oldest version first
}

// theCatalogue is made with the first event. It is no sync.OnceValue: a variable that holds a
// function is linked with all that the function calls, into every program that imports the package.
var theCatalogue struct {
	sync.Once
	catalogue
}

func catalogued() catalogue {
	theCatalogue.Do(func() {
		theCatalogue.catalogue = newCatalogue(
			orderTypes, customerTypes, accountTypes, paymentTypes, stockTypes, shipmentTypes, productTypes,
			requestTypes, refundTypes,
		)
	})
	return theCatalogue.catalogue
}

func newCatalogue(contexts ...func() []entry) catalogue {
	c := catalogue{known: map[key]Type{}, published: map[string][]entry{}}
	for _, entries := range contexts {
		for _, e := range entries() {
			k := key{e.Name, e.Version}
			if _, twice := c.known[k]; twice || e.Version < 1 {
				panic(fmt.Sprintf("contract: %s version %d does not fit", e.Name, e.Version))
			}
			if e.Published = e.convert != nil; e.Published {
				c.published[e.Name] = append(c.published[e.Name], e)
			}
			c.known[k] = e.Type
			c.all = append(c.all, e.Type)
		}
	}
	for _, versions := range c.published {
		slices.SortFunc(versions, func(a, b entry) int { return cmp.Compare(a.Version, b.Version) })
	}
	slices.SortFunc(
		c.all, func(a, b Type) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version)) },
	)
	return c
}

// publish makes the entry of a type whose stored events E become contracts C.
func publish[E, C any](t Type, convert func(es.Recorded, E) C) entry {
	return publishWith(t, func(r es.Recorded, e E, _ order.State) C { return convert(r, e) })
}

// publishWith is publish for contracts that also say what the order is that their event is of. The
// order is the zero State where the publisher doesn't know it, and what follows from it is then
// left out.
func publishWith[E, C any](t Type, convert func(es.Recorded, E, order.State) C) entry {
	t.data = reflect.TypeFor[C]()
	// Made with the first event: a function pays for the types that come to it alone.
	t.shape = sync.OnceValue(func() *shape { return shapeOf(t.data, false) })
	t.stream = streamOf(t)
	return entry{Type: t, convert: func(r es.Recorded, of order.State) (any, bool) {
		e, ok := r.Data.(E)
		if !ok {
			return nil, false
		}
		return convert(r, e, of), true
	}}
}

// streamOf reads from data which stream it is of: the placeholder of the subject's form is one of
// its properties.
func streamOf(t Type) func(data reflect.Value) string {
	category, placeholder, _ := strings.Cut(t.Subject, "/")
	property := strings.Trim(placeholder, "{}")
	return func(data reflect.Value) string {
		for _, f := range t.shape().fields {
			if f.name == property {
				return string(es.NewStreamID(category, data.Field(f.index).String()))
			}
		}
		panic(fmt.Sprintf("contract: %s version %d has no property for its subject %s", t.Name, t.Version, t.Subject))
	}
}

// until makes an entry one that is still published and that nobody should begin to consume: a newer
// version is there.
func (e entry) until(deprecated, until string) entry {
	e.Deprecated, e.Until = deprecated, until
	return e
}

// retired makes an entry one that is only read any more, which redelivered and archived events
// still need.
func (e entry) retired() entry {
	e.convert = nil
	return e
}

// Registry knows every stored event that is published.
func Registry() *es.Registry {
	return es.NewRegistry(
		order.Register, customer.Register, account.Register, payment.Register, stock.Register, shipment.Register,
		product.Register, request.Register, refund.Register,
	)
}

// Kept reports whether a stored event is nobody's outside: it has no contract, and none is missing.
// A run's task token ends what the run waits for, and between which rows pieces were moved is of
// the rows.
func Kept(name string) bool { return name == "order.parked" || name == "stock.sharded" }

// Types lists every published type in every version, by name and version.
func Types() []Type { return slices.Clone(catalogued().all) }

// Map makes the published form of a stored event in the oldest version of its type that is
// published: for most types, the only one. The same event gives the same envelope each time. An
// event without a contract is an ErrUnmapped.
func Map(r es.Recorded) (es.Envelope, error) {
	all, err := Versions(r)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%w: %s is a %s, which is not published", ErrUnmapped, r.ID(), r.Type)
	}
	if err != nil {
		return es.Envelope{}, err
	}
	return all[0], nil
}

// Versions makes the published forms of a stored event: one for each version of its type that is
// published, oldest first. They have the same sequence, and each an id of its own, so that nobody
// takes one for a repeat of the other; a consumer's rule says which version it wants. The same
// event gives the same envelopes each time. An event that is Kept has none; any other without a
// contract is an ErrUnmapped.
func Versions(r es.Recorded) ([]es.Envelope, error) { return VersionsOf(r, order.State{}) }

// VersionsOf is Versions of an order's event, with what consumers would ask the order for. of is
// the order as of the event's commit, or the zero State, which leaves it out.
func VersionsOf(r es.Recorded, of order.State) ([]es.Envelope, error) {
	if Kept(r.Type) {
		return nil, nil
	}
	versions := catalogued().published[r.Type]
	if len(versions) == 0 {
		return nil, fmt.Errorf("%w: %s is a %s", ErrUnmapped, r.ID(), r.Type)
	}
	out := make([]es.Envelope, len(versions))
	for i, t := range versions {
		data, ok := t.convert(r, of)
		if !ok {
			return nil, fmt.Errorf("%w: %s is a %s, and a %T", ErrUnmapped, r.ID(), r.Type, r.Data)
		}
		text, err := json.Marshal(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrUnmapped, r.ID(), err)
		}
		out[i] = es.Envelope{
			SpecVersion: es.SpecVersion, ID: t.envelopeID(r), Source: t.Source(), Type: t.Name,
			Subject: string(r.Stream), Time: r.Time.UTC(),
			DataContentType: "application/json", DataSchema: t.DataSchema(), DataVersion: t.Version,
			Sequence:      r.Version,
			CorrelationID: r.Metadata.CorrelationID, CausationID: r.Metadata.CausationID,
			Traceparent: r.Metadata.Traceparent, Tracestate: r.Metadata.Tracestate, Data: text,
		}
		out[i].ActorKind, out[i].ActorID = r.Metadata.Who()
		if err := out[i].Validate(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnmapped, err)
		}
	}
	return out, nil
}

// envelopeID is the stored event's id for the first version, and says the version for each later
// one. It doesn't depend on which others are published.
func (t Type) envelopeID(r es.Recorded) string {
	if t.Version == 1 {
		return r.ID()
	}
	return fmt.Sprintf("%s/v%d", r.ID(), t.Version)
}

// Decode gives the contract that an envelope carries, as a value of one of this package's types,
// once Check finds nothing in it. The error is an ErrUnknown or an ErrInvalid.
func Decode(e es.Envelope) (any, error) {
	_, data, err := decode(e)
	if err != nil {
		return nil, err
	}
	return data.Interface(), nil
}

func decode(e es.Envelope) (Type, reflect.Value, error) {
	t, err := typeOf(e)
	if err != nil {
		return Type{}, reflect.Value{}, err
	}
	data := reflect.New(t.data).Elem()
	if err := readJSON(t.shape(), e.Data, data, "data"); err != nil {
		return Type{}, reflect.Value{}, fmt.Errorf(
			"%w: %s: %s version %d: %w", ErrInvalid, e.ID, e.Type, e.DataVersion, err,
		)
	}
	return t, data, nil
}

// typeOf finds the type of an envelope, and checks all of the envelope but its data.
func typeOf(e es.Envelope) (Type, error) {
	if err := e.Validate(); err != nil {
		return Type{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	t, ok := catalogued().known[key{e.Type, e.DataVersion}]
	if !ok {
		return Type{}, fmt.Errorf("%w: %s is %s version %d", ErrUnknown, e.ID, e.Type, e.DataVersion)
	}
	if e.Source != t.Source() || e.DataSchema != t.DataSchema() {
		return Type{}, fmt.Errorf(
			"%w: %s is of %q after %q, want %q after %q", ErrInvalid, e.ID, e.Source, e.DataSchema, t.Source(),
			t.DataSchema(),
		)
	}
	return t, nil
}
