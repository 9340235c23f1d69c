package console_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"orderflow/shared/inbound/console"
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
		// A browser takes these segments for those with dots.
		"orders/%2e%2e/%2E%2e/x": "orders", "orders/.%2e/.%2E/x": "orders", "a/%2e./x": "orders", "a/%2f/x": "orders",
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

// Signing out ends the session here, and then at the issuer: by a page of the console, since a form
// leads to the console alone.
func TestSignOut(t *testing.T) {
	for name, tc := range map[string]struct {
		signIn func(issuer string) console.SignIn
		path   string // where the issuer ends its session
		back   string // the parameter that leads back
		want   string
	}{
		"at the hosted login": {
			func(at string) console.SignIn { return console.SignIn{Hosted: at, Client: "public"} }, "/logout",
			"logout_uri", "Sign out at the issuer as well",
		},
		"at an issuer": {
			func(at string) console.SignIn { return console.SignIn{Issuer: at, Client: "public"} }, "/end",
			"post_logout_redirect_uri", "Sign out at the issuer as well",
		},
		"at an issuer that can't be reached": {
			func(at string) console.SignIn { return console.SignIn{Issuer: at + "/other", Client: "public"} }, "", "",
			"The issuer may still know you",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.signInAt(tc.signIn)
			out := w.post("/sign-out", nil)
			wantPage(t, out, http.StatusOK, tc.want)
			if c := cookieOf(out, "orderflow-session"); c == nil || c.Value != "" || c.MaxAge >= 0 {
				t.Errorf("the cookie is %v", c)
			}
			leads, found := strings.CutPrefix(out.Header().Get("Refresh"), "0; url=")
			to, err := url.Parse(leads)
			if err != nil || found != (tc.path != "") || to.Path != tc.path {
				t.Errorf("leads to %s, %v", leads, err)
			}
			back := to.Query().Get(tc.back)
			if found && (to.Query().Get("client_id") != "public" || !strings.HasSuffix(back, "/sign-in")) {
				t.Errorf("leads to %s", leads)
			}
		})
	}

	// An address that has a query already, as Azure AD B2C's has its policy in it.
	w := newWorld(t)
	w.signInAt(func(at string) console.SignIn { return console.SignIn{Issuer: at, Client: "public"} })
	w.answer("GET /.well-known/openid-configuration", http.StatusOK,
		w.document(map[string]any{"end_session_endpoint": w.api + "/end?p=policy"}))
	leads, _ := strings.CutPrefix(w.post("/sign-out", nil).Header().Get("Refresh"), "0; url=")
	to, err := url.Parse(leads)
	if err != nil || to.Path != "/end" || to.Query().Get("p") != "policy" || to.Query().Get("client_id") != "public" {
		t.Errorf("leads to %s, %v", leads, err)
	}

	w = newWorld(t)
	w.signInAt(func(string) console.SignIn { return console.SignIn{} })
	out := w.post("/sign-out", nil)
	wantStatus(t, out, http.StatusSeeOther)
	if to := out.Header().Get("Location"); to != "sign-in" {
		t.Errorf("leads to %s", to)
	}
}

// An issuer of the shop's own says itself where people sign in. What it says is read once an hour,
// and only if it says so of itself and has nobody on the way read along.
func TestIssuerIsFound(t *testing.T) {
	const where = "GET /.well-known/openid-configuration"
	for name, tc := range map[string]struct {
		status int
		change map[string]any
		want   string // of the page; "" where it leads to the issuer
	}{
		"well":                  {200, nil, ""},
		"no end of its session": {200, map[string]any{"end_session_endpoint": nil}, ""},
		"https":                 {200, map[string]any{"token_endpoint": "https://login.example.com/token"}, ""},
		"another's":             {200, map[string]any{"issuer": "https://other.example.com"}, "did not answer"},
		"in the clear":          {200, map[string]any{"token_endpoint": "http://login.example.com/token"}, "did not answer"},
		"no address":            {200, map[string]any{"authorization_endpoint": "login"}, "did not answer"},
		"nothing":               {200, map[string]any{"authorization_endpoint": nil}, "did not answer"},
		"none":                  {404, nil, "did not answer"},
		"broken":                {500, nil, "did not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.signInAt(func(at string) console.SignIn {
				return console.SignIn{Issuer: at, Client: "public", Scopes: "openid roles", Audience: "the-api"}
			})
			w.answer(where, tc.status, w.document(tc.change))
			out := w.send(http.MethodGet, "/authorize?next=orders/1", nil)
			if tc.want != "" {
				wantPage(t, out, http.StatusBadGateway, tc.want)
				if c := cookieOf(out, "orderflow-sign-in"); c != nil {
					t.Errorf("a sign-in is begun: %v", c)
				}
				return
			}
			wantStatus(t, out, http.StatusSeeOther)
			to, err := url.Parse(out.Header().Get("Location"))
			if err != nil || to.Path != "/enter" || to.Query().Get("scope") != "openid roles" ||
				to.Query().Get("audience") != "the-api" || to.Query().Get("client_id") != "public" ||
				to.Query().Get("code_challenge_method") != "S256" {
				t.Errorf("leads to %s, %v", to, err)
			}
		})
	}

	w := newWorld(t)
	w.signInAt(func(at string) console.SignIn { return console.SignIn{Issuer: at, Client: "public"} })
	w.answer(where, http.StatusOK, w.document(nil))
	w.answer("GET /orders?limit=1", http.StatusOK, `{"orders":[]}`)
	good := operator(now.Add(time.Hour))
	w.answer("POST /take", http.StatusOK, fmt.Sprintf(`{"access_token":%q}`, good))
	out := w.send(http.MethodGet, "/authorize", nil)
	to, err := url.Parse(out.Header().Get("Location"))
	if err != nil || to.Query().Has("audience") || to.Query().Has("scope") {
		t.Errorf("leads to %s, %v", to, err)
	}
	out = w.send(http.MethodGet, "/signed-in?code=c&state="+to.Query().Get("state"), nil,
		cookie("orderflow-sign-in", cookieOf(out, "orderflow-sign-in").Value))
	if c := cookieOf(out, "orderflow-session"); c == nil || c.Value != good {
		t.Errorf("%d, the session is %v", out.Code, c)
	}
	if asked := w.requests(); strings.Count(strings.Join(asked, "\n"), where) != 1 {
		t.Errorf("asked for %s", asked)
	}
	w.answer(where, http.StatusInternalServerError, "")
	w.clock.Advance(time.Hour)
	wantStatus(t, w.send(http.MethodGet, "/authorize", nil), http.StatusSeeOther) // as before
	w.answer(where, http.StatusOK, w.document(map[string]any{"authorization_endpoint": w.api + "/moved"}))
	out = w.send(http.MethodGet, "/authorize", nil)
	if to := out.Header().Get("Location"); !strings.HasPrefix(to, w.api+"/moved?") {
		t.Errorf("after an hour it leads to %s", to)
	}
}

// document is what the issuer says of itself, but for what a test changes.
func (w *world) document(change map[string]any) string {
	says := map[string]any{
		"issuer": w.api, "authorization_endpoint": w.api + "/enter", "token_endpoint": w.api + "/take",
		"end_session_endpoint": w.api + "/end", "jwks_uri": w.api + "/keys",
	}
	maps.Copy(says, change)
	maps.DeleteFunc(says, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(says)
	if err != nil {
		w.Fatal(err)
	}
	return string(text)
}
