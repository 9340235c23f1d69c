//go:build e2e

package e2e_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/ident"
	"orderflow/shared/read/analytics/analyticstest"
	"orderflow/shared/shop/money"
	orders "orderflow/shared/shop/order"
)

// figures are those of an hour or a day, as the API shows them.
type figures struct {
	Orders            int64            `json:"orders"`
	Confirmed         int64            `json:"confirmed"`
	Cancelled         int64            `json:"cancelled"`
	CancelledByKind   map[string]int64 `json:"cancelledByKind"`
	CancelledByReason map[string]int64 `json:"cancelledByReason"`
	Revenue           []money.Money    `json:"revenue"`
	Refunded          []money.Money    `json:"refunded"`
	GivenBack         []money.Money    `json:"givenBack"`
	StockOuts         int64            `json:"stockOuts"`
	Decided           struct {
		Orders    int64 `json:"orders"`
		P50Millis int64 `json:"p50Millis"`
		P99Millis int64 `json:"p99Millis"`
	} `json:"decided"`
}

type sold struct {
	SKU    string `json:"sku"`
	Pieces int64  `json:"pieces"`
}

type dayFigures struct {
	Date string `json:"date"`
	figures
	TopSKUs []sold `json:"topSkus"`
	Hours   []struct {
		Start time.Time `json:"start"`
		figures
	} `json:"hours"`
}

func daily(t *testing.T, from, to time.Time) []dayFigures {
	t.Helper()
	path := fmt.Sprintf(
		"/analytics/daily?from=%s&to=%s&hours=true&top=100", from.Format(time.DateOnly), to.Format(time.DateOnly),
	)
	return must[struct {
		Days []dayFigures `json:"days"`
	}](t, http.StatusOK, get(stack.operator, path)).Days
}

// amountIn is the amount in a currency.
func amountIn(all []money.Money, currency string) int64 {
	for _, m := range all {
		if m.Currency == currency {
			return m.Amount
		}
	}
	return 0
}

// What customers order, get and cancel is in the figures, and their events that come again change
// nothing. Other tests' orders are in them too, so that these are in a currency of their own, and
// of more pieces than any other.
func TestFiguresOfOrders(t *testing.T) {
	t.Parallel()
	const currency, funds = "TND", 130_000
	began := time.Now().UTC()
	buyer := newCustomer(t, 0)
	account := must[struct {
		ID string `json:"id"`
	}](t, http.StatusCreated, post(buyer.token, "/accounts", object{"currency": currency})).ID
	must[object](
		t, http.StatusCreated,
		post(
			stack.operator, "/accounts/"+account+"/deposits",
			object{"amount": money.Money{Amount: funds, Currency: currency}},
		),
	)
	sku := newStock(t, 300_000)
	type seen struct{ revenue, refunded, hourly, pieces int64 }
	look := func() (s seen) {
		for _, d := range daily(t, began.AddDate(0, 0, -1), began.AddDate(0, 0, 1)) {
			s.revenue, s.refunded = s.revenue+amountIn(d.Revenue, currency), s.refunded+amountIn(d.Refunded, currency)
			for _, h := range d.Hours {
				s.hourly += amountIn(h.Revenue, currency) - amountIn(h.Refunded, currency)
			}
			for _, top := range d.TopSKUs {
				if top.SKU == sku {
					s.pieces += top.Pieces
				}
			}
		}
		return s
	}
	before := look()

	place := func(pieces int64) string {
		t.Helper()
		unit := money.Money{Amount: 1, Currency: currency}
		return buyer.place(t, shop.Line{SKU: sku, Quantity: pieces, UnitPrice: &unit}).ID
	}
	kept, cancelled := place(70_000), place(60_000)
	buyer.ends(t, kept, "confirmed")
	buyer.ends(t, cancelled, "confirmed")
	refusedOrder := place(50_000) // there is no money left
	buyer.ends(t, refusedOrder, "cancelled")
	must[object](t, http.StatusAccepted, post(buyer.token, "/orders/"+cancelled+"/cancel", object{}))
	buyer.ends(t, cancelled, "cancelled")

	want := seen{
		revenue: before.revenue + 130_000, refunded: before.refunded + 60_000, hourly: before.hourly + 70_000,
		pieces: 130_000,
	}
	eventually(t, fmt.Sprintf("the figures are %+v", want), func() (seen, bool) { s := look(); return s, s == want })

	cli := newProgram(t)
	for range 3 {
		for id, events := range map[string]int64{kept: 2, cancelled: 3, refusedOrder: 2} {
			s, said := cli.replays(
				t, "--consumer", "analyse-orders", "--stream", "order/"+id, "--name", "figures-"+ident.New(),
			)
			var sent int64
			for _, n := range s.Counts.Sent {
				sent += n
			}
			if sent != events {
				t.Fatalf("%v are replayed of %s, not %d: %s", s.Counts.Sent, id, events, said)
			}
		}
	}
	settled(t, stack.Outputs["AnalyseOrdersQueueUrl"])
	if s := look(); s != want {
		t.Errorf("after the same events again: %+v, want %+v", s, want)
	}
	refused(
		t, http.StatusForbidden, "auth.forbidden", get(buyer.token, "/analytics/daily?from=2026-03-01&to=2026-03-01"),
	)
	refused(
		t, http.StatusBadRequest, "analytics.invalid-period",
		get(stack.operator, "/analytics/daily?from=2026-03-01&to=2026-06-01"),
	)
}

// Batches in which each message is there several times, and messages that can't be counted beside
// them, come to what the events say. The queue's visibility is shortened, for what can't be counted
// has to come three times.
func TestFiguresOfBatches(t *testing.T) {
	queue := stack.Outputs["AnalyseOrdersQueueUrl"]
	visibility := sqstypes.QueueAttributeNameVisibilityTimeout
	attributes, err := stack.queues.GetQueueAttributes(
		t.Context(),
		&sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{visibility}},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { setQueue(t, queue, visibility, attributes.Attributes[string(visibility)]) })
	setQueue(t, queue, visibility, "3")

	day := time.Date(1980, 1, 1, 10, 0, 0, 0, time.UTC).AddDate(0, 0, rand.IntN(14_000)) // on which there are no orders
	price := money.Money{Amount: 250, Currency: "USD"}
	mark := ident.New()
	var bodies [][]byte
	for i := range 12 {
		id, at := ident.New(), day.Add(time.Duration(i)*20*time.Minute)
		bodies = append(bodies,
			analyticstest.Message(t, id, 5, at, orders.Cancelled{Reason: "stock.insufficient"}),
			analyticstest.Message(
				t, id, 3, at.Add(4*time.Second),
				orders.Confirmed{PaymentID: "p", ShipmentID: "s", TrackingNumber: "OF1"},
			),
			analyticstest.Message(t, id, 1, at, orders.Placed{
				OrderID: id, CustomerID: "e2e",
				Lines: []orders.Line{{SKU: fmt.Sprint("sku-", i%2), Quantity: 2, UnitPrice: price}},
				Total: money.Money{Amount: 500, Currency: "USD"},
			}))
	}
	all := slices.Repeat(bodies, 3)
	const poison = 4
	for i := range poison {
		all = append(all, fmt.Appendf(nil, `{"detail-type":"order.placed","mark":"%s-%d"}`, mark, i))
	}
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for chunk := range slices.Chunk(all, 10) {
		in := &sqs.SendMessageBatchInput{QueueUrl: &queue}
		for i, body := range chunk {
			in.Entries = append(
				in.Entries,
				sqstypes.SendMessageBatchRequestEntry{
					Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(string(body)),
				},
			)
		}
		if out, err := stack.queues.SendMessageBatch(t.Context(), in); err != nil || len(out.Failed) > 0 {
			t.Fatal(err, out.Failed)
		}
	}
	usd := func(amount int64) []money.Money { return []money.Money{{Amount: amount, Currency: "USD"}} }
	want := dayFigures{Date: day.Format(time.DateOnly), TopSKUs: []sold{{"sku-0", 12}, {"sku-1", 12}}, figures: figures{
		Orders: 12, Confirmed: 12, Cancelled: 12, CancelledByKind: map[string]int64{"stock": 12},
		CancelledByReason: map[string]int64{"stock.insufficient": 12},
		Revenue:           usd(6000), Refunded: usd(6000), GivenBack: []money.Money{}, StockOuts: 12,
	}}
	want.Decided.Orders, want.Decided.P50Millis, want.Decided.P99Millis = 12, 5000, 5000
	same := func() (dayFigures, bool) {
		got := daily(t, day, day)[0]
		hours := map[int]int64{}
		for _, h := range got.Hours {
			if h.Orders > 0 {
				hours[h.Start.UTC().Hour()] = h.Orders
			}
		}
		got.Hours = nil
		return got, reflect.DeepEqual(got, want) && maps.Equal(hours, map[int]int64{10: 3, 11: 3, 12: 3, 13: 3})
	}
	eventually(t, fmt.Sprintf("the figures are %+v", want), same)
	for i := range poison {
		takeEntry(t, "analyse-orders", fmt.Sprintf("%s-%d", mark, i))
	}
	if got, ok := same(); !ok {
		t.Errorf("in the end: %+v", got)
	}
	minutes := must[struct {
		Orders  int64 `json:"orders"`
		Minutes []struct {
			Start  time.Time `json:"start"`
			Orders int64     `json:"orders"`
		} `json:"minutes"`
		WithoutMinute int64 `json:"ordersWithoutMinute"`
	}](t, http.StatusOK, get(
		stack.operator, "/analytics/minutes?minutes=221&before="+day.Add(221*time.Minute).Format(time.RFC3339),
	))
	for i, m := range minutes.Minutes {
		placed := int64(0)
		if i%20 == 0 {
			placed = 1
		}
		if !m.Start.Equal(day.Add(time.Duration(i)*time.Minute)) || m.Orders != placed {
			t.Errorf("minute %d: %+v", i, m)
		}
	}
	if len(minutes.Minutes) != 221 || minutes.Orders != 12 || minutes.WithoutMinute != 0 {
		t.Errorf("%d minutes, %d orders and %d without", len(minutes.Minutes), minutes.Orders, minutes.WithoutMinute)
	}
}
