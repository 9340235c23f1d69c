// Package scale computes what the template sustains: orders a second by each limit that the stack
// or AWS has, from the counted budget of an order (package cost), the figures of the parameter
// Scale and AWS's quotas.
//
// The arithmetic is that of the bill: a function works for as long as its own work and the wait for
// each request take. Under load batches are full, since what can't be taken at once waits and is
// taken together.
package scale

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"orderflow/shared/kit/awsclient"
	"orderflow/shared/ops/cost"
)

// Size is what a value of the parameter Scale stands for.
type Size struct {
	Quota int `json:"quota"` // of concurrent executions of the account, which it is made for
	// Parallel is the ParallelizationFactor of each function on the events' stream, Concurrent the
	// MaximumConcurrency of each that takes from a queue, Reserved what is kept for a function; 0
	// for nothing. The keys are functions.
	Parallel   map[string]int `json:"parallel"`
	Concurrent map[string]int `json:"concurrent"`
	Reserved   map[string]int `json:"reserved"`
}

// Mappings is how many executions the mappings take at most, with so many shards in the stream.
func (s Size) Mappings(shards int) (n int) {
	for _, p := range s.Parallel {
		n += p * shards
	}
	for _, c := range s.Concurrent {
		n += c
	}
	return n
}

// ReservedAll is what is reserved in all.
func (s Size) ReservedAll() (n int) {
	for _, r := range s.Reserved {
		n += r
	}
	return n
}

// Quota is a limit of AWS's.
type Quota struct {
	Value  float64 `json:"value"`
	Raise  bool    `json:"raise"` // AWS raises it on request
	Name   string  `json:"name"`
	Source string  `json:"source"`
}

// Quotas are AWS's limits in a region, as its documentation said on a day.
type Quotas struct {
	Read   string           `json:"read"`
	Region string           `json:"region"`
	Quotas map[string]Quota `json:"quotas"`
}

//go:embed sizes.json
var sizes []byte

//go:embed quotas.json
var quotas []byte

// Sizes are the values of the parameter Scale.
func Sizes() (map[string]Size, error) {
	var all map[string]Size
	if err := json.Unmarshal(sizes, &all); err != nil {
		return nil, fmt.Errorf("scale: sizes: %w", err)
	}
	return all, nil
}

// AWS are AWS's limits.
func AWS() (Quotas, error) {
	var all Quotas
	if err := json.Unmarshal(quotas, &all); err != nil {
		return Quotas{}, fmt.Errorf("scale: quotas: %w", err)
	}
	return all, nil
}

// What the template says besides, which shared/archtest holds.
const (
	// NewShards is how many partitions a new table has, and its stream shards. Both grow by
	// themselves with what is written.
	NewShards = 4
	// StreamBatch is the BatchSize of the mappings on the stream.
	StreamBatch = 100
	// APIRate is the parameter ApiRateLimit's default.
	APIRate = 200
	// listWrites is what an order writes into the list of orders by status, at most into the parts
	// of one status: it comes, and it goes.
	listWrites = 2
	// stockWrites is what an order writes into the counters of an SKU: they are reserved and leave,
	// each in a transaction, which costs double.
	stockWrites = 4
	// entriesARequest is how many events publish-events puts into a request.
	entriesARequest = 10
)

// batches are the BatchSizes of the mappings of queues, and side those functions that take a batch
// side by side.
var batches = map[string]float64{
	"start-saga": 5, "process-inventory": 10, "send-mails": 5, "analyse-orders": 50, "prepare-shipments": 5,
	"follow-shipments": 5,
}

const side = "send-mails"

// BatchSizes are the batches that the figures are made with.
func BatchSizes() map[string]float64 { return maps.Clone(batches) }

// once are the requests that a function makes once a batch: function and operation, with the table
// where another one has the operation too.
var once = []string{
	"publish-events PutItem journal", "project-views PutItem journal", "project-views BatchGetItem ",
	"analyse-orders BatchGetItem ", "analyse-orders TransactWriteItems ",
}

// work is what one order asks of a function under load.
type work struct {
	invocations float64
	seconds     float64 // of execution, side by side counted once
	held        float64 // of the account's concurrency: an execution serves 10 requests a second at most
	writes      map[string]float64
	putEvents   float64
}

func workOf(name string, f cost.Function, orders, rate float64) work {
	w := work{invocations: float64(f.Invocations) / orders, writes: map[string]float64{}}
	batch := 1.0
	switch {
	case f.Messages > 0:
		batch = batches[name]
		w.invocations = float64(f.Messages) / orders / batch
	case name == "publish-events", name == "project-views":
		batch = StreamBatch
		w.invocations /= batch
	}
	requests := 0.0
	for _, r := range f.Requests {
		count, write := float64(r.Count)/orders, r.Write/orders
		switch {
		case slices.Contains(once, name+" "+r.Operation+" "+r.On):
			write *= w.invocations / count
			count = w.invocations
		case r.Operation == "PutEvents":
			count = float64(r.Entries) / orders / entriesARequest
			w.putEvents = count
		}
		requests += count
		w.writes[tableOf(name, r)] += write
	}
	if name == side {
		requests /= batch
	}
	w.seconds = (w.invocations*cost.MillisPerInvocation + requests*cost.MillisPerRequest) / 1000
	w.held = max(w.seconds, w.invocations/rate)
	return w
}

// tableOf is the table that a request writes to. A transaction names none: that of project-views
// is the views', that of analyse-orders its own, and all others are counted as the events', though
// stock has a part of them.
func tableOf(function string, r awsclient.Requests) string {
	switch {
	case r.On != "":
		return r.On
	case function == "project-views":
		return "views"
	case function == "analyse-orders":
		return "analytics"
	}
	return "events"
}

// Limit is what bounds how many orders a second come through.
type Limit struct {
	Name     string
	Sustains float64 // orders a second
	MovedBy  string  // the parameter or quota
}

// Limits are those of a size in an account with AWS's own quotas, of which the concurrency is the
// one that the size is made for; the lowest first. Orders end delivered, which asks the most.
func Limits(size Size, aws Quotas, listParts int) ([]Limit, error) {
	budget, err := cost.Budget()
	if err != nil {
		return nil, err
	}
	counts := budget[cost.Delivered]
	orders := float64(counts.Orders)
	if orders == 0 {
		return nil, fmt.Errorf("scale: the budget counts no order that is %s", cost.Delivered)
	}
	quota := func(name string) float64 { return aws.Quotas[name].Value }
	var all []Limit
	add := func(sustains float64, movedBy, name string, args ...any) {
		all = append(all, Limit{Name: fmt.Sprintf(name, args...), Sustains: sustains, MovedBy: movedBy})
	}
	const bySize = "`Scale`"
	writes := map[string]float64{}
	held, starts, answers, mails, handed, putEvents := 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
	for _, name := range slices.Sorted(maps.Keys(counts.Functions)) {
		f := counts.Functions[name]
		w := workOf(name, f, orders, quota("lambda.rate"))
		held += w.held
		putEvents += w.putEvents
		for table, n := range w.writes {
			writes[table] += n
		}
		if name != "process-inventory" { // whose commands the saga sends
			handed += float64(f.Messages) / orders
		}
		for _, r := range f.Requests {
			switch r.Operation {
			case "StartExecution":
				starts += float64(r.Count) / orders
			case "SendTaskSuccess":
				answers += float64(r.Count) / orders
			case "SendEmail":
				mails += float64(r.Count) / orders
			}
		}
		switch {
		case size.Concurrent[name] > 0:
			add(float64(size.Concurrent[name])/w.held, bySize, "`%s`: %d at once", name, size.Concurrent[name])
		case size.Parallel[name] > 0:
			add(
				float64(size.Parallel[name]*NewShards)/w.held, bySize+", and more shards",
				"`%s`: %d on each of %d shards", name, size.Parallel[name], NewShards,
			)
		case size.Reserved[name] > 0:
			add(float64(size.Reserved[name])/w.held, bySize, "`%s`: %d reserved", name, size.Reserved[name])
		}
	}
	add(float64(size.Quota)/held, "quota and `Scale`", "Lambda: %d executions at once", size.Quota)
	requests := float64(counts.APIRequests) / orders
	add(APIRate/requests, "`ApiRateLimit`", "API: %d requests a second", APIRate)
	for _, of := range []struct {
		quota string
		each  float64
	}{
		{"api.rate", requests}, {"states.start", starts}, {"states.transition", float64(counts.Transitions) / orders},
		{"states.answer", answers}, {"events.put", putEvents}, {"events.invoke", handed}, {"ses.rate", mails},
	} {
		add(quota(of.quota)/of.each, "quota", "%s", aws.Quotas[of.quota].Name)
	}
	for _, table := range slices.Sorted(maps.Keys(writes)) {
		if n := writes[table]; n > 0 {
			name := tableName(table)
			add(quota("dynamodb.new")/n, "warm throughput; it grows in use", "table `%s` while it is new", name)
			add(quota("dynamodb.table")/n, "quota", "table `%s`: write units of a table", name)
		}
	}
	add(
		float64(listParts)*quota("dynamodb.key")/listWrites, "`orders.Parts`, and a rebuild",
		"orders by status: %d partitions of the index", listParts,
	)
	add(quota("dynamodb.key")/stockWrites, "SKUs that share the sale", "orders of one SKU: its counters")
	slices.SortFunc(all, func(a, b Limit) int {
		return cmp.Or(cmp.Compare(a.Sustains, b.Sustains), cmp.Compare(a.Name, b.Name))
	})
	return all, nil
}

// tableName is what operators call a table of the budget.
func tableName(table string) string {
	if table == "views" {
		return "read-models"
	}
	return table
}

// Below are the limits that a rate is above.
func Below(limits []Limit, rate float64) []Limit {
	n := slices.IndexFunc(limits, func(l Limit) bool { return l.Sustains >= rate })
	if n < 0 {
		n = len(limits)
	}
	return limits[:n]
}
