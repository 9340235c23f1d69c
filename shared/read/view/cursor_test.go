package view_test

import (
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/read/view"
	"orderflow/shared/read/view/viewtest"
)

// A cursor leads its own list to the place that it was made for, and no other list anywhere.
func TestCursor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := viewtest.Epoch.Add(time.Duration(rapid.Int64Range(-1<<60, 1<<60).Draw(t, "time")))
		place := view.TimeKey(at, rapid.StringN(1, 64, -1).Draw(t, "id"))
		list := rapid.String().Draw(t, "list")
		text := view.NewCursor(list, place)
		if got, err := view.ParseCursor(text, list); err != nil || got != place {
			t.Fatalf("%q, %v, want %q", got, err, place)
		}
		if _, err := view.ParseCursor(text, list+"x"); !errors.Is(err, view.ErrOtherCursor) {
			t.Fatalf("another list: %v", err)
		}
	})
}

func TestCursorsThatAreNone(t *testing.T) {
	good := `{"v":1,"l":"all","p":"2026-01-01T00:00:00.000000000Z#o1"}`
	encode := base64.RawURLEncoding.EncodeToString
	if _, err := view.ParseCursor(encode([]byte(good)), "all"); err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{
		``, `x`, `null`, `{}`, `[]`, `{"v":1,"l":"all"}`, good + ` x`,
		`{"v":2,"l":"all","p":"2026-01-01T00:00:00.000000000Z#o1"}`,
		`{"v":1,"l":"all","p":"2026-01-01T00:00:00.000000000Z"}`,
		`{"v":1,"l":"all","p":"2026-01-01T00:00:00.000000000Z#"}`,
		`{"v":1,"l":"all","p":"2026-01-01T00:00:00Z#o1"}`, `{"v":1,"l":"all","p":"#o1"}`,
		`{"v":1,"l":"all","p":"today#o1"}`,
		`{"v":1,"l":"all","p":"2026-01-01T01:00:00.000000000+01:00#o1"}`,
		`{"v":1,"l":"all","p":"2026-01-01T00:00:00.000000000Z#o1","x":1}`,
	} {
		for _, text := range []string{encode([]byte(plain)), "!" + encode([]byte(plain)), encode([]byte(good)) + "="} {
			if _, err := view.ParseCursor(text, "all"); !errors.Is(err, view.ErrNoCursor) {
				t.Errorf("%s: %v", plain, err)
			}
		}
	}
}

// The parts of a list that is spread are about equal.
func TestSlot(t *testing.T) {
	count := map[int]int{}
	for i := range 4_000 {
		count[view.Slot(base64.StdEncoding.EncodeToString([]byte{byte(i), byte(i >> 8)}), 4)]++
	}
	for slot := range 4 {
		if count[slot] < 800 || count[slot] > 1_200 {
			t.Errorf("slot %d has %d of 4000", slot, count[slot])
		}
	}
}
