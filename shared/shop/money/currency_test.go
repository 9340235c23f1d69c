package money

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"go/format"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write currencies.go anew from the official list")

// official is what list one of ISO 4217 says of a code.
type official struct {
	Code  string `xml:"Ccy"`
	Minor string `xml:"CcyMnrUnts"` // "N.A." where there is none
	Name  struct {
		Text string `xml:",chardata"`
		Fund bool   `xml:"IsFund,attr"`
	} `xml:"CcyNm"`
}

// readList reads the official list: each code once, by code.
func readList(t *testing.T) (published string, codes map[string]official) {
	t.Helper()
	text, err := os.ReadFile("testdata/iso4217/list-one.xml")
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Published string     `xml:"Pblshd,attr"`
		Rows      []official `xml:"CcyTbl>CcyNtry"` // one a country
	}
	if err := xml.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	codes = map[string]official{}
	for _, row := range list.Rows {
		if row.Code == "" { // Antarctica has none
			continue
		}
		if other, twice := codes[row.Code]; twice && (other.Minor != row.Minor || other.Name.Fund != row.Name.Fund) {
			t.Errorf("the list says two things of %s", row.Code)
		}
		codes[row.Code] = row
	}
	if len(codes) < 170 {
		t.Fatalf("the list has %d codes", len(codes))
	}
	return list.Published, codes
}

// TestCurrenciesAreTheOfficialList compares every code, its minor unit and whether it is accepted
// with the official list.
func TestCurrenciesAreTheOfficialList(t *testing.T) {
	published, codes := readList(t)
	if *update {
		writeTable(t, published, codes)
		return
	}
	if ListDate != published {
		t.Errorf("the table is as of %s, the list as of %s", ListDate, published)
	}
	var accepted []string
	for code, o := range codes {
		decimals, none := strconv.Atoi(o.Minor)
		pays := none == nil && !o.Name.Fund && !notMoney[code]
		if pays {
			accepted = append(accepted, code)
		}
		if got := CheckCurrency(code); (got == nil) != pays {
			t.Errorf("%s (%s): %v", code, o.Name.Text, got)
		}
		if got := Decimals(code); got != decimals {
			t.Errorf("%s (%s) is shown with %d decimals, and its minor unit is %q", code, o.Name.Text, got, o.Minor)
		}
	}
	slices.Sort(accepted)
	if got := Currencies(); !slices.Equal(got, accepted) {
		t.Errorf("%v, want %v", got, accepted)
	}
	if len(listed) != len(codes) {
		t.Errorf("the table has %d codes, the list %d: run go generate ./shared/shop/money", len(listed), len(codes))
	}
	for code := range notMoney {
		if _, there := codes[code]; !there {
			t.Errorf("%s is on the list no more", code)
		}
	}
	for code := range withdrawn {
		if _, there := codes[code]; there {
			t.Errorf("%s is on the list again", code)
		}
	}
}

func writeTable(t *testing.T, published string, codes map[string]official) {
	t.Helper()
	var b bytes.Buffer
	_, _ = fmt.Fprintf(&b, `// Code generated from testdata/iso4217/list-one.xml by go generate; DO NOT EDIT.

package money

// ListDate is the day on which the list of codes was published.
const ListDate = %q

// listed is ISO 4217's list one.
var listed = map[string]listing{
`, published)
	var order []string
	for code := range codes {
		order = append(order, code)
	}
	slices.Sort(order)
	for _, code := range order {
		o := codes[code]
		decimals, err := strconv.Atoi(o.Minor)
		pays := err == nil && !o.Name.Fund && !notMoney[code]
		_, _ = fmt.Fprintf(&b, "%q: {decimals: %d, money: %t}, // %s\n",
			code, decimals, pays, strings.TrimSpace(o.Name.Text))
	}
	text, err := format.Source(append(b.Bytes(), "}\n"...))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("currencies.go", text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCheckCurrency(t *testing.T) {
	for name, codes := range map[string]string{
		"in use":               "USD EUR JPY KWD CHF RSD IQD COP PKR",
		"new since about 2018": "MRU VES VED SLE XCG ZWG STN BYN",
		"of several countries": "XAF XOF XPF XCD",
	} {
		for _, code := range strings.Fields(codes) {
			if err := CheckCurrency(code); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for name, codes := range map[string]string{
		"withdrawn":          "DEM FRF ITL BGN HRK ANG CUC SLL ZWL MRO VEF BYR LTL",
		"a fund":             "BOV CHE CHW CLF COU MXV USN UYI",
		"a unit of account":  "UYW XAD XDR XSU XUA XBA XBB XBC XBD",
		"a metal":            "XAG XAU XPD XPT",
		"a test, or nothing": "XTS XXX",
		"no code":            "usd Usd US USDD ZZZ 123 € CNH EURO",
	} {
		for _, code := range strings.Fields(codes) {
			if err := CheckCurrency(code); !errors.Is(err, ErrCurrency) {
				t.Errorf("%s (%s): %v", code, name, err)
			}
		}
	}
	for _, code := range []string{"", " USD", "USD\n"} {
		if err := CheckCurrency(code); !errors.Is(err, ErrCurrency) {
			t.Errorf("%q: %v", code, err)
		}
	}
}

// TestCheckCode: what an earlier release accepted stays readable.
func TestCheckCode(t *testing.T) {
	for _, code := range []string{"USD", "DEM", "BGN", "XAU", "CNH", "ZZZ"} {
		if err := CheckCode(code); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
	for _, code := range []string{"", "US", "USDD", "usd", "USd", "U D", "ÄBC", "123"} {
		if err := CheckCode(code); !errors.Is(err, ErrCurrency) {
			t.Errorf("%q: %v", code, err)
		}
	}
}

// TestDecimalsOfTheWithdrawn: amounts in currencies that an earlier release accepted are still
// shown, with the minor unit that they had.
func TestDecimalsOfTheWithdrawn(t *testing.T) {
	for want, codes := range []string{
		0: "ADP BEF BYB BYR ESP GRD ITL LUF MGF PTE TPE TRL",
		2: "AFA ANG ATS BGL BGN CUC CYP CSD DEM EEK FIM FRF GHC HRK IEP LTL LVL MRO MTL NLG " +
			"PLZ ROL SDD SIT SKK SLL SRG STD TMM VEB VEF YUM ZMK ZWD ZWL CNH",
	} {
		for _, code := range strings.Fields(codes) {
			if got := Decimals(code); got != want {
				t.Errorf("%s is shown with %d decimals, want %d", code, got, want)
			}
		}
	}
}
