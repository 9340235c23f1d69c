package console

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/shared/shop/money"
)

// What the page reads of GET /orders/{id}/effects.

type effectList struct {
	Attempts []attempt `json:"attempts"`
	Mails    []mailed  `json:"mails"`
	Omitted  int       `json:"omitted"`
}

type attempt struct {
	Kind     string        `json:"kind"`
	ID       string        `json:"id"`
	Revision int64         `json:"revision"`
	Events   []effectEvent `json:"events"`
}

type effectEvent struct {
	Sequence int64           `json:"sequence"`
	Type     string          `json:"type"`
	Time     time.Time       `json:"time"`
	Data     json.RawMessage `json:"data"`
}

type mailed struct {
	About    string    `json:"about"`
	Sequence int64     `json:"sequence"`
	Outcome  string    `json:"outcome"`
	Time     time.Time `json:"time"`
	Tries    int64     `json:"tries"`
	Why      string    `json:"why"`
}

// effectsView is the part of an order's page about what was done for it elsewhere, and a page of
// its own for who has no scripts.
type effectsView struct {
	ID      string
	From    string // where a script asks for the part again; "" on a page of its own
	Up      string // leads to the console's own address
	Groups  []effectGroup
	Mails   []mailed
	Omitted int
	Letters []letter
	More    bool // there are more dead letters
}

// effectGroup is what was done of one kind.
type effectGroup struct {
	Title, Name string
	Rows        []effectRow
}

type effectRow struct {
	What, Which, Says string
	At                time.Time
}

// groups are the kinds of attempts, in the order in which the saga makes them.
var groups = []struct{ kind, title, name string }{
	{"reservation", "Stock", "stock-movements"}, {"payment", "Money", "money"}, {"shipment", "Parcels", "parcels"},
}

// letterPage is how many dead letters of an order are shown.
const letterPage = "10"

// orderEffects is the part effects of an order's page, and a page of its own.
func (c Console) orderEffects(x *exchange) error {
	id := x.PathValue("id")
	v := effectsView{ID: id, Up: x.root()}
	var found effectList
	var letters letterList
	work, ctx := errgroup.WithContext(x.Context())
	work.Go(func() error { return x.api.get(ctx, "/orders/"+url.PathEscape(id)+"/effects", nil, &found) })
	work.Go(func() error {
		return x.api.get(ctx, "/dead-letters", url.Values{"order": {id}, "limit": {letterPage}}, &letters)
	})
	if err := work.Wait(); err != nil {
		return err
	}
	v.Mails, v.Omitted, v.Letters, v.More = found.Mails, found.Omitted, letters.DeadLetters, letters.Next != ""
	for _, g := range groups {
		group := effectGroup{Title: g.title, Name: g.name}
		for _, a := range found.Attempts {
			if a.Kind != g.kind {
				continue
			}
			for _, e := range a.Events {
				group.Rows = append(group.Rows, effectRow{e.Type, a.ID, e.says(), e.Time})
			}
		}
		slices.SortStableFunc(group.Rows, func(a, b effectRow) int { return a.At.Compare(b.At) })
		v.Groups = append(v.Groups, group)
	}
	if !x.partial() {
		return x.render("effects", "Order "+short(id)+": what was done", v)
	}
	v.From, v.Up = url.PathEscape(id)+"/effects", "../" // from the order's page
	return x.renderPart("effects", "effects", v)
}

// says is what an event of an attempt moved, or why it moved nothing.
func (e effectEvent) says() string {
	var of struct {
		Amount *money.Money `json:"amount"`
		Items  []struct {
			SKU      string `json:"sku"`
			Quantity int64  `json:"quantity"`
		} `json:"items"`
		TrackingNumber string `json:"trackingNumber"`
		Code           string `json:"code"`
		Detail         string `json:"detail"`
		Reason         string `json:"reason"`
	}
	_ = json.Unmarshal(e.Data, &of) // of another form, an event shows its type alone
	var says []string
	if of.Amount != nil {
		says = append(says, of.Amount.String())
	}
	for _, i := range of.Items {
		says = append(says, strconv.FormatInt(i.Quantity, 10)+" of "+i.SKU)
	}
	for _, text := range []string{of.TrackingNumber, of.Code, of.Detail, of.Reason} {
		if text != "" {
			says = append(says, text)
		}
	}
	return strings.Join(says, ", ")
}
