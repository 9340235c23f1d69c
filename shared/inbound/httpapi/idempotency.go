package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/request"
)

const (
	keyHeader   = "Idempotency-Key"
	keyLocation = "header." + keyHeader
	keyRule     = "expected an Idempotency-Key of 1 to 200 visible ASCII characters without a comma"
)

// Keyed is the part of every POST's input that makes it safe to send again. It is exported because
// huma passes over unexported embedded fields.
type Keyed struct {
	Key string `header:"Idempotency-Key" required:"true" minLength:"1" maxLength:"200" pattern:"^[!-+\\--~]+$" doc:"A unique key that the client generates for each intended effect. It is scoped to one caller and one operation. A duplicate request has the same answer; another request with the same key is rejected."`
}

// request makes the identity of a command: the operation with its caller and the key names it, and
// the fingerprint tells whether the key comes with the same request again, target and body. For a
// command whose target has a stream of its own, claimed is to be used.
//
// The fingerprint is a plain hash, which anybody can confirm who guesses the body. The services
// store it so only where the body holds nothing personal.
func (k *Keyed) request(
	ctx context.Context, id identity, now time.Time, operation, target string, body any,
) (es.Request, error) {
	canonical, err := json.Marshal(struct {
		Operation string `json:"operation"`
		Target    string `json:"target"`
		Body      any    `json:"body"`
	}{operation, target, body})
	if err != nil {
		return es.Request{}, fmt.Errorf("httpapi: encode request: %w", err)
	}
	hash := sha256.Sum256(canonical)
	return es.Request{
		CommitID: request.ID(operation, id.actor(), k.Key), Fingerprint: hex.EncodeToString(hash[:]), Time: now,
		Metadata: metadata(ctx),
	}, nil
}

// claimed is a request about something that is there, or gets its name from the caller: the key is
// kept to that stream.
func (k *Keyed) claimed(
	ctx context.Context, id identity, now time.Time, operation, category, target string, body any,
) (es.Request, error) {
	req, err := k.request(ctx, id, now, operation, target, body)
	req.Claim = request.Claim(req.CommitID, operation, string(es.NewStreamID(category, target)))
	return req, err
}

// metadata is what a commit records of the request that it comes from.
func metadata(ctx context.Context) es.Metadata {
	x := exchangeOf(ctx)
	m := es.Metadata{
		CorrelationID: x.correlationID, Traceparent: x.trace.String(), Tracestate: x.state,
		Actor: x.caller.actor(), Principal: x.caller.principal,
	}
	if x.requestID != "" {
		m.CausationID = "http/" + x.requestID
	}
	return m
}
