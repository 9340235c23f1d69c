//go:build e2e

package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/aws/consumerqueue"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/replay"
	"orderflow/shared/ops/resume"
	"orderflow/shared/process/saga"
)

// newConsumer puts a consumer behind the stack's bus, as a shop does with a queue and a rule of its
// own. It returns its name and its queue.
func newConsumer(t *testing.T, pattern, mayReplay string) (name, url string) {
	t.Helper()
	events := eventbridge.NewFromConfig(stack.config)
	name, bus := "probe-"+ident.New(), aws.String(stack.Outputs["BusName"])
	url, arn := newQueue(t, "events.amazonaws.com")
	if _, err := stack.queues.TagQueue(t.Context(), &sqs.TagQueueInput{
		QueueUrl: &url, Tags: map[string]string{consumerqueue.TagConsumer: name, consumerqueue.TagReplay: mayReplay},
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := events.PutRule(
		t.Context(), &eventbridge.PutRuleInput{Name: &name, EventBusName: bus, EventPattern: &pattern},
	); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		_, targets := events.RemoveTargets(
			ctx, &eventbridge.RemoveTargetsInput{Rule: &name, EventBusName: bus, Ids: []string{"queue"}},
		)
		_, rule := events.DeleteRule(ctx, &eventbridge.DeleteRuleInput{Name: &name, EventBusName: bus})
		if err := errors.Join(targets, rule); err != nil {
			t.Error(err)
		}
	})
	if _, err := events.PutTargets(t.Context(), &eventbridge.PutTargetsInput{
		Rule: &name, EventBusName: bus, Targets: []eventbridgetypes.Target{{Id: aws.String("queue"), Arn: &arn}},
	}); err != nil {
		t.Fatal(err)
	}
	return name, url
}

// delivered is an event as a queue gets it. Its detail is an envelope too, but all of it counts
// here.
type delivered = map[string]any

func envelopeID(d delivered) string {
	id, _ := d["detail"].(map[string]any)["id"].(string)
	return id
}

// take takes all messages out of a queue that are in it now.
func take(t *testing.T, url string) (all []delivered) {
	t.Helper()
	for {
		out, err := stack.queues.ReceiveMessage(
			t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10},
		)
		if err != nil {
			t.Fatal(err)
		}
		if len(out.Messages) == 0 {
			return all
		}
		for _, m := range out.Messages {
			all = append(all, decode[delivered](t, []byte(aws.ToString(m.Body))))
			if _, err := stack.queues.DeleteMessage(
				t.Context(), &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle},
			); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// replaySummary is what orderflow events replay --json prints.
type replaySummary struct {
	Name     string           `json:"name"`
	Counts   replay.Counts    `json:"counts"`
	Failures []replay.Failure `json:"failures"`
}

// program is the command line, built.
type program struct{ path, state string }

func newProgram(t *testing.T) program {
	t.Helper()
	p := program{path: filepath.Join(t.TempDir(), "orderflow"), state: t.TempDir()}
	if out, err := exec.CommandContext(
		t.Context(), "go", "build", "-o", p.path, "../cmd/orderflow",
	).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return p
}

func (p program) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(
		t.Context(), p.path, append([]string{"--stack", stack.Stack, "events", "replay"}, args...)...,
	)
	cmd.Env = os.Environ()
	return cmd
}

// replays runs a replay from the store to its end. What other tests have put into the table that
// nobody can read is told, and is no failure of this one.
func (p program) replays(t *testing.T, args ...string) (s replaySummary, said string) {
	t.Helper()
	cmd := p.command(t, append([]string{"--json", "--state", p.state}, args...)...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	s = replaySummary{}
	if jsonErr := json.Unmarshal(out, &s); jsonErr != nil || (err != nil) != (s.Counts.Failed > 0) {
		t.Fatalf("replay %v: %v, %v\n%s%s", args, err, jsonErr, out, stderr.String())
	}
	return s, stderr.String()
}

// replayed is what a replay has to send again: a customer's orders, and what was delivered live.
type replayed struct {
	cli           program
	consumer, url string // its name and its queue
	witness       string // the queue of another one
	began         time.Time
	buyer         customer
	sku           string
	orders        []string
	cancelled     string // one of them
	live          map[string]delivered
	before        standing
}

func newReplayed(t *testing.T) *replayed {
	t.Helper()
	const perOrder = 250
	r := &replayed{
		cli: newProgram(t), buyer: newCustomer(t, 100_000), sku: newStock(t, 100), live: map[string]delivered{},
	}
	r.consumer, r.url = newConsumer(
		t,
		`{"source":["order-service"],"detail-type":["order.placed",{"prefix":"order.cancell"}],`+
			`"detail":{"dataversion":[1]}}`,
		consumerqueue.ReplayAllowed,
	)
	_, r.witness = newConsumer(t, `{"source":[{"prefix":""}]}`, consumerqueue.ReplayAllowed)
	r.began = time.Now().UTC().Truncate(time.Second)

	r.orders = make([]string, 24)
	inParallel(len(r.orders), func(i int) { r.orders[i] = r.buyer.place(t, line(r.sku, 1, perOrder)).ID })
	for _, id := range r.orders {
		r.buyer.ends(t, id, "confirmed")
	}
	r.cancelled = r.orders[0]
	must[order](t, 202, post(r.buyer.token, "/orders/"+r.cancelled+"/cancel", object{}))
	r.buyer.ends(t, r.cancelled, "cancelled")
	eventually(t, "all events are delivered", func() (int, bool) {
		for _, d := range take(t, r.url) {
			r.live[envelopeID(d)] = d
		}
		return len(r.live), len(r.live) == len(r.orders)+2
	})
	take(t, r.witness)
	r.before = state(t, r.buyer, r.sku, r.orders)
	return r
}

// window are the arguments of a replay of what happened since.
func (r *replayed) window(more ...string) []string {
	return append([]string{"--consumer", r.consumer, "--from", r.began.Format(time.RFC3339)}, more...)
}

// mine are those messages that are of these orders.
func (r *replayed) mine(d []delivered) (own []delivered) {
	for _, one := range d {
		if r.live[envelopeID(one)] != nil {
			own = append(own, one)
		}
	}
	return own
}

func TestReplay(t *testing.T) {
	r := newReplayed(t)
	t.Run("dry run", r.counts)
	t.Run("killed and resumed", r.resumes)
	t.Run("interrupted", r.isInterrupted)
	t.Run("one stream", r.repeatsStream)
	t.Run("refusals", r.rejects)
	t.Run("to the saga", r.reachesSaga)
	t.Run("to a saga that has forgotten", r.reachesForgetfulSaga)
	for _, d := range take(t, r.witness) {
		if d["replay-name"] != nil {
			t.Errorf("another consumer got %v", d)
		}
	}
}

func (r *replayed) counts(t *testing.T) {
	s, _ := r.cli.replays(t, r.window("--type", "order.placed,order.confirmed", "--dry-run")...)
	placed := int64(len(r.orders))
	if s.Counts.Selected["order.placed"] < placed || s.Counts.Unwanted["order.confirmed"] < placed ||
		s.Counts.Unwanted["order.placed"] != 0 || len(s.Counts.Sent) > 0 {
		t.Errorf("counted %+v", s.Counts)
	}
	if got := take(t, r.url); len(got) > 0 {
		t.Errorf("%d were sent", len(got))
	}
}

func (r *replayed) resumes(t *testing.T) {
	args := r.window("--type", "order.placed", "--name", "resumed", "--segments", "8")
	kept := filepath.Join(r.cli.state, "resumed.json")
	first := r.cli.command(t, append(args, "--state", r.cli.state, "--rate", "1")...)
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	atKill := eventually(t, "some segments are done", func() (replay.State, bool) {
		var s replay.State
		text, err := os.ReadFile(kept)
		return s, err == nil && json.Unmarshal(text, &s) == nil && replay.Total(s.Counts.Sent) > 0
	})
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.Wait() // it was killed
	if !slices.ContainsFunc(atKill.Segments, func(s resume.Segment) bool { return !s.Done }) {
		t.Fatal("nothing was left to resume")
	}
	refusal, err := r.cli.command(
		t, append(args, "--state", r.cli.state, "--type", "order.cancelled")...,
	).CombinedOutput()
	if err == nil || !strings.Contains(string(refusal), "begun with another --type") {
		t.Errorf("with other arguments: %v, %s", err, refusal)
	}
	s, said := r.cli.replays(t, args...)
	if !strings.Contains(said, "Continuing replay resumed") {
		t.Errorf("said %s", said)
	}
	if _, err := os.Stat(kept); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state of a replay that is done is kept: %v", err)
	}
	got := take(t, r.url)
	times := map[string]int{}
	for _, d := range r.mine(got) {
		times[envelopeID(d)]++
		sameAs(t, d, r.live[envelopeID(d)], "resumed")
	}
	for id, d := range r.live {
		if placed := d["detail-type"] == "order.placed"; placed && times[id] == 0 || !placed && times[id] > 0 {
			t.Errorf("%s came %d times", id, times[id])
		}
	}
	// What came twice is what the killed run had sent of the pages that it had not noted, one
	// for each segment.
	if twice := int64(len(got)) - replay.Total(s.Counts.Sent); twice < 0 || twice > 8*replay.MaxBatch {
		t.Errorf("%d messages for %d events", len(got), replay.Total(s.Counts.Sent))
	}
}

func (r *replayed) isInterrupted(t *testing.T) {
	run := r.cli.command(t, r.window("--state", r.cli.state, "--rate", "0.5", "--name", "interrupted")...)
	var said strings.Builder
	run.Stderr = &said
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it sends", func() (int, bool) { n := len(take(t, r.url)); return n, n > 0 })
	if err := run.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := run.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 130 ||
		!strings.Contains(said.String(), "run the same command again") {
		t.Errorf("it ends with %v: %s", err, said.String())
	}
}

func (r *replayed) repeatsStream(t *testing.T) {
	take(t, r.url)
	r.cli.replays(t, r.window("--stream", "order/"+r.cancelled)...)
	var types []string
	for _, d := range take(t, r.url) {
		types = append(types, d["detail-type"].(string))
	}
	if !slices.Equal(types, []string{"order.placed", "order.cancelling", "order.cancelled"}) {
		t.Errorf("sent were %v", types)
	}
}

func (r *replayed) rejects(t *testing.T) {
	mail, mailbox := newConsumer(t, `{"source":["order-service"]}`, consumerqueue.ReplayNever)
	for _, tc := range []struct {
		says string
		args []string
	}{
		{consumerqueue.TagReplay + "=never, since what it does reaches people", []string{"--consumer", mail}},
		{"never, since what it does reaches people", []string{"--consumer", mail, "--archive"}},
		{`"nobody"; the bus ` + stack.Outputs["BusName"] + " has ", []string{"--consumer", "nobody"}},
		{
			`unknown event type "order.abducted"; published are account.deposited, `,
			r.window("--type", "order.abducted"),
		},
		{"no time lies from", r.window("--to", "2000-01-01T00:00:00Z")},
		{"keeps no archive", r.window("--archive")},
		{"--type is not possible with --archive", r.window("--archive", "--type", "order.placed")},
	} {
		out, err := r.cli.command(t, tc.args...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), tc.says) {
			t.Errorf("%v: %v, %s", tc.args, err, out)
		}
	}
	if got := take(t, mailbox); len(got) > 0 {
		t.Errorf("mail was replayed: %v", got)
	}
}

// The runs that fulfilled and undid these orders are known by their names, so that none runs a
// second time.
func (r *replayed) reachesSaga(t *testing.T) {
	runs := executions(t)
	s, _ := r.cli.replays(t, "--consumer", "start-saga", "--from", r.began.Format(time.RFC3339))
	if s.Counts.Sent["order.placed"] < int64(len(r.orders)) || s.Counts.Sent["order.cancelling"] < 1 ||
		s.Counts.Sent["order.confirmed"] > 0 {
		t.Errorf("counted %+v", s.Counts)
	}
	settled(t, stack.Outputs["StartSagaQueueUrl"])
	if now := executions(t); !maps.Equal(now, runs) {
		t.Errorf("%d runs became %d", len(runs), len(now))
	}
	if after := state(t, r.buyer, r.sku, r.orders); !reflect.DeepEqual(after, r.before) {
		t.Errorf("before it was %+v, now %+v", r.before, after)
	}
}

// Step Functions forgets a name after 90 days, and then a replay starts a run again. Another
// machine of the same definition has forgotten all of them.
func (r *replayed) reachesForgetfulSaga(t *testing.T) {
	machine := forgetful(t)
	closing := slices.IndexFunc(
		r.buyer.history(t, r.cancelled), func(e event) bool { return e.Type == "order.cancelling" },
	)
	runs := []saga.Run{saga.Fulfil(r.orders[1]), saga.Fulfil(r.cancelled), saga.Undo(r.cancelled, int64(closing+1))}
	for _, run := range runs {
		started, err := stack.runs.StartExecution(t.Context(), &sfn.StartExecutionInput{
			StateMachineArn: &machine, Name: aws.String(run.Name), Input: aws.String(run.Input.JSON()),
		})
		if err != nil {
			t.Fatal(err)
		}
		status := eventually(t, "run "+run.Name+" ends", func() (sfntypes.ExecutionStatus, bool) {
			out, err := stack.runs.DescribeExecution(
				t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: started.ExecutionArn},
			)
			if err != nil {
				t.Fatal(err)
			}
			return out.Status, out.Status != sfntypes.ExecutionStatusRunning
		})
		if status != sfntypes.ExecutionStatusSucceeded {
			t.Errorf("run %s ends %s", run.Name, status)
		}
	}
	if after := state(t, r.buyer, r.sku, r.orders); !reflect.DeepEqual(after, r.before) {
		t.Errorf("before it was %+v, now %+v", r.before, after)
	}
}

// sameAs compares what was replayed with what was delivered live. Only the emulator takes another
// time for an event's than the one that it was published with.
func sameAs(t *testing.T, replayed, live delivered, name string) {
	t.Helper()
	if replayed["replay-name"] != name {
		t.Errorf("%s is of the replay %v", envelopeID(replayed), replayed["replay-name"])
	}
	got, want := maps.Clone(replayed), maps.Clone(live)
	for _, own := range []string{"id", "time"} {
		if reflect.TypeOf(got[own]) != reflect.TypeOf(want[own]) {
			t.Errorf("%s is %v, live %v", own, got[own], want[own])
		}
		delete(got, own)
		delete(want, own)
	}
	delete(got, "replay-name")
	if !reflect.DeepEqual(got, want) {
		t.Errorf("replayed was %v, live %v", got, want)
	}
}

// standing is what a second run could have changed.
type standing struct {
	Balance int64
	Stock   shop.Stock
	Events  map[string]string
}

func state(t *testing.T, c customer, sku string, orders []string) standing {
	t.Helper()
	s := standing{
		Balance: c.balance(t), Stock: must[shop.Stock](t, 200, get(stack.operator, "/stock/"+sku)),
		Events: map[string]string{},
	}
	for _, id := range orders {
		s.Events[string(es.NewStreamID("order", id))] = types(c.history(t, id))
	}
	return s
}

// executions are the runs of the saga, by name.
func executions(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for pages := sfn.NewListExecutionsPaginator(
		stack.runs, &sfn.ListExecutionsInput{StateMachineArn: aws.String(stack.Outputs["SagaArn"])},
	); pages.HasMorePages(); {
		out, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range out.Executions {
			all[aws.ToString(e.Name)] = true
		}
	}
	return all
}

// settled waits until a queue is empty and nobody works at a message of it.
func settled(t *testing.T, url string) {
	t.Helper()
	waiting, hidden := sqstypes.QueueAttributeNameApproximateNumberOfMessages,
		sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible
	eventually(t, "the queue is empty", func() (map[string]string, bool) {
		out, err := stack.queues.GetQueueAttributes(
			t.Context(),
			&sqs.GetQueueAttributesInput{
				QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{waiting, hidden},
			},
		)
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes, out.Attributes[string(waiting)] == "0" && out.Attributes[string(hidden)] == "0"
	})
}

// forgetful makes a state machine of the saga's definition that has had no runs.
func forgetful(t *testing.T) string {
	t.Helper()
	original, err := stack.runs.DescribeStateMachine(
		t.Context(), &sfn.DescribeStateMachineInput{StateMachineArn: aws.String(stack.Outputs["SagaArn"])},
	)
	if err != nil {
		t.Fatal(err)
	}
	made, err := stack.runs.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("e2e-" + ident.New()), Definition: original.Definition, RoleArn: original.RoleArn,
		Type: original.Type,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := stack.runs.DeleteStateMachine(
			ctx, &sfn.DeleteStateMachineInput{StateMachineArn: made.StateMachineArn},
		); err != nil {
			t.Error(err)
		}
	})
	return aws.ToString(made.StateMachineArn)
}

// A consumer's queue is deleted under its rule: the other consumers have their events, and those
// that the queue missed are replayed to it once it is there again. What EventBridge can't deliver
// meanwhile is a dead letter of the rule on AWS, and dropped by the emulator.
func TestQueueDeletedUnderItsRule(t *testing.T) {
	t.Parallel()
	buyer := newCustomer(t, 1_000)
	pattern := fmt.Sprintf(`{"source":["account-service"],"detail":{"subject":[%q]}}`, "account/"+buyer.account)
	name, url := newConsumer(t, pattern, consumerqueue.ReplayAllowed)
	_, witness := newConsumer(t, pattern, consumerqueue.ReplayAllowed)
	// The account was opened and paid into before; that may reach the consumers, or have been
	// published too early.
	first, missed := "account/"+buyer.account+"@3", "account/"+buyer.account+"@4"
	arrives := func(queue, id string) {
		t.Helper()
		eventually(t, id+" in "+queue, func() ([]delivered, bool) {
			got := take(t, queue)
			return got, slices.ContainsFunc(got, func(d delivered) bool { return envelopeID(d) == id })
		})
	}
	buyer.deposit(t, 1)
	arrives(url, first)
	arrives(witness, first)

	tags, err := stack.queues.ListQueueTags(t.Context(), &sqs.ListQueueTagsInput{QueueUrl: &url})
	if err != nil {
		t.Fatal(err)
	}
	attributes, err := stack.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNamePolicy},
	})
	if err != nil {
		t.Fatal(err)
	}
	deployAgain := func() {
		t.Helper()
		if _, err := stack.queues.CreateQueue(
			t.Context(),
			&sqs.CreateQueueInput{
				QueueName: aws.String(path.Base(url)), Attributes: attributes.Attributes, Tags: tags.Tags,
			},
		); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stack.queues.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
		t.Fatal(err)
	}
	buyer.deposit(t, 2)
	arrives(witness, missed) // the other consumer goes on
	deployAgain()
	newProgram(t).replays(
		t, "--consumer", name, "--stream", "account/"+buyer.account, "--from", "1h", "--type", "account.deposited",
	)
	var replayed []string
	eventually(t, "the replay", func() ([]string, bool) {
		for _, d := range take(t, url) {
			if d["replay-name"] != nil {
				replayed = append(replayed, envelopeID(d))
			}
		}
		return replayed, slices.Contains(replayed, missed)
	})
	for _, d := range take(t, witness) {
		if d["replay-name"] != nil {
			t.Errorf("the other consumer got %v besides", d)
		}
	}
}
