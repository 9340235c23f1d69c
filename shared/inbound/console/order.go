package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/decimal"
)

type orderView struct {
	ID      string
	Order   orderState
	Events  []event
	Graph   graph
	AsOf    int64 // the version that is shown; 0 for the present
	Newest  int64
	Changes []change // from the version before AsOf
	Event   *event   // that made the version AsOf
	Actions []action
	Moving  bool // changes by itself
	Version int64
	Done    string // an action that was just carried out
}

// action is something that an operator does with an order.
type action struct {
	Name, Title, Explains, Button string
}

var (
	cancelAction = action{
		"cancel", "Cancel the order", "Everything that was done for it is undone: shipment, payment and stock.",
		"Cancel this order",
	}
	approveAction = action{
		"approve", "Approve the order", "It goes on: stock is reserved, and the payment is charged.",
		"Approve this order",
	}
	declineAction = action{
		"decline", "Decline the order", "It is cancelled. Nothing was reserved for it.", "Decline this order",
	}
)

// actions are those that the API takes of an order as it is now. The API decides again.
func (o orderState) actions() (all []action) {
	if o.Status == "held" || o.Status == "placed" && len(o.HoldRules) > 0 && o.Approval == nil {
		all = append(all, approveAction, declineAction)
	}
	if slices.Contains([]string{"placed", "held", "backordered", "payment-required", "confirmed"}, o.Status) {
		all = append(all, cancelAction)
	}
	return all
}

// final reports whether nothing more comes by itself.
func (o orderState) final() bool {
	settled := o.Saga == nil || o.Saga.State == "completed" || o.Saga.State == "failed"
	return (o.Status == "delivered" || o.Status == "cancelled") && settled
}

// maxVersion is the API's: a version has at most 18 digits.
const maxVersion = 999_999_999_999_999_999

// order is an order's page: as it is now, or with asOf as it was at a version. A page that moves
// asks for its part "live" again, with the version that it has.
func (c Console) order(x *exchange) error {
	id := x.PathValue("id")
	asked := x.URL.Query()
	if text := asked.Get("asOf"); text != "" {
		version, err := decimal.Whole(text, 1, maxVersion)
		if err != nil {
			return refusal{http.StatusBadRequest, "There is no such version.", "Versions are whole numbers from 1."}
		}
		return c.orderAsOf(x, id, version)
	}
	if x.partial() {
		return c.orderNews(x, id, asked.Get("version"))
	}
	v, err := c.present(x, id, "")
	if err != nil {
		return err
	}
	if done := asked.Get("done"); slices.Contains([]string{"cancel", "approve", "decline"}, done) {
		v.Done = done
	}
	return x.render("order", "Order "+short(id), v)
}

// orderNews answers 204 while the version is the one that the page has: one read of the order.
func (c Console) orderNews(x *exchange, id, version string) error {
	v, err := c.present(x, id, strconv.Quote(version))
	if errors.Is(err, errUnchanged) {
		x.status = http.StatusNoContent
		return nil
	}
	if err != nil {
		return err
	}
	return x.renderPart("order", "live", v)
}

// present reads an order and its events. The order comes first where its version may be known: then
// nothing else is asked for.
func (c Console) present(x *exchange, id, etag string) (orderView, error) {
	v := orderView{ID: id}
	var past history
	work, ctx := errgroup.WithContext(x.Context())
	readOrder := func() error {
		_, err := x.api.read(ctx, "/orders/"+url.PathEscape(id), nil, etag, &v.Order)
		return err
	}
	if etag == "" {
		work.Go(readOrder)
	} else if err := readOrder(); err != nil {
		return v, err
	}
	work.Go(func() error { return x.api.get(ctx, "/orders/"+url.PathEscape(id)+"/history", nil, &past) })
	if err := work.Wait(); err != nil {
		return v, err
	}
	v.Events, v.Graph = past.Events, draw(past.Events)
	v.Version, v.Newest = v.Order.Version, v.Order.Version
	v.Actions, v.Moving = v.Order.actions(), !v.Order.final()
	return v, nil
}

// orderAsOf shows an order at a version, and what is another than at the one before.
func (c Console) orderAsOf(x *exchange, id string, version int64) error {
	v := orderView{ID: id, AsOf: version}
	var past history
	var now, before json.RawMessage
	work, ctx := errgroup.WithContext(x.Context())
	work.Go(func() error { return x.api.get(ctx, "/orders/"+url.PathEscape(id)+"/history", nil, &past) })
	work.Go(func() (err error) { now, err = x.api.at(ctx, id, version); return err })
	work.Go(func() (err error) { before, err = x.api.at(ctx, id, version-1); return err })
	if err := work.Wait(); err != nil {
		return err
	}
	if err := json.Unmarshal(now, &v.Order); err != nil {
		return err
	}
	var err error
	if v.Changes, err = changes(before, now); err != nil {
		return err
	}
	v.Newest = version
	for i, e := range past.Events {
		v.Newest = max(v.Newest, e.Sequence)
		if e.Sequence == version {
			v.Event = &past.Events[i]
		}
	}
	v.Events, v.Version = past.Events, v.Order.Version
	v.Graph = draw(past.Events)
	return x.render("order", "Order "+short(id)+" at version "+strconv.FormatInt(version, 10), v)
}

// at reads an order as it was at a version; nothing was there at version 0.
func (c caller) at(ctx context.Context, id string, version int64) (json.RawMessage, error) {
	if version == 0 {
		return json.RawMessage("{}"), nil
	}
	var state json.RawMessage
	err := c.get(ctx, "/orders/"+url.PathEscape(id), url.Values{"asOf": {strconv.FormatInt(version, 10)}}, &state)
	return state, err
}

// maxReason is the API's.
const maxReason = 500

func noReason() error {
	return refusal{
		http.StatusUnprocessableEntity, "A reason is missing or too long.", "Go back and write 1 to 500 characters.",
	}
}

// orderAction carries out what an operator decides, with the reason that they give. The form has
// the key, so that it counts once however often it is sent.
func (c Console) orderAction(x *exchange) error {
	id, name := x.PathValue("id"), x.PathValue("action")
	if !slices.Contains([]string{"cancel", "approve", "decline"}, name) {
		return notFound(x)
	}
	if err := x.ParseForm(); err != nil {
		return refusal{http.StatusBadRequest, "The form can't be read.", "Go back and try again."}
	}
	reason := strings.TrimSpace(x.PostForm.Get("reason"))
	if n := utf8.RuneCountInString(reason); n == 0 || n > maxReason {
		return noReason()
	}
	var answer json.RawMessage
	err := x.api.post(x.Context(), "/orders/"+url.PathEscape(id)+"/"+name, x.PostForm.Get("key"),
		map[string]string{"reason": reason}, &answer)
	if err != nil {
		return err
	}
	return x.redirect("../" + url.PathEscape(id) + "?done=" + name)
}
