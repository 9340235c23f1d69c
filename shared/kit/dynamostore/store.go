// Package dynamostore is an es.Store on one DynamoDB table.
//
// The table's key is stream (S) and version (N), the version of a commit's first event: one item
// holds one commit. Items are only ever put, and each put has the condition that its key is free.
// Since a commit's key follows from the Head that it was decided on, that condition is the whole of
// the concurrency control: one write request for each decision, no read before it and no lock.
//
// # Lost answers
//
// The SDK sends a request again whose answer was lost. A repeated put then meets its own item: the
// condition fails, DynamoDB returns the item that it failed on, and its commit id tells that it is
// ours (es.Appended.Recognised). A repeated transaction has the client token of the first try, with
// which DynamoDB answers success for ten minutes without writing again; after that, and for each
// new call, its commits are recognised as those of a put are. So a caller that sees an error does
// not know whether the commits were written, and finds out by trying the same commits again.
package dynamostore

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
)

// API is what the store needs of a DynamoDB client: Scan for Store.Scan only, TransactWriteItems
// for appends of more than one item, TransactGetItems for Store.Confirm and Store.LoadWith.
type API interface {
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	Scan(context.Context, *dynamodb.ScanInput, ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	TransactGetItems(
		context.Context, *dynamodb.TransactGetItemsInput, ...func(*dynamodb.Options),
	) (*dynamodb.TransactGetItemsOutput, error)
	TransactWriteItems(
		context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options),
	) (*dynamodb.TransactWriteItemsOutput, error)
}

// Store keeps streams in a table. It is safe for concurrent use.
type Store struct {
	api      API
	table    string
	registry *es.Registry
	clock    clock.Clock
	joint    *joint
}

// Option changes a Store.
type Option func(*Store)

// WithClock stamps commits with that clock in place of the machine's.
func WithClock(c clock.Clock) Option { return func(s *Store) { s.clock = c } }

// New makes a store on an existing table. It asks for nothing: a table that is missing, or has
// another key, is the error of the first call. How often a failed request is sent again is up to
// the client, and for how long too, but for writes: they have es.WriteLimit a try.
func New(api API, table string, registry *es.Registry, options ...Option) *Store {
	s := &Store{api: api, table: table, registry: registry, clock: clock.System{}, joint: &joint{api: api}}
	for _, o := range options {
		o(s)
	}
	return s
}

// Load implements es.Store: one strongly consistent query for each MB of events, and one more where
// after is above 0, which finds the commit that holds that version. A gap or an overlap between
// commits is an es.ErrCorrupt, as is an item that can't be read.
func (s *Store) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	history := es.History{Head: es.StoreHead(stream, 0, 0, "")}
	for commit, err := range s.commits(ctx, stream, es.Range{After: after}) {
		if err != nil {
			return es.History{}, err
		}
		if err := s.add(&history, commit, after); err != nil {
			return es.History{}, err
		}
	}
	return history, nil
}

// Since implements es.Store, with one strongly consistent query for each MB of events: the Head's
// own commit, and those behind it.
func (s *Store) Since(ctx context.Context, head es.Head) (es.History, error) {
	if head.Version() == 0 {
		return s.Load(ctx, head.Stream(), 0)
	}
	if err := ctx.Err(); err != nil {
		return es.History{}, err
	}
	var history es.History
	for commit, err := range s.commits(ctx, head.Stream(), es.Range{Since: head}) {
		if err != nil {
			return es.History{}, err
		}
		if err := s.add(&history, commit, head.Version()); err != nil {
			return es.History{}, err
		}
	}
	return history, nil
}

func (s *Store) add(history *es.History, commit es.StoredCommit, after int64) error {
	events, err := s.registry.DecodeCommit(commit, after)
	if err != nil {
		return err
	}
	if history.Head = commit.Head(); len(history.Events) == 0 {
		history.Events = events
	} else {
		history.Events = append(history.Events, events...)
	}
	return nil
}

// Read implements es.Store, with Load's queries forwards, or those of Since, and without the one
// for the commit that holds After backwards. A query reads up to a MB ahead of the caller, and with
// a Limit not more than that many commits.
func (s *Store) Read(ctx context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.Recorded, error] {
	return func(yield func(es.Recorded, error) bool) {
		given := 0
		r.After = max(r.After, r.Since.Version())
		for commit, err := range s.commits(ctx, stream, r) {
			var events []es.Recorded
			if err == nil {
				events, err = s.registry.DecodeCommit(commit, r.After)
			}
			if err != nil {
				yield(es.Recorded{}, err)
				return
			}
			if r.Backwards {
				slices.Reverse(events)
			}
			for _, e := range events {
				if r.Through > 0 && e.Version > r.Through {
					continue
				}
				if given++; !yield(e, nil) || given == r.Limit {
					return
				}
			}
		}
	}
}

// commits gives the commits that have a part in a range; forwards also the one that holds version
// After.
func (s *Store) commits(ctx context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.StoredCommit, error] {
	return func(yield func(es.StoredCommit, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(es.StoredCommit{}, err)
			return
		}
		through := int64(maxVersion)
		if r.Through > 0 {
			through = r.Through
		}
		if r.Backwards {
			s.backwards(ctx, stream, r.After, between(1, through).of(r.Limit), yield)
			return
		}
		if r.Since.Version() > 0 {
			k := between(r.Since.First(), max(r.Since.First(), through))
			if r.Limit > 0 {
				k = k.of(r.Limit + 1) // the Head's own commit comes on top
			}
			s.behind(ctx, stream, r.Since, k, yield)
			return
		}
		from, next := int64(1), int64(1)
		if r.After > 0 {
			// The commit that holds the version above After may begin below it.
			for commit, err := range s.follow(ctx, stream, between(1, r.After).last(), anyVersion) {
				if !yield(commit, err) || err != nil {
					return
				}
				from, next = commit.First+1, commit.Last()+1
			} // without one the stream had no events a moment ago, and whatever comes now begins it
		}
		for commit, err := range s.follow(ctx, stream, between(from, through).of(r.Limit), next) {
			if !yield(commit, err) {
				return
			}
		}
	}
}

// behind gives the commit that a head ends with, and those behind it. It is an es.ErrUnknownHead
// where the stream has no such commit.
func (s *Store) behind(
	ctx context.Context, stream es.StreamID, head es.Head, k keys, yield func(es.StoredCommit, error) bool,
) {
	met := false
	for commit, err := range s.follow(ctx, stream, k, anyVersion) {
		if err == nil && !met && commit.Head() != head {
			break
		}
		if met = true; !yield(commit, err) || err != nil {
			return
		}
	}
	if !met {
		yield(es.StoredCommit{}, fmt.Errorf("dynamostore: %s@%d: %w", stream, head.Version(), es.ErrUnknownHead))
	}
}

// backwards gives the commits above after, the last one first.
func (s *Store) backwards(
	ctx context.Context, stream es.StreamID, after int64, r keys, yield func(es.StoredCommit, error) bool,
) {
	r.descending = true
	first := int64(1)
	for commit, err := range s.follow(ctx, stream, r, anyVersion) {
		if err != nil || commit.Last() <= after {
			yield(commit, err)
			return
		}
		if first = commit.First; !yield(commit, nil) || first <= after+1 {
			return
		}
	}
	if first > 1 {
		yield(es.StoredCommit{}, corrupt(stream, first, "there is no commit before it"))
	}
}

// anyVersion is for commits that may begin with any.
const anyVersion = 0

// follow gives the commits of a query and sees to it that each follows on the one before it, and
// the first one is version next, anyVersion for any.
func (s *Store) follow(ctx context.Context, stream es.StreamID, r keys, next int64) iter.Seq2[es.StoredCommit, error] {
	return func(yield func(es.StoredCommit, error) bool) {
		if r.first > r.through {
			return
		}
		for item, err := range dynamo.Query(ctx, s.api, r.query(s.table, stream)) {
			if err != nil {
				yield(es.StoredCommit{}, failed("query", err))
				return
			}
			commit, err := decodeItem(stream, item)
			switch {
			case err != nil:
			case next == anyVersion:
			case r.descending && commit.Last() != next-1:
				err = corrupt(stream, next, "the commit before it ends at version %d", commit.Last())
			case !r.descending && commit.First != next:
				err = corrupt(stream, commit.First, "the commit before it ends at version %d", next-1)
			}
			if !yield(commit, err) || err != nil || r.single {
				return
			}
			if next = commit.Last() + 1; r.descending {
				next = commit.First
			}
		}
	}
}

// keys is what a query asks for: the commits that begin with a version from first to through.
type keys struct {
	first, through int64
	descending     bool
	page           int  // of how many commits, 0 for a MB of them
	single         bool // the first one alone
}

func between(first, through int64) keys { return keys{first: first, through: through} }

// last is the last one only.
func (k keys) last() keys {
	k.descending, k.page, k.single = true, 1, true
	return k
}

// of keeps the pages to what n events can take, where n is above 0: each commit has one at least.
func (k keys) of(n int) keys {
	k.page = min(max(n, 0), maxPage)
	return k
}

// maxPage is more commits than a page of 1 MB holds: the smallest has more than 100 bytes.
const maxPage = 10_000

func (k keys) query(table string, stream es.StreamID) *dynamodb.QueryInput {
	in := &dynamodb.QueryInput{
		TableName:                &table,
		ConsistentRead:           aws.Bool(true),
		ScanIndexForward:         aws.Bool(!k.descending),
		KeyConditionExpression:   aws.String("#stream = :stream AND #version BETWEEN :first AND :through"),
		ExpressionAttributeNames: map[string]string{"#stream": attrStream, "#version": attrVersion},
		ExpressionAttributeValues: dynamo.Item{
			":stream": dynamo.S(string(stream)), ":first": dynamo.N(k.first), ":through": dynamo.N(k.through),
		},
	}
	if k.page > 0 {
		in.Limit = aws.Int32(int32(k.page)) //nolint:gosec // at most maxPage
	}
	return in
}

// At implements es.Store, with one strongly consistent query for the last commit. An item that
// can't be read is an es.ErrCorrupt.
func (s *Store) At(ctx context.Context, stream es.StreamID, version int64) (es.Head, error) {
	if err := ctx.Err(); err != nil {
		return es.Head{}, err
	}
	query := between(1, maxVersion).last().query(s.table, stream)
	query.ProjectionExpression = aws.String("#stream, #version, #count, #commit")
	query.ExpressionAttributeNames["#count"] = attrCount
	query.ExpressionAttributeNames["#commit"] = attrCommit
	out, err := s.api.Query(ctx, query)
	if err != nil {
		return es.Head{}, failed("query", err)
	}
	head := es.StoreHead(stream, 0, 0, "")
	if len(out.Items) > 0 {
		if head, err = decodeHead(stream, out.Items[0]); err != nil {
			return es.Head{}, err
		}
	}
	if head.Version() != version {
		return es.Head{}, &es.ConflictError{Stream: stream, Expected: version, Actual: head.Version()}
	}
	return head, nil
}

// maxVersion is above every version.
const maxVersion = 1<<63 - 1

// failed wraps an error of the service, and marks one that may pass.
func failed(what string, err error) error {
	return fmt.Errorf("dynamostore: %s: %w", what, dynamo.Failed(err))
}

func corrupt(stream es.StreamID, version int64, format string, args ...any) error {
	return fmt.Errorf("%w: %s@%d: %s", es.ErrCorrupt, stream, version, fmt.Sprintf(format, args...))
}
