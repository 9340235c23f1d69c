package stocktable

import (
	"context"
	"errors"
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

// LinesAPI is what Lines need of a DynamoDB client.
type LinesAPI interface {
	API
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
}

// Lines keep the lines of those that wait in a table of their own, beside the rows of counters: one
// item for each reservation and SKU. Its key is sku (S) and ticket (N); an item has reservationId
// (S), orderId (S), revision (N) and quantity (N).
type Lines struct {
	counters *Table
	api      LinesAPI
	name     string
}

// NewLines makes lines on existing tables.
func NewLines(api LinesAPI, counters, waitlist string) *Lines {
	return &Lines{counters: New(api, counters), api: api, name: waitlist}
}

var _ stock.Lines = (*Lines)(nil)

// Line implements stock.Lines, with two strongly consistent reads. What happens between them begins
// another epoch.
func (l *Lines) Line(ctx context.Context, sku string) (stock.Line, error) {
	row, err := dynamo.Get(ctx, l.api, l.counters.name, key(sku))
	if err != nil {
		return stock.Line{}, fmt.Errorf("stocktable: read %q: %w", sku, err)
	}
	r := dynamo.Read(row)
	line := stock.Line{
		Epoch: r.OptionalNumber("epoch"), Available: r.OptionalNumber("available"),
		Waiting: r.OptionalNumber("waiting"), Passed: r.OptionalNumber("passed"),
	}
	if err := r.Err(); err != nil {
		return stock.Line{}, fmt.Errorf("stocktable: row %q: %w", sku, err)
	}
	first, err := l.Entries(ctx, sku, 0, 1)
	if len(first) > 0 {
		line.First = first[0].Ticket
	}
	return line, err
}

// Entries implements stock.Lines.
func (l *Lines) Entries(ctx context.Context, sku string, after int64, limit int) ([]stock.Entry, error) {
	var entries []stock.Entry
	in := l.query(sku, "#ticket > :ticket", after)
	in.Limit = aws.Int32(int32(limit)) //nolint:gosec // a page
	for item, err := range dynamo.Query(ctx, l.api, in) {
		if err != nil {
			return nil, fmt.Errorf("stocktable: line of %q: %w", sku, err)
		}
		e, err := entryOf(item)
		if err != nil {
			return nil, err
		}
		if entries = append(entries, e); len(entries) == limit {
			break
		}
	}
	return entries, nil
}

// Ahead implements stock.Lines.
func (l *Lines) Ahead(ctx context.Context, sku string, ticket int64) (n int64, err error) {
	in := l.query(sku, "#ticket < :ticket", ticket)
	in.Select = types.SelectCount
	for {
		page, err := l.api.Query(ctx, in)
		if err != nil {
			return 0, fmt.Errorf("stocktable: line of %q: %w", sku, dynamo.Failed(err))
		}
		n += int64(page.Count)
		if in.ExclusiveStartKey = page.LastEvaluatedKey; len(in.ExclusiveStartKey) == 0 {
			return n, nil
		}
	}
}

func (l *Lines) query(sku, tickets string, ticket int64) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{
		TableName: &l.name, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("#sku = :sku AND " + tickets),
		ExpressionAttributeNames:  dynamo.Names("sku", "ticket"),
		ExpressionAttributeValues: dynamo.Item{":sku": dynamo.S(sku), ":ticket": dynamo.N(ticket)},
	}
}

func place(p stock.Place) dynamo.Item {
	return dynamo.Item{"sku": dynamo.S(p.SKU), "ticket": dynamo.N(p.Ticket)}
}

func entryOf(item dynamo.Item) (stock.Entry, error) {
	r := dynamo.Read(item)
	e := stock.Entry{
		Waiter: stock.Waiter{
			ReservationID: r.String("reservationId"), OrderID: r.String("orderId"), Revision: r.Number("revision"),
		},
		Place: stock.Place{SKU: r.String("sku"), Quantity: r.Number("quantity"), Ticket: r.Number("ticket")},
	}
	if err := r.Err(); err != nil {
		return stock.Entry{}, fmt.Errorf("stocktable: an entry of a line: %w", err)
	}
	return e, nil
}

// Fill implements stock.Lines.
func (l *Lines) Fill(
	places []stock.Place, lines map[string]stock.Line, items []stock.Item, marks stock.Marks, shortage stock.Shortage,
) es.Effect {
	standing := make(map[string]stock.Place, len(places))
	for _, p := range places {
		standing[p.SKU] = p
	}
	updates := l.counters.updates(items, marks, take, enough)
	for i, item := range items {
		update := updates[i].Update
		p, stands := standing[item.SKU]
		if !stands {
			conditions(update, open)
			taking(update)
			continue
		}
		line := lines[item.SKU]
		inEpoch(update, line.Epoch)
		set := "SET #available = #available - :q, #reserved = #reserved + :q, #epoch = :next, " +
			"#waiting = :waiting, #passed = "
		update.ExpressionAttributeNames["#waiting"], update.ExpressionAttributeNames["#passed"] = "waiting", "passed"
		update.ExpressionAttributeValues[":waiting"] = dynamo.N(max(line.Waiting-1, 0))
		if p.Ticket <= line.First {
			set += ":none"
			update.ExpressionAttributeValues[":none"] = dynamo.N(0)
		} else {
			set += "#passed + :one"
			conditions(update, "#passed < :most")
			update.ExpressionAttributeValues[":one"] = dynamo.N(1)
			update.ExpressionAttributeValues[":most"] = dynamo.N(stock.MaxPassed)
		}
		update.UpdateExpression = &set
	}
	all := updates
	for _, p := range places {
		all = append(all, types.TransactWriteItem{Delete: &types.Delete{TableName: &l.name, Key: place(p)}})
	}
	short := refused(items, marks, func(failed []met) error {
		if err := short(shortage)(failed); err != nil && !errors.Is(err, es.ErrConflict) {
			return err
		}
		return stock.Insufficient(slices.Sorted(maps.Keys(shortage)))
	})
	return effect{name: "fill", items: all, refusal: func(reasons []types.CancellationReason) error {
		for i, item := range items {
			_, stands := standing[item.SKU]
			met := dynamo.Read(reasons[i].Item).OptionalNumber("epoch")
			if stands && dynamo.Refused(reasons[i]) && met != lines[item.SKU].Epoch {
				return stock.Refill(item.SKU)
			}
		}
		return short(reasons[:len(items)])
	}}
}

// Stand implements stock.Lines.
func (l *Lines) Stand(
	w stock.Waiter, join []stock.Place, shortage stock.Shortage, leave []stock.Place, lines map[string]stock.Line,
) es.Effect {
	var all []types.TransactWriteItem
	var skus []string
	change := func(p stock.Place, epoch, waiting int64, first bool) *types.Update {
		set := "SET #epoch = :next, #waiting = :waiting"
		update := &types.Update{
			TableName: &l.counters.name, Key: key(p.SKU),
			ExpressionAttributeNames:  dynamo.Names("waiting"),
			ExpressionAttributeValues: dynamo.Item{":waiting": dynamo.N(waiting)},
		}
		inEpoch(update, epoch)
		if first {
			set += ", #passed = :none"
			update.ExpressionAttributeNames["#passed"] = "passed"
			update.ExpressionAttributeValues[":none"] = dynamo.N(0)
		}
		update.UpdateExpression = &set
		skus = append(skus, p.SKU)
		all = append(all, types.TransactWriteItem{Update: update})
		return update
	}
	for _, p := range join {
		short := shortage[p.SKU]
		update := change(p, short.Epoch, short.Waiting+1, short.Waiting == 0)
		if short.Epoch == 0 { // there may be no row, where nobody has counted the SKU
			set := *update.UpdateExpression + ", #available = if_not_exists(#available, :none)" +
				", #reserved = if_not_exists(#reserved, :none), #rev = if_not_exists(#rev, :none)"
			for name, attribute := range dynamo.Names("available", "reserved", "rev") {
				update.ExpressionAttributeNames[name] = attribute
			}
			update.ExpressionAttributeValues[":none"] = dynamo.N(0)
			update.UpdateExpression = &set
		}
	}
	for _, p := range leave {
		line := lines[p.SKU]
		change(p, line.Epoch, max(line.Waiting-1, 0), p.Ticket <= line.First)
	}
	for _, p := range join {
		item := place(p)
		item["reservationId"], item["orderId"] = dynamo.S(w.ReservationID), dynamo.S(w.OrderID)
		item["revision"], item["quantity"] = dynamo.N(w.Revision), dynamo.N(p.Quantity)
		all = append(all, types.TransactWriteItem{Put: &types.Put{TableName: &l.name, Item: item}})
	}
	for _, p := range leave {
		all = append(all, types.TransactWriteItem{Delete: &types.Delete{TableName: &l.name, Key: place(p)}})
	}
	return effect{name: "move in line", items: all, refusal: func(reasons []types.CancellationReason) error {
		for i, sku := range skus {
			if dynamo.Refused(reasons[i]) {
				return stock.Refill(sku)
			}
		}
		return nil
	}}
}

// inEpoch has an update begin the next epoch of a row that is in this one.
func inEpoch(update *types.Update, epoch int64) {
	update.ExpressionAttributeNames["#epoch"] = "epoch"
	update.ExpressionAttributeValues[":next"] = dynamo.N(epoch + 1)
	if epoch == 0 {
		conditions(update, "attribute_not_exists(#epoch)")
		return
	}
	update.ExpressionAttributeValues[":epoch"] = dynamo.N(epoch)
	conditions(update, "#epoch = :epoch")
}

// conditions adds one to those of an update.
func conditions(update *types.Update, further string) {
	if update.ConditionExpression != nil {
		further = *update.ConditionExpression + " AND " + further
	}
	update.ConditionExpression = &further
}
