//go:build e2e

package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	orders "orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
)

// parcel is a shipment as the API shows it.
type parcel struct {
	ID             string `json:"id"`
	OrderID        string `json:"orderId"`
	Status         string `json:"status"`
	TrackingNumber string `json:"trackingNumber"`
	Items          []struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
	} `json:"items"`
	ShippingAddress *shop.Address `json:"shippingAddress"`
	Version         int64         `json:"version"`
}

func getParcel(t *testing.T, id string) parcel {
	t.Helper()
	return must[parcel](t, http.StatusOK, get(stack.operator, "/shipments/"+id))
}

// prepared waits until an order is confirmed and its shipment prepared.
func (c customer) prepared(t *testing.T, orderID string) (order, parcel) {
	t.Helper()
	o := c.ends(t, orderID, "confirmed")
	return o, eventually(t, "the shipment is prepared", func() (parcel, bool) {
		p := getParcel(t, o.Shipment.ID)
		return p, p.Status == "prepared"
	})
}

// becomes waits for an order's status.
func (c customer) becomes(t *testing.T, orderID, status string) order {
	t.Helper()
	return eventually(t, "order "+orderID+" "+status, func() (order, bool) {
		o := c.order(t, orderID)
		return o, o.Status == status
	})
}

func hasStock(t *testing.T, sku string, want shop.Stock) {
	t.Helper()
	eventually(t, fmt.Sprintf("stock of %s is %+v", sku, want), func() (shop.Stock, bool) {
		got := must[shop.Stock](t, http.StatusOK, get(stack.operator, "/stock/"+sku))
		return got, got == want
	})
}

// belongs checks that every event of an order belongs with the request that placed it, whoever
// caused it.
func belongs(t *testing.T, history []event, correlation string) {
	t.Helper()
	for _, e := range history {
		if e.CorrelationID != correlation || e.CausationID == "" {
			t.Errorf("%s belongs to %q and follows from %q, want %q", e.ID, e.CorrelationID, e.CausationID, correlation)
		}
	}
}

// From the confirmation on an order goes by events alone to its delivery: prepared by itself,
// dispatched and delivered by an operator over HTTP, and out of stock. From the dispatch on nobody
// cancels it.
func TestOrderIsDelivered(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 5_000)
	records, books := newStock(t, 10), newStock(t, 5)
	correlation := "e2e-" + ident.New()
	lines := onSale(t, line(records, 2, 700), line(books, 1, 300), line(records, 1, 700))
	placed := must[order](t, http.StatusAccepted,
		post(c.token, "/orders", anOrder(lines...)).with("X-Correlation-ID", correlation))
	confirmed, p := c.prepared(t, placed.ID)
	if p.OrderID != placed.ID || p.TrackingNumber != confirmed.Shipment.TrackingNumber || p.ShippingAddress == nil ||
		p.ShippingAddress.City != "Amsterdam" || len(p.Items) != 2 {
		t.Errorf("prepared is %+v", p)
	}
	for _, item := range p.Items {
		if want := map[string]int64{records: 3, books: 1}[item.SKU]; item.Quantity != want {
			t.Errorf("%d of %s are packed, want %d", item.Quantity, item.SKU, want)
		}
	}
	checkStock(t, records, shop.Stock{OnHand: 10, Available: 7, Reserved: 3})

	path := "/shipments/" + p.ID
	refused(t, http.StatusForbidden, "auth.forbidden", post(c.token, path+"/dispatch", nil))
	refused(t, http.StatusConflict, "shipment.not-dispatched", post(stack.operator, path+"/deliver", nil))
	dispatch := post(stack.operator, path+"/dispatch", nil)
	for range 2 {
		if got := must[parcel](t, http.StatusOK, dispatch); got.Status != "dispatched" {
			t.Errorf("dispatched is %+v", got)
		}
	}
	for _, token := range []string{c.token, stack.operator} {
		if problem := refused(
			t, http.StatusConflict, "order.dispatched",
			post(token, "/orders/"+placed.ID+"/cancel", object{"reason": "late"}),
		); problem.Detail == "" {
			t.Errorf("the problem says nothing: %+v", problem)
		}
	}
	c.becomes(t, placed.ID, "shipped")
	customerMailbox{c.id}.gets(t, "Your order "+placed.ID[:8]+" was shipped", p.TrackingNumber)
	eventually(t, "the view shows the dispatch", func() (page, bool) {
		listed := c.orders(t, "?status=shipped")
		return listed, slices.Equal(listed.ids(), []string{placed.ID})
	})
	hasStock(t, records, shop.Stock{OnHand: 7, Available: 7})
	hasStock(t, books, shop.Stock{OnHand: 4, Available: 4})
	moved := must[struct {
		Movements []struct {
			Kind, OrderID               string
			Quantity, Available, OnHand int64
		} `json:"movements"`
	}](t, http.StatusOK, get(stack.operator, "/stock/"+records+"/movements")).Movements
	if len(moved) != 2 || moved[0].Kind != "stock.departed" || moved[0].OnHand != -3 ||
		moved[1].Kind != "stock.reserved" || moved[1].Available != -3 || moved[1].OrderID != placed.ID {
		t.Errorf("its orders moved %+v", moved)
	}

	carrier, err := stack.CarrierToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	must[parcel](t, http.StatusOK, post(carrier, path+"/deliver", nil))
	if got := must[parcel](t, http.StatusOK, get(carrier, path)); got.Status != "delivered" ||
		got.ShippingAddress != nil {
		t.Errorf("delivered is %+v", got)
	}
	for _, r := range []request{
		get(carrier, "/orders/"+placed.ID), get(carrier, "/stock/"+records),
		post(carrier, "/orders/"+placed.ID+"/cancel", object{}), get(carrier, "/dead-letters"),
	} {
		refused(t, http.StatusForbidden, "auth.forbidden", r)
	}
	c.becomes(t, placed.ID, "delivered")
	refused(t, http.StatusConflict, "order.dispatched", post(c.token, "/orders/"+placed.ID+"/cancel", object{}))
	if again := must[parcel](
		t, http.StatusOK, post(stack.operator, path+"/dispatch", nil),
	); again.Status != "delivered" {
		t.Errorf("dispatched again it is %+v", again)
	}
	history := c.history(t, placed.ID)
	if types(history) != "order.placed order.started order.confirmed order.shipped order.delivered" {
		t.Errorf("history is %s", types(history))
	}
	if history[3].CausationID != "shipment/"+p.ID+"@3" {
		t.Errorf("shipped is caused by %s", history[3].CausationID)
	}
	belongs(t, history, correlation)
	if got := categories(commits(t, correlation)); got["order"] != 5 || got["shipment"] != 4 ||
		got["reservation"] != 2 {
		t.Errorf("what belongs together is %v", got)
	}
	if s := c.counts(t, 1, 0); s.Orders != 1 {
		t.Errorf("statistics are %+v", s)
	}
	if balance := c.balance(t); balance != 5_000-3*700-300 {
		t.Errorf("balance is %d", balance)
	}
	// A count from before the pieces left is refused; the present one goes on from what is there.
	count := func(version string, pieces int64) request {
		return request{
			method: http.MethodPut, path: "/stock/" + records, token: stack.operator, body: object{"onHand": pieces},
		}.with("If-Match", version)
	}
	refused(t, http.StatusPreconditionFailed, "stock.version-mismatch", count(`"1"`, 10))
	must[object](t, http.StatusOK, count(`"2"`, 12))
	checkStock(t, records, shop.Stock{OnHand: 12, Available: 12})
	customerMailbox{c.id}.gets(t, "Your order "+placed.ID[:8]+" was delivered")
}

// A confirmed order whose shipment has not left is cancelled: the shipment is taken back, and all
// that was done is undone.
func TestPreparedOrderIsCancelled(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 5_000)
	sku := newStock(t, 4)
	placed := c.place(t, line(sku, 3, 700))
	_, p := c.prepared(t, placed.ID)
	must[order](
		t, http.StatusAccepted,
		post(c.token, "/orders/"+placed.ID+"/cancel", object{"reason": "changed my mind"}).with(
			"X-Correlation-ID", "e2e-"+ident.New(),
		),
	)
	if got := getParcel(t, p.ID); got.Status != "cancelled" {
		t.Errorf("the shipment is %+v", got)
	}
	refused(t, http.StatusConflict, "shipment.cancelled", post(stack.operator, "/shipments/"+p.ID+"/dispatch", nil))
	got := c.ends(t, placed.ID, "cancelled")
	if got.Cancellation == nil || got.Cancellation.By != "customer" || got.Cancellation.Note != "changed my mind" {
		t.Errorf("cancellation is %+v", got.Cancellation)
	}
	hasStock(t, sku, shop.Stock{OnHand: 4, Available: 4})
	if balance := c.balance(t); balance != 5_000 {
		t.Errorf("balance is %d", balance)
	}
	c.counts(t, 0, 1)
	history := c.history(t, placed.ID)
	belongs(t, history, history[0].CorrelationID)
	if got := categories(commits(t, history[0].CorrelationID)); got["order"] != len(history) || got["shipment"] != 3 ||
		got["reservation"] != 2 {
		t.Errorf("what belongs together is %v", got)
	}
}

// A customer who is erased after the confirmation gets nothing, and pays nothing: nobody can say
// any more where it would go.
func TestErasedBeforeItLeaves(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 5_000)
	sku := newStock(t, 4)
	placed := c.place(t, line(sku, 3, 700))
	_, p := c.prepared(t, placed.ID)
	must[object](t, http.StatusOK, erase(stack.operator, c.id))
	dispatched := send(t, post(stack.operator, "/shipments/"+p.ID+"/dispatch", nil))
	if code := decode[problem](t, dispatched.body).Code; code != "shipment.address-unreadable" &&
		code != "shipment.cancelled" {
		t.Errorf("dispatched to where nobody can read: %s", dispatched)
	}
	got := c.ends(t, placed.ID, "cancelled")
	if got.Cancellation == nil || got.Cancellation.Reason != "customer.erased" || got.Cancellation.By != "operator" {
		t.Errorf("cancellation is %+v", got.Cancellation)
	}
	hasStock(t, sku, shop.Stock{OnHand: 4, Available: 4})
	if balance := c.balance(t); balance != 5_000 {
		t.Errorf("balance is %d", balance)
	}
}

// Pieces leave the books with their dispatch, which closes the reservation: a count that was begun
// before the dispatch is refused, one that was begun after it stands, and nothing that follows from
// the dispatch changes either.
func TestCountAroundTheDispatch(t *testing.T) {
	c := newCustomer(t, 5_000)
	sku := newStock(t, 10)
	placed := c.place(t, line(sku, 3, 700))
	_, p := c.prepared(t, placed.ID)
	must[parcel](t, http.StatusOK, post(stack.operator, "/shipments/"+p.ID+"/dispatch", nil))
	if got := reservation(t, placed.ID); !got.Departed || !got.Committed {
		t.Errorf("the reservation is %+v", got)
	}
	checkStock(t, sku, shop.Stock{OnHand: 7, Available: 7})
	count := request{method: http.MethodPut, path: "/stock/" + sku, token: stack.operator, body: object{"onHand": 8}}
	refused(t, http.StatusPreconditionFailed, "stock.version-mismatch", count.with("If-Match", `"1"`))
	must[object](t, http.StatusOK, count.with("If-Match", `"2"`))
	c.becomes(t, placed.ID, "shipped")
	checkStock(t, sku, shop.Stock{OnHand: 8, Available: 8})
}

// Whoever dies between taking a shipment back and closing its order leaves the order to
// follow-shipments. The test does the first half by itself, on the deployed table.
func TestOrderFollowsItsCancelledShipment(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 5_000)
	sku := newStock(t, 4)
	placed := c.place(t, line(sku, 1, 700))
	c.prepared(t, placed.ID)
	store := dynamostore.New(stack.tables, stack.Outputs["EventsTable"], es.NewRegistry(shipment.Register))
	req := es.Request{
		CommitID: ident.New(), Time: time.Now(),
		Metadata: es.Metadata{CorrelationID: ident.New(), CausationID: "http/e2e", Actor: "customer/" + c.id},
	}
	half := shipment.Cancel{OrderID: placed.ID, Revision: 1, Origin: string(orders.OriginCustomer)}
	if _, err := shipment.New(shipment.Deps{
		Store: store, Clock: clock.System{},
	}).Cancel(t.Context(), req, half); err != nil {
		t.Fatal(err)
	}
	got := c.ends(t, placed.ID, "cancelled")
	if got.Cancellation == nil || got.Cancellation.By != "customer" || got.Cancellation.Reason != "customer.request" {
		t.Errorf("cancellation is %+v", got.Cancellation)
	}
	hasStock(t, sku, shop.Stock{OnHand: 4, Available: 4})
	if balance := c.balance(t); balance != 5_000 {
		t.Errorf("balance is %d", balance)
	}
}

// Those who cancel race those who dispatch, over HTTP, some before the shipment is even prepared.
// Of each order all comes to one end or all to the other.
func TestDispatchRacesCancel(t *testing.T) {
	t.Parallel()
	const races, price, there = 6, 100, 10
	ends := map[string]int{}
	for n := range races {
		c := newCustomer(t, 1_000)
		sku := newStock(t, there)
		placed := c.place(t, line(sku, 2, price))
		var id string
		if n%2 == 0 {
			_, p := c.prepared(t, placed.ID)
			id = p.ID
		} else {
			id = c.ends(t, placed.ID, "confirmed").Shipment.ID
		}
		answers := make([]answer, 4)
		inParallel(len(answers), func(i int) {
			switch i {
			case 0:
				answers[i] = send(t, post(c.token, "/orders/"+placed.ID+"/cancel", object{}))
			case 3:
				answers[i] = send(t, post(stack.operator, "/shipments/"+id+"/deliver", nil))
			default:
				answers[i] = send(t, post(stack.operator, "/shipments/"+id+"/dispatch", nil))
			}
		})
		cancelled, dispatched := answers[0].status == http.StatusAccepted, answers[1].status == http.StatusOK ||
			answers[2].status == http.StatusOK
		if cancelled == dispatched {
			t.Errorf("order %s: cancel %s, dispatch %s and %s", placed.ID, answers[0], answers[1], answers[2])
			continue
		}
		if cancelled {
			c.ends(t, placed.ID, "cancelled")
			hasStock(t, sku, shop.Stock{OnHand: there, Available: there})
			eventually(t, "the money is back", func() (int64, bool) { b := c.balance(t); return b, b == 1_000 })
			ends["cancelled"]++
			continue
		}
		must[parcel](t, http.StatusOK, post(stack.operator, "/shipments/"+id+"/deliver", nil))
		c.becomes(t, placed.ID, "delivered")
		hasStock(t, sku, shop.Stock{OnHand: there - 2, Available: there - 2})
		if balance := c.balance(t); balance != 1_000-2*price {
			t.Errorf("balance is %d", balance)
		}
		ends["delivered"]++
	}
	t.Logf("ends: %v", ends)
}

// Shipping's copy is the order as it was confirmed, whatever comes again or late, and whatever has
// become of the order since.
func TestStaleCopiesAreRefused(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 1_000)
	placed := c.place(t, line(newStock(t, 2), 1, 100))
	c.prepared(t, placed.ID)
	row := func() item {
		out, err := stack.tables.GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: aws.String(stack.Outputs["ShippingTable"]), ConsistentRead: aws.Bool(true),
			Key: item{"order": &dynamodbtypes.AttributeValueMemberS{Value: placed.ID}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.Item
	}
	sequence := func() string {
		n, _ := row()["sequence"].(*dynamodbtypes.AttributeValueMemberN)
		if n == nil {
			return ""
		}
		return n.Value
	}
	if sequence() != "3" {
		t.Fatalf("the copy is %v", row())
	}
	store := dynamostore.New(stack.tables, stack.Outputs["EventsTable"], contract.Registry())
	h, err := store.Load(t.Context(), es.NewStreamID(orders.Category, placed.ID), 0)
	if err != nil {
		t.Fatal(err)
	}
	var stale []es.Envelope // of the order as it was up to now
	state := orders.Decider.Initial()
	for _, r := range h.Events {
		e, ok := r.Data.(orders.Event)
		if !ok {
			t.Fatalf("%T is no event of an order", r.Data)
		}
		state = orders.Evolve(state, e)
		updated, err := contract.Updated(r, state)
		if err != nil {
			t.Fatal(err)
		}
		stale = append(stale, updated...)
	}
	receive := func(e es.Envelope) {
		t.Helper()
		body, err := json.Marshal(object{"detail-type": e.Type, "source": e.Source, "detail": e})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stack.queues.SendMessage(
			t.Context(),
			&sqs.SendMessageInput{
				QueueUrl: aws.String(stack.Outputs["PrepareShipmentsQueueUrl"]), MessageBody: aws.String(string(body)),
			},
		); err != nil {
			t.Fatal(err)
		}
	}
	must[order](t, http.StatusAccepted, post(c.token, "/orders/"+placed.ID+"/cancel", object{}))
	c.ends(t, placed.ID, "cancelled")
	newest := row()
	since := time.Now()
	for _, e := range slices.Concat(stale, stale) {
		receive(e)
	}
	// The queue promises no order, so each of them is waited for: its consumer says that it refuses
	// it.
	logs := cloudwatchlogs.NewFromConfig(stack.config)
	eventually(t, "the stale copies are refused", func() (map[string]int, bool) {
		said := map[string]int{}
		in := &cloudwatchlogs.FilterLogEventsInput{
			LogGroupName: aws.String("/aws/lambda/" + stack.Stack + "-prepare-shipments"),
			StartTime:    aws.Int64(since.UnixMilli()),
		}
		for pages := cloudwatchlogs.NewFilterLogEventsPaginator(logs, in); pages.HasMorePages(); {
			out, err := pages.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, line := range out.Events {
				for _, e := range stale {
					if m := aws.ToString(line.Message); strings.Contains(m, "copy refused") &&
						strings.Contains(m, strconv.Quote(e.ID)) {
						said[e.ID]++
					}
				}
			}
		}
		return said, !slices.ContainsFunc(stale, func(e es.Envelope) bool { return said[e.ID] < 2 })
	})
	if now := row(); !reflect.DeepEqual(now, newest) {
		t.Errorf("the copy was %v and is %v", newest, now)
	}
	if p := getParcel(t, shipment.ID(placed.ID, 1)); p.Status != "cancelled" || p.Version != 3 {
		t.Errorf("the shipment is %+v", p)
	}
}

// With a simulated carrier, orders go to their delivery by themselves. The test turns it on, as the
// parameter does, and off again.
func TestSimulatedCarrier(t *testing.T) {
	rules := eventbridge.NewFromConfig(stack.config)
	rule, bus := aws.String(stack.Stack+"-simulate-carrier"), aws.String(stack.Outputs["BusName"])
	if got, err := rules.DescribeRule(
		t.Context(), &eventbridge.DescribeRuleInput{Name: rule, EventBusName: bus},
	); err != nil || got.State != "DISABLED" {
		t.Fatalf("the rule is %+v, %v", got, err)
	}
	mappings, err := stack.functions.ListEventSourceMappings(
		t.Context(), &lambda.ListEventSourceMappingsInput{FunctionName: deployed("simulate-carrier")},
	)
	if err != nil || len(mappings.EventSourceMappings) != 1 {
		t.Fatalf("mappings are %+v, %v", mappings, err)
	}
	set := func(ctx context.Context, enabled bool) {
		if _, err := stack.functions.UpdateEventSourceMapping(
			ctx, &lambda.UpdateEventSourceMappingInput{UUID: mappings.EventSourceMappings[0].UUID, Enabled: &enabled},
		); err != nil {
			t.Error(err)
		}
		var err error
		if enabled {
			_, err = rules.EnableRule(ctx, &eventbridge.EnableRuleInput{Name: rule, EventBusName: bus})
		} else {
			_, err = rules.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: rule, EventBusName: bus})
		}
		if err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() {
		ctx, cancel := cleaning()
		defer cancel()
		set(ctx, false)
	})
	set(t.Context(), true)
	c := newCustomer(t, 1_000)
	sku := newStock(t, 5)
	placed := c.place(t, line(sku, 2, 100))
	c.becomes(t, placed.ID, "delivered")
	hasStock(t, sku, shop.Stock{OnHand: 3, Available: 3})
	if h := types(c.history(
		t, placed.ID,
	)); h != "order.placed order.started order.confirmed order.shipped order.delivered" {
		t.Errorf("history is %s", h)
	}
	if p := getParcel(t, shipment.ID(placed.ID, 1)); p.Status != "delivered" {
		t.Errorf("the shipment is %+v", p)
	}
}
