package es_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/es"
)

func TestStreamID(t *testing.T) {
	for _, tt := range []struct {
		stream       es.StreamID
		category, id string
		valid        bool
	}{
		{es.NewStreamID("order", "1"), "order", "1", true},
		{"order/a/b", "order", "a/b", true},
		{"order/", "order", "", false},
		{"/1", "", "1", false},
		{"order", "order", "", false},
		{"", "", "", false},
	} {
		if tt.stream.Category() != tt.category || tt.stream.ID() != tt.id || tt.stream.Valid() != tt.valid {
			t.Errorf("%q: %q, %q, %v", tt.stream, tt.stream.Category(), tt.stream.ID(), tt.stream.Valid())
		}
	}
}

func TestErrors(t *testing.T) {
	conflict := fmt.Errorf("x: %w", &es.ConflictError{Stream: "order/1", Expected: 3, Actual: 5})
	limit := fmt.Errorf("x: %w", &es.LimitError{What: "bytes of a commit", Limit: 10, Actual: 11})
	for _, tt := range []struct {
		err      error
		is       error
		contains []string
	}{
		{conflict, es.ErrConflict, []string{"order/1", "3", "5"}},
		{limit, es.ErrLimit, []string{"11 bytes of a commit", "10"}},
	} {
		if !errors.Is(tt.err, tt.is) || errors.Is(tt.err, es.ErrCorrupt) {
			t.Errorf("%v is not %v", tt.err, tt.is)
		}
		for _, part := range tt.contains {
			if !strings.Contains(tt.err.Error(), part) {
				t.Errorf("%v does not say %q", tt.err, part)
			}
		}
	}
	if errors.Is(conflict, es.ErrLimit) || errors.Is(limit, es.ErrConflict) {
		t.Error("a conflict and a limit are taken for each other")
	}
}

func TestCheckCommits(t *testing.T) {
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	commit := func(stream es.StreamID, id string, at time.Time, events ...any) es.Commit {
		return es.Commit{Head: es.StoreHead(stream, 0, 0, ""), ID: id, Time: at, Events: events}
	}
	good := commit("thing/1", "c", at, opened{1})
	for _, tt := range []struct {
		name    string
		commits []es.Commit
		want    string
	}{
		{"good", []es.Commit{good, commit("thing/2", "c", at, opened{1})}, ""},
		{"nothing", nil, "es: nothing to append"},
		{
			"a made-up head", []es.Commit{{ID: "c", Time: at, Events: []any{opened{1}}}},
			`es: commit "c" has no stream: its Head comes from no store`,
		},
		{
			"without an id", []es.Commit{commit("thing/", "c", at, opened{1})},
			`es: "thing/" is no stream: category or id is missing`,
		},
		{
			"without a category", []es.Commit{commit("/1", "c", at, opened{1})},
			`es: "/1" is no stream: category or id is missing`,
		},
		{
			"without a slash", []es.Commit{commit("thing", "c", at, opened{1})},
			`es: "thing" is no stream: category or id is missing`,
		},
		{
			"one of two", []es.Commit{good, commit("thing/", "c", at, opened{1})},
			`es: "thing/" is no stream: category or id is missing`,
		},
		{"without a commit id", []es.Commit{commit("thing/1", "", at, opened{1})}, "es: a commit on thing/1 has no id"},
		{"without events", []es.Commit{commit("thing/1", "c", at)}, `es: commit "c" on thing/1 has no events`},
		{
			"without a time", []es.Commit{commit("thing/1", "c", time.Time{}, opened{1})},
			`es: commit "c" on thing/1 has no time`,
		},
		{"a stream twice", []es.Commit{good, good}, "es: two commits on thing/1 in one append"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := es.CheckCommits(tt.commits)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || err.Error() != tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

func TestRecordedID(t *testing.T) {
	if got := (es.Recorded{Stream: "order/1", Version: 7}).ID(); got != "order/1@7" {
		t.Error(got)
	}
}

func TestFoldMeetsAStranger(t *testing.T) {
	history := es.History{
		Events: []es.Recorded{
			{Stream: "order/1", Version: 1, Data: opened{N: 1}}, {Stream: "order/1", Version: 2, Data: "a string"},
		},
	}
	_, err := es.Fold(0, func(n int, e opened) int { return n + e.N }, history.Events)
	if !errors.Is(err, es.ErrCorrupt) || !strings.Contains(err.Error(), "order/1@2") {
		t.Error(err)
	}
}

func TestStoredCommit(t *testing.T) {
	r := es.NewRegistry(register)
	at := time.Date(2026, 7, 1, 12, 0, 0, 5, time.FixedZone("", -7200))
	c, err := r.EncodeCommit(es.Commit{
		Head: es.StoreHead("order/1", 4, 4, "before"), ID: "c", Fingerprint: "f", Time: at,
		Metadata: es.Metadata{Actor: "u"}, Events: []any{opened{1}, opened{2}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := es.StoredCommit{
		Stream: "order/1", First: 5, ID: "c", Fingerprint: "f", Time: at.UTC(), Metadata: es.Metadata{Actor: "u"},
		Events: []es.Stored{
			{Type: "thing.opened", Schema: 1, Data: json.RawMessage(`{"n":1}`)},
			{Type: "thing.opened", Schema: 1, Data: json.RawMessage(`{"n":2}`)},
		},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Error(diff)
	}
	if c.Last() != 6 || c.Head() != es.StoreHead("order/1", 5, 6, "c") {
		t.Errorf("ends at %d with %+v", c.Last(), c.Head())
	}
	now, err := r.EncodeCommit(es.Commit{
		Head: es.StoreHead("order/1", 0, 0, ""), ID: "c", Time: time.Now(), Events: []any{opened{1}},
	})
	if err != nil || strings.Contains(now.Time.String(), "m=") {
		t.Errorf("the time keeps its monotonic reading: %v, %v", now.Time, err)
	}
}

func envelope() es.Envelope {
	return es.Envelope{
		SpecVersion: es.SpecVersion, ID: "order/1@3", Source: "order-service", Type: "order.placed", Subject: "order/1",
		Time: time.Date(2026, 3, 1, 10, 0, 0, 120_000_000, time.UTC), DataContentType: "application/json",
		DataSchema:  "https://example.com/order.placed/v1.json",
		DataVersion: 1, Sequence: 3, CorrelationID: "c", CausationID: "s/charge", Traceparent: "00-1", Tracestate: "a=1",
		Data: json.RawMessage(`{"orderId":"1"}`),
	}
}

// TestParts: what was joined comes apart, and nothing else does.
func TestParts(t *testing.T) {
	one, two := errors.New("one"), errors.New("two")
	wrapped := fmt.Errorf("both: %w", errors.Join(one, two))
	for name, tt := range map[string]struct {
		err  error
		want []error
	}{
		"none":    {nil, nil},
		"one":     {one, []error{one}},
		"joined":  {errors.Join(one, two), []error{one, two}},
		"wrapped": {wrapped, []error{wrapped}},
	} {
		if got := es.Parts(tt.err); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v", name, got)
		}
	}
}

// TestEnvelopeShape: consumers in other languages depend on these names, and CloudEvents on their
// alphabet.
func TestEnvelopeShape(t *testing.T) {
	got, err := json.Marshal(envelope())
	if err != nil {
		t.Fatal(err)
	}
	want := `{"specversion":"1.0","id":"order/1@3","source":"order-service","type":"order.placed",` +
		`"subject":"order/1","time":"2026-03-01T10:00:00.12Z",` +
		`"datacontenttype":"application/json","dataschema":"https://example.com/order.placed/v1.json","dataversion":1,"sequence":3,` +
		`"correlationid":"c","causationid":"s/charge","traceparent":"00-1","tracestate":"a=1","data":{"orderId":"1"}}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var attributes map[string]json.RawMessage
	if err := json.Unmarshal(got, &attributes); err != nil {
		t.Fatal(err)
	}
	for name := range attributes {
		if !regexp.MustCompile(`^[a-z0-9]{1,20}$`).MatchString(name) {
			t.Errorf("CloudEvents knows no attribute like %q", name)
		}
	}
	e := envelope()
	e.CorrelationID, e.CausationID, e.Traceparent, e.Tracestate = "", "", "", ""
	if got, err = json.Marshal(e); err != nil || strings.Contains(string(got), `""`) {
		t.Errorf("an empty extension is not left out: %s, %v", got, err)
	}
	var back es.Envelope
	if err := json.Unmarshal([]byte(want), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(envelope(), back); diff != "" {
		t.Error(diff)
	}
}

func TestEnvelopeValidate(t *testing.T) {
	if err := envelope().Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*es.Envelope){
		"specversion": func(e *es.Envelope) { e.SpecVersion = "0.3" },
		"id":          func(e *es.Envelope) { e.ID = "" },
		"source":      func(e *es.Envelope) { e.Source = "" },
		"type":        func(e *es.Envelope) { e.Type = "" },
		"subject":     func(e *es.Envelope) { e.Subject = "order" },
		"time":        func(e *es.Envelope) { e.Time = time.Time{} },
		"sequence":    func(e *es.Envelope) { e.Sequence = 0 },
		"dataversion": func(e *es.Envelope) { e.DataVersion = 0 },
		"data":        func(e *es.Envelope) { e.Data = nil },
	} {
		e := envelope()
		change(&e)
		if err := e.Validate(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
