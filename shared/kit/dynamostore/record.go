package dynamostore

import "encoding/json"

// Records reads and makes the records of the table's stream in DynamoDB's JSON, for who keeps one
// that a consumer has given up and invokes the consumer with it once more.
type Records struct{}

// About gives the type of the first event in a record's new image, and the correlation id. The
// image may hold anything: what can't be read is "".
func (Records) About(image []byte) (eventType, correlationID string) {
	type text struct {
		S string `json:"S"`
	}
	var meta struct {
		Meta struct {
			M struct {
				CorrelationID text `json:"correlationId"`
			} `json:"M"`
		} `json:"meta"`
	}
	var list struct {
		Events struct {
			L []struct {
				M struct {
					Type text `json:"type"`
				} `json:"M"`
			} `json:"L"`
		} `json:"events"`
	}
	// Each for itself: one that is of another form keeps back no other.
	_ = json.Unmarshal(image, &meta)
	if json.Unmarshal(image, &list) == nil && len(list.Events.L) > 0 {
		eventType = list.Events.L[0].M.Type.S
	}
	return eventType, meta.Meta.M.CorrelationID.S
}

// Record is the record of a commit that was put, with its new image, as CommitFromImage reads it.
// Of its keys those are there that the image has.
func (Records) Record(eventID, streamARN, sequenceNumber string, image []byte) ([]byte, error) {
	var has map[string]json.RawMessage
	_ = json.Unmarshal(image, &has) // what is no object has no keys
	keys := map[string]json.RawMessage{}
	for _, name := range []string{attrStream, attrVersion} {
		if value := has[name]; len(value) > 0 {
			keys[name] = value
		}
	}
	return json.Marshal(map[string]any{
		"eventID": eventID, "eventName": "INSERT", "eventSource": "aws:dynamodb", "eventSourceARN": streamARN,
		"dynamodb": map[string]any{
			"Keys": keys, "NewImage": json.RawMessage(image), "SequenceNumber": sequenceNumber,
			"StreamViewType": "NEW_IMAGE",
		},
	})
}
