package doctor

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/shared/ops/deadletter"
)

// seen are the problems as "severity part: detail", in their order.
func seen(problems []Problem) []string {
	var out []string
	for _, p := range problems {
		out = append(out, fmt.Sprintf("%s %s: %s", p.Severity, p.Part, p.Detail))
	}
	return out
}

func expect(t *testing.T, got []Problem, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, seen(got)); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	for _, p := range got {
		if p.Remedy == "" {
			t.Errorf("%s: %s: no remedy", p.Part, p.Detail)
		}
	}
}

func TestStackStatus(t *testing.T) {
	for _, tc := range []struct {
		status, stage string
		protected     bool
		want          []string
	}{
		{"CREATE_COMPLETE", "dev", false, nil},
		{"UPDATE_COMPLETE", "prod", true, nil},
		{"UPDATE_COMPLETE", "prod", false, []string{"warning shop: the stack itself can be deleted"}},
		{"UPDATE_IN_PROGRESS", "dev", false, []string{"warning shop: UPDATE_IN_PROGRESS"}},
		{"UPDATE_ROLLBACK_COMPLETE", "dev", false, []string{"warning shop: the last update failed and was undone"}},
		{"UPDATE_ROLLBACK_FAILED", "dev", false, []string{"failure shop: UPDATE_ROLLBACK_FAILED"}},
		{"ROLLBACK_COMPLETE", "dev", false, []string{"failure shop: ROLLBACK_COMPLETE"}},
	} {
		c, err := stackStatus(t.Context(), &patient{Deployment: &deployment.Deployment{
			Stack: "shop", Status: tc.status, Protected: tc.protected, Parameters: map[string]string{"Stage": tc.stage},
		}})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, c.Problems, tc.want...)
	}
}

func TestQuota(t *testing.T) {
	for _, tc := range []struct {
		quota int
		scale string
		prod  bool
		want  []string
	}{
		{10, "small", false, nil},
		{1000, "small", true, nil},
		{1000, "standard", true, nil},
		{
			10, "small", true,
			[]string{"warning L-B99A9384: Lambda runs at most 10 functions at once in this account and region"},
		},
		{
			999, "standard", false,
			[]string{"failure L-B99A9384: Scale=standard is for 1000 concurrent executions, and Lambda allows 999"},
		},
	} {
		c, err := executions(tc.quota, tc.scale, tc.prod)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, c.Problems, tc.want...)
	}
	if _, err := executions(10, "huge", false); err == nil {
		t.Error("an unknown Scale passes")
	}
}

func TestFunctionState(t *testing.T) {
	good := lambdatypes.LastUpdateStatusSuccessful
	expect(t, functionState("f", lambdatypes.StateActive, good, ""))
	expect(t, functionState("f", lambdatypes.StateInactive, good, ""))
	expect(t, functionState("f", lambdatypes.StatePending, good, ""), "warning f: it is being made")
	expect(
		t, functionState("f", lambdatypes.StateFailed, good, "no such role"),
		`failure f: its state is "Failed" no such role`,
	)
	expect(
		t, functionState("f", lambdatypes.StateActive, lambdatypes.LastUpdateStatusFailed, "too big"),
		"failure f: its last update failed too big",
	)
}

func TestStopped(t *testing.T) {
	expect(t, stopped("f", nil))
	expect(t, stopped("f", aws.Int32(100)))
	expect(t, stopped("f", aws.Int32(0)), "failure f: its reserved concurrency is 0: it is never run")
}

func TestMappingState(t *testing.T) {
	expect(t, mappingState("m", "Enabled", "OK"))
	expect(t, mappingState("m", "Enabled", "No records processed"))
	expect(t, mappingState("m", "Enabling", ""), "warning m: it is enabling")
	expect(
		t, mappingState("m", "Disabled", "PROBLEM: Function call failed"),
		`failure m: it is "Disabled": nothing reaches its function`,
		"warning m: its last batch: PROBLEM: Function call failed",
	)
	expect(t, mappingState("m", "", ""), `failure m: it is "": nothing reaches its function`)
}

func TestRuleState(t *testing.T) {
	expect(t, ruleState("r", eventbridgetypes.RuleStateEnabled, true))
	expect(t, ruleState("r", eventbridgetypes.RuleStateDisabled, false))
	expect(
		t, ruleState("r", eventbridgetypes.RuleStateDisabled, true),
		"failure r: it is DISABLED, which the parameters don't say",
	)
	expect(
		t, ruleState("r", eventbridgetypes.RuleStateEnabled, false),
		"failure r: it is ENABLED, which the parameters don't say",
	)
}

// What a parameter turns off is what the template says so of.
func TestOffOnPurpose(t *testing.T) {
	text, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	parameters := map[string]string{"HasMail": "MailFrom", "IsCarrierSimulated": "SimulatedCarrier"}
	id := regexp.MustCompile(`^  ([A-Z][A-Za-z]+):$`)
	off := regexp.MustCompile(`(State|Enabled): !If \[(\w+), (ENABLED, DISABLED|true, false)\]$`)
	want, got, resource := map[string]string{}, map[string]string{}, ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if m := id.FindStringSubmatch(line); m != nil {
			resource = m[1]
		}
		m := off.FindStringSubmatch(line)
		if len(m) == 0 {
			continue
		}
		switch parameter := parameters[m[2]]; {
		case parameter == "":
		case m[1] == "State":
			want[resource] = parameter
		default:
			want[resource+"Messages"] = parameter
		}
	}
	for logical, o := range offOnPurpose {
		got[logical] = o.parameter
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("off by a parameter (-template +doctor):\n%s", diff)
	}
}

func TestTableState(t *testing.T) {
	table := dynamodbtypes.TableDescription{TableStatus: dynamodbtypes.TableStatusActive}
	expect(t, tableState("t", &table, false))
	expect(
		t, tableState("t", &table, true), "warning t: it can be deleted, which DeletionProtection should refuse",
	)
	table.DeletionProtectionEnabled, table.TableStatus = aws.Bool(true), dynamodbtypes.TableStatusUpdating
	expect(t, tableState("t", &table, true))
	table.TableStatus = dynamodbtypes.TableStatusArchived
	expect(t, tableState("t", &table, true), "failure t: it is ARCHIVED")
	expect(t, backedUp("t", nil), "warning t: it has no point-in-time recovery, which the parameter asks for")
	expect(t, backedUp("t", &dynamodbtypes.ContinuousBackupsDescription{
		PointInTimeRecoveryDescription: &dynamodbtypes.PointInTimeRecoveryDescription{
			PointInTimeRecoveryStatus: dynamodbtypes.PointInTimeRecoveryStatusEnabled,
		},
	}))
}

func TestKeyState(t *testing.T) {
	expect(t, keyState("k", &kmstypes.KeyMetadata{KeyState: kmstypes.KeyStateEnabled}))
	expect(
		t, keyState("k", &kmstypes.KeyMetadata{KeyState: kmstypes.KeyStatePendingDeletion}),
		"failure k: its deletion is scheduled: all personal data would be lost with it",
	)
	expect(
		t, keyState("k", &kmstypes.KeyMetadata{KeyState: kmstypes.KeyStateDisabled}),
		"failure k: it is Disabled: nobody can be registered, shipped to or written to",
	)
}

func TestBacklog(t *testing.T) {
	expect(t, backlog("shop-dead-letters", 0, 0))
	expect(
		t, backlog("shop-dead-letters", 0, 1), "warning shop-dead-letters: 1 messages that failed are not recorded yet",
	)
	expect(t, backlog("shop-send-mails", 0, 5))
	expect(
		t, backlog("shop-dead-letters", 2, 0),
		"warning shop-dead-letters: 2 messages that failed are not recorded yet",
	)
	expect(t, backlog("shop-send-mails", 3, 1), "warning shop-send-mails: 3 messages wait")
}

func TestEntries(t *testing.T) {
	expect(t, entries(deadletter.StatusOpen, nil, false))
	expect(
		t, entries(deadletter.StatusOpen, []deadletter.Entry{{}, {Held: true}, {}}, false),
		"warning open: 2 dead-letter entries are open", "failure held: 1 dead-letter entries wait for a person",
	)
	expect(
		t, entries(deadletter.StatusSpent, make([]deadletter.Entry, 100), true),
		"failure spent: 100 and more dead-letter entries are spent",
	)
}

func TestAlarmState(t *testing.T) {
	alarm := cloudwatchtypes.MetricAlarm{
		AlarmName: aws.String("a"), AlarmDescription: aws.String("what to do"), ActionsEnabled: aws.Bool(true),
		StateValue: cloudwatchtypes.StateValueInsufficientData,
	}
	expect(t, alarmState(alarm))
	alarm.StateValue, alarm.StateReason = cloudwatchtypes.StateValueAlarm, aws.String("3 > 0")
	alarm.ActionsEnabled = nil
	expect(
		t, alarmState(alarm),
		"failure a: it is in alarm: 3 > 0", "warning a: it notifies nobody: its actions are disabled",
	)
}

func TestSubscriptions(t *testing.T) {
	confirmed := snstypes.Subscription{
		SubscriptionArn: aws.String("arn:aws:sns:eu-west-1:123456789012:t:1"), Endpoint: aws.String("ops@example.com"),
	}
	waiting := snstypes.Subscription{
		SubscriptionArn: aws.String("PendingConfirmation"), Endpoint: aws.String("you@example.com"),
	}
	expect(t, subscriptions([]snstypes.Subscription{confirmed}, true).Problems)
	expect(
		t, subscriptions([]snstypes.Subscription{confirmed, waiting}, true).Problems,
		"failure you@example.com: the subscription is not confirmed: no alarm arrives",
	)
	expect(t, subscriptions(nil, false).Problems, "warning operations topic: nobody gets the alarms")
	expect(t, subscriptions(nil, true).Problems, "failure operations topic: nobody gets the alarms")
}

func TestSending(t *testing.T) {
	account := &sesv2.GetAccountOutput{ProductionAccessEnabled: true, SendingEnabled: true}
	expect(t, sending(account, "shop@example.com", true).Problems)
	expect(
		t,
		sending(&sesv2.GetAccountOutput{EnforcementStatus: aws.String("SHUTDOWN")}, "shop@example.com", false).Problems,
		"warning SES sandbox: mails go to verified addresses only",
		"failure SES account: sending is paused SHUTDOWN",
		"failure shop@example.com: it is not verified: no mail can be sent from it",
	)
}

func TestDiscovery(t *testing.T) {
	const issuer = "https://id.example.com/"
	good := `{"issuer": "https://id.example.com/", "jwks_uri": "https://id.example.com/keys"}`
	for _, tc := range []struct {
		status     int
		text, want string
	}{
		{http.StatusOK, good, ""},
		{http.StatusNotFound, good, "it answers 404: API Gateway refuses every token"},
		{http.StatusOK, "<html>", "it answers something else than JSON"},
		{
			http.StatusOK, strings.Replace(good, "com/\"", "com\"", 1),
			`the issuer calls itself "https://id.example.com", and tokens do so too`,
		},
		{http.StatusOK, `{"issuer": "https://id.example.com/"}`, "it names no jwks_uri"},
	} {
		var want []string
		if tc.want != "" {
			want = []string{"failure url: " + tc.want}
		}
		expect(t, discovery(issuer, "url", tc.status, []byte(tc.text)).Problems, want...)
	}
}

// A check that could not be made is not one that passed, and credentials that may not read are told
// so.
func TestUnreadable(t *testing.T) {
	denied := unreadable(fmt.Errorf("keys: %w", &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}))
	if denied.Severity != Failure || !strings.Contains(denied.Remedy, "permission") {
		t.Errorf("%+v", denied)
	}
	lost := unreadable(errors.New("no route"))
	if lost.Severity != Failure || strings.Contains(lost.Remedy, "permission") {
		t.Errorf("%+v", lost)
	}
	var r Report
	r.Add(Check{Name: "keys", Problems: []Problem{denied, {Severity: Warning}}})
	r.Add(Check{Name: "none"})
	if r.Failures != 1 || r.Warnings != 1 || r.Checks[1].Problems == nil {
		t.Errorf("%+v", r)
	}
}
