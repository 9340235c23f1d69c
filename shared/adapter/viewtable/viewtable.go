// Package viewtable keeps the views of orders and customers in one DynamoDB table.
//
//	pk               sk           item
//	order#<id>       row          orders.Row
//	customer#<id>    statistics   customers.Row: profile and counters, which two streams feed
//
// The indexes, each of which an item is in if it has their attributes:
//
//	by-customer         gsi1pk customer#<id>            gsi1sk <placedAt>#<orderId>
//	by-customer-status  gsi2pk customer#<id>#<status>   gsi1sk
//	open                gsi3pk open or failed           gsi3sk <updatedAt>#<orderId>
//
// Times in keys are UTC in RFC 3339 with nine decimals, so that they sort as text. In the index open, the partition open holds the orders on which the
// saga is not through, and failed those whose undo waits for people; orders that are final are in neither. Its keys are all that is read of it.
//
// The counters are attributes of their own, since only those can be added to: orders, status_<status>, reason_<reason> and total_<currency>.
package viewtable

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/es"
)

// API is what the tables need of the DynamoDB client.
type API interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	Query(context.Context, *dynamodb.QueryInput, ...func(*dynamodb.Options)) (*dynamodb.QueryOutput, error)
	TransactWriteItems(context.Context, *dynamodb.TransactWriteItemsInput, ...func(*dynamodb.Options)) (*dynamodb.TransactWriteItemsOutput, error)
}

// The table's indexes and the attributes of its keys.
const (
	IndexByCustomer       = "by-customer"
	IndexByCustomerStatus = "by-customer-status"
	IndexOpen             = "open"

	attrPK     = "pk"
	attrSK     = "sk"
	attrGSI1PK = "gsi1pk"
	attrGSI1SK = "gsi1sk"
	attrGSI2PK = "gsi2pk"
	attrGSI3PK = "gsi3pk"
	attrGSI3SK = "gsi3sk"

	skRow        = "row"
	skStatistics = "statistics"
)

// keyTime writes a time so that text sorts as time does. It holds for the years 0 to 9999.
const keyTime = "2006-01-02T15:04:05.000000000Z"

func orderKey(id string) string    { return "order#" + id }
func customerKey(id string) string { return "customer#" + id }

func timeKey(at time.Time, id string) string { return at.UTC().Format(keyTime) + "#" + id }

func primaryKey(pk, sk string) map[string]types.AttributeValue {
	return map[string]types.AttributeValue{attrPK: text(pk), attrSK: text(sk)}
}

// text is a string attribute.
func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// number is a number attribute.
func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// reader reads the attributes of an item and keeps the first error. A missing attribute is its type's zero.
type reader struct {
	item map[string]types.AttributeValue
	err  error
}

func (r *reader) fail(name string, err error) {
	if r.err == nil {
		r.err = fmt.Errorf("viewtable: attribute %s: %w", name, err)
	}
}

func (r *reader) text(name string) string {
	switch v := r.item[name].(type) {
	case nil:
	case *types.AttributeValueMemberS:
		return v.Value
	default:
		r.fail(name, fmt.Errorf("is a %T", v))
	}
	return ""
}

func (r *reader) number(name string) int64 {
	switch v := r.item[name].(type) {
	case nil:
	case *types.AttributeValueMemberN:
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil {
			r.fail(name, err)
		}
		return n
	default:
		r.fail(name, fmt.Errorf("is a %T", v))
	}
	return 0
}

func (r *reader) time(name string) time.Time {
	s := r.text(name)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(keyTime, s)
	if err != nil {
		r.fail(name, err)
	}
	return t
}

// isSequence is the condition that an item's sequence attribute is the one that was read.
func isSequence(name string, old int64, values map[string]types.AttributeValue) *string {
	if old == 0 {
		return aws.String("attribute_not_exists(" + name + ")")
	}
	values[":old"] = number(old)
	return aws.String(name + " = :old")
}

// conflict turns a refusal because of another writer into an *es.ConflictError, which is tried again; any other error stays what it is.
func conflict(err error, stream es.StreamID, expected int64) error {
	var (
		condition *types.ConditionalCheckFailedException
		busy      *types.TransactionConflictException
		cancelled *types.TransactionCanceledException
	)
	contended := errors.As(err, &condition) || errors.As(err, &busy)
	if errors.As(err, &cancelled) {
		// One reason that is no conflict, a throttle or a number out of range, outweighs the others: trying at once would not help.
		contended = len(cancelled.CancellationReasons) > 0
		for _, reason := range cancelled.CancellationReasons {
			switch aws.ToString(reason.Code) {
			case "", "None", "ConditionalCheckFailed", "TransactionConflict":
			default:
				contended = false
			}
		}
	}
	if contended {
		return &es.ConflictError{Stream: stream, Expected: expected, Actual: -1}
	}
	return fmt.Errorf("viewtable: write row of %s: %w", stream, err)
}
