//go:build e2e

package e2e_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/golang-jwt/jwt/v5"

	"orderflow/shared/kit/ident"
)

// issuer is an OpenID Connect issuer of the test's own, whose tokens API Gateway verifies.
type issuer struct {
	url string
	key *rsa.PrivateKey
}

func newIssuer(t *testing.T) issuer {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	part := base64.RawURLEncoding.EncodeToString
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	serve := func(path string, content any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(content) })
	}
	serve("/.well-known/openid-configuration", object{"issuer": server.URL, "jwks_uri": server.URL + "/keys"})
	serve("/keys", object{"keys": []object{{
		"kid": "one", "kty": "RSA", "alg": "RS256", "use": "sig", "n": part(key.N.Bytes()),
		"e": part(big.NewInt(int64(key.E)).Bytes()),
	}}})
	return issuer{url: server.URL, key: key}
}

// sign makes a token. The claims are added to those of every token.
func (i issuer) sign(t *testing.T, claims object) string {
	t.Helper()
	all := jwt.MapClaims{"iss": i.url, "aud": "orderflow", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, all)
	token.Header["kid"] = "one"
	signed, err := token.SignedString(i.key)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// copyOf makes a function with the code, the role and the settings of one of the stack's, and other
// environment variables besides, and gives its ARN.
func copyOf(t *testing.T, function string, variables map[string]string) string {
	t.Helper()
	name := stack.Stack + "-" + function
	original, err := stack.functions.GetFunction(t.Context(), &lambda.GetFunctionInput{FunctionName: &name})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, aws.ToString(original.Code.Location), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	code, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the code of %s: %s, %v", name, res.Status, err)
	}
	environment := maps.Clone(original.Configuration.Environment.Variables)
	maps.Copy(environment, variables)
	made, err := stack.functions.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String(name + "-" + ident.New()[:8]), Role: original.Configuration.Role,
		Code: &lambdatypes.FunctionCode{ZipFile: code}, Runtime: original.Configuration.Runtime,
		Handler: original.Configuration.Handler, Architectures: original.Configuration.Architectures,
		MemorySize: original.Configuration.MemorySize, Timeout: original.Configuration.Timeout,
		Environment: &lambdatypes.Environment{Variables: environment},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := stack.functions.DeleteFunction(
			ctx, &lambda.DeleteFunctionInput{FunctionName: made.FunctionName},
		); err != nil {
			t.Error(err)
		}
	})
	return aws.ToString(made.FunctionArn)
}

// apiBeside deploys an HTTP API beside the stack's, with its own authorizer in front of a function
// on these routes, and gives its address.
func apiBeside(t *testing.T, issuer, audience, function string, routes ...string) string {
	t.Helper()
	ref := func(id string) object { return object{"Ref": id} }
	resources := object{
		"Api": object{"Type": "AWS::ApiGatewayV2::Api", "Properties": object{
			"Name": stack.Stack + "-beside", "ProtocolType": "HTTP",
		}},
		"Stage": object{"Type": "AWS::ApiGatewayV2::Stage", "Properties": object{
			"ApiId": ref("Api"), "StageName": "$default", "AutoDeploy": true,
		}},
		"Authorizer": object{"Type": "AWS::ApiGatewayV2::Authorizer", "Properties": object{
			"ApiId": ref("Api"), "Name": "tokens", "AuthorizerType": "JWT",
			"IdentitySource":   []string{"$request.header.Authorization"},
			"JwtConfiguration": object{"Audience": []string{audience}, "Issuer": issuer},
		}},
		"Integration": object{"Type": "AWS::ApiGatewayV2::Integration", "Properties": object{
			"ApiId": ref("Api"), "IntegrationType": "AWS_PROXY", "IntegrationUri": function, "PayloadFormatVersion": "2.0",
		}},
		"Permission": object{"Type": "AWS::Lambda::Permission", "Properties": object{
			"FunctionName": function, "Action": "lambda:InvokeFunction", "Principal": "apigateway.amazonaws.com",
			"SourceArn": object{"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${Api}/*"},
		}},
	}
	for i, key := range routes {
		resources["Route"+string(rune('A'+i))] = object{"Type": "AWS::ApiGatewayV2::Route", "Properties": object{
			"ApiId": ref("Api"), "RouteKey": key, "AuthorizationType": "JWT", "AuthorizerId": ref("Authorizer"),
			"Target": object{"Fn::Sub": "integrations/${Integration}"},
		}}
	}
	template, err := json.Marshal(object{
		"Resources": resources, "Outputs": object{"ApiId": object{"Value": ref("Api")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	name := stack.Stack + "-beside-" + ident.New()[:8]
	stacks := cloudformation.NewFromConfig(stack.config)
	if _, err := stacks.CreateStack(t.Context(), &cloudformation.CreateStackInput{
		StackName: &name, TemplateBody: aws.String(string(template)),
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := stacks.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &name}); err != nil {
			t.Error(err)
		}
	})
	id := eventually(t, "the stack "+name, func() (string, bool) {
		out, err := stacks.DescribeStacks(context.WithoutCancel(t.Context()), &cloudformation.DescribeStacksInput{
			StackName: &name,
		})
		if err != nil || len(out.Stacks) == 0 || out.Stacks[0].StackStatus != "CREATE_COMPLETE" {
			return "", false
		}
		return aws.ToString(out.Stacks[0].Outputs[0].OutputValue), true
	})
	return strings.Replace(stack.api, stack.Outputs["ApiId"], id, 1)
}

// Tokens of each provider are let in for what they are: signed, verified by API Gateway, and read
// by a function that is set up for the provider. The forms are those of docs/identity.md.
func TestProviders(t *testing.T) {
	t.Parallel()
	by := newIssuer(t)
	list := func(texts ...string) []string { return texts }
	for _, p := range []struct {
		name   string
		set    map[string]string
		tokens map[string]object // by who their bearer is
	}{
		{"Cognito", map[string]string{
			"CUSTOMER_CLAIM": "username", "GROUPS_CLAIM": "cognito:groups", "OPERATOR_GROUP": "operators",
		}, map[string]object{
			"customer": {"token_use": "access", "client_id": "c", "username": "ada", "cognito:groups": list("x")},
			"operator": {
				"token_use": "access", "client_id": "c", "username": "eve", "cognito:groups": list("x", "operators"),
			},
			"carrier":  {"token_use": "access", "client_id": "c", "scope": "orderflow/carrier"},
			"ID token": {"token_use": "id", "cognito:groups": list("operators"), "scope": "orderflow/operator"},
		}},
		{"Okta", map[string]string{
			"CUSTOMER_CLAIM": "uid", "OPERATOR_SCOPE": "orderflow.operator", "GROUPS_CLAIM": "groups",
			"OPERATOR_GROUP": "Shop Operators",
		}, map[string]object{
			"customer": {"cid": "c", "uid": "00uid4Bx", "scp": list("openid"), "groups": list("All Shop Operators")},
			"operator": {"cid": "c", "uid": "00uid4Bx", "scp": list("openid"), "groups": list("All", "Shop Operators")},
			"machine":  {"cid": "c", "scp": list("x", "orderflow.operator")},
			"nobody":   {"cid": "c", "scp": list("orderflow.operators")},
			"ID token": {"uid": "00uid4BxXw6I6TV4m0g3", "groups": list("Shop Operators")},
		}},
		{"Entra ID", map[string]string{
			"CUSTOMER_CLAIM": "oid", "OPERATOR_SCOPE": "Operate", "GROUPS_CLAIM": "roles",
			"OPERATOR_GROUP": "Shop.Operator", "CARRIER_GROUP": "Shop.Carrier",
		}, map[string]object{
			"customer": {"azp": "c", "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "scp": "Orders.Place Operate.Not"},
			"operator": {"azp": "c", "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "scp": "Orders.Place Operate"},
			"machine":  {"appid": "c", "roles": list("Shop.Operator")},
			"carrier":  {"azp": "c", "roles": list("Shop.Carrier")},
			"ID token": {"oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "roles": list("Shop.Operator")},
		}},
		{"Auth0", map[string]string{
			"CUSTOMER_CLAIM": "sub", "GROUPS_CLAIM": "https://shop.example.com/roles", "OPERATOR_GROUP": "operator",
		}, map[string]object{
			"customer": {"azp": "c", "sub": "auth0|5fe435b5cbbc85006b071eba", "scope": "openid"},
			"operator": {
				"azp": "c", "sub": "auth0|5fe435b5cbbc85006b071eba", "https://shop.example.com/roles": list("operator"),
			},
			"nobody":   {"azp": "c", "sub": "c@clients", "gty": "client-credentials"},
			"ID token": {"sub": "auth0|5fe435b5cbbc85006b071eba", "https://shop.example.com/roles": list("operator")},
		}},
		{"Keycloak", map[string]string{
			"CUSTOMER_CLAIM": "sub", "GROUPS_CLAIM": "realm_access.roles", "OPERATOR_GROUP": "operator",
		}, map[string]object{
			"customer": {
				"typ": "Bearer", "azp": "c", "sub": "18957315-668b-4bfb-8d57-e67265553029", "scope": "openid",
				"realm_access": object{"roles": list("a operator")},
			},
			"operator": {
				"typ": "Bearer", "azp": "c", "sub": "18957315-668b-4bfb-8d57-e67265553029",
				"realm_access": object{"roles": list("a", "operator")},
			},
			"ID token": {"typ": "ID", "azp": "c", "realm_access": object{"roles": list("operator")}},
		}},
	} {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			api := apiBeside(
				t, by.url, "orderflow", copyOf(t, "answer-queries", p.set), "GET /customers", "GET /stock/{sku}",
			)
			for who, claims := range p.tokens {
				bearer(t, api, who, by.sign(t, claims))
			}
			stranger := newIssuer(t)
			stranger.url = by.url
			forged := get(stranger.sign(t, p.tokens["operator"]), "/customers")
			if a := sendTo(t, api, forged); a.status != http.StatusUnauthorized {
				t.Errorf("a token that another key has signed: %s", a)
			}
		})
	}
}

// bearer wants a token's bearer to be who that is, by what the API lets them do.
func bearer(t *testing.T, api, who, token string) {
	t.Helper()
	want := map[string][2]string{ // the codes of listing customers, and of reading an article that there is not
		"operator": {"", "stock.not-found"}, "machine": {"", "stock.not-found"},
		"customer": {"auth.forbidden", "stock.not-found"}, "carrier": {"auth.forbidden", "auth.forbidden"},
		"nobody": {"auth.no-customer", "auth.no-customer"}, "ID token": {"auth.required", "auth.required"},
	}[who]
	for i, path := range []string{"/customers", "/stock/e2e-" + ident.New()} {
		a := sendTo(t, api, get(token, path))
		if got := decode[problem](t, a.body).Code; got != want[i] {
			t.Errorf("%s %s: %s, want the code %q", who, path, a, want[i])
		}
	}
}

// A member of the pool's group operators is one where the stack takes the group, which it does
// where the pool requires a second factor. The stack under test doesn't: there the member is a
// customer.
func TestOperatorsOfThePool(t *testing.T) {
	t.Parallel()
	pool, client, name := stack.Outputs["UserPoolId"], stack.Outputs["CustomerClientId"], "e2e-"+ident.New()
	signIn := func() string {
		token, err := stack.CustomerToken(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(signIn(), claims); err != nil {
		t.Fatal(err)
	}
	issuer, _ := claims["iss"].(string)
	api := apiBeside(
		t, issuer, client, copyOf(t, "answer-queries", map[string]string{"OPERATOR_GROUP": "operators"}),
		"GET /customers", "GET /stock/{sku}",
	)
	bearer(t, api, "customer", signIn())
	if _, err := cognitoidentityprovider.NewFromConfig(stack.config).AdminAddUserToGroup(
		t.Context(), &cognitoidentityprovider.AdminAddUserToGroupInput{
			UserPoolId: &pool, Username: &name, GroupName: aws.String("operators"),
		},
	); err != nil {
		t.Fatal(err)
	}
	member := signIn()
	bearer(t, api, "operator", member)
	bearer(t, stack.api, "customer", member)
}

// Operators see which machine paid in, and the customer doesn't.
func TestWhoPaidIn(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 5_000)
	type movements struct {
		Movements []struct {
			Kind  string `json:"kind"`
			Actor *struct {
				Kind string `json:"kind"`
				ID   string `json:"id"`
			} `json:"actor"`
		} `json:"movements"`
	}
	path := "/accounts/" + c.account + "/statement"
	shown := must[movements](t, http.StatusOK, get(stack.operator, path)).Movements
	if len(shown) != 1 || shown[0].Actor == nil || shown[0].Actor.Kind != "machine" ||
		shown[0].Actor.ID != stack.Outputs["OperatorClientId"] {
		t.Errorf("operators see %+v", shown)
	}
	if hers := must[movements](t, http.StatusOK, get(c.token, path)).Movements; len(hers) != 1 || hers[0].Actor != nil {
		t.Errorf("the customer sees %+v", hers)
	}
}
