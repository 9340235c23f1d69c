package stream

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/shop/trail"
)

// DeadLetterVersion is the version of DeadLetter's JSON.
const DeadLetterVersion = 1

// DeadLetter is a record that a consumer could not handle. Its personal data is sealed, as in the
// table.
type DeadLetter struct {
	Version  int    `json:"version"`
	Consumer string `json:"consumer"`
	Stream   string `json:"stream"` // "" where the record doesn't say
	// version of the commit's first event, 0 where the record doesn't say
	FirstSequence int64 `json:"firstSequence"`
	// What the commit is about, as far as it can be read (shared/shop/trail).
	OrderID        string `json:"orderId,omitempty"`
	CorrelationID  string `json:"correlationId,omitempty"`
	Traceparent    string `json:"traceparent,omitempty"`
	Tracestate     string `json:"tracestate,omitempty"`
	SequenceNumber string `json:"sequenceNumber"` // DynamoDB's own: the record's place in its shard
	EventID        string `json:"eventId"`        // DynamoDB's own
	StreamARN      string `json:"streamArn"`
	Poison         bool   `json:"poison"` // false: it might pass again, but others did while it didn't
	Error          string `json:"error"`
	// that failed, in the invocation that gave it up; 0 in letters from before it was counted
	Tries        int       `json:"tries"`
	FirstFailure time.Time `json:"firstFailure"` // of these tries; zero where they were not counted
	At           time.Time `json:"at"`
	// Image is the commit as DynamoDB keeps it, in DynamoDB's JSON. It is left out where the letter
	// would become too large: the table has it.
	Image json.RawMessage `json:"image,omitempty"`
}

// DeadLetterSender keeps dead letters. One that was sent may be sent again.
type DeadLetterSender interface {
	Send(context.Context, DeadLetter) error
}

func newDeadLetter(consumer string, it *item, at time.Time) DeadLetter {
	change := it.record.Change
	letter := DeadLetter{
		Version: DeadLetterVersion, Consumer: consumer, Stream: string(it.commit.Stream),
		FirstSequence:  it.commit.First,
		OrderID:        it.trail().OrderID,
		CorrelationID:  it.commit.Metadata.CorrelationID,
		Traceparent:    it.commit.Metadata.Traceparent,
		Tracestate:     it.trail().Tracestate,
		SequenceNumber: change.SequenceNumber, EventID: it.record.EventID, StreamARN: it.record.EventSourceArn,
		Poison: it.poison(), Error: it.err.Error(),
		Tries: it.tries, FirstFailure: it.first.UTC(), At: at.UTC(),
	}
	if letter.Stream == "" {
		letter.Stream, letter.FirstSequence = place(change.Keys)
	}
	// An image with a value of no type can't be encoded; its letter goes without.
	if err := guard(trail.With(context.Background(), it.trail()), func() (err error) {
		letter.Image, err = json.Marshal(change.NewImage)
		return err
	}); err != nil {
		letter.Image = nil
	}
	return letter
}

// place reads stream and version from a record's keys as far as they are there.
func place(keys map[string]events.DynamoDBAttributeValue) (stream string, version int64) {
	if v := keys["stream"]; v.DataType() == events.DataTypeString {
		stream = v.String()
	}
	if v := keys["version"]; v.DataType() == events.DataTypeNumber {
		if n, err := v.Integer(); err == nil {
			version = n
		}
	}
	return stream, version
}

// maxLetter is the largest letter in bytes; a queue takes 1 MiB.
const maxLetter = 1_000_000

// maxError is the longest error text in a letter, in bytes.
const maxError = 4_000

// SQS is what a Queue needs of the SQS client.
type SQS interface {
	SendMessage(context.Context, *sqs.SendMessageInput, ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Queue sends dead letters to an SQS queue.
type Queue struct {
	api SQS
	url string
}

// NewQueue makes a sender to the queue with that URL.
func NewQueue(api SQS, url string) *Queue { return &Queue{api: api, url: url} }

// Send implements DeadLetterSender.
func (q *Queue) Send(ctx context.Context, letter DeadLetter) error {
	if len(letter.Error) > maxError {
		letter.Error = strings.ToValidUTF8(letter.Error[:maxError], "")
	}
	body, err := json.Marshal(letter)
	if err == nil && len(body) > maxLetter {
		letter.Image = nil
		body, err = json.Marshal(letter)
	}
	if err != nil {
		return fmt.Errorf("stream: encode dead letter: %w", err)
	}
	message := &sqs.SendMessageInput{
		QueueUrl: aws.String(q.url), MessageBody: aws.String(escaped.Replace(string(body))),
	}
	if _, err := q.api.SendMessage(ctx, message); err != nil {
		return fmt.Errorf("stream: send dead letter: %w", err)
	}
	return nil
}

// escaped writes the two characters that JSON may hold as they are and SQS refuses a message for
// (InvalidMessageContents): a letter that can't be sent would block its shard.
var escaped = strings.NewReplacer("\uFFFE", `\ufffe`, "\uFFFF", `\uffff`)
