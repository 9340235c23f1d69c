//go:build e2e

package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"

	"orderflow/shared/ident"
	"orderflow/shared/shipment"
)

// codeOf takes the one block of code in a language out of a page.
func codeOf(t *testing.T, page, language string) string {
	t.Helper()
	_, rest, found := strings.Cut(page, "```"+language+"\n")
	code, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatalf("the page has no block of %s", language)
	}
	return code + "\n"
}

// beside is what the page's block refers to and a stack of its own has not: the stack under test gives it.
const beside = `AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Parameters:
  Bus: {Type: String}
  DeadLettersTable: {Type: String}
  LogRetentionDays: {Type: Number, Default: 1}
Globals:
  Function: {Handler: bootstrap, Runtime: provided.al2023, Architectures: [ARCHITECTURE], MemorySize: 256, Timeout: 10}
Resources:

`

// A consumer of one's own is the block and the main.go that docs/consumers.md shows. The test takes both out of the page, deploys them beside the stack, on its
// bus, and has an order delivered.
func TestConsumerOfThePage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/consumers.md")
	if err != nil {
		t.Fatal(err)
	}
	page, dir, root := string(text), t.TempDir(), ".."
	write := func(name, content string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil { //nolint:gosec // the page is the checkout's, and the directory the test's
			t.Fatal(err)
		}
		return file
	}
	run := func(name string, args ...string) {
		t.Helper()
		command := exec.CommandContext(t.Context(), name, args...)
		command.Dir = root
		command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "SAM_CLI_TELEMETRY=0")
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
	}
	// The overlay puts the page's file where the page says that it goes.
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	const function = "functions/announce-deliveries"
	overlay, err := json.Marshal(object{"Replace": map[string]string{filepath.Join(checkout, function, "main.go"): write("main.go", codeOf(t, page, "go"))}})
	if err != nil {
		t.Fatal(err)
	}
	architecture := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	template := write("template.yaml", strings.Replace(beside, "ARCHITECTURE", architecture, 1)+codeOf(t, page, "yaml"))
	run("go", "build", "-buildvcs=false", "-overlay", write("overlay.json", string(overlay)), "-o", filepath.Join(dir, function, "bootstrap"), "./"+function)
	name := "e2e-consumer-" + ident.New()[:8]
	stacks := cloudformation.NewFromConfig(stack.config)
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := stacks.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &name}); err != nil {
			t.Error(err)
		}
	})
	run(filepath.Join(checkout, ".tools", "sam", "bin", "python"), "-m", "samcli", "deploy", "--template-file", template, "--stack-name", name, "--resolve-s3", "--region", "us-east-1",
		"--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND", "--no-confirm-changeset", "--parameter-overrides", "Bus="+stack.Outputs["BusName"], "DeadLettersTable="+stack.Outputs["DeadLettersTable"])

	since := time.Now()
	c := newCustomer(t, 1_000)
	placed := c.place(t, line(newStock(t, 1), 1, 100))
	c.prepared(t, placed.ID)
	for _, step := range []string{"dispatch", "deliver"} {
		must[parcel](t, http.StatusOK, post(stack.operator, "/shipments/"+shipment.ID(placed.ID, 1)+"/"+step, nil))
	}
	logs := cloudwatchlogs.NewFromConfig(stack.config)
	said := eventually(t, "the page's consumer says that the order arrived", func() (string, bool) {
		out, err := logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: aws.String("/aws/lambda/" + name + "-announce-deliveries"), StartTime: aws.Int64(since.UnixMilli()),
		})
		if err != nil {
			return err.Error(), false // before its first invocation
		}
		for _, e := range out.Events {
			if line := aws.ToString(e.Message); strings.Contains(line, "order arrived") && strings.Contains(line, placed.ID) {
				return line, true
			}
		}
		return "", false
	})
	if !strings.Contains(said, `order/`+placed.ID+`@5`) {
		t.Errorf("it said %s", said)
	}
}
