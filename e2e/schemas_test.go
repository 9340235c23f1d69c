//go:build e2e

package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/aws/consumerqueue"
	"orderflow/shared/aws/eventbus"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/stock"
)

// A consumer of each version of order.cancelled gets the event once, as it knows it, live and
// replayed; a rule that matches nothing gets nothing, and that is no failure of anybody.
func TestTwoVersions(t *testing.T) {
	t.Parallel()
	cli := newProgram(t)
	pattern := func(version string) string {
		return `{"source":["order-service"],"detail-type":["order.cancelled"],"detail":{"dataversion":[` + version +
			`]}}`
	}
	old, oldQueue := newConsumer(t, pattern("1"), consumerqueue.ReplayAllowed)
	current, currentQueue := newConsumer(t, pattern("2"), consumerqueue.ReplayAllowed)
	_, nothing := newConsumer(t, pattern("99"), consumerqueue.ReplayAllowed)

	buyer := newCustomer(t, 1_000)
	placed := buyer.place(t, line(newStock(t, 0), 1, 100))
	buyer.ends(t, placed.ID, "cancelled")

	detail := func(d delivered) (envelope, data map[string]any) {
		envelope, _ = d["detail"].(map[string]any)
		data, _ = envelope["data"].(map[string]any)
		return envelope, data
	}
	versions := map[string]float64{oldQueue: 1, currentQueue: 2}
	// got is what has come of the order, all of it in the queue's own version. Other tests cancel
	// orders too.
	got := func(url string) (all []delivered) {
		for _, d := range take(t, url) {
			if !strings.HasPrefix(envelopeID(d), "order/"+placed.ID+"@") {
				continue
			}
			if envelope, _ := detail(d); envelope["dataversion"] != versions[url] {
				t.Errorf("the consumer of version %v got %v", versions[url], d)
			}
			all = append(all, d)
		}
		return all
	}
	gets := func(url string) delivered {
		return eventually(t, "order.cancelled of "+placed.ID, func() ([]delivered, bool) {
			all := got(url)
			return all, len(all) > 0
		})[0]
	}
	first, second := gets(oldQueue), gets(currentQueue)
	firstEnvelope, firstData := detail(first)
	secondEnvelope, secondData := detail(second)
	if firstEnvelope["dataversion"] != 1.0 || firstData["reason"] != "stock.insufficient" {
		t.Errorf("version 1 is %v", first)
	}
	if want := map[string]any{"kind": "stock", "code": "stock.insufficient"}; secondEnvelope["dataversion"] != 2.0 ||
		!reflect.DeepEqual(secondData["reason"], want) {
		t.Errorf("version 2 is %v", second)
	}
	if envelopeID(second) != envelopeID(first)+"/v2" || firstEnvelope["sequence"] != secondEnvelope["sequence"] {
		t.Errorf(
			"%s and %s have the sequences %v and %v", envelopeID(first), envelopeID(second), firstEnvelope["sequence"],
			secondEnvelope["sequence"],
		)
	}
	for name, c := range map[string]struct {
		url  string
		live delivered
	}{old: {oldQueue, first}, current: {currentQueue, second}} {
		s, said := cli.replays(t, "--consumer", name, "--stream", "order/"+placed.ID, "--type", "order.cancelled")
		if s.Counts.Sent["order.cancelled"] != 1 || s.Counts.Unwanted["order.cancelled"] != 1 {
			t.Errorf("a replay to %s counted %+v: %s", name, s.Counts, said)
		}
		sameAs(t, gets(c.url), c.live, s.Name)
	}
	// By now the other version, and the other consumer's replay, would have come too.
	for url := range versions {
		got(url)
	}
	if all := take(t, nothing); len(all) > 0 {
		t.Errorf("a rule that matches nothing got %v", all)
	}
}

// What breaks its contract ends in the dead letters of the consumer that it came to, with the place
// and the rule in the entry and in the log, and no value of the data.
func TestBrokenContracts(t *testing.T) {
	var envelope map[string]any
	text, err := os.ReadFile(filepath.Join("..", "events", "samples", "order.placed", "v1.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &envelope); err != nil {
		t.Fatal(err)
	}
	data, _ := envelope["data"].(map[string]any)
	url := stack.Outputs["StartSagaQueueUrl"]
	hurry(t, url)

	began, secret := time.Now(), "secret-"+ident.New()
	type broken struct{ event, says string }
	sent := map[string]broken{} // by the message's id
	for _, c := range []struct {
		change func(envelope, data map[string]any)
		cut    int
		says   string
	}{
		{func(_, _ map[string]any) {}, 5, "no JSON: it ends too early"},
		{func(e, _ map[string]any) { e["type"] = "order.teleported" }, 0, "unknown type or version"},
		{func(e, _ map[string]any) {
			e["dataversion"], e["dataschema"] = 7, "urn:orderflow:schema:order.placed:7"
		}, 0, "order.placed version 7"},
		{
			func(_, d map[string]any) { delete(d, "customerId") }, 0,
			"data: expected required property customerId to be present",
		},
		{func(_, d map[string]any) { d["total"] = secret }, 0, "data.total: expected object"},
		{func(_, d map[string]any) { d["lines"] = []any{secret} }, 0, "data.lines[0]: expected object"},
	} {
		e, d := maps.Clone(envelope), maps.Clone(data)
		e["id"], d["note"] = "order/"+ident.New()+"@1", secret
		c.change(e, d)
		e["data"] = d
		body, err := json.Marshal(map[string]any{
			"version": "0", "detail-type": e["type"], "source": "order-service", "detail": e,
		})
		if err != nil {
			t.Fatal(err)
		}
		message := string(body[:len(body)-c.cut])
		out, err := stack.queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &message})
		if err != nil {
			t.Fatal(err)
		}
		sent[aws.ToString(out.MessageId)] = broken{event: fmt.Sprint(e["id"]), says: c.says}
	}
	for id, b := range sent {
		if l := takeEntry(t, "start-saga", b.event); !strings.Contains(l.Error, b.says) ||
			strings.Contains(l.Error, secret) || !strings.Contains(string(l.Message), secret) || l.RetryCount != 3 {
			t.Errorf("%q: the dead letter is %+v", b.says, l)
		}
		says, told := b.says, 0
		all := logs(t, began, id)
		for line := range strings.SplitSeq(all, "}") {
			if strings.Contains(line, id) && strings.Contains(line, strings.ReplaceAll(says, `"`, `\"`)) {
				told++
			}
		}
		if told != 3 {
			t.Errorf("message %s: %q was told %d times, not 3", id, says, told)
		}
		if strings.Contains(all, secret) {
			t.Error("a value of the data is in the logs")
		}
	}
}

// hurry lets a queue's messages come again after 2 seconds for the rest of the test, as
// TestPoisonInTheQueues does, and for why it may.
func hurry(t *testing.T, url string) {
	t.Helper()
	visibility := sqstypes.QueueAttributeNameVisibilityTimeout
	attributes, err := stack.queues.GetQueueAttributes(
		t.Context(),
		&sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{visibility}},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { setQueue(t, url, visibility, attributes.Attributes[string(visibility)]) })
	setQueue(t, url, visibility, "2")
}

// A command that breaks its schema has no effect, and the run that waits for it hears so at once:
// it asks again long before its minute is up, and what it asks for is carried out.
func TestUnfitCommand(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	sku := newStock(t, 2)
	buyer.ends(t, buyer.place(t, line(sku, 1, 100)).ID, "confirmed") // the functions are warm
	url := stack.Outputs["InventoryQueueUrl"]
	hurry(t, url)
	resume := pause(t, "process-inventory")
	placed := buyer.place(t, line(sku, 1, 100))
	command := decode[object](t, []byte(takeMessage(t, url, placed.ID)))
	delete(command, "items")
	text, err := json.Marshal(command)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if _, err := stack.queues.SendMessage(
		t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: aws.String(string(text))},
	); err != nil {
		t.Fatal(err)
	}
	resume()
	buyer.ends(t, placed.ID, "confirmed")
	if took := time.Since(began); took > 45*time.Second {
		t.Errorf("the run was told after %s", took)
	}
	checkStock(t, sku, shop.Stock{OnHand: 2, Reserved: 2})
	if l := takeEntry(t, "inventory-commands", placed.ID); l.RetryCount != 3 ||
		!strings.Contains(l.Error, "message: expected required property items") {
		t.Errorf("the dead letter is %+v", l)
	}
}

// An event that is too large for the bus is one dead letter of publish-events. In the store it is
// small: what is the same a million times compresses well.
func TestOversizeEvent(t *testing.T) {
	t.Parallel()
	id := ident.New()
	appendEvent(t, es.NewStreamID(stock.ReservationCategory, id), "stock.refused", stock.Refused{
		ReservationID: id, OrderID: ident.New(), Code: stock.ErrInsufficient.Code(),
		Detail: strings.Repeat("x", eventbus.MaxBytes),
	})
	if l := takeEntry(t, "publish-events", id); l.Kind != "record" ||
		!strings.Contains(l.Error, "a bus takes 1000000") || len(l.Error) > 1_000 {
		t.Errorf("the dead letter is %+v", l)
	}
}
