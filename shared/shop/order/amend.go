package order

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/personal"
	"orderflow/shared/shop/shipment"
)

// MaxRevisions is how many an order has at most, the first included.
const MaxRevisions = 100

// The faults of an amendment.
var (
	// ErrUnderWay: its run is at it just now, for a moment. It can be amended once it is confirmed.
	ErrUnderWay = faults.Declare(faults.Conflict, "order.under-way")
	// ErrNotAmendable: it waits for stock, and what it has of that is the waitlist's.
	ErrNotAmendable = faults.Declare(faults.Conflict, "order.not-amendable")
	// ErrPricesNamed: somebody named the order's prices, so that the catalogue's are not its own.
	ErrPricesNamed = faults.Declare(faults.Rule, "order.prices-named")
	// ErrTooManyRevisions: whoever folds an order folds all that was done to it.
	ErrTooManyRevisions = faults.Declare(faults.Rule, "order.too-many-revisions")
	ErrVersionRequired  = faults.Declare(faults.Precondition, "order.version-required")
	ErrVersionMismatch  = faults.Declare(faults.Precondition, "order.version-mismatch")
)

// Amended: somebody wants something else, or has it go elsewhere. What is reserved, charged and
// shipped for the order has changed with it, in one transaction. Or not all was there, and the
// order is for what was reserved; nothing was charged or shipped by then.
type Amended struct {
	Revision int64       `json:"revision"` // of the order from here on; what was attempted for it keeps its own
	Lines    []Line      `json:"lines"`    // all that it has from here on
	Total    money.Money `json:"total"`
	// Difference is of the total, against before: below 0 for what the customer got back.
	Difference money.Money  `json:"difference"`
	Added      []goods.Item `json:"added,omitempty"`   // pieces that it did not have, one item an SKU, ordered by SKU
	Removed    []goods.Item `json:"removed,omitempty"` // that it had
	// where it goes from here on, as in Placed; "" where that stays
	Address  personal.Sealed `json:"address,omitempty"`
	PricedBy string          `json:"pricedBy,omitempty"` // as in Placed
	// OriginCustomer or OriginOperator; OriginSaga where it goes on without what was not there
	By     Origin          `json:"by"`
	Reason Reason          `json:"reason"`         // that it is what they want, or ReasonPartial
	Note   personal.Sealed `json:"note,omitempty"` // their own words
	// Rest is what was not there and waits: an order of its own once this one is confirmed
	Rest []Line `json:"rest,omitempty"`
}

func (Amended) orderEvent() {}

// Amendment is the last one of an order.
type Amendment struct {
	Revision int64
	By       Origin
	Note     personal.Sealed // their own words, "" for none
}

// Amend says what an order has and where it goes from here on. What is reserved, charged and
// shipped has to follow in the same append.
type Amend struct {
	Lines    []Line
	Address  personal.Sealed // "" to leave it
	PricedBy string
	By       Origin
	Note     personal.Sealed
}

func (Amend) orderCommand() {}

func evolveAmended(s State, e Amended) State {
	s.Revision, s.Lines, s.Total, s.PricedBy = e.Revision, e.Lines, e.Total, e.PricedBy
	s.Address, s.Missing = cmp.Or(e.Address, s.Address), s.missing(e)
	s.Rest = append(slices.Clip(s.Rest), e.Rest...)
	s.Amendment = &Amendment{Revision: e.Revision, By: e.By, Note: e.Note}
	return s
}

// amend: between an amendment and whatever else happens to the order, its stream decides; between
// an amendment and the label or the dispatch, the shipment's.
func amend(c Amend, s State) ([]Event, error) {
	if err := s.amendable(); err != nil {
		return nil, err
	}
	if s.Revision >= MaxRevisions {
		return nil, ErrTooManyRevisions.New("an order is changed and paid again at most %d times: cancel it, and "+
			"place another one", MaxRevisions-1)
	}
	if c.Address == "" && reflect.DeepEqual(c.Lines, s.Lines) {
		return nil, nil
	}
	total, err := Total(c.Lines)
	if err != nil {
		return nil, err
	}
	if total.Currency != s.Total.Currency {
		return nil, money.ErrMixedCurrency.Field("body.lines", "the order is in %s, and not in %s", s.Total.Currency,
			total.Currency)
	}
	added, removed := goods.Difference(itemsOf(s.Lines), itemsOf(c.Lines))
	return []Event{Amended{
		Revision: s.Revision + 1, Lines: c.Lines, Total: total,
		Difference: money.Money{Amount: total.Amount - s.Total.Amount, Currency: total.Currency}, // both 0 to MaxTotal
		Added:      added, Removed: removed, Address: c.Address, PricedBy: c.PricedBy, By: c.By, Reason: c.By.reason(),
		Note: c.Note,
	}}, nil
}

// amendable says why an order can't be amended, nil where it can be: no run is at it.
func (s State) amendable() error {
	switch s.Status {
	case StatusConfirmed, StatusHeld, StatusPaymentRequired:
		return nil
	case StatusShipped, StatusDelivered:
		return ErrDispatched.New("the order is %s and can't be amended any more", s.Status)
	case StatusCancelling, StatusCancelled:
		return ErrCancelling.New("the order is %s", s.Status)
	case StatusPlaced:
		return ErrUnderWay.New("the order is being processed: amend it once it is confirmed, in a moment")
	}
	return ErrNotAmendable.New("the order is %s: amend it once it is confirmed, or cancel it", s.Status)
}

// Part gives, at each try, what another context writes in the append of an amendment, so that it
// holds for that context too from that very moment on. A fault says why it can't be; the append is
// refused with another where that shows then.
type Part = func(context.Context, es.Request) ([]es.Commit, []es.Effect, error)

// Reservations has what is reserved follow.
type Reservations interface {
	// Amendment reserves exactly the items for that revision of an order.
	Amendment(orderID string, revision int64, items []goods.Item) Part
}

// Payments has what is charged follow.
type Payments interface {
	// Adjustment charges exactly that amount for that revision of the customer's order.
	Adjustment(orderID string, revision int64, customerID string, amount money.Money) Part
}

// AmendInput is an amendment as a caller gives it. What is left out stays as it is.
type AmendInput struct {
	By Origin // OriginCustomer or OriginOperator
	// CustomerID is who asks, where By is OriginCustomer: it has to be their own order.
	CustomerID string
	NamedBy    string      // as in PlaceInput
	Lines      []AmendLine // all that the order is to have; nil to leave them
	Address    *shipment.Address
	Note       string // in their own words
}

func (in AmendInput) validate() error {
	if in.Address != nil {
		if err := in.Address.Validate(); err != nil {
			return err
		}
	}
	switch {
	case in.Lines == nil:
		return nil
	case len(in.Lines) == 0:
		return ErrInvalidLines.Field("body.lines", "an order keeps at least one line; to remove all, cancel the order")
	}
	return checkShape(unpriced(in.Lines))
}

// Amend changes what is ordered, or where it goes, or both, until the order's shipment is labelled
// or dispatched: all or nothing, and only by the difference. The order's own commit, and what is
// reserved, charged and to be shipped by it, are one append. An amendment that fails leaves
// everything as it was; one of the address alone touches neither stock nor money. What is so
// already changes nothing.
//
// Lines that stay keep their prices, and pieces that are added have the catalogue's
// (decisions/0106). The errors of Place say what can't be sold. ErrVersionMismatch where the
// order's version is another, ErrDispatched, shipment.ErrLabelled and ErrCancelling where it is too
// late, ErrUnderWay where it is too early; a fault of the stock's where pieces are missing, and of
// the account's where money is. ErrNotFound also for another customer's order.
//
// The request's commit id names who asks, and on which version. What they ask for is added to it,
// under the customer's key, so that the same request again is known, and nothing that is stored
// confirms a guess at an address. What it writes belongs to the order, and has the correlation id
// of the order's first event.
func (s Service) Amend(
	ctx context.Context, req es.Request, orderID string, version int64, in AmendInput,
) (res es.Result[State], err error) {
	if err := in.validate(); err != nil {
		return res, err
	}
	var write *amending // what is to be written: one version is amended in one way
	asked := req.Fingerprint
	req.Fingerprint = ""
	err = es.RetryConflicts(ctx, s.deps.Clock, func(ctx context.Context) error {
		for {
			history, err := s.deps.Store.Load(ctx, es.NewStreamID(Category, orderID), 0)
			if err != nil {
				return err
			}
			if res, err = s.amendedBy(history, in); err != nil {
				return err
			}
			if write == nil {
				if asked, err = s.deps.Vault.Fingerprint(ctx, res.State.CustomerID, asked); err != nil {
					return fmt.Errorf("order: fingerprint request: %w", err)
				}
				req.CommitID = ident.Derive(req.CommitID, asked)
				req.Metadata.CorrelationID = cmp.Or(res.CorrelationID, req.Metadata.CorrelationID)
				write = &amending{}
			}
			if _, res.Repeated = history.Commit(req.CommitID); res.Repeated {
				return nil
			}
			if history.Head.Version() != version {
				return ErrVersionMismatch.New("the order's version is %d, not %d", history.Head.Version(), version)
			}
			if again, err := s.amend(ctx, req, &res, in, write); err != nil || !again {
				return err
			}
		}
	})
	return res, err
}

// amendedBy is the order, where the caller may amend it.
func (s Service) amendedBy(history es.History, in AmendInput) (res es.Result[State], err error) {
	state, err := Decider.Fold(history)
	if err != nil {
		return res, err
	}
	if !state.Exists() || in.By == OriginCustomer && in.CustomerID != state.CustomerID {
		return res, NotFound()
	}
	return es.Result[State]{
		State: state, Head: history.Head, CorrelationID: history.Events[0].Metadata.CorrelationID,
	}, nil
}

// amending is what an amendment of one version of an order writes.
type amending struct {
	event *Amended // nil before it is decided
	parts []Part
}

// amend is one try: it decides, unless an earlier one has, and appends. again means that an earlier
// try's commit was met.
func (s Service) amend(
	ctx context.Context, req es.Request, res *es.Result[State], in AmendInput, write *amending,
) (again bool, err error) {
	read := []es.Head{res.Head}
	// A twin of this request may have been through since the order was read, and what it changed
	// elsewhere be why this one can't be. So may a dispatch since the shipment was, which has taken
	// the pieces with it: the shipment is to say so, and not the stock.
	refuse := func(err error) error {
		if !faults.Final(err) {
			return err
		}
		return cmp.Or(s.deps.Store.Confirm(ctx, read...), err)
	}
	if write.event == nil {
		if err := s.decideAmendment(ctx, req, res.State, in, write); err != nil || write.event == nil {
			return false, refuse(err)
		}
	}
	commits, effects := []es.Commit{req.Commit(res.Head, *write.event)}, []es.Effect(nil)
	for _, part := range write.parts {
		more, with, err := part(ctx, req)
		if err != nil {
			return false, refuse(tooLate(err))
		}
		for _, c := range more {
			read = append(read, c.Head)
		}
		commits, effects = append(commits, more...), append(effects, with...)
	}
	appended, err := s.deps.Store.Append(ctx, commits, effects...)
	if err != nil {
		return false, refuse(err)
	}
	res.State, res.Head = Evolve(res.State, *write.event), appended.Heads[0]
	return appended.Recognised, nil
}

// tooLate says in the order's terms that its shipment has left, or was taken back.
func tooLate(err error) error {
	switch {
	case errors.Is(err, shipment.ErrDispatched):
		return ErrDispatched.New("the order's shipment is dispatched, and the order can't be amended any more")
	case errors.Is(err, shipment.ErrCancelled):
		return ErrCancelling.New("the order's shipment is taken back: the order is being cancelled")
	}
	return err
}

// decideAmendment decides on what the order's stream says, the catalogue and the vault. The event
// stays nil where nothing would change.
func (s Service) decideAmendment(
	ctx context.Context, req es.Request, state State, in AmendInput, write *amending,
) error {
	if err := state.amendable(); err != nil {
		return err
	}
	command := Amend{Lines: state.Lines, PricedBy: state.PricedBy, By: in.By}
	var err error
	if in.Lines != nil {
		if command.Lines, command.PricedBy, err = s.amendedLines(ctx, state, in, req.Time); err != nil {
			return err
		}
	}
	if in.Address != nil {
		if command.Address, err = s.newAddress(ctx, state, *in.Address); err != nil {
			return err
		}
	}
	events, err := Decider.Decide(command, state)
	if err != nil || len(events) == 0 {
		return err
	}
	event := events[0].(Amended) // there is no other event of an amendment
	if err := s.deps.HoldRules.amended(event, in); err != nil {
		return err
	}
	if in.Note != "" {
		if event.Note, err = s.deps.Vault.Seal(ctx, state.CustomerID, NoteField, []byte(in.Note)); err != nil {
			return fmt.Errorf("order: seal note: %w", err)
		}
	}
	write.event, write.parts = &event, s.parts(state, event, in)
	return nil
}

// newAddress seals an address, "" for the one that the order has.
func (s Service) newAddress(ctx context.Context, state State, to shipment.Address) (personal.Sealed, error) {
	if present, err := s.OpenAddress(ctx, state); err != nil || present == to {
		return "", err
	}
	plain, err := json.Marshal(to)
	if err != nil {
		return "", fmt.Errorf("order: encode address: %w", err)
	}
	sealed, err := s.deps.Vault.Seal(ctx, state.CustomerID, AddressField, plain)
	if err != nil {
		return "", fmt.Errorf("order: seal address: %w", err)
	}
	return sealed, nil
}

// parts are what has to follow an amendment: what was done for the order so far. Of a confirmed
// order the shipment's stream always does: it decides whether the amendment is in time, and so
// comes first. For one that is held nothing was done yet.
func (s Service) parts(before State, amended Amended, in AmendInput) []Part {
	after := evolveAmended(before, amended)
	contents := shipment.Contents{
		Revision: after.Revision, CustomerID: after.CustomerID, Items: itemsOf(after.Lines), Address: after.Address,
	}
	if amended.Address != "" {
		contents.Country = in.Address.Country
	}
	var parts []Part
	if before.Status == StatusConfirmed {
		parts = append(parts, s.deps.Shipments.Amendment(before.ID, before.ShipmentRevision, contents))
	}
	if moved := len(amended.Added)+len(amended.Removed) > 0; moved && before.Status != StatusHeld {
		parts = append(parts, s.deps.Reservations.Amendment(before.ID, before.StockRevision, contents.Items))
	}
	if amended.Difference.Amount != 0 && before.Status == StatusConfirmed {
		parts = append(
			parts, s.deps.Payments.Adjustment(before.ID, before.PaymentRevision, before.CustomerID, after.Total),
		)
	}
	return parts
}

// itemsOf are the pieces of lines. A SKU may stand in them more than once.
func itemsOf(lines []Line) []goods.Item {
	items := make([]goods.Item, len(lines))
	for i, l := range lines {
		items[i] = goods.Item{SKU: l.SKU, Quantity: l.Quantity}
	}
	return items
}
