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
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

var placed = es.Recorded{
	Stream: "order/o1", Version: 1, Type: "order.placed", Schema: 1, CommitID: "place", Fingerprint: "f",
	Time: time.Date(2026, 3, 1, 12, 0, 0, 5, time.FixedZone("x", 3600)),
	Metadata: es.Metadata{CorrelationID: "c", CausationID: "r", Traceparent: "00-a-b-01", Tracestate: "c=d",
		Actor: "operator/7b12", Principal: "person/00u1"},
	Data: order.Placed{
		OrderID: "o1", CustomerID: "ada", AccountID: "a1",
		Lines: []order.Line{{SKU: "s", Quantity: 2, UnitPrice: money.Money{Amount: 5, Currency: "USD"}}},
		Total: money.Money{Amount: 10, Currency: "USD"}, Address: "pd1:c2VjcmV0", Revision: 1,
		PlacedAt: "2026-03-01T11:00:00Z",
	},
}

func TestMap(t *testing.T) {
	got, err := contract.Map(placed)
	if err != nil {
		t.Fatal(err)
	}
	data := `{"orderId":"o1","customerId":"ada","lines":[{"sku":"s","quantity":2,` +
		`"unitPrice":{"amount":5,"currency":"USD"},"amount":{"amount":10,"currency":"USD"}}],` +
		`"total":{"amount":10,"currency":"USD"}}`
	want := es.Envelope{
		SpecVersion: "1.0", ID: "order/o1@1", Source: "order-service", Type: "order.placed", Subject: "order/o1",
		Time:            time.Date(2026, 3, 1, 11, 0, 0, 5, time.UTC),
		DataContentType: "application/json", DataSchema: "urn:orderflow:schema:order.placed:1", DataVersion: 1,
		Sequence: 1, CorrelationID: "c", CausationID: "r",
		Traceparent: "00-a-b-01", Tracestate: "c=d", ActorKind: "person", ActorID: "00u1", Data: json.RawMessage(data),
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
		{
			"with a field of a newer publisher",
			func(e *es.Envelope) { e.Data = replace(e.Data, `"customerId"`, `"channel":"web","customerId"`) }, nil,
		},
		{"an unknown type", func(e *es.Envelope) { e.Type = "order.teleported" }, contract.ErrUnknown},
		{"a version of the future", func(e *es.Envelope) { e.DataVersion = 2 }, contract.ErrUnknown},
		{"no version", func(e *es.Envelope) { e.DataVersion = 0 }, contract.ErrInvalid},
		{"another source", func(e *es.Envelope) { e.Source = "payment-service" }, contract.ErrInvalid},
		{
			"another schema", func(e *es.Envelope) { e.DataSchema = "urn:orderflow:schema:order.placed:2" },
			contract.ErrInvalid,
		},
		{"no subject", func(e *es.Envelope) { e.Subject = "" }, contract.ErrInvalid},
		{"no data", func(e *es.Envelope) { e.Data = nil }, contract.ErrInvalid},
		{"null", func(e *es.Envelope) { e.Data = json.RawMessage(`null`) }, contract.ErrInvalid},
		{"a list", func(e *es.Envelope) { e.Data = json.RawMessage(`[]`) }, contract.ErrInvalid},
		{
			"text behind the data", func(e *es.Envelope) { e.Data = append(slices.Clone(e.Data), "{}"...) },
			contract.ErrInvalid,
		},
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

// What breaks the schema is told by place and rule, whatever it was, and never with a value of the
// data: the text goes to logs and dead letters.
func TestCheckSaysWhere(t *testing.T) {
	const currency = `"currency":"USD"`
	for _, tt := range []struct{ name, before, after, want string }{
		{"good", `{`, `{`, ""},
		{"newer optional properties", `"sku":"s"`, `"colour":"secret","sku":"s"`, ""},
		{"a property is missing", `"orderId":"o1",`, ``, "data: expected required property orderId to be present"},
		{
			"a property is missing inside", `"sku":"s",`, ``,
			"data.lines[0]: expected required property sku to be present",
		},
		{"a property is null", `"ada"`, `null`, "data.customerId: expected string"},
		{"another type", `"quantity":2`, `"quantity":"secret"`, "data.lines[0].quantity: expected integer"},
		{"another type, of a list", `"lines":[`, `"lines":"secret","was":[`, "data.lines: expected array"},
		{"a bound", `"quantity":2`, `"quantity":0`, "data.lines[0].quantity: expected number >= 1"},
		{
			"a pattern", currency, `"currency":"secret"`,
			"data.lines[0].unitPrice.currency: expected string to match pattern ^[A-Z]{3}$",
		},
		{"an empty list", `"lines":[`, `"lines":[],"were":[`, "data.lines: expected array length >= 1"},
		{"an empty text", `"orderId":"o1"`, `"orderId":""`, "data.orderId: expected length >= 1"},
		{
			"other letters", `"orderId":"o1"`, `"orderId":"o1","ORDERID":7`,
			"data.orderId: expected its name in these letters",
		},
		{
			"other letters inside", `"sku":"s"`, `"sku":"s","Sku":"secret"`,
			"data.lines[0].sku: expected its name in these letters",
		},
		{"an integer that is none to Go", `"quantity":2`, `"quantity":12345678901234567890123`, "quantity is no int64"},
		{"a fraction that is an integer to JSON Schema", `"quantity":2`, `"quantity":2.0`, "quantity is no int64"},
		{"no JSON", `"o1"`, `secret`, "no JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, err := contract.Map(placed)
			if err != nil {
				t.Fatal(err)
			}
			e.Data = replace(e.Data, tt.before, tt.after)
			_, err = contract.Decode(e)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if !errors.Is(err, contract.ErrInvalid) || !strings.Contains(err.Error(), tt.want) ||
				strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "123456") {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// The times of an event are those of RFC 3339, and no others that Go would read.
func TestCheckReadsTimesStrictly(t *testing.T) {
	shipped := placed
	shipped.Type, shipped.Data = "order.shipped", order.Shipped{ShipmentID: "h", DispatchedAt: "2026-03-01T11:00:00Z"}
	for text, good := range map[string]bool{
		"2026-03-01T11:00:00Z": true, "2026-03-01T12:00:00.5+01:00": true, "2026-03-01T11:00:00-00:00": true,
		"2026-03-01T11:00:00,5Z": false, "2026-03-01T1:00:00Z": false, "2026-03-01T11:00:00+24:00": false,
		"2026-03-01T11:00:00+01:60":       false,
		"2026-03-01T11:00:00.1234567890Z": false, "2026-03-01t11:00:00z": false, "2026-03-01": false, "": false,
	} {
		e, err := contract.Map(shipped)
		if err != nil {
			t.Fatal(err)
		}
		inside, outside := e, replaced(t, e, `"time":"2026-03-01T11:00:00.000000005Z"`, `"time":"`+text+`"`)
		inside.Data = replace(e.Data, `"2026-03-01T11:00:00Z"`, `"`+text+`"`)
		const want = "data.dispatchedAt: expected string to be RFC 3339 date-time"
		if err := contract.Check(inside); (err == nil) != good || err != nil && strings.Count(err.Error(), want) != 1 {
			t.Errorf("dispatched at %q: %v", text, err)
		}
		if _, err := contract.Open(outside); (err == nil) != (good || text == "") ||
			err != nil && !errors.Is(err, contract.ErrInvalid) {
			t.Errorf("of %q: %v", text, err)
		}
	}
}

// replaced is an envelope as EventBridge delivers it, with another text in it.
func replaced(t *testing.T, e es.Envelope, before, after string) []byte {
	t.Helper()
	detail, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	body := `{"detail-type":"` + e.Type + `","source":"` + e.Source + `","detail":` + string(detail) + `}`
	if !strings.Contains(body, before) {
		t.Fatalf("%s has no %s", body, before)
	}
	return []byte(strings.Replace(body, before, after, 1))
}

// A text that breaks rules in a thousand places has an error of one line.
func TestCheckSaysNotAll(t *testing.T) {
	e, err := contract.Map(placed)
	if err != nil {
		t.Fatal(err)
	}
	e.Data = replace(e.Data, `"lines":[`, `"lines":[`+strings.Repeat(`7,`, 1000))
	if err := contract.Check(e); !errors.Is(err, contract.ErrInvalid) || len(err.Error()) > 1000 ||
		!strings.Contains(err.Error(), "and 995 more") {
		t.Error(err)
	}
}

// A delivery that can't be opened is told without what it says.
func TestOpen(t *testing.T) {
	e, err := contract.Map(placed)
	if err != nil {
		t.Fatal(err)
	}
	detail, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	good := `{"detail-type":"order.placed","source":"order-service","replay-name":"r","detail":` + string(detail) + `}`
	if got, err := contract.Open([]byte(good)); err != nil || got.ID != e.ID {
		t.Errorf("%+v, %v", got, err)
	}
	for name, body := range map[string]string{
		"nothing": ``, "cut off": good[:len(good)-3], "no JSON": `secret`, "a list": `["secret"]`,
		"two of them":             good + good,
		"a time that is none":     strings.Replace(good, `"time":"2026`, `"time":"secret`, 1),
		"a sequence that is none": strings.Replace(good, `"sequence":1`, `"sequence":"secret"`, 1),
		"another type outside": strings.Replace(
			good, `"detail-type":"order.placed"`, `"detail-type":"order.shipped"`, 1,
		),
		"another source outside": strings.Replace(
			good, `"source":"order-service","replay-name"`, `"source":"x","replay-name"`, 1,
		),
		"a version that is a text": strings.Replace(good, `"dataversion":1`, `"dataversion":"secret"`, 1),
	} {
		if _, err := contract.Open([]byte(body)); !errors.Is(err, contract.ErrInvalid) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An event of which two versions are published has two envelopes: of one place in the stream, each
// with an id that never changes, and each as its consumers know it.
func TestVersions(t *testing.T) {
	for reason, kind := range map[order.Reason]string{
		order.ReasonCustomer: "customer", order.ReasonErased: "customer", order.ReasonOperator: "operator",
		order.ReasonExpired: "expired", order.ReasonSaga: "failure",
		"account.insufficient-funds": "payment", "payment.void": "payment", "stock.insufficient": "stock",
		"shipment.country-not-served": "shipment",
		"weather.storm":               "failure", "odd": "failure",
	} {
		r := placed
		r.Version, r.Type, r.Data = 5, "order.cancelled", order.Cancelled{SagaID: "s", Reason: reason}
		got, err := contract.Versions(r)
		if err != nil || len(got) != 2 {
			t.Fatalf("%s: %d, %v", reason, len(got), err)
		}
		first, err := contract.Decode(got[0])
		if err != nil {
			t.Fatal(err)
		}
		second, err := contract.Decode(got[1])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(any(contract.OrderCancelled{OrderID: "o1", Reason: string(reason)}), first); diff != "" {
			t.Errorf("version 1: %s", diff)
		}
		if diff := cmp.Diff(any(contract.OrderCancelledV2{
			OrderID: "o1", Reason: contract.CancellationReason{Kind: kind, Code: string(reason)},
		}), second); diff != "" {
			t.Errorf("version 2: %s", diff)
		}
		if got[0].ID != "order/o1@5" || got[1].ID != "order/o1@5/v2" || got[0].Sequence != 5 || got[1].Sequence != 5 ||
			got[0].DataVersion != 1 || got[1].DataVersion != 2 {
			t.Errorf("envelopes %+v", got)
		}
		if only, err := contract.Map(r); err != nil || only.ID != got[0].ID {
			t.Errorf("Map: %+v, %v", only, err)
		}
		// What has the data of one version and the number of the other fits neither.
		got[0].DataVersion, got[0].DataSchema = 2, got[1].DataSchema
		if err := contract.Check(got[0]); !errors.Is(err, contract.ErrInvalid) ||
			!strings.Contains(err.Error(), "data.reason: expected object") {
			t.Errorf("version 1 as version 2: %v", err)
		}
	}
}

// Each type has one version that is current, the newest; each older one says since when there is a
// newer one, and is published for as long as was promised.
func TestSupport(t *testing.T) {
	newest := map[string]int{}
	for _, c := range contract.Types() {
		newest[c.Name] = c.Version // they come by version
	}
	for _, c := range contract.Types() {
		if (c.Version == newest[c.Name]) != (c.Status() == contract.Current) {
			t.Errorf("%s version %d is %s, and version %d is the newest", c.Name, c.Version, c.Status(), newest[c.Name])
		}
		if c.Version == newest[c.Name] {
			continue
		}
		deprecated, err := time.Parse(time.DateOnly, c.Deprecated)
		if err != nil {
			t.Fatal(err)
		}
		until, err := time.Parse(time.DateOnly, c.Until)
		if err != nil {
			t.Fatal(err)
		}
		if until.Before(deprecated.AddDate(0, contract.SupportMonths, 0)) {
			t.Errorf(
				"%s version %d: from %s to %s are less than %d months", c.Name, c.Version, c.Deprecated, c.Until,
				contract.SupportMonths,
			)
		}
	}
}

func replace(data json.RawMessage, before, after string) json.RawMessage {
	return json.RawMessage(strings.Replace(string(data), before, after, 1))
}

// Every event that is stored is published but for those that are kept, and besides them the one
// that is made of the whole stream.
func TestNothingIsLeftOut(t *testing.T) {
	published := map[string]bool{}
	for _, c := range contract.Types() {
		published[c.Name] = published[c.Name] || c.Published
	}
	for _, name := range contract.Registry().Names() {
		if published[name] == contract.Kept(name) {
			t.Errorf("%s: published is %t, kept too", name, published[name])
		}
	}
	for name := range published {
		if stored := slices.Contains(contract.Registry().Names(), name); stored == (name == contract.OrderUpdatedType) {
			t.Errorf("%s is never stored", name)
		}
	}
}

// BenchmarkDecode is what a consumer pays for each event.
func BenchmarkDecode(b *testing.B) {
	e, err := contract.Map(placed)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := contract.Decode(e); err != nil {
			b.Fatal(err)
		}
	}
}
