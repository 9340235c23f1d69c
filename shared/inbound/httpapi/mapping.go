package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/aws/aws-lambda-go/events"
)

// Mapping is where the API is on a domain of its own: at a base path, or at the root where Path is
// "". Both are "" for an API that has API Gateway's address alone.
type Mapping struct {
	Domain string // api.example.com
	Path   string // shop, or shop/v1
}

type baseKey struct{}

// baseOf is the base path that a request came by, with a slash before it, or "".
func baseOf(ctx context.Context) string {
	base, _ := ctx.Value(baseKey{}).(string)
	return base
}

// strip takes the base path from the path of an event. API Gateway selects the route without it and
// leaves it in the event. A request to API Gateway's own address has none, whatever its path looks
// like, so that the domain decides.
func (m Mapping) strip(ctx context.Context, event *events.APIGatewayV2HTTPRequest) context.Context {
	base := "/" + m.Path
	rest, mapped := strings.CutPrefix(event.RawPath, base)
	if m.Path == "" || !mapped || rest != "" && rest[0] != '/' ||
		!strings.EqualFold(event.RequestContext.DomainName, m.Domain) {
		return ctx
	}
	event.RawPath = "/" + strings.TrimPrefix(rest, "/")
	return context.WithValue(ctx, baseKey{}, base)
}

// restore puts it before the path that an answer leads to.
func restore(ctx context.Context, header http.Header) {
	if to := header.Get("Location"); strings.HasPrefix(to, "/") {
		header.Set("Location", baseOf(ctx)+to)
	}
}
