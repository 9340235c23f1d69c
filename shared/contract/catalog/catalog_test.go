package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
)

const root = "../../../events"

// What stands under events/ is what the Go types say, and nothing in it breaks readers.
func TestDrift(t *testing.T) {
	changes, err := Drift(root, clock.System{}.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		t.Error(c)
	}
}

// Every sample, also one of a version that is only read any more, is a complete envelope, fits its
// schema, and has no field beside it.
func TestSamples(t *testing.T) {
	for _, c := range contract.Types() {
		t.Run(fmt.Sprintf("%s v%d", c.Name, c.Version), func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(root, SamplePath(c)))
			if err != nil {
				t.Fatal(err)
			}
			var e es.Envelope
			strict(t, text, &e)
			if e.Type != c.Name || e.DataVersion != c.Version || e.Source != c.Source() ||
				e.DataSchema != c.DataSchema() {
				t.Errorf("envelope %+v", e)
			}
			data, err := contract.Decode(e)
			if err != nil {
				t.Fatal(err)
			}
			again, err := json.Marshal(data)
			if err != nil {
				t.Fatal(err)
			}
			if compact(t, e.Data) != compact(t, again) {
				t.Errorf("the sample has more than the contract: %s, %s", e.Data, again)
			}
			needed := []string{
				"customer.registered", "customer.changed", contract.OrderUpdatedType, "shipment.cancelled",
			}
			if strings.Contains(string(text), "pd1:") && !slices.Contains(needed, c.Name) {
				t.Error("sealed data is published that nobody needs")
			}
		})
	}
}

// Each field of each contract is described.
func TestDescriptions(t *testing.T) {
	for _, c := range contract.Types() {
		s, registry := schemaOf(c)
		for name, p := range s.Properties {
			if p.Description == "" {
				t.Errorf("%s: %s has no description", c.Name, name)
			}
		}
		for def, d := range registry.Map() {
			for name, p := range d.Properties {
				if p.Description == "" {
					t.Errorf("%s: %s.%s has no description", c.Name, def, name)
				}
			}
		}
		if c.Description == "" || c.Subject == "" {
			t.Errorf("%s has no description or subject", c.Name)
		}
	}
}

func TestBreaking(t *testing.T) {
	const before = `{"type":"object","description":"d","required":["id","lines"],"properties":{
		"id":{"type":"string","minLength":1},
		"note":{"type":"string"},
		"prices":{"type":"object","additionalProperties":{"$ref":"#/$defs/Money"}},
		"parent":{"$ref":"#/$defs/Line"},
		"paid":{"oneOf":[{"$ref":"#/$defs/Money"},{"type":"null"}]},
		"lines":{"type":"array","items":{"$ref":"#/$defs/Line"},"minItems":1}},
		"$defs":{"Line":{"type":"object","required":["sku"],"properties":{"sku":{"type":"string"},"price":{"$ref":"#/$defs/Money"},"part":{"$ref":"#/$defs/Line"}}},
			"Money":{"type":"object","required":["amount"],"additionalProperties":false,"properties":{"amount":{"type":"integer","format":"int64"}}}}}`
	tests := []struct {
		name     string
		old, new string // replaced in before
		breaks   []string
	}{
		{"nothing", ``, ``, nil},
		{"another description", `"description":"d"`, `"description":"e","title":"t"`, nil},
		{"an optional property more", `"note":`, `"channel":{"type":"string"},"note":`, nil},
		{"an optional property more, inside", `"sku":{`, `"colour":{"type":"string"},"sku":{`, nil},
		{"a definition by another name", `Money`, `Amount`, nil},
		{"a property less", `"note":{"type":"string"},`, ``, []string{"data.note: is gone"}},
		{"a property renamed", `"note":`, `"remark":`, []string{"data.note: is gone"}},
		{
			"a required property renamed", `"id"`, `"orderId"`,
			[]string{"data.id: is gone", "data.orderId: is newly required"},
		},
		{
			"a required property more", `"required":["id",`, `"required":["id","note",`,
			[]string{"data.note: is newly required"},
		},
		{
			"required no more", `"required":["id","lines"]`, `"required":["id"]`,
			[]string{"data.lines: is required no more"},
		},
		{
			"another type", `"note":{"type":"string"}`, `"note":{"type":"integer"}`,
			[]string{`data.note: type was "string" and is "integer"`},
		},
		{"another bound", `"minLength":1`, `"minLength":2`, []string{"data.id: minLength was 1 and is 2"}},
		{"a bound less", `,"minItems":1`, ``, []string{"data.lines: minItems was 1 and is absent"}},
		{
			"an enumeration", `"note":{"type":"string"`, `"note":{"type":"string","enum":["a"]`,
			[]string{`data.note: enum was absent and is ["a"]`},
		},
		{"a property of a definition", `"amount":{"type":"integer"`, `"amount":{"type":"number"`, []string{
			`data.lines[].price.amount: type was "integer" and is "number"`, `data.paid: oneOf was`,
			`data.parent.price.amount: type was`, `data.prices.*.amount: type was`,
		}},
		{
			"a property of a definition less", `"sku":{"type":"string"},`, ``,
			[]string{"data.lines[].sku: is gone", "data.parent.sku: is gone"},
		},
		{"another property of a closed definition", `"amount":{`, `"scale":{"type":"integer"},"amount":{`, []string{
			"data.lines[].price.scale: is new, and its like was not allowed", "data.paid: oneOf was",
			"data.parent.price.scale: is new", "data.prices.*.scale: is new",
		}},
		{
			"closed", `"description":"d"`, `"additionalProperties":false`,
			[]string{"data: additionalProperties was absent and is false"},
		},
		{
			"open to anything", `"additionalProperties":{"$ref":"#/$defs/Money"}`, `"description":"prices"`,
			[]string{"data.prices: additionalProperties was {"},
		},
		{"other values of a map", `"additionalProperties":{"$ref":"#/$defs/Money"}`,
			`"additionalProperties":{"type":"string"}`, []string{
				`data.prices.*: type was "object" and is "string"`, "data.prices.*.amount: is gone",
				"data.prices.*: additionalProperties was false and is absent",
			}},
		{
			"a required name without a property", `"required":["id",`, `"required":["id","other",`,
			[]string{"data.other: is newly required"},
		},
		{
			"a name required by another", `"description":"d"`, `"dependentRequired":{"note":["parent"]}`,
			[]string{`data: dependentRequired was absent and is {"note":["parent"]}`},
		},
		{"one of several", `"description":"d"`, `"oneOf":[{"required":["note"]}]`, []string{"data: oneOf was absent"}},
		{"all of several", `"description":"d"`, `"allOf":[{"required":["note"]}]`, []string{"data: allOf was absent"}},
		{"a reference to nothing", `"parent":{"$ref":"#/$defs/Line"}`, `"parent":{"$ref":"#/$defs/Gone"}`, []string{
			`data.parent: $ref was absent and is "#/$defs/Gone"`, "data.parent: type was", "data.parent.part: is gone",
			"data.parent.price: is gone", "data.parent.sku: is gone",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Breaking([]byte(before), []byte(strings.ReplaceAll(before, tt.old, tt.new)))
			if tt.old == "" {
				got, err = Breaking([]byte(before), []byte(before))
			}
			if err != nil || !slices.EqualFunc(got, tt.breaks, strings.HasPrefix) {
				t.Errorf("%q, %v; want %q", got, err, tt.breaks)
			}
		})
	}
	if _, err := Breaking([]byte("x"), []byte(before)); err == nil {
		t.Error("no error on what is no JSON")
	}
}

func strict(t *testing.T, text []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatal(err)
	}
}

func compact(t *testing.T, text []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, text); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
