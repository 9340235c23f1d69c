package erasure_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/process/erasure"
	"orderflow/shared/read/view/orders"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
)

// world notes what is done for whom, and fails where it is told to.
type world struct {
	done []string
	fail map[string]error
	ends context.CancelFunc // called with the first order, where there is one
}

func (w *world) do(what, customerID string) error {
	w.done = append(w.done, what+" "+customerID)
	return w.fail[what]
}

func (w *world) DestroyKey(_ context.Context, customerID string) error {
	return w.do("key", customerID)
}
func (w *world) Delete(_ context.Context, customerID string) error { return w.do("user", customerID) }

// List implements orders.Reader: an order of each status, on two pages.
func (w *world) List(_ context.Context, customerID string, q orders.Query) (orders.Page, error) {
	page := orders.Page{Next: "2"}
	for _, status := range order.Statuses() {
		if (status == order.StatusPlaced) == (q.Cursor == "") {
			page.Rows = append(page.Rows, orders.Row{OrderID: string(status), Status: status})
		}
	}
	if q.Cursor == "2" {
		page.Next = ""
	}
	return page, w.do("list", customerID)
}

// Cancel implements erasure.Orders.
func (w *world) Cancel(
	_ context.Context, req es.Request, orderID string, in order.CancelInput,
) (r es.Result[order.State], err error) {
	want := es.Request{
		CommitID: ident.Derive("finish-erasure", "customer/ada@2", orderID), Time: time.Unix(2, 0).UTC(),
		Metadata: es.Metadata{CorrelationID: "c", CausationID: "customer/ada@2", Actor: "finish-erasure"},
	}
	if req != want || in != (order.CancelInput{Origin: order.OriginOperator, Reason: order.ReasonErased}) {
		return r, fmt.Errorf("asked by %+v to cancel %+v", req, in)
	}
	if w.ends != nil {
		w.ends()
	}
	return r, errors.Join(w.do("cancel", orderID), w.fail["cancel "+orderID])
}

// message is EventBridge's JSON around the published form of a stored event.
func message(t *testing.T, version int64, event any) string {
	t.Helper()
	name, schema, ok := contract.Registry().Name(event)
	if !ok {
		t.Fatal("not registered")
	}
	envelope, err := contract.Map(es.Recorded{
		Stream: "customer/ada", Version: version, Type: name, Schema: schema, Data: event, Time: time.Unix(1, 0),
		Metadata: es.Metadata{CorrelationID: "c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(map[string]any{
		"detail-type": envelope.Type, "source": envelope.Source, "account": "123456789012", "detail": envelope,
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// Time that is over between two pages is an error, though nothing else went wrong: the message has
// to come again for the orders behind.
func TestTimeEndsBetweenPages(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	w := &world{ends: cancel}
	err := (erasure.Finisher{
		Customers: w, Users: w, Lists: w, Orders: w, Clock: clock.NewFake(time.Unix(2, 0)),
	}).Handle(
		ctx, []byte(message(t, 2, customer.Erased{CustomerID: "ada", ErasedAt: "2026-03-01T12:00:00Z"})))
	if !errors.Is(err, context.Canceled) || slices.Contains(w.done, "cancel held") {
		t.Errorf("%v after %q", err, w.done)
	}
}

func TestHandle(t *testing.T) {
	good := message(t, 2, customer.Erased{CustomerID: "ada", ErasedAt: "2026-03-01T12:00:00Z"})
	broken := errors.New("broken")
	all := []string{
		"key ada", "user ada", "list ada", "cancel placed", "list ada", "cancel held", "cancel backordered",
		"cancel payment-required", "cancel confirmed",
	}
	for name, tc := range map[string]struct {
		body string
		fail map[string]error
		done []string
		err  error
	}{
		"erased": {good, nil, all, nil},
		"a field more around it": {
			strings.Replace(good, `"account"`, `"replay-name":"r","account"`, 1), nil, all, nil,
		},
		"not erased in the stream": {
			good, map[string]error{"key": customer.ErrNotErased}, all[:1], customer.ErrNotErased,
		},
		"the key can't be reached": {good, map[string]error{"key": broken}, all[:1], broken},
		"nor the sign-in":          {good, map[string]error{"user": broken}, all[:2], broken},
		"nor the lists": {
			good, map[string]error{"list": broken}, all[:3], broken,
		},
		"nor an order":  {good, map[string]error{"cancel placed": broken}, all, broken},
		"nor any order": {good, map[string]error{"cancel": broken}, all, broken},
		"the orders have left": {
			good, map[string]error{"cancel": order.ErrDispatched.New("it has left")}, all, nil,
		},
		"another event": {
			message(t, 1, customer.Registered{CustomerID: "ada", Name: "pd1:a", Email: "pd1:b"}), nil, nil,
			contract.ErrMalformed,
		},
		"another's stream": {
			strings.Replace(good, `"subject":"customer/ada"`, `"subject":"customer/bob"`, 1), nil, nil,
			contract.ErrMalformed,
		},
		"a version of the future": {
			strings.Replace(good, `"dataversion":1`, `"dataversion":2`, 1), nil, nil, contract.ErrMalformed,
		},
		"outside and inside": {
			strings.Replace(good, `"detail-type":"customer.erased"`, `"detail-type":"customer.registered"`, 1), nil,
			nil, contract.ErrMalformed,
		},
		"nobody":     {strings.Replace(good, `"customerId":"ada",`, ``, 1), nil, nil, contract.ErrMalformed},
		"no JSON":    {"customer.erased", nil, nil, contract.ErrMalformed},
		"two events": {good + good, nil, nil, contract.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			w := &world{fail: tc.fail}
			if err := (erasure.Finisher{
				Customers: w, Users: w, Lists: w, Orders: w, Clock: clock.NewFake(time.Unix(2, 0)),
			}).Handle(t.Context(), []byte(tc.body)); !errors.Is(err, tc.err) {
				t.Errorf("error %v, want %v", err, tc.err)
			}
			if !slices.Equal(w.done, tc.done) {
				t.Errorf("done is %q, want %q", w.done, tc.done)
			}
		})
	}
}
