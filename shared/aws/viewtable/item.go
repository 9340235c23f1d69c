package viewtable

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/read/view"
)

// rowOf reads a row; an item without attributes is the row of a stream of which nothing is known.
func rowOf(g view.Generation, id string, item attributes) (view.Item, error) {
	row := view.Item{ID: id}
	if len(item) == 0 {
		return row, nil
	}
	r := reader{item: item}
	row.Sequence, row.Data = r.number(attrSequence), json.RawMessage(r.text(attrData))
	if writers := r.text(attrWriters); writers != "" {
		row.Writers = strings.Split(writers, " ")
	}
	for _, i := range view.Indexes() {
		partition, sort := indexAttributes(i)
		list, ok := strings.CutPrefix(r.text(partition), within(g, ""))
		if ok {
			row.Keys = append(row.Keys, view.Key{Index: i, Partition: list, Sort: r.text(sort)})
		} else if list != "" {
			r.fail(partition, fmt.Errorf("%q is of another generation", list))
		}
	}
	if r.err == nil && row.Sequence < 1 {
		r.fail(attrSequence, fmt.Errorf("is %d", row.Sequence))
	}
	if r.err != nil {
		return view.Item{}, fmt.Errorf(
			"%w: row %s of view %s: %v", es.ErrCorrupt, id, g.View, r.err,
		) //nolint:errorlint // that it is corrupt is what callers act on
	}
	return row, nil
}

func tallyOf(item attributes) (counters map[string]int64, revision int64, err error) {
	r := reader{item: item}
	counters = map[string]int64{}
	for name := range item {
		if counter, ok := strings.CutPrefix(name, prefixTally); ok {
			counters[counter] = r.number(name)
		}
	}
	return counters, r.number(attrRevision), r.err
}

func controlOf(item attributes) (view.Control, error) {
	var c view.Control
	r := reader{item: item}
	if err := json.Unmarshal([]byte(r.text(attrData)), &c); err != nil {
		r.fail(attrData, err)
	}
	c.View = r.text(attrSK)
	if c.Revision = r.number(attrRevision); r.err != nil {
		return c, fmt.Errorf("control of view %s: %w", c.View, r.err)
	}
	return c, nil
}

// entryOf reads an item of a generation. A row that can't be read is an entry whose Row has no
// sequence, so that it can be found and deleted.
func entryOf(item attributes) (view.Entry, error) {
	r := reader{item: item}
	pk, sk := r.text(attrPK), r.text(attrSK)
	if r.err != nil {
		return view.Entry{}, r.err
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

// text is a string attribute.
func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// number is a number attribute.
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// reader reads the attributes of an item and keeps the first error. A missing attribute is its
// type's zero.
type reader struct {
	item attributes
	err  error
}

func (r *reader) fail(name string, err error) {
	if r.err == nil {
		r.err = fmt.Errorf("viewtable: attribute %s: %w", name, err)
	}
}

func (r *reader) text(name string) string {
	switch v := r.item[name].(type) {
	case nil:
	case *types.AttributeValueMemberS:
		return v.Value
	default:
		r.fail(name, fmt.Errorf("is a %T", v))
	}
	return ""
}

func (r *reader) number(name string) int64 {
	switch v := r.item[name].(type) {
	case nil:
	case *types.AttributeValueMemberN:
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil {
			r.fail(name, err)
		}
		return n
	default:
		r.fail(name, fmt.Errorf("is a %T", v))
	}
	return 0
}

func (r *reader) time(name string) time.Time {
	s := r.text(name)
	if s == "" {
		return time.Time{}
	}
	t, err := clock.ParseTime(s)
	if err != nil {
		r.fail(name, err)
	}
	return t
}

// conflict turns a refusal because of another writer into an *es.ConflictError, which is tried
// again; any other error stays what it is, and none stays none.
func conflict(err error, stream es.StreamID, expected int64) error {
	if err == nil {
		return nil
	}
	var (
		condition *types.ConditionalCheckFailedException
		busy      *types.TransactionConflictException
		cancelled *types.TransactionCanceledException
	)
	contended := errors.As(err, &condition) || errors.As(err, &busy)
	if errors.As(err, &cancelled) {
		// One reason that is no conflict, a throttle or a number out of range, outweighs the
		// others: trying at once would not help.
		contended = len(cancelled.CancellationReasons) > 0
		for _, reason := range cancelled.CancellationReasons {
			switch aws.ToString(reason.Code) {
			case "", "None", "ConditionalCheckFailed", "TransactionConflict":
			default:
				contended = false
			}
		}
	}
	if contended {
		return &es.ConflictError{Stream: stream, Expected: expected, Actual: -1}
	}
	return fmt.Errorf("viewtable: write %s: %w", stream, err)
}

// retryThrottled makes the client try a throttled transaction again as it does a throttled put: the
// SDK leaves every cancelled transaction to its caller, and a rebuild, which writes as fast as the
// table takes it, would end with the first one.
func retryThrottled(o *dynamodb.Options) {
	if o.Retryer != nil {
		o.Retryer = transactionRetryer{o.Retryer}
	}
}

type transactionRetryer struct{ aws.Retryer }

// IsErrorRetryable implements aws.Retryer.
func (r transactionRetryer) IsErrorRetryable(err error) bool {
	return throttled(err) || r.Retryer.IsErrorRetryable(err)
}

// throttled reports whether a transaction was cancelled for want of throughput and for nothing that
// the same transaction would meet again.
func throttled(err error) bool {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return false
	}
	found := false
	for _, reason := range cancelled.CancellationReasons {
		switch aws.ToString(reason.Code) {
		case "", "None", "TransactionConflict":
		case "ThrottlingError", "ProvisionedThroughputExceeded":
			found = true
		default:
			return false
		}
	}
	return found
}
