package contract

import (
	"cmp"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"orderflow/shared/kit/clock"
)

// shape is a Go type of a contract with the rules of its tags: what its JSON Schema says, made
// ready to read and check JSON in one walk. The document of the schema is made from the same type
// and tags elsewhere (shared/contract/catalog); a property test holds the two equal. What contracts
// don't use has no shape.
type shape struct {
	kind     reflect.Kind // Bool, Int64, String, Slice or Struct
	pointer  bool         // the Go type points to it: it may be missing
	nullable bool

	minimum, maximum    int64
	minLength, minItems int
	pattern             *regexp.Regexp
	enum                []string
	isTime              bool // a text that is a date-time

	element *shape  // of a Slice
	fields  []field // of a Struct, by name
	closed  bool    // a Struct that has these fields alone
}

// field is a property.
type field struct {
	name     string
	index    int
	required bool
	shape    *shape
}

// plainTags are those that say nothing about what fits, or that fieldOf reads. Any other is a rule:
// one that is unknown here would stand in the document and not be checked.
var plainTags = []string{"json", "doc", "example", "nullable"}

// shapeOf makes the shape of a Go type. It panics on what no contract may have, a mistake of the
// program; a test makes the shapes of all contracts.
func shapeOf(t reflect.Type, closed bool) *shape {
	s := &shape{closed: closed, minimum: math.MinInt64, maximum: math.MaxInt64}
	if s.pointer = t.Kind() == reflect.Pointer; s.pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Bool, reflect.String:
		s.kind = t.Kind()
	case reflect.Int, reflect.Int64:
		s.kind = reflect.Int64
	case reflect.Slice:
		s.kind, s.element = reflect.Slice, shapeOf(t.Elem(), closed)
	case reflect.Struct:
		s.kind = reflect.Struct
		for i := range t.NumField() {
			s.fields = append(s.fields, fieldOf(t.Field(i), i, closed))
		}
		slices.SortFunc(s.fields, func(a, b field) int { return cmp.Compare(a.name, b.name) })
	default:
		panic(fmt.Sprintf("contract: no shape for %s", t))
	}
	return s
}

func fieldOf(f reflect.StructField, index int, closed bool) field {
	name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
	s := shapeOf(f.Type, closed)
	missing := options == "omitempty"
	if f.Anonymous || name == "" || name == "-" || options != "" && !missing || s.pointer && !missing {
		panic(fmt.Sprintf("contract: no shape for the field %s: a pointer is omitempty, and all have a name", f.Name))
	}
	nullable, given := f.Tag.Lookup("nullable")
	if given != (s.kind == reflect.Slice) {
		panic(fmt.Sprintf("contract: the field %s: a list, and nothing else, says whether it is nullable", f.Name))
	}
	s.nullable = nullable == "true"
	for name, value := range tags(f.Tag) {
		if !slices.Contains(plainTags, name) {
			s.rule(f, name, value)
		}
	}
	return field{name: name, index: index, required: !missing, shape: s}
}

// tags gives the names and values of a tag, which is of the conventional form.
func tags(of reflect.StructTag) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for rest := string(of); rest != ""; {
			name, quoted, _ := strings.Cut(strings.TrimLeft(rest, " "), ":")
			value, err := strconv.QuotedPrefix(quoted)
			if err != nil {
				panic(fmt.Sprintf("contract: the tag %s is malformed", of))
			}
			rest = quoted[len(value):]
			if value, err = strconv.Unquote(value); err != nil || !yield(name, value) {
				return
			}
		}
	}
}

// rule takes a tag's rule. It panics on one that is unknown, or that its type can't have.
func (s *shape) rule(f reflect.StructField, name, value string) {
	number := func(kind reflect.Kind) int64 {
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || s.kind != kind {
			panic(fmt.Sprintf("contract: the field %s can't have %s %q", f.Name, name, value))
		}
		return n
	}
	switch {
	case name == "minimum":
		s.minimum = number(reflect.Int64)
	case name == "maximum":
		s.maximum = number(reflect.Int64)
	case name == "minLength":
		s.minLength = int(number(reflect.String))
	case name == "minItems":
		s.minItems = int(number(reflect.Slice))
	case name == "pattern" && s.kind == reflect.String:
		s.pattern = regexp.MustCompile(value)
	case name == "enum" && (s.kind == reflect.String || s.kind == reflect.Int64):
		s.enum = strings.Split(value, ",")
	case name == "format" && value == "date-time" && s.kind == reflect.String:
		s.isTime = true
	default:
		panic(fmt.Sprintf("contract: the field %s can't have %s %q", f.Name, name, value))
	}
}

// place is where in the data a value stands.
type place struct {
	of    *place // nil at the root
	name  string
	index int // in a list, where the name is ""
}

func (p *place) String() string {
	switch {
	case p.of == nil:
		return p.name
	case p.name == "":
		return p.of.String() + "[" + strconv.Itoa(p.index) + "]"
	}
	return p.of.String() + "." + p.name
}

// reading collects how a value breaks its shape: by place and rule, and with nothing of the value.
type reading struct{ found []string }

func (r *reading) refuse(at *place, rule string, args ...any) {
	r.found = append(r.found, at.String()+": "+fmt.Sprintf(rule, args...))
}

// read takes a value that encoding/json has decoded, with json.Numbers, into a Go value of the
// shape's type. What it took is of use where nothing is refused.
func (r *reading) read(s *shape, value any, into reflect.Value, at *place) {
	if s.nullable && value == nil {
		return
	}
	if s.pointer {
		into.Set(reflect.New(into.Type().Elem()))
		into = into.Elem()
	}
	switch s.kind {
	case reflect.Bool:
		truth, ok := value.(bool)
		if !ok {
			r.refuse(at, "expected boolean")
			return
		}
		into.SetBool(truth)
	case reflect.Int64:
		if number, ok := value.(json.Number); ok {
			r.number(s, number, into, at)
		} else {
			r.refuse(at, "expected integer")
		}
	case reflect.String:
		if text, ok := value.(string); ok {
			r.text(s, text, into, at)
		} else {
			r.refuse(at, "expected string")
		}
	case reflect.Slice:
		if list, ok := value.([]any); ok {
			r.list(s, list, into, at)
		} else {
			r.refuse(at, "expected array")
		}
	case reflect.Struct:
		if object, ok := value.(map[string]any); ok {
			r.object(s, object, into, at)
		} else {
			r.refuse(at, "expected object")
		}
	}
}

func (r *reading) number(s *shape, number json.Number, into reflect.Value, at *place) {
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		// To JSON Schema 2.0 is an integer, and so is what no int64 holds.
		if f, err := number.Float64(); err == nil && f != math.Trunc(f) {
			r.refuse(at, "expected integer")
		} else {
			r.refuse(at, "%s is no int64", cmp.Or(at.name, "it"))
		}
		return
	}
	if n < s.minimum {
		r.refuse(at, "expected number >= %d", s.minimum)
	}
	if n > s.maximum {
		r.refuse(at, "expected number <= %d", s.maximum)
	}
	r.oneOf(s, string(number), at)
	into.SetInt(n)
}

func (r *reading) text(s *shape, text string, into reflect.Value, at *place) {
	if s.minLength > 0 && utf8.RuneCountInString(text) < s.minLength {
		r.refuse(at, "expected length >= %d", s.minLength)
	}
	if s.pattern != nil && !s.pattern.MatchString(text) {
		r.refuse(at, "expected string to match pattern %s", s.pattern)
	}
	if s.isTime && !isRFC3339(text) {
		r.refuse(at, "expected string to be RFC 3339 date-time")
	}
	r.oneOf(s, text, at)
	into.SetString(text)
}

func (r *reading) oneOf(s *shape, text string, at *place) {
	if s.enum != nil && !slices.Contains(s.enum, text) {
		r.refuse(at, "expected value to be one of %q", strings.Join(s.enum, ", "))
	}
}

func (r *reading) list(s *shape, list []any, into reflect.Value, at *place) {
	if len(list) < s.minItems {
		r.refuse(at, "expected array length >= %d", s.minItems)
	}
	into.Set(reflect.MakeSlice(into.Type(), len(list), len(list)))
	for i, element := range list {
		r.read(s.element, element, into.Index(i), &place{of: at, index: i})
	}
}

// object takes a property by its exact name. encoding/json takes other letters too, upper for lower
// case, and null for a property that may be missing; JSON Schema doesn't.
func (r *reading) object(s *shape, object map[string]any, into reflect.Value, at *place) {
	known := 0
	for _, f := range s.fields {
		value, given := object[f.name]
		switch {
		case given && value == nil && !f.required:
			r.refuse(&place{of: at, name: f.name}, "expected no null")
		case given:
			r.read(f.shape, value, into.Field(f.index), &place{of: at, name: f.name})
		case f.required && !misspelled(object, f.name):
			r.refuse(at, "expected required property %s to be present", f.name)
		}
		if given {
			known++
		}
	}
	if known < len(object) {
		r.others(s, object, at)
	}
}

// others looks at the properties of an object that are not of its shape.
func (r *reading) others(s *shape, object map[string]any, at *place) {
	for _, f := range s.fields {
		if misspelled(object, f.name) {
			r.refuse(&place{of: at, name: f.name}, "expected its name in these letters")
		}
	}
	for given := range object {
		named := slices.ContainsFunc(s.fields, func(f field) bool { return strings.EqualFold(f.name, given) })
		if s.closed && !named {
			r.refuse(&place{of: at, name: given}, "unexpected property")
		}
	}
}

// misspelled reports whether an object has a property of that name in other letters.
func misspelled(object map[string]any, name string) bool {
	for given := range object {
		if given != name && strings.EqualFold(given, name) {
			return true
		}
	}
	return false
}

func isRFC3339(text string) bool {
	_, err := clock.ParseTime(text)
	return err == nil
}
