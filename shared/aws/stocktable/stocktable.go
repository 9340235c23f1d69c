// Package stocktable keeps the counters of stock in a DynamoDB table: one row a SKU, changed only
// by the transactions of the event store that write the events that a change follows from.
//
// The table's key is sku (S). A row has available (N) and reserved (N), rev (N), the version of the
// stream stock/<sku>, and departed (N), how many parcels have left with pieces of it; a row without
// departed has 0. epoch (N) grows whenever more may be available; a row without it has 0.
// waiting (N) is how many reservations are in the SKU's line, and passed (N) how many got pieces
// past the first in it; it has no meaning while nobody waits.
//
// Rows of earlier releases may have counted (S) and countedRev (N), when somebody counted last:
// nothing reads them any more.
//
// A SKU that is split into shards, or was once, has shards (N), how many. Each shard has a row of
// its own, <sku>#1 and so on, whose rev is 0.
//
// While a rebuild is at a row, it has rebuild (S), its mark, and the numbers as they were when
// it was marked: wasAvailable, wasReserved, wasRev, wasDeparted and wasShards. rebuilt (S) is the
// mark of the last rebuild that was through with it.
package stocktable

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/stock"
)

// API is what the counters need of a DynamoDB client.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(
		context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.BatchGetItemOutput, error)
}

// Table keeps the counters. It is safe for concurrent use.
type Table struct {
	api  API
	name string
}

// New makes counters on an existing table.
func New(api API, table string) *Table { return &Table{api: api, name: table} }

var _ stock.Counters = (*Table)(nil)

// Level implements stock.Counters, with one strongly consistent read, unless the SKU is split or
// was.
func (t *Table) Level(ctx context.Context, sku string) (stock.Level, bool, error) {
	item, err := dynamo.Get(ctx, t.api, t.name, key(sku))
	if err != nil {
		return stock.Level{}, false, fmt.Errorf("stocktable: read %q: %w", sku, err)
	}
	if len(item) == 0 {
		return stock.Level{}, false, nil
	}
	level, err := levelOf(sku, item)
	if err == nil && level.Shards > 0 {
		var rows []stock.Row
		if rows, err = t.Shards(ctx, sku); err == nil {
			level = stock.Summed(rows)
		}
	}
	return level, err == nil, err
}

// levelOf reads a row. One that is not there is of nothing.
func levelOf(sku string, row dynamo.Item) (stock.Level, error) {
	if len(row) == 0 {
		return stock.Level{SKU: sku}, nil
	}
	r := dynamo.Read(row)
	available, reserved, version := r.Number("available"), r.Number("reserved"), r.Number("rev")
	departed, shards := r.OptionalNumber("departed"), r.OptionalNumber("shards")
	if err := r.Err(); err != nil {
		return stock.Level{}, fmt.Errorf("stocktable: row %q: %w", sku, err)
	}
	return stock.Level{
		SKU: sku, OnHand: available + reserved, Available: available, Reserved: reserved,
		Version: version + departed, Departed: departed, Shards: shards,
	}, nil
}

// Reserve implements stock.Counters.
func (t *Table) Reserve(items []stock.Item, marks stock.Marks, shortage stock.Shortage) es.Effect {
	updates := t.updates(items, marks, take, enough+" AND "+open)
	for _, update := range updates {
		taking(update.Update)
	}
	return effect{name: "reserve stock", items: updates, refusal: refused(items, marks, short(shortage))}
}

// ReserveRest implements stock.Counters.
func (t *Table) ReserveRest(items []stock.Item, marks stock.Marks, shortage stock.Shortage) es.Effect {
	updates := t.updates(items, marks, take, enough+" AND "+open)
	there := map[string]bool{}
	for i, item := range items {
		taking(updates[i].Update)
		if _, short := shortage[item.SKU]; short {
			there[item.SKU] = true
			conditions(updates[i].Update, "#available = :q")
		}
	}
	var gone []string
	for _, sku := range slices.Sorted(maps.Keys(shortage)) {
		if !there[sku] {
			gone = append(gone, sku)
		}
	}
	short := refused(items, marks, func(failed []met) error { return stock.Refill(failed[0].SKU) })
	return effect{
		name: "reserve the rest", items: append(updates, t.inEpochs(gone, shortage)...),
		refusal: func(reasons []types.CancellationReason) error {
			return cmp.Or(short(reasons), refilled(gone, reasons[len(items):]))
		},
	}
}

// ReserveAll implements stock.Counters.
func (t *Table) ReserveAll(items []stock.Item, marks stock.Marks, shortage stock.Shortage) es.Effect {
	updates := t.updates(items, marks, "SET #available = #available - :q, #reserved = #reserved + :q", enough)
	for i, item := range items {
		queued(updates[i].Update, item.SKU, nil)
	}
	return effect{name: "reserve stock", items: updates, refusal: refused(items, marks, short(shortage))}
}

// What takes pieces, and when. A reservation passes those who wait, if there are any: a row need
// not say so for that to be counted.
const (
	take   = "SET #available = #available - :q, #reserved = #reserved + :q ADD #passed :one"
	enough = "#available >= :q"
	open   = "(attribute_not_exists(#waiting) OR #waiting = :none OR #passed < :most)"
)

// taking completes an update that takes pieces where the line is open.
func taking(update *types.Update) {
	maps.Copy(update.ExpressionAttributeNames, dynamo.Names("waiting", "passed"))
	maps.Copy(update.ExpressionAttributeValues, dynamo.Item{
		":one": dynamo.N(1), ":none": dynamo.N(0), ":most": dynamo.N(stock.MaxPassed),
	})
}

// short notes what rows were short, and refuses as the shortage says.
func short(shortage stock.Shortage) func([]met) error {
	return func(failed []met) error {
		clear(shortage)
		for _, m := range failed {
			r := dynamo.Read(m.row)
			shortage[m.SKU] = stock.Short{
				Wanted: m.Quantity, Available: r.OptionalNumber("available"), Epoch: r.OptionalNumber("epoch"),
				Shards: r.OptionalNumber("shards"), Waiting: r.OptionalNumber("waiting"),
				Passed: r.OptionalNumber("passed"),
			}
			if err := r.Err(); err != nil {
				return fmt.Errorf("stocktable: row %q: %w", m.SKU, err)
			}
		}
		return shortage.Refusal()
	}
}

// Stands implements stock.Counters.
func (t *Table) Stands(shortage stock.Shortage) es.Effect {
	skus := slices.Sorted(maps.Keys(shortage))
	return effect{
		name: "out of stock", items: t.inEpochs(skus, shortage),
		refusal: func(reasons []types.CancellationReason) error { return refilled(skus, reasons) },
	}
}

// refilled is a conflict where a row is in another epoch than a shortage was met in.
func refilled(skus []string, reasons []types.CancellationReason) error {
	for i, sku := range skus {
		if dynamo.Refused(reasons[i]) {
			return stock.Refill(sku)
		}
	}
	return nil
}

// inEpochs checks that the rows of SKUs are in the epochs of a shortage.
func (t *Table) inEpochs(skus []string, shortage stock.Shortage) []types.TransactWriteItem {
	checks := make([]types.TransactWriteItem, len(skus))
	for i, sku := range skus {
		condition, epoch := "#epoch = :epoch", shortage[sku].Epoch
		if epoch == 0 {
			condition = "attribute_not_exists(#epoch)"
		}
		checks[i].ConditionCheck = &types.ConditionCheck{
			TableName: &t.name, Key: key(sku), ConditionExpression: &condition,
			ExpressionAttributeNames: dynamo.Names("epoch"),
		}
		if epoch > 0 {
			checks[i].ConditionCheck.ExpressionAttributeValues = dynamo.Item{":epoch": dynamo.N(epoch)}
		}
	}
	return checks
}

// Lacks implements stock.Counters. No row satisfies its conditions, so the transaction is cancelled
// and shows the rows as they are at one moment.
func (t *Table) Lacks(shortage stock.Shortage) es.Effect {
	skus := slices.Sorted(maps.Keys(shortage))
	checks := make([]types.TransactWriteItem, len(skus))
	for i, sku := range skus {
		checks[i].ConditionCheck = &types.ConditionCheck{
			TableName: &t.name, Key: key(sku),
			ConditionExpression:                 aws.String("attribute_exists(#sku) AND attribute_not_exists(#sku)"),
			ExpressionAttributeNames:            dynamo.Names("sku"),
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}
	}
	return effect{name: "lack of stock", items: checks, refusal: func(reasons []types.CancellationReason) error {
		lacks := false
		for i, sku := range skus {
			if !dynamo.Refused(reasons[i]) {
				continue
			}
			lacks = true
			r := dynamo.Read(reasons[i].Item)
			epoch := r.OptionalNumber("epoch")
			switch err := r.Err(); {
			case err != nil:
				return fmt.Errorf("stocktable: row %q: %w", sku, err)
			case epoch != shortage[sku].Epoch:
				return stock.Refill(sku)
			}
		}
		if !lacks {
			return nil
		}
		return stock.Insufficient(skus)
	}}
}

// Release implements stock.Counters.
func (t *Table) Release(items []stock.Item, marks stock.Marks, waiting stock.Waiting) es.Effect {
	const set = "SET #available = #available + :q, #reserved = #reserved - :q ADD #epoch :one"
	updates := t.updates(items, marks, set, "#reserved >= :q")
	for _, update := range updates {
		update.Update.ExpressionAttributeNames["#epoch"] = "epoch"
		update.Update.ExpressionAttributeValues[":one"] = dynamo.N(1)
	}
	for i, item := range items {
		queued(updates[i].Update, item.SKU, waiting)
	}
	return effect{name: "release stock", items: updates, refusal: refused(items, marks, func(failed []met) error {
		for _, m := range failed {
			if !waiting.Meet(m.SKU, dynamo.Read(m.row).OptionalNumber("waiting")) {
				return stock.Queued(m.SKU)
			}
		}
		return notReserved(failed)
	})}
}

// queued adds to a condition that nobody waits for the SKU, unless that is reckoned with.
func queued(update *types.Update, sku string, waiting stock.Waiting) {
	if waiting[sku] {
		return
	}
	condition := *update.ConditionExpression + " AND (attribute_not_exists(#waiting) OR #waiting = :none)"
	update.ConditionExpression = &condition
	update.ExpressionAttributeNames["#waiting"] = "waiting"
	update.ExpressionAttributeValues[":none"] = dynamo.N(0)
}

// Depart implements stock.Counters.
func (t *Table) Depart(items []stock.Item, marks stock.Marks) es.Effect {
	updates := t.updates(items, marks, "SET #reserved = #reserved - :q ADD #departed :one", "#reserved >= :q")
	for _, update := range updates {
		update.Update.ExpressionAttributeNames = dynamo.Names("reserved", "departed", "rebuild")
		update.Update.ExpressionAttributeValues[":one"] = dynamo.N(1)
	}
	return effect{name: "depart stock", items: updates, refusal: refused(items, marks, notReserved)}
}

// met is an item whose row refused, and what the row was: nothing where there is none.
type met struct {
	stock.Item
	row dynamo.Item
}

func notReserved(failed []met) error {
	return stock.Inconsistent(failed[0].SKU, "fewer than %d are reserved", failed[0].Quantity)
}

// refused is why rows refused: their marks, or else what the items that failed come to.
func refused(
	items []stock.Item, marks stock.Marks, why func([]met) error,
) func([]types.CancellationReason) error {
	return func(reasons []types.CancellationReason) error {
		var failed []met
		var marked error
		for i, item := range items {
			if !dynamo.Refused(reasons[i]) {
				continue
			}
			failed = append(failed, met{item, reasons[i].Item})
			if !marks.Meet(item.SKU, markOf(reasons[i].Item)) {
				marked = stock.Met(item.SKU)
			}
		}
		if marked != nil || len(failed) == 0 {
			return marked
		}
		return why(failed)
	}
}

// updates are the same update and condition for each of the items. Who needs other names than those
// of the numbers says so.
func (t *Table) updates(items []stock.Item, marks stock.Marks, update, condition string) []types.TransactWriteItem {
	out := make([]types.TransactWriteItem, len(items))
	for i, item := range items {
		out[i].Update = &types.Update{
			TableName: &t.name, Key: key(item.SKU), UpdateExpression: &update,
			ExpressionAttributeNames:            dynamo.Names("available", "reserved", "rebuild"),
			ExpressionAttributeValues:           dynamo.Item{":q": dynamo.N(item.Quantity)},
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}
		marked(out[i].Update, condition, marks[item.SKU])
	}
	return out
}

// marked adds to a condition that the row has a mark, "" for none.
func marked(update *types.Update, condition, mark string) {
	if condition != "" {
		condition += " AND "
	}
	if mark == "" {
		condition += "attribute_not_exists(#rebuild)"
	} else {
		condition += "#rebuild = :rebuild"
		update.ExpressionAttributeValues[":rebuild"] = dynamo.S(mark)
	}
	update.ConditionExpression = &condition
}

// Restock implements stock.Counters. A row is made with the stream's first event, and has the
// version before this one from then on.
func (t *Table) Restock(from stock.Level, delta, version int64, marks stock.Marks, waiting stock.Waiting) es.Effect {
	update := &types.Update{
		TableName: &t.name, Key: key(from.SKU),
		UpdateExpression:         aws.String("SET #available = #available + :delta, #rev = :version ADD #epoch :one"),
		ExpressionAttributeNames: dynamo.Names("available", "rev", "departed", "rebuild", "epoch"),
		ExpressionAttributeValues: dynamo.Item{
			":delta": dynamo.N(delta), ":version": dynamo.N(version), ":before": dynamo.N(version - 1),
			":read": dynamo.N(from.Counts()), ":departed": dynamo.N(from.Departed), ":least": dynamo.N(-delta),
			":one": dynamo.N(1),
		},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	// What was read may be of another version than the stream: then the row is, or somebody counts
	// just now, and no row satisfies this.
	condition := "#rev = :before AND #rev = :read AND #departed = :departed AND #available >= :least"
	if from.Departed == 0 {
		condition = "#rev = :before AND #rev = :read AND (attribute_not_exists(#departed) OR #departed = :departed)" +
			" AND #available >= :least"
	}
	if version == 1 && from.Counts() == 0 {
		// There may be a row that a rebuild found no events for.
		update.UpdateExpression = aws.String("SET #available = if_not_exists(#available, :zero) + :delta, " +
			"#reserved = if_not_exists(#reserved, :zero), #rev = :version ADD #epoch :one")
		condition = "(attribute_not_exists(#rev) OR #rev = :before) AND " +
			"(attribute_not_exists(#available) OR #available >= :least)"
		update.ExpressionAttributeNames = dynamo.Names("available", "reserved", "rev", "rebuild", "epoch")
		update.ExpressionAttributeValues = dynamo.Item{
			":delta": dynamo.N(delta), ":version": dynamo.N(version), ":before": dynamo.N(0), ":zero": dynamo.N(0),
			":least": dynamo.N(-delta), ":one": dynamo.N(1),
		}
	}
	if from.Shards > 0 {
		// Else what was moved between its rows may have been read in part.
		condition += " AND #epoch = :epoch"
		update.ExpressionAttributeValues[":epoch"] = dynamo.N(from.Epoch)
	}
	marked(update, condition, marks[from.SKU])
	queued(update, from.SKU, waiting)
	return effect{
		name: "restock", items: []types.TransactWriteItem{{Update: update}},
		refusal: func(reasons []types.CancellationReason) error {
			if !dynamo.Refused(reasons[0]) {
				return nil
			}
			return notRestocked(from, version, marks, waiting, reasons[0].Item)
		},
	}
}

// notRestocked is why a row refuses to be restocked.
func notRestocked(from stock.Level, version int64, marks stock.Marks, waiting stock.Waiting, row dynamo.Item) error {
	if !marks.Meet(from.SKU, markOf(row)) {
		return stock.Met(from.SKU)
	}
	if !waiting.Meet(from.SKU, dynamo.Read(row).OptionalNumber("waiting")) {
		return stock.Queued(from.SKU)
	}
	met, err := levelOf(from.SKU, row)
	if err != nil {
		return err
	}
	switch {
	case met.Counts() != version-1:
		return stock.Inconsistent(
			from.SKU, "they are at version %d before version %d of its stream", met.Counts(), version,
		)
	case from.Shards > 0 && dynamo.Read(row).OptionalNumber("epoch") != from.Epoch:
		return stock.Elsewhere(from.SKU)
	case met.Version != from.Version || met.Departed != from.Departed:
		stream := es.NewStreamID(stock.Category, from.SKU)
		return &es.ConflictError{Stream: stream, Expected: from.Version, Actual: met.Version}
	}
	return stock.Insufficient([]string{from.SKU})
}

// effect is a dynamostore.Effect.
type effect struct {
	name    string
	items   []types.TransactWriteItem
	refusal func([]types.CancellationReason) error
}

// EffectName implements es.Effect.
func (e effect) EffectName() string { return e.name }

// TransactItems implements dynamostore.Effect.
func (e effect) TransactItems() ([]types.TransactWriteItem, error) { return e.items, nil }

// Refusal implements dynamostore.Effect.
func (e effect) Refusal(reasons []types.CancellationReason) error { return e.refusal(reasons) }

func key(sku string) dynamo.Item {
	return dynamo.Item{"sku": dynamo.S(sku)}
}

// markOf is "" in a row that no rebuild is at.
func markOf(row dynamo.Item) string {
	return dynamo.Read(row).OptionalString("rebuild")
}
