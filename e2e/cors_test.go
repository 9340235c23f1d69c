//go:build e2e

package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

// Pages of an allowed origin may call the API and read what it answers; those of another may not.
// API Gateway answers the preflight, without a token.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	const shop, other = "https://shop.example.com", "https://shop.example.com.evil.example"
	preflight := func(origin string) answer {
		return send(t, request{method: http.MethodOptions, path: "/orders"}.with("Origin", origin).
			with("Access-Control-Request-Method", http.MethodPost).
			with("Access-Control-Request-Headers", "authorization,content-type,idempotency-key"))
	}
	allowed := preflight(shop)
	if allowed.status != http.StatusNoContent || allowed.header.Get("Access-Control-Allow-Origin") != shop ||
		allowed.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("the preflight is answered %s %v", allowed, allowed.header)
	}
	for name, wanted := range map[string][]string{
		"Access-Control-Allow-Methods": {"GET", "POST", "PUT", "PATCH", "DELETE"},
		"Access-Control-Allow-Headers": {"authorization", "content-type", "idempotency-key", "if-match", "x-correlation-id"},
	} {
		list := strings.ToLower(allowed.header.Get(name))
		for _, value := range wanted {
			if !strings.Contains(list, strings.ToLower(value)) {
				t.Errorf("%s is %s, without %s", name, list, value)
			}
		}
	}
	if refused := preflight(other); refused.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin's preflight is answered %s %v", refused, refused.header)
	}
	c := newCustomer(t, 0)
	read := send(t, get(c.token, "/customers/"+c.id).with("Origin", shop))
	shown := strings.ToLower(read.header.Get("Access-Control-Expose-Headers"))
	if read.header.Get("Access-Control-Allow-Origin") != shop || read.header.Get("ETag") == "" ||
		!strings.Contains(shown, "etag") || !strings.Contains(shown, "x-correlation-id") {
		t.Errorf("the answer is %s %v", read, read.header)
	}
	elsewhere := send(t, get(c.token, "/customers/"+c.id).with("Origin", other))
	if elsewhere.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("another origin reads %v", elsewhere.header)
	}
}
