// Package viewtable keeps views in one DynamoDB table, whatever they are of: a view.Table.
//
//	pk                        sk              item
//	<view>#<generation>#<id>  row             a view.Item: data (the row as JSON), sequence, writers,
//	                                          and the attributes of the indexes that it is in
//	<view>#<generation>#<id>  tally#<name>    counters that rows add to: revision and tally_<counter>
//	<view>#<generation>#      position#<n>    a view.Position of the rebuild's segment n
//	control                   <view>          a view.Control
//	checkpoint                <view>#<part>   a part of a view.Checkpoint, and the tokens of the batches
//	                                          that it took in last: batch0 (the newest), batch1, …
//
// The indexes gsi1, gsi2 and gsi3 have the keys gsi1pk and gsi1sk, and so on; a row is in one if it
// has a key for it:
//
//	gsi<n>pk  <view>#<generation>#<partition>
//	gsi<n>sk  the place in the list
//
// Counters are attributes of their own, since only those can be added to. The controls are one
// partition, so that one query reads them all.
package viewtable

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/read/view"
)

// API is what the table needs of the DynamoDB client. Scan and DeleteItem are for whoever rebuilds
// and verifies; no function has them.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(
		context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(
		context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.DeleteItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	TransactWriteItems(
		context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options),
	) (*dynamodb.TransactWriteItemsOutput, error)
}

const (
	attrPK       = "pk"
	attrSK       = "sk"
	attrData     = "data"
	attrSequence = "sequence"
	attrRevision = "revision"
	attrWriters  = "writers"
	attrBatch    = "batch"
	prefixTally  = "tally_"

	pkControl    = "control"
	pkCheckpoint = "checkpoint"
	skRow        = "row"
	skTally      = "tally#"
	skPosition   = "position#"
)

// deletions is how many items are deleted side by side.
const deletions = 16

// Table is a view.Table. It is safe for concurrent use.
type Table struct {
	api   API
	table string
}

var _ view.Table = Table{}

// New gives the views of an existing table. How often a failed request is sent again is up to the
// client.
func New(api API, table string) Table { return Table{api: api, table: table} }

// IndexName is an index's name in the table.
func IndexName(i view.Index) string { return "gsi" + strconv.Itoa(int(i)) }

func indexAttributes(i view.Index) (partition, sort string) {
	return IndexName(i) + "pk", IndexName(i) + "sk"
}

func key(pk, sk string) dynamo.Item {
	return dynamo.Item{attrPK: dynamo.S(pk), attrSK: dynamo.S(sk)}
}

func within(g view.Generation, id string) string {
	return g.View + "#" + strconv.FormatInt(g.Number, 10) + "#" + id
}

// Row implements view.Rows.
func (t Table) Row(ctx context.Context, g view.Generation, id string) (view.Item, error) {
	item, err := t.get(ctx, within(g, id), skRow)
	if err != nil {
		return view.Item{}, err
	}
	return rowOf(g, id, item)
}

// Put implements view.Rows: one PutItem, or where tallies change a transaction.
func (t Table) Put(ctx context.Context, g view.Generation, old int64, next view.Item, differences []view.Tally) error {
	item := key(within(g, next.ID), skRow)
	item[attrData], item[attrSequence] = dynamo.S(string(next.Data)), dynamo.N(next.Sequence)
	if len(next.Writers) > 0 {
		item[attrWriters] = dynamo.S(strings.Join(next.Writers, " "))
	}
	for _, k := range next.Keys {
		partition, sort := indexAttributes(k.Index)
		item[partition], item[sort] = dynamo.S(within(g, k.Partition)), dynamo.S(k.Sort)
	}
	put := types.Put{
		TableName: &t.table, Item: item, ConditionExpression: aws.String("attribute_not_exists(" + attrPK + ")"),
	}
	if old > 0 {
		put.ConditionExpression = aws.String("#sequence = :old")
		put.ExpressionAttributeNames = map[string]string{"#sequence": attrSequence}
		put.ExpressionAttributeValues = dynamo.Item{":old": dynamo.N(old)}
	}
	if len(differences) == 0 {
		_, err := t.api.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: put.TableName, Item: put.Item, ConditionExpression: put.ConditionExpression,
			ExpressionAttributeNames:  put.ExpressionAttributeNames,
			ExpressionAttributeValues: put.ExpressionAttributeValues,
		})
		return t.written(err, g, next.ID, old)
	}
	writes := []types.TransactWriteItem{{Put: &put}}
	for _, d := range differences {
		writes = append(writes, types.TransactWriteItem{Update: t.add(g, d)})
	}
	// A rebuild, which writes as fast as the table takes it, would end with the first throttle.
	_, err := t.api.TransactWriteItems(
		ctx, &dynamodb.TransactWriteItemsInput{TransactItems: writes}, dynamo.RetryThrottled(dynamo.ReasonConflict),
	)
	return t.written(err, g, next.ID, old)
}

// add is the update that adds a difference to a tally.
func (t Table) add(g view.Generation, d view.Tally) *types.Update {
	u := &types.Update{
		TableName: &t.table, Key: key(within(g, d.ID), skTally+d.Name),
		ExpressionAttributeNames:  map[string]string{"#r": attrRevision},
		ExpressionAttributeValues: dynamo.Item{":r": dynamo.N(1)},
	}
	parts := []string{"#r :r"}
	for i, name := range slices.Sorted(maps.Keys(d.Counters)) {
		n := strconv.Itoa(i)
		u.ExpressionAttributeNames["#c"+n], u.ExpressionAttributeValues[":c"+n] = prefixTally+name,
			dynamo.N(d.Counters[name])
		parts = append(parts, "#c"+n+" :c"+n)
	}
	u.UpdateExpression = aws.String("ADD " + strings.Join(parts, ", "))
	return u
}

// Tally implements view.Rows.
func (t Table) Tally(
	ctx context.Context, g view.Generation, name, id string,
) (counters map[string]int64, revision int64, err error) {
	item, err := t.get(ctx, within(g, id), skTally+name)
	if err != nil {
		return nil, 0, err
	}
	return tallyOf(item)
}

// List implements view.Rows.
func (t Table) List(ctx context.Context, g view.Generation, q view.Query) iter.Seq2[view.Item, error] {
	partition, sort := indexAttributes(q.Index)
	condition := partition + " = :partition"
	values := dynamo.Item{":partition": dynamo.S(within(g, q.Partition))}
	// Both ends by conditions and not by ExclusiveStartKey: the row at a page's end may have left
	// the list since. DynamoDB takes one condition on a sort key, so that of two ends one is
	// BETWEEN's, which has its ends in it.
	switch {
	case q.After != "" && q.Before != "":
		condition += " AND " + sort + " BETWEEN :after AND :before"
		values[":after"], values[":before"] = dynamo.S(q.After), dynamo.S(q.Before)
	case q.After != "":
		condition += " AND " + sort + " > :after"
		values[":after"] = dynamo.S(q.After)
	case q.Before != "":
		condition += " AND " + sort + " < :before"
		values[":before"] = dynamo.S(q.Before)
	}
	in := &dynamodb.QueryInput{
		TableName: &t.table, IndexName: aws.String(IndexName(q.Index)), KeyConditionExpression: &condition,
		ExpressionAttributeValues: values,
		ScanIndexForward:          aws.Bool(!q.Descending),
	}
	if q.Limit > 0 {
		in.Limit = aws.Int32(int32(min(q.Limit, 1000)))
	}
	return func(yield func(view.Item, error) bool) {
		for item, err := range dynamo.Query(ctx, t.api, in) {
			if err != nil {
				yield(view.Item{}, fmt.Errorf("viewtable: list %s of view %s: %w", q.Partition, g.View, err))
				return
			}
			r := dynamo.Read(item)
			if at := r.OptionalString(sort); at != "" && (at == q.After || at == q.Before) {
				continue
			}
			pk := r.OptionalString(attrPK)
			id, ok := strings.CutPrefix(pk, within(g, ""))
			if err = failedToRead(r); err == nil && !ok {
				err = fmt.Errorf("viewtable: %q is in a list of view %s, generation %d", pk, g.View, g.Number)
			}
			row := view.Item{}
			if err == nil {
				row, err = rowOf(g, id, item)
			}
			if !yield(row, err) {
				return
			}
		}
	}
}

// Controls implements view.Controls with one consistent query.
func (t Table) Controls(ctx context.Context) (map[string]view.Control, error) {
	all := map[string]view.Control{}
	for item, err := range t.partition(ctx, pkControl) {
		if err != nil {
			return nil, fmt.Errorf("viewtable: read controls: %w", err)
		}
		c, err := controlOf(item)
		if err != nil {
			return nil, err
		}
		all[c.View] = c
	}
	return all, nil
}

// Control implements view.Controls.
func (t Table) Control(ctx context.Context, name string) (view.Control, error) {
	item, err := t.get(ctx, pkControl, name)
	if err != nil || len(item) == 0 {
		return view.Control{View: name}, err
	}
	return controlOf(item)
}

// Save implements view.Controls.
func (t Table) Save(ctx context.Context, c view.Control) error {
	item := key(pkControl, c.View)
	in := &dynamodb.PutItemInput{
		TableName: &t.table, Item: item, ConditionExpression: aws.String("attribute_not_exists(" + attrPK + ")"),
	}
	old := c.Revision
	if old > 0 {
		in.ConditionExpression = aws.String("#revision = :old")
		in.ExpressionAttributeNames = map[string]string{"#revision": attrRevision}
		in.ExpressionAttributeValues = dynamo.Item{":old": dynamo.N(old)}
	}
	c.Revision++
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("viewtable: control of view %s: %w", c.View, err)
	}
	item[attrData], item[attrRevision] = dynamo.S(string(data)), dynamo.N(c.Revision)
	_, err = t.api.PutItem(ctx, in)
	return conflict(err, es.NewStreamID(pkControl, c.View), old)
}

// Advance implements view.Checkpoints: one write, and a second one where a batch beside it has
// brought something newer, or this one was noted before.
func (t Table) Advance(ctx context.Context, name, batch string, c view.Checkpoint) error {
	at := key(pkCheckpoint, name+"#"+strconv.Itoa(part(batch)))
	values := dynamo.Item{":events": dynamo.N(c.Events), ":batch": dynamo.S(batch), ":none": dynamo.S("")}
	add := &dynamodb.UpdateItemInput{
		TableName: &t.table, Key: at, UpdateExpression: aws.String("SET " + rememberBatch + " ADD folded :events"),
		ConditionExpression: aws.String(batchUnknown), ExpressionAttributeValues: values,
	}
	replace := &dynamodb.UpdateItemInput{
		TableName: &t.table, Key: at,
		UpdateExpression: aws.String(
			"SET newest = :newest, lagMillis = :lag, foldedAt = :at, " + rememberBatch + " ADD folded :events"),
		ConditionExpression: aws.String(
			"(attribute_not_exists(newest) OR newest < :newest) AND (" + batchUnknown + ")",
		),
		ExpressionAttributeValues: maps.Clone(values),
	}
	maps.Copy(replace.ExpressionAttributeValues, dynamo.Item{
		":newest": dynamo.S(view.Time(c.Newest)), ":lag": dynamo.N(c.Lag.Milliseconds()),
		":at": dynamo.S(view.Time(c.At)),
	})
	_, err := t.api.UpdateItem(ctx, replace)
	if _, refused := dynamo.ConditionFailed(err); refused {
		// That it has come to something newer may be its own doing: only the next refusal says for
		// certain that the batch is noted.
		_, err = t.api.UpdateItem(ctx, add)
		if _, refused := dynamo.ConditionFailed(err); refused {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("viewtable: checkpoint of view %s: %w", name, dynamo.Failed(err))
	}
	return nil
}

// A checkpoint is in parts, and each part names the batches that it took in last. A write whose
// answer was lost is sent again within a second or two, and so meets its own name, though some
// hundred other batches have been noted since.
const (
	checkpointParts = 16
	batchesOfAPart  = 16
)

// part is which part of a checkpoint a batch is noted in.
func part(batch string) int { return int(crc32.ChecksumIEEE([]byte(batch)) % checkpointParts) }

// rememberBatch puts a batch in front of those that a part names, of which the last drops out, and
// batchUnknown is the condition that the batch is not among them.
var rememberBatch, batchUnknown = func() (update, condition string) {
	first := attrBatch + "0"
	sets, others := []string{first + " = :batch"}, []string{first + " <> :batch"}
	for i := 1; i < batchesOfAPart; i++ {
		name := attrBatch + strconv.Itoa(i)
		sets = append(sets, name+" = if_not_exists("+attrBatch+strconv.Itoa(i-1)+", :none)")
		others = append(others, name+" <> :batch")
	}
	// The oldest first: so it is right as well where the lines of an update are carried out one by
	// one.
	slices.Reverse(sets)
	return strings.Join(sets, ", "), "attribute_not_exists(" + first + ") OR " + strings.Join(others, " AND ")
}()

// Checkpoints implements view.Checkpoints.
func (t Table) Checkpoints(ctx context.Context) (map[string]view.Checkpoint, error) {
	all := map[string]view.Checkpoint{}
	for item, err := range t.partition(ctx, pkCheckpoint) {
		if err != nil {
			return nil, fmt.Errorf("viewtable: read checkpoints: %w", err)
		}
		r := dynamo.Read(item)
		// Releases before the parts kept a view's checkpoint in one item, by the view's name.
		name, _, _ := strings.Cut(r.OptionalString(attrSK), "#")
		c := view.Checkpoint{
			Newest: r.OptionalTime("newest"), Events: r.OptionalNumber("folded"),
			Lag: time.Duration(r.OptionalNumber("lagMillis")) * time.Millisecond, At: r.OptionalTime("foldedAt"),
		}
		if r.Err() != nil {
			return nil, failedToRead(r)
		}
		all[name] = all[name].Add(c)
	}
	return all, nil
}

// Position implements view.Table.
func (t Table) Position(ctx context.Context, g view.Generation, segment int) (view.Position, error) {
	var p view.Position
	item, err := t.get(ctx, within(g, ""), skPosition+strconv.Itoa(segment))
	if err != nil || len(item) == 0 {
		return p, err
	}
	r := dynamo.Read(item)
	if err := json.Unmarshal([]byte(r.OptionalString(attrData)), &p); err != nil {
		r.Failf(attrData, "can't be read: %w", err)
	}
	return p, failedToRead(r)
}

// SavePosition implements view.Table.
func (t Table) SavePosition(ctx context.Context, g view.Generation, segment int, p view.Position) error {
	data, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("viewtable: position of segment %d: %w", segment, err)
	}
	item := key(within(g, ""), skPosition+strconv.Itoa(segment))
	item[attrData] = dynamo.S(string(data))
	if _, err := t.api.PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.table, Item: item}); err != nil {
		return fmt.Errorf("viewtable: position of segment %d: %w", segment, dynamo.Failed(err))
	}
	return nil
}

// Entries implements view.Table with consistent parallel scans of the whole table, of which it
// gives what is the view's.
func (t Table) Entries(ctx context.Context, name string, segment, segments int) iter.Seq2[[]view.Entry, error] {
	in := &dynamodb.ScanInput{
		TableName: &t.table, ConsistentRead: aws.Bool(true),
		Segment:                   aws.Int32(int32(segment)),  //nolint:gosec // below segments
		TotalSegments:             aws.Int32(int32(segments)), //nolint:gosec // a handful
		FilterExpression:          aws.String("begins_with(" + attrPK + ", :view)"),
		ExpressionAttributeValues: dynamo.Item{":view": dynamo.S(name + "#")},
	}
	return func(yield func([]view.Entry, error) bool) {
		for page, err := range dynamo.Scan(ctx, t.api, in) {
			if err != nil {
				yield(nil, fmt.Errorf("viewtable: read through view %s: %w", name, err))
				return
			}
			entries := make([]view.Entry, len(page.Items))
			for i, item := range page.Items {
				if entries[i], err = entryOf(item); err != nil {
					yield(nil, err)
					return
				}
			}
			if len(entries) > 0 && !yield(entries, nil) {
				return
			}
		}
	}
}

// Delete implements view.Table, some side by side.
func (t Table) Delete(ctx context.Context, entries []view.Entry) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(deletions)
	for _, e := range entries {
		sk := skRow
		switch e.Kind {
		case view.KindTally:
			sk = skTally + e.Name
		case view.KindPosition:
			sk = skPosition + e.Name
		case view.KindRow:
		}
		group.Go(func() error {
			if _, err := t.api.DeleteItem(
				ctx, &dynamodb.DeleteItemInput{TableName: &t.table, Key: key(within(e.Generation, e.ID), sk)},
			); err != nil {
				return fmt.Errorf(
					"viewtable: delete %s %s of view %s: %w", e.Kind, e.ID, e.Generation.View, dynamo.Failed(err),
				)
			}
			return nil
		})
	}
	return group.Wait()
}

func (t Table) get(ctx context.Context, pk, sk string) (dynamo.Item, error) {
	item, err := dynamo.Get(ctx, t.api, t.table, key(pk, sk))
	if err != nil {
		return nil, fmt.Errorf("viewtable: read %s, %s: %w", pk, sk, err)
	}
	return item, nil
}

func (t Table) partition(ctx context.Context, pk string) iter.Seq2[dynamo.Item, error] {
	return dynamo.Query(ctx, t.api, &dynamodb.QueryInput{
		TableName: &t.table, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String(attrPK + " = :pk"),
		ExpressionAttributeValues: dynamo.Item{":pk": dynamo.S(pk)},
	})
}

func (t Table) written(err error, g view.Generation, id string, old int64) error {
	return conflict(err, es.NewStreamID(g.View, id), old)
}
