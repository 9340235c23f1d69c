//go:build e2e

package e2e_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	netmail "net/mail"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	sesv2types "github.com/aws/aws-sdk-go-v2/service/sesv2/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/aws/keyvault"
	"orderflow/shared/aws/mail"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/kit/inbox"
	"orderflow/shared/kit/inboxtable"
	"orderflow/shared/process/notification"
	customers "orderflow/shared/shop/customer"
	orders "orderflow/shared/shop/order"
)

// sender is what the stack sends from where it runs on an emulator (samconfig.toml).
const sender = "shop@example.com"

// sentMail is a mail as the emulator's SES keeps it.
type sentMail struct {
	Source              string
	To, CC, BCC         []string
	Subject, BodyText   string
	BodyHTML, MessageID string
}

// customerMailbox is a customer as newCustomer registers them.
type customerMailbox struct{ id string }

func (c customerMailbox) address() string { return c.id + "@example.com" }

// mails is what the emulator's SES was given to send to the customer.
func (c customerMailbox) mails(t *testing.T) []sentMail {
	t.Helper()
	return mailsTo(t, c.address())
}

// mailsTo is what the emulator's SES was given to send to an address.
func mailsTo(t *testing.T, address string) []sentMail {
	t.Helper()
	req, err := http.NewRequestWithContext(
		t.Context(), http.MethodGet, os.Getenv("ORDERFLOW_TEST_ENDPOINT")+"/_ministack/ses/messages", http.NoBody,
	)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var own []sentMail
	for _, account := range decode[struct {
		Messages map[string][]sentMail `json:"messages"`
	}](t, text).Messages {
		for _, m := range account {
			if len(m.To) == 1 && m.To[0] == address {
				own = append(own, m)
			}
		}
	}
	return own
}

// count is how many mails with a part of the subject the customer got.
func (c customerMailbox) count(t *testing.T, subject string) int {
	t.Helper()
	n := 0
	for _, m := range c.mails(t) {
		if strings.Contains(m.Subject, subject) {
			n++
		}
	}
	return n
}

// gets waits for a mail and checks that it is whole.
func (c customerMailbox) gets(t *testing.T, subject string, says ...string) {
	t.Helper()
	got := eventually(t, "mail "+subject, func() (sentMail, bool) {
		for _, m := range c.mails(t) {
			if strings.Contains(m.Subject, subject) {
				return m, true
			}
		}
		return sentMail{}, false
	})
	if got.Source != `"orderflow" <`+sender+`>` || len(got.CC)+len(got.BCC) != 0 ||
		!strings.HasPrefix(got.BodyHTML, "<!DOCTYPE html>") {
		t.Errorf("the mail is %+v", got)
	}
	for _, part := range append(says, "Hello Test Person,") {
		if !strings.Contains(got.BodyText, part) || !strings.Contains(got.BodyHTML, part) {
			t.Errorf("%s: there is no %q in %s\n%s", subject, part, got.BodyText, got.BodyHTML)
		}
	}
}

// sendMails gives a message to send-mails, as EventBridge does or, with attributes, as somebody
// does who sends a dead letter again.
func sendMails(t *testing.T, body string, attributes map[string]string) {
	t.Helper()
	in := &sqs.SendMessageInput{
		QueueUrl: aws.String(stack.Outputs["SendMailsQueueUrl"]), MessageBody: &body,
		MessageAttributes: map[string]sqstypes.MessageAttributeValue{},
	}
	for name, value := range attributes {
		in.MessageAttributes[name] = sqstypes.MessageAttributeValue{DataType: aws.String("String"), StringValue: &value}
	}
	if _, err := stack.queues.SendMessage(t.Context(), in); err != nil {
		t.Fatal(err)
	}
}

// patienceForMails is longer than the time after which a mail that met another's lease comes again:
// that of send-mails' queue is 185 s. The simulation before these tests may leave such a mail.
const patienceForMails = 4 * time.Minute

// drained waits until nothing is in a queue any more, nor being handled.
func drained(t *testing.T, output string) {
	t.Helper()
	visible, hidden := sqstypes.QueueAttributeNameApproximateNumberOfMessages,
		sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible
	within(t, patienceForMails, output+" is empty", func() (map[string]string, bool) {
		out, err := stack.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: aws.String(stack.Outputs[output]), AttributeNames: []sqstypes.QueueAttributeName{visible, hidden},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes, out.Attributes[string(visible)] == "0" && out.Attributes[string(hidden)] == "0"
	})
}

// quickly makes a message of send-mails that failed come again after seconds instead of minutes.
func quickly(t *testing.T) {
	t.Helper()
	url, visibility := stack.Outputs["SendMailsQueueUrl"], sqstypes.QueueAttributeNameVisibilityTimeout
	attributes, err := stack.queues.GetQueueAttributes(
		t.Context(),
		&sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{visibility}},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { setQueue(t, url, visibility, attributes.Attributes[string(visibility)]) })
	setQueue(t, url, visibility, "3")
}

// entry is what the inbox has of a customer's registration.
func (c customerMailbox) entry(t *testing.T) item {
	t.Helper()
	out, err := stack.tables.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String(stack.Outputs["InboxTable"]), ConsistentRead: aws.Bool(true), Key: c.entryKey(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Item
}

func (c customerMailbox) entryKey() item {
	return item{
		"event":    &dynamodbtypes.AttributeValueMemberS{Value: "customer/" + c.id + "@1"},
		"consumer": &dynamodbtypes.AttributeValueMemberS{Value: notification.Consumer},
	}
}

func attribute(i item, name string) string {
	s, _ := i[name].(*dynamodbtypes.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

// A customer gets each of their mails once, however often the event comes.
func TestMails(t *testing.T) {
	t.Parallel()
	bus := listen(t)
	buyer := newCustomer(t, 10_000)
	box := customerMailbox{buyer.id}
	box.gets(t, "Welcome to orderflow")
	sku := newStock(t, 5)
	first := buyer.place(t, line(sku, 2, 1_177))
	confirmed := buyer.ends(t, first.ID, "confirmed")
	short := first.ID[:8]
	lines := []string{sku, "USD 11.77", "USD 23.54", first.ID}
	box.gets(t, "We received your order "+short, lines...)
	box.gets(t, "Your order "+short+" was confirmed", append(lines, confirmed.Shipment.TrackingNumber)...)
	must[object](
		t, http.StatusAccepted, post(buyer.token, "/orders/"+first.ID+"/cancel", object{"reason": "a private matter"}),
	)
	buyer.ends(t, first.ID, "cancelled")
	box.gets(t, "Your order "+short+" was cancelled", append(lines, "You asked for it.")...)
	second := buyer.place(t, line(sku, 99, 1_177))
	buyer.ends(t, second.ID, "cancelled")
	box.gets(t, "Your order "+second.ID[:8]+" was cancelled", "not everything in it was in stock")

	for eventType, mark := range map[string]string{
		"customer.registered": buyer.id, "order.placed": first.ID, "order.confirmed": first.ID,
		"order.cancelled": first.ID,
	} {
		body := bus.event(t, eventType, mark)
		for range 2 {
			sendMails(t, body, nil)
		}
		// What is known to be sent nobody sends again.
		sendMails(
			t, body, map[string]string{"take-over": "true", "dead-letter-id": ident.New(), "redrive-attempt": "1"},
		)
		sendMails(t, strings.Replace(body, `{`, `{"replay-name":"again",`, 1), nil)
	}
	drained(t, "SendMailsQueueUrl")
	if all := box.mails(t); len(all) != 6 {
		t.Errorf("%d mails, want 6: %+v", len(all), all)
	}
	for _, m := range box.mails(t) {
		if strings.Contains(m.BodyText+m.BodyHTML, "private matter") ||
			strings.Contains(m.BodyText+m.BodyHTML, "Test Street") {
			t.Errorf("the mail says more than it has to: %+v", m)
		}
	}
	if got := box.entry(t); attribute(got, "state") != string(inbox.Done) || attribute(got, "result") == "" ||
		strings.Contains(fmt.Sprint(got), "example.com") {
		t.Errorf("the inbox has %v", got)
	}
}

// Nobody writes to a customer who is erased before the mail is sent.
func TestNoMailToTheErased(t *testing.T) {
	resume := pause(t, "send-mails")
	began := time.Now().Add(-time.Second)
	c := newCustomer(t, 0)
	if _, err := stack.tables.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName:                aws.String(stack.Outputs["KeysTable"]),
		Key:                      item{"subject": &dynamodbtypes.AttributeValueMemberS{Value: c.id}},
		UpdateExpression:         aws.String("REMOVE #wrapped"),
		ExpressionAttributeNames: map[string]string{"#wrapped": "wrapped"},
	}); err != nil {
		t.Fatal(err)
	}
	resume()
	eventually(t, "no mail is logged", func() (string, bool) {
		return "", strings.Contains(logs(t, began, c.id), `no mail: the customer is erased","event":"customer/`+c.id)
	})
	drained(t, "SendMailsQueueUrl")
	if got := (customerMailbox{c.id}).mails(t); len(got) != 0 {
		t.Errorf("sent %+v", got)
	}
}

// What SES tells of a mail stops the mails to its address, and shows on the customer, until they
// give another address. The addresses are those of SES's mailbox simulator.
func TestBouncesStopMails(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"bounce", "complaint"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			began := time.Now().Add(-time.Second)
			c, sku := newCustomer(t, 1_000), newStock(t, 3)
			customerMailbox{c.id}.gets(t, "Welcome to orderflow")
			email := kind + "+" + c.id + "@simulator.amazonses.com"
			must[person](t, http.StatusOK, change(c.token, c.id, `"1"`, object{"email": email}))
			c.place(t, line(sku, 1, 100))
			shown := eventually(t, "no mail goes to "+kind, func() (person, bool) {
				p := must[person](t, http.StatusOK, get(c.token, "/customers/"+c.id))
				return p, p.MailSuppressed != ""
			})
			if want := (person{
				ID: c.id, Name: "Test Person", Email: email, Version: 3, MailSuppressed: kind,
			}); shown != want {
				t.Errorf("the customer is %+v", shown)
			}
			second := c.place(t, line(sku, 1, 100))
			eventually(t, "no mail is logged", func() (string, bool) {
				return "", strings.Contains(
					logs(t, began, second.ID), `address are suppressed","event":"order/`+second.ID+`@1"`,
				)
			})
			for _, m := range mailsTo(t, email) {
				if strings.Contains(m.Subject, second.ID[:8]) {
					t.Errorf("sent %q", m.Subject)
				}
			}
			now := customerMailbox{"new-" + c.id}
			if p := must[person](
				t, http.StatusOK, change(c.token, c.id, `"3"`, object{"email": now.address()}),
			); p.MailSuppressed != "" || p.Version != 4 {
				t.Errorf("changed to %+v", p)
			}
			third := c.place(t, line(sku, 1, 100))
			now.gets(t, "We received your order "+third.ID[:8])
		})
	}
}

// dying sends a mail and dies before it can say so.
type dying struct{ notification.Mailer }

func (d dying) Send(ctx context.Context, m notification.Mail) (string, error) {
	if _, err := d.Mailer.Send(ctx, m); err != nil {
		return "", err
	}
	panic("crash")
}

// A process that dies between the mail and its note leaves a mail of which nobody knows: it ends as
// a dead letter and is never sent again by itself, also not when the letter is redriven, but only
// when a person says so. The process is the test's, with the adapters and tables of the stack.
func TestCrashAfterTheMail(t *testing.T) {
	resume := pause(t, "send-mails")
	quickly(t)
	bus := listen(t)
	c := newCustomer(t, 0)
	box := customerMailbox{c.id}
	body := bus.event(t, "customer.registered", c.id)
	store := dynamostore.New(
		stack.tables, stack.Outputs["EventsTable"], es.NewRegistry(customers.Register, orders.Register),
	)
	key, err := kms.NewFromConfig(stack.config).DescribeKey(
		t.Context(), &kms.DescribeKeyInput{KeyId: aws.String("alias/" + stack.Stack + "-personal-data")},
	)
	if err != nil {
		t.Fatal(err)
	}
	vault := keyvault.New(
		stack.tables, kms.NewFromConfig(stack.config), stack.Outputs["KeysTable"], aws.ToString(key.KeyMetadata.Arn),
	)
	notifier := notification.New(notification.Deps{
		Inbox: inboxtable.New(stack.tables, stack.Outputs["InboxTable"]), Clock: clock.System{}, Shop: "orderflow",
		Orders:    orders.New(orders.Deps{Store: store, Clock: clock.System{}}),
		Customers: customers.Contacts{Reader: vault.Beside(store)},
		Mailer: dying{mail.New(
			mail.NewClient(stack.config), clock.System{}, netmail.Address{Name: "orderflow", Address: sender}, "",
			stack.Stack,
		)},
	})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the process did not die")
			}
		}()
		t.Error(notifier.Handle(t.Context(), notification.Delivery{Body: []byte(body)}))
	}()
	box.gets(t, "Welcome to orderflow")
	if got := attribute(box.entry(t), "state"); got != string(inbox.Claimed) {
		t.Fatalf("the inbox has a state %s", got)
	}
	// The lease of 90 s ends.
	if _, err := stack.tables.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: aws.String(stack.Outputs["InboxTable"]), Key: box.entryKey(),
		UpdateExpression:         aws.String("SET #until = #claimed"),
		ExpressionAttributeNames: map[string]string{"#until": "until", "#claimed": "claimed"},
	}); err != nil {
		t.Fatal(err)
	}
	resume()
	letter := findEntry(t, "send-mails", c.id, "open")
	if !letter.Held || letter.NextRedriveAt != nil ||
		!strings.Contains(letter.Error, "notification: customer/"+c.id+"@1: "+inbox.ErrOutcomeUnknown.Error()) {
		t.Errorf("the dead letter is %+v", letter)
	}
	redrive := "/dead-letters/" + letter.ID + "/redrive"
	refused(t, http.StatusUnprocessableEntity, "dead-letter.outcome-unknown", post(stack.operator, redrive, object{}))
	runRedrive(t)
	drained(t, "SendMailsQueueUrl")
	if n := box.count(t, ""); n != 1 {
		t.Errorf("%d mails were sent", n)
	}
	for range 2 {
		must[object](t, http.StatusAccepted, post(stack.operator, redrive, object{"takeOver": true}))
	}
	runRedrive(t)
	findEntry(t, "send-mails", c.id, "resolved")
	if n := box.count(t, "Welcome to orderflow"); n != 2 {
		t.Errorf("%d mails were sent, and one person asked for one more", n)
	}
	if got := attribute(box.entry(t), "state"); got != string(inbox.Done) {
		t.Errorf("the inbox has a state %s", got)
	}
}

// sandbox makes SES send to verified addresses only, as it does in each new account, or to all.
func sandbox(t *testing.T, on bool) {
	t.Helper()
	ctx, cancel := cleaning()
	defer cancel()
	if _, err := sesv2.NewFromConfig(stack.config).PutAccountDetails(ctx, &sesv2.PutAccountDetailsInput{
		MailType: sesv2types.MailTypeTransactional, WebsiteURL: aws.String("https://shop.example.com"),
		ProductionAccessEnabled: aws.Bool(!on),
	}); err != nil {
		t.Error(err)
	}
}

// A mail whose recipient SES refuses ends as a dead letter, with SES's reason kept and without the
// address; once that is mended, a letter that is redriven sends it once.
func TestSESRefuses(t *testing.T) {
	// The function is warm, since a cold start could take longer than the visibility, and no mail
	// of another customer is on its way: an empty queue alone doesn't tell that of an event which
	// hasn't reached it yet.
	before := customerMailbox{newCustomer(t, 0).id}
	before.gets(t, "Welcome to orderflow")
	drained(t, "SendMailsQueueUrl")
	quickly(t)
	t.Cleanup(func() { sandbox(t, false) })
	sandbox(t, true)
	c := newCustomer(t, 0)
	box := customerMailbox{c.id}
	letter := findEntry(t, "send-mails", c.id, "open")
	if letter.Held || !strings.Contains(letter.Error, "MessageRejected") {
		t.Errorf("the dead letter is %+v", letter)
	}
	got := box.entry(t)
	if attribute(got, "state") != string(inbox.Failed) ||
		!strings.Contains(attribute(got, "result"), "MessageRejected") ||
		strings.Contains(attribute(got, "result"), c.id) {
		t.Errorf("the inbox has %v", got)
	}
	if n := box.count(t, ""); n != 0 {
		t.Errorf("%d mails were sent", n)
	}
	sandbox(t, false)
	for range 3 {
		must[object](t, http.StatusAccepted, post(stack.operator, "/dead-letters/"+letter.ID+"/redrive", object{}))
	}
	runRedrive(t)
	findEntry(t, "send-mails", c.id, "resolved")
	box.gets(t, "Welcome to orderflow")
	if n := box.count(t, ""); n != 1 {
		t.Errorf("%d mails were sent", n)
	}
}

// A consumer that is poisoned fails three times, and its dead letter has its real error; it comes
// back by the redrive's own runs, and once it is mended the customer has the mail, exactly once.
func TestPoisonedMailComesBackOnce(t *testing.T) {
	buyer := newCustomer(t, 1_000)
	box := customerMailbox{buyer.id}
	sku := newStock(t, 2)
	first := buyer.place(t, line(sku, 1, 100))
	box.gets(t, "Your order "+first.ID[:8]+" was confirmed") // the functions are warm
	drained(t, "SendMailsQueueUrl")
	quickly(t)
	settings := map[string]string{"DEAD_LETTER_MIN_AGE": "5"}
	setVariables(t, "record-dead-letters", settings)
	setVariables(t, "redrive-dead-letters", settings)

	mend := policy(t, "send-mails", "Deny", []string{"ses:SendEmail"}, "*")
	placed := buyer.place(t, line(sku, 1, 100))
	poisoned := map[string]letter{}
	for subject, event := range map[string]struct{ topic, version string }{
		"We received your order ": {"order.placed", "@1"}, "Your order ": {"order.confirmed", "@3"},
	} {
		l := findEntry(t, "send-mails", "order/"+placed.ID+event.version, "open", "redriving")
		if l.RetryCount != 3 || l.Held || !strings.Contains(l.Error, "AccessDenied") ||
			strings.Contains(l.Error, buyer.id) || l.Topic != event.topic || l.Kind != "queue" ||
			l.FirstFailure.Before(placed.PlacedAt) || !l.LastFailure.After(l.FirstFailure) {
			t.Errorf("the dead letter is %+v", l)
		}
		if l.NextRedriveAt == nil || l.NextRedriveAt.Sub(l.LastFailure) < 5*time.Second {
			t.Errorf("the dead letter of %s comes back at %s", l.LastFailure, l.NextRedriveAt)
		}
		poisoned[subject+placed.ID[:8]] = l
		// Nothing is sent before its time.
		runRedrive(t)
		if early := must[letter](t, http.StatusOK, get(stack.operator, "/dead-letters/"+l.ID)); early.Redrives > 0 &&
			time.Now().Before(*l.NextRedriveAt) {
			t.Errorf("it came back early: %+v", early)
		}
	}
	if n := box.count(t, placed.ID[:8]); n != 0 {
		t.Errorf("%d mails were sent by who may not", n)
	}

	mend()
	for subject, l := range poisoned {
		if got := redriven(t, l.ID, "resolved"); got.Redrives < 1 || got.ClosedAt == nil {
			t.Errorf("%s: %+v", subject, got)
		}
	}
	runRedrive(t)
	drained(t, "SendMailsQueueUrl")
	for subject := range poisoned {
		if n := box.count(t, subject); n != 1 {
			t.Errorf("%s: %d mails were sent", subject, n)
		}
	}
	if all := box.mails(t); len(all) != 5 {
		t.Errorf("%d mails, want 5: %+v", len(all), all)
	}
}
