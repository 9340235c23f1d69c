package archtest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const recordsDir = "docs/decisions"

// recordSections are a record's headings, in order.
var recordSections = []string{"Context", "Decision", "Consequences", "Rejected"}

var (
	recordName   = regexp.MustCompile(`^(\d{4})-[a-z0-9-]+\.md$`)
	recordHead   = regexp.MustCompile(`(?s)^# (\d+)\. [^\n]+\n\n- \*\*Status:\*\* (.+?)\n- \*\*Date:\*\* (\S+)\n`)
	recordDate   = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
	recordLink   = regexp.MustCompile(`\[(\d{4})\]\((\d{4}-[a-z0-9-]+\.md)\)`)
	recordStatus = regexp.MustCompile(`^(?:accepted(?:;|$)|superseded by )`)
	indexRow     = regexp.MustCompile(`(?m)^\| (\d{4}) \| \[.+?\]\(([^)]+)\) \| [^|]+ \| ([^|]+) \|$`)
)

// records gives every record by its file's name, and the index.
func records(t *testing.T) (all map[string]string, index string) {
	t.Helper()
	files, err := os.ReadDir(filepath.Join(root, recordsDir))
	if err != nil {
		t.Fatal(err)
	}
	all = map[string]string{}
	for _, f := range files {
		if f.Name() != "README.md" {
			all[f.Name()] = readFile(t, recordsDir+"/"+f.Name())
		}
	}
	return all, readFile(t, recordsDir+"/README.md")
}

// statusOf is a record's status on one line, or "".
func statusOf(text string) string {
	head := recordHead.FindStringSubmatch(text)
	if head == nil {
		return ""
	}
	return strings.Join(strings.Fields(head[2]), " ")
}

// formed: a record is named and numbered alike, says status and date, and has each section once, in
// order, with something in it.
func formed(name, text string) (found findings) {
	file, head := recordName.FindStringSubmatch(name), recordHead.FindStringSubmatch(text)
	if file == nil || head == nil {
		found.addf("%s: expected the name NNNN-title.md, a title with the number, Status and Date", name)
		return found
	}
	if fmt.Sprintf("%04s", head[1]) != file[1] {
		found.addf("%s has the title of number %s", name, head[1])
	}
	if status := statusOf(text); !recordStatus.MatchString(status) {
		found.addf("%s has the status %q: expected accepted, or superseded by another", name, status)
	}
	if !recordDate.MatchString(head[3]) {
		found.addf("%s has the date %q: expected YYYY-MM-DD", name, head[3])
	}
	var sections []string
	for i, part := range strings.Split(text, "\n## ") {
		title, body, _ := strings.Cut(part, "\n")
		if i == 0 {
			continue
		}
		sections = append(sections, title)
		if strings.TrimSpace(body) == "" {
			found.addf("%s says nothing under %s", name, title)
		}
	}
	if !slices.Equal(sections, recordSections) {
		found.addf("%s has the sections %q: expected %q", name, sections, recordSections)
	}
	return found
}

// related: what a status says of another record, the other one's status says too, and every link
// between records leads to one.
func related(all map[string]string) (found findings) {
	opposite := map[string]string{
		"superseded by": "supersedes", "supersedes": "superseded by", "amended by": "amends", "amends": "amended by",
	}
	says := map[string]bool{}
	for name, text := range all {
		for _, link := range recordLink.FindAllStringSubmatch(text, -1) {
			if _, ok := all[link[2]]; !ok || !strings.HasPrefix(link[2], link[1]) {
				found.addf("%s links %s, which is no such record", name, link[0])
			}
		}
		for part := range strings.SplitSeq(statusOf(text), "; ") {
			others := recordLink.FindAllStringSubmatch(part, -1)
			if strings.HasPrefix(part, "superseded") && len(others) != 1 {
				found.addf("%s is superseded and names no successor", name)
			}
			for relation := range opposite {
				for _, other := range others {
					if strings.HasPrefix(part, relation+" ") {
						says[name+" "+relation+" "+other[2]] = true
					}
				}
			}
		}
	}
	for said := range says {
		name, rest, _ := strings.Cut(said, " ")
		i := strings.LastIndex(rest, " ")
		if back := rest[i+1:] + " " + opposite[rest[:i]] + " " + name; !says[back] {
			found.addf("%q, but nowhere %q", said, back)
		}
	}
	return found
}

// indexedRecords: the index has each record once, with its number and the beginning of its status,
// and nothing else.
func indexedRecords(all map[string]string, index string) (found findings) {
	missing := maps.Clone(all)
	for _, row := range indexRow.FindAllStringSubmatch(index, -1) {
		number, name, status := row[1], row[2], row[3]
		text, ok := missing[name]
		switch {
		case !ok:
			found.addf("the index has %s, which is no record, or has it twice", name)
		case !strings.HasPrefix(name, number+"-"):
			found.addf("the index has %s under %s", name, number)
		case !strings.HasPrefix(statusOf(text), status):
			found.addf("the index has the status %q of %s: expected %q", status, name, statusOf(text))
		}
		delete(missing, name)
	}
	for name := range missing {
		found.addf("the index lacks %s", name)
	}
	return found
}

// recorded applies every rule about records.
func recorded(all map[string]string, index string) (found findings) {
	for name, text := range all {
		found = append(found, formed(name, text)...)
	}
	found = append(found, related(all)...)
	return append(found, indexedRecords(all, index)...)
}

func TestRecords(t *testing.T) { wantNone(t, recorded(records(t))) }

func TestRecordedFinds(t *testing.T) {
	const (
		first  = "0001-first.md"
		second = "0002-second.md"
		third  = "0003-third.md"

		amends = "accepted; amends [0002](0002-second.md)"
		gone   = "superseded by [0002](0002-second.md)"
		row    = "| 0003 | [Third](0003-third.md) | More. | accepted |\n"
	)
	good := map[string]string{
		first:  record(1, gone),
		second: record(2, "accepted; supersedes [0001](0001-first.md);\n  amended by [0003](0003-third.md)"),
		third:  record(3, amends),
		"README": "| no. | record | decision | status |\n|---|---|---|---|\n" +
			"| 0001 | [First](0001-first.md) | This. | " + gone + " |\n" +
			"| 0002 | [Second](0002-second.md) | That. | accepted |\n" +
			row,
	}
	for name, tc := range map[string]struct{ file, from, to, want string }{
		"all is well":             {first, "", "", ""},
		"no status":               {third, "- **Status:** " + amends + "\n", "", "Status and Date"},
		"no date":                 {third, "- **Date:** 2026-11-30\n", "", "Status and Date"},
		"a date in words":         {third, "2026-11-30", "yesterday", "expected YYYY-MM-DD"},
		"an unknown status":       {third, "accepted; amends", "proposed; amends", "expected accepted"},
		"another number":          {third, "# 3.", "# 4.", "title of number 4"},
		"a section is missing":    {third, "## Rejected\n\nText.\n", "", "has the sections"},
		"sections out of order":   {third, "## Context", "## Consequences", "has the sections"},
		"an empty section":        {third, "## Context\n\nText.\n", "## Context\n", "nothing under Context"},
		"no successor":            {first, gone, "superseded by nobody", "names no successor"},
		"a successor that denies": {second, "supersedes [0001](0001-first.md);\n  ", "", "supersedes 0001-first.md"},
		"amended in one alone":    {third, "; amends [0002](0002-second.md)", "", "amends 0002-second.md"},
		"a link to nothing":       {third, "Text.", "See [0009](0009-ninth.md).", "no such record"},
		"a link of two numbers":   {third, "Text.", "See [0002](0001-first.md).", "no such record"},
		"not in the index":        {"README", row, "", "lacks 0003"},
		"no record":               {"README", "0003-third.md", "0004-fourth.md", "has 0004-fourth.md"},
		"another status":          {"README", "More. | accepted", "More. | superseded by that", "has the status"},
		"under another number":    {"README", "| 0003 |", "| 0004 |", "under 0004"},
	} {
		t.Run(name, func(t *testing.T) {
			all := maps.Clone(good)
			all[tc.file] = strings.Replace(all[tc.file], tc.from, tc.to, 1)
			if tc.from != "" && all[tc.file] == good[tc.file] {
				t.Fatal("the example is not broken")
			}
			index := all["README"]
			delete(all, "README")
			wantOne(t, recorded(all, index), tc.want)
		})
	}
}

// record is one that keeps every rule.
func record(number int, status string) string {
	text := fmt.Sprintf("# %d. Title\n\n- **Status:** %s\n- **Date:** 2026-11-30\n", number, status)
	for _, section := range recordSections {
		text += "\n## " + section + "\n\nText.\n"
	}
	return text
}
