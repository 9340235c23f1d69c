package main

import (
	"io"
	"testing"
)

// Who is meant is known before anything is asked of AWS.
func TestTokenFlags(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // nothing answers there
	for _, tc := range []struct {
		args []string
		says string
	}{
		{nil, "token: expected exactly one of --customer, --operator, --carrier and --pricing; see --help"},
		{[]string{"--customer", ""}, `token: invalid argument "" for "--customer" flag`},
		{[]string{"--operator=false"}, "token: --operator: expected true, got false"},
		{[]string{"--carrier=false"}, "token: --carrier: expected true, got false"},
		{[]string{"--operator", "--customer", ""}, `token: invalid argument "" for "--customer" flag`},
		{[]string{"--operator", "--carrier"}, "expected exactly one of"},
		{[]string{"--operator", "--pricing"}, "expected exactly one of"},
		{[]string{"--pricing=false"}, "token: --pricing: expected true, got false"},
		{[]string{"--customer", "ada", "--operator"}, "expected exactly one of"},
		{[]string{"ada"}, `token: expected no arguments, got "ada"`},
		{[]string{"--operator=maybe"}, `token: invalid argument "maybe" for "--operator" flag`},
	} {
		cmd := root(&stackFlag{})
		cmd.SetArgs(append([]string{"token"}, tc.args...))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		wantError(t, cmd.ExecuteContext(t.Context()), tc.says)
	}
}
