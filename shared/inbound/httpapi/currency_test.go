package httpapi_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/account"
	"orderflow/shared/shop/money"
)

// TestCurrencies: accounts and prices are in currencies in use, and in nothing else.
func TestCurrencies(t *testing.T) {
	s := newShop(t)
	priced := func(code string) object {
		return anOrder(object{"sku": "cd-1", "quantity": 1, "unitPrice": object{"amount": 1, "currency": code}})
	}
	inUse := strings.Fields("XCG VES VED MRU SLE ZWG RSD IQD JPY XOF")
	s.list("cd-1", 1, 1, inUse...)
	for _, code := range inUse {
		opened := s.must(http.StatusCreated, post(ada, "/accounts", object{"currency": code}))
		if balance, _ := opened.body["balance"].(object); balance["currency"] != code {
			t.Errorf("an account in %s has the balance %v", code, balance)
		}
		s.must(http.StatusAccepted, post(ada, "/orders", priced(code)))
	}
	commits := s.store.commits.Load()
	for _, code := range strings.Fields("DEM FRF BGN HRK ZWL SLL ANG XTS XAU XDR XXX BOV CHE CLF UYW XAD CNH ZZZ") {
		for field, r := range map[string]request{
			"body.currency":                    post(ada, "/accounts", object{"currency": code}),
			"body.lines[0].unitPrice.currency": post(ada, "/orders", priced(code)),
		} {
			res := s.send(r)
			at, _ := res.body["errors"].([]any)
			if res.status != http.StatusBadRequest || res.text("code") != "money.unknown-currency" ||
				len(at) != 1 || at[0].(object)["location"] != field {
				t.Errorf("%s: %d %s", code, res.status, res.raw)
			}
		}
	}
	if n := s.store.commits.Load() - commits; n != 0 {
		t.Errorf("%d commits were written", n)
	}
}

// TestWithdrawnCurrency: money that an earlier release took in a currency that was withdrawn since
// is still shown, and can be paid out.
func TestWithdrawnCurrency(t *testing.T) {
	s := newShop(t)
	id := account.ID("ada", "BGN")
	head, err := s.store.At(t.Context(), es.NewStreamID(account.Category, id), 0)
	if err != nil {
		t.Fatal(err)
	}
	earlier := es.Request{CommitID: ident.New(), Time: s.clock.Now()}
	if _, err := s.store.Append(t.Context(), []es.Commit{earlier.Commit(head,
		account.Opened{AccountID: id, CustomerID: "ada", Currency: "BGN"},
		account.Deposited{Amount: money.Money{Amount: 1999, Currency: "BGN"}, Reference: "deposit/d"},
	)}); err != nil {
		t.Fatal(err)
	}
	if shown := s.must(http.StatusOK, get(ada, "/accounts/"+id)); shown.body["balance"].(object)["amount"] != 1999.0 {
		t.Errorf("shown as %s", shown.raw)
	}
	withdraw := func(amount int64) request {
		return post(ada, "/accounts/"+id+"/withdrawals", object{"amount": object{"amount": amount, "currency": "BGN"}})
	}
	refused := s.send(withdraw(2000))
	if refused.status != http.StatusUnprocessableEntity || !strings.Contains(refused.text("detail"), "BGN 20.00") {
		t.Errorf("too much: %d %s", refused.status, refused.raw)
	}
	s.must(http.StatusCreated, withdraw(1999))
}

// TestCurrenciesInTheDocument: the contract lists what the code accepts.
func TestCurrenciesInTheDocument(t *testing.T) {
	var doc struct {
		Components struct {
			Schemas map[string]struct {
				Enum       []string
				Properties map[string]map[string]any
			}
		}
	}
	text := newWorld(t).must(http.StatusOK, get(nobody, "/openapi.json")).raw
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	if got := doc.Components.Schemas["Currency"].Enum; !slices.Equal(got, money.Currencies()) {
		t.Errorf("the document lists %v", got)
	}
	for _, schema := range []string{"OpenAccountBody", "Price"} {
		currency := doc.Components.Schemas[schema].Properties["currency"]
		if currency["$ref"] != "#/components/schemas/Currency" {
			t.Errorf("%s.currency is %v", schema, currency)
		}
	}
}
