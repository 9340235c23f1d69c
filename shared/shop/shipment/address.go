package shipment

import (
	"regexp"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Limits of an address, in characters.
const (
	MaxAddressLine = 100 // recipient, lines, city and state
	MaxPostalCode  = 20
	MaxPhone       = 30
)

// PhonePattern is the form of a phone number: 5 to 15 digits, which is the most that ITU-T E.164
// has, with + before the country code where there is one. Between them may stand what people write
// there.
const PhonePattern = `^\+?[ ()./-]*([0-9][ ()./-]*){5,15}$`

var phoneForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(PhonePattern) })

// Address is where an order goes. It is personal data: outside of a request it exists sealed only.
type Address struct {
	Recipient  string `json:"recipient"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	PostalCode string `json:"postalCode"` // "" where the country asks for none
	City       string `json:"city"`       // the same
	// the country's administrative area: state, province, prefecture, emirate
	State   string `json:"state,omitempty"`
	Country string `json:"country"`         // ISO 3166-1 alpha-2, in capitals
	Phone   string `json:"phone,omitempty"` // whom the carrier calls
}

// Trimmed is the address without white space around its fields. Nothing else of what the customer
// wrote is changed: control characters stay, for [Address.Validate] to refuse.
func (a Address) Trimmed() Address {
	for _, field := range []*string{
		&a.Recipient, &a.Line1, &a.Line2, &a.PostalCode, &a.City, &a.State, &a.Country, &a.Phone,
	} {
		*field = strings.TrimFunc(*field, func(r rune) bool { return unicode.IsSpace(r) && !unicode.IsControl(r) })
	}
	return a
}

// Validate names the first field that no carrier could read, or that the country's addresses need,
// as ErrInvalidAddress, and never what stands in it. Whether the country is served is asked when
// the shipment is scheduled.
func (a Address) Validate() error {
	invalid := func(field, rule string, args ...any) error {
		return ErrInvalidAddress.Field("body.shippingAddress."+field, rule, args...)
	}
	in, known := countryOf(a.Country)
	if !known {
		return invalid("country", "two capital letters, the ISO 3166-1 alpha-2 code of a country")
	}
	for _, f := range []struct {
		name, value string
		limit       int
		required    bool
	}{
		{"recipient", a.Recipient, MaxAddressLine, true},
		{"line1", a.Line1, MaxAddressLine, true},
		{"line2", a.Line2, MaxAddressLine, false},
		{"postalCode", a.PostalCode, MaxPostalCode, in.needsPostalCode},
		{"city", a.City, MaxAddressLine, in.needsCity},
		{"state", a.State, MaxAddressLine, in.needsState},
		{"phone", a.Phone, MaxPhone, false},
	} {
		switch {
		case f.required && strings.TrimSpace(f.value) == "":
			return invalid(f.name, "required: an address in this country has it")
		case utf8.RuneCountInString(f.value) > f.limit:
			return invalid(f.name, "at most %d characters", f.limit)
		case !utf8.ValidString(f.value) || strings.ContainsFunc(f.value, unicode.IsControl):
			return invalid(f.name, "one line of text, without control characters")
		}
	}
	if !in.takes(a.PostalCode) {
		return invalid("postalCode", "not a postal code of the address's country")
	}
	if a.Phone != "" && !phoneForm().MatchString(a.Phone) {
		return invalid(
			"phone", "5 to 15 digits, a + before the country code, and between them only spaces and ( ) . / -",
		)
	}
	return nil
}

func validCountry(code string) bool {
	return len(code) == 2 && 'A' <= code[0] && code[0] <= 'Z' && 'A' <= code[1] && code[1] <= 'Z'
}

// Served makes the list of countries that orders are shipped to, ISO 3166-1 alpha-2 codes joined by
// commas, a question.
func Served(list string) func(country string) bool {
	served := map[string]bool{}
	for code := range strings.SplitSeq(list, ",") {
		served[strings.TrimSpace(code)] = true
	}
	return func(country string) bool { return validCountry(country) && served[country] }
}
