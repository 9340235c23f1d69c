package customer_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/personal"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestDecide(t *testing.T) {
	join := customer.Join{CustomerID: "c1", Name: "pd1:n", Email: "pd1:e"}
	registered := customer.Registered{CustomerID: "c1", Name: "pd1:n", Email: "pd1:e"}
	erase, erased := customer.Erase{Now: noon.In(time.FixedZone("", 3600))},
		customer.Erased{CustomerID: "c1", ErasedAt: "2026-03-01T12:00:00Z"}
	suppress := customer.SuppressMail{Address: 1, Reason: customer.ReasonBounce}
	suppressed := customer.MailSuppressed{CustomerID: "c1", Address: 1, Reason: customer.ReasonBounce}
	renamed := customer.Changed{CustomerID: "c1", Name: "pd1:m"}
	moved := customer.Changed{CustomerID: "c1", Email: "pd1:f"}
	tests := []struct {
		name  string
		given []customer.Event
		when  customer.Command
		then  []customer.Event
		err   error
	}{
		{"register", nil, join, []customer.Event{registered}, nil},
		{"register twice", []customer.Event{registered}, join, nil, customer.ErrAlreadyRegistered},
		{
			"register with other data", []customer.Event{registered}, customer.Join{CustomerID: "c1", Name: "pd1:x"},
			nil, customer.ErrAlreadyRegistered,
		},
		{"register after the erasure", []customer.Event{registered, erased}, join, nil, customer.ErrErased},
		{
			"change the name", []customer.Event{registered}, customer.Change{Name: "pd1:m"},
			[]customer.Event{customer.Changed{CustomerID: "c1", Name: "pd1:m"}}, nil,
		},
		{
			"change both", []customer.Event{registered}, customer.Change{Name: "pd1:m", Email: "pd1:f"},
			[]customer.Event{customer.Changed{CustomerID: "c1", Name: "pd1:m", Email: "pd1:f"}}, nil,
		},
		{"change nothing", []customer.Event{registered}, customer.Change{}, nil, nil},
		{"change nobody", nil, customer.Change{Name: "pd1:m"}, nil, customer.ErrNotFound},
		{
			"change one who is erased", []customer.Event{registered, erased}, customer.Change{Name: "pd1:m"},
			nil, customer.ErrErased,
		},
		{"suppress mail", []customer.Event{registered}, suppress, []customer.Event{suppressed}, nil},
		{"suppress mail twice", []customer.Event{registered, suppressed}, suppress, nil, nil},
		{
			"suppress mail for another reason", []customer.Event{registered, suppressed},
			customer.SuppressMail{Address: 1, Reason: customer.ReasonComplaint}, nil, nil,
		},
		{"suppress mail to an earlier address", []customer.Event{registered, moved}, suppress, nil, nil},
		{
			"suppress mail to the address of now", []customer.Event{registered, renamed, suppressed, moved},
			customer.SuppressMail{Address: 2, Reason: customer.ReasonBounce}, []customer.Event{customer.MailSuppressed{
				CustomerID: "c1", Address: 2, Reason: customer.ReasonBounce,
			}}, nil,
		},
		{"suppress mail to an address to come", []customer.Event{registered}, customer.SuppressMail{Address: 2}, nil, nil},
		{"suppress mail to one who is erased", []customer.Event{registered, erased}, suppress, nil, nil},
		{"suppress mail to nobody", nil, suppress, nil, customer.ErrNotFound},
		{"erase", []customer.Event{registered}, erase, []customer.Event{erased}, nil},
		{
			"erase for a reason", []customer.Event{registered},
			customer.Erase{Now: noon, Reason: customer.ErasureOrdered}, []customer.Event{customer.Erased{
				CustomerID: "c1", ErasedAt: "2026-03-01T12:00:00Z", Reason: customer.ErasureOrdered,
			}}, nil,
		},
		{
			"erase for another reason", []customer.Event{registered, erased},
			customer.Erase{Now: noon, Reason: customer.ErasureOrdered}, nil, nil,
		},
		{"erase twice", []customer.Event{registered, erased}, customer.Erase{Now: noon.Add(time.Hour)}, nil, nil},
		{"erase nobody", nil, erase, nil, customer.ErrNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state := customer.Decider.Initial()
			for _, e := range tt.given {
				state = customer.Decider.Evolve(state, e)
			}
			got, err := customer.Decider.Decide(tt.when, state)
			if !errors.Is(err, tt.err) {
				t.Fatalf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.then, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := customer.Decider.Decide(nil, customer.State{}); err == nil {
		t.Error("a command that nobody knows is no error")
	}
}

func TestValidate(t *testing.T) {
	good := customer.RegisterInput{CustomerID: "c-1_A", Name: "Ada Lovelace", Email: "ada@example.com"}
	tests := []struct {
		name   string
		change func(*customer.RegisterInput)
		field  string
	}{
		{"as it should be", func(*customer.RegisterInput) {}, ""},
		{"longest id", func(in *customer.RegisterInput) { in.CustomerID = strings.Repeat("a", 64) }, ""},
		{"longest name", func(in *customer.RegisterInput) { in.Name = strings.Repeat("ß", 200) }, ""},
		{"name in another script", func(in *customer.RegisterInput) { in.Name = "紫 式部" }, ""},
		{
			"longest e-mail", func(in *customer.RegisterInput) { in.Email = "a@" + strings.Repeat("b", 248) + ".com" },
			"",
		},
		{"tagged e-mail", func(in *customer.RegisterInput) { in.Email = "ada+orders@mail.example.co.uk" }, ""},

		{"no id", func(in *customer.RegisterInput) { in.CustomerID = "" }, "body.customerId"},
		{
			"id too long", func(in *customer.RegisterInput) { in.CustomerID = strings.Repeat("a", 65) },
			"body.customerId",
		},
		{"id with a slash", func(in *customer.RegisterInput) { in.CustomerID = "a/b" }, "body.customerId"},
		{"id with a line's end", func(in *customer.RegisterInput) { in.CustomerID = "a\n" }, "body.customerId"},
		{"id that starts with a dash", func(in *customer.RegisterInput) { in.CustomerID = "-a" }, "body.customerId"},
		{"no name", func(in *customer.RegisterInput) { in.Name = "" }, "body.name"},
		{"name of spaces", func(in *customer.RegisterInput) { in.Name = " \u00a0 " }, "body.name"},
		{"name too long", func(in *customer.RegisterInput) { in.Name = strings.Repeat("ß", 201) }, "body.name"},
		{"name with a line's end", func(in *customer.RegisterInput) { in.Name = "Ada\r\nBcc: all" }, "body.name"},
		{"name that is no text", func(in *customer.RegisterInput) { in.Name = "\xff" }, "body.name"},
		{"no e-mail", func(in *customer.RegisterInput) { in.Email = "" }, "body.email"},
		{"e-mail without at", func(in *customer.RegisterInput) { in.Email = "ada" }, "body.email"},
		{"e-mail with a name", func(in *customer.RegisterInput) { in.Email = "Ada <ada@example.com>" }, "body.email"},
		{"e-mail in brackets", func(in *customer.RegisterInput) { in.Email = "<ada@example.com>" }, "body.email"},
		{"two e-mails", func(in *customer.RegisterInput) { in.Email = "a@example.com, b@example.com" }, "body.email"},
		{
			"e-mail with a header",
			func(in *customer.RegisterInput) { in.Email = "ada@example.com\r\nBcc: all@example.com" }, "body.email",
		},
		{
			"e-mail too long", func(in *customer.RegisterInput) { in.Email = "a@" + strings.Repeat("b", 249) + ".com" },
			"body.email",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := good
			tt.change(&in)
			err := in.Validate()
			if tt.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			fault, ok := faults.As(err)
			if !ok || !errors.Is(err, customer.ErrInvalid) || fault.Field != tt.field {
				t.Fatalf("error %#v, want one about %s", err, tt.field)
			}
			for _, given := range []string{in.Name, in.Email} {
				if len(given) > 3 && strings.Contains(err.Error(), given) {
					t.Errorf("the fault tells what was given: %v", err)
				}
			}
		})
	}
}

// What SES can't send to is refused with the rule that it breaks, and not once its mail is a dead
// letter.
func TestAddressRules(t *testing.T) {
	for email, rule := range map[string]string{
		"ada@exämple.de":     "is ASCII: an internationalised domain is given as xn--",
		"ädä@example.com":    "is ASCII",
		"ad\xff@example.com": "is ASCII",
		"ada@localhost":      "a domain with a dot",
		"ada@[127.0.0.1]":    "no IP address",
		"ada@[IPv6:::1]":     "e-mail address",
		"ada@example.":       "is like name@example.com",
	} {
		err := customer.RegisterInput{CustomerID: "c1", Name: "Ada Lovelace", Email: email}.Validate()
		if fault, ok := faults.As(err); !ok || !errors.Is(err, customer.ErrInvalid) || fault.Field != "body.email" ||
			!strings.Contains(fault.Detail, rule) {
			t.Errorf("%s: %v, want one that says %q", email, err, rule)
		}
	}
	for _, email := range []string{"ada@xn--exmple-cua.de", "O'Brien+x@mail.example.co.uk"} {
		if err := (customer.RegisterInput{
			CustomerID: "c1", Name: "Ada Lovelace", Email: email,
		}).Validate(); err != nil {
			t.Errorf("%s: %v", email, err)
		}
	}
}

type stand struct {
	customer.Service
	store *estest.Hooked
	vault *personal.Memory
}

func newStand() *stand {
	s := &stand{store: &estest.Hooked{Store: memstore.New(es.NewRegistry(customer.Register),
		memstore.Staggered("customer"))}, vault: personal.NewMemory()}
	s.Service = customer.New(customer.Deps{Store: s.store, Clock: clock.NewFake(noon), Vault: s.vault, Eraser: s.vault})
	return s
}

func request(key, fingerprint string) es.Request {
	return es.Request{CommitID: key, Fingerprint: fingerprint, Time: noon}
}

var ada = customer.RegisterInput{CustomerID: "c1", Name: "Ada Lovelace", Email: "ada@example.com"}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestRegister(t *testing.T) {
	ctx, s := t.Context(), newStand()
	if known, err := s.Registered(ctx, "c1"); known || err != nil {
		t.Errorf("registered before: %v, %v", known, err)
	}
	_, err := s.Get(ctx, "c1")
	wantErr(t, err, customer.ErrNotFound)
	first, err := s.Register(ctx, request("k1", "ada"), ada)
	if err != nil || first.Repeated || first.Head.Version() != 1 {
		t.Fatalf("register: %+v, %v", first, err)
	}
	for _, sealed := range []personal.Sealed{first.State.Name, first.State.Email} {
		if text := string(sealed); !strings.HasPrefix(text, "pd1:") || strings.Contains(text, "Ada") {
			t.Errorf("stored %q", text)
		}
	}
	if known, err := s.Registered(ctx, "c1"); !known || err != nil {
		t.Errorf("registered after: %v, %v", known, err)
	}
	name, email, err := s.Open(ctx, first.State)
	if err != nil || name != ada.Name || email != ada.Email {
		t.Errorf("opened %q, %q, %v", name, email, err)
	}
	again, err := s.Register(ctx, request("k1", "ada"), ada)
	if err != nil || !again.Repeated || again.State != first.State {
		t.Errorf("again: %+v, %v", again, err)
	}
	_, err = s.Register(ctx, request("k1", "another body"), ada)
	wantErr(t, err, es.ErrKeyReused)
	_, err = s.Register(ctx, request("k2", "ada"), ada)
	wantErr(t, err, customer.ErrAlreadyRegistered)
	if got, err := s.Get(ctx, "c1"); err != nil || got.State != first.State || got.Head.Version() != 1 {
		t.Errorf("get: %+v, %v", got, err)
	}
}

// TestFingerprintIsTheCustomersOwn: what is stored of the request can be made with the customer's
// key alone.
func TestFingerprintIsTheCustomersOwn(t *testing.T) {
	ctx, s := t.Context(), newStand()
	stored := map[string]string{}
	for _, id := range []string{"c1", "c2"} {
		in := ada
		in.CustomerID = id
		if _, err := s.Register(ctx, request("k1", "ada"), in); err != nil {
			t.Fatal(err)
		}
		stored[id] = estest.Load(t, s.store, es.NewStreamID(customer.Category, id), 0).Events[0].Fingerprint
		if want, err := s.vault.Fingerprint(ctx, id, "ada"); err != nil || stored[id] != want {
			t.Errorf("stored is %s, want %s, %v", stored[id], want, err)
		}
	}
	if stored["c1"] == stored["c2"] {
		t.Error("two customers' requests have one fingerprint")
	}
}

// TestRegisterAfterCrash: the key was made and the event not; the next try uses the same key.
func TestRegisterAfterCrash(t *testing.T) {
	ctx, s := t.Context(), newStand()
	crash := errors.New("crash")
	s.store.Before = func([]es.Commit) error { return crash }
	_, err := s.Register(ctx, request("k1", "ada"), ada)
	wantErr(t, err, crash)
	sealed, err := s.vault.Seal(ctx, "c1", "f", []byte("under the first key"))
	if err != nil {
		t.Fatal(err)
	}
	s.store.Before = nil
	if _, err := s.Register(ctx, request("k2", "another"), ada); err != nil {
		t.Fatal(err)
	}
	if _, err := s.vault.Open(ctx, "c1", "f", sealed); err != nil {
		t.Errorf("another key was made: %v", err)
	}
}

func TestRegisterLostAnswer(t *testing.T) {
	ctx, s := t.Context(), newStand()
	lost := errors.New("lost")
	s.store.After = func(es.Appended, error) (es.Appended, error) { return es.Appended{}, lost }
	_, err := s.Register(ctx, request("k1", "ada"), ada)
	wantErr(t, err, lost)
	s.store.After = nil
	res, err := s.Register(ctx, request("k1", "ada"), ada)
	if err != nil || !res.Repeated {
		t.Fatalf("again: %+v, %v", res, err)
	}
	if name, _, err := s.Open(ctx, res.State); err != nil || name != ada.Name {
		t.Errorf("opened %q, %v", name, err)
	}
}

func TestRegisterAtOnce(t *testing.T) {
	s := newStand()
	var wg sync.WaitGroup
	var done atomic.Int64
	for i := range 50 {
		wg.Go(func() {
			// Each of 25 keys comes twice.
			res, err := s.Register(t.Context(), request(fmt.Sprint("k", i/2), "ada"), ada)
			switch {
			case err == nil:
				done.Add(1)
				if name, _, err := s.Open(t.Context(), res.State); err != nil || name != ada.Name {
					t.Errorf("opened %q, %v", name, err)
				}
			case !errors.Is(err, customer.ErrAlreadyRegistered):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if done.Load() != 2 {
		t.Errorf("%d were registered, want the two with one key", done.Load())
	}
}

// wantGone fails unless c1 is erased and whoever comes again is told so.
func (s *stand) wantGone(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	wantErr(t, s.vault.Enrol(ctx, "c1"), personal.ErrErased)
	for _, key := range []string{"k1", "another"} {
		_, err := s.Register(ctx, request(key, "ada"), ada)
		wantErr(t, err, customer.ErrErased)
	}
	known, err := s.Registered(ctx, "c1")
	wantErr(t, err, customer.ErrErased)
	if known {
		t.Error("the customer is known")
	}
}

func TestErase(t *testing.T) {
	ctx, s := t.Context(), newStand()
	registered, err := s.Register(ctx, request("k1", "ada"), ada)
	if err != nil {
		t.Fatal(err)
	}
	want := customer.State{ID: "c1", ErasedAt: "2026-03-01T12:00:00Z"}
	later := es.Request{CommitID: "erase", Time: noon.Add(time.Hour)}
	for _, req := range []es.Request{
		{CommitID: "erase", Time: noon}, later, {CommitID: "by somebody else", Time: later.Time},
	} {
		if res, err := s.Erase(ctx, req, "c1", ""); err != nil || res.State != want || res.Head.Version() != 2 {
			t.Errorf("erase: %+v, %v", res, err)
		}
	}
	_, _, err = s.Open(ctx, registered.State)
	wantErr(t, err, personal.ErrErased)
	s.wantGone(t)
	if got, err := s.Get(ctx, "c1"); err != nil || got.State != want {
		t.Errorf("the stream folds to %+v, %v", got, err)
	}
}

// impatient is a clock that is not waited for to the end.
type impatient struct{ *clock.Fake }

func (impatient) Sleep(context.Context, time.Duration) error { return context.DeadlineExceeded }

// TestEraseWaits: the answer comes when nobody remembers the key any more, each time that it is
// asked for, or not at all. Nobody waits for the answer of DestroyKey.
func TestEraseWaits(t *testing.T) {
	ctx, s := t.Context(), newStand()
	if _, err := s.Register(ctx, request("k1", "ada"), ada); err != nil {
		t.Fatal(err)
	}
	now := clock.NewFake(noon)
	destroyed := time.Time{}
	deps := customer.Deps{Store: s.store, Clock: now, Eraser: eraseFunc(func(context.Context, string) error {
		destroyed = now.Now()
		return s.vault.Erase(ctx, "c1")
	})}
	for range 2 {
		if _, err := customer.New(deps).Erase(ctx, request("erase", ""), "c1", ""); err != nil {
			t.Error(err)
		}
		if waited := now.Now().Sub(destroyed); waited < personal.Remembered {
			t.Errorf("answered %s after the key was destroyed", waited)
		}
	}
	if err := customer.New(deps).DestroyKey(ctx, "c1"); err != nil || now.Now() != destroyed {
		t.Errorf("waited until %s, %v", now.Now(), err)
	}
	deps.Clock = impatient{now}
	_, err := customer.New(deps).Erase(ctx, request("erase", ""), "c1", "")
	wantErr(t, err, context.DeadlineExceeded)
}

// eraseFunc is a function that is a personal.Eraser.
type eraseFunc func(ctx context.Context, subject string) error

func (e eraseFunc) Erase(ctx context.Context, subject string) error { return e(ctx, subject) }

// TestEraseNobody: an id that nobody has is not used up.
func TestEraseNobody(t *testing.T) {
	ctx, s := t.Context(), newStand()
	_, err := s.Erase(ctx, request("erase", ""), "c1", "")
	wantErr(t, err, customer.ErrNotFound)
	wantErr(t, s.DestroyKey(ctx, "c1"), customer.ErrNotErased)
	if _, err := s.Register(ctx, request("k1", "ada"), ada); err != nil {
		t.Error(err)
	}
}

// brokenEraser fails before or after it destroys.
type brokenEraser struct {
	personal.Eraser
	err error
}

func (e brokenEraser) Erase(ctx context.Context, subject string) error {
	if e.Eraser != nil {
		_ = e.Eraser.Erase(ctx, subject)
	}
	return e.err
}

// TestEraseDies: with the event appended and the key there, nothing new begins, and either way to
// finish it does.
func TestEraseDies(t *testing.T) {
	crash := errors.New("crash")
	erase := func(s *stand) error {
		_, err := s.Erase(context.Background(), request("erase", ""), "c1", "")
		return err
	}
	for name, finish := range map[string]func(*stand) error{
		"sent again":         erase,
		"by who hears of it": func(s *stand) error { return s.DestroyKey(context.Background(), "c1") },
		"by both, many times": func(s *stand) error {
			return errors.Join(erase(s), s.DestroyKey(context.Background(), "c1"), erase(s))
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, s := t.Context(), newStand()
			if _, err := s.Register(ctx, request("k1", "ada"), ada); err != nil {
				t.Fatal(err)
			}
			s.store.Before = func([]es.Commit) error { return crash }
			wantErr(t, erase(s), crash)
			s.store.Before = nil
			wantErr(t, s.DestroyKey(ctx, "c1"), customer.ErrNotErased)
			for _, eraser := range []personal.Eraser{nil, s.vault} {
				dying := customer.New(customer.Deps{
					Store: s.store, Clock: clock.NewFake(noon), Eraser: brokenEraser{Eraser: eraser, err: crash},
				})
				_, err := dying.Erase(ctx, request("erase", ""), "c1", "")
				wantErr(t, err, crash)
				if eraser == nil {
					wantErr(t, s.vault.Enrol(ctx, "c1"), nil) // the key is there still
					_, err = s.Register(ctx, request("k1", "ada"), ada)
					wantErr(t, err, customer.ErrErased)
					_, err = s.Registered(ctx, "c1")
					wantErr(t, err, customer.ErrErased)
				}
			}
			if err := finish(s); err != nil {
				t.Error(err)
			}
			s.wantGone(t)
		})
	}
}

// TestDestroyKeyOfOthers: nobody who isn't erased loses their key by it.
func TestDestroyKeyOfOthers(t *testing.T) {
	ctx, s := t.Context(), newStand()
	res, err := s.Register(ctx, request("k1", "ada"), ada)
	if err != nil {
		t.Fatal(err)
	}
	wantErr(t, s.DestroyKey(ctx, "c1"), customer.ErrNotErased)
	if name, _, err := s.Open(ctx, res.State); err != nil || name != ada.Name {
		t.Errorf("opened %q, %v", name, err)
	}
}

// meanwhile is a vault whose owner is erased while it makes a fingerprint.
type meanwhile struct {
	personal.Vault
	then func()
}

func (v meanwhile) Fingerprint(ctx context.Context, subject, text string) (string, error) {
	made, err := v.Vault.Fingerprint(ctx, subject, text)
	v.then()
	return made, err
}

// TestRegisterMeetsErasure: whatever of a registration was done before the erasure, its answer
// comes after it, and is that the customer is erased.
func TestRegisterMeetsErasure(t *testing.T) {
	for name, registered := range map[string]bool{
		"a request that is sent again": true, "one that another registration overtakes": false,
	} {
		t.Run(name, func(t *testing.T) {
			ctx, s := t.Context(), newStand()
			register := func(key string) {
				if _, err := s.Register(ctx, request(key, "ada"), ada); err != nil {
					t.Error(err)
				}
			}
			if registered {
				register("k1")
			}
			slow := customer.New(customer.Deps{Store: s.store, Clock: clock.NewFake(noon),
				Vault: meanwhile{s.vault, func() {
					if !registered {
						register("k2")
					}
					if _, err := s.Erase(ctx, request("erase", ""), "c1", ""); err != nil {
						t.Error(err)
					}
				}}})
			_, err := slow.Register(ctx, request("k1", "ada"), ada)
			wantErr(t, err, customer.ErrErased)
			s.wantGone(t)
			if h := estest.Load(t, s.store, es.NewStreamID(customer.Category, "c1"), 0); h.Head.Version() != 2 {
				t.Errorf("the stream has %d events", h.Head.Version())
			}
		})
	}
}

// TestEraseAtOnce: registrations and erasures at once, in any order, end with one of each and no
// key.
func TestEraseAtOnce(t *testing.T) {
	s := newStand()
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			if _, err := s.Register(t.Context(), request(fmt.Sprint("k", i), "ada"), ada); err != nil &&
				!errors.Is(err, customer.ErrAlreadyRegistered) && !errors.Is(err, customer.ErrErased) {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := s.Erase(t.Context(), request("erase", ""), "c1", ""); err != nil &&
				!errors.Is(err, customer.ErrNotFound) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if _, err := s.Erase(t.Context(), request("erase", ""), "c1", ""); err != nil {
		t.Fatal(err)
	}
	s.wantGone(t)
	if h := estest.Load(t, s.store, es.NewStreamID(customer.Category, "c1"), 0); h.Head.Version() != 2 {
		t.Errorf("the stream has %d events", h.Head.Version())
	}
}

// TestKeyGone: a key that is destroyed without the stream's knowledge is met the same way.
func TestKeyGone(t *testing.T) {
	ctx, s := t.Context(), newStand()
	res, err := s.Register(ctx, request("k1", "ada"), ada)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.vault.Erase(ctx, "c1"); err != nil {
		t.Fatal(err)
	}
	name, email, err := s.Open(ctx, res.State)
	if name != "" || email != "" || !errors.Is(err, personal.ErrErased) {
		t.Errorf("opened %q, %q, %v", name, email, err)
	}
	for _, key := range []string{"k1", "k2"} {
		_, err = s.Register(ctx, request(key, "ada"), ada)
		wantErr(t, err, customer.ErrErased)
	}
	// An id whose key is destroyed is nobody's, even where no registration got through.
	if err := s.vault.Erase(ctx, "c2"); err != nil {
		t.Fatal(err)
	}
	second := ada
	second.CustomerID = "c2"
	_, err = s.Register(ctx, request("k1", "ada"), second)
	wantErr(t, err, customer.ErrErased)
	if known, err := s.Registered(ctx, "c2"); known || err != nil {
		t.Errorf("registered: %v, %v", known, err)
	}
}

func TestInvalidWritesNothing(t *testing.T) {
	s := newStand()
	in := ada
	in.Email = "nowhere"
	_, err := s.Register(t.Context(), request("k1", "ada"), in)
	wantErr(t, err, customer.ErrInvalid)
	if s.store.Appends.Load() != 0 {
		t.Error("something was appended")
	}
	if _, err := s.vault.Seal(t.Context(), "c1", "f", nil); !errors.Is(err, personal.ErrErased) {
		t.Errorf("a key was made: %v", err)
	}
}

// brokenVault fails with an error that is nobody's fault.
type brokenVault struct {
	personal.Vault
	err error
}

func (v brokenVault) Enrol(ctx context.Context, subject string) error {
	if v.Vault == nil {
		return v.err
	}
	return v.Vault.Enrol(ctx, subject)
}

func (v brokenVault) Fingerprint(context.Context, string, string) (string, error) { return "", v.err }

func TestVaultFails(t *testing.T) {
	broken := errors.New("broken")
	for name, vault := range map[string]brokenVault{
		"from the start": {err: broken}, "at the fingerprint": {Vault: personal.NewMemory(), err: broken},
	} {
		t.Run(name, func(t *testing.T) {
			store := &estest.Hooked{Store: memstore.New(es.NewRegistry(customer.Register),
				memstore.Staggered(t.Name()))}
			s := customer.New(customer.Deps{Store: store, Clock: clock.NewFake(noon), Vault: vault})
			_, err := s.Register(t.Context(), request("k1", "ada"), ada)
			wantErr(t, err, broken)
			if _, ok := faults.As(err); ok {
				t.Errorf("%v is a fault", err)
			}
			if store.Appends.Load() != 0 {
				t.Error("something was appended")
			}
		})
	}
}
