package archtest

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// githubTemplate is deployed by hand, once a stage: the roles of the workflows.
const githubTemplate = "infra/github-oidc.yaml"

// githubRoles: a role that GitHub's jobs take is for the jobs of one environment of one repository,
// and none may do everything or hand a role to whatever it likes.
func githubRoles(t template) (found findings) {
	const issuer = "token.actions.githubusercontent.com:"
	federated := 0
	for _, id := range t.ofType(roleType) {
		for _, s := range list(t.prop(id, "AssumeRolePolicyDocument", "Statement")) {
			if at(s, "Principal", "Federated") == nil {
				continue
			}
			federated++
			condition, _ := at(s, "Condition").(object)
			equals, _ := condition["StringEquals"].(object)
			if len(condition) != 1 || equals[issuer+"aud"] != "sts.amazonaws.com" ||
				!strings.HasPrefix(textAt(equals[issuer+"sub"], "Fn::Sub"), "${Subject}:environment:${Environment}") {
				found.addf("%s is not for the jobs of one environment alone: %v", id, condition)
			}
		}
	}
	if federated == 0 {
		found.addf("no role is GitHub's")
	}
	for _, id := range t.ofType("AWS::IAM::ManagedPolicy") {
		for _, s := range list(t.prop(id, "PolicyDocument", "Statement")) {
			for _, action := range list(at(s, "Action")) {
				name, _ := action.(string)
				switch {
				case name == "*" || strings.HasPrefix(name, "iam:") && strings.Contains(name, "*"):
					found.addf("%s may do %s", id, name)
				case name == "iam:PassRole" && at(s, "Condition", "StringEquals", "iam:PassedToService") == nil:
					found.addf("%s may hand its role to every service", id)
				case strings.HasSuffix(name, ":*") && at(s, "Resource") == "*":
					found.addf("%s may do %s to everything", id, name)
				}
			}
		}
	}
	return found
}

// services are the services of resource types, by the prefix of their IAM actions, where that isn't
// the service's name in small letters.
var services = map[string]string{
	"ApiGatewayV2": "apigateway", "Cognito": "cognito-idp", "StepFunctions": "states", "Serverless": "lambda",
}

// Who deploys from GitHub may make each kind of resource that the templates have, whatever the
// parameters are: CloudFormation asks IAM as that role.
func TestGitHubMakesAll(t *testing.T) {
	may := map[string]bool{}
	roles := parseTemplate(t, readFile(t, githubTemplate))
	for _, id := range roles.ofType("AWS::IAM::ManagedPolicy") {
		for _, s := range list(roles.prop(id, "PolicyDocument", "Statement")) {
			for _, action := range list(at(s, "Action")) {
				prefix, _, _ := strings.Cut(fmt.Sprint(action), ":")
				may[prefix] = true
			}
		}
	}
	needs := map[string]string{"codedeploy": "a gradual deployment"}
	templates, err := filepath.Glob(filepath.Join(root, "infra", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(templates, filepath.Join(root, "template.yaml")) {
		name, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		if name = filepath.ToSlash(name); name == githubTemplate {
			continue
		}
		made := parseTemplate(t, readFile(t, name))
		for id, r := range made.Resources {
			service := strings.Split(r.Type, "::")[1]
			prefix, ok := services[service]
			if !ok {
				prefix = strings.ToLower(service)
			}
			needs[prefix] = id
		}
	}
	for prefix, what := range needs {
		if !may[prefix] {
			t.Errorf("the roles of %s may do nothing of %s, which %s needs", githubTemplate, prefix, what)
		}
	}
	if len(needs) < 15 {
		t.Errorf("found %d services alone", len(needs))
	}
}

func TestGitHubRoles(t *testing.T) {
	whole := readFile(t, githubTemplate)
	for name, tc := range map[string]struct{ from, to, want string }{
		"as it is": {"", "", ""},
		"any ref":  {":environment:${Environment}-plan'", ":*'", "PlanRole is not for"},
		"like": {
			"StringEquals:\n                token", "StringLike:\n                token", "PlanRole is not for",
		},
		"all of IAM": {"iam:CreateRole", "iam:*", "NamedPolicy may do iam:*"},
		"any service": {
			"Condition: {StringEquals: {iam:PassedToService: cloudformation.amazonaws.com}}", "", "every service",
		},
		"all resources": {
			"Resource: !Sub 'arn:${AWS::Partition}:cognito-idp:${AWS::Region}:${AWS::AccountId}:userpool/*'",
			"Resource: '*'", "cognito-idp:* to everything",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(whole, tc.from) {
				t.Fatalf("the template lacks %s", tc.from)
			}
			wantOne(t, githubRoles(parseTemplate(t, strings.Replace(whole, tc.from, tc.to, 1))), tc.want)
		})
	}
}
