package awsenv_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	tracingPairs  = 15   // of processes, one with tracing and one without
	tracingBlocks = 24   // of invocations of each process of a pair
	recordedEvery = 20   // at the default of TracePercent, one invocation of so many is recorded
	tracingLimit  = 1.05 // printed beside the ratio, as startLimit is
)

// tracingBound leaves out so many pairs at each end. The median of what 15 pairs come to lies
// between the fourth lowest and the fourth highest of them in 96 % of all cases, whatever their
// distribution: less than four heads of 15 tosses have a chance of 1.8 %.
const tracingBound = 3

// BenchmarkTracing is what tracing takes of the CPU at its default rate: an invocation of a
// function that sends its spans to X-Ray's daemon, of which every 20th is recorded, against one
// with tracing off. Both have the same events, the sample of events/samples/invoke or a request.
//
// Two processes of one program differ by more than is to be measured, by where their memory lies,
// so there are many pairs. Within one, blocks of 20 invocations alternate, and a coin says which
// process is first each time: whatever else the machine does meets both. A pair's ratio is that of
// the CPU that its blocks took in all, so that garbage is collected at the expense of who made it.
// It prints
//
//	tracing/NAME ratio FIGURE [LOW HIGH]
//
// for the median of the pairs and the interval around it, and says that it is over the limit where
// the whole interval is. A metric has the ratio of an invocation that is recorded.
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
			var ratios, recordedRatios []float64
			for range tracingPairs {
				off := run(b, file, endpoint)
				on := run(
					b, file, endpoint, "TRACE_EXPORTER=xray", "TRACE_PERCENT=100", "AWS_XRAY_DAEMON_ADDRESS="+daemon,
				)
				off.invoke(b, []byte(recorded), warmUp)
				on.invoke(b, []byte(recorded), warmUp)
				var without, with traced
				for range tracingBlocks {
					sides := []func(){
						func() { without.add(b, off, recorded, other) }, func() { with.add(b, on, recorded, other) },
					}
					first := rand.IntN(2)
					sides[first]()
					sides[1-first]()
				}
				off.end()
				on.end()
				ratios = append(ratios, float64(with.all)/float64(without.all))
				recordedRatios = append(recordedRatios, float64(with.first)/float64(without.first))
			}
			slices.Sort(ratios)
			ratio, low, high := middle(ratios), ratios[tracingBound], ratios[tracingPairs-1-tracingBound]
			b.ReportMetric(ratio, "ratio")
			b.ReportMetric(low, "ratio-low")
			b.ReportMetric(high, "ratio-high")
			b.ReportMetric(middle(recordedRatios), "recorded-ratio")
			fmt.Printf("tracing/%s ratio %.3f [%.3f %.3f]\ntracing/%s limit %.2f%s\n", name, ratio, low, high, name,
				tracingLimit, map[bool]string{true: " (over)"}[low > tracingLimit])
		})
	}
}

// traced is what invocations took of the CPU, of which the first of each block is recorded where
// anything is.
type traced struct{ all, first time.Duration }

func (t *traced) add(b *testing.B, by running, recorded, other string) {
	b.Helper()
	first := by.invoke(b, []byte(recorded), 1)
	t.first += first
	t.all += first + by.invoke(b, []byte(other), recordedEvery-1)
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
