package main

import (
	"io"
	"net/url"
	"testing"
)

// A token is in the fragment, whatever is in it: what a browser sends doesn't have it.
func TestConsoleAddress(t *testing.T) {
	const token = "a.b-_.c+/=&#"
	u, err := url.Parse(filledIn("http://127.0.0.1:4599/_aws/execute-api/id/$default/console", token))
	if err != nil {
		t.Fatal(err)
	}
	if u.Path != "/_aws/execute-api/id/$default/console/sign-in" || u.RawQuery != "" {
		t.Errorf("a browser asks for %s?%s", u.Path, u.RawQuery)
	}
	if got, err := url.ParseQuery(u.EscapedFragment()); err != nil || got.Get("token") != token {
		t.Errorf("the fragment says %v, %v", got, err)
	}
}

func TestConsoleFlags(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // nothing answers there
	cmd := root(&stackFlag{})
	cmd.SetArgs([]string{"console", "orders"})
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	wantError(t, cmd.ExecuteContext(t.Context()), `console: expected no arguments, got "orders"`)
}
