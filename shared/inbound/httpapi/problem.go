package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// The faults that only the HTTP edge knows.
var (
	ErrUnauthenticated = faults.Declare(faults.Unauthenticated, "auth.required")
	ErrNoCustomer      = faults.Declare(faults.Forbidden, "auth.no-customer")
	ErrForbidden       = faults.Declare(faults.Forbidden, "auth.forbidden")
	ErrInvalid         = faults.Declare(faults.Invalid, "request.invalid")
	ErrMalformed       = faults.Declare(faults.Invalid, "request.malformed")
	ErrNoRoute         = faults.Declare(faults.NotFound, "request.no-such-route")
	ErrKeyRequired     = faults.Declare(faults.Invalid, "idempotency.key-required")
	ErrKeyInvalid      = faults.Declare(faults.Invalid, "idempotency.key-invalid")
	ErrKeyReused       = faults.Declare(faults.Rule, "idempotency.key-reused")
)

// The codes of problems whose status is HTTP's own and no kind of fault.
const (
	codeMethod      = "request.method-not-allowed"
	codeTooLarge    = "request.too-large"
	codeMediaType   = "request.unsupported-media-type"
	codeQuota       = "quota.exceeded"
	codeUnavailable = "unavailable"
	codeInternal    = "internal"
)

// internalDetail is all that a client learns about an error of ours.
const internalDetail = "Something went wrong on our side. The correlation id names this request in our logs."

// problem is the answer to every request that fails: RFC 9457, with a code for programs and the
// places in the request for forms. It is made here and nowhere else.
type problem struct {
	Type   string            `json:"type" format:"uri" doc:"URI of the kind of problem; it ends with the code" example:"urn:problem-type:orderflow:order.dispatched"`
	Title  string            `json:"title" doc:"The HTTP status in words" example:"Conflict"`
	Status int               `json:"status" doc:"The HTTP status" example:"409"`
	Detail string            `json:"detail,omitempty" doc:"What was wrong, for people"`
	Code   string            `json:"code" doc:"What was wrong, for programs" example:"order.dispatched"`
	Errors []fieldError      `json:"errors,omitempty" doc:"The parts of the request that are wrong"`
	Lines  []linePriceAnswer `json:"lines,omitempty" doc:"Only for order.price-changed: the catalogue's unit price of every line of the order, including unchanged ones"`

	headers http.Header
}

type fieldError struct {
	Location string `json:"location" doc:"Path to the part of the request" example:"body.lines[2].quantity"`
	Message  string `json:"message" doc:"What is wrong there"`
}

type linePriceAnswer struct {
	Index     int64       `json:"index" doc:"Index of the line in the order, from 0" example:"2"`
	SKU       string      `json:"sku"`
	UnitPrice money.Money `json:"unitPrice"`
}

func newProblem(status int, code, detail string, places ...fieldError) *problem {
	return &problem{
		Type: "urn:problem-type:orderflow:" + code, Title: http.StatusText(status), Status: status, Detail: detail,
		Code: code, Errors: places,
		headers: http.Header{},
	}
}

// Error implements error.
func (p *problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus implements huma.StatusError.
func (p *problem) GetStatus() int { return p.Status }

// GetHeaders implements huma.HeadersError.
func (p *problem) GetHeaders() http.Header { return p.headers }

// ContentType implements huma.ContentTypeFilter.
func (p *problem) ContentType(string) string { return "application/problem+json" }

func (p *problem) retryAfter(seconds int) *problem {
	p.headers.Set("Retry-After", strconv.Itoa(seconds))
	return p
}

// write sends the problem where huma does not: before an operation is found, and after one
// panicked.
func (p *problem) write(w http.ResponseWriter) {
	body, err := json.Marshal(p)
	if err != nil {
		panic("httpapi: a problem always encodes: " + err.Error())
	}
	for name, values := range p.headers {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // into a buffer
}

// statusOf is the one place where a kind of fault becomes a status.
func statusOf(k faults.Kind) int {
	switch k {
	case faults.Invalid:
		return http.StatusBadRequest
	case faults.Unauthenticated:
		return http.StatusUnauthorized
	case faults.Forbidden:
		return http.StatusForbidden
	case faults.NotFound:
		return http.StatusNotFound
	case faults.Conflict:
		return http.StatusConflict
	case faults.Precondition:
		return http.StatusPreconditionFailed
	case faults.Rule:
		return http.StatusUnprocessableEntity
	case faults.Unavailable:
		return http.StatusServiceUnavailable
	}
	return http.StatusInternalServerError
}

// problemOf says what the client is told of err, and logs what it is not told.
func problemOf(ctx context.Context, log *slog.Logger, err error) *problem {
	p := translate(err)
	if p.Status >= http.StatusInternalServerError {
		log.ErrorContext(ctx, "request failed", "status", p.Status, "error", err.Error())
	}
	return p
}

func translate(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var several *faults.Several
	if errors.As(err, &several) {
		return ofSeveral(err, several)
	}
	if f, ok := faults.As(err); ok {
		return ofFault(f)
	}
	switch {
	case errors.Is(err, es.ErrKeyReused):
		return ofFault(ErrKeyReused.Field(
			"header.Idempotency-Key", "the key was used for another request; use a new key",
		))
	case errors.Is(err, personal.ErrErased):
		return ofFault(customer.ErrErased.New("the customer is erased"))
	case errors.Is(err, es.ErrLimit):
		return newProblem(
			http.StatusRequestEntityTooLarge, codeTooLarge, "the request is too large to store; send a smaller one",
		)
	case mayPass(err):
		return newProblem(
			http.StatusServiceUnavailable, codeUnavailable,
			"The request could not be processed now. Send it again with the same key.",
		).retryAfter(1)
	}
	return newProblem(http.StatusInternalServerError, codeInternal, internalDetail)
}

func ofFault(f *faults.Fault) *problem {
	status := statusOf(f.Kind)
	if errors.Is(f, stock.ErrVersionRequired) || errors.Is(f, product.ErrVersionRequired) ||
		errors.Is(f, customer.ErrVersionRequired) || errors.Is(f, order.ErrVersionRequired) ||
		errors.Is(f, shipment.ErrVersionRequired) {
		status = http.StatusPreconditionRequired
	}
	p := newProblem(status, f.Code, f.Detail)
	if f.Field != "" {
		p.Errors = []fieldError{{Location: f.Field, Message: f.Detail}}
	}
	switch f.Kind {
	case faults.Unauthenticated:
		p.headers.Set("WWW-Authenticate", "Bearer")
	case faults.Unavailable:
		return p.retryAfter(1)
	}
	if errors.Is(f, order.ErrUnderWay) {
		return p.retryAfter(1)
	}
	return p
}

// ofSeveral names every place that a fault is about, and with prices that have changed the present
// ones.
func ofSeveral(err error, several *faults.Several) *problem {
	p := ofFault(several.Fault)
	p.Errors = nil
	for _, place := range several.Places {
		p.Errors = append(p.Errors, fieldError{Location: place.Field, Message: place.Detail})
	}
	var changed *order.PriceChangedError
	if errors.As(err, &changed) {
		for _, l := range changed.Lines {
			p.Lines = append(p.Lines, linePriceAnswer{Index: int64(l.Line), SKU: l.SKU, UnitPrice: l.UnitPrice})
		}
	}
	return p
}

// mayPass reports whether the same request may succeed when it is sent again: contention, time, a
// store or a network that is down or too busy. Adapters say so of their services' errors by
// es.ErrUnavailable.
func mayPass(err error) bool {
	if errors.Is(err, es.ErrConflict) || errors.Is(err, es.ErrUnavailable) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return true
	}
	var network net.Error
	return errors.As(err, &network)
}

// rejection makes a problem of what huma refuses before an operation runs. huma answers 422 where
// the request does not fit its schema; here 422 says that a rule of the business forbids it, so
// that becomes 400.
func rejection(status int, message string, errs ...error) *problem {
	if status == http.StatusUnprocessableEntity || status == http.StatusBadRequest {
		return invalidRequest(status, message, errs)
	}
	switch status {
	case http.StatusRequestEntityTooLarge:
		return newProblem(
			status, codeTooLarge, fmt.Sprintf("expected a body of at most %d bytes, got a larger one", maxBody),
		)
	case http.StatusUnsupportedMediaType:
		return newProblem(status, codeMediaType, "expected a body of type application/json in UTF-8")
	case http.StatusRequestTimeout:
		return newProblem(http.StatusServiceUnavailable, codeUnavailable, message).retryAfter(1)
	}
	return newProblem(http.StatusInternalServerError, codeInternal, internalDetail)
}

func invalidRequest(status int, message string, errs []error) *problem {
	code, detail := ErrInvalid.Code(), "the request does not match the API's description; see errors"
	if status == http.StatusBadRequest {
		code, detail = ErrMalformed.Code(), message
	}
	var places []fieldError
	for _, err := range errs {
		var detailer huma.ErrorDetailer
		if !errors.As(err, &detailer) {
			continue
		}
		at := detailer.ErrorDetail() // its Value, what the client sent, may be personal and is not echoed
		places = append(places, fieldError{Location: at.Location, Message: at.Message})
		switch {
		case at.Location == "body" && status == http.StatusBadRequest:
			detail = at.Message
		case at.Location == keyLocation && strings.Contains(at.Message, "missing"):
			code, detail = ErrKeyRequired.Code(), keyRule
		case at.Location == keyLocation:
			code, detail = ErrKeyInvalid.Code(), keyRule
		}
	}
	// huma finds unknown fields by walking a map. The same request has the same answer.
	slices.SortStableFunc(places, func(a, b fieldError) int { return cmp.Compare(a.Location, b.Location) })
	return newProblem(http.StatusBadRequest, code, detail, places...)
}

// huma keeps these settings in package variables. They are set once, for the whole program: whoever
// imports this package wants them.
func init() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return rejection(status, message, errs...)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		p := rejection(status, message, errs...)
		x := exchangeOf(ctx.Context())
		x.code = p.Code
		if p.Status >= http.StatusInternalServerError {
			x.log.ErrorContext(
				ctx.Context(), "request failed", "status", p.Status, "error", fmt.Sprint(message, errs),
			)
		}
		return p
	}
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
}
