package shippingtable_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/shippingtable"
	"orderflow/shared/shop/shipment"
)

// answer is what the client answers.
type answer struct {
	row map[string]types.AttributeValue
	err error
}

func (a answer) UpdateItem(
	context.Context, *dynamodb.UpdateItemInput, ...func(*dynamodb.Options),
) (*dynamodb.UpdateItemOutput, error) {
	return &dynamodb.UpdateItemOutput{Attributes: a.row}, a.err
}

// A row that can't be read is an error that names what is wrong, and so is a table that doesn't
// answer.
func TestErrors(t *testing.T) {
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	number := func(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
	row := func(change func(map[string]types.AttributeValue)) answer {
		row := map[string]types.AttributeValue{
			"sequence": number("3"), "status": text("confirmed"), "revision": number("1"), "customer": text("ada"),
			"lines": text("[]"), "address": text("pd1:x"),
			"confirmed": number("3"), "shipment": text("s"),
		}
		change(row)
		return answer{row: row}
	}
	for _, tc := range []struct {
		name   string
		answer answer
		want   string
	}{
		{"a row", row(func(map[string]types.AttributeValue) {}), ""},
		{"no answer", answer{err: errors.New("throttled")}, "throttled"},
		{"no status", row(func(r map[string]types.AttributeValue) { delete(r, "status") }), "status is no text"},
		{
			"a number that is text", row(func(r map[string]types.AttributeValue) { r["revision"] = text("1") }),
			"revision is no number",
		},
		{
			"a number that is none", row(func(r map[string]types.AttributeValue) { r["confirmed"] = number("1e3") }),
			"confirmed: ",
		},
		{"lines that are none", row(func(r map[string]types.AttributeValue) { r["lines"] = text("{") }), "order o: "},
		{"no shipment", row(func(r map[string]types.AttributeValue) { delete(r, "shipment") }), "shipment is no text"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			table := shippingtable.New(tc.answer, "shipping")
			_, _, put := table.Put(t.Context(), shipment.Copy{OrderID: "o", Sequence: 3})
			_, confirm := table.Confirm(t.Context(), shipment.Confirmation{OrderID: "o", Sequence: 3, ShipmentID: "s"})
			for _, err := range []error{put, confirm} {
				if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v, want %q", err, tc.want)
				}
			}
		})
	}
}
