package archtest

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"orderflow/infra/stack"
)

// generated gives the templates that infra/stack writes, by their paths from the module's root.
func generated(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := stack.Files()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// The templates in the tree are what their sources in infra/stack make.
func TestTemplatesAreGenerated(t *testing.T) {
	for name, want := range generated(t) {
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(readFile(t, name), "\n")); diff != "" {
			t.Errorf("%s isn't what infra/stack makes: go generate ./infra/stack (-want +got):\n%s", name, diff)
		}
	}
}

// digests are a line each for what a template is made of: its place, its type, and the SHA-256 of
// its JSON.
func digests(t *testing.T, name string) []string {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(readFile(t, name)), &node); err != nil {
		t.Fatal(err)
	}
	value, err := plain(&node)
	if err != nil {
		t.Fatal(err)
	}
	whole, ok := value.(object)
	if !ok {
		t.Fatalf("%s is no mapping", name)
	}
	var lines []string
	digest := func(place string, value any) {
		encoded, err := json.Marshal(value) // with sorted keys
		if err != nil {
			t.Fatal(err)
		}
		kind := textAt(value, "Type")
		if kind == "" {
			kind = "-"
		}
		lines = append(lines, fmt.Sprintf("%s %s %s %x", name, place, kind, sha256.Sum256(encoded)))
	}
	for section, value := range whole {
		inner, ok := value.(object)
		if !ok {
			digest(section, value)
			continue
		}
		for id, value := range inner {
			digest(section+"/"+id, value)
		}
	}
	slices.Sort(lines)
	return lines
}

// What a template holds changes only where somebody means it: testdata/resources.txt has a line for
// each resource, parameter and output. Moving a resource between files of infra/stack, or into a
// family, changes no line; then an update of a deployed stack changes nothing.
//
// Where a resource is meant to change: go test ./shared/archtest -run TestResources -update. The
// lines that differ then are the resources that the update of a stack touches. A line that goes
// away is a resource that is deleted, with what it holds.
func TestResources(t *testing.T) {
	var got []string
	for _, name := range slices.Sorted(maps.Keys(generated(t))) {
		got = append(got, digests(t, name)...)
	}
	file := filepath.Join("testdata", "resources.txt")
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("is gone, or is another one now: %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("is new, or was another one: %s", line)
		}
	}
}
