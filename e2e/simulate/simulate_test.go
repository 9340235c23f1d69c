//go:build e2e

// Package simulate_test lives histories through on a deployed stack: what people do is drawn by a
// seed (shared/process/lifecycle/lifecycletest) and asked for over HTTP and on the command line,
// several at a time. Meanwhile processes of functions are killed, and messages come twice. When
// everything is at rest, orderflow verify has to find nothing.
//
// make simulate runs more of it.
package simulate_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/ident"
	"orderflow/shared/process/lifecycle/lifecycletest"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/order"
)

var (
	seed = flag.Int("simulate.seed", 0, "draws what people do, and what goes wrong; 0 for any")
	most = flag.Int("simulate.orders", 20, "how many orders are placed")
	late = flag.Bool("simulate.late", false, "leave what waits to its deadline, where nobody has decided by then")
)

const (
	// patience is how long a request is sent again, and patienceAtRest how long the stack has to
	// come to rest, with deadlines of a minute and what was killed.
	patience       = time.Minute
	patienceAtRest = 4 * time.Minute
	// together is how many people do something at a time.
	together = 4
	// often is how many actions there are for each order.
	often = 6
	// each is how many orders have customers of their own: a customer has a quota.
	each = 40
)

// account is a customer with their account.
type account struct{ id, token, account string }

// placed is an order that somebody has placed, as far as they know.
type placed struct {
	id      string
	by      account
	status  order.Status
	divided bool // and its rest is known
}

// life is a simulation under way.
type life struct {
	*stack
	name      string // of its articles and customers
	customers []account

	mu     sync.Mutex
	orders []placed // the oldest first
	counts map[string]int
}

func (l *life) count(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[what]++
}

// begin has customers registered and articles counted, and puts these on sale.
func (l *life) begin(ctx context.Context) error {
	groups := 1 + *most/each
	l.customers = make([]account, groups*lifecycletest.Customers)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(together)
	for n := range l.customers {
		group.Go(func() (err error) { l.customers[n], err = l.register(ctx, n); return err })
	}
	for _, name := range lifecycletest.SKUs {
		group.Go(func() error {
			sku, isNew := l.sku(name), map[string]string{"If-None-Match": "*"}
			price := object{"amount": lifecycletest.Prices[name], "currency": lifecycletest.Currency}
			return errors.Join(
				l.must(ctx, http.StatusOK, nil, request{
					http.MethodPut, "/products/" + sku, l.operator, isNew, object{"prices": []object{price}},
				}),
				l.must(ctx, http.StatusOK, nil, request{
					http.MethodPut, "/stock/" + sku, l.operator, isNew,
					object{"onHand": lifecycletest.Pieces * groups},
				}),
			)
		})
	}
	return group.Wait()
}

type object = map[string]any

func (l *life) sku(name string) string { return l.name + "-" + name }

func (l *life) register(ctx context.Context, n int) (c account, err error) {
	c.id = fmt.Sprint(l.name, "-", n)
	if c.token, err = l.CustomerToken(ctx, c.id); err != nil {
		return c, err
	}
	if err := l.must(ctx, http.StatusCreated, nil, keyed(c.token, "/customers", object{
		"name": "Test Person", "email": c.id + "@example.com",
	})); err != nil {
		return c, err
	}
	var opened struct {
		ID string `json:"id"`
	}
	err = l.must(ctx, http.StatusCreated, &opened, keyed(c.token, "/accounts", object{
		"currency": lifecycletest.Currency,
	}))
	c.account = opened.ID
	if err != nil {
		return c, err
	}
	return c, l.must(ctx, http.StatusCreated, nil, l.money(c, "deposits", lifecycletest.Funds))
}

// keyed is a POST under a key of its own.
func keyed(token, path string, body any) request {
	return request{http.MethodPost, path, token, map[string]string{"Idempotency-Key": ident.New()}, body}
}

func (l *life) money(of account, path string, amount int64) request {
	return keyed(l.operator, "/accounts/"+of.account+"/"+path, object{
		"amount": object{"amount": amount, "currency": lifecycletest.Currency},
	})
}

// must sends a request that is answered with a status.
func (l *life) must(ctx context.Context, status int, out any, r request) error {
	a, err := l.send(ctx, r)
	if err == nil && a.status != status {
		err = fmt.Errorf("%s %s: %d %s, want %d", r.method, r.path, a.status, a.body, status)
	}
	if err == nil && out != nil {
		err = json.Unmarshal(a.body, out)
	}
	return err
}

// does has somebody do something, and counts how that was answered.
func (l *life) does(ctx context.Context, i int, a lifecycletest.Action) error {
	if a.Do == lifecycletest.Refund {
		return l.refunds(ctx, a)
	}
	var r request
	var of placed
	var err error
	buyer := l.customers[(l.placed()/each*lifecycletest.Customers+a.Customer)%len(l.customers)]
	switch a.Do {
	case lifecycletest.Place:
		r = l.order(buyer, a)
	case lifecycletest.Deposit, lifecycletest.Withdraw:
		r = l.money(buyer, map[lifecycletest.Do]string{
			lifecycletest.Deposit: "deposits", lifecycletest.Withdraw: "withdrawals",
		}[a.Do], a.Amount)
	case lifecycletest.Restock:
		r, err = l.finds(ctx, l.sku(a.Items[0].SKU), a.Amount)
	case lifecycletest.Split:
		r = request{
			http.MethodPut, "/stock/" + l.sku(a.Items[0].SKU) + "/shards", l.operator, nil, object{"shards": a.Amount},
		}
	default:
		var ok bool
		if of, ok, err = l.about(ctx, a); err != nil || !ok {
			return err
		}
		r, err = l.asks(ctx, i, a, of)
	}
	if err != nil || r.path == "" {
		return err
	}
	for range a.Again + 1 {
		got, err := l.send(ctx, r)
		if err != nil {
			return fmt.Errorf("%s: %w", a, err)
		}
		l.count(fmt.Sprintf("%s %s", a.Do, got))
		switch got.status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusMethodNotAllowed:
			return fmt.Errorf("%s: %s %s: %d %s", a, r.method, r.path, got.status, got.body)
		}
		if a.Do == lifecycletest.Place && got.status == http.StatusAccepted {
			if err := l.place(buyer, got.body); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *life) placed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.orders)
}

// place notes an order that was placed.
func (l *life) place(by account, body []byte) error {
	var o struct {
		ID     string       `json:"id"`
		Status order.Status `json:"status"`
	}
	if err := json.Unmarshal(body, &o); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.ContainsFunc(l.orders, func(p placed) bool { return p.id == o.ID }) {
		l.orders = append(l.orders, placed{id: o.ID, by: by, status: o.Status})
	}
	return nil
}

func (l *life) lines(a lifecycletest.Action) []object {
	lines := make([]object, len(a.Items))
	for i, item := range a.Items {
		lines[i] = object{"sku": l.sku(item.SKU), "quantity": item.Quantity}
	}
	return lines
}

func (l *life) order(by account, a lifecycletest.Action) request {
	return keyed(by.token, "/orders", object{
		"currency": lifecycletest.Currency, "lines": l.lines(a), "shippingAddress": lifecycletest.Address(a.Country),
		"outOfStock": a.OutOfStock,
	})
}

// finds counts a SKU, and finds more of it than there was.
func (l *life) finds(ctx context.Context, sku string, more int64) (r request, err error) {
	path := "/stock/" + sku
	now, header, err := fetch[shop.Stock](ctx, l.stack, l.operator, path)
	return request{
		http.MethodPut, path, l.operator, map[string]string{"If-Match": header.Get("ETag")},
		object{"onHand": now.OnHand + more},
	}, err
}

// about is the order that an action is about.
func (l *life) about(ctx context.Context, a lifecycletest.Action) (of placed, ok bool, err error) {
	listed, _, err := fetch[struct {
		Orders []struct {
			ID     string       `json:"id"`
			Status order.Status `json:"status"`
		} `json:"orders"`
	}](ctx, l.stack, l.operator, "/orders?limit=100")
	if err != nil {
		return of, false, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	states := make([]order.Status, len(l.orders))
	for i := range l.orders {
		for _, o := range listed.Orders {
			if o.ID == l.orders[i].id {
				l.orders[i].status = o.Status
			}
		}
		states[i] = l.orders[i].status
	}
	i, ok := a.Of(states)
	if ok {
		of = l.orders[i]
	}
	return of, ok, nil
}

// asks is the request with which something is done with an order. It has no path where that can't
// be asked for yet.
func (l *life) asks(ctx context.Context, i int, a lifecycletest.Action, of placed) (request, error) {
	now, header, err := fetch[struct {
		Shipment struct {
			ID string `json:"id"`
		} `json:"shipment"`
	}](ctx, l.stack, l.operator, "/orders/"+of.id)
	if err != nil {
		return request{}, err
	}
	path, parcel := "/orders/"+of.id, "/shipments/"+now.Shipment.ID
	switch a.Do {
	case lifecycletest.Amend:
		body := object{}
		if a.Items != nil {
			body["lines"] = l.lines(a)
		}
		if a.Country != "" {
			to := lifecycletest.Address(a.Country)
			to.Line1 = fmt.Sprint("12 St James's Square, ", i)
			body["shippingAddress"] = to
		}
		ifMatch := map[string]string{"If-Match": header.Get("ETag")}
		return request{http.MethodPatch, path, of.by.token, ifMatch, body}, nil
	case lifecycletest.Cancel:
		by := of.by.token
		if a.Operator {
			by = l.operator
		}
		return keyed(by, path+"/cancel", object{}), nil
	case lifecycletest.Approve, lifecycletest.Decline:
		return keyed(l.operator, path+"/"+string(a.Do), object{"reason": "as agreed"}), nil
	case lifecycletest.Pay:
		return keyed(of.by.token, path+"/payment", object{}), nil
	}
	if now.Shipment.ID == "" {
		return request{}, nil
	}
	r := keyed(l.operator, parcel+"/"+string(a.Do), nil)
	if a.Do == lifecycletest.Label {
		_, header, err := fetch[object](ctx, l.stack, l.operator, parcel)
		if err != nil {
			return r, err
		}
		r.header["If-Match"] = header.Get("ETag")
	}
	return r, nil
}

// refunds gives money back, on the command line.
func (l *life) refunds(ctx context.Context, a lifecycletest.Action) error {
	of, ok, err := l.about(ctx, a)
	if err != nil || !ok {
		return err
	}
	args := []string{
		"orders", "refund", of.id, "--reason", "damaged", "--pieces", fmt.Sprintf("0=%d", a.Amount),
		"--key", ident.New(), "--json",
	}
	for range a.Again + 1 {
		_, status, err := l.run(ctx, args...)
		if err != nil && status == 0 {
			return err
		}
		l.count(fmt.Sprintf("refund exit %d", status))
	}
	return nil
}

// atRest waits until nothing is under way any more. Those who have to decide do so, unless that is
// left to the deadlines.
func (l *life) atRest(ctx context.Context, random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(ctx, patienceAtRest)
	defer cancel()
	tick := time.NewTicker(time.Second) // each look is a request for each open order
	defer tick.Stop()
	open := slices.Clone(l.orders)
	var waiting map[string]int
	for {
		var err error
		if open, err = l.stillOpen(ctx, open, random); err != nil {
			return fmt.Errorf("%d orders are open: %w", len(open), err)
		}
		if len(open) == 0 {
			if waiting, err = l.waiting(ctx); err != nil || len(waiting) == 0 {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("not at rest after %s: open are %+v; messages wait in %v", patienceAtRest, open, waiting)
		}
	}
}

func (l *life) stillOpen(ctx context.Context, open []placed, random *rand.Rand) (still []placed, err error) {
	for _, o := range open {
		now, _, err := fetch[state](ctx, l.stack, l.operator, "/orders/"+o.id)
		if err != nil {
			return open, err
		}
		if o.status != now.Status {
			l.counts["comes to be "+string(now.Status)]++
		}
		o.status = now.Status
		if rest := now.Missing.OrderID; rest != "" && !o.divided {
			o.divided, still = true, append(still, placed{id: rest, by: o.by})
			l.counts["divided"]++
		}
		if o.status.Final() {
			l.counts["ends "+string(o.status)]++
			continue
		}
		still = append(still, o)
		if *late {
			continue
		}
		if err := l.decides(ctx, o, now, random.IntN(2) == 0); err != nil {
			return open, err
		}
	}
	return still, nil
}

// state is an order, and what it waits for.
type state struct {
	Status order.Status `json:"status"`
	Wait   struct {
		Items []goods.Item `json:"items"`
	} `json:"wait"`
	Missing struct {
		OrderID string `json:"orderId"`
	} `json:"missing"`
}

// decides ends what an order waits for.
func (l *life) decides(ctx context.Context, o placed, now state, well bool) error {
	var all []request
	switch {
	case o.status == order.StatusBackordered && well:
		for _, item := range now.Wait.Items {
			r, err := l.finds(ctx, item.SKU, item.Quantity)
			if err != nil {
				return err
			}
			all = append(all, r)
		}
	case o.status == order.StatusHeld && well:
		all = []request{keyed(l.operator, "/orders/"+o.id+"/approve", object{"reason": "at last"})}
	case o.status == order.StatusHeld:
		all = []request{keyed(l.operator, "/orders/"+o.id+"/decline", object{"reason": "at last"})}
	case o.status == order.StatusPaymentRequired && well:
		all = []request{
			l.money(o.by, "deposits", lifecycletest.Funds), keyed(o.by.token, "/orders/"+o.id+"/payment", object{}),
		}
	case o.status == order.StatusPaymentRequired || o.status == order.StatusBackordered:
		all = []request{keyed(o.by.token, "/orders/"+o.id+"/cancel", object{})}
	}
	for _, r := range all {
		if _, err := l.send(ctx, r); err != nil { // its deadline may have been first
			return err
		}
	}
	return nil
}

// TestSimulate is the whole of it.
func TestSimulate(t *testing.T) {
	began, from := time.Now(), *seed
	if from == 0 {
		from = rand.IntN(1_000_000) + 1
	}
	l := &life{stack: find(t), name: "sim-" + ident.New()[:8], counts: map[string]int{}}
	t.Logf("seed %d, %d orders; the same again: make simulate SEED=%d ORDERS=%d", from, *most, from, *most)
	l.hurry(t)
	if err := l.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	acted, err := l.live(t.Context(), from)
	if err == nil {
		err = l.atRest(t.Context(), rand.New(rand.NewPCG(uint64(from), 0)))
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(l.counts)) {
		lines = append(lines, fmt.Sprintf("%s: %d", name, l.counts[name]))
	}
	t.Logf("%d actions, %d orders, at rest after %s\n%s",
		acted, len(l.orders), time.Since(began).Round(time.Second), strings.Join(lines, "\n"))
	if err != nil {
		t.Fatalf("seed %d: %v", from, err)
	}
	l.verify(t)
	t.Logf("compared after %s", time.Since(began).Round(time.Second))
}

// live has people do what the seed draws, several at a time, and trouble come in between. Once
// enough orders are placed, it is about those.
func (l *life) live(ctx context.Context, from int) (acted int64, err error) {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(together)
	actions := lifecycletest.Actions()
	var done atomic.Int64
	for i := 0; i < often**most && ctx.Err() == nil; i++ {
		a := actions.Example(from + i)
		if a.Do == lifecycletest.Place && l.placed() >= *most {
			a.Do = lifecycletest.Dispatch
		}
		random := rand.New(rand.NewPCG(uint64(from), uint64(i)))
		group.Go(func() error {
			done.Add(1)
			if err := l.does(ctx, i, a); err != nil {
				return err
			}
			return l.trouble(ctx, random)
		})
	}
	err = group.Wait()
	return done.Load(), err
}

// verification is what orderflow verify prints.
type verification struct {
	Orders struct {
		Orders int `json:"orders"`
	} `json:"orders"`
	Stock struct {
		Differences []struct {
			SKU string `json:"sku"`
		} `json:"differences"`
	} `json:"stock"`
}

// verifies runs orderflow verify, which exits with 1 where it finds something.
func (l *life) verifies(t *testing.T, patience string) (v verification, status int, out []byte) {
	t.Helper()
	out, status, err := l.run(t.Context(), "verify", "--json", "--patience", patience, "--state", t.TempDir())
	if status == 0 && err != nil || status > 1 {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return v, status, out
}

// verify has orderflow verify find nothing, and then the piece that nobody has counted.
func (l *life) verify(t *testing.T) {
	t.Helper()
	if v, status, out := l.verifies(t, "30s"); status != 0 || v.Orders.Orders < len(l.orders) {
		t.Errorf("orderflow verify compares %d orders, and exits with %d:\n%s", v.Orders.Orders, status, out)
	}
	sku := l.sku(lifecycletest.SKUs[0])
	l.adds(t, sku, "1")
	defer l.adds(t, sku, "-1")
	if v, status, out := l.verifies(t, "0s"); status != 1 || len(v.Stock.Differences) != 1 ||
		v.Stock.Differences[0].SKU != sku {
		t.Errorf("with a piece too much of %s, orderflow verify exits with %d:\n%s", sku, status, out)
	}
}

// adds changes a row of stock as nobody may.
func (l *life) adds(t *testing.T, sku, pieces string) {
	t.Helper()
	table, err := l.Output("StockTable")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dynamodb.NewFromConfig(l.Config()).UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &table, UpdateExpression: aws.String("ADD available :pieces"),
		Key:                       map[string]types.AttributeValue{"sku": &types.AttributeValueMemberS{Value: sku}},
		ExpressionAttributeValues: map[string]types.AttributeValue{":pieces": &types.AttributeValueMemberN{Value: pieces}},
	}); err != nil {
		t.Fatal(err)
	}
}
