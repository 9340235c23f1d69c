package console_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orderflow/shared/inbound/console"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/trace"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const (
	orderID = "5f0c2f5e-3a0d-5c1b-8a4e-2f6d7c9b0a11"
	hostile = `<script>alert("1")</script>`
)

// world is a console, the API that it asks, and the issuer's pages.
type world struct {
	*testing.T
	handler http.Handler
	clock   *clock.Fake
	api     string // its address, and the issuer's

	mu      sync.Mutex
	answers map[string]reply // by method and path, with the query where there is one
	asked   []*http.Request
	bodies  []string
}

type reply struct {
	status int
	body   string
	etag   string
}

// newWorld makes a console over an API that answers what a test says, and 404 else.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, clock: clock.NewFake(now), answers: map[string]reply{}}
	api := httptest.NewServer(http.HandlerFunc(w.serve))
	t.Cleanup(api.Close)
	w.api = api.URL
	w.signInAt(func(at string) console.SignIn {
		return console.SignIn{Hosted: at, Client: "public", Scopes: "openid"}
	})
	w.answer("GET /.well-known/openid-configuration", http.StatusOK, w.document(nil))
	return w
}

// signInAt makes the console anew, whose people sign in at the issuer in another way.
func (w *world) signInAt(issuer func(address string) console.SignIn) {
	w.handler = console.New(console.Console{
		API: console.NewAPI(w.api), SignIn: issuer(w.api), Clock: w.clock, Log: silent(),
	})
}

// issuers are the paths that are the issuer's, and nothing of the API's.
var issuers = []string{"/oauth2/token", "/take", "/.well-known/openid-configuration"}

func (w *world) serve(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.Error(err)
	}
	_, traced := trace.Parse(r.Header.Get("Traceparent"))
	ofAPI := !slices.Contains(issuers, strings.TrimPrefix(r.URL.Path, "/other"))
	if ofAPI && (!traced || !ident.Valid(r.Header.Get("X-Correlation-Id"))) {
		w.Errorf("%s %s is of no page's trace: %v", r.Method, r.URL, r.Header)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked, w.bodies = append(w.asked, r), append(w.bodies, string(body))
	answer, ok := w.answers[r.Method+" "+r.URL.RequestURI()]
	if !ok {
		answer = reply{status: http.StatusNotFound, body: `{"code":"test.unknown","detail":"no ` + r.URL.Path + `"}`}
	}
	if answer.etag != "" && r.Header.Get("If-None-Match") == answer.etag {
		out.WriteHeader(http.StatusNotModified)
		return
	}
	out.Header().Set("ETag", answer.etag)
	out.Header().Set("Content-Type", "application/json")
	out.WriteHeader(answer.status)
	_, _ = io.WriteString(out, answer.body)
}

func (w *world) answer(request string, status int, body string) {
	w.answers[request] = reply{status, body, ""}
}

// requests are those that the API got since the last time, as method and address.
func (w *world) requests() (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.asked {
		all = append(all, r.Method+" "+r.URL.RequestURI())
	}
	w.asked, w.bodies = nil, nil
	return all
}

// token is an access token whose signature nobody looks at here: the API would.
func token(claims map[string]any) string {
	text, err := json.Marshal(claims)
	if err != nil {
		panic(err) // of a map of plain values
	}
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"RS256"}`)) + "." + part(text) + "." + part([]byte("signature"))
}

func operator(until time.Time) string {
	return token(map[string]any{"exp": until.Unix(), "username": "grace"})
}

// get asks for a page as an operator who is signed in.
func (w *world) get(path string) *httptest.ResponseRecorder {
	return w.send(http.MethodGet, path, nil, signedIn)
}

// post sends a form of a page of the console.
func (w *world) post(path string, form url.Values, changes ...func(*http.Request)) *httptest.ResponseRecorder {
	return w.send(http.MethodPost, path, form, append([]func(*http.Request){signedIn, ownPage}, changes...)...)
}

func (w *world) send(
	method, path string, form url.Values, changes ...func(*http.Request),
) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(w.Context(), method, path, strings.NewReader(form.Encode()))
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, change := range changes {
		change(r)
	}
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, r)
	return out
}

func signedIn(r *http.Request) { cookie("orderflow-session", operator(now.Add(time.Hour)))(r) }

func ownPage(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-origin") }

func byScript(r *http.Request) { r.Header.Set("Hx-Request", "true") }

func cookie(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		r.Header.Del("Cookie")
		r.AddCookie(&http.Cookie{Name: name, Value: value}) //nolint:gosec // of a request, which has no attributes
	}
}

func cookieOf(out *httptest.ResponseRecorder, name string) *http.Cookie {
	for _, c := range out.Result().Cookies() {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func wantStatus(t *testing.T, out *httptest.ResponseRecorder, status int) {
	t.Helper()
	if out.Code != status {
		t.Fatalf("the answer is %d, want %d: %s", out.Code, status, out.Body)
	}
}

func wantPage(t *testing.T, out *httptest.ResponseRecorder, status int, says ...string) {
	t.Helper()
	wantStatus(t, out, status)
	for _, want := range says {
		if !strings.Contains(out.Body.String(), want) {
			t.Errorf("the page doesn't say %q: %s", want, out.Body)
		}
	}
}

// orderAt is what the API says of an order, with hostile texts wherever people write some.
func orderAt(version int, status string) string {
	text := fmt.Sprintf(`{"id":%q,"customerId":"ada","accountId":"a","status":%q,"version":%d,
		"lines":[{"sku":"BOOK-1","quantity":2,"unitPrice":{"amount":1999,"currency":"EUR"},
		"amount":{"amount":3998,"currency":"EUR"}}],"total":{"amount":3998,"currency":"EUR"},"pricedBy":"catalogue",
		"shippingAddress":{"recipient":"HOSTILE","line1":"1 Main Street","postalCode":"1","city":"X","country":"NL"},
		"erased":false,"placedAt":"2026-03-01T10:00:00Z","saga":{"id":"","state":"running"},"holdRules":["country"],
		"approval":{"by":"HOSTILE","note":"HOSTILE"},"wait":{"for":"approval","until":"2026-03-02T10:00:00Z",
		"rules":["HOSTILE"]},"payment":null,"shipment":{"id":"s","trackingNumber":"HOSTILE"},
		"cancellation":{"reason":"HOSTILE","detail":"HOSTILE","by":"saga","note":"HOSTILE"}}`, orderID, status, version)
	return strings.ReplaceAll(text, `"HOSTILE"`, quoted(hostile))
}

func quoted(text string) string {
	out, err := json.Marshal(text)
	if err != nil {
		panic(err) // of a text
	}
	return string(out)
}

var historyOf = strings.ReplaceAll(`{"events":[
	{"sequence":1,"id":"order/`+orderID+`@1","type":"order.placed","time":"2026-03-01T10:00:00Z","correlationId":"c",
	"causationId":"http/r","actor":{"kind":"customer","id":"HOSTILE"},"data":{"note":"HOSTILE"}},
	{"sequence":2,"id":"order/`+orderID+`@2","type":"order.held","time":"2026-03-01T10:00:01Z","correlationId":"c",
	"causationId":"`+orderID+`/start-order","actor":{"kind":"system","id":"order-saga"},"data":{}},
	{"sequence":3,"id":"order/`+orderID+`@3","type":"order.shipped","time":"2026-03-01T10:00:02Z","correlationId":"c",
	"causationId":"shipment/s@3","data":{}}]}`, `"HOSTILE"`, quoted(hostile))

// withOrder has the API know one order, at version 3.
func (w *world) withOrder(status string) {
	w.answers["GET /orders/"+orderID] = reply{http.StatusOK, orderAt(3, status), `"3"`}
	w.answer("GET /orders/"+orderID+"/history", http.StatusOK, historyOf)
	for version, was := range map[int]string{1: "placed", 2: "held", 3: status} {
		w.answer(fmt.Sprintf("GET /orders/%s?asOf=%d", orderID, version), http.StatusOK, orderAt(version, was))
	}
}

var orderList = strings.ReplaceAll(`{"orders":[{"id":"`+orderID+`","customerId":"ada","status":"cancelled",
	"reason":"HOSTILE","total":{"amount":3998,"currency":"EUR"},"lineCount":1,"placedAt":"2026-03-01T10:00:00Z",
	"updatedAt":"2026-03-01T10:00:02Z","saga":{"id":"","state":"completed"},"version":3}],"next":"CURSOR"}`,
	`"HOSTILE"`, quoted(hostile))

func silent() *slog.Logger { return slog.New(slog.DiscardHandler) }

// panicking is a clock that works for the access log, which asks first and last, and not for pages.
type panicking struct {
	clock.Clock
	asked int
}

func (p *panicking) Now() time.Time {
	p.asked++
	if p.asked == 2 || p.asked == 3 {
		panic("boom")
	}
	return now
}
