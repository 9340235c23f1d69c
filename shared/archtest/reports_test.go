package archtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/aws/mail"
	"orderflow/shared/inbound/mailfeedback"
)

// ofAWS says whether a rule waits for what services of AWS tell, which they do on the account's
// default bus alone. Its events are no contract of ours, and reported looks at it.
func ofAWS(t template, rule string) bool {
	sources := list(t.prop(rule, "EventPattern", "source"))
	foreign := func(s any) bool { return !strings.HasPrefix(fmt.Sprint(s), "aws.") }
	return len(sources) > 0 && !slices.ContainsFunc(sources, foreign)
}

// reports are the kinds of what SES tells, with its detail-type, and what it is told of a kind.
var reports = map[string]struct {
	kind mailfeedback.Kind
	only object
}{
	"Email Bounced": {mailfeedback.Bounce, object{"bounce": object{"bounceType": []any{"Permanent"}}}},
	"Email Complaint Received": {mailfeedback.Complaint, object{"complaint": object{"complaintFeedbackType": []any{
		object{"exists": false}, object{"anything-but": []any{"not-spam"}},
	}}}},
	"Email Rejected": {mailfeedback.Reject, object{}},
}

// reported: a rule of the default bus waits for what SES tells of this stack's mails, and hands
// over a report of its own making: what the mail is tagged with, and nothing personal. SES names
// the recipient in its event. So such a rule keeps no dead letters, which would be of the event.
func reported(t template) (found findings) {
	paths := object{
		"id": "$.id", "mail": "$.detail.mail.messageId",
		"customer": "$.detail.mail.tags." + mail.TagCustomer, "address": "$.detail.mail.tags." + mail.TagAddress,
	}
	seen := map[string]bool{}
	for _, id := range t.ofType(ruleType) {
		if !ofAWS(t, id) {
			continue
		}
		if bus := t.prop(id, "EventBusName"); bus != "default" {
			found.addf("%s is on the bus %v, where AWS tells nothing", id, bus)
		}
		kind := written(list(t.prop(id, "EventPattern", "detail-type"))[0])
		seen[kind] = true
		detail := maps.Clone(reports[kind].only)
		if detail == nil {
			found.addf("%s waits for %s, which nobody takes", id, kind)
			continue
		}
		// A default bus may take what happens in other accounts and regions.
		for field, here := range map[string]string{"account": "AWS::AccountId", "region": "AWS::Region"} {
			if got := fmt.Sprint(t.prop(id, "EventPattern", field)); got != fmt.Sprint([]any{object{"Ref": here}}) {
				found.addf("%s waits for %s of %s", id, kind, got)
			}
		}
		detail["mail"] = object{"tags": object{mail.TagStack: []any{object{"Ref": "AWS::StackName"}}}}
		if got := fmt.Sprint(t.prop(id, "EventPattern", "detail")); got != fmt.Sprint(detail) {
			found.addf("%s waits for %s, not for %v", id, got, detail)
		}
		template := fmt.Sprintf(
			`{"id": <id>, "kind": %q, "mail": <mail>, "customer": <customer>, "address": <address>}`,
			reports[kind].kind,
		)
		for _, to := range list(t.prop(id, "Targets")) {
			if got := fmt.Sprint(at(to, "InputTransformer", "InputPathsMap")); got != fmt.Sprint(paths) {
				found.addf("%s hands over %s, not %v", id, got, paths)
			}
			if got := textAt(to, "InputTransformer", "InputTemplate"); got != template {
				found.addf("%s writes %s, not %s", id, got, template)
			}
			if at(to, "DeadLetterConfig") != nil {
				found.addf("%s keeps dead letters with the recipient in them", id)
			}
		}
	}
	for kind := range reports {
		if !seen[kind] {
			found.addf("no rule waits for %s", kind)
		}
	}
	return found
}

func TestReports(t *testing.T) { wantNone(t, reported(mainTemplate(t))) }

func TestReportRulesFind(t *testing.T) {
	whole := readFile(t, "template.yaml")
	for name, tc := range map[string]edit{
		"good": {"", "", ""},
		"another bus": {
			"      EventBusName: default\n", "      EventBusName: !Ref Bus\n", "where AWS tells nothing",
		},
		"everybody's mails": {"tags: {orderflow-stack: [!Ref 'AWS::StackName']}", "tags: {}", "MailBouncedRule waits for"},
		"another account": {
			"account: [!Ref 'AWS::AccountId']", "account: [{exists: true}]", "MailBouncedRule waits for Email Bounced of",
		},
		"a full mailbox":    {"bounceType: [Permanent]", "bounceType: [Permanent, Transient]", "MailBouncedRule waits for"},
		"no spam after all": {"anything-but: [not-spam]", "anything-but: [spam]", "MailComplainedRule waits for"},
		"the whole event": {
			"              address: $.detail.mail.tags.address\n", "              address: $.detail.mail\n",
			"MailBouncedRule hands over",
		},
		"another kind": {`"kind": "bounce"`, `"kind": "complaint"`, "MailBouncedRule writes"},
		"dead letters": {
			"        - Id: follow-mails\n",
			"        - Id: follow-mails\n          DeadLetterConfig: {Arn: !GetAtt DeadLettersQueue.Arn}\n",
			"MailBouncedRule keeps dead letters",
		},
		"what nobody takes": {"detail-type: [Email Rejected]", "detail-type: [Email Opened]", "which nobody takes"},
	} {
		t.Run(name, func(t *testing.T) {
			found := reported(tc.template(t, whole))
			if name == "what nobody takes" {
				found = found[:1] // and so no rule waits for the other
			}
			wantOne(t, found, tc.want)
		})
	}
}
