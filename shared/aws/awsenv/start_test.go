package awsenv_test

import (
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	root  = "../../.."
	hello = "hello"

	startRounds  = 41 // of each function, beside hello world; odd, for a median that was measured
	startTimeout = 10 * time.Second

	invocationTime = 5 * time.Second // that an invocation has
)

// startLimit is the most that a function's start may take of hello world's. The figure is printed
// beside it and fails nothing: machines are noisy.
const startLimit = 1.6

// BenchmarkStart is what a cold start waits for: from the start of a function's process to its
// first poll of the runtime API, against a hello world as its author would build it, stripped. Both
// run in turns. It prints
//
//	start/NAME ratio FIGURE
//
// for the medians of the times, and as metrics the quartiles of the ratio of a round, the ratio of
// the CPU's times, which other work on the machine moves less, and the size of the binary.
func BenchmarkStart(b *testing.B) {
	bin := buildFunctions(b)
	runtime := startRuntime(b)
	environment := functionEnvironment(b, runtime.address)
	for _, name := range functionNames(b) {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
			}
			var own, bare starts
			for round := range startRounds + 2 {
				sides := []func(){
					func() { own.add(runtime.start(b, filepath.Join(bin, name), environment)) },
					func() { bare.add(runtime.start(b, filepath.Join(bin, hello), environment)) },
				}
				for i := range sides { // each is first half of the time
					sides[(i+round)%2]()
				}
				if round == 1 { // the files are in memory now
					own, bare = starts{}, starts{}
				}
			}
			ratios := make([]float64, startRounds)
			for i := range ratios {
				ratios[i] = float64(own.wall[i]) / float64(bare.wall[i])
			}
			slices.Sort(ratios)
			ratio := float64(middle(own.wall)) / float64(middle(bare.wall))
			b.ReportMetric(float64(middle(own.wall)), "ns/op")
			b.ReportMetric(float64(middle(bare.wall)), "base-ns/op")
			b.ReportMetric(ratio, "ratio")
			b.ReportMetric(ratios[startRounds/4], "ratio-q1")
			b.ReportMetric(ratios[startRounds*3/4], "ratio-q3")
			b.ReportMetric(float64(middle(own.cpu))/float64(middle(bare.cpu)), "cpu-ratio")
			b.ReportMetric(megabytes(b, filepath.Join(bin, name)), "MB")
			traceStart(b, runtime, filepath.Join(bin, name), environment)
			fmt.Printf("start/%s ratio %.2f\nstart/%s limit %.2f%s\n", name, ratio, name, startLimit,
				map[bool]string{true: " (over)"}[ratio > startLimit])
		})
	}
}

// starts are the times that starts took.
type starts struct{ wall, cpu []time.Duration }

func (s *starts) add(wall, cpu time.Duration, _ string) {
	s.wall, s.cpu = append(s.wall, wall), append(s.cpu, cpu)
}

func middle[T cmp.Ordered](of []T) T { return slices.Sorted(slices.Values(of))[len(of)/2] }

// runtimeAPI is a Lambda runtime API. It says when a function polls, and answers with what is in
// events; while there is nothing, the function waits.
type runtimeAPI struct {
	address string
	polled  chan time.Time
	events  chan []byte
	answers chan answer
}

// answer is what a function made of an event.
type answer struct {
	failed bool
	body   string
}

func startRuntime(tb testing.TB) runtimeAPI {
	api := runtimeAPI{polled: make(chan time.Time, 1), events: make(chan []byte), answers: make(chan answer)}
	api.address = serve(tb, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			api.answers <- answer{strings.HasSuffix(r.URL.Path, "/error"), string(body)}
			w.WriteHeader(http.StatusAccepted)
			return
		}
		select {
		case api.polled <- time.Now():
		default: // nobody asks
		}
		select {
		case event := <-api.events:
			deadline := time.Now().Add(invocationTime).UnixMilli()
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "request")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(deadline, 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:f")
			_, _ = w.Write(event)
		case <-r.Context().Done():
		}
	})
	return api
}

// serve answers on a loopback address of its own until the test ends.
func serve(tb testing.TB, handler http.HandlerFunc) (address string) {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: startTimeout, Handler: handler}
	go func() { _ = server.Serve(listener) }()
	tb.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// start runs a function until it polls, and gives what that took by the clock and of the CPU, and
// what the function printed.
func (r runtimeAPI) start(b *testing.B, file string, environment []string) (wall, cpu time.Duration, said string) {
	b.Helper()
	var printed strings.Builder
	process := exec.CommandContext(b.Context(), file)
	process.Env, process.Stdout, process.Stderr = environment, &printed, &printed
	began := time.Now()
	if err := process.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = process.Wait() }()
	select {
	case at := <-r.polled:
		wall = at.Sub(began)
	case <-ended:
		b.Fatalf("%s ended before it polled: %s", file, printed.String())
	case <-time.After(startTimeout):
		b.Errorf("%s did not poll within %v", file, startTimeout)
	}
	_ = process.Process.Signal(syscall.SIGKILL)
	<-ended
	return wall, process.ProcessState.SystemTime() + process.ProcessState.UserTime(), printed.String()
}

// buildFunctions builds all functions, and hello world, as they are deployed.
func buildFunctions(tb testing.TB) (directory string) {
	tb.Helper()
	flags, err := os.ReadFile(filepath.Join(root, "infra", "goflags"))
	if err != nil {
		tb.Fatal(err)
	}
	directory = tb.TempDir()
	for packages, flags := range map[string]string{
		"./functions/...":                       strings.TrimSpace(string(flags)),
		"./shared/aws/awsenv/testdata/" + hello: "-buildvcs=false -ldflags=-s",
	} {
		build := exec.CommandContext(tb.Context(), "go", "build", "-o", directory+string(filepath.Separator), packages)
		build.Dir = root
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+flags)
		if said, err := build.CombinedOutput(); err != nil {
			tb.Fatalf("go build: %v\n%s", err, said)
		}
	}
	return directory
}

// traceStart writes what a function's packages do before main, where profiles are asked for.
func traceStart(b *testing.B, runtime runtimeAPI, file string, environment []string) {
	b.Helper()
	directory := os.Getenv("ORDERFLOW_PROFILES")
	if directory == "" {
		return
	}
	_, _, said := runtime.start(b, file, append(slices.Clip(environment), "GODEBUG=inittrace=1"))
	trace := filepath.Join(directory, filepath.Base(file)+".inittrace")
	if err := os.WriteFile(trace, []byte(said), 0o600); err != nil { //nolint:gosec // the caller names the directory
		b.Fatal(err)
	}
}

func functionNames(tb testing.TB) (names []string) {
	tb.Helper()
	mains, err := filepath.Glob(filepath.Join(root, "functions", "*", "main.go"))
	if err != nil || len(mains) == 0 {
		tb.Fatal("no functions: ", err)
	}
	for _, file := range mains {
		names = append(names, filepath.Base(filepath.Dir(file)))
	}
	return names
}

var variable = regexp.MustCompile(`(?:awsenv\.Env|os\.Getenv)\("([A-Z_]+)"\)`)

// functionEnvironment gives every variable that a function reads a value. Those that are checked at
// the start have one of their form.
func functionEnvironment(tb testing.TB, runtime string) []string {
	tb.Helper()
	values := map[string]string{
		"AWS_LAMBDA_RUNTIME_API": runtime, "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "test",
		"AWS_SECRET_ACCESS_KEY": "test", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
		"MAIL_FROM": "shop@example.com", "TIME_ZONE": "Europe/Berlin", "SETTLE_SECONDS": "60",
		"ORDER_BUDGET_SECONDS": "600", "ANALYTICS_GENERATION": "1", "SERVED_COUNTRIES": "DE,FR",
		"DEAD_LETTER_MIN_AGE": "300", "DEAD_LETTER_MAX_REDRIVES": "3", "DEAD_LETTER_SPACING": "2",
		"HOLD_AMOUNTS": "EUR:1", "HOLD_COUNTRIES": "DE", "HOLD_FIRST_ORDERS": "false",
		"CUSTOMER_QUOTA_PER_HOUR": "100", "API_URL": "https://api.execute-api.eu-west-1.amazonaws.com",
	}
	for _, name := range functionNames(tb) {
		text, err := os.ReadFile(filepath.Join(root, "functions", name, "main.go"))
		if err != nil {
			tb.Fatal(err)
		}
		for _, found := range variable.FindAllStringSubmatch(string(text), -1) {
			values[found[1]] = cmp.Or(values[found[1]], "x")
		}
	}
	environment := make([]string, 0, len(values))
	for name, value := range values {
		environment = append(environment, name+"="+value)
	}
	slices.Sort(environment)
	return environment
}

func megabytes(b *testing.B, file string) float64 {
	b.Helper()
	info, err := os.Stat(file)
	if err != nil {
		b.Fatal(err)
	}
	return float64(info.Size()) / 1e6
}
