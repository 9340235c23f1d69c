package order

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"orderflow/shared/shop/goods"
)

const tomorrow = "2026-03-02T12:00:00Z"

// The events of an order that waits.
var (
	matching = func() Placed {
		p := placed
		p.HoldRules = []string{"amount"}
		return p
	}()
	held        = Held{Rules: []string{"amount"}, Until: tomorrow}
	approved    = Approved{By: "person/o", Note: "pd1:n"}
	backordered = Backordered{Revision: 1, Items: []goods.Item{{SKU: "cd-1", Quantity: 1}}, Until: tomorrow}
	required    = PaymentRequired{
		Revision: 1, Code: "account.insufficient-funds", Detail: "too little", Until: tomorrow,
	}
	requested = PaymentRequested{AccountID: "a2", Revision: 2, By: "customer/c1"}
	parked    = Parked{Token: "t1", SagaID: "run-1"}
	expired   = Cancelling{
		Reason: ReasonExpired, From: StatusPaymentRequired, Origin: OriginSaga, SagaID: "run-1",
	}
)

// TestDecideHold: an order that matches rules waits until somebody approves it, whether its run has
// come to wait or not.
func TestDecideHold(t *testing.T) {
	hold := Hold{Until: tomorrow, Park: Park(parked)}
	approve := Approve{By: "person/o", Note: "pd1:n"}
	decides(t, []decision{
		{"start what matches", []Event{matching}, Start{SagaID: "run-1"}, nil, ErrHeld},
		{"start what is held", []Event{matching, held, parked}, Start{SagaID: "run-1"}, nil, ErrHeld},
		{
			"start what is approved", []Event{matching, held, parked, approved}, Start{SagaID: "run-1"},
			[]Event{started}, nil,
		},
		{"hold", []Event{matching}, hold, []Event{held, parked}, nil},
		{"hold again", []Event{matching, held, parked}, hold, nil, nil},
		{
			"hold by another try", []Event{matching, held, parked},
			Hold{Until: tomorrow, Park: Park{Token: "t2", SagaID: "run-1"}},
			[]Event{Parked{Token: "t2", SagaID: "run-1"}}, nil,
		},
		{"hold what matches nothing", []Event{placed}, hold, nil, nil},
		{"hold what is approved", []Event{matching, approved}, hold, nil, nil},
		{"hold what is closed", []Event{matching, cancelling}, hold, nil, nil},
		{"approve", []Event{matching, held, parked}, approve, []Event{approved}, nil},
		{"approve before the run waits", []Event{matching}, approve, []Event{approved}, nil},
		{"approve again", []Event{matching, held, approved}, Approve{By: "person/p"}, nil, nil},
		{"approve what is declined", []Event{matching, held, cancelling}, approve, nil, ErrCancelling},
		{"approve what is cancelled", []Event{matching, held, cancelling, cancelled}, approve, nil, ErrCancelling},
		{"approve what matches nothing", []Event{placed}, approve, nil, ErrNotWaiting},
	})
}

// TestDecideBackorder: an order waits for stock with the reservation that it tried.
func TestDecideBackorder(t *testing.T) {
	backorder := Backorder{Revision: 1, Items: backordered.Items, Until: tomorrow, Park: Park(parked)}
	unparked := backorder
	unparked.Park = Park{}
	other := backorder
	other.Revision = 2
	decides(t, []decision{
		{"backorder", []Event{placed, started}, backorder, []Event{backordered, parked}, nil},
		{"backorder, and park nobody", []Event{placed, started}, unparked, []Event{backordered}, nil},
		{"backorder again", []Event{placed, started, backordered, parked}, backorder, nil, nil},
		{"backorder late, behind a declined payment", []Event{placed, started, required}, backorder, nil, nil},
		{
			"backorder later, while it is paid again", []Event{placed, started, required, requested}, backorder, nil, nil,
		},
		{"start what waited", []Event{placed, started, backordered, parked}, Start{SagaID: "run-1"}, []Event{started}, nil},
		{"start it again", []Event{placed, started, backordered, parked, started}, Start{SagaID: "run-1"}, nil, nil},
		{
			"start what waits for its payment", []Event{placed, started, required, parked}, Start{SagaID: "run-1"}, nil, nil,
		},
		{
			"backorder once more", []Event{placed, started, backordered, parked, started},
			Backorder{Revision: 1, Items: backordered.Items, Until: tomorrow, Park: Park{Token: "t2", SagaID: "run-1"}},
			[]Event{backordered, Parked{Token: "t2", SagaID: "run-1"}}, nil,
		},
		{
			"backorder late, behind what came in", []Event{placed, started, backordered, parked, started}, backorder,
			nil, nil,
		},
		{"backorder another reservation", []Event{placed, started}, other, nil, nil},
		{"backorder what is closed", []Event{placed, started, cancelling}, backorder, nil, nil},
		{"backorder what is held", []Event{matching}, backorder, nil, nil},
	})
}

// TestDecidePayment: a declined payment is tried again once for each request, as an attempt of its
// own.
func TestDecidePayment(t *testing.T) {
	require := RequirePayment{
		Revision: 1, Code: required.Code, Detail: required.Detail, Until: tomorrow, Park: Park(parked),
	}
	request := RequestPayment{AccountID: "a2", By: "customer/c1"}
	waiting := []Event{placed, started, required, parked}
	tried := slices.Concat(waiting, []Event{requested})
	decides(t, []decision{
		{"require a payment", []Event{placed, started}, require, []Event{required, parked}, nil},
		{"require it again", waiting, require, nil, nil},
		{"require what is tried again already", tried, require, nil, nil},
		{"require what is backordered", []Event{placed, started, backordered}, require, []Event{required, parked}, nil},
		{
			"require with a token that waited for approval", []Event{matching, held, parked, approved, started}, require,
			nil, nil,
		},
		{"require what is closed", []Event{placed, started, cancelling}, require, nil, nil},
		{"require what is confirmed", []Event{placed, started, confirmed}, require, nil, nil},
		{"request", waiting, request, []Event{requested}, nil},
		{
			"request with the same account", waiting, RequestPayment{By: "customer/c1"},
			[]Event{PaymentRequested{AccountID: "a1", Revision: 2, By: "customer/c1"}}, nil,
		},
		{"request while it is tried", tried, request, nil, ErrNotWaiting},
		{
			"request once more", append(tried[:len(tried):len(tried)], PaymentRequired{Revision: 2, Until: tomorrow}),
			request, []Event{PaymentRequested{AccountID: "a2", Revision: 3, By: "customer/c1"}}, nil,
		},
		{
			"request too often",
			[]Event{
				placed, started, required, parked, PaymentRequested{AccountID: "a2", Revision: MaxRevisions},
				PaymentRequired{Revision: MaxRevisions, Until: tomorrow},
			},
			request, nil, ErrTooManyRevisions,
		},
		{"request what is not declined", []Event{placed, started}, request, nil, ErrNotWaiting},
		{"request what is confirmed", []Event{placed, started, confirmed}, request, nil, ErrNotWaiting},
		{"request what is closed", append(waiting[:len(waiting):len(waiting)], expired), request, nil, ErrCancelling},
	})
}

// TestDecideExpire: a deadline closes an order that still waits so, and no other.
func TestDecideExpire(t *testing.T) {
	expire := Expire{Wait: WaitPayment, Revision: 1, SagaID: "run-1"}
	decides(t, []decision{
		{"expire", []Event{placed, started, required, parked}, expire, []Event{expired}, nil},
		{"expire again", []Event{placed, started, required, parked, expired}, expire, nil, nil},
		{
			"expire while its payment is tried again", []Event{placed, started, required, parked, requested}, expire,
			nil, nil,
		},
		{
			"expire another try's wait",
			[]Event{placed, started, required, parked, requested, PaymentRequired{Revision: 2, Until: tomorrow}},
			expire, nil, nil,
		},
		{"expire what is confirmed", []Event{placed, started, required, confirmed}, expire, nil, nil},
		{
			"expire what is held", []Event{matching, held, parked},
			Expire{Wait: WaitApproval, Revision: 1, SagaID: "run-1"},
			[]Event{Cancelling{Reason: ReasonExpired, From: StatusHeld, Origin: OriginSaga, SagaID: "run-1"}}, nil,
		},
		{
			"expire what is approved", []Event{matching, held, parked, approved},
			Expire{Wait: WaitApproval, Revision: 1, SagaID: "run-1"}, nil, nil,
		},
	})
}

// TestOpen: an order is confirmed and closed from each status that is open.
func TestOpen(t *testing.T) {
	for status, given := range map[Status][]Event{
		StatusPlaced: {placed}, StatusHeld: {matching, held}, StatusBackordered: {placed, backordered},
		StatusPaymentRequired: {placed, required},
	} {
		if s := fold(given).Status; s != status || !s.Open() || s.Final() {
			t.Errorf("%s folds to %s, open %t, final %t", status, s, s.Open(), s.Final())
		}
		decides(t, []decision{
			{"confirm " + string(status), given, confirms, []Event{confirmed}, nil},
			{
				"close " + string(status), given, Close{Origin: OriginCustomer, Reason: ReasonCustomer},
				[]Event{Cancelling{Reason: ReasonCustomer, From: status, Origin: OriginCustomer}}, nil,
			},
		})
	}
	open := map[Status]bool{}
	for _, s := range OpenStatuses() {
		open[s] = true
	}
	for _, s := range Statuses() {
		if s.Open() != open[s] {
			t.Errorf("%s: open is %t", s, s.Open())
		}
	}
}

// TestEvolveWait: what an order waits for is there until it is over, and the run that waited stays
// known.
func TestEvolveWait(t *testing.T) {
	s := fold([]Event{placed, started, required, parked})
	want := Wait{
		Kind: WaitPayment, Until: tomorrow, Revision: 1, Code: required.Code, Detail: required.Detail,
	}
	if s.Wait == nil || !reflect.DeepEqual(*s.Wait, want) || !slices.Equal(s.Parked, []Park{Park(parked)}) {
		t.Errorf("waits for %+v, parked %+v", s.Wait, s.Parked)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	if until := s.WaitsUntil(at); !until.Equal(at.AddDate(0, 0, 1)) {
		t.Errorf("waits until %s", until)
	}
	for _, over := range []Event{requested, confirmed, cancelling} {
		after := Evolve(s, over)
		if after.Wait != nil || !slices.Equal(after.Parked, s.Parked) || !after.WaitsUntil(at).Equal(at) {
			t.Errorf("%T leaves %+v, parked %+v", over, after.Wait, after.Parked)
		}
	}
	if resumed := fold([]Event{placed, started, backordered, parked, started}); resumed.Wait != nil ||
		resumed.Status != StatusPlaced || len(resumed.Parked) != 1 {
		t.Errorf("an order whose stock is there is %+v", resumed)
	}
	after := Evolve(s, requested)
	if after.Revision != 2 || after.PaymentRevision != 2 || after.StockRevision != 1 || after.ShipmentRevision != 1 ||
		after.AccountID != "a2" || after.Status != StatusPlaced {
		t.Errorf("a payment requested leaves %+v", after)
	}
	unread := s
	unread.Wait = &Wait{Until: "tomorrow"}
	if !unread.WaitsUntil(at).Equal(at) {
		t.Errorf("an unreadable deadline is %s", unread.WaitsUntil(at))
	}
}

// TestRevisionsOfOldEvents: an order that says no revision is its first.
func TestRevisionsOfOldEvents(t *testing.T) {
	old := placed
	old.Revision = 0
	s := fold([]Event{old})
	if s.Revision != 1 || s.StockRevision != 1 || s.PaymentRevision != 1 || s.ShipmentRevision != 1 {
		t.Errorf("folds to %+v", s)
	}
}
