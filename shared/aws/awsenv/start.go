package awsenv

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"orderflow/shared/kit/awsclient"
)

// meter counts the requests of the process, which handles one invocation at a time; nil where
// nobody asked for it.
var meter = func() *awsclient.Meter {
	if os.Getenv("COUNT_REQUESTS") != "true" {
		return nil
	}
	return &awsclient.Meter{Name: variableOf(os.Environ())}
}()

// variableOf gives a table's name as the function's variables have it: that of EVENTS_TABLE is
// "events", whatever the stack calls the table.
func variableOf(environment []string) func(table string) string {
	names := map[string]string{}
	for _, variable := range environment {
		name, value, _ := strings.Cut(variable, "=")
		if of, ok := strings.CutSuffix(name, "_TABLE"); ok {
			names[value] = strings.ReplaceAll(strings.ToLower(of), "_", "-")
		}
	}
	return func(table string) string { return names[table] }
}

// Start is lambda.Start. Where TRACE_EXPORTER names one, each invocation sends its spans before it
// ends (docs/tracing.md). Where COUNT_REQUESTS is "true", each invocation ends with a line in the
// log that says how many messages a queue brought, what the function asked of AWS, how long it and
// these requests took, and what CPU time the process used, all in milliseconds.
func Start(handler any) {
	if t := tracingOf(os.Getenv); t != nil {
		handler = traced{Handler: lambda.NewHandler(handler), tracing: t}
	}
	if meter != nil {
		handler = counted{Handler: lambda.NewHandler(handler), meter: meter}
	}
	lambda.Start(handler)
}

// counted is a handler whose requests are counted.
type counted struct {
	lambda.Handler
	meter *awsclient.Meter
}

// Invoke implements lambda.Handler.
func (c counted) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	began, used := time.Now(), cpu()
	answer, err := c.Handler.Invoke(ctx, payload)
	requests, spent := c.meter.Take()
	slog.InfoContext(
		ctx, "requests counted", "messages", messages(payload), "requests", requests,
		"ms", millis(time.Since(began)), "requestMs", millis(spent), "cpuMs", millis(cpu()-used),
	)
	return answer, err
}

// messages is how many messages of a queue an invocation is for.
func messages(payload []byte) (n int) {
	var batch struct {
		Records []struct {
			EventSource string `json:"eventSource"`
		}
	}
	if json.Unmarshal(payload, &batch) != nil {
		return 0
	}
	for _, r := range batch.Records {
		if r.EventSource == "aws:sqs" {
			n++
		}
	}
	return n
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// cpu is the CPU time of the process so far, 0 where the system does not say.
func cpu() time.Duration {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
