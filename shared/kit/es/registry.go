package es

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Registry knows every event type of a program: its name, the present version of its schema, and
// how older versions are brought up to it. It is built at start-up and read-only from then on: what
// registers is not safe for concurrent use, what reads is.
//
// Not every change of an event's type is another version of its schema. A member that comes to it,
// and whose absence reads as what was so before, is none: older programs skip it, newer ones find
// the zero value where it is missing. What gives a member another name, form or meaning, or takes
// one away that readers count on, is one.
//
// A new version takes two releases, since at times programs of two releases run side by side, and
// the former one may have to come back. The first still writes the version before, and reads the
// new one by Downcast. The second writes it, and reads the former ones by Upcast. A program that
// meets a version from further ahead answers with an *UnknownTypeError.
type Registry struct {
	byName map[string]*eventType
	byType map[reflect.Type]*eventType
}

type eventType struct {
	name   string
	schema int // the present version, which Encode writes
	newest int // the newest that Decode reads: schema, or above it as far as downcasters lead down from
	decode func([]byte) (any, error)
	// from each other version to the one that is nearer to schema
	steps map[int]func(json.RawMessage) (json.RawMessage, error)
}

// Upcaster turns the JSON of one schema version into that of the next. It may not fail on anything
// that was ever stored: its error makes the event an ErrCorrupt, and the event's stream unreadable.
type Upcaster func(data json.RawMessage) (json.RawMessage, error)

// Downcaster turns the JSON of one schema version into that of the one before, as far as that can
// say it. It may not fail on anything that the release to come stores: its error is as an
// Upcaster's.
type Downcaster func(data json.RawMessage) (json.RawMessage, error)

// NewRegistry builds a registry from the registration functions of the packages that own the
// events. It panics where an older version of a type has no upcaster: those events could be stored,
// and would not be readable.
func NewRegistry(register ...func(*Registry)) *Registry {
	r := &Registry{byName: map[string]*eventType{}, byType: map[reflect.Type]*eventType{}}
	for _, f := range register {
		f(r)
	}
	for _, name := range r.Names() {
		for et, v := r.byName[name], 1; v < et.schema; v++ {
			if et.steps[v] == nil {
				panic(fmt.Sprintf("es: %s has no upcaster from version %d", name, v))
			}
		}
	}
	return r
}

// Register adds event type E under a name in lower-case dotted past tense, with the present version
// of its schema (from 1). Events are encoded where they have exactly this type, and decoded to it.
// It panics on a name or type that was registered before, and on a version below 1: mistakes of the
// program, found at its start.
func Register[E any](r *Registry, name string, schema int) {
	t := reflect.TypeFor[E]()
	if r.byName[name] != nil || r.byType[t] != nil {
		panic(fmt.Sprintf("es: %s or %v is registered twice", name, t))
	}
	if schema < 1 {
		panic(fmt.Sprintf("es: %s: schema versions start at 1", name))
	}
	et := &eventType{
		name: name, schema: schema, newest: schema, steps: map[int]func(json.RawMessage) (json.RawMessage, error){},
	}
	et.decode = func(data []byte) (any, error) {
		var e E
		if bytes.Equal(bytes.TrimSpace(data), []byte("null")) {
			return nil, errors.New("null is no event") // which Unmarshal would take for one without any content
		}
		if err := json.Unmarshal(data, &e); err != nil {
			return nil, err
		}
		return e, nil
	}
	r.byName[name], r.byType[t] = et, et
}

// Upcast adds the step from schema version from to from+1 of a registered type. It panics on a name
// that is not registered, on a step that does not lead to the present version or one before it, and
// on one that is there already.
func (r *Registry) Upcast(name string, from int, up Upcaster) {
	et := r.byName[name]
	if et == nil || from < 1 || from >= et.schema || et.steps[from] != nil {
		panic(fmt.Sprintf("es: upcaster of %s from version %d does not fit", name, from))
	}
	et.steps[from] = up
}

// Downcast adds the step from schema version from to from-1 of a registered type: the program reads
// what the next release writes. It panics on a name that is not registered, and on a version that
// does not follow on the newest that can be read.
func (r *Registry) Downcast(name string, from int, down Downcaster) {
	et := r.byName[name]
	if et == nil || from != et.newest+1 {
		panic(fmt.Sprintf("es: downcaster of %s from version %d does not fit", name, from))
	}
	et.steps[from], et.newest = down, from
}

// Stored is an event in the form that stores keep: its type, the version of its schema, and its
// JSON.
type Stored struct {
	Type   string
	Schema int
	Data   json.RawMessage
}

// Encode gives the stored form of an event, always in the present schema. It fails on a type that
// is not registered, as a pointer to a registered one is not, and on what encoding/json can't
// encode.
func (r *Registry) Encode(event any) (Stored, error) {
	et := r.byType[reflect.TypeOf(event)]
	if et == nil {
		return Stored{}, fmt.Errorf("es: event type %T is not registered", event)
	}
	data, err := json.Marshal(event)
	if err != nil {
		return Stored{}, fmt.Errorf("es: encode %s: %w", et.name, err)
	}
	return Stored{Type: et.name, Schema: et.schema, Data: data}, nil
}

// Decode brings a stored event to the present schema, from whichever side. The error is an
// *UnknownTypeError or an ErrCorrupt, naming stream, version and type.
func (r *Registry) Decode(stream StreamID, version int64, s Stored) (any, error) {
	et := r.byName[s.Type]
	if et == nil {
		return nil, &UnknownTypeError{Stream: stream, Version: version, Type: s.Type, Schema: s.Schema}
	}
	if s.Schema < 1 || s.Schema > et.newest {
		return nil, &UnknownTypeError{
			Stream: stream, Version: version, Type: s.Type, Schema: s.Schema, Known: et.newest,
		}
	}
	data := s.Data
	for v := s.Schema; v != et.schema; {
		step := et.steps[v]
		if step == nil {
			return nil, &UnknownTypeError{Stream: stream, Version: version, Type: s.Type, Schema: v, Known: et.newest}
		}
		var err error
		if data, err = step(data); err != nil {
			return nil, fmt.Errorf(
				"%w: %s@%d: %s from schema version %d: %w", ErrCorrupt, stream, version, s.Type, v, err,
			)
		}
		if v < et.schema {
			v++
		} else {
			v--
		}
	}
	e, err := et.decode(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s@%d: decode %s: %w", ErrCorrupt, stream, version, s.Type, err)
	}
	return e, nil
}

// Name gives the registered name and the present schema version of an event's type. ok is false for
// one that is not registered.
func (r *Registry) Name(event any) (name string, schema int, ok bool) {
	et := r.byType[reflect.TypeOf(event)]
	if et == nil {
		return "", 0, false
	}
	return et.name, et.schema, true
}

// Names lists the names of the registered event types, sorted.
func (r *Registry) Names() []string {
	names := make([]string, 0, len(r.byName))
	for n := range r.byName {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// UnknownTypeError is an event that this program can't read: a type that it doesn't know, or a
// schema version from its future.
type UnknownTypeError struct {
	Stream  StreamID
	Version int64
	Type    string
	Schema  int
	Known   int // the newest schema version known, 0 where the type itself is unknown
}

func (e *UnknownTypeError) Error() string {
	if e.Known == 0 {
		return fmt.Sprintf("es: %s@%d: unknown event type %q", e.Stream, e.Version, e.Type)
	}
	return fmt.Sprintf(
		"es: %s@%d: %s has schema version %d, known are 1 to %d", e.Stream, e.Version, e.Type, e.Schema, e.Known,
	)
}
