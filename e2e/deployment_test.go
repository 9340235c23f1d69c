//go:build e2e

package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cloudformationtypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"

	"orderflow/shared/contract"
	"orderflow/shared/inbound/httpapi"
)

// The API that is deployed leads to what the functions and the console serve, and to nothing else.
func TestDeployedRoutes(t *testing.T) {
	t.Parallel()
	var want []string
	commands, queries, operations := httpapi.Routes()
	for _, r := range slices.Concat(commands, queries, operations) {
		want = append(want, r.Key)
	}
	want = append(want, "GET /console", "GET /console/{proxy+}", "POST /console/{proxy+}")
	api, err := stack.Output("ApiId")
	if err != nil {
		t.Fatal(err)
	}
	out, err := apigatewayv2.NewFromConfig(stack.config).GetRoutes(t.Context(), &apigatewayv2.GetRoutesInput{
		ApiId: &api, MaxResults: aws.String("500"),
	})
	if err != nil || out.NextToken != nil {
		t.Fatal(err, out)
	}
	var got []string
	for _, r := range out.Items {
		got = append(got, aws.ToString(r.RouteKey))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Other stacks find this one by parameters of SSM.
func TestFoundByOthers(t *testing.T) {
	t.Parallel()
	var published []string
	for _, kind := range contract.Types() {
		if kind.Published {
			published = append(published, fmt.Sprintf("%s:%d", kind.Name, kind.Version))
		}
	}
	slices.Sort(published)
	want := map[string]string{"schemas": strings.Join(published, ",")}
	for name, output := range map[string]string{"bus/name": "BusName", "api/url": "ApiUrl"} {
		value, err := stack.Output(output)
		if err != nil {
			t.Fatal(err)
		}
		want[name] = value
	}
	bus := want["bus/name"]
	described, err := eventbridge.NewFromConfig(stack.config).DescribeEventBus(
		t.Context(), &eventbridge.DescribeEventBusInput{Name: &bus},
	)
	if err != nil {
		t.Fatal(err)
	}
	want["bus/arn"] = aws.ToString(described.Arn)
	prefix := "/orderflow/" + stack.Stack + "/"
	out, err := ssm.NewFromConfig(stack.config).GetParametersByPath(
		t.Context(), &ssm.GetParametersByPathInput{Path: &prefix, Recursive: aws.Bool(true)},
	)
	if err != nil || out.NextToken != nil {
		t.Fatal(err, out)
	}
	got := map[string]string{}
	for _, p := range out.Parameters {
		got[strings.TrimPrefix(aws.ToString(p.Name), prefix)] = aws.ToString(p.Value)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A shop that sells isn't deployed without somebody who gets its alarms, nor with a carrier who is
// none.
func TestProductionIsRefused(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	// Parameters and rules; the change set is never executed.
	_, asked, _ := strings.Cut(string(text), "\nParameters:\n")
	asked, _, _ = strings.Cut(asked, "\nConditions:\n")
	body := "Parameters:\n" + asked + "\nResources:\n  Topic: {Type: 'AWS::SNS::Topic'}\n"
	api := cloudformation.NewFromConfig(stack.config)
	for name, tc := range map[string]struct {
		parameters map[string]string
		want       string
	}{
		"nobody gets the alarms": {map[string]string{"Stage": "prod"}, "AlarmEmail"},
		"no carrier": {
			map[string]string{"Stage": "prod", "AlarmEmail": "a@example.com", "SimulatedCarrier": "true"},
			"SimulatedCarrier",
		},
		"a shop that sells":   {map[string]string{"Stage": "prod", "AlarmEmail": "a@example.com"}, ""},
		"another stage":       {map[string]string{"Stage": "dev", "SimulatedCarrier": "true"}, ""},
		"a budget for nobody": {map[string]string{"MonthlyBudget": "50"}, "AlarmEmail"},
		"a budget":            {map[string]string{"MonthlyBudget": "50", "AlarmEmail": "a@example.com"}, ""},
		"ids of one's own":    {map[string]string{"SelfSignUp": "true"}, "CustomerClaim"},
		"sign-up":             {map[string]string{"SelfSignUp": "true", "CustomerClaim": "sub"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			id := stack.Stack + "-rules-" + strings.NewReplacer(" ", "-", "'", "").Replace(name)
			in := &cloudformation.CreateChangeSetInput{
				StackName: &id, ChangeSetName: aws.String("rules"), TemplateBody: &body,
				ChangeSetType: cloudformationtypes.ChangeSetTypeCreate,
			}
			for key, value := range tc.parameters {
				in.Parameters = append(in.Parameters, cloudformationtypes.Parameter{
					ParameterKey: &key, ParameterValue: &value,
				})
			}
			_, err := api.CreateChangeSet(t.Context(), in)
			if err == nil {
				t.Cleanup(func() {
					ctx, cancel := cleaning()
					defer cancel()
					if _, err := api.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &id}); err != nil {
						t.Error(err)
					}
				})
			}
			if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v; want an error with %q", err, tc.want)
			}
		})
	}
}
