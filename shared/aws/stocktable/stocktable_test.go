package stocktable_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/stocktable"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/faults"
	"orderflow/shared/shop/stock"
)

// table answers each read with a row, or with err.
type table struct {
	stocktable.API
	row map[string]types.AttributeValue
	err error
	in  *dynamodb.GetItemInput
}

func (t *table) GetItem(
	_ context.Context, in *dynamodb.GetItemInput, _ ...func(*dynamodb.Options),
) (*dynamodb.GetItemOutput, error) {
	t.in = in
	return &dynamodb.GetItemOutput{Item: t.row}, t.err
}

func n(v string) types.AttributeValue { return &types.AttributeValueMemberN{Value: v} }

func TestLevel(t *testing.T) {
	row := func(available, reserved, rev types.AttributeValue) map[string]types.AttributeValue {
		return map[string]types.AttributeValue{"available": available, "reserved": reserved, "rev": rev}
	}
	for _, tc := range []struct {
		name  string
		table table
		want  stock.Level
		found bool
		fails bool
	}{
		{
			"a row", table{row: row(n("7"), n("3"), n("2"))},
			stock.Level{SKU: "cd-1", OnHand: 10, Available: 7, Reserved: 3, Version: 2}, true, false,
		},
		{"a row of which some has left", table{row: func() map[string]types.AttributeValue {
			r := row(n("7"), n("3"), n("2"))
			r["departed"] = n("5")
			return r
		}()}, stock.Level{SKU: "cd-1", OnHand: 10, Available: 7, Reserved: 3, Version: 7, Departed: 5}, true, false},
		{"a row of a release that kept when it was counted", table{row: func() map[string]types.AttributeValue {
			r := row(n("7"), n("3"), n("2"))
			r["counted"], r["countedRev"] = &types.AttributeValueMemberS{Value: "2026-03-01T12:00:00.000000005Z"},
				n("2")
			return r
		}()}, stock.Level{SKU: "cd-1", OnHand: 10, Available: 7, Reserved: 3, Version: 2}, true, false},
		{"no row", table{}, stock.Level{}, false, false},
		{"no answer", table{err: errors.New("no")}, stock.Level{}, false, true},
		{"a number missing", table{row: row(n("7"), nil, n("2"))}, stock.Level{}, false, true},
		{
			"a number that is text", table{row: row(n("7"), &types.AttributeValueMemberS{Value: "3"}, n("2"))},
			stock.Level{}, false, true,
		},
		{"a number too large", table{row: row(n("1e30"), n("3"), n("2"))}, stock.Level{}, false, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, found, err := stocktable.New(&tc.table, "stock").Level(t.Context(), "cd-1")
			if got != tc.want || found != tc.found || (err != nil) != tc.fails {
				t.Errorf("got %+v, %v, %v", got, found, err)
			}
			if !aws.ToBool(tc.table.in.ConsistentRead) || *tc.table.in.TableName != "stock" {
				t.Errorf("asked for %+v", tc.table.in)
			}
		})
	}
}

// storeEffect is what the event store needs of an effect.
type storeEffect interface {
	es.Effect
	TransactItems() ([]types.TransactWriteItem, error)
	Refusal([]types.CancellationReason) error
}

func effectOf(t *testing.T, e es.Effect, items int) storeEffect {
	t.Helper()
	effect, ok := e.(storeEffect)
	if !ok {
		t.Fatalf("%T is no effect of the store", e)
	}
	got, err := effect.TransactItems()
	if err != nil || len(got) != items {
		t.Fatalf("%d items, %v, want %d", len(got), err, items)
	}
	keys := map[string]bool{}
	for _, item := range got {
		key, _ := item.Update.Key["sku"].(*types.AttributeValueMemberS)
		if *item.Update.TableName != "stock" || aws.ToString(item.Update.ConditionExpression) == "" || keys[key.Value] {
			t.Errorf("item %+v", item.Update)
		}
		keys[key.Value] = true
	}
	return effect
}

// reasons are why DynamoDB cancelled, one an item.
func reasons(codes ...string) (out []types.CancellationReason) {
	for _, code := range codes {
		out = append(out, types.CancellationReason{Code: aws.String(code)})
	}
	return out
}

const (
	fine     = "None"
	refused  = "ConditionalCheckFailed"
	conflict = "TransactionConflict"
	throttle = "ThrottlingError"
)

func TestRefusals(t *testing.T) {
	counters := stocktable.New(&table{}, "stock")
	items := []stock.Item{{SKU: "cd-1", Quantity: 2}, {SKU: "cd-2", Quantity: 1}, {SKU: "cd-3", Quantity: 1}}
	none := stock.Marks{}
	level := func(version, departed int64) stock.Level {
		return stock.Level{SKU: "cd-1", OnHand: 5, Available: 2, Reserved: 3, Version: version, Departed: departed}
	}
	restocked := func(from stock.Level, delta, version int64) storeEffect {
		return effectOf(t, counters.Restock(from, delta, version, none, stock.Waiting{}), 1)
	}
	reserve := effectOf(t, counters.Reserve(items, none, stock.Shortage{}), 3)
	release := effectOf(t, counters.Release(items, none, stock.Waiting{}), 3)
	depart := effectOf(t, counters.Depart(items, none), 3)
	restock, departed := restocked(level(4, 0), -3, 5), restocked(level(6, 2), -3, 5)
	first, behind := restocked(stock.Level{SKU: "cd-1"}, 3, 1), restocked(level(3, 0), -3, 5)
	at := func(rev string, others ...string) []types.CancellationReason {
		out := reasons(append([]string{refused}, others...)...)
		out[0].Item = map[string]types.AttributeValue{"available": n("2"), "reserved": n("3"), "rev": n(rev)}
		return out
	}
	left := func(rev, departed string) []types.CancellationReason {
		out := at(rev)
		out[0].Item["departed"] = n(departed)
		return out
	}
	for _, tc := range []struct {
		name    string
		effect  storeEffect
		reasons []types.CancellationReason
		final   bool // a fault of the business
		text    string
	}{
		{"reserve: the others' fault", reserve, reasons(fine, fine, fine), false, ""},
		{"reserve: another write under way", reserve, reasons(fine, conflict, throttle), false, ""},
		{"reserve: one short", reserve, reasons(fine, refused, fine), true, `stock.insufficient: not enough of "cd-2"`},
		{
			"reserve: two short", reserve, reasons(refused, conflict, refused), true,
			`stock.insufficient: not enough of "cd-1", "cd-3"`,
		},
		{"release: the others' fault", release, reasons(fine, conflict, fine), false, ""},
		{
			"release: what is not there", release, reasons(fine, refused, fine), true,
			`the counters of "cd-2" are not what its events say: fewer than 1 are reserved; an operator repairs them with orderflow stock rebuild`,
		},
		{"depart: the others' fault", depart, reasons(fine, conflict, fine), false, ""},
		{
			"depart: what is not there", depart, reasons(fine, refused, fine), true,
			`the counters of "cd-2" are not what its events say: fewer than 1 are reserved`,
		},
		{"restock: something has left meanwhile", restock, left("4", "1"), false, "expected version 4, found 5"},
		{"restock: more has left meanwhile", departed, left("4", "3"), false, "expected version 6, found 7"},
		{"restock: below what is reserved, after departures", departed, left("4", "2"), true, "stock.insufficient"},
		{"restock: the others' fault", restock, reasons(fine), false, ""},
		{"restock: another write under way", restock, reasons(conflict), false, ""},
		{"restock: below what is reserved", restock, at("4"), true, "stock.insufficient"},
		{"restock: somebody has counted meanwhile", behind, at("4"), false, "expected version 3, found 4"},
		{"restock: what was read is not the stream's", behind, at("3"), true, "they are at version 3 before version 5"},
		{"restock: a row that is behind", restock, at("3"), true, "not what its events say"},
		{"restock: a row that is ahead", restock, at("5"), true, "not what its events say"},
		{"restock: a row that is gone", restock, reasons(refused), true, "not what its events say"},
		{"restock: a row that can't be read", restock, func() []types.CancellationReason {
			out := at("4")
			out[0].Item["reserved"] = &types.AttributeValueMemberS{Value: "3"}
			return out
		}(), false, "reserved is no number"},
		{"first count: a row is there", first, at("1"), true, "not what its events say"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.effect.Refusal(tc.reasons)
			if (err == nil) != (tc.text == "") || err != nil && !strings.Contains(err.Error(), tc.text) ||
				faults.Final(err) != tc.final {
				t.Errorf("got %v, want %q", err, tc.text)
			}
		})
	}
}

// TestStands: what follows from a shortage is refused, as a conflict, in another epoch of a row.
func TestStands(t *testing.T) {
	shortage := stock.Shortage{}
	counters := stocktable.New(&table{}, "stock")
	items := []stock.Item{{SKU: "cd-1", Quantity: 2}, {SKU: "cd-2", Quantity: 1}, {SKU: "cd-3", Quantity: 9}}
	why := reasons(refused, fine, refused)
	why[2].Item = map[string]types.AttributeValue{
		"available": n("8"), "reserved": n("0"), "rev": n("4"), "epoch": n("7"),
	}
	if err := effectOf(t, counters.Reserve(items, stock.Marks{}, shortage), 3).Refusal(why); err == nil {
		t.Fatal("not refused")
	}
	if want := (stock.Shortage{"cd-1": {Wanted: 2}, "cd-3": {Wanted: 9, Available: 8, Epoch: 7}}); !maps.Equal(
		shortage, want,
	) {
		t.Fatalf("met %+v", shortage)
	}
	stands, ok := counters.Stands(shortage).(storeEffect)
	if !ok {
		t.Fatal("no effect of the store")
	}
	checks, err := stands.TransactItems()
	if err != nil || len(checks) != 2 {
		t.Fatalf("%d checks, %v", len(checks), err)
	}
	for i, want := range []string{"attribute_not_exists(#epoch)", "#epoch = :epoch"} {
		if got := *checks[i].ConditionCheck.ConditionExpression; got != want {
			t.Errorf("check %d is %s, want %s", i, got, want)
		}
	}
	if err := stands.Refusal(reasons(fine, refused)); !errors.Is(err, es.ErrConflict) {
		t.Errorf("another epoch: %v", err)
	}
	if err := stands.Refusal(reasons(fine, conflict)); err != nil {
		t.Errorf("the others' fault: %v", err)
	}
}

// TestLacks: rows that lack pieces refuse, as long as they are in the epoch in which that was read.
func TestLacks(t *testing.T) {
	lacks, ok := stocktable.New(&table{}, "stock").Lacks(stock.Shortage{
		"cd-1": {Wanted: 2, Epoch: 7, Shards: 4}, "cd-2": {Wanted: 1},
	}).(storeEffect)
	if !ok {
		t.Fatal("no effect of the store")
	}
	why := reasons(refused, refused)
	for epoch, want := range map[string]error{"7": stock.ErrInsufficient, "8": es.ErrConflict} {
		why[0].Item = map[string]types.AttributeValue{"epoch": n(epoch)}
		if err := lacks.Refusal(why); !errors.Is(err, want) {
			t.Errorf("in epoch %s: %v, want %v", epoch, err, want)
		}
	}
	if err := lacks.Refusal(reasons(fine, fine)); err != nil {
		t.Errorf("the others' fault: %v", err)
	}
}

// TestMarks: a row that begins or ends being rebuilt sends whoever changes it back once, and is
// reckoned with then.
func TestMarks(t *testing.T) {
	counters := stocktable.New(&table{}, "stock")
	items := []stock.Item{{SKU: "cd-1", Quantity: 2}, {SKU: "cd-2", Quantity: 1}}
	from := stock.Level{SKU: "cd-2", OnHand: 5, Available: 5, Version: 4}
	for name, effect := range map[string]func(stock.Marks) es.Effect{
		"reserve": func(m stock.Marks) es.Effect { return counters.Reserve(items, m, stock.Shortage{}) },
		"release": func(m stock.Marks) es.Effect { return counters.Release(items, m, stock.Waiting{}) },
		"depart":  func(m stock.Marks) es.Effect { return counters.Depart(items, m) },
		"move": func(m stock.Marks) es.Effect {
			return counters.Move([]stock.Change{
				{SKU: "cd-1", Numbers: stock.Numbers{Available: 1}},
				{SKU: "cd-2", Numbers: stock.Numbers{Reserved: -1}},
			}, m, nil)
		},
		"restock": func(m stock.Marks) es.Effect { return counters.Restock(from, 3, 5, m, stock.Waiting{}) },
		"first": func(m stock.Marks) es.Effect {
			return counters.Restock(stock.Level{SKU: "cd-2"}, 3, 1, m, stock.Waiting{})
		},
	} {
		t.Run(name, func(t *testing.T) {
			marks := stock.Marks{}
			for _, mark := range []string{"r-1", "r-2", ""} {
				own := 2
				if name == "restock" || name == "first" {
					own = 1
				}
				why := reasons(refused, refused)[:own]
				why[own-1].Item = map[string]types.AttributeValue{
					"available": n("0"), "reserved": n("0"), "rev": n("4"),
				}
				if mark != "" {
					why[own-1].Item["rebuild"] = &types.AttributeValueMemberS{Value: mark}
				}
				err := effectOf(t, effect(marks), own).Refusal(why)
				if !errors.Is(err, es.ErrConflict) || marks["cd-2"] != mark || len(marks) > 1 {
					t.Fatalf("a row with mark %q: %v, and then %v", mark, err, marks)
				}
				if err := effectOf(t, effect(marks), own).Refusal(why); errors.Is(err, es.ErrConflict) || err == nil {
					t.Errorf("reckoned with: %v", err)
				}
			}
		})
	}
}

// TestReserveRest: what is short is taken in whole, what there is nothing of stays as it was met,
// and whatever else a row has come to by then is a conflict, and no refusal.
func TestReserveRest(t *testing.T) {
	counters := stocktable.New(&table{}, "stock")
	items := []stock.Item{{SKU: "ample", Quantity: 2}, {SKU: "short", Quantity: 3}}
	shortage := stock.Shortage{
		"short": {Wanted: 4, Available: 3, Epoch: 7}, "gone": {Wanted: 1, Epoch: 5}, "new": {Wanted: 1},
	}
	marks := stock.Marks{}
	effect := counters.ReserveRest(items, marks, shortage).(storeEffect)
	all, err := effect.TransactItems()
	if err != nil || len(all) != 4 {
		t.Fatalf("%d items, %v", len(all), err)
	}
	for i, want := range []bool{false, true} {
		if got := strings.Contains(*all[i].Update.ConditionExpression, "#available = :q"); got != want {
			t.Errorf("%s: %s", items[i].SKU, *all[i].Update.ConditionExpression)
		}
	}
	for i, want := range []string{"#epoch = :epoch", "attribute_not_exists(#epoch)"} {
		if got := *all[2+i].ConditionCheck.ConditionExpression; got != want {
			t.Errorf("what there is nothing of: %s, want %s", got, want)
		}
	}
	for i := range all {
		codes := []string{fine, fine, fine, fine}
		codes[i] = refused
		if err := effect.Refusal(reasons(codes...)); !errors.Is(err, es.ErrConflict) {
			t.Errorf("item %d: %v", i, err)
		}
	}
	if err := effect.Refusal(reasons(fine, fine, fine, conflict)); err != nil {
		t.Errorf("somebody else's: %v", err)
	}
	marked := reasons(refused, fine, fine, fine)
	marked[0].Item = map[string]types.AttributeValue{"rebuild": &types.AttributeValueMemberS{Value: "m"}}
	if err := effect.Refusal(marked); !errors.Is(err, es.ErrConflict) || marks["ample"] != "m" {
		t.Errorf("a mark: %v, %v", err, marks)
	}
}

// TestMoveMakesNoOwnRow: pieces come to rows of shards that are not there, and to no SKU's own,
// which has more to say than they.
func TestMoveMakesNoOwnRow(t *testing.T) {
	effect := effectOf(t, stocktable.New(&table{}, "stock").Move([]stock.Change{
		{SKU: "cd-1", Numbers: stock.Numbers{Available: 1}},
		{SKU: "cd-1#2", Numbers: stock.Numbers{Available: 1}},
	}, stock.Marks{}, stock.Waiting{}), 2)
	items, err := effect.TransactItems()
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} {
		if got := strings.Contains(*items[i].Update.ConditionExpression, "attribute_exists(#sku)"); got != want {
			t.Errorf("item %d: %s", i, *items[i].Update.ConditionExpression)
		}
	}
	if err := effect.Refusal(reasons(refused, fine)); !errors.Is(err, stock.ErrInconsistent) ||
		!strings.Contains(err.Error(), "no row") {
		t.Errorf("a SKU without a row: %v", err)
	}
}
