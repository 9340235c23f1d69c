//go:build e2e

package e2e_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/cmd/orderflow/shop"
)

// inFlight are the functions that an execution of the saga calls.
var inFlight = []string{"advance-order", "process-payment", "schedule-shipment", "process-inventory"}

// redefine deploys the saga with another definition, until the test ends.
func redefine(t *testing.T, change func(states object)) {
	t.Helper()
	machine := aws.String(stack.Outputs["SagaArn"])
	was, err := stack.runs.DescribeStateMachine(
		t.Context(), &sfn.DescribeStateMachineInput{StateMachineArn: machine},
	)
	if err != nil {
		t.Fatal(err)
	}
	definition := decode[object](t, []byte(aws.ToString(was.Definition)))
	change(definition["States"].(object))
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		if _, err := stack.runs.UpdateStateMachine(ctx, &sfn.UpdateStateMachineInput{
			StateMachineArn: machine, Definition: was.Definition,
		}); err != nil {
			t.Error(err)
		}
	})
	if _, err := stack.runs.UpdateStateMachine(t.Context(), &sfn.UpdateStateMachineInput{
		StateMachineArn: machine, Definition: aws.String(text(t, definition)),
	}); err != nil {
		t.Fatal(err)
	}
}

// execution is how an order's execution ended: its output, and which version of which function each
// of its tasks ran, by the task's name.
func execution(t *testing.T, order string) (output object, versions map[string]string) {
	t.Helper()
	arn := strings.Replace(stack.Outputs["SagaArn"], ":stateMachine:", ":execution:", 1) + ":" + order
	ended := eventually(t, "the execution has succeeded", func() (*sfn.DescribeExecutionOutput, bool) {
		out, err := stack.runs.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		if err != nil {
			t.Fatal(err)
		}
		return out, out.Status == sfntypes.ExecutionStatusSucceeded
	})
	versions = map[string]string{}
	task := ""
	for pages := sfn.NewGetExecutionHistoryPaginator(
		stack.runs, &sfn.GetExecutionHistoryInput{ExecutionArn: &arn, IncludeExecutionData: aws.Bool(true)},
	); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			if e.StateEnteredEventDetails != nil {
				task = aws.ToString(e.StateEnteredEventDetails.Name)
			}
			if e.TaskSucceededEventDetails != nil {
				result := decode[object](t, []byte(aws.ToString(e.TaskSucceededEventDetails.Output)))
				versions[task], _ = result["ExecutedVersion"].(string)
			}
		}
	}
	return decode[object](t, []byte(aws.ToString(ended.Output))), versions
}

// An order that is under way when a release is deployed finishes by the definition that it began
// with, and with the code of after the deployment; orders of after it take the new definition. The
// deployment goes as CloudFormation's does: the functions first, and then the state machine.
func TestDeploymentWithOrdersInFlight(t *testing.T) {
	buyer := newCustomer(t, 10_000)
	sku := newStock(t, 4)
	resume := pause(t, "process-inventory")
	before := buyer.place(t, line(sku, 1, 100))
	eventually(t, "the execution waits for its stock", func() (string, bool) {
		out, err := stack.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl:       aws.String(stack.Outputs["InventoryQueueUrl"]),
			AttributeNames: []sqstypes.QueueAttributeName{"ApproximateNumberOfMessages"},
		})
		if err != nil {
			t.Fatal(err)
		}
		waiting := out.Attributes["ApproximateNumberOfMessages"]
		return waiting, waiting != "0"
	})
	deployedNow := map[string]string{}
	for _, function := range inFlight {
		deployedNow[function] = setVariables(t, function, map[string]string{"CONFIGURATION": "the next release"})
	}
	redefine(t, func(states object) {
		states["ConfirmOrder"].(object)["Output"].(object)["release"] = "next"
	})
	after := buyer.place(t, line(sku, 1, 100))
	resume()
	buyer.ends(t, before.ID, "confirmed")
	buyer.ends(t, after.ID, "confirmed")
	checkStock(t, sku, shop.Stock{OnHand: 4, Reserved: 2, Available: 2})

	want := object{"orderId": before.ID, "outcome": "completed"}
	output, versions := execution(t, before.ID)
	if !maps.Equal(output, want) {
		t.Errorf("the order of before the deployment ended by another definition: %v", output)
	}
	if versions["StartOrder"] == deployedNow["advance-order"] || versions["StartOrder"] == "$LATEST" {
		t.Errorf("before the deployment version %s of advance-order ran", versions["StartOrder"])
	}
	if versions["ConfirmOrder"] != deployedNow["advance-order"] ||
		versions["ChargePayment"] != deployedNow["process-payment"] {
		t.Errorf("after the deployment of %v the execution ran %v", deployedNow, versions)
	}
	want["orderId"], want["release"] = after.ID, "next"
	if output, _ := execution(t, after.ID); !maps.Equal(output, want) {
		t.Errorf("the order of after the deployment ended by another definition: %v", output)
	}
}

// The API runs what is deployed, by the alias.
func TestAPIRunsWhatIsDeployed(t *testing.T) {
	setVariables(t, "answer-queries", map[string]string{"OPERATOR_SCOPE": "orderflow/nobody"})
	refused(t, http.StatusForbidden, "auth.forbidden", get(stack.operator, "/dead-letters"))
}
