package archtest

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"orderflow/infra/stack"
)

// Each alarm has a section on the page of runbooks, and its description the section's place; each
// section is an alarm's.
func TestRunbooks(t *testing.T) {
	var alarms []described
	for _, file := range nestedTemplates(t) {
		for _, id := range file.ofType(alarmType) {
			alarms = append(alarms, described{
				id: id, name: stackName(file.prop(id, "AlarmName")), text: textOf(file.prop(id, "AlarmDescription")),
			})
		}
	}
	if len(alarms) < 40 {
		t.Errorf("only %d alarms were found", len(alarms))
	}
	wantNone(t, runbooks(alarms, readFile(t, stack.Runbooks)))
}

// described is an alarm as it is shown.
type described struct{ id, name, text string }

var (
	sectionLine = regexp.MustCompile(`(?m)^## (\S+)$`)
	sectionOf   = regexp.MustCompile(` What to do: ` + regexp.QuoteMeta(stack.Runbooks) + `#(\S+)$`)
)

func runbooks(alarms []described, page string) (found findings) {
	var sections []string
	for _, match := range sectionLine.FindAllStringSubmatch(page, -1) {
		sections = append(sections, match[1])
	}
	used := map[string]bool{}
	for _, a := range alarms {
		match := sectionOf.FindStringSubmatch(a.text)
		switch {
		case match == nil:
			found.addf("%s says no section of %s", a.id, stack.Runbooks)
		case !slices.Contains(sections, match[1]):
			found.addf("%s: %s has no section %s", a.id, stack.Runbooks, match[1])
		case a.name != match[1] && !strings.HasSuffix(a.name, "-"+match[1]):
			found.addf("%s is named %s, and its section %s", a.id, a.name, match[1])
		default:
			used[match[1]] = true
		}
	}
	for _, s := range sections {
		if !used[s] {
			found.addf("the section %s is no alarm's", s)
		}
	}
	return found
}

func TestRunbooksFinds(t *testing.T) {
	const page = "# Orders\n\n## age\n\nText.\n\n## view-lag\n"
	const place = "It lags. What to do: docs/runbooks.md#"
	lag := described{"ViewLag", "view-lag", place + "view-lag"}
	for name, tc := range map[string]struct {
		alarm described
		want  string
	}{
		"as it is":   {described{"Q", "send-mails-age", place + "age"}, ""},
		"no place":   {described{"Q", "send-mails-age", "It waits."}, "says no section"},
		"no section": {described{"Q", "send-mails-depth", place + "depth"}, "has no section depth"},
		"another's":  {described{"Q", "send-mails-depth", place + "age"}, "and its section age"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runbooks([]described{lag, tc.alarm}, page)
			wantOne(t, got, tc.want)
		})
	}
	wantOne(t, runbooks([]described{lag}, page), "the section age is no alarm's")
}
