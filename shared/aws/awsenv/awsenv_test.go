package awsenv

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	smithy "github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/shop/personal"
)

// environment sets what Lambda sets, over whatever the machine has.
func environment(t *testing.T, over map[string]string) {
	t.Helper()
	vars := map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "", "AWS_ACCESS_KEY_ID": "key",
		"AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_SESSION_TOKEN":     "token", "AWS_ENDPOINT_URL": "", "AWS_LAMBDA_LOG_LEVEL": "",
	}
	for name, value := range over {
		vars[name] = value
	}
	for name, value := range vars {
		t.Setenv(name, value)
	}
}

func TestConfig(t *testing.T) {
	tests := []struct {
		name         string
		env          map[string]string
		region       string
		endpoint     *string
		sessionToken string
		panics       string
	}{
		{name: "as Lambda sets it", region: "eu-central-1", sessionToken: "token"},
		{
			name: "region by its default name",
			env:  map[string]string{"AWS_REGION": "", "AWS_DEFAULT_REGION": "us-east-1"}, region: "us-east-1",
			sessionToken: "token",
		},
		{name: "an endpoint that stands in for AWS", env: map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
			region:   "eu-central-1",
			endpoint: aws.String("http://127.0.0.1:1"), sessionToken: "token"},
		{name: "long-lived credentials", env: map[string]string{"AWS_SESSION_TOKEN": ""}, region: "eu-central-1"},
		{name: "no region", env: map[string]string{"AWS_REGION": ""}, panics: "AWS_REGION"},
		{name: "no credentials", env: map[string]string{"AWS_SECRET_ACCESS_KEY": ""}, panics: "AWS_SECRET_ACCESS_KEY"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			environment(t, tt.env)
			defer func() {
				if r := recover(); (r != nil) != (tt.panics != "") || tt.panics != "" &&
					!strings.Contains(r.(string), tt.panics) {
					t.Fatalf("panic %v, want one about %q", r, tt.panics)
				}
			}()
			cfg := Config(t.Context())
			if cfg.Region != tt.region || aws.ToString(cfg.BaseEndpoint) != aws.ToString(tt.endpoint) {
				t.Errorf("region %q endpoint %q", cfg.Region, aws.ToString(cfg.BaseEndpoint))
			}
			got, err := cfg.Credentials.Retrieve(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.AccessKeyID != "key" || got.SecretAccessKey != "secret" || got.SessionToken != tt.sessionToken {
				t.Errorf("credentials are not the environment's")
			}
		})
	}
}

func TestRetryer(t *testing.T) {
	r := Retryer()
	if r.MaxAttempts() != maxAttempts {
		t.Errorf("%d attempts, want %d", r.MaxAttempts(), maxAttempts)
	}
	tests := []struct {
		name string
		err  error
		want bool
	}{
		{"throttled", &smithy.GenericAPIError{Code: "ThrottlingException"}, true},
		{"throughput", &smithy.GenericAPIError{Code: "ProvisionedThroughputExceededException"}, true},
		{"connection lost", &smithyhttp.RequestSendError{Err: io.ErrUnexpectedEOF}, true},
		{
			"the answer breaks off",
			&smithy.OperationError{Err: &smithy.DeserializationError{Err: io.ErrUnexpectedEOF}}, true,
		},
		{
			"the answer is gone with the caller",
			&aws.RequestCanceledError{Err: &smithy.DeserializationError{Err: context.Canceled}}, false,
		},
		{"a condition failed", &smithy.GenericAPIError{Code: "ConditionalCheckFailedException"}, false},
		{"denied", &smithy.GenericAPIError{Code: "AccessDeniedException"}, false},
		{"given up by the caller", &aws.RequestCanceledError{Err: context.Canceled}, false},
		{"anything", errors.New("anything"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.IsErrorRetryable(tt.err); got != tt.want {
				t.Errorf("retryable is %v, want %v", got, tt.want)
			}
		})
	}
	var sum time.Duration
	for attempt := 1; attempt < maxAttempts; attempt++ {
		ceiling := backoffCeiling(attempt)
		sum += ceiling
		for range 100 {
			d, err := r.RetryDelay(attempt, errors.New("x"))
			if err != nil || d < 0 || d >= ceiling {
				t.Fatalf("delay %v, %v after attempt %d, want under %v", d, err, attempt, ceiling)
			}
		}
	}
	if sum >= time.Second {
		t.Errorf("the waits add up to %v", sum)
	}
	if got := backoffCeiling(1000); got != backoffMax {
		t.Errorf("ceiling of a late attempt is %v", got)
	}
}

func TestEnv(t *testing.T) {
	t.Setenv("SOME_TABLE", "orders")
	t.Setenv("OTHER_TABLE", "")
	if got := Env("SOME_TABLE"); got != "orders" {
		t.Errorf("Env is %q", got)
	}
	defer func() {
		if r, _ := recover().(string); !strings.Contains(r, "OTHER_TABLE") {
			t.Errorf("the panic does not name the variable: %q", r)
		}
	}()
	Env("OTHER_TABLE")
}

// Whatever is logged, in whatever shape, shows nothing that is sealed.
func TestLoggerHidesWhatIsSealed(t *testing.T) {
	key, err := personal.RandomKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed := key.Seal("c1", "order.address", []byte("42 Main Street"))
	type line struct {
		Note personal.Sealed `json:"note"`
		SKU  string          `json:"sku"`
	}
	out := stdout(t, func() {
		log := Logger().With("with", "of "+string(sealed))
		//nolint:sloglint // a message with sealed text is what is tried
		log.Error("of "+string(sealed), "sealed", sealed, "text", string(sealed),
			"error", fmt.Errorf("unreadable: %s", string(sealed)),
			"lines", []line{{sealed, "ring"}}, "n", 7, "found", map[string]int{"a": 1},
			slog.Group("g", "text", string(sealed)))
	})
	if bytes.Contains(out, []byte("pd1:")) {
		t.Errorf("logged %s", out)
	}
	var got map[string]any
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	delete(got, "timestamp")
	want := map[string]any{
		"level": "ERROR", "message": "of (sealed)", "with": "of (sealed)", "sealed": "(sealed)", "text": "(sealed)",
		"error": "unreadable: (sealed)", "lines": []any{map[string]any{"sku": "ring"}}, "n": 7.0,
		"found": map[string]any{"a": 1.0}, "g": map[string]any{"text": "(sealed)"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLogger(t *testing.T) {
	tests := []struct {
		level string
		lines int
	}{{"", 2}, {"INFO", 2}, {"TRACE", 3}, {"DEBUG", 3}, {"WARN", 1}, {"ERROR", 0}, {"FATAL", 0}}
	for _, tt := range tests {
		t.Run("level "+tt.level, func(t *testing.T) {
			t.Setenv("AWS_LAMBDA_LOG_LEVEL", tt.level)
			out := stdout(t, func() {
				Logger()
				ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "request-1"})
				slog.DebugContext(ctx, "debugged")
				slog.With("order", "o1").InfoContext(ctx, "done", "n", 1)
				slog.Default().WithGroup("g").Warn("outside of an invocation", "n", 2)
			})
			var lines []map[string]any
			for s := bufio.NewScanner(bytes.NewReader(out)); s.Scan(); {
				var line map[string]any
				if err := json.Unmarshal(s.Bytes(), &line); err != nil {
					t.Fatalf("%q is no JSON: %v", s.Bytes(), err)
				}
				if _, err := time.Parse(time.RFC3339Nano, line["timestamp"].(string)); err != nil {
					t.Errorf("timestamp: %v", err)
				}
				lines = append(lines, line)
			}
			if len(lines) != tt.lines {
				t.Fatalf("%d lines, want %d: %s", len(lines), tt.lines, out)
			}
			for _, line := range lines {
				inside := line["message"] != "outside of an invocation"
				if _, has := line["requestId"]; has != inside {
					t.Errorf("requestId is there: %v, in %v", has, line)
				}
				if line["message"] == "done" && (line["order"] != "o1" || line["n"] != 1.0 || line["level"] != "INFO") {
					t.Errorf("attributes are missing: %v", line)
				}
			}
		})
	}
}

// stdout collects what f writes to os.Stdout, and gives stdout and slog's default back afterwards.
func stdout(t *testing.T, f func()) []byte {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	before, logger := os.Stdout, slog.Default()
	os.Stdout = file
	defer func() { os.Stdout = before; slog.SetDefault(logger) }()
	f()
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLean keeps the clients out that the full configuration loader would bring.
func TestLean(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for dep := range strings.Lines(string(out)) {
		for _, heavy := range []string{"aws-sdk-go-v2/config", "service/sso", "service/sts", "ec2/imds"} {
			if strings.Contains(dep, heavy) {
				t.Errorf("%s is linked", strings.TrimSpace(dep))
			}
		}
	}
}
