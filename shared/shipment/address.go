package shipment

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of an address, in characters.
const (
	MaxAddressLine = 100 // recipient, lines and city
	MaxPostalCode  = 20
)

// Address is where an order goes. It is personal data: outside of a request it exists sealed only.
type Address struct {
	Recipient  string `json:"recipient"`
	Line1      string `json:"line1"`
	Line2      string `json:"line2,omitempty"`
	PostalCode string `json:"postalCode"`
	City       string `json:"city"`
	Country    string `json:"country"` // ISO 3166-1 alpha-2, in capitals
}

// Validate names the first field that no carrier could read, as ErrInvalidAddress, and never what stands in it. Whether the country is served is asked
// when the shipment is scheduled.
func (a Address) Validate() error {
	for _, f := range []struct {
		name, value string
		limit       int
		optional    bool
	}{
		{"recipient", a.Recipient, MaxAddressLine, false},
		{"line1", a.Line1, MaxAddressLine, false},
		{"line2", a.Line2, MaxAddressLine, true},
		{"postalCode", a.PostalCode, MaxPostalCode, false},
		{"city", a.City, MaxAddressLine, false},
	} {
		field := "body.shippingAddress." + f.name
		switch {
		case !f.optional && strings.TrimSpace(f.value) == "":
			return ErrInvalidAddress.Field(field, "an address has this")
		case utf8.RuneCountInString(f.value) > f.limit:
			return ErrInvalidAddress.Field(field, "at most %d characters", f.limit)
		case !utf8.ValidString(f.value) || strings.ContainsFunc(f.value, unicode.IsControl):
			return ErrInvalidAddress.Field(field, "one line of text, without control characters")
		}
	}
	if !validCountry(a.Country) {
		return ErrInvalidAddress.Field("body.shippingAddress.country", "two capital letters (ISO 3166-1 alpha-2)")
	}
	return nil
}

func validCountry(code string) bool {
	return len(code) == 2 && 'A' <= code[0] && code[0] <= 'Z' && 'A' <= code[1] && code[1] <= 'Z'
}

// Served makes the list of countries that orders are shipped to, ISO 3166-1 alpha-2 codes joined by commas, a question.
func Served(list string) func(country string) bool {
	served := map[string]bool{}
	for code := range strings.SplitSeq(list, ",") {
		served[strings.TrimSpace(code)] = true
	}
	return func(country string) bool { return validCountry(country) && served[country] }
}
