// Package cost is the bill of an order and of an idle month: what was counted, times AWS's list
// prices.
package cost

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"

	"orderflow/shared/kit/awsclient"
)

// Item is what AWS has a price for: "dynamodb.write-unit".
type Item string

// The items that the counts lead to.
const (
	LambdaRequest   Item = "lambda.request"
	LambdaGBSecond  Item = "lambda.gb-second"
	WriteUnit       Item = "dynamodb.write-unit"
	ReadUnit        Item = "dynamodb.read-unit"
	Event           Item = "eventbridge.event"
	SQSRequest      Item = "sqs.request"
	Transition      Item = "states.transition"
	APIRequest      Item = "api.request"
	KMSRequest      Item = "kms.request"
	LogByte         Item = "logs.byte"
	Mail            Item = "ses.mail"
	ScheduledInvoke Item = "scheduler.invocation"
	KMSKeyMonth     Item = "kms.key-month"
	AlarmMonth      Item = "cloudwatch.alarm-month"
	SeriesMonth     Item = "cloudwatch.metric-month"
)

// What a count can't tell is assumed.
const (
	// MillisPerInvocation and MillisPerRequest are a function's billed time where it was not
	// measured on AWS: its own work, and the wait for each request.
	MillisPerInvocation = 3
	MillisPerRequest    = 6
	// PlatformLogBytes is what Lambda itself writes for each invocation: START, END and REPORT.
	PlatformLogBytes = 350
	// RequestsPerMessage is a message's own request: it is sent. Receiving and deleting are one
	// request each for a batch.
	RequestsPerMessage = 1
	RequestsPerBatch   = 2
)

// memoryMB is what functions have in the template, and largeMB what some of them have instead.
const (
	memoryMB = 256
	largeMB  = 512
)

var large = []string{"accept-commands", "answer-operations", "answer-queries", "project-views", "serve-console"}

// MemoryMB is the memory of a function, which its time is billed by.
func MemoryMB(function string) int64 {
	if slices.Contains(large, function) {
		return largeMB
	}
	return memoryMB
}

// Function is what a function's invocations came to.
type Function struct {
	Invocations int64                `json:"invocations"`
	Messages    int64                `json:"messages,omitempty"` // that a queue brought
	LogBytes    int64                `json:"logBytes"`
	CPUMillis   float64              `json:"cpuMs,omitempty"` // of the machine that they ran on
	Requests    []awsclient.Requests `json:"requests,omitempty"`
}

// Counts is what a number of orders came to.
type Counts struct {
	Orders      int64               `json:"orders"`
	APIRequests int64               `json:"apiRequests"`
	Transitions int64               `json:"transitions"` // of the state machine
	Functions   map[string]Function `json:"functions"`
}

// Requests is how many requests the functions made, and what they consumed.
func (c Counts) Requests() (total awsclient.Requests) {
	for _, f := range c.Functions {
		for _, r := range f.Requests {
			total.Count += r.Count
			total.Read += r.Read
			total.Write += r.Write
			total.Entries += r.Entries
		}
	}
	return total
}

// Invocations is how many invocations there were.
func (c Counts) Invocations() (n int64) {
	for _, f := range c.Functions {
		n += f.Invocations
	}
	return n
}

// Usage is how much of each item was used.
type Usage map[Item]*big.Rat

func (u Usage) add(item Item, n *big.Rat) {
	if u[item] == nil {
		u[item] = new(big.Rat)
	}
	u[item].Add(u[item], n)
}

func (u Usage) count(item Item, n int64) { u.add(item, new(big.Rat).SetInt64(n)) }

// units adds DynamoDB's units, which come in halves.
func (u Usage) units(item Item, n float64) { u.add(item, big.NewRat(int64(math.Round(2*n)), 2)) }

// Usage is what the counts of all their orders together use.
func (c Counts) Usage() Usage {
	u := Usage{}
	u.count(APIRequest, c.APIRequests)
	u.count(Transition, c.Transitions)
	for name, f := range c.Functions {
		requests := int64(0)
		for _, r := range f.Requests {
			requests += r.Count
			u.units(ReadUnit, r.Read)
			u.units(WriteUnit, r.Write)
			u.count(Event, r.Entries)
			switch r.Service {
			case "KMS":
				u.count(KMSRequest, r.Count)
			case "SESv2":
				u.count(Mail, r.Count)
			case "SQS":
				u.count(SQSRequest, r.Count)
			}
		}
		u.count(LambdaRequest, f.Invocations)
		u.add(LambdaGBSecond, big.NewRat(
			(f.Invocations*MillisPerInvocation+requests*MillisPerRequest)*MemoryMB(name), 1000*1024,
		))
		u.count(LogByte, f.LogBytes+f.Invocations*PlatformLogBytes)
		if f.Messages > 0 {
			u.count(SQSRequest, f.Messages*RequestsPerMessage+f.Invocations*RequestsPerBatch)
		}
	}
	return u
}

// Scaled is a usage so many times.
func (u Usage) Scaled(n *big.Rat) Usage {
	times := Usage{}
	for item, used := range u {
		times[item] = new(big.Rat).Mul(used, n)
	}
	return times
}

// Plus is two usages together.
func (u Usage) Plus(more Usage) Usage {
	sum := Usage{}
	for _, part := range []Usage{u, more} {
		for item, used := range part {
			sum.add(item, used)
		}
	}
	return sum
}

// PriceList is what AWS asks for each item, in US dollars.
type PriceList struct {
	Date    string            `json:"date"` // when the prices were read
	Region  string            `json:"region"`
	Source  string            `json:"source"`
	Dollars map[Item]*big.Rat `json:"dollars"`
}

//go:embed prices.json
var prices []byte

// Prices is the price list that the program has with it.
func Prices() (PriceList, error) {
	var list struct {
		PriceList
		Dollars map[Item]string `json:"dollars"`
	}
	if err := json.Unmarshal(prices, &list); err != nil {
		return PriceList{}, fmt.Errorf("cost: price list: %w", err)
	}
	list.PriceList.Dollars = map[Item]*big.Rat{}
	for item, text := range list.Dollars {
		price, ok := new(big.Rat).SetString(text)
		if !ok || price.Sign() <= 0 {
			return PriceList{}, fmt.Errorf("cost: price list: %s: expected dollars above 0, got %q", item, text)
		}
		list.PriceList.Dollars[item] = price
	}
	return list.PriceList, nil
}

// Line is one item of a bill.
type Line struct {
	Item     Item
	Quantity *big.Rat
	Price    *big.Rat // US dollars for one
	Amount   *big.Rat // US dollars
}

// Bill is what a usage costs: its lines with the dearest first, without those of which nothing was
// used, and their sum. It is an error where an item has no price.
func (p PriceList) Bill(of Usage) (lines []Line, total *big.Rat, err error) {
	total = new(big.Rat)
	for _, item := range slices.Sorted(maps.Keys(of)) {
		price, ok := p.Dollars[item]
		if !ok {
			return nil, nil, fmt.Errorf("cost: %s has no price", item)
		}
		if of[item].Sign() == 0 {
			continue
		}
		l := Line{Item: item, Quantity: of[item], Price: price, Amount: new(big.Rat).Mul(of[item], price)}
		lines = append(lines, l)
		total.Add(total, l.Amount)
	}
	slices.SortStableFunc(lines, func(a, b Line) int { return b.Amount.Cmp(a.Amount) })
	return lines, total, nil
}

// tolerance is what a count may be above the budget: a retry now and then is not the program's.
const tolerance = 0.05

// Over names what of the counts is above a budget: each function, operation and kind, for an order
// on average. Both may be of different numbers of orders. loose gives functions a tolerance of
// their own, in place of a twentieth: how the commits of one order fall into batches is up to time.
func (c Counts) Over(budget Counts, loose map[string]float64) (excesses []string) {
	within := tolerance
	over := func(what string, got, allowed float64) {
		g, a := got/float64(c.Orders), allowed/float64(budget.Orders)
		if g > a+within+a*within {
			excesses = append(excesses, fmt.Sprintf("%s: %.2f an order, the budget is %.2f", what, g, a))
		}
	}
	over("state transitions", float64(c.Transitions), float64(budget.Transitions))
	over("requests to the API", float64(c.APIRequests), float64(budget.APIRequests))
	for _, name := range slices.Sorted(maps.Keys(c.Functions)) {
		f, allowed := c.Functions[name], budget.Functions[name]
		within = cmp.Or(loose[name], tolerance)
		over(name+": invocations", float64(f.Invocations), float64(allowed.Invocations))
		for _, r := range f.Requests {
			a := find(allowed.Requests, r)
			what := strings.TrimSuffix(name+": "+r.Service+" "+r.Operation+" "+r.On, " ")
			over(what, float64(r.Count), float64(a.Count))
			over(what+", read units", r.Read, a.Read)
			over(what+", write units", r.Write, a.Write)
			over(what+", entries", float64(r.Entries), float64(a.Entries))
		}
	}
	return excesses
}

func find(requests []awsclient.Requests, like awsclient.Requests) (found awsclient.Requests) {
	for _, r := range requests {
		if r.Service == like.Service && r.Operation == like.Operation && r.On == like.On {
			return r
		}
	}
	return found
}

// AddLogs adds bytes that a function logged, of which nobody knows the invocation.
func (c *Counts) AddLogs(function string, bytes int64) {
	f, known := c.Functions[function]
	if !known {
		return
	}
	f.LogBytes += bytes
	c.Functions[function] = f
}

// Add adds what one invocation of a function came to.
func (c *Counts) Add(function string, messages, logBytes int64, cpuMillis float64, requests []awsclient.Requests) {
	if c.Functions == nil {
		c.Functions = map[string]Function{}
	}
	f := c.Functions[function]
	f.Invocations++
	f.Messages += messages
	f.LogBytes += logBytes
	f.CPUMillis += cpuMillis
	for _, r := range requests {
		i := slices.IndexFunc(f.Requests, func(known awsclient.Requests) bool {
			return known.Service == r.Service && known.Operation == r.Operation && known.On == r.On
		})
		if i < 0 {
			f.Requests = append(f.Requests, r)
			continue
		}
		known := &f.Requests[i]
		known.Count += r.Count
		known.Read += r.Read
		known.Write += r.Write
		known.Entries += r.Entries
	}
	slices.SortFunc(f.Requests, func(a, b awsclient.Requests) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.On, b.On))
	})
	c.Functions[function] = f
}

// Dollars writes an amount in cents from a dollar on, and else with seven decimals: an order costs
// fractions of a cent.
func Dollars(amount *big.Rat) string {
	if amount.Cmp(big.NewRat(1, 1)) >= 0 {
		return amount.FloatString(2)
	}
	return amount.FloatString(7)
}

// Number writes how much of an item was used, with three decimals where it is no whole number.
func Number(n *big.Rat) string {
	if n.IsInt() {
		return n.FloatString(0)
	}
	return n.FloatString(3)
}
