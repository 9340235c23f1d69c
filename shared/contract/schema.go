package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"reflect"
	"strings"
	"sync"

	"orderflow/shared/kit/es"
)

// maxReasons is how many ways in which data breaks its schema an error names. The others are
// counted.
const maxReasons = 5

// SchemaPath is where the version's JSON Schema stands, under events/.
func (t Type) SchemaPath() string {
	return path.Join("schemas", t.Name, fmt.Sprintf("v%d.json", t.Version))
}

// Check says how an envelope breaks its contract. Properties that its schema doesn't know are
// passed over, since a newer publisher may have added them. The error names places and rules, and
// no value of the data, since it goes where personal data must not. It is an ErrUnknown or an
// ErrInvalid.
func Check(e es.Envelope) error {
	_, _, err := decode(e)
	return err
}

// CommandDecoder makes the decoder of commands, which are messages to one consumer and no events.
// It checks a command against the JSON Schema of T as Decode checks an event's data, and takes no
// property that the schema doesn't know: one that is passed over could be the one that matters. The
// error names places and rules, and no value of the command. Trying again doesn't help.
func CommandDecoder[T any]() func(text []byte) (T, error) {
	closed := sync.OnceValue(func() *shape { return shapeOf(reflect.TypeFor[T](), true) })
	return func(text []byte) (command T, err error) {
		var read T
		if err := readJSON(closed(), text, reflect.ValueOf(&read).Elem(), "message"); err != nil {
			return command, err
		}
		return read, nil
	}
}

// readJSON reads a text as a value of a shape. The root is what the error calls the value.
func readJSON(s *shape, text []byte, into reflect.Value, root string) error {
	var value any
	if err := decodeJSON(text, &value); err != nil {
		return err
	}
	var r reading
	r.read(s, value, into, &place{name: root})
	if len(r.found) > 0 {
		return errors.New(listed(r.found))
	}
	return nil
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
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return unreadable(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errTrailing
	}
	return nil
}
