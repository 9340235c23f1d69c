package viewtable

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/read/view"
)

// rowOf reads a row; an item without attributes is the row of a stream of which nothing is known.
func rowOf(g view.Generation, id string, item dynamo.Item) (view.Item, error) {
	row := view.Item{ID: id}
	if len(item) == 0 {
		return row, nil
	}
	r := dynamo.Read(item)
	row.Sequence, row.Data = r.OptionalNumber(attrSequence), json.RawMessage(r.OptionalString(attrData))
	if writers := r.OptionalString(attrWriters); writers != "" {
		row.Writers = strings.Split(writers, " ")
	}
	for _, i := range view.Indexes() {
		partition, sort := indexAttributes(i)
		list, ok := strings.CutPrefix(r.OptionalString(partition), within(g, ""))
		if ok {
			row.Keys = append(row.Keys, view.Key{Index: i, Partition: list, Sort: r.OptionalString(sort)})
		} else if list != "" {
			r.Failf(partition, "is %q, of another generation", list)
		}
	}
	if r.Err() == nil && row.Sequence < 1 {
		r.Failf(attrSequence, "is %d", row.Sequence)
	}
	if r.Err() != nil {
		return view.Item{}, fmt.Errorf("%w: row %s of view %s: %w", es.ErrCorrupt, id, g.View, r.Err())
	}
	return row, nil
}

func tallyOf(item dynamo.Item) (counters map[string]int64, revision int64, err error) {
	r := dynamo.Read(item)
	counters = map[string]int64{}
	for name := range item {
		if counter, ok := strings.CutPrefix(name, prefixTally); ok {
			counters[counter] = r.OptionalNumber(name)
		}
	}
	revision = r.OptionalNumber(attrRevision)
	return counters, revision, failedToRead(r)
}

func controlOf(item dynamo.Item) (view.Control, error) {
	var c view.Control
	r := dynamo.Read(item)
	if err := json.Unmarshal([]byte(r.OptionalString(attrData)), &c); err != nil {
		r.Failf(attrData, "can't be read: %w", err)
	}
	c.View = r.OptionalString(attrSK)
	if c.Revision = r.OptionalNumber(attrRevision); r.Err() != nil {
		return c, fmt.Errorf("control of view %s: %w", c.View, failedToRead(r))
	}
	return c, nil
}

// partOf reads a part of the checkpoints; an item without attributes is one that nothing was noted
// in.
func partOf(item dynamo.Item) (p part, revision int64, err error) {
	if len(item) == 0 {
		return p, 0, nil
	}
	r := dynamo.Read(item)
	if err := json.Unmarshal([]byte(r.OptionalString(attrData)), &p); err != nil {
		r.Failf(attrData, "can't be read: %w", err)
	}
	revision = r.OptionalNumber(attrRevision)
	return p, revision, failedToRead(r)
}

// entryOf reads an item of a generation. A row that can't be read is an entry whose Row has no
// sequence, so that it can be found and deleted.
func entryOf(item dynamo.Item) (view.Entry, error) {
	r := dynamo.Read(item)
	pk, sk := r.OptionalString(attrPK), r.OptionalString(attrSK)
	if r.Err() != nil {
		return view.Entry{}, failedToRead(r)
	}
	parts := strings.SplitN(pk, "#", 3)
	var number int64
	var err error
	if len(parts) == 3 {
		number, err = strconv.ParseInt(parts[1], 10, 64)
	}
	if len(parts) < 3 || err != nil {
		return view.Entry{}, fmt.Errorf("viewtable: %q is no key of a view", pk)
	}
	e := view.Entry{Generation: view.Generation{View: parts[0], Number: number}, ID: parts[2]}
	if name, ok := strings.CutPrefix(sk, skTally); ok {
		e.Kind, e.Name = view.KindTally, name
		e.Counters, _, err = tallyOf(item)
		return e, err
	}
	if name, ok := strings.CutPrefix(sk, skPosition); ok {
		e.Kind, e.Name = view.KindPosition, name
		return e, nil
	}
	if sk != skRow {
		return view.Entry{}, fmt.Errorf("viewtable: %q, %q is no key of a view", pk, sk)
	}
	e.Kind = view.KindRow
	if e.Row, err = rowOf(e.Generation, e.ID, item); err != nil {
		e.Row = view.Item{ID: e.ID}
	}
	return e, nil
}

// failedToRead is the reader's error, nil where all could be read.
func failedToRead(r *dynamo.Reader) error {
	if r.Err() == nil {
		return nil
	}
	return fmt.Errorf("viewtable: %w", r.Err())
}

// conflict turns a refusal because of another writer into an *es.ConflictError, which is tried
// again; any other error stays what it is, and none stays none.
func conflict(err error, stream es.StreamID, expected int64) error {
	if err == nil {
		return nil
	}
	// One reason that is no conflict, a throttle or a number out of range, outweighs the others:
	// trying at once would not help.
	_, refused := dynamo.ConditionFailed(err)
	if refused || dynamo.Contended(err) ||
		dynamo.CancelledFor(err, dynamo.ReasonCondition, dynamo.ReasonConflict) {
		return &es.ConflictError{Stream: stream, Expected: expected, Actual: -1}
	}
	return fmt.Errorf("viewtable: write %s: %w", stream, dynamo.Failed(err))
}
