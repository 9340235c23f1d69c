package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"orderflow/shared/ops/cost"
)

var update = flag.Bool("update", false, "write the tables of the pages anew, in place of comparing them")

// TestPagesShowTheBill: the tables of README and docs/cost.md are what the command says.
func TestPagesShowTheBill(t *testing.T) {
	r, err := costOptions{orders: []int64{0, 1_000, 100_000}, cancelled: 15}.report()
	if err != nil {
		t.Fatal(err)
	}
	budget, err := cost.Budget()
	if err != nil {
		t.Fatal(err)
	}
	tables := map[string]string{"months": monthsTable(r), "order": orderTable(r), "budget": budgetTable(budget)}
	for page, names := range map[string][]string{
		"../../README.md": {"months"}, "../../docs/cost.md": {"months", "order", "budget"},
	} {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		got := string(text)
		for _, name := range names {
			between := regexp.MustCompile(`(?s)(<!-- ` + name + ` -->\n).*?(<!-- /` + name + ` -->\n)`)
			if !between.MatchString(got) {
				t.Errorf("%s has no place for %s", page, name)
			}
			got = between.ReplaceAllString(got, "${1}"+strings.ReplaceAll(tables[name], "$", "$$")+"${2}")
		}
		switch {
		case got == string(text):
		case *update:
			if err := os.WriteFile(page, []byte(got), 0o600); err != nil { //nolint:gosec // named above
				t.Fatal(err)
			}
		default:
			t.Errorf("%s shows another bill: go test ./cmd/orderflow -run Bill -update", page)
		}
	}
}

func monthsTable(r costReport) string {
	var b strings.Builder
	b.WriteString("| orders a month | US$ | of which mail |\n|---|---|---|\n")
	for _, m := range r.Months {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", thousands(m.Orders), cents(m.Total), cents(m.Mail))
	}
	return b.String()
}

// cents shows an amount of a month to the cent.
func cents(amount string) string {
	f, err := strconv.ParseFloat(amount, 64)
	if err != nil {
		return amount
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func orderTable(r costReport) string {
	amounts := map[cost.Item]map[string]pricedLine{}
	for kind, p := range r.Orders {
		for _, l := range p.Lines {
			if amounts[l.Item] == nil {
				amounts[l.Item] = map[string]pricedLine{}
			}
			amounts[l.Item][kind] = l
		}
	}
	kinds := []string{cost.Delivered, cost.Cancelled}
	var b strings.Builder
	b.WriteString("| | delivered | US$ | cancelled | US$ |\n|---|---|---|---|---|\n")
	for _, item := range slices.Sorted(maps.Keys(amounts)) {
		fmt.Fprintf(&b, "| `%s` |", item)
		for _, kind := range kinds {
			l := amounts[item][kind]
			fmt.Fprintf(&b, " %s | %s |", l.Quantity, l.Dollars)
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(
		&b, "| **sum** | | **%s** | | **%s** |\n", r.Orders[cost.Delivered].Total, r.Orders[cost.Cancelled].Total,
	)
	return b.String()
}

func budgetTable(budget map[string]cost.Counts) string {
	var b strings.Builder
	for _, kind := range []string{cost.Delivered, cost.Cancelled} {
		c := budget[kind]
		each := func(n float64) string { return strconv.FormatFloat(n/float64(c.Orders), 'f', 1, 64) }
		fmt.Fprintf(&b, "| %s | invocations | requests | read units | write units |\n|---|---|---|---|---|\n", kind)
		for _, name := range slices.Sorted(maps.Keys(c.Functions)) {
			f := c.Functions[name]
			r := cost.Counts{Functions: map[string]cost.Function{name: f}}.Requests()
			fmt.Fprintf(
				&b, "| `%s` | %s | %s | %s | %s |\n", name, each(float64(f.Invocations)), each(float64(r.Count)),
				each(r.Read), each(r.Write),
			)
		}
		r := c.Requests()
		fmt.Fprintf(
			&b, "| **sum** | **%s** | **%s** | **%s** | **%s** |\n\n", each(float64(c.Invocations())),
			each(float64(r.Count)), each(r.Read), each(r.Write),
		)
	}
	return b.String()
}

// The JSON has the same figures, and a month scales with its orders, but for the metrics: those of
// every hour are paid for once.
func TestCostOfAMonth(t *testing.T) {
	var out strings.Builder
	o := costOptions{orders: []int64{0, 500_000, 1_000_000}, cancelled: 0, asJSON: true}
	if err := o.list(&out); err != nil {
		t.Fatal(err)
	}
	var r costReport
	if err := json.Unmarshal([]byte(out.String()), &r); err != nil {
		t.Fatal(err)
	}
	amount := func(text string) float64 {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	var metrics float64
	for _, l := range r.Months[1].Lines {
		if l.Item == cost.SeriesMonth {
			metrics = amount(l.Dollars)
		}
	}
	for _, l := range r.Idle.Lines {
		if l.Item == cost.SeriesMonth {
			metrics -= amount(l.Dollars)
		}
	}
	if metrics < 2.69 || metrics > 2.71 {
		t.Errorf("nine metrics in every hour cost %v", metrics)
	}
	idle, half, whole := amount(r.Months[0].Total), amount(r.Months[1].Total), amount(r.Months[2].Total)
	if idle != amount(r.Idle.Total) || idle <= 0 {
		t.Errorf("no orders cost %v, and an idle month %v", idle, r.Idle.Total)
	}
	ofOrders := idle + metrics // what does not scale
	if grown := (whole - ofOrders) / (half - ofOrders); grown < 1.9999 || grown > 2.0001 {
		t.Errorf("twice the orders cost %v times as much", grown)
	}
	if each, one := (whole-ofOrders)/1e6, amount(r.Orders[cost.Delivered].Total); each < one*0.999 || each > one*1.001 {
		t.Errorf("of a million orders each costs %v, and one %v", each, one)
	}
}

func TestCostRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"--cancelled: expected 0 to 100, got 101":    {"cost", "--cancelled", "101"},
		"--orders-per-month: expected 0 to":          {"cost", "--orders-per-month", "1000000001"},
		"--since and --orders-per-month: choose one": {"cost", "--since", "1h", "--orders-per-month", "1"},
		"cost: expected no arguments":                {"cost", "today"},
	} {
		refused(t, []string{want}, args...)
	}
}
