//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/consumerqueue"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
)

// article is a product as the API shows it.
type article struct {
	SKU       string        `json:"sku"`
	Withdrawn bool          `json:"withdrawn"`
	Current   []money.Money `json:"current"`
	Prices    []object      `json:"prices"`
	Version   int64         `json:"version"`
}

// articles is a page of products.
type articles struct {
	Products []article `json:"products"`
	Next     string    `json:"next"`
}

func price(cents int64) object { return object{"amount": cents, "currency": "USD"} }

func setProduct(token, sku string, body any) request {
	return request{method: http.MethodPut, path: "/products/" + sku, token: token, body: body}
}

func atVersion(r request, version int64) request {
	return r.with("If-Match", fmt.Sprintf("%q", fmt.Sprint(version)))
}

func newArticle() string { return "e2e-" + ident.New() }

// A product is listed, repriced, scheduled, withdrawn and listed again; everybody reads what it
// costs, and who consumes the bus hears of each change.
func TestProduct(t *testing.T) {
	t.Parallel()
	_, queue := newConsumer(
		t,
		`{"source":["product-service"],"detail":{"dataversion":[1]}}`,
		consumerqueue.ReplayAllowed,
	)
	c, sku := newCustomer(t, 0), newArticle()
	refused(t, http.StatusNotFound, "product.not-found", get(c.token, "/products/"+sku))
	wantPrice := func(version int64, current ...money.Money) {
		t.Helper()
		got := must[article](t, http.StatusOK, get(c.token, "/products/"+sku))
		if got.SKU != sku || got.Version != version || !slices.Equal(got.Current, current) || got.Prices != nil ||
			got.Withdrawn != (len(current) == 0) {
			t.Errorf("the customer sees %+v, want version %d at %v", got, version, current)
		}
	}
	list := setProduct(stack.operator, sku, object{"prices": []object{price(1099)}}).with("If-None-Match", "*")
	for range 2 { // the second is the first one's retry
		if a := send(t, list); a.status != http.StatusOK || a.header.Get("ETag") != `"1"` {
			t.Fatalf("listed: %s", a)
		}
	}
	wantPrice(1, usd(1099))
	refused(
		t,
		http.StatusPreconditionFailed,
		"product.version-mismatch",
		setProduct(stack.operator, sku, object{"prices": []object{price(1)}}).with("If-None-Match", "*"),
	)

	// The sale begins while nobody does anything. Whose clock that is: the one that answers.
	begins := time.Now().Add(3 * time.Second).UTC()
	sale := price(799)
	sale["validFrom"] = begins.Format(time.RFC3339Nano)
	scheduled := must[article](
		t,
		http.StatusOK,
		atVersion(setProduct(stack.operator, sku, object{"prices": []object{sale, price(1099)}}), 1),
	)
	if scheduled.Version != 2 || len(scheduled.Prices) != 2 || scheduled.Prices[1]["validFrom"] != sale["validFrom"] {
		t.Errorf("scheduled: %+v", scheduled)
	}
	eventually(t, "the sale", func() (article, bool) {
		got := must[article](t, http.StatusOK, get(c.token, "/products/"+sku))
		return got, slices.Equal(got.Current, []money.Money{usd(799)})
	})
	wantPrice(2, usd(799))

	must[article](t, http.StatusOK, atVersion(setProduct(stack.operator, sku, object{"withdrawn": true}), 2))
	wantPrice(3)
	again := must[article](
		t,
		http.StatusOK,
		atVersion(setProduct(stack.operator, sku, object{"prices": []object{price(999)}}), 3),
	)
	if again.Version != 4 {
		t.Errorf("listed again: %+v", again)
	}
	wantPrice(4, usd(999))

	heard := map[string]string{}
	eventually(t, "four events", func() (int, bool) {
		for _, d := range take(t, queue) {
			if id := envelopeID(d); strings.HasPrefix(id, "product/"+sku+"@") {
				envelope, _ := d["detail"].(map[string]any)
				heard[id] = fmt.Sprint(envelope["type"])
			}
		}
		return len(heard), len(heard) == 4
	})
	for version, want := range []string{"product.listed", "product.repriced", "product.withdrawn", "product.listed"} {
		if got := heard[fmt.Sprintf("product/%s@%d", sku, version+1)]; got != want {
			t.Errorf("event %d is %q, want %q", version+1, got, want)
		}
	}
}

// What can't be is refused, and the product stays as it was.
func TestBadProducts(t *testing.T) {
	t.Parallel()
	c, sku := newCustomer(t, 0), newArticle()
	carrier, err := stack.CarrierToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	must[article](
		t,
		http.StatusOK,
		setProduct(stack.operator, sku, object{"prices": []object{price(1099)}}).with("If-None-Match", "*"),
	)
	cheap := object{"prices": []object{price(1)}}
	from := func(text string) object {
		p := price(1)
		p["validFrom"] = text
		return object{"prices": []object{p}}
	}
	for name, tc := range map[string]struct {
		status int
		code   string
		when   request
	}{
		"nobody":          {401, "", setProduct("", sku, cheap)},
		"a customer":      {403, "auth.forbidden", atVersion(setProduct(c.token, sku, cheap), 1)},
		"a carrier":       {403, "auth.forbidden", atVersion(setProduct(carrier, sku, cheap), 1)},
		"no version":      {428, "product.version-required", setProduct(stack.operator, sku, cheap)},
		"another version": {412, "product.version-mismatch", atVersion(setProduct(stack.operator, sku, cheap), 2)},
		"no prices":       {422, "product.invalid-prices", atVersion(setProduct(stack.operator, sku, object{}), 1)},
		"a negative price": {
			400, "request.invalid",
			atVersion(setProduct(stack.operator, sku, object{"prices": []object{price(-1)}}), 1),
		},
		"a price in marks": {
			400, "money.unknown-currency",
			atVersion(setProduct(stack.operator, sku, object{"prices": []object{{"amount": 1, "currency": "DEM"}}}), 1),
		},
		"one price, twice": {
			422, "product.invalid-prices",
			atVersion(setProduct(stack.operator, sku, object{"prices": []object{price(1), price(2)}}), 1),
		},
		"from a day": {
			400, "request.invalid", atVersion(setProduct(stack.operator, sku, from("2026-03-02")), 1),
		},
		"from a zone too far": {
			400, "request.invalid", atVersion(setProduct(stack.operator, sku, from("2026-03-02T00:00:00+24:00")), 1),
		},
		"a list, withdrawn": {403, "auth.forbidden", get(c.token, "/products?withdrawn=true")},
		"a page of none":    {400, "request.invalid", get(c.token, "/products?limit=0")},
		"a page of no list": {400, "cursor.invalid", get(c.token, "/products?cursor=abc")},
	} {
		if tc.code == "" { // API Gateway's own answer
			if a := send(t, tc.when); a.status != tc.status {
				t.Errorf("%s: %s", name, a)
			}
			continue
		}
		refused(t, tc.status, tc.code, tc.when)
	}
	if got := must[article](
		t,
		http.StatusOK,
		get(stack.operator, "/products/"+sku),
	); got.Version != 1 ||
		!slices.Equal(got.Current, []money.Money{usd(1099)}) {
		t.Errorf("afterwards: %+v", got)
	}
}

// The list has what is for sale, by SKU, page by page; what is withdrawn and what is to come is for
// operators.
func TestListProducts(t *testing.T) {
	t.Parallel()
	c := newCustomer(t, 0)
	soon := price(1)
	soon["validFrom"] = time.Now().Add(time.Hour).UTC().Format(time.RFC3339Nano)
	made := map[string]string{}
	for name, prices := range map[string]object{
		"one": price(1), "two": price(2), "three": price(3), "soon": soon, "gone": price(4),
	} {
		made[name] = newArticle()
		must[article](
			t,
			http.StatusOK,
			setProduct(stack.operator, made[name], object{"prices": []object{prices}}).with("If-None-Match", "*"),
		)
	}
	must[article](t, http.StatusOK, atVersion(setProduct(stack.operator, made["gone"], object{"withdrawn": true}), 1))
	// listed is which of the made ones are in the whole list. Other tests list products too.
	listed := func(token, query string) (names string) {
		t.Helper()
		var all []string
		for path, next := "/products"+query, "-"; next != ""; path = "/products" + query + "&cursor=" + next {
			page := must[articles](t, http.StatusOK, get(token, path))
			for _, p := range page.Products {
				all = append(all, p.SKU)
			}
			next = page.Next
		}
		if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
			t.Errorf("%s is not in order, or has some twice: %v", query, all)
		}
		for _, name := range []string{"one", "two", "three", "soon", "gone"} {
			if slices.Contains(all, made[name]) {
				names += name + " "
			}
		}
		return strings.TrimSpace(names)
	}
	for _, want := range []struct{ token, query, names string }{
		{c.token, "?limit=2", "one two three"}, {c.token, "?limit=100", "one two three"},
		{stack.operator, "?limit=3", "one two three soon"}, {stack.operator, "?withdrawn=true&limit=1", "gone"},
	} {
		eventually(t, "the list "+want.query, func() (string, bool) { // it follows within moments
			got := listed(want.token, want.query)
			return got, got == want.names
		})
	}
}

// A row that is lost is found, and made again from the events; until then a change mends it too.
func TestRebuildProducts(t *testing.T) {
	t.Parallel()
	cli, c := newProgram(t), newCustomer(t, 0)
	lost := func() string {
		sku := newArticle()
		must[article](
			t,
			http.StatusOK,
			setProduct(stack.operator, sku, object{"prices": []object{price(1099)}}).with("If-None-Match", "*"),
		)
		_, err := stack.tables.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{
			TableName: aws.String(
				stack.Outputs["ProductsTable"],
			),
			Key: item{"sku": &dynamodbtypes.AttributeValueMemberS{Value: sku}},
		})
		if err != nil {
			t.Fatal(err)
		}
		refused(t, http.StatusNotFound, "product.not-found", get(c.token, "/products/"+sku))
		return sku
	}
	run := func(want int, args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(
			t.Context(),
			cli.path,
			append([]string{"--stack", stack.Stack, "products"}, args...)...)
		cmd.Env = os.Environ()
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Fatalf("products %v ends with %d, want %d: %s", args, got, want, out)
		}
		return string(out)
	}
	one, other := lost(), lost()
	if said := run(
		1,
		"verify",
	); !strings.Contains(said, one+": row: missing; events: listed at version 1") ||
		!strings.Contains(said, other+": row: missing") {
		t.Errorf("verify says %s", said)
	}
	if said := run(
		0,
		"rebuild",
		one,
	); !strings.Contains(
		said,
		"1 products compared with their events; 1 corrected",
	) {
		t.Errorf("rebuild says %s", said)
	}
	run(0, "verify", one)
	if got := must[article](
		t,
		http.StatusOK,
		get(c.token, "/products/"+one),
	); !slices.Equal(
		got.Current,
		[]money.Money{usd(1099)},
	) {
		t.Errorf("rebuilt is %+v", got)
	}
	must[article](
		t,
		http.StatusOK,
		atVersion(setProduct(stack.operator, other, object{"prices": []object{price(999)}}), 1),
	)
	run(0, "verify", other)
}
