package catalog

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
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
