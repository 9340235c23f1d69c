package mail_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	netmail "net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"orderflow/shared/aws/mail"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/inbox"
	"orderflow/shared/process/notification"
)

var (
	from  = netmail.Address{Name: "Söhne & Co", Address: "shop@example.com"}
	hello = notification.Mail{
		To: "ada@example.com", Subject: "Grüße", Text: "Hello Ada", HTML: "<p>Hello Ada</p>",
		CustomerID: "ada_1", Address: 2,
	}
)

// ses is an SES that answers as it is told, and counts.
type ses struct {
	*httptest.Server
	answer func(n int, w http.ResponseWriter)

	mu     sync.Mutex
	bodies []string
}

// asked is what it was asked so far.
func (s *ses) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

func newSES(t *testing.T, answer func(n int, w http.ResponseWriter)) *ses {
	t.Helper()
	s := &ses{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.URL.Path != "/v2/email/outbound-emails" {
			t.Errorf("%s: %v", r.URL, err)
		}
		s.mu.Lock()
		s.bodies = append(s.bodies, string(body))
		n := len(s.bodies)
		s.mu.Unlock()
		s.answer(n, w)
	}))
	t.Cleanup(s.Close)
	return s
}

// sender talks to an endpoint with the client of the functions.
func sender(endpoint string, c clock.Clock, set string) mail.Sender {
	return mail.New(mail.NewClient(aws.Config{
		Region: "us-east-1", BaseEndpoint: &endpoint,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}), c, from, set, "orderflow-test")
}

func fail(status int, code, message string) func(int, http.ResponseWriter) {
	return func(_ int, w http.ResponseWriter) {
		w.Header().Set("X-Amzn-Errortype", code)
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"message":%q}`, message)
	}
}

func taken(_ int, w http.ResponseWriter) { _, _ = io.WriteString(w, `{"MessageId":"m-1"}`) }

// cut ends the connection without an answer.
func cut(_ int, w http.ResponseWriter) {
	connection, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		err = connection.Close()
	}
	if err != nil {
		panic(err)
	}
}

func TestSend(t *testing.T) {
	s := newSES(t, taken)
	for _, set := range []string{"", "deliveries"} {
		id, err := sender(s.URL, clock.NewFake(time.Unix(0, 0)), set).Send(t.Context(), hello)
		if id != "m-1" || err != nil {
			t.Fatal(id, err)
		}
		var got struct {
			FromEmailAddress, ConfigurationSetName string
			Destination                            struct{ ToAddresses, CcAddresses, BccAddresses []string }
			EmailTags                              []struct{ Name, Value string }
			Content                                struct {
				Simple struct {
					Subject struct{ Data, Charset string }
					Body    struct {
						Text, HTML struct{ Data, Charset string }
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(s.asked()[len(s.asked())-1]), &got); err != nil {
			t.Fatal(err)
		}
		const tags = "[{orderflow-stack orderflow-test} {customer ada_1} {address 2}]"
		if tagged := fmt.Sprint(got.EmailTags); tagged != tags {
			t.Errorf("the mail is tagged %s", tagged)
		}
		simple := got.Content.Simple
		if got.FromEmailAddress != `=?utf-8?b?U8O2aG5lICYgQ28=?= <shop@example.com>` ||
			got.ConfigurationSetName != set ||
			len(got.Destination.ToAddresses) != 1 || got.Destination.ToAddresses[0] != hello.To ||
			got.Destination.CcAddresses != nil || got.Destination.BccAddresses != nil ||
			simple.Subject.Data != hello.Subject || simple.Body.Text.Data != hello.Text ||
			simple.Body.HTML.Data != hello.HTML ||
			simple.Subject.Charset != "UTF-8" || simple.Body.Text.Charset != "UTF-8" ||
			simple.Body.HTML.Charset != "UTF-8" {
			t.Errorf("sent %+v", got)
		}
	}
}

// What is known of a mail after each way to fail, and how often SES was asked.
func TestSendFails(t *testing.T) {
	unknown := errors.New("neither")
	for _, tt := range []struct {
		name   string
		answer func(int, http.ResponseWriter)
		want   error
		tries  int
	}{
		{
			"rejected", fail(400, "MessageRejected", "Email address is not verified: ada@example.com"),
			inbox.ErrRefused, 1,
		},
		{
			"a bad address", fail(400, "BadRequestException", "Local address contains control or whitespace"),
			inbox.ErrRefused, 1,
		},
		{"too fast", fail(429, "TooManyRequestsException", "Maximum sending rate exceeded."), inbox.ErrNotDone, 8},
		{"throttled by another name", fail(400, "ThrottlingException", "Rate exceeded"), inbox.ErrNotDone, 8},
		{"throttled with another status", fail(503, "SlowDown", "Rate exceeded"), inbox.ErrNotDone, 8},
		{"unavailable", fail(503, "ServiceUnavailable", "try later"), unknown, 1},
		{"unavailable, without a word", fail(503, "", ""), unknown, 1},
		{
			"the day's quota is spent", fail(400, "LimitExceededException", "Daily message quota exceeded."),
			inbox.ErrNotDone, 1,
		},
		{"paused", fail(400, "SendingPausedException", "paused"), inbox.ErrNotDone, 1},
		{"suspended", fail(400, "AccountSuspendedException", "suspended"), inbox.ErrNotDone, 1},
		{"domain not verified", fail(400, "MailFromDomainNotVerifiedException", "not verified"), inbox.ErrNotDone, 1},
		{"no such configuration set", fail(404, "NotFoundException", "no such set"), inbox.ErrNotDone, 1},
		{"not allowed", fail(403, "AccessDeniedException", "not authorized"), inbox.ErrNotDone, 1},
		{"an internal error", fail(500, "InternalServiceErrorException", "sorry"), unknown, 1},
		{"a gateway's time-out", fail(504, "", "sorry"), unknown, 1},
		{"no answer", cut, unknown, 1},
		{"half an answer", func(_ int, w http.ResponseWriter) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, `{"Mess`)
		}, unknown, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newSES(t, tt.answer)
			_, err := sender(s.URL, clock.NewFake(time.Unix(0, 0)), "").Send(t.Context(), hello)
			if err == nil {
				t.Fatal("no error")
			}
			for _, class := range []error{inbox.ErrRefused, inbox.ErrNotDone} {
				if errors.Is(err, class) != (tt.want == class) {
					t.Errorf("error %v, want %v", err, tt.want)
				}
			}
			if strings.Contains(err.Error(), "ada") {
				t.Errorf("the address is in %v", err)
			}
			if len(s.asked()) != tt.tries {
				t.Errorf("SES was asked %d times, want %d", len(s.asked()), tt.tries)
			}
		})
	}
}

func TestSendAgain(t *testing.T) {
	s := newSES(t, func(n int, w http.ResponseWriter) {
		if n < 3 {
			fail(429, "TooManyRequestsException", "Maximum sending rate exceeded.")(n, w)
			return
		}
		taken(n, w)
	})
	if id, err := sender(s.URL, clock.NewFake(time.Unix(0, 0)), "").Send(t.Context(), hello); id != "m-1" ||
		err != nil || len(s.asked()) != 3 {
		t.Errorf("%q, %v after %d tries", id, err, len(s.asked()))
	}
}

// A mail that never left this machine was not sent.
func TestNotReached(t *testing.T) {
	gone := newSES(t, taken)
	gone.Close()
	_, err := sender(gone.URL, clock.NewFake(time.Unix(0, 0)), "").Send(t.Context(), hello)
	if !errors.Is(err, inbox.ErrNotDone) {
		t.Error(err)
	}
	s := newSES(t, taken)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = sender(s.URL, clock.NewFake(time.Unix(0, 0)), "").Send(ctx, hello)
	if !errors.Is(err, inbox.ErrNotDone) || len(s.asked()) != 0 {
		t.Error(err, len(s.asked()))
	}
}

// A try that the deadline would cut off does not begin, also not the first.
func TestNoTimeLeft(t *testing.T) {
	s := newSES(t, fail(429, "TooManyRequestsException", "Maximum sending rate exceeded."))
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer cancel()
	deadline, _ := ctx.Deadline()
	for _, tt := range []struct {
		left time.Duration
		asks bool
	}{{5*time.Second - time.Millisecond, false}, {5 * time.Second, true}} {
		before := len(s.asked())
		c := clock.NewFake(deadline.Add(-tt.left))
		_, err := sender(s.URL, c, "").Send(ctx, hello)
		if asked := len(s.asked()) > before; !errors.Is(err, inbox.ErrNotDone) || asked != tt.asks {
			t.Errorf("%s left: asked %t, %v", tt.left, asked, err)
		}
		if left := deadline.Sub(c.Now()); left != tt.left {
			t.Errorf("%s left: it waited until %s", tt.left, left)
		}
	}
}

// A redirection is an answer like another, and nobody has the mail a second time.
func TestRedirected(t *testing.T) {
	elsewhere := newSES(t, taken)
	for _, status := range []int{http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		s := newSES(t, func(_ int, w http.ResponseWriter) {
			w.Header().Set("Location", elsewhere.URL+"/v2/email/outbound-emails")
			w.WriteHeader(status)
		})
		_, err := sender(s.URL, clock.NewFake(time.Unix(0, 0)), "").Send(t.Context(), hello)
		if err == nil || errors.Is(err, inbox.ErrNotDone) || errors.Is(err, inbox.ErrRefused) || len(s.asked()) != 1 ||
			len(elsewhere.asked()) != 0 {
			t.Errorf(
				"%d: %v, asked %d times, and %d times elsewhere", status, err, len(s.asked()), len(elsewhere.asked()),
			)
		}
	}
}

// A mail whose answer is waited for no longer may be sent: nobody knows.
func TestTimeOut(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	given := make(chan struct{}) // up: an answer right after the cancellation may be quicker than it
	s := newSES(t, func(_ int, w http.ResponseWriter) {
		cancel()
		<-given
		taken(1, w)
	})
	_, err := sender(s.URL, clock.NewFake(time.Unix(0, 0)), "").Send(ctx, hello)
	close(given)
	if err == nil || errors.Is(err, inbox.ErrNotDone) || errors.Is(err, inbox.ErrRefused) {
		t.Error(err)
	}
}

func TestUnsendable(t *testing.T) {
	s := newSES(t, taken)
	for name, change := range map[string]func(*notification.Mail){
		"no address":        func(m *notification.Mail) { m.To = "" },
		"two addresses":     func(m *notification.Mail) { m.To = "a@example.com, b@example.com" },
		"a named address":   func(m *notification.Mail) { m.To = "Ada <ada@example.com>" },
		"a domain":          func(m *notification.Mail) { m.To = "ada@exämple.de" },
		"a mailbox":         func(m *notification.Mail) { m.To = "ädä@example.com" },
		"a header more":     func(m *notification.Mail) { m.To = "ada@example.com\r\nBcc: b@example.com" },
		"a subject of two":  func(m *notification.Mail) { m.Subject = "Hello\r\nBcc: b@example.com" },
		"a subject's break": func(m *notification.Mail) { m.Subject = "Hello\n" },
	} {
		t.Run(name, func(t *testing.T) {
			m := hello
			change(&m)
			_, err := sender(s.URL, clock.NewFake(time.Unix(0, 0)), "").Send(t.Context(), m)
			if !errors.Is(err, inbox.ErrRefused) || strings.Contains(err.Error(), "@") {
				t.Error(err)
			}
		})
	}
	if len(s.asked()) != 0 {
		t.Errorf("%d were sent", len(s.asked()))
	}
}

func TestOff(t *testing.T) {
	s := newSES(t, taken)
	_, err := mail.New(
		mail.NewClient(aws.Config{Region: "us-east-1", BaseEndpoint: &s.URL}), clock.NewFake(time.Unix(0, 0)),
		netmail.Address{Name: "Shop"}, "", "",
	).Send(t.Context(), hello)
	if !errors.Is(err, inbox.ErrNotDone) || !strings.Contains(err.Error(), "mail: it is off") || len(s.asked()) != 0 {
		t.Error(err, len(s.asked()))
	}
}

// Addresses go from errors, the sender's own aside, and no part of them stays.
func TestErrorsNameNobody(t *testing.T) {
	for _, to := range []string{
		"Ada.O'Brien+x@mail.example.org", "'ada'@mail.example.org", "a{d}a/%1$0@mail.example.org",
		"obrien@mail.example.org",
	} {
		for name, said := range map[string]string{
			"alone":      to,
			"in a list":  "Shop@example.com, " + to + ".",
			"quoted":     "'" + to + "' \"" + to + "\" <" + to + ">",
			"in letters": strings.ToUpper(to) + ";" + strings.ToLower(to),
			"another's":  "x'" + to + ",O'Brien@mail.example.org",
		} {
			s := newSES(
				t, fail(400, "MessageRejected", "The following identities failed the check in region US-EAST-1: "+said),
			)
			m := hello
			m.To = to
			_, err := sender(s.URL, clock.NewFake(time.Unix(0, 0)), "").Send(t.Context(), m)
			if err == nil || !strings.Contains(err.Error(), "(recipient)") ||
				strings.Contains(said, "Shop") != strings.Contains(err.Error(), "Shop@example.com, ") {
				t.Errorf("%s, %s: %v", to, name, err)
				continue
			}
			_, text, _ := strings.Cut(err.Error(), "US-EAST-1: ")
			for _, part := range []string{"ada", "brien", "o'", "+x", "{", "mail", "example.org"} {
				if strings.Contains(strings.ToLower(text), part) {
					t.Errorf("%s, %s: %q stays in %v", to, name, part, err)
				}
			}
		}
	}
}
