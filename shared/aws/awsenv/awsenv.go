// Package awsenv is what a function reads from its environment: the AWS configuration, its
// variables, and the log.
//
// A function starts cold in front of a waiting client, so nothing here asks the network, a file or
// a metadata service: Lambda hands everything over in variables. config.LoadDefaultConfig would
// link the sso, sts and imds clients into each function and more than double the time to its first
// poll.
package awsenv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"orderflow/shared/kit/awsclient"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/trail"
)

// The pace of requests. A function has seconds, not the SDK's minutes: a try that hangs is given up
// while there is time for another, and the waits between tries add up to less than a second.
const (
	maxAttempts    = 5
	backoffBase    = 25 * time.Millisecond
	backoffMax     = time.Second
	dialTimeout    = time.Second
	attemptTimeout = 5 * time.Second
)

// Config is the function's AWS configuration: AWS_REGION (or AWS_DEFAULT_REGION), the credentials
// of AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, which Lambda keeps valid for
// as long as the process lives, and AWS_ENDPOINT_URL where AWS is stood in for. It panics, naming
// the variable, where one that it needs is missing. It also lets Go use the function's memory.
func Config(context.Context) aws.Config {
	useMemory()
	region := os.Getenv("AWS_REGION")
	if region == "" {
		region = os.Getenv("AWS_DEFAULT_REGION")
	}
	if region == "" {
		panic("awsenv: the environment has no AWS_REGION")
	}
	options := []func(*middleware.Stack) error{awsclient.PlainBodies}
	if meter != nil {
		options = append(options, meter.Count)
	}
	cfg := aws.Config{
		Region: region,
		Credentials: credentials.NewStaticCredentialsProvider(
			Env("AWS_ACCESS_KEY_ID"), Env("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")),
		HTTPClient: awshttp.NewBuildableClient().WithTimeout(attemptTimeout).WithDialerOptions(func(d *net.Dialer) {
			d.Timeout = dialTimeout
		}),
		Retryer:    func() aws.Retryer { return Retryer() },
		APIOptions: options,
	}
	if endpoint := os.Getenv("AWS_ENDPOINT_URL"); endpoint != "" {
		cfg.BaseEndpoint = aws.String(endpoint)
	}
	return cfg
}

// Retryer tries a request up to 5 times when it was throttled, met a fault of the service (5xx),
// lost its connection or got an answer that can't be read (which the SDK takes for final, though a
// connection that breaks in the middle of the answer looks like that), with full jitter under a
// ceiling that grows from 50 ms to 1 s. A request whose answer was lost is sent again: what must
// not happen twice has a condition or a token of its own.
func Retryer() aws.RetryerV2 {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.MaxBackoff = backoffMax
		o.Retryables = append(o.Retryables, retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			var unreadable *smithy.DeserializationError
			if errors.As(err, &unreadable) {
				return aws.TrueTernary
			}
			return aws.UnknownTernary
		}))
		o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return rand.N(backoffCeiling(attempt)), nil
		})
	})
}

// backoffCeiling is the longest wait after the try with that number, from 1.
func backoffCeiling(attempt int) time.Duration {
	if attempt > maxAttempts {
		return backoffMax
	}
	return min(backoffBase<<max(attempt, 0), backoffMax)
}

// Env is a variable that the function can't do without. It panics at the function's start, naming
// the variable, where it is missing or empty.
func Env(name string) string {
	v := os.Getenv(name)
	if v == "" {
		panic(fmt.Sprintf("awsenv: the environment has no %s", name))
	}
	return v
}

// APIURL is the address of the stack's HTTP API, which a variable names as AWS does:
// https://<id>.execute-api.<region>.amazonaws.com. Where AWS is stood in for, the API with that id
// is below the stand-in's own address.
func APIURL(name string) string {
	address, err := url.Parse(Env(name))
	if err != nil || address.Host == "" {
		panic(fmt.Sprintf("awsenv: %s is no address", name))
	}
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	if endpoint == "" {
		return address.String()
	}
	id, _, _ := strings.Cut(address.Host, ".")
	return strings.TrimSuffix(endpoint, "/") + "/_aws/execute-api/" + id + "/$default"
}

// Logger makes the function's log, and makes it slog's default: one JSON object a line on stdout,
// under Lambda's own keys (timestamp, level, message), with the request's id and what the work is
// about (shared/shop/trail) on each line that is logged with the invocation's context, and without
// sealed personal data, whatever is logged.
// AWS_LAMBDA_LOG_LEVEL says from which level on, INFO without it.
func Logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: level(), ReplaceAttr: replaceAttr}
	logger := slog.New(trail.Handler(requestHandler{slog.NewJSONHandler(os.Stdout, options)}))
	slog.SetDefault(logger)
	return logger
}

// replaceAttr gives Lambda's own keys, and hides what is sealed.
func replaceAttr(groups []string, a slog.Attr) slog.Attr {
	a = lambdacontext.ReplaceAttr(groups, a)
	switch v := a.Value.Any().(type) {
	case string:
		a.Value = slog.StringValue(personal.Hide(v))
	case error:
		a.Value = slog.StringValue(personal.Hide(v.Error()))
	case slog.Level:
	default:
		if a.Value.Kind() != slog.KindAny {
			break
		}
		if shown, err := personal.Strip(v); err == nil { // what can't be encoded, the handler says
			a.Value = slog.AnyValue(shown)
		}
	}
	return a
}

func level() slog.Level {
	switch os.Getenv("AWS_LAMBDA_LOG_LEVEL") {
	case "TRACE", "DEBUG":
		return slog.LevelDebug
	case "WARN":
		return slog.LevelWarn
	case "ERROR", "FATAL":
		return slog.LevelError
	}
	return slog.LevelInfo
}

// requestHandler adds the request's id. The SDK's own handler does the same, but writes JSON only
// where the function's log format says so.
type requestHandler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h requestHandler) Handle(ctx context.Context, r slog.Record) error {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		r = r.Clone()
		r.AddAttrs(slog.String("requestId", lc.AwsRequestID))
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{h.Handler.WithGroup(name)}
}
