package customer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/personal"
)

// registered is a stand with ada in it, at version 1.
func registered(t *testing.T) *stand {
	t.Helper()
	s := newStand()
	if _, err := s.Register(t.Context(), request("k1", "ada"), ada); err != nil {
		t.Fatal(err)
	}
	return s
}

// change is what the owner of c1 asks for on a version.
func (s *stand) change(
	ctx context.Context, version int64, in customer.ChangeInput,
) (es.Result[customer.State], error) {
	return s.Change(ctx, request(fmt.Sprint("ada at ", version), ""), "c1", version, in)
}

// events are c1's, as stored.
func (s *stand) events(t *testing.T) []es.Recorded {
	t.Helper()
	return estest.Load(t, s.store, es.NewStreamID(customer.Category, "c1"), 0).Events
}

func (s *stand) wantPerson(t *testing.T, name, email string) {
	t.Helper()
	res, err := s.Get(t.Context(), "c1")
	if err != nil {
		t.Fatal(err)
	}
	gotName, gotEmail, err := s.Open(t.Context(), res.State)
	if err != nil || gotName != name || gotEmail != email {
		t.Errorf("c1 is %q, %q, %v", gotName, gotEmail, err)
	}
}

func TestChange(t *testing.T) {
	ctx, s := t.Context(), registered(t)
	king := customer.ChangeInput{Name: "Ada King"}
	res, err := s.change(ctx, 1, king)
	if err != nil || res.Head.Version() != 2 || res.Repeated {
		t.Fatalf("%+v, %v", res, err)
	}
	s.wantPerson(t, "Ada King", ada.Email)
	changed, _ := s.events(t)[1].Data.(customer.Changed)
	if changed.Email != "" || !strings.HasPrefix(string(changed.Name), "pd1:") {
		t.Errorf("stored %+v", changed)
	}
	if text := fmt.Sprintf("%+v", s.events(t)[1]); strings.Contains(text, "King") {
		t.Errorf("the event tells the name: %s", text)
	}

	// Again, as after a lost answer, and by somebody else who means the same version.
	if again, err := s.change(ctx, 1, king); err != nil || !again.Repeated || again.Head.Version() != 2 {
		t.Errorf("again: %+v, %v", again, err)
	}
	_, err = s.Change(ctx, request("an operator at 1", ""), "c1", 1, king)
	wantErr(t, err, customer.ErrVersionMismatch)
	_, err = s.change(ctx, 1, customer.ChangeInput{Name: "Augusta"})
	wantErr(t, err, customer.ErrVersionMismatch)
	_, err = s.change(ctx, 3, king)
	wantErr(t, err, customer.ErrVersionMismatch)

	if _, err := s.change(ctx, 2, customer.ChangeInput{Email: "king@example.com"}); err != nil {
		t.Fatal(err)
	}
	s.wantPerson(t, "Ada King", "king@example.com")
	// The first request again: it was carried out, and what it made is not what there is.
	_, err = s.change(ctx, 1, king)
	wantErr(t, err, customer.ErrVersionMismatch)
	if n := len(s.events(t)); n != 3 {
		t.Errorf("%d events", n)
	}
}

// TestChangeNothing: what is so already is no event, whatever else is asked for.
func TestChangeNothing(t *testing.T) {
	ctx, s := t.Context(), registered(t)
	for _, in := range []customer.ChangeInput{
		{}, {Name: ada.Name}, {Email: ada.Email}, {Name: ada.Name, Email: ada.Email},
	} {
		if res, err := s.change(ctx, 1, in); err != nil || res.Head.Version() != 1 {
			t.Errorf("%+v: %+v, %v", in, res, err)
		}
	}
	if _, err := s.change(ctx, 1, customer.ChangeInput{Name: ada.Name, Email: "king@example.com"}); err != nil {
		t.Fatal(err)
	}
	if changed, _ := s.events(t)[1].Data.(customer.Changed); changed.Name != "" || changed.Email == "" {
		t.Errorf("stored %+v", changed)
	}
}

// TestAddressGivenAgain: an address to which no mail goes is another one when it is given again,
// and mails go to it. A name alone changes nothing of that.
func TestAddressGivenAgain(t *testing.T) {
	ctx, s := t.Context(), registered(t)
	res, err := s.SuppressMail(ctx, request("report", ""), "c1", 1, customer.ReasonBounce)
	if err != nil || res.State.Suppressed != customer.ReasonBounce || res.Head.Version() != 2 {
		t.Fatalf("%+v, %v", res, err)
	}
	res, err = s.change(ctx, 2, customer.ChangeInput{Name: "Ada King"})
	if err != nil || res.State.Suppressed != customer.ReasonBounce || res.State.Address != 1 {
		t.Errorf("another name: %+v, %v", res, err)
	}
	res, err = s.change(ctx, 3, customer.ChangeInput{Email: ada.Email})
	if err != nil || res.State.Suppressed != "" || res.State.Address != 2 || res.Head.Version() != 4 {
		t.Errorf("the address again: %+v, %v", res, err)
	}
	// What comes late is about the address as it was given first.
	for _, key := range []string{"report", "another report"} {
		res, err = s.SuppressMail(ctx, request(key, ""), "c1", 1, customer.ReasonComplaint)
		if err != nil || res.State.Suppressed != "" || res.Head.Version() != 4 {
			t.Errorf("%s, late: %+v, %v", key, res, err)
		}
	}
}

func TestChangeThatCannotBe(t *testing.T) {
	ctx, s := t.Context(), registered(t)
	for field, in := range map[string]customer.ChangeInput{
		"body.name":  {Name: "Ada\nBcc: all", Email: "king@example.com"},
		"body.email": {Name: "Ada King", Email: "king"},
	} {
		_, err := s.change(ctx, 1, in)
		if fault, ok := faults.As(err); !ok || !errors.Is(err, customer.ErrInvalid) || fault.Field != field {
			t.Errorf("%+v: %v", in, err)
		}
	}
	_, err := s.Change(ctx, request("k", ""), "nobody", 1, customer.ChangeInput{Name: "Ada King"})
	wantErr(t, err, customer.ErrNotFound)
	if n := len(s.events(t)); n != 1 {
		t.Errorf("%d events", n)
	}
}

// TestChangeAndErase: whatever comes first, from the erasure on nobody is changed and nothing can
// be read.
func TestChangeAndErase(t *testing.T) {
	king := customer.ChangeInput{Name: "Ada King", Email: "king@example.com"}
	erase := func(t *testing.T, s *stand) {
		t.Helper()
		if _, err := s.Erase(context.Background(), request("erase", ""), "c1", ""); err != nil {
			t.Error(err)
		}
	}
	t.Run("erased before", func(t *testing.T) {
		s := registered(t)
		erase(t, s)
		for _, version := range []int64{1, 2} {
			_, err := s.change(t.Context(), version, king)
			wantErr(t, err, customer.ErrErased)
		}
	})
	t.Run("erased between decision and append", func(t *testing.T) {
		s := registered(t)
		once := sync.OnceFunc(func() { erase(t, s) })
		s.store.Before = func(commits []es.Commit) error {
			if _, isErasure := commits[0].Events[0].(customer.Erased); !isErasure {
				once()
			}
			return nil
		}
		_, err := s.change(t.Context(), 1, king)
		wantErr(t, err, customer.ErrErased)
		if diff := cmp.Diff(2, len(s.events(t))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("key destroyed first, as a restored stream has it", func(t *testing.T) {
		s := registered(t)
		if err := s.vault.Erase(t.Context(), "c1"); err != nil {
			t.Fatal(err)
		}
		_, err := s.change(t.Context(), 1, king)
		wantErr(t, err, customer.ErrErased)
	})
	t.Run("erased after", func(t *testing.T) {
		s := registered(t)
		if _, err := s.change(t.Context(), 1, king); err != nil {
			t.Fatal(err)
		}
		erase(t, s)
		changed, _ := s.events(t)[1].Data.(customer.Changed)
		for field, sealed := range map[string]personal.Sealed{
			customer.NameField: changed.Name, customer.EmailField: changed.Email,
		} {
			if _, err := s.vault.Open(t.Context(), "c1", field, sealed); !errors.Is(err, personal.ErrErased) {
				t.Errorf("%s opens: %v", field, err)
			}
		}
		_, err := s.change(t.Context(), 1, king) // the request of before
		wantErr(t, err, customer.ErrErased)
	})
}

// TestChangeLostAnswer: the event is stored and nobody heard; the same request again is answered,
// and writes nothing.
func TestChangeLostAnswer(t *testing.T) {
	ctx, s := t.Context(), registered(t)
	lost := errors.New("lost")
	s.store.After = func(es.Appended, error) (es.Appended, error) { return es.Appended{}, lost }
	_, err := s.change(ctx, 1, customer.ChangeInput{Name: "Ada King"})
	wantErr(t, err, lost)
	s.store.After = nil
	if res, err := s.change(ctx, 1, customer.ChangeInput{Name: "Ada King"}); err != nil || !res.Repeated {
		t.Errorf("%+v, %v", res, err)
	}
	if n := len(s.events(t)); n != 2 {
		t.Errorf("%d events", n)
	}
}

// TestChangeAtOnce: of many who change one version, one does, and the others are told.
func TestChangeAtOnce(t *testing.T) {
	s := registered(t)
	var wg sync.WaitGroup
	var done atomic.Int64
	for i := range 20 {
		wg.Go(func() {
			_, err := s.change(context.Background(), 1, customer.ChangeInput{Name: fmt.Sprint("Ada ", i)})
			switch {
			case err == nil:
				done.Add(1)
			case !errors.Is(err, customer.ErrVersionMismatch):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(s.events(t)); done.Load() != 1 || n != 2 {
		t.Errorf("%d changed, %d events", done.Load(), n)
	}
}
