package wiring_test

import (
	"errors"
	"fmt"
	"testing"

	"orderflow/shared/kit/wiring"
)

type deps struct {
	Err      error
	Do       func()
	At       *int
	Name     string
	Extra    error `wiring:"optional"`
	internal map[string]int
}

// TestComplete: what is missing is named, whatever it is; what may be missing and what is a plain
// value is not.
func TestComplete(t *testing.T) {
	whole := deps{Err: errors.New("e"), Do: func() {}, At: new(int), internal: map[string]int{}}
	without := func(change func(*deps)) deps {
		d := whole
		change(&d)
		return d
	}
	for name, tc := range map[string]struct {
		deps deps
		want string
	}{
		"whole":        {whole, "<nil>"},
		"no interface": {without(func(d *deps) { d.Err = nil }), "wiring: wiring_test.deps lacks Err"},
		"no function":  {without(func(d *deps) { d.Do = nil }), "wiring: wiring_test.deps lacks Do"},
		"several": {
			without(func(d *deps) { d.At, d.internal = nil, nil }), "wiring: wiring_test.deps lacks At, internal",
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if got := fmt.Sprint(recover()); got != tc.want {
					t.Errorf("%s, want %s", got, tc.want)
				}
			}()
			if got := wiring.Complete(tc.deps); got.Err != tc.deps.Err {
				t.Errorf("%+v", got)
			}
		})
	}
}
