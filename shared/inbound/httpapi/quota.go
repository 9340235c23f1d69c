package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// counts reports whether calls of an operation count against a customer's quota: commands that
// customers may give.
func counts(a access, method string) bool {
	return method != http.MethodGet && (a == accessSignedIn || a == accessOrdering)
}

// commandOf is what a request and its repeats have in common and no other request has: what names
// it besides its body. A key that comes with another body is refused, or carries out at most one.
func commandOf(r *http.Request) string {
	return strings.Join(
		[]string{r.Method, r.URL.Path, r.Header.Get(keyHeader), r.Header.Get("If-Match")}, "\n",
	)
}

// charge counts a customer's command, once what it holds has been checked and before it has any
// effect. Operators, carriers and pricing systems are the shop's own, and have no quota.
func (s *server) charge(ctx context.Context, x *exchange) error {
	if s.quota == nil || x.caller.customer == "" {
		return nil
	}
	admitted, wait, err := s.quota.Admit(ctx, x.caller.customer, x.command)
	if err != nil || admitted {
		return err
	}
	seconds := int((wait + time.Second - 1) / time.Second)
	return newProblem(http.StatusTooManyRequests, codeQuota, fmt.Sprintf(
		"too many requests from this customer within an hour; the next hour begins in %d seconds", seconds,
	)).retryAfter(seconds)
}
