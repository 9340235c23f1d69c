package archtest

//go:generate go test . -run TestParametersDocument|TestResources|TestDiagrams|TestIdleMonth -update

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// update is for the tests whose document is made by a test.
var update = flag.Bool("update", false, "write what is compared, instead of comparing with it")

const parametersDocument = "docs/parameters.md"

// TestParametersDocument: the page of the parameters is the one that the template makes.
func TestParametersDocument(t *testing.T) {
	made := parametersPage(mainTemplate(t))
	if *update {
		writeFile(t, filepath.Join(root, parametersDocument), made)
	}
	if readFile(t, parametersDocument) != made {
		t.Errorf("%s is out of date: go generate ./shared/archtest", parametersDocument)
	}
}

func TestParametersPage(t *testing.T) {
	page := parametersPage(parseTemplate(t, `
Metadata:
  AWS::CloudFormation::Interface:
    ParameterGroups:
      - {Label: {default: Mail}, Parameters: [From, Days, Rate, Age, Names]}
Parameters:
  From: {Type: String, Default: '', AllowedPattern: '(|.+@.+)', Description: The sender.}
  Days: {Type: Number, Default: 30, AllowedValues: [7, 30]}
  Rate: {Type: Number, Default: 200, MinValue: 1, Description: 'Of requests, a second.'}
  Age: {Type: String, Default: '5', AllowedPattern: '[0-9]', ConstraintDescription: must be a digit, Description: Old.}
  Names: {Type: CommaDelimitedList, Default: a, Description: 'One | more.'}
`))
	for _, want := range []string{
		"## Mail\n",
		"| `From` | empty | matches `(\\|.+@.+)` | The sender. |\n",
		"| `Days` | `30` | `7`, `30` | – |\n",
		"| `Rate` | `200` | a number, at least 1 | Of requests, a second. |\n",
		"| `Age` | `5` | a digit | Old. |\n",
		"| `Names` | `a` | a list, joined by commas | One \\| more. |\n",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

// parametersPage renders the template's parameters, in the groups and in the order in which a
// console shows them.
func parametersPage(t template) string {
	var b strings.Builder
	b.WriteString(`<!-- Generated from template.yaml by ` + "`go generate ./shared/archtest`" + `. Don't edit. -->

# Parameters

What a deployment can set, with ` + "`sam deploy --guided`" + ` or
` + "`sam deploy --parameter-overrides NAME=VALUE`" + `.
[How to deploy](howto/deploy.md) leads through the choices that matter.
`)
	for _, group := range list(at(t.Metadata["AWS::CloudFormation::Interface"], "ParameterGroups")) {
		fmt.Fprintf(&b, "\n## %s\n\n", textAt(group, "Label", "default"))
		b.WriteString("| parameter | default | allowed | meaning |\n|---|---|---|---|\n")
		for _, name := range list(at(group, "Parameters")) {
			p := t.Parameters[fmt.Sprint(name)]
			meaning := "–"
			if text := textAt(p, "Description"); text != "" {
				meaning = cell(text)
			}
			fmt.Fprintf(&b, "| `%v` | %s | %s | %s |\n", name, defaultOf(p), allowedOf(p), meaning)
		}
	}
	return b.String()
}

// cell is text for a table, where a bar would end it.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(text)
}

func defaultOf(p object) string {
	switch value := p["Default"]; value {
	case nil:
		return "none: required"
	case "":
		return "empty"
	default:
		return fmt.Sprintf("`%v`", value)
	}
}

func allowedOf(p object) string {
	if values := list(p["AllowedValues"]); len(values) > 0 {
		all := make([]string, len(values))
		for i, v := range values {
			all[i] = fmt.Sprintf("`%v`", v)
		}
		return strings.Join(all, ", ")
	}
	if constraint := textAt(p, "ConstraintDescription"); constraint != "" {
		return cell(strings.TrimPrefix(constraint, "must be "))
	}
	if pattern := textAt(p, "AllowedPattern"); pattern != "" {
		return "matches `" + strings.ReplaceAll(pattern, "|", `\|`) + "`"
	}
	switch p["Type"] {
	case "CommaDelimitedList":
		return "a list, joined by commas"
	case "Number":
		if low := p["MinValue"]; low != nil {
			return fmt.Sprintf("a number, at least %v", low)
		}
		return "a number"
	default:
		return "any text"
	}
}
