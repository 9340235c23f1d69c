package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/archtest/page"
)

// programs are what a line of commands begins with.
var programs = []string{
	"make", "go", "bin/orderflow", "bin/sam", "sam", "aws", "curl", "git", "npm", "docker", "export",
}

// unclear: a block of commands says what a test does with it, and what says nothing of its language
// is none.
func unclear(blocks []page.Block, onCopies []string) (found findings) {
	for _, b := range blocks {
		first, _, _ := strings.Cut(b.Text, "\n")
		word, _, _ := strings.Cut(strings.TrimPrefix(first, "$ "), " ")
		switch {
		case slices.Contains([]string{"bash", "shell", "console", "zsh"}, b.Language):
			found.addf("%s: commands are in blocks of sh, and not of %s", b, b.Language)
		case b.Language == "sh" && !slices.Contains([]string{page.Run, page.Checkout, page.Checked}, b.Kind):
			found.addf("%s: no test knows what to do with commands that are %q", b, b.Kind)
		case b.Language == "sh" && b.Kind == page.Checkout && !slices.Contains(onCopies, b.Page):
			found.addf("%s: no test runs this page's commands on a copy of the checkout", b)
		case b.Language == "" && slices.Contains(programs, word) && !strings.Contains(first, "…"):
			found.addf("%s: these are commands, in a block that doesn't say so", b)
		}
	}
	return found
}

// copied are the pages whose commands change the checkout, with what runs them on a copy of it.
var copied = map[string]func(*testing.T){
	"docs/howto/add-a-field.md":      TestAddAField,
	"docs/kit.md":                    TestLift,
	"docs/tutorials/own-consumer.md": TestOwnConsumer,
	"docs/consumers.md":              TestOwnConsumer,
}

// TestCommandsOfPages: each block of commands is run by a test, or held against what is there.
// e2e/pages does both, but for what changes the checkout.
func TestCommandsOfPages(t *testing.T) {
	all, err := page.All(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	onCopies, commands := []string{}, 0
	for name := range copied {
		onCopies = append(onCopies, name)
	}
	for _, blocks := range all {
		wantNone(t, unclear(blocks, onCopies))
		for _, kind := range []string{page.Run, page.Checkout, page.Checked} {
			commands += len(page.Commands(blocks, kind))
		}
	}
	if commands < 50 {
		t.Errorf("only %d blocks of commands were found", commands)
	}

	for name, tc := range map[string]struct{ text, want string }{
		"run":             {"```sh\nmake run\n```\n", ""},
		"checked":         {"```sh checked\nmake run\n```\n", ""},
		"unknown":         {"```sh maybe\nmake run\n```\n", "p.md:1: no test knows"},
		"another shell":   {"\n```bash\nmake run\n```\n", "p.md:2: commands are in blocks of sh"},
		"no language":     {"```\nmake run\n```\n", "p.md:1: these are commands"},
		"an answer":       {"```\norder 1: placed\n```\n", ""},
		"of no copy":      {"```sh checkout\nmake run\n```\n", "p.md:1: no test runs this page's"},
		"another's fence": {"```go\nfunc main() {}\n```\n", ""},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, unclear(page.Blocks("p.md", tc.text), nil), tc.want) })
	}
}

// copyOfTheTree copies what is checked in.
func copyOfTheTree(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := filepath.Join(root, e.Name())
		switch {
		case slices.Contains([]string{".git", ".tools", ".local", ".aws-sam", "bin"}, e.Name()):
		case e.IsDir():
			err = os.CopyFS(filepath.Join(dir, e.Name()), os.DirFS(name))
		case e.Type().IsRegular():
			writeFile(t, filepath.Join(dir, e.Name()), readFile(t, e.Name()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// onACopy are the commands of a page that change the checkout.
func onACopy(t *testing.T, name string) []page.Block {
	t.Helper()
	return page.Commands(page.Blocks(name, readFile(t, name)), page.Checkout)
}

// runBlocks pastes commands into one shell.
func runBlocks(t *testing.T, dir string, blocks []page.Block, env ...string) {
	t.Helper()
	script := "set -euo pipefail\n"
	for _, b := range blocks {
		script += b.Text
	}
	run := exec.CommandContext(t.Context(), "bash", "-c", script) // #nosec G204 -- of the page
	run.Dir, run.Env = dir, append(os.Environ(), env...)
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", blocks, err, out)
	}
}

// offline is how Go builds in a copy: with what is in the module cache, and what this checkout has
// compiled. The short tests are those that make no copy of their own.
var offline = []string{
	"GOFLAGS=-buildvcs=false -vet=off -short", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local",
}

// TestOwnConsumer adds the consumers of the tutorial and of docs/consumers.md to a copy of the
// tree, as the pages say. The rules, which the pages run, find nothing.
func TestOwnConsumer(t *testing.T) {
	if testing.Short() {
		t.Skip("it copies the checkout, and runs these tests in the copy")
	}
	t.Parallel()
	dir := copyOfTheTree(t)
	tutorial, reference := onACopy(t, "docs/tutorials/own-consumer.md"), onACopy(t, "docs/consumers.md")
	last := len(tutorial) - 1
	if !strings.HasPrefix(tutorial[last].Text, "go test ") {
		t.Fatalf("%s ends with %s", tutorial[last], tutorial[last].Text)
	}
	// Both pages end with tests. Those of the second are the first one's too, of both consumers.
	runBlocks(t, dir, append(tutorial[:last:last], reference...), offline...)
	template, err := os.ReadFile(filepath.Join(dir, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"AnnounceArrivalsFunction", "ReportArrivalsFunction"} {
		if !strings.Contains(string(template), "\n  "+id+":\n") {
			t.Errorf("%s is not in the template", id)
		}
	}
}

// languageOfTheModule is the line of go.mod that says which Go it needs.
func languageOfTheModule(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(strings.Split(readFile(t, "go.mod"), "\n")[2])
}
