#!/usr/bin/env bash
# The error that a Go function returns to Lambda is logged at level INFO once slog has a default
# logger, and not at all from level ERROR on.
#
# Version: github.com/aws/aws-lambda-go v1.55.1, Go 1.26.
# Guess before the run: a line of level ERROR, or one on stderr whatever slog's default is.
# Seen: the library writes {"errorMessage": …} with Go's package log. slog.SetDefault redirects that
# package to the default logger, at level INFO.
# Matters to: whoever counts lines of level ERROR for failures of a function, or drops INFO in
# production. Log the error yourself before you return it, with the context's ids.
. "$(dirname "$0")/lib.sh"
go_module github.com/aws/aws-lambda-go@v1.55.1 <<'GO'
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
)

// main is a function with one invocation, of which Lambda's Runtime API hears that it failed.
func main() {
	level := slog.LevelInfo
	if os.Getenv("LEVEL") == "ERROR" {
		level = slog.LevelError
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stdout, &slog.HandlerOptions{Level: level})))
	next := make(chan struct{}, 1)
	next <- struct{}{}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/invocation/next"):
			<-next
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "1")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", "4102444800000")
			_, _ = io.WriteString(w, "{}")
		case strings.HasSuffix(r.URL.Path, "/error"):
			os.Exit(0)
		}
	}))
	_ = os.Setenv("AWS_LAMBDA_RUNTIME_API", strings.TrimPrefix(api.URL, "http://"))
	lambda.Start(func(context.Context) error { return errors.New("out of paper") })
}
GO
lines=$(LEVEL=INFO in_go 2>&1)
expect "lines that name the error, from INFO on" 1 "$(grep -c 'out of paper' <<<"$lines")"
expect "the level of that line" INFO "$(sed -n 's/.*"level":"\([A-Z]*\)".*out of paper.*/\1/p' <<<"$lines")"
expect "lines that name the error, from ERROR on" 0 "$(LEVEL=ERROR in_go 2>&1 | grep -c 'out of paper' || true)"
