package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/inbound/httpapi"
	"orderflow/shared/shop/shipment"
)

// TestAddressesOfCountries: an order takes the address that its country has, as people write it,
// and every answer shows it so.
func TestAddressesOfCountries(t *testing.T) {
	for country, fields := range map[string]object{
		"US": {"city": "Mountain View", "state": "CA", "postalCode": "94043 1351", "phone": "+1 (650) 253-0000"},
		"CA": {"city": "Ottawa", "state": "Ontario", "postalCode": "k1a0b1"},
		"HK": {"state": "Kowloon", "phone": "2123 4567"},
		"AE": {"state": "Dubai"},
		"IE": {"city": "Limerick"},
		"PA": {"city": "Panamá"},
		"JP": {"state": "東京都", "postalCode": "1000001"},
		"GB": {"city": "London", "postalCode": "sw1a1aa"},
		"NL": {"city": "Amsterdam", "postalCode": "1015 cj"},
		"DE": {"city": "Berlin", "postalCode": "D-10117"},
		"BR": {"city": "São Paulo", "state": "SP", "postalCode": "01310200"},
	} {
		t.Run(country, func(t *testing.T) {
			s := newShop(t)
			want := abroad(country, fields)["shippingAddress"].(object)
			for _, always := range []string{"city", "postalCode"} {
				if want[always] == nil {
					want[always] = ""
				}
			}
			placed := s.must(http.StatusAccepted, post(ada, "/orders", abroad(country, fields)))
			got := s.must(http.StatusOK, get(ada, "/orders/"+placed.text("id")))
			for _, res := range []response{placed, got} {
				if diff := cmp.Diff(want, res.body["shippingAddress"]); diff != "" {
					t.Error(diff)
				}
			}
			history := s.must(http.StatusOK, get(operator, "/orders/"+placed.text("id")+"/history"))
			for _, value := range fields {
				if text, _ := value.(string); strings.Contains(history.raw+s.log.String(), text) {
					t.Errorf("%q is in a history or a log", text)
				}
			}
		})
	}
}

// TestAddressIsTrimmed: what is answered first is what is stored.
func TestAddressIsTrimmed(t *testing.T) {
	s := newShop(t)
	body := set(anOrder(), "shippingAddress.postalCode", " sw1y4lb ")
	placed := s.must(http.StatusAccepted, post(ada, "/orders", body))
	got := s.must(http.StatusOK, get(ada, "/orders/"+placed.text("id")))
	for _, res := range []response{placed, got} {
		if to, _ := res.body["shippingAddress"].(object); to["postalCode"] != "sw1y4lb" {
			t.Errorf("postal code %q", to["postalCode"])
		}
	}
}

// TestShipmentShowsWholeAddress: whoever packs and carries sees the state and the phone too.
func TestShipmentShowsWholeAddress(t *testing.T) {
	s := newShop(t)
	body := set(set(anOrder(), "shippingAddress.state", "Greater London"), "shippingAddress.phone", "+44 20 7946 0958")
	s.order = s.must(http.StatusAccepted, post(ada, "/orders", body)).text("id")
	id := s.ship(shipment.StatusPrepared)
	res := s.must(http.StatusOK, get(carrier, "/shipments/"+id))
	if diff := cmp.Diff(body["shippingAddress"], res.body["shippingAddress"]); diff != "" {
		t.Error(diff)
	}
}

// TestPhonePatternIsTheShipments: the description refuses what the address refuses.
func TestPhonePatternIsTheShipments(t *testing.T) {
	document, err := httpapi.OpenAPI(auth)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(document), shipment.PhonePattern) {
		t.Errorf("the document has no pattern %s", shipment.PhonePattern)
	}
}
