package console

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"orderflow/shared/kit/clock"
)

// asked is an API that notes until when each request has time.
type asked []time.Time

func (a *asked) RoundTrip(r *http.Request) (*http.Response, error) {
	until, _ := r.Context().Deadline()
	*a = append(*a, until)
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(`{}`)), Request: r,
	}, nil
}

// Requests of one page that follow each other have the function's time together, and not each.
func TestPatience(t *testing.T) {
	all, api := &asked{}, NewAPI("https://api.example.com")
	api.http.Transport = all
	handler := New(Console{API: api, Clock: clock.NewFake(time.Unix(0, 0)), Log: slog.New(slog.DiscardHandler)})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/orders/1?version=1", http.NoBody)
	r.Header.Set("Hx-Request", "true")
	r.AddCookie(&http.Cookie{Name: sessionCookie, Value: "e30.eyJleHAiOjYwfQ.e30"}) //nolint:gosec // of a request
	handler.ServeHTTP(httptest.NewRecorder(), r)
	if len(*all) != 2 || (*all)[0].IsZero() || !(*all)[1].Equal((*all)[0]) ||
		time.Until((*all)[0]) > pagePatience {
		t.Errorf("the requests have until %v", *all)
	}
}

// An issuer that doesn't answer for its document leaves a sign-in the time to go on with the
// addresses of before.
func TestPatienceWithTheIssuer(t *testing.T) {
	all := &asked{} // whose answer is no document
	i := &issuer{
		SignIn: SignIn{Issuer: "https://login.example.com"}, client: &http.Client{Transport: all},
		clock: clock.NewFake(time.Unix(9999, 0)), known: endpoints{end: "before"}, until: time.Unix(1, 0),
	}
	ctx, cancel := context.WithTimeout(t.Context(), pagePatience)
	defer cancel()
	found, err := i.endpoints(ctx)
	if err != nil || found.end != "before" || len(*all) != 1 || time.Until((*all)[0]) > pagePatience/2 {
		t.Errorf("%+v, %v; the request has until %v", found, err, *all)
	}
}

// A function that was frozen wakes up with a connection that the API has closed meanwhile. What
// came to nobody is sent again: all requests of a page may be repeated.
func TestConnectionClosedWhileFrozen(t *testing.T) {
	var requests atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, there := r.Header["Idempotency-Key"]; there {
			t.Error("it sends a key that it was not given")
		}
		requests.Add(1)
		_, _ = w.Write([]byte("{}"))
	}))
	server.Start()
	defer server.Close()
	c := caller{API: NewAPI(server.URL)}
	for name, send := range map[string]func(into any) error{
		"get":  func(into any) error { return c.get(t.Context(), "/x", nil, into) },
		"post": func(into any) error { return c.post(t.Context(), "/x", "", map[string]string{}, into) },
		"put": func(into any) error {
			return c.put(t.Context(), "/x", http.Header{"If-Match": {`"1"`}}, map[string]string{}, into)
		},
		"delete": func(into any) error { return c.erase(t.Context(), "/x", nil, into) },
	} {
		requests.Store(0)
		for range 20 {
			if err := send(&struct{}{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			server.CloseClientConnections()
		}
		if requests.Load() != 20 {
			t.Errorf("%s: %d requests", name, requests.Load())
		}
	}
}
