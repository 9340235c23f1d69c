package backorder_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/process/backorder"
	"orderflow/shared/shop/order"
)

// shop is what the filler asks, and how.
type shop struct {
	order  order.State
	served []string
	woken  []string
	err    error
}

func (s *shop) Serve(_ context.Context, req es.Request, sku string) error {
	if req.CommitID == "" || req.Metadata.Actor != "fill-backorders" {
		return errors.New("the request names nobody")
	}
	s.served = append(s.served, sku)
	return s.err
}

func (s *shop) Get(context.Context, string) (es.Result[order.State], error) {
	return es.Result[order.State]{State: s.order}, s.err
}

func (s *shop) Succeed(_ context.Context, token string, _ any) error {
	s.woken = append(s.woken, token)
	return s.err
}

const reservation = `"reservationId":"r-1","orderId":"o-1"`

// message is an event as EventBridge hands it to a queue.
func message(t *testing.T, kind, subject, data string) []byte {
	t.Helper()
	detail := map[string]any{
		"specversion": "1.0", "id": subject + "@1", "source": "stock-service", "type": kind, "subject": subject,
		"time": "2026-03-02T09:30:02Z", "datacontenttype": "application/json",
		"dataschema": "urn:orderflow:schema:" + kind + ":1", "dataversion": 1, "sequence": 1,
		"correlationid": "c-1", "causationid": "e-1", "data": json.RawMessage(data),
	}
	body, err := json.Marshal(map[string]any{
		"version": "0", "id": "e", "detail-type": kind, "source": "stock-service", "account": "1",
		"time": "2026-03-02T09:30:02Z", "region": "r", "resources": []string{}, "detail": detail,
	})
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestHandle: each event has those lines served that it names, and a reservation that waited lets
// its order's run go on, if that waits for stock.
func TestHandle(t *testing.T) {
	parked := order.State{
		ID: "o-1", Wait: &order.Wait{Kind: order.WaitStock}, Parked: []order.Park{{Token: "t-1", SagaID: "run"}, {Token: "t-2", SagaID: "run"}},
	}
	unparked, paying := parked, parked
	unparked.Parked = nil
	paying.Wait = &order.Wait{Kind: order.WaitPayment}
	const items = `,"items":[{"sku":"a","quantity":1}]`
	for name, tc := range map[string]struct {
		kind, subject, data string
		order               order.State
		served, woken       []string
	}{
		"restocked": {
			"stock.restocked", "stock/a", `{"sku":"a","delta":1,"counted":2,"waiting":["a"]}`, parked,
			[]string{"a"}, nil,
		},
		"released": {
			"stock.released", "reservation/r-1", `{` + reservation + items + `,"waiting":["a","b"]}`, parked,
			[]string{"a", "b"}, nil,
		},
		"amended": {
			"stock.amended", "reservation/r-1",
			`{` + reservation + items + `,"returned":[{"sku":"b","quantity":1}],"waiting":["b"]}`, parked, []string{"b"}, nil,
		},
		"voided": {
			"stock.voided", "reservation/r-1", `{` + reservation + `,"waiting":["b"]}`, parked, []string{"b"}, nil,
		},
		"moved": {
			"stock.backordered", "reservation/r-1",
			`{` + reservation + items + `,"places":[{"sku":"a","quantity":1,"ticket":3}],"waiting":["b"]}`, parked,
			[]string{"b"}, nil,
		},
		"reserved": {
			"stock.reserved", "reservation/r-1", `{` + reservation + items + `,"waiting":["a"]}`, parked,
			[]string{"a"}, []string{"t-1", "t-2"},
		},
		"reserved before its run is parked": {
			"stock.reserved", "reservation/r-1", `{` + reservation + items + `,"waiting":["a"]}`, unparked,
			[]string{"a"}, nil,
		},
		"reserved for one that waits for its payment by now": {
			"stock.reserved", "reservation/r-1", `{` + reservation + items + `,"waiting":["a"]}`, paying,
			[]string{"a"}, nil,
		},
		"reserved at once": {
			"stock.reserved", "reservation/r-1", `{` + reservation + items + `}`, parked, nil, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shop{order: tc.order}
			f := backorder.Filler{Stock: s, Orders: s, Tokens: s, Clock: clock.NewFake(estest.Start)}
			body := message(t, tc.kind, tc.subject, tc.data)
			if err := f.Handle(t.Context(), body); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(s.served, tc.served) || !slices.Equal(s.woken, tc.woken) {
				t.Errorf("served %q, woken %q", s.served, s.woken)
			}
			s.err = es.ErrUnavailable
			if err := f.Handle(t.Context(), body); (err == nil) != (tc.served == nil) {
				t.Errorf("a store that is away: %v", err)
			}
		})
	}
}
