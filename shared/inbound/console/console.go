// Package console is the operators' console: pages over the HTTP API, for a browser.
//
// It has no rights of its own. Whatever a page shows or does is a request to the API with the token
// of the operator who looks at it, so that nothing is in it that the API can't do
// (docs/decisions/0115).
package console

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/trace"
	"orderflow/shared/kit/wiring"
	"orderflow/shared/shop/trail"
)

// Console is what the pages work with.
type Console struct {
	API    *API
	SignIn SignIn
	Clock  clock.Clock
	Log    *slog.Logger

	issuer *issuer `wiring:"optional"` // of SignIn, which New makes
}

// maxBody is far above every form of the console.
const maxBody = 16 << 10

// pagePatience is how long a page waits for the API, whose requests may follow each other, and for
// the issuer. It is within the function's own time.
const pagePatience = 8 * time.Second

// The pages reach scripts and styles of the console itself, and nobody frames them. Pico draws the
// arrow of a selection as data:.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"

// New makes the handler of all pages. Their paths are below the console's own address, which the
// handler need not know: every link is relative.
func New(c Console) http.Handler {
	c = wiring.Complete(c)
	c.issuer = &issuer{SignIn: c.SignIn, client: c.API.http, clock: c.Clock}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{version}/{name...}", c.asset)
	for pattern, serve := range map[string]func(*exchange) error{
		"GET /{$}":       func(x *exchange) error { return x.redirect("console/orders") },
		"GET /sign-in":   c.signInPage,
		"POST /sign-in":  c.signInByToken,
		"GET /authorize": c.authorize,
		"GET /signed-in": c.signedIn,
		"POST /sign-out": c.signOut,
	} {
		mux.HandleFunc(pattern, c.page(serve, false))
	}
	for pattern, serve := range map[string]func(*exchange) error{
		"GET /orders":                      c.orders,
		"POST /orders":                     c.findByAddress,
		"GET /orders/{id}":                 c.order,
		"GET /orders/{id}/saga":            c.orderSaga,
		"GET /orders/{id}/effects":         c.orderEffects,
		"POST /orders/{id}/{action}":       c.orderAction,
		"GET /dead-letters":                c.deadLetters,
		"GET /dead-letters/{id}":           c.deadLetter,
		"POST /dead-letters/{id}/{action}": c.deadLetterAction,
		"GET /stock":                       c.stock,
		"GET /products":                    c.products,
		"GET /products/{sku}":              c.product,
		"POST /products/{sku}/set":         c.setProduct,
		"POST /products/{sku}/withdraw":    c.withdrawProduct,
		"GET /customers":                   c.customers,
		"GET /customers/{id}":              c.customer,
		"POST /customers/{id}/erase":       c.eraseCustomer,
		"GET /accounts":                    c.findAccount,
		"GET /accounts/{id}":               c.account,
		"GET /health":                      c.health,
		"GET /figures":                     c.figures,
	} {
		mux.HandleFunc(pattern, c.page(serve, true))
	}
	// Browsers say where a request comes from. One that changes something has to come from here
	// (Fetch Metadata; without it, Origin).
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(c.page(func(*exchange) error {
		return refusal{http.StatusForbidden, "This request came from another site.", "Open the console and try there."}
	}, false))
	return c.logged(secured(guard.Handler(whole(mux, c.page(notFound, false)))))
}

// Lambda makes the function's handler. API Gateway's routes are GET /console and
// /console/{proxy+}, and pages are found by the latter's value: a base path of a domain of one's
// own is not in it.
func Lambda(h http.Handler) func(
	context.Context, events.APIGatewayV2HTTPRequest,
) (events.APIGatewayV2HTTPResponse, error) {
	proxy := httpadapter.NewV2(h)
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		page := event.PathParameters["proxy"]
		at := strings.TrimSuffix(strings.TrimSuffix(event.RawPath, page), "/")
		ctx = context.WithValue(ctx, addressKey{}, "https://"+event.RequestContext.DomainName+at)
		event.RawPath = (&url.URL{Path: "/" + page}).EscapedPath()
		response, err := proxy.ProxyWithContext(ctx, event)
		if err != nil {
			slog.WarnContext(ctx, "request can't be read", "error", err.Error())
			return events.APIGatewayV2HTTPResponse{
				StatusCode: http.StatusBadRequest, Body: "malformed request\n",
				Headers: map[string]string{"Content-Type": "text/plain; charset=utf-8"},
			}, nil
		}
		return response, nil
	}
}

type addressKey struct{}

// addressOf is the console's own address, as https://api.example.com/console, which the issuer
// sends people back to.
func addressOf(ctx context.Context) string {
	at, _ := ctx.Value(addressKey{}).(string)
	return at
}

// secured sets what every answer says, whatever it is.
func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// whole answers what has no page, and what the mux would redirect: its redirects lead to the root
// of the domain.
func whole(mux *http.ServeMux, missing http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := mux.Handler(r); pattern == "" || path.Clean(r.URL.Path) != r.URL.Path {
			missing.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func notFound(*exchange) error {
	return refusal{http.StatusNotFound, "There is no such page.", "Check the address, or begin with the orders."}
}

// exchange is one request for a page, and its answer, which is sent once it is whole.
type exchange struct {
	*http.Request
	console Console
	session session
	api     caller
	header  http.Header
	status  int
	body    bytes.Buffer
}

// page makes a handler of what serves a page. With needsToken it is for operators who are signed
// in; everybody else is led to the sign-in.
func (c Console) page(serve func(*exchange) error, needsToken bool) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), pagePatience)
		defer cancel()
		r, id := r.WithContext(ctx), trail.Of(ctx).CorrelationID
		x := &exchange{
			Request: r, console: c, session: sessionOf(r), header: http.Header{}, status: http.StatusOK,
		}
		x.api = caller{API: c.API, token: x.session.token, correlationID: id}
		err := x.safely(func() error {
			if needsToken && !x.session.lives(c.Clock.Now()) {
				return x.askToSignIn()
			}
			return serve(x)
		})
		if err != nil {
			err = x.safely(func() error { return x.fail(err) })
		}
		if err != nil { // of the page of errors itself
			c.Log.ErrorContext(r.Context(), "page failed", "error", err.Error())
			x.reset(http.StatusInternalServerError)
			x.body.WriteString("Something went wrong.\n")
		}
		for name, values := range x.header {
			w.Header()[name] = values
		}
		w.Header().Set("X-Correlation-Id", id)
		w.WriteHeader(x.status)
		_, _ = w.Write(x.body.Bytes()) // the client may be gone; nobody is left to tell
	}
}

// safely turns a panic into an error.
func (x *exchange) safely(do func() error) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			x.console.Log.ErrorContext(
				x.Context(), "panic", "error", fmt.Sprint(cause), "stack", string(debug.Stack()),
			)
			err = errors.New("panic")
		}
	}()
	return do()
}

func (x *exchange) reset(status int) {
	x.header, x.status = http.Header{}, status
	x.header.Set("Content-Type", "text/plain; charset=utf-8")
	x.body.Reset()
}

// root leads from the page to the console's own address: "" from /orders, "../" from /orders/1.
func (x *exchange) root() string { return rootOf(x.URL.Path) }

func rootOf(page string) string { return strings.Repeat("../", strings.Count(page, "/")-1) }

// redirect leads to an address that is relative to the page, by another GET.
func (x *exchange) redirect(to string) error {
	x.header.Set("Location", to)
	x.status = http.StatusSeeOther
	return nil
}

// partial reports whether a script of the page asks, for a part of it.
func (x *exchange) partial() bool { return x.Header.Get("Hx-Request") == "true" }

// refusal is an answer for people: what is wrong, and what to do.
type refusal struct {
	status     int
	what, hint string
}

// Error implements error.
func (r refusal) Error() string { return r.what }

// fail answers with the page of an error. A token that the API takes no more is a session that has
// ended.
func (x *exchange) fail(err error) error {
	var told refusal
	var p *Problem
	switch {
	case errors.As(err, &told):
	case errors.As(err, &p) && p.Status == http.StatusUnauthorized:
		return x.askToSignIn()
	case errors.As(err, &p):
		told = p.refusal()
	default:
		told = refusal{http.StatusInternalServerError, "Something went wrong on our side.", "Try again in a moment."}
	}
	if told.status >= http.StatusInternalServerError {
		x.console.Log.ErrorContext(x.Context(), "page failed", "error", err.Error())
	}
	x.status = told.status
	return x.render("error", told.what, errorView{What: told.what, Hint: told.hint, Reference: x.api.correlationID})
}

type errorView struct{ What, Hint, Reference string }

// logged begins the request's trace, and writes the access log: the pattern of the page and never
// the path, which holds ids.
func (c Console) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := c.Clock.Now()
		watched := &watched{ResponseWriter: w, status: http.StatusOK}
		ctx, span, of := trace.Begin(r.Context(), trace.Context{}, "HTTP")
		defer span.Close()
		about := trail.Trail{CorrelationID: ident.New(), Traceparent: of.String()}
		r = r.WithContext(trail.With(ctx, about))
		next.ServeHTTP(watched, r)
		if span.Recorded() {
			if _, pattern, found := strings.Cut(r.Pattern, " "); found {
				span.Call(r.Method, pattern)
				span.Set(trace.Request(r.Method, pattern)...)
			}
			span.Set(trace.About("", "", about.CorrelationID)...)
			span.Set(trace.Status(watched.status))
			if watched.status >= http.StatusInternalServerError {
				span.Fail("internal")
			}
		}
		span.End(nil)
		c.Log.InfoContext(r.Context(), "request", "method", r.Method, "route", r.Pattern, "status", watched.status,
			"durationMs", float64(c.Clock.Now().Sub(start).Microseconds())/1000)
	})
}

type watched struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (w *watched) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}
