package shipment_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
	"orderflow/shared/shop/stock/stocktest"
)

var address = shipment.Address{
	Recipient: "Ada Lovelace", Line1: "12 St James's Square", PostalCode: "SW1Y 4LB", City: "London", Country: "GB",
}

func TestEvolve(t *testing.T) {
	scheduled := shipment.Scheduled{ShipmentID: "s", OrderID: "o", TrackingNumber: "n"}
	for _, tc := range []struct {
		name  string
		given []shipment.Event
		then  shipment.State
	}{
		{"nothing", nil, shipment.State{ID: "s"}},
		{
			"scheduled", []shipment.Event{scheduled},
			shipment.State{ID: "s", OrderID: "o", Revision: 1, Status: shipment.StatusScheduled, TrackingNumber: "n"},
		},
		{"scheduled, the second revision",
			[]shipment.Event{shipment.Scheduled{ShipmentID: "s", OrderID: "o", TrackingNumber: "n", Revision: 2}},
			shipment.State{ID: "s", OrderID: "o", Revision: 2, Status: shipment.StatusScheduled, TrackingNumber: "n"}},
		{"refused", []shipment.Event{shipment.Refused{ShipmentID: "s", OrderID: "o", Code: "c", Detail: "d"}},
			shipment.State{ID: "s", OrderID: "o", Status: shipment.StatusRefused, Code: "c", Detail: "d"}},
		{"cancelled", []shipment.Event{scheduled, shipment.Cancelled{ShipmentID: "s", OrderID: "o"}},
			shipment.State{
				ID: "s", OrderID: "o", Revision: 1, Status: shipment.StatusCancelled, TrackingNumber: "n",
				Cancelled: shipment.Cancelled{ShipmentID: "s", OrderID: "o"},
			}},
		{
			"voided", []shipment.Event{shipment.Voided{ShipmentID: "s", OrderID: "o"}},
			shipment.State{ID: "s", OrderID: "o", Status: shipment.StatusVoided},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			state := shipment.State{ID: "s"}
			for _, e := range tc.given {
				state = shipment.Evolve(state, e)
			}
			if diff := cmp.Diff(tc.then, state); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// dispatch is the service on a store and a vault in memory, with the books of stock. It ships to GB
// and NL.
type dispatch struct {
	store   *estest.Hooked
	vault   *personal.Memory
	clock   *clock.Fake
	stock   stock.Service
	service shipment.Service
	home    personal.Sealed // ada's address
}

func newDispatch(t testing.TB) *dispatch {
	d := &dispatch{
		store: &estest.Hooked{Store: memstore.New(es.NewRegistry(shipment.Register, stock.Register),
			memstore.Staggered(t.Name()))},
		vault: personal.NewMemory(), clock: clock.NewFake(estest.Start),
	}
	d.stock = stock.New(stock.Deps{Store: d.store, Clock: d.clock, Counters: stocktest.NewCounters()})
	d.service = shipment.New(shipment.Deps{
		Store: d.store, Clock: d.clock, Vault: d.vault, Serves: shipment.Served("GB,NL"), Books: d.stock,
	})
	if err := d.vault.Enrol(context.Background(), "ada"); err != nil {
		t.Fatal(err)
	}
	d.home = d.seal(t, "order.address", address)
	return d
}

func (d *dispatch) seal(t testing.TB, field string, value any) personal.Sealed {
	t.Helper()
	plain, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := d.vault.Seal(context.Background(), "ada", field, plain)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func request() es.Request { return es.Request{CommitID: ident.New(), Time: time.Unix(0, 0)} }

func TestService(t *testing.T) {
	type step func(context.Context, *dispatch) error
	schedule := func(to func(*dispatch) personal.Sealed) step {
		return func(ctx context.Context, d *dispatch) error {
			got, err := d.service.Schedule(
				ctx, request(), shipment.Schedule{OrderID: "o", Revision: 1, CustomerID: "ada", Address: to(d)},
			)
			if err == nil && (got.ID != shipment.ID("o", 1) || got.TrackingNumber != shipment.TrackingNumber(got.ID)) {
				return fmt.Errorf("scheduled as %+v", got)
			}
			return err
		}
	}
	home := schedule(func(d *dispatch) personal.Sealed { return d.seal(t, "order.address", address) })
	abroad := schedule(func(d *dispatch) personal.Sealed {
		far := address
		far.Country = "US"
		return d.seal(t, "order.address", far)
	})
	misplaced := schedule(func(d *dispatch) personal.Sealed { return d.seal(t, "order.note", address) })
	mangled := schedule(func(d *dispatch) personal.Sealed { return d.seal(t, "order.address", "12 St James's Square") })
	unsealed := schedule(func(*dispatch) personal.Sealed { return "pd1:AAAA" })
	erase := func(ctx context.Context, d *dispatch) error { return d.vault.Erase(ctx, "ada") }
	cancel := func(ctx context.Context, d *dispatch) error {
		_, err := d.service.Cancel(
			ctx, request(), shipment.Cancel{OrderID: "o", Revision: 1, Origin: "customer", Note: "pd1:n"},
		)
		return err
	}
	internal := errors.New("no fault")
	id := shipment.ID("o", 1)
	scheduled := shipment.Scheduled{
		ShipmentID: id, OrderID: "o", TrackingNumber: shipment.TrackingNumber(id), Revision: 1,
	}
	cancelled := shipment.Cancelled{ShipmentID: id, OrderID: "o", Origin: "customer", Note: "pd1:n"}
	voided := shipment.Voided{ShipmentID: id, OrderID: "o"}
	notServed := shipment.Refused{
		ShipmentID: id, OrderID: "o", Code: "shipment.country-not-served",
		Detail: "orders are not shipped to the address's country",
	}
	unreadable := shipment.Refused{
		ShipmentID: id, OrderID: "o", Code: "shipment.address-unreadable",
		Detail: "the customer's personal data is erased",
	}
	for _, tc := range []struct {
		name  string
		steps []step
		want  error // of the last step
		then  []any
	}{
		{"schedule", []step{home}, nil, []any{scheduled}},
		{"schedule twice", []step{home, home}, nil, []any{scheduled}},
		{"schedule again for somewhere else", []step{home, abroad}, nil, []any{scheduled}},
		{"schedule again when the customer is gone", []step{home, erase, unsealed}, nil, []any{scheduled}},
		{"not served", []step{abroad}, shipment.ErrCountryNotServed, []any{notServed}},
		{"not served stays so", []step{abroad, home}, shipment.ErrCountryNotServed, []any{notServed}},
		{"erased", []step{erase, unsealed}, shipment.ErrAddressUnreadable, []any{unreadable}},
		{"sealed for another place", []step{misplaced}, internal, nil},
		{"sealed, and no address", []step{mangled}, internal, nil},
		{"not sealed", []step{unsealed}, internal, nil},
		{"cancel", []step{home, cancel}, nil, []any{scheduled, cancelled}},
		{"cancel twice", []step{home, cancel, cancel}, nil, []any{scheduled, cancelled}},
		{"cancel what was refused", []step{abroad, cancel}, nil, []any{notServed}},
		{"cancel first", []step{cancel}, nil, []any{voided}},
		{"schedule too late", []step{cancel, home}, es.ErrAttemptClosed, []any{voided}},
		{"schedule what was cancelled", []step{home, cancel, home}, es.ErrAttemptClosed, []any{scheduled, cancelled}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := newDispatch(t)
			var err error
			for _, step := range tc.steps {
				err = step(t.Context(), d)
			}
			_, isFault := faults.As(err)
			if !errors.Is(err, tc.want) && (!errors.Is(tc.want, internal) || err == nil || isFault) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if err != nil && strings.Contains(err.Error(), "James") {
				t.Errorf("%v tells the address", err)
			}
			var got []any
			for _, e := range estest.Load(t, d.store, es.NewStreamID(shipment.Category, id), 0).Events {
				got = append(got, e.Data)
			}
			if diff := cmp.Diff(tc.then, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestOneAnswer schedules and cancels at random on a store that loses requests and answers: an
// attempt is scheduled at most once, cancelled at most once, and gives each command one answer
// until it is taken back.
func TestOneAnswer(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := newDispatch(t)
		to, far := d.seal(t, "order.address", address), address
		far.Country = "US"
		abroad := d.seal(t, "order.address", far)
		d.store.Before = func([]es.Commit) error {
			if rapid.IntRange(0, 3).Draw(rt, "lose request") == 3 {
				return es.ErrUnavailable
			}
			return nil
		}
		d.store.After = func(a es.Appended, err error) (es.Appended, error) {
			if rapid.IntRange(0, 3).Draw(rt, "lose answer") == 3 {
				return es.Appended{}, es.ErrUnavailable
			}
			return a, err
		}
		want := es.AttemptOpen
		for range rapid.IntRange(1, 8).Draw(rt, "commands") {
			req, cancelling, serve := request(), rapid.Bool().Draw(rt, "cancel"), rapid.Bool().Draw(rt, "served")
			err := es.ErrUnavailable
			for errors.Is(err, es.ErrUnavailable) {
				if cancelling {
					_, err = d.service.Cancel(context.Background(), req, shipment.Cancel{OrderID: "o", Revision: 1})
				} else {
					_, err = d.service.Schedule(context.Background(), req, shipment.Schedule{
						OrderID: "o", Revision: 1, CustomerID: "ada",
						Address: map[bool]personal.Sealed{true: to, false: abroad}[serve],
					})
				}
			}
			switch {
			case cancelling && want == es.AttemptOpen:
				want = es.AttemptVoided
			case cancelling && want == es.AttemptDone:
				want = es.AttemptUndone
			case !cancelling && want == es.AttemptOpen && serve:
				want = es.AttemptDone
			case !cancelling && want == es.AttemptOpen:
				want = es.AttemptRefused
			}
			answer := map[es.AttemptStatus]error{
				es.AttemptRefused: shipment.ErrCountryNotServed, es.AttemptUndone: es.ErrAttemptClosed,
				es.AttemptVoided: es.ErrAttemptClosed,
			}[want]
			if cancelling {
				answer = nil
			}
			got, getErr := d.service.Get(context.Background(), "o", 1)
			if !errors.Is(err, answer) || getErr != nil || got.Attempt() != want {
				rt.Fatalf("answer %v, want %v; shipment %+v, %v, want %s", err, answer, got, getErr, want)
			}
		}
		events := len(estest.Load(t, d.store, es.NewStreamID(shipment.Category, shipment.ID("o", 1)), 0).Events)
		if most := map[es.AttemptStatus]int{es.AttemptUndone: 2}[want]; events != max(most, 1) {
			rt.Fatalf("%d events and %s", events, want)
		}
	})
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*shipment.Address)
		field  string
	}{
		{"good", func(*shipment.Address) {}, ""},
		{"second line", func(a *shipment.Address) { a.Line2 = "Flat 3" }, ""},
		{
			"as long as may be",
			func(a *shipment.Address) { a.Recipient = strings.Repeat("ß", shipment.MaxAddressLine) }, "",
		},
		{"no recipient", func(a *shipment.Address) { a.Recipient = "" }, "recipient"},
		{"blank recipient", func(a *shipment.Address) { a.Recipient = " \u00a0 " }, "recipient"},
		{
			"long recipient",
			func(a *shipment.Address) { a.Recipient = strings.Repeat("ß", shipment.MaxAddressLine+1) }, "recipient",
		},
		{"no line1", func(a *shipment.Address) { a.Line1 = "" }, "line1"},
		{"two lines in line1", func(a *shipment.Address) { a.Line1 = "a\nb" }, "line1"},
		{"no characters in line2", func(a *shipment.Address) { a.Line2 = "\xff" }, "line2"},
		{"long line2", func(a *shipment.Address) { a.Line2 = strings.Repeat("x", shipment.MaxAddressLine+1) }, "line2"},
		{"no postalCode", func(a *shipment.Address) { a.PostalCode = "" }, "postalCode"},
		{
			"long postalCode",
			func(a *shipment.Address) { a.PostalCode = strings.Repeat("1", shipment.MaxPostalCode+1) }, "postalCode",
		},
		{"no city", func(a *shipment.Address) { a.City = "" }, "city"},
		{"no country", func(a *shipment.Address) { a.Country = "" }, "country"},
		{"lower-case country", func(a *shipment.Address) { a.Country = "gb" }, "country"},
		{"a country's name", func(a *shipment.Address) { a.Country = "GBR" }, "country"},
		{"two bytes of one letter", func(a *shipment.Address) { a.Country = "Ä" }, "country"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := address
			tc.change(&a)
			err := a.Validate()
			if tc.field == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			fault, ok := faults.As(err)
			if !ok || fault.Kind != faults.Invalid || fault.Field != "body.shippingAddress."+tc.field ||
				fault.Detail == "" {
				t.Errorf("got %+v", err)
			}
		})
	}
}

func TestServed(t *testing.T) {
	serves := shipment.Served("GB, NL,de,,DEU")
	for country, want := range map[string]bool{
		"GB": true, "NL": true, "DE": false, "de": false, "DEU": false, "": false, "US": false,
	} {
		if serves(country) != want {
			t.Errorf("%q is served: %v", country, !want)
		}
	}
	if none := shipment.Served(""); none("") || none("GB") {
		t.Error("an empty list serves")
	}
}

func TestTrackingNumber(t *testing.T) {
	// Numbers are printed on parcels: they must not change.
	for id, want := range map[string]string{
		"d204b0db-25cd-50cf-a4ba-617f0f2f63e3": "OFV4DEV14VGYW3H",
		"":                                     "OFWERC8GMRZGE1R",
	} {
		if got := shipment.TrackingNumber(id); got != want {
			t.Errorf("the number of %q is %s, want %s", id, got, want)
		}
	}
	for _, bad := range []string{"", "OF", "OF123", "XX0000000000000", "OF000000000000L", "OF00000000000000"} {
		if shipment.ValidTrackingNumber(bad) {
			t.Errorf("%q is valid", bad)
		}
	}
}

func TestTrackingNumberShowsMistakes(t *testing.T) {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	rapid.Check(t, func(t *rapid.T) {
		number := shipment.TrackingNumber(rapid.String().Draw(t, "id"))
		if len(number) != 15 || !shipment.ValidTrackingNumber(number) {
			t.Fatalf("%s is no number", number)
		}
		at := rapid.IntRange(2, 14).Draw(t, "at")
		typed := []byte(number)
		typed[at] = digits[rapid.IntRange(0, len(digits)-1).Draw(t, "digit")]
		if string(typed) != number && shipment.ValidTrackingNumber(string(typed)) {
			t.Fatalf("%s passes for %s", typed, number)
		}
		swapped := []byte(number)
		at = rapid.IntRange(2, 13).Draw(t, "swap at")
		swapped[at], swapped[at+1] = swapped[at+1], swapped[at]
		if string(swapped) != number && shipment.ValidTrackingNumber(string(swapped)) {
			t.Fatalf("%s passes for %s", swapped, number)
		}
	})
}
