package catalog

import (
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
)

const (
	sample1 = `{"properties":{"id":{"type":"string"}}}`
	sample2 = `{"properties":{"id":{"type":"string"},"note":{"type":"string"}}}` // sample1, and an optional property
	sample3 = `{"properties":{"id":{"type":"integer"}}}`                         // something else
)

// What may happen to files after two releases, sample1 and then sample2, and what the generator
// does of it. Where it refuses, it writes nothing at all.
func TestWrite(t *testing.T) {
	const v1, list = "schemas/a.b/v1.json", publishedFile
	files := func(schema string) map[string][]byte {
		return map[string][]byte{v1: []byte(schema), "page.html": []byte("of " + schema)}
	}
	for name, tt := range map[string]struct {
		change map[string]string // what stands there; removed where it is ""
		render map[string][]byte
		want   string // why it is refused
	}{
		"nothing": {nil, files(sample2), ""},
		"a type more": {
			nil, map[string][]byte{v1: []byte(sample2), "schemas/a.c/v1.json": []byte(sample1)}, "",
		},
		"a page that is gone": {map[string]string{"page.html": ""}, files(sample2), ""},
		"a page of before":    {map[string]string{"page.html": "old"}, files(sample2), ""},
		"a breaking change":   {nil, files(sample3), v1 + ": BREAKING"},
		"a version withdrawn": {nil, map[string][]byte{"page.html": nil}, v1 + ": BREAKING"},
		"a version withdrawn with its file": {
			map[string]string{v1: ""}, map[string][]byte{"page.html": nil}, v1 + ": BREAKING",
		},
		"a file that is gone": {
			map[string]string{v1: ""}, files(sample2), v1 + ": was published and is gone",
		},
		"a file that is gone, for another": {
			map[string]string{v1: ""}, files(sample3), v1 + ": was published and is gone",
		},
		"a file changed with its type": {
			map[string]string{v1: sample3}, files(sample3), v1 + ": is not as it was published",
		},
		"a file of the release before": {
			map[string]string{v1: sample1}, files(sample2), v1 + ": is not as it was published",
		},
		"a list that is gone": {map[string]string{list: ""}, files(sample2), ""},
		"a list that is gone, for another": {
			map[string]string{list: ""}, files(sample3), v1 + ": was published and is not in PUBLISHED",
		},
		"list and file that are gone together": {map[string]string{list: "", v1: ""}, files(sample2), ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, schema := range []string{sample1, sample2, sample2} {
				if err := write(dir, files(schema), today); err != nil {
					t.Fatal(err)
				}
				if changes, _, err := drift(dir, files(schema), today); err != nil || len(changes) != 0 {
					t.Fatalf("%v, %v", changes, err)
				}
			}
			for name, text := range tt.change {
				err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
				if text == "" {
					err = os.Remove(filepath.Join(dir, name))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			before := standing(t, dir)
			err := write(dir, tt.render, today)
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
			after := standing(t, dir)
			if err != nil {
				if !maps.Equal(before, after) {
					t.Errorf("refused, and %v is there after %v", after, before)
				}
				return
			}
			for name, text := range tt.render {
				if after[name] != string(text) {
					t.Errorf("%s is %s", name, after[name])
				}
			}
			if changes, _, err := drift(dir, tt.render, today); err != nil || len(changes) != 0 {
				t.Errorf("after it was written: %v, %v", changes, err)
			}
		})
	}
}

// The list has the sums of each release in their order, and what is listed no change may take off.
func TestPublished(t *testing.T) {
	dir := t.TempDir()
	const v1, v2 = "schemas/a.b/v1.json", "schemas/a.b/v2.json"
	for _, files := range []map[string][]byte{
		{v1: []byte(sample1)}, {v1: []byte(sample2)}, {v1: []byte(sample2), v2: []byte(sample3), "page.html": nil},
	} {
		if err := write(dir, files, today); err != nil {
			t.Fatal(err)
		}
	}
	want := publishedHead + sum([]byte(sample1)) + "  " + v1 + "\n" + sum([]byte(sample2)) + "  " + v1 + "\n" +
		sum([]byte(sample3)) + "  " + v2 + "\n"
	if got := standing(t, dir)[publishedFile]; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if err := os.WriteFile(filepath.Join(dir, publishedFile), []byte("what\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := drift(dir, nil, today); err == nil {
		t.Error("no error on what is no list")
	}
}

// Of the list in events nothing that was ever committed is gone. Whoever takes lines off could
// publish anything in their place.
func TestNothingIsTakenOffTheList(t *testing.T) {
	history, err := exec.CommandContext(
		t.Context(), "git", "-C", root, "log", "--format=", "-p", "--", publishedFile,
	).Output()
	if err != nil {
		t.Skipf("there is no history to look into: %v", err)
	}
	text, err := os.ReadFile(filepath.Join(root, publishedFile))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for _, m := range regexp.MustCompile(`(?m)^\+([0-9a-f]{64}  .*)$`).FindAllStringSubmatch(string(history), -1) {
		if !slices.Contains(lines, m[1]) {
			t.Errorf("%s was taken off the list", m[1])
		}
	}
}

// standing are the files below a folder.
func standing(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, folder := map[string]string{}, os.DirFS(dir)
	err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := fs.ReadFile(folder, name)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A schema that says more at its root than a document has room for isn't published without it.
func TestIsWhole(t *testing.T) {
	object := func(change func(*huma.Schema)) *huma.Schema {
		s := &huma.Schema{
			Type: huma.TypeObject, Properties: map[string]*huma.Schema{"a": {Type: huma.TypeString}},
			Required: []string{"a"},
		}
		change(s)
		return s
	}
	most := 3
	for want, s := range map[string]*huma.Schema{
		"":                     object(func(*huma.Schema) {}),
		"dependentRequired":    object(func(s *huma.Schema) { s.DependentRequired = map[string][]string{"a": {"b"}} }),
		"oneOf":                object(func(s *huma.Schema) { s.OneOf = []*huma.Schema{{Type: huma.TypeObject}} }),
		"maxProperties":        object(func(s *huma.Schema) { s.MaxProperties = &most }),
		"additionalProperties": object(func(s *huma.Schema) { s.AdditionalProperties = false }),
	} {
		if err := isWhole(s); (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}
