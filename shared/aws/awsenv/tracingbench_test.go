package awsenv_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	tracingRounds = 31   // of each function with tracing, beside one without; odd, as startRounds
	recordedEvery = 20   // at the default of TracePercent, one invocation of so many is recorded
	tracingLimit  = 1.05 // printed beside the ratio, as startLimit is
)

// BenchmarkTracing is what tracing takes of the CPU at its default rate: an invocation of a
// function that sends its spans to X-Ray's daemon, of which every 20th is recorded, against one
// with tracing off. Both have the same events, the sample of events/samples/invoke or a request,
// and run in turns. It prints
//
//	tracing/NAME ratio FIGURE
//
// for the medians, and as a metric the ratio of an invocation that is recorded.
func BenchmarkTracing(b *testing.B) {
	bin, endpoint, daemon := buildFunctions(b), "http://"+serve(b, answerAWS), discard(b)
	for _, name := range []string{
		"accept-commands", "start-saga", "publish-events", "analyse-orders", "prepare-shipments",
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
			}
			recorded := tracedEvent(b, name)
			other := strings.ReplaceAll(recorded, traceOfSample, strings.TrimSuffix(traceOfSample, "1")+"0")
			file := filepath.Join(bin, name)
			off := run(b, file, endpoint)
			on := run(b, file, endpoint, "TRACE_EXPORTER=xray", "TRACE_PERCENT=100", "AWS_XRAY_DAEMON_ADDRESS="+daemon)
			off.invoke(b, []byte(recorded), warmUp)
			on.invoke(b, []byte(recorded), warmUp)
			var without, with traced
			for round := range tracingRounds {
				sides := []func(){
					func() { without.add(b, off, recorded, other) }, func() { with.add(b, on, recorded, other) },
				}
				for i := range sides { // each is first half of the time
					sides[(i+round)%2]()
				}
			}
			base := middle(without.all)
			ratio := float64(middle(with.all)) / float64(base)
			b.ReportMetric(float64(middle(with.all)/recordedEvery), "ns/op")
			b.ReportMetric(float64(base/recordedEvery), "base-ns/op")
			b.ReportMetric(float64(middle(with.first))/float64(middle(without.first)), "recorded-ratio")
			b.ReportMetric(ratio, "ratio")
			fmt.Printf("tracing/%s ratio %.3f\ntracing/%s limit %.2f%s\n", name, ratio, name, tracingLimit,
				map[bool]string{true: " (over)"}[ratio > tracingLimit])
		})
	}
}

// traced are the times that invocations took, of which the first of each round is recorded where
// anything is.
type traced struct{ all, first []time.Duration }

func (t *traced) add(b *testing.B, by running, recorded, other string) {
	b.Helper()
	first := by.invoke(b, []byte(recorded), 1)
	t.first = append(t.first, first)
	t.all = append(t.all, first+by.invoke(b, []byte(other), recordedEvery-1))
}

// traceOfSample is the trace that samples carry; it is recorded.
const traceOfSample = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// tracedEvent is a function's sample, whose trace is recorded.
func tracedEvent(b *testing.B, name string) string {
	b.Helper()
	event := strings.Replace(
		requests["accept-commands-cancel"], `"headers":{`, `"headers":{"traceparent":"`+traceOfSample+`",`, 1)
	if name != "accept-commands" {
		text, err := os.ReadFile(filepath.Join(root, "events", "samples", "invoke", name+".json"))
		if err != nil {
			b.Fatal(err)
		}
		event = string(text)
	}
	if !strings.Contains(event, traceOfSample) {
		b.Fatalf("the sample of %s has no trace", name)
	}
	return event
}

// discard is a daemon that takes what is sent to it.
func discard(b *testing.B) (address string) {
	b.Helper()
	listener, err := (&net.ListenConfig{}).ListenPacket(b.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	go func() {
		for buffer := make([]byte, 1<<16); ; {
			if _, _, err := listener.ReadFrom(buffer); err != nil {
				return
			}
		}
	}()
	return listener.LocalAddr().String()
}
