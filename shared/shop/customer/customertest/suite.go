package customertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/personal"
)

// Parts is what an implementation brings.
type Parts struct {
	Store     es.Store
	Vault     personal.Vault
	Eraser    personal.Eraser
	Addresses customer.Addresses
}

// shop is a service, and what was asked of it.
type shop struct {
	Parts
	service customer.Service
	ids     []string // of customers, of this run alone
	domain  string   // of addresses, likewise
	stale   []func() error
}

func newShop(p Parts) *shop {
	run := ident.New()
	s := &shop{Parts: p, domain: run + ".example.com", service: customer.New(customer.Deps{
		Store: p.Store, Clock: clock.NewFake(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), Vault: p.Vault,
		Eraser: p.Eraser, Addresses: p.Addresses,
	})}
	for i := range 3 {
		s.ids = append(s.ids, fmt.Sprintf("c%d-%s", i, run))
	}
	return s
}

func request(of ...string) es.Request {
	return es.Request{CommitID: ident.Derive("customertest", of...), Time: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

// Run runs the suite. newParts is called once; each case has customers of its own.
func Run(t *testing.T, parts Parts) {
	t.Run("an address finds who has it now, and nobody who is erased", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			s := newShop(parts)
			for range rapid.IntRange(1, 12).Draw(t, "steps") {
				s.step(t)
			}
			for _, late := range s.stale {
				if err := late(); err != nil {
					t.Fatal(err)
				}
			}
			s.check(t)
		})
	})
	t.Run("pages", func(t *testing.T) {
		s := newShop(parts)
		for _, id := range s.ids {
			if _, err := s.register(t, id, "shared@"+s.domain, "1"); err != nil {
				t.Fatal(err)
			}
		}
		var all []string
		for after, pages := "", 0; ; {
			found, next, err := s.service.Find(t.Context(), "Shared@"+s.domain, after, 1)
			if err != nil || len(found) > 1 || pages > len(s.ids) {
				t.Fatalf("%q, %v", found, err)
			}
			all = append(all, found...)
			if next == "" {
				break
			}
			after, pages = next, pages+1
		}
		if diff := cmp.Diff(s.ids, all); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	t.Run("a registration from before there were entries", func(t *testing.T) {
		s := newShop(parts)
		id, address := s.ids[0], "old@"+s.domain
		without := newShop(Parts{Store: parts.Store, Vault: parts.Vault, Eraser: parts.Eraser})
		if _, err := without.register(t, id, address, "1"); err != nil {
			t.Fatal(err)
		}
		s.wantFound(t, address)
		for range 2 {
			if _, err := s.service.MakeFindable(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			s.wantFound(t, address, id)
		}
		if _, err := s.service.MakeFindable(t.Context(), s.ids[1]); !errors.Is(err, customer.ErrNotFound) {
			t.Errorf("somebody who was never registered: %v", err)
		}
	})
	t.Run("a key that goes before the append", func(t *testing.T) {
		s := newShop(parts)
		id, address := s.ids[0], "gone@"+s.domain
		if err := parts.Vault.Enrol(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		effect, err := parts.Addresses.Give(t.Context(), id, address, 1)
		if err == nil {
			err = parts.Eraser.Erase(t.Context(), id)
		}
		if err != nil {
			t.Fatal(err)
		}
		commit := request("gone", id).Commit(
			es.Empty(es.NewStreamID(customer.Category, id)), customer.Registered{CustomerID: id},
		)
		if _, err := parts.Store.Append(t.Context(), []es.Commit{commit}, effect); !errors.Is(err, personal.ErrErased) {
			t.Errorf("the append: %v", err)
		}
		if err := parts.Addresses.Mend(t.Context(), id, address, 2); err != nil {
			t.Errorf("mend: %v", err)
		}
		s.wantFound(t, address)
	})
}

func (s *shop) register(t testing.TB, id, address, key string) (es.Result[customer.State], error) {
	return s.service.Register(t.Context(), request("register", id, key, address), customer.RegisterInput{
		CustomerID: id, Name: "Ada", Email: address,
	})
}

func (s *shop) wantFound(t testing.TB, address string, want ...string) {
	t.Helper()
	found, next, err := s.service.Find(t.Context(), address, "", customer.MaxFound)
	if err != nil || next != "" || !slices.Equal(found, want) {
		t.Errorf("%d of %d found, %v", len(found), len(want), err)
	}
}

// step is something that happens to one of the customers: some of it twice, some of it refused, and
// some of it decided now and carried out at the end.
func (s *shop) step(t *rapid.T) {
	ctx := t.Context()
	id := rapid.SampledFrom(s.ids).Draw(t, "customer")
	address := rapid.SampledFrom([]string{"ada", "Ada", "bob", "bob+shop"}).Draw(t, "address") + "@" + s.domain
	if rapid.Bool().Draw(t, "upper") {
		address = strings.ToUpper(address)
	}
	var err error
	switch rapid.SampledFrom([]string{"register", "change", "rename", "erase", "mend", "late mend"}).Draw(t, "step") {
	case "register":
		in := customer.RegisterInput{CustomerID: id, Name: "Ada", Email: address}
		for range rapid.IntRange(1, 2).Draw(t, "times") {
			_, err = s.service.Register(ctx, request("register", id, address), in)
		}
	case "change":
		version := rapid.Int64Range(1, 6).Draw(t, "version")
		for range rapid.IntRange(1, 2).Draw(t, "times") {
			req := request("change", id, fmt.Sprint(version))
			_, err = s.service.Change(ctx, req, id, version, customer.ChangeInput{Email: address})
		}
	case "rename":
		now, failed := s.service.Get(ctx, id)
		if err = failed; err == nil {
			in := customer.ChangeInput{Name: "Bo"}
			_, err = s.service.Change(ctx, request("rename", id), id, now.Head.Version(), in)
		}
	case "erase":
		_, err = s.service.Erase(ctx, request("erase", id), id, "")
	case "mend":
		_, err = s.service.MakeFindable(ctx, id)
	case "late mend": // what was read now is written when all else has happened
		now, failed := s.service.Get(ctx, id)
		if err = failed; err == nil && !now.State.Erased() {
			_, email, failed := s.service.Open(ctx, now.State)
			err = failed
			s.stale = append(s.stale, func() error { return s.Addresses.Mend(ctx, id, email, now.Head.Version()) })
		}
	}
	for _, refused := range []error{
		customer.ErrNotFound, customer.ErrErased, customer.ErrAlreadyRegistered, customer.ErrVersionMismatch,
		es.ErrKeyReused,
	} {
		if errors.Is(err, refused) {
			err = nil
		}
	}
	if err != nil {
		t.Fatal(err)
	}
}

// check compares what each address finds with the customers' own streams.
func (s *shop) check(t *rapid.T) {
	want := map[string][]string{}
	for _, id := range s.ids {
		now, err := s.service.Get(t.Context(), id)
		if errors.Is(err, customer.ErrNotFound) || err == nil && now.State.Erased() {
			continue
		}
		_, email, failed := s.service.Open(t.Context(), now.State)
		if err := errors.Join(err, failed); err != nil {
			t.Fatal(err)
		}
		want[customer.Comparable(email)] = append(want[customer.Comparable(email)], id)
	}
	for _, local := range []string{"ada", "bob", "bob+shop"} {
		address := local + "@" + s.domain
		found, next, err := s.service.Find(t.Context(), " "+strings.ToUpper(address)+" ", "", customer.MaxFound)
		if diff := cmp.Diff(want[address], found); err != nil || next != "" || diff != "" {
			t.Fatalf("%s finds, %v (-want +got):\n%s", local, err, diff)
		}
	}
}
