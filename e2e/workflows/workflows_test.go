//go:build integration

// Package workflows_test runs what the workflows at GitHub run with a stack, on the emulator and
// with a stack of its own: the change set that is shown, its execution, and the removal.
package workflows_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go/logging"
)

const (
	prefix = "orderflow-pr"
	closed = prefix + "-7"  // of a pull request that is closed
	open   = prefix + "-71" // of one that isn't, whose name begins the same
)

// job is what a run of the script left for the job.
type job struct{ printed, summary, output string }

// script runs infra/ci/stack.py as a step of a workflow does.
func script(t *testing.T, args ...string) (j job, err error) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	summary, output := filepath.Join(dir, "summary"), filepath.Join(dir, "output")
	command := exec.CommandContext( // #nosec G204 -- the test's own arguments
		t.Context(), filepath.Join(root, ".tools", "sam", "bin", "python"),
		append([]string{filepath.Join(root, "infra", "ci", "stack.py")}, args...)...,
	)
	command.Dir = root
	command.Env = append(os.Environ(), "GITHUB_STEP_SUMMARY="+summary, "GITHUB_OUTPUT="+output)
	printed, err := command.CombinedOutput()
	j.printed = string(printed)
	for file, text := range map[string]*string{summary: &j.summary, output: &j.output} {
		if content, err := os.ReadFile(file); err == nil { // #nosec G304 -- in the test's own folder
			*text = string(content)
		}
	}
	return j, err
}

// A revision is of the test's template: with or without its last resource. The emulator sees no
// change where nothing but a parameter changes.
type revision bool

const (
	withTopic    revision = true
	withoutTopic revision = false
)

// plan makes a change set of the test's template, and gives its ARN.
func plan(t *testing.T, stack string, r revision, parameters ...string) (changeSet string, j job) {
	t.Helper()
	text, err := os.ReadFile("testdata/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	whole := string(text)
	if i := strings.Index(whole, "  Operations:\n"); r == withoutTopic {
		whole = whole[:i]
	}
	template := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(template, []byte(whole), 0o600); err != nil { //nolint:gosec // in the test's own folder
		t.Fatal(err)
	}
	args := []string{"plan", stack, "--template-file", template, "--capabilities", "CAPABILITY_IAM", "--resolve-s3"}
	if len(parameters) > 0 {
		args = append(append(args, "--parameter-overrides"), parameters...)
	}
	j, err = script(t, args...)
	changeSet, ok := strings.CutPrefix(strings.TrimSpace(j.output), "changeset=")
	if err != nil || !ok {
		t.Fatalf("plan %s: %v, output %q\n%s", stack, err, j.output, j.printed)
	}
	return changeSet, j
}

func run(t *testing.T, args ...string) job {
	t.Helper()
	j, err := script(t, args...)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, j.printed)
	}
	return j
}

// refused: the script ends with an error that says want.
func refused(t *testing.T, want string, args ...string) {
	t.Helper()
	if j, err := script(t, args...); err == nil || !strings.Contains(j.printed, want) {
		t.Errorf("%v: %v, printed %q, want %q", args, err, j.printed, want)
	}
}

type account struct {
	stacks *cloudformation.Client
	tables *dynamodb.Client
	logs   *cloudwatchlogs.Client
	keys   *kms.Client
}

func connect(t *testing.T) account {
	t.Helper()
	if endpoint := os.Getenv("ORDERFLOW_TEST_ENDPOINT"); endpoint == "" || os.Getenv("AWS_ENDPOINT_URL") != endpoint {
		t.Fatal("ORDERFLOW_TEST_ENDPOINT and AWS_ENDPOINT_URL have to name one emulator")
	}
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithLogger(logging.Nop{}))
	if err != nil {
		t.Fatal(err)
	}
	return account{
		cloudformation.NewFromConfig(cfg), dynamodb.NewFromConfig(cfg), cloudwatchlogs.NewFromConfig(cfg),
		kms.NewFromConfig(cfg),
	}
}

// has says whether a table or a log group is there.
func (a account) has(t *testing.T, name string) bool {
	t.Helper()
	if strings.HasPrefix(name, "/") {
		in := &cloudwatchlogs.DescribeLogGroupsInput{LogGroupNamePrefix: &name}
		out, err := a.logs.DescribeLogGroups(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		return len(out.LogGroups) > 0
	}
	out, err := a.tables.ListTables(t.Context(), &dynamodb.ListTablesInput{
		ExclusiveStartTableName: aws.String(name[:len(name)-1]),
	})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Contains(out.TableNames, name)
}

// key is the id of a stack's key.
func (a account) key(t *testing.T, stack string) string {
	t.Helper()
	out, err := a.stacks.DescribeStackResource(t.Context(), &cloudformation.DescribeStackResourceInput{
		StackName: &stack, LogicalResourceId: aws.String("Key"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return aws.ToString(out.StackResourceDetail.PhysicalResourceId)
}

func (a account) keyState(t *testing.T, id string) kmstypes.KeyState {
	t.Helper()
	out, err := a.keys.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id})
	if err != nil {
		t.Fatal(err)
	}
	return out.KeyMetadata.KeyState
}

// leave makes what a deletion may leave: a table that an update replaced, and a log group of a
// function that was called once more.
func (a account) leave(t *testing.T, stack string) (table, group string) {
	t.Helper()
	table, group = stack+"-former", "/aws/lambda/"+stack+"-late"
	if _, err := a.tables.CreateTable(t.Context(), &dynamodb.CreateTableInput{
		TableName: &table, BillingMode: dynamodbtypes.BillingModePayPerRequest,
		KeySchema: []dynamodbtypes.KeySchemaElement{
			{AttributeName: aws.String("id"), KeyType: dynamodbtypes.KeyTypeHash},
		},
		AttributeDefinitions: []dynamodbtypes.AttributeDefinition{
			{AttributeName: aws.String("id"), AttributeType: dynamodbtypes.ScalarAttributeTypeS},
		},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.logs.CreateLogGroup(t.Context(), &cloudwatchlogs.CreateLogGroupInput{
		LogGroupName: &group,
	}); err != nil {
		t.Fatal(err)
	}
	return table, group
}

func TestWorkflows(t *testing.T) {
	a := connect(t)
	t.Cleanup(func() {
		for _, stack := range []string{closed, open} {
			_, _ = a.stacks.DeleteStack(context.Background(), &cloudformation.DeleteStackInput{StackName: &stack})
		}
	})

	changeSet, shown := plan(t, closed, withTopic)
	for _, want := range []string{
		"## " + closed, "| Orders | AWS::DynamoDB::Table | Add |", "DeletionProtection | false |",
	} {
		if !strings.Contains(shown.summary, want) {
			t.Errorf("the summary lacks %q: %s", want, shown.summary)
		}
	}
	if a.has(t, closed+"-orders") {
		t.Fatal("a plan has made a table")
	}
	refused(t, "plan again", "execute", closed, strings.Replace(changeSet, ":changeSet/", ":changeSet/not-", 1))
	if done := run(t, "execute", closed, changeSet); !strings.Contains(done.summary, "CREATE_COMPLETE") ||
		!a.has(t, closed+"-orders") {
		t.Errorf("executed: %q", done.summary)
	}

	if again, same := plan(t, closed, withTopic); again != "" || !strings.Contains(same.summary, "Nothing changes") {
		t.Errorf("planned twice: %q, %s", again, same.summary)
	}

	// It stays unexecuted, and goes with the stack.
	if _, shown = plan(t, closed, withoutTopic); !strings.Contains(
		shown.summary, "| :warning: | Operations | AWS::SNS::Topic | Remove |",
	) || !strings.Contains(shown.summary, "1 changes, of which 1 remove") {
		t.Errorf("the summary doesn't warn: %s", shown.summary)
	}

	changeSet, _ = plan(t, open, withTopic, "DeletionProtection=true")
	run(t, "execute", open, changeSet)
	refused(t, "DeletionProtection=false", "remove", open)
	table, group := a.leave(t, closed)
	kept, keptGroup := a.leave(t, open)
	key, keptKey := a.key(t, closed), a.key(t, open)
	refused(t, "expected numbers", "sweep", prefix, "main")
	run(t, "sweep", prefix, "71")
	for _, name := range []string{closed + "-orders", table, group} {
		if a.has(t, name) {
			t.Errorf("the sweep left %s", name)
		}
	}
	for _, name := range []string{open + "-orders", kept, keptGroup} {
		if !a.has(t, name) {
			t.Errorf("the sweep took %s of an open pull request", name)
		}
	}
	if is, was := a.keyState(t, key), a.keyState(t, keptKey); is != kmstypes.KeyStatePendingDeletion ||
		was != kmstypes.KeyStateEnabled {
		t.Errorf("the keys are %s and %s", is, was)
	}
	run(t, "remove", closed) // again: there is nothing to do
}
