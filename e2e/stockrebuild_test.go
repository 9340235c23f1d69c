//go:build e2e

package e2e_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/ops/recount"
)

// TestStockIsRebuilt: a row as a backup from before its last count has it, and one that is lost,
// refuse counts by name, and are made what the events come to while orders go on.
func TestStockIsRebuilt(t *testing.T) {
	t.Parallel()
	program := cli(t)
	c := newCustomer(t, 1_000_000)
	behind, lost := newStock(t, 100), newStock(t, 100)
	leaves := func(ordered string) {
		t.Helper()
		_, p := c.prepared(t, ordered)
		must[parcel](t, http.StatusOK, post(stack.operator, "/shipments/"+p.ID+"/dispatch", nil))
	}
	leaves(c.place(t, line(behind, 2, 100), line(lost, 1, 100)).ID)
	left := func(sku string) int64 {
		return must[shop.Stock](t, http.StatusOK, get(stack.operator, "/stock/"+sku)).OnHand
	}
	gone := func(ofBehind int64) {
		t.Helper()
		eventually(t, "the parcels to leave", func() (struct{}, bool) {
			return struct{}{}, left(behind) == ofBehind && left(lost) == 99
		})
	}
	gone(98)
	spoil(t, behind, lost)

	count := request{
		method: http.MethodPut, path: "/stock/" + behind, token: stack.operator, body: object{"onHand": 98},
	}
	refused(t, http.StatusConflict, "stock.inconsistent", count.with("If-Match", `"2"`))
	out, failed := command(t, program, "stock", "verify", "--sku", behind, "--sku", lost, "--patience", "1s", "--json")
	if found := decode[recount.Report](t, []byte(out)).Differences; !failed || len(found) != 2 {
		t.Fatalf("found %+v", found)
	}

	// Other tests put commits into the store that can't be read.
	rebuild := []string{"stock", "rebuild", "--sku", behind, "--sku", lost, "--accept-unreadable", "--json"}
	done := make(chan []string)
	go func() {
		var placed []string
		for range 5 {
			placed = append(placed, c.place(t, line(behind, 1, 100)).ID)
		}
		done <- placed
	}()
	out, failed = command(t, program, rebuild...)
	if found := decode[recount.Result](t, []byte(out)).Corrections; failed || len(found) != 2 {
		t.Errorf("corrected %+v", found)
	}
	for _, id := range <-done {
		leaves(id)
	}
	gone(93)
	out, _ = command(t, program, append(rebuild, "--dry-run")...)
	if found := decode[recount.Result](t, []byte(out)).Corrections; len(found) != 0 {
		t.Errorf("still different: %+v", found)
	}
	level := must[levelAnswer](t, http.StatusOK, get(stack.operator, "/stock/"+behind))
	must[levelAnswer](t, http.StatusOK, count.with("If-Match", fmt.Sprintf("%q", fmt.Sprint(level.Version))))
}

// levelAnswer is what is in stock, with its version.
type levelAnswer struct {
	OnHand  int64 `json:"onHand"`
	Version int64 `json:"version"`
}

// spoil makes a row what a backup from before its count and its parcel has, and loses another.
func spoil(t *testing.T, behind, lost string) {
	t.Helper()
	table := stack.Outputs["StockTable"]
	key := func(sku string) map[string]dynamodbtypes.AttributeValue {
		return map[string]dynamodbtypes.AttributeValue{"sku": &dynamodbtypes.AttributeValueMemberS{Value: sku}}
	}
	_, err := stack.tables.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{
		TableName: &table, Key: key(behind),
		UpdateExpression: aws.String("SET rev = :zero, available = :some REMOVE departed"),
		ExpressionAttributeValues: map[string]dynamodbtypes.AttributeValue{
			":zero": &dynamodbtypes.AttributeValueMemberN{Value: "0"},
			":some": &dynamodbtypes.AttributeValueMemberN{Value: "25"},
		},
	})
	if err == nil {
		_, err = stack.tables.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: key(lost)})
	}
	if err != nil {
		t.Fatal(err)
	}
}
