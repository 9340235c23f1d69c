package httpapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"orderflow/shared/inbound/httpapi"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

var update = flag.Bool("update", false, "write the document instead of comparing it")

// TestOpenAPIDocument: the documents in the repository are those that the code makes.
func TestOpenAPIDocument(t *testing.T) {
	docs := filepath.Join("..", "..", "..", "docs", "openapi.yaml")
	for file, make := range map[string]func() ([]byte, error){
		docs: func() ([]byte, error) { return httpapi.OpenAPI(auth) }, "openapi.json": httpapi.Served,
	} {
		made, err := make()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, made, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(file) // #nosec G304 -- of the table
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, made) {
			t.Errorf("%s is out of date: go generate ./shared/inbound/httpapi", filepath.Base(file))
		}
	}
}

// TestServedDocument: what a stack serves is the document of its own scopes, at its own path, with
// no placeholder left.
func TestServedDocument(t *testing.T) {
	w := newWorld(t)
	said, err := httpapi.OpenAPI(auth)
	if err != nil {
		t.Fatal(err)
	}
	var want, got map[string]any
	if err := yaml.Unmarshal(said, &want); err != nil {
		t.Fatal(err)
	}
	want["servers"] = []any{map[string]any{"url": "/"}}
	res := w.send(get(nobody, "/openapi.json"))
	if err := yaml.Unmarshal([]byte(res.raw), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, left := range []string{"_SCOPE$", "$BASE$", "\n"} {
		if strings.Contains(res.raw, left) {
			t.Errorf("%q is left in it", left)
		}
	}
}

// TestOpenAPIContents: the served document is whole, and says what the deciders enforce.
func TestOpenAPIContents(t *testing.T) {
	res := newWorld(t).send(get(nobody, "/openapi.json"))
	if res.body["openapi"] != "3.1.0" {
		t.Fatalf("openapi is %v", res.body["openapi"])
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []struct {
				Name     string
				Required bool
			}
			RequestBody map[string]any
			Security    []map[string][]string
			Responses   map[string]struct{ Content map[string]any }
		}
		Components struct {
			Parameters map[string]struct{ Name string }
			Schemas    map[string]struct {
				AdditionalProperties any
				Properties           map[string]map[string]any
			}
		}
	}
	if err := json.Unmarshal([]byte(res.raw), &doc); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			name := strings.ToUpper(method) + " " + path
			if op.OperationID == "" || ids[op.OperationID] {
				t.Errorf("%s: operation id %q", name, op.OperationID)
			}
			ids[op.OperationID] = true
			if len(op.Security) == 0 {
				t.Errorf("%s needs no token", name)
			}
			keyed := false
			for _, p := range op.Parameters {
				keyed = keyed || p.Name == "Idempotency-Key" && p.Required
			}
			if keyed != (method == "post" && path != "/customers/search") { // which changes nothing
				t.Errorf("%s: Idempotency-Key required is %v", name, keyed)
			}
			for _, status := range []string{"400", "401", "403", "500", "503"} {
				if op.Responses[status].Content["application/problem+json"] == nil {
					t.Errorf("%s: %s is no problem document", name, status)
				}
			}
			gateway := []string{"401", "403", "404", "429", "500", "503"}
			if op.RequestBody != nil {
				gateway = append(gateway, "413")
			}
			for _, status := range gateway {
				said, _ := op.Responses[status].Content["application/json"].(map[string]any)
				schema, _ := said["schema"].(map[string]any)
				if schema["$ref"] != "#/components/schemas/GatewayAnswer" {
					t.Errorf("%s: the document lacks API Gateway's own %s", name, status)
				}
			}
		}
	}
	if len(ids) != 54 {
		t.Errorf("%d operations: %v", len(ids), ids)
	}
	for _, c := range []struct {
		schema, property, keyword string
		want                      int64
	}{
		{"PlaceOrderBody", "lines", "maxItems", order.MaxLines},
		{"OrderLine", "quantity", "maximum", order.MaxQuantity},
		{"Price", "amount", "maximum", order.MaxUnitPrice},
		{"LineAmount", "amount", "maximum", order.MaxTotal},
		{"Adjustment", "name", "maxLength", order.MaxAdjustmentName},
		{"Adjustment", "ratePpm", "maximum", order.MaxRatePPM},
		{"Address", "recipient", "maxLength", shipment.MaxAddressLine},
		{"Address", "line1", "maxLength", shipment.MaxAddressLine},
		{"Address", "line2", "maxLength", shipment.MaxAddressLine},
		{"Address", "city", "maxLength", shipment.MaxAddressLine},
		{"Address", "postalCode", "maxLength", shipment.MaxPostalCode},
		{"Address", "state", "maxLength", shipment.MaxAddressLine},
		{"Address", "phone", "maxLength", shipment.MaxPhone},
		{"ChangeCustomerBody", "name", "maxLength", customer.MaxName},
		{"ChangeCustomerBody", "email", "maxLength", customer.MaxEmail},
		{"RegisterCustomerBody", "name", "maxLength", customer.MaxName},
		{"RegisterCustomerBody", "email", "maxLength", customer.MaxEmail},
		{"InterestBody", "rateBasisPoints", "maximum", account.MaxRate},
		{"RefundLine", "quantity", "maximum", order.MaxQuantity},
		{"RefundLine", "line", "maximum", order.MaxLines - 1},
		{"RefundOrderBody", "lines", "maxItems", order.MaxLines},
		{"PartSum", "amount", "maximum", order.MaxTotal},
		{"SetStockBody", "onHand", "maximum", stock.MaxOnHand},
		{"SetProductBody", "prices", "maxItems", product.MaxPrices},
		{"ProductPrice", "amount", "maximum", product.MaxPrice},
		{"ProductPrice", "amount", "maximum", order.MaxUnitPrice},
	} {
		if got, _ := doc.Components.Schemas[c.schema].Properties[c.property][c.keyword].(float64); int64(
			got,
		) != c.want {
			t.Errorf("%s.%s: %s is %v, want %d", c.schema, c.property, c.keyword, got, c.want)
		}
	}
	for name, schema := range doc.Components.Schemas {
		if strings.HasSuffix(name, "Body") && schema.AdditionalProperties != false {
			t.Errorf("%s takes unknown fields", name)
		}
	}
	for _, at := range strings.Split(res.raw, `"$ref":"`)[1:] {
		ref, _, _ := strings.Cut(at, `"`)
		_, isSchema := doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")]
		_, isParameter := doc.Components.Parameters[strings.TrimPrefix(ref, "#/components/parameters/")]
		if !isSchema && !isParameter {
			t.Errorf("%s leads nowhere", ref)
		}
	}
}
