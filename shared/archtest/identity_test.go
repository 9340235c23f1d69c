package archtest

import (
	"fmt"
	"strings"
	"testing"
)

// createOnly is what Cognito takes when a resource is made and never again: a change is refused, or
// makes another resource, without the users. It is as the first release had it.
var createOnly = map[string]map[string]string{
	"UserPool": {
		"AliasAttributes": "<nil>", "Schema": "<nil>", "UsernameAttributes": "<nil>",
		"UsernameConfiguration": "map[CaseSensitive:true]",
	},
	"CustomerClient": {"GenerateSecret": "false", "UserPoolId": "map[Ref:UserPool]"},
	"OperatorClient": {"GenerateSecret": "true", "UserPoolId": "map[Ref:UserPool]"},
	"CarrierClient":  {"GenerateSecret": "true", "UserPoolId": "map[Ref:UserPool]"},
	"PricingClient":  {"GenerateSecret": "true", "UserPoolId": "map[Ref:UserPool]"},
	"ResourceServer": {"Identifier": "orderflow", "UserPoolId": "map[Ref:UserPool]"},
}

// identities are the rules of the stack's own pool.
func identities(t template, kept map[string]map[string]string) (found findings) {
	for id, properties := range kept {
		for property, was := range properties {
			if is := fmt.Sprint(t.prop(id, property)); is != was {
				found.addf("%s would be replaced: %s is %s and was %s", id, property, is, was)
			}
		}
	}
	for _, id := range t.ofType("AWS::Cognito::UserPoolClient") {
		flows := fmt.Sprint(t.prop(id, "AllowedOAuthFlows"))
		scopes := fmt.Sprint(t.prop(id, "AllowedOAuthScopes"))
		machine := strings.Contains(flows, "client_credentials")
		switch {
		case strings.Contains(flows, "implicit"), machine && strings.Contains(flows, "code"):
			found.addf("%s: %s is no flow for one kind of client", id, flows)
		case !machine && strings.Contains(scopes, "orderflow"):
			found.addf("%s gives whoever signs in the scopes %s", id, scopes)
		case machine && fmt.Sprint(t.prop(id, "GenerateSecret")) != "true":
			found.addf("%s is a machine's and has no secret", id)
		case !machine && fmt.Sprint(t.prop(id, "GenerateSecret")) != "false":
			found.addf("%s is for browsers, which keep no secret", id)
		}
	}
	if pool := "UserPool"; fmt.Sprint(at(t.prop(pool, "AdminCreateUserConfig"), "AllowAdminCreateUserOnly")) !=
		"map[Fn::If:[CustomersSignUp false true]]" {
		found.addf("%s is open to everybody", pool)
	}
	rule := fmt.Sprint(t.Rules["UsersDontChooseIds"])
	if !strings.Contains(rule, "RuleCondition:map[Fn::Equals:[map[Ref:SelfSignUp] true]]") ||
		!strings.Contains(rule, "Assert:map[Fn::Equals:[map[Ref:CustomerClaim] sub]]") {
		found.addf("whoever signs up may choose the id of a customer")
	}
	for _, id := range t.ofType(serverlessFunction) {
		group := t.prop(id, "Environment", "Variables", "OPERATOR_GROUP")
		if group != nil && !strings.HasPrefix(fmt.Sprint(group), "map[Fn::If:[OperatorsSignIn map[Ref:Operators]") {
			found.addf("%s takes operators of the own pool without a second factor", id)
		}
	}
	return found
}

func TestIdentities(t *testing.T) {
	whole := mainTemplate(t)
	wantNone(t, identities(whole, createOnly))
	if n := len(whole.ofType("AWS::Cognito::UserPoolClient")); n < 5 {
		t.Errorf("only %d clients were found", n)
	}
	const secondFactor = "OperatorsSignIn: !And # who is an operator by a group of the own pool has shown a second " +
		"factor\n    - !Condition HasOwnPool\n    - !Equals [!Ref UserPoolMfa, 'ON']\n"
	if !strings.Contains(readFile(t, "template.yaml"), secondFactor) {
		t.Error("operators may sign in without a second factor")
	}
}

func TestIdentityRulesFind(t *testing.T) {
	const pool = `
Rules:
  UsersDontChooseIds:
    RuleCondition: !Equals [!Ref SelfSignUp, 'true']
    Assertions: [{Assert: !Equals [!Ref CustomerClaim, sub]}]
Resources:
  UserPool:
    Type: AWS::Cognito::UserPool
    Properties:
      UsernameConfiguration: {CaseSensitive: true}
      AdminCreateUserConfig: {AllowAdminCreateUserOnly: !If [CustomersSignUp, false, true]}
  Machine:
    Type: AWS::Cognito::UserPoolClient
    Properties: {GenerateSecret: true, AllowedOAuthFlows: [client_credentials], AllowedOAuthScopes: [orderflow/operator]}
  Person:
    Type: AWS::Cognito::UserPoolClient
    Properties: {GenerateSecret: false, AllowedOAuthFlows: [code], AllowedOAuthScopes: [openid]}
  Do:
    Type: AWS::Serverless::Function
    Properties: {Environment: {Variables: {OPERATOR_GROUP: !If [OperatorsSignIn, !Ref Operators, x]}}}
`
	kept := map[string]map[string]string{"UserPool": createOnly["UserPool"]}
	for name, tc := range map[string]edit{
		"good":               {"", "", ""},
		"an alias":           {"UsernameConf", "AliasAttributes: [email]\n      UsernameConf", "UserPool would be replaced: AliasAttributes"},
		"another spelling":   {"CaseSensitive: true", "CaseSensitive: false", "UserPool would be replaced: UsernameConfiguration"},
		"a scope for people": {"[openid]", "[openid, orderflow/operator]", "Person gives whoever signs in"},
		"implicit":           {"[code]", "[implicit]", "Person: [implicit] is no flow"},
		"both kinds":         {"[client_credentials]", "[client_credentials, code]", "Machine: [client_credentials code] is no flow"},
		"no secret":          {"GenerateSecret: true", "GenerateSecret: false", "Machine is a machine's"},
		"a secret":           {"GenerateSecret: false", "GenerateSecret: true", "Person is for browsers"},
		"open":               {"!If [CustomersSignUp, false, true]", "false", "UserPool is open to everybody"},
		"any id":             {"CustomerClaim, sub", "CustomerClaim, username", "may choose the id"},
		"no second factor":   {"!If [OperatorsSignIn, !Ref Operators, x]", "operators", "Do takes operators"},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, identities(tc.template(t, pool), kept), tc.want) })
	}
}
