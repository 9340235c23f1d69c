package personal

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"sync"
)

// hidden stands where sealed data was.
const hidden = "(sealed)"

// String says that there is data, and not which: ciphertext belongs in no log and on no screen. It
// is for fmt and slog alone; encoding/json writes the ciphertext.
func (s Sealed) String() string {
	if s == "" {
		return ""
	}
	return hidden
}

// GoString is String, for %#v.
func (s Sealed) GoString() string { return fmt.Sprintf("%q", s.String()) }

// LogValue is String, for handlers that write JSON.
func (s Sealed) LogValue() slog.Value { return slog.StringValue(s.String()) }

// form is what a Sealed looks like: nonce and tag alone are 28 bytes. JSON may write a slash as \/.
var form = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`pd[0-9]+:(?:[A-Za-z0-9+]|\\?/){37,}={0,2}`)
})

// Hide takes what looks like sealed data out of a text of which only the text is known, such as a
// message as it came. Valid JSON stays valid, also where it is quoted in other JSON.
func Hide(text string) string {
	if !strings.Contains(text, "pd") {
		return text
	}
	return form().ReplaceAllLiteralString(text, hidden)
}

var sealedType = reflect.TypeFor[Sealed]()

// marker stands for sealed data between encoding and stripping. It is random, so that no data is
// taken for it.
var marker = "sealed " + rand.Text()

// Strip is v as encoding/json has it, decoded into maps, lists, strings and json.Numbers, and
// without what is of type Sealed, at any depth: a field, an element of a list, and an entry of a
// map go, also where they are empty, so that nobody sees whether there was any. What a value writes
// by a method of its own, and ciphertext that stands in another type, goes by its form (Hide). v
// must not contain itself.
func Strip(v any) (any, error) {
	text, err := json.Marshal(masked(v))
	if err != nil {
		return nil, fmt.Errorf("personal: encode %T: %w", v, err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var all any
	if err := decoder.Decode(&all); err != nil {
		return nil, fmt.Errorf("personal: decode %T: %w", v, err)
	}
	all, _ = strip(all)
	return all, nil
}

// masked is a copy of v with the marker in the place of each Sealed.
func masked(v any) any {
	if v == nil {
		return nil
	}
	duplicate := reflect.New(reflect.TypeOf(v)).Elem()
	duplicate.Set(reflect.ValueOf(v))
	mask(duplicate)
	return duplicate.Interface()
}

// mask puts the marker into v, which is addressable, and a copy into each place of it that is
// shared with the original. What can't be set is left to strip: encoding/json writes it by a method
// of its own, or as the field of an embedded pointer to a type that is not exported.
func mask(v reflect.Value) {
	if !v.CanSet() {
		if v.Kind() == reflect.Struct { // one that is embedded has fields that can be
			maskFields(v)
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		if v.Type() == sealedType {
			v.SetString(marker)
		}
	case reflect.Struct:
		maskFields(v)
	case reflect.Array:
		for i := range v.Len() {
			mask(v.Index(i))
		}
	case reflect.Pointer:
		if v.IsNil() && v.Type().Elem() != sealedType {
			return
		}
		v.Set(pointerTo(v))
	case reflect.Interface:
		if !v.IsNil() {
			v.Set(reflect.ValueOf(masked(v.Elem().Interface())))
		}
	case reflect.Slice:
		if v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(list, v)
		for i := range list.Len() {
			mask(list.Index(i))
		}
		v.Set(list)
	case reflect.Map:
		if !v.IsNil() {
			v.Set(maskedMap(v))
		}
	default:
	}
}

func maskFields(v reflect.Value) {
	for i := range v.NumField() {
		mask(v.Field(i))
	}
}

// pointerTo is a pointer to a masked copy of what v points to. A nil one to a Sealed is one to the
// marker, so that it goes too.
func pointerTo(v reflect.Value) reflect.Value {
	duplicate := reflect.New(v.Type().Elem())
	if !v.IsNil() {
		duplicate.Elem().Set(v.Elem())
	}
	mask(duplicate.Elem())
	return duplicate.Convert(v.Type())
}

func maskedMap(v reflect.Value) reflect.Value {
	entries := reflect.MakeMapWithSize(v.Type(), v.Len())
	for each := v.MapRange(); each.Next(); {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		key.Set(each.Key())
		value.Set(each.Value())
		mask(key)
		mask(value)
		entries.SetMapIndex(key, value)
	}
	return entries
}

// strip takes out of decoded JSON what has the marker or the form of a Sealed. stays is false where
// nothing of v is left.
func strip(v any) (left any, stays bool) {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, marker) {
			return nil, false
		}
		shown := Hide(v)
		return shown, shown != hidden || v == hidden
	case []any:
		list := make([]any, 0, len(v))
		for _, element := range v {
			if element, stays := strip(element); stays {
				list = append(list, element)
			}
		}
		return list, true
	case map[string]any:
		for key, value := range v {
			value, stays := strip(value)
			if stays && !strings.Contains(key, marker) && Hide(key) == key {
				v[key] = value
			} else {
				delete(v, key)
			}
		}
		return v, true
	}
	return v, true
}
