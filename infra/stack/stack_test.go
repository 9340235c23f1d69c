package stack_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/infra/stack"
)

func TestExpand(t *testing.T) {
	const source = `
Resources:

  Bus:
    Type: AWS::Events::EventBus # not an entry

  # Why it is there.
  Stock:
    Type: orderflow::Table
    Properties:
      KeySchema:
        - {AttributeName: sku, KeyType: HASH} # one

  Topic: {Type: AWS::SNS::Topic}
`
	const want = `
Resources:

  Bus:
    Type: AWS::Events::EventBus # not an entry

  # Why it is there.
  StockTable:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Delete
    UpdateReplacePolicy: Retain
    Properties:
      TableName: !Sub '${AWS::StackName}-stock'
      BillingMode: PAY_PER_REQUEST
      KeySchema:
        - {AttributeName: sku, KeyType: HASH} # one
      PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: !If [IsRecoverable, true, false]}
      DeletionProtectionEnabled: !If [IsProtected, true, false]

  Topic: {Type: AWS::SNS::Topic}
`
	got, err := stack.Expand(source)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A family of alarms writes names of parameters as !Sub, and others as they are.
func TestExpandNames(t *testing.T) {
	for source, want := range map[string]string{
		"  Consumer:\n    Type: orderflow::ConsumerAlarms\n":          "!Sub 'A message has been waiting in ${Name} for more than five minutes. What to do: docs/runbooks.md#age'",
		"  Some:\n    Type: orderflow::ErrorAlarms\n    of: [DoIt]\n": ": 'do-it failed, ran out of time or crashed. What to do: docs/runbooks.md#errors",
	} {
		got, err := stack.Expand(source)
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("%s\nmakes no %s: %v\n%s", source, want, err, got)
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ source, want string }{
		"a family that there is not": {
			"  X:\n    Type: orderflow::Thing\n", "line 1: X: there is no family Thing",
		},
		"a key that the family doesn't know": {
			"\n  X:\n    Type: orderflow::Queue\n    visible: 5\n", "line 2: X: ",
		},
		"a key too little": {
			"  X:\n    Type: orderflow::Integration\n", "has no function",
		},
		"a type that is not the first key": {
			"  X:\n    DependsOn: Y\n    Type: orderflow::Queue\n", "doesn't begin with its type",
		},
		"no mapping": {
			"  X:\n    Type: orderflow::Queue\n    - visible\n", "a mapping",
		},
		"an event of nobody": {
			"  X:\n    Type: orderflow::StreamFunction\n    Description: x\n    ParallelizationFactor: 1\n" +
				"    MaximumBatchingWindowInSeconds: 0\n    publishes: [order.placed]\n",
			"order.placed is neither contract nor <source>/<type>",
		},
		"no YAML": {
			"  X:\n    Type: orderflow::Queue\n    visibility: [\n", "line 1: X: yaml",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := stack.Expand(tc.source); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, %v; want an error with %q", got, err, tc.want)
			}
		})
	}
}

// The template holds a digest of itself, and each of its parameters by its value.
func TestFilesSayWhatIsDeployed(t *testing.T) {
	files, err := stack.Files()
	if err != nil {
		t.Fatal(err)
	}
	text := string(files["template.yaml"])
	for _, want := range []*regexp.Regexp{
		regexp.MustCompile(`\n {14}template: [0-9a-f]{64}\n`),
		regexp.MustCompile(`\n {14}parameters:\n {16}AlarmEmail: !Ref AlarmEmail\n`),
	} {
		if !want.MatchString(text) {
			t.Errorf("template.yaml has no %s", want)
		}
	}
	if strings.Contains(text, "orderflow::") {
		t.Error("template.yaml has a value that was not put in")
	}
}
