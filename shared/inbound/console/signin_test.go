package console_test

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// A token that one has: the API says whose it is.
func TestSignInByToken(t *testing.T) {
	good := operator(now.Add(time.Hour))
	for name, tc := range map[string]struct {
		token  string
		status int // of the API
		want   string
		asks   bool
	}{
		"an operator's": {good, 200, "", true},
		"with blanks":   {" " + good + "\n", 200, "", true},
		"nobody's":      {good, 401, "doesn&#39;t take this token", true},
		"a customer's":  {good, 403, "not an operator&#39;s", true},
		"expired":       {operator(now), 200, "has expired", false},
		"none":          {"", 200, "no access token", false},
		"no token":      {"a.b.c", 200, "no access token", false},
		"one with too much": {
			token(map[string]any{"exp": now.Add(time.Hour).Unix(), "groups": strings.Repeat("x", 4000)}), 200,
			"a browser keeps 3900", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.answer("GET /orders?limit=1", tc.status, `{"orders":[]}`)
			form := url.Values{"token": {tc.token}, "next": {"orders?status=held"}}
			out := w.send(http.MethodPost, "/sign-in", form, ownPage)
			if asked := w.requests(); len(asked) > 0 != tc.asks {
				t.Errorf("the API was asked for %s", asked)
			}
			session := cookieOf(out, "orderflow-session")
			if tc.want != "" {
				wantPage(t, out, http.StatusUnprocessableEntity, tc.want)
				if session != nil || strings.Contains(out.Body.String(), good) {
					t.Errorf("it is kept all the same: %v, %s", session, out.Body)
				}
				return
			}
			wantStatus(t, out, http.StatusSeeOther)
			if to := out.Header().Get("Location"); to != "orders?status=held" {
				t.Errorf("leads to %s", to)
			}
			// No path is the page's folder, the console's own; no age is the browser's session.
			if session == nil || session.Value != good || !session.HttpOnly || !session.Secure ||
				session.SameSite != http.SameSiteLaxMode || session.Path+session.Domain != "" || session.MaxAge != 0 {
				t.Errorf("the session is %+v", session)
			}
		})
	}
}

// After the sign-in people are at a page of the console, whatever a link said.
func TestNextPage(t *testing.T) {
	for next, want := range map[string]string{
		"orders/1": "orders/1", "orders?status=held&customer=a": "orders?status=held&customer=a",
		"": "orders", "https://evil.example.com": "orders", "//evil.example.com": "orders", "/orders": "orders",
		"../../x": "orders", "orders/../../x": "orders", `\\evil`: "orders", "javascript:alert(1)": "orders",
		"orders\r\nX: y": "orders", strings.Repeat("a", 501): "orders",
	} {
		w := newWorld(t)
		w.answer("GET /orders?limit=1", http.StatusOK, `{"orders":[]}`)
		form := url.Values{"token": {operator(now.Add(time.Hour))}, "next": {next}}
		out := w.send(http.MethodPost, "/sign-in", form, ownPage)
		if to := out.Header().Get("Location"); to != want {
			t.Errorf("%q leads to %q, want %q", next, to, want)
		}
	}
}

// The code flow with PKCE: the challenge is of the verifier, which only this browser has, and the
// token comes for it.
func TestCodeFlow(t *testing.T) {
	w := newWorld(t)
	good := operator(now.Add(time.Hour))
	w.answer("GET /orders?limit=1", http.StatusOK, `{"orders":[]}`)
	w.answer("POST /oauth2/token", http.StatusOK, fmt.Sprintf(`{"access_token":%q,"refresh_token":"y"}`, good))
	out := w.send(http.MethodGet, "/authorize?next=orders/1", nil)
	wantStatus(t, out, http.StatusSeeOther)
	to, err := url.Parse(out.Header().Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	asked, flow := to.Query(), cookieOf(out, "orderflow-sign-in")
	if to.Path != "/oauth2/authorize" || asked.Get("response_type") != "code" || asked.Get("client_id") != "public" ||
		asked.Get("scope") != "openid" || asked.Get("code_challenge_method") != "S256" || asked.Get("state") == "" {
		t.Errorf("leads to %s", to)
	}
	if flow == nil || !flow.HttpOnly || !flow.Secure || flow.SameSite != http.SameSiteLaxMode || flow.MaxAge != 600 {
		t.Fatalf("the flow is %+v", flow)
	}
	again := w.send(http.MethodGet, "/authorize", nil)
	if other := cookieOf(again, "orderflow-sign-in"); other == nil || other.Value == flow.Value {
		t.Error("two sign-ins have one secret")
	}

	back := func(query string, cookies ...func(*http.Request)) (*http.Cookie, int, string) {
		out := w.send(http.MethodGet, "/signed-in?"+query, nil, cookies...)
		return cookieOf(out, "orderflow-session"), out.Code, out.Header().Get("Location")
	}
	kept := cookie("orderflow-sign-in", flow.Value)
	state := "state=" + asked.Get("state")
	for name, tc := range map[string]struct {
		query  string
		cookie func(*http.Request)
	}{
		"another browser": {"code=c&" + state, func(*http.Request) {}},
		"another state":   {"code=c&state=x", kept},
		"no state":        {"code=c", kept},
		"an empty state":  {"code=c&state=", cookie("orderflow-sign-in", "e30")}, // {}
		"no flow":         {"code=c&" + state, cookie("orderflow-sign-in", "!")},
		"refused":         {"error=access_denied&" + state, kept},
	} {
		if session, status, _ := back(tc.query, tc.cookie); session != nil || status != http.StatusForbidden {
			t.Errorf("%s: %d, %v", name, status, session)
		}
	}
	if asked := w.requests(); len(asked) > 0 {
		t.Errorf("asked for %s", asked)
	}

	session, status, leads := back("code=c&"+state, kept)
	if session == nil || session.Value != good || status != http.StatusSeeOther || leads != "orders/1" {
		t.Errorf("%d, to %s, %v", status, leads, session)
	}
	form, err := url.ParseQuery(w.bodies[0])
	if err != nil {
		t.Fatal(err)
	}
	challenge := sha256.Sum256([]byte(form.Get("code_verifier")))
	if n := len(form.Get("code_verifier")); n < 43 || n > 128 ||
		base64.RawURLEncoding.EncodeToString(challenge[:]) != asked.Get("code_challenge") ||
		form.Get("grant_type") != "authorization_code" || form.Get("code") != "c" ||
		form.Get("client_id") != "public" ||
		form.Get("redirect_uri") != asked.Get("redirect_uri") {
		t.Errorf("a token was asked for by %v", form)
	}
	w.answer("POST /oauth2/token", http.StatusBadRequest, `{"error":"invalid_grant"}`)
	if session, status, _ := back("code=c&"+state, kept); session != nil || status != http.StatusForbidden {
		t.Errorf("a code that is used up: %d, %v", status, session)
	}
}

// Signing out ends the session here and at the issuer.
func TestSignOut(t *testing.T) {
	w := newWorld(t)
	out := w.post("/sign-out", nil)
	wantStatus(t, out, http.StatusSeeOther)
	to, err := url.Parse(out.Header().Get("Location"))
	if err != nil || to.Path != "/logout" || to.Query().Get("client_id") != "public" ||
		!strings.HasSuffix(to.Query().Get("logout_uri"), "/sign-in") {
		t.Errorf("leads to %s, %v", to, err)
	}
	if c := cookieOf(out, "orderflow-session"); c == nil || c.Value != "" || c.MaxAge >= 0 {
		t.Errorf("the cookie is %v", c)
	}
}
