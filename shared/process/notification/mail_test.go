package notification_test

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/process/notification"
	"orderflow/shared/shop/goods"
	"orderflow/shared/shop/money"
	"orderflow/shared/shop/order"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

var kinds = []notification.Kind{
	notification.Welcome, notification.OrderPlaced, notification.OrderConfirmed, notification.OrderShipped,
	notification.OrderDelivered, notification.OrderCancelled, notification.OrderRefunded,
	notification.OrderBackordered, notification.OrderPaymentRequired, notification.OrderHeld,
	notification.OrderAmended, notification.OrderPartial, notification.OrderRest,
}

func usd(cents int64) money.Money { return money.Money{Amount: cents, Currency: "USD"} }

func content(k notification.Kind) notification.Content {
	c := notification.Content{Shop: "Analytical Engines", Name: "Ada Lovelace"}
	if k != notification.Welcome {
		c.OrderID, c.Tracking, c.Total, c.Reason = "924a0ed6-c797-5b84-82cb-36e13b188d6c", "OF-5YDT-7H2K", usd(3853),
			"account.insufficient-funds"
		c.Until = time.Date(2026, 3, 2, 10, 30, 0, 0, time.UTC)
		c.Lines = []order.Line{
			{SKU: "CD-0042", Quantity: 2, UnitPrice: usd(1177)}, {SKU: "CD-0107", Quantity: 1, UnitPrice: usd(1499)},
		}
		c.Missing = []goods.Item{{SKU: "CD-0042", Quantity: 2}, {SKU: "CD-0107", Quantity: 1}}
		if k == notification.OrderRefunded {
			shipping, goodwill := usd(499), usd(100)
			c.Total = usd(1876)
			c.Refund = &notification.Refund{
				Lines: []order.RefundedLine{
					{Line: 0, SKU: "CD-0042", Quantity: 1, Amount: usd(1177)},
					{Line: 1, SKU: "CD-0107", Amount: usd(100)},
				},
				Shipping: &shipping, Goodwill: &goodwill, Reason: order.RefundDamaged,
			}
		}
		if k == notification.OrderAmended {
			c.Amended = &notification.Amended{Difference: usd(-1177), Elsewhere: true}
		}
		c.RestWaits, c.RestOf = true, "5f0c2f5e-3a0d-5c1b-8a4e-2f6d7c9b0a11"
		if k == notification.OrderPlaced { // one with all that a line may have
			rate := int64(88_750)
			c.Lines[0] = order.Line{
				SKU: "CD-0042", Quantity: 2, UnitPrice: usd(1250),
				Discount: &order.Adjustment{Name: "Voucher", Amount: usd(338)},
				Tax:      &order.Adjustment{Name: "Sales tax", Amount: usd(192), RatePPM: &rate},
			}
		}
	}
	return c
}

func TestGolden(t *testing.T) {
	for _, k := range kinds {
		t.Run(string(k), func(t *testing.T) {
			m, err := notification.Render(k, "ada@example.com", content(k))
			if err != nil {
				t.Fatal(err)
			}
			if m.To != "ada@example.com" {
				t.Errorf("to %q", m.To)
			}
			for ending, made := range map[string]string{
				".html": m.HTML, ".txt": "Subject: " + m.Subject + "\n\n" + m.Text,
			} {
				file := filepath.Join("testdata", string(k)+ending)
				if *update {
					if err := os.WriteFile(file, []byte(made), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), made); diff != "" {
					t.Errorf("%s: go test ./shared/process/notification -update (-want +got):\n%s", file, diff)
				}
			}
			wellFormed(t, m.HTML)
		})
	}
}

// wellFormed fails unless the mail's HTML is a tree of tags that mails may have. It gives the text
// in it.
func wellFormed(t interface {
	Helper()
	Fatalf(string, ...any)
}, html string) string {
	t.Helper()
	tags := []string{"html", "head", "meta", "title", "body", "table", "tr", "td", "h1", "p", "strong"}
	var text strings.Builder
	for d := xml.NewDecoder(strings.NewReader(html)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return text.String()
		}
		if err != nil {
			t.Fatalf("%v in %s", err, html)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if !slices.Contains(tags, token.Name.Local) {
				t.Fatalf("there is a %s in %s", token.Name.Local, html)
			}
			for _, a := range token.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "href" || a.Name.Local == "src" {
					t.Fatalf("%s has %s in %s", token.Name.Local, a.Name.Local, html)
				}
			}
		case xml.CharData:
			text.Write(token)
		}
	}
}

// Whatever people call themselves and things, a mail keeps its shape.
func TestContentStaysContent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := rapid.SampledFrom(kinds).Draw(t, "kind")
		evil := rapid.OneOf(
			rapid.String(), rapid.StringN(0, 300, -1),
			rapid.SampledFrom([]string{
				"Ada\r\nBcc: all@example.com", "Ada\n.\n", "<script>alert(1)</script>", `"><img src=x onerror=y>`,
				"{{.Total}}", "\u202eadA", "a\u2028b", "\xff\xfe", "&amp;", "-->",
			}),
		)
		c := content(k)
		c.Shop, c.Name, c.Tracking, c.Reason = evil.Draw(t, "shop"), evil.Draw(t, "name"), evil.Draw(t, "tracking"),
			order.Reason(evil.Draw(t, "reason"))
		if len(c.Lines) > 0 {
			c.Lines[0].SKU, c.OrderID = evil.Draw(t, "sku"), evil.Draw(t, "order")
			if c.Refund != nil {
				c.Refund.Lines[0].SKU, c.Refund.Reason = c.Lines[0].SKU, order.RefundReason(c.Reason)
			}
			if c.Lines[0].Tax != nil {
				c.Lines[0].Tax.Name, c.Lines[0].Discount.Name = evil.Draw(t, "tax"), evil.Draw(t, "discount")
			}
		}
		m, err := notification.Render(k, "ada@example.com", c)
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(m.Subject, "\r\n\u2028\u2029\x00") {
			t.Fatalf("subject %q", m.Subject)
		}
		plain, err := notification.Render(k, "ada@example.com", content(k))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := strings.Count(m.Text, "\n"), strings.Count(plain.Text, "\n"); got != want {
			t.Fatalf("%d lines, want %d, in %q", got, want, m.Text)
		}
		wellFormed(t, m.HTML)
	})
}

func TestNameIsShown(t *testing.T) {
	for name, want := range map[string]string{
		"Ada  Lovelace ": "Ada Lovelace", "紫 式部": "紫 式部", "O'Brien & <Söhne>": "O'Brien & <Söhne>", "a\r\nb": "a b",
		"\u202eadA": "adA", "a\xffb": "a\uFFFDb",
	} {
		c := content(notification.Welcome)
		c.Name = name
		m, err := notification.Render(notification.Welcome, "ada@example.com", c)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(m.Text, "Hello "+want+",") || !strings.Contains(wellFormed(t, m.HTML), "Hello "+want+",") {
			t.Errorf("%q is shown as %q and %q, want %q", name, m.Text, m.HTML, want)
		}
	}
}

// A line is shown with what it comes to, and not with quantity × price, and a rate with the
// decimals that it has.
func TestAdjustmentsAreShown(t *testing.T) {
	for ppm, want := range map[int64]string{
		0: "0 %", 190_000: "19 %", 88_750: "8.875 %", 99_750: "9.975 %", 1: "0.0001 %", 1_000_000: "100 %",
	} {
		c := content(notification.OrderPlaced)
		c.Lines[0].Tax.RatePPM = &ppm
		m, err := notification.Render(notification.OrderPlaced, "ada@example.com", c)
		if err != nil {
			t.Fatal(err)
		}
		line := "  2 × CD-0042 at USD 12.50, Voucher USD -3.38, Sales tax (" + want + ") USD 1.92: USD 23.54\n"
		if !strings.Contains(m.Text, line) {
			t.Errorf("no %q in %s", line, m.Text)
		}
	}
}

// Money keeps its currency's own decimals, and a reason that nobody wrote a sentence for is still
// told.
func TestShown(t *testing.T) {
	c := content(notification.OrderCancelled)
	c.Lines, c.Total = []order.Line{{SKU: "A", Quantity: 3, UnitPrice: money.Money{Amount: 500, Currency: "JPY"}}},
		money.Money{Amount: 1500, Currency: "JPY"}
	for reason, want := range map[order.Reason]string{
		order.ReasonCustomer: "You asked for it.", order.ReasonExpired: "could not go ahead in time",
		order.ReasonSaga: "went wrong on our side", "x.new": "went wrong on our side",
		"stock.insufficient": "not everything in it was in stock",
	} {
		c.Reason = reason
		m, err := notification.Render(notification.OrderCancelled, "ada@example.com", c)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{want, "3 × A at JPY 500: JPY 1500", "Total: JPY 1500"} {
			if !strings.Contains(m.Text, part) {
				t.Errorf("%s: no %q in %s", reason, part, m.Text)
			}
		}
	}
}

// A price is shown in the currency's minor units, also where nobody writes them.
func TestShownInMinorUnits(t *testing.T) {
	c := content(notification.OrderPlaced)
	for want, price := range map[string]money.Money{
		"RSD 1999.00": {Amount: 199900, Currency: "RSD"}, "IQD 1.500": {Amount: 1500, Currency: "IQD"},
		"BGN 19.99": {Amount: 1999, Currency: "BGN"},
	} {
		c.Lines, c.Total = []order.Line{{SKU: "A", Quantity: 1, UnitPrice: price}}, price
		m, err := notification.Render(notification.OrderPlaced, "ada@example.com", c)
		if err != nil || !strings.Contains(m.Text, "Total: "+want) {
			t.Errorf("%v: no %q in %s", err, want, m.Text)
		}
	}
}

func TestRenderFails(t *testing.T) {
	if _, err := notification.Render("birthday", "ada@example.com", notification.Content{}); err == nil {
		t.Error("a kind that there is not is rendered")
	}
	c := content(notification.OrderPlaced)
	c.Lines[0].Quantity = 1 << 62
	if _, err := notification.Render(
		notification.OrderPlaced, "ada@example.com", c,
	); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("error %v", err)
	}
}
