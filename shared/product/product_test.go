package product_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"orderflow/shared/clock"
	"orderflow/shared/es"
	"orderflow/shared/es/memstore"
	"orderflow/shared/money"
	"orderflow/shared/product"
	"orderflow/shared/product/producttest"
)

func eur(amount int64) product.Price {
	return product.Price{Money: money.Money{Amount: amount, Currency: "EUR"}}
}

// TestOffers lists, reprices and withdraws, and reads what orders read.
func TestOffers(t *testing.T) {
	start := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	store := memstore.New(es.NewRegistry(product.Register))
	service := product.New(product.Deps{Store: store, Clock: clock.NewFake(start), Rows: producttest.NewRows()})
	usd := product.Price{Money: money.Money{Amount: 1099, Currency: "USD"}}
	sale := product.Price{Money: money.Money{Amount: 799, Currency: "EUR"}, ValidFrom: start.Add(time.Hour)}
	set := func(id, sku string, version int64, withdrawn bool, prices ...product.Price) {
		t.Helper()
		got, err := service.Set(t.Context(), es.Request{CommitID: id, Time: start}, sku, product.Desired{Withdrawn: withdrawn, Prices: prices}, product.Match{Version: version})
		if err != nil || got.Version != version+1 {
			t.Fatalf("%+v, %v", got, err)
		}
	}
	set("1", "cd-1", 0, false, usd, sale, eur(999))
	set("2", "cd-2", 0, false, eur(500))
	set("3", "cd-3", 0, false, eur(500))
	set("4", "cd-3", 1, true)
	set("5", "cd-4", 0, false, sale)
	skus := []string{"cd-1", "cd-2", "cd-1", "cd-3", "cd-4", "cd-5", "", "a b"}
	offers := func(at time.Time) map[string]product.Offer {
		t.Helper()
		got, err := service.Offers(t.Context(), skus, at)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	second := product.Offer{SKU: "cd-2", Version: 1, Prices: []money.Money{{Amount: 500, Currency: "EUR"}}}
	want := map[string]product.Offer{
		"cd-1": {SKU: "cd-1", Version: 1, Prices: []money.Money{{Amount: 999, Currency: "EUR"}, {Amount: 1099, Currency: "USD"}}}, "cd-2": second,
	}
	if diff := cmp.Diff(want, offers(sale.ValidFrom.Add(-1))); diff != "" {
		t.Error(diff)
	}
	want = map[string]product.Offer{
		"cd-1": {SKU: "cd-1", Version: 1, Prices: []money.Money{{Amount: 799, Currency: "EUR"}, {Amount: 1099, Currency: "USD"}}}, "cd-2": second,
		"cd-4": {SKU: "cd-4", Version: 1, Prices: []money.Money{{Amount: 799, Currency: "EUR"}}},
	}
	got := offers(sale.ValidFrom)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if price, found := got["cd-1"].Price("USD"); !found || price.Amount != 1099 {
		t.Errorf("%v, %v", price, found)
	}
	if price, found := got["cd-1"].Price("JPY"); found {
		t.Errorf("a price that nobody named: %v", price)
	}
	if _, err := service.Set(t.Context(), es.Request{CommitID: "6", Time: start}, "cd-2", product.Desired{Prices: []product.Price{eur(1)}}, product.Match{}); !errors.Is(err, product.ErrVersionMismatch) {
		t.Errorf("listed twice: %v", err)
	}
	if _, err := service.Offers(t.Context(), strings.Split(strings.Repeat("x", 101), ""), start); err != nil {
		t.Error(err)
	}
}
