package view

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash/fnv"
	"io"
	"strings"

	"orderflow/shared/kit/clock"
)

// The errors of a cursor.
var (
	ErrNoCursor    = errors.New("view: no page has given the cursor")
	ErrOtherCursor = errors.New("view: the cursor belongs to another list")
)

// cursor is what the text says: the list, as its reader names it with all that was asked for, and
// the place in it behind which the next page begins. It is not signed: a forged one moves to
// another place of a list that the caller may read.
type cursor struct {
	Version int    `json:"v"`
	List    string `json:"l"`
	Place   string `json:"p"`
}

const cursorVersion = 1

// NewCursor makes the cursor of the page behind a row, whose place is a TimeKey.
func NewCursor(list, place string) string {
	text, err := json.Marshal(cursor{Version: cursorVersion, List: list, Place: place})
	if err != nil {
		panic("view: a cursor of strings always encodes: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseCursor gives the place where a page of a list begins: ErrNoCursor for a text that NewCursor
// has not made, ErrOtherCursor for one that it has made for another list.
func ParseCursor(text, list string) (place string, err error) {
	plain, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", ErrNoCursor
	}
	var c cursor
	d := json.NewDecoder(bytes.NewReader(plain))
	d.DisallowUnknownFields()
	if d.Decode(&c) != nil || c.Version != cursorVersion || !isTimeKey(c.Place) {
		return "", ErrNoCursor
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", ErrNoCursor
	}
	if c.List != list {
		return "", ErrOtherCursor
	}
	return c.Place, nil
}

func isTimeKey(place string) bool {
	at, id, _ := strings.Cut(place, "#")
	t, err := clock.ParseTime(at)
	return err == nil && id != "" && Time(t) == at
}

// Slot is the part of a list that a row is in by its id, 0 to slots-1, where the list is spread
// over slots partitions. DynamoDB takes 1,000 writes a second of a partition, and one list in the
// order of time would have them all at its end.
func Slot(id string, slots int) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // it never fails
	return int(h.Sum32()) % slots
}
