package customer

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The pattern of the document and the code say the same of every address.
func TestEmailPattern(t *testing.T) {
	pattern := regexp.MustCompile(EmailPattern)
	same := func(t interface {
		Helper()
		Errorf(string, ...any)
	}, email string) {
		t.Helper()
		rule, matches := brokenRule(email), pattern.MatchString(email) && len(email) <= MaxEmail
		if (rule == "") != matches {
			t.Errorf("%q: %q, and the pattern says %t", email, rule, matches)
		}
	}
	for _, email := range []string{
		"ada@example.com", "a.b+c@mail.example.co.uk", "a@b", "a@b.", "a@.b", "a..b@c.d", ".a@b.c", "a.@b.c", "a@b..c",
		"@b.c", "a@", "a", "", "a@b@c.d",
		`"a"@b.c`, `"a b"@b.c`, `"a@b"@c.d`, "Ada <ada@example.com>", "<ada@example.com>", "ada@[127.0.0.1]",
		"ada@[IPv6:::1]", "a@b.c ", " a@b.c", "a@b.c\n",
		"a\x00@b.c", "a(x)@b.c", "a@b.c (x)", "a,b@c.d", "a@b.c,d@e.f", "a;b@c.d", "é@b.c", "a@é.c",
		"a@xn--e1afmkfd.com",
		"a@-b.c", "a@b-.c", "a@b_c.d",
		"a/b@c.d", "a{b}@c.d", "a|b@c.d", "a`b@c.d", "a\\b@c.d", "a:b@c.d", "=?utf-8?q?a?=@b.c",
		strings.Repeat("a", 249) + "@b.cd", strings.Repeat("a", 251) + "@b.cd",
	} {
		same(t, email)
	}
	rapid.Check(t, func(t *rapid.T) {
		same(t, rapid.StringMatching(`[ab.!"( ]{0,4}@?[ab.\[]{0,4}@?[ab.=?_ ]{0,4}`).Draw(t, "email"))
	})
}
