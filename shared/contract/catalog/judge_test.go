package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
)

// What consumers take is what the published schemas allow, by the judgement of another
// implementation of JSON Schema than the one in use: whatever becomes of a sample's data, both say
// the same.
func TestSchemasAreWhatIsChecked(t *testing.T) {
	for _, c := range contract.Types() {
		t.Run(fmt.Sprintf("%s v%d", c.Name, c.Version), func(t *testing.T) {
			judge := compiled(t, filepath.Join(root, SchemaPath(c)))
			text, err := os.ReadFile(filepath.Join(root, SamplePath(c)))
			if err != nil {
				t.Fatal(err)
			}
			rapid.Check(t, func(t *rapid.T) {
				var e es.Envelope
				if err := json.Unmarshal(text, &e); err != nil {
					t.Fatal(err)
				}
				var data any
				if err := json.Unmarshal(e.Data, &data); err != nil {
					t.Fatal(err)
				}
				for range rapid.IntRange(0, 3).Draw(t, "changes") {
					data = mutated(t, data)
				}
				if e.Data, err = json.Marshal(data); err != nil {
					t.Fatal(err)
				}
				value, err := jsonschema.UnmarshalJSON(bytes.NewReader(e.Data))
				if err != nil {
					t.Fatal(err)
				}
				judged := judge.Validate(value)
				if _, err := contract.Decode(e); (err == nil) != (judged == nil) {
					t.Fatalf("%s: %v; the schema says %v", e.Data, err, judged)
				}
			})
		})
	}
}

func compiled(t *testing.T, file string) *jsonschema.Schema {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat() // as the library in use does
	if err := compiler.AddResource("file:///"+filepath.ToSlash(file), document); err != nil {
		t.Fatal(err)
	}
	s, err := compiler.Compile("file:///" + filepath.ToSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// mutated is a value of which one part, anywhere inside, is another, is gone or is new.
func mutated(t *rapid.T, value any) any {
	odd := []any{
		nil, true, "", "x", "usd", 0.0, -1.0, 2.5, 7.0, []any{}, []any{nil}, map[string]any{},
		"2026-01-01T00:00:00Z", "2026-01-01T00:00:00,5Z", "2026-01-01T1:00:00Z", "2026-01-01T00:00:00+24:00",
		"2026-02-30T00:00:00Z",
	}
	switch v := value.(type) {
	case map[string]any:
		name := rapid.SampledFrom(append(slices.Sorted(maps.Keys(v)), "newer")).Draw(t, "name")
		switch inner, there := v[name]; {
		case !there:
			v[name] = rapid.SampledFrom(odd).Draw(t, "value")
		case rapid.IntRange(0, 3).Draw(t, "what") == 0:
			delete(v, name)
		default:
			v[name] = mutated(t, inner)
		}
		return v
	case []any:
		if len(v) > 0 && rapid.Bool().Draw(t, "inside") {
			i := rapid.IntRange(0, len(v)-1).Draw(t, "index")
			v[i] = mutated(t, v[i])
			return v
		}
	}
	return rapid.SampledFrom(odd).Draw(t, "value")
}
