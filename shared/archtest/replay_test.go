package archtest

import (
	"slices"
	"strings"
	"testing"

	"orderflow/shared/aws/consumerqueue"
)

// tag is a tag of a resource, or "".
func tag(t template, id, key string) string {
	for _, one := range list(t.prop(id, "Tags")) {
		if textAt(one, "Key") == key {
			return textAt(one, "Value")
		}
	}
	return ""
}

// replays: each queue behind a rule says what it is called and whether events may be replayed to
// it. Where they may, its rules deliver the event as it is. Where they never may, each of its rules
// matches live events only, so that EventBridge's own replays pass it by too, and its functions
// drop what is marked as a replay all the same.
func replays(t template, files []source) (found findings) {
	names := map[string]string{}
	for _, id := range t.ofType(ruleType) {
		for _, to := range list(t.prop(id, "Targets")) {
			q := target(at(to, "Arn"))
			if t.Resources[q].Type != queueType {
				continue
			}
			name, may := tag(t, q, consumerqueue.TagConsumer), tag(t, q, consumerqueue.TagReplay)
			switch {
			case name == "":
				found.addf("%s is behind a rule and has no tag %s", q, consumerqueue.TagConsumer)
			case names[name] != "" && names[name] != q:
				found.addf("%s and %s are both the consumer %s", names[name], q, name)
			}
			names[name] = q
			switch may {
			case consumerqueue.ReplayAllowed:
				if at(to, "Input") != nil || at(to, "InputPath") != nil || at(to, "InputTransformer") != nil {
					found.addf(
						"%s gives %s something else than the event, which can't be replayed from the store", id, q,
					)
				}
			case consumerqueue.ReplayNever:
				if p := list(t.prop(id, "EventPattern", "replay-name")); len(p) != 1 || at(p[0], "exists") != false {
					found.addf("%s also matches replayed events, and %s never gets any", id, q)
				}
				for _, f := range t.ofType(serverlessFunction) {
					if slices.Contains(queuesOf(t, f), q) && !dropsReplays(files, functionName(t, f)) {
						found.addf("%s takes from %s without queue.LiveOnly", f, q)
					}
				}
			default:
				found.addf("%s has %q for its tag %s", q, may, consumerqueue.TagReplay)
			}
		}
	}
	return found
}

// dropsReplays says whether a function's wiring has queue.LiveOnly around what it does with a
// message.
func dropsReplays(files []source, function string) bool {
	return startsWith(files, function, "queue.Handler(queue.LiveOnly(") ||
		startsWith(files, function, "queue.SideBySide(queue.LiveOnly(")
}

func TestReplays(t *testing.T) {
	whole := mainTemplate(t)
	wantNone(t, replays(whole, sources(t)))
	if len(whole.ofType(ruleType)) < 2 {
		t.Error("no rules were found")
	}
}

const mailTemplate = `
Resources:
  Mail:
    Type: AWS::SQS::Queue
    Properties:
      Tags:
        - {Key: 'orderflow:consumer', Value: send-mail}
        - {Key: 'orderflow:replay', Value: never}
  Saga:
    Type: AWS::SQS::Queue
    Properties:
      Tags:
        - {Key: 'orderflow:consumer', Value: start-saga}
        - {Key: 'orderflow:replay', Value: allowed}
  MailRule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {detail-type: [order.confirmed], replay-name: [{exists: false}]}
      Targets: [{Id: mail, Arn: !GetAtt Mail.Arn}]
  SagaRule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {detail-type: [order.placed]}
      Targets: [{Id: saga, Arn: !GetAtt Saga.Arn}]
  Send:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/send-mail/
      Events: {Mail: {Type: SQS, Properties: {Queue: !GetAtt Mail.Arn}}}
`

func TestReplayRulesFind(t *testing.T) {
	const wired = "package main\n\nfunc main() { awsenv.Start(queue.Handler(queue.LiveOnly(handle))) }\n"
	for name, tc := range map[string]struct {
		edit
		wiring string
	}{
		"good":         {edit{"", "", ""}, wired},
		"side by side": {edit{"", "", ""}, strings.Replace(wired, "queue.Handler", "queue.SideBySide", 1)},
		"no name": {
			edit{"- {Key: 'orderflow:consumer', Value: send-mail}", "", "Mail is behind a rule and has no tag"}, wired,
		},
		"two of one name": {
			edit{"Value: send-mail", "Value: start-saga", "are both the consumer start-saga"}, wired,
		},
		"not said whether": {
			edit{"- {Key: 'orderflow:replay', Value: allowed}", "", `Saga has "" for its tag`}, wired,
		},
		"something else": {edit{"Value: allowed", "Value: sometimes", `Saga has "sometimes"`}, wired},
		"mail of replays": {
			edit{", replay-name: [{exists: false}]", "", "MailRule also matches replayed events"}, wired,
		},
		"mail of replays alone": {
			edit{"{exists: false}", "{exists: true}", "MailRule also matches replayed events"}, wired,
		},
		"mail that drops none": {
			edit{"", "", "Send takes from Mail without queue.LiveOnly"},
			strings.Replace(wired, "queue.LiveOnly", "", 1),
		},
		"a part of the event": {
			edit{"{Id: saga, Arn", "{Id: saga, InputPath: $.detail, Arn", "SagaRule gives Saga something else"}, wired,
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := tc.want
			template := tc.template(t, mailTemplate)
			wantOne(t, replays(template, []source{parseSource(t, "functions/send-mail/main.go", tc.wiring)}), want)
		})
	}
}
