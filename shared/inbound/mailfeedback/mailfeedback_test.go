package mailfeedback_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"orderflow/shared/inbound/mailfeedback"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/poison"
	"orderflow/shared/shop/customer"
)

const ada = es.StreamID("customer/ada")

// world has a customer, ada, whom mails go to.
type world struct {
	mailfeedback.Handler
	t     *testing.T
	store *estest.Hooked
	log   *bytes.Buffer
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, store: &estest.Hooked{Store: memstore.New(es.NewRegistry(customer.Register))}, log: &bytes.Buffer{},
	}
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(w.log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	now := clock.NewFake(time.Unix(1, 0))
	w.Handler = mailfeedback.Handler{Customers: customer.New(customer.Deps{Store: w.store, Clock: now}), Clock: now}
	w.append(customer.Registered{CustomerID: "ada", Name: "pd1:n", Email: "pd1:e"})
	return w
}

func (w *world) append(event any) {
	w.t.Helper()
	h := estest.Load(w.t, w.store, ada, 0)
	req := es.Request{CommitID: fmt.Sprint("test-", h.Head.Version()), Time: time.Unix(1, 0)}
	if _, err := w.store.Append(w.t.Context(), []es.Commit{req.Commit(h.Head, event)}); err != nil {
		w.t.Fatal(err)
	}
}

// report is a message as a rule writes it.
func report(n int, kind, customerID, address string) string {
	return fmt.Sprintf(
		`{"id": "6f6c7d1e-0000-4000-8000-%012d", "kind": %q, "mail": "0100-1", "customer": [%q], "address": [%q]}`,
		n, kind, customerID, address,
	)
}

func (w *world) handle(bodies ...string) {
	w.t.Helper()
	for _, body := range bodies {
		if err := w.Handle(w.t.Context(), []byte(body)); err != nil {
			w.t.Errorf("%s: %v", body, err)
		}
	}
}

// wantEvents compares ada's events behind the registration.
func (w *world) wantEvents(want ...any) {
	w.t.Helper()
	var got []any
	for _, e := range estest.Load(w.t, w.store, ada, 1).Events {
		got = append(got, e.Data)
	}
	if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", append([]any(nil), want...)) {
		w.t.Errorf("ada's events are %#v, want %#v", got, want)
	}
}

func suppressed(address int64, reason customer.Reason) any {
	return customer.MailSuppressed{CustomerID: "ada", Address: address, Reason: reason}
}

// Reports come several times, and in any order: the first that is about the present address counts.
func TestReports(t *testing.T) {
	bounce, complaint := report(1, "bounce", "ada", "1"), report(2, "complaint", "ada", "1")
	for name, tt := range map[string]struct {
		reports []string
		want    customer.Reason
	}{
		"a bounce":                {[]string{bounce}, customer.ReasonBounce},
		"a complaint":             {[]string{complaint}, customer.ReasonComplaint},
		"duplicates":              {[]string{bounce, bounce, complaint, bounce}, customer.ReasonBounce},
		"in the other order":      {[]string{complaint, bounce}, customer.ReasonComplaint},
		"two mails that bounce":   {[]string{bounce, report(3, "bounce", "ada", "1")}, customer.ReasonBounce},
		"another address's first": {[]string{report(4, "bounce", "ada", "2"), complaint}, customer.ReasonComplaint},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.handle(tt.reports...)
			w.wantEvents(suppressed(1, tt.want))
			e := estest.Load(t, w.store, ada, 1).Events[0]
			if e.Metadata.Actor != "follow-mails" || !strings.HasPrefix(e.Metadata.CausationID, "mail-feedback/6f6c") {
				t.Errorf("the event is of %+v", e.Metadata)
			}
		})
	}
}

// A report that comes when the customer has another address, or none, changes nothing.
func TestLateReports(t *testing.T) {
	w := newWorld(t)
	moved, erased := customer.Changed{CustomerID: "ada", Email: "pd1:f"},
		customer.Erased{CustomerID: "ada", ErasedAt: "2026-03-01T12:00:00Z"}
	w.append(moved)
	w.handle(report(1, "bounce", "ada", "1"))
	w.wantEvents(moved)
	w.handle(report(2, "bounce", "ada", "2"), report(3, "complaint", "ada", "1"))
	w.wantEvents(moved, suppressed(2, customer.ReasonBounce))
	w.append(moved)
	w.append(erased)
	w.handle(report(2, "bounce", "ada", "2"), report(4, "bounce", "ada", "3"))
	w.wantEvents(moved, suppressed(2, customer.ReasonBounce), moved, erased)
}

// A change that comes between the decision and the append has the report decided anew.
func TestChangeAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	moved := customer.Changed{CustomerID: "ada", Email: "pd1:f"}
	w.store.Before = func([]es.Commit) error {
		w.store.Before = nil
		w.append(moved)
		return nil
	}
	w.handle(report(1, "bounce", "ada", "1"))
	w.wantEvents(moved)
}

// A mail that was rejected is no fault of its address, and people should know of it.
func TestReject(t *testing.T) {
	w := newWorld(t)
	w.handle(report(1, "reject", "ada", "1"))
	w.wantEvents()
	if !strings.Contains(w.log.String(), `"level":"ERROR","msg":"SES rejected a mail`) {
		t.Errorf("logged %s", w.log)
	}
}

// A report on a mail to nobody is none of ours, and comes once.
func TestNobody(t *testing.T) {
	w := newWorld(t)
	w.handle(report(1, "bounce", "bob", "1"))
	if h := estest.Load(t, w.store, "customer/bob", 0); len(h.Events) != 0 {
		t.Errorf("bob has %v", h.Events)
	}
	if !strings.Contains(w.log.String(), "a report on a mail to nobody who is registered") {
		t.Errorf("logged %s", w.log)
	}
}

// A store that fails has the report come again.
func TestStoreFails(t *testing.T) {
	w := newWorld(t)
	broken := errors.New("broken")
	w.store.Before = func([]es.Commit) error { return broken }
	err := w.Handle(t.Context(), []byte(report(1, "bounce", "ada", "1")))
	if !errors.Is(err, broken) || poison.Is(err) {
		t.Errorf("%v", err)
	}
	w.store.Before = nil
	w.handle(report(1, "bounce", "ada", "1"))
	w.wantEvents(suppressed(1, customer.ReasonBounce))
}

// What is no report is named by field and rule, without its values, and is not tried again.
func TestMalformed(t *testing.T) {
	good := report(1, "bounce", "ada", "1")
	for name, tt := range map[string]struct{ old, new, says string }{
		"nothing":         {good, "", "expected the JSON of a report"},
		"two":             {good, good + good, "expected the JSON of a report"},
		"a field more":    {`{"id"`, `{"recipient": "ada@example.com", "id"`, "expected the JSON of a report"},
		"SES's own event": {good, `{"detail-type": "Email Bounced", "detail": {}}`, "expected the JSON of a report"},
		"no id":           {"6f6c7d1e", "ada@example.com", "id: expected a UUID"},
		"another kind":    {`"bounce"`, `"delivery"`, "kind: expected bounce, complaint or reject"},
		"no mail":         {`"0100-1"`, `""`, "mail: expected the id of a mail"},
		"no customer":     {`["ada"]`, `[]`, "customer: expected one customer id"},
		"two customers":   {`["ada"]`, `["ada", "bob"]`, "customer: expected one customer id"},
		"an address":      {`["ada"]`, `["ada@example.com"]`, "customer: expected one customer id"},
		"no address":      {`["1"]`, `""`, "expected the JSON of a report"},
		"two addresses":   {`["1"]`, `["1", "2"]`, "address: expected one number"},
		"address 0":       {`["1"]`, `["0"]`, "address: expected a whole number, from 1 on"},
		"address of text": {`["1"]`, `["ada@example.com"]`, "address: expected a whole number, from 1 on"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			body := strings.Replace(good, tt.old, tt.new, 1)
			err := w.Handle(t.Context(), []byte(body))
			if !errors.Is(err, mailfeedback.ErrMalformed) || !poison.Is(err) ||
				!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "example.com") {
				t.Errorf("%s: %v", body, err)
			}
			w.wantEvents()
		})
	}
}
