package doctor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/aws/deadlettertable"
	"orderflow/shared/ops/deadletter"
)

func queues(ctx context.Context, p *patient) (Check, error) {
	all := p.of("AWS::SQS::Queue")
	client := sqs.NewFromConfig(p.config)
	problems, err := each(ctx, all, func(ctx context.Context, r resource) ([]Problem, error) {
		waiting, taken := sqstypes.QueueAttributeNameApproximateNumberOfMessages,
			sqstypes.QueueAttributeNameApproximateNumberOfMessagesNotVisible
		out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &r.physical, AttributeNames: []sqstypes.QueueAttributeName{waiting, taken},
		})
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(out.Attributes[string(waiting)])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", waiting, err)
		}
		hidden, err := strconv.Atoi(out.Attributes[string(taken)])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", taken, err)
		}
		return backlog(r.physical[strings.LastIndex(r.physical, "/")+1:], n, hidden), nil
	})
	return Check{Detail: fmt.Sprintf("%d", len(all)), Problems: problems}, err
}

// backlog judges the messages that wait in a queue, and those that somebody has taken. A consumer
// that works has taken some. Dead letters that can't be recorded are hidden for most of each
// minute.
func backlog(name string, waiting, taken int) []Problem {
	dead := strings.HasSuffix(name, "-dead-letters")
	if dead {
		waiting += taken
	}
	switch {
	case waiting == 0:
		return nil
	case dead:
		return []Problem{{
			Severity: Warning, Part: name, Detail: fmt.Sprintf("%d messages that failed are not recorded yet", waiting),
			Remedy: "if they stay, read the log of record-dead-letters",
		}}
	}
	return []Problem{{
		Severity: Warning, Part: name, Detail: fmt.Sprintf("%d messages wait", waiting),
		Remedy: "nothing where orders are being placed; if the number grows, read the consumer's log",
	}}
}

// mostEntries is how many dead-letter entries of a status are counted.
const mostEntries = 100

func deadLetters(ctx context.Context, p *patient) (Check, error) {
	name, err := p.Output("DeadLettersTable")
	if err != nil {
		return Check{}, err
	}
	table := deadlettertable.New(dynamodb.NewFromConfig(p.config), name)
	var c Check
	total := 0
	for _, s := range []deadletter.Status{deadletter.StatusOpen, deadletter.StatusSpent} {
		page, err := table.List(ctx, deadletter.Query{Status: s, Limit: min(mostEntries, deadletter.MaxPage)})
		if err != nil {
			return c, err
		}
		total += len(page.Entries)
		c.Problems = append(c.Problems, entries(s, page.Entries, page.Next != "")...)
	}
	c.Detail = fmt.Sprintf("%d", total)
	return c, nil
}

// entries judges dead-letter entries of a status, of which there may be more. Those that are open
// come back by themselves, but those that are held; what is spent, and what is held, waits for a
// person.
func entries(status deadletter.Status, found []deadletter.Entry, more bool) (problems []Problem) {
	held := 0
	for _, e := range found {
		if e.Held {
			held++
		}
	}
	add := func(severity Severity, part string, n int, what string) {
		if n == 0 {
			return
		}
		count := strconv.Itoa(n)
		if more {
			count += " and more"
		}
		problems = append(problems, Problem{
			Severity: severity, Part: part, Detail: count + " dead-letter entries " + what,
			Remedy: "orderflow deadletters list --status " + string(status),
		})
	}
	if status == deadletter.StatusSpent {
		add(Failure, string(status), len(found), "are "+string(status))
		return problems
	}
	add(Warning, string(status), len(found)-held, "are "+string(status))
	add(Failure, "held", held, "wait for a person")
	return problems
}

func alarms(ctx context.Context, p *patient) (Check, error) {
	all := p.of("AWS::CloudWatch::Alarm")
	client := cloudwatch.NewFromConfig(p.config)
	names := make([]string, len(all))
	for i, r := range all {
		names[i] = r.physical
	}
	c := Check{Detail: fmt.Sprintf("%d", len(all))}
	for len(names) > 0 {
		n := min(len(names), 100) // as many as one request may name
		out, err := client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
			AlarmNames: names[:n], MaxRecords: aws.Int32(int32(n)),
		})
		if err != nil {
			return c, err
		}
		if len(out.MetricAlarms) < n {
			c.Problems = append(c.Problems, Problem{
				Severity: Failure, Part: "alarms", Detail: fmt.Sprintf("%d are gone", n-len(out.MetricAlarms)),
				Remedy: "deploy again",
			})
		}
		for _, a := range out.MetricAlarms {
			c.Problems = append(c.Problems, alarmState(a)...)
		}
		names = names[n:]
	}
	return c, nil
}

func alarmState(a cloudwatchtypes.MetricAlarm) (problems []Problem) {
	name := aws.ToString(a.AlarmName)
	if a.StateValue == cloudwatchtypes.StateValueAlarm {
		problems = append(problems, Problem{
			Severity: Failure, Part: name, Detail: "it is in alarm: " + aws.ToString(a.StateReason),
			Remedy: aws.ToString(a.AlarmDescription),
		})
	}
	if !aws.ToBool(a.ActionsEnabled) {
		problems = append(problems, Problem{
			Severity: Warning, Part: name, Detail: "it notifies nobody: its actions are disabled",
			Remedy: "aws cloudwatch enable-alarm-actions --alarm-names " + name,
		})
	}
	return problems
}

func alarmMail(ctx context.Context, p *patient) (Check, error) {
	topic, err := p.Output("OperationsTopicArn")
	if err != nil {
		return Check{}, err
	}
	var found []snstypes.Subscription
	pages := sns.NewListSubscriptionsByTopicPaginator(
		sns.NewFromConfig(p.config), &sns.ListSubscriptionsByTopicInput{TopicArn: &topic},
	)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return Check{}, err
		}
		found = append(found, page.Subscriptions...)
	}
	return subscriptions(found, isProd(p)), nil
}

// pending is what SNS shows in place of the ARN of a subscription that nobody has confirmed.
const pending = "PendingConfirmation"

func subscriptions(found []snstypes.Subscription, prod bool) Check {
	c := Check{Detail: fmt.Sprintf("%d subscriptions", len(found))}
	for _, s := range found {
		if aws.ToString(s.SubscriptionArn) == pending {
			c.Problems = append(c.Problems, Problem{
				Severity: Failure, Part: aws.ToString(s.Endpoint),
				Detail: "the subscription is not confirmed: no alarm arrives",
				Remedy: "open the mail of AWS Notifications to this address, and confirm",
			})
		}
	}
	if len(found) == 0 {
		severity := Warning
		if prod {
			severity = Failure
		}
		c.Problems = append(c.Problems, Problem{
			Severity: severity, Part: "operations topic", Detail: "nobody gets the alarms",
			Remedy: "deploy with the parameter AlarmEmail",
		})
	}
	return c
}

func customerMail(ctx context.Context, p *patient) (Check, error) {
	from := p.Parameters["MailFrom"]
	if from == "" {
		return Check{Skipped: true, Detail: "MailFrom is empty: customers get no mail"}, nil
	}
	client := sesv2.NewFromConfig(p.config)
	account, err := client.GetAccount(ctx, &sesv2.GetAccountInput{})
	if err != nil {
		return Check{}, err
	}
	identity := p.Parameters["MailIdentity"]
	if identity == "" {
		identity = from
	}
	known, err := client.GetEmailIdentity(ctx, &sesv2.GetEmailIdentityInput{EmailIdentity: &identity})
	if err != nil {
		return Check{}, fmt.Errorf("identity %s: %w", identity, err)
	}
	return sending(account, identity, known.VerifiedForSendingStatus), nil
}

func sending(a *sesv2.GetAccountOutput, identity string, verified bool) Check {
	c := Check{Detail: "from " + identity}
	if a.SendQuota != nil {
		c.Detail += fmt.Sprintf(", at most %.0f in 24 hours", a.SendQuota.Max24HourSend)
	}
	if !a.ProductionAccessEnabled {
		c.Problems = append(c.Problems, Problem{
			Severity: Warning, Part: "SES sandbox", Detail: "mails go to verified addresses only",
			Remedy: "ask for production access in the SES console",
		})
	}
	if !a.SendingEnabled {
		c.Problems = append(c.Problems, Problem{
			Severity: Failure, Part: "SES account", Detail: "sending is paused " + aws.ToString(a.EnforcementStatus),
			Remedy: "see the SES console's account dashboard",
		})
	}
	if !verified {
		c.Problems = append(c.Problems, Problem{
			Severity: Failure, Part: identity, Detail: "it is not verified: no mail can be sent from it",
			Remedy: "follow the link in SES's mail to it, or set the records that SES names for a domain",
		})
	}
	return c
}

// answersWithin is how long the doctor waits for the issuer, and for the API.
const answersWithin = 20 * time.Second

// identity checks that tokens can be had or checked: from the stack's own pool, or from an issuer
// of the shop's.
func identity(ctx context.Context, p *patient) (Check, error) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	issuer := p.Parameters["OidcIssuer"]
	if issuer == "" {
		_, err := p.connect(ctx) // with a token of the pool's
		return Check{Detail: "the stack's own user pool"}, err
	}
	address := strings.TrimSuffix(issuer, "/") + "/.well-known/openid-configuration"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return Check{}, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return Check{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return Check{}, fmt.Errorf("%s: %w", address, err)
	}
	return discovery(issuer, address, res.StatusCode, text), nil
}

// discovery reads an issuer's description of itself (OpenID Connect Discovery 1.0, 4.3: the issuer
// in it is the very one that tokens name).
func discovery(issuer, address string, status int, text []byte) Check {
	c := Check{Detail: issuer}
	var says struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	problem := func(detail, remedy string) {
		c.Problems = append(c.Problems, Problem{Severity: Failure, Part: address, Detail: detail, Remedy: remedy})
	}
	switch err := json.Unmarshal(text, &says); {
	case status != http.StatusOK:
		problem(fmt.Sprintf("it answers %d: API Gateway refuses every token", status), "check the parameter OidcIssuer")
	case err != nil:
		problem("it answers something else than JSON", "check the parameter OidcIssuer")
	case says.Issuer != issuer:
		problem(
			fmt.Sprintf("the issuer calls itself %q, and tokens do so too", says.Issuer),
			"set OidcIssuer to the very same text",
		)
	case says.Keys == "":
		problem("it names no jwks_uri", "ask the issuer's operators")
	}
	return c
}

// api checks that the API refuses who has no token, and answers an operator.
func api(ctx context.Context, p *patient) (Check, error) {
	ctx, cancel := context.WithTimeout(ctx, answersWithin)
	defer cancel()
	base, err := p.APIURL()
	if err != nil {
		return Check{}, err
	}
	c := Check{Detail: base}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/products?limit=1", nil)
	if err != nil {
		return c, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return c, err
	}
	if err := res.Body.Close(); err != nil {
		return c, err
	}
	if res.StatusCode != http.StatusUnauthorized {
		c.Problems = append(c.Problems, Problem{
			Severity: Failure, Part: base,
			Detail: fmt.Sprintf("a request without a token gets %d, not 401", res.StatusCode),
			Remedy: "deploy again; if it stays, the routes lack their authorizer",
		})
	}
	client, err := p.connect(ctx)
	if err != nil {
		return c, err
	}
	listed, err := client.AnyProduct(ctx)
	if err != nil {
		return c, err
	}
	if !listed {
		c.Problems = append(c.Problems, Problem{
			Severity: Warning, Part: "catalogue", Detail: "no product is listed: nothing can be ordered",
			Remedy: "docs/products.md and docs/stock.md",
		})
	}
	return c, nil
}
