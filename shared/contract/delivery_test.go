package contract_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/poison"
	"orderflow/shared/shop/order"
)

// Handle hands over the events of its type alone, and says what is wrong with any other.
func TestHandle(t *testing.T) {
	e, err := contract.Map(es.Recorded{
		Stream: "order/o1", Version: 5, Type: "order.delivered", Schema: 1, Data: order.Delivered{ShipmentID: "s"},
		Time: time.Unix(1, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]any{"detail-type": e.Type, "source": e.Source, "detail": e})
	if err != nil {
		t.Fatal(err)
	}
	good, own := string(text), errors.New("busy")
	for name, tc := range map[string]struct {
		body string
		fail error
		want error
		got  int
	}{
		"delivered":       {good, nil, nil, 1},
		"a handler's own": {good, own, own, 1},
		"another type":    {strings.ReplaceAll(good, "order.delivered", "order.shipped"), nil, contract.ErrInvalid, 0},
		"an unknown type": {strings.ReplaceAll(good, "order.delivered", "order.gone"), nil, contract.ErrUnknown, 0},
		"a future version": {
			strings.Replace(good, `"dataversion":1`, `"dataversion":7`, 1), nil, contract.ErrUnknown, 0,
		},
		"another's stream": {
			strings.Replace(good, `"subject":"order/o1"`, `"subject":"order/o2"`, 1), nil, contract.ErrInvalid, 0,
		},
		"another kind of stream": {
			strings.Replace(good, `"subject":"order/o1"`, `"subject":"shipment/o1"`, 1), nil, contract.ErrInvalid, 0,
		},
		"no event": {"{", nil, contract.ErrInvalid, 0},
	} {
		calls := 0
		err := contract.Handle(t.Context(), []byte(tc.body),
			contract.On(func(context.Context, es.Envelope, contract.OrderPlaced) error {
				t.Errorf("%s: taken by another's route", name)
				return nil
			}),
			contract.On(func(_ context.Context, e es.Envelope, d contract.OrderDelivered) error {
				calls++
				if e.Sequence != 5 || d.ShipmentID != "s" || d.OrderID != "o1" {
					t.Errorf("%s: got %+v of %s", name, d, e.ID)
				}
				return tc.fail
			}))
		malformed := tc.got == 0
		if !errors.Is(err, tc.want) || calls != tc.got || errors.Is(err, contract.ErrMalformed) != malformed ||
			poison.Is(err) != malformed {
			t.Errorf("%s: %v after %d calls, want %v", name, err, calls, tc.want)
		}
	}
}
