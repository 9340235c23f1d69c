package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"go.yaml.in/yaml/v3"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
)

// AsyncAPI is the document's path under events/.
const AsyncAPI = "asyncapi.yaml"

// schemas is where the document keeps its schemas.
const schemas = "#/components/schemas/"

// inventoryQueue is the channel of the saga's commands, and inventoryConsumer the function that
// takes from it.
const (
	saga              = "order-saga"
	inventoryQueue    = "inventory-commands"
	inventoryConsumer = "process-inventory"
)

// attribute is an attribute of an envelope.
type attribute struct {
	Name, Description, Type, Format string
	Required                        bool
	Value                           any // where it is always the same
}

// attributes are those of CloudEvents 1.0 and the extensions, in the order in which an envelope has
// them.
var attributes = []attribute{
	{
		Name: "specversion", Type: "string", Required: true, Value: es.SpecVersion,
		Description: "The version of CloudEvents.",
	},
	{
		Name: "id", Type: "string", Required: true,
		Description: "The same each time that the event is published: stream@sequence, and /v with the version from " +
			"the second version on.",
	},
	{Name: "source", Type: "string", Required: true, Description: "The context that publishes it."},
	{Name: "type", Type: "string", Required: true, Description: "What happened."},
	{Name: "subject", Type: "string", Required: true, Description: "The stream that it happened in."},
	{Name: "time", Type: "string", Format: "date-time", Required: true, Description: "When it was stored, in UTC."},
	{Name: "datacontenttype", Type: "string", Required: true, Value: "application/json", Description: "What data is."},
	{
		Name: "dataschema", Type: "string", Format: "uri", Required: true,
		Description: "Names the JSON Schema of data. It is no place.",
	},
	{
		Name: "dataversion", Type: "integer", Required: true,
		Description: "The version of the contract, for rules to choose by.",
	},
	{
		Name: "sequence", Type: "integer", Format: "int64", Required: true,
		Description: "The place in the stream, from 1. Deliveries keep no order; this tells it.",
	},
	{Name: "correlationid", Type: "string", Description: "Of the request that it all began with."},
	{Name: "causationid", Type: "string", Description: "Of what brought about this event."},
	{Name: "traceparent", Type: "string", Description: "W3C Trace Context."},
	{
		Name: "tracestate", Type: "string",
		Description: "Likewise, where the client's request had one: carry it on with traceparent.",
	},
	{Name: "actorkind", Type: "string", Description: "Who brought it about: customer, person, machine, system."},
	{Name: "actorid", Type: "string", Description: "Which one: the customer's id, the issuer's, or the client's."},
	{
		Name: "data", Type: "object", Required: true,
		Description: "What happened in detail, by the schema of type and version.",
	},
}

// frame are the fields of the JSON that EventBridge puts around an event, which is what lies in a
// consumer's queue. A consumer relies on those that it requires.
var frame = []attribute{
	{Name: "version", Type: "string", Description: "Of EventBridge's JSON."},
	{
		Name: "id", Type: "string",
		Description: "Of this delivery to the bus. A repeat may have another; the event's own id is in the detail.",
	},
	{Name: "detail-type", Type: "string", Required: true, Description: "The event's type, for rules to choose by."},
	{Name: "source", Type: "string", Required: true, Description: "The event's source, for rules to choose by."},
	{Name: "account", Type: "string", Description: "Of AWS."},
	{Name: "time", Type: "string", Format: "date-time", Description: "When the event came to the bus."},
	{Name: "region", Type: "string", Description: "Of the bus."},
	{Name: "resources", Type: "array", Description: "Empty."},
	{
		Name: "replay-name", Type: "string",
		Description: "Of the replay that brings the event once more; it is missing from what is live.",
	},
	{Name: "detail", Type: "object", Required: true, Description: "The event: its envelope."},
}

// tree is a part of the document. Its keys come out in alphabetical order.
type tree = map[string]any

// asyncAPI is the document, in the order in which people read one.
type asyncAPI struct {
	Version     string `yaml:"asyncapi"`
	Info        tree   `yaml:"info"`
	ContentType string `yaml:"defaultContentType"`
	Servers     tree   `yaml:"servers"`
	Channels    tree   `yaml:"channels"`
	Operations  tree   `yaml:"operations"`
	Components  tree   `yaml:"components"`
}

// asyncapi renders the AsyncAPI 3.0 document: the bus and what contexts send on it, the queue of
// each consumer and what it receives, and the commands to the inventory.
func asyncapi(types []contract.Type, receivers []consumer) ([]byte, error) {
	components := huma.NewMapRegistry(schemas, huma.DefaultSchemaNamer)
	messages, definitions := tree{}, tree{
		"Envelope": objectOf("CloudEvents 1.0, structured mode: the detail of EventBridge's event.", attributes),
		"Delivery": objectOf("What EventBridge puts into a queue: its own JSON around the envelope.", frame),
	}
	document := asyncAPI{
		Version: "3.0.0", ContentType: "application/json",
		Info: tree{
			"title": "orderflow: events and commands", "version": "1.0.0",
			"description": "Generated from the Go contract types and template.yaml by `go generate " +
				"./shared/contract`. Deliveries are at least once and in any order.",
		},
		Servers: tree{
			"eventbridge": tree{
				"host": "events.{region}.amazonaws.com", "protocol": "eventbridge",
				"description": "Amazon EventBridge.", "variables": region(),
			},
			"sqs": tree{
				"host": "sqs.{region}.amazonaws.com", "protocol": "sqs", "description": "Amazon SQS.",
				"variables": region(),
			},
		},
		Channels: tree{}, Operations: tree{}, Components: tree{"messages": messages, "schemas": definitions},
	}
	bus, deliveries, senders := tree{}, tree{}, map[string][]any{}
	for _, t := range types {
		if !t.Published {
			continue
		}
		name := messageName(t.Name, t.Version)
		message, data, example, err := event(t, components)
		if err != nil {
			return nil, err
		}
		messages[name], deliveries[name], definitions[name] = message, delivery(t, message, example), data
		bus[name] = ref("#/components/messages/" + name)
		senders[t.Context] = append(senders[t.Context], ref("#/channels/orders/messages/"+name))
	}
	document.Channels["orders"] = channel("{stack}-orders", "eventbridge",
		"The bus. A message is the detail of an entry. A consumer is a rule, which names types and versions, "+
			"with a queue.", bus)
	for context, sent := range senders {
		document.Operations[context+"-service.send"] = operation(
			"send", "orders", "What "+context+" publishes, by way of publish-events.", sent,
		)
	}
	for _, c := range receivers {
		received, operated := tree{}, []any{}
		for _, r := range c.Receives {
			name := messageName(r.Type, r.Version)
			if received[name] == nil {
				messages[name+delivered], received[name] = deliveries[name],
					ref("#/components/messages/"+name+delivered)
				operated = append(operated, ref("#/channels/"+c.Name+"/messages/"+name))
			}
		}
		description := fmt.Sprintf(
			"The queue of %s. What fails three times, as what breaks its schema does, ends in %s.", c.Name,
			c.DeadLetters,
		)
		document.Channels[c.Name] = channel(c.Queue, "sqs", description, received)
		document.Operations[c.Name+".receive"] = operation("receive", c.Name, strings.Join(c.reasons(), " "), operated)
	}
	if err := document.commands(messages, definitions); err != nil {
		return nil, err
	}
	for name, s := range components.Map() {
		s.AdditionalProperties = nil // a version may gain properties
		plain, err := plain(s)
		if err != nil {
			return nil, err
		}
		definitions[name] = plain
	}
	var b bytes.Buffer
	b.WriteString("# Generated by `go generate ./shared/contract`.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(document); err != nil {
		return nil, err
	}
	return b.Bytes(), e.Close()
}

// commands adds the queue that the saga and the inventory share. One consumer takes each command,
// and its answer goes to the run that waits. Their schemas stay closed to further properties, as
// the consumer is.
func (a *asyncAPI) commands(messages, definitions tree) error {
	components := huma.NewMapRegistry(schemas, huma.DefaultSchemaNamer)
	for _, c := range inventoryCommands {
		s, err := plain(huma.SchemaFromType(components, c.Type))
		if err != nil {
			return err
		}
		definitions[c.Schema] = s
	}
	for name, s := range components.Map() {
		var err error
		if definitions[name], err = plain(s); err != nil {
			return err
		}
	}
	channelMessages, refs := tree{}, []any{}
	for _, c := range inventoryCommands {
		name := messageName(c.Name, contract.InventoryCommandVersion)
		example, err := plain(sampleCommand(c.Name))
		if err != nil {
			return err
		}
		messages[name] = tree{
			"name": c.Name, "title": fmt.Sprintf("%s, version %d", c.Name, contract.InventoryCommandVersion),
			"contentType": "application/json",
			"summary":     answered,
			"payload": tree{
				"allOf": []any{ref(schemas + c.Schema), tree{"type": "object", "properties": c.Only}},
			},
			"correlationId": tree{"location": "$message.payload#/correlationId"},
			"examples":      []any{tree{"payload": example}},
		}
		channelMessages[name] = ref("#/components/messages/" + name)
	}
	for _, name := range slices.Sorted(maps.Keys(channelMessages)) {
		refs = append(refs, ref("#/channels/"+inventoryQueue+"/messages/"+name))
	}
	a.Channels[inventoryQueue] = channel(
		"{stack}-"+inventoryQueue, "sqs", "Commands, point to point: the saga asks, the inventory does.",
		channelMessages,
	)
	a.Operations[saga+".send"] = operation("send", inventoryQueue, "A run asks for stock, or gives it back.", refs)
	a.Operations[inventoryConsumer+".receive"] = operation(
		"receive", inventoryQueue, "Reserves and releases, each command's effect once.", slices.Clone(refs),
	)
	return nil
}

func sampleCommand(command string) contract.InventoryCommand {
	return contract.InventoryCommand{ // #nosec G101 -- a token of no run
		Version: contract.InventoryCommandVersion, Command: command, TaskToken: "sample", OrderID: orderID, Revision: 1,
		Items: []contract.InventoryItem{{SKU: "CD-0042", Quantity: 2}}, SagaID: orderID,
		CorrelationID: ident.Derive("sample-request", "order/"+orderID),
	}
}

// event is a message, the schema of its data, and its example.
func event(t contract.Type, components huma.Registry) (message, data, example tree, err error) {
	name := messageName(t.Name, t.Version)
	s := huma.SchemaFromType(components, t.Data())
	s.AdditionalProperties = nil
	if data, err = plain(s); err != nil {
		return nil, nil, nil, err
	}
	data["title"], data["description"] = fmt.Sprintf("Data of %s, version %d", t.Name, t.Version), t.Description
	text, err := sample(t)
	if err != nil {
		return nil, nil, nil, err
	}
	if err := json.Unmarshal(text, &example); err != nil {
		return nil, nil, nil, err
	}
	payload := tree{"allOf": []any{ref(schemas + "Envelope"), tree{"type": "object", "properties": tree{
		"source": tree{"const": t.Source()}, "type": tree{"const": t.Name}, "dataschema": tree{"const": t.DataSchema()},
		"dataversion": tree{"const": t.Version},
		"data":        ref(schemas + name),
	}}}}
	summary := t.Description
	if t.Status() == contract.Deprecated {
		payload["deprecated"] = true
		summary += " Deprecated: published until " + t.Until + ", at least."
	}
	return tree{
		"name": t.Name, "title": fmt.Sprintf("%s, version %d", t.Name, t.Version), "summary": summary,
		"contentType":   "application/json",
		"tags":          []any{tree{"name": t.Context}},
		"correlationId": tree{"location": "$message.payload#/correlationid"},
		"payload":       payload, "examples": []any{tree{"payload": example}},
		"x-status": string(t.Status()), "x-schema": t.SchemaPath(), "x-sample": SamplePath(t),
	}, data, example, nil
}

// delivered is what the name of an event's message has more where it is the message in a consumer's
// queue.
const delivered = ".delivered"

// delivery is the message in a consumer's queue that brings the event of a message.
func delivery(t contract.Type, event, example tree) tree {
	name := messageName(t.Name, t.Version)
	message := maps.Clone(event)
	message["title"] = fmt.Sprintf("%s, version %d, delivered", t.Name, t.Version)
	message["correlationId"] = tree{"location": "$message.payload#/detail/correlationid"}
	message["payload"] = tree{"allOf": []any{ref(schemas + "Delivery"), tree{"type": "object", "properties": tree{
		"detail-type": tree{"const": t.Name}, "source": tree{"const": t.Source()},
		"detail": ref("#/components/messages/" + name + "/payload"),
	}}}}
	message["examples"] = []any{tree{"payload": tree{
		"version": "0", "id": ident.Derive("sample-delivery", name), "detail-type": t.Name, "source": t.Source(),
		"account": "123456789012", "time": example["time"],
		"region": "us-east-1", "resources": []any{}, "detail": example,
	}}}
	return message
}

// objectOf is the schema of an object with these attributes, which may have others too.
func objectOf(description string, all []attribute) tree {
	properties, required := tree{}, []string{}
	for _, a := range all {
		p := tree{"type": a.Type, "description": a.Description}
		if a.Format != "" {
			p["format"] = a.Format
		}
		if a.Value != nil {
			p["const"] = a.Value
		}
		if a.Type == "integer" {
			p["minimum"] = 1
		}
		properties[a.Name] = p
		if a.Required {
			required = append(required, a.Name)
		}
	}
	return tree{"type": "object", "description": description, "required": required, "properties": properties}
}

func messageName(name string, version int) string { return fmt.Sprintf("%s.v%d", name, version) }

func ref(to string) tree { return tree{"$ref": to} }

func region() tree {
	return tree{"region": tree{"default": "us-east-1", "description": "The region of the stack."}}
}

func channel(address, server, description string, messages tree) tree {
	return tree{
		"address": address, "description": description, "servers": []any{ref("#/servers/" + server)},
		"messages":   messages,
		"parameters": tree{"stack": tree{"description": "The name of the stack.", "default": "orderflow"}},
	}
}

func operation(action, channel, summary string, messages []any) tree {
	return tree{"action": action, "channel": ref("#/channels/" + channel), "summary": summary, "messages": messages}
}

// reasons are the descriptions of a consumer's rules, each once.
func (c consumer) reasons() []string {
	var all []string
	for _, r := range c.Receives {
		if r.Why != "" && !slices.Contains(all, r.Why) {
			all = append(all, r.Why)
		}
	}
	slices.Sort(all)
	return all
}

// plain is what a value's JSON says, as a tree. Whole numbers stay such.
func plain(value any) (tree, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var t tree
	if err := yaml.Unmarshal(text, &t); err != nil { // JSON is YAML, and YAML has integers
		return nil, err
	}
	return t, nil
}
