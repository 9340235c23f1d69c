package archtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// blocks gives all blocks of code in a language, in the page's order.
func blocks(page, language string) (all []string) {
	for _, part := range strings.Split(page, "```"+language+"\n")[1:] {
		code, _, _ := strings.Cut(part, "\n```")
		all = append(all, code+"\n")
	}
	return all
}

// A hunk is lines of a file that follow each other, and what stands in their place afterwards.
type hunk struct {
	text string   // as the page has it
	was  []string // lines without the spaces that gofmt aligns; one that ends with … matches what begins so
}

// hunks reads a block of diff: +++ and the file's name, and hunks with @@ between them.
func hunks(block string) (file string, all []hunk, err error) {
	name, rest, _ := strings.Cut(block, "\n")
	file, named := strings.CutPrefix(name, "+++ ")
	if !named {
		return "", nil, errors.New("a block of diff begins with +++ and the file's name, not with " + name)
	}
	for _, text := range strings.Split(rest, "@@\n") {
		h := hunk{text: text}
		for line := range strings.Lines(text) {
			if !strings.ContainsAny(line[:1], " +-") {
				return "", nil, errors.New(file + ": no line of a diff: " + line)
			}
			if line[0] != '+' {
				h.was = append(h.was, squeezed(line[1:]))
			}
		}
		all = append(all, h)
	}
	return file, all, nil
}

// squeezed is a line without the spaces that gofmt puts there.
func squeezed(line string) string { return strings.Join(strings.Fields(line), " ") }

// begins says whether lines are as the hunk has them.
func (h hunk) begins(lines []string) bool {
	if len(lines) < len(h.was) {
		return false
	}
	for i, was := range h.was {
		start, cut := strings.CutSuffix(was, "…")
		if is := squeezed(lines[i]); is != was && !(cut && strings.HasPrefix(is, strings.TrimSpace(start))) {
			return false
		}
	}
	return true
}

// apply changes the one place of the text that is as the hunk has it.
func (h hunk) apply(text string) (string, error) {
	lines := strings.SplitAfter(text, "\n")
	var places []int
	for i := range lines {
		if h.begins(lines[i:]) {
			places = append(places, i)
		}
	}
	if len(places) != 1 {
		return "", errors.New("not one place, in the whole file, is as this:\n" + h.text)
	}
	at := places[0]
	out := slices.Clone(lines[:at])
	for line := range strings.Lines(h.text) {
		switch line[0] {
		case '+':
			out = append(out, line[1:])
		case '-':
			at++
		default:
			out = append(out, lines[at])
			at++
		}
	}
	return strings.Join(append(out, lines[at:]...), ""), nil
}

// TestAddAField carries out docs/howto/add-a-field.md on a copy of the tree: its changes, its test
// and its commands. Then the field is in every file that the page says.
func TestAddAField(t *testing.T) {
	if testing.Short() {
		t.Skip("it copies the sources, and builds them")
	}
	t.Parallel()
	text, dir := readFile(t, "docs/howto/add-a-field.md"), t.TempDir()
	for _, part := range []string{"docs", "events", "shared"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(root, part))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"go.mod", "go.sum", "template.yaml"} {
		writeFile(t, filepath.Join(dir, name), readFile(t, name))
	}
	changed := map[string]bool{}
	for _, block := range blocks(text, "diff") {
		name, all, err := hunks(block)
		if err != nil {
			t.Fatal(err)
		}
		text := readFile(t, name)
		for _, h := range all {
			if text, err = h.apply(text); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		writeFile(t, filepath.Join(dir, name), text)
		changed[name] = true
	}
	writeFile(t, filepath.Join(dir, "shared", "inbound", "httpapi", "warehouse_test.go"), codeOf(t, text, "go"))
	commands := onACopy(t, "docs/howto/add-a-field.md")
	if len(changed) < 5 || len(commands) < 3 {
		t.Fatalf("the page changes %d files and has %d blocks of commands", len(changed), len(commands))
	}
	for _, block := range commands {
		run := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", block.Text) // #nosec G204 -- a page's
		run.Dir = dir
		// Vetting is for the checkout, and takes as long as the rest.
		run.Env = append(
			os.Environ(), "GOFLAGS=-mod=mod -vet=off -buildvcs=false", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local",
		)
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", block, err, out)
		}
	}
	for _, name := range []string{
		"events/schemas/order.placed/v1.json", "events/schemas/order.confirmed/v1.json",
		"events/schemas/order.cancelled/v1.json", "events/schemas/order.cancelled/v2.json",
		"events/schemas/order.updated/v1.json",
		"events/samples/order.placed/v1.json", "events/samples/order.confirmed/v1.json",
		"events/samples/order.cancelled/v1.json", "events/samples/order.cancelled/v2.json",
		"events/samples/order.updated/v1.json",
		"events/asyncapi.yaml", "docs/events.html", "events/PUBLISHED", "docs/openapi.yaml",
		"shared/inbound/httpapi/openapi.json",
	} {
		made, err := os.ReadFile(filepath.Join(dir, name)) // #nosec G304 -- in the test's own folder
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text, "`"+name+"`") || string(made) == readFile(t, name) {
			t.Errorf("%s is not as the page says", name)
		}
	}
}

func TestHunk(t *testing.T) {
	const text = "type Line struct {\n\tSKU    string // of it\n\tAmount int64\n}\n"
	for name, tt := range map[string]struct{ block, want string }{
		"adds":     {"+++ f\n type Line struct {\n+\tA int\n", strings.Replace(text, "{\n", "{\n\tA int\n", 1)},
		"replaces": {"+++ f\n-\tAmount int64\n+\tA int\n", strings.Replace(text, "Amount int64", "A int", 1)},
		"by its beginning": {
			"+++ f\n \tSKU string …\n+\tA int\n", strings.Replace(text, "it\n", "it\n\tA int\n", 1),
		},
		"nowhere":          {"+++ f\n type Row struct {\n+\tA int\n", ""},
		"in two places":    {"+++ f\n …\n+\tA int\n", ""},
		"of no known file": {"--- f\n type Line struct {\n", ""},
		"no diff":          {"+++ f\ntype Line struct {\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file, all, err := hunks(tt.block)
			got := text
			for _, h := range all {
				if err == nil {
					got, err = h.apply(got)
				}
			}
			if (err == nil) != (tt.want != "") || err == nil && (got != tt.want || file != "f") {
				t.Errorf("%q: %q, %v", file, got, err)
			}
		})
	}
}
