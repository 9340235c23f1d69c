package archtest

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

// proseColumns is how wide prose may be, in Markdown and in comments: as many columns as an eye
// finds its way back over. golangci-lint holds code to its own, wider limit.
const proseColumns = 100

// columns is how wide a line is, with a tab every four columns.
func columns(line string) int {
	width := 0
	for _, r := range line {
		if r == '\t' {
			width += 4 - width%4
		} else {
			width++
		}
	}
	return width
}

// breakable reports whether a line that is too wide could end earlier: it has a blank before the
// limit, and no address that may not be broken.
func breakable(line string) bool {
	text := strings.TrimSpace(line)
	if strings.Contains(text, "://") {
		return false
	}
	cut := min(len(text), proseColumns)
	for !utf8.RuneStart(text[cut-1]) {
		cut--
	}
	return strings.Contains(strings.TrimLeft(text[:cut], "-*#/ "), " ")
}

// wideProse: the lines of a Markdown page but for tables, code and headings.
func wideProse(name, page string) (found findings) {
	code := false
	for i, line := range strings.Split(page, "\n") {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "```") {
			code = !code
			continue
		}
		if !code && !strings.HasPrefix(text, "|") && !strings.HasPrefix(text, "#") &&
			columns(line) > proseColumns && breakable(line) {
			found.addf("%s:%d has %d columns, and prose may have %d", name, i+1, columns(line), proseColumns)
		}
	}
	return found
}

// wideComments: the lines of comments that stand alone, but for tables and code in them, which are
// set in, and for instructions to tools.
func wideComments(f source) (found findings) {
	for _, group := range f.ast.Comments {
		for _, c := range group.List {
			at := f.fset.Position(c.Pos())
			start := strings.LastIndexByte(f.text[:at.Offset], '\n') + 1
			line := f.text[start:at.Offset] + c.Text
			alone := strings.TrimSpace(f.text[start:at.Offset]) == ""
			if alone && strings.HasPrefix(c.Text, "// ") && !strings.HasPrefix(c.Text, "//   ") &&
				columns(line) > proseColumns && breakable(line) {
				found.addf(
					"%s:%d has %d columns, and a comment may have %d", f.name, at.Line, columns(line), proseColumns,
				)
			}
		}
	}
	return found
}

func TestProse(t *testing.T) {
	all := append(pages(t, os.DirFS(root)), "findings/README.md")
	if len(all) < 80 {
		t.Fatalf("only %d pages were found", len(all))
	}
	for _, name := range all {
		wantNone(t, wideProse(name, readFile(t, name)))
	}
	for _, f := range sources(t) {
		wantNone(t, wideComments(f))
	}
}

func TestProseFinds(t *testing.T) {
	long := strings.Repeat("word ", 21)
	for name, tc := range map[string]struct{ page, want string }{
		"a long line":   {"# Title\n\n" + long, "x.md:3 has 105 columns"},
		"a short one":   {long[:100], ""},
		"a table":       {"| " + long + "|", ""},
		"code":          {"```\n" + long + "\n```", ""},
		"behind code":   {"```\n```\n" + long, "x.md:3"},
		"an address":    {"see https://example.com/" + long, ""},
		"one long word": {strings.Repeat("w", 120), ""},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, wideProse("x.md", tc.page), tc.want) })
	}
	for name, tc := range map[string]struct{ comment, want string }{
		"a long comment":  {"// " + long, "x.go:2 has 108 columns"},
		"a table in it":   {"//\t" + long, ""},
		"for a tool":      {"//go:generate " + long, ""},
		"behind a line":   {"var x = 1 // " + long, ""},
		"a short comment": {"// " + long[:90], ""},
	} {
		t.Run(name, func(t *testing.T) {
			wantOne(t, wideComments(parseSource(t, "x.go", "package x\n"+tc.comment+"\n")), tc.want)
		})
	}
}
