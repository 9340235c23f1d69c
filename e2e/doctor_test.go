//go:build e2e

package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"orderflow/cmd/orderflow/doctor"
)

// The doctor finds nothing wrong with a stack that is well, names each part that is not, and ends
// with 1 then. Its smoke test places and cancels an order and leaves nothing for sale.
func TestDoctor(t *testing.T) {
	program := cli(t)
	examine := func(t *testing.T, args ...string) (problems []string, failed bool) {
		t.Helper()
		out, failed := command(t, program, append([]string{"doctor", "--json"}, args...)...)
		report := decode[doctor.Report](t, []byte(out))
		for _, c := range report.Checks {
			for _, p := range c.Problems {
				if p.Severity == doctor.Failure && c.Name != "dead letters" && c.Name != "alarms" {
					problems = append(problems, c.Name+" "+p.Part)
				}
				if c.Name == "alarms" && strings.Contains(p.Detail, "the doctor's test") {
					problems = append(problems, c.Name+" "+p.Part)
				}
			}
		}
		return problems, failed
	}
	one := func(kind string, named func(string) bool) string {
		for id, physical := range partsOf(kind) {
			if named(id) {
				return physical
			}
		}
		t.Fatalf("the stack has no such %s", kind)
		return ""
	}

	t.Run("well", func(t *testing.T) {
		problems, _ := examine(t, "--smoke")
		if len(problems) > 0 {
			t.Errorf("%q", problems)
		}
		out := must[struct {
			Products []struct {
				SKU string `json:"sku"`
			} `json:"products"`
		}](t, http.StatusOK, get(stack.operator, "/products?limit=100"))
		for _, p := range out.Products {
			if strings.HasPrefix(p.SKU, "smoke-") {
				t.Errorf("%s is still for sale", p.SKU)
			}
		}
	})
	t.Run("an order that can't be", func(t *testing.T) {
		problems, failed := examine(
			t, "--smoke", "--country", "GR", "--postal-code", "104 31", "--city", "Athens",
		)
		if !failed || len(problems) != 1 || !strings.HasPrefix(problems[0], "smoke ") {
			t.Errorf("%q", problems)
		}
	})
	t.Run("ill", func(t *testing.T) {
		pause(t, "follow-shipments")
		rule := one("AWS::Events::Rule", func(id string) bool { return id == "CommitStockRule" })
		bus, name := stack.Outputs["BusName"], rule
		if before, after, both := strings.Cut(rule, "|"); both {
			bus, name = before, after
		}
		rules, keys := eventbridge.NewFromConfig(stack.config), kms.NewFromConfig(stack.config)
		watch := cloudwatch.NewFromConfig(stack.config)
		key := one("AWS::KMS::Key", func(string) bool { return true })
		alarms, err := watch.DescribeAlarms(t.Context(), &cloudwatch.DescribeAlarmsInput{
			AlarmNamePrefix: aws.String(stack.Stack + "-"), MaxRecords: aws.Int32(1),
		})
		if err != nil || len(alarms.MetricAlarms) != 1 {
			t.Fatalf("%+v, %v", alarms, err)
		}
		alarm := alarms.MetricAlarms[0]
		state := func(s cloudwatchtypes.StateValue) {
			ctx, cancel := cleaning()
			defer cancel()
			if _, err := watch.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{
				AlarmName: alarm.AlarmName, StateValue: s, StateReason: aws.String("the doctor's test"),
			}); err != nil {
				t.Error(err)
			}
		}
		t.Cleanup(func() {
			ctx, cancel := cleaning()
			defer cancel()
			if _, err := rules.EnableRule(
				ctx, &eventbridge.EnableRuleInput{Name: &name, EventBusName: &bus},
			); err != nil {
				t.Error(err)
			}
			if _, err := keys.EnableKey(ctx, &kms.EnableKeyInput{KeyId: &key}); err != nil {
				t.Error(err)
			}
			state(cloudwatchtypes.StateValueOk)
		})
		if _, err := rules.DisableRule(
			t.Context(), &eventbridge.DisableRuleInput{Name: &name, EventBusName: &bus},
		); err != nil {
			t.Fatal(err)
		}
		if _, err := keys.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}); err != nil {
			t.Fatal(err)
		}
		state(cloudwatchtypes.StateValueAlarm)
		problems, failed := examine(t)
		want := []string{
			"event source mappings ", "rules CommitStockRule", "personal data key " + key,
			"alarms " + aws.ToString(alarm.AlarmName),
		}
		for _, w := range want {
			if !slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, w) }) {
				t.Errorf("nothing of %q in %q", w, problems)
			}
		}
		if !failed || len(problems) != len(want) {
			t.Errorf("%q, want %q", problems, want)
		}
	})
}
