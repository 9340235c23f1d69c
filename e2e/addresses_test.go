//go:build e2e

package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/cmd/orderflow/shop"
)

// Orders go to the addresses that countries have: each is accepted with what its country needs,
// confirmed, and shown to whoever packs it as the customer wrote it.
func TestAddressesOfCountries(t *testing.T) {
	t.Parallel()
	for _, to := range []shop.Address{
		{
			Line1: "1600 Amphitheatre Parkway", City: "Mountain View", State: "CA", PostalCode: "94043-1351",
			Country: "US", Phone: "+1 (650) 253-0000",
		},
		{Line1: "111 Wellington Street", City: "Ottawa", State: "ON", PostalCode: "k1a0b1", Country: "CA"},
		{Line1: "8 Finance Street", State: "Hong Kong Island", Country: "HK", Phone: "2123 4567"},
		{Line1: "Sheikh Zayed Road 12", State: "Dubai", Country: "AE"},
		{Line1: "4 O'Connell Street", City: "Limerick", Country: "IE"},
		{Line1: "Calle 50, Edificio 3", City: "Panamá", Country: "PA"},
		{Line1: "千代田1-1", State: "東京都", PostalCode: "1000001", Country: "JP"},
		{Line1: "12 St James's Square", City: "London", PostalCode: "sw1y4lb", Country: "GB"},
		{Line1: "Keizersgracht 1", City: "Amsterdam", PostalCode: "1015 cj", Country: "NL"},
		{Line1: "Unter den Linden 77", City: "Berlin", PostalCode: "10117", Country: "DE"},
		{Line1: "Av. Paulista 1578", City: "São Paulo", State: "SP", PostalCode: "01310200", Country: "BR"},
	} {
		t.Run(to.Country, func(t *testing.T) {
			t.Parallel()
			to.Recipient = "Test Person"
			c := newCustomer(t, 1_000)
			body := with(anOrder(onSale(t, line(newStock(t, 1), 1, 100))...), "shippingAddress", to)
			placed := must[order](t, http.StatusAccepted, post(c.token, "/orders", body))
			o, packed := c.prepared(t, placed.ID)
			for _, shown := range []*shop.Address{placed.ShippingAddress, o.ShippingAddress, packed.ShippingAddress} {
				if diff := cmp.Diff(&to, shown); diff != "" {
					t.Error(diff)
				}
			}
			short, field := to, "postalCode"
			if short.PostalCode = ""; to.PostalCode == "" {
				short.State, short.City, field = "", "", "state"
				if to.State == "" {
					field = "city"
				}
			}
			refused := send(t, post(c.token, "/orders", with(body, "shippingAddress", short)))
			if refused.status != http.StatusBadRequest ||
				!strings.Contains(refused.String(), "body.shippingAddress."+field) {
				t.Errorf("without %s: %s", field, refused)
			}
		})
	}
}
