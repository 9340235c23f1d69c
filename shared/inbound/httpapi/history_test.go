package httpapi_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/deadletter"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/customer"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// engraved is an event of a later release, with personal data inside of its lines.
type engraved struct {
	order.Event `json:"-"`     // makes it one of an order's
	Lines       []engravedLine `json:"lines"`
}

type engravedLine struct {
	SKU     string          `json:"sku"`
	Text    personal.Sealed `json:"text"`
	Parcels map[string]*struct {
		Note   personal.Sealed `json:"note"`
		Weight int64           `json:"weight"`
	} `json:"parcels"`
}

// Sealed data is shown at no depth of a history.
func TestHistoryShowsNothingSealed(t *testing.T) {
	s := newShop(t)
	s.store.Store = memstore.New(es.NewRegistry(order.Register, customer.Register, account.Register, stock.Register,
		shipment.Register, func(r *es.Registry) { es.Register[engraved](r, "order.engraved", 1) }))
	sealed, err := s.vault.Seal(t.Context(), "ada", "order.engraving", []byte("to Eve"))
	if err != nil {
		t.Fatal(err)
	}
	line := engravedLine{SKU: "ring", Text: sealed}
	line.Parcels = map[string]*struct {
		Note   personal.Sealed `json:"note"`
		Weight int64           `json:"weight"`
	}{"p1": {Note: sealed, Weight: 9_007_199_254_740_993}}
	head, err := s.store.At(t.Context(), es.NewStreamID(order.Category, s.order), 0)
	if err != nil {
		t.Fatal(err)
	}
	events := []any{
		order.Placed{OrderID: s.order, CustomerID: "ada", Address: sealed},
		engraved{Lines: []engravedLine{line, {SKU: "box"}}},
	}
	if _, err := s.store.Append(
		t.Context(), []es.Commit{{Head: head, ID: "given", Time: s.clock.Now(), Events: events}},
	); err != nil {
		t.Fatal(err)
	}
	res := s.must(http.StatusOK, get(ada, "/orders/"+s.order+"/history"))
	if strings.Contains(res.raw, "pd1:") || !strings.Contains(res.raw, `"weight":9007199254740993`) {
		t.Errorf("history is %s", res.raw)
	}
	list, _ := res.body["events"].([]any)
	shown, _ := list[1].(object)
	data, _ := shown["data"].(object)
	want := []any{
		object{"sku": "ring", "parcels": object{"p1": object{"weight": 9007199254740992.0}}},
		object{"sku": "box", "parcels": nil},
	}
	if diff := cmp.Diff(want, data["lines"]); diff != "" {
		t.Errorf("lines (-want +got)\n%s", diff)
	}
}

// The message of a dead letter is shown without what is sealed in it, JSON or not, and kept as it
// was.
func TestDeadLetterShowsNothingSealed(t *testing.T) {
	w := newWorld(t)
	if err := w.vault.Enrol(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	sealed, err := w.vault.Seal(t.Context(), "ada", "order.address", []byte("42 Main Street"))
	if err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string]string{
		"an event":    `{"detail":{"data":{"lines":[{"text":"` + string(sealed) + `"}],"n":1}}}`,
		"a record":    `{"image":{"data":{"S":"{\"address\":\"` + string(sealed) + `\"}"}}}`,
		"no JSON":     "cut {\"address\":\"" + string(sealed) + "\"",
		"all of them": string(sealed),
	} {
		id := ident.New()
		e := deadletter.Entry{
			ID: id, Status: deadletter.StatusOpen, Kind: deadletter.KindQueue, RecordedAt: w.clock.Now(),
		}
		if err := w.letters.Create(context.Background(), e, deadletter.Message{Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
		res := w.must(http.StatusOK, get(operator, "/dead-letters/"+id))
		if strings.Contains(res.raw, "pd1:") || !strings.Contains(res.raw, "(sealed)") {
			t.Errorf("%s is shown as %s", name, res.raw)
		}
		m, err := w.letters.Message(t.Context(), id)
		if err != nil || string(m.Body) != body {
			t.Errorf("%s is kept as %s, %v", name, m.Body, err)
		}
	}
}

// TestWhoActed: operators see which person, machine or part of the program acted; a customer sees
// nobody who works for the shop.
func TestWhoActed(t *testing.T) {
	s := newShop(t)
	grace := caller{claims: map[string]string{
		"iss": "i", "sub": "aaaaaaaa-0001", "client_id": "c", "username": "grace", "cognito:groups": "[operators]",
	}}
	till := caller{claims: map[string]string{"iss": "i", "sub": "till-1", "client_id": "till-1", "scope": scope}}
	for _, who := range []caller{grace, till} {
		s.must(http.StatusCreated, post(who, "/accounts/"+s.account+"/deposits", object{"amount": usd(5)}))
	}
	s.must(http.StatusAccepted, post(grace, "/orders/"+s.order+"/cancel", object{}))
	shown := func(who caller, path, list string) (actors []string) {
		lines, _ := s.must(http.StatusOK, get(who, path)).body[list].([]any)
		for _, l := range lines {
			line, _ := l.(object)
			if actor, ok := line["actor"].(object); ok {
				actors = append(actors, fmt.Sprintf("%v %v", actor["kind"], actor["id"]))
			}
		}
		return actors
	}
	for path, want := range map[string][]string{
		"/orders/" + s.order + "/history":       {"customer ada", "person aaaaaaaa-0001"},
		"/accounts/" + s.account + "/statement": {"machine till-1", "person aaaaaaaa-0001", "person operator-1"},
	} {
		list := map[bool]string{true: "events", false: "movements"}[strings.HasPrefix(path, "/orders")]
		if got := shown(operator, path, list); !slices.Equal(got, want) {
			t.Errorf("%s shows operators %q, want %q", path, got, want)
		}
		if got := shown(ada, path, list); got != nil {
			t.Errorf("%s shows the customer %q", path, got)
		}
	}
}
