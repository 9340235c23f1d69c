package dynamostore

import (
	"errors"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/kit/es"
)

// Commits are given as they are stored, also those that nobody can decode; what can't be read ends
// them.
func TestCommits(t *testing.T) {
	unknown := func(i attributes) {
		i[attrEvents] = &types.AttributeValueMemberL{Value: []types.AttributeValue{
			&types.AttributeValueMemberM{
				Value: attributes{"type": text("order.abducted"), "schema": number(1), "data": text(`{}`)},
			},
		}}
	}
	noCommit := func(i attributes) { delete(i, attrCommit) }
	stored := []attributes{item(order, 1, 2, "a"), item(order, 3, 1, "b", unknown), item(order, 4, 2, "c")}
	torn := []attributes{item(order, 1, 2, "a"), item(order, 3, 1, "b", noCommit), item(order, 4, 2, "c")}
	for _, tt := range []struct {
		name    string
		items   []attributes
		after   int64
		commits []string
		corrupt bool
	}{
		{"all", stored, 0, []string{"c", "b", "a"}, false},
		{"those above a commit", stored, 2, []string{"c", "b"}, false},
		{"those above a part of one", stored, 1, []string{"c", "b", "a"}, false},
		{"none", stored, 5, nil, false},
		{"one can't be read", torn, 0, []string{"c"}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(fakeAPI{query: func(in *dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
				if *in.ScanIndexForward || !*in.ConsistentRead {
					t.Error("not read backwards and consistently")
				}
				newest := slices.Clone(tt.items)
				slices.Reverse(newest)
				return &dynamodb.QueryOutput{Items: newest}, nil
			}})
			var got []string
			var failure error
			for c, err := range s.Commits(t.Context(), order, es.Range{After: tt.after, Backwards: true}) {
				if failure = err; err == nil {
					got = append(got, c.ID)
				}
			}
			if !slices.Equal(got, tt.commits) || errors.Is(failure, es.ErrCorrupt) != tt.corrupt ||
				failure != nil != tt.corrupt {
				t.Errorf("%v, %v", got, failure)
			}
		})
	}
}
