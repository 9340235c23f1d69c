//go:build e2e

package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"orderflow/shared/kit/ident"
)

// An order lives on the command line alone, from its customer's registration to its delivery, with
// an amendment in between, and each command says what came of it. Meanwhile somebody watches the
// bus, and leaves nothing behind.
func TestCommandLine(t *testing.T) {
	t.Parallel()
	program := cli(t)
	run := func(want string, args ...string) string {
		t.Helper()
		out, failed := command(t, program, args...)
		if failed || !strings.Contains(out, want) {
			t.Fatalf("orderflow %q prints %s, want %q", args, out, want)
		}
		return out
	}
	word := func(text string, n int) string { return strings.TrimRight(strings.Fields(text)[n], ":,") }
	name, sku := "cli-"+ident.New(), newStock(t, 5)
	seen := watchBus(t, program)

	run("registered", "customers", "register", name, "--name", "Test Person", "--email", name+"@example.com")
	account := word(run("EUR 0.00", "accounts", "open", "--customer", name, "--currency", "EUR"), 1)
	run("a balance of EUR 100.00", "accounts", "deposit", account, "--amount", "EUR 100.00")
	run("on sale", "products", "set", sku, "--price", "EUR 12.50")
	run("5 on hand, 5 available", "stock", "show", sku)
	order := word(run(
		"placed, EUR 25.00", "orders", "place", "--customer", name, "--currency", "EUR", "--line", sku+"=2",
		"--recipient", "Ada Lovelace", "--line1", "12 St James's Square", "--postal-code", "SW1Y 4LB",
		"--city", "London", "--country", "GB",
	), 1)
	run("order.confirmed", "orders", "watch", order, "--until", "confirmed", "--timeout", "1m")
	run("confirmed, EUR 37.50", "orders", "amend", order, "--quantity", "0=3")
	run("EUR 62.50", "accounts", "show", account)
	eventually(t, "the end of the execution, after its last event", func() (string, bool) {
		out, _ := command(t, program, "saga", "show", order)
		return out, strings.Contains(out, "SUCCEEDED")
	})
	run(order, "saga", "list", "--status", "SUCCEEDED", "--limit", "1000")
	_, shown, _ := strings.Cut(run("  shipment ", "orders", "show", order), "  shipment ")
	parcel := word(shown, 0)
	run("dispatched", "shipments", "dispatch", parcel)
	run("delivered", "shipments", "deliver", parcel)
	run("order.delivered", "orders", "watch", order, "--timeout", "1m")
	run("2 on hand, 2 available and 0 reserved", "stock", "show", sku)

	seen("order.placed", "order.amended", "order.confirmed", "order.delivered", "order/"+order)
}

// watchBus watches the bus. seen waits until words have come, and ends it: nothing of it is left
// then.
func watchBus(t *testing.T, program string) (seen func(words ...string)) {
	t.Helper()
	cmd := exec.CommandContext(
		t.Context(), program, "--stack", stack.Stack, "events", "tail",
		"--type", "order.placed,order.amended,order.confirmed,order.delivered",
	)
	folder := t.TempDir()
	out, hints := keeps(t, filepath.Join(folder, "out")), keeps(t, filepath.Join(folder, "hints"))
	cmd.Stdout, cmd.Stderr = out, hints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	holds := func(f *os.File, words ...string) {
		t.Helper()
		eventually(t, f.Name()+" with "+strings.Join(words, ", "), func() (string, bool) {
			text, err := os.ReadFile(f.Name())
			if err != nil {
				t.Fatal(err)
			}
			for _, word := range words {
				if !strings.Contains(string(text), word) {
					return string(text), false
				}
			}
			return string(text), true
		})
	}
	holds(hints, "Listening")
	return func(words ...string) {
		t.Helper()
		holds(out, words...)
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the end of a tail: %v", err)
		}
		prefix := aws.String(stack.Stack + "-tail-")
		rules, err := eventbridge.NewFromConfig(stack.config).ListRules(t.Context(), &eventbridge.ListRulesInput{
			EventBusName: aws.String(stack.Outputs["BusName"]), NamePrefix: prefix,
		})
		if err != nil || len(rules.Rules) > 0 {
			t.Errorf("%v: %+v are left", err, rules)
		}
		queues, err := sqs.NewFromConfig(stack.config).ListQueues(
			t.Context(), &sqs.ListQueuesInput{QueueNamePrefix: prefix},
		)
		if err != nil || len(queues.QueueUrls) > 0 {
			t.Errorf("%v: %q are left", err, queues.QueueUrls)
		}
	}
}

// keeps is a file that is written until the test ends.
func keeps(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}
