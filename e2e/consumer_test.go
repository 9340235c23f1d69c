//go:build e2e

package e2e_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	infrastack "orderflow/infra/stack"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/shipment"
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

// beside is what the page's consumer refers to and a stack of its own has not: the stack under test
// gives it, the table by its name.
const beside = `AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Parameters:
  Bus: {Type: String}
  DeadLettersTable: {Type: String}
  DeadLettersQueue: {Type: String}
  DeadLettersQueueArn: {Type: String}
  RecordDeadLettersFunction: {Type: String}
  RecordDeadLettersRole: {Type: String}
  RedriveDeadLettersRole: {Type: String}
  OperationsTopic: {Type: String}
  LogRetentionDays: {Type: Number, Default: 1}
Globals:
  Function: {Handler: bootstrap, Runtime: provided.al2023, Architectures: [ARCHITECTURE], MemorySize: 256, Timeout: 10}
Resources:

`

const (
	tableHere   = "!GetAtt DeadLettersTable.Arn"
	tableBeside = "!Sub 'arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${DeadLettersTable}'"
	queueHere   = "!GetAtt DeadLettersQueue.Arn"
	queueBeside = "!Ref DeadLettersQueueArn"
)

// A consumer of one's own is the entry and the main.go that docs/consumers.md shows. The test takes
// both out of the page, deploys them beside the stack, on its bus, and has an order delivered. A
// message that it can't read is recorded and redriven as any other consumer's.
func TestConsumerOfThePage(t *testing.T) {
	t.Parallel()
	name := deployBeside(t, buildPage(t))
	since := time.Now()
	announces(t, name, since)
	hasAlarms(t, name)
	comesBack(t, name, since)
}

const checkoutDir = ".."

// deadLettersArn is that of the stack's queue of dead letters.
func deadLettersArn(t *testing.T) string {
	t.Helper()
	name := sqstypes.QueueAttributeNameQueueArn
	out, err := stack.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl:       aws.String(stack.Outputs["DeadLettersQueueUrl"]),
		AttributeNames: []sqstypes.QueueAttributeName{name},
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Attributes[string(name)]
}

// runBuild runs a program as a build for Lambda does.
func runBuild(t *testing.T, name string, args ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), name, args...)
	command.Dir = checkoutDir
	command.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "SAM_CLI_TELEMETRY=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// buildPage builds the consumer of the page, and gives the template of its stack.
func buildPage(t *testing.T) (template string) {
	t.Helper()
	read, err := os.ReadFile("../docs/consumers.md")
	if err != nil {
		t.Fatal(err)
	}
	page, dir := string(read), t.TempDir()
	write := func(name, content string) string {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
			t.Fatal(err)
		}
		//nolint:gosec // the page is the checkout's, and the directory the test's
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	// The overlay puts the page's file where the page says that it goes.
	checkout, err := filepath.Abs(checkoutDir)
	if err != nil {
		t.Fatal(err)
	}
	const function = "functions/announce-deliveries"
	overlay, err := json.Marshal(object{
		"Replace": map[string]string{
			filepath.Join(checkout, function, "main.go"): write("main.go", codeOf(t, page, "go")),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	architecture := map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
	block, err := infrastack.Expand(codeOf(t, page, "yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, here := range []string{tableHere, queueHere} {
		if !strings.Contains(block, here) {
			t.Fatalf("the entry makes no %s", here)
		}
	}
	template = write(
		"template.yaml",
		strings.Replace(beside, "ARCHITECTURE", architecture, 1)+
			strings.NewReplacer(tableHere, tableBeside, queueHere, queueBeside).Replace(block),
	)
	const alarms = "infra/consumer-alarms.yaml"
	nested, err := os.ReadFile(filepath.Join(checkoutDir, alarms))
	if err != nil {
		t.Fatal(err)
	}
	write(alarms, string(nested))
	runBuild(
		t, "go", "build", "-buildvcs=false", "-overlay", write("overlay.json", string(overlay)), "-o",
		filepath.Join(dir, function, "bootstrap"), "./"+function,
	)
	return template
}

// deployBeside deploys a template beside the stack, and gives the name of its own.
func deployBeside(t *testing.T, template string) (name string) {
	t.Helper()
	name = "e2e-consumer-" + ident.New()[:8]
	stacks := cloudformation.NewFromConfig(stack.config)
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := stacks.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &name}); err != nil {
			t.Error(err)
		}
		if err := cloudformation.NewStackDeleteCompleteWaiter(stacks).Wait(
			ctx, &cloudformation.DescribeStacksInput{StackName: &name}, patience,
		); err != nil {
			t.Error(err)
		}
	})
	overrides := []string{
		"Bus=" + stack.Outputs["BusName"], "DeadLettersTable=" + stack.Outputs["DeadLettersTable"],
		"OperationsTopic=" + stack.Outputs["OperationsTopicArn"],
		"DeadLettersQueue=" + stack.Outputs["DeadLettersQueueUrl"], "DeadLettersQueueArn=" + deadLettersArn(t),
	}
	for _, id := range []string{"RecordDeadLettersFunction", "RecordDeadLettersRole", "RedriveDeadLettersRole"} {
		overrides = append(overrides, id+"="+aws.ToString(stack.parts[id].PhysicalResourceId))
	}
	checkout, err := filepath.Abs(checkoutDir)
	if err != nil {
		t.Fatal(err)
	}
	runBuild(t, filepath.Join(checkout, ".tools", "sam", "bin", "python"), append([]string{
		"-m", "samcli", "deploy", "--template-file", template, "--stack-name", name, "--resolve-s3", "--region",
		"us-east-1",
		"--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND", "--no-confirm-changeset",
		"--parameter-overrides",
	}, overrides...)...)
	return name
}

// announces: the consumer hears of an order that is delivered.
func announces(t *testing.T, name string, since time.Time) {
	t.Helper()
	c := newCustomer(t, 1_000)
	placed := c.place(t, line(newStock(t, 1), 1, 100))
	c.prepared(t, placed.ID)
	for _, step := range []string{"dispatch", "deliver"} {
		must[parcel](t, http.StatusOK, post(stack.operator, "/shipments/"+shipment.ID(placed.ID, 1)+"/"+step, nil))
	}
	logs := cloudwatchlogs.NewFromConfig(stack.config)
	said := eventually(t, "the page's consumer says that the order arrived", func() (string, bool) {
		out, err := logs.FilterLogEvents(t.Context(), &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: aws.String("/aws/lambda/" + name + "-announce-deliveries"),
			StartTime:    aws.Int64(since.UnixMilli()),
		})
		if err != nil {
			return err.Error(), false // before its first invocation
		}
		for _, e := range out.Events {
			if line := aws.ToString(e.Message); strings.Contains(line, "order arrived") &&
				strings.Contains(line, placed.ID) {
				return line, true
			}
		}
		return "", false
	})
	if !strings.Contains(said, `order/`+placed.ID+`@5`) {
		t.Errorf("it said %s", said)
	}
}

// hasAlarms: the block of the page brings the alarms that every consumer has.
func hasAlarms(t *testing.T, name string) {
	t.Helper()
	watch, err := cloudwatch.NewFromConfig(stack.config).DescribeAlarms(
		t.Context(), &cloudwatch.DescribeAlarmsInput{AlarmNamePrefix: aws.String(name + "-announce-deliveries-")},
	)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, a := range watch.MetricAlarms {
		names = append(names, strings.TrimPrefix(aws.ToString(a.AlarmName), name+"-announce-deliveries-"))
		if !slices.Equal(a.AlarmActions, []string{stack.Outputs["OperationsTopicArn"]}) {
			t.Errorf("%s tells %v", aws.ToString(a.AlarmName), a.AlarmActions)
		}
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"age", "rule-undelivered"}) {
		t.Errorf("alarms of the page's consumer: %q", names)
	}
}

// comesBack: a message that the consumer can't read is recorded, and redriven to it alone.
func comesBack(t *testing.T, name string, since time.Time) {
	t.Helper()
	queue, err := stack.queues.GetQueueUrl(
		t.Context(), &sqs.GetQueueUrlInput{QueueName: aws.String(name + "-announce-deliveries")},
	)
	if err != nil {
		t.Fatal(err)
	}
	setQueue(t, aws.ToString(queue.QueueUrl), sqstypes.QueueAttributeNameVisibilityTimeout, "1")
	mark := ident.New()
	unread := text(
		t,
		object{
			"source": "order-service", "detail-type": "order.delivered",
			"detail": object{"source": "order-service", "type": mark},
		},
	)
	if _, err := stack.queues.SendMessage(
		t.Context(), &sqs.SendMessageInput{QueueUrl: queue.QueueUrl, MessageBody: &unread},
	); err != nil {
		t.Fatal(err)
	}
	const tries = 3
	consumer := name + "-announce-deliveries" // with its stack, which is not the recorder's
	l := findEntry(t, consumer, mark, "open")
	if l.RetryCount != tries || !strings.Contains(l.Error, mark) || l.Kind != "queue" || l.Redrives != 0 {
		t.Errorf("the dead letter is %+v", l)
	}
	must[letter](t, http.StatusAccepted, post(stack.operator, "/dead-letters/"+l.ID+"/redrive", object{}))
	again := eventually(t, "the redriven message fails again", func() (letter, bool) {
		runRedrive(t)
		l := must[letter](t, http.StatusOK, get(stack.operator, "/dead-letters/"+l.ID))
		return l, l.Status == "open" && l.Redrives == 1
	})
	if again.RetryCount != 2*tries || !strings.Contains(again.Error, mark) || again.NextRedriveAt == nil {
		t.Errorf("the dead letter is %+v", again)
	}
	// Nobody else has it, who could not read it either.
	for _, group := range logGroups(t) {
		for line := range strings.Lines(logContent(t, since, group).text) {
			if strings.Contains(line, "message failed") && strings.Contains(line, mark) {
				t.Errorf("%s: %s", group, line)
			}
		}
	}
	takeEntry(t, consumer, mark)
}
