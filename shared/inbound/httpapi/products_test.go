package httpapi_test

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"orderflow/shared/kit/es"
	"orderflow/shared/shop/product"
	"orderflow/shared/shop/stock"
)

func eur(amount int64) object { return object{"amount": amount, "currency": "EUR"} }

// from is a price that comes into force at a time.
func from(price object, at time.Time) object {
	price = maps.Clone(price)
	price["validFrom"] = at.Format(time.RFC3339Nano)
	return price
}

func priced(prices ...object) object { return object{"prices": prices} }

func putProduct(who caller, sku string, body any, header, value string) request {
	return request{
		who:     who,
		method:  http.MethodPut,
		path:    "/products/" + sku,
		body:    body,
		headers: map[string]string{header: value},
	}
}

// listed lists a new product.
func (w *world) listed(sku string, prices ...object) string {
	w.t.Helper()
	w.must(http.StatusOK, putProduct(operator, sku, priced(prices...), "If-None-Match", "*"))
	return sku
}

// wantBody compares an answer with what it must be, numbers as JSON has them.
func wantBody(t *testing.T, res response, want string) {
	t.Helper()
	if got := strings.TrimSpace(res.raw); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestProduct follows a product from its listing to its withdrawal and back.
func TestProduct(t *testing.T) {
	w := newWorld(t)
	sale := w.clock.Now().Add(time.Hour)
	set := func(body object, header, value, etag, want string) {
		t.Helper()
		res := w.must(http.StatusOK, putProduct(operator, "cd-1", body, header, value))
		wantBody(t, res, want)
		read := w.must(http.StatusOK, get(operator, "/products/cd-1"))
		if read.raw != res.raw || res.headers["Etag"] != etag || read.headers["Etag"] != etag {
			t.Errorf(
				"PUT %s %s\nGET %s %s\nwant %s",
				res.headers["Etag"],
				res.raw,
				read.headers["Etag"],
				read.raw,
				etag,
			)
		}
	}
	wantAda := func(status int, want string) {
		t.Helper()
		wantBody(t, w.must(status, get(ada, "/products/cd-1")), want)
	}
	checkProblem(t, w.send(get(ada, "/products/cd-1")), http.StatusNotFound, "product.not-found")

	const euros = `{"amount":999,"currency":"EUR"}`
	const free = `{"amount":0,"currency":"EUR"}`
	const both = euros + `,{"amount":1099,"currency":"USD"}`
	set(
		priced(usd(1099), eur(999)),
		"If-None-Match",
		"*",
		`"1"`,
		`{"sku":"cd-1","withdrawn":false,"current":[`+both+`],"prices":[`+both+`],"outOfStock":"reject","version":1}`,
	)
	wantAda(200, `{"sku":"cd-1","withdrawn":false,"current":[`+both+`],"outOfStock":"reject","version":1}`)

	// A sale is scheduled: operators see it, customers when it begins.
	scheduled := `{"amount":799,"currency":"EUR","validFrom":"2026-03-01T13:00:00Z"}`
	set(priced(eur(999), from(eur(799), sale.In(time.FixedZone("", 3600)))), "If-Match", `"1"`, `"2"`,
		`{"sku":"cd-1","withdrawn":false,"current":[`+euros+`],"prices":[`+euros+`,`+scheduled+`],"outOfStock":"reject","version":2}`)
	wantAda(200, `{"sku":"cd-1","withdrawn":false,"current":[`+euros+`],"outOfStock":"reject","version":2}`)
	w.clock.Advance(time.Hour)
	wantAda(
		200,
		`{"sku":"cd-1","withdrawn":false,"current":[{"amount":799,"currency":"EUR"}],"outOfStock":"reject","version":2}`,
	)

	// What GET gives an operator can be put back as it is, and changes nothing.
	read := w.must(http.StatusOK, get(operator, "/products/cd-1"))
	commits := w.store.commits.Load()
	w.must(
		http.StatusOK,
		putProduct(
			operator,
			"cd-1",
			object{"prices": read.body["prices"], "withdrawn": read.body["withdrawn"]},
			"If-Match",
			`"2"`,
		),
	)
	if got := w.store.commits.Load(); got != commits {
		t.Errorf("%d commits for what is so already", got-commits)
	}

	set(
		object{"withdrawn": true},
		"If-Match",
		`"2"`,
		`"3"`,
		`{"sku":"cd-1","withdrawn":true,"current":[],"outOfStock":"reject","version":3}`,
	)
	wantAda(200, `{"sku":"cd-1","withdrawn":true,"current":[],"outOfStock":"reject","version":3}`)
	set(
		object{"withdrawn": true, "prices": []object{}},
		"If-Match",
		`"3"`,
		`"3"`,
		`{"sku":"cd-1","withdrawn":true,"current":[],"outOfStock":"reject","version":3}`,
	)
	set(
		priced(eur(0)),
		"If-Match",
		`"3"`,
		`"4"`,
		`{"sku":"cd-1","withdrawn":false,"current":[`+free+`],"prices":[`+free+`],"outOfStock":"reject","version":4}`,
	)

	h, err := w.store.Load(t.Context(), es.NewStreamID(product.Category, "cd-1"), 0)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, e := range h.Events {
		types = append(types, e.Type)
		if !strings.HasPrefix(e.Metadata.Actor, "operator/") || e.Metadata.CorrelationID == "" {
			t.Errorf("%s comes from %+v", e.ID(), e.Metadata)
		}
	}
	if diff := cmp.Diff(
		[]string{"product.listed", "product.repriced", "product.withdrawn", "product.listed"},
		types,
	); diff != "" {
		t.Error(diff)
	}
}

// TestProductToCome: what comes on the market later is nobody's business but the shop's.
func TestProductToCome(t *testing.T) {
	w := newWorld(t)
	w.listed("cd-1", from(eur(999), w.clock.Now().Add(time.Hour)))
	w.listed("cd-2", eur(500))
	checkProblem(t, w.send(get(ada, "/products/cd-1")), http.StatusNotFound, "product.not-found")
	unknown := w.send(get(ada, "/products/cd-9"))
	if theirs := w.send(get(ada, "/products/cd-1")); strings.ReplaceAll(theirs.raw, "cd-1", "cd-9") != unknown.raw {
		t.Errorf("it can be told apart from one that nobody listed: %s, %s", theirs.raw, unknown.raw)
	}
	if got := productSKUs(w.must(http.StatusOK, get(ada, "/products"))); !slices.Equal(got, []string{"cd-2"}) {
		t.Errorf("customers see %v", got)
	}
	if got := productSKUs(
		w.must(http.StatusOK, get(operator, "/products")),
	); !slices.Equal(
		got,
		[]string{"cd-1", "cd-2"},
	) {
		t.Errorf("operators see %v", got)
	}
	wantBody(
		t,
		w.must(http.StatusOK, get(operator, "/products/cd-1")),
		`{"sku":"cd-1","withdrawn":false,"current":[],"prices":[`+
			`{"amount":999,"currency":"EUR","validFrom":"2026-03-01T13:00:00Z"}],"outOfStock":"reject","version":1}`,
	)
	w.clock.Advance(time.Hour)
	if got := productSKUs(
		w.must(http.StatusOK, get(ada, "/products")),
	); !slices.Equal(
		got,
		[]string{"cd-1", "cd-2"},
	) {
		t.Errorf("customers see %v", got)
	}
}

func productSKUs(res response) (skus []string) {
	products, _ := res.body["products"].([]any)
	for _, p := range products {
		sku, _ := p.(object)["sku"].(string)
		skus = append(skus, sku)
	}
	return skus
}

func TestListProducts(t *testing.T) {
	w := newWorld(t)
	if res := w.must(http.StatusOK, get(ada, "/products")); strings.TrimSpace(res.raw) != `{"products":[]}` {
		t.Errorf("no products: %s", res.raw)
	}
	var forSale, gone []string
	for i := range 25 {
		sku := w.listed(fmt.Sprintf("cd-%02d", i), eur(int64(i)))
		if i%5 == 0 {
			w.must(http.StatusOK, putProduct(operator, sku, object{"withdrawn": true}, "If-Match", `"1"`))
			gone = append(gone, sku)
		} else {
			forSale = append(forSale, sku)
		}
	}
	pages := func(who caller, query string) (skus []string, sizes []int) {
		t.Helper()
		for path, next := "/products"+query, "-"; next != ""; path = "/products" + query + "&cursor=" + next {
			res := w.must(http.StatusOK, get(who, path))
			page := productSKUs(res)
			skus, sizes, next = append(skus, page...), append(sizes, len(page)), res.text("next")
		}
		return skus, sizes
	}
	for _, tc := range []struct {
		who   caller
		query string
		want  []string
		sizes []int
	}{
		{ada, "?limit=10", forSale, []int{10, 10}},
		{operator, "?limit=7", forSale, []int{7, 7, 6}},
		{ada, "?limit=100", forSale, []int{20}},
		{ada, "?withdrawn=false&limit=19", forSale, []int{19, 1}},
		{operator, "?withdrawn=true&limit=3", gone, []int{3, 2}},
	} {
		got, sizes := pages(tc.who, tc.query)
		if !slices.Equal(got, tc.want) || !slices.Equal(sizes, tc.sizes) {
			t.Errorf("%s: %v in pages of %v, want %v in %v", tc.query, got, sizes, tc.want, tc.sizes)
		}
	}
	if got := productSKUs(w.must(http.StatusOK, get(ada, "/products"))); len(got) != 10 {
		t.Errorf("a page has %d", len(got))
	}

	cursor := w.must(http.StatusOK, get(operator, "/products?limit=1")).text("next")
	forged := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	for name, tc := range map[string]struct {
		who            caller
		query          string
		status         int
		code, location string
	}{
		"limit 0":                   {ada, "limit=0", 400, "request.invalid", "query.limit"},
		"limit 101":                 {ada, "limit=101", 400, "request.invalid", "query.limit"},
		"an unknown parameter":      {ada, "page=2", 400, "request.invalid", "query.page"},
		"neither true nor false":    {operator, "withdrawn=maybe", 400, "request.invalid", "query.withdrawn"},
		"withdrawn, for a customer": {ada, "withdrawn=true", 403, "auth.forbidden", "query.withdrawn"},
		"a cursor of ours not":      {ada, "cursor=abc", 400, "cursor.invalid", "query.cursor"},
		"the other list's cursor": {
			operator, "withdrawn=true&cursor=" + cursor, 400, "cursor.invalid", "query.cursor",
		},
		"a cursor of the future": {
			ada, "cursor=" + forged(`{"v":2,"a":"cd-1"}`), 400, "cursor.invalid", "query.cursor",
		},
		"a cursor behind nothing": {ada, "cursor=" + forged(`{"v":1,"a":""}`), 400, "cursor.invalid", "query.cursor"},
		"a cursor with more in it": {
			ada, "cursor=" + forged(`{"v":1,"a":"cd-1","b":2}`), 400, "cursor.invalid", "query.cursor",
		},
		"text after a cursor": {
			ada, "cursor=" + forged(`{"v":1,"a":"cd-1"}{}`), 400, "cursor.invalid", "query.cursor",
		},
	} {
		t.Run(name, func(t *testing.T) {
			res := w.send(get(tc.who, "/products?"+tc.query))
			checkProblem(t, res, tc.status, tc.code)
			if !slices.Contains(locations(res), tc.location) {
				t.Errorf("errors are at %q, want %q", locations(res), tc.location)
			}
		})
	}
}

// badProduct is a PUT that can't be.
type badProduct struct {
	when           request
	status         int
	code, location string
}

// refuseProducts wants each request to be answered by one clear problem that names the place, and
// nothing to be written.
func refuseProducts(t *testing.T, w *world, cases map[string]badProduct) {
	t.Helper()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			commits := w.store.commits.Load()
			res := w.send(tc.when)
			checkProblem(t, res, tc.status, tc.code)
			if got := locations(res); tc.location == "" && len(got) > 0 ||
				tc.location != "" && !slices.Contains(got, tc.location) {
				t.Errorf("errors are at %q, want %q: %s", got, tc.location, res.raw)
			}
			if got := w.store.commits.Load(); got != commits {
				t.Errorf("%d commits were written", got-commits)
			}
		})
	}
	wantBody(
		t,
		w.must(http.StatusOK, get(ada, "/products/cd-1")),
		`{"sku":"cd-1","withdrawn":false,"current":[{"amount":999,"currency":"EUR"}],"outOfStock":"reject","version":1}`,
	)
}

// putListed changes the product that the tests below list first.
func putListed(body any) request { return putProduct(operator, "cd-1", body, "If-Match", `"1"`) }

// withPrice is a product with a price of which one part is another.
func withPrice(part string, value any) object {
	p := eur(899)
	if p[part] = value; value == nil {
		delete(p, part)
	}
	return priced(p)
}

// TestBadProductMatch: whoever changes a product names a version, a SKU and themselves.
func TestBadProductMatch(t *testing.T) {
	w := newWorld(t)
	w.listed("cd-1", eur(999))
	match := func(header, value string) request {
		return putProduct(operator, "cd-1", priced(eur(899)), header, value)
	}
	refuseProducts(t, w, map[string]badProduct{
		"no version": {match("If-Match", ""), 428, "product.version-required", "header.If-Match"},
		"both": {
			match("If-Match", `"1"`).with("If-None-Match", "*"), 400, "request.invalid", "header.If-None-Match",
		},
		"a bare number":   {match("If-Match", "1"), 400, "request.invalid", "header.If-Match"},
		"any version":     {match("If-Match", "*"), 400, "request.invalid", "header.If-Match"},
		"a weak tag":      {match("If-Match", `W/"1"`), 400, "request.invalid", "header.If-Match"},
		"two tags":        {match("If-Match", `"1", "2"`), 400, "request.invalid", "header.If-Match"},
		"version 0":       {match("If-Match", `"0"`), 400, "request.invalid", "header.If-Match"},
		"not this one":    {match("If-None-Match", `"1"`), 400, "request.invalid", "header.If-None-Match"},
		"another version": {match("If-Match", `"2"`), 412, "product.version-mismatch", ""},
		"listed before":   {match("If-None-Match", "*"), 412, "product.version-mismatch", ""},
		"changed, and never listed": {
			putProduct(operator, "cd-9", priced(eur(1)), "If-Match", `"1"`), 412, "product.version-mismatch", "",
		},
		"withdrawn, and never listed": {
			putProduct(operator, "cd-9", object{"withdrawn": true}, "If-None-Match", "*"), 404, "product.not-found",
			"",
		},
		"a SKU that is none": {
			putProduct(operator, "-", priced(eur(1)), "If-None-Match", "*"), 400, "request.invalid", "path.sku",
		},
		"a SKU that is too long": {
			putProduct(operator, strings.Repeat("x", 65), priced(eur(1)), "If-None-Match", "*"), 400,
			"request.invalid", "path.sku",
		},
		"by a customer": {
			putProduct(ada, "cd-1", priced(eur(1)), "If-Match", `"1"`), 403, "auth.forbidden", "",
		},
		"by a carrier": {
			putProduct(carrier, "cd-1", priced(eur(1)), "If-Match", `"1"`), 403, "auth.forbidden", "",
		},
		"taken away": {remove(operator, "/products/cd-1"), 405, "request.method-not-allowed", ""},
	})
}

// TestBadProducts: a product that is for sale has prices that differ, and one that is withdrawn has
// none.
func TestBadProducts(t *testing.T) {
	w := newWorld(t)
	w.listed("cd-1", eur(999))
	now := w.clock.Now()
	many := make([]object, product.MaxPrices+1)
	for i := range many {
		many[i] = object{
			"amount": 1, "currency": "EUR", "validFrom": now.Add(time.Duration(i)).Format(time.RFC3339Nano),
		}
	}
	elsewhere := object{
		"amount": 2, "currency": "EUR", "validFrom": now.Add(1).In(time.FixedZone("", 7200)).Format(time.RFC3339Nano),
	}
	refuseProducts(t, w, map[string]badProduct{
		"nothing":              {putListed(object{}), 422, "product.invalid-prices", "body.prices"},
		"no prices":            {putListed(priced([]object{}...)), 422, "product.invalid-prices", "body.prices"},
		"prices that are null": {putListed(object{"prices": nil}), 400, "request.invalid", "body.prices"},
		"withdrawn, with prices": {
			putListed(object{"withdrawn": true, "prices": []object{eur(1)}}),
			422, "product.invalid-prices", "body.prices",
		},
		"withdrawn by a word": {putListed(object{"withdrawn": "yes"}), 400, "request.invalid", "body.withdrawn"},
		"too many prices":     {putListed(priced(many...)), 400, "request.invalid", "body.prices"},
		"twice in one currency": {
			putListed(priced(eur(1), usd(1), eur(2))), 422, "product.invalid-prices", "body.prices[2].validFrom",
		},
		"twice from one time": {
			putListed(priced(eur(1), many[1], elsewhere)),
			422, "product.invalid-prices", "body.prices[2].validFrom",
		},
		"no body": {putListed(nil), 400, "request.malformed", ""},
		"a list":  {putListed([]object{eur(1)}), 400, "request.invalid", "body"},
	})
}

// TestBadPrices: an amount is a whole number of minor units, in a currency in use.
func TestBadPrices(t *testing.T) {
	w := newWorld(t)
	w.listed("cd-1", eur(999))
	with := func(part string, value any) request { return putListed(withPrice(part, value)) }
	refuseProducts(t, w, map[string]badProduct{
		"no amount":               {with("amount", nil), 400, "request.invalid", "body.prices[0]"},
		"an amount below nothing": {with("amount", -1), 400, "request.invalid", "body.prices[0].amount"},
		"an absurd amount": {
			with("amount", product.MaxPrice+1), 400, "request.invalid", "body.prices[0].amount",
		},
		"an amount of a fraction": {with("amount", 9.99), 400, "request.invalid", "body.prices[0].amount"},
		"an amount in words":      {with("amount", "999"), 400, "request.invalid", "body.prices[0].amount"},
		"an amount over every integer": {
			putListed(`{"prices":[{"amount":9223372036854775808,"currency":"EUR"}]}`), 400, "request.invalid",
			"body.prices[0].amount",
		},
		"no currency": {with("currency", nil), 400, "request.invalid", "body.prices[0]"},
		"currency in lower case": {
			with("currency", "eur"), 400, "request.invalid", "body.prices[0].currency",
		},
		"no currency's code": {
			with("currency", "ZZZ"), 400, "money.unknown-currency", "body.prices[0].currency",
		},
		"a currency that was given up": {
			with("currency", "DEM"), 400, "money.unknown-currency", "body.prices[0].currency",
		},
		"gold": {
			with("currency", "XAU"), 400, "money.unknown-currency", "body.prices[0].currency",
		},
		"an unknown field": {
			putListed(object{"prices": []object{eur(1)}, "name": "x"}), 400, "request.invalid", "body.name",
		},
		"an unknown field of a price": {
			with("validUntil", "2026-03-02T00:00:00Z"), 400, "request.invalid", "body.prices[0].validUntil",
		},
	})
}

// TestBadPriceTimes: a price comes into force at a time of RFC 3339, in our era.
func TestBadPriceTimes(t *testing.T) {
	w := newWorld(t)
	w.listed("cd-1", eur(999))
	from := func(text any) request { return putListed(withPrice("validFrom", text)) }
	refuseProducts(t, w, map[string]badProduct{
		"a day": {from("2026-03-02"), 400, "request.invalid", "body.prices[0].validFrom"},
		"a time without a zone": {
			from("2026-03-02T00:00:00"), 400, "request.invalid", "body.prices[0].validFrom",
		},
		"a time with a comma": {
			from("2026-03-02T00:00:00,5Z"), 400, "request.invalid", "body.prices[0].validFrom",
		},
		"an hour of one digit": {
			from("2026-03-02T1:00:00Z"), 400, "request.invalid", "body.prices[0].validFrom",
		},
		"a zone of a day": {
			from("2026-03-02T00:00:00+24:00"), 400, "request.invalid", "body.prices[0].validFrom",
		},
		"a day that there is not": {
			from("2026-02-30T00:00:00Z"), 400, "request.invalid", "body.prices[0].validFrom",
		},
		"a time that is empty":    {from(""), 400, "request.invalid", "body.prices[0].validFrom"},
		"a time that is a number": {from(1767225600), 400, "request.invalid", "body.prices[0].validFrom"},
		"a time that is null": {
			putListed(`{"prices":[{"amount":1,"currency":"EUR","validFrom":null}]}`), 400, "request.invalid",
			"body.prices[0].validFrom",
		},
		"a time before our era": {
			from("0000-06-01T00:00:00Z"), 422, "product.invalid-prices", "body.prices[0].validFrom",
		},
	})
}

// TestProductAgain: a PUT whose answer was lost is recognised when the same caller sends it again,
// and only until somebody changes the product.
func TestProductAgain(t *testing.T) {
	w := newWorld(t)
	another := caller{claims: map[string]string{"sub": "operator-2", "scope": scope}}
	first := putProduct(operator, "cd-1", priced(eur(999)), "If-None-Match", "*")
	answer := w.must(http.StatusOK, first)
	commits := w.store.commits.Load()
	if again := w.must(
		http.StatusOK,
		first,
	); again.raw != answer.raw || again.headers["Etag"] != answer.headers["Etag"] ||
		w.store.commits.Load() != commits {
		t.Errorf("first %s\nagain %s", answer.raw, again.raw)
	}
	theirs := first
	theirs.who = another
	checkProblem(t, w.send(theirs), http.StatusPreconditionFailed, "product.version-mismatch")
	w.must(http.StatusOK, putProduct(another, "cd-1", priced(eur(899)), "If-Match", `"1"`))
	checkProblem(t, w.send(first), http.StatusPreconditionFailed, "product.version-mismatch")
	wantBody(
		t,
		w.must(http.StatusOK, get(ada, "/products/cd-1")),
		`{"sku":"cd-1","withdrawn":false,"current":[{"amount":899,"currency":"EUR"}],"outOfStock":"reject","version":2}`,
	)
}

// TestSKUs: catalogue and stock know the same SKUs.
func TestSKUs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sku := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z0-9._-]{0,66}`)).Draw(t, "sku")
		if product.ValidSKU(sku) != stock.ValidSKU(sku) {
			t.Fatalf("%q: the catalogue says %v, the stock %v", sku, product.ValidSKU(sku), stock.ValidSKU(sku))
		}
	})
}
