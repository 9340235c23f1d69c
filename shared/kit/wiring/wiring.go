// Package wiring checks when a program starts that what it is put together of is all there: what is
// missing stops it then, and not the first request that would need it.
package wiring

import (
	"fmt"
	"reflect"
	"strings"
)

// Complete gives back a struct of what something works with. It panics where an interface, a
// function, a pointer or a map among its fields is nil, and names all that are. One with the tag
// `wiring:"optional"` may be.
func Complete[T any](deps T) T {
	v := reflect.ValueOf(deps)
	var missing []string
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if field.Tag.Get("wiring") != "optional" && isNil(v.Field(i)) {
			missing = append(missing, field.Name)
		}
	}
	if len(missing) > 0 {
		panic(fmt.Sprintf("wiring: %T lacks %s", deps, strings.Join(missing, ", ")))
	}
	return deps
}

func isNil(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Interface, reflect.Func, reflect.Pointer, reflect.Map:
		return v.IsNil()
	}
	return false
}
