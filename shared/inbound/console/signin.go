package console

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"golang.org/x/oauth2"
)

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
	page := x.shownAt()
	to := rootOf(page) + "sign-in"
	if x.Method == http.MethodGet {
		next := strings.TrimPrefix(page, "/")
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

// shownAt is the path of the page that the browser shows, to which it takes an address as relative:
// what a script asks for as a part of an order's page is below the page.
func (x *exchange) shownAt() string {
	if page := path.Dir(x.URL.Path); x.partial() && rootOf(page) != "" {
		return page
	}
	return x.URL.Path
}

// ownPage has no % in the path: browsers take %2e for a dot, and so %2e%2e for the folder above.
var ownPage = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[a-z][A-Za-z0-9_.~-]*(/[A-Za-z0-9_.~-]+)*(\?[A-Za-z0-9_.~%&=+-]*)?$`)
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

// authorize leads to the issuer's page.
func (c Console) authorize(x *exchange) error {
	if !c.SignIn.offered() {
		return notFound(x)
	}
	f := flow{State: rand.Text(), Verifier: oauth2.GenerateVerifier(), Next: nextPage(x.URL.Query().Get("next"))}
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	to, err := c.issuer.authorize(x.Context(), f, callback(x.Context()))
	if err != nil {
		return x.withoutIssuer(err)
	}
	x.keep(flowCookie, base64.RawURLEncoding.EncodeToString(text), flowSeconds)
	return x.redirect(to)
}

// withoutIssuer says that people can't sign in at the issuer now.
func (x *exchange) withoutIssuer(err error) error {
	x.console.Log.ErrorContext(x.Context(), "no answer of the issuer", "error", err.Error())
	return refusal{
		http.StatusBadGateway, "The page to sign in at did not answer.",
		"Try again in a moment, or sign in with a token that you have.",
	}
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
	token, err := c.issuer.token(x.Context(), asked.Get("code"), f, callback(x.Context()))
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

// signedOutView is the page between the console's end of a session and the issuer's own.
type signedOutView struct{ Issuer string } // where it ends; "" where nobody knows

// signOut ends the session here, and then the issuer's own, without which the next sign-in would
// ask for nothing. A page is between the two: a form may only lead to the console itself.
func (c Console) signOut(x *exchange) error {
	x.forget(sessionCookie)
	to, err := c.issuer.signOut(x.Context(), addressOf(x.Context())+"/sign-in")
	if err != nil {
		c.Log.WarnContext(x.Context(), "no answer of the issuer", "error", err.Error())
	}
	if to == "" && !c.SignIn.offered() {
		return x.redirect("sign-in")
	}
	if to != "" {
		x.header.Set("Refresh", "0; url="+to)
	}
	x.session = session{}
	return x.render("signed-out", "Signed out", signedOutView{Issuer: to})
}

// expiresIn says how long the session lasts, for the page to say so.
func (s session) expiresIn(now time.Time) time.Duration {
	return s.expires.Sub(now).Truncate(time.Minute)
}
