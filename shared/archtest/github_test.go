package archtest

import (
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
