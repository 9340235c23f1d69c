//go:build e2e

package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/kit/ident"
)

// A record of the events' stream that can't be read ends with both consumers' dead letters; orders
// go on beside it.
func TestPoisonInTheStream(t *testing.T) {
	t.Parallel()
	s := func(v string) dynamodbtypes.AttributeValue { return &dynamodbtypes.AttributeValueMemberS{Value: v} }
	n := func(v string) dynamodbtypes.AttributeValue { return &dynamodbtypes.AttributeValueMemberN{Value: v} }
	commit := func(eventType, data string) item {
		return item{
			"count": n("1"), "commit": s(ident.New()), "time": s("2026-01-02T03:04:05Z"),
			"events": &dynamodbtypes.AttributeValueMemberL{Value: []dynamodbtypes.AttributeValue{
				&dynamodbtypes.AttributeValueMemberM{
					Value: item{"type": s(eventType), "schema": n("1"), "data": s(data)},
				},
			}},
		}
	}
	for _, c := range []struct {
		name, topic string
		item        item
	}{
		{"no commit at all", "order", item{"colour": s("red")}},
		{
			"commit with a count that is wrong", "order.started",
			changed(commit("order.started", `{"sagaId":"x"}`), "count", n("3")),
		},
		{"event that nobody knows", "order.abducted", commit("order.abducted", `{}`)},
		{"event whose data is no JSON", "order.started", commit("order.started", `{"sagaId":`)},
		{"event of another shape", "order.started", commit("order.started", `{"sagaId":[1]}`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			buyer := newCustomer(t, 1_000)
			sku := newStock(t, 2)
			before := buyer.place(t, line(sku, 1, 100))
			id := "order/" + ident.New()
			c.item["stream"], c.item["version"] = s(id), n("1")
			if _, err := stack.tables.PutItem(
				t.Context(), &dynamodb.PutItemInput{TableName: aws.String(stack.Outputs["EventsTable"]), Item: c.item},
			); err != nil {
				t.Fatal(err)
			}
			after := buyer.place(t, line(sku, 1, 100))
			buyer.ends(t, before.ID, "confirmed")
			buyer.ends(t, after.ID, "confirmed")
			buyer.counts(t, 2, 0)
			for _, consumer := range []string{"publish-events", "project-views"} {
				if l := takeEntry(t, consumer, id); l.Kind != "record" || l.Topic != c.topic || l.Error == "" ||
					l.RetryCount < 1 || l.FirstFailure.IsZero() {
					t.Errorf("%s: the dead letter is %+v", consumer, l)
				}
			}
		})
	}
}

func changed(i item, name string, value dynamodbtypes.AttributeValue) item {
	i[name] = value
	return i
}

// A message that can't be understood comes three times and is a dead letter then, with the
// consumer's own reason, while others pass. The queues' visibility, a minute and more, is shortened
// for the test; it isn't shorter than a message takes, which would come twice then.
func TestPoisonInTheQueues(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	sku := newStock(t, 2)
	// the functions are warm: a cold start could take longer than the visibility
	buyer.ends(t, buyer.place(t, line(sku, 1, 100)).ID, "confirmed")
	mark := ident.New()
	event := func(eventType string, version int) string {
		return fmt.Sprintf(`{"detail-type":%q,"source":"order-service","detail":{"specversion":"1.0",`+
			`"id":"order/o@1","source":"order-service","type":%q,"subject":"order/o",`+
			`"time":"2026-03-02T09:30:01Z","datacontenttype":"application/json",`+
			`"dataschema":"urn:orderflow:schema:%s:%d","dataversion":%d,"sequence":1,"data":{}},"mark":"`,
			eventType, eventType, eventType, version, version)
	}
	type body struct{ begins, reason string }
	// What each consumer of the bus is sent: an event that it takes, in a version that is to come.
	bus := func(takes string) []body {
		return []body{
			{`no JSON "`, "no JSON from byte"},
			{
				`{"detail-type":"order.placed","source":"order-service","mark":"`,
				`order.placed of "order-service" around`,
			},
			{event("order.abducted", 1), "order/o@1 is order.abducted version 1"},
			{event(takes, 99), "order/o@1 is " + takes + " version 99"},
		}
	}
	queues := []struct {
		name, queue string
		bodies      []body
	}{
		{"start-saga", "StartSagaQueueUrl", bus("order.placed")},
		{"send-mails", "SendMailsQueueUrl", bus("order.placed")},
		{"prepare-shipments", "PrepareShipmentsQueueUrl", bus("order.updated")},
		{"follow-shipments", "FollowShipmentsQueueUrl", bus("shipment.dispatched")},
		{"commit-stock", "CommitStockQueueUrl", bus("order.shipped")},
		{"analyse-orders", "AnalyseOrdersQueueUrl", bus("order.placed")},
		{"inventory-commands", "InventoryQueueUrl", []body{
			{`no JSON "`, "no JSON from byte"},
			{
				`{"version":1,"command":"steal.stock","orderId":"o","revision":1,"sagaId":"`,
				"message.command: expected value to be one of",
			},
			{`{"version":9,"command":"reserve.stock","orderId":"o","revision":1,"sagaId":"`, "version 9, known is 1"},
		}},
	}
	for _, q := range queues {
		url := stack.Outputs[q.queue]
		attributes, err := stack.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameVisibilityTimeout},
		})
		if err != nil {
			t.Fatal(err)
		}
		visibility := sqstypes.QueueAttributeNameVisibilityTimeout
		t.Cleanup(func() { setQueue(t, url, visibility, attributes.Attributes[string(visibility)]) })
		setQueue(t, url, visibility, "2")
		for i, b := range q.bodies {
			text := fmt.Sprintf(`%s%s-%d"}`, b.begins, mark, i)
			if _, err := stack.queues.SendMessage(
				t.Context(), &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &text},
			); err != nil {
				t.Fatal(err)
			}
		}
	}
	buyer.ends(t, buyer.place(t, line(sku, 1, 100)).ID, "confirmed")
	buyer.counts(t, 2, 0)
	for _, q := range queues {
		for i, b := range q.bodies {
			l := takeEntry(t, q.name, fmt.Sprintf("%s-%d", mark, i))
			if l.RetryCount != 3 || !strings.Contains(l.Error, b.reason) || strings.Contains(l.Error, mark) ||
				!l.LastFailure.After(l.FirstFailure) {
				t.Errorf("%s: the dead letter of %s is %+v", q.name, b.begins, l)
			}
		}
	}
}
