package customer_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/personal"
)

// apart is a customer.Reader that reads stream and key one after the other.
type apart struct {
	store es.Store
	vault personal.Vault
	fails error
}

func (a apart) LoadWithKey(
	ctx context.Context, stream es.StreamID, subject string,
) (es.History, personal.Opener, error) {
	history, err := a.store.Load(ctx, stream, 0)
	return history, opener{a.vault, subject}, errors.Join(err, a.fails)
}

type opener struct {
	personal.Vault
	subject string
}

func (o opener) Open(ctx context.Context, field string, sealed personal.Sealed) ([]byte, error) {
	return o.Vault.Open(ctx, o.subject, field, sealed)
}

// A customer is written to as they are now, and one who is erased not at all: as soon as the stream
// or the key says so.
func TestContact(t *testing.T) {
	for name, tt := range map[string]struct {
		then        func(*testing.T, *memstore.Store, *personal.Memory)
		name, email string
		err         error
	}{
		"registered": {nil, "Ada", "ada@example.com", nil},
		"changed": {func(t *testing.T, s *memstore.Store, v *personal.Memory) {
			t.Helper()
			sealed, err := v.Seal(t.Context(), "ada", customer.EmailField, []byte("king@example.com"))
			if err != nil {
				t.Fatal(err)
			}
			appendTo(t, s, customer.Changed{CustomerID: "ada", Email: sealed})
		}, "Ada", "king@example.com", nil},
		"erased, and the key still there": {func(t *testing.T, s *memstore.Store, _ *personal.Memory) {
			t.Helper()
			appendTo(t, s, customer.Erased{CustomerID: "ada", ErasedAt: "2026-03-01T12:00:00Z"})
		}, "", "", personal.ErrErased},
		"erased": {func(t *testing.T, _ *memstore.Store, v *personal.Memory) {
			t.Helper()
			if err := v.Erase(t.Context(), "ada"); err != nil {
				t.Fatal(err)
			}
		}, "", "", personal.ErrErased},
		"mail suppressed": {func(t *testing.T, s *memstore.Store, _ *personal.Memory) {
			t.Helper()
			appendTo(t, s, customer.MailSuppressed{CustomerID: "ada", Address: 1, Reason: customer.ReasonBounce})
		}, "", "", customer.ErrMailSuppressed},
		"ciphertext that doesn't open": {func(t *testing.T, s *memstore.Store, _ *personal.Memory) {
			t.Helper()
			appendTo(t, s, customer.Changed{CustomerID: "ada", Email: "pd1:AAAA"})
		}, "", "", personal.ErrUnreadable},
	} {
		t.Run(name, func(t *testing.T) {
			store, vault := memstore.New(es.NewRegistry(customer.Register)), personal.NewMemory()
			if err := vault.Enrol(t.Context(), "ada"); err != nil {
				t.Fatal(err)
			}
			registered := customer.Registered{CustomerID: "ada"}
			var err, failed error
			registered.Name, err = vault.Seal(t.Context(), "ada", customer.NameField, []byte("Ada"))
			registered.Email, failed = vault.Seal(t.Context(), "ada", customer.EmailField, []byte("ada@example.com"))
			if err := errors.Join(err, failed); err != nil {
				t.Fatal(err)
			}
			appendTo(t, store, registered)
			if tt.then != nil {
				tt.then(t, store, vault)
			}
			contacts := customer.Contacts{Reader: apart{store: store, vault: vault}}
			got, err := contacts.Contact(t.Context(), "ada")
			if got.Name != tt.name || got.Email != tt.email || (got.Address > 0) != (tt.err == nil) ||
				!errors.Is(err, tt.err) {
				t.Errorf("%+v, %v", got, err)
			}
			if _, err := contacts.Contact(t.Context(), "bob"); !errors.Is(err, customer.ErrNotFound) {
				t.Errorf("nobody: %v", err)
			}
			broken := errors.New("broken")
			contacts.Reader = apart{store, vault, broken}
			if _, err := contacts.Contact(t.Context(), "ada"); !errors.Is(err, broken) {
				t.Errorf("a reader that fails: %v", err)
			}
		})
	}
}

// appendTo stores an event behind the last of ada's.
func appendTo(t *testing.T, store *memstore.Store, event any) {
	t.Helper()
	h, err := store.Load(t.Context(), "customer/ada", 0)
	if err != nil {
		t.Fatal(err)
	}
	req := es.Request{CommitID: h.Head.CommitID() + "+", Time: time.Unix(1, 0)}
	if _, err := store.Append(t.Context(), []es.Commit{req.Commit(h.Head, event)}); err != nil {
		t.Fatal(err)
	}
}
