package consumerqueue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 5, time.UTC)

const (
	account = "arn:aws:sqs:eu-west-1:123456789012:"
	busARN  = "arn:aws:events:eu-west-1:123456789012:event-bus/orders"
)

func envelope(id, eventType string) es.Envelope {
	return es.Envelope{
		SpecVersion: "1.0", ID: id, Source: "order-service", Type: eventType, Subject: "order/o", Time: start,
		DataContentType: "application/json", DataSchema: "urn:x", DataVersion: 1, Sequence: 9007199254740993,
		Data: json.RawMessage(`{"origin":"saga","n":9007199254740993}`),
	}
}

// aFake is EventBridge and SQS. Lists come in pages of one.
type aFake struct {
	rules   []types.Rule
	targets map[string][]types.Target // by rule
	tags    map[string]map[string]string
	asked   []string // events of TestEventPattern
	test    func(pattern string, event map[string]any) (bool, error)
	batch   func(*sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error)
	bodies  []string
}

func (f *aFake) DescribeEventBus(
	context.Context, *eventbridge.DescribeEventBusInput, ...func(*eventbridge.Options),
) (*eventbridge.DescribeEventBusOutput, error) {
	return &eventbridge.DescribeEventBusOutput{Arn: aws.String(busARN)}, nil
}

func next(token *string, n int) (from int, following *string) {
	if token != nil {
		_, _ = fmt.Sscan(*token, &from)
	}
	if from+1 < n {
		following = aws.String(fmt.Sprint(from + 1))
	}
	return from, following
}

func (f *aFake) ListRules(
	_ context.Context, in *eventbridge.ListRulesInput, _ ...func(*eventbridge.Options),
) (*eventbridge.ListRulesOutput, error) {
	from, following := next(in.NextToken, len(f.rules))
	return &eventbridge.ListRulesOutput{Rules: f.rules[from:min(from+1, len(f.rules))], NextToken: following}, nil
}

func (f *aFake) ListTargetsByRule(
	_ context.Context, in *eventbridge.ListTargetsByRuleInput, _ ...func(*eventbridge.Options),
) (*eventbridge.ListTargetsByRuleOutput, error) {
	all := f.targets[*in.Rule]
	from, following := next(in.NextToken, len(all))
	return &eventbridge.ListTargetsByRuleOutput{Targets: all[from:min(from+1, len(all))], NextToken: following}, nil
}

func (f *aFake) TestEventPattern(
	_ context.Context, in *eventbridge.TestEventPatternInput, _ ...func(*eventbridge.Options),
) (*eventbridge.TestEventPatternOutput, error) {
	f.asked = append(f.asked, *in.Event)
	var event map[string]any
	if err := json.Unmarshal([]byte(*in.Event), &event); err != nil {
		return nil, err
	}
	matches, err := f.test(*in.EventPattern, event)
	return &eventbridge.TestEventPatternOutput{Result: matches}, err
}

//nolint:revive // the name is the client's
func (f *aFake) GetQueueUrl(
	_ context.Context, in *sqs.GetQueueUrlInput, _ ...func(*sqs.Options),
) (*sqs.GetQueueUrlOutput, error) {
	if *in.QueueOwnerAWSAccountId != "123456789012" || f.tags[*in.QueueName] == nil {
		return nil, &sqstypes.QueueDoesNotExist{}
	}
	return &sqs.GetQueueUrlOutput{QueueUrl: aws.String("https://" + *in.QueueName)}, nil
}

func (f *aFake) ListQueueTags(
	_ context.Context, in *sqs.ListQueueTagsInput, _ ...func(*sqs.Options),
) (*sqs.ListQueueTagsOutput, error) {
	return &sqs.ListQueueTagsOutput{Tags: f.tags[strings.TrimPrefix(*in.QueueUrl, "https://")]}, nil
}

func (f *aFake) SendMessageBatch(
	_ context.Context, in *sqs.SendMessageBatchInput, _ ...func(*sqs.Options),
) (*sqs.SendMessageBatchOutput, error) {
	if f.batch != nil {
		return f.batch(in)
	}
	out := &sqs.SendMessageBatchOutput{}
	for _, e := range in.Entries {
		f.bodies = append(f.bodies, *e.MessageBody)
		out.Successful = append(out.Successful, sqstypes.SendMessageBatchResultEntry{Id: e.Id})
	}
	return out, nil
}

func rule(name, pattern string, state types.RuleState) types.Rule {
	r := types.Rule{Name: &name, Arn: aws.String("arn:" + name), State: state}
	if pattern != "" {
		r.EventPattern = &pattern
	}
	return r
}

func targets(queues ...string) (all []types.Target) {
	for _, q := range queues {
		all = append(all, types.Target{Arn: aws.String(q)})
	}
	return all
}

// world is a bus with consumers of each kind.
func world() *aFake {
	tagged := func(name, replay string) map[string]string {
		return map[string]string{TagConsumer: name, TagReplay: replay, "else": "x"}
	}
	return &aFake{
		rules: []types.Rule{
			rule("placed", `{"detail-type":["order.placed"]}`, types.RuleStateEnabled),
			rule("cancelling", `{"detail-type":["order.cancelling"]}`, types.RuleStateEnabled),
			rule("old", `{"detail-type":["order.old"]}`, types.RuleStateDisabled),
			rule("mail", `{"replay-name":[{"exists":false}]}`, types.RuleStateEnabled),
			rule("mixed", `{"source":["order-service"]}`, types.RuleStateEnabled),
			rule("asleep", `{"source":["order-service"]}`, types.RuleStateDisabled),
			rule("every-hour", "", types.RuleStateEnabled),
		},
		targets: map[string][]types.Target{
			"placed": targets(account + "saga"), "cancelling": targets(account + "saga"),
			"old": targets(account + "saga"), "mail": targets(account + "mail"),
			"mixed": append(targets(account+"stats", account+"bare", account+"twin-1", account+"twin-2", account+"odd",
				account+"gone", "arn:aws:lambda:eu-west-1:123456789012:function:f",
				account+"fifo.fifo"), types.Target{
				Arn: aws.String(account + "part"), InputPath: aws.String("$.detail"),
			}),
			"asleep": targets(account + "asleep"), "every-hour": targets(account + "clock"),
		},
		tags: map[string]map[string]string{
			"saga": tagged("saga", "allowed"), "mail": tagged("mail", "never"), "stats": tagged("stats", "allowed"),
			"bare": {}, "twin-1": tagged("twin", "allowed"),
			"twin-2": tagged("twin", "allowed"), "odd": tagged("odd", "Allowed"), "asleep": tagged("asleep", "allowed"),
			"clock":     tagged("clock", "allowed"),
			"fifo.fifo": tagged("fifo", "allowed"), "part": tagged("part", "allowed"),
		},
	}
}

func find(t *testing.T, f *aFake) Bus {
	t.Helper()
	bus, err := FindBus(t.Context(), f, f, "orders")
	if err != nil {
		t.Fatal(err)
	}
	return bus
}

func TestReplayable(t *testing.T) {
	bus := find(t, world())
	for _, tc := range []struct {
		name string
		err  error
		says string
	}{
		{"saga", nil, ""},
		{"stats", nil, ""},
		{"mail", ErrNever, "orderflow:replay=never, since what it does reaches people"},
		{
			"nobody", ErrUnknown,
			`"nobody"; the bus orders has asleep, (queue ` + account +
				"bare without the tag orderflow:consumer), fifo, mail, odd, part, saga, stats, twin, twin",
		},
		{"", ErrUnknown, ""},
		{"clock", ErrUnknown, ""}, // a schedule delivers no events
		{"odd", ErrUnfit, `"Allowed" for its tag orderflow:replay`},
		{"twin", ErrUnfit, "are both tagged orderflow:consumer=twin"},
		{"asleep", ErrUnfit, "no rule of asleep is enabled"},
	} {
		c, err := bus.Replayable(t.Context(), tc.name)
		if !errors.Is(err, tc.err) || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%q: %v", tc.name, err)
		}
		if err == nil && (c.Name != tc.name || c.QueueURL != "https://"+tc.name) {
			t.Errorf("%q: found %+v", tc.name, c)
		}
	}
	saga, err := bus.Replayable(t.Context(), "saga")
	if err != nil {
		t.Fatal(err)
	}
	if arns, err := saga.RuleARNs(); err != nil || !slices.Equal(arns, []string{"arn:cancelling", "arn:placed"}) {
		t.Errorf("rules are %v, %v", arns, err)
	}
	stats, err := bus.Replayable(t.Context(), "stats")
	if err != nil {
		t.Fatal(err)
	}
	if arns, err := stats.RuleARNs(); !errors.Is(err, ErrUnfit) {
		t.Errorf("a rule of many is replayed through: %v, %v", arns, err)
	}
	for _, name := range []string{"fifo", "part"} {
		c, err := bus.Replayable(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewSender(bus, c, "again", clock.System{}); !errors.Is(err, ErrUnfit) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func newSender(t *testing.T, f *aFake, rules ...Rule) *Sender {
	t.Helper()
	s, err := NewSender(
		find(t, f), Consumer{Name: "saga", QueueARN: account + "saga", QueueURL: "https://saga", Rules: rules}, "again",
		clock.NewFake(start),
	)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is sent is EventBridge's frame around the envelope, with the mark of a replay.
func TestShape(t *testing.T) {
	f := &aFake{}
	s := newSender(t, f)
	e := envelope("order/o@1", "order.placed")
	for range 2 {
		if errs := s.Send(t.Context(), []es.Envelope{e}); errs[0] != nil {
			t.Fatal(errs)
		}
	}
	if f.bodies[0] != f.bodies[1] {
		t.Errorf("sent %s, then %s", f.bodies[0], f.bodies[1])
	}
	detail, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	id, rest, _ := strings.Cut(strings.TrimPrefix(f.bodies[0], `{"version":"0","id":"`), `"`)
	if len(id) != 36 || rest != `,"detail-type":"order.placed","source":"order-service","account":"123456789012",`+
		`"time":"2026-03-01T12:00:00Z",`+
		`"region":"eu-west-1",`+
		`"resources":[],"replay-name":"again","detail":`+string(detail)+`}` {
		t.Errorf("sent %s", f.bodies[0])
	}
}

// EventBridge is asked once for all events that look alike to a pattern, and shown no more than the
// pattern sees.
func TestWants(t *testing.T) {
	f := &aFake{test: func(_ string, event map[string]any) (bool, error) {
		data, _ := event["detail"].(map[string]any)["data"].(map[string]any)
		return event["detail-type"] == "order.cancelling" && data["origin"] != "saga" &&
			event["replay-name"] == "again", nil
	}}
	s := newSender(t, f,
		Rule{Name: "none", Pattern: `{"detail-type":["order.none"]}`, Enabled: true},
		Rule{Name: "off", Pattern: `{"detail-type":["order.placed"]}`},
		Rule{
			Name: "on",
			Pattern: `{"detail-type":["order.cancelling"],"replay-name":["again"],` +
				`"detail":{"data":{"origin":[{"anything-but":["saga"]}]}}}`,
			Enabled: true,
		})
	for i := range 50 {
		e := envelope(fmt.Sprintf("order/o@%d", i+1), "order.cancelling")
		want := i%2 == 0
		if want {
			e.Data = json.RawMessage(fmt.Sprintf(`{"origin":"customer","n":%d}`, i))
		}
		if got, err := s.Wants(t.Context(), e); got != want || err != nil {
			t.Fatalf("%s: %t, %v", e.Data, got, err)
		}
		if got, err := s.Wants(t.Context(), envelope(e.ID, "order.placed")); got || err != nil {
			t.Fatalf("order.placed: %t, %v", got, err)
		}
	}
	if len(f.asked) != 2+3 { // the first rule by type; the second by type and origin
		t.Errorf("asked %d times: %s", len(f.asked), strings.Join(f.asked, "\n"))
	}
	for _, event := range f.asked {
		if strings.Contains(event, "subject") || !strings.Contains(event, `"account"`) ||
			!strings.Contains(event, `"time"`) {
			t.Errorf("shown was %s", event)
		}
	}
	f.test = func(string, map[string]any) (bool, error) { return false, errors.New("busy") }
	if _, err := s.Wants(t.Context(), envelope("order/o@1", "order.shipped")); err == nil {
		t.Error("an answer that did not come counts")
	}
}

func TestFieldsThatAPatternNames(t *testing.T) {
	const event = `{"source":"s","detail-type":"t","detail":{"id":9007199254740993,"data":{"a":[{"x":1,"y":2}],` +
		`"b":{"x":1,"y":2},"c":null}}}`
	for pattern, want := range map[string]string{
		`{"source":["s"]}`:                        `{"source":"s"}`,
		`{"detail":{"id":[{"numeric":[">",1]}]}}`: `{"detail":{"id":9007199254740993}}`,
		`{"detail":{"data":{"b":{"x":[1]},"c":[null],"none":[{"exists":false}]}}}`:       `{"detail":{"data":{"b":{"x":1},"c":null}}}`,
		`{"detail":{"data":{"a":{"x":[1]}}}}`:                                            `{"detail":{"data":{"a":[{"x":1,"y":2}]}}}`,
		`{"$or":[{"source":["x"]},{"detail":{"data":{"b":{"y":[2]}}}}]}`:                 `{"detail":{"data":{"b":{"y":2}}},"source":"s"}`,
		`{"detail":{"data":{"$or":[{"b":{"x":[1]}},{"c":[1]}],"b":{"y":[2]}}}}`:          `{"detail":{"data":{"b":{"x":1,"y":2},"c":null}}}`,
		`{"detail.data.b.x":[1],"source":["s"]}`:                                         `{"detail":{"id":9007199254740993,"data":{"a":[{"x":1,"y":2}],"b":{"x":1,"y":2},"c":null}},"source":"s"}`,
		`{"detail":{"data":{"b.x":[1]}},"$or":[{"detail":{"data":{"b":{"y":[1]}}}},{}]}`: `{"detail":{"data":{"b":{"x":1,"y":2}}}}`,
	} {
		p, err := newPattern(nil, Rule{Pattern: pattern})
		if err != nil {
			t.Fatal(err)
		}
		var wanted, whole map[string]any
		for text, into := range map[string]*map[string]any{event: &whole, want: &wanted} {
			d := json.NewDecoder(strings.NewReader(text))
			d.UseNumber()
			if err := d.Decode(into); err != nil {
				t.Fatal(err)
			}
		}
		got, _ := json.Marshal(p.named.of(whole))
		if expected, _ := json.Marshal(wanted); !bytes.Equal(got, expected) {
			t.Errorf("%s sees %s, want %s", pattern, got, expected)
		}
	}
	if _, err := newPattern(nil, Rule{Pattern: `["x"]`}); !errors.Is(err, ErrUnfit) {
		t.Errorf("no pattern: %v", err)
	}
}

// What SQS does not take, and only that, is sent again; what it never will take is said so.
func TestSend(t *testing.T) {
	ids := func(in *sqs.SendMessageBatchInput) (all []string) {
		for _, e := range in.Entries {
			var d delivery
			if err := json.Unmarshal([]byte(*e.MessageBody), &d); err != nil {
				t.Fatal(err)
			}
			all = append(all, strings.TrimPrefix(d.Detail.ID, "order/o@"))
		}
		return all
	}
	failed := func(in *sqs.SendMessageBatchInput, i int, code string, sender bool) sqstypes.BatchResultErrorEntry {
		return sqstypes.BatchResultErrorEntry{Id: in.Entries[i].Id, Code: &code, SenderFault: sender}
	}
	for _, tc := range []struct {
		name string
		// has to take out what is refused
		answer func(call int, in *sqs.SendMessageBatchInput, out *sqs.SendMessageBatchOutput) error
		calls  string
		errs   string // of each: . sent, p never, x perhaps
	}{
		{
			"all taken", func(int, *sqs.SendMessageBatchInput, *sqs.SendMessageBatchOutput) error { return nil },
			"1,2,3", "...",
		},
		{"one is throttled once", func(call int, in *sqs.SendMessageBatchInput, out *sqs.SendMessageBatchOutput) error {
			if call == 1 {
				out.Successful = slices.Delete(out.Successful, 1, 2)
				out.Failed = append(out.Failed, failed(in, 1, "InternalError", false))
			}
			return nil
		}, "1,2,3 2", "..."},
		{"one is malformed", func(_ int, in *sqs.SendMessageBatchInput, out *sqs.SendMessageBatchOutput) error {
			out.Successful = slices.Delete(out.Successful, 0, 1)
			out.Failed = append(out.Failed, failed(in, 0, "InvalidMessageContents", true))
			return nil
		}, "1,2,3", "p.."},
		{"one is not answered, once", func(
			call int, _ *sqs.SendMessageBatchInput, out *sqs.SendMessageBatchOutput,
		) error {
			if call == 1 {
				out.Successful = out.Successful[:2]
			}
			return nil
		}, "1,2,3 3", "..."},
		{"an answer to something else", func(
			call int, _ *sqs.SendMessageBatchInput, out *sqs.SendMessageBatchOutput,
		) error {
			if call == 1 {
				out.Successful[0].Id = aws.String("7")
			}
			return nil
		}, "1,2,3 1", "..."},
		{"no answer, once", func(call int, _ *sqs.SendMessageBatchInput, _ *sqs.SendMessageBatchOutput) error {
			if call == 1 {
				return errors.New("reset")
			}
			return nil
		}, "1,2,3 1,2,3", "..."},
		{"never let in", func(_ int, in *sqs.SendMessageBatchInput, out *sqs.SendMessageBatchOutput) error {
			out.Successful, out.Failed = nil, nil
			for i := range in.Entries {
				out.Failed = append(out.Failed, failed(in, i, "KmsAccessDenied", true))
			}
			return nil
		}, strings.TrimSpace(strings.Repeat("1,2,3 ", pace.Tries)), "xxx"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var calls []string
			f := &aFake{}
			f.batch = func(in *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) {
				calls = append(calls, strings.Join(ids(in), ","))
				out := &sqs.SendMessageBatchOutput{}
				for _, e := range in.Entries {
					out.Successful = append(out.Successful, sqstypes.SendMessageBatchResultEntry{Id: e.Id})
				}
				return out, tc.answer(len(calls), in, out)
			}
			s := newSender(t, f)
			got := ""
			for _, err := range s.Send(
				t.Context(),
				[]es.Envelope{envelope("order/o@1", "a"), envelope("order/o@2", "a"), envelope("order/o@3", "a")},
			) {
				switch {
				case err == nil:
					got += "."
				case poison.Is(err):
					got += "p"
				default:
					got += "x"
				}
			}
			if got != tc.errs || strings.Join(calls, " ") != tc.calls {
				t.Errorf("results %s, want %s; sent %q, want %s", got, tc.errs, calls, tc.calls)
			}
		})
	}
}

// A request holds what SQS takes at once: ten messages, a megabyte.
func TestLimits(t *testing.T) {
	f := &aFake{}
	var requests []int
	f.batch = func(in *sqs.SendMessageBatchInput) (*sqs.SendMessageBatchOutput, error) {
		out, bytes := &sqs.SendMessageBatchOutput{}, 0
		for _, e := range in.Entries {
			bytes += len(*e.MessageBody)
			out.Successful = append(out.Successful, sqstypes.SendMessageBatchResultEntry{Id: e.Id})
		}
		if requests = append(requests, len(in.Entries)); bytes > maxBytes || len(in.Entries) > maxEntries {
			t.Errorf("%d messages, %d bytes", len(in.Entries), bytes)
		}
		return out, nil
	}
	s := newSender(t, f)
	large := envelope("order/o@1", "a")
	large.Data = json.RawMessage(`"` + strings.Repeat("x", 400_000) + `"`)
	over := large
	over.Data = json.RawMessage(`"` + strings.Repeat("x", maxBytes) + `"`)
	results := s.Send(t.Context(), []es.Envelope{large, large, over, large})
	if results[0] != nil || results[1] != nil || !poison.Is(results[2]) || results[3] != nil ||
		!slices.Equal(requests, []int{2, 1}) {
		t.Errorf("%v in requests of %v", results, requests)
	}
	if results := s.Send(t.Context(), []es.Envelope{over}); !poison.Is(results[0]) || len(requests) != 2 {
		t.Errorf("%v in requests of %v", results, requests)
	}
}
