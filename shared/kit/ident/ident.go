// Package ident derives identifiers. An id that follows from what asked for the thing makes a
// repeated request meet its own first result.
package ident

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
)

// namespace is the UUIDv5 namespace of orderflow's derived ids. It must never change: stored
// streams are named by it.
var namespace = uuid.MustParse("6f1d8a52-3c1e-5d0b-9a77-2f0f6d1c4e58")

// Derive gives the UUIDv5 (RFC 9562, 5.5) of a kind and its parts. The parts are joined as a JSON
// array, so that no two lists share one encoding; a part that is not UTF-8 stands in it as an array
// with its bytes in base64, since JSON strings would make all such bytes one replacement character.
func Derive(kind string, parts ...string) string {
	list := make([]any, 0, 1+len(parts))
	for _, part := range append([]string{kind}, parts...) {
		if utf8.ValidString(part) {
			list = append(list, part)
		} else {
			list = append(list, [][]byte{[]byte(part)})
		}
	}
	name, err := json.Marshal(list)
	if err != nil {
		panic("ident: strings and bytes always encode: " + err.Error())
	}
	return uuid.NewSHA1(namespace, name).String()
}

// Valid reports whether a text is an id as Derive and New write it.
func Valid(text string) bool {
	id, err := uuid.Parse(text)
	return err == nil && id.String() == text
}

// IsName reports whether a text has the form of the names that people and programs give: 1 to most
// ASCII letters, digits and marks, the first a letter or digit.
func IsName(text string, most int, marks string) bool {
	if len(text) < 1 || len(text) > most {
		return false
	}
	for i := range len(text) {
		c := text[i]
		plain := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !plain && (i == 0 || strings.IndexByte(marks, c) < 0) {
			return false
		}
	}
	return true
}

// New gives a random UUIDv4, for what nothing asked for before: a correlation id at the edge.
func New() string { return uuid.NewString() }
