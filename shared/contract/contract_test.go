package contract_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/contract"
	"orderflow/shared/es"
	"orderflow/shared/money"
	"orderflow/shared/order"
)

var placed = es.Recorded{
	Stream: "order/o1", Version: 1, Type: "order.placed", Schema: 1, CommitID: "place", Fingerprint: "f", Time: time.Date(2026, 3, 1, 12, 0, 0, 5, time.FixedZone("x", 3600)),
	Metadata: es.Metadata{CorrelationID: "c", CausationID: "r", Traceparent: "00-a-b-01", Actor: "ada"},
	Data: order.Placed{
		OrderID: "o1", CustomerID: "ada", AccountID: "a1", Lines: []order.Line{{SKU: "s", Quantity: 2, UnitPrice: money.Money{Amount: 5, Currency: "USD"}}},
		Total: money.Money{Amount: 10, Currency: "USD"}, Address: "pd1:c2VjcmV0", Revision: 1, PlacedAt: "2026-03-01T11:00:00Z",
	},
}

func TestMap(t *testing.T) {
	got, err := contract.Map(placed)
	if err != nil {
		t.Fatal(err)
	}
	data := `{"orderId":"o1","customerId":"ada","lines":[{"sku":"s","quantity":2,"unitPrice":{"amount":5,"currency":"USD"}}],"total":{"amount":10,"currency":"USD"}}`
	want := es.Envelope{
		SpecVersion: "1.0", ID: "order/o1@1", Source: "order-service", Type: "order.placed", Subject: "order/o1", Time: time.Date(2026, 3, 1, 11, 0, 0, 5, time.UTC),
		DataContentType: "application/json", DataSchema: "urn:orderflow:schema:order.placed:1", DataVersion: 1, Sequence: 1, CorrelationID: "c", CausationID: "r",
		Traceparent: "00-a-b-01", Data: json.RawMessage(data),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	back, err := contract.Decode(got)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := back.(contract.OrderPlaced); !ok || e.OrderID != "o1" || len(e.Lines) != 1 || e.Total.Amount != 10 {
		t.Errorf("decoded %+v", back)
	}
}

// CloudEvents allows lower-case letters and digits in the names of attributes, and nothing else.
func TestAttributeNames(t *testing.T) {
	envelope, err := contract.Map(placed)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(envelope)
	if err != nil {
		t.Fatal(err)
	}
	var attributes map[string]any
	if err := json.Unmarshal(text, &attributes); err != nil {
		t.Fatal(err)
	}
	for name := range attributes {
		if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Errorf("attribute %q", name)
		}
	}
}

func TestMapWhatHasNoContract(t *testing.T) {
	unknown, other, broken := placed, placed, placed
	unknown.Type = "order.teleported"
	other.Data = order.Started{}
	broken.Stream = "order"
	for _, r := range []es.Recorded{unknown, other, broken} {
		if _, err := contract.Map(r); !errors.Is(err, contract.ErrUnmapped) {
			t.Errorf("%s of %s as %T: %v", r.Type, r.Stream, r.Data, err)
		}
	}
}

func TestDecode(t *testing.T) {
	tests := []struct {
		name   string
		change func(*es.Envelope)
		err    error
	}{
		{"as it was published", func(*es.Envelope) {}, nil},
		{"with a field of a newer publisher", func(e *es.Envelope) { e.Data = replace(e.Data, `"customerId"`, `"channel":"web","customerId"`) }, nil},
		{"an unknown type", func(e *es.Envelope) { e.Type = "order.teleported" }, contract.ErrUnknown},
		{"a version of the future", func(e *es.Envelope) { e.DataVersion = 2 }, contract.ErrUnknown},
		{"no version", func(e *es.Envelope) { e.DataVersion = 0 }, contract.ErrInvalid},
		{"another source", func(e *es.Envelope) { e.Source = "payment-service" }, contract.ErrInvalid},
		{"another schema", func(e *es.Envelope) { e.DataSchema = "urn:orderflow:schema:order.placed:2" }, contract.ErrInvalid},
		{"no subject", func(e *es.Envelope) { e.Subject = "" }, contract.ErrInvalid},
		{"no data", func(e *es.Envelope) { e.Data = nil }, contract.ErrInvalid},
		{"null", func(e *es.Envelope) { e.Data = json.RawMessage(`null`) }, contract.ErrInvalid},
		{"a list", func(e *es.Envelope) { e.Data = json.RawMessage(`[]`) }, contract.ErrInvalid},
		{"a field of another type", func(e *es.Envelope) { e.Data = replace(e.Data, `"ada"`, `7`) }, contract.ErrInvalid},
		{"a required field is missing", func(e *es.Envelope) { e.Data = replace(e.Data, `"orderId"`, `"id"`) }, contract.ErrInvalid},
		{"a required field is null", func(e *es.Envelope) { e.Data = replace(e.Data, `"ada"`, `null`) }, contract.ErrInvalid},
		{"text behind the data", func(e *es.Envelope) { e.Data = append(slices.Clone(e.Data), "{}"...) }, contract.ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e, err := contract.Map(placed)
			if err != nil {
				t.Fatal(err)
			}
			tt.change(&e)
			if _, err := contract.Decode(e); !errors.Is(err, tt.err) {
				t.Errorf("%v, want %v", err, tt.err)
			}
		})
	}
}

func replace(data json.RawMessage, before, after string) json.RawMessage {
	return json.RawMessage(strings.Replace(string(data), before, after, 1))
}

// Every event that is stored is published.
func TestNothingIsLeftOut(t *testing.T) {
	published := map[string]bool{}
	for _, c := range contract.Types() {
		published[c.Name] = published[c.Name] || c.Published
	}
	for _, name := range contract.Registry().Names() {
		if !published[name] {
			t.Errorf("%s has no contract", name)
		}
	}
	for name := range published {
		if !slices.Contains(contract.Registry().Names(), name) {
			t.Errorf("%s is never stored", name)
		}
	}
}
