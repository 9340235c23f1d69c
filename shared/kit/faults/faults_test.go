package faults

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

var (
	errGone = Declare(NotFound, "test.gone")
	errFull = Declare(Rule, "test.full")
	errBusy = Declare(Unavailable, "test.busy")
)

func TestFault(t *testing.T) {
	f := errFull.Field("body.lines[2]", "only %d left", 3)
	if f.Kind != Rule || f.Code != "test.full" || f.Detail != "only 3 left" || f.Field != "body.lines[2]" ||
		f.Error() != "test.full: only 3 left" {
		t.Errorf("%+v", f)
	}
	if got := errFull.New("").Error(); got != "test.full" {
		t.Errorf("without detail: %q", got)
	}
	if errFull.Code() != "test.full" || errFull.Kind() != Rule || errFull.Error() != "test.full" {
		t.Errorf("spec %+v", errFull)
	}
	for name, err := range map[string]error{
		"itself":  f,
		"wrapped": fmt.Errorf("reserve: %w", f),
		"joined":  errors.Join(errors.New("x"), f),
	} {
		if !errors.Is(err, errFull) || errors.Is(err, errGone) {
			t.Errorf("%s is taken for another", name)
		}
		if got, ok := As(err); !ok || got != f {
			t.Errorf("%s: As gives %v, %v", name, got, ok)
		}
	}
	if errors.Is(f, errors.New("test.full")) {
		t.Error("any error with the code's text is taken for the fault")
	}
}

func TestSeveral(t *testing.T) {
	s := errFull.Several([]Place{{"body.lines[1].sku", "none left of a"}, {"body.lines[3].sku", "none left of b"}})
	wrapped := fmt.Errorf("order: %w", s)
	f, ok := As(wrapped)
	if !ok || f.Field != "body.lines[1].sku" || f.Detail != "none left of a" || !errors.Is(wrapped, errFull) {
		t.Errorf("its fault is %+v", f)
	}
	var several *Several
	if !errors.As(wrapped, &several) || len(several.Places) != 2 || !Final(wrapped) {
		t.Errorf("%+v", several)
	}
	if one := errFull.Several([]Place{{"body.sku", "100 % full"}}); one.Detail != "100 % full" {
		t.Errorf("%+v", one)
	}
}

func TestFinal(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want bool
	}{
		"nothing":             {nil, false},
		"an internal error":   {errors.New("x"), false},
		"a rule":              {errFull.New("x"), true},
		"a wrapped rule":      {fmt.Errorf("x: %w", errFull.New("x")), true},
		"not found":           {errGone.New("x"), true},
		"unavailable":         {errBusy.New("x"), false},
		"wrapped unavailable": {fmt.Errorf("x: %w", errBusy.New("x")), false},
		"a bare spec":         {errFull, false},
	} {
		if got := Final(tt.err); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if f, ok := As(errors.New("x")); ok || f != nil {
		t.Errorf("As finds %v in an internal error", f)
	}
}

func TestDeclared(t *testing.T) {
	all := Declared()
	codes := make([]string, len(all))
	for i, s := range all {
		codes[i] = s.Code()
	}
	if !slices.IsSorted(codes) || !slices.Contains(codes, "test.gone") {
		t.Errorf("%q", codes)
	}
	if s, ok := Lookup("test.full"); !ok || s != errFull {
		t.Errorf("%v, %v", s, ok)
	}
	if s, ok := Lookup("test.unknown"); ok || s != nil {
		t.Errorf("%v, %v", s, ok)
	}
	defer func() {
		if recover() == nil {
			t.Error("a code was declared twice")
		}
	}()
	_ = Declare(Invalid, "test.gone")
}
