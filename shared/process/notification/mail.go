package notification

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode"

	"orderflow/shared/shop/account"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
	"orderflow/shared/shop/shipment"
	"orderflow/shared/shop/stock"
)

// Mail is one e-mail to one person, ready to be sent. All of it is UTF-8.
type Mail struct {
	To      string // an address alone
	Subject string // one line, without personal data: it stands in logs of mail servers
	Text    string
	HTML    string // the same for readers that show it

	CustomerID string // whose it is
	Address    int64  // which of their addresses To is (customer.Contact)
}

// Kind is what a mail is about. It names the mail's templates, of which rendered.go is made.
type Kind string

// The kinds.
const (
	Welcome        Kind = "welcome"
	OrderPlaced    Kind = "order-placed"
	OrderConfirmed Kind = "order-confirmed"
	OrderShipped   Kind = "order-shipped"
	OrderDelivered Kind = "order-delivered"
	OrderCancelled Kind = "order-cancelled"
	// OrderBackordered says what an order waits for, and until when.
	OrderBackordered Kind = "order-backordered"
	// OrderPaymentRequired says until when an order whose payment was declined can be paid.
	OrderPaymentRequired Kind = "order-payment-required"
	// OrderHeld says until when an order waits for approval.
	OrderHeld Kind = "order-held"
)

var kinds = []Kind{
	Welcome, OrderPlaced, OrderConfirmed, OrderShipped, OrderDelivered, OrderCancelled, OrderRefunded,
	OrderBackordered, OrderPaymentRequired, OrderHeld, OrderAmended, OrderPartial,
	OrderRest,
}

// Content is what a mail says. What a kind's templates don't use may be missing.
type Content struct {
	Shop     string // as the customer knows it
	Name     string // the customer's
	OrderID  string
	Lines    []order.Line
	Total    money.Money
	Tracking string       // the shipment's number for the customer
	Reason   order.Reason // of a cancellation, or why a payment was declined
	Until    time.Time    // when an order is cancelled that waits
	Missing  []goods.Item // that an order waits for, or goes on without
	Refund   *Refund      // of which Total is the sum
	Amended  *Amended     // to which Lines and Total belong
	// RestWaits: what is Missing becomes an order of its own. RestOf is the order of which this one
	// is that.
	RestWaits bool
	RestOf    string
}

// shown is a Content as the templates see it: each value is one line of text without control
// characters.
type shown struct {
	Language, Shop, Name, OrderID, Short, Total, Tracking, Reason, Until, Missing string
	Lines                                                                         []line
	Parts                                                                         []part // of a refund
	More, Less, Elsewhere                                                         string // of a change, "" for none
	Rest, RestOf                                                                  string // "" for none
}

type line struct {
	SKU              string
	Quantity         int64
	UnitPrice, Price string
	Adjustments      []adjustment
}

// adjustment is a line's discount, which is below zero, or its tax.
type adjustment struct{ Name, Rate, Amount string }

// language is the one that the templates are written in. The layout has no words.
const language = "en"

// reasons says why an order was cancelled, to the one who ordered, as of then: a mail may come
// late. What is not here is ours and not theirs.
var reasons = map[order.Reason]string{
	order.ReasonCustomer:                              "You asked for it.",
	order.ReasonOperator:                              "We are sorry: we had to take it back.",
	order.ReasonDeclined:                              "We are sorry: we could not accept it.",
	order.ReasonExpired:                               "It could not go ahead in time.",
	order.Reason(stock.ErrInsufficient.Code()):        "We are sorry: not everything in it was in stock.",
	order.Reason(account.ErrInsufficientFunds.Code()): "Your account did not hold enough for it.",
	order.Reason(account.ErrNotOpen.Code()):           "The account that was to pay for it was not open.",
	order.Reason(account.ErrWrongCurrency.Code()):     "The account that was to pay for it was in another currency.",
	order.Reason(account.ErrNotYours.Code()):          "The account that was to pay for it was not yours.",
	order.Reason(shipment.ErrCountryNotServed.Code()): "We could not ship to the country of its address.",
}

const ourReason = "We are sorry: something went wrong on our side."

//go:generate go test . -run TestRendered$ -generate

// escaped is a text as HTML has it, in an element, a title or a quoted attribute.
func escaped(text string) string { return escaper().Replace(text) }

// escaper replaces what html/template does; a property test holds it to that.
var escaper = sync.OnceValue(func() *strings.Replacer {
	return strings.NewReplacer(
		"\x00", "\uFFFD", `"`, "&#34;", "&", "&amp;", "'", "&#39;", "+", "&#43;", "<", "&lt;", ">", "&gt;",
	)
})

// Render makes a mail. Whatever stands in the content, it can neither add a line to the subject nor
// markup to the HTML.
func Render(k Kind, to string, c Content) (Mail, error) {
	s, err := show(c)
	if err != nil {
		return Mail{}, fmt.Errorf("notification: %s: %w", k, err)
	}
	subject, text, html, ok := rendered(k, s)
	if !ok {
		return Mail{}, fmt.Errorf("notification: no mail is called %q", k)
	}
	return Mail{To: to, Subject: subject, Text: text, HTML: html}, nil
}

func show(c Content) (shown, error) {
	s := shown{
		Language: language, Shop: oneLine(c.Shop), Name: oneLine(c.Name), OrderID: oneLine(c.OrderID),
		Total: c.Total.String(), Tracking: oneLine(c.Tracking),
		Reason: reasons[c.Reason], Until: c.Until.UTC().Format("2 January 2006 15:04 UTC"),
	}
	s.Short, _, _ = strings.Cut(s.OrderID, "-")
	if s.Reason == "" {
		s.Reason = ourReason
	}
	for _, l := range c.Lines {
		price, err := l.Amount()
		if err != nil {
			return shown{}, err
		}
		s.Lines = append(s.Lines, line{
			SKU: oneLine(l.SKU), Quantity: l.Quantity, UnitPrice: l.UnitPrice.String(), Price: price.String(),
			Adjustments: adjustments(l),
		})
	}
	missing := make([]string, len(c.Missing))
	for i, item := range c.Missing {
		missing[i] = fmt.Sprintf("%d × %s", item.Quantity, oneLine(item.SKU))
	}
	s.Missing = strings.Join(missing, ", ")
	if c.RestWaits {
		s.Rest = "What is missing becomes an order of its own, as soon as this one is confirmed, and waits."
	}
	s.RestOf, _, _ = strings.Cut(oneLine(c.RestOf), "-")
	if c.Refund != nil {
		s = c.Refund.of(s)
	}
	if c.Amended != nil {
		s = c.Amended.of(s)
	}
	return s, nil
}

func adjustments(l order.Line) (out []adjustment) {
	if d := l.Discount; d != nil {
		off := d.Amount
		off.Amount = -off.Amount
		out = append(out, adjustment{Name: oneLine(d.Name), Rate: percent(d.RatePPM), Amount: off.String()})
	}
	if t := l.Tax; t != nil {
		out = append(out, adjustment{Name: oneLine(t.Name), Rate: percent(t.RatePPM), Amount: t.Amount.String()})
	}
	return out
}

// percent writes parts per million with as many decimals as they need: "8.875 %". "" for no rate.
func percent(ppm *int64) string {
	if ppm == nil {
		return ""
	}
	whole, rest := *ppm/10_000, *ppm%10_000
	if rest == 0 {
		return fmt.Sprintf("%d %%", whole)
	}
	return strings.TrimRight(fmt.Sprintf("%d.%04d", whole, rest), "0") + " %"
}

// oneLine makes a text one that can't break out of its line: control characters and line separators
// become spaces, runs of spaces one. Marks that turn the direction of what follows go, as they
// would turn the rest of the line too, and so does what Unicode keeps for no character.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Bidi_Control, unicode.Noncharacter_Code_Point) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD")), func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
}
