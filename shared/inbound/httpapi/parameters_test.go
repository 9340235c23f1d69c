package httpapi_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/ops/deadletter"
)

// parameter is what the document says of one.
type parameter struct {
	Ref      string `json:"$ref"`
	Name, In string
	Required bool
	Schema   map[string]any
}

type operation struct {
	method, path string
	Parameters   []parameter
	Responses    map[string]struct{ Content map[string]any }
}

// route is a path of the operation that its parameters allow. Nothing need be there.
func (o operation) route() string {
	return strings.NewReplacer("{id}", "0b7c3c0e-6f57-5c3c-8a39-0a8b8e3f4f10", "{sku}", "cd-1").Replace(o.path)
}

func (o operation) request(query string) request {
	path := o.route()
	if query != "" {
		path += "?" + query
	}
	return request{who: operator, method: o.method, path: path}
}

// operations are all that the served document describes.
func operations(t *testing.T, w *world) (all []operation) {
	t.Helper()
	var document struct {
		Paths map[string]map[string]operation
	}
	if err := json.Unmarshal([]byte(w.must(http.StatusOK, get(nobody, "/openapi.json")).raw), &document); err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(document.Paths[path])) {
			o := document.Paths[path][method]
			o.method, o.path = strings.ToUpper(method), path
			all = append(all, o)
		}
	}
	return all
}

// TestParametersOfEveryOperation: every operation refuses a query parameter that is unknown, empty
// or repeated, and names it; so it does with its own headers. Nothing is written.
func TestParametersOfEveryOperation(t *testing.T) {
	w := newWorld(t)
	all := operations(t, w)
	if len(all) < 25 {
		t.Errorf("only %d operations", len(all))
	}
	codes := []string{"request.invalid", "idempotency.key-invalid", "idempotency.key-required"}
	refused := func(t *testing.T, r request, want ...string) {
		t.Helper()
		res := w.send(r)
		code := res.text("code")
		if res.status != http.StatusBadRequest || !slices.Contains(codes, code) {
			t.Errorf("%s %s %v: %d %s", r.method, r.path, r.headers, res.status, res.raw)
		}
		if got := locations(res); !slices.Equal(got, want) {
			t.Errorf("%s %s %v: refused at %q, want %q", r.method, r.path, r.headers, got, want)
		}
	}
	for _, o := range all {
		t.Run(o.method+o.path, func(t *testing.T) {
			refused(t, o.request("no-such=1"), "query.no-such")
			refused(t, o.request("a=1&b=&b=2"), "query.a", "query.b")
			refused(t, o.request("=1"), "query.")
			for _, none := range []string{"a;b", "a=1;b=2", "%zz=1", "a=%zz", "a=%f"} {
				refused(t, o.request(none), "query")
			}
			for _, p := range o.Parameters {
				switch p.In {
				case "query":
					value := "1"
					if enum, ok := p.Schema["enum"].([]any); ok {
						value = enum[0].(string)
					}
					escaped := "%" + hexOf(p.Name[0]) + p.Name[1:] // another way to write the name
					given := p.Name + "=" + value
					for _, query := range []string{
						p.Name, p.Name + "=", escaped + "=", p.Name + "&x-no=", p.Name + "=%ff",
						given + "&" + given, given + "&" + p.Name + "=2", given + "&" + p.Name + "=",
						p.Name + "=&" + given,
						given + "&" + escaped + "=" + value,
					} {
						want := []string{"query." + p.Name}
						if strings.Contains(query, "x-no") {
							want = append(want, "query.x-no")
						}
						refused(t, o.request(query), want...)
					}
				case "header":
					for _, value := range []string{"a,b", "a, a", `"1","2"`, ",", "*,"} {
						refused(t, o.request("").with(p.Name, value), "header."+p.Name)
					}
					refused(t, o.request("").with(p.Name, empty), "header."+p.Name)
				}
			}
			refused(t, o.request("").with("X-Correlation-ID", "a,b"), "header.X-Correlation-ID")
			refused(t, o.request("").with("X-Correlation-ID", empty), "header.X-Correlation-ID")
		})
	}
	refused(t, get(nobody, "/openapi.json?a=1"), "query.a")
	if n := w.store.commits.Load(); n != 0 {
		t.Errorf("%d commits were written", n)
	}
}

func hexOf(c byte) string { return string("0123456789ABCDEF"[c>>4]) + string("0123456789ABCDEF"[c&15]) }

// TestNumbersAreDecimal: a number or a boolean of a query is written in one way.
func TestNumbersAreDecimal(t *testing.T) {
	s := newShop(t)
	for _, query := range []string{
		"limit=010", "limit=00", "limit=%2B5", "limit=-5", "limit=-0", "limit=0x10", "limit=1_0", "limit=1e1",
		"limit=5.0",
		"limit=+5", "limit=5+", "limit=5%0A", "limit=%D9%A5", "limit=99999999999999999999", "limit=4294967301",
	} {
		res := s.send(get(ada, "/customers/ada/orders?"+query))
		checkProblem(t, res, 400, "request.invalid")
		if !slices.Equal(slices.Compact(locations(res)), []string{"query.limit"}) {
			t.Errorf("%s: %s", query, res.raw)
		}
	}
	for _, hours := range []string{"1", "0", "t", "T", "TRUE", "True", "yes", "false%20"} {
		res := s.send(get(operator, "/analytics/daily?from=2026-03-01&to=2026-03-01&hours="+hours))
		checkProblem(t, res, 400, "request.invalid")
	}
	for _, hours := range []string{"true", "false"} {
		s.must(http.StatusOK, get(operator, "/analytics/daily?from=2026-03-01&to=2026-03-01&hours="+hours))
	}
	s.must(http.StatusOK, get(ada, "/customers/ada/orders?limit=10"))
}

// TestEventsOfAPIGateway: events as AWS documents them (payload format 2.0). The query is read as
// it was sent, and not from the map, in which API Gateway has joined repeated values by commas.
func TestEventsOfAPIGateway(t *testing.T) {
	const day, trace = "2026-03-01T12:00:00Z", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	w := newWorld(t)
	ids := w.addLetters(2, func(i int, e *deadletter.Entry) {
		if i == 1 {
			e.Error = "a,b & c+d;"
		}
	})
	event := func(query, parameters, headers string) events.APIGatewayV2HTTPRequest {
		var e events.APIGatewayV2HTTPRequest
		if err := json.Unmarshal([]byte(`{
			"version": "2.0", "routeKey": "GET /dead-letters", "rawPath": "/dead-letters",
			"rawQueryString": "`+query+`", "cookies": ["cookie1", "cookie2"],
			"headers": {"accept": "*/*", "x-forwarded-for": "203.0.113.7"`+headers+`},
			"queryStringParameters": {`+parameters+`},
			"requestContext": {
				"accountId": "123456789012", "apiId": "api-id",
				"authorizer": {"jwt": {"claims": {"sub": "o", "scope": "`+scope+`"}, "scopes": null}},
				"domainName": "id.execute-api.us-east-1.amazonaws.com", "domainPrefix": "id",
				"http": {
					"method": "GET", "path": "/dead-letters", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7", "userAgent": "agent"
				},
				"requestId": "id", "routeKey": "GET /dead-letters", "stage": "$default",
				"time": "12/Mar/2026:19:03:58 +0000", "timeEpoch": 1583348638390
			},
			"isBase64Encoded": false
		}`), &e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, c := range []struct {
		name  string
		event events.APIGatewayV2HTTPRequest
		want  int
		says  string
	}{
		{"one value", event("status=open", `"status": "open"`, ""), 200, ids[1]},
		{"two values", event("status=open&status=spent", `"status": "open,spent"`, ""), 400, "query.status"},
		{"twice the same", event("before="+day+"&before="+day, `"before": "`+day+`,`+day+`"`, ""), 400, "query.before"},
		{"a value with a comma", event("error=a,b", `"error": "a,b"`, ""), 200, ids[1]},
		{
			"a value with an escaped comma", event("error=a%2Cb%20%26+c%2Bd%3B", `"error": "a,b & c+d;"`, ""), 200,
			ids[1],
		},
		{"two that look like it", event("error=a&error=b", `"error": "a,b"`, ""), 400, "query.error"},
		{"an empty one", event("status=", `"status": ""`, ""), 400, "query.status"},
		{"a name alone", event("status", `"status": ""`, ""), 400, "query.status"},
		{"no parameter", event("", "", ""), 200, ids[0]},
		{"parameters without a query", event("", `"error": "a,b"`, ""), 400, "request.malformed"},
		{"a repeated header", event("", "", `, "x-correlation-id": "a,a"`), 400, "header.X-Correlation-ID"},
		{"an empty header", event("", "", `, "x-correlation-id": ""`), 400, "header.X-Correlation-ID"},
		{"a header of nobody's, repeated", event("", "", `, "x-other": "a,b"`), 200, ids[0]},
		{"two traces", event("", "", `, "traceparent": "`+trace+`,`+trace+`"`), 200, ids[0]},
	} {
		t.Run(c.name, func(t *testing.T) {
			res, err := w.queries(t.Context(), c.event)
			if err != nil || res.StatusCode != c.want || !strings.Contains(res.Body, c.says) {
				t.Errorf("%d %s, %v", res.StatusCode, res.Body, err)
			}
			if strings.HasPrefix(c.name, "a value with") && strings.Contains(res.Body, ids[0]) {
				t.Errorf("the other letter is found too: %s", res.Body)
			}
		})
	}
}

// TestContentTypes: JSON is JSON however its name is spelled.
func TestContentTypes(t *testing.T) {
	s := newShop(t)
	for _, ct := range []string{
		"application/json", "APPLICATION/JSON", "Application/Json; charset=utf-8", "application/json;charset=UTF-8",
		`application/json; charset="utf-8"`, `application/json ; CHARSET="UTF-8" `, "application/json;",
	} {
		s.must(http.StatusAccepted, post(ada, "/orders", anOrder()).with("Content-Type", ct))
	}
}
