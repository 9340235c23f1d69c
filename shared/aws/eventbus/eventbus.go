// Package eventbus publishes envelopes on an EventBridge bus.
package eventbus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	"orderflow/shared/kit/trace"
)

// Limits of PutEvents.
const (
	MaxEntries = 10
	// MaxBytes is the size of one request by EventBridge's own arithmetic, see size. The quota is 1
	// MB; in decimal it holds under either reading, and leaves room for the frame that EventBridge
	// puts around an event on its way to a queue, which takes 1 MiB.
	MaxBytes = 1_000_000
)

// pace is how the tries at a batch follow each other. The margin leaves the caller time to deal
// with what failed.
var pace = backoff.Pace{Base: 50 * time.Millisecond, Max: 2 * time.Second, Margin: 500 * time.Millisecond, Tries: 20}

// API is what a Bus needs of the EventBridge client.
type API interface {
	PutEvents(
		context.Context, *eventbridge.PutEventsInput, ...func(*eventbridge.Options),
	) (*eventbridge.PutEventsOutput, error)
}

// Bus publishes on one bus.
type Bus struct {
	api   API
	name  string
	clock clock.Clock
}

// New makes a Bus of a bus's name or ARN.
func New(api API, name string, c clock.Clock) *Bus { return &Bus{api: api, name: name, clock: c} }

// busName is the pattern that EventBridge has for EventBusName.
var busName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(
		`^(arn:aws[\w-]*:events:[a-z]+-[a-z]+-[\w-]+:[0-9]{12}:event-bus/)?[/.\-_A-Za-z0-9]{1,256}$`)
})

// entry is an envelope on its way.
type entry struct {
	index   int // in what was given
	request types.PutEventsRequestEntry
	size    int
}

// Put publishes envelopes and returns one result for each: nil; a poison.Err where the envelope is
// invalid or too large, or EventBridge refuses it for what it holds, by the entry's own result or
// by refusing a request of that entry alone; or what may pass if it is tried again. What
// EventBridge did not take, and only that, is tried again with full jitter until half a second
// before ctx's deadline. An envelope whose answer was lost is published twice, with the same id.
func (b *Bus) Put(ctx context.Context, envelopes []es.Envelope) []error {
	ctx, span := trace.Inside(ctx, trace.Producer, "send", b.name)
	results := b.publish(ctx, envelopes)
	if span.Recorded() {
		span.Set(trace.Sent(trace.SystemEventBridge, b.name, len(envelopes))...)
	}
	span.End(errors.Join(results...))
	return results
}

// publish is Put without its span.
func (b *Bus) publish(ctx context.Context, envelopes []es.Envelope) []error {
	results := make([]error, len(envelopes))
	var open []entry
	for i, e := range envelopes {
		request, err := b.entry(e)
		if err != nil {
			results[i] = err
			continue
		}
		open = append(open, entry{index: i, request: request, size: size(request)})
	}
	tries := backoff.New(pace, b.clock)
	for len(open) > 0 {
		var again []entry
		for _, chunk := range chunks(open) {
			again = append(again, b.put(ctx, chunk, results)...)
		}
		if open = again; len(open) == 0 || !tries.Again(ctx) {
			break
		}
	}
	return results
}

// entry makes the request's entry of an envelope. It checks what a stand-in for EventBridge may let
// pass in silence.
func (b *Bus) entry(e es.Envelope) (types.PutEventsRequestEntry, error) {
	if !busName().MatchString(b.name) { // EventBridge refuses each request then, and no entry is to blame
		return types.PutEventsRequestEntry{}, fmt.Errorf("eventbus: the bus: expected a name or an ARN, got %q", b.name)
	}
	if err := e.Validate(); err != nil {
		return types.PutEventsRequestEntry{}, poison.Mark(err)
	}
	if strings.HasPrefix(e.Source, "aws.") || len(e.Source) > 256 || len(e.Type) > 128 {
		return types.PutEventsRequestEntry{},
			poison.Mark(fmt.Errorf(
				"eventbus: %s: source %q or type %q is not allowed on a bus", e.ID, e.Source, e.Type,
			))
	}
	detail, err := json.Marshal(e)
	if err != nil {
		return types.PutEventsRequestEntry{}, poison.Mark(fmt.Errorf("eventbus: %s: %w", e.ID, err))
	}
	request := types.PutEventsRequestEntry{
		EventBusName: aws.String(b.name), Source: aws.String(e.Source), DetailType: aws.String(e.Type),
		Detail: aws.String(string(detail)), Time: aws.Time(e.Time),
	}
	if n := size(request); n > MaxBytes {
		return types.PutEventsRequestEntry{},
			poison.Mark(fmt.Errorf("eventbus: %s has %d bytes, a bus takes %d", e.ID, n, MaxBytes))
	}
	return request, nil
}

// size is an entry's size as EventBridge counts it: 14 bytes for a time, and the UTF-8 of source,
// detail type, detail and resources.
func size(e types.PutEventsRequestEntry) int {
	n := len(aws.ToString(e.Source)) + len(aws.ToString(e.DetailType)) + len(aws.ToString(e.Detail))
	if e.Time != nil {
		n += 14
	}
	for _, r := range e.Resources {
		n += len(r)
	}
	return n
}

// chunks cuts entries into requests, in order.
func chunks(entries []entry) [][]entry {
	var out [][]entry
	start, bytes := 0, 0
	for i, e := range entries {
		if i > start && (i-start == MaxEntries || bytes+e.size > MaxBytes) {
			out = append(out, entries[start:i])
			start, bytes = i, 0
		}
		bytes += e.size
	}
	if start < len(entries) {
		out = append(out, entries[start:])
	}
	return out
}

// put sends one request, notes the results, and gives back the entries to try again. A request that
// is refused as a whole for what it holds is sent in halves, down to the entry that is to blame, so
// that the others pass: at most 19 requests for 10 entries. That entry can never pass.
func (b *Bus) put(ctx context.Context, chunk []entry, results []error) (again []entry) {
	request := &eventbridge.PutEventsInput{Entries: make([]types.PutEventsRequestEntry, len(chunk))}
	for i, e := range chunk {
		request.Entries[i] = e.request
	}
	answer, err := b.api.PutEvents(ctx, request)
	if err == nil && len(answer.Entries) != len(chunk) {
		err = fmt.Errorf("%d results for %d entries", len(answer.Entries), len(chunk))
	}
	if refused(err) {
		if half := len(chunk) / 2; half > 0 {
			return append(b.put(ctx, chunk[:half], results), b.put(ctx, chunk[half:], results)...)
		}
		results[chunk[0].index] = poison.Mark(fmt.Errorf("eventbus: the entry alone was refused: %w", err))
		return nil
	}
	for i, e := range chunk {
		switch {
		case err != nil:
			results[e.index] = fmt.Errorf("eventbus: put: %w", err)
			again = append(again, e)
		case answer.Entries[i].ErrorCode == nil && answer.Entries[i].EventId != nil:
			results[e.index] = nil
		default:
			// Each entry's own result counts, whatever FailedEntryCount says.
			refusal := &EntryError{
				Code: aws.ToString(answer.Entries[i].ErrorCode), Message: aws.ToString(answer.Entries[i].ErrorMessage),
			}
			results[e.index] = refusal
			switch {
			case refusal.malformed():
				results[e.index] = poison.Mark(refusal)
			case !refusal.final():
				again = append(again, e)
			}
		}
	}
	return again
}

// refused reports whether a request was answered with 400 or 413 for what it holds: it was no
// throttle, and not the caller, the bus or the connection that was refused. PutEvents declares no
// such error of its own, only those that all of AWS's services have in common.
func refused(err error) bool {
	var answered interface{ HTTPStatusCode() int }
	retryable := retry.IsErrorRetryables(retry.DefaultRetryables)
	if !errors.As(err, &answered) || retryable.IsErrorRetryable(err) == aws.TrueTernary {
		return false
	}
	if status := answered.HTTPStatusCode(); status != http.StatusBadRequest &&
		status != http.StatusRequestEntityTooLarge {
		return false
	}
	var coded smithy.APIError
	return !errors.As(err, &coded) || !slices.Contains(notOfEntries, coded.ErrorCode())
}

// notOfEntries lists the refusals that AWS answers with 400 and that say nothing of the entries. A
// request that meets one is tried again: it passes once permission, credentials, clock, bus or
// connection are in order.
var notOfEntries = []string{
	"AccessDenied", "AccessDeniedException", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature",
	"IncompleteSignatureException", "InvalidClientTokenId", "InvalidSignatureException",
	"MalformedHttpRequestException",
	"MissingAuthenticationToken", "MissingAuthenticationTokenException", "NotAuthorized", "OptInRequired",
	"RequestAbortedException", "RequestExpired", "RequestTimeTooSkewed", "ResourceNotFoundException",
	"SignatureDoesNotMatch", "SubscriptionRequiredException", "UnknownOperationException",
	"UnrecognizedClientException",
}

// EntryError is EventBridge's answer to an entry that it did not take.
type EntryError struct {
	Code    string // "" where it said nothing about the entry
	Message string
}

func (e *EntryError) Error() string {
	return fmt.Sprintf("eventbus: not taken: %s: %s", e.Code, e.Message)
}

// malformed reports whether the entry itself is at fault. A missing permission is not: the entry
// passes once that is granted.
func (e *EntryError) malformed() bool {
	switch e.Code {
	case "InvalidArgument", "MalformedDetail", "RedactionFailure", "ValidationError", "ValidationException":
		return true
	}
	return false
}

// final reports whether trying again at once, within one call of Put, is of no use.
func (e *EntryError) final() bool {
	switch e.Code {
	case "AccessDeniedException", "InvalidAccountIdException",
		"NotAuthorizedForSourceException", "NotAuthorizedForDetailTypeException":
		return true
	}
	return false
}
