package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
)

// maxReasons is how many ways in which data breaks its schema an error names. The others are
// counted.
const maxReasons = 5

// Definitions is where a schema keeps what it refers to.
const Definitions = "#/$defs/"

// SchemaPath is where the version's JSON Schema stands, under events/.
func (t Type) SchemaPath() string {
	return path.Join("schemas", t.Name, fmt.Sprintf("v%d.json", t.Version))
}

// Schema is the JSON Schema of the version's data, and the definitions that it refers to: what
// stands under events/ is rendered from it. It allows further properties, since a version may gain
// optional ones. Nobody may change it.
func (t Type) Schema() (*huma.Schema, huma.Registry) {
	s := t.schema()
	return s.root, s.definitions
}

type schema struct {
	root        *huma.Schema
	definitions huma.Registry
}

// schemaOf makes the schema of a Go type with the first event of it that a program meets, and keeps
// it: a function pays for the types that come to it alone.
func schemaOf(t reflect.Type) func() schema {
	return sync.OnceValue(func() schema {
		s := schema{definitions: huma.NewMapRegistry(Definitions, huma.DefaultSchemaNamer)}
		s.root = huma.SchemaFromType(s.definitions, t)
		s.root.AdditionalProperties = nil
		for _, d := range s.definitions.Map() {
			d.AdditionalProperties = nil
		}
		return s
	})
}

// Check says how an envelope breaks its contract. Properties that its schema doesn't know are
// passed over, since a newer publisher may have added them. The error names places and rules, and
// no value of the data, since it goes where personal data must not. It is an ErrUnknown or an
// ErrInvalid.
func Check(e es.Envelope) error {
	_, err := check(e)
	return err
}

func check(e es.Envelope) (Type, error) {
	if err := e.Validate(); err != nil {
		return Type{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	t, ok := catalogued.known[key{e.Type, e.DataVersion}]
	if !ok {
		return Type{}, fmt.Errorf("%w: %s is %s version %d", ErrUnknown, e.ID, e.Type, e.DataVersion)
	}
	if e.Source != t.Source() || e.DataSchema != t.DataSchema() {
		return Type{}, fmt.Errorf(
			"%w: %s is of %q after %q, want %q after %q", ErrInvalid, e.ID, e.Source, e.DataSchema, t.Source(),
			t.DataSchema(),
		)
	}
	var value any
	if err := decodeJSON(e.Data, &value); err != nil {
		return Type{}, fmt.Errorf("%w: %s: %w", ErrInvalid, e.ID, err)
	}
	if found := t.schema().breaches(t.data, value, "data"); len(found) > 0 {
		return Type{}, fmt.Errorf("%w: %s: %s version %d: %s", ErrInvalid, e.ID, e.Type, e.DataVersion, listed(found))
	}
	return t, nil
}

// CommandDecoder makes the decoder of commands, which are messages to one consumer and no events.
// It checks a command against the JSON Schema of T as Decode checks an event's data, and takes no
// property that the schema doesn't know: one that is passed over could be the one that matters. The
// error names places and rules, and no value of the command. Trying again doesn't help.
func CommandDecoder[T any]() func(text []byte) (T, error) {
	of := reflect.TypeFor[T]()
	closed := sync.OnceValue(func() schema {
		s := schema{definitions: huma.NewMapRegistry(Definitions, huma.DefaultSchemaNamer)}
		s.root = huma.SchemaFromType(s.definitions, of)
		return s
	})
	return func(text []byte) (command T, err error) {
		var value any
		if err := decodeJSON(text, &value); err != nil {
			return command, err
		}
		if found := closed().breaches(of, value, "message"); len(found) > 0 {
			return command, errors.New(listed(found))
		}
		err = decodeJSON(text, &command)
		return command, err
	}
}

// breaches lists how the value of a Go type's JSON breaks its schema: by place and rule, and with
// nothing of the value.
func (s schema) breaches(of reflect.Type, value any, place string) []string {
	var result huma.ValidateResult
	huma.Validate(
		s.definitions, s.root, huma.NewPathBuffer([]byte(place), len(place)), huma.ModeReadFromServer, value, &result,
	)
	found := strayed(of, value, place)
	for _, err := range result.Errors {
		breach := place + ": breaks its schema"
		var detail *huma.ErrorDetail
		if errors.As(err, &detail) {
			breach = detail.Location + ": " + detail.Message // and not its Value
		}
		if !slices.Contains(found, breach) {
			found = append(found, breach)
		}
	}
	return found
}

// strayed lists what the validator takes, as Go's decoder does, and JSON Schema doesn't: a property
// whose name has other letters, upper for lower case, null for a property that may be missing, and
// a date-time that RFC 3339 does not allow.
func strayed(t reflect.Type, value any, place string) (found []string) {
	switch {
	case t.Kind() == reflect.Pointer:
		return strayed(t.Elem(), value, place)
	case t.Kind() == reflect.Slice:
		list, _ := value.([]any)
		for i, element := range list {
			found = append(found, strayed(t.Elem(), element, place+"["+strconv.Itoa(i)+"]")...)
		}
	case t.Kind() == reflect.Struct:
		properties, _ := value.(map[string]any)
		for i := range t.NumField() {
			name, options, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			for given, inner := range properties {
				switch {
				case given != name && strings.EqualFold(given, name):
					found = append(found, place+"."+name+": expected its name in these letters")
				case given == name && inner == nil && strings.Contains(options, "omitempty"):
					found = append(found, place+"."+name+": expected no null")
				case given == name && isTime(t.Field(i)):
					if text, ok := inner.(string); ok && !isRFC3339(text) {
						found = append(found, place+"."+name+": "+validation.MsgExpectedRFC3339DateTime)
					}
				case given == name:
					found = append(found, strayed(t.Field(i).Type, inner, place+"."+name)...)
				}
			}
		}
	}
	slices.Sort(found)
	return found
}

func isTime(f reflect.StructField) bool {
	return f.Tag.Get("format") == "date-time" || f.Type == reflect.TypeFor[time.Time]()
}

func isRFC3339(text string) bool {
	_, err := clock.ParseTime(text)
	return err == nil
}

func listed(found []string) string {
	if more := len(found) - maxReasons; more > 0 {
		return strings.Join(found[:maxReasons], "; ") + fmt.Sprintf("; and %d more", more)
	}
	return strings.Join(found, "; ")
}

// unreadable says why JSON can't be decoded. The decoder's own words have values in them.
func unreadable(err error) error {
	var syntax *json.SyntaxError
	var shape *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("no JSON from byte %d on", syntax.Offset)
	case errors.As(err, &shape) && shape.Field != "":
		return fmt.Errorf("%s is no %s", strings.ReplaceAll(shape.Field, ".", "/"), shape.Type)
	case errors.As(err, &shape):
		return fmt.Errorf("it is no %s", shape.Type)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("no JSON: it ends too early")
	case errors.Is(err, errTrailing):
		return errTrailing
	}
	return errors.New("it can't be decoded")
}

var errTrailing = errors.New("there is more behind the JSON value")

// decodeJSON decodes exactly one JSON value. Its errors have no values of it in them.
func decodeJSON(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(into); err != nil {
		return unreadable(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errTrailing
	}
	return nil
}
