package httpapi

import (
	"github.com/danielgtaylor/huma/v2"

	"orderflow/shared/shop/money"
)

// currencySchema is the name of currencyCode's schema in the document.
const currencySchema = "Currency"

// currencyCode is a currency that somebody may start to use: of a new account, or of a price. An
// amount that moves on an account is in the account's, which may be one that was withdrawn since;
// that is no currencyCode.
type currencyCode string

// Schema implements huma.SchemaProvider: one schema for all its places. A code that isn't accepted
// is refused by money.CheckCurrency alone, with a code of its own; the document lists those that
// are (see describe).
func (currencyCode) Schema(r huma.Registry) *huma.Schema {
	s := &huma.Schema{
		Type: huma.TypeString, Pattern: "^[A-Z]{3}$",
		Description: "A currency in use: ISO 4217's alphabetic code, as of " + money.ListDate,
	}
	s.PrecomputeMessages()
	r.Map()[currencySchema] = s
	return &huma.Schema{Ref: "#/components/schemas/" + currencySchema}
}

// listCurrencies puts the codes that are accepted into the document.
func listCurrencies(schemas map[string]*huma.Schema) {
	for _, code := range money.Currencies() {
		schemas[currencySchema].Enum = append(schemas[currencySchema].Enum, code)
	}
}
