//go:build e2e

package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"orderflow/shared/aws/viewtable"
	"orderflow/shared/ops/verify"
)

// cli builds the command-line program.
func cli(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "orderflow")
	if out, err := exec.CommandContext(
		t.Context(), "go", "build", "-o", program, "orderflow/cmd/orderflow",
	).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// command runs the program on the stack; failed says that it ended with 1, or with 3 where the API
// has refused.
func command(t *testing.T, program string, args ...string) (out string, failed bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, append([]string{"--stack", stack.Stack}, args...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1 && exit.ExitCode() != 3) {
		t.Fatalf("%v: %v: %s%s", args, err, &stdout, &stderr)
	}
	t.Logf("%v: %s%s", args, &stdout, &stderr)
	return stdout.String(), err != nil
}

// findings verifies a view and gives what is found, but for streams and items of other tests that
// can't be read.
func findings(t *testing.T, program, name string) []verify.Finding {
	t.Helper()
	out, _ := command(t, program, "views", "verify", name, "--json", "--patience", "60s")
	report := decode[verify.Report](t, []byte(out))
	if report.Rows == 0 || report.View != name {
		t.Fatalf("%+v", report)
	}
	return slices.DeleteFunc(report.Findings, func(f verify.Finding) bool { return f.Kind == verify.Unreadable })
}

// generationOf is the generation of a view that serves.
func generationOf(t *testing.T, name string) int64 {
	t.Helper()
	control, err := viewtable.New(stack.tables, stack.Outputs["ViewsTable"]).Control(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return control.ServingGeneration().Number
}

// Views are rebuilt while orders are placed and lists are read, which show every order that they
// showed before, in its place, once. A rebuild that is killed goes on, one that is cancelled leaves
// what served; a row that is broken is named, and mended by a rebuild.
func TestViewsAreRebuilt(t *testing.T) {
	t.Parallel()
	program := cli(t)
	c := newCustomer(t, 1_000_000)
	sku := newStock(t, 100_000)
	var orders []string
	for range 4 {
		orders = append(orders, c.place(t, line(sku, 1, 100)).ID)
	}
	for _, id := range orders {
		c.ends(t, id, "confirmed")
	}
	c.counts(t, 4, 0)
	const first = 4

	// Somebody reads until all is done, and orders unless it is verified: what doesn't stand still
	// can't be compared.
	ctx, stop := context.WithCancel(t.Context())
	var reads, placed atomic.Int64
	var still atomic.Bool
	verified := func() []verify.Finding {
		still.Store(true)
		defer still.Store(false)
		return findings(t, program, "orders")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			shown := c.orders(t, "?limit=100").ids()
			for i, id := range shown {
				if slices.Contains(shown[:i], id) {
					t.Errorf("the list shows %s twice", id)
				}
			}
			for i, id := range orders[:first] {
				if at := slices.Index(shown, id); at != len(shown)-1-i {
					t.Errorf("order %d is in place %d of %d", i, at, len(shown))
				}
			}
			if s := c.statistics(t); s.Orders < first || s.Confirmed < first {
				t.Errorf("statistics fall to %+v", s)
			}
			if reads.Add(1)%5 == 0 && placed.Load() < 40 && !still.Load() {
				c.place(t, line(sku, 1, 100))
				placed.Add(1)
			}
		}
	}()
	defer func() { stop(); <-done }()

	before := generationOf(t, "orders")
	accept := "--accept-unreadable" // other tests put commits into the store that can't be read

	// Killed in the middle, with its work half done.
	killed := exec.CommandContext(
		t.Context(), program, "--stack", stack.Stack, "views", "rebuild", "orders", "--rate", "20", accept,
	)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	building(t, "orders", true)
	if err := killed.Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // it was killed
	if serves := generationOf(t, "orders"); serves != before {
		t.Fatalf("generation %d serves after a rebuild that was killed", serves)
	}
	command(t, program, "views", "list", "--rows")
	if _, failed := command(t, program, "views", "rebuild", "orders", "--cancel"); failed {
		t.Fatal("it can't be cancelled")
	}
	building(t, "orders", false)
	if serves := generationOf(t, "orders"); serves != before {
		t.Fatalf("generation %d serves after a rebuild that was cancelled", serves)
	}
	if found := verified(); len(found) > 0 {
		t.Fatalf("after a rebuild that was cancelled: %+v", found)
	}

	// A row that somebody broke is found, and mended.
	breakRow(t, fmt.Sprintf("orders#%d#%s", before, orders[0]))
	found := verified()
	if len(found) != 1 || found[0].Kind != verify.Different || found[0].ID != orders[0] ||
		!strings.Contains(found[0].Detail, "lineCount is 77") {
		t.Errorf("found is %+v", found)
	}

	// Killed once more, and taken up by the next.
	killed = exec.CommandContext(
		t.Context(), program, "--stack", stack.Stack, "views", "rebuild", "orders", "--rate", "20", accept,
	)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	building(t, "orders", true)
	if err := killed.Process.Signal(os.Kill); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // it was killed
	// Each waits a minute for readers and projectors, so all at once.
	var rebuilds sync.WaitGroup
	for _, name := range []string{"orders", "customers"} {
		rebuilds.Go(func() {
			if out, failed := command(t, program, "views", "rebuild", name, accept); failed ||
				!strings.Contains(out, "of "+name+" serves") {
				t.Errorf("rebuild of %s: %s", name, out)
			}
		})
	}
	rebuilds.Wait()
	if serves := generationOf(t, "orders"); serves != before+2 {
		t.Errorf("generation %d serves, of which the one before was %d and the next cancelled", serves, before)
	}
	stop()
	<-done
	n := placed.Load()
	if n == 0 || reads.Load() < 20 {
		t.Errorf("%d orders were placed and %d lists read meanwhile", n, reads.Load())
	}
	c.counts(t, first+n, 0)
	for _, name := range []string{"orders", "customers"} {
		if found := findings(t, program, name); len(found) > 0 {
			t.Errorf("%s: %+v", name, found)
		}
	}
	for _, row := range scan(t, &dynamodb.ScanInput{
		TableName: aws.String(stack.Outputs["ViewsTable"]), FilterExpression: aws.String("begins_with(pk, :old)"),
		ExpressionAttributeValues: item{
			":old": &dynamodbtypes.AttributeValueMemberS{Value: fmt.Sprintf("orders#%d#", before)},
		},
	}) {
		t.Errorf("left of the old generation is %v", row["pk"])
	}
}

// building waits until a view is being rebuilt and some of it is stored, or until it is not.
func building(t *testing.T, name string, want bool) {
	t.Helper()
	table := viewtable.New(stack.tables, stack.Outputs["ViewsTable"])
	eventually(t, fmt.Sprintf("%s is being built: %v", name, want), func() (bool, bool) {
		control, err := table.Control(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if control.Building == nil || !want {
			return control.Building != nil, !want && control.Building == nil
		}
		for entries, err := range table.Entries(t.Context(), name, 0, 1) {
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if e.Generation == control.BuildingGeneration() {
					return true, true
				}
			}
		}
		return true, false
	})
}

// breakRow writes another number of lines into a row, as no projector would.
func breakRow(t *testing.T, pk string) {
	t.Helper()
	key := item{
		"pk": &dynamodbtypes.AttributeValueMemberS{Value: pk}, "sk": &dynamodbtypes.AttributeValueMemberS{Value: "row"},
	}
	got, err := stack.tables.GetItem(
		t.Context(),
		&dynamodb.GetItemInput{
			TableName: aws.String(stack.Outputs["ViewsTable"]), Key: key, ConsistentRead: aws.Bool(true),
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	data, ok := got.Item["data"].(*dynamodbtypes.AttributeValueMemberS)
	if !ok {
		t.Fatalf("there is no row %s", pk)
	}
	if !json.Valid([]byte(data.Value)) || !strings.Contains(data.Value, `"lineCount":1`) {
		t.Fatalf("the row is %s", data.Value)
	}
	data.Value = strings.Replace(data.Value, `"lineCount":1`, `"lineCount":77`, 1)
	if _, err := stack.tables.PutItem(
		t.Context(), &dynamodb.PutItemInput{TableName: aws.String(stack.Outputs["ViewsTable"]), Item: got.Item},
	); err != nil {
		t.Fatal(err)
	}
}
