// Package marktable keeps the state of the loss audit in one item of a DynamoDB table, and reads
// the positions that releases before the journal kept in it.
//
//	stream       S  the key: audit/state, or a stream
//	state        S  of audit/state: an audit.State as JSON
//	lease        N  of audit/state: until when somebody has it, in Unix milliseconds
//	holder       S  of audit/state: who has it, an id of each taking, by which whoever lost the answer
//	                knows its own again
//	published    N  of a stream: the version up to which all was accepted or refused
//	beyond       S  what was accepted above it, as audit.Spans writes it; not there where nothing was
//	refused      S  what can never be published; not there where nothing is
//	seen         N  the newest version that the other consumer has met
//
// Positions are deleted 35 days after their last change, so 35 days after the upgrade the last are
// gone.
package marktable

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/backoff"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/ops/audit"
)

const (
	attrStream    = "stream"
	attrPublished = "published"
	attrBeyond    = "beyond"
	attrRefused   = "refused"
	attrSeen      = "seen"
	attrState     = "state"
	attrLease     = "lease"
	attrHolder    = "holder"

	keyState = "audit/state"
)

// pace is how the tries at keys follow each other that DynamoDB leaves over.
var pace = backoff.Pace{Base: 10 * time.Millisecond, Max: 200 * time.Millisecond, Tries: 8}

// API is what the table needs of the DynamoDB client.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	BatchGetItem(
		context.Context, *dynamodb.BatchGetItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.BatchGetItemOutput, error)
	UpdateItem(
		context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options),
	) (*dynamodb.UpdateItemOutput, error)
}

// Table keeps the state. It is safe for concurrent use.
type Table struct {
	api   API
	table string
	clock clock.Clock
}

var (
	_ audit.States    = Table{}
	_ audit.Positions = Table{}
)

// New keeps the state in an existing table.
func New(api API, table string, c clock.Clock) Table { return Table{api: api, table: table, clock: c} }

// Positions implements audit.Positions with one strongly consistent batch read for each hundred.
func (t Table) Positions(ctx context.Context, streams []es.StreamID) (map[es.StreamID]audit.Position, error) {
	found := map[es.StreamID]audit.Position{}
	for part := range slices.Chunk(streams, dynamo.MaxBatch) {
		keys := make([]dynamo.Item, len(part))
		for i, stream := range part {
			keys[i] = key(string(stream))
		}
		items, err := dynamo.BatchGet(
			ctx, t.api, t.table, types.KeysAndAttributes{Keys: keys, ConsistentRead: aws.Bool(true)},
			backoff.New(pace, t.clock),
		)
		if err != nil {
			return nil, fmt.Errorf("marktable: read positions: %w", err)
		}
		for _, item := range items {
			stream, p := positionOf(item)
			found[stream] = p
		}
	}
	return found, nil
}

// free is the condition on which the state can be taken.
const free = "attribute_not_exists(#lease) OR #lease < :now OR #lease > :most OR #holder = :holder"

// Take implements audit.States with one conditional update.
func (t Table) Take(ctx context.Context, until time.Time) (state audit.State, taken bool, err error) {
	out, err := t.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.table, Key: key(keyState),
		UpdateExpression:         aws.String("SET #lease = :until, #holder = :holder"),
		ConditionExpression:      aws.String(free),
		ExpressionAttributeNames: map[string]string{"#lease": attrLease, "#holder": attrHolder},
		ExpressionAttributeValues: dynamo.Item{
			":until": dynamo.N(until.UnixMilli()), ":now": dynamo.N(t.clock.Now().UnixMilli()),
			":holder": dynamo.S(ident.New()),
			// No lease ends so late: whoever took it had a clock that is wrong, and died.
			":most": dynamo.N(until.Add(clock.Skew).UnixMilli()),
		},
		ReturnValues: types.ReturnValueAllNew,
	})
	if _, busy := dynamo.ConditionFailed(err); busy {
		return audit.State{}, false, nil
	}
	if err != nil {
		return audit.State{}, false, fmt.Errorf("marktable: take the state: %w", dynamo.Failed(err))
	}
	state, err = stateOf(out.Attributes)
	return state, err == nil, err
}

// State gives the state as it was kept last, the zero State before the first audit, and leaves it
// to whoever has it.
func (t Table) State(ctx context.Context) (audit.State, error) {
	item, err := dynamo.Get(ctx, t.api, t.table, key(keyState))
	if err != nil {
		return audit.State{}, fmt.Errorf("marktable: read the state: %w", err)
	}
	return stateOf(item)
}

func stateOf(item dynamo.Item) (state audit.State, err error) {
	r := dynamo.Read(item)
	if !r.Has(attrState) {
		return audit.State{}, nil
	}
	written := r.String(attrState)
	if err = r.Err(); err == nil {
		err = json.Unmarshal([]byte(written), &state)
	}
	if err != nil {
		return audit.State{}, fmt.Errorf("marktable: the state is unreadable: %w", err)
	}
	return state, nil
}

// Keep implements audit.States with one update.
func (t Table) Keep(ctx context.Context, state audit.State) error {
	written, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("marktable: encode the state: %w", err)
	}
	if _, err := t.api.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.table, Key: key(keyState),
		UpdateExpression:          aws.String("SET #state = :state REMOVE #lease, #holder"),
		ExpressionAttributeNames:  map[string]string{"#state": attrState, "#lease": attrLease, "#holder": attrHolder},
		ExpressionAttributeValues: dynamo.Item{":state": dynamo.S(string(written))},
	}); err != nil {
		return fmt.Errorf("marktable: keep the state: %w", dynamo.Failed(err))
	}
	return nil
}

// positionOf reads a stream's item.
func positionOf(item dynamo.Item) (es.StreamID, audit.Position) {
	r := dynamo.Read(item)
	stream, p := es.StreamID(r.String(attrStream)), audit.Position{Seen: r.OptionalNumber(attrSeen)}
	p.Refused = spans(r, attrRefused)
	p.Settled = spans(r, attrBeyond).Add(p.Refused...)
	if published := r.OptionalNumber(attrPublished); published > 0 {
		p.Settled = p.Settled.Add(audit.Span{From: 1, Through: published})
	}
	if err := r.Err(); err != nil {
		return stream, audit.Position{Err: fmt.Errorf("%w: %s: %w", audit.ErrUnreadable, stream, err)}
	}
	return stream, p
}

func spans(r *dynamo.Reader, name string) audit.Spans {
	if !r.Has(name) {
		return nil
	}
	spans, err := audit.ParseSpans(r.String(name))
	if err != nil {
		r.Failf(name, "can't be read: %w", err)
	}
	return spans
}

func key(stream string) dynamo.Item { return dynamo.Item{attrStream: dynamo.S(stream)} }
