package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/shop/shipment"
)

// judge says what the served document allows. It is another implementation of JSON Schema than the
// one that the edge uses.
type judge struct {
	document map[string]any
	compiler *jsonschema.Compiler
	shop     *shop
	answered map[int]int // how often with this status
}

func newJudge(t *testing.T, s *shop) judge {
	t.Helper()
	raw := s.must(http.StatusOK, get(nobody, "/openapi.json")).raw
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", document); err != nil {
		t.Fatal(err)
	}
	return judge{document: document.(map[string]any), compiler: c, shop: s, answered: map[int]int{}}
}

// pointer is a place in the document, by its steps.
func pointer(steps ...string) string {
	var at strings.Builder
	for _, step := range steps {
		at.WriteString("/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(step)))
	}
	return "openapi.json#" + at.String()
}

func (j judge) compile(t *testing.T, steps ...string) *jsonschema.Schema {
	t.Helper()
	s, err := j.compiler.Compile(pointer(steps...))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// at is what stands at a place of the document, references followed.
func (j judge) at(steps ...string) map[string]any {
	var here any = j.document
	for _, step := range steps {
		switch at := here.(type) {
		case map[string]any:
			here = at[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil {
				return nil
			}
			here = at[i]
		}
	}
	found, _ := here.(map[string]any)
	return j.follow(found)
}

func (j judge) follow(schema map[string]any) map[string]any {
	ref, ok := schema["$ref"].(string)
	if !ok {
		return schema
	}
	return j.at(strings.Split(strings.TrimPrefix(ref, "#/"), "/")...)
}

// oddTexts are what a pattern may forget.
var oddTexts = []string{
	"", " ", "\u00a0", "\u2003", "\u3000", "\u0085", "\t", "a\nb", "a\x00", "a\x7f", "\u0080", "a\u2028b", "é",
	"😀", "\ufeff", "null", "-", "0",
	"01", "+1", "1e3", "1.0", "ZZZ", "usd", "USD", "gb", "XX", "2026-01-01T00:00:00,5Z", "2026-01-01T1:00:00Z",
	"2026-01-01T00:00:00+24:00",
	"2026-02-30T00:00:00Z", "2026-01-01t00:00:00z", "2026-01-01T00:00:00Z", "2026-02-29", "2024-02-29", "1969-12-31",
	"9999-01-01", "2026-1-1",
	"0B7C3C0E-6F57-5C3C-8A39-0A8B8E3F4F10", "{0b7c3c0e-6f57-5c3c-8a39-0a8b8e3f4f10}",
	"urn:uuid:0b7c3c0e-6f57-5c3c-8a39-0a8b8e3f4f10",
	"0b7c3c0e6f575c3c8a390a8b8e3f4f10", "0b7c3c0e-6f57-5c3c-8a39-0a8b8e3f4f10", `"3"`, `"03"`, `W/"3"`, "*", "3",
	"true",
	"false", "TRUE", "a@b", "a@b.c",
	`"a"@b.c`, "A@b..c", "e30", "e30=", "YWJj", "9223372036854775807", "9223372036854775808", "999999999999999999",
}

// text draws a string that the schema allows, or one that it may not.
func text(t *rapid.T, schema map[string]any) string {
	if of, ok := schema["anyOf"].([]any); ok {
		schema = rapid.SampledFrom(of).Draw(t, "of").(map[string]any)
	}
	enum, _ := schema["enum"].([]any)
	pattern, _ := schema["pattern"].(string)
	switch choice := rapid.IntRange(0, 9).Draw(t, "choice"); {
	case choice == 0:
		return rapid.SampledFrom(oddTexts).Draw(t, "odd")
	case choice == 1:
		// see textPattern
		return strings.NewReplacer("\u2028", "x", "\u2029", "x").Replace(rapid.String().Draw(t, "any"))
	case len(enum) > 0:
		return fmt.Sprint(rapid.SampledFrom(enum).Draw(t, "one of"))
	case pattern == clock.TimePattern:
		// Not the first and the last day of the years that there are: there the pattern takes more.
		return "20" + rapid.StringMatching(strings.Replace(
			strings.Trim(pattern, "^$"), "{4}", "{2}", 1,
		)).Draw(t, "time")
	case choice == 2:
		most, limited := schema["maxLength"].(json.Number)
		n := 70
		if limited {
			i, _ := most.Int64()
			n = int(i)
		}
		n += rapid.IntRange(-1, 1).Draw(t, "more")
		return strings.Repeat(rapid.SampledFrom([]string{"a", "ß", "7"}).Draw(t, "of"), n)
	case pattern != "":
		return rapid.StringMatching(strings.Trim(pattern, "^$")).Draw(t, "matching")
	}
	return rapid.StringMatching(`[A-Za-zé '.-]{1,30}`).Draw(t, "text")
}

// whole draws a number around the schema's bounds.
func whole(t *rapid.T, schema map[string]any) any {
	bound := func(name string, otherwise int64) int64 {
		n, ok := schema[name].(json.Number)
		if !ok {
			return otherwise
		}
		f, err := n.Float64()
		if err != nil || f != math.Trunc(f) {
			t.Fatalf("%s is %v", name, n)
		}
		return int64(f)
	}
	least, most := bound("minimum", -1<<53), bound("maximum", 1<<53)
	return rapid.OneOf(
		rapid.Int64Range(least, most),
		rapid.SampledFrom([]int64{least - 1, least, most, most + 1, math.MaxInt64, math.MinInt64, 0, -1}),
	).Draw(t, "number")
}

// value draws one that the schema allows, for the most part.
func (j judge) value(t *rapid.T, schema map[string]any) any {
	schema = j.follow(schema)
	switch schema["type"] {
	case "object":
		properties, _ := schema["properties"].(map[string]any)
		required, _ := schema["required"].([]any)
		out := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(properties)) {
			if slices.Contains(required, any(name)) || rapid.Bool().Draw(t, "with "+name) {
				inner, _ := properties[name].(map[string]any)
				out[name] = j.value(t, inner)
				if known := j.known(name); known != "" && rapid.Bool().Draw(t, "known") {
					out[name] = known
				}
			}
		}
		return out
	case "array":
		items, _ := schema["items"].(map[string]any)
		out := make([]any, rapid.IntRange(0, 3).Draw(t, "items"))
		for i := range out {
			out[i] = j.value(t, items)
		}
		return out
	case "integer":
		return whole(t, schema)
	case "boolean":
		return rapid.Bool().Draw(t, "truth")
	}
	return text(t, schema)
}

// known is a value of a property that is there, so that some requests get through.
func (j judge) known(property string) string {
	return map[string]string{
		"customerId": "ada", "country": "GB", "postalCode": "SW1Y 4LB", "city": "London", "currency": "USD",
		"toAccountId": j.shop.bobs,
	}[property]
}

// path is one of an operation's paths, of a thing that is there or of one that is not.
func (j judge) path(t *rapid.T, o operation) string {
	there := map[string]string{
		"orders": j.shop.order, "accounts": j.shop.account, "customers": "bob", "stock": "cd-1", "products": "cd-1",
		"dead-letters": j.shop.letter, "shipments": j.shop.shipment,
	}[strings.Split(o.path, "/")[1]]
	if !rapid.Bool().Draw(t, "is there") {
		return o.route()
	}
	return strings.NewReplacer("{id}", there, "{sku}", there).Replace(o.path)
}

// spoilt is a value of which one part is another, is gone or is new.
func spoilt(t *rapid.T, value any) any {
	switch v := value.(type) {
	case map[string]any:
		name := rapid.SampledFrom(append(slices.Sorted(maps.Keys(v)), "newer", "Name", "LINES")).Draw(t, "name")
		switch inner, there := v[name]; {
		case !there:
			v[name] = rapid.SampledFrom([]any{nil, true, "x", 1, map[string]any{}}).Draw(t, "new")
		case rapid.IntRange(0, 3).Draw(t, "what") == 0:
			delete(v, name)
		default:
			v[name] = spoilt(t, inner)
		}
		return v
	case []any:
		if len(v) > 0 && rapid.IntRange(0, 3).Draw(t, "inside") > 0 {
			i := rapid.IntRange(0, len(v)-1).Draw(t, "index")
			v[i] = spoilt(t, v[i])
			return v
		}
	}
	odd := rapid.SampledFrom(oddTexts).Draw(t, "odd")
	return rapid.SampledFrom([]any{
		nil, true, "", "x", 0, -1, 2.5, []any{}, []any{nil}, map[string]any{}, odd,
	}).Draw(t, "value")
}

// beyond are the refusals that no schema of one value can say: by the code of the problem, and
// where that is the edge's own, by what it says.
func beyond(res response) bool {
	switch res.text("code") {
	case "cursor.invalid": // which cursors a page has given
		return true
	case "analytics.invalid-period": // two dates together
		return true
	case "money.mixed-currencies", "product.invalid-prices", "order.currency-missing": // several fields together
		return true
	case "money.overflow": // a line's numbers multiplied, or what an account has taken in before
		return true
	case "shipment.invalid-address": // what a country's addresses need
		return strings.Contains(res.raw, "required: an address in this country has it") ||
			strings.Contains(res.raw, "not a postal code of the address's country")
	case "request.invalid":
		// Who asks for somebody else names them, and the two preconditions exclude each other.
		for _, says := range []string{"only customers may omit it", "either If-Match or If-None-Match"} {
			if strings.Contains(res.raw, says) {
				return true
			}
		}
	}
	return false
}

// agree wants the edge to refuse what the document does not allow, and nothing else, and to answer
// as the document says.
func (j judge) agree(t *rapid.T, o operation, r request, allowed error, res response) {
	j.answered[res.status]++
	status := strconv.Itoa(res.status)
	form := []string{
		"paths", o.path, strings.ToLower(o.method), "responses", status, "content", res.headers["Content-Type"],
		"schema",
	}
	if res.status == http.StatusNotModified { // which has no body
		if allowed != nil || res.raw != "" || j.at(form[:5]...) == nil {
			t.Fatalf("%s %s: %s %q: the document says: %v", r.method, r.path, status, res.raw, allowed)
		}
		return
	}
	if j.at(form...) == nil {
		t.Fatalf(
			"%s %s: the document knows no %s of %s: %s", r.method, r.path, status, res.headers["Content-Type"], res.raw,
		)
	}
	judged, err := j.compiler.Compile(pointer(form...))
	if err != nil {
		t.Fatal(err)
	}
	body, err := jsonschema.UnmarshalJSON(strings.NewReader(res.raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := judged.Validate(body); err != nil {
		t.Fatalf("%s %s: %s is answered, and the document says: %v", r.method, r.path, res.raw, err)
	}
	refused := res.status == http.StatusBadRequest
	if (allowed != nil) != refused && (allowed != nil || !beyond(res)) {
		sent, _ := json.Marshal(r.body)
		t.Fatalf(
			"%s %s %v %s: %d %s; the document says: %v", r.method, r.path, r.headers, sent, res.status, res.raw,
			allowed,
		)
	}
}

// callerOf is who may call an operation and may say all that its body can say. Who may not is told
// so before anything is said of the rest of the body.
func callerOf(o operation) caller {
	if strings.HasPrefix(o.path, "/shipments") {
		return carrier
	}
	return pricer
}

// TestNumbersOfRequestsAreExact: every number that a request has stays exact in programs that know
// floats only, of which huma is one while it validates.
func TestNumbersOfRequestsAreExact(t *testing.T) {
	s := newShop(t)
	j := newJudge(t, s)
	numbers := 0
	var walk func(at string, schema map[string]any)
	walk = func(at string, schema map[string]any) {
		schema = j.follow(schema)
		switch schema["type"] {
		case "integer":
			least, hasLeast := schema["minimum"].(json.Number)
			most, hasMost := schema["maximum"].(json.Number)
			from, _ := least.Float64()
			to, _ := most.Float64()
			if numbers++; !hasLeast || !hasMost || from < -1<<53 || to > 1<<53 {
				t.Errorf("%s is from %q to %q", at, least, most)
			}
		case "number":
			t.Errorf("%s may have a fraction", at)
		}
		properties, _ := schema["properties"].(map[string]any)
		for name, property := range properties {
			walk(at+"."+name, property.(map[string]any))
		}
		if items, ok := schema["items"].(map[string]any); ok {
			walk(at+"[]", items)
		}
	}
	for _, o := range operations(t, s.world) {
		name := o.method + " " + o.path
		walk(
			name,
			j.at("paths", o.path, strings.ToLower(o.method), "requestBody", "content", "application/json", "schema"),
		)
		for i, p := range o.Parameters {
			walk(
				name+" "+p.Name,
				j.at("paths", o.path, strings.ToLower(o.method), "parameters", strconv.Itoa(i), "schema"),
			)
		}
	}
	if numbers < 8 {
		t.Errorf("only %d numbers", numbers)
	}
}

// TestBodiesAreWhatTheDocumentSays: of any body, the document and the code say the same.
func TestBodiesAreWhatTheDocumentSays(t *testing.T) {
	s := newShop(t)
	s.letter, s.shipment = s.addLetters(1, nil)[0], s.ship(shipment.StatusPrepared)
	j := newJudge(t, s)
	bodies := 0
	for _, o := range operations(t, s.world) {
		at := []string{
			"paths", o.path, strings.ToLower(o.method), "requestBody", "content", "application/json", "schema",
		}
		schema := j.at(at...)
		if schema == nil {
			continue
		}
		bodies++
		t.Run(o.method+o.path, func(t *testing.T) {
			judged := j.compile(t, at...)
			rapid.Check(t, func(t *rapid.T) {
				body := j.value(t, schema)
				for range rapid.IntRange(0, 1).Draw(t, "spoilt") {
					body = spoilt(t, body)
				}
				sent, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				value, err := jsonschema.UnmarshalJSON(bytes.NewReader(sent))
				if err != nil {
					t.Fatal(err)
				}
				r := request{who: callerOf(o), method: o.method, path: j.path(t, o), body: string(sent)}
				if r.method == http.MethodPut {
					r = r.with("If-None-Match", "*")
				}
				if r.method == http.MethodPatch {
					r = r.with("If-Match", `"1"`)
				}
				j.agree(t, o, r, judged.Validate(value), s.send(r))
			})
		})
	}
	if bodies < 9 {
		t.Errorf("only %d operations with a body", bodies)
	}
	for _, status := range []int{200, 201, 202, 400, 404, 422} {
		if j.answered[status] == 0 {
			t.Errorf("nothing was answered with %d: %v", status, j.answered)
		}
	}
}

// TestParametersAreWhatTheDocumentSays: of any value of any parameter, the document and the code
// say the same.
func TestParametersAreWhatTheDocumentSays(t *testing.T) {
	s := newShop(t)
	s.letter, s.shipment = s.addLetters(1, nil)[0], s.ship(shipment.StatusPrepared)
	j := newJudge(t, s)
	good := map[string]string{"from": "2026-03-01", "to": "2026-03-02", "currency": "USD", "customerId": "ada"}
	for _, o := range operations(t, s.world) {
		for i, p := range o.Parameters {
			at := []string{"paths", o.path, strings.ToLower(o.method), "parameters", strconv.Itoa(i), "schema"}
			if p.Ref != "" {
				at = append(strings.Split(strings.TrimPrefix(p.Ref, "#/"), "/"), "schema")
				p.Name, p.In = "X-Correlation-ID", "header"
			}
			schema := j.at(at...)
			t.Run(o.method+o.path+" "+p.In+" "+p.Name, func(t *testing.T) {
				judged := j.compile(t, at...)
				rapid.Check(t, func(t *rapid.T) {
					given := fmt.Sprint(j.value(t, schema))
					if rapid.IntRange(0, 9).Draw(t, "is odd") == 0 {
						given = rapid.SampledFrom(oddTexts).Draw(t, "odd")
					}
					allowed := judged.Validate(instance(schema, given))
					query := url.Values{}
					for _, other := range o.Parameters {
						if other.In == "query" && other.Required {
							if good[other.Name] == "" {
								t.Fatalf("which %s is good?", other.Name)
							}
							query.Set(other.Name, good[other.Name])
						}
					}
					r := request{who: callerOf(o), method: o.method, path: j.path(t, o)}
					switch p.In {
					case "query":
						query.Set(p.Name, given)
						if given == "" {
							allowed = errEmpty
						}
					case "header":
						if strings.ContainsAny(given, ",\x00\n\r") || strings.TrimSpace(given) != given || given == "" {
							return // no header has it, or another value comes of it
						}
						r = r.with(p.Name, given)
					case "path":
						if given == "" || given == "." || given == ".." || strings.Contains(given, "/") {
							return // another path
						}
						r.path = strings.Replace(o.path, "{"+p.Name+"}", given, 1)
					}
					if len(query) > 0 {
						r.path += "?" + query.Encode()
					} else if strings.Contains(r.path, "?") {
						return // world.send would take it for a query
					}
					res := s.send(r)
					isNamed := strings.Contains(res.raw, p.In+"."+p.Name)
					if o.method != http.MethodGet && allowed == nil && res.status == http.StatusBadRequest && !isNamed {
						return // the body is missing
					}
					j.agree(t, o, r, allowed, res)
				})
			})
		}
	}
}

var errEmpty = fmt.Errorf("a parameter that is given has a value")

// instance is a parameter's value as its schema sees it: a number or a truth where it is written as
// one.
func instance(schema map[string]any, given string) any {
	switch schema["type"] {
	case "integer":
		if canonical, err := strconv.ParseInt(given, 10, 64); err == nil && strconv.FormatInt(canonical, 10) == given {
			return json.Number(given)
		}
	case "boolean":
		if given == "true" || given == "false" {
			return given == "true"
		}
	}
	return given
}
