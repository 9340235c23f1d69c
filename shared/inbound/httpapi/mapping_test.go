package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/inbound/httpapi"
)

// onDomain is an event as API Gateway makes it of a request to a domain of one's own (payload
// format 2.0): the base path is in rawPath and in the context's path, and not in the route.
const onDomain = `{
  "version": "2.0",
  "routeKey": "ROUTE",
  "rawPath": "PATH",
  "rawQueryString": "",
  "headers": {
    "accept": "*/*", "content-type": "application/json", "host": "DOMAIN", "idempotency-key": "KEY",
    "x-amzn-trace-id": "Root=1-65f1", "x-forwarded-port": "443", "x-forwarded-proto": "https"
  },
  "requestContext": {
    "accountId": "123456789012",
    "apiId": "a1b2c3d4e5",
    "authorizer": {"jwt": {"claims": {"sub": "sub-ada", "username": "ada", "scope": "openid"}, "scopes": null}},
    "domainName": "DOMAIN",
    "domainPrefix": "api",
    "http": {
      "method": "METHOD", "path": "PATH", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "curl/8.5.0"
    },
    "requestId": "JKJaXmPLvHcESHA=",
    "routeKey": "ROUTE",
    "stage": "$default",
    "time": "01/Mar/2026:12:00:00 +0000",
    "timeEpoch": 1772366400000
  },
  "isBase64Encoded": false
}`

// TestBasePath: on its domain the API is below its base path, links lead there too, and under API
// Gateway's own address nothing changes.
func TestBasePath(t *testing.T) {
	s := newShop(t)
	commands := httpapi.NewCommands(s.takes)
	queries := httpapi.NewQueries(s.sees)
	const own, gateway = "api.example.com", "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"
	for _, c := range []struct {
		name, path, domain, method, at string
		want                           int
		location                       string // begins so
	}{
		{"below the base path", "shop", own, "GET", "/shop/stock/cd-1", 200, ""},
		{"in another case of the domain", "shop", "API.Example.com", "GET", "/shop/stock/cd-1", 200, ""},
		{"two levels", "shop/v1", own, "GET", "/shop/v1/stock/cd-1", 200, ""},
		{"a link", "shop/v1", own, "POST", "/shop/v1/orders", 202, "/shop/v1/orders/"},
		{"a link at the root", "", own, "POST", "/orders", 202, "/orders/"},
		{"a link of API Gateway's", "shop", gateway, "POST", "/orders", 202, "/orders/"},
		{"at the root", "", own, "GET", "/stock/cd-1", 200, ""},
		{"API Gateway's address", "shop", gateway, "GET", "/stock/cd-1", 200, ""},
		{"API Gateway's address with the base path", "shop", gateway, "GET", "/shop/stock/cd-1", 404, ""},
		{"called like a collection", "stock", own, "GET", "/stock/stock/cd-1", 200, ""},
		{"like a collection, API Gateway's address", "stock", gateway, "GET", "/stock/cd-1", 200, ""},
		{"only the beginning of a name", "shop", own, "GET", "/shopstock/cd-1", 404, ""},
		{"the base path alone", "shop", own, "GET", "/shop", 404, ""},
		{"the base path and a slash", "shop", own, "GET", "/shop/", 404, ""},
		{"the base path twice", "shop", own, "GET", "/shop/shop/stock/cd-1", 404, ""},
		{"two slashes", "shop", own, "GET", "/shop//stock/cd-1", 404, ""},
		{"no base path", "shop", own, "GET", "/stock/cd-1", 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			handler := httpapi.Lambda(queries, httpapi.Mapping{Domain: own, Path: c.path})
			if c.method == http.MethodPost {
				handler = httpapi.Lambda(commands, httpapi.Mapping{Domain: own, Path: c.path})
			}
			event := eventOn(t, c.domain, c.method, c.at)
			if c.method == http.MethodPost {
				text, err := json.Marshal(anOrder())
				if err != nil {
					t.Fatal(err)
				}
				event.Body = string(text)
			} else {
				delete(event.Headers, "content-type")
			}
			out, err := handler(context.Background(), event)
			if err != nil || out.StatusCode != c.want || !strings.HasPrefix(out.Headers["Location"], c.location) {
				t.Errorf("%v, %d %v, want %d %s: %s", err, out.StatusCode, out.Headers, c.want, c.location, out.Body)
			}
		})
	}
}

// TestServerURL: the document says where the operations are, from where it was read.
func TestServerURL(t *testing.T) {
	s := newShop(t)
	handler := httpapi.Lambda(httpapi.NewQueries(s.sees), httpapi.Mapping{Domain: "api.example.com", Path: "shop/v1"})
	for path, want := range map[string]string{
		"/shop/v1/openapi.json": `"servers":[{"url":"/shop/v1"}]`, "/openapi.json": `"servers":[{"url":"/"}]`,
	} {
		out, err := handler(context.Background(), eventOn(t, "api.example.com", http.MethodGet, path))
		if err != nil || out.StatusCode != http.StatusOK || !strings.Contains(out.Body, want) {
			t.Errorf("%s: %v, %d, without %s", path, err, out.StatusCode, want)
		}
	}
}

func eventOn(t *testing.T, domain, method, path string) (event events.APIGatewayV2HTTPRequest) {
	t.Helper()
	text := strings.NewReplacer("DOMAIN", domain, "METHOD", method, "PATH", path, "KEY", t.Name()).Replace(onDomain)
	if err := json.Unmarshal([]byte(text), &event); err != nil {
		t.Fatal(err)
	}
	return event
}
