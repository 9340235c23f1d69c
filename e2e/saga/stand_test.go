//go:build integration

package saga_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	sfntypes "github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/shared/aws/awstest"
	"orderflow/shared/aws/producttable"
	"orderflow/shared/aws/stocktable"
	"orderflow/shared/aws/tasktoken"
	"orderflow/shared/inbound/inventoryqueue"
	"orderflow/shared/inbound/ordertask"
	"orderflow/shared/inbound/paymenttask"
	"orderflow/shared/inbound/queue"
	"orderflow/shared/inbound/sfntask"
	"orderflow/shared/inbound/shipmenttask"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/process/saga"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/account/accounttest"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/payment"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// The stand's own seconds. The definition's are for a region on a bad day; a table of hundreds of
// cases waits less. The retries' waits are the engine's.
const (
	functionTimeout = 2
	taskTimeout     = 4
	tokenTimeout    = 5
	visibility      = 3
)

const (
	quantity  = 2   // of the case's one SKU, on two lines
	stocked   = 10  // on hand where the case does not lack any
	unitPrice = 250 // cents
	discount  = 30  // of the one line
	tax       = 17  // of the other
	total     = quantity*unitPrice - discount + tax
	first     = unitPrice - discount // what the one line comes to
	funded    = 10_000
)

// TestMain lets many cases wait at once: a case spends its time in time-outs, not on a CPU. What
// the steps log is of no interest: most are made to fail.
func TestMain(m *testing.M) {
	flag.Parse()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

type handler func(ctx context.Context, event json.RawMessage) (any, error)

// stand is everything that the cases share.
type stand struct {
	clock       clock.Clock
	store       es.Store
	orders      order.Service
	customers   customer.Service
	products    product.Service
	accounts    account.Service
	stock       stock.Service
	payments    payment.Service
	shipments   shipment.Service
	handlers    map[string]handler
	relays      map[string]string // ARN of each function's relay
	runs        *sfn.Client
	queues      *sqs.Client
	functions   *lambda.Client
	relayRole   string
	machineRole string

	mu    sync.Mutex
	cases map[string]*running // by order
}

func newStand(t *testing.T) *stand {
	t.Helper()
	cfg := awstest.Config(t)
	db := dynamodb.NewFromConfig(cfg)
	registry := es.NewRegistry(
		order.Register, customer.Register, account.Register, payment.Register, stock.Register, shipment.Register,
		product.Register,
	)
	s := &stand{
		clock: clock.System{}, store: dynamostore.New(db, awstest.Table(t, awstest.EventsTable()), registry),
		runs: sfn.NewFromConfig(cfg), queues: sqs.NewFromConfig(cfg),
		functions: lambda.NewFromConfig(cfg), handlers: map[string]handler{}, relays: map[string]string{},
		cases: map[string]*running{},
	}
	vault := personal.NewMemory()
	s.customers = customer.New(customer.Deps{Store: s.store, Clock: s.clock, Vault: vault})
	s.accounts = account.New(account.Deps{Store: s.store, Clock: s.clock, Customers: accounttest.Everybody{}})
	s.payments = payment.New(payment.Deps{Store: s.store, Clock: s.clock})
	counters := awstest.Table(t, awstest.Key("sku:S"))
	s.stock = stock.New(stock.Deps{
		Store: s.store, Clock: s.clock, Counters: stocktable.New(db, counters),
		Lines: stocktable.NewLines(db, counters, awstest.Table(t, awstest.Key("sku:S", "ticket:N"))),
	})
	s.shipments = shipment.New(shipment.Deps{
		Store: s.store, Clock: s.clock, Vault: vault, Serves: func(country string) bool { return country == "NL" || country == "BE" },
		Books: s.stock,
	})
	rows := producttable.New(db, awstest.Table(t, awstest.Key("sku:S")), s.clock)
	s.products = product.New(product.Deps{Store: s.store, Clock: s.clock, Rows: rows})
	s.orders = order.New(order.Deps{
		Store: s.store, Clock: s.clock, Vault: vault, Customers: s.customers, Prices: s.products,
		Shipments: s.shipments, HoldRules: order.HoldRules{Countries: []string{"BE"}},
	})

	orderTasks := ordertask.Tasks{
		Orders: s.orders, Stock: s.stock, Tokens: mutedTokens{s, tasktoken.New(s.runs)}, Clock: s.clock,
	}
	s.handlers["advance-order"] = sfntask.Router{
		"start": sfntask.Task(orderTasks.Start), "confirm": sfntask.Task(orderTasks.Confirm),
		"close":  sfntask.Task(orderTasks.Close),
		"cancel": sfntask.Task(orderTasks.FinishUndo), "fail-undo": sfntask.Task(orderTasks.FailUndo),
		"await-approval": sfntask.Task(orderTasks.AwaitApproval), "await-stock": sfntask.Task(orderTasks.AwaitStock),
		"await-payment": sfntask.Task(orderTasks.AwaitPayment), "expire": sfntask.Task(orderTasks.Expire),
		"reduce": sfntask.Task(orderTasks.Reduce),
	}.Handle
	paymentTasks := paymenttask.Tasks{Payments: s.payments, Clock: s.clock}
	s.handlers["process-payment"] = sfntask.Router{
		"charge": sfntask.Task(paymentTasks.Charge), "refund": sfntask.Task(paymentTasks.Refund),
	}.Handle
	shipmentTasks := shipmenttask.Tasks{Shipments: s.shipments, Clock: s.clock}
	s.handlers["schedule-shipment"] = sfntask.Router{
		"schedule": sfntask.Task(shipmentTasks.Schedule), "cancel": sfntask.Task(shipmentTasks.Cancel),
	}.Handle
	commands := inventoryqueue.Handler{Stock: s.stock, Clock: s.clock, Tokens: mutedTokens{s, tasktoken.New(s.runs)}}
	inventory := queue.Together(func(ctx context.Context, messages []queue.Message) []error {
		return commands.Handle(ctx, queue.Bodies(messages), queue.Trails(messages))
	}, nil)
	s.handlers["process-inventory"] = func(ctx context.Context, event json.RawMessage) (any, error) {
		var batch events.SQSEvent
		if err := json.Unmarshal(event, &batch); err != nil {
			return nil, err
		}
		return inventory(ctx, batch)
	}
	s.relayRole = awstest.Role(
		t, "lambda.amazonaws.com", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes",
	)
	s.machineRole = awstest.Role(t, "states.amazonaws.com", "lambda:InvokeFunction", "sqs:SendMessage")
	s.deployRelays(t)
	return s
}

// deployRelays puts a relay in the place of each function.
func (s *stand) deployRelays(t *testing.T) {
	t.Helper()
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	code := relayZip(t)
	for name := range s.handlers {
		out, err := s.functions.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
			FunctionName: aws.String(awstest.Unique(t, name)), Runtime: lambdatypes.RuntimeProvidedal2023,
			Handler: aws.String("bootstrap"),
			Role:    &s.relayRole, Code: &lambdatypes.FunctionCode{ZipFile: code},
			Timeout:     aws.Int32(functionTimeout),
			Environment: &lambdatypes.Environment{Variables: map[string]string{"RELAY_URL": server.URL + "/" + name}},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.relays[name] = *out.FunctionArn
	}
}

// deployMachine gives a case a machine and queues of its own: one that hangs or crashes slows down
// its own queue's mapping only.
func (s *stand) deployMachine(t *testing.T, c *running) {
	t.Helper()
	ctx := t.Context()
	inventory := s.queue(t, awstest.Unique(t, "inventory"), inventoryAttributes)
	c.inventory = inventory
	c.letters = s.queue(t, awstest.Unique(t, "letters"), nil)
	attributes, err := s.queues.GetQueueAttributes(
		ctx,
		&sqs.GetQueueAttributesInput{QueueUrl: &inventory, AttributeNames: []sqstypes.QueueAttributeName{"QueueArn"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	mapping, err := s.functions.CreateEventSourceMapping(ctx, &lambda.CreateEventSourceMappingInput{
		EventSourceArn: aws.String(attributes.Attributes["QueueArn"]),
		FunctionName:   aws.String(s.relays["process-inventory"]), BatchSize: aws.Int32(1),
		FunctionResponseTypes: []lambdatypes.FunctionResponseType{
			lambdatypes.FunctionResponseTypeReportBatchItemFailures,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.runs.CreateStateMachine(ctx, &sfn.CreateStateMachineInput{
		Name: aws.String(awstest.Unique(t, "saga")), RoleArn: &s.machineRole,
		Definition: aws.String(definition(t, map[string]string{
			"AdvanceOrderFunctionArn":     s.relays["advance-order"],
			"ProcessPaymentFunctionArn":   s.relays["process-payment"],
			"ScheduleShipmentFunctionArn": s.relays["schedule-shipment"], "InventoryQueueUrl": inventory,
			"DeadLetterQueueUrl": c.letters, "PaymentMinutes": "5", "HoldMinutes": "5",
			"BackorderMinutes": "5",
		})),
	})
	if err != nil {
		t.Fatal(err)
	}
	c.machine = *out.StateMachineArn
	t.Cleanup(func() {
		ctx := context.WithoutCancel(ctx)
		if _, err := s.functions.DeleteEventSourceMapping(
			ctx, &lambda.DeleteEventSourceMappingInput{UUID: mapping.UUID},
		); err != nil {
			t.Error(err)
		}
		for _, url := range []string{inventory, c.letters} {
			if _, err := s.queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
				t.Error(err)
			}
		}
		if _, err := s.runs.DeleteStateMachine(
			ctx, &sfn.DeleteStateMachineInput{StateMachineArn: &c.machine},
		); err != nil {
			t.Error(err)
		}
	})
}

// inventoryAttributes are those of the queue of inventory commands.
var inventoryAttributes = map[string]string{"VisibilityTimeout": strconv.Itoa(visibility)}

func (s *stand) queue(t *testing.T, name string, attributes map[string]string) string {
	t.Helper()
	out, err := s.queues.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl
}

// definition is the deployed file with its substitutions made and its states' time-outs shortened;
// nothing else differs.
func definition(t *testing.T, substitutions map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "statemachines", "order-saga.asl.json"))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range substitutions {
		text = bytes.ReplaceAll(text, []byte("${"+name+"}"), []byte(value))
	}
	var machine map[string]any
	if err := json.Unmarshal(text, &machine); err != nil {
		t.Fatal(err)
	}
	for _, state := range machine["States"].(map[string]any) {
		state := state.(map[string]any)
		if _, timed := state["TimeoutSeconds"]; !timed {
			continue
		}
		state["TimeoutSeconds"] = taskTimeout
		if strings.HasSuffix(state["Resource"].(string), ".waitForTaskToken") {
			state["TimeoutSeconds"] = tokenTimeout
		}
	}
	out, err := json.Marshal(machine)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// relayZip builds the relay for this machine.
func relayZip(t *testing.T) []byte {
	t.Helper()
	bootstrap := filepath.Join(t.TempDir(), "bootstrap")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", bootstrap, "./relay")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build relay: %v\n%s", err, out)
	}
	program, err := os.ReadFile(bootstrap)
	if err != nil {
		t.Fatal(err)
	}
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Deflate}
	header.SetMode(0o755)
	w, err := z.CreateHeader(header)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(program); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return code.Bytes()
}

// reply is the relay's.
type reply struct {
	Action  string          `json:"action"`
	Payload json.RawMessage `json:"payload,omitempty"`
	Type    string          `json:"type,omitempty"`
	Message string          `json:"message,omitempty"`
}

// ServeHTTP takes an invocation from a relay and says what it shall do.
func (s *stand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	function := strings.TrimPrefix(r.URL.Path, "/")
	event, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	in, err := identify(event)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	c := s.cases[in.OrderID]
	s.mu.Unlock()
	if c == nil {
		http.Error(w, "no case has order "+in.OrderID, http.StatusNotFound)
		return
	}
	// The step goes on where the relay's process is gone: that is how late work comes about.
	if err := json.NewEncoder(w).Encode(s.step(
		context.WithoutCancel(r.Context()), c, function, in, event,
	)); err != nil {
		c.t.Logf("answer %s: %v", function, err)
	}
}

// identity is what an invocation is about: a task's input, or the body of an inventory message.
type identity struct {
	OrderID   string `json:"orderId"`
	Task      string `json:"task"`
	Command   string `json:"command"`
	TaskToken string `json:"taskToken"`
}

func identify(event []byte) (identity, error) {
	var in identity
	var batch events.SQSEvent
	if err := json.Unmarshal(event, &batch); err == nil && len(batch.Records) == 1 {
		event = []byte(batch.Records[0].Body)
	}
	err := json.Unmarshal(event, &in)
	if in.Command != "" {
		in.Task = in.Command
	}
	return in, err
}

// step carries out one invocation as the case wants it.
func (s *stand) step(ctx context.Context, c *running, function string, in identity, event []byte) reply {
	name := function + "/" + in.Task
	f, ended := c.arrive(name, event)
	if ended {
		return reply{Action: "answer", Payload: json.RawMessage(`{"batchItemFailures":[]}`)}
	}
	c.hook(ctx, s, "before "+name)
	handle := s.handlers[function]
	switch f {
	case crash:
		return reply{Action: "exit"}
	case timeOut, late:
		return reply{Action: "hang"}
	case duplicate:
		if _, err := handle(ctx, event); err != nil {
			c.t.Errorf("first of two %s: %v", name, err)
		}
	case lostAnswer:
		c.mute(in.TaskToken) // a step by queue answers its token, and with that muted is not heard
	}
	out, err := handle(ctx, event)
	c.hook(ctx, s, "after "+name)
	var failure messages.InvokeResponse_Error
	if errors.As(err, &failure) {
		return reply{Action: "error", Type: failure.Type, Message: failure.Message}
	}
	if err != nil {
		return reply{Action: "error", Type: "errorString", Message: err.Error()}
	}
	if f == lostAnswer && in.TaskToken == "" {
		return reply{Action: "error", Type: "Lambda.Unknown", Message: "the answer is lost"}
	}
	payload, err := json.Marshal(out)
	if err != nil {
		return reply{Action: "error", Type: "errorString", Message: err.Error()}
	}
	return reply{Action: "answer", Payload: payload}
}

// mutedTokens answers task tokens, but for those whose answer is to be lost.
type mutedTokens struct {
	stand  *stand
	tokens tasktoken.Tokens
}

func (m mutedTokens) muted(token string) bool {
	m.stand.mu.Lock()
	defer m.stand.mu.Unlock()
	for _, c := range m.stand.cases {
		if c.isMuted(token) {
			return true
		}
	}
	return false
}

var errLost = errors.New("the answer is lost")

func (m mutedTokens) Succeed(ctx context.Context, token string, output any) error {
	if m.muted(token) {
		return errLost
	}
	return m.tokens.Succeed(ctx, token, output)
}

func (m mutedTokens) Fail(ctx context.Context, token, code, detail string) error {
	if m.muted(token) {
		return errLost
	}
	return m.tokens.Fail(ctx, token, code, detail)
}

// caseSpec says what goes wrong in a case.
type caseSpec struct {
	step            string // of the fulfilment
	fault           fault
	undoFails       string // step of the undo that crashes each time
	declined        bool   // the account holds too little, whatever step fails
	pays            string // "after" and a step: when the customer deposits the rest and pays again
	held            bool   // the order matches a rule
	backordered     bool   // there is too little stock, and the order waits for it
	partial         bool   // one piece is there, and the order goes on with it; where the business fault is, none
	waits           bool   // what is not there waits, as an order of its own
	restocks        string // "before" or "after" and a step: when enough is counted
	decides         string // "before" or "after" and a step: when an operator approves it
	customerCancels string // "before" or "after" and a step
	queueDeleted    string // the same: when the queue of inventory commands is deleted
	leaves          string // the same: when the shipment leaves, whatever the order says
}

// running is a case under way.
type running struct {
	caseSpec
	t         *testing.T
	orderID   string
	machine   string
	inventory string // URL of the queue of inventory commands
	letters   string // URL of the saga's dead-letter queue

	// happens is held while something happens at a moment: who tries a step again waits for it, as
	// it is before the step, or behind it.
	happens sync.Mutex

	mu       sync.Mutex
	ended    bool
	muted    map[string]bool
	kept     []byte // the first event of a step that is late
	hooked   bool
	deleted  bool
	left     bool
	resumed  bool
	undoRuns []string
}

// mend makes whole what the case breaks.
func (c *running) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.step, c.undoFails, c.ended = "", "", false
}

// arrive says how an invocation of a step is to go wrong, and whether the case is over and nothing
// more is to happen.
func (c *running) arrive(name string, event []byte) (f fault, ended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.ended:
		return none, true
	case name == c.undoFails:
		return crash, false
	case name == c.step && c.fault != business:
		if c.fault == late && c.kept == nil {
			c.kept = bytes.Clone(event)
		}
		return c.fault, false
	}
	return none, false
}

func (c *running) mute(token string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if token != "" {
		c.muted[token] = true
	}
}

func (c *running) isMuted(token string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.muted[token]
}

// hook lets happen what the case names for the moment: enough is counted, an order is paid or
// approved, a shipment leaves, inventory's queue is deleted, or the customer cancels. The stand
// does what the API and its consumers do together.
func (c *running) hook(ctx context.Context, s *stand, moment string) {
	c.happens.Lock()
	defer c.happens.Unlock()
	c.mu.Lock()
	due, deletes := c.customerCancels == moment && !c.hooked, c.queueDeleted == moment && !c.deleted
	leaves := c.leaves == moment && !c.left
	pays, decides := c.pays == moment && !c.resumed, c.decides == moment && !c.resumed
	restocks := c.restocks == moment && !c.resumed
	c.hooked, c.deleted, c.left = c.hooked || due, c.deleted || deletes, c.left || leaves
	c.resumed = c.resumed || pays || decides || restocks
	c.mu.Unlock()
	if restocks {
		if err := s.restock(ctx, c); err != nil {
			c.t.Errorf("restock: %v", err)
		}
	}
	if pays {
		s.pay(ctx, c)
	}
	if decides {
		_, err := s.orders.Approve(ctx, s.request(c.orderID, "approve"), c.orderID, order.Decision{By: "person/o"})
		if err != nil {
			c.t.Errorf("approve %s: %v", moment, err)
		}
		s.wake(ctx, c)
	}
	if leaves {
		if err := s.leave(ctx, c.orderID); err != nil {
			c.t.Errorf("the shipment can't leave: %v", err)
		}
	}
	if deletes {
		if _, err := s.queues.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &c.inventory}); err != nil {
			c.t.Errorf("delete inventory's queue: %v", err)
		}
	}
	if !due {
		return
	}
	res, err := s.orders.Cancel(
		ctx, s.request(c.orderID, "cancel"), c.orderID,
		order.CancelInput{Origin: order.OriginCustomer, CustomerID: customerOf(c.orderID)},
	)
	if err != nil {
		c.t.Errorf("cancel %s: %v", moment, err)
		return
	}
	if c.fault == business {
		return // the run under way finds the order closed; nobody else undoes it
	}
	undo := saga.Undo(c.orderID, res.Head.Version())
	if err := s.start(ctx, c, undo); err != nil {
		c.t.Errorf("start undo: %v", err)
		return
	}
	c.mu.Lock()
	c.undoRuns = append(c.undoRuns, undo.Name)
	c.mu.Unlock()
	s.wake(ctx, c)
}

// pay deposits what the account lacks and has the payment tried again.
func (s *stand) pay(ctx context.Context, c *running) {
	account := account.ID(customerOf(c.orderID), "EUR")
	rest := money.Money{Amount: 1, Currency: "EUR"}
	if _, err := s.accounts.Deposit(ctx, s.request(c.orderID, "rest"), account, c.orderID+"-rest", rest); err != nil {
		c.t.Errorf("deposit: %v", err)
	}
	_, err := s.orders.RequestPayment(
		ctx, s.request(c.orderID, "pay"), c.orderID, order.PaymentInput{By: "customer/c"},
	)
	if err != nil {
		c.t.Errorf("pay: %v", err)
	}
	s.wake(ctx, c)
}

// restock counts enough for all, and serves whoever waits, as fill-backorders does.
func (s *stand) restock(ctx context.Context, c *running) error {
	sku, req := "sku-"+c.orderID, s.request(c.orderID, "restock")
	level, err := s.stock.Get(ctx, sku)
	if err != nil {
		return err
	}
	if _, err := s.stock.Set(ctx, req, sku, stocked, stock.Match{Version: level.Version}); err != nil {
		return err
	}
	if err := s.stock.Serve(ctx, s.request(c.orderID, "serve"), sku); err != nil {
		return err
	}
	res, err := s.orders.Get(ctx, c.orderID)
	if err != nil {
		return err
	}
	for _, try := range res.State.Parked {
		if err := tasktoken.New(s.runs).Succeed(ctx, try.Token, nil); err != nil {
			return err
		}
	}
	return nil
}

// wake has the run go on, as start-saga does.
func (s *stand) wake(ctx context.Context, c *running) {
	res, err := s.orders.Get(ctx, c.orderID)
	if err != nil {
		c.t.Errorf("wake: %v", err)
		return
	}
	for _, try := range res.State.Awaited() {
		if err := tasktoken.New(s.runs).Succeed(ctx, try.Token, nil); err != nil {
			c.t.Errorf("wake: %v", err)
		}
	}
}

// customerOf is whose order it is.
func customerOf(orderID string) string { return "c-" + orderID }

// leave has the order's shipment packed and fetched.
func (s *stand) leave(ctx context.Context, orderID string) error {
	current, err := s.orders.Get(ctx, orderID)
	if err != nil {
		return err
	}
	id := shipment.ID(orderID, 1)
	packed := shipment.Copy{
		CustomerID: current.State.CustomerID, Address: current.State.Address,
		Lines: []shipment.Item{{SKU: "sku-" + orderID, Quantity: quantity}},
	}
	if _, err := s.shipments.Prepare(ctx, s.request(orderID, "prepare"), id, packed); err != nil {
		return err
	}
	_, err = s.shipments.Dispatch(ctx, s.request(orderID, "dispatch"), id)
	return err
}

func (s *stand) request(parts ...string) es.Request {
	return es.Request{
		CommitID: ident.Derive("test", parts...), Time: s.clock.Now(), Metadata: es.Metadata{CorrelationID: parts[0]},
	}
}

func (s *stand) start(ctx context.Context, c *running, run saga.Run) error {
	run.Input.CorrelationID = c.orderID
	_, err := s.runs.StartExecution(
		ctx,
		&sfn.StartExecutionInput{StateMachineArn: &c.machine, Name: &run.Name, Input: aws.String(run.Input.JSON())},
	)
	return err
}

// run takes a case from an empty world to its end and compares.
func (s *stand) run(t *testing.T, spec caseSpec, w want) {
	ctx := t.Context()
	id := ident.New()
	c := &running{caseSpec: spec, t: t, orderID: id, muted: map[string]bool{}}
	if spec.fault == business && (spec.step == start || spec.step == confirm) {
		c.customerCancels = "before " + spec.step
	}
	s.mu.Lock()
	s.cases[id] = c
	s.mu.Unlock()
	s.deployMachine(t, c)

	// Every id of the case follows from the order's, so that nothing is shared with another case.
	customerID, sku := customerOf(id), "sku-"+id
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := s.customers.Register(
		ctx, s.request(id, "register"),
		customer.RegisterInput{CustomerID: customerID, Name: "A Customer", Email: "customer@example.com"},
	)
	must(err)
	opened, err := s.accounts.Open(ctx, s.request(id, "open"), customerID, "EUR")
	must(err)
	balance, onHand, country := int64(funded), int64(stocked), "NL"
	if spec.fault == business {
		switch spec.step {
		case reserve:
			onHand = quantity - 1
		case schedule:
			country = "AO" // which takes any postal code, and is not served
		}
	}
	postalCode := "1000 AA"
	if spec.held {
		country, postalCode = "BE", "1000"
	}
	var policy goods.OutOfStock
	if spec.backordered {
		policy, onHand = goods.Backorder, quantity-1
	}
	if spec.partial {
		if policy, onHand = goods.PartialDrop, quantity-1; spec.fault == business {
			onHand = 0
		}
		if spec.waits {
			policy = goods.PartialWait
		}
	}
	if spec.declined || spec.fault == business && spec.step == charge {
		balance = w.price() - 1
	}
	funds := money.Money{Amount: balance, Currency: "EUR"}
	_, err = s.accounts.Deposit(ctx, s.request(id, "deposit"), opened.State.ID, id, funds)
	must(err)
	_, err = s.stock.Set(ctx, s.request(id, "stock"), sku, onHand, stock.Match{MustBeNew: true})
	must(err)
	eur := func(amount int64) money.Money { return money.Money{Amount: amount, Currency: "EUR"} }
	line := order.LineInput{SKU: sku, Quantity: quantity / 2}
	discounted, taxed := line, line
	discounted.Discount = &order.Adjustment{Name: "Sale", Amount: eur(discount)}
	taxed.Tax = &order.Adjustment{Name: "VAT", Amount: eur(tax)}
	want := product.Desired{Prices: []product.Price{{Money: eur(unitPrice)}}}
	_, err = s.products.Set(ctx, s.request(id, "list"), sku, want, product.Match{})
	must(err)
	_, err = s.orders.Place(ctx, s.request(id, "place"), order.PlaceInput{
		OrderID: id, CustomerID: customerID, AccountID: opened.State.ID, Currency: "EUR",
		Lines: []order.LineInput{discounted, taxed}, NamedBy: "pricing/quotes", OutOfStock: policy,
		Address: shipment.Address{
			Recipient: "A Customer", Line1: "Street 1", PostalCode: postalCode, City: "Amsterdam", Country: country,
		},
	})
	must(err)

	must(s.start(ctx, c, saga.Fulfil(id)))
	s.awaitRuns(ctx, t, c, w)
	if spec.restocks != "" {
		onHand = stocked
	}
	c.mu.Lock()
	c.ended = true
	kept := c.kept
	c.mu.Unlock()
	if spec.fault == late {
		if kept == nil {
			t.Fatalf("%s was never invoked", spec.step)
		}
		function, _, _ := strings.Cut(spec.step, "/")
		_, err := s.handlers[function](ctx, kept)
		var refusal messages.InvokeResponse_Error
		if errors.As(err, &refusal) && refusal.Type != es.ErrAttemptClosed.Code() &&
			refusal.Type != order.ErrCancelling.Code() {
			t.Errorf("late %s fails with %s: %s", spec.step, refusal.Type, refusal.Message)
		}
	}
	s.compare(ctx, t, c, w, sku, onHand, opened.State.ID, balance)
	if spec == (caseSpec{}) { // a run that resumes what is finished ends at its first step
		c.mend()
		resumed := saga.Fulfil(id)
		resumed.Name = "resume-" + id
		must(s.start(ctx, c, resumed))
		s.awaitRun(ctx, t, c, resumed.Name, "SUCCEEDED")
		s.compare(ctx, t, c, w, sku, onHand, opened.State.ID, balance)
	}
	if w.deadLetters == 0 || spec.leaves != "" { // nothing mends what has left
		return
	}
	c.mend()
	if spec.queueDeleted != "" {
		s.queue(t, path.Base(c.inventory), inventoryAttributes)
	}
	again := saga.Run{
		Name: "redrive-" + id + "-1", Input: saga.Input{Version: saga.InputVersion, OrderID: id, Mode: saga.ModeUndo},
	}
	must(s.start(ctx, c, again))
	s.awaitRun(ctx, t, c, again.Name, "SUCCEEDED")
	s.compare(ctx, t, c, w.mended(), sku, onHand, opened.State.ID, balance)
}

// awaitRuns waits for every run of the order to end, and compares how.
func (s *stand) awaitRuns(ctx context.Context, t *testing.T, c *running, w want) {
	t.Helper()
	s.awaitRun(ctx, t, c, c.orderID, w.runs[""])
	c.mu.Lock()
	undoRuns := slices.Clone(c.undoRuns)
	c.mu.Unlock()
	if w.runs["-undo"] != "" && len(undoRuns) != 1 {
		t.Errorf("%d runs were started to undo, want 1", len(undoRuns))
	}
	for _, undo := range undoRuns {
		s.awaitRun(ctx, t, c, undo, w.runs["-undo"])
	}
}

// awaitRun waits for a run to end, and compares how.
func (s *stand) awaitRun(ctx context.Context, t *testing.T, c *running, name, status string) {
	t.Helper()
	arn := strings.Replace(c.machine, ":stateMachine:", ":execution:", 1) + ":" + name
	err := eventually(ctx, "run "+name, func(ctx context.Context) (bool, error) {
		run, err := s.runs.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
		if err != nil || run.Status == sfntypes.ExecutionStatusRunning {
			return false, err
		}
		if string(run.Status) != status {
			t.Errorf("run %s is %s (%s), want %s", name, run.Status, aws.ToString(run.Error), status)
		}
		return true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compare holds the world against what is wanted of it.
func (s *stand) compare(
	ctx context.Context, t *testing.T, c *running, w want, sku string, onHand int64, accountID string, balance int64,
) {
	t.Helper()
	got, err := s.orders.Get(ctx, c.orderID)
	if err != nil {
		t.Fatal(err)
	}
	if got.State.Status != w.status || got.State.Saga != w.saga {
		t.Errorf("order is %s, saga %s; want %s, %s", got.State.Status, got.State.Saga, w.status, w.saga)
	}
	if w.checkReasons && got.State.Reason != w.reason {
		t.Errorf("reason is %q (%q), want %q", got.State.Reason, got.State.Detail, w.reason)
	}
	level, err := s.stock.Get(ctx, sku)
	if err != nil {
		t.Fatal(err)
	}
	reserved := int64(0)
	if w.reserved {
		reserved = w.pieces()
	}
	if w.left {
		onHand -= quantity
	}
	if level.Reserved != reserved || level.Available != onHand-reserved || level.OnHand != onHand {
		t.Errorf("stock is %+v, want %d reserved of %d", level, reserved, onHand)
	}
	if w.reserved && w.status == order.StatusConfirmed && (got.State.Total.Amount != w.price() ||
		len(got.State.Lines) != int(w.pieces())) {
		t.Errorf("the order is for %+v", got.State.Lines)
	}
	rest, err := s.orders.Get(ctx, order.RestID(c.orderID))
	if err != nil && !errors.Is(err, order.ErrNotFound) {
		t.Fatal(err)
	}
	if rest.State.Status != w.rest || w.rest != "" && (rest.State.Total.Amount != total-first ||
		got.State.RestID != rest.State.ID || rest.State.RestOf != c.orderID) {
		t.Errorf("the rest is %+v, want it %q", rest.State, w.rest)
	}
	line, err := s.stock.Queue(ctx, c.orderID, 1)
	if err != nil || len(line) > 0 != w.waits {
		t.Errorf("the order stands in line at %+v, %v; want it there: %v", line, err, w.waits)
	}
	money, err := s.accounts.Get(ctx, accountID)
	if err != nil {
		t.Fatal(err)
	}
	if w.charged {
		balance -= w.price()
	}
	if w.paid {
		balance++
	}
	if money.State.Balance != balance {
		t.Errorf("balance is %d, want %d", money.State.Balance, balance)
	}
	ship, err := s.shipments.Get(ctx, c.orderID, 1)
	if err != nil {
		t.Fatal(err)
	}
	if scheduled := ship.Attempt() == es.AttemptDone; scheduled != w.scheduled {
		t.Errorf("shipment is %s, want scheduled: %v", ship.Status, w.scheduled)
	}
	if letters := s.countLetters(ctx, t, c, w.deadLetters); letters != w.deadLetters {
		t.Errorf("%d dead letters, want %d", letters, w.deadLetters)
	}
}

// countLetters takes the dead letters of the case's run, of which there should be so many, and
// counts them.
func (s *stand) countLetters(ctx context.Context, t *testing.T, c *running, want int) int {
	t.Helper()
	count := 0
	for more := true; more; {
		out, err := s.queues.ReceiveMessage(
			ctx, &sqs.ReceiveMessageInput{QueueUrl: &c.letters, MaxNumberOfMessages: 10},
		)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range out.Messages {
			var letter struct {
				OrderID       string `json:"orderId"`
				CorrelationID string `json:"correlationId"`
				Problem       string `json:"problem"`
			}
			if err := json.Unmarshal([]byte(*m.Body), &letter); err != nil {
				t.Fatal(err)
			}
			if letter.OrderID != c.orderID || letter.CorrelationID != c.orderID || letter.Problem == "" {
				t.Errorf("dead letter %s", *m.Body)
			}
			if _, err := s.queues.DeleteMessage(
				ctx, &sqs.DeleteMessageInput{QueueUrl: &c.letters, ReceiptHandle: m.ReceiptHandle},
			); err != nil {
				t.Fatal(err)
			}
		}
		count += len(out.Messages)
		more = len(out.Messages) > 0 && count <= want
	}
	return count
}
