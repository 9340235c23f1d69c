package dynamostore

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
)

// storedCommit is what each file of testdata/stored holds.
var storedCommit = es.StoredCommit{
	Stream: "order/1", First: 3, ID: "do:1", Fingerprint: "f", Time: estest.Start,
	Metadata: es.Metadata{CorrelationID: "c", Actor: "u"},
	Events: []es.Stored{
		{Type: "test.noted", Schema: 1, Data: json.RawMessage(`{"text":"` + strings.Repeat("ü🙂 ", 200) + `"}`)},
		{Type: "test.counted", Schema: 12, Data: json.RawMessage(`{"n":-9223372036854775808}`)},
	},
}

// TestStoredForms: every form that items ever had is read for ever. The files are of the versions
// that wrote it and are never made anew.
func TestStoredForms(t *testing.T) {
	files, err := filepath.Glob("testdata/stored/*.json")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := CommitFromImage(image(t, string(content)))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if diff := cmp.Diff(storedCommit, got); diff != "" {
			t.Errorf("%s: %s", file, diff)
		}
	}
}

// packed packs and fails the test where that fails.
func packed(t testing.TB, c es.StoredCommit) (attributes, int) {
	t.Helper()
	item, size, err := pack(c)
	if err != nil {
		t.Fatal(err)
	}
	return item, size
}

// noting is a commit with one event of that text.
func noting(text string) es.StoredCommit {
	data, err := json.Marshal(estest.Noted{Text: text})
	if err != nil {
		panic(err)
	}
	return es.StoredCommit{
		Stream: order, First: 1, ID: "c", Time: estest.Start,
		Events: []es.Stored{{Type: "test.noted", Schema: 1, Data: data}},
	}
}

// TestCompressionPays: events are compressed where that saves a write unit, and in no other case.
func TestCompressionPays(t *testing.T) {
	empty := itemSize(encodeItem(noting("")))
	spaced, broken := noting(strings.Repeat("x", 5000)), noting("")
	spaced.Events[0].Type = "test noted"
	broken.Events[0].Data = append(
		append(json.RawMessage("{\n\"text\":\""), bytes.Repeat([]byte("x"), 5000)...), "\"}"...,
	)
	for _, tt := range []struct {
		name       string
		commit     es.StoredCommit
		compressed bool
		units      int
	}{
		{"one unit", noting(strings.Repeat("x", writeUnit-empty)), false, 1},
		{"a byte more than one unit", noting(strings.Repeat("x", writeUnit-empty+1)), true, 1},
		{"a byte more than one unit, of random text", noting(estest.Text(1, writeUnit-empty+1)), false, 2},
		{"one event of a shop", shopCommit(t, 1), true, 1},
		{"two", shopCommit(t, 2), false, 2},
		{"five", shopCommit(t, 5), true, 2},
		{"a hundred", shopCommit(t, 100), true, 7},
		{"a type with a space", spaced, false, 6},
		{"a line feed in the JSON", broken, false, 6},
	} {
		item, size := packed(t, tt.commit)
		if _, compressed := item[attrEncoding]; compressed != tt.compressed || writeUnits(size) != tt.units ||
			size != itemSize(item) {
			t.Errorf("%s: %d bytes, counted %d, compressed: %v", tt.name, size, itemSize(item), compressed)
		}
		got, err := decodeItem(tt.commit.Stream, item)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.commit, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}

// TestCommitLimits are exact: the bytes of the item that is written, and those of the events that
// are read.
func TestCommitLimits(t *testing.T) {
	const perEvent = len("test.noted 1 ") + len(`{"text":""}`) + 1
	raw := strings.Repeat("x", MaxEventsBytes-perEvent)
	for _, tt := range []struct {
		name   string
		commit es.StoredCommit
		what   string
	}{
		{"text that compresses to little", noting(strings.Repeat("x", 2*MaxCommitBytes)), ""},
		{"text that doesn't compress", noting(estest.Text(1, 2*MaxCommitBytes)), "bytes of a commit"},
		{"as much as is read", noting(raw), ""},
		{"a byte more than is read", noting(raw + "x"), "bytes of a commit's events"},
	} {
		item, size, err := pack(tt.commit)
		var limit *es.LimitError
		switch {
		case tt.what == "":
			got, decodeErr := decodeItem(order, item)
			if err != nil || decodeErr != nil || size > MaxCommitBytes ||
				!bytes.Equal(got.Events[0].Data, tt.commit.Events[0].Data) {
				t.Errorf("%s: %d bytes, %v, %v", tt.name, size, err, decodeErr)
			}
		case !errors.As(err, &limit) || limit.What != tt.what || limit.Actual <= limit.Limit || item != nil:
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	// What can't be compressed is judged as it is.
	plain := noting(strings.Repeat("x", MaxCommitBytes))
	plain.Events[0].Type = "test noted"
	over := itemSize(encodeItem(plain)) - MaxCommitBytes
	plain.Events[0].Data = plain.Events[0].Data[over:]
	if _, size := packed(t, plain); size != MaxCommitBytes {
		t.Errorf("%d bytes", size)
	}
	plain.Events[0].Type += " "
	var limit *es.LimitError
	if _, _, err := pack(plain); !errors.As(err, &limit) || limit.Actual != MaxCommitBytes+1 {
		t.Error(err)
	}
}

func frameOf(t testing.TB, plain []byte) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll(plain, nil)
}

// streamed is a frame that doesn't tell how large it unpacks.
func streamed(t testing.TB, plain []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	for len(plain) > 0 {
		n := min(len(plain), 1<<16)
		if _, err := z.Write(plain[:n]); err != nil {
			t.Fatal(err)
		}
		plain = plain[n:]
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestCorruptCompressed(t *testing.T) {
	frame := func(b []byte) func(attributes) { return set(attrEvents, &types.AttributeValueMemberB{Value: b}) }
	want := shopCommit(t, 5)
	item, _ := packed(t, want)
	good := bytesOf(item[attrEvents])
	bomb := bytes.Repeat([]byte{'x'}, MaxEventsBytes+1)
	line := "test.noted 1 {}\n"
	for name, change := range map[string]func(attributes){
		"an encoding from the future":    set(attrEncoding, text("brotli")),
		"an encoding that is a number":   set(attrEncoding, number(1)),
		"a list, where a frame is named": set(attrEvents, encodeItem(noting(""))[attrEvents]),
		"a frame, where none is named":   without(attrEncoding),
		"no events":                      without(attrEvents),
		"cut off":                        frame(good[:len(good)-1]),
		"something behind it":            frame(append(bytes.Clone(good), 'x')),
		"no frame":                       frame([]byte(line)),
		"empty":                          frame(nil),
		"no lines":                       frame(frameOf(t, nil)),
		"one event too many":             frame(frameOf(t, []byte(strings.Repeat(line, 6)))),
		"one event too few":              frame(frameOf(t, []byte(strings.Repeat(line, 4)))),
		"a last line that doesn't end":   frame(frameOf(t, []byte(strings.Repeat(line, 4)+strings.TrimSpace(line)))),
		"an event without a type":        frame(frameOf(t, []byte(strings.Repeat(line, 4)+" 1 {}\n"))),
		"an event without a schema":      frame(frameOf(t, []byte(strings.Repeat(line, 4)+"test.noted {}\n"))),
		"an event with schema 0":         frame(frameOf(t, []byte(strings.Repeat(line, 4)+"test.noted 0 {}\n"))),
		"an event without data":          frame(frameOf(t, []byte(strings.Repeat(line, 4)+"test.noted 1 \n"))),
		"more than a commit may have":    frame(frameOf(t, bomb)),
		"more, and it doesn't say so":    frame(streamed(t, bomb)),
		"more in several frames": frame(append(
			frameOf(t, bomb[:MaxEventsBytes/2]), frameOf(t, bomb[:MaxEventsBytes/2+2])...,
		)),
		"a window of more than it may use": frame([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00}),
	} {
		item, _ := packed(t, want)
		change(item)
		if c, err := decodeItem(want.Stream, item); !errors.Is(err, es.ErrCorrupt) {
			t.Errorf("%s: %d events, %v", name, len(c.Events), err)
		}
	}
	// A bit that falls over is noticed, or changes nothing.
	for i := range good {
		for bit := range 8 {
			bad := bytes.Clone(good)
			bad[i] ^= 1 << bit
			frame(bad)(item)
			got, err := decodeItem(want.Stream, item)
			if err == nil && !cmp.Equal(want, got) || err != nil && !errors.Is(err, es.ErrCorrupt) {
				t.Fatalf("bit %d of byte %d: %v", bit, i, err)
			}
		}
	}
}

// TestPack: what is packed is read back, by the API's values and by a stream record's, whichever
// form it took. reflect compares long texts at once, which cmp does byte by byte.
func TestPack(t *testing.T) {
	forms := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.StringN(1, 20, -1)
		want := es.StoredCommit{
			Stream: es.NewStreamID("test", some.Draw(t, "id")), First: rapid.Int64Range(1, 1<<62).Draw(t, "first"),
			ID:          some.Draw(t, "commit"),
			Fingerprint: rapid.String().Draw(t, "fingerprint"),
			Time:        estest.Start.Add(time.Duration(rapid.Int64Range(0, 1<<60).Draw(t, "time"))),
			Metadata: es.Metadata{
				CorrelationID: rapid.String().Draw(t, "correlation"), CausationID: rapid.String().Draw(t, "causation"),
				Traceparent: rapid.String().Draw(t, "traceparent"),
				Tracestate:  rapid.String().Draw(t, "tracestate"), Actor: rapid.String().Draw(t, "actor"),
				Principal: rapid.String().Draw(t, "principal"),
			},
		}
		for range rapid.IntRange(1, 5).Draw(t, "events") {
			data, err := json.Marshal(strings.Repeat(
				rapid.String().Draw(t, "data"), rapid.SampledFrom([]int{1, 10, 1000}).Draw(t, "times"),
			))
			if err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "spread") {
				data = append(data, '\n')
			}
			kind := rapid.OneOf(some, rapid.Just("test.noted")).Draw(t, "type")
			want.Events = append(
				want.Events, es.Stored{Type: kind, Schema: rapid.IntRange(1, 1000).Draw(t, "schema"), Data: data},
			)
		}
		item, size, err := pack(want)
		if errors.Is(err, es.ErrLimit) {
			return
		}
		if err != nil || size != itemSize(item) || size > MaxCommitBytes {
			t.Fatalf("%d bytes, counted %d, %v", size, itemSize(item), err)
		}
		_, compressed := item[attrEncoding]
		forms[compressed]++
		if got, err := decodeItem(want.Stream, item); err != nil || !reflect.DeepEqual(want, got) {
			t.Fatal(cmp.Diff(want, got), err)
		}
		if head, err := decodeHead(want.Stream, item); err != nil || head != want.Head() {
			t.Fatalf("%+v, %v", head, err)
		}
		if got, err := CommitFromImage(toImage(item)); err != nil || !reflect.DeepEqual(want, got) {
			t.Fatal(cmp.Diff(want, got), err)
		}
	})
	if forms[true] == 0 || forms[false] == 0 {
		t.Errorf("compressed or not: %v", forms)
	}
}

// TestCommitFromCompressedImage: a record of the table's stream as Lambda hands it over, with the
// frame in base64.
func TestCommitFromCompressedImage(t *testing.T) {
	want := shopCommit(t, 100)
	item, _ := packed(t, want)
	record, err := json.Marshal(toImage(item))
	if err != nil {
		t.Fatal(err)
	}
	got, err := CommitFromImage(image(t, string(record)))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	foreign := image(t, string(record))
	foreign[attrEncoding] = events.NewStringAttribute("brotli")
	if _, err := CommitFromImage(foreign); !errors.Is(err, es.ErrCorrupt) {
		t.Error(err)
	}
}
