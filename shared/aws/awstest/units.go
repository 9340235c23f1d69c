package awstest

import (
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// ItemBytes is an item's size as DynamoDB counts it: the UTF-8 of names and texts, and about a byte
// for two digits of a number.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
func ItemBytes(item map[string]types.AttributeValue) int {
	n := 0
	for name, value := range item {
		n += len(name) + valueBytes(value)
	}
	return n
}

func valueBytes(value types.AttributeValue) int {
	const element, container = 1, 3
	switch v := value.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return len(strings.Trim(v.Value, "-0"))/2 + 2
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberM:
		n := container
		for name, member := range v.Value {
			n += element + len(name) + valueBytes(member)
		}
		return n
	case *types.AttributeValueMemberL:
		n := container
		for _, member := range v.Value {
			n += element + valueBytes(member)
		}
		return n
	}
	return element
}

// WriteUnits is what a write of an item of so many bytes costs: a unit for each KB begun.
func WriteUnits(bytes int) float64 { return float64(max(1, (bytes+1023)/1024)) }

// TransactionUnits is what the items of a transaction cost by AWS's rules, without their indexes:
// each of them twice, by its size. DynamoDB Local says something else: 4 for one small item, and 4
// for a hundred. An item that is updated counts as one of a KB, for its size is not in the request.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
func TransactionUnits(in *dynamodb.TransactWriteItemsInput) float64 {
	const each = 2
	units := 0.0
	for _, action := range in.TransactItems {
		bytes := 0
		if action.Put != nil {
			bytes = ItemBytes(action.Put.Item)
		}
		units += each * WriteUnits(bytes)
	}
	return units
}

// IndexUnits is what a write costs an index of keys alone, where an item comes in place of another:
// one for an entry that comes or goes, two for one that changes its place, and none for one that
// stays. Keys are below a KB.
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
func IndexUnits(before, after map[string]types.AttributeValue, partition, sort string) float64 {
	place := func(item map[string]types.AttributeValue) string {
		pk, there := item[partition].(*types.AttributeValueMemberS)
		if !there {
			return ""
		}
		switch sk := item[sort].(type) {
		case *types.AttributeValueMemberS:
			return pk.Value + "\x00" + sk.Value
		case *types.AttributeValueMemberN:
			return pk.Value + "\x00" + sk.Value
		}
		return ""
	}
	switch from, to := place(before), place(after); {
	case from == to:
		return 0
	case from != "" && to != "":
		return 2
	}
	return 1
}
