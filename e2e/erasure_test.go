//go:build e2e

package e2e_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider"
	cognitotypes "github.com/aws/aws-sdk-go-v2/service/cognitoidentityprovider/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/dynamostore"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	domain "orderflow/shared/shop/customer"
	"orderflow/shared/shop/personal"
)

// secrets are texts that stand nowhere but where a test has put them, with letters outside of
// ASCII, which encodings tell apart.
type secrets struct{ planted []string }

func (s *secrets) plant(what string) string {
	text := what + " Ünïque " + unique()
	s.planted = append(s.planted, text)
	return text
}

// plain is one in the letters that an e-mail address may have.
func (s *secrets) plain(what string) string {
	text := what + unique()
	s.planted = append(s.planted, text)
	return text
}

func unique() string { return strings.ReplaceAll(ident.New(), "-", "")[:12] }

// address is one in a country that has no postal codes, and so takes any.
func (s *secrets) address(country string) object {
	phone := fmt.Sprintf("+852 %010d", rand.Int64N(1e10))
	s.planted = append(s.planted, phone)
	return object{
		"recipient": s.plant("Recipient"), "line1": s.plant("Street"), "line2": s.plant("Floor"),
		"postalCode": s.plain("pc"),
		"city":       s.plant("City"), "state": s.plant("State"), "country": country, "phone": phone,
	}
}

// abducted is an event that no consumer knows.
type abducted struct {
	Address personal.Sealed `json:"address"`
}

// appendEvent appends an event to a stream as a function would.
func appendEvent[E any](t *testing.T, stream es.StreamID, name string, event E) {
	t.Helper()
	store := dynamostore.New(stack.tables, stack.Outputs["EventsTable"], es.NewRegistry(func(r *es.Registry) {
		domain.Register(r)
		if _, _, known := r.Name(event); !known {
			es.Register[E](r, name, 1)
		}
	}))
	history, err := store.Load(t.Context(), stream, 0)
	if err == nil {
		_, err = store.Append(
			t.Context(), []es.Commit{{Head: history.Head, ID: ident.New(), Time: time.Now(), Events: []any{event}}},
		)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func erase(token, customerID string) request {
	return request{method: http.MethodDelete, path: "/customers/" + customerID, token: token}
}

// waits waits until so many messages lie in a queue whose consumer is paused.
func waits(t *testing.T, output string, messages int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d messages in %s", messages, output), func() (int, bool) {
		out, err := stack.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl:       aws.String(stack.Outputs[output]),
			AttributeNames: []sqstypes.QueueAttributeName{"ApproximateNumberOfMessages"},
		})
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"])
		if err != nil {
			t.Fatal(err)
		}
		return n, n >= messages
	})
}

// erasure is a customer of whom there is something everywhere, and what is known of them.
type erasure struct {
	began   time.Time
	archive archive
	pool    *cognitoidentityprovider.Client

	secrets          secrets
	customer, stays  customer
	name, email, sku string
	lost             es.StreamID // whose event no consumer can read

	kept, waiting    order             // dispatched, and not
	parcel           parcel            // of the one that waits
	running, pending order             // whose executions wait for stock, or to begin
	histories        map[string]string // of the orders that ended before, by id

	own    map[string]personal.Key // the customer's
	theirs []string                // what it opened, sealed

	resumeStock, resumeStart func()
}

// An erased customer's data can be read nowhere any more: not in a table, a queue, a log, a run,
// the bus's archive or the user pool, in any form, nor under any key that is left. All that was
// going on comes to its end, and all that is not personal stays.
func TestErasure(t *testing.T) {
	e := plantPerson(t)
	e.plantOrders(t)
	e.plantLetters(t)
	defer e.takeLetters(t)
	e.isThere(t)
	e.startsOrders(t)
	e.isErased(t)
	e.isUndone(t)
	e.keepsTheRest(t)
	e.isUnreadable(t)
}

// plantPerson registers a customer whose name and address are secrets, beside one who stays.
func plantPerson(t *testing.T) *erasure {
	t.Helper()
	e := &erasure{began: time.Now().Add(-time.Second), histories: map[string]string{}}
	pause(t, "record-dead-letters") // what lies in the queues of dead letters is looked at there
	e.archive, e.pool = newArchive(t), cognitoidentityprovider.NewFromConfig(stack.config)
	s := &e.secrets
	e.customer, e.stays = customer{id: "e2e-" + ident.New()}, newCustomer(t, 1_000)
	c := &e.customer
	var err error
	if c.token, err = stack.CustomerToken(t.Context(), c.id); err != nil {
		t.Fatal(err)
	}
	name, email := s.plant("Name"), s.plain("mail")+"@example.com"
	if _, err := e.pool.AdminUpdateUserAttributes(t.Context(), &cognitoidentityprovider.AdminUpdateUserAttributesInput{
		UserPoolId: aws.String(stack.Outputs["UserPoolId"]), Username: &c.id,
		UserAttributes: []cognitotypes.AttributeType{
			{Name: aws.String("name"), Value: &name}, {Name: aws.String("email"), Value: &email},
		},
	}); err != nil {
		t.Fatal(err)
	}
	must[object](t, http.StatusCreated, post(c.token, "/customers", object{"name": name, "email": email}))
	e.name, e.email = s.plant("Name"), s.plain("mail")+"@example.com"
	must[object](t, http.StatusOK, change(c.token, c.id, `"1"`, object{"name": e.name, "email": e.email}))
	c.account, _ = must[object](
		t, http.StatusCreated, post(c.token, "/accounts", object{"currency": "USD"}),
	)["id"].(string)
	c.deposit(t, 10_000)
	e.sku = newStock(t, 10)
	return e
}

// place places an order to an address of secrets.
func (e *erasure) place(t *testing.T, country string) order {
	t.Helper()
	body := with(anOrder(onSale(t, line(e.sku, 1, 100))...), "shippingAddress", e.secrets.address(country))
	return must[order](t, http.StatusAccepted, post(e.customer.token, "/orders", body))
}

// plantOrders brings an order to each end, and one to where it waits for the carrier.
func (e *erasure) plantOrders(t *testing.T) {
	t.Helper()
	e.kept, e.waiting = e.place(t, "HK"), e.place(t, "HK")
	cancelled, refusedOrder := e.place(t, "HK"), e.place(t, "AQ")
	c := e.customer
	_, left := c.prepared(t, e.kept.ID)
	must[object](t, http.StatusOK, post(stack.operator, "/shipments/"+left.ID+"/dispatch", nil))
	c.becomes(t, e.kept.ID, "shipped")
	_, e.parcel = c.prepared(t, e.waiting.ID)
	c.ends(t, cancelled.ID, "confirmed")
	must[order](
		t, http.StatusAccepted,
		post(c.token, "/orders/"+cancelled.ID+"/cancel", object{"reason": e.secrets.plant("Reason")}),
	)
	c.ends(t, cancelled.ID, "cancelled")
	c.ends(t, refusedOrder.ID, "cancelled")
	for _, o := range []order{e.kept, cancelled, refusedOrder} {
		e.histories[o.ID] = send(t, get(stack.operator, "/orders/"+o.ID+"/history")).String()
	}
	c.counts(t, 2, 2)
	e.stays.counts(t, 0, 0)
}

// streamReaders is how many functions read the events' stream.
const streamReaders = 2

// plantLetters brings an address into the dead letters of those that read the events.
func (e *erasure) plantLetters(t *testing.T) {
	t.Helper()
	commit := commitsOf(t, "order/"+e.kept.ID)
	address := personal.Sealed(sealedForm.FindString(commit))
	e.lost = es.NewStreamID("order", ident.New())
	appendEvent(t, e.lost, "order.abducted", abducted{Address: address})
	waits(t, "DeadLettersQueueUrl", streamReaders)
}

func (e *erasure) takeLetters(t *testing.T) {
	t.Helper()
	for range streamReaders {
		takeMessage(t, stack.Outputs["DeadLettersQueueUrl"], string(e.lost))
	}
}

// isThere: before, all of it is there, under the person's key.
func (e *erasure) isThere(t *testing.T) {
	t.Helper()
	keys := dataKeys(t)
	e.own = map[string]personal.Key{e.customer.id: keys[e.customer.id]}
	before := everything(t, e.began)
	before = append(before, e.archive.replayed(t))
	sealed := sealedIn(before)
	opened := openAll(e.own, e.customer.id, sealed)
	for _, secret := range e.secrets.planted {
		if !slices.ContainsFunc(
			slices.Collect(maps.Values(opened)), func(plain string) bool { return strings.Contains(plain, secret) },
		) {
			t.Errorf("%q is sealed nowhere", secret)
		}
	}
	e.theirs = slices.Sorted(maps.Keys(opened))
	for _, where := range []string{
		"table " + stack.Outputs["EventsTable"], "queue " + stack.Stack + "-dead-letters", "archive",
	} {
		if len(intersection(e.theirs, sealedIn(named(before, where)))) == 0 {
			t.Errorf("%s holds nothing of the customer", where)
		}
	}
	if len(search(named(before, "user pool"), e.secrets.planted)) == 0 {
		t.Error("the user pool holds nothing of the customer")
	}
}

// startsOrders: two orders are under way, one whose execution waits for its stock, one whose
// execution has not begun.
func (e *erasure) startsOrders(t *testing.T) {
	t.Helper()
	e.resumeStock = pause(t, "process-inventory")
	e.running = e.place(t, "HK")
	waits(t, "InventoryQueueUrl", 1)
	e.resumeStart = pause(t, "start-saga")
	e.pending = e.place(t, "HK")
	waits(t, "StartSagaQueueUrl", 1)
	for place, id := range map[string]string{
		"queue " + stack.Stack + "-start-saga":         e.pending.ID,
		"queue " + stack.Stack + "-inventory-commands": e.running.ID,
	} {
		if !strings.Contains(queueContent(t, place[len("queue "):]).text, id) {
			t.Errorf("%s: there is nothing of order %s", place, id)
		}
	}
}

// isErased: nobody but the customer and operators erases, and from then on nothing more comes in.
func (e *erasure) isErased(t *testing.T) {
	t.Helper()
	refused(t, http.StatusNotFound, "customer.not-found", erase(e.stays.token, e.customer.id))
	refused(t, http.StatusNotFound, "customer.not-found", erase(stack.operator, "e2e-"+ident.New()))
	answered := send(t, erase(e.customer.token, e.customer.id))
	version := decode[object](t, answered.body)["version"]
	if answered.status != http.StatusOK || version != 3.0 || answered.header.Get("ETag") != `"3"` {
		t.Fatalf("erase: %s", answered)
	}
	for _, token := range []string{e.customer.token, stack.operator} {
		if again := send(t, erase(token, e.customer.id)); again.String() != answered.String() {
			t.Errorf("erased again: %s, want %s", again, answered)
		}
	}
	refused(
		t, http.StatusUnprocessableEntity, "customer.erased",
		post(e.customer.token, "/customers", object{"name": e.name, "email": e.email}),
	)
	refused(
		t, http.StatusUnprocessableEntity, "customer.erased",
		change(e.customer.token, e.customer.id, `"2"`, object{"name": e.name}),
	)
	if gone := must[person](t, http.StatusOK, get(stack.operator, "/customers/"+e.customer.id)); !gone.Erased ||
		gone.Name != "" {
		t.Errorf("the erased customer reads %+v", gone)
	}
	refused(
		t, http.StatusUnprocessableEntity, "customer.erased",
		post(e.customer.token, "/orders", anOrder(line(e.sku, 1, 100))),
	)
	refused(
		t, http.StatusUnprocessableEntity, "customer.erased",
		post(stack.operator, "/orders/"+e.kept.ID+"/cancel", object{"reason": "erased"}),
	)
}

// isUndone: what had not left is undone, to the last cent and piece, and leaves no more.
func (e *erasure) isUndone(t *testing.T) {
	t.Helper()
	dispatched := send(t, post(stack.operator, "/shipments/"+e.parcel.ID+"/dispatch", nil))
	if code := decode[problem](t, dispatched.body).Code; code != "shipment.address-unreadable" &&
		code != "shipment.cancelled" {
		t.Errorf("dispatched to where nobody can read: %s", dispatched)
	}
	e.resumeStart()
	e.resumeStock()
	if got := e.customer.ends(t, e.waiting.ID, "cancelled"); got.Cancellation.Reason != "customer.erased" ||
		got.Cancellation.By != "operator" {
		t.Errorf("the order that waited for the carrier is cancelled by %+v", got.Cancellation)
	}
	for _, o := range []order{e.running, e.pending} {
		if got := e.customer.ends(t, o.ID, "cancelled"); !slices.Contains(
			[]string{"customer.erased", "shipment.address-unreadable"}, got.Cancellation.Reason,
		) {
			t.Errorf("order %s is cancelled for %s", o.ID, got.Cancellation.Reason)
		}
	}
	if totals := e.customer.counts(t, 1, 5); !slices.Equal(totals.ConfirmedTotal, []moneyOf{usd(100)}) {
		t.Errorf("confirmed is %v", totals.ConfirmedTotal)
	}
	if balance := e.customer.balance(t); balance != 9_900 {
		t.Errorf("the balance is %d", balance)
	}
	hasStock(t, e.sku, shop.Stock{OnHand: 9, Available: 9})
}

// keepsTheRest: what is not personal can be read as before.
func (e *erasure) keepsTheRest(t *testing.T) {
	t.Helper()
	if list := e.customer.orders(t, "?limit=100"); len(list.Orders) != 6 {
		t.Errorf("%d orders are listed", len(list.Orders))
	}
	for id, history := range e.histories {
		o := decode[struct {
			order
			Erased bool `json:"erased"`
		}](t, send(t, get(e.customer.token, "/orders/"+id)).body)
		if o.ID != id || o.ShippingAddress != nil || !o.Erased || o.Cancellation != nil && o.Cancellation.Note != "" {
			t.Errorf("an order of the erased customer is %+v", o)
		}
		if again := send(t, get(stack.operator, "/orders/"+id+"/history")).String(); again != history {
			t.Errorf("the history was\n%s\nand is\n%s", history, again)
		}
	}
	eventually(t, "the sign-in is gone", func() (string, bool) {
		_, err := e.pool.AdminGetUser(
			t.Context(),
			&cognitoidentityprovider.AdminGetUserInput{
				UserPoolId: aws.String(stack.Outputs["UserPoolId"]), Username: &e.customer.id,
			},
		)
		_, gone := errors.AsType[*cognitotypes.UserNotFoundException](err)
		return fmt.Sprint(err), gone
	})
}

// isUnreadable: after, nothing can be read, wherever it still lies. Controls, in each place in each
// form, show that it would have been found.
func (e *erasure) isUnreadable(t *testing.T) {
	t.Helper()
	controls, takeLetters := plantControls(t)
	defer takeLetters()
	held := e.archive.replayed(t)
	// the first and not the last: what is logged last may arrive with the next invocation
	eventually(t, "logs of an order", func() (string, bool) {
		return "", strings.Contains(logContent(t, e.began, "start-saga").text, e.kept.ID)
	})
	after := append(everything(t, e.began), held)
	for _, f := range search(after, e.secrets.planted) {
		t.Errorf("%s: %q stands there in clear", f.place, f.text)
	}
	found := map[finding]bool{}
	for _, f := range search(after, slices.Collect(maps.Values(controls.needles))) {
		found[f] = true
	}
	for _, place := range controls.places {
		for form, needle := range controls.needles {
			if !found[finding{place, needle}] {
				t.Errorf("%s: the control is not found %s", place, form)
			}
		}
	}
	if missing := len(e.theirs) - len(intersection(e.theirs, sealedIn(after))); missing > 0 {
		t.Errorf("%d sealed texts of the customer were not found again", missing)
	}
	left := dataKeys(t)
	if _, there := left[e.customer.id]; there {
		t.Error("the customer's key is there")
	}
	// with those of the orders that were under way
	all := slices.Collect(maps.Keys(openAll(e.own, e.customer.id, sealedIn(after))))
	if len(all) <= len(e.theirs) {
		t.Errorf("%d texts are sealed for the customer, and %d were before", len(all), len(e.theirs))
	}
	for text, plain := range openAll(left, e.customer.id, all) {
		t.Errorf("%s opens: %q", text, plain)
	}
	if staying := openAll(
		map[string]personal.Key{e.stays.id: left[e.stays.id]}, e.stays.id, sealedIn(after),
	); len(staying) != 2 {
		t.Errorf("%d texts open of who stays, want the name and the e-mail address", len(staying))
	}
}

// The command line erases as operators do, says what it did, and asks before where there is
// somebody to ask.
func TestEraseByCommandLine(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "orderflow")
	if out, err := exec.CommandContext(
		t.Context(), "go", "build", "-o", program, "../cmd/orderflow",
	).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	c := newCustomer(t, 0)
	run := func(args ...string) (string, int) {
		cmd := exec.CommandContext(
			t.Context(), program, append([]string{"--stack", stack.Stack, "customers", "erase"}, args...)...,
		)
		out, err := cmd.CombinedOutput()
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{c.id}, 2, "--yes"},
		{[]string{"--yes"}, 2, "customer id"},
		{[]string{"e2e-" + ident.New(), "--yes"}, 3, "customer.not-found"},
		{[]string{c.id, "--yes"}, 0, "customer " + c.id + ": erased at "},
		{[]string{c.id, "--yes"}, 0, "customer " + c.id + ": erased at "},
	} {
		if out, code := run(tc.args...); code != tc.code || !strings.Contains(out, tc.says) {
			t.Errorf("%v exits %d and says %q", tc.args, code, out)
		}
	}
	refused(
		t, http.StatusUnprocessableEntity, "customer.erased",
		post(c.token, "/orders", anOrder(line("e2e-none", 1, 100))),
	)
}

// An erasure whose request died after its event is finished by who hears of it. An event alone
// erases nobody: it is a dead letter then.
func TestErasureIsFinished(t *testing.T) {
	erased, stays := newCustomer(t, 0), newCustomer(t, 0)
	appendEvent(
		t, es.NewStreamID(domain.Category, erased.id), "customer.erased",
		domain.Erased{CustomerID: erased.id, ErasedAt: "2026-03-01T12:00:00Z"},
	)
	key := func(id string) item {
		out, err := stack.tables.GetItem(t.Context(), &dynamodb.GetItemInput{
			TableName: aws.String(stack.Outputs["KeysTable"]),
			Key:       item{"subject": &dynamodbtypes.AttributeValueMemberS{Value: id}}, ConsistentRead: aws.Bool(true),
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.Item
	}
	eventually(t, "the key is destroyed", func() (item, bool) {
		row := key(erased.id)
		return row, row["wrapped"] == nil && row["erasedAt"] != nil
	})

	// The third receive is the last; it isn't waited for three minutes.
	url, visibility := stack.Outputs["FinishErasureQueueUrl"], sqstypes.QueueAttributeNameVisibilityTimeout
	attributes, err := stack.queues.GetQueueAttributes(
		t.Context(),
		&sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{visibility}},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { setQueue(t, url, visibility, attributes.Attributes[string(visibility)]) })
	setQueue(t, url, visibility, "2")
	forged := fmt.Sprintf(`{"specversion":"1.0","id":"customer/%[1]s@2","source":"customer-service",`+
		`"type":"customer.erased","subject":"customer/%[1]s",`+
		`"time":"2026-03-01T12:00:00Z","datacontenttype":"application/json","dataschema":"urn:orderflow:schema:customer.erased:1","dataversion":1,"sequence":2,`+
		`"data":{"customerId":"%[1]s","erasedAt":"2026-03-01T12:00:00Z"}}`, stays.id)
	put, err := eventbridge.NewFromConfig(stack.config).PutEvents(t.Context(),
		&eventbridge.PutEventsInput{Entries: []eventbridgetypes.PutEventsRequestEntry{{
			EventBusName: aws.String(stack.Outputs["BusName"]), Source: aws.String("customer-service"),
			DetailType: aws.String("customer.erased"), Detail: &forged,
		}}})
	if err != nil || put.FailedEntryCount > 0 {
		t.Fatalf("%+v, %v", put, err)
	}
	takeEntry(t, "finish-erasure", stays.id)
	if key(stays.id)["wrapped"] == nil {
		t.Error("somebody is erased whose stream doesn't say so")
	}
}
