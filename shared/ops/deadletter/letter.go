package deadletter

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"orderflow/shared/kit/ident"
	"orderflow/shared/process/saga"
)

// Letter is a message as it lies in the queue of dead letters.
type Letter struct {
	QueueARN   string // of that queue
	MessageID  string
	Body       []byte
	Attributes map[string]string // that its sender gave it
	SourceARN  string            // the queue that it was moved from, "" where it was not
	Sent       time.Time         // by its first sender
}

// The attributes that EventBridge gives a message of which a rule or a schedule could not be rid.
const (
	attributeTarget  = "TARGET_ARN"
	attributeRule    = "RULE_ARN"
	attributeError   = "ERROR_CODE"
	attributeText    = "ERROR_MESSAGE"
	attributeRetries = "RETRY_ATTEMPTS"
)

// redriveFunction is the redrive's own function: it does not redrive itself.
const redriveFunction = "redrive-dead-letters"

// canaries is the queue of the loss audit's own events, under whose name they become dead letters.
const canaries = "audit"

// maxAttributes is how many attributes of its sender's a message may have to be redriven: SQS takes
// ten, and the redrive adds up to three.
const maxAttributes = 10 - 3

// crashed is why a queue gives a message up of which its consumer has not noted all tries.
const crashed = "no error was noted: the consumer crashed, ran out of time, or was never run"

// Records knows how the events' table writes down the records of its stream. dynamostore.Records
// is one.
type Records interface {
	// About gives the type of the first event in a record's image, and the correlation id: "" for
	// what can't be read.
	About(image []byte) (eventType, correlationID string)
	// Record is a record with that image, as its consumer is invoked with it.
	Record(eventID, streamARN, sequenceNumber string, image []byte) ([]byte, error)
}

// parsed is what a letter says.
type parsed struct {
	entry   Entry   // but for its status
	message Message // to send again
	failure failure
	of      string // the entry whose redrive failed, as the letter has it; "" where it is of none
	attempt int    // of that redrive
	noted   string // the queue in which the consumer may have noted the failure, "" for none
	own     bool   // it is about the redrive itself
}

// lambdaLetter is what Lambda tells of an invocation, or of a stream's batch, that it gave up.
type lambdaLetter struct {
	Timestamp      time.Time `json:"timestamp"`
	RequestContext struct {
		RequestID   string `json:"requestId"`
		FunctionARN string `json:"functionArn"`
		Condition   string `json:"condition"`
		Invocations int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	RequestPayload  json.RawMessage `json:"requestPayload"`
	ResponsePayload struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	} `json:"responsePayload"`
	Batch *struct {
		Shard string `json:"shardId"`
		First string `json:"startSequenceNumber"`
		Last  string `json:"endSequenceNumber"`
		Size  int    `json:"batchSize"`
	} `json:"DDBStreamBatchInfo"`
}

// streamLetter is what a consumer of the events' stream writes of a record (shared/inbound/stream).
type streamLetter struct {
	Version        int             `json:"version"`
	Consumer       string          `json:"consumer"`
	Stream         string          `json:"stream"`
	FirstSequence  int64           `json:"firstSequence"`
	SequenceNumber string          `json:"sequenceNumber"`
	EventID        string          `json:"eventId"`
	StreamARN      string          `json:"streamArn"`
	Error          string          `json:"error"`
	Tries          int             `json:"tries"`
	FirstFailure   time.Time       `json:"firstFailure"`
	At             time.Time       `json:"at"`
	Image          json.RawMessage `json:"image"`
}

// sagaLetter is what the order's state machine writes of an undo that failed.
type sagaLetter struct {
	Consumer      string `json:"consumer"`
	Problem       string `json:"problem"`
	OrderID       string `json:"orderId"`
	Execution     string `json:"execution"`
	CorrelationID string `json:"correlationId"`
	Failed        []struct {
		Step  string `json:"step"`
		Error string `json:"error"`
		Cause string `json:"cause"`
		Tries int    `json:"tries"`
	} `json:"failed"`
	At time.Time `json:"at"`
}

// Moved is the attribute of a letter that its consumer moves from the queue in which it lies.
func (l Letter) Moved() string { return l.QueueARN + " " + l.MessageID }

// original is a letter by the queue and the id that it had before its consumer moved it: so it is
// the same letter, however often it was moved, and whoever moved it. What SQS itself says of a
// letter comes first.
func (l Letter) original() Letter {
	if l.SourceARN != "" {
		return l
	}
	if source, id, both := strings.Cut(l.Attributes[AttributeMoved], " "); both && source != "" && id != "" {
		l.SourceARN, l.MessageID = source, id
	}
	return l
}

// parse tells what a letter is and reads what it says. stack is the start of the names of queues
// and functions. Whatever the letter is, it becomes an entry: one that can't be understood is one
// that can't be redriven.
func parse(l Letter, stack string, records Records) parsed {
	p := parsed{
		entry: Entry{
			ID: ident.Derive("dead-letter", l.QueueARN, l.MessageID), Consumer: short(l.QueueARN, stack),
			Origin:  short(l.QueueARN, stack),
			Letters: []string{l.MessageID},
		},
		message: Message{Body: l.Body, Attributes: l.Attributes},
		failure: failure{first: l.Sent, tries: 1},
	}
	p.read(l, stack, records)
	if p.entry.Kind == KindQueue && p.entry.Consumer == canaries {
		p.failure.hint = "It is an event of the loss audit, which sends another one with each run: one that comes " +
			"late must not count as arrived. See what the audit says, and discard it."
	}
	if p.failure.hint != "" {
		p.entry.Kind, p.failure.hint = KindNone, shorten(p.failure.hint, maxError)
	}
	for _, name := range []*string{&p.entry.Consumer, &p.entry.Topic, &p.entry.CorrelationID, &p.entry.Target} {
		*name = shorten(*name, maxName)
	}
	return p
}

func (p *parsed) read(l Letter, stack string, records Records) {
	switch {
	case l.SourceARN != "":
		p.ofQueue(l, l.SourceARN, stack)
		return
	case l.Attributes[attributeTarget] != "":
		p.undelivered(l, stack)
		return
	}
	var (
		lambda lambdaLetter
		record streamLetter
		undo   sagaLetter
	)
	switch {
	case json.Unmarshal(l.Body, &lambda) == nil && lambda.RequestContext.FunctionARN != "" &&
		lambda.RequestContext.Condition != "":
		p.ofLambda(lambda, stack)
	case json.Unmarshal(l.Body, &record) == nil && record.StreamARN != "" && record.SequenceNumber != "" &&
		record.Consumer != "":
		p.ofRecord(record, l.QueueARN, stack, records)
	case json.Unmarshal(l.Body, &undo) == nil && undo.Consumer == "order-saga" && undo.OrderID != "" &&
		undo.Execution != "":
		p.ofUndo(undo)
	default:
		p.failure.err = "it says neither who gave it up nor why"
		p.failure.hint = "Nobody knows where it belongs. If you do, send it there by hand; discard it then."
		p.about(l.Body)
	}
}

// undelivered: a rule or a schedule could not hand over to its target, which so never had the
// message.
func (p *parsed) undelivered(l Letter, stack string) {
	target := unqualified(l.Attributes[attributeTarget])
	p.entry.Target, p.entry.Consumer = target, short(target, stack)
	p.failure.err = strings.Trim(l.Attributes[attributeError]+": "+l.Attributes[attributeText], ": ")
	if n, err := strconv.Atoi(l.Attributes[attributeRetries]); err == nil {
		p.failure.tries = n + 1
	}
	p.message.Attributes = nil
	p.entry.Kind = KindQueue
	if serviceOf(target) == "lambda" {
		p.entry.Kind = KindInvocation
	}
	p.about(l.Body)
	p.notItself()
}

// ofQueue: the consumer moved the message here after its last try, or SQS did.
func (p *parsed) ofQueue(l Letter, source, stack string) {
	p.entry.Kind, p.entry.Target, p.entry.Consumer = KindQueue, source, short(source, stack)
	p.noted = nameOf(source)
	p.failure.err = crashed
	attempt, err := strconv.Atoi(l.Attributes[AttributeAttempt])
	if id := l.Attributes[AttributeID]; ident.Valid(id) && err == nil && attempt > 0 {
		p.of, p.attempt = id, attempt
	}
	p.message.Attributes = map[string]string{}
	for name, value := range l.Attributes {
		if name != AttributeID && name != AttributeAttempt && name != AttributeTakeOver && name != AttributeMoved {
			p.message.Attributes[name] = value
		}
	}
	if n := len(p.message.Attributes); n > maxAttributes {
		p.failure.hint = fmt.Sprintf(
			"It has %d attributes, and with those of a redrive more than SQS takes: send it to the queue by hand, "+
				"and discard it.",
			n,
		)
	}
	p.about(l.Body)
}

func (p *parsed) ofLambda(l lambdaLetter, stack string) {
	arn := unqualified(l.RequestContext.FunctionARN)
	p.entry.Target, p.entry.Consumer = arn, short(arn, stack)
	if !l.Timestamp.IsZero() {
		p.failure.first, p.failure.last = l.Timestamp.UTC(), l.Timestamp.UTC()
	}
	p.failure.tries = max(1, l.RequestContext.Invocations)
	if l.Batch != nil {
		p.entry.Kind = KindRecord
		p.failure.err = fmt.Sprintf("%s: Lambda gave up %d records of shard %s, from %s to %s",
			l.RequestContext.Condition, l.Batch.Size, l.Batch.Shard, l.Batch.First,
			l.Batch.Last)
		p.failure.hint = "Lambda keeps no records of what it gives up. The events are in the store: orderflow " +
			"events audit finds those that nobody has heard of, and with --republish publishes them and brings the " +
			"views up to date."
		return
	}
	p.entry.Kind = KindInvocation
	p.failure.err, p.failure.code = cmp.Or(l.ResponsePayload.Message, l.RequestContext.Condition),
		l.ResponsePayload.Type
	p.message = Message{Body: l.RequestPayload}
	p.about(l.RequestPayload)
	p.notItself()
}

// notItself keeps the redrive from redriving itself.
func (p *parsed) notItself() {
	p.own = p.entry.Kind == KindInvocation && p.entry.Consumer == redriveFunction
}

// ofRecord: a record of the events' stream. A record that comes again and fails again has the same
// entry. The consumer is the function of its name beside the queue.
func (p *parsed) ofRecord(l streamLetter, queueARN, stack string, records Records) {
	p.entry.ID = ident.Derive("dead-letter", l.Consumer, l.StreamARN, l.EventID)
	p.entry.Kind, p.entry.Target, p.entry.Consumer = KindRecord, functionARN(queueARN, stack+"-"+l.Consumer), l.Consumer
	p.entry.Topic, _, _ = strings.Cut(l.Stream, "/")
	p.failure.err, p.failure.first, p.failure.last = l.Error, l.At.UTC(), l.At.UTC()
	p.failure.tries = max(1, l.Tries)
	if !l.FirstFailure.IsZero() {
		p.failure.first = l.FirstFailure.UTC()
	}
	if len(l.Image) == 0 {
		p.failure.hint = "The letter has no record, which was too large for it. The events table has it: " + l.Stream +
			", version " + strconv.FormatInt(l.FirstSequence, 10) + "."
		return
	}
	topic, correlationID := records.About(l.Image)
	p.entry.Topic, p.entry.CorrelationID = cmp.Or(topic, p.entry.Topic), correlationID
	body, err := records.Record(l.EventID, l.StreamARN, l.SequenceNumber, l.Image)
	if err != nil {
		p.failure.hint = "The record can't be written down: " + err.Error()
		return
	}
	p.message = Message{Body: body}
}

// invocation is what the function that reads the stream is invoked with for a record.
func invocation(record []byte) ([]byte, error) {
	return json.Marshal(map[string]any{"redrive": true, "Records": []json.RawMessage{record}})
}

func (p *parsed) ofUndo(l sagaLetter) {
	run := nameOf(l.Execution)
	p.entry.ID = firstUndo(l.Execution)
	if id, attempt, ok := parseUndoName(run); ok {
		p.of, p.attempt = id, attempt
	}
	p.entry.Kind, p.entry.Target, p.entry.Consumer = KindUndo, l.OrderID, l.Consumer
	p.entry.Topic, p.entry.CorrelationID = "undo", l.CorrelationID
	texts := []string{l.Problem}
	tries := 0
	for _, f := range l.Failed {
		tries += max(1, f.Tries)
		texts = append(texts, f.Step+": "+strings.Trim(f.Error+" "+f.Cause, " "))
		p.failure.code = f.Error
	}
	p.failure.err, p.failure.tries = strings.Join(texts, "; "), max(1, tries)
	if !l.At.IsZero() {
		p.failure.first, p.failure.last = l.At.UTC(), l.At.UTC()
	}
}

// UndoEntry is the id of the entry that the failed undo of an execution is recorded as: for one
// that a redrive began, that of the redrive.
func UndoEntry(executionARN string) string {
	if id, _, ok := parseUndoName(nameOf(executionARN)); ok {
		return id
	}
	return firstUndo(executionARN)
}

func firstUndo(executionARN string) string {
	return ident.Derive("dead-letter", "order-saga", executionARN)
}

// undoName is the name of the undoing run that is an attempt of an entry's redrive.
func undoName(id string, attempt int) string {
	return saga.RedrivePrefix + id + "-" + strconv.Itoa(attempt)
}

func parseUndoName(name string) (id string, attempt int, ok bool) {
	rest, ok := strings.CutPrefix(name, saga.RedrivePrefix)
	at := strings.LastIndexByte(rest, '-')
	if !ok || at < 0 {
		return "", 0, false
	}
	attempt, err := strconv.Atoi(rest[at+1:])
	return rest[:at], attempt, err == nil && attempt > 0 && ident.Valid(rest[:at])
}

// about reads topic and correlation id from a message: an event in EventBridge's JSON, or a
// command.
func (p *parsed) about(body []byte) {
	var m struct {
		DetailType    string `json:"detail-type"`
		Command       string `json:"command"`
		CorrelationID string `json:"correlationId"`
		Detail        struct {
			CorrelationID string `json:"correlationid"`
		} `json:"detail"`
	}
	if json.Unmarshal(body, &m) != nil {
		return
	}
	p.entry.Topic = cmp.Or(m.DetailType, m.Command)
	p.entry.CorrelationID = cmp.Or(m.Detail.CorrelationID, m.CorrelationID)
}

// short is the name of a queue or function without the stack's.
func short(arn, stack string) string { return strings.TrimPrefix(nameOf(arn), stack+"-") }

func nameOf(arn string) string { return arn[strings.LastIndexByte(arn, ':')+1:] }

// unqualified is a function's ARN without the alias or version that may be named behind it: it is
// whatever is deployed by then that is invoked. Another ARN is left as it is.
func unqualified(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) == 8 && parts[2] == "lambda" {
		return strings.Join(parts[:7], ":")
	}
	return arn
}

// functionARN is that of a function in the region and account of a queue.
func functionARN(queueARN, name string) string {
	parts := strings.SplitN(queueARN, ":", 6) // arn, partition, sqs, region, account, name
	if len(parts) != 6 {
		return name
	}
	return strings.Join([]string{parts[0], parts[1], "lambda", parts[3], parts[4], "function", name}, ":")
}

func serviceOf(arn string) string {
	if parts := strings.SplitN(arn, ":", 4); len(parts) == 4 {
		return parts[2]
	}
	return ""
}
