package trace

import (
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// SchemaURL names the version of the semantic conventions that attributes follow.
const SchemaURL = semconv.SchemaURL

// What messages and commits come through, for which the conventions have no name of their own.
const (
	SystemSQS         = "aws_sqs" // the conventions' own
	SystemEventBridge = "aws_eventbridge"
	SystemStream      = "aws_dynamodb_streams"
	SystemSES         = "aws_ses"
)

// The names of attributes that no convention has.
const (
	KeyLinksLeftOut = attribute.Key("orderflow.links.left_out")
	KeyOutcome      = attribute.Key("orderflow.outcome")
	KeyEventTypes   = attribute.Key("orderflow.event.types")
	KeySubject      = attribute.Key("orderflow.subject")
	KeyOrderID      = attribute.Key("orderflow.order.id")
	KeyCorrelation  = attribute.Key("orderflow.correlation.id")
)

// About is what work is about, as far as it is known: a stream, an order, what it follows from.
func About(subject, orderID, correlationID string) []attribute.KeyValue {
	all := make([]attribute.KeyValue, 0, 3)
	for _, a := range []attribute.KeyValue{
		KeySubject.String(subject), KeyOrderID.String(orderID), KeyCorrelation.String(correlationID),
	} {
		if a.Value.AsString() != "" {
			all = append(all, a)
		}
	}
	return all
}

// Request is what a request to the API is: its method, as far as it is a known one, and the pattern
// of its path. The path itself may have anything in it.
func Request(method, route string) []attribute.KeyValue {
	known := semconv.HTTPRequestMethodOther
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		known = semconv.HTTPRequestMethodKey.String(method)
	}
	if route == "" {
		return []attribute.KeyValue{known}
	}
	return []attribute.KeyValue{known, semconv.HTTPRoute(route)}
}

// Status is what a request was answered with.
func Status(status int) attribute.KeyValue { return semconv.HTTPResponseStatusCode(status) }

// Processed is what a consumer takes from somewhere: one message, whose id is given.
func Processed(system, destination, messageID string) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.MessagingSystemKey.String(system), semconv.MessagingDestinationName(destination),
		semconv.MessagingOperationTypeProcess, semconv.MessagingOperationName("process"),
		semconv.MessagingMessageID(messageID),
	}
}

// ProcessedBatch is what a consumer takes from somewhere at once.
func ProcessedBatch(system, destination string, messages int) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.MessagingSystemKey.String(system), semconv.MessagingDestinationName(destination),
		semconv.MessagingOperationTypeProcess, semconv.MessagingOperationName("process"),
		semconv.MessagingBatchMessageCount(messages),
	}
}

// Sent is what is sent somewhere at once.
func Sent(system, destination string, messages int) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.MessagingSystemKey.String(system), semconv.MessagingDestinationName(destination),
		semconv.MessagingOperationTypeSend, semconv.MessagingOperationName("send"),
		semconv.MessagingBatchMessageCount(messages),
	}
}

// MessageID names the message that something became.
func MessageID(id string) attribute.KeyValue { return semconv.MessagingMessageID(id) }

// Written is a request that writes to a table.
func Written(operation, table string) []attribute.KeyValue {
	return []attribute.KeyValue{
		semconv.DBSystemNameAWSDynamoDB, semconv.DBOperationName(operation), semconv.DBCollectionName(table),
	}
}

// Service is what spans come from.
func Service(name, version, region string) []attribute.KeyValue {
	all := []attribute.KeyValue{
		semconv.ServiceName(name), semconv.FaaSName(name), semconv.CloudProviderAWS, semconv.CloudPlatformAWSLambda,
	}
	if version != "" {
		all = append(all, semconv.ServiceVersion(version), semconv.FaaSVersion(version))
	}
	if region != "" {
		all = append(all, semconv.CloudRegion(region))
	}
	return all
}

// Invocation names the invocation that a span is part of, as the lines of the log do.
func Invocation(id string) attribute.KeyValue { return semconv.FaaSInvocationID(id) }

// Timer says that a clock began the work.
func Timer() attribute.KeyValue { return semconv.FaaSTriggerTimer }

// ErrorType is why something failed, by a code.
func ErrorType(code string) attribute.KeyValue { return semconv.ErrorTypeKey.String(code) }

// LinksLeftOut is how many causes a span has no link to.
func LinksLeftOut(n int) attribute.KeyValue { return KeyLinksLeftOut.Int(n) }

// Outcome is what came of something, in a word.
func Outcome(word string) attribute.KeyValue { return KeyOutcome.String(word) }

// EventTypes are the types of events that are written.
func EventTypes(types []string) attribute.KeyValue { return KeyEventTypes.StringSlice(types) }
