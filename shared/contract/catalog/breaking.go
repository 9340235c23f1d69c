package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"orderflow/shared/contract"
)

// annotations are the keywords that no reader's program depends on.
var annotations = map[string]bool{
	"$schema": true, "$id": true, "title": true, "description": true, "examples": true, "deprecated": true,
}

// structural are the keywords that Breaking follows instead of comparing.
var structural = map[string]bool{
	"properties": true, "required": true, "items": true, "additionalProperties": true, "allOf": true,
}

// Breaking says what a new schema would break for readers of the old one, within one version. A
// version may gain optional properties, where its schema is open to them, and its descriptions and
// examples may change. Everything else breaks: a property that is gone or renamed, another type or
// bound, and one that becomes required (events of before don't have it) or is required no more
// (readers count on it).
func Breaking(before, after []byte) ([]string, error) {
	var was, is map[string]any
	if err := json.Unmarshal(before, &was); err != nil {
		return nil, fmt.Errorf("catalog: schema before: %w", err)
	}
	if err := json.Unmarshal(after, &is); err != nil {
		return nil, fmt.Errorf("catalog: schema after: %w", err)
	}
	var c comparison
	c.compare("data", expanded(was), expanded(is))
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

// BreakingCatalogue says what a new catalogue would break for consumers on a day. A version that
// was published can't be gone, nor retired without having been deprecated first and for as long as
// was promised; the promise is of SupportMonths from that day at least, and can't be taken back;
// where an event comes from, its subject's form and its schema's name stay.
func BreakingCatalogue(before, after []byte, today time.Time) ([]string, error) {
	was, err := rows(before)
	if err != nil {
		return nil, err
	}
	is, err := rows(after)
	if err != nil {
		return nil, err
	}
	day, supported := today.Format(time.DateOnly), today.AddDate(0, contract.SupportMonths, 0).Format(time.DateOnly)
	var breaks []string
	for _, name := range slices.Sorted(maps.Keys(was)) {
		old, now := was[name], is[name]
		switch {
		case now.Type == "":
			breaks = append(breaks, name+" is gone")
		case old.Status == contract.Current && now.Status == contract.ReadOnly:
			breaks = append(breaks, name+" is retired and was not deprecated first")
		case old.Status == contract.Current && now.Status == contract.Deprecated && now.Until < supported:
			breaks = append(breaks, name+" is deprecated on "+day+" and ends on "+now.Until+", before "+supported)
		case old.Status == contract.Deprecated && now.Status == contract.ReadOnly && day <= old.Until:
			breaks = append(breaks, name+" was promised until "+old.Until+" and is retired on "+day)
		case old.Status == contract.Deprecated && now.Status == contract.Deprecated && now.Until < old.Until:
			breaks = append(breaks, name+" was promised until "+old.Until+" and ends on "+now.Until)
		case old.Source != now.Source || old.Subject != now.Subject || old.DataSchema != now.DataSchema:
			breaks = append(breaks, name+" has another source, subject or schema")
		}
	}
	return breaks, nil
}

// BreakingCommands says what a new AsyncAPI document would break for those who send or take
// commands to the inventory: a command that is gone, and what Breaking says of each. Of events the
// catalogue and their schemas tell.
func BreakingCommands(before, after []byte) ([]string, error) {
	was, err := commandsOf(before)
	if err != nil {
		return nil, err
	}
	is, err := commandsOf(after)
	if err != nil {
		return nil, err
	}
	var c comparison
	c.compare("commands", was, is)
	return c.breaks, nil
}

// commandsOf reads the commands to the inventory out of an AsyncAPI document, as a schema of an
// object that has them by their names.
func commandsOf(document []byte) (map[string]any, error) {
	var d tree
	if err := yaml.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("catalog: AsyncAPI: %w", err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("catalog: AsyncAPI: %w", err)
	}
	var whole map[string]any
	if err := json.Unmarshal(text, &whole); err != nil {
		return nil, fmt.Errorf("catalog: AsyncAPI: %w", err)
	}
	commands := map[string]any{}
	for name, message := range object(expand(
		whole, object(object(whole["channels"])[inventoryQueue])["messages"], nil,
	)) {
		commands[name] = object(message)["payload"]
	}
	return map[string]any{"properties": commands}, nil
}

type comparison struct{ breaks []string }

func (c *comparison) found(where, format string, args ...any) {
	c.breaks = append(c.breaks, where+": "+fmt.Sprintf(format, args...))
}

func (c *comparison) differ(where, keyword string, before, after any) {
	if !reflect.DeepEqual(before, after) {
		c.found(where, "%s was %s and is %s", keyword, text(before), text(after))
	}
}

// compare follows the keywords of two schemas without references. What it doesn't know it compares
// word by word.
func (c *comparison) compare(where string, before, after map[string]any) {
	for _, keyword := range keys(before, after) {
		if !annotations[keyword] && !structural[keyword] {
			c.differ(where, keyword, before[keyword], after[keyword])
		}
	}
	requiredBefore, requiredAfter := names(before["required"]), names(after["required"])
	propertiesBefore, propertiesAfter := object(before["properties"]), object(after["properties"])
	additionalBefore, additionalAfter := before["additionalProperties"], after["additionalProperties"]
	closed := additionalBefore != nil && additionalBefore != true
	for _, name := range keys(propertiesBefore, propertiesAfter, requiredBefore, requiredAfter) {
		inner := where + "." + name
		_, was := propertiesBefore[name]
		_, is := propertiesAfter[name]
		switch {
		case was && !is:
			c.found(inner, "is gone")
			continue
		case requiredAfter[name] != nil && requiredBefore[name] == nil:
			c.found(inner, "is newly required")
		case requiredBefore[name] != nil && requiredAfter[name] == nil:
			c.found(inner, "is required no more")
		case !was && is && closed:
			c.found(inner, "is new, and its like was not allowed")
		}
		if was {
			c.compare(inner, object(propertiesBefore[name]), object(propertiesAfter[name]))
		}
	}
	if before["items"] != nil || after["items"] != nil {
		c.compare(where+"[]", object(before["items"]), object(after["items"]))
	}
	if object(additionalBefore) != nil && object(additionalAfter) != nil {
		c.compare(where+".*", object(additionalBefore), object(additionalAfter))
	} else {
		c.differ(where, "additionalProperties", additionalBefore, additionalAfter)
	}
	allBefore, _ := before["allOf"].([]any)
	allAfter, _ := after["allOf"].([]any)
	if len(allBefore) != len(allAfter) {
		c.differ(where, "allOf", before["allOf"], after["allOf"])
		return
	}
	for i := range allBefore {
		c.compare(where, object(allBefore[i]), object(allAfter[i]))
	}
}

// expanded is a schema with what its references refer to in their places.
func expanded(schema map[string]any) map[string]any {
	whole := object(expand(schema, schema, nil))
	delete(whole, "$defs")
	return whole
}

// expand puts what references inside of the document refer to in their places. It leaves a
// reference that leads to nothing, and one inside of what it refers to.
func expand(document map[string]any, value any, within []string) any {
	switch v := value.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			out[name] = expand(document, inner, within)
		}
		to, ok := v["$ref"].(string)
		target := object(at(document, to))
		if !ok || target == nil || slices.Contains(within, to) {
			return out
		}
		delete(out, "$ref")
		merged := object(expand(document, target, append(slices.Clone(within), to)))
		maps.Copy(merged, out)
		return merged
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = expand(document, inner, within)
		}
		return out
	}
	return value
}

// at is what stands in a document at a reference: "#/$defs/Money".
func at(document any, reference string) any {
	path, ok := strings.CutPrefix(reference, "#/")
	if !ok {
		return nil
	}
	for name := range strings.SplitSeq(path, "/") {
		document = object(document)[name]
	}
	return document
}

func object(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func names(v any) map[string]any {
	list, _ := v.([]any)
	set := make(map[string]any, len(list))
	for _, name := range list {
		if s, ok := name.(string); ok {
			set[s] = true
		}
	}
	return set
}

func keys(of ...map[string]any) []string {
	all := map[string]any{}
	for _, m := range of {
		maps.Copy(all, m)
	}
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
