package queue

import "orderflow/shared/ops/deadletter"

// Letter is a message as a dead letter: one that was taken from a queue of dead letters, or is
// about to be one.
func (m Message) Letter() deadletter.Letter {
	return deadletter.Letter{
		QueueARN: m.QueueARN, MessageID: m.ID, Body: m.Body, Attributes: m.Attributes, SourceARN: m.sourceARN,
		Sent: m.Sent,
	}
}
