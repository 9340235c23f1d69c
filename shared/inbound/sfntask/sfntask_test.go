package sfntask_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"

	"orderflow/shared/inbound/sfntask"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/trail"
)

var errTooFew = faults.Declare(faults.Rule, "test.too-few")

type in struct {
	OrderID string `json:"orderId"`
	N       int64  `json:"n"`
}

type checked struct {
	in
	Least int64 `json:"least"`
}

func (c checked) Validate() error {
	if c.N < c.Least {
		return fmt.Errorf("n is %d, the least is %d", c.N, c.Least)
	}
	return nil
}

type out struct {
	Doubled int64 `json:"doubled"`
}

var router = sfntask.Router{
	"double": sfntask.Task(func(_ context.Context, i in) (out, error) { return out{Doubled: 2 * i.N}, nil }),
	"check":  sfntask.Task(func(_ context.Context, c checked) (out, error) { return out{Doubled: 2 * c.N}, nil }),
	"refuse": sfntask.Task(func(context.Context, in) (out, error) {
		return out{}, errTooFew.New("too few of %q", "cd-1")
	}),
	"wrap": sfntask.Task(func(context.Context, in) (out, error) {
		return out{}, fmt.Errorf("a: %w", errors.Join(errors.New("b"), fmt.Errorf("c: %w", errTooFew.New("too few"))))
	}),
	"break": sfntask.Task(func(context.Context, in) (out, error) {
		return out{}, errors.New("row 17 of table secret")
	}),
	"panic": sfntask.Task(func(context.Context, in) (out, error) { panic("a mistake") }),
	"odd":   sfntask.Task(func(context.Context, in) (func(), error) { return func() {}, nil }),
}

// answers is what the router makes of inputs, as Step Functions sees it.
var answers = []struct {
	name, input, output, errorType, errorMessage string
}{
	{"a task", `{"task":"double","orderId":"o-1","n":21}`, `{"doubled":42}`, "", ""},
	{
		"the numbers that floats can't hold", `{"task":"double","n":4503599627370497}`, `{"doubled":9007199254740994}`,
		"", "",
	},
	{"checked input", `{"task":"check","n":3,"least":3}`, `{"doubled":6}`, "", ""},
	{"a fault", `{"task":"refuse"}`, "", "test.too-few", `too few of "cd-1"`},
	{"a wrapped fault", `{"task":"wrap"}`, "", "test.too-few", "too few"},
	{"an error", `{"task":"break"}`, "", "internal", "the log tells more"},
	{"a field too many", `{"task":"double","n":1,"m":2}`, "", "task.invalid", `json: unknown field "m"`},
	{"another type", `{"task":"double","n":"1"}`, "", "task.invalid", ""},
	{"refused input", `{"task":"check","n":2,"least":3}`, "", "task.invalid", "n is 2, the least is 3"},
	{"another task", `{"task":"halve"}`, "", "task.invalid", `there is no task "halve"`},
	{"no task", `{"n":1}`, "", "task.invalid", "the input has no task"},
	{"a task that is no text", `{"task":7}`, "", "task.invalid", "the input has no task"},
	{"a list", `[{"task":"double"}]`, "", "task.invalid", ""},
	{"null", `null`, "", "task.invalid", "the input has no task"},
}

func TestHandle(t *testing.T) {
	for _, tc := range answers {
		t.Run(tc.name, func(t *testing.T) {
			got, err := router.Handle(t.Context(), json.RawMessage(tc.input))
			if tc.errorType == "" {
				text, encodeErr := json.Marshal(got)
				if err != nil || encodeErr != nil || string(text) != tc.output {
					t.Errorf("got %s, %v, %v, want %s", text, err, encodeErr, tc.output)
				}
				return
			}
			failure, byValue := err.(messages.InvokeResponse_Error) // as aws-lambda-go asserts it
			if got != nil || !byValue || failure.Type != tc.errorType ||
				!strings.Contains(failure.Message, tc.errorMessage) {
				t.Errorf("got %v, %#v, want %s: %s", got, err, tc.errorType, tc.errorMessage)
			}
		})
	}
}

func TestHandleLogsOneLine(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(trail.Handler(slog.NewJSONHandler(&log, nil))))
	t.Cleanup(func() { slog.SetDefault(before) })
	for _, tc := range []struct{ input, level, want string }{
		{`{"task":"double","orderId":"o-1","n":1}`, "INFO", `"subject":"order/o-1","orderId":"o-1"`},
		{`{"task":"refuse","orderId":"o-1","n":1}`, "WARN", `"code":"test.too-few"`},
		{`{"task":"break","orderId":"o-1","n":1}`, "ERROR", `row 17 of table secret`},
		{`7`, "WARN", `"code":"task.invalid"`},
	} {
		log.Reset()
		_, err := router.Handle(t.Context(), json.RawMessage(tc.input))
		if line := log.String(); strings.Count(line, "\n") != 1 || !strings.Contains(line, tc.want) ||
			!strings.Contains(line, `"level":"`+tc.level+`"`) {
			t.Errorf("%s (%v) logs %q, want one line at %s with %s", tc.input, err, line, tc.level, tc.want)
		}
	}
}

// serve makes the test's own binary the function that TestOnTheWire talks to.
const serve = "SFNTASK_TEST_SERVE"

func TestMain(m *testing.M) {
	if os.Getenv(serve) != "" {
		lambda.Start(router.Handle)
	}
	os.Exit(m.Run())
}

// wireAnswer is what a function sent to Lambda.
type wireAnswer struct {
	path string
	body struct {
		Doubled      int64  `json:"doubled"`
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}
	text string
}

// TestOnTheWire runs the router as a function does, in a process of its own against Lambda's
// runtime interface: what the interface gets is what the state machine sees.
func TestOnTheWire(t *testing.T) {
	inputs, sent := make(chan string), make(chan wireAnswer, 1)
	n := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case input := <-inputs:
			n++
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", strconv.Itoa(n))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:test")
			if _, err := io.WriteString(w, input); err != nil {
				t.Error(err)
			}
		case <-r.Context().Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{kind}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		answer := wireAnswer{path: r.PathValue("kind"), text: string(body)}
		if err := json.Unmarshal(body, &answer.body); err != nil {
			t.Errorf("%s: %v", body, err)
		}
		w.WriteHeader(http.StatusAccepted)
		sent <- answer
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	var log bytes.Buffer
	function := exec.CommandContext(ctx, os.Args[0])
	function.Env = append(os.Environ(), serve+"=1", "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(server.URL, "http://"))
	function.Stdout, function.Stderr = &log, &log
	if err := function.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- function.Wait() }()
	invoke := func(t *testing.T, input string) wireAnswer {
		t.Helper()
		select {
		case inputs <- input:
		case err := <-exited:
			t.Fatalf("the function ended: %v\n%s", err, log.String())
		}
		select {
		case answer := <-sent:
			return answer
		case <-ctx.Done():
			t.Fatal("no answer")
			return wireAnswer{}
		}
	}
	for _, tc := range answers {
		t.Run(tc.name, func(t *testing.T) {
			answer := invoke(t, tc.input)
			if tc.errorType == "" {
				if answer.path != "response" || answer.text != tc.output {
					t.Errorf("sent %+v, want %s", answer, tc.output)
				}
				return
			}
			if answer.path != "error" || answer.body.ErrorType != tc.errorType ||
				!strings.Contains(answer.body.ErrorMessage, tc.errorMessage) {
				t.Errorf("sent %+v, want %s: %s", answer, tc.errorType, tc.errorMessage)
			}
			if strings.Contains(answer.text, "secret") {
				t.Errorf("sent %s", answer.text)
			}
		})
	}
	t.Run("an output that is no JSON", func(t *testing.T) {
		if answer := invoke(t, `{"task":"odd"}`); answer.path != "error" || answer.body.ErrorType == "" {
			t.Errorf("sent %+v", answer)
		}
	})
	t.Run("a panic ends the process", func(t *testing.T) {
		answer := invoke(t, `{"task":"panic"}`)
		if answer.path != "error" || answer.body.ErrorType != "string" || answer.body.ErrorMessage != "a mistake" ||
			!strings.Contains(answer.text, "stackTrace") {
			t.Errorf("sent %+v", answer)
		}
		select {
		case err := <-exited:
			var exit *exec.ExitError
			if !errors.As(err, &exit) {
				t.Errorf("ended with %v", err)
			}
		case <-ctx.Done():
			t.Error("the process goes on")
		}
	})
}
