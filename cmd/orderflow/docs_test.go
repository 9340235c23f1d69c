package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// typed is what people are told to type: in an example, in a block of a page, between backticks.
var typed = regexp.MustCompile(`(?:bin/|  |[(]|` + "`" + `)orderflow ([a-z][^\n` + "`" + `]*)`)

// refersTo is the command that a line of a document or a help is about, with its flags checked.
func refersTo(line string) (*cobra.Command, error) {
	words, err := split(line)
	if err != nil {
		return nil, err
	}
	program := root(&stackFlag{})
	program.InitDefaultCompletionCmd()
	cmd, rest, err := program.Find(words)
	if err != nil {
		return nil, err
	}
	if !cmd.HasParent() || cmd.HasSubCommands() && len(rest) > 0 {
		return cmd, fmt.Errorf("there is no command %q", line)
	}
	err = cmd.ParseFlags(rest)
	return cmd, err
}

// split splits a line into words as a shell does, as far as documents need it.
func split(line string) (words []string, err error) {
	var word strings.Builder
	var quote rune
	in := false
	for _, r := range line {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, in = r, true
		case strings.ContainsRune("|>#;&)", r):
			if in {
				words = append(words, word.String())
			}
			return words, nil
		case r == ' ' || r == '\\':
			if in {
				words = append(words, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("a quote is open in %q", line)
	}
	if in {
		words = append(words, word.String())
	}
	return words, nil
}

// TestExamples: every command has an example, which is one of that command.
func TestExamples(t *testing.T) {
	for name, path := range leaves(root(&stackFlag{})) {
		cmd, _, err := root(&stackFlag{}).Find(path)
		if err != nil {
			t.Fatal(err)
		}
		shown := false
		for _, found := range typed.FindAllStringSubmatch(strings.ReplaceAll(cmd.Example, "\\\n", " "), -1) {
			of, err := refersTo(found[1])
			if err != nil {
				t.Errorf("%s: %q: %v", name, found[1], err)
				continue
			}
			shown = shown || of.CommandPath() == cmd.CommandPath()
		}
		if !shown {
			t.Errorf("%s has no example", name)
		}
	}
}

const commandLinePage = "../../docs/command-line.md"

// TestCommandLineDocument: the page lists each command with what it is for, and no other.
func TestCommandLineDocument(t *testing.T) {
	page, err := os.ReadFile(commandLinePage)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	all := leaves(root(&stackFlag{}))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		cmd, _, err := root(&stackFlag{}).Find(all[name])
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, fmt.Sprintf("| %#q | %s |", name, cmd.Short))
	}
	_, rest, _ := strings.Cut(string(page), "| command | what it does |\n|---|---|\n")
	table, _, _ := strings.Cut(rest, "\n\n")
	if wanted := strings.Join(want, "\n"); table != wanted {
		t.Errorf("docs/command-line.md has\n%s\n\nwant\n%s", table, wanted)
	}
	for what, status := range map[string]int{
		"failed": exitFailed, "wrong": exitUsage, "refused": exitRefused, "interrupted": exitInterrupted,
	} {
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^\| %d \| .*%s`, status, what)).Match(page) {
			t.Errorf("docs/command-line.md doesn't say that %d is %s", status, what)
		}
	}
}

// TestDocumentsNameCommands: what pages tell people to type are commands and flags that there are.
func TestDocumentsNameCommands(t *testing.T) {
	pages := []string{"../../README.md", "../../CONTRIBUTING.md", "../../SECURITY.md"}
	if err := filepath.WalkDir("../../docs", func(name string, _ fs.DirEntry, err error) error {
		if filepath.Ext(name) == ".md" && !strings.Contains(name, "decisions") {
			pages = append(pages, name)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range typed.FindAllStringSubmatch(strings.ReplaceAll(string(text), "\\\n", " "), -1) {
			count++
			if _, err := refersTo(found[1]); err != nil {
				t.Errorf("%s: orderflow %s: %v", page, found[1], err)
			}
		}
	}
	if count < 50 {
		t.Errorf("only %d commands were found", count)
	}
}
