package events_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/inbox"
	"orderflow/shared/process/backorder"
	"orderflow/shared/process/choreography"
	"orderflow/shared/process/erasure"
	"orderflow/shared/process/notification"
	"orderflow/shared/process/starter"
	"orderflow/shared/read/analytics"
)

// consumers are the handlers of the queues behind the bus, with nothing behind them: what they
// refuse they refuse before they reach for anything.
var consumers = map[string]func(context.Context, []byte) error{
	"orderflow-start-saga":        starter.Starter{}.Handle,
	"orderflow-prepare-shipments": choreography.Preparer{}.Handle,
	"orderflow-follow-shipments":  choreography.Follower{}.Handle,
	"orderflow-commit-stock":      choreography.Committer{}.Handle,
	"orderflow-fill-backorders":   backorder.Filler{}.Handle,
	"orderflow-simulate-carrier":  choreography.Carrier{}.Handle,
	"orderflow-finish-erasure":    erasure.Finisher{}.Handle,
	"orderflow-send-mails": func(ctx context.Context, body []byte) error {
		return notification.New(notification.Deps{
			Inbox: struct{ inbox.Store }{}, Orders: struct{ notification.Orders }{},
			Customers: struct{ notification.Customers }{}, Mailer: struct{ notification.Mailer }{},
			Clock: clock.NewFake(time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)),
		}).Handle(ctx, notification.Delivery{Body: body})
	},
	"orderflow-analyse-orders": func(ctx context.Context, body []byte) error {
		return analytics.Analyser{}.Handle(ctx, [][]byte{body})[0]
	},
}

// Each consumer refuses what breaks the contract of an event that it takes, an event of the future
// and one that nobody knows, by place and rule and without the data's values. The document says the
// same of its queue.
func TestConsumersCheck(t *testing.T) {
	all := channels(t)
	for address, handle := range consumers {
		if len(all[address]) == 0 {
			t.Errorf("the document has no queue %s", address)
		}
		for _, name := range slices.Sorted(maps.Keys(all[address])) {
			for _, wrong := range wrongs(t, name) {
				t.Run(address+"/"+name+"/"+wrong.name, func(t *testing.T) {
					err := handle(t.Context(), wrong.body)
					if !errors.Is(err, wrong.is) || !strings.Contains(err.Error(), wrong.says) ||
						strings.Contains(err.Error(), "secret") {
						t.Errorf("%v, want %q", err, wrong.says)
					}
					if is := all[address].fits(t, wrong.body); len(is) > 0 {
						t.Errorf("by the document it is %v", is)
					}
				})
			}
		}
	}
}

// wrong is what has the looks of an event.
type wrong struct {
	name string
	body []byte
	is   error
	says string
}

// wrongs makes them of an event's sample, whose name is as in the document: "order.placed.v1".
func wrongs(t *testing.T, name string) (all []wrong) {
	t.Helper()
	i := strings.LastIndex(name, ".v")
	event, version := name[:i], name[i+1:]
	var sample es.Envelope
	read(t, "samples/"+event+"/"+version+".json", &sample)
	var schema struct{ Required []string }
	read(t, "schemas/"+event+"/"+version+".json", &schema)
	body := func(e es.Envelope) []byte {
		text, err := json.Marshal(map[string]any{
			"version": "0", "detail-type": e.Type, "source": e.Source, "detail": e,
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	of := func(change func(e *es.Envelope, data map[string]any)) []byte {
		e, data := sample, map[string]any{}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		data["note"] = "secret" // a property more, which breaks nothing unless it is one
		change(&e, data)
		var err error
		if e.Data, err = json.Marshal(data); err != nil {
			t.Fatal(err)
		}
		return body(e)
	}
	for _, property := range schema.Required {
		all = append(all,
			wrong{
				"no " + property, of(func(_ *es.Envelope, data map[string]any) { delete(data, property) }),
				contract.ErrInvalid, "data: expected required property " + property,
			},
			wrong{
				"another " + property,
				of(func(_ *es.Envelope, data map[string]any) { data[property] = []any{"secret", false} }),
				contract.ErrInvalid, "data." + property,
			},
			wrong{
				"null for " + property, of(func(_ *es.Envelope, data map[string]any) { data[property] = nil }),
				contract.ErrInvalid, "data." + property + ": expected",
			},
			wrong{"other letters of " + property, of(func(_ *es.Envelope, data map[string]any) {
				data[strings.ToUpper(property)] = data[property]
				delete(data, property)
			}), contract.ErrInvalid, "data." + property + ": expected its name in these letters"},
		)
	}
	whole := body(sample)
	return append(all,
		wrong{"a version of the future", of(func(e *es.Envelope, _ map[string]any) {
			e.DataVersion, e.DataSchema = 99, strings.TrimSuffix(e.DataSchema, version[1:])+"99"
		}), contract.ErrUnknown, event + " version 99"},
		wrong{
			"a type that nobody knows", of(func(e *es.Envelope, _ map[string]any) { e.Type = "order.teleported" }),
			contract.ErrUnknown, "order.teleported",
		},
		wrong{
			"another schema's name", of(func(e *es.Envelope, _ map[string]any) { e.DataSchema = "urn:other" }),
			contract.ErrInvalid, "urn:other",
		},
		wrong{
			"no version", of(func(e *es.Envelope, _ map[string]any) { e.DataVersion = 0 }), contract.ErrInvalid,
			"dataversion 0",
		},
		wrong{
			"no sequence", of(func(e *es.Envelope, _ map[string]any) { e.Sequence = 0 }), contract.ErrInvalid,
			"sequence 0",
		},
		wrong{"cut off", whole[:len(whole)-3], contract.ErrInvalid, "it ends too early"},
		wrong{"a list", []byte(`["secret"]`), contract.ErrInvalid, "it is no"},
		wrong{
			"another type outside",
			[]byte(strings.Replace(string(whole), `"detail-type":"`+event, `"detail-type":"other.thing`, 1)),
			contract.ErrInvalid, "other.thing",
		},
	)
}

// earlier are events that a consumer takes though no rule sends them any more: what the rules of
// earlier releases sent may lie in its queue or among its dead letters.
var earlier = map[string]string{"orderflow-prepare-shipments": "order.confirmed.v1"}

// An event that is well formed and not one of a consumer's is refused by it, also in another
// version: what a rule lets through by mistake has no effect.
func TestConsumersTakeTheirOwn(t *testing.T) {
	all := channels(t)
	others := map[string][]string{}
	for _, c := range contract.Types() {
		for address := range consumers {
			name := fmt.Sprintf("%s.v%d", c.Name, c.Version)
			if all[address][name] == nil && earlier[address] != name {
				others[address] = append(others[address], strings.Replace(c.SchemaPath(), "schemas/", "samples/", 1))
			}
		}
	}
	for address, handle := range consumers {
		if !slices.Contains(others[address], "samples/account.opened/v1.json") {
			t.Errorf("%s takes everything", address)
		}
		for _, file := range others[address] {
			var e es.Envelope
			read(t, file, &e)
			text, err := json.Marshal(map[string]any{"detail-type": e.Type, "source": e.Source, "detail": e})
			if err != nil {
				t.Fatal(err)
			}
			if err := handle(t.Context(), text); err == nil {
				t.Errorf("%s takes %s", address, file)
			}
		}
	}
	for address, version := range map[string]string{"orderflow-send-mails": "2", "orderflow-analyse-orders": "1"} {
		if file := "samples/order.cancelled/v" + version + ".json"; !slices.Contains(others[address], file) {
			t.Errorf("%s takes %s", address, file)
		}
	}
}

// Each type that is published in two versions is sent in both, by the document, and each consumer
// takes one of them.
func TestConsumersTakeOneVersion(t *testing.T) {
	bus := channels(t)["orderflow-orders"]
	for _, name := range []string{"order.cancelled.v1", "order.cancelled.v2"} {
		if bus[name] == nil {
			t.Errorf("%s is not sent", name)
		}
	}
	for address, messages := range channels(t) {
		taken := map[string]string{}
		for name := range messages {
			event := name[:strings.LastIndex(name, ".v")]
			if other := taken[event]; other != "" && address != "orderflow-orders" {
				t.Errorf("%s takes %s and %s", address, other, name)
			}
			taken[event] = name
		}
	}
}
