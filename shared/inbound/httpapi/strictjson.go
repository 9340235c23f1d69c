package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

// strictJSON reads what encoding/json would read in more than one way: it refuses bytes that are
// not UTF-8 and halves of a surrogate pair (which would be replaced), a name that stands twice in
// one object (of which the last would win), a null (which would leave a field as if it were
// absent), and numbers that are no int64
// where one is wanted. Its errors name no Go types.
var strictJSON = huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshalStrict}

func unmarshalStrict(data []byte, v any) error {
	if !utf8.Valid(data) {
		return errors.New("body: expected UTF-8")
	}
	if hasHalfPair(data) {
		return errors.New(
			`body: expected whole characters, got half a surrogate pair; write both halves, as in "\ud83d\ude00"`,
		)
	}
	if _, generic := v.(*any); generic { // huma decodes twice: first into any, to validate
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		if err := uniqueNames(d); err != nil {
			return err
		}
	}
	err := json.Unmarshal(data, v)
	var syntax *json.SyntaxError
	var mismatch *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("body: malformed JSON at byte %d", syntax.Offset)
	case errors.As(err, &mismatch):
		return fmt.Errorf(
			"%s: unexpected JSON %s; whole numbers have neither fraction nor exponent", mismatch.Field,
			mismatch.Value,
		)
	case err != nil:
		return errors.New("body: malformed JSON")
	}
	if whole, generic := v.(*any); generic {
		*whole = withoutNull(*whole)
	}
	return nil
}

// isNull stands for a JSON null while huma validates: huma takes null for an absent field, but no
// field of a request can be null. It has no type of JSON's, so that huma names its place and the
// type that it expected.
type isNull struct{}

func withoutNull(v any) any {
	switch v := v.(type) {
	case nil:
		return isNull{}
	case map[string]any:
		for name, value := range v {
			v[name] = withoutNull(value)
		}
	case []any:
		for i, value := range v {
			v[i] = withoutNull(value)
		}
	}
	return v
}

// hasHalfPair finds an escape like \ud83d without the other half, which no text has.
func hasHalfPair(data []byte) bool {
	for i := 0; i+1 < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		i++
		first, ok := escaped(data[i:])
		if !ok || !utf16.IsSurrogate(first) {
			continue
		}
		i += len("u0000")
		if i >= len(data) || data[i] != '\\' {
			return true
		}
		second, _ := escaped(data[i+1:])
		if utf16.DecodeRune(first, second) == utf8.RuneError {
			return true
		}
		i += len("u0000")
	}
	return false
}

// escaped is the code unit of an escape behind its backslash: u0041.
func escaped(data []byte) (rune, bool) {
	if len(data) < len("u0000") || data[0] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(data[1:len("u0000")]), 16, 16)
	return rune(unit), err == nil
}

// maxDepth bounds recursion. The deepest body of the API has five levels.
const maxDepth = 20

// uniqueNames walks one JSON text. It leaves it to json.Unmarshal to say what is wrong with
// malformed text.
func uniqueNames(d *json.Decoder) error {
	var seen []map[string]bool // of the objects that are open; nil for an array
	name := false              // whether the next string token is a name
	for {
		token, err := d.Token()
		if err != nil {
			return nil //nolint:nilerr // the end of the text, or malformed text, of which json.Unmarshal says more
		}
		inObject := len(seen) > 0 && seen[len(seen)-1] != nil
		switch t := token.(type) {
		case json.Delim:
			switch t {
			case '{':
				seen = append(seen, map[string]bool{})
			case '[':
				seen = append(seen, nil)
			default:
				seen = seen[:len(seen)-1]
			}
			if len(seen) > maxDepth {
				return fmt.Errorf("body: expected at most %d levels of nesting", maxDepth)
			}
			name = len(seen) > 0 && seen[len(seen)-1] != nil
			continue
		case string:
			if inObject && name {
				if seen[len(seen)-1][t] {
					return fmt.Errorf("body: duplicate name %q in one object", t)
				}
				seen[len(seen)-1][t] = true
				name = false
				continue
			}
		}
		name = inObject
	}
}
