package cost

import (
	"math/big"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/kit/awsclient"
)

func rat(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		panic(text)
	}
	return r
}

func counts() Counts {
	c := Counts{Orders: 2, APIRequests: 2, Transitions: 12}
	c.Add("charge", 0, 100, 0, []awsclient.Requests{
		{Service: "DynamoDB", Operation: "Query", On: "events", Count: 2, Read: 1.5},
		{Service: "DynamoDB", Operation: "PutItem", On: "events", Count: 1, Write: 3},
	})
	c.Add("charge", 0, 50, 0, []awsclient.Requests{
		{Service: "DynamoDB", Operation: "Query", On: "events", Count: 1, Read: 0.5},
	})
	c.Add("mail", 3, 0, 0, []awsclient.Requests{
		{Service: "KMS", Operation: "Decrypt", Count: 1}, {Service: "SESv2", Operation: "SendEmail", Count: 3},
		{Service: "EventBridge", Operation: "PutEvents", Count: 1, Entries: 7},
	})
	return c
}

// Each item is what AWS bills: messages by their requests, units in halves, events and not requests
// for them.
func TestUsage(t *testing.T) {
	c := counts()
	if r := c.Requests(); r.Count != 9 || r.Read != 2 || r.Write != 3 || r.Entries != 7 || c.Invocations() != 3 {
		t.Errorf("requests %+v, invocations %d", r, c.Invocations())
	}
	u := c.Usage()
	for item, want := range map[Item]string{
		LambdaRequest: "3", WriteUnit: "3", ReadUnit: "2", Event: "7", KMSRequest: "1", Mail: "3",
		SQSRequest: "5", // three sent, one batch received and deleted
		Transition: "12", APIRequest: "2", LogByte: "1200",
		LambdaGBSecond: "63/4000", // three invocations and nine requests are 63 ms of a quarter of a GB
	} {
		if u[item] == nil || u[item].Cmp(rat(want)) != 0 {
			t.Errorf("%s: %v, want %s", item, u[item], want)
		}
	}
}

// A function with more memory pays more for the same time.
func TestMemory(t *testing.T) {
	of := func(name string) *big.Rat {
		c := Counts{}
		c.Add(name, 0, 0, 0, nil)
		return c.Usage()[LambdaGBSecond]
	}
	if small, twice := of("charge"), of("accept-commands"); new(big.Rat).Add(small, small).Cmp(twice) != 0 {
		t.Errorf("%v and %v GB-seconds", small, twice)
	}
}

func TestBill(t *testing.T) {
	list := PriceList{Dollars: map[Item]*big.Rat{WriteUnit: rat("0.5"), ReadUnit: rat("0.1"), Mail: rat("9")}}
	lines, total, err := list.Bill(Usage{ReadUnit: rat("1/2"), WriteUnit: rat("3"), Mail: rat("0")})
	if err != nil || total.Cmp(rat("1.55")) != 0 || len(lines) != 2 || lines[0].Item != WriteUnit {
		t.Errorf("bill %v, %v, %v", lines, total, err)
	}
	_, _, err = list.Bill(Usage{APIRequest: rat("1")})
	if err == nil || !strings.Contains(err.Error(), "api.request") {
		t.Errorf("an item without a price: %v", err)
	}
	sum := Usage{Mail: rat("1")}.Scaled(rat("1/3")).Plus(Usage{Mail: rat("2/3"), APIRequest: rat("1")})
	if sum[Mail].Cmp(rat("1")) != 0 || sum[APIRequest].Cmp(rat("1")) != 0 {
		t.Errorf("sum %v", sum)
	}
}

// The list has a price for everything that counts lead to.
func TestPrices(t *testing.T) {
	list, err := Prices()
	if err != nil {
		t.Fatal(err)
	}
	if list.Date == "" || list.Region == "" || list.Source == "" {
		t.Errorf("list %+v", list)
	}
	for _, item := range []Item{
		LambdaRequest, LambdaGBSecond, WriteUnit, ReadUnit, Event, SQSRequest, Transition, APIRequest, KMSRequest,
		LogByte, Mail, ScheduledInvoke, KMSKeyMonth, AlarmMonth, SeriesMonth,
	} {
		if list.Dollars[item] == nil {
			t.Errorf("%s has no price", item)
		}
	}
}

// Each kind of count that is above the budget is named with its function and operation; a retry in
// twenty orders is none.
func TestOver(t *testing.T) {
	if over := counts().Over(counts(), nil); len(over) != 0 {
		t.Errorf("a budget's own counts are above it: %q", over)
	}
	budget, many := counts(), Counts{Orders: 40, APIRequests: 40, Transitions: 240}
	for range 20 {
		for name, f := range counts().Functions {
			for range f.Invocations {
				many.Add(name, 0, 0, 0, nil)
			}
			many.Add(name, 0, 0, 0, f.Requests)
		}
	}
	many.Functions["charge"].Requests[1].Count++ // one more query in forty orders
	for name, f := range many.Functions {
		f.Invocations = budget.Functions[name].Invocations * 20
		many.Functions[name] = f
	}
	if over := many.Over(budget, nil); len(over) != 0 {
		t.Errorf("one retry: %q", over)
	}
	for want, change := range map[string]func(*Counts){
		"charge: invocations: 1.50 an order, the budget is 1.00": func(c *Counts) { c.Add("charge", 0, 0, 0, nil) },
		"charge: DynamoDB Query events: 2.00 an order, the budget is 1.50": func(c *Counts) {
			c.Functions["charge"].Requests[1].Count++
		},
		"charge: DynamoDB PutItem events, write units: 2.00": func(c *Counts) {
			c.Functions["charge"].Requests[0].Write++
		},
		"charge: DynamoDB Query events, read units: 1.50": func(c *Counts) { c.Functions["charge"].Requests[1].Read++ },
		"mail: EventBridge PutEvents, entries: 4.00": func(c *Counts) {
			c.Functions["mail"].Requests[0].Entries++
		},
		"state transitions: 6.50 an order": func(c *Counts) { c.Transitions++ },
		"another: SFN StartExecution: 0.50 an order, the budget is 0.00": func(c *Counts) {
			c.Add("another", 0, 0, 0, []awsclient.Requests{{Service: "SFN", Operation: "StartExecution", Count: 1}})
		},
	} {
		c := counts()
		change(&c)
		named := func(excess string) bool { return strings.HasPrefix(excess, want) }
		if over := c.Over(budget, nil); !slices.ContainsFunc(over, named) {
			t.Errorf("%q is missing in %q", want, over)
		}
	}
}

// What is loose for one function is not for another.
func TestOverIsLoose(t *testing.T) {
	c := counts()
	c.Functions["charge"].Requests[1].Count = 4
	c.Functions["mail"].Requests[1].Count = 4
	over := c.Over(counts(), map[string]float64{"charge": 0.5})
	if len(over) != 1 || !strings.HasPrefix(over[0], "mail: ") {
		t.Errorf("%q", over)
	}
}
