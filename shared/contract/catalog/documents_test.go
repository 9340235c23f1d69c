package catalog

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"orderflow/shared/contract"
)

var today = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)

func TestBreakingCatalogue(t *testing.T) {
	const before = `events:
  - {type: a.b, version: 1, status: deprecated, until: "2027-01-01", source: a-service, subject: "a/{id}", dataschema: urn:1}
  - {type: a.b, version: 2, status: current, source: a-service, subject: "a/{id}", dataschema: urn:2}
`
	at := func(day string) time.Time {
		at, err := time.Parse(time.DateOnly, day)
		if err != nil {
			t.Fatal(err)
		}
		return at.Add(23 * time.Hour)
	}
	for _, tt := range []struct{ name, old, new, want string }{
		{"nothing", "", "", ""},
		{"another description", "status: current,", "status: current, description: d,", ""},
		{"deprecated", "status: current", `status: deprecated, until: "2027-12-01"`, ""},
		{
			"deprecated for less than was promised", "status: current", `status: deprecated, until: "2027-11-30"`,
			"a.b.v2 is deprecated on 2026-12-01 and ends on 2027-11-30, before 2027-12-01",
		},
		{"promised for longer", "2027-01-01", "2027-06-01", ""},
		{"current again", `deprecated, until: "2027-01-01"`, "current", ""},
		{
			"retired too early", "deprecated", "read-only",
			"a.b.v1 was promised until 2027-01-01 and is retired on 2026-12-01",
		},
		{
			"retired too early, and no word of when", `deprecated, until: "2027-01-01"`, "read-only",
			"a.b.v1 was promised until 2027-01-01",
		},
		{"ends earlier", "2027-01-01", "2026-12-31", "a.b.v1 was promised until 2027-01-01 and ends on 2026-12-31"},
		{"retired at once", "status: current", "status: read-only", "a.b.v2 is retired and was not deprecated first"},
		{"gone", "version: 1", "version: 3", "a.b.v1 is gone"},
		{"from elsewhere", "a-service", "b-service", "a.b.v1 has another source"},
		{"of other streams", "a/{id}", "b/{id}", "a.b.v1 has another source, subject"},
		{"a schema by another name", "urn:2", "urn:3", "a.b.v2 has another source, subject or schema"},
	} {
		got, err := BreakingCatalogue([]byte(before), []byte(strings.Replace(before, tt.old, tt.new, 1)), today)
		if err != nil || (tt.want == "") != (len(got) == 0) || !strings.Contains(strings.Join(got, "\n"), tt.want) {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
	for day, may := range map[string]bool{"2026-12-31": false, "2027-01-01": false, "2027-01-02": true} {
		got, err := BreakingCatalogue(
			[]byte(before), []byte(strings.Replace(before, "deprecated", "read-only", 1)), at(day),
		)
		if err != nil || (len(got) == 0) != may {
			t.Errorf("retired on %s: %q, %v", day, got, err)
		}
	}
	if _, err := BreakingCatalogue([]byte("of what"), []byte(before), today); err == nil {
		t.Error("no error on what is no catalogue")
	}
}

func asyncAPIText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, AsyncAPI))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestBreakingCommands(t *testing.T) {
	before := asyncAPIText(t)
	_, command, _ := strings.Cut(before, "    InventoryCommand:")
	for _, tt := range []struct{ name, old, new, want string }{
		{"nothing", "x", "x", ""},
		{"a consumer more", "channels:\n", "channels:\n  newer: {address: newer}\n", ""},
		{"in other words", "description: Which attempt of the order it is", "description: The attempt", ""},
		{
			"a command that is gone",
			"      reserve.stock.v1:\n        $ref: '#/components/messages/reserve.stock.v1'\n", "",
			"commands.reserve.stock.v1: is gone",
		},
		{
			"a property by another name", command, strings.ReplaceAll(command, "taskToken", "token"),
			"commands.release.stock.v1.taskToken: is gone",
		},
		{"a property more, which is refused",
			"        correlationId:\n          description: Of the request that placed",
			"        a: {type: string}\n        correlationId:\n          description: Of the request that placed",
			"commands.backorder.stock.v1.a: is new"},
		{"another type inside", "    InventoryItem:", "    Was:", "commands.reserve.stock.v1.items[].sku: is gone"},
		{
			"one command's own", "                minItems: 1", "                minItems: 2",
			"commands.reserve.stock.v1.items: minItems was 1 and is 2",
		},
	} {
		after := strings.Replace(before, tt.old, tt.new, 1)
		got, err := BreakingCommands([]byte(before), []byte(after))
		if after == before && tt.old != tt.new || err != nil || (tt.want == "") != (len(got) == 0) ||
			!strings.Contains(strings.Join(got, "\n"), tt.want) {
			t.Errorf("%s: %q, %v", tt.name, got, err)
		}
	}
	for _, bad := range []string{"\t", "of what"} {
		if _, err := BreakingCommands([]byte(before), []byte(bad)); err == nil {
			t.Errorf("no error on %q", bad)
		}
	}
}

// Who receives what is read out of the rules and queues of the template.
func TestConsumers(t *testing.T) {
	const template = `
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: !Sub '${AWS::StackName}-count-things'
      Tags: [{Key: 'orderflow:consumer', Value: count-things}, {Key: 'orderflow:replay', Value: allowed}]
      RedrivePolicy: {deadLetterTargetArn: !GetAtt Letters.Arn, maxReceiveCount: 3}
  Letters: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !Sub '${AWS::StackName}-count-things-dlq'}}
  Untagged: {Type: 'AWS::SQS::Queue', Properties: {QueueName: other}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      Description: Counts.
      EventPattern: {source: [order-service], detail-type: [order.cancelled, order.placed], detail: {dataversion: [1]}}
      Targets: [{Id: a, Arn: !GetAtt Queue.Arn}, {Id: b, Arn: !GetAtt Untagged.Arn}]
  Second:
    Type: AWS::Events::Rule
    Properties:
      Description: Counts more.
      EventPattern: {source: [order-service], detail-type: [order.cancelled], detail: {dataversion: [2], data: {orderId: [{prefix: a}]}}}
      Targets: [{Id: a, Arn: !GetAtt Queue.Arn}]
  Probed: {Type: 'AWS::SQS::Queue', Properties: {QueueName: probed, Tags: [{Key: 'orderflow:consumer', Value: probed}]}}
  Probe:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [probe-service], detail-type: [probe.sent], detail: {dataversion: [1]}}
      Targets: [{Id: a, Arn: !GetAtt Probed.Arn}]
  Function: {Type: 'AWS::Serverless::Function', Properties: {Handler: bootstrap}}
`
	got, err := consumers([]byte(template))
	if err != nil {
		t.Fatal(err)
	}
	want := []consumer{{
		Name: "count-things", Queue: "{stack}-count-things", DeadLetters: "{stack}-count-things-dlq", Replay: "allowed",
		Receives: []receipt{
			{Type: "order.cancelled", Version: 1, Why: "Counts."},
			{Type: "order.cancelled", Version: 2, Why: "Counts more.", Only: `{"data":{"orderId":[{"prefix":"a"}]}}`},
			{Type: "order.placed", Version: 1, Why: "Counts."},
		},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, bad := range []string{
		"Resources: 7", "Resources: {Q: {Type: 'AWS::SQS::Queue', Properties: {Tags: x}}}",
		"Resources: {R: {Type: 'AWS::Events::Rule', Properties: {EventPattern: x}}}",
	} {
		if _, err := consumers([]byte(bad)); err == nil {
			t.Errorf("no error on %s", bad)
		}
	}
}

// The document has each published version as a message of the bus, says who sends it, and has each
// reference's target. That it is AsyncAPI 3 at all, AsyncAPI's own parser says (make lint).
func TestAsyncAPI(t *testing.T) {
	var d struct {
		Channels   map[string]struct{ Messages tree } `yaml:"channels"`
		Operations map[string]struct {
			Action   string              `yaml:"action"`
			Messages []map[string]string `yaml:"messages"`
		} `yaml:"operations"`
	}
	var whole any
	text := []byte(asyncAPIText(t))
	for _, into := range []any{&d, &whole} {
		if err := yaml.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range contract.Types() {
		name := messageName(c.Name, c.Version)
		sent := slices.ContainsFunc(
			d.Operations[c.Source()+".send"].Messages,
			func(m map[string]string) bool { return m["$ref"] == "#/channels/orders/messages/"+name },
		)
		if _, there := d.Channels["orders"].Messages[name]; there != c.Published || sent != c.Published {
			t.Errorf("%s: on the bus %t, sent %t, published %t", name, there, sent, c.Published)
		}
	}
	for _, found := range regexp.MustCompile(`\$ref: ['"]?#/([^'"\n]+)`).FindAllStringSubmatch(string(text), -1) {
		at := whole
		for part := range strings.SplitSeq(found[1], "/") {
			inner, _ := at.(map[string]any)
			at = inner[part]
		}
		if at == nil {
			t.Errorf("nothing is at %s", found[1])
		}
	}
	if !strings.Contains(string(text), "deprecated: true") {
		t.Error("no message is deprecated, and order.cancelled version 1 is")
	}
}

// The page needs nothing but itself, shows each version, and its own links lead somewhere.
func TestPage(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(Page)))
	if err != nil {
		t.Fatal(err)
	}
	if found := regexp.MustCompile(
		`(?i)(src=|url\(|@import|<link|https?://)[^\s>]*`,
	).FindString(string(text)); found != "" {
		t.Errorf("it loads something: %s", found)
	}
	ids := map[string]int{}
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		if ids[m[1]]++; ids[m[1]] > 1 {
			t.Errorf("two things are called %s", m[1])
		}
	}
	for _, c := range contract.Types() {
		if ids[messageName(c.Name, c.Version)] == 0 {
			t.Errorf("%s version %d isn't shown", c.Name, c.Version)
		}
	}
	for _, m := range regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		if id, inside := strings.CutPrefix(m[1], "#"); inside {
			if ids[id] == 0 {
				t.Errorf("no %s is there to go to", m[1])
			}
			continue
		}
		linked := filepath.Join(root, "..", "docs", filepath.FromSlash(m[1]))
		if _, err := os.Stat(linked); err != nil { // #nosec G703 -- the page is ours
			t.Error(err)
		}
	}
	for _, says := range []string{
		"Deprecated since 2026-11-23, published until 2027-11-23 at least.",
		fmt.Sprintf("for %d months at least", contract.SupportMonths), "start-saga",
	} {
		if !strings.Contains(string(text), says) {
			t.Errorf("it doesn't say %q", says)
		}
	}
}
