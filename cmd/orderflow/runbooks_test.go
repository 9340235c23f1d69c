package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The commands that docs/runbooks.md tells people to run are there, with these flags and as many
// arguments.
func TestRunbooksCommands(t *testing.T) {
	page, err := os.ReadFile("../../docs/runbooks.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile("`bin/orderflow ([^`]+)`").FindAllStringSubmatch(string(page), -1)
	if len(found) < 10 {
		t.Fatalf("only %d commands were found", len(found))
	}
	for _, match := range found {
		if problem := asCommand(match[1]); problem != nil {
			t.Errorf("orderflow %s: %v", match[1], problem)
		}
	}
}

func TestRunbooksCommandsFinds(t *testing.T) {
	for line, want := range map[string]string{
		"deadletters list":           "",
		"deadletters burn":           "unknown command",
		"orders show":                "expected one",
		"events audit --from 24h":    "",
		"events audit --forever":     "unknown flag",
		"events audit --from":        "flag needs an argument",
		"logs ORDER --since soon":    "invalid argument",
		"letters":                    "expected no arguments",
		"views rebuild orders again": "expected one",
	} {
		if err := asCommand(line); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

// asCommand says why a line can't be run.
func asCommand(line string) error {
	cmd, rest, err := root(&stackFlag{}).Find(strings.Fields(line))
	if err == nil {
		err = cmd.ParseFlags(rest)
	}
	if err != nil {
		return err
	}
	if cmd.Args != nil {
		err = cmd.Args(cmd, cmd.Flags().Args())
	}
	if err == nil && cmd.HasSubCommands() {
		err = needsSubcommand(cmd, cmd.Flags().Args())
	}
	return err
}
