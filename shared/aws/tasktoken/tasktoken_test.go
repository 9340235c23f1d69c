package tasktoken_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"

	"orderflow/shared/aws/tasktoken"
)

// api is Step Functions, which answers each call with err and keeps what it was sent.
type api struct {
	err     error
	success *sfn.SendTaskSuccessInput
	failure *sfn.SendTaskFailureInput
}

func (a *api) SendTaskSuccess(
	_ context.Context, in *sfn.SendTaskSuccessInput, _ ...func(*sfn.Options),
) (*sfn.SendTaskSuccessOutput, error) {
	a.success = in
	return &sfn.SendTaskSuccessOutput{}, a.err
}

func (a *api) SendTaskFailure(
	_ context.Context, in *sfn.SendTaskFailureInput, _ ...func(*sfn.Options),
) (*sfn.SendTaskFailureOutput, error) {
	a.failure = in
	return &sfn.SendTaskFailureOutput{}, a.err
}

func TestAnswers(t *testing.T) {
	a := &api{}
	tokens := tasktoken.New(a)
	if err := tokens.Succeed(t.Context(), "token", map[string]string{"reservationId": "r-1"}); err != nil {
		t.Error(err)
	}
	if *a.success.TaskToken != "token" || *a.success.Output != `{"reservationId":"r-1"}` {
		t.Errorf("sent %s, %s", *a.success.TaskToken, *a.success.Output)
	}
	if err := tokens.Fail(t.Context(), "token", "stock.insufficient", "not enough"); err != nil {
		t.Error(err)
	}
	if *a.failure.TaskToken != "token" || *a.failure.Error != "stock.insufficient" || *a.failure.Cause != "not enough" {
		t.Errorf("sent %s, %s, %s", *a.failure.TaskToken, *a.failure.Error, *a.failure.Cause)
	}
	if err := tokens.Succeed(t.Context(), "token", func() {}); err == nil {
		t.Error("an output that is no JSON is sent")
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name string
		err  error
		gone bool
	}{
		{"timed out", &types.TaskTimedOut{Message: aws.String("no")}, true},
		{"ended", &types.TaskDoesNotExist{Message: aws.String("no")}, true},
		{"no token of this region", &types.InvalidToken{Message: aws.String("no")}, true},
		{"inside of others", fmt.Errorf("operation error SFN: %w", &types.TaskTimedOut{}), true},
		{"output refused", &types.InvalidOutput{}, false},
		{"anything else", errors.New("connection reset"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var log bytes.Buffer
			before := slog.Default()
			slog.SetDefault(slog.New(slog.NewJSONHandler(&log, nil)))
			t.Cleanup(func() { slog.SetDefault(before) })
			tokens := tasktoken.New(&api{err: tc.err})
			for what, err := range map[string]error{
				"success": tokens.Succeed(t.Context(), "the-token", 1),
				"failure": tokens.Fail(t.Context(), "the-token", "code", "detail"),
			} {
				if tc.gone && err != nil || !tc.gone && !errors.Is(err, tc.err) {
					t.Errorf("%s: %v", what, err)
				}
			}
			if lines := strings.Count(log.String(), "nobody waits"); lines != map[bool]int{true: 2}[tc.gone] {
				t.Errorf("logs %q", log.String())
			}
			if strings.Contains(log.String(), "the-token") {
				t.Error("a token is in the log")
			}
		})
	}
}

func TestLimits(t *testing.T) {
	a := &api{}
	if err := tasktoken.New(a).Fail(
		t.Context(), "token", strings.Repeat("c", 257), "x"+strings.Repeat("ü", 20_000),
	); err != nil {
		t.Fatal(err)
	}
	if code := *a.failure.Error; len(code) != 256 {
		t.Errorf("the error has %d bytes", len(code))
	}
	if cause := *a.failure.Cause; len(cause) != 32767 || !utf8.ValidString(cause) {
		t.Errorf("the cause has %d bytes, valid: %v", len(cause), utf8.ValidString(cause))
	}
}
