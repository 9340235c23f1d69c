package archtest

import (
	"regexp"
	"strings"
	"testing"
)

// wayPage is the page of the places.
const wayPage = "docs/howto/find-your-way.md"

var (
	placePattern = regexp.MustCompile("`([a-z][a-z/-]*/[a-z-]+\\.(?:go|tmpl|yaml))`(?::((?: `[A-Za-z ]+`,?)+))?")
	namePattern  = regexp.MustCompile("`([A-Za-z ]+)`")
)

// places are the files that a page names, each with the names that it has.
func places(page string) map[string][]string {
	found := map[string][]string{}
	for _, m := range placePattern.FindAllStringSubmatch(page, -1) {
		found[m[1]] = append(found[m[1]], []string{}...)
		for _, n := range namePattern.FindAllStringSubmatch(m[2], -1) {
			found[m[1]] = append(found[m[1]], n[1])
		}
	}
	return found
}

// astray: what a page says of the tree is so.
func astray(page string, read func(name string) (text string, ok bool)) (found findings) {
	for file, names := range places(page) {
		text, ok := read(file)
		if !ok {
			found.addf("%s names %s, which isn't there", wayPage, file)
		}
		for _, name := range names {
			if ok && !strings.Contains(text, name) {
				found.addf("%s names %s in %s, which hasn't it", wayPage, name, file)
			}
		}
	}
	return found
}

func TestFindYourWay(t *testing.T) {
	page := readFile(t, wayPage)
	if n := len(places(page)); n < 15 {
		t.Errorf("only %d places are named", n)
	}
	wantNone(t, astray(page, func(name string) (string, bool) { return readFile(t, name), true }))
}

func TestFindYourWayFinds(t *testing.T) {
	tree := map[string]string{"shared/shop/order/decider.go": "func closeOrder() {"}
	read := func(name string) (string, bool) { text, ok := tree[name]; return text, ok }
	for name, tc := range map[string]struct{ page, want string }{
		"as it is":    {"`shared/shop/order/decider.go`: `closeOrder`, once", ""},
		"a file gone": {"`shared/shop/order/rules.go`: `closeOrder`", "which isn't there"},
		"a name gone": {"`shared/shop/order/decider.go`: `closeOrder`, `shut`", "names shut in"},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, astray(tc.page, read), tc.want) })
	}
}
