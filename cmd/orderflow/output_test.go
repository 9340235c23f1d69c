package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"orderflow/cmd/orderflow/shop"
)

// brokenPipe is an output that nobody reads.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) {
	return 0, &os.PathError{Op: "write", Err: syscall.EPIPE}
}

// TestUnread: a command whose output nobody reads ends without a word. A connection that breaks is
// something else.
func TestUnread(t *testing.T) {
	stack := &stackFlag{api: func(context.Context) (*shop.Client, error) {
		return nil, &os.PathError{Op: "write", Path: "tcp", Err: syscall.EPIPE}
	}}
	var hints strings.Builder
	status := run(t.Context(), stack, []string{"completion", "bash"}, results{brokenPipe{}}, &hints)
	if status != exitUnread || hints.Len() > 0 {
		t.Errorf("status %d: %s", status, hints.String())
	}
	status = run(t.Context(), stack, []string{"products", "list"}, results{brokenPipe{}}, &hints)
	if status != exitFailed || !strings.Contains(hints.String(), "broken pipe") {
		t.Errorf("a connection that breaks: status %d: %s", status, hints.String())
	}
}

// TestMainUnread: the reader of a pipe that goes away kills no command.
func TestMainUnread(t *testing.T) {
	if os.Getenv("ORDERFLOW_TEST_MAIN") != "" {
		os.Args = []string{"orderflow", "completion", "bash"}
		main()
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestMainUnread$")
	cmd.Env = append(os.Environ(), "ORDERFLOW_TEST_MAIN=1")
	cmd.Stdout = writer
	err = cmd.Run()
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != exitUnread {
		t.Errorf("it ended with %v", err)
	}
	if err := writer.Close(); err != nil {
		t.Error(err)
	}
}
