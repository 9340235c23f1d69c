package dynamostore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/trace"
)

// DynamoDB's limits. Sizes are counted by its own rules (see size), so that what passes here is not
// refused there.
const (
	// bytes of an item, which is one commit, compressed where that pays, with the names of its
	// attributes
	MaxCommitBytes = 400 * 1024
	MaxItems       = 100             // items of a transaction: commits and the items of effects
	MaxAppendBytes = 4 * 1024 * 1024 // bytes of all items of a transaction
)

// Effect is what this store needs of an es.Effect: items of the transaction that writes the
// commits.
type Effect interface {
	es.Effect
	// TransactItems gives the effect's items. None of them may be of a key that another item of the
	// append has. Its error ends the append before any write.
	TransactItems() ([]types.TransactWriteItem, error)
	// Refusal gets the reasons of the effect's own items, in their order, when the transaction was
	// cancelled for no commit's sake. It says why the effect was refused, or nil where it was not.
	Refusal(reasons []types.CancellationReason) error
}

// Append implements es.Store: one PutItem for a commit without effects, else one
// TransactWriteItems. MaxEventsBytes, MaxCommitBytes, MaxItems and MaxAppendBytes are checked ahead
// of the request. Throttling, and a service that did not answer, is an es.ErrUnavailable once the
// client's own tries are spent.
//
// What the client's tries have not written within es.WriteLimit is given up and tried again, with
// another stamp, maxWrites times in all and as far as ctx has the time.
//
// The Actual of a *ConflictError is the end of the commit that was met in the place of the new one:
// the stream has it at least, and may have moved on. It is -1 where another transaction was at work
// on one of the items. Reading the present end would cost a request that the caller, who loads
// again, makes anyway.
func (s *Store) Append(ctx context.Context, commits []es.Commit, effects ...es.Effect) (es.Appended, error) {
	if err := ctx.Err(); err != nil {
		return es.Appended{}, err
	}
	if err := es.CheckCommits(commits); err != nil {
		return es.Appended{}, err
	}
	ctx, span := s.span(ctx, commits, effects)
	appended, err := s.writes(ctx, commits, effects)
	switch {
	case appended.Recognised:
		span.Set(trace.Outcome("recognised"))
	case errors.Is(err, es.ErrConflict): // contention is no failure: whoever appends decides again
		span.Set(trace.Outcome("conflict"))
		span.End(nil)
		return appended, err
	}
	span.End(err)
	return appended, err
}

// writes tries to write commits, and again what takes too long.
func (s *Store) writes(ctx context.Context, commits []es.Commit, effects []es.Effect) (es.Appended, error) {
	for writes := 1; ; writes++ {
		limited, cancel := context.WithTimeout(ctx, es.WriteLimit)
		appended, err := s.write(limited, s.stamped(ctx, commits), effects)
		late := errors.Is(err, context.DeadlineExceeded) && limited.Err() != nil && ctx.Err() == nil
		cancel()
		switch {
		case !late:
			return appended, err
		case writes == maxWrites:
			return es.Appended{}, fmt.Errorf("dynamostore: %w: %w", es.ErrUnavailable, err)
		}
	}
}

// maxWrites is how often a write is tried that takes too long, where the caller's time doesn't end
// it.
const maxWrites = 3

// stamped gives the commits the present time, where they don't have a later one, and what follows
// from them the append for a parent, where it is of their trace.
func (s *Store) stamped(ctx context.Context, commits []es.Commit) []es.Commit {
	now := s.clock.Now()
	out := slices.Clone(commits)
	for i := range out {
		if out[i].Time.Before(now) {
			out[i].Time = now
		}
		out[i].Metadata.Traceparent = trace.Onward(ctx, out[i].Metadata.Traceparent)
	}
	return out
}

// span is that of an append.
func (s *Store) span(ctx context.Context, commits []es.Commit, effects []es.Effect) (context.Context, trace.Span) {
	ctx, span := trace.Inside(ctx, trace.Client, "append", s.table)
	if span.Recorded() {
		operation := "PutItem"
		if len(commits)+len(effects) > 1 {
			operation = "TransactWriteItems"
		}
		span.Set(trace.Written(operation, s.table)...)
		for _, c := range commits {
			trace.Link(ctx, c.Metadata.Traceparent)
		}
	}
	return ctx, span
}

// write is one try.
func (s *Store) write(ctx context.Context, commits []es.Commit, effects []es.Effect) (es.Appended, error) {
	heads := make([]es.Head, len(commits))
	items := make([]dynamo.Item, len(commits))
	total, span, kinds := 0, trace.Current(ctx), []string(nil)
	for i, c := range commits {
		stored, err := s.registry.EncodeCommit(c)
		if err != nil {
			return es.Appended{}, err
		}
		item, size, err := pack(stored)
		if err != nil {
			return es.Appended{}, err
		}
		heads[i], items[i], total = stored.Head(), item, total+size
		kinds = appendTypes(kinds, stored, span)
	}
	if span.Recorded() {
		span.Set(trace.EventTypes(kinds))
	}
	if len(commits) == 1 && len(effects) == 0 {
		return s.put(ctx, commits[0], heads[0], items[0])
	}
	transaction := make([]types.TransactWriteItem, 0, len(items)+len(effects))
	for _, item := range items {
		transaction = append(transaction, types.TransactWriteItem{Put: &types.Put{
			TableName:                           &s.table,
			Item:                                item,
			ConditionExpression:                 aws.String(keyIsFree),
			ExpressionAttributeNames:            map[string]string{"#stream": attrStream},
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		}})
	}
	performed := make([]performedEffect, len(effects))
	for i, e := range effects {
		effect, ok := e.(Effect)
		if !ok {
			return es.Appended{}, fmt.Errorf("dynamostore: effect %s has no transaction items", e.EffectName())
		}
		own, err := effect.TransactItems()
		if err != nil {
			return es.Appended{}, fmt.Errorf("dynamostore: effect %s: %w", e.EffectName(), err)
		}
		performed[i] = performedEffect{Effect: effect, from: len(transaction), to: len(transaction) + len(own)}
		transaction = append(transaction, own...)
		for _, item := range own {
			total += transactItemSize(item)
		}
	}
	switch {
	case len(transaction) > MaxItems:
		return es.Appended{}, &es.LimitError{What: "items of a transaction", Limit: MaxItems, Actual: len(transaction)}
	case total > MaxAppendBytes:
		return es.Appended{}, &es.LimitError{What: "bytes of a transaction", Limit: MaxAppendBytes, Actual: total}
	}
	_, err := s.api.TransactWriteItems(
		ctx, &dynamodb.TransactWriteItemsInput{TransactItems: transaction}, dynamo.RetryThrottled(),
	)
	if err == nil {
		return es.Appended{Heads: heads}, nil
	}
	if len(dynamo.Cancelled(err)) == len(transaction) {
		return s.cancelled(commits, performed, err)
	}
	return es.Appended{}, writeFailed(commits[0].Head, err)
}

// appendTypes adds the types of a commit's events, where anybody asks.
func appendTypes(kinds []string, c es.StoredCommit, span trace.Span) []string {
	if span.Recorded() {
		for _, e := range c.Events {
			kinds = append(kinds, e.Type)
		}
	}
	return kinds
}

// keyIsFree is the condition of every put. It is evaluated on the item with the put's own key: on
// no other is a condition possible.
const keyIsFree = "attribute_not_exists(#stream)"

// put writes one commit on its own.
func (s *Store) put(
	ctx context.Context, commit es.Commit, head es.Head, item dynamo.Item,
) (es.Appended, error) {
	_, err := s.api.PutItem(ctx, &dynamodb.PutItemInput{
		TableName:                           &s.table,
		Item:                                item,
		ConditionExpression:                 aws.String(keyIsFree),
		ExpressionAttributeNames:            map[string]string{"#stream": attrStream},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err == nil {
		return es.Appended{Heads: []es.Head{head}}, nil
	}
	there, taken := dynamo.ConditionFailed(err)
	if !taken {
		return es.Appended{}, writeFailed(commit.Head, err)
	}
	met, err := metAt(commit.Head, there)
	if err != nil {
		return es.Appended{}, err
	}
	if met.CommitID() == commit.ID {
		return es.Appended{Heads: []es.Head{met}, Recognised: true}, nil
	}
	return es.Appended{}, conflict(commit.Head, met.Version())
}

// performedEffect is an effect and where its items stand in the transaction.
type performedEffect struct {
	Effect
	from, to int
}

// cancelled says what a cancelled transaction means. The commits speak first: where they are all
// there already, this append was carried out, and where one has lost its place, the decision was
// made on a stale head and nothing that the effects say about it matters.
func (s *Store) cancelled(
	commits []es.Commit, effects []performedEffect, err error,
) (es.Appended, error) {
	all := dynamo.Cancelled(err)
	var (
		own []es.Head
		// conflicts: with somebody else's commit, with our own where others are missing, with a
		// transaction under way
		foreign, partly, atWork error
		unchecked               bool
	)
	for i, c := range commits {
		switch aws.ToString(all[i].Code) {
		case "", dynamo.ReasonNone:
		case dynamo.ReasonCondition:
			met, bad := metAt(c.Head, all[i].Item)
			switch {
			case bad != nil:
				return es.Appended{}, bad
			case met.CommitID() == c.ID:
				own, partly = append(own, met), conflict(c.Head, met.Version())
			default:
				foreign = cmp.Or(foreign, conflict(c.Head, met.Version()))
			}
		case dynamo.ReasonConflict:
			atWork = conflict(c.Head, unknownVersion)
		default:
			unchecked = true
		}
	}
	if len(own) == len(commits) {
		return es.Appended{Heads: own, Recognised: true}, nil
	}
	if lost := cmp.Or(foreign, partly, atWork); lost != nil {
		return es.Appended{}, lost
	}
	if unchecked { // so whether the effects were asked on a stale head is open
		return es.Appended{}, failed("transaction", err)
	}
	contended := false
	for _, e := range effects {
		reasons := all[e.from:e.to]
		if refusal := e.Refusal(reasons); refusal != nil {
			return es.Appended{}, refusal
		}
		for _, r := range reasons {
			switch aws.ToString(r.Code) {
			case dynamo.ReasonConflict:
				contended = true
			case dynamo.ReasonCondition:
				return es.Appended{}, fmt.Errorf(
					"dynamostore: effect %s: a condition failed and the effect names no refusal: %w", e.EffectName(),
					err,
				)
			}
		}
	}
	if contended {
		return es.Appended{}, conflict(commits[0].Head, unknownVersion)
	}
	return es.Appended{}, failed("transaction", err)
}

// unknownVersion is a ConflictError's Actual where another write was under way.
const unknownVersion = -1

func conflict(head es.Head, actual int64) error {
	return &es.ConflictError{Stream: head.Stream(), Expected: head.Version(), Actual: actual}
}

// metAt is the end of the commit that a condition failed on. Without the item nothing is known but
// that there is one: that reads as somebody else's, and whoever loads again finds out whose it is.
func metAt(head es.Head, item dynamo.Item) (es.Head, error) {
	if len(item) == 0 {
		return es.StoreHead(head.Stream(), unknownVersion, unknownVersion, ""), nil
	}
	return decodeHead(head.Stream(), item)
}

// writeFailed tells a write that met another on the same item from one that failed.
func writeFailed(head es.Head, err error) error {
	if dynamo.Contended(err) {
		return conflict(head, unknownVersion)
	}
	return failed("write", err)
}
