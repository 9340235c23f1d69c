// Package mail hands mails to Amazon SES (version 2 of its API).
//
// SES has no token that would make a repeated request harmless. So a request whose answer is
// missing is never sent again, neither here nor by the SDK, and each error says what is known of
// the mail.
package mail

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/mail"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/smithy-go"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/inbox"
	"orderflow/shared/kit/trace"
	"orderflow/shared/process/notification"
)

// answerTime is how long SES may take to answer. A mail that it answers later is one of which
// nobody knows whether it was sent, so that it is long.
const answerTime = 10 * time.Second

// tryTime is what has to be left to the deadline for a try to begin. SES answers within a second as
// a rule; a try that the deadline cuts off is one of which nobody knows.
const tryTime = 5 * time.Second

// pace is that of the tries at a mail that SES did not take for now: at its own rate limit that is
// for less than a second.
var pace = backoff.Pace{Base: 100 * time.Millisecond, Max: 2 * time.Second, Margin: tryTime, Tries: 8}

// API is what the sender needs of SES.
type API interface {
	SendEmail(context.Context, *sesv2.SendEmailInput, ...func(*sesv2.Options)) (*sesv2.SendEmailOutput, error)
}

// NewClient makes the client that a Sender needs. It sends each request once, wherever the answer
// points, and on a connection of its own: on one that was kept while Lambda froze the process, a
// request can get lost without anybody knowing whether SES had it.
func NewClient(config aws.Config) *sesv2.Client {
	transport := awshttp.NewBuildableClient().GetTransport()
	transport.DisableKeepAlives = true
	return sesv2.NewFromConfig(config, func(o *sesv2.Options) {
		o.Retryer = aws.NopRetryer{}
		o.HTTPClient = &http.Client{
			Transport: transport, Timeout: answerTime,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	})
}

// The tags of a mail. SES gives them back with what it tells of the mail, which names the recipient
// by the address alone: they say whose mail it was. They hold nothing personal.
const (
	TagStack    = "orderflow-stack"
	TagCustomer = "customer"
	TagAddress  = "address" // notification.Mail's
)

// Sender is a notification.Mailer. It is safe for concurrent use.
type Sender struct {
	api              API
	clock            clock.Clock
	from             mail.Address
	configurationSet string
	stack            string
}

// New makes a sender from an address whose identity is verified; without one mail is off, and no
// mail is taken. With a configuration set SES tells of deliveries, bounces and complaints as the
// set says; "" for none. Each mail is tagged with the name of the stack that sends it. The client
// must not send a request twice by itself: NewClient's doesn't.
func New(api API, c clock.Clock, from mail.Address, configurationSet, stack string) Sender {
	return Sender{api: api, clock: c, from: from, configurationSet: configurationSet, stack: stack}
}

// Send implements notification.Mailer. A mail that SES did not take for now, since mails came too
// fast, or because it could not be reached, is tried again until near ctx's deadline. Less than 5 s
// ahead of it none is tried.
func (s Sender) Send(ctx context.Context, m notification.Mail) (string, error) {
	if s.from.Address == "" {
		return "", fmt.Errorf("%w: mail: it is off: there is no address to send from", inbox.ErrNotDone)
	}
	if to, err := mail.ParseAddress(m.To); err != nil || to.Address != m.To || to.Name != "" {
		return "", fmt.Errorf("%w: mail: the recipient's address is none", inbox.ErrRefused)
	}
	if strings.ContainsFunc(m.To, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "", fmt.Errorf("%w: mail: the recipient's address is not ASCII, as SES takes them", inbox.ErrRefused)
	}
	if strings.ContainsAny(m.Subject, "\r\n") {
		return "", fmt.Errorf("%w: mail: the subject has more than one line", inbox.ErrRefused)
	}
	input := &sesv2.SendEmailInput{
		FromEmailAddress: aws.String(s.from.String()),
		Destination:      &types.Destination{ToAddresses: []string{m.To}},
		Content: &types.EmailContent{Simple: &types.Message{
			Subject: utf8(m.Subject), Body: &types.Body{Text: utf8(m.Text), Html: utf8(m.HTML)},
		}},
		EmailTags: []types.MessageTag{
			tag(TagStack, s.stack), tag(TagCustomer, m.CustomerID), tag(TagAddress, strconv.FormatInt(m.Address, 10)),
		},
	}
	if s.configurationSet != "" {
		input.ConfigurationSetName = &s.configurationSet
	}
	if deadline, ok := ctx.Deadline(); ok && deadline.Sub(s.clock.Now()) < tryTime {
		return "", fmt.Errorf("%w: mail: no time is left to send it", inbox.ErrNotDone)
	}
	ctx, span := trace.Inside(ctx, trace.Producer, "send", "mail")
	if span.Recorded() {
		span.Set(trace.Sent(trace.SystemSES, "mail", 1)...)
	}
	for tries := backoff.New(pace, s.clock); ; {
		id, again, err := s.once(ctx, input)
		if err == nil || !again || !tries.Again(ctx) {
			if id != "" {
				span.Set(trace.MessageID(id))
			}
			span.End(err)
			return id, err
		}
	}
}

func tag(name, value string) types.MessageTag { return types.MessageTag{Name: &name, Value: &value} }

func utf8(text string) *types.Content {
	return &types.Content{Data: &text, Charset: aws.String("UTF-8")}
}

// once sends a mail once. again says that it was not taken and may be in a moment.
func (s Sender) once(ctx context.Context, input *sesv2.SendEmailInput) (id string, again bool, err error) {
	var written atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { written.Store(true) }})
	out, err := s.api.SendEmail(traced, input)
	if err == nil {
		return aws.ToString(out.MessageId), false, nil
	}
	answered, code := what(err)
	text := s.redact(err.Error(), input.Destination.ToAddresses)
	refused := (*types.MessageRejected)(nil)
	bad := (*types.BadRequestException)(nil)
	quota := (*types.LimitExceededException)(nil) // of a day: waiting a moment is of no use
	switch {
	case errors.As(err, &refused), errors.As(err, &bad):
		return "", false, fmt.Errorf("%w: mail: SES: %s", inbox.ErrRefused, text)
	case errors.As(err, &quota):
		return "", false, fmt.Errorf("%w: mail: SES: %s", inbox.ErrNotDone, text)
	case answered == http.StatusTooManyRequests, isThrottle(code):
		return "", true, fmt.Errorf("%w: mail: SES: %s", inbox.ErrNotDone, text)
	case answered >= 400 && answered < 500: // the account, its quota or its rights: not the mail's fault
		return "", false, fmt.Errorf("%w: mail: SES: %s", inbox.ErrNotDone, text)
	case answered == 0 && !written.Load(): // SES had nothing that it could take
		return "", ctx.Err() == nil, fmt.Errorf("%w: mail: SES was not reached: %s", inbox.ErrNotDone, text)
	}
	return "", false, fmt.Errorf("mail: whether SES took the mail is unknown: %s", text)
}

// what gives the status and the code that SES answered with: 0 where there was no answer.
func what(err error) (status int, code string) {
	if response, ok := errors.AsType[*awshttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	return status, code
}

func isThrottle(code string) bool {
	_, is := retry.DefaultThrottleErrorCodes[code]
	return is
}

// address finds what looks like an address. SES names recipients in its errors, which go to logs
// and dead letters.
var address = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`[^\s<>",;:()\[\]]+@[^\s<>",;:()\[\]]+`)
})

const recipient = "(recipient)"

// redact takes the recipients' addresses out of a text, and whatever else looks like an address and
// is not the sender's.
func (s Sender) redact(text string, recipients []string) string {
	for _, to := range recipients {
		text = regexp.MustCompile(`(?i)`+regexp.QuoteMeta(to)).ReplaceAllLiteralString(text, recipient)
	}
	return address().ReplaceAllStringFunc(text, func(found string) string {
		if trimmed := strings.Trim(found, ".'"); strings.EqualFold(trimmed, s.from.Address) {
			return found
		}
		return recipient
	})
}
