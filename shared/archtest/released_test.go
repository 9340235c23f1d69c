package archtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/inbound/inventoryqueue"
	"orderflow/shared/inbound/ordertask"
	"orderflow/shared/inbound/paymenttask"
	"orderflow/shared/inbound/sfntask"
	"orderflow/shared/inbound/shipmenttask"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/trail"
)

// What the last release has that a deployment meets: executions that go on by its definition, and
// resources that hold data. After a release, and only then:
//
//	go test ./shared/archtest -run TestReleased -update
//
// With the tools of make tools, whose cfn-lint knows what property's change replaces a resource.
var (
	releasedSaga      = filepath.Join("testdata", "released", "order-saga.asl.json")
	releasedResources = filepath.Join("testdata", "released", "resources.json")
)

// ---------------------------------------------------------------- executions

// step is what a function makes of a task: its input is read as the function reads it, and nothing
// is done.
func step[In, Out any](func(context.Context, In) (Out, error)) sfntask.Handler {
	return sfntask.Task(func(context.Context, In) (out Out, err error) { return out, nil })
}

// steps are the tasks of the saga's functions, as their main.go has them.
var steps = map[string]sfntask.Router{
	"advance-order": {
		"start": step(ordertask.Tasks{}.Start), "confirm": step(ordertask.Tasks{}.Confirm),
		"close": step(ordertask.Tasks{}.Close), "cancel": step(ordertask.Tasks{}.FinishUndo),
		"fail-undo": step(ordertask.Tasks{}.FailUndo), "await-approval": step(ordertask.Tasks{}.AwaitApproval),
		"await-stock": step(ordertask.Tasks{}.AwaitStock), "await-payment": step(ordertask.Tasks{}.AwaitPayment),
		"expire": step(ordertask.Tasks{}.Expire), "reduce": step(ordertask.Tasks{}.Reduce),
	},
	"process-payment":   {"charge": step(paymenttask.Tasks{}.Charge), "refund": step(paymenttask.Tasks{}.Refund)},
	"schedule-shipment": {"schedule": step(shipmenttask.Tasks{}.Schedule), "cancel": step(shipmenttask.Tasks{}.Cancel)},
}

// known is what an execution knows while it runs, by the definition's variables: the answers of the
// functions as they are now, and what the definition makes itself.
func known(t *testing.T) object {
	t.Helper()
	encoded, err := json.Marshal(object{
		"input":  saga.Input{Version: saga.InputVersion, OrderID: "o", Mode: saga.ModeFulfil, CorrelationID: "c"},
		"sagaId": "o", "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "tracestate": "a=1",
		"messageAttributes": object{},
		"order": ordertask.Order{
			OrderID: "o", Status: order.StatusPlaced, Revision: 1, StockRevision: 1, PaymentRevision: 1,
			ShipmentRevision: 1, CustomerID: "c", AccountID: "a",
			Total: money.Money{Amount: 1, Currency: "USD"}, Items: []contract.InventoryItem{{SKU: "s", Quantity: 1}},
			Address: "a", CorrelationID: "c", OutOfStock: goods.Backorder,
		},
		"payment":  paymenttask.Charged{PaymentID: "p"},
		"shipment": shipmenttask.Scheduled{ShipmentID: "s", TrackingNumber: "t"},
		"wait":     object{"kind": order.WaitPayment, "revision": 1, "deadline": 1_764_547_200_000},
		"closing":  object{"reason": "saga.step-failed", "step": "s", "cause": "c"},
		"failed":   object{"step": "s"}, // JSONata maps over the list
		"states": object{"context": object{
			"Task": object{"Token": "t"}, "Execution": object{"Id": "e"}, "State": object{"EnteredTime": "t"},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	var out object
	if err := json.Unmarshal(encoded, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

var (
	expression = regexp.MustCompile(`^\{% (.*) %\}$`)
	variable   = regexp.MustCompile(`^(\[?)\$([\w.]+)\]?$`)
	message    = regexp.MustCompile(`^\$string\(\{(.*)\}\)$`)
	moment     = regexp.MustCompile(`^\$fromMillis\((\$[\w.]+)\)$`)
	field      = regexp.MustCompile(`'(\w+)': ((?:[\w$.]+ = '[^']*' \? '[^']*' : )*)('[^']*'|[\w$.]+)`)
	choice     = regexp.MustCompile(`([\w$.]+) = '([^']*)' \? '([^']*)' : `)
)

// evaluate is what an argument of the definition comes to. It knows the few forms that the saga is
// written in.
func evaluate(value any, known object) (any, error) {
	switch v := value.(type) {
	case object:
		out := object{}
		for name, inner := range v {
			made, err := evaluate(inner, known)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out[name] = made
		}
		return out, nil
	case string:
		if match := expression.FindStringSubmatch(v); match != nil {
			return compute(match[1], known)
		}
	}
	return value, nil
}

func compute(text string, known object) (any, error) {
	if match := variable.FindStringSubmatch(text); match != nil {
		value := at(known, strings.Split(match[2], ".")...)
		if value == nil {
			return nil, fmt.Errorf("nothing answers with $%s any more", match[2])
		}
		if match[1] != "" {
			return []any{value}, nil
		}
		return value, nil
	}
	if match := moment.FindStringSubmatch(text); match != nil {
		value, err := compute(match[1], known)
		if err != nil {
			return nil, err
		}
		millis, ok := value.(float64)
		if !ok {
			return nil, fmt.Errorf("%s is no time", match[1])
		}
		return time.UnixMilli(int64(millis)).UTC().Format(time.RFC3339Nano), nil
	}
	match := message.FindStringSubmatch(text)
	if match == nil {
		return nil, fmt.Errorf("%s is of a form that this test doesn't know", text)
	}
	body := object{}
	for _, f := range field.FindAllStringSubmatch(match[1], -1) {
		value := f[3]
		for _, c := range slices.Backward(choice.FindAllStringSubmatch(f[2], -1)) {
			said, err := compute(c[1], known)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", f[1], err)
			}
			if said == c[2] {
				value = "'" + c[3] + "'"
			}
		}
		number, err := strconv.Atoi(value)
		switch {
		case err == nil:
			body[f[1]] = number
		case value[0] == '\'':
			body[f[1]] = strings.Trim(value, "'")
		default:
			if body[f[1]], err = compute(value, known); err != nil {
				return nil, fmt.Errorf("%s: %w", f[1], err)
			}
		}
	}
	encoded, err := json.Marshal(body)
	return string(encoded), err
}

// idle takes commands, and does nothing of them.
type idle struct{}

func (idle) ReserveAll(_ context.Context, commands []stock.Command) []stock.Reply {
	return make([]stock.Reply, len(commands))
}

func (idle) Release(context.Context, es.Request, string, int64) (s stock.ReservationState, err error) {
	return s, nil
}

func (idle) Succeed(context.Context, string, any) error         { return nil }
func (idle) Fail(context.Context, string, string, string) error { return nil }

// functionOf is the function that a substitution of the definition stands for:
// ${AdvanceOrderFunctionArn} is advance-order.
func functionOf(argument any) string {
	text, _ := argument.(string)
	id := strings.TrimSuffix(strings.TrimPrefix(text, "${"), "FunctionArn}")
	var name strings.Builder
	for i, r := range id {
		if i > 0 && r >= 'A' && r <= 'Z' {
			name.WriteByte('-')
		}
		name.WriteRune(r)
	}
	return strings.ToLower(name.String())
}

// quiet keeps what the tasks log out of the tests' output.
func quiet(t *testing.T) {
	t.Helper()
	was := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(was) })
}

// understood: each task of a definition is one that the functions of today know, with an input that
// they take, made of answers that they give; and each command is one that the inventory takes.
func understood(ctx context.Context, m machine, known object) (found findings) {
	inventory := inventoryqueue.Handler{Stock: idle{}, Clock: clock.System{}, Tokens: idle{}}
	tried := 0
	for _, name := range m.names() {
		s := m.States[name]
		if s.Type != "Task" {
			continue
		}
		tried++
		arguments, err := evaluate(s.Arguments, known)
		if err != nil {
			found.addf("%s: %v", name, err)
			continue
		}
		if body := textAt(arguments, "MessageBody"); body != "" {
			if textAt(arguments, "QueueUrl") == "${InventoryQueueUrl}" {
				if err := inventory.Handle(ctx, [][]byte{[]byte(body)}, make([]trail.Trail, 1))[0]; err != nil {
					found.addf("%s: %v", name, err)
				}
			}
			continue
		}
		function := functionOf(at(arguments, "FunctionName"))
		payload, err := json.Marshal(at(arguments, "Payload"))
		if err != nil {
			found.addf("%s: %v", name, err)
			continue
		}
		if _, err := steps[function].Handle(ctx, payload); err != nil {
			found.addf("%s: %s refuses its input: %v", name, function, err)
		}
	}
	if tried == 0 {
		found.addf("the definition has no tasks")
	}
	return found
}

// wired: the tasks that are tried here are those that main.go has.
func wired(files []source) (found findings) {
	task := regexp.MustCompile(`"([a-z-]+)":\s+sfntask\.Task\(tasks\.`)
	for function, router := range steps {
		var have []string
		for _, f := range files {
			if f.name == "functions/"+function+"/main.go" {
				for _, match := range task.FindAllStringSubmatch(f.text, -1) {
					have = append(have, match[1])
				}
			}
		}
		slices.Sort(have)
		if want := slices.Sorted(maps.Keys(router)); !slices.Equal(have, want) {
			found.addf("functions/%s has the tasks %v, and this test %v", function, have, want)
		}
	}
	return found
}

// TestReleasedSaga: an execution that began before a deployment goes on by the definition of then,
// with the functions of now.
func TestReleasedSaga(t *testing.T) {
	if *update {
		if err := os.WriteFile(releasedSaga, []byte(readFile(t, sagaFile)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	released, err := os.ReadFile(releasedSaga)
	if err != nil {
		t.Fatal(err)
	}
	quiet(t)
	declared, _ := declaredFaults(sources(t))
	wantNone(t, wired(sources(t)))
	for name, text := range map[string]string{
		"the last release's": string(released), "this one's": readFile(t, sagaFile),
	} {
		t.Run(name, func(t *testing.T) {
			m := parseMachine(t, text)
			wantNone(t, understood(t.Context(), m, known(t)))
			wantNone(t, errorNames(m, declared))
		})
	}
}

func TestReleasedSagaFinds(t *testing.T) {
	quiet(t)
	text := readFile(t, sagaFile)
	for name, tc := range map[string]edit{
		"another task": {`"task": "charge"`, `"task": "debit"`, `ChargePayment: process-payment refuses its input`},
		"more input": {
			`"revision": "{% $order.paymentRevision %}",`, `"revision": "{% $order.paymentRevision %}", "more": 1,`,
			"unknown field",
		},
		"no account":     {`"accountId": "{% $order.accountId %}",`, ``, "accountId is missing"},
		"another answer": {`$payment.paymentId`, `$payment.id`, "nothing answers with $payment.id any more"},
		"a command":      {`'backorder.stock'`, `'hold.stock'`, "ReserveStock: "},
	} {
		t.Run(name, func(t *testing.T) {
			wantOne(t, understood(t.Context(), parseMachine(t, tc.apply(t, text)), known(t)), tc.want)
		})
	}
}

// ---------------------------------------------------------------- resources that hold data

// stateful are the types whose resources hold what a deployment must not lose: data, what waits, or
// an address that others have.
var stateful = []string{
	tableType, queueType, serverlessMachine, topicType,
	"AWS::KMS::Key", "AWS::KMS::Alias", "AWS::Events::EventBus", "AWS::Events::Archive",
	"AWS::Cognito::UserPool", "AWS::Cognito::UserPoolDomain", "AWS::Cognito::UserPoolClient",
	"AWS::Cognito::UserPoolResourceServer", "AWS::ApiGatewayV2::Api",
}

// besides are properties whose change does harm too, though CloudFormation replaces nothing: the
// stream of a table begins anew, an index is built anew under its name, and Cognito refuses.
var besides = map[string][]string{
	tableType:                {"StreamSpecification", "GlobalSecondaryIndexes"},
	"AWS::Cognito::UserPool": {"UsernameConfiguration", "UsernameAttributes", "AliasAttributes"},
}

// held is a resource as a release left it, with the properties that may not change.
type held struct {
	Type       string
	Condition  string `json:",omitempty"`
	Properties object
}

// replacing lists the properties of a type whose change replaces the resource, as CloudFormation's
// own schemas say, which cfn-lint brings along.
func replacing(t *testing.T, kind string) []string {
	t.Helper()
	schemas, err := filepath.Glob(filepath.Join(
		root, ".tools", "sam", "lib", "python3*", "site-packages", "cfnlint", "data", "schemas",
	))
	if err != nil || len(schemas) != 1 {
		t.Fatalf("the schemas of cfn-lint are not there, make tools: %v %v", schemas, err)
	}
	read := func(into any, parts ...string) {
		text, err := os.ReadFile(filepath.Join(append(schemas, parts...)...)) // #nosec G304 -- of the tools
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	var (
		files  map[string]string
		schema struct{ CreateOnlyProperties, ConditionalCreateOnlyProperties []string }
	)
	read(&files, "providers", "us-east-1.json")
	if kind == serverlessMachine {
		kind = machineType
	}
	read(&schema, "resources", files[kind]+".json")
	var names []string
	for _, path := range slices.Concat(schema.CreateOnlyProperties, schema.ConditionalCreateOnlyProperties) {
		name, _, _ := strings.Cut(strings.TrimPrefix(path, "/properties/"), "/")
		names = append(names, strings.TrimPrefix(name, "StateMachine")) // SAM says Name and Type
	}
	return names
}

// holding gives the resources that hold data, with the properties that a list names by their type.
func holding(t template, properties func(kind string) []string) map[string]held {
	all := map[string]held{}
	for id, r := range t.Resources {
		if !slices.Contains(stateful, r.Type) {
			continue
		}
		h := held{Type: r.Type, Condition: r.Condition, Properties: object{}}
		for _, name := range append(slices.Clone(besides[r.Type]), properties(r.Type)...) {
			h.Properties[name] = r.Properties[name]
		}
		all[id] = h
	}
	return all
}

// kept: a resource that holds data is still there, and none of what replaces it has changed. An
// index may go; one that stays has the key that it had.
func kept(t template, released map[string]held) (found findings) {
	for id, was := range released {
		is, there := t.Resources[id]
		if !there || is.Type != was.Type || is.Condition != was.Condition {
			found.addf("%s (%s) is gone, or is another one: an update deletes what it holds", id, was.Type)
			continue
		}
		for name, value := range was.Properties {
			got := is.Properties[name]
			if name == "GlobalSecondaryIndexes" {
				found = append(found, indexes(id, got, value)...)
			} else if !reflect.DeepEqual(got, value) {
				found.addf("%s: another %s replaces it, and what it holds: %v, was %v", id, name, got, value)
			}
		}
	}
	return found
}

func indexes(id string, now, before any) (found findings) {
	for _, was := range list(before) {
		for _, is := range list(now) {
			if at(is, "IndexName") == at(was, "IndexName") && !reflect.DeepEqual(is, was) {
				found.addf("%s: the index %v is built anew under its name: give another one", id, at(is, "IndexName"))
			}
		}
	}
	return found
}

func parseHeld(t *testing.T, text []byte) (all map[string]held) {
	t.Helper()
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// TestReleasedResources: no deployment replaces what holds data. The embedded AWS would show it
// least of all: there a table that is replaced comes back empty under the same name.
func TestReleasedResources(t *testing.T) {
	whole := mainTemplate(t)
	if *update {
		var out bytes.Buffer
		encoder := json.NewEncoder(&out)
		encoder.SetEscapeHTML(false)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(
			holding(whole, func(kind string) []string { return replacing(t, kind) }),
		); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(releasedResources, out.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(releasedResources)
	if err != nil {
		t.Fatal(err)
	}
	released := parseHeld(t, text)
	if n := len(released); n < 30 {
		t.Errorf("only %d resources are recorded", n)
	}
	wantNone(t, kept(whole, released))
}

func TestReleasedResourcesFind(t *testing.T) {
	recorded, err := os.ReadFile(releasedResources)
	if err != nil {
		t.Fatal(err)
	}
	released, text := parseHeld(t, recorded), readFile(t, "template.yaml")
	for name, tc := range map[string]edit{
		"table name": {"'${AWS::StackName}-events'", "'${AWS::StackName}-log'", "EventsTable: another TableName"},
		"key schema": {
			"{AttributeName: version, KeyType: RANGE}", "{AttributeName: number, KeyType: RANGE}",
			"EventsTable: another KeySchema",
		},
		"stream": {"NEW_IMAGE", "KEYS_ONLY", "EventsTable: another StreamSpecification"},
		"index's key": {
			"{AttributeName: gsi2sk, KeyType: RANGE}", "{AttributeName: gsi3sk, KeyType: RANGE}",
			"ViewsTable: the index gsi2 is built anew",
		},
		"index's name": {"IndexName: gsi2", "IndexName: gsi4", ""},
		"queue's name": {"'${AWS::StackName}-audit'", "'${AWS::StackName}-audits'", "AuditQueue: another QueueName"},
		"queue's order": {
			"QueueName: !Sub '${AWS::StackName}-audit'", "FifoQueue: true\n      QueueName: !Sub '${AWS::StackName}-audit'",
			"AuditQueue: another FifoQueue",
		},
		"bus":        {"Name: !Sub '${AWS::StackName}-orders'", "Name: !Sub '${AWS::StackName}-bus'", "Bus: another Name"},
		"key":        {"  PersonalDataKey:\n", "  PersonalKey:\n", "PersonalDataKey (AWS::KMS::Key) is gone"},
		"user names": {"CaseSensitive: true", "CaseSensitive: false", "UserPool: another UsernameConfiguration"},
		"machine":    {"Type: STANDARD", "Type: EXPRESS", "OrderSaga: another Type"},
		"condition": {
			"Type: AWS::Cognito::UserPool\n    Condition: HasOwnPool", "Type: AWS::Cognito::UserPool\n    Condition: HasMail",
			"UserPool (AWS::Cognito::UserPool) is gone",
		},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, kept(tc.template(t, text), released), tc.want) })
	}
}
