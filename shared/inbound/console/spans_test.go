package console_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"orderflow/shared/kit/trace"
	"orderflow/shared/kit/trace/tracetest"
)

// A page is a span, and what it asks of the API is below it. It has the pattern of the page and
// never the path, which may have anything in it.
func TestPagesHaveSpans(t *testing.T) {
	w := newWorld(t)
	w.withOrder("placed")
	ctx, spans := tracetest.Record(t, 100)
	for _, c := range []struct {
		path, name, status string
	}{
		{"/orders/" + orderID, "GET /orders/{id}", "200"},
		{"/orders/canary@example.com", "GET /orders/{id}", ""},
		{"/canary@example.com", "HTTP", ""},
	} {
		before := len(spans.All())
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, c.path, http.NoBody)
		signedIn(r)
		w.handler.ServeHTTP(httptest.NewRecorder(), r)
		all := spans.All()[before:]
		if len(all) != 1 || all[0].Name() != c.name || spans.Open() != 0 {
			t.Fatalf("%s: %v", c.path, spans.Names())
		}
		if got := tracetest.Attribute(all[0], "http.response.status_code"); c.status != "" && got != c.status {
			t.Errorf("%s: status %s", c.path, got)
		}
		for _, a := range all[0].Attributes() {
			if strings.Contains(a.Value.String(), "canary") {
				t.Errorf("%s is %s", a.Key, a.Value.String())
			}
		}
	}
	page := spans.All()[0]
	for _, asked := range w.asked[:1] {
		if of, _ := trace.Parse(asked.Header.Get("Traceparent")); of != tracetest.Of(page) {
			t.Errorf("%s is asked below %v, want %v", asked.URL, of, tracetest.Of(page))
		}
	}
}
