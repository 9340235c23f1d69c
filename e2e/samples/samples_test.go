//go:build e2e

// Package samples_test calls each deployed function with its sample events, those that make
// sam-local calls the containers with.
//
// The samples tell of orders that no stack has, and what they publish becomes dead letters. So they
// are called behind the package e2e, which allows none.
package samples_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/shared/kit/ident"
)

const folder = "../../events/samples"

// patience is how long all of it may take.
const patience = 3 * time.Minute

// outcome is what a call with a sample has to come to, whatever was called before it.
type outcome struct {
	Given  []string // samples that make what this one needs
	Error  string   // the handler's, "" for none
	Status statuses // of an HTTP answer
	Failed []string // messages of a batch that come again
	Writes map[string]map[string]map[string]string
	Starts string // an execution of the saga
}

// statuses are one number, or the one of the first call and the one of a repeat.
type statuses []int

func (s *statuses) UnmarshalJSON(text []byte) error {
	if text[0] == '[' {
		return json.Unmarshal(text, (*[]int)(s))
	}
	*s = make(statuses, 1)
	return json.Unmarshal(text, &(*s)[0])
}

// answer is what of a function's payload tells how it went.
type answer struct {
	ErrorType         string
	StatusCode        int
	BatchItemFailures []struct{ ItemIdentifier string }
}

// world is the deployed stack.
type world struct {
	name      string
	parts     map[string]string // physical by logical id
	functions []string          // without the stack's name
	lambda    *lambda.Client
	tables    *dynamodb.Client
	runs      *sfn.Client
}

func find(ctx context.Context) (w world, err error) {
	if endpoint := os.Getenv("ORDERFLOW_TEST_ENDPOINT"); endpoint == "" || os.Getenv("AWS_ENDPOINT_URL") != endpoint {
		return w, errors.New("ORDERFLOW_TEST_ENDPOINT and AWS_ENDPOINT_URL have to name one emulator")
	}
	found, err := deployment.Find(ctx, cmp.Or(os.Getenv("ORDERFLOW_STACK"), "orderflow-e2e"))
	if err != nil {
		return w, err
	}
	config := found.Config()
	w = world{
		name: found.Stack, parts: map[string]string{},
		lambda: lambda.NewFromConfig(config), tables: dynamodb.NewFromConfig(config), runs: sfn.NewFromConfig(config),
	}
	for pages := cloudformation.NewListStackResourcesPaginator(
		cloudformation.NewFromConfig(config), &cloudformation.ListStackResourcesInput{StackName: &found.Stack},
	); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return w, err
		}
		for _, part := range page.StackResourceSummaries {
			physical := aws.ToString(part.PhysicalResourceId)
			w.parts[aws.ToString(part.LogicalResourceId)] = physical
			if aws.ToString(part.ResourceType) == "AWS::Lambda::Function" {
				w.functions = append(w.functions, strings.TrimPrefix(physical, w.name+"-"))
			}
		}
	}
	return w, nil
}

// function is whose sample it is: one is named <function> or <function>-<case>.
func (w world) function(sample string) (name string) {
	for _, f := range w.functions {
		if (sample == f || strings.HasPrefix(sample, f+"-")) && len(f) > len(name) {
			name = f
		}
	}
	return name
}

// call invokes the function of a sample.
func (w world) call(t *testing.T, sample, ids string) (text []byte) {
	t.Helper()
	out, err := w.lambda.Invoke(t.Context(), &lambda.InvokeInput{
		FunctionName: aws.String(w.name + "-" + w.function(sample)), Payload: dated(t, sample, ids),
	})
	if err != nil {
		t.Fatalf("%s: %v", sample, err)
	}
	return out.Payload
}

// sampleIDs is what the ids of the samples' messages begin with.
const sampleIDs = "00000000-0000-4000-8000-"

// fresh is what they begin with in a call: a consumer counts its tries of a message, and gives up
// after three. The entry of a dead letter is named by its message's id, so those stay.
func fresh(sample string) string {
	if strings.HasPrefix(sample, "record-dead-letters") {
		return sampleIDs
	}
	return ident.New()[:8] + sampleIDs[8:]
}

// dated is a sample whose messages are new, and whose events happen now: of an old one no mail is
// written.
func dated(t *testing.T, sample, ids string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, "invoke", sample+".json"))
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(sampleIDs), []byte(ids))
	var event map[string]any
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatalf("%s: %v", sample, err)
	}
	records, _ := event["Records"].([]any)
	for _, r := range records {
		record, _ := r.(map[string]any)
		body, _ := record["body"].(string)
		var message map[string]any
		if json.Unmarshal([]byte(body), &message) != nil {
			continue
		}
		if detail, ok := message["detail"].(map[string]any); ok {
			detail["time"] = time.Now().UTC().Format(time.RFC3339)
			again, err := json.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			record["body"] = string(again)
		}
	}
	if text, err = json.Marshal(event); err != nil {
		t.Fatal(err)
	}
	return text
}

// check says whether a call came to what it has to.
func (w world) check(t *testing.T, sample string, want outcome) {
	t.Helper()
	ids := fresh(sample)
	text := w.call(t, sample, ids)
	var got answer
	// Some answer null or a text, which say nothing but that they are done.
	_ = json.Unmarshal(text, &got)
	if got.ErrorType != want.Error {
		t.Errorf("error %q, want %q: %s", got.ErrorType, want.Error, text)
	}
	if (want.Status != nil || got.StatusCode != 0) && !slices.Contains(want.Status, got.StatusCode) {
		t.Errorf("status %d, want %v: %s", got.StatusCode, want.Status, text)
	}
	var failed []string
	for _, f := range got.BatchItemFailures {
		failed = append(failed, strings.Replace(f.ItemIdentifier, ids, sampleIDs, 1))
	}
	if !slices.Equal(failed, want.Failed) {
		t.Errorf("failed messages %v, want %v", failed, want.Failed)
	}
	for table, key := range want.Writes {
		w.wantItem(t, table, key, ids)
	}
	if want.Starts != "" {
		arn := strings.Replace(w.parts["OrderSaga"], ":stateMachine:", ":execution:", 1) + ":" + want.Starts
		in := &sfn.DescribeExecutionInput{ExecutionArn: &arn}
		if _, err := w.runs.DescribeExecution(t.Context(), in); err != nil {
			t.Errorf("execution %s: %v", want.Starts, err)
		}
	}
}

// generations is how often a stack's views may have been rebuilt before.
const generations = 20

func (w world) wantItem(t *testing.T, table string, key map[string]map[string]string, ids string) {
	t.Helper()
	for generation := 1; generation <= generations; generation++ {
		item := map[string]dynamodbtypes.AttributeValue{}
		for name, value := range key {
			text := strings.Replace(value["S"], sampleIDs, ids, 1)
			if table == "ViewsTable" {
				text = strings.Replace(text, "#1#", fmt.Sprintf("#%d#", generation), 1)
			}
			if number, ok := value["N"]; ok {
				item[name] = &dynamodbtypes.AttributeValueMemberN{Value: number}
			} else {
				item[name] = &dynamodbtypes.AttributeValueMemberS{Value: text}
			}
		}
		out, err := w.tables.GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: aws.String(w.parts[table]), Key: item, ConsistentRead: aws.Bool(true),
		})
		if err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		if out.Item != nil {
			return
		}
	}
	t.Errorf("%s has no %v", table, key)
}

// TestSamples: each function has samples, each sample has a function, and each call comes to what
// outcomes.json says, in any order and when it is repeated.
func TestSamples(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	w, err := find(ctx)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "outcomes.json"))
	if err != nil {
		t.Fatal(err)
	}
	var outcomes map[string]outcome
	if err := json.Unmarshal(text, &outcomes); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "invoke", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	var names, called []string
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		names, called = append(names, name), append(called, w.function(name))
		if w.function(name) == "" {
			t.Errorf("%s: no function has this name", name)
		}
	}
	for _, f := range w.functions {
		if !slices.Contains(called, f) {
			t.Errorf("%s has no sample event", f)
		}
	}
	for name := range maps.Keys(outcomes) {
		if !slices.Contains(names, name) {
			t.Errorf("outcomes.json: no sample is called %s", name)
		}
	}
	if t.Failed() {
		return
	}
	given := map[string]bool{}
	for round := range 2 {
		rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		t.Logf("round %d: %v", round, names)
		for _, name := range names {
			t.Run(fmt.Sprintf("%d/%s", round, name), func(t *testing.T) {
				for _, first := range outcomes[name].Given {
					if !given[first] {
						w.call(t, first, fresh(first))
						given[first] = true
					}
				}
				w.check(t, name, outcomes[name])
			})
		}
	}
}
