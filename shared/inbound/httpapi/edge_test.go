package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/read/view/customers"
	"orderflow/shared/shop/customer"
)

// TestFailures: what is our fault is told from what is nobody's, and internals stay in the log.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		status int
		code   string
	}{
		{"contention that does not end", &es.ConflictError{Stream: "order/1", Actual: -1}, 503, "unavailable"},
		{
			"store not available", fmt.Errorf("append: %w: %w", es.ErrUnavailable, errors.New("too busy")), 503,
			"unavailable",
		},
		{"out of time", fmt.Errorf("append: %w", context.DeadlineExceeded), 503, "unavailable"},
		{"not allowed to", errors.New("append: access denied"), 500, "internal"},
		{"corrupt", fmt.Errorf("%w: order/1@1", es.ErrCorrupt), 500, "internal"},
		{"over a limit", &es.LimitError{What: "bytes of a commit", Limit: 1, Actual: 2}, 413, "request.too-large"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShop(t)
			s.store.fail(nil, func() error { return c.err })
			res := s.send(post(ada, "/orders", anOrder()))
			checkProblem(t, res, c.status, c.code)
			if got := res.headers["Retry-After"]; (got == "1") != (c.status == http.StatusServiceUnavailable) {
				t.Errorf("Retry-After is %q", got)
			}
			if strings.Contains(res.raw, c.err.Error()) {
				t.Errorf("%s shows the error", res.raw)
			}
			if encoded, _ := json.Marshal(c.err.Error()); c.status >= 500 &&
				!strings.Contains(s.log.String(), string(encoded[1:len(encoded)-1])) {
				t.Errorf("the log lacks the error: %s", s.log)
			}
			s.store.fail(nil, nil)
			s.must(http.StatusAccepted, post(ada, "/orders", anOrder()))
		})
	}
}

// TestReadFailures: the query side maps errors the same way.
func TestReadFailures(t *testing.T) {
	s := newShop(t)
	s.stats = func(context.Context, string) (customers.Row, error) {
		return customers.Row{}, errors.New("table views-prod is gone")
	}
	checkProblem(t, s.send(get(ada, "/customers/ada/statistics")), 500, "internal")
	s.store.fail(func() error { return fmt.Errorf("%w: too busy", es.ErrUnavailable) }, nil)
	checkProblem(t, s.send(get(ada, "/orders/"+s.order)), 503, "unavailable")
}

// TestPanic: the function survives, and the client sees a problem without the cause.
func TestPanic(t *testing.T) {
	s := newShop(t)
	s.store.fail(func() error { panic("the cause") }, nil)
	res := s.send(post(ada, "/orders", anOrder()))
	checkProblem(t, res, 500, "internal")
	if strings.Contains(res.raw, "the cause") {
		t.Errorf("%s shows the cause", res.raw)
	}
	if log := s.log.String(); !strings.Contains(log, "the cause") || !strings.Contains(log, "goroutine") {
		t.Errorf("the log lacks cause or stack: %s", log)
	}
}

// TestDeadline: the edge gives up before the function is killed.
func TestDeadline(t *testing.T) {
	s := newShop(t)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond) // less than the edge keeps back
	defer cancel()
	r := post(ada, "/orders", anOrder())
	r.ctx = ctx
	checkProblem(t, s.send(r), 503, "unavailable")
}

// TestUnreadableEvent: what the proxy can't read is the client's mistake.
func TestUnreadableEvent(t *testing.T) {
	s := newShop(t)
	r := get(ada, "/stock/cd-1?a=\x01")
	if res := s.send(r); res.status != http.StatusBadRequest || res.text("code") != "request.malformed" {
		t.Errorf("%d %s", res.status, res.raw)
	}
}

// TestCorrelation: the client's id goes through to the events, or one is made.
func TestCorrelation(t *testing.T) {
	s := newShop(t)
	const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	res := s.must(
		http.StatusAccepted,
		post(ada, "/orders", anOrder()).with("X-Correlation-ID", "till-7").with("Traceparent", trace).
			with("Tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
	)
	if got := res.headers["X-Correlation-Id"]; got != "till-7" {
		t.Errorf("answered correlation id is %q", got)
	}
	events, err := s.orders.History(context.Background(), res.text("id"))
	if err != nil {
		t.Fatal(err)
	}
	want := es.Metadata{ // the client records its part, and nobody here does
		CorrelationID: "till-7", CausationID: "http/api-request", Traceparent: strings.TrimSuffix(trace, "1") + "0",
		Tracestate: "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", Actor: "customer/ada",
	}
	if got := events[0].Metadata; got != want {
		t.Errorf("metadata is %+v, want %+v", got, want)
	}
	if got := s.must(http.StatusOK, get(ada, "/stock/cd-1")).headers["X-Correlation-Id"]; len(got) != 36 {
		t.Errorf("made is %q", got)
	}
	for _, bad := range []string{"ada@example.com", strings.Repeat("x", 129), "a,b", "a,", ",", "a b", "ü"} {
		res := s.send(get(ada, "/stock/cd-1").with("X-Correlation-ID", bad))
		checkProblem(t, res, 400, "request.invalid")
		got, at := res.headers["X-Correlation-Id"], locations(res)
		if len(got) != 36 || !slices.Equal(at, []string{"header.X-Correlation-ID"}) {
			t.Errorf("for %q the correlation id is %q: %s", bad, got, res.raw)
		}
	}
}

// TestActor: events name the caller by a pseudonym, whatever the issuer's subjects are.
func TestActor(t *testing.T) {
	s := newShop(t)
	operatorOf := func(issuer, subject string) caller {
		return caller{claims: map[string]string{"iss": issuer, "sub": subject, "scope": scope}}
	}
	const mail, issuer = "grace@example.com", "https://issuer.example.com"
	seen := map[string]bool{}
	for _, c := range []struct {
		name string
		who  caller
		want string // a regular expression
		same bool   // as one before
	}{
		{"customer", caller{claims: map[string]string{"sub": mail, "username": "eve", "client_id": "c"}}, `^customer/eve$`, false},
		{"operator", operatorOf(issuer, mail), `^operator/[0-9a-f-]{36}$`, false},
		{"the operator again", operatorOf(issuer, mail), `^operator/[0-9a-f-]{36}$`, true},
		{"another operator", operatorOf(issuer, "ada@example.com"), `^operator/[0-9a-f-]{36}$`, false},
		{
			"an operator of another issuer", operatorOf("https://other.example.com", mail), `^operator/[0-9a-f-]{36}$`,
			false,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, body := "eve", person()
			if c.who.claims["username"] == "" {
				id = ident.New()
				body["customerId"] = id
			}
			s.must(http.StatusCreated, post(c.who, "/customers", body))
			h, err := s.store.Load(context.Background(), es.NewStreamID(customer.Category, id), 0)
			if err != nil {
				t.Fatal(err)
			}
			actor := h.Events[0].Metadata.Actor
			if !regexp.MustCompile(c.want).MatchString(actor) || seen[actor] != c.same {
				t.Errorf("the actor is %q; seen before: %v", actor, seen[actor])
			}
			seen[actor] = true
		})
	}
}

// TestAccessLog: one line a request, with no personal data.
func TestAccessLog(t *testing.T) {
	s := newShop(t)
	start := len(s.log.String())
	s.send(post(ada, "/orders/"+s.order+"/cancel", object{"reason": "moving house"}).with("X-Correlation-ID", "till-7"))
	s.send(post(ada, "/customers", person()))
	s.send(post(ada, "/orders", set(anOrder(), "shippingAddress.country", "London")))
	s.send(get(ada, "/no/such"))
	lines := strings.Split(strings.TrimSpace(s.log.String()[start:]), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines: %s", len(lines), lines)
	}
	var line struct {
		Msg, Method, Route, Code, CorrelationID, APIRequestID string
		Status                                                int
		DurationMs                                            *float64
	}
	if err := json.Unmarshal([]byte(lines[0]), &line); err != nil {
		t.Fatal(err)
	}
	if line.Msg != "request" || line.Method != "POST" || line.Route != "/orders/{id}/cancel" || line.Status != 202 ||
		line.Code != "" ||
		line.CorrelationID != "till-7" || line.APIRequestID != "api-request" || line.DurationMs == nil {
		t.Errorf("line is %s", lines[0])
	}
	for i, want := range []string{
		`"code":"customer.already-registered"`, `"code":"request.invalid"`, `"route":"none"`,
	} {
		if !strings.Contains(lines[i+1], want) {
			t.Errorf("%s lacks %s", lines[i+1], want)
		}
	}
	for _, personal := range []string{"Lovelace", `"ada"`, "sub-ada", "example.com", "St James", "London", "moving"} {
		if strings.Contains(s.log.String(), personal) {
			t.Errorf("the log holds %q", personal)
		}
	}
}

// TestMethodNotAllowed names the methods that are.
func TestMethodNotAllowed(t *testing.T) {
	s := newShop(t)
	res := s.send(request{who: ada, method: http.MethodPatch, path: "/orders"})
	checkProblem(t, res, 405, "request.method-not-allowed")
	if got := res.headers["Allow"]; got != "POST" {
		t.Errorf("Allow is %q", got)
	}
}
