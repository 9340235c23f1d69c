//go:build e2e

package pages_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"orderflow/shared/archtest/page"
)

// recorded are the programs whose calls the shell takes down, in place of making them. The AWS CLI
// answers with one word.
const recorded = `set -eu
POOL=us-east-1_Example ORDER=8c3c0c5c-de4f-53af-8a38-26a2888f66cc AWS_ENDPOINT_URL=http://127.0.0.1:4599 VARIABLES={}
export ORDERFLOW_STACK=orderflow
take() { printf '%s\0' "$@" >>"$CALLS"; printf '\n' >>"$CALLS"; }
aws() { take aws "$@"; echo answer; }
sam() { take sam "$@"; }
make() { take make "$@"; }
bash() { take bash "$@"; }
bin/sam() { take bin/sam "$@"; }
bin/orderflow() { take bin/orderflow "$@"; }
infra/local/deploy.sh() { take infra/local/deploy.sh "$@"; }
`

// calls has a shell read commands, and gives those that it would run, in words.
func calls(t *testing.T, name, script string) (all [][]string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "calls")
	cmd := exec.CommandContext(t.Context(), "bash", "-c", recorded+script) // #nosec G204 -- of the page
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CALLS="+file)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	text, err := os.ReadFile(file) // #nosec G304 -- the test's own
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range strings.Split(strings.TrimSuffix(string(text), "\x00\n"), "\x00\n") {
		all = append(all, strings.Split(call, "\x00"))
	}
	return all
}

// check holds calls against the programs that they name, and gives what is wrong with each.
func check(t *testing.T, calls [][]string) (faults []string) {
	t.Helper()
	given, err := json.Marshal(calls)
	if err != nil {
		t.Fatal(err)
	}
	checker, err := filepath.Abs("checked.py")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(".tools", "sam", "bin", "python"), checker) // #nosec G204
	cmd.Dir, cmd.Stdin = root, bytes.NewReader(given)
	cmd.Env = append(os.Environ(), "SAM_CLI_TELEMETRY=0")
	var out, hints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &hints
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &hints)
	}
	if err := json.Unmarshal(out.Bytes(), &faults); err != nil || len(faults) != len(calls) {
		t.Fatalf("%d faults of %d calls, %v: %s", len(faults), len(calls), err, &out)
	}
	return faults
}

// wrong are commands with what is found in them; "" is nothing.
var wrong = []struct{ script, want string }{
	{"aws lambda list-functions --query Functions", ""},
	{"aws lambda list-funktions", "has no operation"},
	{"aws lambda get-alias --function-name f", `Missing required parameter in input: "Name"`},
	{"aws lambda get-alias --function-name f --name live --alias x", "has no option --alias"},
	{"aws dynamodb delete-item --table-name t --key '{\"order\": {\"S\": 1}}'", "Invalid type for parameter Key.order.S"},
	{"aws cognito-idp set-user-pool-mfa-config --user-pool-id us-east-1_E --mfa-configuration MAYBE", "is none of"},
	{"aws cloudformation deploy --stack-name s --template-file infra/github-oidc.yaml --parameter-overrides No=1", "no parameter"},
	{"bin/sam deploy --config-env prod --guided", ""},
	{"bin/sam deploy --config-env production", "samconfig.toml has no production"},
	{"bin/sam deploy --gided", "has no options ['gided']"},
	{"sam deploy --parameter-overrides Scale=small Scales=small", "no parameter 'Scales=small'"},
	{"sam remote invoke X --stack-name s --event e", ""},
	{"sam romote invoke", "there is no sam romote"},
	{"make run LIMIT=5", ""},
	{"make runn", "No rule to make target"},
	{"infra/local/deploy.sh http://127.0.0.1:1 s SimulatedCarier=false", "no parameter"},
	{"bash findings/none.sh", "is no program"},
}

// TestCheckedCommands: what a page tells people to type of the AWS CLI, the SAM CLI, make and
// scripts, where a test can't run it, names commands, options and parameters that there are. The
// commands of bin/orderflow are checked with its own tests. What is wrong is found.
func TestCheckedCommands(t *testing.T) {
	t.Parallel()
	all, err := page.All(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	script := ""
	for _, tc := range wrong {
		script += tc.script + " >/dev/null\n"
	}
	every := calls(t, "what is wrong", script)
	for name, blocks := range all {
		script := ""
		for _, b := range page.Commands(blocks, page.Checked) {
			script += b.Text
		}
		if script == "" {
			continue
		}
		for _, call := range calls(t, name, script) {
			if call[0] != "bin/orderflow" {
				every = append(every, call)
			}
		}
	}
	if len(every) < len(wrong)+30 {
		t.Errorf("only %d commands were found", len(every)-len(wrong))
	}
	for i, found := range check(t, every) {
		switch {
		case i >= len(wrong):
			if found != "" {
				t.Errorf("%s: %s", strings.Join(every[i], " "), found)
			}
		case wrong[i].want == "" && found != "" || !strings.Contains(found, wrong[i].want):
			t.Errorf("%s: found %q, want %q", wrong[i].script, found, wrong[i].want)
		}
	}
}
