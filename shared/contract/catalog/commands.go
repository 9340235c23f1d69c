package catalog

import (
	"fmt"
	"path"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/contract"
)

// command is what the saga asks the inventory for, point to point.
type command struct {
	Name   string
	Schema string // of the message, in the AsyncAPI document
	Type   reflect.Type
	Does   string
	// Only are the properties in which the message is narrower than its schema.
	Only tree
}

// inventoryCommands are the commands to the inventory. A type of its own says all that is true of
// one; the others share a type.
var inventoryCommands = []command{
	{
		"backorder.stock", "BackorderCommand", reflect.TypeFor[contract.BackorderCommand](),
		"Reserve what an order asks for, or have the order wait in line where stock is short.", tree{},
	},
	{
		"partial-backorder.stock", "PartialBackorderCommand", reflect.TypeFor[contract.PartialBackorderCommand](),
		"Reserve what there is, and have the order wait in line where that is nothing.", tree{},
	},
	{
		"partial.stock", "PartialCommand", reflect.TypeFor[contract.PartialCommand](),
		"Reserve what there is, where that is not all.", tree{},
	},
	{
		"release.stock", "InventoryCommand", reflect.TypeFor[contract.InventoryCommand](),
		"Give back what was reserved for an order.", tree{"command": tree{"const": "release.stock"}},
	},
	{
		"reserve.stock", "InventoryCommand", reflect.TypeFor[contract.InventoryCommand](),
		"Reserve all that an order asks for, or nothing.",
		tree{"command": tree{"const": "reserve.stock"}, "items": tree{"type": "array", "minItems": 1}},
	},
}

// answered says what becomes of a command.
const answered = "A run of the saga waits for the answer to its task token: the reservation's id, or " +
	"the code of what forbade it."

// schema is the JSON Schema (draft 2020-12) of a command's message. It stays closed to further
// properties, as the consumer is.
func (c command) schema() ([]byte, error) {
	registry := huma.NewMapRegistry(definitions, huma.DefaultSchemaNamer)
	whole, err := plain(huma.SchemaFromType(registry, c.Type))
	if err != nil {
		return nil, err
	}
	whole["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	whole["title"] = fmt.Sprintf("%s, version %d", c.Name, contract.InventoryCommandVersion)
	whole["description"], whole["$defs"] = c.Does, registry.Map()
	properties, _ := whole["properties"].(tree)
	for name, rules := range c.Only {
		property, _ := properties[name].(tree)
		for rule, value := range rules.(tree) {
			property[rule] = value
		}
	}
	return indent(whole)
}

// section is what a command's page says.
func (c command) section() (section, error) {
	registry := huma.NewMapRegistry(schemas, huma.DefaultSchemaNamer)
	root := huma.SchemaFromType(registry, c.Type)
	text, err := indent(sampleCommand(c.Name))
	return section{Fields: fields(c.Type, root, registry, ""), Example: string(text)}, err
}

// commands adds the commands to the inventory, the queue that they lie in, the saga that sends
// them, and the function that takes them.
func (c *catalogue) commands() error {
	version := semantic(contract.InventoryCommandVersion)
	var sent, taken []pointer
	queue := []pointer{{ID: inventoryQueue, Version: catalogVersion}}
	for _, one := range inventoryCommands {
		folder := path.Join(domainFolder, "services", inventoryConsumer, "commands", one.Name)
		schema, err := one.schema()
		if err != nil {
			return err
		}
		s, err := one.section()
		if err != nil {
			return err
		}
		c.files[path.Join(folder, schemaName)] = schema
		var b strings.Builder
		fmt.Fprintf(&b, "%s %s\n\n", one.Does, answered)
		s.fieldsTable(&b)
		s.end(&b)
		c.page(path.Join(folder, pageName), frontmatter{
			ID: one.Name, Name: one.Name, Version: version, Summary: one.Does, Owners: []string{owner},
			SchemaPath: schemaName,
		}, b.String())
		sent = append(sent, pointer{ID: one.Name, Version: version, To: queue})
		taken = append(taken, pointer{ID: one.Name, Version: version, From: queue})
	}
	c.page(path.Join("channels", inventoryQueue, pageName), frontmatter{
		ID: inventoryQueue, Name: "The queue of commands to the inventory", Version: catalogVersion,
		Summary: "Commands, point to point: the saga asks, the inventory does.", Owners: []string{owner},
		Address: "{stack}-" + inventoryQueue, Protocols: []string{"sqs"}, Guarantee: "at-least-once",
	}, "A message is the command itself. A repeat has the answer of the first.\n")
	c.page(path.Join(domainFolder, "services", saga, pageName), frontmatter{
		ID: saga, Name: saga, Version: catalogVersion, Summary: "Carries each order through stock, payment and " +
			"shipping, or undoes all of it.", Owners: []string{owner}, Sends: sent,
	}, "A state machine of Step Functions. Its other steps are calls of functions.\n\n<NodeGraph />\n")
	c.page(path.Join(domainFolder, "services", inventoryConsumer, pageName), frontmatter{
		ID: inventoryConsumer, Name: inventoryConsumer, Version: catalogVersion, Owners: []string{owner},
		Summary: "Reserves and releases, each command's effect once.", Receives: taken,
	}, "It takes from the queue `{stack}-"+inventoryQueue+"`.\n\n<NodeGraph />\n")
	return nil
}
