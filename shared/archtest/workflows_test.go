package archtest

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var (
	// pinned is an action by its commit, which nobody can move, with the version for readers.
	pinned = regexp.MustCompile(`^[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$`)
	uses   = regexp.MustCompile(`(?m)^\s*(?:- )?uses: (.*)$`)
	// filledIn is what GitHub fills into a script before the shell reads it.
	filledIn = regexp.MustCompile(`\$\{\{`)
)

// scriptLines is how long a script in a workflow may be: a longer one is a file that a test can
// run.
const scriptLines = 3

type workflow struct {
	Permissions map[string]string
	Jobs        map[string]job
	Runs        struct{ Steps []script }
}

type job struct {
	If          string
	Uses        string
	Needs       any
	Environment string
	Permissions map[string]string
	Steps       []script
}

type script struct{ Run string }

// workflowRules: what a workflow, or an action of this repository, may do.
func workflowRules(t *testing.T, name, text string) (found findings) {
	t.Helper()
	for _, m := range uses.FindAllStringSubmatch(text, -1) {
		if what := m[1]; !strings.HasPrefix(what, "./") && !pinned.MatchString(what) {
			found.addf("%s uses %s: name a full commit and, in a comment, its version", name, what)
		}
	}
	var w workflow
	if err := yaml.Unmarshal([]byte(text), &w); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	steps := slices.Clone(w.Runs.Steps)
	if len(w.Jobs) > 0 && (len(w.Permissions) != 1 || w.Permissions["contents"] != "read") {
		found.addf("%s: every job may have %v; give what a job needs more to that job", name, w.Permissions)
	}
	for id, j := range w.Jobs {
		steps = append(steps, j.Steps...)
		for scope, access := range j.Permissions {
			if access != "read" && (scope != "id-token" || j.Environment == "") {
				found.addf("%s: job %s may %s %s without an environment that guards it", name, id, access, scope)
			}
		}
		ownOnly := strings.Contains(j.If, "github.event.pull_request.head.repo.full_name == github.repository")
		if strings.Contains(text, "\n  pull_request:\n    types:") && j.Needs == nil && !ownOnly {
			found.addf("%s: job %s runs for forks too", name, id)
		}
	}
	if strings.Contains(text, "pull_request_target") {
		found.addf("%s: pull_request_target gives a fork's code the repository's rights", name)
	}
	for _, s := range steps {
		if strings.Count(strings.TrimSpace(s.Run), "\n") >= scriptLines {
			found.addf("%s: a script of more than %d lines belongs into a file: %s", name, scriptLines, s.Run)
		}
		if filledIn.MatchString(s.Run) {
			found.addf("%s: give what GitHub fills in to a script by its environment: %s", name, s.Run)
		}
	}
	return found
}

func TestWorkflows(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, ".github", "*", "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	actions, err := filepath.Glob(filepath.Join(root, ".github", "actions", "*", "*.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if files = append(files, actions...); len(files) < 6 {
		t.Fatalf("only %d workflows and actions were found", len(files))
	}
	for _, file := range files {
		text, err := os.ReadFile(file) // #nosec G304 -- of the tree itself
		if err != nil {
			t.Fatal(err)
		}
		wantNone(t, workflowRules(t, strings.TrimPrefix(file, root+"/"), string(text)))
	}
}

func TestWorkflowsFinds(t *testing.T) {
	const sha = "3d3c42e5aac5ba805825da76410c181273ba90b1"
	const own = "    if: github.event.pull_request.head.repo.full_name == github.repository\n"
	whole := "on:\n  pull_request:\n    types: [opened]\npermissions:\n  contents: read\njobs:\n  one:\n" + own +
		"    environment: preview\n    permissions:\n      id-token: write\n    steps:\n" +
		"      - uses: actions/checkout@" + sha + " # v7.0.1\n      - run: make test\n"
	for name, tc := range map[string]struct{ from, to, want string }{
		"as it is":             {"", "", ""},
		"by a tag":             {"@" + sha + " # v7.0.1", "@v7", "uses actions/checkout@v7: name"},
		"without a version":    {" # v7.0.1", "", "name a full commit"},
		"rights for all":       {"contents: read", "contents: write", "every job may have"},
		"no rights said":       {"permissions:\n  contents: read\n", "", "every job may have"},
		"keys for everyone":    {"    environment: preview\n", "", "may write id-token without"},
		"more than it needs":   {"id-token: write", "packages: write", "may write packages"},
		"a fork":               {own, "", "runs for forks"},
		"a fork with rights":   {"  pull_request:", "  pull_request_target:", "pull_request_target"},
		"a program":            {"run: make test", "run: |\n          a\n          b\n          c\n          d", "into a file"},
		"what a title can say": {"make test", "echo ${{ github.event.pull_request.title }}", "by its environment"},
	} {
		t.Run(name, func(t *testing.T) {
			wantOne(t, workflowRules(t, "some.yml", strings.Replace(whole, tc.from, tc.to, 1)), tc.want)
		})
	}
}
