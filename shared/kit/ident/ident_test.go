package ident

import (
	"regexp"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// TestDeriveStays: stored streams are named by these ids.
func TestDeriveStays(t *testing.T) {
	for want, parts := range map[string][]string{
		"7b1215cc-350f-5d71-8f35-95f47e066d8e": {"order", "alice", "key-1"},
		"d363802c-ae42-5453-87d1-10f4bd1d6dbb": {"account", "alice", "EUR"},
		"32a7ab66-ea6f-507d-a931-4f6e7b5049b6": {"payment", "6f1d8a52-3c1e-5d0b-9a77-2f0f6d1c4e58", "1"},
		"771b7dd5-2a14-5e37-a81a-35400ac4df4a": {"x"},
		"ae2807f9-9223-5e55-8412-c38066d29bb6": {"order", "Zoë", ""},
	} {
		if got := Derive(parts[0], parts[1:]...); got != want {
			t.Errorf("%q: %s, want %s", parts, got, want)
		}
	}
}

func TestDeriveTellsListsApart(t *testing.T) {
	lists := [][]string{
		{"order"}, {"order", ""}, {"order", "", ""}, {"order", "a", "b"}, {"order", "ab"}, {"order", "a,b"},
		{"order", `a","b`}, {"order", "b", "a"},
		{"ordera", "b"}, {"order", "\xff"}, {"order", "\xfe"}, {"order", "\ufffd"}, {"order", "/w=="},
		{"order", `["/w=="]`}, {"order", "<"}, {"order", `\u003c`},
		{"order", "é"}, {"order", "e\u0301"},
	}
	seen := map[string][]string{}
	for _, l := range lists {
		id := Derive(l[0], l[1:]...)
		if other, ok := seen[id]; ok {
			t.Errorf("%q and %q have one id", l, other)
		}
		seen[id] = l
	}
}

func TestDeriveProperties(t *testing.T) {
	part := rapid.OneOf(
		rapid.String(), rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 4), func(b []byte) string { return string(b) }),
	)
	list := rapid.SliceOfN(part, 1, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := list.Draw(t, "a"), list.Draw(t, "b")
		x, y := Derive(a[0], a[1:]...), Derive(b[0], b[1:]...)
		if (x == y) != slices.Equal(a, b) {
			t.Fatalf("%q and %q: %s and %s", a, b, x, y)
		}
		if u, err := uuid.Parse(x); err != nil || u.Version() != 5 || u.Variant() != uuid.RFC4122 || u.String() != x {
			t.Fatalf("%s is no UUIDv5: %v", x, err)
		}
	})
}

func TestIsName(t *testing.T) {
	form := regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,7}$`)
	texts := rapid.OneOf(rapid.StringMatching(`[@A-Za-z0-9._`+"`"+`{/:\[\\^ -]{0,10}`), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		text := texts.Draw(t, "text")
		if got, want := IsName(text, 8, "._-"), form.MatchString(text); got != want {
			t.Fatalf("%q: %v, want %v", text, got, want)
		}
	})
}

func TestNew(t *testing.T) {
	form := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	seen := map[string]bool{}
	for range 100 {
		id := New()
		if !form.MatchString(id) || seen[id] {
			t.Errorf("%s is no fresh UUIDv4", id)
		}
		seen[id] = true
	}
}
