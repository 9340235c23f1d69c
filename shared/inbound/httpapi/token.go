package httpapi

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"

	"orderflow/shared/kit/decimal"
	"orderflow/shared/kit/ident"
)

// claims are what a verified token says: texts, numbers, lists ([]any) and objects.
type claims map[string]any

// The claims that name the client that an access token is for: RFC 9068 and Cognito, OpenID Connect
// (Auth0, Keycloak, Entra ID v2), Entra ID v1, Okta.
var clientClaims = [...]string{"client_id", "azp", "appid", "cid"}

// The claims of scopes: RFC 9068, and Okta's and Entra ID's.
var scopeClaims = [...]string{"scope", "scp"}

// readClaims reads the token that the JWT authorizer has verified.
//
// The authorizer hands its claims over as texts, in which ["a b"] and ["a","b"] are both "[a b]",
// and an object is "map[…]": whoever may name a group could name another one within. So the claims
// are read from the token itself, which is in the header that the authorizer took it from. Its
// signature has been verified; here is checked that it is the same token.
//
// An event without that header is no HTTP API's. It is a sample or another gateway's, and its lists
// are read from the texts.
func readClaims(r *http.Request) (claims, error) {
	rc, ok := core.GetAPIGatewayV2ContextFromContext(r.Context())
	if !ok || rc.Authorizer == nil || rc.Authorizer.JWT == nil || len(rc.Authorizer.JWT.Claims) == 0 {
		return nil, ErrUnauthenticated.New("expected a bearer token in the header Authorization")
	}
	verified, given := rc.Authorizer.JWT, r.Header.Values("Authorization")
	c := unflatten(verified)
	if len(given) > 0 {
		if c, ok = decodeToken(given); !ok || !c.agreeWith(verified.Claims) {
			return nil, ErrUnauthenticated.New("expected one bearer token in the header Authorization")
		}
	}
	return c, c.checkKind()
}

// unflatten reads what the authorizer makes of a token's claims.
func unflatten(jwt *events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription) claims {
	c := claims{}
	for name, text := range jwt.Claims {
		c[name] = text
		if inner, open := strings.CutPrefix(text, "["); open && strings.HasSuffix(inner, "]") {
			c[name] = list(strings.Fields(strings.TrimSuffix(inner, "]")))
		}
	}
	if len(jwt.Scopes) > 0 { // the authorizer's own list, of a route that names scopes
		c["scp"] = append(list(jwt.Scopes), list(c.words("scp"))...)
	}
	return c
}

func list(texts []string) []any {
	out := make([]any, len(texts))
	for i, text := range texts {
		out[i] = text
	}
	return out
}

// decodeToken decodes the one token in a header's values, with "Bearer" before it or without.
func decodeToken(values []string) (claims, bool) {
	token := values[0]
	if scheme, rest, found := strings.Cut(token, " "); found && strings.EqualFold(scheme, "Bearer") {
		token = rest
	}
	parts := strings.Split(token, ".")
	if len(values) != 1 || len(parts) != 3 {
		return nil, false
	}
	text, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return nil, false
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var c claims
	return c, decoder.Decode(&c) == nil && c != nil
}

// agreeWith reports whether the token is the one that was verified, by what names it. Texts are
// handed over as they are.
func (c claims) agreeWith(verified map[string]string) bool {
	for _, name := range []string{"iss", "sub", "jti"} {
		text, given := plain(c[name])
		if other, also := verified[name]; given != also || text != other {
			return false
		}
	}
	return true
}

// checkKind refuses what is no access token. An ID token tells an application who signed in; its
// audience is that application, which may be one that the API takes access tokens for. Nothing in a
// token says in general which of the two it is (RFC 9068 has a header that few issuers send), so
// each of what the issuers say is looked at:
//
//   - token_use (Cognito), and typ within the claims (Keycloak)
//   - the hashes that stand in ID tokens alone (OpenID Connect Core, 3.1.3.6 and 3.3.2.11)
//   - an access token names the client that it is for, or scopes; the ID tokens of Okta, Entra ID and
//     Auth0 do neither
func (c claims) checkKind() error {
	use, says := c["token_use"]
	typ, typed := c["typ"].(string)
	_, hash := c["at_hash"]
	_, code := c["c_hash"]
	named := func(name string) bool { return c[name] != nil }
	scoped := slices.ContainsFunc(scopeClaims[:], named)
	// OpenID Connect's name for the client stands in ID tokens too, whose audience the client is.
	onlyParty := !scoped && c["client_id"] == nil && c["appid"] == nil && c["cid"] == nil && c["idtyp"] == nil &&
		c["sub"] != c["oid"] && slices.Equal(texts(c["aud"]), []string{c.text("azp")})
	switch {
	case onlyParty:
		return ErrUnauthenticated.New("expected an access token, got one for the client itself, as ID tokens are")
	case says && use != "access", typed && !strings.EqualFold(typ, "Bearer"), hash, code,
		!slices.ContainsFunc(clientClaims[:], named) && !scoped:
		return ErrUnauthenticated.New("expected an access token, got a token of another kind, such as an ID token")
	}
	return nil
}

// at finds a claim by its name. In a name that is none's, a dot leads into an object, as in
// realm_access.roles. Those of a URL never do.
func (c claims) at(name string) any {
	if v, ok := c[name]; ok || strings.Contains(name, "://") {
		return v
	}
	for i := range len(name) {
		if inner, ok := c[name[:i]].(map[string]any); ok && name[i] == '.' {
			if v := claims(inner).at(name[i+1:]); v != nil {
				return v
			}
		}
	}
	return nil
}

// words are the texts of a list, or the words of a text (RFC 6749, 3.3: one space between them).
func (c claims) words(name string) []string {
	if text, ok := c[name].(string); ok {
		return strings.Split(text, " ")
	}
	return texts(c[name])
}

// texts are those of a list, as they are, or the one text.
func texts(v any) (found []string) {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		for _, e := range v {
			if text, ok := e.(string); ok {
				found = append(found, text)
			}
		}
	}
	return found
}

// text is a claim that is a text or a whole number, "" for any other.
func (c claims) text(name string) string {
	text, _ := plain(c[name])
	return text
}

// plain is a text, or a whole number as the authorizer writes it: there are issuers whose ids are
// numbers.
func plain(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), decimal.IsWhole(v.String())
	}
	return "", false
}

// client is the id of the client that the token is for.
func (c claims) client() string {
	for _, name := range clientClaims {
		if id := c.text(name); id != "" {
			return id
		}
	}
	return ""
}

// isMachine reports whether a program got the token for itself, by client credentials. Each issuer
// says it in its own way: the subject is the client (Cognito, Okta; Auth0 with @clients), the grant
// is named (Auth0), the token is an app's (Entra ID, by idtyp, or because nobody delegated a
// scope), or the subject is the client's service account (Keycloak, which names the client once
// more then).
// None of it is a user's to set.
func (c claims) isMachine() bool {
	sub, client := c.text("sub"), c.client()
	return client != "" && (sub == client || sub == client+"@clients" ||
		c.text("client_id") == client && c.text("azp") == client &&
			c.text("preferred_username") == "service-account-"+strings.ToLower(client)) ||
		c.text("gty") == "client-credentials" || c.text("idtyp") == "app" ||
		sub != "" && sub == c.text("oid") && c["scp"] == nil
}

// principal says which person or machine the bearer is, by the issuer's id. An id that may be a
// name or an e-mail address, as Okta's subjects are, is passed over for one that is not, or becomes
// the pseudonym: events keep it for ever.
func (c claims) principal(pseudonym string) string {
	if c.isMachine() {
		if id := c.client(); visible(id) {
			return "machine/" + id
		}
		return "machine/" + pseudonym
	}
	ids := []string{"sub", "uid", "oid"}
	if c["cid"] != nil { // Okta, whose subjects are what users sign in with
		ids = []string{"uid"}
	}
	for _, name := range ids {
		if id := c.text(name); ident.IsName(id, maxPrincipal, "_-|") {
			return "person/" + id
		}
	}
	return "person/" + pseudonym
}

const maxPrincipal = 128

// visible reports whether a client's id is short and ASCII without spaces.
func visible(id string) bool {
	hidden := func(r rune) bool { return r <= ' ' || r > '~' }
	return id != "" && len(id) <= maxPrincipal && !strings.ContainsFunc(id, hidden)
}

// grants reports whether the token has a scope.
func (c claims) grants(scope string) bool {
	return scope != "" && slices.ContainsFunc(scopeClaims[:], func(name string) bool {
		return slices.Contains(c.words(name), scope)
	})
}

// puts reports whether a claim puts the bearer into a group. A group's name may have spaces, so
// that a text is one name.
func (c claims) puts(claim, group string) bool {
	return group != "" && slices.Contains(texts(c.at(claim)), group)
}
