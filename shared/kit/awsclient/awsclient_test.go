package awsclient

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
)

// wire answers the first request with a fault, and closes each body before it looks for more of it,
// as net/http may where the answer is fast.
type wire struct {
	t      *testing.T
	bodies []string
	length int64
}

func (w *wire) Do(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, r.ContentLength))
	if err != nil {
		w.t.Error(err)
	}
	w.bodies, w.length = append(w.bodies, string(body)), r.ContentLength
	if err := r.Body.Close(); err != nil {
		w.t.Error(err)
	}
	if more, err := io.Copy(io.Discard, r.Body); more != 0 || err != nil {
		w.t.Errorf("behind the body of try %d there is more: %d, %v", len(w.bodies), more, err)
	}
	answer := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r}
	if len(w.bodies) == 1 {
		answer.StatusCode = http.StatusInternalServerError
	}
	answer.Body = io.NopCloser(bytes.NewReader([]byte("{}")))
	return answer, nil
}

// A body that was closed has no more to send, and each try sends all of it.
func TestPlainBodies(t *testing.T) {
	w := &wire{t: t}
	config := aws.Config{
		Region: "eu-west-1", HTTPClient: w, Credentials: aws.AnonymousCredentials{},
		APIOptions: []func(*middleware.Stack) error{PlainBodies},
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
			})
		},
	}
	_, err := dynamodb.NewFromConfig(config).PutItem(t.Context(), &dynamodb.PutItemInput{
		TableName: aws.String("things"), Item: map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "a"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(w.bodies) != 2 || w.bodies[0] != w.bodies[1] || int64(len(w.bodies[0])) != w.length ||
		!strings.Contains(w.bodies[0], `"TableName":"things"`) {
		t.Errorf("sent %q, the length was %d", w.bodies, w.length)
	}
}

var credentials = aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}

// answers is an AWS that answers at once, and takes a request only with the signature that its body
// has.
type answers struct{ t *testing.T }

func (a answers) Do(r *http.Request) (*http.Response, error) {
	hash := sha256.New()
	if _, err := io.CopyBuffer(hash, struct{ io.Reader }{r.Body}, make([]byte, 512)); err != nil {
		a.t.Error(err)
	}
	given := r.Header.Get("Authorization")
	r.Header.Del("Authorization")
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		a.t.Error(err)
	}
	if err := v4.NewSigner().SignHTTP(
		r.Context(), credentials, r, hex.EncodeToString(hash.Sum(nil)), "dynamodb", "eu-west-1", at,
	); err != nil {
		a.t.Error(err)
	}
	if want := r.Header.Get("Authorization"); given != want {
		a.t.Errorf("signed %q, want %q", given, want)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("{}")), Request: r,
	}, nil
}

// A request is signed without a copy of its body: with one, it allocates 32 kB more.
func TestRequestAllocates(t *testing.T) {
	const most, requests = 48 << 10, 200 // bytes of each, with what the stand-in for AWS needs
	client := dynamodb.NewFromConfig(aws.Config{
		Region: "eu-west-1", HTTPClient: answers{t}, APIOptions: []func(*middleware.Stack) error{PlainBodies},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return credentials, nil
		}),
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range requests {
		_, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: aws.String("things"),
			Key:       map[string]types.AttributeValue{"id": &types.AttributeValueMemberS{Value: "a"}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / requests; each > most {
		t.Errorf("a request allocates %d bytes, want %d at most", each, most)
	} else {
		t.Logf("%d bytes", each)
	}
}
