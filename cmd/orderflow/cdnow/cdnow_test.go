package cdnow

import (
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const sample = " 00004 0001 19970101  2   29.33\r\n 00004 0001 19970118  2   29.73\r\n"

func TestParse(t *testing.T) {
	want := Purchase{Customer: "00004", CDs: 2, Total: 2933}
	tests := []struct {
		name          string
		text          string
		offset, limit int
		purchases     int
		err           string
	}{
		{"sample", sample, 0, 0, 2, ""},
		{
			"master",
			" customer_id  date number_of_cds  dollar_value\r\n 00004 19970101  2   29.33\r\n 00002 19970112  1 " +
				"  12.00\r\n",
			0, 0, 2, "",
		},
		{"limit", sample, 0, 1, 1, ""},
		{"offset past the end", sample, 5, 0, 0, ""},
		{"columns", "1 2 3", 0, 0, 0, "line 1: expected 4 or 5 columns, got 3"},
		{"customer", "x 19970101 1 1.00", 0, 0, 0, "customer"},
		{"day", "1 19971301 1 1.00", 0, 0, 0, "day"},
		{"CDs", "1 19970101 0 1.00", 0, 0, 0, "CDs"},
		{"cents", "1 19970101 1 1.0", 0, 0, 0, "dollar value"},
		{"negative", "1 19970101 1 -1.00", 0, 0, 0, "dollar value"},
		{"header in the middle", sample + "customer_id date n v", 0, 0, 0, "line 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(strings.NewReader(tt.text), tt.offset, tt.limit)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want one about %q", err, tt.err)
				}
				return
			}
			if err != nil || len(got) != tt.purchases {
				t.Fatalf("%d purchases, %v; want %d", len(got), err, tt.purchases)
			}
			if len(got) > 0 {
				first := got[0]
				first.Day = want.Day
				if first != want {
					t.Errorf("first is %+v, want %+v", first, want)
				}
			}
		})
	}
	second, err := Parse(strings.NewReader(sample), 1, 0)
	if err != nil || len(second) != 1 || second[0].Total != 2973 {
		t.Errorf("offset 1 gives %v, %v", second, err)
	}
}

// TestVendored reads the whole log that comes with the project.
func TestVendored(t *testing.T) {
	f, err := os.Open("../../../events/samples/cdnow/CDNOW_sample.txt")
	if err != nil {
		t.Fatal(err)
	}
	purchases, err := Parse(f, 0, 0)
	if closeErr := f.Close(); closeErr != nil {
		t.Error(closeErr)
	}
	if err != nil || len(purchases) != 6919 {
		t.Fatalf("%d purchases, %v; want 6919", len(purchases), err)
	}
	outcomes := map[Outcome]int{}
	for _, o := range NewPlan(purchases[:200]).Orders {
		outcomes[o.Outcome]++
	}
	for _, o := range []Outcome{Confirmed, OutOfStock, Underfunded, Unservable} {
		if outcomes[o] == 0 {
			t.Errorf("no order of the first 200 ends %v", o)
		}
	}
}

func TestPlanProperties(t *testing.T) {
	purchase := rapid.Custom(func(t *rapid.T) Purchase {
		return Purchase{
			Customer: rapid.SampledFrom(strings.Split("abcdefghijklmnop", "")).Draw(t, "customer"),
			CDs:      rapid.Int64Range(1, 40).Draw(t, "CDs"),
			Total:    rapid.Int64Range(0, 90_000).Draw(t, "total"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		p := NewPlan(rapid.SliceOfN(purchase, 0, 60).Draw(t, "purchases"))
		funds := map[string]int64{}
		for _, c := range p.Customers {
			funds[c.ID] = c.Funds
		}
		spent := map[string]int64{}
		for _, o := range p.Orders {
			sum := int64(0)
			for _, l := range o.Lines {
				sum += l.Quantity * l.Price
				if l.Quantity < 1 || l.Price < 0 {
					t.Fatalf("line %+v", l)
				}
				if listed, ok := p.Prices[l.SKU]; !ok || listed != l.Price {
					t.Fatalf("%s is listed at %d, and bought at %d", l.SKU, listed, l.Price)
				}
				if short := p.Stock[l.SKU] < l.Quantity; short && o.Outcome != OutOfStock {
					t.Fatalf("order %d lacks stock and ends %v", o.Number, o.Outcome)
				}
			}
			if sum != o.Total {
				t.Fatalf("lines of order %d come to %d, not %d", o.Number, sum, o.Total)
			}
			if o.Outcome == Underfunded && funds[o.Customer] >= o.Total {
				t.Fatalf("order %d could be paid", o.Number)
			}
			spent[o.Customer] += o.Total
		}
		// Whatever does not fail on purpose can't fail by timing: all of it can be paid and
		// reserved at once.
		for _, o := range p.Orders {
			if o.Outcome == Confirmed && funds[o.Customer] < spent[o.Customer] {
				t.Fatalf("customer %s can't pay all of %d at once", o.Customer, spent[o.Customer])
			}
		}
		for s, n := range p.StockLeft() {
			if n < 0 {
				t.Fatalf("%d of %s are left", n, s)
			}
		}
	})
}
