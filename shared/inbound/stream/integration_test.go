//go:build integration

package stream_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/inbound/stream"
)

// A letter reaches the queue as it is, and one with an image that is too large reaches it without.
func TestQueueTakesLetters(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := sqs.NewFromConfig(awstest.Config(t))
	// What is received by an answer that gets lost on a busy machine has to come again within the
	// test's time.
	created, err := client.CreateQueue(
		ctx,
		&sqs.CreateQueueInput{
			QueueName:  aws.String(awstest.Unique(t, "letters")),
			Attributes: map[string]string{"VisibilityTimeout": "2"},
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if _, err := client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: created.QueueUrl}); err != nil {
			t.Error(err)
		}
	})
	for _, tt := range []struct {
		name  string
		image json.RawMessage
		kept  bool
	}{
		{"small", json.RawMessage(`{"stream":{"S":"order/ä"}}`), true},
		{"large", json.RawMessage(`{"data":{"S":"` + strings.Repeat("x", 1<<20) + `"}}`), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sent := stream.DeadLetter{
				Version: 1, Consumer: "c", Stream: "order/ä", FirstSequence: 7, Error: "e", At: start, Image: tt.image,
			}
			if err := stream.NewQueue(client, aws.ToString(created.QueueUrl)).Send(ctx, sent); err != nil {
				t.Fatal(err)
			}
			out := &sqs.ReceiveMessageOutput{}
			for len(out.Messages) == 0 {
				var err error
				if out, err = client.ReceiveMessage(
					ctx, &sqs.ReceiveMessageInput{QueueUrl: created.QueueUrl, WaitTimeSeconds: 5},
				); err != nil {
					t.Fatal(err)
				}
			}
			var got stream.DeadLetter
			if err := json.Unmarshal([]byte(aws.ToString(out.Messages[0].Body)), &got); err != nil {
				t.Fatal(err)
			}
			if got.Stream != sent.Stream || got.FirstSequence != 7 || (got.Image != nil) != tt.kept || tt.kept &&
				string(got.Image) != string(sent.Image) {
				t.Errorf("got %s@%d with %d bytes of image", got.Stream, got.FirstSequence, len(got.Image))
			}
			if _, err := client.DeleteMessage(
				ctx, &sqs.DeleteMessageInput{QueueUrl: created.QueueUrl, ReceiptHandle: out.Messages[0].ReceiptHandle},
			); err != nil {
				t.Fatal(err)
			}
		})
	}
}
