package payment

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
)

func TestEvolve(t *testing.T) {
	amount := money.Money{Amount: 300, Currency: "EUR"}
	processed := Processed{PaymentID: "p1", OrderID: "o1", AccountID: "a1", Amount: amount}
	tests := []struct {
		name   string
		given  []Event
		want   State
		status es.AttemptStatus
	}{
		{"nothing", nil, State{Status: StatusOpen}, es.AttemptOpen},
		{
			"processed", []Event{processed},
			State{ID: "p1", OrderID: "o1", AccountID: "a1", Amount: amount, Status: StatusProcessed}, es.AttemptDone,
		},
		{"declined", []Event{Declined{"p1", "o1", "account.not-open", "there is none"}},
			State{ID: "p1", OrderID: "o1", Status: StatusDeclined, Code: "account.not-open", Detail: "there is none"},
			es.AttemptRefused},
		{"refunded", []Event{processed, Refunded{"p1", "o1", "a1", amount}},
			State{ID: "p1", OrderID: "o1", AccountID: "a1", Amount: amount, Status: StatusRefunded}, es.AttemptUndone},
		{"voided", []Event{Voided{"p1", "o1"}}, State{ID: "p1", OrderID: "o1", Status: StatusVoided}, es.AttemptVoided},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state := Initial()
			for _, e := range tt.given {
				state = Evolve(state, e)
			}
			if diff := cmp.Diff(tt.want, state); diff != "" {
				t.Errorf("state (-want +got):\n%s", diff)
			}
			if got := state.attemptStatus(); got != tt.status {
				t.Errorf("attempt is %s, want %s", got, tt.status)
			}
		})
	}
}

func TestFault(t *testing.T) {
	tests := []struct {
		name string
		code string
		kind faults.Kind
	}{
		{"declared", account.ErrInsufficientFunds.Code(), account.ErrInsufficientFunds.Kind()},
		{"of a kind of its own", account.ErrAlreadyOpen.Code(), faults.Conflict},
		{"no longer declared", "account.frozen", faults.Rule},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := State{Status: StatusDeclined, Code: tt.code, Detail: "100% of it"}.fault()
			if want := (&faults.Fault{Kind: tt.kind, Code: tt.code, Detail: "100% of it"}); *got != *want {
				t.Errorf("fault %+v, want %+v", got, want)
			}
			if spec, ok := faults.Lookup(tt.code); ok && !errors.Is(got, spec) {
				t.Errorf("%v is no %v", got, spec)
			}
		})
	}
}
