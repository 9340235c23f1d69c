package contract

import "testing"

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
	if first := c.known[key{"order.cancelled", 1}]; first.Status() != ReadOnly || first.decode == nil {
		t.Errorf("version 1 is %+v", first)
	}
}

// BenchmarkSchema is what a function pays for the first event of a type.
func BenchmarkSchema(b *testing.B) {
	placed := catalogued.known[key{"order.placed", 1}]
	for b.Loop() {
		schemaOf(placed.data)()
	}
}
