package main

import (
	"strings"
	"testing"
)

// What the API says is shown, and no terminal obeys it, in a table, an error or JSON.
func TestControlCharactersAreShown(t *testing.T) {
	const said, shown = `evil\u001b]0;title\u0007\u009b2J\u007f\r`, `evil\u001b]0;title\u0007\u009b2J\u007f`
	list := map[string]string{"GET /customers": `{"customers":[{"id":"` + said + `","registeredAt":"a\tb"}]}`}
	refused := map[string]string{"GET /customers": `{"status":403,"code":"c","detail":"` + said + `"}`}
	for name, got := range map[string]outcome{
		"table": runs(t, list, "customers", "list"), "json": runs(t, list, "customers", "list", "--json"),
		"error": runs(t, refused, "customers", "list"),
	} {
		text := got.out + got.hints
		if !strings.Contains(text, shown) || strings.ContainsAny(text, "\x1b\a\x7f\u009b\r") {
			t.Errorf("%s: %q", name, text)
		}
	}
}
