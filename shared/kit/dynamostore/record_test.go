package dynamostore_test

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"orderflow/shared/kit/dynamostore"
)

// TestRecords: whatever is in an image, what can be read of it is, and the record that is made of
// it is one that a consumer of the stream takes.
func TestRecords(t *testing.T) {
	for name, tc := range map[string]struct{ image, eventType, correlationID, stream string }{
		"whole": {`{"stream":{"S":"order/o1"},"version":{"N":"3"},"meta":{"M":{"correlationId":{"S":"c9"}}},` +
			`"events":{"L":[{"M":{"type":{"S":"order.placed"}}}]}}`, "order.placed", "c9", "order/o1"},
		"compressed": {`{"stream":{"S":"order/o1"},"meta":{"M":{"correlationId":{"S":"c9"}}},"events":{"B":"YQ=="}}`,
			"", "c9", "order/o1"},
		"events that are none":   {`{"meta":{"M":{"correlationId":{"S":"c9"}}},"events":1}`, "", "c9", ""},
		"metadata that are none": {`{"meta":1,"events":{"L":[{"M":{"type":{"S":"a.b"}}}]}}`, "a.b", "", ""},
		"nothing":                {`{}`, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			records := dynamostore.Records{}
			eventType, correlationID := records.About([]byte(tc.image))
			if eventType != tc.eventType || correlationID != tc.correlationID {
				t.Errorf("about %q, %q", eventType, correlationID)
			}
			text, err := records.Record("e", "arn", "7", []byte(tc.image))
			if err != nil {
				t.Fatal(err)
			}
			var record events.DynamoDBEventRecord
			var parts struct {
				Change struct {
					Keys     map[string]events.DynamoDBAttributeValue
					NewImage json.RawMessage
				} `json:"dynamodb"`
			}
			if err := json.Unmarshal(text, &parts); err != nil {
				t.Fatal(err)
			}
			if tc.image == `{}` || tc.stream != "" {
				if err := json.Unmarshal(text, &record); err != nil || record.EventName != "INSERT" ||
					record.EventID != "e" || record.EventSourceArn != "arn" || record.Change.SequenceNumber != "7" {
					t.Errorf("%+v, %v", record, err)
				}
			}
			if string(parts.Change.NewImage) != tc.image {
				t.Errorf("image %s", parts.Change.NewImage)
			}
			if of := parts.Change.Keys["stream"]; tc.stream != "" && of.String() != tc.stream {
				t.Errorf("stream %q", of.String())
			}
		})
	}
}
