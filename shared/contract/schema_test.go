package contract

import (
	"reflect"
	"strings"
	"testing"
)

// A version that is retired is decoded for as long as anything may bring it, and nothing of it is
// published any more.
func TestRetired(t *testing.T) {
	c := newCatalogue(func() []entry {
		all := orderTypes()
		for i, e := range all {
			if e.Name == "order.cancelled" && e.Version == 1 {
				all[i] = e.retired()
			}
		}
		return all
	})
	if versions := c.published["order.cancelled"]; len(versions) != 1 || versions[0].Version != 2 {
		t.Errorf("published %+v", versions)
	}
	if first := c.known[key{"order.cancelled", 1}]; first.Status() != ReadOnly || first.shape == nil {
		t.Errorf("version 1 is %+v", first)
	}
}

// Every contract has a shape, and its data says which stream it is of.
func TestShapes(t *testing.T) {
	for _, c := range catalogued().all {
		if category, _, _ := strings.Cut(c.Subject, "/"); c.stream(reflect.New(c.data).Elem()) != category+"/" {
			t.Errorf("%s version %d is of %s", c.Name, c.Version, c.stream(reflect.New(c.data).Elem()))
		}
	}
}

// A rule that the document would have and the check would not is a mistake of the program.
func TestShapesKnowTheirRules(t *testing.T) {
	for name, of := range map[string]reflect.Type{
		"an unknown rule": reflect.TypeFor[struct {
			A string `json:"a" maxLength:"3"`
		}](),
		"another type's rule": reflect.TypeFor[struct {
			A string `json:"a" minimum:"3"`
		}](),
		"another format": reflect.TypeFor[struct {
			A string `json:"a" format:"uuid"`
		}](),
		"a list that may be null": reflect.TypeFor[struct {
			A []string `json:"a"`
		}](),
		"a pointer that must stand": reflect.TypeFor[struct {
			A *int64 `json:"a"`
		}](),
		"no name": reflect.TypeFor[struct{ A string }](),
		"a map": reflect.TypeFor[struct {
			A map[string]string `json:"a"`
		}](),
		"a fraction": reflect.TypeFor[struct {
			A float64 `json:"a"`
		}](),
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s has a shape", name)
				}
			}()
			shapeOf(of, false)
		}()
	}
}

// BenchmarkShape is what a function pays for the first event of a type.
func BenchmarkShape(b *testing.B) {
	placed := catalogued().known[key{"order.placed", 1}]
	for b.Loop() {
		shapeOf(placed.data, false)
	}
}
