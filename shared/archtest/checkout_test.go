package archtest

import (
	"debug/buildinfo"
	"debug/elf"
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
		"Makefile", "infra/goflags", "infra/local/require.sh", "infra/local/env.sh", "infra/local/deploy.sh", "samconfig.toml",
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
	wantLean(t, filepath.Join(dir, "built"))
	if err := os.Remove(filepath.Join(dir, "built")); err != nil {
		t.Fatal(err)
	}
	if out, err := run("infra/local/deploy.sh", "http://127.0.0.1:1", "stack"); err != nil {
		t.Errorf("deploy.sh: %v\n%s", err, out)
	}
	wantLean(t, filepath.Join(dir, "built"))
}

// wantLean: what goes to an account has neither symbols, nor the paths of the machine that it was
// built on, nor the RPC of a runtime that is gone, which links the templates of its debug page and
// with them every method that there is, nor HTTP/2, which nothing that they call needs.
func wantLean(t *testing.T, file string) {
	t.Helper()
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	for key, want := range map[string]string{
		"-trimpath": "true", "-tags": "lambda.norpc,nethttpomithttp2", "CGO_ENABLED": "0",
	} {
		if settings[key] != want {
			t.Errorf("%s was built with %s %q, want %q", filepath.Base(file), key, settings[key], want)
		}
	}
	program, err := elf.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = program.Close() }()
	if program.Section(".symtab") != nil || program.Section(".debug_info") != nil {
		t.Errorf("%s has symbols", filepath.Base(file))
	}
}
