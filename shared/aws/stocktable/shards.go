package stocktable

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/stock"
)

// moves is how often the rows of a SKU are read again between which pieces are moved. They are when
// somebody counts or splits, or gives back what was reserved.
const moves = 20

// Shards implements stock.Counters. A row that pieces are moved from or to is read together with
// the SKU's own: whoever moves begins another epoch of that. So where the epoch is the same ahead
// of the others and behind, nothing was moved.
func (t *Table) Shards(ctx context.Context, sku string) ([]stock.Row, error) {
	own, err := t.row(ctx, sku)
	if err != nil {
		return nil, err
	}
	for range moves {
		rows, err := t.others(ctx, own)
		if err != nil {
			return nil, err
		}
		after, err := t.row(ctx, sku)
		if err != nil {
			return nil, err
		}
		if after.Epoch == own.Epoch {
			return rows, nil
		}
		own = after
	}
	return nil, fmt.Errorf("stocktable: shards of %q: %w: pieces are moved between them", sku, es.ErrUnavailable)
}

// row reads a row of a SKU's own.
func (t *Table) row(ctx context.Context, sku string) (stock.Row, error) {
	item, err := dynamo.Get(ctx, t.api, t.name, key(sku))
	if err != nil {
		return stock.Row{}, fmt.Errorf("stocktable: read %q: %w", sku, err)
	}
	return numbersOf(sku, item)
}

// others reads the rows of shards, behind the SKU's own.
func (t *Table) others(ctx context.Context, own stock.Row) ([]stock.Row, error) {
	rows, keys, at := []stock.Row{own}, []map[string]types.AttributeValue{}, map[string]int{}
	for shard := int64(1); shard <= stock.MaxShards; shard++ {
		name := stock.ShardRow(own.Name, shard)
		at[name] = len(rows)
		rows, keys = append(rows, stock.Row{Name: name}), append(keys, key(name))
	}
	items, err := dynamo.BatchGet(
		ctx, t.api, t.name, types.KeysAndAttributes{Keys: keys, ConsistentRead: aws.Bool(true)}, nil,
	)
	if err != nil {
		return nil, fmt.Errorf("stocktable: shards of %q: %w", own.Name, err)
	}
	for _, item := range items {
		name := dynamo.Read(item).OptionalString("sku")
		if rows[at[name]], err = numbersOf(name, item); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// numbersOf reads a row. One that is not there has nothing.
func numbersOf(name string, item dynamo.Item) (stock.Row, error) {
	level, err := levelOf(name, item)
	if err != nil {
		return stock.Row{}, err
	}
	r := dynamo.Read(item)
	row := stock.Row{
		Name: name, Epoch: r.OptionalNumber("epoch"), Waiting: r.OptionalNumber("waiting"),
		Passed: r.OptionalNumber("passed"),
		Numbers: stock.Numbers{
			Available: level.Available, Reserved: level.Reserved, Counts: level.Counts(), Departed: level.Departed,
			Shards: level.Shards,
		},
	}
	if err := r.Err(); err != nil {
		return stock.Row{}, fmt.Errorf("stocktable: row %q: %w", name, err)
	}
	return row, nil
}

// Move implements stock.Counters.
func (t *Table) Move(changes []stock.Change, marks stock.Marks, waiting stock.Waiting) es.Effect {
	updates, rows := make([]types.TransactWriteItem, len(changes)), make([]stock.Item, len(changes))
	own := map[string]bool{} // rows in which what is available changes, and that others may wait at
	for i, c := range changes {
		rows[i] = stock.Item{SKU: c.SKU, Quantity: -c.Numbers.Reserved}
		updates[i].Update = t.move(c, marks)
		if own[c.SKU] = c.Numbers.Available != 0 && stock.SKUOf(c.SKU) == c.SKU; own[c.SKU] {
			queued(updates[i].Update, c.SKU, waiting)
		}
	}
	return effect{name: "move stock", items: updates, refusal: refused(rows, marks, func(failed []met) error {
		for _, m := range failed {
			if stock.SKUOf(m.SKU) == m.SKU && len(m.row) == 0 {
				return stock.Inconsistent(m.SKU, "there is no row of it")
			}
			if own[m.SKU] && !waiting.Meet(m.SKU, dynamo.Read(m.row).OptionalNumber("waiting")) {
				return stock.Queued(m.SKU)
			}
			if m.Quantity > dynamo.Read(m.row).OptionalNumber("reserved") {
				return notReserved([]met{m})
			}
		}
		return stock.Elsewhere(stock.SKUOf(failed[0].SKU))
	})}
}

// move is the update of a row.
func (t *Table) move(c stock.Change, marks stock.Marks) *types.Update {
	update := &types.Update{
		TableName: &t.name, Key: key(c.SKU),
		ExpressionAttributeNames: dynamo.Names("available", "reserved", "rev", "rebuild"),
		ExpressionAttributeValues: dynamo.Item{
			":available": dynamo.N(c.Numbers.Available), ":reserved": dynamo.N(c.Numbers.Reserved),
			":zero": dynamo.N(0),
		},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	expression := "SET #available = if_not_exists(#available, :zero) + :available, " +
		"#reserved = if_not_exists(#reserved, :zero) + :reserved, #rev = if_not_exists(#rev, :zero)"
	adds := " ADD "
	add := func(name string, n int64) {
		expression += adds + "#" + name + " :" + name
		adds = ", "
		update.ExpressionAttributeNames["#"+name] = name
		update.ExpressionAttributeValues[":"+name] = dynamo.N(n)
	}
	if c.Numbers.Departed != 0 {
		add("departed", c.Numbers.Departed)
	}
	if stock.SKUOf(c.SKU) == c.SKU {
		add("epoch", 1)
	}
	if c.Numbers.Shards != 0 {
		add("shards", c.Numbers.Shards)
	}
	update.UpdateExpression = &expression
	var conditions []string
	if stock.SKUOf(c.SKU) == c.SKU {
		conditions = append(conditions, "attribute_exists(#sku)")
		update.ExpressionAttributeNames["#sku"] = "sku"
	}
	if n := c.Numbers.Available; n < 0 {
		conditions = append(conditions, "#available >= :leastAvailable")
		update.ExpressionAttributeValues[":leastAvailable"] = dynamo.N(-n)
	}
	if n := c.Numbers.Reserved; n < 0 {
		conditions = append(conditions, "#reserved >= :leastReserved")
		update.ExpressionAttributeValues[":leastReserved"] = dynamo.N(-n)
	}
	marked(update, strings.Join(conditions, " AND "), marks[c.SKU])
	return update
}

// Undeparted implements stock.Counters.
func (t *Table) Undeparted(rows []stock.Row) es.Effect {
	checks := make([]types.TransactWriteItem, len(rows))
	for i, row := range rows {
		condition := "#departed = :departed"
		if row.Departed == 0 {
			condition = "attribute_not_exists(#departed) OR " + condition
		}
		checks[i].ConditionCheck = &types.ConditionCheck{
			TableName: &t.name, Key: key(row.Name), ConditionExpression: &condition,
			ExpressionAttributeNames:  dynamo.Names("departed"),
			ExpressionAttributeValues: dynamo.Item{":departed": dynamo.N(row.Departed)},
		}
	}
	return effect{name: "no departures", items: checks, refusal: func(reasons []types.CancellationReason) error {
		for i, row := range rows {
			if dynamo.Refused(reasons[i]) {
				return stock.Elsewhere(stock.SKUOf(row.Name))
			}
		}
		return nil
	}}
}
