package httpapi

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"pgregory.net/rapid"

	"orderflow/shared/kit/faults"
)

type object = map[string]any

// provider is an identity provider, how a stack is set up for it, and what its tokens look like.
type provider struct {
	name   string
	source string // that documents the claims
	auth   Auth
	tokens []shape
}

// shape is a token that a provider makes, and who its bearer is.
type shape struct {
	name   string
	claims object
	want   string // "operator", "operator who prices", "carrier", "pricing", a customer's id, or the code of a refusal
	nested bool   // not to be read from what the authorizer hands over
}

// with adds claims to those that each token of a provider has.
func with(base, more object) object {
	all := object{}
	for _, of := range []object{base, more} {
		for name, v := range of {
			all[name] = v
		}
	}
	return all
}

const none, otherKind = "auth.no-customer", "auth.required"

func cognito() provider {
	base := object{
		"iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example", "token_use": "access",
		"client_id": "1example23456789", "version": 2, "exp": 1_772_370_000, "iat": 1_772_366_400,
		"jti": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
	}
	user := with(base, object{"sub": "aaaaaaaa-bbbb-4ccc-8ddd-000000000001", "username": "ada"})
	machine := with(base, object{"sub": "1example23456789"})
	id := with(user, object{
		"token_use": "id", "aud": "1example23456789", "cognito:username": "ada", "email": "ada@example.com",
		"cognito:groups": []any{"operators"}, "at_hash": "x",
	})
	return provider{
		name: "Cognito",
		source: "https://docs.aws.amazon.com/cognito/latest/developerguide/" +
			"amazon-cognito-user-pools-using-the-access-token.html",
		auth: Auth{
			CustomerClaim: "username", OperatorScope: "orderflow/operator", CarrierScope: "orderflow/carrier",
			PricingScope: "orderflow/pricing", GroupsClaim: "cognito:groups", OperatorGroup: "operators",
		},
		tokens: []shape{
			{"a customer", with(user, object{"scope": "aws.cognito.signin.user.admin"}), "ada", false},
			{"a customer of other groups", with(user, object{
				"scope": "openid", "cognito:groups": []any{"readers", "operators2", "Operators"},
			}), "ada", false},
			{"an operator", with(user, object{
				"scope": "openid", "cognito:groups": []any{"readers", "operators"},
			}), "operator", false},
			{"a machine", with(machine, object{"scope": "orderflow/operator"}), "operator", false},
			{"a machine that prices", with(machine, object{
				"scope": "orderflow/pricing orderflow/operator",
			}), "operator who prices", false},
			{"a carrier", with(machine, object{"scope": "orderflow/carrier"}), "carrier", false},
			{"a machine without a scope of the shop's", with(machine, object{"scope": "else/operator"}), none, false},
			{"an ID token", id, otherKind, false},
			{"an ID token with an attribute that the user has set", with(id, object{
				"scope": "orderflow/operator", "custom:scope": "orderflow/operator",
			}), otherKind, false},
			{"an attribute that the user has set", with(user, object{
				"scope": "openid", "custom:groups": []any{"operators"}, "custom:scope": "orderflow/operator",
			}), "ada", false},
		},
	}
}

func okta() provider {
	base := object{
		"ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE", "aud": "api://orderflow",
		"iss": "https://example.okta.com/oauth2/default", "cid": "0oabskvc6442nkvQO0h7", "exp": 1_772_370_000,
	}
	user := with(base, object{"sub": "ada@example.com", "uid": "00uid4BxXw6I6TV4m0g3"})
	return provider{
		name:   "Okta",
		source: "https://developer.okta.com/docs/api/openapi/okta-oauth/guides/overview/",
		auth: Auth{
			CustomerClaim: "uid", OperatorScope: "orderflow.operator", CarrierScope: "orderflow.carrier",
			PricingScope: "orderflow.pricing", GroupsClaim: "groups", OperatorGroup: "Shop Operators",
		},
		tokens: []shape{
			{"a customer", with(user, object{"scp": []any{"openid", "profile"}}), "00uid4BxXw6I6TV4m0g3", false},
			{"an operator by group", with(user, object{
				"scp": []any{"openid"}, "groups": []any{"Everyone", "Shop Operators"},
			}), "operator", true}, // the group's name has a space
			{"a group named to look like two", with(user, object{
				"scp": []any{"openid"}, "groups": []any{"Everyone Shop Operators"},
			}), "00uid4BxXw6I6TV4m0g3", false},
			{"a machine", with(base, object{
				"sub": "0oabskvc6442nkvQO0h7", "scp": []any{"orderflow.operator"},
			}), "operator", false},
			{"a carrier", with(base, object{
				"sub": "0oabskvc6442nkvQO0h7", "scp": []any{"x", "orderflow.carrier"},
			}), "carrier", false},
			{"a machine without a scope of the shop's", with(base, object{
				"sub": "0oabskvc6442nkvQO0h7", "scp": []any{"orderflow"},
			}), none, false},
			{"an ID token", object{
				"ver": 1, "iss": base["iss"], "aud": "0oabskvc6442nkvQO0h7", "sub": "00uid4BxXw6I6TV4m0g3",
				"uid": "00uid4BxXw6I6TV4m0g3", "amr": []any{"pwd"}, "groups": []any{"Shop Operators"}, "nonce": "n",
			}, otherKind, false},
		},
	}
}

func entra() provider {
	v2 := object{
		"aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3", "ver": "2.0", "tid": "72f988bf-86f1-41af-91ab-2d7cd011db47",
		"iss": "https://login.microsoftonline.com/72f988bf-86f1-41af-91ab-2d7cd011db47/v2.0",
		"azp": "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "azpacr": "0", "uti": "x",
	}
	user := with(v2, object{
		"oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
		"name": "Ada Lovelace", "preferred_username": "ada@example.com",
	})
	app := with(v2, object{
		"oid": "e14fb8d0-5c5c-4b6f-9f4c-0f1a0a1d2c3b", "sub": "e14fb8d0-5c5c-4b6f-9f4c-0f1a0a1d2c3b", "azpacr": "1",
	})
	return provider{
		name:   "Entra ID",
		source: "https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference",
		auth: Auth{
			CustomerClaim: "oid", OperatorScope: "Operate", CarrierScope: "Carry", PricingScope: "Price",
			GroupsClaim: "roles", OperatorGroup: "Shop.Operator", CarrierGroup: "Shop.Carrier", PricingGroup: "Shop.Price",
		},
		tokens: []shape{
			{"a customer", with(user, object{"scp": "Orders.Place openid"}), "690222be-ff1a-4d56-abd1-7e4f7d38e474", false},
			{"an operator by scope", with(user, object{"scp": "Orders.Place Operate"}), "operator", false},
			{"an operator by role", with(user, object{
				"scp": "Orders.Place", "roles": []any{"Shop.Operator"},
			}), "operator", false},
			{"an operator by role, v1", with(user, object{
				"ver": "1.0", "azp": nil, "appid": "04b07795-8ddb-461a-bbee-02f9e1bf7b46", "scp": "Orders.Place",
				"roles": []any{"Shop.Price", "Shop.Operator"},
			}), "operator who prices", false},
			{"a carrier, an app with a role", with(app, object{"roles": []any{"Shop.Carrier"}}), "carrier", false},
			{"a quote system", with(app, object{"roles": []any{"Shop.Price"}}), "pricing", false},
			{"groups that the claim doesn't name", with(user, object{
				"scp": "Orders.Place", "groups": []any{"Shop.Operator"}, "wids": []any{"Shop.Operator"},
			}), "690222be-ff1a-4d56-abd1-7e4f7d38e474", false},
			{"an ID token", object{
				"aud": "6e74172b-be56-4843-9ff4-e66a39bb12e3", "iss": v2["iss"], "ver": "2.0", "sub": user["sub"],
				"oid": user["oid"], "nonce": "n", "roles": []any{"Shop.Operator"},
			}, otherKind, false},
		},
	}
}

func auth0() provider {
	base := object{
		"iss": "https://example.eu.auth0.com/", "aud": []any{"https://api.example.com", "https://example.eu.auth0.com/userinfo"},
		"iat": 1_772_366_400, "exp": 1_772_370_000, "azp": "my_client_id",
	}
	user := with(base, object{"sub": "auth0|5fe435b5cbbc85006b071eba"})
	return provider{
		name:   "Auth0",
		source: "https://auth0.com/docs/secure/tokens/access-tokens/access-token-profiles",
		auth: Auth{
			CustomerClaim: "sub", OperatorScope: "operate:shop", CarrierScope: "carry:parcels", PricingScope: "name:prices",
			GroupsClaim: "https://shop.example.com/roles", OperatorGroup: "operator",
		},
		tokens: []shape{
			{"a customer", with(user, object{"scope": "openid profile"}), "auth0_-_5fe435b5cbbc85006b071eba", false},
			{"a customer of a social connection", with(base, object{
				"sub": "google-oauth2|103547991597142817347", "scope": "openid",
			}), "google-oauth2_-_103547991597142817347", false},
			{"an operator by role", with(user, object{
				"scope": "openid", "https://shop.example.com/roles": []any{"operator"},
			}), "operator", false},
			{"an operator by scope", with(user, object{"scope": "openid operate:shop"}), "operator", false},
			{"the profile of RFC 9068", with(user, object{
				"azp": nil, "client_id": "my_client_id", "scope": "operate:shop", "jti": "x",
			}), "operator", false},
			{"a machine", with(base, object{
				"sub": "my_client_id@clients", "gty": "client-credentials", "scope": "carry:parcels",
			}), "carrier", false},
			{"a machine without a scope of the shop's", with(base, object{
				"sub": "my_client_id@clients", "gty": "client-credentials",
			}), none, false},
			{"roles of another name", with(user, object{
				"scope": "openid", "roles": []any{"operator"}, "https://shop": object{"example": object{"com/roles": "operator"}},
			}), "auth0_-_5fe435b5cbbc85006b071eba", false},
			{"an ID token", object{
				"iss": base["iss"], "aud": "my_client_id", "sub": user["sub"], "nickname": "operate:shop", "sid": "x",
				"https://shop.example.com/roles": []any{"operator"},
			}, otherKind, false},
		},
	}
}

func keycloak() provider {
	base := object{
		"iss": "https://sso.example.com/realms/shop", "aud": []any{"orderflow", "account"}, "typ": "Bearer",
		"azp": "web-shop", "jti": "onrtac:1cbc1b6b", "exp": 1_772_370_000, "sid": "x", "acr": "1",
		"allowed-origins": []any{"https://shop.example.com"}, "email_verified": false,
	}
	user := with(base, object{"sub": "18957315-668b-4bfb-8d57-e67265553029", "preferred_username": "ada"})
	roles := func(of ...any) object { return object{"roles": of} }
	return provider{
		name:   "Keycloak",
		source: "https://www.keycloak.org/docs/latest/server_admin/#_protocol-mappers",
		auth: Auth{
			CustomerClaim: "sub", OperatorScope: "orderflow-operator", CarrierScope: "orderflow-carrier",
			PricingScope: "orderflow-pricing", GroupsClaim: "realm_access.roles", OperatorGroup: "operator",
		},
		tokens: []shape{
			{"a customer", with(user, object{
				"scope": "openid email", "realm_access": roles("offline_access", "uma_authorization"),
				"resource_access": object{"account": roles("operator")},
			}), "18957315-668b-4bfb-8d57-e67265553029", false},
			{"an operator", with(user, object{
				"scope": "openid", "realm_access": roles("offline_access", "operator"),
			}), "operator", true},
			{"a role named to look like two", with(user, object{
				"scope": "openid", "realm_access": roles("a operator", "a] roles:[operator"),
			}), "18957315-668b-4bfb-8d57-e67265553029", false},
			{"a service account", with(base, object{
				"sub": "c0e4b8d2-0000-4000-8000-000000000001", "preferred_username": "service-account-web-shop",
				"client_id": "web-shop", "scope": "profile orderflow-carrier",
			}), "carrier", false},
			{"a lightweight token", with(base, object{"sub": user["sub"], "scope": "orderflow-operator"}), "operator", false},
			{"an ID token", with(user, object{
				"typ": "ID", "aud": "web-shop", "realm_access": roles("operator"), "at_hash": "x",
			}), otherKind, false},
			{"an ID token without a hash", with(user, object{
				"typ": "ID", "aud": "web-shop", "scope": "orderflow-operator",
			}), otherKind, false},
			{"a refresh token", with(user, object{"typ": "Refresh", "scope": "orderflow-operator"}), otherKind, false},
		},
	}
}

// TestProviders: each provider's tokens are read as what they are, from the token and from what the
// authorizer makes of it.
func TestProviders(t *testing.T) {
	for _, p := range []provider{cognito(), okta(), entra(), auth0(), keycloak()} {
		if !strings.HasPrefix(p.source, "https://") {
			t.Errorf("%s: nobody documents its claims", p.name)
		}
		for _, s := range p.tokens {
			t.Run(p.name+"/"+s.name, func(t *testing.T) {
				if got := who(p.auth, authorized(s.claims, "Bearer "+encode(t, s.claims))); got != s.want {
					t.Errorf("by the token: %s, want %s", got, s.want)
				}
				// A text of the authorizer's makes nobody an operator who isn't. It may hide one.
				got := who(p.auth, authorized(s.claims))
				if got != s.want && (!s.nested || strings.HasPrefix(got, "op")) {
					t.Errorf("by the authorizer: %s, want %s", got, s.want)
				}
			})
		}
	}
}

// TestClaimForms: a scope comes in one of two claims, in one of three forms, and is compared whole.
func TestClaimForms(t *testing.T) {
	auth := Auth{
		CustomerClaim: "username", OperatorScope: "shop/operator", CarrierScope: "c", PricingScope: "p",
		GroupsClaim: "groups", OperatorGroup: "operators",
	}
	for _, c := range []struct {
		name   string
		claims object
		want   string
	}{
		{"a text", object{"scope": "openid shop/operator"}, "operator"},
		{"a text in scp", object{"scp": "openid shop/operator"}, "operator"},
		{"a list", object{"scope": []any{"openid", "shop/operator"}}, "operator"},
		{"a list in scp", object{"scp": []any{"shop/operator"}}, "operator"},
		{"both claims", object{"scope": "openid", "scp": []any{"shop/operator"}}, "operator"},
		{"longer", object{"scope": "shop/operators shop/operator/all xshop/operator"}, "ada"},
		{"shorter", object{"scope": "shop/ shop operator"}, "ada"},
		{"another case", object{"scope": "Shop/Operator"}, "ada"},
		{"a scope with brackets", object{"scope": "[shop/operator]"}, "ada"},
		{"scopes with brackets", object{"scope": "[x shop/operator y]"}, "operator"}, // three, the second is it
		{"the first with a bracket", object{"scope": "[shop/operator x]"}, "ada"},
		{"joined by commas", object{"scope": "openid,shop/operator"}, "ada"},
		{"other white space", object{"scope": "openid\tshop/operator\n"}, "ada"},
		{"one of a list with a space", object{"scp": []any{"openid shop/operator"}}, "ada"},
		{"a list in a list", object{"scp": []any{[]any{"shop/operator"}}}, "ada"},
		{"an object", object{"scope": object{"shop/operator": true}}, "ada"},
		{"another claim", object{"scope": "openid", "scopes": "shop/operator", "permissions": []any{"shop/operator"}}, "ada"},
		{"a group", object{"client_id": "c", "groups": []any{"operators"}}, "operator"},
		{"a group as a text", object{"client_id": "c", "groups": "operators"}, "operator"},
		{"one group that looks like two", object{"client_id": "c", "groups": []any{"readers operators"}}, "ada"},
		{"a text of two groups", object{"client_id": "c", "groups": "readers operators"}, "ada"},
		{"a group with brackets", object{"client_id": "c", "groups": "[operators]"}, "ada"},
		{"a group of another case", object{"client_id": "c", "groups": []any{"Operators", "operators "}}, "ada"},
		{"a scope that is a group's name", object{"scope": "operators", "groups": []any{"shop/operator"}}, "ada"},
		{"a group of no text", object{"client_id": "c", "groups": []any{true, 7, nil}}, "ada"},
	} {
		t.Run(c.name, func(t *testing.T) {
			claims := with(object{"iss": "i", "sub": "s", "username": "ada"}, c.claims)
			if got := who(auth, authorized(claims, "Bearer "+encode(t, claims))); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	nobody := authorized(object{"sub": "s", "scope": "", "groups": ""})
	if got := who(Auth{CustomerClaim: "sub", GroupsClaim: "groups"}, nobody); got != "s" {
		t.Errorf("where no scope and no group is named, %s is one", got)
	}
}

// TestNumbers: there are issuers whose ids are numbers. API Gateway hands them over as texts.
func TestNumbers(t *testing.T) {
	auth := Auth{CustomerClaim: "customer_id", OperatorScope: "op"}
	for want, c := range map[string]object{
		"12345":    {"iss": "i", "sub": 7, "azp": "web", "scope": "openid", "customer_id": 12345},
		"operator": {"iss": "i", "sub": 7, "azp": "web", "scope": "op"},
		none:       {"iss": "i", "sub": "s", "azp": "web", "customer_id": 1.5},
	} {
		if got := who(auth, authorized(c, "Bearer "+encode(t, c))); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	one, err := auth.identify(authorized(object{"iss": "i", "sub": 7, "scope": "op"}))
	if err != nil {
		t.Fatal(err)
	}
	c := object{"iss": "i", "sub": 7, "scope": "op"}
	if other, err := auth.identify(authorized(c, "Bearer "+encode(t, c))); err != nil || other.actor() != one.actor() {
		t.Errorf("%v, %s and %s: the ids of earlier requests derive from it", err, other.actor(), one.actor())
	}
}

// TestPartyOfItself: azp alone names a client in ID tokens too, whose audience is that client.
func TestPartyOfItself(t *testing.T) {
	auth := Auth{CustomerClaim: "customer", GroupsClaim: "groups", OperatorGroup: "operators"}
	id := object{"iss": "i", "sub": "s", "aud": "web", "azp": "web", "nonce": "n", "groups": []any{"operators"}}
	for want, more := range map[string]object{
		otherKind:  {},
		"operator": {"aud": "api"},
	} {
		c := with(id, more)
		if got := who(auth, authorized(c, "Bearer "+encode(t, c))); got != want {
			t.Errorf("%v: %s, want %s", c, got, want)
		}
	}
	c := with(id, object{"scope": "openid"})
	if got := who(auth, authorized(c, "Bearer "+encode(t, c))); got != "operator" {
		t.Errorf("an access token with scopes: %s", got)
	}
}

// TestWhichToken: the claims are of the one token that was verified, or nobody's.
func TestWhichToken(t *testing.T) {
	auth := Auth{CustomerClaim: "username", OperatorScope: "shop/operator", GroupsClaim: "groups"}
	verified := object{"iss": "i", "sub": "s", "jti": "j", "username": "ada", "scope": "openid"}
	token := encode(t, verified)
	for _, c := range []struct {
		name   string
		header []string
		want   string
	}{
		{"with Bearer", []string{"Bearer " + token}, "ada"},
		{"in another case", []string{"bEARER " + token}, "ada"},
		{"alone", []string{token}, "ada"},
		{"another's", []string{"Bearer " + encode(t, with(verified, object{"sub": "t", "scope": "shop/operator"}))}, otherKind},
		{"another issuer's", []string{"Bearer " + encode(t, with(verified, object{"iss": "j", "scope": "shop/operator"}))}, otherKind},
		{"another of the same", []string{"Bearer " + encode(t, with(verified, object{"jti": "k", "scope": "shop/operator"}))}, otherKind},
		{"one that lacks what names it", []string{"Bearer " + encode(t, object{"scope": "shop/operator"})}, otherKind},
		{"two", []string{"Bearer " + token, "Bearer " + token}, otherKind},
		{"empty", []string{""}, otherKind},
		{"of two parts", []string{token[:strings.LastIndex(token, ".")]}, otherKind},
		{"no base64", []string{"a.?.c"}, otherKind},
		{"no JSON", []string{"a." + base64.RawURLEncoding.EncodeToString([]byte("{")) + ".c"}, otherKind},
		{"no object", []string{"a." + base64.RawURLEncoding.EncodeToString([]byte("null")) + ".c"}, otherKind},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := who(auth, authorized(verified, c.header...)); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
	unverified, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://api.example.com/", nil)
	if err != nil {
		t.Fatal(err)
	}
	unverified.Header.Set("Authorization", "Bearer "+encode(t, with(verified, object{"scope": "shop/operator"})))
	if got := who(auth, unverified); got != otherKind {
		t.Errorf("a token that nobody verified makes its bearer %s", got)
	}
}

// TestCustomerIDs: an id is the claim's, and two claims never make one id.
func TestCustomerIDs(t *testing.T) {
	for says, want := range map[string]string{
		"ada": "ada", "00uid4BxXw6I6TV4m0g3": "00uid4BxXw6I6TV4m0g3", "a-_": "a-_", "a__b--c": "a__b--c",
		"18957315-668b-4bfb-8d57-e67265553029":        "18957315-668b-4bfb-8d57-e67265553029",
		"HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ",
		"auth0|5fe435b5": "auth0_-_5fe435b5", "samlp|acme|7": "samlp_-_acme_-_7",
		"a_-_b": "", "a_|b": "", "a-|b": "", "a|-b": "", "|a": "", "a|": "", "a||b": "", "": "", "_a": "",
		"ada@example.com": "", "auth0|ada@example.com": "", "a b": "", "[ada]": "", "a/b": "", "a.b": "", "é": "",
		strings.Repeat("a", 64): strings.Repeat("a", 64), strings.Repeat("a", 65): "",
		strings.Repeat("a", 61) + "|b": "", strings.Repeat("a", 60) + "|b": strings.Repeat("a", 60) + "_-_b",
	} {
		if id, ok := customerID(says); ok != (want != "") || ok && id != want {
			t.Errorf("%q: %q, %v, want %q", says, id, ok, want)
		}
	}
	text := rapid.StringOfN(rapid.SampledFrom([]rune("ab_-|")), 1, 9, -1)
	rapid.Check(t, func(t *rapid.T) {
		says := text.Draw(t, "says")
		if id, ok := customerID(says); ok && strings.ReplaceAll(id, bar, "|") != says {
			t.Fatalf("%q became %q, which can't be read back", says, id)
		}
	})
}

// A claim that users fill in themselves makes nobody an operator.
func TestGroupsOfUsers(t *testing.T) {
	for claim, refused := range map[string]bool{
		"cognito:groups": false, "groups": false, "roles": false, "realm_access.roles": false,
		"https://shop.example.com/roles": false, "custom:groups": true, "nickname": true, "address.roles": true,
		"email": true, "user_metadata.roles": true, "app_metadata.roles": false,
	} {
		t.Run(claim, func(t *testing.T) {
			defer func() {
				if says := recover(); (says != nil) != refused {
					t.Errorf("it says %v", says)
				}
			}()
			Auth{GroupsClaim: claim}.Checked()
		})
	}
}

// who says who the bearer of a token is, in a word.
func who(auth Auth, r *http.Request) string {
	id, err := auth.identify(r)
	fault, refused := errors.AsType[*faults.Fault](err)
	switch {
	case refused:
		return fault.Code
	case id.operator != "" && id.prices:
		return "operator who prices"
	case id.operator != "":
		return "operator"
	case id.carrier != "":
		return "carrier"
	case id.pricing != "":
		return "pricing"
	}
	return id.customer
}

// authorized is a request whose token API Gateway has verified, with the header as it came.
func authorized(claims object, header ...string) *http.Request {
	jwt := &events.APIGatewayV2HTTPRequestContextAuthorizerJWTDescription{Claims: map[string]string{}}
	for name, v := range claims {
		if v != nil { // API Gateway leaves null out
			jwt.Claims[name] = flat(v)
		}
	}
	event := events.APIGatewayV2HTTPRequest{RawPath: "/", RequestContext: events.APIGatewayV2HTTPRequestContext{
		Authorizer: &events.APIGatewayV2HTTPRequestContextAuthorizerDescription{JWT: jwt},
	}}
	r, err := new(core.RequestAccessorV2).EventToRequestWithContext(context.Background(), event)
	if err != nil {
		panic(err)
	}
	r.Header["Authorization"] = header
	return r
}

// flat is a claim as API Gateway hands it over: lists are in brackets, with spaces between their
// elements, and an object is as Go's fmt writes one (github.com/floci-io/floci/pull/2011 measured
// it; the documentation says nothing).
func flat(v any) string {
	if text, ok := v.(string); ok {
		return text
	}
	return fmt.Sprint(v)
}

// encode makes a token of claims. Nobody here looks at its signature.
func encode(t *testing.T, claims object) string {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + part(text) + ".c2lnbmF0dXJl"
}

// TestPrincipals: each person and each machine is told from every other, and nobody's name or
// e-mail address is kept.
func TestPrincipals(t *testing.T) {
	const pseudonym = "person/pseudonym"
	user := object{"iss": "i", "scope": "s"}
	for _, c := range []struct {
		name   string
		claims object
		want   string
	}{
		{"Cognito, a person", object{"sub": "aaaaaaaa-bbbb", "client_id": "c1", "username": "ada"}, "person/aaaaaaaa-bbbb"},
		{"Cognito, a machine", object{"sub": "c1", "client_id": "c1"}, "machine/c1"},
		{"Okta, a person", object{"sub": "ada@example.com", "uid": "00u1", "cid": "0oa1"}, "person/00u1"},
		{"Okta, a machine", object{"sub": "0oa1", "cid": "0oa1"}, "machine/0oa1"},
		{"Entra ID, a person", object{"sub": "HKZp-aH", "oid": "6902", "azp": "0779", "scp": "x"}, "person/HKZp-aH"},
		{"Entra ID, an app", object{"sub": "e14f", "oid": "e14f", "azp": "0779"}, "machine/0779"},
		{"Entra ID, an app that says so", object{"sub": "e", "oid": "o", "appid": "0779", "idtyp": "app"}, "machine/0779"},
		{"Auth0, a person", object{"sub": "auth0|5fe4", "azp": "c1"}, "person/auth0|5fe4"},
		{"Auth0, a machine", object{"sub": "c1@clients", "azp": "c1", "gty": "client-credentials"}, "machine/c1"},
		{"Auth0, a machine by its subject", object{"sub": "c1@clients", "client_id": "c1"}, "machine/c1"},
		{"Keycloak, a person", object{"sub": "1895", "azp": "c1", "preferred_username": "ada"}, "person/1895"},
		{"Keycloak, a service account", object{
			"sub": "c0e4", "azp": "Web", "client_id": "Web", "preferred_username": "service-account-web",
		}, "machine/Web"},
		{"a person who is called like a service account", object{
			"sub": "1895", "azp": "web", "preferred_username": "service-account-web",
		}, "person/1895"},
		{"a person who is called like another's client", object{
			"sub": "1895", "azp": "web", "client_id": "web", "preferred_username": "service-account-shop",
		}, "person/1895"},
		{"an e-mail address", object{"sub": "ada@example.com", "azp": "c1"}, pseudonym},
		{"a name", object{"sub": "Ada Lovelace", "azp": "c1"}, pseudonym},
		{"no subject", object{"azp": "c1"}, pseudonym},
		{"a subject that is a number", object{"sub": json.Number("7"), "azp": "c1"}, "person/7"},
		{"Okta, a login that is a name", object{"sub": "alovelace", "uid": "00u1", "cid": "0oa1"}, "person/00u1"},
		{"Okta, a name and nothing else", object{"sub": "alovelace", "cid": "0oa1"}, pseudonym},
		{"a subject that is too long", object{"sub": strings.Repeat("a", 129), "azp": "c1"}, pseudonym},
		{"a client's id with a space", object{"sub": "a b", "azp": "a b"}, "machine/pseudonym"},
		{"a machine without a client", object{"sub": "x", "gty": "client-credentials"}, "machine/pseudonym"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := claims(with(user, c.claims)).principal("pseudonym"); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}
