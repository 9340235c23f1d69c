package shipment_test

import (
	"encoding/json"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	library "github.com/bojanz/address"

	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/shipment"
)

var update = flag.Bool("update", false, "write the table of countries instead of comparing with it")

// TestCountriesAreThoseOfTheLibrary makes the table of countries, or compares it. Where the library
// lists no required field at all it is taken to be silent, and what it requires of an unknown
// country holds. A field that has a default, as the city of Singapore has, need not be given.
func TestCountriesAreThoseOfTheLibrary(t *testing.T) {
	var made strings.Builder
	made.WriteString("# Made by go generate from github.com/bojanz/address v1.3.3 (2026-02-17), MIT, " +
		"© 2020 Bojan Zivanovic and contributors.\n")
	codes := library.GetCountryCodes()
	slices.Sort(codes)
	for _, code := range codes {
		format := library.GetFormat(code)
		required := format.Required
		if len(required) == 0 {
			required = library.GetFormat("ZZ").Required
		}
		made.WriteString(code + "\t")
		for _, field := range []library.Field{library.FieldLocality, library.FieldRegion, library.FieldPostalCode} {
			if slices.Contains(required, field) && format.Defaults[field] == "" {
				made.WriteString(letters[field])
			}
		}
		made.WriteString("\t" + format.PostalCodePattern + "\n")
	}
	if *update {
		if err := os.WriteFile("countries.tsv", []byte(made.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile("countries.tsv")
	if err != nil {
		t.Fatal(err)
	}
	if string(stored) != made.String() {
		t.Error("countries.tsv is not what the library says: go generate ./shared/shop/shipment")
	}
	module, err := os.ReadFile(filepath.Join("..", "..", "..", "go.mod"))
	if err != nil || !strings.Contains(string(module), "bojanz/address v1.3.3\n") {
		t.Errorf("the table says that it is of v1.3.3, and go.mod has another version: %v", err)
	}
}

var letters = map[library.Field]string{
	library.FieldLocality: "C", library.FieldRegion: "S", library.FieldPostalCode: "Z",
}

// written are addresses as people write them, each with all that its country needs and no more.
var written = map[string]shipment.Address{
	"US": {Line1: "1600 Amphitheatre Parkway", City: "Mountain View", State: "CA", PostalCode: "94043"},
	"CA": {Line1: "111 Wellington Street", City: "Ottawa", State: "ON", PostalCode: "K1A 0A9"},
	"HK": {Line1: "G/F, 8 Finance Street", State: "Hong Kong Island"},
	"AE": {Line1: "Sheikh Zayed Road 12", State: "Dubai"},
	"IE": {Line1: "4 O'Connell Street", City: "Limerick"},
	"PA": {Line1: "Calle 50, Edificio 3", City: "Panamá"},
	"JP": {Line1: "千代田1-1", State: "東京都", PostalCode: "100-0001"},
	"GB": {Line1: "12 St James's Square", City: "London", PostalCode: "SW1Y 4LB"},
	"NL": {Line1: "Keizersgracht 1", City: "Amsterdam", PostalCode: "1015 CJ"},
	"DE": {Line1: "Unter den Linden 77", City: "Berlin", PostalCode: "10117"},
	"BR": {Line1: "Av. Paulista 1578", City: "São Paulo", State: "SP", PostalCode: "01310-200"},
	"SG": {Line1: "1 Raffles Place", PostalCode: "048616"},
	"IS": {Line1: "Laugavegur 1", City: "Reykjavík"},
}

// TestEachCountryNeedsItsOwn takes each field from addresses that are good without any other.
func TestEachCountryNeedsItsOwn(t *testing.T) {
	for country, a := range written {
		t.Run(country, func(t *testing.T) {
			a.Country, a.Recipient = country, "Ada Lovelace"
			if err := a.Validate(); err != nil {
				t.Fatal(err)
			}
			a.Line2, a.Phone = "3rd floor", "+1 (650) 253-0000"
			if err := a.Validate(); err != nil {
				t.Errorf("with a second line and a phone: %v", err)
			}
			for name, field := range map[string]*string{
				"line1": &a.Line1, "city": &a.City, "state": &a.State, "postalCode": &a.PostalCode,
			} {
				was := *field
				if was == "" {
					*field = fillers[name][country]
					if err := a.Validate(); err != nil {
						t.Errorf("with a %s that it doesn't need: %v", name, err)
					}
				} else {
					*field = " "
					wantField(t, a.Validate(), name)
				}
				*field = was
			}
		})
	}
}

// fillers are what people give where a country doesn't ask for it.
var fillers = map[string]map[string]string{
	"city":       {"HK": "Central", "AE": "Dubai", "JP": "千代田区", "SG": "Singapore"},
	"state":      {"IE": "Co. Limerick", "PA": "Panamá", "GB": "Greater London", "NL": "Noord-Holland", "DE": "Berlin"},
	"postalCode": {"HK": "999077", "AE": "00000", "PA": "0801", "IE": "V94 T9PX", "IS": "101"},
}

func wantField(t *testing.T, err error, field string) {
	t.Helper()
	fault, ok := faults.As(err)
	switch {
	case !ok, !errors.Is(err, shipment.ErrInvalidAddress), fault.Field != "body.shippingAddress."+field,
		fault.Detail == "":
		t.Errorf("%v is not an invalid %s", err, field)
	}
}

func TestPostalCodesAsPeopleWriteThem(t *testing.T) {
	for country, codes := range map[string]struct{ good, bad []string }{
		"NL": {
			[]string{"1015 CJ", "1015CJ", "1015 cj", " 1015cj ", "1015-CJ", "1015\u00a0CJ", "NL-1015 CJ", "１０１５　ｃｊ"},
			[]string{"1015", "1015 C", "1015 CJX", "0 1015 CJ", "CJ 1015"},
		},
		"GB": {
			[]string{"SW1A 1AA", "sw1a1aa", "SW1A-1AA", "GIR 0AA", "bfpo 61"},
			[]string{"QQ1 1AA", "SW1A 1A", "GIR 0AAX", "XGIR 0AA", "12345", "XX SW1A 1AA", "SW1A 1AA BFPO 61", "BFPO"},
		},
		"CA": {[]string{"K1A 0B1", "K1A0B1", "k1a-0b1"}, []string{"D1A 0B1", "K1A 0B", "K1A 0B12"}},
		"US": {[]string{"94043", "94043-1351", "94043 1351", "940431351"}, []string{"9404", "94043-135", "SW1A 1AA"}},
		"JP": {
			[]string{"154-0023", "1540023", "１５４－００２３", "１５４ー００２３", "154−0023"},
			[]string{"154-002", "154-00233"},
		},
		"PL": {[]string{"00-950", "00950", "00 950"}, []string{"00-95"}},
		"PT": {[]string{"1000-205", "1000205"}, []string{"1000"}},
		"BR": {[]string{"01310-200", "01310200"}, []string{"01310-20"}},
		"SE": {[]string{"114 55", "11455", "SE-114 55"}, []string{"1145"}},
		"LU": {[]string{"1009", "L-1009", "l1009", "LU-1009"}, []string{"D-1009"}},
		"DE": {[]string{"10117", "D-10117", "DE-10117"}, []string{"1011", "A-10117"}},
		"IE": {[]string{"D02 X285", "d02x285"}, []string{"D02 X28"}},
		"EG": {[]string{"11511", "١١٥١١"}, []string{"1151"}},
		"BH": {[]string{"317", "1001"}, []string{"99", "1301"}},
		"LV": {[]string{"LV-1010", "LV1010", "lv 1010"}, []string{"LV-101"}},
		"HK": {[]string{"999077", "n/a", "00000"}, nil}, // there are none, so any is a placeholder
	} {
		a := written[country]
		a.Recipient, a.Line1, a.City, a.State, a.Country = "Ada Lovelace", "1 Street", "City", "State", country
		for _, a.PostalCode = range codes.good {
			if err := a.Validate(); err != nil {
				t.Errorf("%s %q: %v", country, a.PostalCode, err)
			}
		}
		for _, a.PostalCode = range codes.bad {
			wantField(t, a.Validate(), "postalCode")
			if fault, _ := faults.As(a.Validate()); fault != nil && strings.Contains(fault.Detail, a.PostalCode) {
				t.Errorf("%q tells %q", fault.Detail, a.PostalCode)
			}
		}
	}
}

// differing are the countries of which the library, which is kept by hand after Google's data,
// requires other fields than that, and the fields that it requires (C the city, S the state, Z the
// postal code).
var differing = map[string]string{
	"AS": "CZ", "BB": "CS", "CL": "CS", "CO": "CS", "EG": "CS", "KI": "CS", "KZ": "CZ", "MP": "CZ", "MY": "CSZ",
	"PE": "CS", "TH": "CS", "TR": "CSZ", "VI": "CZ", "VN": "CS", "ZW": "CS",
}

// TestDataSet holds the table against Google's own data: all countries, the fields that they
// require, and every example of a postal code, however people may write it.
func TestDataSet(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "libaddressinput.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	countries, examples, differences := 0, 0, map[string]string{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		column := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		country, google := column[0], strings.TrimPrefix(column[1], "A")
		countries++
		a := shipment.Address{
			Recipient: "Ada Lovelace", Line1: "1 Street", City: "City", State: "State", Country: country,
		}
		if column[3] == "" { // a country without postal codes takes any
			a.PostalCode = "1"
		}
		for example := range strings.SplitSeq(column[3], ",") {
			for _, a.PostalCode = range []string{
				example, strings.ToLower(example), strings.ReplaceAll(example, " ", ""),
				strings.ReplaceAll(example, " ", "-"),
				strings.ReplaceAll(example, "-", ""), strings.ReplaceAll(example, "-", " "), " " + example + " ",
			} {
				// districts of Lima, before 2011
				if a.PostalCode == "" || country == "PE" && !unicode.IsDigit(rune(example[0])) {
					continue
				}
				if err := a.Validate(); err != nil {
					t.Errorf("%s %q: %v", country, a.PostalCode, err)
				}
				examples++
			}
			a.PostalCode = example
		}
		needs := ""
		for _, field := range []struct {
			letter string
			value  *string
		}{{"C", &a.City}, {"S", &a.State}, {"Z", &a.PostalCode}} {
			was := *field.value
			*field.value = ""
			if a.Validate() != nil {
				needs += field.letter
			}
			*field.value = was
		}
		if needs != google {
			differences[country] = needs
		}
	}
	if countries < 250 || examples < 2000 {
		t.Errorf("only %d countries and %d examples", countries, examples)
	}
	if !maps.Equal(differences, differing) {
		t.Errorf("requires other fields than Google's data in %v, and these are known: %v", differences, differing)
	}
}

// TestPatternsCompile looks at each pattern of the table, which requests take on trust, and at the
// digits of Unicode.
func TestPatternsCompile(t *testing.T) {
	text, err := os.ReadFile("countries.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(columns) == 3 {
			regexp.MustCompile(columns[2])
		} else if !strings.HasPrefix(line, "# ") {
			t.Errorf("%q is no country", line)
		}
	}
	for _, row := range unicode.Nd.R16 {
		if row.Stride != 1 || (row.Hi-row.Lo+1)%10 != 0 {
			t.Errorf("the digits %U to %U are not rows of ten", row.Lo, row.Hi)
		}
	}
	for _, row := range unicode.Nd.R32 {
		if row.Stride != 1 || (row.Hi-row.Lo+1)%10 != 0 {
			t.Errorf("the digits %U to %U are not rows of ten", row.Lo, row.Hi)
		}
	}
}

func TestPhone(t *testing.T) {
	a := written["NL"]
	a.Recipient, a.Country = "Ada Lovelace", "NL"
	for _, a.Phone = range []string{
		"", "+31 20 555 0100", "020-5550100", "+1 (650) 253-0000", "+44 (0)20 7946 0958", "00 31 20 5550100", "11233",
		"020/555.01.00", "+123456789012345",
	} {
		if err := a.Validate(); err != nil {
			t.Errorf("%q: %v", a.Phone, err)
		}
	}
	for _, a.Phone = range []string{
		"1234", "+1234567890123456", "call me", "+31 20 555 0100 ext 7", "++31205550100", "31+205550100", "+", "()",
		"020\n5550100", strings.Repeat("-", 40) + "12345",
	} {
		wantField(t, a.Validate(), "phone")
	}
}

// TestAddressOfBefore reads what earlier releases sealed, and writes what they can read.
func TestAddressOfBefore(t *testing.T) {
	const before = `{"recipient":"Ada Lovelace","line1":"12 St James's Square",` +
		`"postalCode":"SW1Y 4LB","city":"London","country":"GB"}`
	var a shipment.Address
	if err := json.Unmarshal([]byte(before), &a); err != nil || a.Validate() != nil {
		t.Fatalf("%+v, %v, %v", a, err, a.Validate())
	}
	if now, err := json.Marshal(a); err != nil || string(now) != before {
		t.Errorf("written as %s, %v", now, err)
	}
}

func TestTrimmed(t *testing.T) {
	a := shipment.Address{
		Recipient: " Ada ", Line1: "\u00a01 Street", Line2: " ", City: "London ", PostalCode: " sw1a1aa ", State: " S",
		Country: "GB", Phone: " +1 2345 ",
	}
	want := shipment.Address{
		Recipient: "Ada", Line1: "1 Street", City: "London", PostalCode: "sw1a1aa", State: "S",
		Country: "GB", Phone: "+1 2345",
	}
	if got := a.Trimmed(); got != want {
		t.Errorf("%+v", got)
	}
}

// TestTrimmedKeepsControlCharacters: what no line may hold is refused at a field's ends too.
func TestTrimmedKeepsControlCharacters(t *testing.T) {
	for _, state := range []string{"\u0085", "\t", "S\n", " \rS", "\u0085 S", "S \v"} {
		a := written["GB"]
		a.Recipient, a.Country, a.State = "Ada Lovelace", "GB", state
		wantField(t, a.Trimmed().Validate(), "state")
	}
}

func TestUnknownCountries(t *testing.T) {
	for _, code := range []string{"ZZ", "XX", "UK", "AA", "", "gb", "GBR", "#\t", "\nN"} {
		a := written["GB"]
		a.Recipient, a.Country = "Ada Lovelace", code
		wantField(t, a.Validate(), "country")
	}
}
