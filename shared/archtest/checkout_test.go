package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the Makefile and the scripts build, they build in a checkout that another user owns as well.
// Git refuses Go an answer there, which a stamped build ends with.
func TestCheckoutOfAnotherUser(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"Makefile", "infra/local/require.sh", "infra/local/env.sh", "infra/local/deploy.sh", "samconfig.toml",
	} {
		writeFile(t, filepath.Join(dir, name), readFile(t, name))
	}
	language := strings.TrimSpace(strings.Split(readFile(t, "go.mod"), "\n")[2])
	writeFile(t, filepath.Join(dir, "go.mod"), "module orderflow\n\n"+language+"\n")
	const program = "package main\n\nfunc main() {}\n"
	writeFile(t, filepath.Join(dir, filepath.FromSlash("cmd/orderflow/main.go")), program)
	writeFile(t, filepath.Join(dir, filepath.FromSlash("functions/some/main.go")), program)
	// In the place of SAM stands what its builder does: go build in the function's directory.
	writeFile(t, filepath.Join(dir, filepath.FromSlash("infra/local/requirements-sam.txt")), "")
	writeFile(t, filepath.Join(dir, filepath.FromSlash("infra/local/venv.sh")), "")
	writeFile(t, filepath.Join(dir, filepath.FromSlash(".tools/sam/bin/python")),
		"#!/bin/sh\n[ \"$3\" = build ] || exit 0\n"+
			"cd functions/some && go build -o ../../built .\n")
	writeFile(t, filepath.Join(dir, filepath.FromSlash(".tools/sam/installed")), "")
	for _, name := range []string{"infra/local/require.sh", "infra/local/deploy.sh", ".tools/sam/bin/python"} {
		if err := os.Chmod(filepath.Join(dir, name), 0o700); err != nil { //nolint:gosec // a program of the test's own
			t.Fatal(err)
		}
	}
	run := func(name string, args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), name, args...)
		command.Dir = dir
		// Git's own switch for tests: it takes every repository for another user's.
		command.Env = append(os.Environ(), "GIT_TEST_ASSUME_DIFFERENT_OWNER=1", "GOFLAGS=", "GOENV=off",
			"GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local", "MAKEFLAGS=",
			"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
		out, err := command.CombinedOutput()
		return string(out), err
	}
	if out, err := run("git", "init", "-q"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := run("go", "build", "-o", os.DevNull, "./cmd/orderflow"); err == nil ||
		!strings.Contains(out, "VCS") {
		t.Fatalf("a stamped build should end in a checkout of another user: %v: %s", err, out)
	}
	for built, command := range map[string][]string{
		"bin/orderflow": {"make", "bin/orderflow"},
		"built":         {"make", "build"},
	} {
		if out, err := run(command[0], command[1:]...); err != nil {
			t.Errorf("%s: %v\n%s", strings.Join(command, " "), err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, built)); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(filepath.Join(dir, "built")); err != nil {
		t.Fatal(err)
	}
	if out, err := run("infra/local/deploy.sh", "http://127.0.0.1:1", "stack"); err != nil {
		t.Errorf("deploy.sh: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "built")); err != nil {
		t.Error(err)
	}
}
