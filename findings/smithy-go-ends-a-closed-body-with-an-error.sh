#!/usr/bin/env bash
# A request body of the AWS SDK for Go that is closed answers io.Copy with an error, where a reader
# ends in silence.
#
# Version: github.com/aws/smithy-go v1.28.8, Go 1.26.
# Guess before the run: nothing more to read and no error, as its Read has it.
# Seen: its WriteTo returns io.EOF, which io.Copy takes for a failure. The SDK closes the body once
# an answer comes; where net/http looks for a rest of the body after that, it breaks the connection
# off, the answer can't be read ("use of closed network connection"), and the SDK sends the request
# again. Against a server on the same machine, beside a compiler on two cores, one request in about
# 2,000 was carried out twice so.
# Matters to: whoever counts on it that a request without a fault is carried out once. Hide WriteTo.
. "$(dirname "$0")/lib.sh"
go_module github.com/aws/smithy-go@v1.28.8 <<'GO'
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// copied is what io.Copy says of a closed body that was made of a stream.
func copied(stream io.Reader) error {
	request, err := smithyhttp.NewStackRequest().(*smithyhttp.Request).SetStream(stream)
	if err != nil {
		panic(err)
	}
	body := request.Build(context.Background()).Body
	if err := body.Close(); err != nil {
		panic(err)
	}
	_, err = io.Copy(io.Discard, body)
	return err
}

func main() {
	text := bytes.NewReader([]byte("body"))
	fmt.Print("as the SDK sends it: ", copied(text), "; without WriteTo: ", copied(struct{ io.ReadSeeker }{text}))
}
GO
expect 'io.Copy of a closed body' 'as the SDK sends it: EOF; without WriteTo: <nil>' "$(in_go)"
