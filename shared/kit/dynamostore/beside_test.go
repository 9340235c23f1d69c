package dynamostore

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	smithy "github.com/aws/smithy-go"

	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
)

// TestLoadWith: a stream of one event and an item of another table take one request; of what has
// gone on, the rest takes Load's.
func TestLoadWith(t *testing.T) {
	first, row := item(order, 1, 1, "first"), attributes{"subject": text("ada")}
	busy := &types.TransactionCanceledException{CancellationReasons: []types.CancellationReason{
		reason(dynamo.ReasonNone, nil), reason(dynamo.ReasonConflict, nil), reason(dynamo.ReasonNone, nil),
	}}
	for _, tt := range []struct {
		name    string
		found   []attributes // of version 1, of version 2, of the other table
		answers []error      // before the last one
		queried []attributes
		version int64
		row     bool
		joint   int
		queries int
		err     error
	}{
		{name: "one event", found: []attributes{first, nil, row}, version: 1, row: true, joint: 1},
		{name: "no row", found: []attributes{first, nil, nil}, version: 1, joint: 1},
		{name: "no stream", found: []attributes{nil, nil, row}, row: true, joint: 1},
		{name: "a second commit", found: []attributes{first, item(order, 2, 1, "second"), row}, row: true,
			queried: []attributes{first, item(order, 2, 1, "second"), item(order, 3, 1, "third")}, version: 3,
			joint: 1, queries: 1},
		{name: "a first commit of two events, whatever follows", found: []attributes{item(order, 1, 2, "two"), nil, row},
			row: true, queried: []attributes{item(order, 1, 2, "two"), item(order, 3, 1, "third")}, version: 3,
			joint: 1, queries: 1},
		{name: "written at the same time", answers: []error{busy, busy}, found: []attributes{first, nil, row},
			version: 1, row: true, joint: 3},
		{name: "a gap", found: []attributes{nil, item(order, 2, 1, "second"), row},
			queried: []attributes{item(order, 2, 1, "second")}, joint: 1, queries: 1, err: es.ErrCorrupt},
		{name: "can't be read", found: []attributes{item(order, 1, 1, "first", without(attrCount)), nil, row}, joint: 1,
			err: es.ErrCorrupt},
		{name: "fewer answers", found: []attributes{first, nil}, joint: 1, err: errAny},
		{name: "throttled", answers: []error{&smithy.GenericAPIError{Code: "ThrottlingException"}}, joint: 1,
			err: es.ErrUnavailable},
		{name: "denied", answers: []error{&smithy.GenericAPIError{Code: "AccessDeniedException"}}, joint: 1,
			err: errAny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			joint, queries := 0, 0
			s := newStore(fakeAPI{
				joint: func(in *dynamodb.TransactGetItemsInput) ([]types.ItemResponse, error) {
					if joint++; joint <= len(tt.answers) {
						return nil, tt.answers[joint-1]
					}
					for i, want := range []struct {
						table string
						key   attributes
					}{
						{"events", attributes{attrStream: text(string(order)), attrVersion: number(1)}},
						{"events", attributes{attrStream: text(string(order)), attrVersion: number(2)}},
						{"keys", attributes{"subject": text("ada")}},
					} {
						get := in.TransactItems[i].Get
						if aws.ToString(get.TableName) != want.table || !maps.EqualFunc(get.Key, want.key, sameValue) {
							t.Errorf("read %s %+v, want %+v", aws.ToString(get.TableName), get.Key, want)
						}
					}
					var all []types.ItemResponse
					for _, found := range tt.found {
						all = append(all, types.ItemResponse{Item: found})
					}
					return all, nil
				},
				query: func(*dynamodb.QueryInput) (*dynamodb.QueryOutput, error) {
					queries++
					return &dynamodb.QueryOutput{Items: slices.Clone(tt.queried)}, nil
				},
			})
			history, found, err := s.LoadWith(t.Context(), order, "keys", attributes{"subject": text("ada")})
			if joint != tt.joint || queries != tt.queries {
				t.Errorf("%d joint reads and %d queries, want %d and %d", joint, queries, tt.joint, tt.queries)
			}
			if tt.err != nil {
				if err == nil || tt.err != errAny && !errors.Is(err, tt.err) {
					t.Errorf("%v, want %v", err, tt.err)
				}
				return
			}
			if err != nil || history.Head.Version() != tt.version || int64(len(history.Events)) != tt.version ||
				history.Head.Stream() != order || len(found) > 0 != tt.row {
				t.Errorf("%+v, %v, %v", history, found, err)
			}
		})
	}
}

var errAny = errors.New("any")
