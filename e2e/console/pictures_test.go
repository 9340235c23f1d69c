//go:build e2e

package console_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/shop/money"
)

// pictures is where make screenshots wants the documentation's pictures. Elsewhere none are taken.
var pictures = flag.String("console.pictures", "", "folder that the documentation's pictures are written to")

// most is how large a picture of the documentation may be.
const most = 200_000

// TestPictures takes the documentation's pictures of a stack that has shown its tour and imported
// the purchases of a shop, as make run does. Then it does what docs/tutorials/first-order.md does.
func TestPictures(t *testing.T) {
	if *pictures == "" {
		t.Skip("make screenshots takes the documentation's pictures")
	}
	s, b := find(t), open(t)
	delivered, cancelled := firstOrders(t, s)
	b.signIn(s)
	for _, p := range []struct {
		name, page, shows string
		saga              string // what the saga says on the page, "" where there is none to open
		of                string // what is taken: a part, "window", or "page" for all of it
	}{
		{"console-orders", "/orders", cancelled[:8], "", "window"},
		{"console-order", "/orders/" + delivered, "delivered", "Fulfil: succeeded", "page"},
		{"console-saga", "/orders/" + delivered, "delivered", "Fulfil: succeeded", "#saga-part"},
		{"console-cancelled", "/orders/" + cancelled, "stock.insufficient", "", "window"},
		{"console-figures", "/figures", "By day", "", "page"},
	} {
		b.do(b.looks("light"), chromedp.EmulateViewport(1280, 800), chromedp.Navigate(s.console+p.page))
		b.shows("main", p.shows)
		if p.saga != "" { // what comes late makes the page longer
			b.saga(p.saga)
			b.effects("Dead letters\n\nNone.")
		}
		b.takes(p.name, p.of)
	}
}

// firstOrders places the orders of the tutorial, and waits until they are delivered and cancelled.
func firstOrders(t *testing.T, s stack) (delivered, cancelled string) {
	t.Helper()
	const customer, sku = "ada", "BOOK-1"
	if err := s.RegisterCustomer(t.Context(), customer, "Ada Lovelace", "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	account, err := s.OpenAccount(t.Context(), customer, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		s.Deposit(t.Context(), account, money.Money{Amount: 10_000, Currency: "EUR"}),
		s.ListProduct(t.Context(), sku, money.Money{Amount: 1999, Currency: "EUR"}), s.NewStock(t.Context(), sku, 5),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	buy := func(quantity int64, until string) string {
		o, err := s.PlaceOrder(t.Context(), customer, "EUR", []shop.Line{{SKU: sku, Quantity: quantity}}, shop.Address{
			Recipient: "Ada Lovelace", Line1: "Keizersgracht 1", PostalCode: "1015 CJ", City: "Amsterdam", Country: "NL",
		})
		if err != nil {
			t.Fatal(err)
		}
		look := time.NewTicker(200 * time.Millisecond)
		defer look.Stop()
		for end := time.Now().Add(patience); time.Now().Before(end); <-look.C {
			if got, err := s.Client.Order(t.Context(), o.ID); err != nil {
				t.Fatal(err)
			} else if got.Status == until {
				return o.ID
			}
		}
		t.Fatalf("the order of %d is not %s within %s", quantity, until, patience)
		return ""
	}
	return buy(2, "delivered"), buy(6, "cancelled")
}

// takes takes a picture of the page: of a part, of what the window shows, or of all of it.
func (b *browser) takes(name, of string) {
	b.Helper()
	shot := chromedp.CaptureScreenshot()
	switch of {
	case "window":
	case "page":
		shot = chromedp.FullScreenshot(100)
	default:
		shot = chromedp.Screenshot(chromedp.CSS(of))
	}
	picture, err := chromedp.Run(b.ctx, shot)
	if err != nil {
		b.Fatal(err)
	}
	if picture, err = small(picture); err != nil {
		b.Fatal(err)
	}
	if len(picture) > most {
		b.Errorf("%s has %d bytes, want at most %d", name, len(picture), most)
	}
	if err := os.WriteFile(filepath.Join(*pictures, name+".png"), picture, 0o644); err != nil {
		b.Fatal(err)
	}
}

// small is the picture in a palette of the colours that most of its points have, which is enough
// for text on a page, and packed as tightly as may be.
func small(picture []byte) ([]byte, error) {
	all, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	points := map[color.Color]int{}
	each(all, func(_, _ int, c color.Color) { points[c]++ })
	colours := slices.SortedFunc(maps.Keys(points), func(a, b color.Color) int {
		return cmp.Or(points[b]-points[a], cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)))
	})
	few := image.NewPaletted(all.Bounds(), colours[:min(len(colours), 256)])
	nearest := map[color.Color]uint8{}
	for _, c := range colours {
		nearest[c] = uint8(few.Palette.Index(c))
	}
	each(all, func(x, y int, c color.Color) { few.SetColorIndex(x, y, nearest[c]) })
	var out bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, few)
	return out.Bytes(), err
}

// each goes over all points of a picture.
func each(all image.Image, do func(x, y int, c color.Color)) {
	for y := all.Bounds().Min.Y; y < all.Bounds().Max.Y; y++ {
		for x := all.Bounds().Min.X; x < all.Bounds().Max.X; x++ {
			do(x, y, all.At(x, y))
		}
	}
}
