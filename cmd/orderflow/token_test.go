package main

import (
	"io"
	"testing"
)

// Who is meant is known before anything is asked of AWS.
func TestTokenFlags(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // whoever asks all the same is refused there
	for _, tc := range []struct {
		args []string
		says string
	}{
		{nil, "token: give one of --customer, --operator, --carrier and --pricing; see --help"},
		{[]string{"--customer", ""}, `token: invalid argument "" for "--customer" flag`},
		{[]string{"--operator=false"}, "token: --operator names nobody"},
		{[]string{"--carrier=false"}, "token: --carrier names nobody"},
		{[]string{"--operator", "--customer", ""}, `token: invalid argument "" for "--customer" flag`},
		{[]string{"--operator", "--carrier"}, "give one of"},
		{[]string{"--operator", "--pricing"}, "give one of"},
		{[]string{"--pricing=false"}, "token: --pricing names nobody"},
		{[]string{"--customer", "ada", "--operator"}, "give one of"},
		{[]string{"ada"}, `token: takes no arguments, not "ada"`},
		{[]string{"--operator=maybe"}, `token: invalid argument "maybe" for "--operator" flag`},
	} {
		cmd := root()
		cmd.SetArgs(append([]string{"token"}, tc.args...))
		cmd.SetOut(io.Discard)
		cmd.SetErr(io.Discard)
		wantError(t, cmd.ExecuteContext(t.Context()), tc.says)
	}
}
