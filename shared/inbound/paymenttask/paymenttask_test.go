package paymenttask_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/inbound/paymenttask"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/account/accounttest"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/payment"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type stand struct {
	tasks    paymenttask.Tasks
	store    es.Store
	accounts account.Service
	account  string // of customer c1, with 1000 USD cents
}

func newStand(t *testing.T) *stand {
	t.Helper()
	now := clock.NewFake(noon)
	s := &stand{
		store: memstore.New(es.NewRegistry(payment.Register, account.Register)), account: account.ID("c1", "USD"),
	}
	s.tasks = paymenttask.Tasks{Payments: payment.New(payment.Deps{Store: s.store, Clock: now}), Clock: now}
	s.accounts = account.New(account.Deps{Store: s.store, Clock: now, Customers: accounttest.Everybody{}})
	if _, err := s.accounts.Open(t.Context(), es.Request{CommitID: "open", Time: noon}, "c1", "USD"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.accounts.Deposit(
		t.Context(), es.Request{Time: noon}, s.account, "k", money.Money{Amount: 1000, Currency: "USD"},
	); err != nil {
		t.Fatal(err)
	}
	return s
}

// run gives the answer as the state machine sees it: its JSON, or the name of the error.
func (s *stand) run(t *testing.T, input string) (answer, name string) {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(input), &fields); err != nil {
		t.Fatal(err)
	}
	task := string(fields["task"])
	delete(fields, "task")
	rest, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	switch task {
	case `"charge"`:
		return call(t, s.tasks.Charge, rest)
	case `"refund"`:
		return call(t, s.tasks.Refund, rest)
	}
	t.Fatalf("no task %s", task)
	return "", ""
}

// call decodes strictly and validates, as the function's router does.
func call[In interface{ Validate() error }, Out any](
	t *testing.T, f func(context.Context, In) (Out, error), input []byte,
) (answer, name string) {
	t.Helper()
	var in In
	d := json.NewDecoder(bytes.NewReader(input))
	d.DisallowUnknownFields()
	if d.Decode(&in) != nil || in.Validate() != nil {
		return "", "task.invalid"
	}
	out, err := f(t.Context(), in)
	if fault, ok := faults.As(err); ok {
		return "", fault.Code
	}
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), ""
}

const (
	head   = `"orderId":"o1","revision":1,"sagaId":"o1","correlationId":"x1"`
	refund = `{"task":"refund",` + head + `}`
)

func charge(accountID, customerID, amount string) string {
	return `{"task":"charge",` + head + `,"customerId":"` + customerID + `","accountId":"` + accountID + `","amount":` +
		amount + `}`
}

func TestTasks(t *testing.T) {
	id := payment.ID("o1", 1)
	mine := account.ID("c1", "USD")
	charged, refunded := `{"paymentId":"`+id+`"}`,
		func(status string) string { return `{"paymentId":"` + id + `","status":"` + status + `"}` }
	type call struct{ input, answer, name string }
	tests := []struct {
		name    string
		calls   []call
		balance int64
	}{
		{"charge", []call{{charge(mine, "c1", `{"amount":300,"currency":"USD"}`), charged, ""}}, 700},
		{
			"charge twice",
			[]call{
				{charge(mine, "c1", `{"amount":300,"currency":"USD"}`), charged, ""},
				{charge(mine, "c1", `{"amount":300,"currency":"USD"}`), charged, ""},
			},
			700,
		},
		{
			"charge nothing",
			[]call{
				{charge("none", "c1", `{"amount":0,"currency":"USD"}`), charged, ""},
				{refund, refunded("refunded"), ""},
			},
			1000,
		},
		{
			"charge and refund",
			[]call{
				{charge(mine, "c1", `{"amount":300,"currency":"USD"}`), charged, ""},
				{refund, refunded("refunded"), ""}, {refund, refunded("refunded"), ""},
			},
			1000,
		},
		{
			"charge too much",
			[]call{
				{charge(mine, "c1", `{"amount":1001,"currency":"USD"}`), "", "account.insufficient-funds"},
				{refund, refunded("declined"), ""},
			},
			1000,
		},
		{
			"charge no account",
			[]call{{charge("none", "c1", `{"amount":1,"currency":"USD"}`), "", "account.not-open"}}, 1000,
		},
		{
			"charge another's account",
			[]call{{charge(mine, "c2", `{"amount":1,"currency":"USD"}`), "", "account.not-yours"}}, 1000,
		},
		{
			"charge another currency",
			[]call{{charge(mine, "c1", `{"amount":1,"currency":"EUR"}`), "", "account.wrong-currency"}}, 1000,
		},
		{"charge in a currency that was withdrawn since the order",
			[]call{{charge(mine, "c1", `{"amount":1,"currency":"BGN"}`), "", "account.wrong-currency"}}, 1000},
		{
			"charge late",
			[]call{
				{refund, refunded("voided"), ""},
				{charge(mine, "c1", `{"amount":300,"currency":"USD"}`), "", "attempt.closed"},
				{refund, refunded("voided"), ""},
			},
			1000,
		},
		{
			"without a correlation",
			[]call{{strings.Replace(refund, `,"correlationId":"x1"`, "", 1), refunded("voided"), ""}}, 1000,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStand(t)
			for _, c := range tt.calls {
				if answer, name := s.run(t, c.input); answer != c.answer || name != c.name {
					t.Errorf("%s is answered %s %s, want %s %s", c.input, answer, name, c.answer, c.name)
				}
			}
			res, err := s.accounts.Get(t.Context(), s.account)
			if err != nil || res.State.Balance != tt.balance {
				t.Errorf("the account holds %d, %v, want %d", res.State.Balance, err, tt.balance)
			}
		})
	}
}

// TestInvalid: what the state machine could only send by mistake changes nothing.
func TestInvalid(t *testing.T) {
	good := charge(account.ID("c1", "USD"), "c1", `{"amount":300,"currency":"USD"}`)
	tests := map[string]string{
		"no order":        strings.Replace(good, `"orderId":"o1"`, `"orderId":""`, 1),
		"no revision":     strings.Replace(good, `"revision":1,`, ``, 1),
		"no saga":         strings.Replace(good, `"sagaId":"o1",`, ``, 1),
		"no customer":     strings.Replace(good, `"customerId":"c1",`, ``, 1),
		"no account":      strings.Replace(good, account.ID("c1", "USD"), ``, 1),
		"no amount":       strings.Replace(good, `,"amount":{"amount":300,"currency":"USD"}`, ``, 1),
		"negative amount": strings.Replace(good, `300`, `-300`, 1),
		"part of a cent":  strings.Replace(good, `300`, `0.5`, 1),
		"amount as text":  strings.Replace(good, `300`, `"300"`, 1),
		"no currency":     strings.Replace(good, `USD`, `usd`, 1),
		"unknown field":   strings.Replace(good, `"revision":1`, `"revision":1,"tip":5`, 1),
		"refund nothing":  `{"task":"refund","revision":1,"sagaId":"s"}`,
		"refund what":     strings.Replace(refund, `}`, `,"amount":{"amount":300,"currency":"USD"}}`, 1),
	}
	for name, input := range tests {
		t.Run(name, func(t *testing.T) {
			s := newStand(t)
			if answer, code := s.run(t, input); code != "task.invalid" {
				t.Errorf("answered %s %s", answer, code)
			}
			h := estest.Load(t, s.store, es.NewStreamID(payment.Category, payment.ID("o1", 1)), 0)
			if len(h.Events) != 0 {
				t.Errorf("wrote %v", h.Events)
			}
		})
	}
}

// TestMetadata: each event says what it follows from, and each run of the saga and each task has
// commits of its own.
func TestMetadata(t *testing.T) {
	s := newStand(t)
	if _, name := s.run(t, charge(s.account, "c1", `{"amount":300,"currency":"USD"}`)); name != "" {
		t.Fatal(name)
	}
	if _, name := s.run(t, strings.Replace(refund, `"sagaId":"o1"`, `"sagaId":"o1-undo-3"`, 1)); name != "" {
		t.Fatal(name)
	}
	for _, stream := range []es.StreamID{
		es.NewStreamID(payment.Category, payment.ID("o1", 1)), es.NewStreamID(account.Category, s.account),
	} {
		events := estest.Load(t, s.store, stream, 0).Events
		events = events[len(events)-2:]
		want := []es.Metadata{
			{CorrelationID: "x1", CausationID: "o1/charge-payment", Actor: "order-saga"},
			{CorrelationID: "x1", CausationID: "o1-undo-3/refund-payment", Actor: "order-saga"},
		}
		if diff := cmp.Diff(want, []es.Metadata{events[0].Metadata, events[1].Metadata}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", stream, diff)
		}
		if !events[0].Time.Equal(noon) || events[0].CommitID == events[1].CommitID {
			t.Errorf("%s: commits %s at %s and %s", stream, events[0].CommitID, events[0].Time, events[1].CommitID)
		}
	}
}

// TestSamples: the sample events are answered by tables that know nothing of their orders.
func TestSamples(t *testing.T) {
	for file, want := range map[string]string{
		"process-payment.json": `{"paymentId":"` + payment.ID(
			"449486be-0f69-5077-b144-b59ae881fb3a", 1,
		) + `","status":"voided"}`,
		"process-payment-charge.json": "account.not-open",
	} {
		t.Run(file, func(t *testing.T) {
			input, err := os.ReadFile(filepath.Join("..", "..", "..", "events", "samples", "invoke", file))
			if err != nil {
				t.Fatal(err)
			}
			if answer, name := newStand(t).run(t, string(input)); answer+name != want {
				t.Errorf("answered %s %s, want %s", answer, name, want)
			}
		})
	}
}
