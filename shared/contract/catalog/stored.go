package catalog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
)

// former says what the fixtures of older schema versions mean today, by their names:
// "order.placed/v1". There is no older version yet.
var former = map[string]any{}

// sums is the list of the fixtures that were ever written, as sha256sum reads it.
const sums = "SHA256SUMS"

// stored are the fixtures of what stores hold, one for each type and schema version that was ever
// stored: they have to decode for ever. A fixture is written once, when its version is new, and
// never again.
type stored struct {
	root     string // folder of the fixtures
	registry *es.Registry
	present  []es.Recorded  // one event of each type at least, as it is today
	former   map[string]any // what older versions mean today
}

func storedEvents(root string) stored {
	return stored{
		root: filepath.Join(root, "stored"), registry: contract.Registry(), present: Fixtures(), former: former,
	}
}

// StoredDrift says what is wrong with the fixtures of stored events in the catalogue's folder: one
// that is missing, changed or gone, one that does not decode to what it means, and one of a type or
// version that the program doesn't know any more.
func StoredDrift(root string) ([]string, error) {
	found, fresh, err := storedEvents(root).check()
	for _, name := range slices.Sorted(maps.Keys(fresh)) {
		found = append(found, "stored/"+name+".json: is missing: go generate ./shared/contract")
	}
	return found, err
}

// WriteStored writes the fixtures of types and versions that are new. It writes nothing where
// anything else is wrong.
func WriteStored(root string) error { return storedEvents(root).write() }

func (s stored) write() error {
	found, fresh, err := s.check()
	if err != nil || len(fresh) == 0 && len(found) == 0 {
		return err
	}
	if len(found) > 0 {
		return errors.New("catalog: " + strings.Join(found, "\ncatalog: "))
	}
	listed, err := s.listed()
	if err != nil {
		return err
	}
	for name, text := range fresh {
		path := s.path(name)
		// #nosec G301 -- part of the checkout, for all to read
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o644); err != nil { // #nosec G306 -- as above
			return err
		}
		listed[name] = sum(text)
	}
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		fmt.Fprintf(&list, "%s  %s.json\n", listed[name], name)
	}
	return os.WriteFile(filepath.Join(s.root, sums), []byte(list.String()), 0o644) // #nosec G306 -- as above
}

// check compares the fixtures with the program. fresh are those that are yet to be written.
func (s stored) check() (found []string, fresh map[string][]byte, err error) {
	listed, err := s.listed()
	if err != nil {
		return nil, nil, err
	}
	fresh = map[string][]byte{}
	expected := map[string]bool{}
	for _, name := range s.registry.Names() {
		i := slices.IndexFunc(s.present, func(e es.Recorded) bool { return e.Type == name })
		if i < 0 {
			found = append(found, fmt.Sprintf("stored/%s: the catalogue has no event of this type", name))
			continue
		}
		present := s.present[i].Data
		_, schema, _ := s.registry.Name(present)
		for version := 1; version <= schema; version++ {
			fixture, means := fmt.Sprintf("%s/v%d", name, version), present
			if version < schema {
				means = s.former[fixture]
			}
			expected[fixture] = true
			problem, text, err := s.one(fixture, version, means, version == schema, listed[fixture])
			switch {
			case err != nil:
				return nil, nil, err
			case problem != "":
				found = append(found, fmt.Sprintf("stored/%s.json: %s", fixture, problem))
			case text != nil:
				fresh[fixture] = text
			}
		}
	}
	for _, fixture := range slices.Sorted(maps.Keys(listed)) {
		if !expected[fixture] {
			found = append(
				found,
				fmt.Sprintf("stored/%s.json: was stored once, and the program doesn't know it any more", fixture),
			)
		}
	}
	return found, fresh, nil
}

// one checks a fixture. fresh is its text where it is yet to be written, or listed.
func (s stored) one(
	fixture string, version int, means any, newest bool, listed string,
) (problem string, fresh []byte, err error) {
	if means == nil {
		return "former doesn't say what it means today", nil, nil
	}
	text, err := os.ReadFile(s.path(fixture)) // #nosec G304 -- the names are those of the registered types
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return "", nil, err
	}
	if listed == "" && newest {
		rendered, err := s.render(means)
		if err != nil {
			return "", nil, err
		}
		if missing || bytes.Equal(text, rendered) { // there and not listed: the writer was interrupted
			return "", rendered, nil
		}
	}
	switch {
	case missing:
		return "is gone", nil, nil
	case listed != sum(text):
		return "is not as it was stored: what was stored once is never changed", nil, nil
	}
	var e struct {
		Type   string
		Schema int
		Data   json.RawMessage
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return "", nil, fmt.Errorf("%s: %w", fixture, err)
	}
	if e.Type+fmt.Sprintf("/v%d", e.Schema) != fixture {
		return fmt.Sprintf("holds version %d of %s", e.Schema, e.Type), nil, nil
	}
	got, err := s.registry.Decode(
		es.StreamID("fixture/"+fixture), int64(version), es.Stored{Type: e.Type, Schema: e.Schema, Data: e.Data},
	)
	switch {
	case err != nil:
		return err.Error(), nil, nil //nolint:nilerr // it is what was found
	case !reflect.DeepEqual(got, means):
		return fmt.Sprintf("decodes to %+v, and means %+v", got, means), nil, nil
	}
	return "", nil, nil
}

func (s stored) render(event any) ([]byte, error) {
	e, err := s.registry.Encode(event)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(struct {
		Type   string          `json:"type"`
		Schema int             `json:"schema"`
		Data   json.RawMessage `json:"data"`
	}{e.Type, e.Schema, e.Data}, "", "  ")
	return append(text, '\n'), err
}

func (s stored) path(fixture string) string {
	return filepath.Join(s.root, filepath.FromSlash(fixture)+".json")
}

// listed reads the list: the sum of each fixture as it was written.
func (s stored) listed() (map[string]string, error) {
	listed := map[string]string{}
	text, err := os.ReadFile(filepath.Join(s.root, sums)) // #nosec G304 -- in the folder that is given
	if errors.Is(err, fs.ErrNotExist) {
		return listed, nil
	}
	for line := range strings.Lines(string(text)) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, ".json\n"), "  ")
		if !ok {
			return nil, fmt.Errorf("catalog: %s: %q", sums, line)
		}
		listed[name] = sum
	}
	return listed, err
}

func sum(text []byte) string {
	s := sha256.Sum256(text)
	return hex.EncodeToString(s[:])
}
