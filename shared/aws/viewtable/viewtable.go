// Package viewtable keeps views in one DynamoDB table, whatever they are of: a view.Table.
//
//	pk                        sk              item
//	<view>#<generation>#<id>  row             a view.Item: data (the row as JSON), sequence, writers,
//	                                          and the attributes of the indexes that it is in
//	<view>#<generation>#<id>  tally#<name>    counters that rows add to: revision and tally_<counter>
//	<view>#<generation>#      position#<n>    a view.Position of the rebuild's segment n
//	control                   <view>          a view.Control
//	checkpoint                #<n>            a part of all views' Checkpoints, and the tokens that it took
//	                                          in last: a part, and its revision
//
// The indexes gsi1, gsi2 and gsi3 have the keys gsi1pk and gsi1sk, and so on, and nothing else but
// the row's own key: a change of a row writes to an index only where its place in a list changes. A
// row is in one if it has a key for it:
//
//	gsi<n>pk  <view>#<generation>#<partition>
//	gsi<n>sk  the place in the list
//
// Counters are attributes of their own, since only those can be added to.
package viewtable

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
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

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/read/view"
)

// API is what the table needs of the DynamoDB client. Scan and DeleteItem are for whoever rebuilds
// and verifies; no function has them.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(
		context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.BatchGetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
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
	prefixTally  = "tally_"

	pkControl    = "control"
	pkCheckpoint = "checkpoint"
	skRow        = "row"
	skTally      = "tally#"
	skPosition   = "position#"
	skPart       = "#" // no view's name begins so
)

// How many requests are made side by side that are one item each.
const (
	deletions = 16
	puts      = 16
)

// Bounds of a transaction, of 100 actions and 4 MB on AWS.
const (
	maxActions = 100
	maxBytes   = 3_000_000 // of rows, without keys and counters
)

// pace is that of reads of which DynamoDB leaves a part to be asked for again.
var pace = backoff.Pace{Base: 20 * time.Millisecond, Max: 500 * time.Millisecond, Margin: time.Second, Tries: 10}

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

// Look implements view.Rows with one consistent batch read for each dynamo.MaxBatch items.
func (t Table) Look(
	ctx context.Context, views []string, places []view.Place,
) (map[string]view.Control, []view.Looked, error) {
	var keys []dynamo.Item
	for _, name := range views {
		keys = append(keys, key(pkControl, name))
	}
	for _, p := range places {
		keys = append(keys, key(within(p.Generation, p.ID), skRow))
	}
	found := map[[2]string]dynamo.Item{}
	for part := range slices.Chunk(keys, dynamo.MaxBatch) {
		items, err := dynamo.BatchGet(
			ctx, t.api, t.table, types.KeysAndAttributes{Keys: part, ConsistentRead: aws.Bool(true)},
			backoff.New(pace, clock.System{}),
		)
		if err != nil {
			return nil, nil, fmt.Errorf("viewtable: look: %w", err)
		}
		for _, item := range items {
			r := dynamo.Read(item)
			found[[2]string{r.String(attrPK), r.String(attrSK)}] = item
		}
	}
	controls, looked := map[string]view.Control{}, make([]view.Looked, len(places))
	for _, name := range views {
		controls[name] = view.Control{View: name}
		if item := found[[2]string{pkControl, name}]; item != nil {
			c, err := controlOf(item)
			if err != nil {
				return nil, nil, err
			}
			controls[name] = c
		}
	}
	for i, p := range places {
		looked[i].Row, looked[i].Err = rowOf(p.Generation, p.ID, found[[2]string{within(p.Generation, p.ID), skRow}])
	}
	return controls, looked, nil
}

// Put implements view.Rows: a PutItem for each row that changes no tally, and for the others as few
// transactions as they fit into. A transaction costs each of its items twice, so it has none that
// could do without.
func (t Table) Put(ctx context.Context, writes ...view.Write) []error {
	results := make([]error, len(writes))
	var group errgroup.Group
	group.SetLimit(puts)
	var counted []int
	for i, w := range writes {
		if len(w.Differences) > 0 {
			counted = append(counted, i)
			continue
		}
		group.Go(func() error {
			put := t.put(w)
			_, err := t.api.PutItem(ctx, &dynamodb.PutItemInput{
				TableName: put.TableName, Item: put.Item, ConditionExpression: put.ConditionExpression,
				ExpressionAttributeNames:  put.ExpressionAttributeNames,
				ExpressionAttributeValues: put.ExpressionAttributeValues,
			})
			results[i] = written(err, w)
			return nil
		})
	}
	// Those that add to one tally come together, so that it is one action of one transaction, and
	// the transactions one after the other, so that they don't get in each other's way.
	slices.SortStableFunc(counted, func(a, b int) int {
		return cmp.Compare(writes[a].Differences[0].ID, writes[b].Differences[0].ID)
	})
	for len(counted) > 0 {
		counted = t.transact(ctx, writes, counted, results)
	}
	_ = group.Wait() // each error is in the results
	return results
}

// transact carries out as many of the writes in line as fit into a transaction, and gives those
// that are left: also those that it was refused for the sake of others.
func (t Table) transact(ctx context.Context, writes []view.Write, line []int, results []error) (left []int) {
	tx, rest := t.pack(writes, line)
	// A rebuild, which writes as fast as the table takes it, would end with the first throttle.
	_, err := t.api.TransactWriteItems(
		ctx, &dynamodb.TransactWriteItemsInput{TransactItems: tx.items}, dynamo.RetryThrottled(dynamo.ReasonConflict),
	)
	all := line[:len(line)-len(rest)]
	blamed := map[int]bool{}
	if dynamo.CancelledFor(err, dynamo.ReasonCondition, dynamo.ReasonConflict) {
		for action, reason := range dynamo.Cancelled(err) {
			if code := aws.ToString(reason.Code); code != "" && code != dynamo.ReasonNone && action < len(tx.of) {
				for _, i := range tx.of[action] {
					blamed[i] = true
				}
			}
		}
	}
	for _, i := range all {
		if blamed[i] || len(blamed) == 0 {
			results[i] = written(err, writes[i])
		} else {
			left = append(left, i)
		}
	}
	return append(left, rest...)
}

// transaction is a request, and of each of its actions the writes that it is of.
type transaction struct {
	items []types.TransactWriteItem
	of    [][]int
}

// pack makes the transaction of the writes at the beginning of a line, and gives the rest of it.
// What several rows add to one tally is one action.
func (t Table) pack(writes []view.Write, line []int) (tx transaction, rest []int) {
	type tally struct {
		generation view.Generation
		name, id   string
	}
	var order []tally
	sums, of, bytes := map[tally]view.Tally{}, map[tally][]int{}, 0
	for n, i := range line {
		w, more := writes[i], 1
		for _, d := range w.Differences {
			if of[tally{w.Generation, d.Name, d.ID}] == nil {
				more++
			}
		}
		bytes += len(w.Next.Data)
		if n > 0 && (len(tx.items)+len(order)+more > maxActions || bytes > maxBytes) {
			rest = line[n:]
			break
		}
		put := t.put(w)
		tx.items, tx.of = append(tx.items, types.TransactWriteItem{Put: &put}), append(tx.of, []int{i})
		for _, d := range w.Differences {
			at := tally{w.Generation, d.Name, d.ID}
			sum, there := sums[at]
			if !there {
				order, sum = append(order, at), view.Tally{Name: d.Name, ID: d.ID, Counters: map[string]int64{}}
			}
			for counter, by := range d.Counters {
				sum.Counters[counter] += by
			}
			sums[at], of[at] = sum, append(of[at], i)
		}
	}
	for _, at := range order {
		tx.items = append(tx.items, types.TransactWriteItem{Update: t.add(at.generation, sums[at])})
		tx.of = append(tx.of, of[at])
	}
	return tx, rest
}

// put is the put of a row, on the condition that it is where it was read.
func (t Table) put(w view.Write) types.Put {
	g, next := w.Generation, w.Next
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
	if w.Old > 0 {
		put.ConditionExpression = aws.String("#sequence = :old")
		put.ExpressionAttributeNames = map[string]string{"#sequence": attrSequence}
		put.ExpressionAttributeValues = dynamo.Item{":old": dynamo.N(w.Old)}
	}
	return put
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
func (t Table) List(ctx context.Context, g view.Generation, q view.Query) iter.Seq2[view.Member, error] {
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
	return func(yield func(view.Member, error) bool) {
		for item, err := range dynamo.Query(ctx, t.api, in) {
			if err != nil {
				yield(view.Member{}, fmt.Errorf("viewtable: list %s of view %s: %w", q.Partition, g.View, err))
				return
			}
			r := dynamo.Read(item)
			at, pk := r.String(sort), r.String(attrPK)
			if err = failedToRead(r); err == nil && (at == q.After || at == q.Before) {
				continue
			}
			id, ok := strings.CutPrefix(pk, within(g, ""))
			if err == nil && !ok {
				err = fmt.Errorf("viewtable: %q is in a list of view %s, generation %d", pk, g.View, g.Number)
			}
			if !yield(view.Member{ID: id, Sort: at}, err) || err != nil {
				return
			}
		}
	}
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
	old := c.Revision
	c.Revision++
	return t.replace(ctx, key(pkControl, c.View), old, c)
}

// A checkpoint is in parts, by the tokens, so that projectors seldom meet, and each part names the
// tokens that it took in last. A write whose answer was lost is sent again within a second or two,
// and so meets its own token, though some hundred others have been noted since.
const (
	checkpointParts = 16
	tokensOfAPart   = 16
)

// advances is how often a part is read and written that others write too.
const advances = 10

// part is a part of the checkpoints of all views.
type part struct {
	Views  map[string]view.Checkpoint `json:"views"`
	Tokens []string                   `json:"tokens"` // the newest first
}

// Advance implements view.Checkpoints: a read and a write, and more of them where others note
// something in the same part.
func (t Table) Advance(ctx context.Context, token string, of map[string]view.Checkpoint) error {
	sk := skPart + strconv.Itoa(int(crc32.ChecksumIEEE([]byte(token))%checkpointParts))
	var err error
	for range advances {
		var noted bool
		if noted, err = t.advance(ctx, sk, token, of); noted || err != nil && !errors.Is(err, es.ErrConflict) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("viewtable: checkpoints of views: %w", err)
	}
	return nil
}

func (t Table) advance(ctx context.Context, sk, token string, of map[string]view.Checkpoint) (noted bool, err error) {
	item, err := t.get(ctx, pkCheckpoint, sk)
	if err != nil {
		return false, err
	}
	p, revision, err := partOf(item)
	if err != nil || slices.Contains(p.Tokens, token) {
		return err == nil, err
	}
	if p.Views == nil {
		p.Views = map[string]view.Checkpoint{}
	}
	for name, c := range of {
		p.Views[name] = p.Views[name].Add(c)
	}
	p.Tokens = append([]string{token}, p.Tokens[:min(len(p.Tokens), tokensOfAPart-1)]...)
	err = t.replace(ctx, key(pkCheckpoint, sk), revision, p)
	return err == nil, err
}

// replace puts what is kept as JSON in place of what has a revision.
func (t Table) replace(ctx context.Context, at dynamo.Item, revision int64, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("viewtable: encode %T: %w", value, err)
	}
	in := &dynamodb.PutItemInput{
		TableName: &t.table, Item: at, ConditionExpression: aws.String("attribute_not_exists(" + attrPK + ")"),
	}
	if revision > 0 {
		in.ConditionExpression = aws.String("#revision = :old")
		in.ExpressionAttributeNames = map[string]string{"#revision": attrRevision}
		in.ExpressionAttributeValues = dynamo.Item{":old": dynamo.N(revision)}
	}
	r := dynamo.Read(at)
	stream := es.NewStreamID(r.String(attrPK), r.String(attrSK))
	at[attrData], at[attrRevision] = dynamo.S(string(data)), dynamo.N(revision+1)
	_, err = t.api.PutItem(ctx, in)
	return conflict(err, stream, revision)
}

// Checkpoints implements view.Checkpoints.
func (t Table) Checkpoints(ctx context.Context) (map[string]view.Checkpoint, error) {
	all := map[string]view.Checkpoint{}
	for item, err := range t.partition(ctx, pkCheckpoint) {
		if err != nil {
			return nil, fmt.Errorf("viewtable: read checkpoints: %w", err)
		}
		p, _, err := partOf(item)
		if err != nil {
			return nil, err
		}
		for name, c := range p.Views {
			all[name] = all[name].Add(c)
		}
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

func written(err error, w view.Write) error {
	return conflict(err, es.NewStreamID(w.Generation.View, w.Next.ID), w.Old)
}
