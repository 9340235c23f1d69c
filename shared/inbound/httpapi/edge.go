package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/trace"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/trail"
)

const (
	maxBody        = 128 << 10              // bytes; an order of 100 lines has 20 KB, with discounts and taxes up to 90
	deadlineMargin = 300 * time.Millisecond // kept back for the answer when a function's time runs out
)

// edge is what every request passes: it gives the request its correlation id and its caller, finds
// its operation, turns a panic into a problem and writes the access log.
type edge struct {
	mux        *http.ServeMux
	operations map[string]operation // by pattern of the mux
	auth       Auth
	clock      clock.Clock
	log        *slog.Logger
}

// operation is one of the edge's: who may call it, and what serves it and what it takes, which are
// made with its first request.
type operation struct {
	access access
	served func() (http.Handler, parameters)
}

// add gives a pattern its operation.
func (e *edge) add(pattern string, a access, serve func() (http.Handler, parameters)) {
	served := sync.OnceValues(serve)
	e.operations[pattern] = operation{access: a, served: served}
	e.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		handler, _ := served()
		handler.ServeHTTP(w, r)
	})
}

// exchange is what is known about one request while it is served.
type exchange struct {
	correlationID string
	requestID     string        // API Gateway's
	trace         trace.Context // what follows from the request carries
	state         string        // tracestate, which goes with it
	span          trace.Span
	caller        identity
	command       string // what tells a repeat of it from another command
	code          string // of the problem that is answered
	log           *slog.Logger
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		return x
	}
	return &exchange{log: slog.Default()}
}

// exchange is that of a request, and begins its trace.
func (e *edge) exchange(r *http.Request, pattern string) (context.Context, *exchange) {
	x := &exchange{log: e.log}
	ctx := context.WithValue(r.Context(), exchangeKey{}, x)
	if rc, ok := core.GetAPIGatewayV2ContextFromContext(r.Context()); ok {
		x.requestID = rc.RequestID
	}
	if given := r.Header.Values(correlationHeader); correlated(given) {
		x.correlationID = given[0]
	} else {
		x.correlationID = ident.New() // where the client's can't be used, the answer that refuses it has one too
	}
	// W3C Trace Context, 4.3: a traceparent that is malformed or repeated is ignored.
	var parent trace.Context
	if given := r.Header.Values("Traceparent"); len(given) == 1 {
		var ok bool
		if parent, ok = trace.Parse(given[0]); ok {
			x.state = trace.State(r.Header.Values("Tracestate")...)
		}
	}
	begin := trace.Begin
	if parent.Sampled && trace.On(ctx) && e.operated(r) {
		begin = trace.Follow // the console among them
	}
	ctx, x.span, x.trace = begin(ctx, parent, cmp.Or(pattern, "HTTP"))
	return ctx, x
}

// operated reports whether an operator asks, who may decide on what is spent on traces.
func (e *edge) operated(r *http.Request) bool {
	caller, err := e.auth.identify(r)
	return err == nil && caller.isOperator()
}

// end ends the request's span.
func (x *exchange) end(ctx context.Context, method, pattern string, status int) {
	if !x.span.Recorded() {
		return
	}
	about := trail.Of(ctx)
	x.span.Set(trace.Request(method, pathOf(pattern))...)
	x.span.Set(trace.About(about.Subject, about.OrderID, about.CorrelationID)...)
	x.span.Set(trace.Status(status))
	if status >= http.StatusInternalServerError { // what a client did wrong is no failure of the span
		x.span.Fail(x.code)
	}
	x.span.End(nil)
}

// categories are those of the streams that a path may name.
var categories = map[string]string{"orders": order.Category, "shipments": shipment.Category}

// about is what a request is about, by what it comes with.
func (x *exchange) about(pattern, path string) trail.Trail {
	t := trail.Trail{CorrelationID: x.correlationID, Traceparent: x.trace.String(), Tracestate: x.state}
	if parts := strings.Split(path, "/"); pattern != "" && len(parts) > 2 && ident.Valid(parts[2]) {
		if category, ok := categories[parts[1]]; ok {
			t.Subject = string(es.NewStreamID(category, parts[2]))
		}
	}
	return t
}

// ServeHTTP implements http.Handler.
func (e *edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := e.clock.Now()
	handler, pattern := e.mux.Handler(r)
	ctx, x := e.exchange(r, pattern)
	defer x.span.Close()
	if deadline, ok := ctx.Deadline(); ok {
		// An answer "try again" that arrives is better than a function that is killed while it
		// waits.
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-deadlineMargin))
		defer cancel()
	}
	ctx = trail.With(ctx, x.about(pattern, r.URL.Path))
	r = r.WithContext(ctx)
	r.Header.Set("Accept", "application/json") // the one form that answers have, whatever is asked for
	out := e.serve(r, x, handler, pattern)
	out.header.Set(correlationHeader, x.correlationID)
	restore(ctx, out.header)
	out.sendTo(w)
	x.end(ctx, r.Method, pattern, out.status)
	e.log.InfoContext(ctx, "request", "method", r.Method, "route", route(pattern), "status", out.status, "code", x.code,
		"durationMs", float64(e.clock.Now().Sub(start).Microseconds())/1000, "apiRequestId", x.requestID)
}

// serve runs the operation into a buffer. If it panics, what it had written is dropped.
func (e *edge) serve(r *http.Request, x *exchange, handler http.Handler, pattern string) (out *answer) {
	out = newAnswer()
	defer func() {
		if cause := recover(); cause != nil {
			e.log.ErrorContext(
				r.Context(), "panic", "error", fmt.Sprint(cause), "stack", string(debug.Stack()),
			)
			out = newAnswer()
			x.code = codeInternal
			newProblem(http.StatusInternalServerError, codeInternal, internalDetail).write(out)
		}
	}()
	if p := e.admit(r, x, handler, pattern); p != nil {
		x.code = p.Code
		p.write(out)
		return out
	}
	e.mux.ServeHTTP(out, r) // and not handler: only the mux itself sets the path's values
	return out
}

// admit says why a request does not reach its operation.
func (e *edge) admit(r *http.Request, x *exchange, handler http.Handler, pattern string) *problem {
	// The mux would redirect a path like "/orders//1" to its clean form. Nothing of ours has such a
	// path.
	if pattern == "" || path.Clean(r.URL.Path) != r.URL.Path {
		return noRoute(r, handler, pattern)
	}
	op, known := e.operations[pattern]
	if !known {
		panic("httpapi: no access rule for " + pattern)
	}
	if op.access != accessOpen {
		caller, err := e.auth.identify(r)
		if err == nil {
			err = caller.allowed(op.access)
		}
		if err != nil {
			return problemOf(r.Context(), e.log, err)
		}
		x.caller, x.command = caller, commandOf(r)
	}
	_, takes := op.served()
	if errs := takes.check(r); len(errs) > 0 {
		return rejection(http.StatusUnprocessableEntity, "", errs...)
	}
	if r.Method != http.MethodGet && r.ContentLength != 0 {
		if !isJSON(r.Header.Get("Content-Type")) {
			return rejection(http.StatusUnsupportedMediaType, "")
		}
		r.Header.Set("Content-Type", "application/json") // in the one spelling that huma knows
	}
	return nil
}

// noRoute asks the mux's own answer which of the two it is: no such path, or no such method on it.
func noRoute(r *http.Request, handler http.Handler, pattern string) *problem {
	if pattern == "" {
		probe := newAnswer()
		handler.ServeHTTP(probe, r)
		if probe.status == http.StatusMethodNotAllowed {
			p := newProblem(probe.status, codeMethod, "unknown method "+r.Method+" for this path; see the header Allow")
			p.headers.Set("Allow", probe.header.Get("Allow"))
			return p
		}
	}
	return ofFault(ErrNoRoute.New("unknown path"))
}

// isJSON accepts application/json, in any case (RFC 9110, 8.3.1), and of parameters charset=utf-8.
func isJSON(contentType string) bool {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/json" {
		return false
	}
	charset, given := params["charset"]
	return len(params) == 0 || len(params) == 1 && given && strings.EqualFold(charset, "utf-8")
}

// route is the part of a pattern that goes to the log: the path's pattern, never the path.
func route(pattern string) string {
	return cmp.Or(pathOf(pattern), "none")
}

// pathOf is the path of a pattern, "" of none.
func pathOf(pattern string) string {
	_, p, _ := strings.Cut(pattern, " ")
	return p
}

// answer is a response that is not sent yet.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func newAnswer() *answer { return &answer{header: http.Header{}, status: http.StatusOK} }

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header { return a.header }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) { a.status = status }

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }

func (a *answer) sendTo(w http.ResponseWriter) {
	for name, values := range a.header {
		w.Header()[name] = values
	}
	if a.status == http.StatusNotModified {
		w.Header().Del("Content-Type") // of a body that there is not
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body.Bytes()) // the client may be gone; nobody is left to tell
}
