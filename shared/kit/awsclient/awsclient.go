// Package awsclient is what every client of AWS needs beside the SDK's own settings.
package awsclient

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// PlainBodies keeps the client from losing answers: every aws.Config gets it among its APIOptions.
//
// Once an answer comes, the SDK closes the request's body. net/http may only then look whether the
// body has more than its length, which it does by the body's WriteTo where it has one. The SDK's
// WriteTo of a closed body is io.EOF (smithy-go 1.28.8), which io.Copy takes for a failure; so
// net/http breaks the connection off, the answer is lost, and the request is sent again, though it
// was carried out. Against an AWS on the same machine, beside a compiler, that was one request in
// 2,000, and none in as many with plain bodies; a function with a small share of a CPU may meet it,
// too. A body that can only be read ends in silence.
//
// The signer copies the body into a hash. Of one that can only be read, it would make that copy
// through a buffer of 32 kB, more than all else that a request allocates, and again with each try.
// So the hash is made here, once, of the SDK's own body.
func PlainBodies(stack *middleware.Stack) error {
	return stack.Build.Add(middleware.BuildMiddlewareFunc("PlainBodies", func(
		ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler,
	) (middleware.BuildOutput, middleware.Metadata, error) {
		if request, ok := in.Request.(*smithyhttp.Request); ok {
			if body, ok := request.GetStream().(io.ReadSeeker); ok {
				hash := sha256.New()
				if _, err := io.Copy(hash, body); err != nil {
					return middleware.BuildOutput{}, middleware.Metadata{}, fmt.Errorf("awsclient: hash: %w", err)
				}
				if err := request.RewindStream(); err != nil {
					return middleware.BuildOutput{}, middleware.Metadata{}, fmt.Errorf("awsclient: rewind: %w", err)
				}
				ctx = v4.SetPayloadHash(ctx, hex.EncodeToString(hash.Sum(nil)))
				plain, err := request.SetStream(struct{ io.ReadSeeker }{body})
				if err != nil {
					return middleware.BuildOutput{}, middleware.Metadata{}, fmt.Errorf("awsclient: body: %w", err)
				}
				in.Request = plain
			}
		}
		return next.HandleBuild(ctx, in)
	}), middleware.Before)
}
