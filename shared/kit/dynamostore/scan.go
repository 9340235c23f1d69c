package dynamostore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
)

// Scan implements es.Scanner, with a strongly consistent parallel scan of the table: one request,
// and 256 read units, for each MB. segments is 1 to a million. A position is the key that the last
// page ended with.
func (s *Store) Scan(ctx context.Context, segment, segments int, from string) iter.Seq2[es.ScanPage, error] {
	return func(yield func(es.ScanPage, error) bool) {
		start, err := scanKey(from)
		if err != nil {
			yield(es.ScanPage{}, err)
			return
		}
		in := &dynamodb.ScanInput{
			TableName: &s.table, ConsistentRead: aws.Bool(true), ExclusiveStartKey: start,
			Segment:       aws.Int32(int32(segment)),  //nolint:gosec // below segments
			TotalSegments: aws.Int32(int32(segments)), //nolint:gosec // DynamoDB refuses more than a million
		}
		for out, err := range dynamo.Scan(ctx, s.api, in) {
			if err != nil {
				yield(es.ScanPage{}, failed("scan", err))
				return
			}
			page, err := scanPage(out)
			if !yield(page, err) || err != nil && !errors.Is(err, es.ErrCorrupt) {
				return
			}
		}
	}
}

// scanPage reads one page. An ErrCorrupt comes with what can be read of it.
func scanPage(out *dynamodb.ScanOutput) (page es.ScanPage, err error) {
	page.Commits = make([]es.StoredCommit, 0, len(out.Items))
	if page.Next, err = scanPosition(out.LastEvaluatedKey); err != nil {
		return es.ScanPage{}, err
	}
	var unread []error
	for _, item := range out.Items {
		commit, err := decodeAny(item)
		if err != nil {
			unread = append(unread, err)
			continue
		}
		page.Commits = append(page.Commits, commit)
	}
	return page, errors.Join(unread...)
}

// decodeAny reads an item of whichever stream.
func decodeAny(item dynamo.Item) (es.StoredCommit, error) {
	r := dynamo.Read(item)
	stream := es.StreamID(r.String(attrStream))
	if r.Err() != nil {
		return es.StoredCommit{}, fmt.Errorf("%w: an item without a stream", es.ErrCorrupt)
	}
	return decodeItem(stream, item)
}

// scanPosition writes a key as a position: the stream, @ and the version.
func scanPosition(key dynamo.Item) (string, error) {
	if len(key) == 0 {
		return "", nil
	}
	r := dynamo.Read(key)
	stream, version := r.String(attrStream), r.Number(attrVersion)
	if r.Err() != nil {
		return "", errors.New("dynamostore: scan: the table has another key than stream and version")
	}
	return stream + "@" + strconv.FormatInt(version, 10), nil
}

func scanKey(position string) (dynamo.Item, error) {
	if position == "" {
		return nil, nil
	}
	at := strings.LastIndex(position, "@")
	if at < 1 {
		return nil, fmt.Errorf("dynamostore: %q is no position of a scan", position)
	}
	version, err := strconv.ParseInt(position[at+1:], 10, 64)
	if err != nil {
		return nil, fmt.Errorf("dynamostore: %q is no position of a scan", position)
	}
	return dynamo.Item{attrStream: dynamo.S(position[:at]), attrVersion: dynamo.N(version)}, nil
}
