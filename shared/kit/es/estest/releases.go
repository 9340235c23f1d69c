package estest

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/kit/es"
)

// An event in the three versions of its schema: a name as one text, in two members, and with one of
// them in another member.
type (
	named struct {
		Name string `json:"name"`
	}
	namedTwice struct {
		First   string `json:"first"`
		Surname string `json:"surname"`
	}
	namedThrice struct {
		First string `json:"first"`
		Last  string `json:"last"`
	}
)

const namedType = "test.named"

// step makes an upcaster or a downcaster of a function.
func step[From, To any](f func(From) To) func(json.RawMessage) (json.RawMessage, error) {
	return func(data json.RawMessage) (json.RawMessage, error) {
		var from From
		if err := json.Unmarshal(data, &from); err != nil {
			return nil, err
		}
		return json.Marshal(f(from))
	}
}

var (
	split = step(func(e named) namedTwice {
		first, surname, _ := strings.Cut(e.Name, " ")
		return namedTwice{first, surname}
	})
	join   = step(func(e namedTwice) named { return named{e.First + " " + e.Surname} })
	rename = step(func(e namedTwice) namedThrice { return namedThrice{e.First, e.Surname} })
)

// The releases of a program, one after the other: the second reads what the third writes, and
// writes what the first reads.
func release1(r *es.Registry) { es.Register[named](r, namedType, 1) }

func release2(r *es.Registry) {
	es.Register[named](r, namedType, 1)
	r.Downcast(namedType, 2, join)
}

func release3(r *es.Registry) {
	es.Register[namedTwice](r, namedType, 2)
	r.Upcast(namedType, 1, split)
}

func release4(r *es.Registry) {
	es.Register[namedThrice](r, namedType, 3)
	r.Upcast(namedType, 1, split)
	r.Upcast(namedType, 2, rename)
}

// releases: programs of several releases on one stream. Each reads all that those before it have
// stored, and what it is not prepared for it says.
func releases(t *testing.T, b Backend) {
	if b.Reopen == nil {
		t.Skip("this store can't be opened with another registry")
	}
	stream := Stream()
	open := func(register ...func(*es.Registry)) es.Store {
		return b.Reopen(es.NewRegistry(append(register, Register)...))
	}
	one, two, three, four := open(release1), open(release2), open(release3), open(release4)

	head := Append(t, one, Load(t, one, stream, 0).Head, "c1", Counted{N: 1}, named{"Ada Lovelace"})
	first := head
	head = Append(t, two, head, "c2", named{"Grace Hopper"})
	head = Append(t, three, head, "c3", Counted{N: 4}, namedTwice{"Radia", "Perlman"})
	schemas := []int{1, 1, 1, 1, 2}
	for name, tt := range map[string]struct {
		store es.Store
		want  []any
	}{
		"the second": {
			two,
			[]any{Counted{N: 1}, named{"Ada Lovelace"}, named{"Grace Hopper"}, Counted{N: 4}, named{"Radia Perlman"}},
		},
		"the third": {three, []any{
			Counted{N: 1}, namedTwice{"Ada", "Lovelace"}, namedTwice{"Grace", "Hopper"}, Counted{N: 4},
			namedTwice{"Radia", "Perlman"},
		}},
		"the fourth": {four, []any{
			Counted{N: 1}, namedThrice{"Ada", "Lovelace"}, namedThrice{"Grace", "Hopper"}, Counted{N: 4},
			namedThrice{"Radia", "Perlman"},
		}},
	} {
		h := Load(t, tt.store, stream, 0)
		var data []any
		var stored []int
		for _, e := range h.Events {
			data, stored = append(data, e.Data), append(stored, e.Schema)
		}
		if !slices.Equal(data, tt.want) || !slices.Equal(stored, schemas) || h.Head != head {
			t.Errorf("%s: %+v of schemas %v up to %+v", name, data, stored, h.Head)
		}
	}

	unknown := func(name string, err error, want es.UnknownTypeError) {
		t.Helper()
		var got *es.UnknownTypeError
		if !errors.As(err, &got) || *got != want || errors.Is(err, es.ErrCorrupt) || errors.Is(err, es.ErrUnavailable) {
			t.Errorf("%s: %v, want %v", name, err, &want)
		}
	}
	future := es.UnknownTypeError{Stream: stream, Version: 5, Type: namedType, Schema: 2, Known: 1}
	_, err := one.Load(t.Context(), stream, 0)
	unknown("load", err, future)
	_, err = one.Since(t.Context(), first)
	unknown("since", err, future)
	for _, r := range []es.Range{{}, {Backwards: true}} {
		var read []int64
		for e, err := range one.Read(t.Context(), stream, r) {
			if err != nil {
				unknown("read", err, future)
				read = append(read, 0)
			} else {
				read = append(read, e.Version)
			}
		}
		want := []int64{1, 2, 3, 0}
		if r.Backwards {
			want = []int64{0}
		}
		if !slices.Equal(read, want) {
			t.Errorf("%+v gives %v, want %v", r, read, want)
		}
	}
	_, err = b.Store.Load(t.Context(), stream, 0) // knows no such type at all
	unknown("a type", err, es.UnknownTypeError{Stream: stream, Version: 2, Type: namedType, Schema: 1})

	// What need not be read does not stand in the way of a program that can't read it.
	if h := Load(t, one, stream, 5); len(h.Events) != 0 || h.Head != head {
		t.Errorf("behind it: %+v", h)
	}
	at, err := one.At(t.Context(), stream, 5)
	if err != nil || at != head {
		t.Fatalf("%+v, %v", at, err)
	}
	Append(t, one, at, "c4", named{"Barbara Liskov"})
	if h := Load(t, four, stream, 5); len(h.Events) != 1 || h.Events[0].Data != (namedThrice{"Barbara", "Liskov"}) {
		t.Errorf("the first wrote on: %+v", h)
	}
}
