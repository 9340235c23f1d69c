package analyticstable_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/aws/analyticstable"
	"orderflow/shared/aws/awstest"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/read/analytics"
	"orderflow/shared/read/analytics/analyticstest"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

// ledger keeps items as DynamoDB does, as far as an analyser needs it, and counts requests and, by
// AWS's rules, units.
type ledger struct {
	analyticstable.API
	items       map[string]dynamo.Item
	requests    map[string]int
	read, write float64
}

func newLedger() *ledger { return &ledger{items: map[string]dynamo.Item{}, requests: map[string]int{}} }

func place(key dynamo.Item) string {
	r := dynamo.Read(key)
	return r.String("pk") + " " + r.String("sk")
}

func (l *ledger) BatchGetItem(
	_ context.Context, in *dynamodb.BatchGetItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.BatchGetItemOutput, error) {
	l.requests["BatchGetItem"]++
	out := &dynamodb.BatchGetItemOutput{Responses: map[string][]dynamo.Item{}}
	for table, of := range in.RequestItems {
		for _, key := range of.Keys {
			l.read++ // no item of a test is above 4 KB, and what is not there costs the same
			if item := l.items[place(key)]; item != nil {
				out.Responses[table] = append(out.Responses[table], item)
			}
		}
	}
	return out, nil
}

func (l *ledger) TransactWriteItems(
	_ context.Context, in *dynamodb.TransactWriteItemsInput, _ ...func(*dynamodb.Options),
) (*dynamodb.TransactWriteItemsOutput, error) {
	l.requests["TransactWriteItems"]++
	for _, action := range in.TransactItems {
		after := dynamo.Item{}
		if action.Put != nil {
			after = action.Put.Item
		} else {
			u := action.Update
			maps.Copy(after, u.Key)
			maps.Copy(after, l.items[place(u.Key)])
			for placeholder, attribute := range u.ExpressionAttributeNames {
				sum := dynamo.Read(u.ExpressionAttributeValues).Number(":" + placeholder[1:])
				if _, ok := after[attribute]; ok {
					sum += dynamo.Read(after).Number(attribute)
				}
				after[attribute] = dynamo.N(sum)
			}
		}
		before := l.items[place(after)]
		l.write += 2 * awstest.WriteUnits(max(awstest.ItemBytes(before), awstest.ItemBytes(after)))
		l.write += awstest.IndexUnits(before, after, "pk", "pieces")
		l.items[place(after)] = after
	}
	return &dynamodb.TransactWriteItemsOutput{}, nil
}

// wayOf are the messages of an order of two SKUs that is confirmed and then cancelled.
func wayOf(t *testing.T, id string, at time.Time, skus ...string) [][]byte {
	t.Helper()
	unit := money.Money{Amount: 1999, Currency: "USD"}
	placed := order.Placed{
		OrderID: id, CustomerID: "0190d7a2-1111-4222-8333-444455556666",
		Total: money.Money{Amount: 1999 * int64(len(skus)), Currency: "USD"},
	}
	for _, sku := range skus {
		placed.Lines = append(placed.Lines, order.Line{SKU: sku, Quantity: 1, UnitPrice: unit})
	}
	return [][]byte{
		analyticstest.Message(t, id, 1, at, placed),
		analyticstest.Message(
			t, id, 3, at.Add(time.Second),
			order.Confirmed{PaymentID: "p", ShipmentID: "s", TrackingNumber: "OF0123456789"},
		),
		analyticstest.Message(t, id, 5, at.Add(time.Minute), order.Cancelled{Reason: order.ReasonCustomer}),
	}
}

// TestCost holds what the docs say that an order costs the figures, by AWS's rules: an item for the
// order and one for the hour, twice each since they are written together. The events of an order
// come in these parts, with as many other orders in each batch.
func TestCost(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tt := range map[string]struct {
		parts    []int // events of an order in each batch
		orders   int
		full     bool // the hour's row has no room for another SKU
		requests int  // of each kind
		units    string
	}{
		"delivered, each event alone":           {[]int{1, 1}, 1, false, 2, "3 read, 8 write"},
		"delivered, its events together":        {[]int{2}, 1, false, 1, "2 read, 4 write"},
		"delivered, twenty together":            {[]int{2}, 20, false, 1, "1.05 read, 2.1 write"},
		"cancelled, each event alone":           {[]int{1, 1, 1}, 1, false, 3, "4 read, 12 write"},
		"cancelled, its events together":        {[]int{3}, 1, false, 1, "2 read, 4 write"},
		"in a full hour, each event alone":      {[]int{1, 1}, 1, true, 2, "3 read, 14 write"},
		"in a full hour, its events together":   {[]int{2}, 1, true, 1, "2 read, 10 write"},
		"in a full hour, twenty of the same":    {[]int{2}, 20, true, 1, "1.05 read, 2.4 write"},
		"the same events again, after they are": {[]int{2, 0, 2}, 1, false, 2, "4 read, 4 write"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			a := analytics.Analyser{
				Table: analyticstable.New(l, "t", "1"), Calendar: analytics.MustCalendar("UTC"), Clock: clock.NewFake(at),
			}
			if tt.full {
				var skus []string
				for n := range order.MaxSKUs {
					skus = append(skus, fmt.Sprint("another-", n))
				}
				if err := errors.Join(a.Handle(t.Context(), wayOf(t, "first", at, skus...)[:2])...); err != nil {
					t.Fatal(err)
				}
				l.requests, l.read, l.write = map[string]int{}, 0, 0
			}
			var ways [][][]byte
			for n := range tt.orders {
				id := fmt.Sprintf("0190d7a2-0000-4222-8333-%012d", n)
				ways = append(ways, wayOf(t, id, at, "BOOK-1", "BOOK-2"))
			}
			from := 0
			for _, n := range tt.parts {
				if n == 0 {
					from = 0
					continue
				}
				var batch [][]byte
				for _, way := range ways {
					batch = append(batch, way[from:from+n]...)
				}
				from += n
				if err := errors.Join(a.Handle(t.Context(), batch)...); err != nil {
					t.Fatal(err)
				}
			}
			n := float64(tt.orders)
			units := fmt.Sprintf("%g read, %g write", l.read/n, l.write/n)
			if l.requests["BatchGetItem"] != tt.requests || units != tt.units {
				t.Errorf("%v, %s; want %d of each, %s", l.requests, units, tt.requests, tt.units)
			}
		})
	}
}

// An hour's row stays below the KB that one unit pays for, whatever is sold in it, and in whatever
// order its events come; with reasons that take the room of SKUs, too.
func TestHoursStaySmall(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for reasons, least := range map[int]int{0: 16, 9: 5} {
		l := newLedger()
		a := analytics.Analyser{
			Table: analyticstable.New(l, "t", "999999999"), Calendar: analytics.MustCalendar("UTC"),
			Clock: clock.NewFake(at),
		}
		for n := range reasons {
			reason := order.Reason(fmt.Sprint("stock.another-", n))
			gone := analyticstest.Message(t, fmt.Sprint("gone-", n), 5, at, order.Cancelled{Reason: reason})
			if err := errors.Join(a.Handle(t.Context(), [][]byte{gone})...); err != nil {
				t.Fatal(err)
			}
		}
		for n := range 60 { // one in each minute, that takes its own time
			placed, id := at.Add(time.Duration(n)*time.Minute), fmt.Sprint("o", n)
			way := wayOf(t, id, placed, fmt.Sprint("sku-", n), strings.Repeat("x", 1+n*10))
			way[1] = analyticstest.Message(
				t, id, 3, placed.Add(time.Duration(n%10)*time.Second),
				order.Confirmed{PaymentID: "p", ShipmentID: "s", TrackingNumber: "OF0123456789"},
			)
			way[2] = analyticstest.Message(t, id, 5, at, order.Cancelled{Reason: "stock.insufficient"})
			parts := [][][]byte{way}
			if n%2 == 1 { // what was sold is known after the confirmation, whose hour is not read then
				parts = [][][]byte{way[1:], way[:1]}
			}
			for _, part := range parts {
				if err := errors.Join(a.Handle(t.Context(), part)...); err != nil {
					t.Fatal(err)
				}
			}
		}
		hour := l.items["999999999#hour#2026-03-01 2026-03-01T12:00:00Z"]
		minutes, sold := 0, 0
		for name := range hour {
			switch {
			case strings.HasPrefix(name, "m"):
				minutes++
			case strings.HasPrefix(name, "s."):
				sold++
			}
		}
		if n := awstest.ItemBytes(hour); n < 600 || n > 1024 || minutes != 60 || sold < least {
			t.Errorf("with %d reasons it has %d bytes, %d minutes and %d SKUs", reasons, n, minutes, sold)
		}
	}
}
