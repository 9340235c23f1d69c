package starter_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/process/saga"
	"orderflow/shared/process/starter"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// runs keeps what was started, by name.
type runs struct {
	started map[string]saga.Input
	events  []order.Event // of the order
	woken   []string      // tokens
	fail    error
}

func (r *runs) Start(_ context.Context, run saga.Run) (bool, error) {
	if r.fail != nil {
		return false, r.fail
	}
	if r.started == nil {
		r.started = map[string]saga.Input{}
	}
	_, before := r.started[run.Name]
	r.started[run.Name] = run.Input
	return !before, nil
}

// Get implements starter.Orders: the order as these events leave it.
func (r *runs) Get(context.Context, string) (es.Result[order.State], error) {
	state := order.Decider.Initial()
	for _, e := range r.events {
		state = order.Evolve(state, e)
	}
	return es.Result[order.State]{State: state}, r.fail
}

// Succeed implements starter.Tokens.
func (r *runs) Succeed(_ context.Context, token string, _ any) error {
	r.woken = append(r.woken, token)
	return r.fail
}

// message is EventBridge's JSON around the published form of a stored event.
func message(t interface{ Fatal(...any) }, version int64, event any) string {
	name, schema, ok := contract.Registry().Name(event)
	if !ok {
		t.Fatal("not registered")
	}
	envelope, err := contract.Map(es.Recorded{
		Stream: "order/o1", Version: version, Type: name, Schema: schema, Data: event, Time: time.Unix(1, 0),
		Metadata: es.Metadata{CorrelationID: "c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{
		"version": "0", "id": "1", "detail-type": envelope.Type, "source": envelope.Source, "account": "123456789012",
		"time": "2026-03-01T12:00:00Z", "region": "us-east-1",
		"resources": []string{}, "detail": envelope,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

var (
	price  = money.Money{Amount: 1, Currency: "USD"}
	placed = order.Placed{
		OrderID: "o1", CustomerID: "ada", Lines: []order.Line{{SKU: "s", Quantity: 1, UnitPrice: price}}, Total: price,
	}
	byCustomer = order.Cancelling{
		Reason: order.ReasonCustomer, From: order.StatusConfirmed, Origin: order.OriginCustomer,
	}
	bySweep = order.Cancelling{Reason: order.ReasonExpired, From: order.StatusPlaced, Origin: order.OriginSweep}
	bySaga  = order.Cancelling{
		Reason: order.ReasonSaga, From: order.StatusPlaced, Origin: order.OriginSaga, SagaID: "s",
	}
)

func TestHandle(t *testing.T) {
	fulfil, undo := saga.Fulfil("o1"), saga.Undo("o1", 3)
	fulfil.Input.CorrelationID, undo.Input.CorrelationID = "c", "c"
	good := message(t, 1, placed)
	tests := []struct {
		name string
		body string
		run  *saga.Run
		err  error
	}{
		{"placed", good, &fulfil, nil},
		{"cancelled by the customer", message(t, 3, byCustomer), &undo, nil},
		{"closed by the sweep", message(t, 3, bySweep), &undo, nil},
		{"closed by the saga, which undoes it itself", message(t, 3, bySaga), nil, nil},
		{"a field more around it", strings.Replace(good, `"account"`, `"replay-name":"r","account"`, 1), &fulfil, nil},
		{"another event", message(t, 2, order.Shipped{ShipmentID: "s"}), nil, contract.ErrMalformed},
		{"an unknown type", strings.ReplaceAll(good, "order.placed", "order.teleported"), nil, contract.ErrMalformed},
		{
			"a version of the future", strings.Replace(good, `"dataversion":1`, `"dataversion":2`, 1), nil,
			contract.ErrMalformed,
		},
		{
			"outside and inside differ",
			strings.Replace(good, `"detail-type":"order.placed"`, `"detail-type":"order.cancelling"`, 1), nil,
			contract.ErrMalformed,
		},
		{
			"two sources", strings.Replace(good, `"source":"order-service"`, `"source":"payment-service"`, 1), nil,
			contract.ErrMalformed,
		},
		{
			"another order's stream", strings.Replace(good, `"subject":"order/o1"`, `"subject":"order/o2"`, 1), nil,
			contract.ErrMalformed,
		},
		{
			"no envelope", `{"detail-type":"order.placed","source":"order-service","detail":{}}`, nil,
			contract.ErrMalformed,
		},
		{
			"detail as text", `{"detail-type":"order.placed","source":"order-service","detail":"{}"}`, nil,
			contract.ErrMalformed,
		},
		{"no JSON", `order.placed`, nil, contract.ErrMalformed},
		{"nothing", ``, nil, contract.ErrMalformed},
		{"null", `null`, nil, contract.ErrMalformed},
		{"two events", good + good, nil, contract.ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &runs{}
			if err := (starter.Starter{Runs: r, Orders: r, Tokens: r}).Handle(
				context.Background(), []byte(tt.body),
			); !errors.Is(err, tt.err) {
				t.Fatalf("%v, want %v", err, tt.err)
			}
			switch {
			case tt.run == nil && len(r.started) != 0:
				t.Errorf("started %v", r.started)
			case tt.run != nil && (len(r.started) != 1 || r.started[tt.run.Name] != tt.run.Input):
				t.Errorf("started %v, want %v", r.started, tt.run)
			}
		})
	}
}

func TestStartThatFails(t *testing.T) {
	r := &runs{fail: errors.New("throttled")}
	if err := (starter.Starter{Runs: r}).Handle(
		context.Background(), []byte(message(t, 1, placed)),
	); !errors.Is(err, r.fail) {
		t.Errorf("%v: the message has to come again", err)
	}
}

// Whatever comes twice or late, an order has one run that fulfils and one that undoes.
func TestDuplicatesAndShuffles(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &runs{}
		bodies := []string{message(t, 1, placed), message(t, 3, byCustomer)}
		sent := rapid.SliceOfN(rapid.SampledFrom(bodies), 1, 8).Draw(t, "sent")
		for _, body := range append(sent, bodies...) {
			if err := (starter.Starter{Runs: r}).Handle(context.Background(), []byte(body)); err != nil {
				t.Fatal(err)
			}
		}
		if len(r.started) != 2 || r.started[saga.FulfilName("o1")].Mode != saga.ModeFulfil ||
			r.started[saga.UndoName("o1", 3)].Mode != saga.ModeUndo {
			t.Fatalf("started %v", r.started)
		}
	})
}

// TestWake: the run that waits goes on once its wait is over, and one that waits again, or for
// nobody, is left alone.
func TestWake(t *testing.T) {
	matching := placed
	matching.HoldRules = []string{"amount"}
	parked := func(token string) order.Event { return order.Parked{Token: token, SagaID: "o1"} }
	required := order.PaymentRequired{Revision: 1, Code: "c", Until: "2026-03-01T12:30:00Z"}
	again := order.PaymentRequired{Revision: 2, Code: "c", Until: "2026-03-01T12:30:00Z"}
	requested := order.PaymentRequested{AccountID: "a", Revision: 2, By: "customer/ada"}
	held := order.Held{Rules: matching.HoldRules, Until: "2026-03-01T12:30:00Z"}
	approved := order.Approved{By: "person/o"}
	cancelling := order.Cancelling{
		Reason: order.ReasonCustomer, From: order.StatusPaymentRequired, Origin: order.OriginCustomer,
	}
	for _, tt := range []struct {
		name   string
		event  order.Event
		events []order.Event
		woken  []string
	}{
		{"paid again", requested, []order.Event{placed, required, parked("t1"), requested}, []string{"t1"}},
		{
			"parked twice", requested, []order.Event{placed, required, parked("t1"), parked("t2"), requested},
			[]string{"t1", "t2"},
		},
		{
			"waits again by now", requested,
			[]order.Event{placed, required, parked("t1"), requested, again, parked("t2")}, nil,
		},
		{"approved", approved, []order.Event{matching, held, parked("t1"), approved}, []string{"t1"}},
		{
			"an earlier wait", requested,
			[]order.Event{matching, held, parked("t1"), approved, required, parked("t2"), requested}, []string{"t2"},
		},
		{"approved before it is parked", approved, []order.Event{matching, approved}, nil},
		{"cancelled", cancelling, []order.Event{placed, required, parked("t1"), cancelling}, []string{"t1"}},
		{"cancelled while it waits for nothing", byCustomer, []order.Event{placed, byCustomer}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &runs{events: tt.events}
			start := starter.Starter{Runs: r, Orders: r, Tokens: r}
			body := []byte(message(t, 3, tt.event))
			if err := start.Handle(t.Context(), body); err != nil || !slices.Equal(r.woken, tt.woken) {
				t.Errorf("woken %v, %v; want %v", r.woken, err, tt.woken)
			}
			_, undone := r.started[saga.UndoName("o1", 3)]
			if _, closes := tt.event.(order.Cancelling); undone != closes {
				t.Errorf("started %v", r.started)
			}
			r.fail = errors.New("throttled")
			if err := start.Handle(t.Context(), body); !errors.Is(err, r.fail) {
				t.Errorf("%v: the message has to come again", err)
			}
		})
	}
}
