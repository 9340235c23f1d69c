package keyvault

import (
	"context"
	"errors"
	"strings"
	"testing"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/personal"
)

// streams are of nobody, beside the rows of a table: one request for both.
type streams struct {
	table    *fakeTable
	requests int
	failWith error
}

func (s *streams) LoadWith(
	_ context.Context, stream es.StreamID, table string, key dynamo.Item,
) (es.History, dynamo.Item, error) {
	s.requests++
	if table != "keys" {
		return es.History{}, nil, errors.New("another table")
	}
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	return es.History{Head: es.StoreHead(stream, 0, 0, "")}, s.table.rows[subjectOf(key)], s.failWith
}

// Each read takes the one request, however soon it follows on another, and a key is unwrapped once.
func TestBeside(t *testing.T) {
	v, table, keys := newFake()
	enrol(t, v, "c1", "c2")
	sealed := seal(t, v, "c1", "Ada")
	other, s := v.other(), &streams{table: table}
	table.calls = nil
	read := func(subject string) personal.Opener {
		t.Helper()
		history, opener, err := other.Beside(s).LoadWithKey(t.Context(), "customer/c1", subject)
		if err != nil || history.Head.Stream() != "customer/c1" {
			t.Fatal(history, err)
		}
		return opener
	}
	for range 3 {
		opener := read("c1")
		for range 2 {
			if plain, err := opener.Open(t.Context(), "f", sealed); err != nil || string(plain) != "Ada" {
				t.Errorf("opened %q, %v", plain, err)
			}
		}
	}
	if s.requests != 3 || len(table.calls) != 0 || keys.decrypts != 1 {
		t.Errorf("%d joint reads, %d others, %d keys unwrapped", s.requests, len(table.calls), keys.decrypts)
	}
	_, err := read("c2").Open(t.Context(), "f", sealed)
	wantErr(t, err, personal.ErrUnreadable)
	_, err = read("nobody").Open(t.Context(), "f", sealed)
	wantErr(t, err, personal.ErrErased)
	if err := v.Erase(t.Context(), "c1"); err != nil {
		t.Fatal(err)
	}
	_, err = read("c1").Open(t.Context(), "f", sealed)
	wantErr(t, err, personal.ErrErased)
	s.failWith = errors.New("broken")
	_, _, err = other.Beside(s).LoadWithKey(t.Context(), "customer/c1", "c1")
	if wantErr(t, err, s.failWith); !strings.Contains(err.Error(), "c1") {
		t.Error(err)
	}
}

// What was read a moment ago by the vault itself is no reason to open anything: the row is gone.
func TestBesideRemembersNothing(t *testing.T) {
	v, table, _ := newFake()
	enrol(t, v, "c1")
	sealed := seal(t, v, "c1", "Ada")
	wantOpen(t, v, "c1", sealed, "Ada")
	if err := v.other().Erase(t.Context(), "c1"); err != nil {
		t.Fatal(err)
	}
	_, opener, err := v.Beside(&streams{table: table}).LoadWithKey(t.Context(), "customer/c1", "c1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = opener.Open(t.Context(), "f", sealed)
	wantErr(t, err, personal.ErrErased)
}
