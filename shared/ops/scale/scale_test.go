package scale_test

import (
	"container/heap"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"orderflow/shared/ops/cost"
	"orderflow/shared/ops/scale"
	"orderflow/shared/read/view/orders"
)

var update = flag.Bool("update", false, "write the tables of the page instead of comparing")

const page = "../../../docs/scale.md"

var names = []string{"small", "standard", "sale"}

func given(t *testing.T) (map[string]scale.Size, scale.Quotas) {
	t.Helper()
	sizes, err := scale.Sizes()
	if err != nil {
		t.Fatal(err)
	}
	aws, err := scale.AWS()
	if err != nil {
		t.Fatal(err)
	}
	return sizes, aws
}

func limits(t *testing.T, size string) []scale.Limit {
	t.Helper()
	sizes, aws := given(t)
	all, err := scale.Limits(sizes[size], aws, orders.Parts)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Each size is one that AWS takes in an account of its quota.
func TestSizes(t *testing.T) {
	sizes, aws := given(t)
	if !slices.Equal(slices.Sorted(maps.Keys(sizes)), slices.Sorted(slices.Values(names))) {
		t.Errorf("sizes %v", slices.Sorted(maps.Keys(sizes)))
	}
	for name, s := range sizes {
		for function, n := range s.Concurrent {
			if n < 2 || n > 1000 {
				t.Errorf("%s: %s has a MaximumConcurrency of %d, and AWS takes 2 to 1,000", name, function, n)
			}
		}
		for function, n := range s.Parallel {
			if n < 1 || n > 10 {
				t.Errorf("%s: %s has a ParallelizationFactor of %d, and AWS takes 1 to 10", name, function, n)
			}
		}
		// What is left for everybody, by AWS's rule, and for the mappings and the saga's steps.
		left := s.Quota - s.ReservedAll()
		if s.ReservedAll() > 0 && (float64(left) < aws.Quotas["lambda.unreserved"].Value ||
			left < 2*s.Mappings(scale.NewShards)) {
			t.Errorf("%s: %d executions of %d are left, and mappings take %d", name, left, s.Quota,
				s.Mappings(scale.NewShards))
		}
		for function := range s.Reserved {
			if s.Reserved[function] == 0 != (s.ReservedAll() == 0) {
				t.Errorf("%s reserves for some functions, and not for %s", name, function)
			}
		}
	}
}

// A small account has mappings of the least that AWS takes, and is busy with a part of its ten
// executions at an order a second: the API has its room.
func TestSmallLeavesRoom(t *testing.T) {
	sizes, _ := given(t)
	for function, n := range sizes["small"].Concurrent {
		if n != 2 {
			t.Errorf("%s takes %d at once", function, n)
		}
	}
	for function, n := range sizes["small"].Parallel {
		if n != 1 {
			t.Errorf("%s takes %d of a shard at once", function, n)
		}
	}
	for _, l := range limits(t, "small") {
		if strings.HasPrefix(l.Name, "Lambda: ") && l.Sustains < 2 {
			t.Errorf("an account of 10 sustains %.1f orders a second: one leaves less than half of it", l.Sustains)
		}
	}
}

// Each larger size sustains more by each limit that Scale moves.
func TestLargerSustainsMore(t *testing.T) {
	of := func(size string) map[string]float64 {
		by := map[string]float64{}
		for _, l := range limits(t, size) {
			if strings.Contains(l.MovedBy, "Scale") {
				name, _, _ := strings.Cut(l.Name, ":")
				by[name] = l.Sustains
			}
		}
		return by
	}
	small, standard, sale := of("small"), of("standard"), of("sale")
	for name, n := range small {
		if standard[name] < n || sale[name] < standard[name] {
			t.Errorf("%s: %.1f, %.1f, %.1f", name, n, standard[name], sale[name])
		}
	}
	if len(small) < 8 {
		t.Errorf("only %d limits are moved by Scale", len(small))
	}
}

// idleAt are the times at which executions are idle again.
type idleAt []time.Duration

func (h idleAt) Len() int           { return len(h) }
func (h idleAt) Less(i, j int) bool { return h[i] < h[j] }
func (h idleAt) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *idleAt) Push(x any)        { *h = append(*h, x.(time.Duration)) }
func (h *idleAt) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// waits is how long the last of so many orders waits for an execution, where they come in equal
// steps, and each asks for so many invocations of so long, by a mapping that runs some at once.
func waits(rate float64, n, atOnce int, each time.Duration) time.Duration {
	h := make(idleAt, atOnce)
	heap.Init(&h)
	last := time.Duration(0)
	for i := range n {
		comes := time.Duration(float64(i) / rate * float64(time.Second))
		begins := max(comes, heap.Pop(&h).(time.Duration))
		heap.Push(&h, begins+each)
		last = begins - comes
	}
	return last
}

// The arithmetic is what a simulation of the mapping shows: a little below what it sustains nothing
// piles up, and a little above it waits longer and longer.
func TestSimulation(t *testing.T) {
	sizes, _ := given(t)
	simulated := 0
	for name, s := range sizes {
		for _, l := range limits(t, name) {
			for function, n := range s.Concurrent {
				if !strings.HasPrefix(l.Name, "`"+function+"`:") {
					continue
				}
				simulated++
				each := time.Duration(float64(n) / l.Sustains * float64(time.Second))
				const orders = 20_000
				if w := waits(l.Sustains*0.97, orders, n, each); w > each {
					t.Errorf("%s: below %s an order waits %v", name, l.Name, w)
				}
				behind := time.Duration(0.02 * orders / l.Sustains * float64(time.Second))
				if w := waits(l.Sustains*1.03, orders, n, each); w < behind {
					t.Errorf("%s: above %s an order waits %v only, want %v", name, l.Name, w, behind)
				}
			}
		}
	}
	if simulated < 15 {
		t.Errorf("only %d mappings were simulated", simulated)
	}
}

// Quotas are worth what their sources are: each has one, of AWS's own documentation.
func TestQuotas(t *testing.T) {
	_, aws := given(t)
	if _, err := time.Parse(time.DateOnly, aws.Read); err != nil || aws.Region == "" {
		t.Errorf("read on %q in %q", aws.Read, aws.Region)
	}
	for name, q := range aws.Quotas {
		if q.Value <= 0 || q.Name == "" || !strings.HasPrefix(q.Source, "https://docs.aws.amazon.com/") {
			t.Errorf("%s: %+v", name, q)
		}
	}
	for _, l := range limits(t, "standard") {
		if l.Sustains <= 0 || math.IsInf(l.Sustains, 0) || math.IsNaN(l.Sustains) || l.MovedBy == "" {
			t.Errorf("%+v", l)
		}
	}
}

func TestBelow(t *testing.T) {
	all := []scale.Limit{{Sustains: 1}, {Sustains: 10}, {Sustains: 100}}
	for rate, want := range map[float64]int{1: 0, 2: 1, 10: 1, 1000: 3} {
		if got := len(scale.Below(all, rate)); got != want {
			t.Errorf("%v orders a second are above %d limits, want %d", rate, got, want)
		}
	}
}

// TestPageShowsTheLimits: the tables of docs/scale.md are what the package computes.
func TestPageShowsTheLimits(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	for name, table := range map[string]string{
		"sizes": sizesTable(t), "limits": limitsTable(t), "rates": ratesTable(t), "quotas": quotasTable(t),
	} {
		between := regexp.MustCompile(`(?s)(<!-- ` + name + ` -->\n).*?(<!-- /` + name + ` -->\n)`)
		if !between.MatchString(got) {
			t.Errorf("the page has no place for %s", name)
		}
		got = between.ReplaceAllString(got, "${1}"+strings.ReplaceAll(table, "$", "$$")+"${2}")
	}
	switch {
	case got == string(text):
	case *update:
		if err := os.WriteFile(page, []byte(got), 0o600); err != nil { //nolint:gosec // named above
			t.Fatal(err)
		}
	default:
		t.Error("the page shows other limits: go test ./shared/ops/scale -run Page -update")
	}
}

func sizesTable(t *testing.T) string {
	sizes, _ := given(t)
	var b strings.Builder
	b.WriteString("| | `small` | `standard` | `sale` |\n|---|---|---|---|\n")
	row := func(label string, of func(scale.Size) int) {
		fmt.Fprintf(&b, "| %s |", label)
		for _, name := range names {
			if n := of(sizes[name]); n > 0 {
				fmt.Fprintf(&b, " %s |", number(float64(n)))
			} else {
				b.WriteString(" – |")
			}
		}
		b.WriteString("\n")
	}
	row("quota of concurrent executions that it is for", func(s scale.Size) int { return s.Quota })
	for _, f := range slices.Sorted(maps.Keys(sizes["small"].Parallel)) {
		row("`"+f+"`, of each shard", func(s scale.Size) int { return s.Parallel[f] })
	}
	for _, f := range slices.Sorted(maps.Keys(sizes["small"].Concurrent)) {
		row("`"+f+"`", func(s scale.Size) int { return s.Concurrent[f] })
	}
	row("**mappings at most**, with the shards of a new table",
		func(s scale.Size) int { return s.Mappings(scale.NewShards) })
	for _, f := range slices.Sorted(maps.Keys(sizes["small"].Reserved)) {
		row("`"+f+"`, reserved", func(s scale.Size) int { return s.Reserved[f] })
	}
	return b.String()
}

// number is a figure as people read it: two digits of small ones that are not whole.
func number(n float64) string {
	if n < 10 && n != math.Trunc(n) {
		return fmt.Sprintf("%.1f", n)
	}
	digits := fmt.Sprintf("%.0f", n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func limitsTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| limit | `small` | `standard` | `sale` | moved by |\n|---|---|---|---|---|\n")
	by, moved := map[string]map[string]string{}, map[string]string{}
	var order []string
	for _, size := range []string{"standard", "small", "sale"} {
		for _, l := range limits(t, size) {
			name := l.Name
			if strings.Contains(l.MovedBy, "Scale") {
				name, _, _ = strings.Cut(l.Name, ":")
			}
			if by[name] == nil {
				by[name] = map[string]string{}
				order = append(order, name)
			}
			by[name][size], moved[name] = number(l.Sustains), l.MovedBy
		}
	}
	for _, name := range order {
		fmt.Fprintf(&b, "| %s |", name)
		for _, size := range names {
			if by[name][size] == "" {
				by[name][size] = "–"
			}
			fmt.Fprintf(&b, " %s |", by[name][size])
		}
		fmt.Fprintf(&b, " %s |\n", moved[name])
	}
	return b.String()
}

func ratesTable(t *testing.T) string {
	var b strings.Builder
	b.WriteString("| orders a second | `Scale` | first comes | then |\n|---|---|---|---|\n")
	for _, rate := range []float64{1, 100, 1_000, 10_000} {
		for _, size := range names {
			below := scale.Below(limits(t, size), rate)
			texts := make([]string, len(below))
			for i, l := range below {
				texts[i] = fmt.Sprintf("%s (%s)", l.Name, number(l.Sustains))
			}
			switch {
			case len(texts) == 0:
				fmt.Fprintf(&b, "| %s | `%s` | – | |\n", number(rate), size)
			default:
				then := strings.Join(texts[1:min(len(texts), 4)], "; ")
				if more := len(texts) - 4; more > 0 {
					then += fmt.Sprintf("; %d more", more)
				}
				fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", number(rate), size, texts[0], then)
			}
		}
	}
	return b.String()
}

func quotasTable(t *testing.T) string {
	_, aws := given(t)
	var b strings.Builder
	fmt.Fprintf(&b, "Read on %s, for %s.\n\n| quota | value | AWS raises it |\n|---|---|---|\n", aws.Read, aws.Region)
	for _, name := range slices.Sorted(maps.Keys(aws.Quotas)) {
		q := aws.Quotas[name]
		raise := "no"
		if q.Raise {
			raise = "yes"
		}
		fmt.Fprintf(&b, "| [%s](%s) | %s | %s |\n", q.Name, q.Source, number(q.Value), raise)
	}
	return b.String()
}

// The calculator knows each function of the budget that takes from a queue.
func TestBatches(t *testing.T) {
	budget, err := cost.Budget()
	if err != nil {
		t.Fatal(err)
	}
	for kind, counts := range budget {
		for name, f := range counts.Functions {
			if f.Messages > 0 && scale.BatchSizes()[name] < 1 {
				t.Errorf("%s of an order that is %s has no batch", name, kind)
			}
		}
	}
}
