package archtest

import (
	"path"
	"slices"
	"strings"
	"testing"

	"orderflow/infra/stack"
)

// codeOf takes the one block of code in a language out of a page.
func codeOf(t *testing.T, page, language string) string {
	t.Helper()
	parts := strings.Split(page, "```"+language+"\n")
	if len(parts) != 2 {
		t.Fatalf("the page has %d blocks of %s, want one", len(parts)-1, language)
	}
	code, _, closed := strings.Cut(parts[1], "\n```\n")
	if !closed {
		t.Fatalf("the block of %s doesn't end", language)
	}
	return code + "\n"
}

// ownName puts another name of the same length in the place of the page's consumer's, as the page
// says. Whoever adds the consumer under the page's own name has both, and neither is in the way.
var ownName = strings.NewReplacer(
	"announce-deliveries", "page-own-deliveries", "AnnounceDeliveries", "PageOwnDeliveries",
)

// withConsumer is the template and the sources with the consumer of docs/consumers.md put in, as
// the page says: what its entry stands for, its main.go, and nothing else.
func withConsumer(t *testing.T, change edit) (template, []source) {
	t.Helper()
	page := readFile(t, path.Join("docs", "consumers.md"))
	expanded, err := stack.Expand(codeOf(t, page, "yaml"))
	if err != nil {
		t.Fatal(err)
	}
	block := ownName.Replace(change.apply(t, expanded))
	whole := parseTemplate(
		t, strings.Replace(readFile(t, "template.yaml"), "\nResources:\n", "\nResources:\n\n"+block, 1),
	)
	return whole, append(
		slices.Clone(sources(t)),
		parseSource(
			t, ownName.Replace("functions/announce-deliveries/main.go"), ownName.Replace(codeOf(t, page, "go")),
		),
	)
}

// everyRule is what all rules find that look at templates, at wiring, or at both.
func everyRule(t *testing.T, whole template, files []source) findings {
	t.Helper()
	rows := append(parseCatalogue(t, readFile(t, path.Join("events", "catalog.yaml"))), canary)
	inner := nestedTemplates(t)
	_, unknown := room(whole, inside(whole, inner))
	_, faults := declaredFaults(files)
	machine := readFile(t, sagaFile)
	return slices.Concat(
		parameters(whole), tables(whole), roles(whole), abilities(whole), functions(whole), environment(files, whole),
		unknown,
		queues(whole), consumers(whole, files), handovers(whole), letters(whole, files), replays(whole, files),
		checked(whole, files), patterns(whole, rows), writers(categories(files), whole),
		alarming(whole, inner), nested(whole, inner), measured(wanted(whole), emitted(files)),
		routes(whole, operations(t, readFile(t, "docs/openapi.yaml"))), substitutions(machine, whole),
		stepTimes(parseMachine(t, machine), whole),
		wiring(files), placed(files), imports(files), heads(files), packageNames(files), faults,
	)
}

// What docs/consumers.md shows is a whole consumer: with its entry and its main.go no rule finds
// anything.
func TestConsumerOfThePage(t *testing.T) {
	whole, files := withConsumer(t, edit{})
	if whole.Resources[ownName.Replace("AnnounceDeliveriesFunction")].Type != serverlessFunction {
		t.Fatal("the page's function is not in the template")
	}
	wantNone(t, everyRule(t, whole, files))
	most, _ := room(mainTemplate(t))
	if with, _ := room(whole, inside(whole, nestedTemplates(t))); with != most {
		t.Errorf("with the page's consumer the stack's name may have %d characters, without it %d", with, most)
	}
	for name, one := range map[string]edit{
		"no dead letters": {
			"        deadLetterTargetArn: !GetAtt DeadLettersQueue.Arn\n", "",
			"AnnounceDeliveriesQueue has no dead letter queue",
		},
		"no consumer's name": {
			"- {Key: 'orderflow:consumer', Value: announce-deliveries}", "",
			"AnnounceDeliveriesQueue is behind a rule and has no tag",
		},
		"an unknown event":  {"[order.delivered]", "[order.arrived]", "which nobody publishes"},
		"too large batches": {"BatchSize: 5", "BatchSize: 50", "takes batches of 50"},
		"letters not drained": {
			"        deadLetterTargetArn: !GetAtt DeadLettersQueue.Arn\n",
			"        deadLetterTargetArn: !GetAtt AuditQueue.Arn\n",
			"AuditQueue is no event of RecordDeadLettersFunction",
		},
		"letters of the rule": {
			"DeadLetterConfig: {Arn: !GetAtt DeadLettersQueue.Arn}",
			"DeadLetterConfig: {Arn: !GetAtt RulesLetters.Arn}",
			"AnnounceDeliveriesRule has a target without dead letters",
		},
		"a redrive that can't": {
			"Roles: [!Ref RedriveDeadLettersRole]", "Roles: [!Ref AnnounceDeliveriesRole]",
			"RedriveDeadLettersFunction's role lacks sqs:SendMessage on AnnounceDeliveriesQueue",
		},
		"no journal": {
			"Action: [dynamodb:GetItem, dynamodb:PutItem, dynamodb:UpdateItem]", "Action: dynamodb:GetItem",
			"AnnounceDeliveriesFunction's role can't keep the journal",
		},
		"no alarms": {
			"TemplateURL: infra/consumer-alarms.yaml", "TemplateURL: infra/none.yaml",
			"no alarm on the Maximum of AWS/SQS ApproximateAgeOfOldestMessage QueueName=announce-deliveries > 300",
		},
		"another one's alarms": {
			"        Name: announce-deliveries\n", "        Name: start-saga\n",
			"no alarm on the Maximum of AWS/SQS ApproximateAgeOfOldestMessage QueueName=announce-deliveries > 300",
		},
		"alarms for nobody": {
			"TopicArn: !Ref OperationsTopic", "TopicArn: !Ref AnnounceDeliveriesQueue", "something else than a topic",
		},
		"a name without bounds": {
			"Name: !Sub '${AWS::StackName}-announce-deliveries'",
			"Name: !Sub '${AWS::StackName}-announce-deliveries'\n      MoreName: !Sub '${AWS::StackName}-more'",
			"nothing is known of how long the MoreName",
		},
		"a bus of somebody else": {
			"EventBusName: !Ref Bus", "EventBusName: default", "AnnounceDeliveriesRule is not a rule of the bus",
		},
	} {
		t.Run(name, func(t *testing.T) {
			broken, files := withConsumer(t, one)
			wantOne(t, everyRule(t, broken, files), ownName.Replace(one.want))
		})
	}
}
