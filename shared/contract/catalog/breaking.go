package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"orderflow/shared/contract"
)

// annotations are the keywords that no reader's program depends on.
var annotations = map[string]bool{"$schema": true, "$id": true, "title": true, "description": true, "examples": true, "deprecated": true}

// structural are the keywords that Breaking follows instead of comparing.
var structural = map[string]bool{"$ref": true, "$defs": true, "properties": true, "required": true, "items": true}

// Breaking says what a new schema would break for readers of the old one, within one version. A version may gain optional properties, and its descriptions
// and examples may change. Everything else breaks: a property that is gone or renamed, another type or bound, and one that becomes required (events
// of before don't have it) or is required no more (readers count on it).
func Breaking(before, after []byte) ([]string, error) {
	var c comparison
	if err := json.Unmarshal(before, &c.before); err != nil {
		return nil, fmt.Errorf("catalog: schema before: %w", err)
	}
	if err := json.Unmarshal(after, &c.after); err != nil {
		return nil, fmt.Errorf("catalog: schema after: %w", err)
	}
	c.compare("data", c.before, c.after)
	return c.breaks, nil
}

// row is a type in one version, in the catalogue.
type row struct {
	Type       string          `yaml:"type"`
	Version    int             `yaml:"version"`
	Status     contract.Status `yaml:"status"`
	Until      string          `yaml:"until"`
	Source     string          `yaml:"source"`
	Subject    string          `yaml:"subject"`
	DataSchema string          `yaml:"dataschema"`
}

func rows(catalogue []byte) (map[string]row, error) {
	var c struct {
		Events []row `yaml:"events"`
	}
	if err := yaml.Unmarshal(catalogue, &c); err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	all := map[string]row{}
	for _, r := range c.Events {
		all[messageName(r.Type, r.Version)] = r
	}
	return all, nil
}

// BreakingCatalogue says what a new catalogue would break for consumers. A version that was published can't be gone, nor retired without having been deprecated
// first; a deprecated one can't end earlier than was promised; where an event comes from, its subject's form and its schema's name stay.
func BreakingCatalogue(before, after []byte) ([]string, error) {
	was, err := rows(before)
	if err != nil {
		return nil, err
	}
	is, err := rows(after)
	if err != nil {
		return nil, err
	}
	var breaks []string
	for _, name := range slices.Sorted(maps.Keys(was)) {
		old, now := was[name], is[name]
		switch {
		case now.Type == "":
			breaks = append(breaks, name+" is gone")
		case old.Status == contract.Current && now.Status == contract.ReadOnly:
			breaks = append(breaks, name+" is retired and was not deprecated first")
		case old.Status == contract.Deprecated && now.Status == contract.Deprecated && now.Until < old.Until:
			breaks = append(breaks, name+" was promised until "+old.Until+" and ends on "+now.Until)
		case old.Source != now.Source || old.Subject != now.Subject || old.DataSchema != now.DataSchema:
			breaks = append(breaks, name+" has another source, subject or schema")
		}
	}
	return breaks, nil
}

// BreakingCommands says what a new AsyncAPI document would break for those who send or take commands to the inventory: a command that is gone, and what Breaking
// says of their schema. Of events the catalogue and their schemas tell.
func BreakingCommands(before, after []byte) ([]string, error) {
	was, commandsBefore, err := commandsOf(before)
	if err != nil {
		return nil, err
	}
	is, commandsAfter, err := commandsOf(after)
	if err != nil {
		return nil, err
	}
	breaks, err := Breaking(was, is)
	for _, name := range commandsBefore {
		if !slices.Contains(commandsAfter, name) {
			breaks = append(breaks, name+" is gone")
		}
	}
	return breaks, err
}

// commandsOf reads the schema of the commands to the inventory, as a document of its own, and their names out of an AsyncAPI document.
func commandsOf(document []byte) (schema []byte, names []string, err error) {
	var d struct {
		Channels map[string]struct {
			Messages tree `yaml:"messages"`
		} `yaml:"channels"`
		Components struct {
			Schemas map[string]tree `yaml:"schemas"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal(document, &d); err != nil {
		return nil, nil, fmt.Errorf("catalog: AsyncAPI: %w", err)
	}
	whole := maps.Clone(d.Components.Schemas["InventoryCommand"])
	if whole == nil {
		whole = tree{}
	}
	whole["$defs"] = d.Components.Schemas
	text, err := json.Marshal(whole)
	return bytes.ReplaceAll(text, []byte(schemas), []byte(defs)), slices.Sorted(maps.Keys(d.Channels[inventoryQueue].Messages)), err
}

type comparison struct {
	before, after map[string]any
	breaks        []string
}

func (c *comparison) found(where, format string, args ...any) {
	c.breaks = append(c.breaks, where+": "+fmt.Sprintf(format, args...))
}

func (c *comparison) compare(where string, before, after map[string]any) {
	before, after = resolve(c.before, before), resolve(c.after, after)
	for _, keyword := range keys(before, after) {
		if !annotations[keyword] && !structural[keyword] && !reflect.DeepEqual(before[keyword], after[keyword]) {
			c.found(where, "%s was %s and is %s", keyword, text(before[keyword]), text(after[keyword]))
		}
	}
	requiredBefore, requiredAfter := names(before["required"]), names(after["required"])
	propertiesBefore, propertiesAfter := object(before["properties"]), object(after["properties"])
	for _, name := range keys(propertiesBefore, propertiesAfter) {
		inner := where + "." + name
		_, was := propertiesBefore[name]
		_, is := propertiesAfter[name]
		switch {
		case was && !is:
			c.found(inner, "is gone")
			continue
		case requiredAfter[name] && !requiredBefore[name]:
			c.found(inner, "is newly required")
		case requiredBefore[name] && !requiredAfter[name]:
			c.found(inner, "is required no more")
		}
		if was {
			c.compare(inner, object(propertiesBefore[name]), object(propertiesAfter[name]))
		}
	}
	if before["items"] != nil || after["items"] != nil {
		c.compare(where+"[]", object(before["items"]), object(after["items"]))
	}
}

// resolve follows a reference into the document's own definitions. Contracts are not recursive, so that this ends.
func resolve(document, s map[string]any) map[string]any {
	ref, ok := s["$ref"].(string)
	if !ok {
		return s
	}
	merged := maps.Clone(object(object(document["$defs"])[strings.TrimPrefix(ref, defs)]))
	if merged == nil {
		merged = map[string]any{}
	}
	for keyword, value := range s {
		if keyword != "$ref" {
			merged[keyword] = value
		}
	}
	return merged
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func names(v any) map[string]bool {
	list, _ := v.([]any)
	set := make(map[string]bool, len(list))
	for _, name := range list {
		if s, ok := name.(string); ok {
			set[s] = true
		}
	}
	return set
}

func keys(a, b map[string]any) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

func text(v any) string {
	if v == nil {
		return "absent"
	}
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}
