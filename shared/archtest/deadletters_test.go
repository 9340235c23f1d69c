package archtest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/ops/deadletter"
)

const (
	recordFunction  = "record-dead-letters"
	redriveFunction = "redrive-dead-letters"
)

// functionNamed is the logical id of the function whose code is in functions/<name>.
func functionNamed(t template, name string) string {
	for _, id := range t.ofType(serverlessFunction) {
		if functionName(t, id) == name {
			return id
		}
	}
	return ""
}

// mayOn says whether a function's role allows an action on a resource.
func mayOn(t template, function, action, resource string) bool {
	return roleMay(t, target(t.prop(function, "Role")), action, resource)
}

// letters: each queue of dead letters is drained into the table, by one function; each consumer of
// another queue keeps the journal, without which an entry has no error and no end; and the redrive
// reaches whatever has dead letters and answers, and nothing else, in time.
func letters(t template, files []source) (found findings) {
	record, redrive := functionNamed(t, recordFunction), functionNamed(t, redriveFunction)
	if record == "" || redrive == "" {
		found.addf("there is no functions/%s or functions/%s", recordFunction, redriveFunction)
		return found
	}
	dead, drained := deadLetterQueues(t), queuesOf(t, record)
	for _, q := range dead {
		if !slices.Contains(drained, q) {
			found.addf("%s is no event of %s: nobody records what lies there", q, record)
		}
		if !mayOn(t, record, "sqs:ReceiveMessage", q) {
			found.addf("%s's role can't take from %s", record, q)
		}
	}
	for _, q := range drained {
		if !slices.Contains(dead, q) {
			found.addf("%s takes from %s, which is no queue of dead letters", record, q)
		}
	}
	for _, q := range t.ofType(queueType) {
		if target(t.prop(q, "RedrivePolicy", "deadLetterTargetArn")) == "" {
			continue
		}
		consumed := slices.ContainsFunc(
			t.ofType(serverlessFunction), func(f string) bool { return slices.Contains(queuesOf(t, f), q) },
		)
		switch may := mayOn(t, redrive, "sqs:SendMessage", q); {
		case consumed && !may:
			found.addf("%s's role lacks sqs:SendMessage on %s", redrive, q)
		case !consumed && may:
			found.addf("%s sends to %s, whose reader keeps no journal and so never answers", redrive, q)
		}
	}
	if !slices.ContainsFunc(statements(t, target(t.prop(redrive, "Role"))), func(s statement) bool {
		return slices.Contains(s.actions, "sqs:GetQueueUrl") &&
			slices.ContainsFunc(
				s.resources, func(r any) bool { return slices.Contains(unnamed["sqs:GetQueueUrl"], pattern(r)) },
			)
	}) {
		found.addf(
			"%s's role lacks sqs:GetQueueUrl on each queue of the stack: one that was deleted would be one that it "+
				"may not ask for",
			redrive,
		)
	}
	if timeout := time.Duration(numberAt(t.prop(
		redrive, "Timeout",
	))) * time.Second; timeout < 2*deadletter.InvokeTimeout {
		found.addf(
			"%s has %s, which is too short to wait for functions (deadletter.InvokeTimeout) and for others behind them",
			redrive, timeout,
		)
	}
	for _, id := range t.ofType(serverlessFunction) {
		if id == record {
			continue
		}
		takes := len(eventsOf(t, id, "SQS")) > 0
		if takes {
			if slices.ContainsFunc(files, func(f source) bool {
				return f.dir() == "functions/"+functionName(t, id) && !strings.Contains(f.text, "deadletter.Journal{")
			}) {
				found.addf(
					"%s takes from a queue and keeps no deadletter.Journal: its dead letters would have no error", id,
				)
			}
			if t.prop(id, "Environment", "Variables", "DEAD_LETTER_QUEUE_URL") == nil {
				found.addf("%s takes from a queue and can move nothing to the dead letters", id)
			}
			if !mayOn(t, id, "dynamodb:UpdateItem", "DeadLettersTable") ||
				!mayOn(t, id, "dynamodb:PutItem", "DeadLettersTable") ||
				!mayOn(t, id, "dynamodb:GetItem", "DeadLettersTable") {
				found.addf("%s's role can't keep the journal in the DeadLettersTable", id)
			}
		}
		own := !takes && t.prop(id, "Environment", "Variables", "DEAD_LETTER_QUEUE_URL") != nil ||
			t.prop(id, "EventInvokeConfig", "DestinationConfig", "OnFailure") != nil
		if own && id != redrive && !mayOn(t, redrive, "lambda:InvokeFunction", id) {
			found.addf("%s's role can't invoke %s, which has dead letters", redrive, id)
		}
		if timeout := time.Duration(numberAt(t.prop(id, "Timeout"))) * time.Second; mayOn(
			t, redrive, "lambda:InvokeFunction", id,
		) && timeout >= deadletter.InvokeTimeout {
			found.addf("%s may take %s, longer than %s waits for it (deadletter.InvokeTimeout)", id, timeout, redrive)
		}
	}
	return found
}

func TestLetters(t *testing.T) { wantNone(t, letters(mainTemplate(t), sources(t))) }

const lettersTemplate = `
Resources:
  Work: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !Sub '${AWS::StackName}-work', RedrivePolicy: {deadLetterTargetArn: !GetAtt Dead.Arn}}}
  Dead: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !Sub '${AWS::StackName}-work-dlq'}}
  Read: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !Sub '${AWS::StackName}-read', RedrivePolicy: {deadLetterTargetArn: !GetAtt Other.Arn}}}
  Other: {Type: 'AWS::SQS::Queue', Properties: {QueueName: !Sub '${AWS::StackName}-other-dlq'}}
  DeadLettersTable: {Type: 'AWS::DynamoDB::Table'}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/do-work/
      Timeout: 120
      Role: !GetAtt WorkerRole.Arn
      EventInvokeConfig: {DestinationConfig: {OnFailure: {Destination: !GetAtt Other.Arn}}}
      Environment: {Variables: {DEAD_LETTER_QUEUE_URL: !Ref Dead}}
      Events: {Work: {Type: SQS, Properties: {Queue: !GetAtt Work.Arn}}}
  WorkerRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - {Effect: Allow, Action: [dynamodb:GetItem, dynamodb:PutItem, dynamodb:UpdateItem], Resource: !GetAtt DeadLettersTable.Arn}
  Record:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/record-dead-letters/
      Role: !GetAtt RecordRole.Arn
      Events: {Dead: {Type: SQS, Properties: {Queue: !GetAtt Dead.Arn}}, Other: {Type: SQS, Properties: {Queue: !GetAtt Other.Arn}}}
  RecordRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - {Effect: Allow, Action: [sqs:ReceiveMessage], Resource: [!GetAtt Dead.Arn, !GetAtt Other.Arn]}
  Redrive:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/redrive-dead-letters/
      Timeout: 300
      Role: !GetAtt RedriveRole.Arn
  RedriveRole:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - {Effect: Allow, Action: sqs:GetQueueUrl, Resource: !Sub 'arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:${AWS::StackName}-*'}
              - {Effect: Allow, Action: sqs:SendMessage, Resource: [!GetAtt Work.Arn]}
              - {Effect: Allow, Action: lambda:InvokeFunction, Resource: [!GetAtt Worker.Arn]}
`

func TestLetterRulesFind(t *testing.T) {
	const wired = "package main\n\nfunc main() { awsenv.Start(queue.Handler(handle, deadletter.Journal{})) }\n"
	for name, tc := range map[string]struct {
		edit
		wiring string
	}{
		"good": {edit{"", "", ""}, wired},
		"no recorder": {
			edit{
				"functions/record-dead-letters/", "functions/record-letters/",
				"there is no functions/record-dead-letters",
			},
			wired,
		},
		"a queue not drained": {
			edit{", Other: {Type: SQS, Properties: {Queue: !GetAtt Other.Arn}}}", "}", "Other is no event of Record"},
			wired,
		},
		"one it may not take": {
			edit{"[!GetAtt Dead.Arn, !GetAtt Other.Arn]", "[!GetAtt Dead.Arn]", "Record's role can't take from Other"},
			wired,
		},
		"a queue of work": {
			edit{
				"Properties: {Queue: !GetAtt Other.Arn}", "Properties: {Queue: !GetAtt Work.Arn}",
				"Record takes from Work",
			},
			wired,
		},
		"no way to the queue": {
			edit{
				"sqs:SendMessage, Resource: [!GetAtt Work.Arn]", "sqs:SendMessage, Resource: [!GetAtt Other.Arn]",
				"lacks sqs:SendMessage on Work",
			},
			wired,
		},
		"a way to no answer": {
			edit{
				"sqs:SendMessage, Resource: [!GetAtt Work.Arn]",
				"sqs:SendMessage, Resource: [!GetAtt Work.Arn, !GetAtt Read.Arn]", "Redrive sends to Read",
			},
			wired,
		},
		"queues it can't find": {
			edit{"${AWS::StackName}-*", "${AWS::StackName}-work", "Redrive's role lacks sqs:GetQueueUrl"}, wired,
		},
		"a function too long": {edit{"Timeout: 120", "Timeout: 130", "Worker may take 2m10s"}, wired},
		"no time to wait":     {edit{"Timeout: 300", "Timeout: 200", "Redrive has 3m20s"}, wired},
		"no way to a function": {
			edit{"Resource: [!GetAtt Worker.Arn]", "Resource: [!GetAtt Record.Arn]", "can't invoke Worker"}, wired,
		},
		"no journal": {
			edit{"", "", "Worker takes from a queue and keeps no"},
			strings.Replace(wired, "deadletter.Journal{}", "nil", 1),
		},
		"no way to the dead letters": {
			edit{"DEAD_LETTER_QUEUE_URL: !Ref Dead", "", "Worker takes from a queue and can move nothing"}, wired,
		},
		"a journal it can't do": {edit{"dynamodb:PutItem, ", "", "Worker's role can't keep"}, wired},
	} {
		t.Run(name, func(t *testing.T) {
			want := tc.want
			template := tc.template(t, lettersTemplate)
			wantOne(t, letters(template, []source{parseSource(t, "functions/do-work/main.go", tc.wiring)}), want)
		})
	}
}
