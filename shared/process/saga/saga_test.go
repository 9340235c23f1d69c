package saga_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"orderflow/shared/kit/ident"
	"orderflow/shared/process/saga"
)

const orderID = "5f0c2f5e-3a0d-5c1b-8a4e-2f6d7c9b0a11"

func TestRuns(t *testing.T) {
	tests := []struct {
		run   saga.Run
		name  string
		input string
	}{
		{saga.Fulfil(orderID), orderID, `{"version":1,"orderId":"` + orderID + `","mode":"fulfil"}`},
		{saga.Undo(orderID, 4), orderID + "-undo-4", `{"version":1,"orderId":"` + orderID + `","mode":"undo"}`},
		{
			saga.ResumeUndo(orderID, 4, 2), orderID + "-undo-4-2",
			`{"version":1,"orderId":"` + orderID + `","mode":"undo"}`,
		},
	}
	known := saga.Undo(orderID, 4)
	known.Input.CorrelationID = "c"
	tests = append(tests, struct {
		run   saga.Run
		name  string
		input string
	}{known, orderID + "-undo-4", `{"version":1,"orderId":"` + orderID + `","mode":"undo","correlationId":"c"}`})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.run.Name != tt.name || tt.run.Input.JSON() != tt.input {
				t.Errorf("got %s %s, want %s %s", tt.run.Name, tt.run.Input.JSON(), tt.name, tt.input)
			}
			if err := tt.run.Validate(); err != nil {
				t.Error(err)
			}
			if of := saga.OrderOf(tt.name); of != orderID {
				t.Errorf("it is a run of %s", of)
			}
			in, err := saga.ParseInput([]byte(tt.input))
			if err != nil || in != tt.run.Input {
				t.Errorf("parsed %+v, %v; want %+v", in, err, tt.run.Input)
			}
		})
	}
}

// The run of a redrive is named for its dead-letter entry, which is no order.
func TestOrderOfARedrive(t *testing.T) {
	if of := saga.OrderOf(saga.RedrivePrefix + "9c0f6ac1-6a52-56b7-9b0c-0f8c9b1f9d10-2"); of != "" {
		t.Errorf("it is a run of order %s", of)
	}
}

func TestRunsThatCannotBe(t *testing.T) {
	for _, run := range []saga.Run{
		{},
		saga.Fulfil(""),
		saga.Fulfil("order/1"),
		saga.Fulfil("a b"),
		saga.Fulfil(strings.Repeat("a", saga.MaxName+1)),
		saga.ResumeUndo(orderID, math.MaxInt64, math.MaxInt64),
		{Name: orderID, Input: saga.Input{Version: 2, OrderID: orderID, Mode: saga.ModeUndo}},
		{Name: orderID, Input: saga.Input{Version: 1, OrderID: orderID, Mode: "both"}},
		{Name: orderID, Input: saga.Input{Version: 1, Mode: saga.ModeUndo}},
	} {
		if err := run.Validate(); !errors.Is(err, saga.ErrInvalid) {
			t.Errorf("%+v: %v, want ErrInvalid", run, err)
		}
	}
}

func TestInputsThatAreRefused(t *testing.T) {
	for _, text := range []string{
		``, `null`, `[]`, `{}`, `{"version":1,"orderId":"x"}`, `{"version":2,"orderId":"x","mode":"undo"}`,
		`{"version":1,"orderId":"x","mode":"undo"} x`,
		`{"version":"1","orderId":"x","mode":"undo"}`, `{"version":1,"orderId":"x","mode":"undo"}{}`,
	} {
		if _, err := saga.ParseInput([]byte(text)); !errors.Is(err, saga.ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", text, err)
		}
	}
}

// What a later release adds is passed over.
func TestInputOfALaterRelease(t *testing.T) {
	in, err := saga.ParseInput([]byte(
		`{"version":1,"orderId":"x","mode":"undo","correlationId":"c","extra":{"more":1}}`,
	))
	if want := (saga.Input{Version: 1, OrderID: "x", Mode: saga.ModeUndo, CorrelationID: "c"}); err != nil ||
		in != want {
		t.Errorf("%+v, %v, want %+v", in, err, want)
	}
}

// Two runs that mean different things never share a name, and every name fits.
func TestNamesDiffer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := ident.Derive("order", rapid.String().Draw(t, "customer"), rapid.String().Draw(t, "key"))
		sequence, n := rapid.Int64Range(1, 1_000_000).Draw(t, "sequence"),
			rapid.Int64Range(1, 1_000_000_000).Draw(t, "n")
		names := map[string]bool{}
		for _, run := range []saga.Run{saga.Fulfil(id), saga.Undo(id, sequence), saga.ResumeUndo(id, sequence, n)} {
			if err := run.Validate(); err != nil {
				t.Fatal(err)
			}
			if names[run.Name] {
				t.Fatalf("%s names two runs", run.Name)
			}
			names[run.Name] = true
		}
	})
}
