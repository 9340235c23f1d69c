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
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

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
			Segment:       aws.Int32(int32(segment)),
			TotalSegments: aws.Int32(int32(segments)), //nolint:gosec // DynamoDB refuses more than a million
		}
		for {
			page, err := s.scanPage(ctx, in)
			if !yield(page, err) || err != nil && !errors.Is(err, es.ErrCorrupt) || page.Next == "" {
				return
			}
		}
	}
}

// scanPage reads one page and lets the next begin behind it. An ErrCorrupt comes with what can be
// read of the page.
func (s *Store) scanPage(ctx context.Context, in *dynamodb.ScanInput) (es.ScanPage, error) {
	out, err := s.api.Scan(ctx, in)
	if err != nil {
		return es.ScanPage{}, failed("scan", err)
	}
	page := es.ScanPage{Commits: make([]es.StoredCommit, 0, len(out.Items))}
	if page.Next, err = scanPosition(out.LastEvaluatedKey); err != nil {
		return es.ScanPage{}, err
	}
	in.ExclusiveStartKey = out.LastEvaluatedKey
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
func decodeAny(item attributes) (es.StoredCommit, error) {
	stream, ok := item[attrStream].(*types.AttributeValueMemberS)
	if !ok {
		return es.StoredCommit{}, fmt.Errorf("%w: an item without a stream", es.ErrCorrupt)
	}
	return decodeItem(es.StreamID(stream.Value), item)
}

// scanPosition writes a key as a position: the stream, @ and the version.
func scanPosition(key attributes) (string, error) {
	if len(key) == 0 {
		return "", nil
	}
	stream, isText := key[attrStream].(*types.AttributeValueMemberS)
	version, isNumber := key[attrVersion].(*types.AttributeValueMemberN)
	if !isText || !isNumber {
		return "", errors.New("dynamostore: scan: the table has another key than stream and version")
	}
	return stream.Value + "@" + version.Value, nil
}

func scanKey(position string) (attributes, error) {
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
	return attributes{attrStream: text(position[:at]), attrVersion: number(version)}, nil
}
