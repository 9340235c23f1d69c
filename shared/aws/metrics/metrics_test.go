package metrics

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/clock"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 987_000_000, time.UTC)

func TestCount(t *testing.T) {
	tests := []struct {
		name       string
		metric     string
		n          int64
		dimensions Dimensions
		want       string
	}{
		{"without dimensions", "OrdersPlaced", 1, nil,
			`{"OrdersPlaced":1,"_aws":{"Timestamp":1777636800987,"CloudWatchMetrics":[{"Namespace":"orderflow","Dimensions":[[]],
			"Metrics":[{"Name":"OrdersPlaced","Unit":"Count"}]}]}}`},
		{"with dimensions", "OrdersClosed", -3, Dimensions{"reason": "payment.declined", "Function": "sweep-orders"},
			`{"OrdersClosed":-3,"reason":"payment.declined","Function":"sweep-orders","_aws":{"Timestamp":1777636800987,"CloudWatchMetrics":[{
			"Namespace":"orderflow","Dimensions":[["Function","reason"]],"Metrics":[{"Name":"OrdersClosed","Unit":"Count"}]}]}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			New(&out, clock.NewFake(now)).Count(tt.metric, tt.n, tt.dimensions)
			if bytes.Count(out.Bytes(), []byte("\n")) != 1 || !bytes.HasSuffix(out.Bytes(), []byte("\n")) {
				t.Errorf("not one line: %q", out.Bytes())
			}
			var got, want any
			if err := errors.Join(
				json.Unmarshal(out.Bytes(), &got), json.Unmarshal([]byte(tt.want), &want),
			); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if err := embedded(out.Bytes()); err != nil {
				t.Error(err)
			}
		})
	}
}

// Each metric is paid for by the hours in which it is written.
func TestCountWritesNothingOfNone(t *testing.T) {
	var out bytes.Buffer
	New(&out, clock.NewFake(now)).Count("OpenDeadLetters", 0, Dimensions{"Stack": "shop"})
	if out.Len() != 0 {
		t.Errorf("written: %s", out.Bytes())
	}
}

// embedded checks a line against "Specification: Embedded metric format": what its schema demands,
// and that each name refers to a member of the root.
func embedded(line []byte) error {
	var root map[string]json.RawMessage
	if err := json.Unmarshal(line, &root); err != nil {
		return err
	}
	var aws struct {
		Timestamp         *int64
		CloudWatchMetrics *[]struct {
			Namespace  string
			Dimensions *[][]string
			Metrics    []struct{ Name, Unit string }
		}
	}
	d := json.NewDecoder(bytes.NewReader(root["_aws"]))
	d.DisallowUnknownFields()
	if err := d.Decode(&aws); err != nil {
		return err
	}
	if aws.Timestamp == nil || *aws.Timestamp < 0 || aws.CloudWatchMetrics == nil {
		return errors.New("required members are missing")
	}
	for _, m := range *aws.CloudWatchMetrics {
		if m.Namespace == "" || len(m.Namespace) > 1024 || m.Dimensions == nil || len(*m.Dimensions) < 1 ||
			len(m.Metrics) > 100 {
			return errors.New("a directive is incomplete")
		}
		for _, set := range *m.Dimensions {
			if set == nil || len(set) > 30 {
				return errors.New("a dimension set is null or too large")
			}
			for _, name := range set {
				var value string
				if err := json.Unmarshal(root[name], &value); err != nil || value == "" || len(value) > 1024 ||
					len(name) > 250 {
					return fmt.Errorf("dimension %q refers to %s", name, root[name])
				}
			}
		}
		for _, metric := range m.Metrics {
			var value float64
			if err := json.Unmarshal(root[metric.Name], &value); err != nil || metric.Unit != "Count" &&
				metric.Unit != "Seconds" {
				return fmt.Errorf("metric %q refers to %s", metric.Name, root[metric.Name])
			}
		}
	}
	return nil
}

func TestSeconds(t *testing.T) {
	var out bytes.Buffer
	New(&out, clock.NewFake(now)).Seconds("Lag", 1_234_567*time.Microsecond, Dimensions{"View": "orders"})
	want := `{"Lag":1.235,"View":"orders","_aws":{"Timestamp":1777636800987,"CloudWatchMetrics":[` +
		`{"Namespace":"orderflow","Dimensions":[["View"]],"Metrics":[{"Name":"Lag","Unit":"Seconds"}]}]}}` + "\n"
	if out.String() != want || embedded(out.Bytes()) != nil {
		t.Errorf("got %s, %v; want %s", out.String(), embedded(out.Bytes()), want)
	}
}

func TestWhatTheFormatCannotHold(t *testing.T) {
	many := Dimensions{}
	for i := range 31 {
		many[fmt.Sprint("d", i)] = "x"
	}
	for name, tt := range map[string]struct {
		metric     string
		dimensions Dimensions
	}{
		"no name":                            {"", nil},
		"a long name":                        {strings.Repeat("n", 1025), nil},
		"the format's own name":              {"_aws", nil},
		"a dimension of the metric's name":   {"x", Dimensions{"x": "1"}},
		"a dimension of the format's name":   {"x", Dimensions{"_aws": "1"}},
		"a dimension without a name":         {"x", Dimensions{"": "1"}},
		"a dimension with a long name":       {"x", Dimensions{strings.Repeat("n", 251): "1"}},
		"a dimension without a value":        {"x", Dimensions{"d": ""}},
		"a dimension with a very long value": {"x", Dimensions{"d": strings.Repeat("n", 1025)}},
		"too many dimensions":                {"x", many},
	} {
		t.Run(name, func(t *testing.T) {
			log := logged(t)
			var out bytes.Buffer
			New(&out, clock.NewFake(now)).Count(tt.metric, 1, tt.dimensions)
			if out.Len() > 0 || !strings.Contains(log.String(), "metric not counted") {
				t.Errorf("wrote %q, logged %q", out.String(), log.String())
			}
		})
	}
}

func TestBrokenOutput(t *testing.T) {
	log := logged(t)
	New(broken{}, clock.NewFake(now)).Count("x", 1, nil)
	if !strings.Contains(log.String(), "pipe is gone") {
		t.Errorf("logged %q", log.String())
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("pipe is gone") }

// logged collects slog's default log until the test ends.
func logged(t *testing.T) *bytes.Buffer {
	t.Helper()
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

func TestConcurrentCounts(t *testing.T) {
	var out bytes.Buffer
	w := New(&out, clock.NewFake(now))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() { w.Count("x", 1, Dimensions{"d": "v"}) })
	}
	wg.Wait()
	lines := 0
	for s := bufio.NewScanner(&out); s.Scan(); lines++ {
		if err := embedded(s.Bytes()); err != nil {
			t.Errorf("%s: %v", s.Bytes(), err)
		}
	}
	if lines != 20 {
		t.Errorf("%d lines", lines)
	}
}
