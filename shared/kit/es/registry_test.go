package es_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/kit/es"
)

type opened struct {
	N int `json:"n"`
}

type renamed struct {
	First string `json:"first"`
	Last  string `json:"last"`
}

// register: thing.renamed is at its third version. The first had one name, the second wrote the
// last name in another member.
func register(r *es.Registry) {
	es.Register[opened](r, "thing.opened", 1)
	es.Register[renamed](r, "thing.renamed", 3)
	r.Upcast("thing.renamed", 1, func(data json.RawMessage) (json.RawMessage, error) {
		var old struct{ Name string }
		if err := json.Unmarshal(data, &old); err != nil {
			return nil, err
		}
		first, last, _ := strings.Cut(old.Name, " ")
		return json.Marshal(map[string]string{"first": first, "surname": last})
	})
	r.Upcast("thing.renamed", 2, func(data json.RawMessage) (json.RawMessage, error) {
		var old struct{ First, Surname string }
		if err := json.Unmarshal(data, &old); err != nil {
			return nil, err
		}
		return json.Marshal(renamed{First: old.First, Last: old.Surname})
	})
}

type priced struct {
	Cents int64 `json:"cents"`
}

// registerPriced: thing.priced is at its second version, and the two to come can be read.
func registerPriced(r *es.Registry) {
	es.Register[priced](r, "thing.priced", 2)
	r.Upcast("thing.priced", 1, func(data json.RawMessage) (json.RawMessage, error) { return data, nil })
	r.Downcast("thing.priced", 3, func(data json.RawMessage) (json.RawMessage, error) {
		var next struct{ Euros, Cents int64 }
		if err := json.Unmarshal(data, &next); err != nil {
			return nil, err
		}
		return json.Marshal(priced{100*next.Euros + next.Cents})
	})
	r.Downcast("thing.priced", 4, func(data json.RawMessage) (json.RawMessage, error) {
		var next struct{ Price json.RawMessage }
		err := json.Unmarshal(data, &next)
		return next.Price, err
	})
}

func TestRegistryDecode(t *testing.T) {
	r := es.NewRegistry(register, registerPriced)
	tests := []struct {
		name    string
		stored  es.Stored
		want    any
		corrupt bool
		unknown *es.UnknownTypeError
	}{
		{
			name:   "present version",
			stored: es.Stored{Type: "thing.renamed", Schema: 3, Data: json.RawMessage(`{"first":"Ada","last":"L"}`)},
			want:   renamed{"Ada", "L"},
		},
		{
			name:   "one version old",
			stored: es.Stored{Type: "thing.renamed", Schema: 2, Data: json.RawMessage(`{"first":"Ada","surname":"L"}`)},
			want:   renamed{"Ada", "L"},
		},
		{
			name:   "two versions old",
			stored: es.Stored{Type: "thing.renamed", Schema: 1, Data: json.RawMessage(`{"name":"Ada L"}`)},
			want:   renamed{"Ada", "L"},
		},
		{
			name:   "members that nobody knows",
			stored: es.Stored{Type: "thing.opened", Schema: 1, Data: json.RawMessage(`{"n":1,"later":true}`)},
			want:   opened{1},
		},
		{
			name: "no members", stored: es.Stored{Type: "thing.opened", Schema: 1, Data: json.RawMessage(`{}`)},
			want: opened{},
		},
		{name: "unknown type", stored: es.Stored{Type: "thing.lost", Schema: 1, Data: json.RawMessage(`{}`)},
			unknown: &es.UnknownTypeError{Stream: "thing/1", Version: 9, Type: "thing.lost", Schema: 1}},
		{name: "from the future", stored: es.Stored{Type: "thing.renamed", Schema: 4, Data: json.RawMessage(`{}`)},
			unknown: &es.UnknownTypeError{Stream: "thing/1", Version: 9, Type: "thing.renamed", Schema: 4, Known: 3}},
		{
			name:   "from the next release",
			stored: es.Stored{Type: "thing.priced", Schema: 3, Data: json.RawMessage(`{"euros":7,"cents":50}`)},
			want:   priced{750},
		},
		{
			name: "from the one after that",
			stored: es.Stored{
				Type: "thing.priced", Schema: 4, Data: json.RawMessage(`{"price":{"euros":7,"cents":50}}`),
			},
			want: priced{750},
		},
		{name: "from beyond", stored: es.Stored{Type: "thing.priced", Schema: 5, Data: json.RawMessage(`{}`)},
			unknown: &es.UnknownTypeError{Stream: "thing/1", Version: 9, Type: "thing.priced", Schema: 5, Known: 4}},
		{
			name:   "a downcaster fails",
			stored: es.Stored{Type: "thing.priced", Schema: 3, Data: json.RawMessage(`{"euros":"7"}`)}, corrupt: true,
		},
		{name: "version 0", stored: es.Stored{Type: "thing.opened", Data: json.RawMessage(`{}`)},
			unknown: &es.UnknownTypeError{Stream: "thing/1", Version: 9, Type: "thing.opened", Known: 1}},
		{
			name: "no JSON", stored: es.Stored{Type: "thing.opened", Schema: 1, Data: json.RawMessage(`{"n":`)},
			corrupt: true,
		},
		{name: "no data", stored: es.Stored{Type: "thing.opened", Schema: 1}, corrupt: true},
		{
			name: "null", stored: es.Stored{Type: "thing.opened", Schema: 1, Data: json.RawMessage(" null\n")},
			corrupt: true,
		},
		{
			name:   "of another type",
			stored: es.Stored{Type: "thing.opened", Schema: 1, Data: json.RawMessage(`{"n":"one"}`)}, corrupt: true,
		},
		{
			name:   "more than one value",
			stored: es.Stored{Type: "thing.opened", Schema: 1, Data: json.RawMessage(`{"n":1}{"n":2}`)}, corrupt: true,
		},
		{
			name:   "an upcaster fails",
			stored: es.Stored{Type: "thing.renamed", Schema: 1, Data: json.RawMessage(`{"name":1}`)}, corrupt: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := r.Decode("thing/1", 9, tt.stored)
			var unknown *es.UnknownTypeError
			switch {
			case tt.unknown != nil:
				if !errors.As(err, &unknown) || *unknown != *tt.unknown ||
					!strings.Contains(err.Error(), "thing/1@9") || errors.Is(err, es.ErrCorrupt) {
					t.Errorf("%v, %v", got, err)
				}
			case tt.corrupt:
				if !errors.Is(err, es.ErrCorrupt) || !strings.Contains(err.Error(), "thing/1@9") ||
					!strings.Contains(err.Error(), tt.stored.Type) {
					t.Errorf("%v, %v", got, err)
				}
			case err != nil || got != tt.want:
				t.Errorf("%v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestRegistryEncode(t *testing.T) {
	r := es.NewRegistry(register)
	s, err := r.Encode(renamed{"a", "b"})
	if err != nil || s.Type != "thing.renamed" || s.Schema != 3 || string(s.Data) != `{"first":"a","last":"b"}` {
		t.Errorf("%+v, %v", s, err)
	}
	for _, e := range []any{nil, &opened{}, struct{}{}, "x"} {
		if s, err := r.Encode(e); err == nil {
			t.Errorf("%T was encoded as %+v", e, s)
		}
		if name, _, ok := r.Name(e); ok {
			t.Errorf("%T has the name %s", e, name)
		}
	}
	if name, schema, ok := r.Name(renamed{}); name != "thing.renamed" || schema != 3 || !ok {
		t.Errorf("%s, %d, %v", name, schema, ok)
	}
	if got := r.Names(); !slices.Equal(got, []string{"thing.opened", "thing.renamed"}) {
		t.Errorf("%q", got)
	}
	unencodable := es.NewRegistry(func(r *es.Registry) { es.Register[chan int](r, "thing.piped", 1) })
	if _, err := unencodable.Encode(make(chan int)); err == nil {
		t.Error("a channel was encoded")
	}
}

// TestRegistryMistakes: what is wrong with a program's registrations shows at its start.
func TestRegistryMistakes(t *testing.T) {
	same := func(data json.RawMessage) (json.RawMessage, error) { return data, nil }
	for name, f := range map[string]func(*es.Registry){
		"a name twice": func(r *es.Registry) {
			es.Register[opened](r, "a", 1)
			es.Register[renamed](r, "a", 1)
		},
		"a type twice": func(r *es.Registry) {
			es.Register[opened](r, "a", 1)
			es.Register[opened](r, "b", 1)
		},
		"version 0":          func(r *es.Registry) { es.Register[opened](r, "a", 0) },
		"a missing upcaster": func(r *es.Registry) { es.Register[opened](r, "a", 3); r.Upcast("a", 2, same) },
		"an upcaster twice": func(r *es.Registry) {
			es.Register[opened](r, "a", 2)
			r.Upcast("a", 1, same)
			r.Upcast("a", 1, same)
		},
		"an upcaster of nothing": func(r *es.Registry) { r.Upcast("a", 1, same) },
		"an upcaster from 0": func(r *es.Registry) {
			es.Register[opened](r, "a", 2)
			r.Upcast("a", 1, same)
			r.Upcast("a", 0, same)
		},
		"a downcaster of nothing": func(r *es.Registry) { r.Downcast("a", 2, same) },
		"a downcaster of now":     func(r *es.Registry) { es.Register[opened](r, "a", 1); r.Downcast("a", 1, same) },
		"a downcaster too far":    func(r *es.Registry) { es.Register[opened](r, "a", 1); r.Downcast("a", 3, same) },
		"a downcaster twice": func(r *es.Registry) {
			es.Register[opened](r, "a", 1)
			r.Downcast("a", 2, same)
			r.Downcast("a", 2, same)
		},
		"an upcaster to a future": func(r *es.Registry) { es.Register[opened](r, "a", 1); r.Upcast("a", 1, same) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if r := recover(); !strings.HasPrefix(fmt.Sprint(r), "es: ") {
					t.Errorf("no panic of ours: %v", r)
				}
			}()
			es.NewRegistry(f)
		})
	}
	// Built in steps, a registry finds a missing upcaster at the event that needs it.
	r := es.NewRegistry()
	es.Register[opened](r, "a", 2)
	var unknown *es.UnknownTypeError
	if _, err := r.Decode(
		"thing/1", 1, es.Stored{Type: "a", Schema: 1, Data: json.RawMessage(`{}`)},
	); !errors.As(err, &unknown) {
		t.Error(err)
	}
}
