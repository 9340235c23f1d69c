package dynamostore

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/es/estest"
	"orderflow/shared/kit/es/memstore"
)

// slowTable has a stream of commits of one event each, which are their own numbers. It gives a
// thousand on a page, and takes a tenth of a second for that.
type slowTable struct {
	fakeAPI
	commits int64
	queries []int64 // where each began that is no further page of another
}

const perPage = 1000

func (s *slowTable) Query(
	ctx context.Context, in *dynamodb.QueryInput, _ ...func(*dynamodb.Options),
) (*dynamodb.QueryOutput, error) {
	r := read(in.ExpressionAttributeValues)
	from := r.number(":first")
	if in.ExclusiveStartKey == nil {
		s.queries = append(s.queries, from)
	} else {
		r = read(in.ExclusiveStartKey)
		from = r.number(attrVersion) + 1
	}
	if err := (clock.System{}).Sleep(ctx, 100*time.Millisecond); err != nil {
		return nil, err
	}
	out := &dynamodb.QueryOutput{}
	for v := from; v <= s.commits && len(out.Items) < perPage; v++ {
		c := es.StoredCommit{Stream: account, First: v, ID: fmt.Sprint(v), Time: estest.Start,
			Events: []es.Stored{{Type: "test.counted", Schema: 1, Data: fmt.Appendf(nil, `{"n":%d}`, v)}}}
		out.Items = append(out.Items, encodeItem(c))
	}
	if n := len(out.Items); n > 0 {
		last := read(out.Items[n-1])
		if v := last.number(attrVersion); v < s.commits {
			out.LastEvaluatedKey = attributes{attrStream: text(string(account)), attrVersion: number(v)}
		}
	}
	return out, r.Err()
}

// TestSnapshotsInSteps: an account of more events than can be read at one time has its snapshot
// after some tries. Each reads on from where the one before it came to, and proves by the first
// commit that it reads that the stream still has it.
func TestSnapshotsInSteps(t *testing.T) {
	const commits = 40_000
	synctest.Test(t, func(t *testing.T) {
		table, kept := &slowTable{commits: commits}, &memstore.Snapshots{}
		r := es.Repository[int64, estest.Counted]{
			Category: account.Category(), Store: newStore(table), Snapshots: kept, Fold: "sum/1", Every: 100,
			Initial: func() int64 { return 0 }, Evolve: func(sum int64, e estest.Counted) int64 { return sum + e.N },
		}
		last := es.StoredCommit{Stream: account, First: commits, ID: fmt.Sprint(commits), Events: make([]es.Stored, 1)}
		came := int64(0)
		for tries := 1; came < commits; tries++ {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			err := r.Handle(ctx, last)
			cancel()
			s, _, newest := kept.Newest(t.Context(), account, "sum/1")
			if n := s.Head.Version(); err != nil || newest != nil || n <= came ||
				string(s.State) != fmt.Sprint(n*(n+1)/2) {
				t.Fatalf("try %d: %v, %v, from %d to %d: %s", tries, err, newest, came, n, s.State)
			}
			if began := table.queries[len(table.queries)-1]; began != max(came, 1) {
				t.Errorf("try %d began at %d, not at %d", tries, began, came)
			}
			if came = s.Head.Version(); tries > 3 {
				t.Fatalf("after %d tries it came to %d", tries, came)
			}
		}
	})
}
