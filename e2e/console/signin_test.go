//go:build e2e

package console_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/chromedp/chromedp"

	"orderflow/shared/inbound/console"
	"orderflow/shared/kit/clock"
)

// TestSignIn: people sign in at an issuer's page and out again, in a browser, which follows the
// redirects that its content policy allows and no other. The API is the stack's, and the tokens are
// those that it takes; the issuer is the test's.
func TestSignIn(t *testing.T) {
	s := find(t)
	var at string
	pages := http.NewServeMux()
	issuer := httptest.NewServer(pages)
	t.Cleanup(issuer.Close)
	at = issuer.URL
	var asked url.Values
	pages.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, map[string]string{
			"issuer": at, "authorization_endpoint": at + "/enter", "token_endpoint": at + "/take",
			"end_session_endpoint": at + "/end", "jwks_uri": at + "/keys",
		})
	})
	pages.HandleFunc("GET /enter", func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Query()
		back := url.Values{"code": {"the-code"}, "state": {asked.Get("state")}}
		http.Redirect(w, r, asked.Get("redirect_uri")+"?"+back.Encode(), http.StatusFound)
	})
	pages.HandleFunc("POST /take", func(w http.ResponseWriter, r *http.Request) {
		challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if r.PostFormValue("code") != "the-code" || asked.Get("redirect_uri") != r.PostFormValue("redirect_uri") ||
			base64.RawURLEncoding.EncodeToString(challenge[:]) != asked.Get("code_challenge") {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer(t, w, map[string]string{"access_token": s.token, "token_type": "Bearer"})
	})
	var ended bool
	pages.HandleFunc("GET /end", func(w http.ResponseWriter, r *http.Request) {
		ended = true
		w.Header().Set("Location", r.URL.Query().Get("post_logout_redirect_uri"))
		w.WriteHeader(http.StatusFound)
	})
	api, _ := strings.CutSuffix(s.console, "/console")
	here := serve(t, console.Console{
		API: console.NewAPI(api), SignIn: console.SignIn{Issuer: at, Client: "the-console", Scopes: "openid"},
		Clock: clock.System{}, Log: slog.New(slog.DiscardHandler),
	})

	b := open(t, chromedp.Flag("ignore-certificate-errors", true)) // the test's own
	b.do(chromedp.Navigate(here + "/stock?sku=missing"))
	b.shows("h1", "Sign in")
	b.check("sign-in-hosted")
	b.do(chromedp.Click(chromedp.CSS(`a[role=button][href^="authorize"]`)))
	b.shows("main", "Nobody has counted missing yet.")
	if asked.Get("client_id") != "the-console" || asked.Get("redirect_uri") != here+"/signed-in" {
		t.Errorf("the issuer was asked for %v", asked)
	}
	b.do(chromedp.Click(chromedp.CSS(`form[action$="sign-out"] button`)))
	b.shows("h1", "Sign in")
	if !ended {
		t.Error("the issuer's session goes on")
	}
	b.do(chromedp.Navigate(here + "/orders"))
	b.shows("h1", "Sign in")
}

func answer(t *testing.T, w http.ResponseWriter, says map[string]string) {
	t.Helper()
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(says); err != nil {
		t.Error(err)
	}
}

// serve puts the function's handler behind HTTPS, as API Gateway does, and gives the console's
// address.
func serve(t *testing.T, c console.Console) string {
	t.Helper()
	handle := console.Lambda(console.New(c))
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		event := events.APIGatewayV2HTTPRequest{
			RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery, Body: string(body), Headers: map[string]string{},
			PathParameters: map[string]string{"proxy": strings.TrimPrefix(r.URL.Path, "/console/")},
			RequestContext: events.APIGatewayV2HTTPRequestContext{
				DomainName: r.Host,
				HTTP:       events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: r.Method, Path: r.URL.Path},
			},
		}
		for name, values := range r.Header {
			if name != "Cookie" {
				event.Headers[strings.ToLower(name)] = strings.Join(values, ",")
			}
		}
		for _, kept := range r.Cookies() {
			event.Cookies = append(event.Cookies, kept.String())
		}
		out, err := handle(r.Context(), event)
		if err != nil {
			t.Error(err)
		}
		for name, value := range out.Headers {
			w.Header().Set(name, value)
		}
		for name, values := range out.MultiValueHeaders {
			w.Header()[name] = values
		}
		for _, kept := range out.Cookies {
			w.Header().Add("Set-Cookie", kept)
		}
		w.WriteHeader(out.StatusCode)
		sent := []byte(out.Body)
		if out.IsBase64Encoded {
			if sent, err = base64.StdEncoding.DecodeString(out.Body); err != nil {
				t.Error(err)
			}
		}
		_, _ = w.Write(sent) // the browser may be gone
	}))
	t.Cleanup(server.Close)
	return server.URL + "/console"
}
