//go:build e2e

package e2e_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"io"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logstypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	cognitotypes "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/klauspost/compress/zstd"

	"orderflow/shared/kit/es"
	domain "orderflow/shared/shop/customer"
	"orderflow/shared/shop/money"
	ordering "orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
)

type moneyOf = money.Money

// content is all that lies in one of the stack's places. What is packed in it is unpacked behind
// it.
type content struct{ place, text string }

// everything is what the stack keeps: its tables, queues, user pool, and of its logs and runs what
// is younger than since. Messages stay in their queues.
func everything(t *testing.T, since time.Time) []content {
	t.Helper()
	var all []content
	for _, table := range tables(t) {
		var text strings.Builder
		for _, i := range scan(t, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)}) {
			write(&text, &dynamodbtypes.AttributeValueMemberM{Value: i})
			text.WriteByte('\n')
		}
		all = append(all, content{"table " + table, unpacked(text.String())})
	}
	for _, queue := range queueNames(t) {
		all = append(all, queueContent(t, queue))
	}
	for _, group := range logGroups(t) {
		all = append(all, logContent(t, since, group))
	}
	for _, machine := range machines(t) {
		all = append(all, runContent(t, since, machine))
	}
	return append(all, poolContent(t))
}

func named(all []content, place string) []content {
	return slices.DeleteFunc(slices.Clone(all), func(c content) bool { return c.place != place })
}

// own cuts the stack's name off a name.
func own(name string) (string, bool) { return strings.CutPrefix(name, stack.Stack+"-") }

func tables(t *testing.T) []string {
	t.Helper()
	var names []string
	for pages := dynamodb.NewListTablesPaginator(stack.tables, &dynamodb.ListTablesInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range page.TableNames {
			if _, ok := own(name); ok {
				names = append(names, name)
			}
		}
	}
	for output, name := range stack.Outputs {
		if strings.HasSuffix(output, "Table") && !slices.Contains(names, name) {
			t.Errorf("table %s is not listed", name)
		}
	}
	return names
}

func queueNames(t *testing.T) []string {
	t.Helper()
	var names []string
	for pages := sqs.NewListQueuesPaginator(
		stack.queues, &sqs.ListQueuesInput{QueueNamePrefix: aws.String(stack.Stack + "-")},
	); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, url := range page.QueueUrls {
			names = append(names, url[strings.LastIndexByte(url, '/')+1:])
		}
	}
	for output, url := range stack.Outputs {
		if strings.HasSuffix(output, "QueueUrl") &&
			!slices.Contains(names, url[strings.LastIndexByte(url, '/')+1:]) {
			t.Errorf("queue %s is not listed", url)
		}
	}
	return names
}

// queueContent receives all messages of a queue and gives them back.
func queueContent(t *testing.T, name string) content {
	t.Helper()
	found, err := stack.queues.GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		t.Fatal(err)
	}
	waiting := sqstypes.QueueAttributeNameApproximateNumberOfMessages
	attributes, err := stack.queues.GetQueueAttributes(
		t.Context(),
		&sqs.GetQueueAttributesInput{QueueUrl: found.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{waiting}},
	)
	if err != nil {
		t.Fatal(err)
	}
	want, err := strconv.Atoi(attributes.Attributes[string(waiting)])
	if err != nil {
		t.Fatal(err)
	}
	var messages []sqstypes.Message
	eventually(t, "messages of "+name, func() (int, bool) {
		out, err := stack.queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: found.QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 60,
			MessageAttributeNames:       []string{"All"},
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
		})
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, out.Messages...)
		return len(messages), len(messages) >= want && len(out.Messages) == 0
	})
	var all strings.Builder
	for _, m := range messages {
		if _, err := stack.queues.ChangeMessageVisibility(
			t.Context(), &sqs.ChangeMessageVisibilityInput{QueueUrl: found.QueueUrl, ReceiptHandle: m.ReceiptHandle},
		); err != nil {
			t.Fatal(err)
		}
		all.WriteString(aws.ToString(m.Body) + "\n" + text(t, m) + "\n")
	}
	return content{"queue " + name, unpacked(all.String())}
}

// logGroups are the last parts of the names of the stack's groups: of each function, the saga and
// the API.
func logGroups(t *testing.T) []string {
	t.Helper()
	var groups []string
	for pages := cloudwatchlogs.NewDescribeLogGroupsPaginator(
		cloudwatchlogs.NewFromConfig(stack.config), &cloudwatchlogs.DescribeLogGroupsInput{},
	); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range page.LogGroups {
			if strings.Contains(aws.ToString(g.LogGroupName), "/"+stack.Stack+"-") {
				groups = append(groups, aws.ToString(g.LogGroupName))
			}
		}
	}
	if deployed := len(functions(t)); len(groups) < deployed+2 {
		t.Errorf("%d log groups for %d functions, the API and the saga", len(groups), deployed)
	}
	return groups
}

// logContent is what a group has been told since; a function's name means its group.
func logContent(t *testing.T, since time.Time, group string) content {
	t.Helper()
	if !strings.HasPrefix(group, "/") {
		group = "/aws/lambda/" + stack.Stack + "-" + group
	}
	var all strings.Builder
	in := &cloudwatchlogs.FilterLogEventsInput{LogGroupName: &group, StartTime: aws.Int64(since.UnixMilli())}
	for pages := cloudwatchlogs.NewFilterLogEventsPaginator(
		cloudwatchlogs.NewFromConfig(stack.config), in,
	); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			all.WriteString(aws.ToString(e.Message) + "\n")
		}
	}
	return content{"log " + group, unpacked(all.String())}
}

func machines(t *testing.T) []string {
	t.Helper()
	var arns []string
	for pages := sfn.NewListStateMachinesPaginator(stack.runs, &sfn.ListStateMachinesInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range page.StateMachines {
			if _, ok := own(aws.ToString(m.Name)); ok {
				arns = append(arns, aws.ToString(m.StateMachineArn))
			}
		}
	}
	if !slices.Contains(arns, stack.Outputs["SagaArn"]) {
		t.Error("the saga is not listed")
	}
	return arns
}

// runContent is all that Step Functions keeps of the machine's runs that started since: input,
// output, and each event of their histories.
func runContent(t *testing.T, since time.Time, machine string) content {
	t.Helper()
	var all strings.Builder
	for pages := sfn.NewListExecutionsPaginator(
		stack.runs, &sfn.ListExecutionsInput{StateMachineArn: &machine},
	); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Executions {
			if !aws.ToTime(e.StartDate).Before(since) {
				all.WriteString(runs(t, aws.ToString(e.ExecutionArn)) + "\n")
			}
		}
	}
	return content{"runs of " + machine, unpacked(all.String())}
}

func poolContent(t *testing.T) content {
	t.Helper()
	var all strings.Builder
	in := &cognitoidentityprovider.ListUsersInput{UserPoolId: aws.String(stack.Outputs["UserPoolId"])}
	for pages := cognitoidentityprovider.NewListUsersPaginator(
		cognitoidentityprovider.NewFromConfig(stack.config), in,
	); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range page.Users {
			for _, a := range u.Attributes {
				all.WriteString(aws.ToString(a.Name) + "=" + aws.ToString(a.Value) + "\n")
			}
		}
	}
	return content{"user pool", unpacked(all.String())}
}

// commitsOf is what a stream holds.
func commitsOf(t *testing.T, stream string) string {
	t.Helper()
	out, err := stack.tables.Query(t.Context(), &dynamodb.QueryInput{
		TableName: aws.String(stack.Outputs["EventsTable"]), ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("#s = :s"),
		ExpressionAttributeNames:  map[string]string{"#s": "stream"},
		ExpressionAttributeValues: item{":s": &dynamodbtypes.AttributeValueMemberS{Value: stream}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, i := range out.Items {
		write(&all, &dynamodbtypes.AttributeValueMemberM{Value: i})
	}
	return unpacked(all.String())
}

// archive keeps all that is on the bus from now on.
type archive struct {
	rules    *eventbridge.Client
	arn, bus string
	began    time.Time
}

func newArchive(t *testing.T) archive {
	t.Helper()
	a := archive{rules: eventbridge.NewFromConfig(stack.config), began: time.Now().Add(-time.Minute)}
	bus, err := a.rules.DescribeEventBus(
		t.Context(), &eventbridge.DescribeEventBusInput{Name: aws.String(stack.Outputs["BusName"])},
	)
	if err != nil {
		t.Fatal(err)
	}
	name := aws.String("e2e-" + unique())
	created, err := a.rules.CreateArchive(
		t.Context(), &eventbridge.CreateArchiveInput{ArchiveName: name, EventSourceArn: bus.Arn},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := a.rules.DeleteArchive(ctx, &eventbridge.DeleteArchiveInput{ArchiveName: name}); err != nil {
			t.Error(err)
		}
	})
	a.arn, a.bus = aws.ToString(created.ArchiveArn), aws.ToString(bus.Arn)
	return a
}

// replayed is what the archive holds: it is replayed to a queue of the test's own.
func (a archive) replayed(t *testing.T) content {
	t.Helper()
	to, name := listen(t), aws.String("e2e-"+unique())
	if _, err := a.rules.StartReplay(t.Context(), &eventbridge.StartReplayInput{
		ReplayName: name, EventSourceArn: &a.arn, EventStartTime: &a.began,
		EventEndTime: aws.Time(time.Now().Add(time.Minute)),
		Destination:  &eventbridgetypes.ReplayDestination{Arn: &a.bus, FilterArns: []string{to.rule}},
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the replay is through", func() (eventbridgetypes.ReplayState, bool) {
		out, err := a.rules.DescribeReplay(t.Context(), &eventbridge.DescribeReplayInput{ReplayName: name})
		if err != nil {
			t.Fatal(err)
		}
		return out.State, out.State == eventbridgetypes.ReplayStateCompleted
	})
	to.event(t, "customer.registered", "e2e-")
	to.drain(t)
	return content{"archive", unpacked(strings.Join(to.heard, "\n"))}
}

var (
	base64Run  = regexp.MustCompile(`[A-Za-z0-9+/_-]{24,}={0,2}`)
	sealedForm = regexp.MustCompile(`pd1:[A-Za-z0-9+/]+={0,2}`)
)

// unpacked is a text with, behind it, what is compressed in it: as it stands there in base64, for
// binary attributes are written so.
func unpacked(text string) string {
	var all strings.Builder
	all.WriteString(text)
	for _, run := range base64Run.FindAllString(text, -1) {
		run = strings.NewReplacer("-", "+", "_", "/", "=", "").Replace(run)
		if data, err := base64.RawStdEncoding.DecodeString(run); err == nil {
			if plain := decompressed(data); plain != nil {
				all.WriteByte('\n')
				all.Write(plain)
			}
		}
	}
	return all.String()
}

// decompressed is nil for what is not compressed.
func decompressed(data []byte) []byte {
	var from io.Reader
	switch {
	case bytes.HasPrefix(data, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		r, err := zstd.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil
		}
		defer r.Close()
		from = r
	case bytes.HasPrefix(data, []byte{0x1f, 0x8b}):
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil
		}
		from = r
	default:
		return nil
	}
	plain, err := io.ReadAll(from)
	if err != nil {
		return nil
	}
	return plain
}

// disguises are forms in which a text may stand somewhere.
var disguises = map[string]func(string) string{
	"as it is":                    func(s string) string { return s },
	"in capitals":                 strings.ToUpper,
	"in JSON, escaped":            strconv.QuoteToASCII,
	"percent-encoded":             url.QueryEscape,
	"percent-encoded, for a path": url.PathEscape,
	"in hexadecimal":              func(s string) string { return hex.EncodeToString([]byte(s)) },
	"in base64": func(s string) string {
		return base64.StdEncoding.EncodeToString([]byte("a?" + s + "~"))
	},
	"in base64 for URLs": func(s string) string {
		return base64.RawURLEncoding.EncodeToString([]byte("a" + s))
	},
	"compressed by gzip, in base64": func(s string) string {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return base64.StdEncoding.EncodeToString(b.Bytes())
	},
	"compressed by zstd, in base64": func(s string) string {
		var b bytes.Buffer
		w, _ := zstd.NewWriter(&b)
		_, _ = w.Write([]byte(s))
		_ = w.Close()
		return base64.StdEncoding.EncodeToString(b.Bytes())
	},
}

// finding is a text that was looked for, and where it is.
type finding struct{ place, text string }

// search looks for texts in all forms that an encoding of a whole text around them can give them.
func search(all []content, texts []string) (found []finding) {
	for _, c := range all {
		lower := strings.ToLower(unescaped(c.text))
		for _, text := range texts {
			if holds(c.text, lower, text) {
				found = append(found, finding{c.place, text})
			}
		}
	}
	return found
}

var escapes = regexp.MustCompile(`\\+u[0-9a-fA-F]{4}`)

// unescaped is a text with the letters that JSON's escapes stand for, however often it was put into
// JSON.
func unescaped(text string) string {
	return escapes.ReplaceAllStringFunc(text, func(escape string) string {
		code, err := strconv.ParseUint(escape[len(escape)-4:], 16, 16)
		if err != nil {
			return escape
		}
		return string(rune(code))
	})
}

func holds(content, lower, text string) bool {
	for _, form := range []string{text, url.QueryEscape(text), url.PathEscape(text), hex.EncodeToString([]byte(text))} {
		if strings.Contains(lower, strings.ToLower(form)) {
			return true
		}
	}
	// In base64 a text has three forms, by its place modulo 3. The letters at either end that other
	// bytes share are left out.
	for ahead := range 3 {
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			form := encoding.EncodeToString(append(make([]byte, ahead), text...))
			if strings.Contains(content, form[(ahead*8+5)/6:(ahead+len(text))*8/6]) {
				return true
			}
		}
	}
	return false
}

// controls are texts that a test has planted itself, one for each form, and all of them in each of
// the places.
type controls struct {
	needles map[string]string // by form
	places  []string
}

// plantControls puts the controls into every table, the queue of dead letters, every log group, a
// run, the archive and the user pool. Into the events they come as a name that nobody has sealed,
// which also brings them on the bus. The test's end takes away what it can; takeLetters has to be
// called before.
func plantControls(t *testing.T) (c controls, takeLetters func()) {
	t.Helper()
	c = controls{needles: map[string]string{}}
	disguised := map[string]string{}
	for form, disguise := range disguises {
		c.needles[form] = "nëedle " + unique()
		disguised[form] = disguise(c.needles[form])
	}
	payload, id := text(t, disguised), "e2e-control-"+unique()

	heard := listen(t)
	appendEvent(
		t, es.NewStreamID(domain.Category, id), "customer.registered",
		domain.Registered{CustomerID: id, Name: personal.Sealed(payload), Email: "pd1:"},
	)
	heard.event(t, "customer.registered", id)
	c.places = append(c.places, "table "+stack.Outputs["EventsTable"], "archive")
	c.intoTables(t, id, payload)
	c.intoQueue(t, id, payload)
	c.intoLogs(t, id, payload)
	c.intoRun(t, id, payload)
	c.intoUserPool(t, id, payload)
	return c, func() {
		takeMessage(t, stack.Outputs["DeadLettersQueueUrl"], id)
	}
}

// intoTables puts a row with the payload into every table but the events'.
func (c *controls) intoTables(t *testing.T, id, payload string) {
	t.Helper()
	for _, table := range tables(t) {
		if table == stack.Outputs["EventsTable"] {
			continue
		}
		described, err := stack.tables.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
		if err != nil {
			t.Fatal(err)
		}
		key := item{}
		for _, k := range described.Table.KeySchema {
			key[aws.ToString(k.AttributeName)] = &dynamodbtypes.AttributeValueMemberS{Value: id}
		}
		for _, d := range described.Table.AttributeDefinitions {
			if key[aws.ToString(d.AttributeName)] != nil && d.AttributeType == dynamodbtypes.ScalarAttributeTypeN {
				key[aws.ToString(d.AttributeName)] = &dynamodbtypes.AttributeValueMemberN{Value: "1"}
			}
		}
		row := maps.Clone(key)
		row["control"] = &dynamodbtypes.AttributeValueMemberM{Value: item{"in": &dynamodbtypes.AttributeValueMemberL{
			Value: []dynamodbtypes.AttributeValue{&dynamodbtypes.AttributeValueMemberS{Value: payload}},
		}}}
		if _, err := stack.tables.PutItem(
			t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: row},
		); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := cleaning()
			defer cancel()
			if _, err := stack.tables.DeleteItem(
				ctx, &dynamodb.DeleteItemInput{TableName: &table, Key: key},
			); err != nil {
				t.Error(err)
			}
		})
		c.places = append(c.places, "table "+table)
	}
}

// intoQueue sends the payload to the queue of dead letters.
func (c *controls) intoQueue(t *testing.T, id, payload string) {
	t.Helper()
	url := stack.Outputs["DeadLettersQueueUrl"]
	if _, err := stack.queues.SendMessage(
		t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(id + payload)},
	); err != nil {
		t.Fatal(err)
	}
	c.places = append(c.places, "queue "+url[strings.LastIndexByte(url, '/')+1:])
}

// intoLogs writes the payload to every log group.
func (c *controls) intoLogs(t *testing.T, id, payload string) {
	t.Helper()
	logs := cloudwatchlogs.NewFromConfig(stack.config)
	for _, group := range logGroups(t) {
		if _, err := logs.CreateLogStream(
			t.Context(), &cloudwatchlogs.CreateLogStreamInput{LogGroupName: &group, LogStreamName: &id},
		); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := cleaning()
			defer cancel()
			if _, err := logs.DeleteLogStream(
				ctx, &cloudwatchlogs.DeleteLogStreamInput{LogGroupName: &group, LogStreamName: &id},
			); err != nil {
				t.Error(err)
			}
		})
		if _, err := logs.PutLogEvents(t.Context(), &cloudwatchlogs.PutLogEventsInput{
			LogGroupName: &group, LogStreamName: &id,
			LogEvents: []logstypes.InputLogEvent{{Message: &payload, Timestamp: aws.Int64(time.Now().UnixMilli())}},
		}); err != nil {
			t.Fatal(err)
		}
		c.places = append(c.places, "log "+group)
	}
}

// intoRun starts an execution with the payload as its input.
func (c *controls) intoRun(t *testing.T, id, payload string) {
	t.Helper()
	role, err := stack.runs.DescribeStateMachine(
		t.Context(), &sfn.DescribeStateMachineInput{StateMachineArn: aws.String(stack.Outputs["SagaArn"])},
	)
	if err != nil {
		t.Fatal(err)
	}
	machine, err := stack.runs.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String(stack.Stack + "-" + id), RoleArn: role.RoleArn,
		Definition: aws.String(`{"StartAt":"Done","States":{"Done":{"Type":"Succeed"}}}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := stack.runs.DeleteStateMachine(
			ctx, &sfn.DeleteStateMachineInput{StateMachineArn: machine.StateMachineArn},
		); err != nil {
			t.Error(err)
		}
	})
	if _, err := stack.runs.StartExecution(
		t.Context(), &sfn.StartExecutionInput{StateMachineArn: machine.StateMachineArn, Input: &payload},
	); err != nil {
		t.Fatal(err)
	}
	c.places = append(c.places, "runs of "+aws.ToString(machine.StateMachineArn))
}

// intoUserPool makes a user with the payload as the name.
func (c *controls) intoUserPool(t *testing.T, id, payload string) {
	t.Helper()
	pool := cognitoidentityprovider.NewFromConfig(stack.config)
	if _, err := pool.AdminCreateUser(t.Context(), &cognitoidentityprovider.AdminCreateUserInput{
		UserPoolId: aws.String(stack.Outputs["UserPoolId"]), Username: &id,
		MessageAction:  cognitotypes.MessageActionTypeSuppress,
		UserAttributes: []cognitotypes.AttributeType{{Name: aws.String("name"), Value: &payload}},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := pool.AdminDeleteUser(
			ctx,
			&cognitoidentityprovider.AdminDeleteUserInput{
				UserPoolId: aws.String(stack.Outputs["UserPoolId"]), Username: &id,
			},
		); err != nil {
			t.Error(err)
		}
	})
	c.places = append(c.places, "user pool")
}

// dataKeys unwraps every data key that is left, by its subject.
func dataKeys(t *testing.T) map[string]personal.Key {
	t.Helper()
	unwrap, keys := kms.NewFromConfig(stack.config), map[string]personal.Key{}
	for _, row := range scan(
		t, &dynamodb.ScanInput{TableName: aws.String(stack.Outputs["KeysTable"]), ConsistentRead: aws.Bool(true)},
	) {
		subject, _ := row["subject"].(*dynamodbtypes.AttributeValueMemberS)
		wrapped, _ := row["wrapped"].(*dynamodbtypes.AttributeValueMemberB)
		if subject == nil || wrapped == nil {
			continue
		}
		out, err := unwrap.Decrypt(
			t.Context(),
			&kms.DecryptInput{
				CiphertextBlob: wrapped.Value, EncryptionContext: map[string]string{"subject": subject.Value},
			},
		)
		if err != nil {
			t.Fatal(err)
		}
		if keys[subject.Value], err = personal.NewKey(out.Plaintext); err != nil {
			t.Fatal(err)
		}
	}
	return keys
}

// sealedIn lists what is sealed, each once.
func sealedIn(all []content) []string {
	set := map[string]bool{}
	for _, c := range all {
		for _, sealed := range sealedForm.FindAllString(c.text, -1) {
			set[sealed] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// openAll tries each key on each sealed text, as its own subject's and as the one named, in every
// field. It gives what was opened.
func openAll(keys map[string]personal.Key, subject string, sealed []string) map[string]string {
	opened := map[string]string{}
	for owner, key := range keys {
		for _, text := range sealed {
			for _, field := range []string{
				domain.NameField, domain.EmailField, ordering.AddressField, ordering.NoteField,
			} {
				for _, of := range []string{owner, subject} {
					if plain, err := key.Open(of, field, personal.Sealed(text)); err == nil {
						opened[text] = string(plain)
					}
				}
			}
		}
	}
	return opened
}

func intersection(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(s string) bool { return !slices.Contains(b, s) })
}
