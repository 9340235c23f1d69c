package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestErasureReason: the event of an erasure keeps why, and whoever sees the customer reads it. The
// reason is a word that the API knows, since a text could name whom nobody is to know any more.
func TestErasureReason(t *testing.T) {
	for name, tc := range map[string]struct {
		query string
		who   caller
		want  string
	}{
		"an operator":                 {"?reason=ordered", operator, "ordered"},
		"the customer, at their wish": {"?reason=requested", ada, "requested"},
		"nobody said":                 {"", operator, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.must(http.StatusCreated, post(ada, "/customers", person()))
			for range 2 { // a duplicate keeps the first
				res := w.must(http.StatusOK, remove(tc.who, "/customers/ada"+tc.query))
				if res.text("erasedWhy") != tc.want {
					t.Errorf("erased: %s", res.raw)
				}
			}
			if res := w.must(http.StatusOK, remove(operator, "/customers/ada?reason=mistaken")); res.text(
				"erasedWhy",
			) != tc.want {
				t.Errorf("for another reason: %s", res.raw)
			}
			res := w.must(http.StatusOK, get(operator, "/customers/ada"))
			if res.body["erased"] != true || res.text("erasedWhy") != tc.want || res.body["name"] != nil {
				t.Errorf("then: %s", res.raw)
			}
		})
	}
	w := newWorld(t)
	w.must(http.StatusCreated, post(ada, "/customers", person()))
	for _, bad := range []string{
		"?reason=", "?reason=Ada+wants+it", "?reason=requested&reason=ordered", "?why=ordered",
	} {
		checkProblem(t, w.send(remove(operator, "/customers/ada"+bad)), http.StatusBadRequest, "request.invalid")
	}
	if res := w.must(http.StatusOK, get(operator, "/customers/ada")); strings.Contains(res.raw, "erasedAt") {
		t.Errorf("erased all the same: %s", res.raw)
	}
}
