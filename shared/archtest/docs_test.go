package archtest

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"unicode"
)

const docsIndex = "docs/README.md"

// TestDocs: every page is in the index, and what a page links to is there.
func TestDocs(t *testing.T) {
	tree := os.DirFS(root)
	wantNone(t, indexed(t, tree))
	wantNone(t, linked(t, tree))

	page := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	const index = "[a](a.md) [b](sub/b.md#the-end-of-b) [d](decisions/)\n\n# Index\n"
	for _, c := range []struct {
		name, file, text string
		index, links     string
	}{
		{"whole", "", "", "", ""},
		{"not in the index", "docs/c.md", "# C\n", "docs/c.md is not in", ""},
		{"a decision", "docs/decisions/0001-one.md", "# 1\n", "", ""},
		{"no such page", "docs/a.md", "[x](missing.md)", "", "docs/a.md links to missing.md"},
		{"no such heading", "docs/a.md", "# A\n[x](sub/b.md#a)", "", "docs/a.md links to sub/b.md#a"},
		{"none in this page", "README.md", "# A\n[x](#b)", "", "README.md links to #b"},
		{"out of the tree", "docs/a.md", "[x](../../a.md)", "", "docs/a.md links to ../../a.md"},
		{"elsewhere", "docs/a.md", "[x](https://example.com/a.md#b) `[y](z.md)`\n```\n[y](z.md)\n```\n", "", ""},
		{"to a folder", "README.md", "[x](docs/sub/), [y](docs/sub/b.md)", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := fstest.MapFS{
				"README.md": page("# A\n"), docsIndex: page(index), "docs/a.md": page("# A\n[b](sub/b.md)"),
				"docs/sub/b.md": page("## The end, of `B`\n"), "docs/decisions/0000-none.md": page("# 0\n"),
			}
			if c.file != "" {
				tree[c.file] = page(c.text)
			}
			wantOne(t, indexed(t, tree), c.index)
			wantOne(t, linked(t, tree), c.links)
		})
	}
}

// TestMetricsDocument: the page of the metrics names each metric that the code has.
func TestMetricsDocument(t *testing.T) {
	page := readFile(t, "docs/metrics.md")
	for _, name := range metricNames(sources(t)) {
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/metrics.md doesn't name %s", name)
		}
	}
}

// TestGeneratedFiles: what .gitattributes calls generated says in its first line how it is made,
// where its format has a place for that.
func TestGeneratedFiles(t *testing.T) {
	count := 0
	for _, line := range strings.Split(readFile(t, ".gitattributes"), "\n") {
		name, attributes, _ := strings.Cut(line, " ")
		if !strings.Contains(attributes, "linguist-generated") || strings.Contains(name, "*") ||
			slices.Contains([]string{".sum", ".txt", ".json"}, path.Ext(name)) {
			continue
		}
		count++
		if first, _, _ := strings.Cut(readFile(t, name), "\n"); !strings.Contains(first, "go generate") {
			t.Errorf("the first line of %s doesn't say how it is generated: %s", name, first)
		}
	}
	if count < 5 {
		t.Errorf("only %d generated files were found", count)
	}
}

// pages lists the Markdown files for readers: those at the root, and those of docs.
func pages(t *testing.T, tree fs.FS) []string {
	t.Helper()
	all, err := fs.Glob(tree, "*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = fs.WalkDir(tree, "docs", func(name string, _ fs.DirEntry, err error) error {
		if path.Ext(name) == ".md" {
			all = append(all, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// indexed: docs/README.md links to every page of docs. The decisions have an index of their own.
func indexed(t *testing.T, tree fs.FS) (found findings) {
	t.Helper()
	linked := map[string]bool{}
	for _, link := range links(text(t, tree, docsIndex)) {
		target, _, _ := strings.Cut(link, "#")
		linked[path.Join("docs", target)] = true
	}
	for _, name := range pages(t, tree) {
		if name != docsIndex && path.Dir(name) != "." && !strings.HasPrefix(name, "docs/decisions/") && !linked[name] {
			found.addf("%s is not in %s", name, docsIndex)
		}
	}
	if !linked["docs/decisions"] && !linked["docs/decisions/README.md"] {
		found.addf("docs/decisions is not in %s", docsIndex)
	}
	return found
}

// linked: every relative link of a page leads to a file or a folder of the tree, and to a heading
// where it names one.
func linked(t *testing.T, tree fs.FS) (found findings) {
	t.Helper()
	for _, name := range pages(t, tree) {
		for _, link := range links(text(t, tree, name)) {
			to, heading, _ := strings.Cut(link, "#")
			target := path.Join(path.Dir(name), to)
			if to == "" {
				target = name
			}
			if _, err := fs.Stat(tree, target); err != nil {
				found.addf("%s links to %s, which is not there", name, link)
				continue
			}
			if heading != "" && path.Ext(target) == ".md" && !slices.Contains(anchors(text(t, tree, target)), heading) {
				found.addf("%s links to %s, a heading that is not there", name, link)
			}
		}
	}
	return found
}

func text(t *testing.T, tree fs.FS, name string) string {
	t.Helper()
	content, err := fs.ReadFile(tree, filepath.ToSlash(name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var (
	codeBlock = regexp.MustCompile("(?s)\n```.*?\n```")
	codeSpan  = regexp.MustCompile("`[^`\n]*`")
	link      = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	heading   = regexp.MustCompile(`(?m)^#{1,6} +(.*?) *$`)
)

// links lists the relative links of a page.
func links(page string) (all []string) {
	prose := codeSpan.ReplaceAllString(codeBlock.ReplaceAllString(page, ""), "")
	for _, found := range link.FindAllStringSubmatch(prose, -1) {
		if to := found[1]; !strings.Contains(to, ":") {
			all = append(all, to)
		}
	}
	return all
}

// anchors lists what the headings of a page are called in links.
func anchors(page string) (all []string) {
	for _, found := range heading.FindAllStringSubmatch(codeBlock.ReplaceAllString(page, ""), -1) {
		all = append(all, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				return unicode.ToLower(r)
			default:
				return -1
			}
		}, found[1]))
	}
	return all
}
