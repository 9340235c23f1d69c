package archtest

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// codeOf takes the one block of code in a language out of a page.
func codeOf(t *testing.T, page, language string) string {
	t.Helper()
	parts := strings.Split(page, "```"+language+"\n")
	if len(parts) != 2 {
		t.Fatalf("the page has %d blocks of %s, want one", len(parts)-1, language)
	}
	code, _, closed := strings.Cut(parts[1], "\n```\n")
	if !closed {
		t.Fatalf("the block of %s doesn't end", language)
	}
	return code + "\n"
}

// withConsumer is the template and the sources with the consumer of docs/consumers.md put in, as the page says: its block, its main.go, and nothing else.
func withConsumer(t *testing.T, change edit) (template, []source) {
	t.Helper()
	page := readFile(t, path.Join("docs", "consumers.md"))
	block := change.apply(t, codeOf(t, page, "yaml"))
	whole := parseTemplate(t, strings.Replace(readFile(t, "template.yaml"), "\nResources:\n", "\nResources:\n\n"+block, 1))
	return whole, append(slices.Clone(sources(t)), parseSource(t, "functions/announce-deliveries/main.go", codeOf(t, page, "go")))
}

// consumerRules are those that look at what a consumer consists of.
func consumerRules(t *testing.T, whole template, files []source) findings {
	t.Helper()
	rows := append(parseCatalogue(t, readFile(t, path.Join("events", "catalog.yaml"))), canary)
	return slices.Concat(
		queues(whole), consumers(whole, files), handovers(whole), replays(whole, files), roles(whole), functions(whole), environment(files, whole),
		patterns(whole, rows), checked(whole, files), wiring(files),
	)
}

// What docs/consumers.md shows is a whole consumer: with its block and its main.go no rule finds anything.
func TestConsumerOfThePage(t *testing.T) {
	whole, files := withConsumer(t, edit{})
	if whole.Resources["AnnounceDeliveriesFunction"].Type != serverlessFunction {
		t.Fatal("the page's function is not in the template")
	}
	wantNone(t, consumerRules(t, whole, files))
	for name, one := range map[string]edit{
		"no dead letters":    {"        deadLetterTargetArn: !GetAtt AnnounceDeliveriesDeadLetters.Arn\n", "", "AnnounceDeliveriesQueue has no dead letter queue"},
		"no consumer's name": {"- {Key: 'orderflow:consumer', Value: announce-deliveries}", "", "AnnounceDeliveriesQueue is behind a rule and has no tag"},
		"an unknown event":   {"[order.delivered]", "[order.arrived]", "which nobody publishes"},
		"too large batches":  {"BatchSize: 5", "BatchSize: 50", "takes batches of 50"},
	} {
		t.Run(name, func(t *testing.T) {
			broken, files := withConsumer(t, one)
			found := consumerRules(t, broken, files)
			if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, one.want) }) {
				t.Errorf("found %q, want %q", found, one.want)
			}
		})
	}
}
