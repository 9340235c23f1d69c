package httpapi

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

func TestStrictJSON(t *testing.T) {
	for text, good := range map[string]bool{
		`{"name":"Ada"}`: true, ` {"name" : "\u0041\ud83d\ude00\\ud83d\""} `: true, `{"name":"😀"}`: true,
		`{"name":"\\\\ud83d"}`: true,
		`{"name":"\ud83d"}`:    false, `{"name":"\ude00"}`: false, `{"name":"\ud83dx\ude00"}`: false,
		`{"name":"\ude00\ud83d"}`:       false,
		`{"name":"\ud83d\ud83d\ude00"}`: false, `{"name":"\ud83d\\ude00"}`: false, `{"name":"\uD83D"}`: false,
		`{"na\ud83dme":1}`:        false,
		`{"name":"a","name":"b"}`: false, `{"name":"a","\u006eame":"b"}`: false, `{"a":{"b":1,"b":2}}`: false,
		`{"a":[{"b":1},{"b":2}]}`: true,
		`{"a":{"b":1},"b":2}`:     true, `{"a":"b","b":"a"}`: true, `{"a":["a","a"]}`: true,
		`{} {}`: false, `{}x`: false, `{},`: false, "{}\x00": false, "\ufeff{}": false, `{"a":1,}`: false,
		`{'a':1}`:  false,
		`{"a":01}`: false,
		`{"a":+1}`: false, `{"a":.5}`: false, `{"a":0x1}`: false, `{"a":NaN}`: false, `{"a":1e400}`: false,
		"{\"a\":\"\n\"}": false, "{\"a\":\"\xff\"}": false,
		"": false, " ": false, "[" + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + "]": false,
	} {
		var v any
		if err := unmarshalStrict([]byte(text), &v); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// No text changes on its way in: what is taken is what was sent.
func TestNoTextIsReplaced(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		units := rapid.SliceOfN(rapid.OneOf(rapid.Uint16(), rapid.Uint16Range(0xd7f0, 0xe010)), 0, 6).Draw(t, "units")
		var text strings.Builder
		for _, unit := range units {
			fmt.Fprintf(&text, `\u%04x`, unit)
		}
		var got any
		err := unmarshalStrict([]byte(`"`+text.String()+`"`), &got)
		back := utf16.Encode([]rune(string(utf16.Decode(units))))
		whole := len(back) == len(units)
		for i := range back {
			whole = whole && back[i] == units[i]
		}
		if whole != (err == nil) || err == nil && got != string(utf16.Decode(units)) {
			t.Fatalf("%s is %q, %v", text.String(), got, err)
		}
	})
}
