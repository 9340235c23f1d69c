package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// change is a field that is another one than before. "" is a field that is not there.
type change struct{ Field, Before, After string }

// bookkeeping are fields that change with each version and say nothing of the order.
var bookkeeping = []string{"version", "changedAt"}

// changes compares two JSON objects field by field.
func changes(before, after json.RawMessage) ([]change, error) {
	old, err := fields(before)
	if err != nil {
		return nil, err
	}
	now, err := fields(after)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(old)
	maps.Copy(all, now)
	var out []change
	for _, name := range slices.SortedFunc(maps.Keys(all), strings.Compare) {
		if old[name] != now[name] && !slices.Contains(bookkeeping, name) {
			out = append(out, change{name, old[name], now[name]})
		}
	}
	return out, nil
}

// fields gives a JSON object's values by their paths. null is no value.
func fields(text json.RawMessage) (map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var value any
	if err := d.Decode(&value); err != nil {
		return nil, fmt.Errorf("console: compare versions: %w", err)
	}
	out := map[string]string{}
	collect(out, "", value)
	return out, nil
}

func collect(out map[string]string, at string, value any) {
	switch v := value.(type) {
	case nil:
	case map[string]any:
		for name, of := range v {
			collect(out, strings.TrimPrefix(at+"."+name, "."), of)
		}
	case []any:
		for i, of := range v {
			collect(out, at+"["+strconv.Itoa(i)+"]", of)
		}
	default:
		out[at] = fmt.Sprint(v)
	}
}
