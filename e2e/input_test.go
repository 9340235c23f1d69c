//go:build e2e

package e2e_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"orderflow/shared/kit/ident"
)

// What API Gateway makes of a query and of headers before a function sees them changes nothing:
// what is empty or repeated is refused by name, and a value with a comma in it is one value.
func TestInputThroughTheGateway(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 1_000)
	letters, orders := "/dead-letters?", "/customers/"+c.id+"/orders?"
	const day = "2026-03-01T12:00:00Z"
	for query, at := range map[string]string{
		letters + "status=": "query.status", letters + "status": "query.status",
		letters + "status=open&status=open":          "query.status",
		letters + "before=" + day + "&before=" + day: "query.before", letters + "error=a&error=b": "query.error",
		letters + "before=2026-03-01T12:00:00,5Z":      "query.before",
		letters + "before=2026-03-01T12:00:00%2B24:00": "query.before",
		letters + "stat%75s=open&status=spent":         "query.status", letters + "colour=red": "query.colour",
		orders + "limit=010": "query.limit", orders + "cursor=": "query.cursor", orders + "limit=%2B5": "query.limit",
	} {
		p := refused(t, http.StatusBadRequest, "request.invalid", get(stack.operator, query))
		if len(p.Errors) != 1 || p.Errors[0].Location != at {
			t.Errorf("%s: %+v, want %s", query, p.Errors, at)
		}
	}
	for _, query := range []string{
		"error=a,b", "error=a%2Cb", "error=a%3Bb+c%2Bd", "before=2026-03-01T13:00:00%2B01:00",
	} {
		must[object](t, http.StatusOK, get(stack.operator, letters+query))
	}
	for name, value := range map[string]string{"X-Correlation-ID": "a,b", "Idempotency-Key": "a,b"} {
		a := send(t, post(c.token, "/orders", anOrder(line("none", 1, 1))).with(name, value))
		if a.status != http.StatusBadRequest || !strings.Contains(a.String(), `"header.`+name+`"`) {
			t.Errorf("%s: %s", name, a)
		}
	}
	sku := newStock(t, 5)
	for _, contentType := range []string{"APPLICATION/JSON", `Application/Json; Charset="UTF-8"`} {
		place := post(c.token, "/orders", anOrder(onSale(t, line(sku, 1, 1))...))
		must[order](t, http.StatusAccepted, place.with("Content-Type", contentType))
	}
	refused(t, http.StatusUnsupportedMediaType, "request.unsupported-media-type",
		post(c.token, "/orders", anOrder(onSale(t, line(sku, 1, 1))...)).with(
			"Content-Type", "application/json; charset=latin1",
		))
}

// What API Gateway answers by itself is what the document says that it answers.
func TestAnswersOfTheGateway(t *testing.T) {
	t.Parallel()
	type response struct {
		Content map[string]struct{ Schema map[string]string }
	}
	document := must[struct {
		Paths map[string]map[string]struct{ Responses map[string]response }
	}](t, http.StatusOK, get(stack.operator, "/openapi.json"))
	path := "/orders/" + ident.New()
	for name, c := range map[string]struct {
		as     request
		status string
	}{
		"no token":             {get("", path), "401"},
		"a token of nobody's":  {get("nobody", path), "401"},
		"a route of nobody's":  {get(stack.operator, "/no/such"), "404"},
		"another method of it": {request{method: http.MethodPut, path: path, token: stack.operator}, "404"},
	} {
		a := send(t, c.as)
		said := document.Paths["/orders/{id}"]["get"].Responses[c.status].Content["application/json"]
		if said.Schema["$ref"] != "#/components/schemas/GatewayAnswer" {
			t.Errorf("%s: the document says %v", name, said)
		}
		contentType, got := a.header.Get("Content-Type"), decode[map[string]string](t, a.body)
		if strconv.Itoa(a.status) != c.status || contentType != "application/json" || len(got) != 1 ||
			got["message"] == "" {
			t.Errorf("%s: %s %s", name, contentType, a)
		}
	}
}
