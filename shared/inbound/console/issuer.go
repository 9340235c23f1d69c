package console

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"orderflow/shared/kit/clock"
)

// SignIn is the issuer's page by which people sign in. Without Hosted and Issuer there is none:
// then only tokens that one has already are taken.
type SignIn struct {
	Hosted   string // the hosted login of a Cognito user pool, without a slash at the end; or
	Issuer   string // an OpenID Connect issuer, as its tokens write it: its document names them
	Client   string // a public one: it has no secret
	Scopes   string // to ask for, with spaces between them
	Audience string // the API, for issuers that have to be told whom a token is for; "" is left out
}

func (s SignIn) offered() bool { return s.Hosted != "" || s.Issuer != "" }

// issuerDocument is how long what an issuer says of itself is good for, where it isn't asked again.
const issuerDocument = time.Hour

// documentPatience is how long a page waits for it, so that time is left to go on without.
const documentPatience = 3 * time.Second

// issuer knows the addresses of a SignIn.
type issuer struct {
	SignIn
	client *http.Client
	clock  clock.Clock

	mu    sync.Mutex
	known endpoints
	until time.Time
}

// endpoints are an issuer's addresses.
type endpoints struct {
	oauth2.Endpoint
	end string // of its session; "" where it doesn't say
}

// endpoints finds the issuer's addresses: those of Cognito have a fixed form, and others are in the
// issuer's document (OpenID Connect Discovery 1.0, 4), which is asked for once an hour. When it
// can't be had then, the addresses of before go on to be used.
func (i *issuer) endpoints(ctx context.Context) (endpoints, error) {
	if i.Hosted != "" {
		return endpoints{oauth2.Endpoint{
			AuthURL: i.Hosted + "/oauth2/authorize", TokenURL: i.Hosted + "/oauth2/token",
		}, i.Hosted + "/logout"}, nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	now := i.clock.Now()
	if now.Before(i.until) {
		return i.known, nil
	}
	found, err := i.discover(ctx)
	switch {
	case err == nil:
		i.known, i.until = found, now.Add(issuerDocument)
	case i.until.IsZero():
		return endpoints{}, err
	}
	return i.known, nil
}

func (i *issuer) discover(ctx context.Context) (endpoints, error) {
	ctx, cancel := context.WithTimeout(ctx, documentPatience)
	defer cancel()
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), i.Issuer)
	if err != nil {
		return endpoints{}, fmt.Errorf("the issuer's document: %w", err)
	}
	var more struct {
		End string `json:"end_session_endpoint"`
	}
	if err := provider.Claims(&more); err != nil {
		return endpoints{}, fmt.Errorf("the issuer's document: %w", err)
	}
	found := endpoints{provider.Endpoint(), more.End}
	for name, address := range map[string]string{
		"authorization_endpoint": found.AuthURL, "token_endpoint": found.TokenURL, "end_session_endpoint": found.end,
	} {
		if !private(address) && (address != "" || name != "end_session_endpoint") {
			return endpoints{}, fmt.Errorf(
				"the issuer's document: %s: expected an https address, got %q", name, address,
			)
		}
	}
	return found, nil
}

// private reports whether nobody on the way reads what is sent to an address.
func private(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && net.ParseIP(u.Hostname()).IsLoopback()
}

// config is the client at the issuer, and where it sends people back to.
func (i *issuer) config(at endpoints, back string) *oauth2.Config {
	at.AuthStyle = oauth2.AuthStyleInParams // a public client: its id, and nothing that proves it
	return &oauth2.Config{
		ClientID: i.Client, Endpoint: at.Endpoint, RedirectURL: back, Scopes: strings.Fields(i.Scopes),
	}
}

// authorize is the address of the issuer's page for one sign-in (RFC 6749, 4.1, with PKCE).
func (i *issuer) authorize(ctx context.Context, f flow, back string) (string, error) {
	at, err := i.endpoints(ctx)
	if err != nil {
		return "", err
	}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(f.Verifier)}
	if i.Audience != "" {
		options = append(options, oauth2.SetAuthURLParam("audience", i.Audience))
	}
	return i.config(at, back).AuthCodeURL(f.State, options...), nil
}

// token gets the access token for a code. No other token is kept: when it has expired, people sign
// in again, which the issuer's own session makes a click.
func (i *issuer) token(ctx context.Context, code string, f flow, back string) (string, error) {
	at, err := i.endpoints(ctx)
	if err != nil {
		return "", err
	}
	ctx = context.WithValue(ctx, oauth2.HTTPClient, i.client)
	token, err := i.config(at, back).Exchange(ctx, code, oauth2.VerifierOption(f.Verifier))
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) { // its text has the whole answer
		return "", fmt.Errorf("the token endpoint answered %s %s", refused.Response.Status, refused.ErrorCode)
	}
	if err != nil {
		return "", fmt.Errorf("the token endpoint: %w", err)
	}
	return token.AccessToken, nil
}

// signOut is the address where the issuer ends its own session, and leads back from; "" where there
// is none.
func (i *issuer) signOut(ctx context.Context, back string) (string, error) {
	if !i.offered() {
		return "", nil
	}
	at, err := i.endpoints(ctx)
	if err != nil || at.end == "" {
		return "", err
	}
	asked := url.Values{"client_id": {i.Client}, "post_logout_redirect_uri": {back}}
	if i.Hosted != "" {
		asked = url.Values{"client_id": {i.Client}, "logout_uri": {back}}
	}
	if strings.Contains(at.end, "?") { // as Azure AD B2C's, which has its policy there
		return at.end + "&" + asked.Encode(), nil
	}
	return at.end + "?" + asked.Encode(), nil
}
