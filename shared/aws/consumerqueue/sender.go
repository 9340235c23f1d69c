package consumerqueue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/poison"
)

// Limits of SendMessageBatch.
const (
	maxEntries = 10
	maxBytes   = 1 << 20 // of all bodies together, and of one
)

// pace is how the tries at a batch follow each other: about half a minute in all.
var pace = backoff.Pace{Base: 100 * time.Millisecond, Max: 5 * time.Second, Tries: 12}

// delivery is an event as EventBridge delivers it to a queue. The fields are EventBridge's (User
// Guide, "Event structure"); replay-name is what it adds to an event that it replays.
type delivery struct {
	Version    string      `json:"version"`
	ID         string      `json:"id"`
	DetailType string      `json:"detail-type"`
	Source     string      `json:"source"`
	Account    string      `json:"account"`
	Time       string      `json:"time"`
	Region     string      `json:"region"`
	Resources  []string    `json:"resources"`
	ReplayName string      `json:"replay-name"`
	Detail     es.Envelope `json:"detail"`
}

// Sender hands events to one consumer's queue, as its rules would if EventBridge replayed them.
type Sender struct {
	queues   QueuesAPI
	url      string
	bus      arn.ARN
	replay   string
	patterns []*pattern
	clock    clock.Clock
}

// NewSender makes a Sender to a consumer of a bus. Its events are marked with the replay's name. It
// is an ErrUnfit where a rule delivers something else than the event, or the queue is a FIFO queue,
// whose groups are the rule's own affair: EventBridge itself can replay to those.
func NewSender(bus Bus, c Consumer, replay string, clk clock.Clock) (*Sender, error) {
	on, err := arn.Parse(bus.ARN)
	if err != nil {
		return nil, fmt.Errorf("consumerqueue: bus %q: %w", bus.ARN, err)
	}
	if strings.HasSuffix(c.QueueARN, ".fifo") {
		return nil, fmt.Errorf("%w: the queue of %s is a FIFO queue; replay from the archive", ErrUnfit, c.Name)
	}
	s := &Sender{queues: bus.queues, url: c.QueueURL, bus: on, replay: replay, clock: clk}
	for _, r := range c.Rules {
		if !r.Enabled {
			continue
		}
		if r.Reshaped {
			return nil, fmt.Errorf(
				"%w: the rule %s gives %s something else than the event; replay from the archive", ErrUnfit, r.Name,
				c.Name,
			)
		}
		p, err := newPattern(bus.events, r)
		if err != nil {
			return nil, err
		}
		s.patterns = append(s.patterns, p)
	}
	return s, nil
}

// delivery puts EventBridge's frame around an envelope. Its id is the same each time that the
// replay sends the event.
func (s *Sender) delivery(e es.Envelope) ([]byte, error) {
	return json.Marshal(delivery{
		Version: "0", ID: ident.Derive("replay", s.replay, e.ID), DetailType: e.Type, Source: e.Source,
		Account: s.bus.AccountID,
		Time:    e.Time.UTC().Format(time.RFC3339), Region: s.bus.Region, Resources: []string{}, ReplayName: s.replay,
		Detail: e,
	})
}

// Wants reports whether one of the consumer's rules matches the event, marked as a replay.
func (s *Sender) Wants(ctx context.Context, e es.Envelope) (bool, error) {
	event, err := s.delivery(e)
	if err != nil {
		return false, fmt.Errorf("consumerqueue: %s: %w", e.ID, err)
	}
	for _, p := range s.patterns {
		matches, err := p.matches(ctx, event)
		if err != nil || matches {
			return matches, err
		}
	}
	return false, nil
}

// Send sends up to ten events and returns one result for each: nil once SQS has it; a poison.Err
// where it is too large, or SQS calls it malformed; or what may pass if it is sent again. What SQS
// did not take, and only that, is tried again with full jitter, for about half a minute. An event
// whose answer was lost is sent twice.
func (s *Sender) Send(ctx context.Context, envelopes []es.Envelope) []error {
	results := make([]error, len(envelopes))
	var open []entry
	for i, e := range envelopes {
		body, err := s.delivery(e)
		switch {
		case err != nil:
			results[i] = poison.Mark(fmt.Errorf("consumerqueue: %s: %w", e.ID, err))
		case len(body) > maxBytes:
			results[i] = poison.Mark(fmt.Errorf(
				"consumerqueue: %s has %d bytes, a queue takes %d", e.ID, len(body), maxBytes,
			))
		default:
			open = append(open, entry{index: i, body: string(body)})
		}
	}
	tries := backoff.New(pace, s.clock)
	for len(open) > 0 {
		var again []entry
		for _, chunk := range chunks(open) {
			again = append(again, s.send(ctx, chunk, results)...)
		}
		if open = again; len(open) > 0 && !tries.Again(ctx) {
			break
		}
	}
	return results
}

// entry is an event on its way.
type entry struct {
	index int // in what was given
	body  string
}

// chunks cuts entries into requests, in order.
func chunks(entries []entry) [][]entry {
	var out [][]entry
	start, bytes := 0, 0
	for i, e := range entries {
		if i > start && (i-start == maxEntries || bytes+len(e.body) > maxBytes) {
			out = append(out, entries[start:i])
			start, bytes = i, 0
		}
		bytes += len(e.body)
	}
	return append(out, entries[start:])
}

// errNoResult is what SQS says of an entry that its answer does not name.
var errNoResult = errors.New("consumerqueue: no result")

// send sends one request, notes the results, and gives back the entries to try again.
func (s *Sender) send(ctx context.Context, chunk []entry, results []error) (again []entry) {
	in := &sqs.SendMessageBatchInput{QueueUrl: &s.url}
	for i, e := range chunk {
		in.Entries = append(
			in.Entries,
			types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: aws.String(e.body)},
		)
		results[e.index] = errNoResult
	}
	out, err := s.queues.SendMessageBatch(ctx, in)
	if err != nil {
		for _, e := range chunk {
			results[e.index] = fmt.Errorf("consumerqueue: send: %w", err)
		}
		return chunk
	}
	for _, done := range out.Successful {
		if i, err := strconv.Atoi(aws.ToString(done.Id)); err == nil && i >= 0 && i < len(chunk) {
			results[chunk[i].index] = nil
		}
	}
	for _, refused := range out.Failed {
		i, err := strconv.Atoi(aws.ToString(refused.Id))
		if err != nil || i < 0 || i >= len(chunk) {
			continue
		}
		refusal := fmt.Errorf(
			"consumerqueue: not taken: %s: %s", aws.ToString(refused.Code), aws.ToString(refused.Message),
		)
		if refused.SenderFault && malformed(aws.ToString(refused.Code)) {
			refusal = poison.Mark(refusal)
		}
		results[chunk[i].index] = refusal
	}
	for _, e := range chunk {
		if err := results[e.index]; err != nil && !poison.Is(err) {
			again = append(again, e)
		}
	}
	return again
}

// malformed reports whether the message itself is at fault. A missing permission or key is the
// sender's fault too, and passes once that is granted.
func malformed(code string) bool {
	return code == "InvalidMessageContents" || code == "InvalidParameterValue" || code == "MessageTooLong"
}
