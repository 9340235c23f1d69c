package trace_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/trace"
)

func TestState(t *testing.T) {
	member := func(key string, length int) string { return key + "=" + strings.Repeat("x", length-len(key)-1) }
	var many []string
	for i := range 33 {
		many = append(many, fmt.Sprintf("k%d=v", i))
	}
	list := func(members ...string) string { return strings.Join(members, ",") }
	for _, c := range []struct {
		name  string
		given []string
		want  string
	}{
		{"none", nil, ""},
		{"empty", []string{""}, ""},
		{"one", []string{"rojo=00f067aa0ba902b7"}, "rojo=00f067aa0ba902b7"},
		{"a tenant's key", []string{"fw529a3039@dt=FfffA"}, "fw529a3039@dt=FfffA"},
		{"several headers, in order", []string{"a=1,b=2", "c=3"}, "a=1,b=2,c=3"},
		{"white space and empty members", []string{" a=1 ,\t, ,b=2", ""}, "a=1,b=2"},
		{"32 members", []string{list(many[:32]...)}, list(many[:32]...)},
		{"33 members", []string{list(many...)}, ""},
		{"a key twice", []string{"a=1,a=2"}, ""},
		{"no value", []string{"a=1,b"}, ""},
		{"an upper-case key", []string{"A=1"}, ""},
		{"a control character", []string{"a=1\x1b[31m"}, ""},
		{"not ASCII", []string{"a=ü"}, ""},
		{"512 characters", []string{list(member("a", 255), member("b", 256))}, list(member("a", 255), member("b", 256))},
		{"a long member goes first", []string{list(member("a", 200), member("b", 128), member("c", 128), member("d", 60))},
			list(member("b", 128), member("c", 128), member("d", 60))},
		{"of long ones the last", []string{list(member("a", 200), member("b", 200), member("c", 200))},
			list(member("a", 200), member("b", 200))},
		{"then the last", []string{list(member("a", 128), member("b", 128), member("c", 128), member("d", 128))},
			list(member("a", 128), member("b", 128), member("c", 128))},
	} {
		if got := trace.State(c.given...); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// What is carried is some of the members that were given, each whole and in their order, within the
// limits, and the next one who carries it finds nothing to change.
func TestStateAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		member := rapid.StringMatching(`[a-z][a-z0-9]{0,9}=[ -+\--<>-~]{0,250}[a-z]`)
		given := rapid.SliceOfN(rapid.OneOf(
			rapid.String(), rapid.Map(rapid.SliceOfN(member, 0, 9), func(all []string) string {
				return strings.Join(all, " , ")
			}),
		), 0, 3).Draw(t, "given")
		got := trace.State(given...)
		if again := trace.State(got); len(got) > 512 || again != got {
			t.Errorf("%q becomes %q, and that %q", given, got, again)
		}
		if got == "" {
			return
		}
		var members []string
		for member := range strings.SplitSeq(strings.Join(given, ","), ",") {
			members = append(members, strings.Trim(member, " \t"))
		}
		at := 0
		for member := range strings.SplitSeq(got, ",") {
			next := slices.Index(members[at:], member)
			if next < 0 {
				t.Fatalf("%q of %q becomes %q", member, given, got)
			}
			at += next + 1
		}
	})
}
