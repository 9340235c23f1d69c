package console

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// SignIn is the issuer's page by which people sign in. Both are "" where there is none: then only
// tokens that one has already are taken.
type SignIn struct {
	URL    string // of the hosted login, without a slash at the end
	Client string // a public one: it has no secret
}

func (s SignIn) offered() bool { return s.URL != "" }

// flowCookie holds what the callback needs of the request that it answers, for ten minutes.
const (
	flowCookie  = "orderflow-sign-in"
	flowSeconds = 600
)

// flow is a sign-in on its way. The state ties the callback to this browser, and only who has the
// verifier gets a token for the code (RFC 7636).
type flow struct {
	State    string `json:"s"`
	Verifier string `json:"v"`
	Next     string `json:"n"`
}

type signInView struct {
	Hosted bool
	Next   string
	Ended  bool // a session was there
	Wrong  string
}

// askToSignIn leads to the sign-in, and from there back to the page.
func (x *exchange) askToSignIn() error {
	to := x.root() + "sign-in"
	if x.Method == http.MethodGet {
		next := strings.TrimPrefix(x.URL.Path, "/")
		if x.URL.RawQuery != "" && !x.partial() {
			next += "?" + x.URL.RawQuery
		}
		to += "?" + url.Values{"next": {next}}.Encode()
	}
	if x.partial() { // a script would put the sign-in into the page
		x.status = http.StatusUnauthorized
		x.header.Set("HX-Redirect", to)
		return nil
	}
	return x.redirect(to)
}

var ownPage = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z][A-Za-z0-9_.~%-]*(/[A-Za-z0-9_.~%-]+)*(\?[A-Za-z0-9_.~%&=+-]*)?$`)
})

// nextPage is where to go after the sign-in: a page of the console, whatever the request says.
func nextPage(asked string) string {
	if len(asked) <= 500 && ownPage().MatchString(asked) && !strings.Contains(asked, "..") {
		return asked
	}
	return "orders"
}

func (c Console) signInPage(x *exchange) error {
	return x.render("sign-in", "Sign in", signInView{
		Hosted: c.SignIn.offered(), Next: nextPage(x.URL.Query().Get("next")), Ended: x.session.token != "",
	})
}

// signInByToken takes a token that the operator has, of bin/orderflow token or of an issuer of the
// shop's own.
func (c Console) signInByToken(x *exchange) error {
	if err := x.ParseForm(); err != nil {
		return refusal{http.StatusBadRequest, "The form can't be read.", "Go back and try again."}
	}
	next := nextPage(x.PostForm.Get("next"))
	wrong, err := c.begin(x, strings.TrimSpace(x.PostForm.Get("token")))
	if err != nil {
		return err
	}
	if wrong != "" {
		x.status = http.StatusUnprocessableEntity
		return x.render("sign-in", "Sign in", signInView{Hosted: c.SignIn.offered(), Next: next, Wrong: wrong})
	}
	return x.redirect(next)
}

// begin begins a session, or says what is wrong with the token. Whether it is an operator's, the
// API says.
func (c Console) begin(x *exchange, token string) (wrong string, err error) {
	s, ok := readToken(token)
	switch {
	case !ok:
		return "This is no access token. It has three parts with a dot between them.", nil
	case len(token) > maxToken:
		return fmt.Sprintf(
			"The token has %d bytes, and a browser keeps %d. Have the issuer put fewer groups into it.",
			len(token), maxToken,
		), nil
	case !s.lives(c.Clock.Now()):
		return "The token has expired. Get a new one.", nil
	}
	api := x.api
	api.token = token
	var list orderList
	err = api.get(x.Context(), "/orders", url.Values{"limit": {"1"}}, &list)
	var p *Problem
	switch {
	case err == nil:
		x.session = s
		x.keep(sessionCookie, token, 0)
		return "", nil
	case errors.As(err, &p) && p.Status == http.StatusUnauthorized:
		return "The API doesn't take this token: it has expired, or is another stack's.", nil
	case errors.As(err, &p) && p.Status == http.StatusForbidden:
		return "The token is valid, and not an operator's.", nil
	}
	return "", err
}

// authorize leads to the issuer's page (RFC 6749, 4.1, with PKCE).
func (c Console) authorize(x *exchange) error {
	if !c.SignIn.offered() {
		return notFound(x)
	}
	f := flow{State: rand.Text(), Verifier: rand.Text() + rand.Text(), Next: nextPage(x.URL.Query().Get("next"))}
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	x.keep(flowCookie, base64.RawURLEncoding.EncodeToString(text), flowSeconds)
	challenge := sha256.Sum256([]byte(f.Verifier))
	return x.redirect(c.SignIn.URL + "/oauth2/authorize?" + url.Values{
		"response_type": {"code"}, "client_id": {c.SignIn.Client}, "redirect_uri": {callback(x.Context())},
		"scope": {"openid"}, "state": {f.State}, "code_challenge_method": {"S256"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
	}.Encode())
}

func callback(ctx context.Context) string { return addressOf(ctx) + "/signed-in" }

// signedIn is where the issuer sends people back to.
func (c Console) signedIn(x *exchange) error {
	kept, err := x.Cookie(flowCookie)
	if err != nil {
		kept = &http.Cookie{}
	}
	x.forget(flowCookie)
	var f flow
	text, err := base64.RawURLEncoding.DecodeString(kept.Value)
	if err == nil {
		err = json.Unmarshal(text, &f)
	}
	asked := x.URL.Query()
	ours := subtle.ConstantTimeCompare([]byte(f.State), []byte(asked.Get("state"))) == 1
	if err != nil || f.State == "" || !ours || !c.SignIn.offered() {
		return c.signInAgain(x, "This sign-in was not begun here, or too long ago. Begin again.")
	}
	if asked.Get("code") == "" {
		return c.signInAgain(x, "The sign-in was not completed. Begin again.")
	}
	token, err := c.SignIn.exchange(x.Context(), c.API.http, asked.Get("code"), f.Verifier, callback(x.Context()))
	if err != nil {
		c.Log.WarnContext(x.Context(), "no token for a code", "error", err.Error())
		return c.signInAgain(x, "The sign-in has run out. Begin again.")
	}
	wrong, err := c.begin(x, token)
	if err != nil {
		return err
	}
	if wrong != "" {
		return c.signInAgain(x, wrong)
	}
	return x.redirect(nextPage(f.Next))
}

func (c Console) signInAgain(x *exchange, wrong string) error {
	x.status = http.StatusForbidden
	return x.render("sign-in", "Sign in", signInView{Hosted: c.SignIn.offered(), Next: "orders", Wrong: wrong})
}

// maxTokenAnswer is far above what a token endpoint answers.
const maxTokenAnswer = 64 << 10

// exchange gets the access token for a code. No other token is kept: when it has expired, people
// sign in again, which the issuer's own session makes a click.
func (s SignIn) exchange(ctx context.Context, client *http.Client, code, verifier, back string) (string, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "client_id": {s.Client}, "code": {code}, "code_verifier": {verifier},
		"redirect_uri": {back},
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+"/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		AccessToken string `json:"access_token"`
		Error       string `json:"error"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxTokenAnswer)).Decode(&answer); err != nil {
		return "", fmt.Errorf("the token endpoint answered %s: %w", res.Status, err)
	}
	if res.StatusCode != http.StatusOK || answer.AccessToken == "" {
		return "", fmt.Errorf("the token endpoint answered %s %s", res.Status, answer.Error)
	}
	return answer.AccessToken, nil
}

// signOut ends the session here, and the issuer's own, without which the next sign-in would ask for
// nothing.
func (c Console) signOut(x *exchange) error {
	x.forget(sessionCookie)
	if c.SignIn.offered() {
		return x.redirect(c.SignIn.URL + "/logout?" + url.Values{
			"client_id": {c.SignIn.Client}, "logout_uri": {addressOf(x.Context()) + "/sign-in"},
		}.Encode())
	}
	return x.redirect("sign-in")
}

// expiresIn says how long the session lasts, for the page to say so.
func (s session) expiresIn(now time.Time) time.Duration {
	return s.expires.Sub(now).Truncate(time.Minute)
}
