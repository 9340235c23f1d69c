package quotatable_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/quotatable"
	"orderflow/shared/kit/dynamo"
	"orderflow/shared/kit/es"
	"orderflow/shared/shop/quota"
)

// answers answers each update with an error.
type answers struct{ err error }

func (a answers) UpdateItem(
	context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	return nil, a.err
}

// TestFailures: what may pass is said to be so, and an item that can't be read lets nothing in.
func TestFailures(t *testing.T) {
	refused := func(item dynamo.Item) error { return &types.ConditionalCheckFailedException{Item: item} }
	for name, tc := range map[string]struct {
		err   error
		says  string
		again bool
	}{
		"throttled":   {&types.ProvisionedThroughputExceededException{}, "quotatable: count a command", true},
		"no table":    {&types.ResourceNotFoundException{}, "quotatable: count a command", false},
		"no commands": {refused(dynamo.Item{"requests": dynamo.N(3)}), "commands is no set of binaries", false},
		"no requests": {
			refused(dynamo.Item{"commands": &types.AttributeValueMemberBS{Value: [][]byte{make([]byte, 8)}}}),
			"requests is no number", false,
		},
		"another fingerprint": {
			refused(dynamo.Item{
				"requests": dynamo.N(1), "commands": &types.AttributeValueMemberBS{Value: [][]byte{{1}}},
			}), "commands has one of 1 bytes", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			admitted, _, err := quotatable.New(answers{tc.err}, "quotas").Add(
				t.Context(), quota.HourOf("ada", time.Unix(0, 0)), quota.Command{}, quota.Bounds{},
			)
			if admitted || err == nil || !strings.Contains(err.Error(), tc.says) ||
				errors.Is(err, es.ErrUnavailable) != tc.again {
				t.Errorf("%v, %v", admitted, err)
			}
		})
	}
}
