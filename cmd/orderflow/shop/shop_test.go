package shop_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"orderflow/cmd/orderflow/shop"
)

// TestRetries: a client comes again for what passes soon, and hands on what it would have to wait
// long for, as the end of a quota's hour.
func TestRetries(t *testing.T) {
	for name, tc := range map[string]struct {
		after string
		tries int64
	}{
		"the gateway's, which names no time": {"", 2},
		"soon":                               {"0", 2},
		"a quota's":                          {"1800", 1},
	} {
		t.Run(name, func(t *testing.T) {
			var tries atomic.Int64
			api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tries.Add(1) > 1 {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				if tc.after != "" {
					w.Header().Set("Retry-After", tc.after)
				}
				w.WriteHeader(http.StatusTooManyRequests)
			}))
			defer api.Close()
			_, err := shop.New(api.URL, "token").Statistics(t.Context(), "ada")
			var problem *shop.Problem
			if tries.Load() != tc.tries || !errors.As(err, &problem) ||
				(problem.Status == http.StatusTooManyRequests) != (tc.tries == 1) {
				t.Errorf("after %d tries: %v", tries.Load(), err)
			}
		})
	}
}
