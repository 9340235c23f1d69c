package dynamostore

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
)

// The further attributes of a snapshot. Its key is stream (S) and fold (S); version, commit and
// time are those of the commit that it ends with.
const (
	attrFold     = "fold"
	attrFirst    = "first"    // N, the version of the first event of that commit
	attrState    = "state"    // S, JSON
	attrChecksum = "checksum" // S, of all the others
)

// SnapshotsAPI is what Snapshots needs of a DynamoDB client.
type SnapshotsAPI interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
}

// Snapshots is an es.Snapshots on a table of its own, with the partition key stream (S) and the
// sort key fold (S). It is safe for concurrent use.
type Snapshots struct {
	api   SnapshotsAPI
	table string
}

// NewSnapshots keeps snapshots in an existing table.
func NewSnapshots(api SnapshotsAPI, table string) Snapshots {
	return Snapshots{api: api, table: table}
}

// Newest implements es.Snapshots with one eventually consistent read: an old snapshot costs a few
// more events. An item whose checksum is not its content's is an es.ErrCorrupt.
func (s Snapshots) Newest(ctx context.Context, stream es.StreamID, fold string) (es.Snapshot, bool, error) {
	out, err := s.api.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &s.table, Key: dynamo.Item{attrStream: dynamo.S(string(stream)), attrFold: dynamo.S(fold)},
	})
	if err != nil {
		return es.Snapshot{}, false, failed("read snapshot", err)
	}
	if len(out.Item) == 0 {
		return es.Snapshot{}, false, nil
	}
	r := read(out.Item)
	kept := es.Snapshot{
		Head: es.StoreHead(
			es.StreamID(r.text(attrStream)), r.number(attrFirst), r.number(attrVersion), r.text(attrCommit),
		),
		Fold: r.text(attrFold), Time: r.Time(attrTime), State: json.RawMessage(r.text(attrState)),
	}
	if sum := r.text(attrChecksum); r.Err() == nil && (sum != checksum(kept) || kept.Head.Stream() != stream ||
		kept.Fold != fold) {
		r.Failf(attrChecksum, "is another's")
	}
	if err := r.Err(); err != nil {
		return es.Snapshot{}, false, fmt.Errorf("%w: snapshot %s of %s: %w", es.ErrCorrupt, fold, stream, err)
	}
	return kept, true, nil
}

// Keep implements es.Snapshots with one conditional put. MaxCommitBytes holds for a snapshot's
// item, too.
func (s Snapshots) Keep(ctx context.Context, snapshot es.Snapshot) error {
	return s.put(ctx, snapshot, func(put *dynamodb.PutItemInput) {
		put.ConditionExpression = aws.String("attribute_not_exists(#stream) OR #version < :version")
		put.ExpressionAttributeNames = map[string]string{"#stream": attrStream, "#version": attrVersion}
		put.ExpressionAttributeValues = dynamo.Item{":version": put.Item[attrVersion]}
	})
}

// Replace implements es.Snapshots with one put.
func (s Snapshots) Replace(ctx context.Context, snapshot es.Snapshot) error {
	return s.put(ctx, snapshot, func(*dynamodb.PutItemInput) {})
}

func (s Snapshots) put(ctx context.Context, snapshot es.Snapshot, condition func(*dynamodb.PutItemInput)) error {
	snapshot.Time = snapshot.Time.UTC()
	head := snapshot.Head
	put := &dynamodb.PutItemInput{TableName: &s.table, Item: dynamo.Item{
		attrStream: dynamo.S(string(head.Stream())), attrFold: dynamo.S(snapshot.Fold),
		attrFirst:   dynamo.N(head.First()),
		attrVersion: dynamo.N(head.Version()),
		attrCommit:  dynamo.S(head.CommitID()), attrTime: dynamo.S(snapshot.Time.Format(time.RFC3339Nano)),
		attrState:    dynamo.S(string(snapshot.State)),
		attrChecksum: dynamo.S(checksum(snapshot)),
	}}
	if bytes := itemSize(put.Item); bytes > MaxCommitBytes {
		return &es.LimitError{What: "bytes of a snapshot", Limit: MaxCommitBytes, Actual: bytes}
	}
	condition(put)
	_, err := s.api.PutItem(ctx, put)
	if _, newer := dynamo.ConditionFailed(err); err == nil || newer {
		return nil
	}
	return failed("write snapshot", err)
}

// checksum is over all that a snapshot says: the state alone would still fit when another's version
// stood beside it.
func checksum(s es.Snapshot) string {
	h := sha256.New()
	for _, part := range []string{
		string(s.Head.Stream()), s.Fold, strconv.FormatInt(s.Head.First(), 10), strconv.FormatInt(s.Head.Version(), 10),
		s.Head.CommitID(),
		s.Time.Format(time.RFC3339Nano), string(s.State),
	} {
		_, _ = fmt.Fprintf(h, "%d:%s,", len(part), part)
	}
	return base64.RawStdEncoding.EncodeToString(h.Sum(nil))
}
