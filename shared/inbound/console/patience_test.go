package console

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
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
