package httpapi

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/shop/personal"
)

// isPlace knows the form of an entry's place, which a cursor holds (deadletter.Entry.Place).
func isPlace(text string) bool {
	at, id, _ := strings.Cut(text, "#")
	_, err := clock.ParseTime(at)
	return err == nil && len(at) == len("2006-01-02T15:04:05.000000000Z") && ident.Valid(id)
}

type listDeadLettersInput struct {
	Consumer string            `query:"consumer" maxLength:"256" doc:"The function, or the queue that it reads" example:"start-saga"`
	Topic    string            `query:"topic" maxLength:"256" doc:"An event type, a command's name, or the category of a stored record that can't be read" example:"order.placed"`
	Order    string            `query:"order" format:"uuid" doc:"The id of the order that the message is about. An entry that an earlier release recorded is found once something was done with it."`
	Status   deadletter.Status `query:"status" enum:"open,redriving,resolved,spent,discarded"`
	Error    string            `query:"error" maxLength:"200" doc:"Text that the error contains; case matters"`
	Before   Instant           `query:"before" doc:"Only entries recorded before this time"`
	Limit    int               `query:"limit" default:"20" minimum:"1" maximum:"100"`
	Cursor   string            `query:"cursor" maxLength:"200" doc:"The next value of the previous page"`
}

type deadLetterPath struct {
	ID string `path:"id" format:"uuid" doc:"The id of the dead-letter entry"`
}

type redriveBody struct {
	Reason   string `json:"reason,omitempty" maxLength:"500" doc:"Why it is redriven; no personal data. The entry's decisions keep it."`
	TakeOver bool   `json:"takeOver,omitempty" doc:"true accepts that the effect may happen twice. Required for a held entry, for which it is unknown whether the effect happened."`
}

type redriveInput struct {
	Keyed
	ID   string `path:"id" format:"uuid" doc:"The id of the dead-letter entry"`
	Body redriveBody
}

type discardBody struct {
	Reason string `json:"reason,omitempty" maxLength:"500" doc:"Why the message is not needed; no personal data"`
}

type discardInput struct {
	Keyed
	ID   string `path:"id" format:"uuid" doc:"The id of the dead-letter entry"`
	Body discardBody
}

// deadLetterAnswer is an entry, in lists and after orders without its message.
type deadLetterAnswer struct {
	ID            string            `json:"id"`
	Status        deadletter.Status `json:"status" enum:"open,redriving,resolved,spent,discarded"`
	Consumer      string            `json:"consumer" doc:"The only consumer that a redrive sends it to"`
	Topic         string            `json:"topic" doc:"Empty if the message has none"`
	CorrelationID string            `json:"correlationId" doc:"Empty if the message has none"`
	OrderID       string            `json:"orderId,omitempty" doc:"The order that the message is about, if it says"`
	Kind          deadletter.Kind   `json:"kind" enum:"queue,record,invocation,undo,none" doc:"How it is redriven; none if it can't be"`
	Error         string            `json:"error" doc:"The consumer's last error"`
	Code          string            `json:"code,omitempty" doc:"Code of the error, if it has one"`
	RetryCount    int               `json:"retryCount" doc:"Total number of failed attempts"`
	FirstFailure  string            `json:"firstFailure" format:"date-time"`
	LastFailure   string            `json:"lastFailure" format:"date-time"`
	RecordedAt    string            `json:"recordedAt" format:"date-time"`
	Redrives      int               `json:"redrives" doc:"Number of redrives started"`
	RedriveError  string            `json:"redriveError,omitempty" doc:"Why the last redrive got no answer from the consumer"`
	NextRedriveAt string            `json:"nextRedriveAt,omitempty" format:"date-time" doc:"Absent if no redrive is planned, or if one is in progress"`
	Held          bool              `json:"held" doc:"true if it is unknown whether the effect happened: only an operator may redrive it"`
	Hint          string            `json:"hint,omitempty" doc:"What to do if a redrive doesn't help"`
	ClosedAt      string            `json:"closedAt,omitempty" format:"date-time"`
	ClosedBy      string            `json:"closedBy,omitempty" doc:"Who discarded it"`
	Reason        string            `json:"reason,omitempty" doc:"Why it was discarded"`
	Message       any               `json:"message,omitempty" doc:"The original message, only if you read a single entry: JSON if it is valid JSON, otherwise a string. Personal data is replaced by (sealed)."`
	Attributes    map[string]string `json:"attributes,omitempty" doc:"Message attributes set by the sender"`
	Decisions     []decisionAnswer  `json:"decisions,omitempty" doc:"Only if you read a single entry: what operators decided, oldest first, the last 20 that had an effect"`
}

type decisionAnswer struct {
	At       string            `json:"at" format:"date-time"`
	By       string            `json:"by" doc:"The operator who decided"`
	Action   deadletter.Action `json:"action" enum:"redrive,discard"`
	Reason   string            `json:"reason,omitempty" doc:"Why, in the operator's words"`
	TakeOver bool              `json:"takeOver,omitempty" doc:"true if the operator accepted that the effect may happen twice"`
}

type deadLettersAnswer struct {
	DeadLetters []deadLetterAnswer `json:"deadLetters"`
	Next        string             `json:"next,omitempty" doc:"The cursor of the next page; absent on the last page. A page may be shorter than limit even if more pages follow."`
}

type listDeadLettersOutput struct{ Body deadLettersAnswer }

type deadLetterOutput struct{ Body deadLetterAnswer }

type deadLetterAccepted struct {
	Location string `header:"Location" doc:"URL of the entry"`
	Body     deadLetterAnswer
}

func (s *server) deadLetterCommands(c Commands) {
	post := func(id, path, summary, description string, status int) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodPost, Path: path, Summary: summary, Description: description,
			DefaultStatus: status,
			Errors: []int{
				http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge,
				http.StatusUnsupportedMediaType,
			},
		}
	}
	register(s, accessOperator, post("redriveDeadLetter", "/dead-letters/{id}/redrive",
		"Redrive a dead-letter entry",
		"Sends the message back to its consumer. Accepted means that the next redrive sends it, within a minute. The "+
			"entry's status then becomes resolved, or again open or spent. If the entry is already due or being "+
			"redriven, the answer shows it unchanged: duplicate requests send the message once. A message without an "+
			"answer after 15 minutes is sent again. takeOver has no effect on an entry that is not held. The entry's "+
			"decisions have each redrive that had an effect.",
		http.StatusAccepted),
		c.redriveDeadLetter)
	register(s, accessOperator, post("discardDeadLetter", "/dead-letters/{id}/discard",
		"Discard a dead-letter entry",
		"Closes an entry whose message is not needed. If it is already discarded, the answer shows it unchanged. You "+
			"can also discard an entry that is being redriven: if its consumer handles the message after all, the "+
			"entry becomes resolved.", http.StatusOK), c.discardDeadLetter)
}

func (s *server) deadLetterQueries(q Queries) {
	register(s, accessOperator, huma.Operation{
		OperationID: "listDeadLetters", Method: http.MethodGet, Path: "/dead-letters",
		Summary:     "List dead-letter entries",
		Description: "Newest first, in pages.",
	}, q.listDeadLetters)
	register(s, accessOperator, huma.Operation{
		OperationID: "getDeadLetterDepth", Method: http.MethodGet, Path: "/analytics/dead-letters",
		Summary:     "Read how many dead-letter entries are not closed",
		Description: "For operators. In all and by consumer. The numbers lag behind by about a second.",
	}, q.getDeadLetterDepth)
	register(s, accessOperator, huma.Operation{
		OperationID: "getDeadLetter", Method: http.MethodGet, Path: "/dead-letters/{id}",
		Summary: "Read a dead-letter entry with its message", Errors: []int{http.StatusNotFound},
	}, q.getDeadLetter)
}

// DepthAnswer is how many entries are not closed. It is exported as FiguresAnswer is.
type DepthAnswer struct {
	Returning int64  `json:"returning" doc:"Entries that are open or being redriven: they come back by themselves"`
	Waiting   int64  `json:"waiting" doc:"Entries that are exhausted or held: they wait for a person"`
	Oldest    string `json:"oldest,omitempty" format:"date-time" doc:"Since when the oldest of them is open; absent if there is none"`
}

type consumerDepthAnswer struct {
	Consumer string `json:"consumer" doc:"The function, or the queue that it reads" example:"start-saga"`
	DepthAnswer
}

type depthsAnswer struct {
	DepthAnswer
	Consumers []consumerDepthAnswer `json:"consumers" doc:"The same by consumer, those with the most entries first"`
	AtLeast   bool                  `json:"atLeast,omitempty" doc:"true if there are more than 1,000 entries of a status: the numbers are at least so many, and the oldest is among them"`
}

type depthsOutput struct{ Body depthsAnswer }

func (q Queries) getDeadLetterDepth(ctx context.Context, _ identity, _ *struct{}) (*depthsOutput, error) {
	d, err := q.DeadLetters.Depths(ctx)
	if err != nil {
		return nil, err
	}
	out := &depthsOutput{Body: depthsAnswer{
		DepthAnswer: depthOf(d.All), Consumers: []consumerDepthAnswer{}, AtLeast: d.AtLeast,
	}}
	for consumer, of := range d.ByConsumer {
		out.Body.Consumers = append(
			out.Body.Consumers, consumerDepthAnswer{Consumer: consumer, DepthAnswer: depthOf(of)},
		)
	}
	slices.SortFunc(out.Body.Consumers, func(a, b consumerDepthAnswer) int {
		return cmp.Or(
			cmp.Compare(b.Returning+b.Waiting, a.Returning+a.Waiting), cmp.Compare(a.Consumer, b.Consumer),
		)
	})
	return out, nil
}

func depthOf(d deadletter.Depth) DepthAnswer {
	return DepthAnswer{Returning: d.Returning, Waiting: d.Waiting, Oldest: moment(d.Oldest)}
}

func (q Queries) listDeadLetters(
	ctx context.Context, _ identity, in *listDeadLettersInput,
) (*listDeadLettersOutput, error) {
	after, err := base64.RawURLEncoding.Strict().DecodeString(in.Cursor)
	if err != nil || in.Cursor != "" && !isPlace(string(after)) {
		return nil, badCursor()
	}
	page, err := q.DeadLetters.List(ctx, deadletter.Query{
		Consumer: in.Consumer, Topic: in.Topic, Order: in.Order, Status: in.Status, Error: in.Error,
		Before: in.Before.Time,
		After:  string(after), Limit: in.Limit,
	})
	if err != nil {
		return nil, err
	}
	out := &listDeadLettersOutput{
		Body: deadLettersAnswer{
			DeadLetters: make([]deadLetterAnswer, len(page.Entries)),
			Next:        base64.RawURLEncoding.EncodeToString([]byte(page.Next)),
		},
	}
	for i, e := range page.Entries {
		out.Body.DeadLetters[i] = answerDeadLetter(e)
	}
	return out, nil
}

func (q Queries) getDeadLetter(ctx context.Context, _ identity, in *deadLetterPath) (*deadLetterOutput, error) {
	e, m, err := q.DeadLetters.Get(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	answer := answerDeadLetter(e)
	body := personal.Hide(string(m.Body)) // the message itself keeps it, and is what a redrive sends
	answer.Message, answer.Attributes = body, m.Attributes
	if json.Valid(m.Body) {
		answer.Message = json.RawMessage(body)
	}
	for _, d := range e.Decisions {
		answer.Decisions = append(answer.Decisions, decisionAnswer{
			At: moment(d.At), By: d.By, Action: d.Action, Reason: d.Reason, TakeOver: d.TakeOver,
		})
	}
	return &deadLetterOutput{Body: answer}, nil
}

func (c Commands) redriveDeadLetter(ctx context.Context, id identity, in *redriveInput) (*deadLetterAccepted, error) {
	req, err := in.request(ctx, id, c.Clock.Now(), "redrive-dead-letter", in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	e, err := c.DeadLetters.Redrive(ctx, in.ID, deadletter.Order{
		Request: req, TakeOver: in.Body.TakeOver, Reason: in.Body.Reason,
	})
	if err != nil {
		return nil, err
	}
	return &deadLetterAccepted{Location: "/dead-letters/" + e.ID, Body: answerDeadLetter(e)}, nil
}

func (c Commands) discardDeadLetter(ctx context.Context, id identity, in *discardInput) (*deadLetterOutput, error) {
	req, err := in.request(ctx, id, c.Clock.Now(), "discard-dead-letter", in.ID, in.Body)
	if err != nil {
		return nil, err
	}
	e, err := c.DeadLetters.Discard(ctx, in.ID, deadletter.Order{Request: req, Reason: in.Body.Reason})
	if err != nil {
		return nil, err
	}
	return &deadLetterOutput{Body: answerDeadLetter(e)}, nil
}

func answerDeadLetter(e deadletter.Entry) deadLetterAnswer {
	a := deadLetterAnswer{
		ID: e.ID, Status: e.Status, Consumer: e.Consumer, Topic: e.Topic, CorrelationID: e.CorrelationID, Kind: e.Kind,
		OrderID: e.OrderID,
		Error:   e.Error, Code: e.Code,
		RetryCount: e.Failures, FirstFailure: moment(e.FirstFailure), LastFailure: moment(e.LastFailure),
		RecordedAt: moment(e.RecordedAt), Redrives: e.Redrives,
		RedriveError: e.RedriveError, Held: e.Held, Hint: e.Hint, ClosedAt: moment(e.Closed), ClosedBy: e.ClosedBy,
		Reason: e.Reason,
	}
	if e.Status == deadletter.StatusOpen && !e.Held {
		a.NextRedriveAt = moment(e.Next)
	}
	return a
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
