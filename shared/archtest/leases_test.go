package archtest

import (
	"testing"
	"time"

	"orderflow/shared/process/notification"
)

// Functions that claim events in an inbox, each with the lease of its claims.
var leases = map[string]time.Duration{notification.Consumer: notification.Lease}

// leasesHold: a claim outlives the try that holds it, or another would meet an unknown outcome that
// is about to be known; and it has ended when a message that a crash left behind comes again, or a
// receive would be spent on waiting.
func leasesHold(t template, leases map[string]time.Duration) (found findings) {
	missing := map[string]bool{}
	for name := range leases {
		missing[name] = true
	}
	for _, id := range t.ofType(serverlessFunction) {
		lease, ok := leases[functionName(t, id)]
		if !ok {
			inbox := t.prop(id, "Environment", "Variables", "INBOX_TABLE") != nil
			if inbox && len(eventsOf(t, id, "SQS")) > 0 { // who gets no messages claims none
				found.addf("%s has an inbox, and no lease is known of it", id)
			}
			continue
		}
		delete(missing, functionName(t, id))
		if timeout := numberAt(t.prop(id, "Timeout")); timeout >= lease.Seconds() {
			found.addf("%s may run for %v s, and its claims hold for %s", id, timeout, lease)
		}
		events := eventsOf(t, id, "SQS")
		if len(events) == 0 {
			found.addf("%s claims what comes from no queue", id)
		}
		for _, e := range events {
			if q := target(e["Queue"]); numberAt(t.prop(q, "VisibilityTimeout")) <= lease.Seconds() {
				found.addf(
					"%s hides a message for %v s, and claims of %s hold for %s", q,
					numberAt(t.prop(q, "VisibilityTimeout")), id, lease,
				)
			}
		}
	}
	for name := range missing {
		found.addf("there is no function %s, which has a lease", name)
	}
	return found
}

func TestLeases(t *testing.T) { wantNone(t, leasesHold(mainTemplate(t), leases)) }

func TestLeasesFind(t *testing.T) {
	const text = `
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties: {VisibilityTimeout: 91}
  Send:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: functions/send-mails/
      Timeout: 89
      Environment: {Variables: {INBOX_TABLE: !Ref Inbox}}
      Events:
        Notifications: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}
`
	for name, tc := range map[string]edit{
		"good":                     {"", "", ""},
		"a try outlives its claim": {"Timeout: 89", "Timeout: 90", "Send may run for 90 s"},
		"it comes while the claim holds": {
			"VisibilityTimeout: 91", "VisibilityTimeout: 90", "Queue hides a message for 90 s",
		},
		"no queue": {"Type: SQS", "Type: Schedule", "from no queue"},
		"no function": {
			"functions/send-mails/\n      Timeout: 89\n      Environment: {Variables: {INBOX_TABLE: !Ref Inbox}}",
			"functions/do-it/\n      Timeout: 89", "no function send-mails",
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantOne(
				t, leasesHold(tc.template(t, text), map[string]time.Duration{"send-mails": 90 * time.Second}), tc.want,
			)
		})
	}
	t.Run("an unknown lease", func(t *testing.T) {
		wantOne(t, leasesHold(parseTemplate(t, text), nil), "no lease is known")
	})
}
