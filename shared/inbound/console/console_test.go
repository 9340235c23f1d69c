package console_test

import (
	"bytes"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/inbound/console"
)

// everyPage asks for each page once, of an order with all that may be there.
func everyPage(t *testing.T) map[string]*httptest.ResponseRecorder {
	t.Helper()
	w := newWorld(t)
	w.withOrder("held")
	w.answer("GET /orders?limit=25", http.StatusOK, orderList)
	w.answer("GET /orders/missing", http.StatusNotFound, `{"code":"order.not-found","detail":`+quoted(hostile)+`}`)
	w.answer("GET /orders/"+orderID+"/executions", http.StatusOK, executionsOf("RUNNING"))
	w.withEffects()
	return map[string]*httptest.ResponseRecorder{
		"/orders/" + orderID + "/effects": w.get("/orders/" + orderID + "/effects"),
		"/orders/" + orderID + "/saga":    w.get("/orders/" + orderID + "/saga"),
		"/orders":                         w.get("/orders"),
		"/orders?from=%3Cscript%3E":       w.get("/orders?from=" + url.QueryEscape(hostile)),
		"/orders?id=%3Cscript%3E":         w.get("/orders?id=" + url.QueryEscape(hostile)),
		"/orders/" + orderID:              w.get("/orders/" + orderID),
		"/orders/" + orderID + "?asOf=2":  w.get("/orders/" + orderID + "?asOf=2"),
		"/orders/missing":                 w.get("/orders/missing"),
		"/nowhere":                        w.get("/nowhere"),
		"/sign-in":                        w.get("/sign-in"),
		"/sign-in?next=x":                 w.get("/sign-in?next=" + url.QueryEscape(`"><script>`)),
	}
}

var (
	// What the content policy would keep out: a script or a style that is written into the page.
	inline = regexp.MustCompile(`(?i)<script>|<script [^>]*>[^<]|<style|\sstyle=|\son[a-z]+=|javascript:`)
	links  = regexp.MustCompile(`(?:href|action|src|hx-get)="([^"]*)"`)
)

// What people wrote stays text, and no page needs more than the content policy allows.
func TestPages(t *testing.T) {
	pages := everyPage(t)
	for path, out := range pages {
		body := out.Body.String()
		if strings.Contains(body, "<script>") {
			t.Errorf("%s: a text became a script: %s", path, body)
		}
		if found := inline.FindString(body); found != "" {
			t.Errorf("%s: the content policy forbids %s", path, found)
		}
		h := out.Header()
		if !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'; script-src 'self';") ||
			strings.Contains(h.Get("Content-Security-Policy"), "unsafe") ||
			h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: the headers are %v", path, h)
		}
	}
	for path, status := range map[string]int{
		"/orders": 200, "/orders/" + orderID: 200, "/orders/missing": 404, "/nowhere": 404, "/sign-in": 200,
		"/orders?id=%3Cscript%3E": 422,
	} {
		wantStatus(t, pages[path], status)
	}
	wantPage(t, pages["/orders"], 200, "&lt;script&gt;", "EUR 39.98", "cursor=CURSOR")
	wantPage(
		t, pages["/orders/"+orderID], 200, "order.held", "Approve the order", "Cancel the order", "saga: start order",
	)
}

// Every link leads to a page of the console, wherever that is.
func TestLinksStayWithin(t *testing.T) {
	for _, base := range []string{
		"https://api.example.com", "https://api.example.com/shop/v1", "http://127.0.0.1:4599/_aws/x/$default",
	} {
		seen := 0
		for path, out := range everyPage(t) {
			here, err := url.Parse(base + "/console" + path)
			if err != nil {
				t.Fatal(err)
			}
			for _, link := range links.FindAllStringSubmatch(out.Body.String(), -1) {
				to, err := here.Parse(strings.ReplaceAll(link[1], "&amp;", "&"))
				if err != nil || !strings.HasPrefix(to.String(), base+"/console/") {
					t.Errorf("%s: %s leads to %v, %v", here, link[1], to, err)
				}
				seen++
			}
		}
		if seen < 50 {
			t.Errorf("only %d links were found", seen)
		}
	}
}

// Without a session that lives there is no page, and nothing is asked of the API.
func TestSessions(t *testing.T) {
	w := newWorld(t)
	w.withOrder("held")
	expired := cookie("orderflow-session", operator(now.Add(-time.Second)))
	for name, tc := range map[string]struct {
		path    string
		changes []func(*http.Request)
		leads   string
	}{
		"nobody":            {"/orders?status=held", nil, "sign-in?next=orders%3Fstatus%3Dheld"},
		"an order":          {"/orders/1", nil, "../sign-in?next=orders%2F1"},
		"expired":           {"/orders", []func(*http.Request){expired}, "sign-in?next=orders"},
		"no token":          {"/orders", []func(*http.Request){cookie("orderflow-session", "a.b")}, "sign-in?next=orders"},
		"no claims":         {"/orders", []func(*http.Request){cookie("orderflow-session", "a.!.c")}, "sign-in?next=orders"},
		"one of no end":     {"/orders", []func(*http.Request){cookie("orderflow-session", token(nil))}, "sign-in?next=orders"},
		"the console's own": {"/", nil, "console/orders"},
	} {
		t.Run(name, func(t *testing.T) {
			out := w.send(http.MethodGet, tc.path, nil, tc.changes...)
			wantStatus(t, out, http.StatusSeeOther)
			if to := out.Header().Get("Location"); to != tc.leads {
				t.Errorf("leads to %s, want %s", to, tc.leads)
			}
		})
	}
	out := w.send(http.MethodGet, "/orders/"+orderID+"?version=3", nil, expired, byScript)
	wantStatus(t, out, http.StatusUnauthorized)
	if to := out.Header().Get("Hx-Redirect"); to != "../sign-in?next=orders%2F"+orderID {
		t.Errorf("a script is led to %s", to)
	}
	// A browser takes the address for one that is relative to the page, and not to its part.
	for _, part := range []string{"/saga?seen=x", "/effects"} {
		out := w.send(http.MethodGet, "/orders/"+orderID+part, nil, expired, byScript)
		wantStatus(t, out, http.StatusUnauthorized)
		if to := out.Header().Get("Hx-Redirect"); to != "../sign-in?next=orders%2F"+orderID {
			t.Errorf("the part %s leads to %s", part, to)
		}
	}
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the API was asked for %s", asked)
	}
	w.answer("GET /orders?limit=25", http.StatusUnauthorized, `{"message":"Unauthorized"}`)
	out = w.get("/orders")
	if to := out.Header().Get("Location"); out.Code != http.StatusSeeOther || to != "sign-in?next=orders" {
		t.Errorf("with a token that the API refuses: %d, to %s", out.Code, to)
	}
}

// What the API doesn't do is told to people, with something to do about it.
func TestFailures(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"forbidden":       {403, `{"code":"auth.forbidden","detail":"x"}`, "Only operators may see this."},
		"too many":        {429, `{"message":"Too Many Requests"}`, "too many requests"},
		"unavailable":     {503, `{"code":"unavailable"}`, "The API did not answer."},
		"not its own":     {500, `nonsense`, "The API did not answer."},
		"a field":         {400, `{"code":"x","detail":"bad request","errors":[{"location":"query.customer","message":"no"}]}`, "query.customer: no"},
		"something odd":   {418, `{}`, "The API rejects the request."},
		"an odd document": {200, `nonsense`, "Something went wrong on our side."},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.answer("GET /orders?limit=25", tc.status, tc.body)
			status := tc.status
			if status == http.StatusOK {
				status = http.StatusInternalServerError
			}
			wantPage(t, w.get("/orders"), status, tc.want, "Reference")
		})
	}
	w := newWorld(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	w.handler = console.New(console.Console{API: console.NewAPI(gone.URL), Clock: w.clock, Log: silent()})
	wantPage(t, w.get("/orders"), http.StatusBadGateway, "The API did not answer.")
}

// What an operator looks for may be a person's address. Where the API can't be asked, no line of
// the log has it.
func TestLogsKeepQueriesOut(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	w := newWorld(t)
	var lines bytes.Buffer
	w.handler = console.New(console.Console{
		API: console.NewAPI(gone.URL), Clock: w.clock, Log: slog.New(slog.NewJSONHandler(&lines, nil)),
	})
	wantPage(t, w.get("/orders?customer=ada%40example.com"), http.StatusBadGateway, "The API did not answer.")
	if text := lines.String(); strings.Contains(text, "example.com") || !strings.Contains(text, "page failed") {
		t.Errorf("the log has %s", text)
	}
}

// The list asks for what the form says, as the API writes it, and its pages keep it.
func TestOrders(t *testing.T) {
	w := newWorld(t)
	const request = "GET /orders?customer=ada&limit=25&placedAfter=2026-03-01T10%3A00%3A00Z&" +
		"placedBefore=2026-03-02T10%3A00%3A30Z&status=held"
	w.answer(request, http.StatusOK, orderList)
	query := "status=held&customer=+ada+&from=2026-03-01T10:00&to=2026-03-02T10:00:30"
	out := w.get("/orders?" + query)
	wantPage(t, out, http.StatusOK, `<option value="held" selected>`, `value="ada"`,
		`href="orders?status=held" aria-current="page"`, `href="orders?status=backordered">`,
		`orders?cursor=CURSOR&amp;customer=ada&amp;from=2026-03-01T10%3A00&amp;status=held&amp;to=2026-03-02T10%3A00%3A30"`)
	if diff := cmp.Diff([]string{request}, w.requests()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	w.answer("GET /orders?cursor=CURSOR&limit=25", http.StatusOK, `{"orders":[]}`)
	wantPage(t, w.get("/orders?cursor=CURSOR"), http.StatusOK, "Nobody has ordered")
	w.requests()
	for bad, says := range map[string]string{
		"from=yesterday": "from: expected a time", "to=2026-02-30T00:00": "to: expected a time",
		"id=17": "id: expected an order",
	} {
		wantPage(t, w.get("/orders?"+bad), http.StatusUnprocessableEntity, says)
	}
	out = w.get("/orders?id=" + orderID)
	wantStatus(t, out, http.StatusSeeOther)
	if to := out.Header().Get("Location"); to != "orders/"+orderID {
		t.Errorf("an id leads to %s", to)
	}
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the API was asked for %s", asked)
	}
}

// An order that moves asks again, which costs one request while nothing is new. One that is final
// doesn't.
func TestOrderMoves(t *testing.T) {
	w := newWorld(t)
	w.withOrder("held")
	wantPage(t, w.get("/orders/"+orderID), http.StatusOK, "data-poll", `hx-get="`+orderID+`?version=3"`)
	w.requests()
	poll := func(version string) *httptest.ResponseRecorder {
		return w.send(http.MethodGet, "/orders/"+orderID+"?version="+version, nil, signedIn, byScript)
	}
	wantStatus(t, poll("3"), http.StatusNoContent)
	if diff := cmp.Diff([]string{"GET /orders/" + orderID}, w.requests()); diff != "" {
		t.Errorf("while nothing is new (-want +got):\n%s", diff)
	}
	out := poll("2")
	wantPage(t, out, http.StatusOK, `<div id="live" data-poll`)
	if strings.Contains(out.Body.String(), "<html") {
		t.Error("a part has the whole page")
	}
	if asked := w.requests(); len(asked) != 2 {
		t.Errorf("with news, the API was asked for %s", asked)
	}
	for _, status := range []string{"cancelled", "delivered"} {
		w.answers["GET /orders/"+orderID] = reply{
			http.StatusOK, strings.Replace(orderAt(3, status), `"running"`, `"completed"`, 1), `"3"`,
		}
		if out := w.get("/orders/" + orderID); strings.Contains(out.Body.String(), "data-poll") {
			t.Errorf("%s still asks", status)
		}
	}
}

// As of a version: how it was, and what that version changed.
func TestOrderAsOf(t *testing.T) {
	w := newWorld(t)
	w.withOrder("shipped")
	out := w.get("/orders/" + orderID + "?asOf=2")
	wantPage(t, out, http.StatusOK, "at version 2", "What version 2 changed: order.held", "<code>status</code>",
		"<del>placed</del>", "<ins>held</ins>", `max="3" value="2"`)
	for _, never := range []string{"data-poll", "<code>version</code>", "Cancel the order"} {
		if strings.Contains(out.Body.String(), never) {
			t.Errorf("the past has %s", never)
		}
	}
	wantPage(t, w.get("/orders/"+orderID+"?asOf=1"), http.StatusOK, "What version 1 changed: order.placed", "not there")
	w.requests()
	for _, bad := range []string{"0", "-1", "01", "x", "1e3", "9999999999999999999"} {
		wantPage(t, w.get("/orders/"+orderID+"?asOf="+bad), http.StatusBadRequest, "no such version")
	}
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the API was asked for %s", asked)
	}
}

// Nobody reads what belongs to erased people.
func TestErased(t *testing.T) {
	w := newWorld(t)
	w.withOrder("delivered")
	erased := strings.NewReplacer(`"erased":false`, `"erased":true`).Replace(orderAt(3, "delivered"))
	erased = regexp.MustCompile(`"shippingAddress":\{[^}]*\}`).ReplaceAllString(erased, `"shippingAddress":null`)
	w.answer("GET /orders/"+orderID, http.StatusOK, erased)
	wantPage(t, w.get("/orders/"+orderID), http.StatusOK, "<small>erased</small>", "Erased: the customer's data key")
}

// What an operator decides reaches the API with the reason and the form's key; without a reason
// nothing does.
func TestDecisions(t *testing.T) {
	for _, name := range []string{"cancel", "approve", "decline"} {
		w := newWorld(t)
		w.answer("POST /orders/"+orderID+"/"+name, http.StatusAccepted, orderAt(4, "placed"))
		out := w.post("/orders/"+orderID+"/"+name, url.Values{"reason": {" known to us "}, "key": {"K"}})
		wantStatus(t, out, http.StatusSeeOther)
		if to := out.Header().Get("Location"); to != "../"+orderID+"?done="+name {
			t.Errorf("%s leads to %s", name, to)
		}
		if len(w.asked) != 1 || w.asked[0].Header.Get("Idempotency-Key") != "K" ||
			w.asked[0].Header.Get("Authorization") != "Bearer "+operator(now.Add(time.Hour)) ||
			w.bodies[0] != `{"reason":"known to us"}` {
			t.Errorf("%s asked %v with %s", name, w.asked, w.bodies)
		}
	}
	w := newWorld(t)
	for _, reason := range []string{"", "  ", strings.Repeat("ä", 501)} {
		out := w.post("/orders/"+orderID+"/cancel", url.Values{"reason": {reason}, "key": {"K"}})
		wantPage(t, out, http.StatusUnprocessableEntity, "A reason is missing or too long.")
	}
	wantPage(t, w.post("/orders/"+orderID+"/erase", url.Values{"reason": {"x"}}), http.StatusNotFound, "no such page")
	wantPage(t, w.post("/orders/"+orderID+"/cancel", url.Values{"reason": {strings.Repeat("x", 32<<10)}}),
		http.StatusBadRequest, "can&#39;t be read")
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the API was asked for %s", asked)
	}
	const cancel = "/orders/" + orderID + "/cancel"
	w.answer("POST "+cancel, http.StatusConflict, `{"code":"order.dispatched","detail":"It has left."}`)
	wantPage(t, w.post(cancel, url.Values{"reason": {"x"}}), http.StatusConflict, "It has left.")
}

// A page of another site changes nothing, whatever cookies its requests carry.
func TestOtherSites(t *testing.T) {
	w := newWorld(t)
	w.answer("POST /orders/"+orderID+"/cancel", http.StatusAccepted, orderAt(4, "cancelling"))
	form := url.Values{"reason": {"x"}, "key": {"K"}}
	for _, path := range []string{"/orders/" + orderID + "/cancel", "/sign-in", "/sign-out"} {
		for site, set := range map[string]func(*http.Request){
			"cross-site":   func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
			"same-site":    func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") },
			"of old":       func(r *http.Request) { r.Header.Set("Origin", "https://evil.example.com") },
			"of a sandbox": func(r *http.Request) { r.Header.Set("Origin", "null") },
		} {
			out := w.send(http.MethodPost, path, form, signedIn, set)
			if out.Code != http.StatusForbidden || len(out.Result().Cookies()) > 0 {
				t.Errorf("%s, %s: %d, %v", path, site, out.Code, out.Header())
			}
		}
	}
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the API was asked for %s", asked)
	}
}

// Assets are kept for a year under an address of their version, and served under no other.
func TestAssets(t *testing.T) {
	w := newWorld(t)
	found := map[string]bool{}
	for _, link := range links.FindAllStringSubmatch(w.get("/sign-in").Body.String(), -1) {
		if !strings.HasPrefix(link[1], "assets/") {
			continue
		}
		found[link[1]] = true
		out := w.send(http.MethodGet, "/"+link[1], nil)
		wantStatus(t, out, http.StatusOK)
		zipped := w.send(http.MethodGet, "/"+link[1], nil, func(r *http.Request) {
			r.Header.Set("Accept-Encoding", "br, gzip")
		})
		h := out.Header()
		if h.Get("Cache-Control") != "public, max-age=31536000, immutable" ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Vary") != "Accept-Encoding" ||
			zipped.Header().Get("Content-Encoding") != "gzip" ||
			zipped.Body.Len() >= out.Body.Len() && out.Body.Len() > 1000 {
			t.Errorf("%s: %v, %d bytes, %d zipped", link[1], h, out.Body.Len(), zipped.Body.Len())
		}
		kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
		if !slices.Contains([]string{"text/css", "text/javascript", "image/svg+xml"}, kind) {
			t.Errorf("%s is %s", link[1], h.Get("Content-Type"))
		}
		parts := strings.Split(link[1], "/")
		parts[1] = "0000000000000000"
		wantStatus(t, w.send(http.MethodGet, "/"+strings.Join(parts, "/"), nil), http.StatusNotFound)
	}
	if len(found) != 5 {
		t.Errorf("a page has the assets %v", slices.Sorted(maps.Keys(found)))
	}
	for _, path := range []string{"/assets/x/../console.go", "/assets/x/htmx/LICENSE", "//orders", "/orders/"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
		r.URL.Path = path
		out := httptest.NewRecorder()
		w.handler.ServeHTTP(out, r)
		if out.Code != http.StatusNotFound {
			t.Errorf("%s: %d %v", path, out.Code, out.Header())
		}
	}
}

// API Gateway's own events: the page is what the route's {proxy+} says, whatever base path a domain
// has, and answers go back whole.
func TestLambda(t *testing.T) {
	w := newWorld(t)
	w.answer("GET /orders?limit=25", http.StatusOK, orderList)
	serve := console.Lambda(w.handler)
	event := func(raw, page string) events.APIGatewayV2HTTPRequest {
		e := events.APIGatewayV2HTTPRequest{
			Version: "2.0", RawPath: raw, PathParameters: map[string]string{"proxy": page},
			Cookies: []string{"orderflow-session=" + operator(now.Add(time.Hour))},
			Headers: map[string]string{"host": "api.example.com"},
		}
		e.RequestContext.HTTP.Method, e.RequestContext.HTTP.Path = http.MethodGet, raw
		e.RequestContext.DomainName = "api.example.com"
		return e
	}
	for _, raw := range []string{"/console/orders", "/shop/v1/console/orders"} {
		out, err := serve(t.Context(), event(raw, "orders"))
		if err != nil || out.StatusCode != http.StatusOK || !strings.Contains(out.Body, orderID) {
			t.Errorf("%s: %+v, %v", raw, out, err)
		}
	}
	for raw, back := range map[string]string{
		"/console/authorize":         "https://api.example.com/console/signed-in",
		"/shop/v1/console/authorize": "https://api.example.com/shop/v1/console/signed-in",
	} {
		out, err := serve(t.Context(), event(raw, "authorize"))
		to, bad := url.Parse(out.Headers["Location"])
		if err != nil || bad != nil || to.Query().Get("redirect_uri") != back || len(out.Cookies) != 1 {
			t.Errorf("%s: %+v, %v", raw, out, err)
		}
	}
	out, err := serve(t.Context(), event("/console", ""))
	if err != nil || out.StatusCode != http.StatusSeeOther || out.Headers["Location"] != "console/orders" {
		t.Errorf("the console's own address: %+v, %v", out, err)
	}
	bad := event("/console/orders", "orders")
	bad.Body, bad.IsBase64Encoded = "%", true
	if out, err := serve(t.Context(), bad); err != nil || out.StatusCode != http.StatusBadRequest {
		t.Errorf("a body that can't be read: %+v, %v", out, err)
	}
}

// A page that panics is an error like others, also where the page of errors does.
func TestPanic(t *testing.T) {
	w := newWorld(t)
	w.handler = console.New(console.Console{
		API: console.NewAPI("http://127.0.0.1:1"), Clock: &panicking{}, Log: silent(),
	})
	out := w.send(http.MethodGet, "/orders", nil, signedIn)
	wantStatus(t, out, http.StatusInternalServerError)
	if out.Body.String() != "Something went wrong.\n" {
		t.Errorf("the page tells %s", out.Body)
	}
}

// An address leads to the orders of who has it. It goes in bodies alone, in both directions.
func TestFindByAddress(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		answer string
		want   int
		leads  string
		says   []string
	}{
		"one": {http.StatusOK, `{"customers":[{"id":"ada"}]}`, http.StatusSeeOther, "orders?customer=ada", nil},
		"two": {
			http.StatusOK, `{"customers":[{"id":"ada"},{"id":"bob"}],"next":"bob"}`, http.StatusOK, "",
			[]string{"orders?customer=ada", "orders?customer=bob", "further customers"},
		},
		"none": {
			http.StatusOK, `{"customers":[]}`, http.StatusUnprocessableEntity, "",
			[]string{"No customer has this e-mail address."},
		},
		"no address": {
			http.StatusBadRequest, `{"code":"request.invalid"}`, http.StatusUnprocessableEntity, "",
			[]string{"expected an address"},
		},
		"not an operator": {http.StatusForbidden, `{"code":"x"}`, http.StatusForbidden, "", []string{"Only operators"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.answer("POST /customers/search", tc.status, tc.answer)
			out := w.post("/orders", url.Values{"email": {" Ada@example.com "}})
			wantPage(t, out, tc.want, tc.says...)
			if to := out.Header().Get("Location"); to != tc.leads {
				t.Errorf("leads to %q", to)
			}
			if len(w.asked) != 1 || w.bodies[0] != `{"email":"Ada@example.com","limit":100}` ||
				w.asked[0].Header.Get("Idempotency-Key") != "" {
				t.Errorf("asked %s with %s", w.asked[0].Header, w.bodies)
			}
			if strings.Contains(out.Body.String()+out.Header().Get("Location"), "Ada@") {
				t.Error("the page repeats the address")
			}
		})
	}
}

// A search for a SKU says how far it looked, also where it found nothing, and leads on.
func TestFindBySKU(t *testing.T) {
	w := newWorld(t)
	const request = "GET /orders?limit=25&sku=BOOK-1"
	w.answer(request, http.StatusOK,
		`{"orders":[],"lookedAt":1000,"lookedThrough":"2026-02-01T10:00:00Z","next":"CURSOR"}`)
	wantPage(t, w.get("/orders?sku=BOOK-1"), http.StatusOK, "Looked at 1000 orders", "2026-02-01 10:00:00",
		"orders?cursor=CURSOR&amp;sku=BOOK-1")
	w.answer(request, http.StatusOK, `{"orders":[],"lookedAt":3,"lookedThrough":"2026-02-01T10:00:00Z"}`)
	wantPage(t, w.get("/orders?sku=BOOK-1"), http.StatusOK, "No order matches.")
	w.requests()
	wantPage(t, w.get("/orders?sku=a/b"), http.StatusUnprocessableEntity, "A SKU has 1 to 64 letters")
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("the API was asked for %s", asked)
	}
}
