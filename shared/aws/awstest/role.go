package awstest

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// roleWait is how long making or deleting a role may take.
const roleWait = 10 * time.Second

// Role creates a role that the service, as in "lambda.amazonaws.com", may take on and that may do
// the actions to anything; it is deleted when the test ends. It returns the role's ARN. Where
// permissions are enforced, a function or a state machine needs a role that exists.
func Role(t testing.TB, service string, actions ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), roleWait)
	defer cancel()
	client := iam.NewFromConfig(Config(t))
	name := aws.String(Unique(t, "role"))
	policy := aws.String("test")
	out, err := client.CreateRole(ctx, &iam.CreateRoleInput{
		RoleName: name, AssumeRolePolicyDocument: document(
			t, map[string]any{"Principal": map[string]string{"Service": service}, "Action": "sts:AssumeRole"},
		),
	})
	if err != nil {
		t.Fatalf("create role %s: %v", *name, err)
	}
	if len(actions) > 0 {
		_, err = client.PutRolePolicy(ctx, &iam.PutRolePolicyInput{
			RoleName: name, PolicyName: policy,
			PolicyDocument: document(t, map[string]any{"Action": actions, "Resource": "*"}),
		})
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), roleWait)
		defer cancel()
		if len(actions) > 0 {
			if _, err := client.DeleteRolePolicy(
				ctx, &iam.DeleteRolePolicyInput{RoleName: name, PolicyName: policy},
			); err != nil {
				t.Errorf("delete the policy of role %s: %v", *name, err)
			}
		}
		if _, err := client.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: name}); err != nil {
			t.Errorf("delete role %s: %v", *name, err)
		}
	})
	if err != nil {
		t.Fatalf("grant to role %s: %v", *name, err)
	}
	return aws.ToString(out.Role.Arn)
}

func document(t testing.TB, statement map[string]any) *string {
	t.Helper()
	statement["Effect"] = "Allow"
	text, err := json.Marshal(map[string]any{"Version": "2012-10-17", "Statement": []any{statement}})
	if err != nil {
		t.Fatal(err)
	}
	return aws.String(string(text))
}
