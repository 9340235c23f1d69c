package archtest

import (
	"path"
	"regexp"
	"strings"
	"testing"
)

// boundaries are what SECURITY.md has a table of threats for.
var boundaries = []string{
	"Client to API", "Identity provider to API", "Function to DynamoDB and KMS", "Stream to function",
	"Bus to consumers, those of other stacks included", "Carrier", "Operators", "Build and deployment", "The local AWS",
}

var (
	threatTest = regexp.MustCompile("`([a-z0-9]+)\\.(Test[A-Za-z0-9]+)`")
	declaredAs = regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
)

// threats: each boundary has a table of threats, each row says in four cells what it is, and each
// test that is named is one of a package of that name. have are the tests, as package.Test.
func threats(page string, have map[string]bool) (found findings) {
	_, model, _ := strings.Cut(page, "\n## Threat model\n")
	for _, boundary := range boundaries {
		_, table, there := strings.Cut(model, "\n### "+boundary+"\n")
		if !there {
			found.addf("the threat model lacks %s", boundary)
			continue
		}
		table, _, _ = strings.Cut(table, "\n### ")
		shown := 0
		for _, line := range strings.Split(table, "\n") {
			if !strings.HasPrefix(line, "|") {
				continue
			}
			if strings.Count(line, "|") != 5 {
				found.addf("%s: a row has not four cells: %s", boundary, line)
				continue
			}
			cells := strings.Split(line, "|")
			tests := threatTest.FindAllStringSubmatch(cells[3], -1)
			for _, test := range tests {
				if !have[test[1]+"."+test[2]] {
					found.addf("%s: there is no test %s.%s", boundary, test[1], test[2])
				}
			}
			shown += len(tests)
		}
		if shown == 0 {
			found.addf("%s: no test shows anything", boundary)
		}
	}
	return found
}

func TestThreats(t *testing.T) {
	have := map[string]bool{}
	for _, f := range sources(t) {
		if !f.isTest() {
			continue
		}
		for _, test := range declaredAs.FindAllStringSubmatch(f.text, -1) {
			have[path.Base(f.dir())+"."+test[1]] = true
		}
	}
	page := readFile(t, "SECURITY.md")
	wantNone(t, threats(page, have))

	for name, tc := range map[string]edit{
		"whole":         {"", "", ""},
		"no boundary":   {"### Carrier\n", "### Carriers\n", "the threat model lacks Carrier"},
		"no such test":  {"`quota.TestInstances`", "`quota.TestInstance`", "there is no test quota.TestInstance"},
		"elsewhere":     {"`quota.TestInstances`", "`httpapi.TestInstances`", "there is no test httpapi.TestInstances"},
		"half a row":    {"| everything: the API believes it |", "|", "a row has not four cells"},
		"nothing shown": {"`archtest.TestLocalOnly`", "–", "The local AWS: no test shows anything"},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, threats(tc.apply(t, page), have), tc.want) })
	}
}

// listeners are the programs of the local AWS that open a port, each with the line that binds it.
var listeners = map[string]string{
	"infra/local/emulator.py": `"BIND_HOST": HOST,`,
	"infra/local/faults.py":   `listener.bind(("127.0.0.1", 0))`,
}

// TestLocalOnly: nothing of the local AWS listens on the network. Whoever reaches it runs code.
func TestLocalOnly(t *testing.T) {
	for name, line := range listeners {
		text := readFile(t, name)
		if !strings.Contains(text, line) || !strings.Contains(text, `"127.0.0.1"`) ||
			strings.Contains(text, "0.0.0.0") {
			t.Errorf("%s doesn't listen on 127.0.0.1 alone", name)
		}
	}
}
