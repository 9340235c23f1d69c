package personal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/shop/personal"
)

type (
	note struct {
		Text personal.Sealed `json:"text"`
		By   string          `json:"by"`
	}
	// own encodes itself, from a field that encoding/json does not see.
	own struct{ text personal.Sealed }
	// hiddenBase is embedded, by itself and by a pointer.
	hiddenBase struct {
		Base personal.Sealed `json:"base"`
		Rank int             `json:"rank"`
	}
	pointed struct {
		Pointed personal.Sealed `json:"pointed"`
	}
	alias personal.Sealed

	everything struct {
		hiddenBase
		*pointed
		Plain    string                     `json:"plain"`
		Big      int64                      `json:"big"`
		Top      personal.Sealed            `json:"top"`
		Empty    personal.Sealed            `json:"empty"`
		None     *personal.Sealed           `json:"none"`
		Some     *personal.Sealed           `json:"some"`
		Quoted   personal.Sealed            `json:"quoted,string"`
		Lines    []note                     `json:"lines"`
		List     []personal.Sealed          `json:"list"`
		Pair     [2]personal.Sealed         `json:"pair"`
		Values   map[string]personal.Sealed `json:"values"`
		Keys     map[personal.Sealed]string `json:"keys"`
		Deep     map[string][]*note         `json:"deep"`
		Any      any                        `json:"any"`
		Own      own                        `json:"own"`
		Other    alias                      `json:"other"`
		Raw      json.RawMessage            `json:"raw"`
		Bytes    []byte                     `json:"bytes"`
		Lonely   *everything                `json:"lonely,omitempty"`
		Nothing  []note                     `json:"nothing"`
		unseen   personal.Sealed
		Standing fmt.Stringer `json:"standing"`
	}
)

func (o own) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string]string{"of": string(o.text)})
}

func seal(t interface{ Fatal(...any) }, text string) personal.Sealed {
	key, err := personal.RandomKey()
	if err != nil {
		t.Fatal(err)
	}
	return key.Seal("c1", "field", []byte(text))
}

func strip(t interface{ Fatal(...any) }, v any) (shown map[string]any, text string) {
	out, err := personal.Strip(v)
	if err != nil {
		t.Fatal(err)
	}
	all, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	shown, _ = out.(map[string]any)
	return shown, string(all)
}

// Wherever sealed data stands in an event, it is not shown, and all else is.
func TestStrip(t *testing.T) {
	s := seal(t, "42 Main Street")
	v := everything{
		hiddenBase: hiddenBase{Base: s, Rank: 7}, pointed: &pointed{Pointed: s}, Plain: "shown", Big: 1<<53 + 1,
		Top: s, Some: &s, Quoted: s, Lines: []note{{s, "ada"}, {s, "bob"}}, List: []personal.Sealed{s, s},
		Pair: [2]personal.Sealed{s, ""}, Values: map[string]personal.Sealed{"a": s},
		Keys: map[personal.Sealed]string{s: "x"},
		Deep: map[string][]*note{"d": {{s, "eve"}, nil}}, Any: map[string]any{"n": note{s, "sue"}, "s": s, "p": &s},
		Own:   own{s},
		Other: alias(s), Raw: json.RawMessage(`{"kept":1.50,"gone":"` + string(s) + `"}`), Bytes: []byte("bytes"),
		Lonely: &everything{Top: s, Lines: []note{{s, "deep"}}, Standing: s}, Standing: s, unseen: s,
	}
	before, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	got, text := strip(t, v)
	want := map[string]any{
		"rank": json.Number("7"), "plain": "shown", "big": json.Number("9007199254740993"),
		"lines": []any{map[string]any{"by": "ada"}, map[string]any{"by": "bob"}}, "list": []any{}, "pair": []any{},
		"values": map[string]any{}, "keys": map[string]any{},
		"deep": map[string]any{"d": []any{map[string]any{"by": "eve"}, nil}},
		"any":  map[string]any{"n": map[string]any{"by": "sue"}}, "own": map[string]any{},
		"raw": map[string]any{"kept": json.Number("1.50")}, "bytes": "Ynl0ZXM=", "nothing": nil,
	}
	lonely, _ := got["lonely"].(map[string]any)
	delete(got, "lonely")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]any{map[string]any{"by": "deep"}}, lonely["lines"]); diff != "" {
		t.Errorf("deeper: (-want +got)\n%s", diff)
	}
	if strings.Contains(text, "pd1:") {
		t.Errorf("shows %s", text)
	}
	if after, err := json.Marshal(v); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the value was changed: %s, %v", after, err)
	}
}

// Types of any shape that have sealed data somewhere: none of it is shown, whether there is any or
// not, and what is plain is all shown.
func TestStripAnyShape(t *testing.T) {
	sealed, plain := reflect.TypeFor[personal.Sealed](), reflect.TypeFor[string]()
	shape := rapid.Custom(func(t *rapid.T) reflect.Type {
		of := rapid.SampledFrom([]reflect.Type{sealed, plain, reflect.TypeFor[note]()}).Draw(t, "inner")
		for range rapid.IntRange(0, 6).Draw(t, "depth") {
			switch rapid.SampledFrom([]string{
				"slice", "map", "key", "pointer", "array", "struct", "any",
			}).Draw(t, "around") {
			case "slice":
				of = reflect.SliceOf(of)
			case "array":
				of = reflect.ArrayOf(2, of)
			case "map":
				of = reflect.MapOf(plain, of)
			case "key":
				of = reflect.MapOf(sealed, of)
			case "pointer":
				of = reflect.PointerTo(of)
			case "any":
				of = reflect.TypeFor[map[string]any]()
			case "struct":
				of = reflect.StructOf([]reflect.StructField{
					{Name: "A", Type: of, Tag: `json:"a"`}, {Name: "B", Type: sealed, Tag: `json:"b"`},
					{Name: "C", Type: plain, Tag: `json:"c"`},
				})
			}
		}
		return reflect.StructOf([]reflect.StructField{
			{Name: "Of", Type: of, Tag: `json:"of"`}, {Name: "P", Type: plain, Tag: `json:"p"`},
		})
	})
	s := seal(t, "secret")
	rapid.Check(t, func(t *rapid.T) {
		v := reflect.New(shape.Draw(t, "type")).Elem()
		fill(t, v, s)
		got, text := strip(t, v.Interface())
		if strings.Contains(text, "pd1:") || strings.Contains(text, `"b"`) || strings.Contains(text, `"text"`) ||
			got["p"] != "plain" {
			t.Fatalf("%s shows %s", v.Type(), text)
		}
		if want, kept := plains(v), strings.Count(text, `"plain"`); kept != want {
			t.Fatalf("%s shows %d plain texts of %d: %s", v.Type(), kept, want, text)
		}
	})
}

// fill puts something into each place of a value.
func fill(t *rapid.T, v reflect.Value, s personal.Sealed) {
	switch v.Kind() {
	case reflect.String:
		text := "plain"
		if v.Type() == reflect.TypeFor[personal.Sealed]() {
			text = rapid.SampledFrom([]string{"", string(s), "short"}).Draw(t, "sealed")
		}
		v.SetString(text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), s)
		fill(t, v.Index(1), s)
	case reflect.Array:
		fill(t, v.Index(0), s)
		fill(t, v.Index(1), s)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), s)
	case reflect.Interface:
		v.Set(reflect.ValueOf([]any{note{s, "plain"}, &s, s, "plain"}))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		if key.SetString("k"); key.Type() == reflect.TypeFor[personal.Sealed]() {
			key.SetString(string(s))
		}
		fill(t, value, s)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), s)
		}
	default:
		t.Fatalf("no %s", v.Kind())
	}
}

// plains counts the texts of a value that are to be shown: those that no sealed key hides.
func plains(v reflect.Value) (n int) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() != reflect.TypeFor[personal.Sealed]() && v.String() == "plain" {
			return 1
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			n += plains(v.Index(i))
		}
	case reflect.Pointer, reflect.Interface:
		return plains(v.Elem())
	case reflect.Map:
		for each := v.MapRange(); each.Next(); {
			if each.Key().Type() != reflect.TypeFor[personal.Sealed]() {
				n += plains(each.Value())
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			n += plains(v.Field(i))
		}
	default:
	}
	return n
}

func TestStripWhatHasNoJSON(t *testing.T) {
	if shown, err := personal.Strip(map[string]any{"f": func() {}}); err == nil {
		t.Errorf("shows %v", shown)
	}
	for _, v := range []any{nil, seal(t, "x"), personal.Sealed("")} {
		if shown, err := personal.Strip(v); err != nil || shown != nil {
			t.Errorf("%#v: %v, %v", v, shown, err)
		}
	}
}

// Whatever is sealed is hidden in any text around it, and JSON stays JSON, quoted in other JSON
// too.
func TestHide(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := string(seal(t, rapid.String().Draw(t, "plain")))
		inner, err := json.Marshal(map[string]any{"address": s, "n": 1})
		if err != nil {
			t.Fatal(err)
		}
		outer, err := json.Marshal(map[string]any{
			"data": map[string]string{"S": string(inner)}, "error": "of " + s + ".",
		})
		if err != nil {
			t.Fatal(err)
		}
		escaped := strings.ReplaceAll(string(outer), "/", `\/`)
		for _, text := range []string{s, string(inner), string(outer), "before " + s + " after", escaped} {
			got := personal.Hide(text)
			if strings.Contains(got, "pd1:") || json.Valid([]byte(text)) != json.Valid([]byte(got)) ||
				!strings.Contains(got, "(sealed)") {
				t.Fatalf("%s becomes %s", text, got)
			}
		}
	})
	for _, text := range []string{"", "update", "pd1:", "pd1:abc", `{"n":1}`, "the scheme pd1: is ours"} {
		if got := personal.Hide(text); got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

// A Sealed that is printed or logged shows that there is one, and nothing of it. Its JSON is as it
// was.
func TestSealedIsNotPrinted(t *testing.T) {
	s := seal(t, "secret")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "sealed", s)
	slog.New(slog.NewTextHandler(&log, nil)).Info("m", "sealed", s, "of", note{s, "ada"})
	printed := fmt.Sprintf("%s %v %q %x %#v %+v %#v", s, s, s, s, s, note{s, "ada"}, []note{{s, "ada"}}) + log.String()
	if strings.Contains(printed, "pd1:") || strings.Contains(printed, fmt.Sprintf("%x", string(s))) ||
		!strings.Contains(printed, "ada") {
		t.Error(printed)
	}
	if none := fmt.Sprintf("%s%v", personal.Sealed(""), personal.Sealed("")); none != "" {
		t.Errorf("no data is printed as %q", none)
	}
	text, err := json.Marshal(s)
	if err != nil || string(text) != `"`+string(s)+`"` {
		t.Errorf("JSON %s, %v", text, err)
	}
}
