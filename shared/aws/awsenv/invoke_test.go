package awsenv_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const (
	invokeRounds = 9   // of each function, beside hello world
	invocations  = 50  // of a round
	warmUp       = 100 // invocations that aren't counted: they make what is made once
)

// invoked are the functions whose sample needs nothing that stands in a table.
var invoked = []string{"start-saga", "publish-events", "project-views", "analyse-orders", "prepare-shipments"}

// BenchmarkInvoke is what an invocation takes of the CPU in a function's own process, with the
// sample of events/samples/invoke and an AWS that answers at once, against a hello world with the
// same event. Both run in turns. It prints
//
//	invoke/NAME ratio FIGURE
//
// for the medians, and as metrics both times and the requests to AWS of an invocation.
func BenchmarkInvoke(b *testing.B) {
	bin := buildFunctions(b)
	var requests atomic.Int64
	endpoint := "http://" + serve(b, func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		answerAWS(w, r)
	})
	for _, name := range invoked {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
			}
			event, err := os.ReadFile(filepath.Join(root, "events", "samples", "invoke", name+".json"))
			if err != nil {
				b.Fatal(err)
			}
			own, bare := run(b, filepath.Join(bin, name), endpoint), run(b, filepath.Join(bin, hello), endpoint)
			own.invoke(b, event, warmUp)
			bare.invoke(b, event, warmUp)
			requests.Store(0)
			var times [2][]time.Duration
			for range invokeRounds {
				times[0] = append(times[0], own.invoke(b, event, invocations))
				times[1] = append(times[1], bare.invoke(b, event, invocations))
			}
			each, baseline := middle(times[0])/invocations, middle(times[1])/invocations
			b.ReportMetric(float64(each), "ns/op")
			b.ReportMetric(float64(baseline), "base-ns/op")
			b.ReportMetric(float64(requests.Load())/(invokeRounds*invocations), "requests/op")
			b.ReportMetric(float64(each)/float64(baseline), "ratio")
			fmt.Printf("invoke/%s ratio %.2f\n", name, float64(each)/float64(baseline))
		})
	}
}

// running is a function's process with a runtime API of its own.
type running struct {
	runtimeAPI
	process *exec.Cmd
	printed *strings.Builder
}

func run(tb testing.TB, file, endpoint string, more ...string) running {
	tb.Helper()
	r := running{
		runtimeAPI: startRuntime(tb), process: exec.CommandContext(tb.Context(), file), printed: &strings.Builder{},
	}
	r.process.Env = append(append(functionEnvironment(tb, r.address), "AWS_ENDPOINT_URL="+endpoint), more...)
	r.process.Stderr = r.printed
	if err := r.process.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.end)
	return r
}

// end ends the process, where it is not ended yet.
func (r running) end() {
	_ = r.process.Process.Kill()
	_ = r.process.Wait()
}

// invoke gives a function the event n times, and says what that took of the CPU.
func (r running) invoke(b *testing.B, event []byte, n int) time.Duration {
	b.Helper()
	before := r.cpuTime(b)
	for range n {
		timeout := time.After(startTimeout)
		select {
		case r.events <- event:
		case <-timeout:
			b.Fatalf("%s doesn't poll: %s", r.process.Path, r.printed)
		}
		select {
		case got := <-r.answers:
			if got.failed || strings.Contains(got.body, "itemIdentifier") {
				b.Fatalf("%s failed: %s", r.process.Path, got.body)
			}
		case <-timeout:
			b.Fatalf("%s doesn't answer: %s", r.process.Path, r.printed)
		}
	}
	return r.cpuTime(b) - before
}

// cpuTime is what the threads of the process have taken of the CPU.
func (r running) cpuTime(b *testing.B) (sum time.Duration) {
	b.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", r.process.Process.Pid))
	if err != nil || len(files) == 0 {
		b.Fatalf("%s ended: %v, %s", r.process.Path, err, r.printed)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		first, _, _ := strings.Cut(string(text), " ")
		n, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(n)
	}
	return sum
}

// answerAWS answers like an AWS with nothing in its tables that takes everything.
func answerAWS(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	text := "{}"
	switch operation {
	case "Query":
		text = `{"Count":0,"ScannedCount":0,"Items":[]}`
	case "PutEvents":
		entries := strings.Repeat(`,{"EventId":"e"}`, bytes.Count(body, []byte(`"Detail":`)))
		text = `{"FailedEntryCount":0,"Entries":[` + strings.TrimPrefix(entries, ",") + `]}`
	case "StartExecution":
		text = `{"executionArn":"arn:aws:states:us-east-1:123456789012:execution:s:n","startDate":1}`
	}
	_, _ = io.WriteString(w, text)
}
