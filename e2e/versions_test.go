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

// outcome is the output of an order's execution, once it has succeeded.
func outcome(t *testing.T, order string) object {
	t.Helper()
	arn := strings.Replace(stack.Outputs["SagaArn"], ":stateMachine:", ":execution:", 1) + ":" + order
	ended := eventually(t, "the execution has succeeded", func() (*sfn.DescribeExecutionOutput, bool) {
		out, err := stack.runs.DescribeExecution(t.Context(), &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		if err != nil {
			t.Fatal(err)
		}
		return out, out.Status == sfntypes.ExecutionStatusSucceeded
	})
	return decode[object](t, []byte(aws.ToString(ended.Output)))
}

// An order that is under way when a release is deployed finishes by the definition that it began
// with, and with the functions of after the deployment; orders of after it take the new definition.
// The deployment goes as CloudFormation's does: the functions first, and then the state machine.
func TestDeploymentWithOrdersInFlight(t *testing.T) {
	const countries = "SERVED_COUNTRIES"
	served := functions(t)["schedule-shipment"].Environment.Variables[countries]
	setVariables(t, "schedule-shipment", map[string]string{countries: "AQ"}) // nobody's order can be shipped
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
	setVariables(t, "schedule-shipment", map[string]string{countries: served})
	redefine(t, func(states object) {
		states["ConfirmOrder"].(object)["Output"].(object)["release"] = "next"
	})
	after := buyer.place(t, line(sku, 1, 100))
	resume()
	buyer.ends(t, before.ID, "confirmed")
	buyer.ends(t, after.ID, "confirmed")
	checkStock(t, sku, shop.Stock{OnHand: 4, Reserved: 2, Available: 2})
	for id, want := range map[string]object{
		before.ID: {"orderId": before.ID, "outcome": "completed"},
		after.ID:  {"orderId": after.ID, "outcome": "completed", "release": "next"},
	} {
		if got := outcome(t, id); !maps.Equal(got, want) {
			t.Errorf("an execution ended with %v, want %v", got, want)
		}
	}
}

// The API runs what is deployed, by the alias.
func TestAPIRunsWhatIsDeployed(t *testing.T) {
	setVariables(t, "answer-queries", map[string]string{"OPERATOR_SCOPE": "orderflow/nobody"})
	refused(t, http.StatusForbidden, "auth.no-customer", get(stack.operator, "/dead-letters"))
}
