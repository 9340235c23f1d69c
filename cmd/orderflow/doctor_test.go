package main

import (
	"io"
	"strings"
	"testing"
)

// TestDoctorFlags: wrong flags are rejected before the first request.
func TestDoctorFlags(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // nothing answers there
	for _, tc := range []struct{ args, says string }{
		{"--city Athens", "doctor: --city: expected with --smoke only"},
		{"--smoke --city Athens", "doctor: --city: expected with --country only"},
		{"--smoke --timeout 0s", "doctor: --timeout: expected a duration above 0, got 0s"},
		{"everything", `doctor: expected no arguments, got "everything"`},
	} {
		cmd := root(&stackFlag{})
		cmd.SetArgs(append([]string{"doctor"}, strings.Fields(tc.args)...))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		if err := cmd.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v, want %s", tc.args, err, tc.says)
		}
	}
}
