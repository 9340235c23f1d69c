// Package faults holds the errors that somebody outside of the process acts on: a client of the
// HTTP API, or a Catch of the state machine.
//
// Everything else is an ordinary wrapped error and is treated as internal: it is logged in full and
// shown to nobody.
package faults

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// Kind says what the caller can do about a fault. Each edge maps it once: HTTP to a status, a queue
// to retry or dead letter.
type Kind int

// The kinds, with the HTTP status that each becomes.
const (
	Invalid         Kind = iota + 1 // 400: the request can't be understood; it names field and rule
	Unauthenticated                 // 401: nobody that we know
	Forbidden                       // 403: known, and not allowed
	NotFound                        // 404: no such thing, or not the caller's
	Conflict                        // 409: true of the request, but not of the thing's present state
	Precondition                    // 412: If-Match names another version
	Rule                            // 422: understood, and against a rule of the business
	Unavailable                     // 503: may pass if it is tried again
)

// Spec declares a fault: its kind and its code, which is unique in the program. It is a sentinel
// for errors.Is.
type Spec struct {
	kind Kind
	code string
}

var (
	mu       sync.Mutex
	declared = map[string]*Spec{}
)

// Declare makes a Spec. It is called for package-level variables only, and panics on a code that
// was declared before, since two meanings under one code could not be told apart by a Catch.
func Declare(kind Kind, code string) *Spec {
	mu.Lock()
	defer mu.Unlock()
	if _, ok := declared[code]; ok {
		panic("faults: code declared twice: " + code)
	}
	s := &Spec{kind: kind, code: code}
	declared[code] = s
	return s
}

// Declared lists every Spec of the program by code.
func Declared() []*Spec {
	mu.Lock()
	defer mu.Unlock()
	all := make([]*Spec, 0, len(declared))
	for _, s := range declared {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *Spec) int { return cmp.Compare(a.code, b.code) })
	return all
}

// Lookup finds a declared Spec by its code.
func Lookup(code string) (*Spec, bool) {
	mu.Lock()
	defer mu.Unlock()
	s, ok := declared[code]
	return s, ok
}

// Code is the fault's name on the wire, lower case and dotted: "stock.insufficient".
func (s *Spec) Code() string { return s.code }

// Kind says what the caller can do about it.
func (s *Spec) Kind() Kind { return s.kind }

// Error makes a Spec usable as the target of errors.Is.
func (s *Spec) Error() string { return s.code }

// New makes the fault with a detail for the client. The detail must not hold internals or personal
// data.
func (s *Spec) New(format string, args ...any) *Fault {
	return &Fault{Kind: s.kind, Code: s.code, Detail: fmt.Sprintf(format, args...)}
}

// Field makes the fault with the place in the request that it is about, as in
// "body.lines[2].quantity".
func (s *Spec) Field(field, format string, args ...any) *Fault {
	f := s.New(format, args...)
	f.Field = field
	return f
}

// Fault is an error that a client or a state machine acts on.
type Fault struct {
	Kind   Kind
	Code   string
	Detail string
	Field  string // the place in the request, or "" where it is about none
}

// Error gives code and detail.
func (f *Fault) Error() string {
	if f.Detail == "" {
		return f.Code
	}
	return f.Code + ": " + f.Detail
}

// Is makes errors.Is(err, SomeSpec) true for each fault of that Spec.
func (f *Fault) Is(target error) bool {
	s, ok := target.(*Spec)
	return ok && s.code == f.Code
}

// Place is a place in the request, and what is wrong there.
type Place struct{ Field, Detail string }

// Several is a fault in several places of the request.
type Several struct {
	*Fault         // of the first place
	Places []Place // all of them
}

// Unwrap gives the fault of the first place.
func (s *Several) Unwrap() error { return s.Fault }

// Several makes the fault of what is wrong in at least one place.
func (s *Spec) Several(places []Place) *Several {
	return &Several{Fault: s.Field(places[0].Field, "%s", places[0].Detail), Places: places}
}

// As finds the Fault in err's chain.
func As(err error) (*Fault, bool) {
	var f *Fault
	ok := errors.As(err, &f)
	return f, ok
}

// Final reports whether err is a fault that trying again can't mend.
func Final(err error) bool {
	f, ok := As(err)
	return ok && f.Kind != Unavailable
}
