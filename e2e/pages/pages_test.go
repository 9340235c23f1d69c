//go:build e2e

// Package pages_test runs the commands of the documentation's pages on a deployed stack, as people
// paste them.
package pages_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/archtest/page"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/money"
)

// root is the module's, from here.
var root = filepath.Join("..", "..")

// patience is how long a test waits for what the stack does by itself.
const patience = 60 * time.Second

// pastes is how long the commands of a page may take.
const pastes = 3 * time.Minute

// way is what a page needs besides a shop with an order that has arrived, and what it comes to.
type way struct {
	// fresh: the page makes its customer and its stock itself.
	fresh bool
	// quiet: the page compares all that there is, and so comes once nothing else is under way.
	quiet bool
	// audited: the page asks about what audit-events has audited.
	audited bool
	// instead is what the stack under test has in place of what the page names. Customers and SKUs
	// have other names everywhere, since all pages use one stack.
	instead map[string]string
	// comes is what the page's commands print, in this order.
	comes []string
	// problems is how many requests the API refuses, as the page says.
	problems int
}

var ways = map[string]way{
	"README.md": {fresh: true, problems: 2, comes: []string{
		`"onHand":5`, "order.price-changed", `"status":"confirmed"`, `"status":"delivered"`, `"status":"placed"`,
		"order.shipped", "order.dispatched", `"reason":"damaged"`, `"rateBasisPoints":500`, `"onHand":3`, `"onHand":8`,
		"turing@example.com", `"status":"dispatched"`, `"status":"delivered"`, `"erased":true`,
	}},
	"docs/tutorials/first-order.md": {fresh: true, comes: []string{
		"on sale", "EUR 100.00", "order.confirmed", "order.delivered", "SUCCEEDED", "EUR 39.98", "EUR 60.02",
		"order.cancelled", "cancelled", "stock.insufficient", "ReserveStock", "EUR 60.02",
	}},
	"docs/tutorials/own-consumer.md": {
		instead: map[string]string{
			"AnnounceArrivalsFunction": "FollowShipmentsFunction", "order arrived": "message done",
			"AnnounceArrivalsQueue": "FinishErasureQueue", "announce-arrivals": "finish-erasure",
		},
		comes: []string{"message done", "MessageId", "open"},
	},
	"docs/consumers.md":    {instead: map[string]string{"ReportArrivals": "FollowShipments"}, comes: []string{"message done"}},
	"docs/replay.md":       {instead: map[string]string{"my-consumer": "analyse-orders"}},
	"docs/howto/erase.md":  {instead: map[string]string{" erase ada": " erase ada --yes"}, comes: []string{"EUR"}},
	"docs/dead-letters.md": {comes: []string{"can never pass", "discarded"}},
	"docs/logs.md":         {comes: []string{"message done"}},
	"docs/products.md":     {comes: []string{`"withdrawn":true`, `"ratePpm":190000`}},
	"docs/sagas.md":        {comes: []string{"EUR 19.99 of EUR 39.98", "EUR 29.98 of EUR 39.98"}},
	"docs/verify.md":       {quiet: true},
	"docs/stock.md":        {quiet: true},
	"docs/audit.md":        {quiet: true, audited: true, comes: []string{"0 "}},
}

// TestPages pastes what each page tells people to type, but for what changes the checkout, asks for
// an account, or starts or ends a local AWS. Pages that nothing is said of begin with a shop.
func TestPages(t *testing.T) {
	t.Parallel()
	all, err := page.All(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	s := find(t)
	for _, name := range slices.Sorted(maps.Keys(ways)) {
		if len(page.Commands(all[name], page.Run)) == 0 {
			t.Errorf("%s has no commands to run", name)
		}
	}
	queue := s.soon(t, "FinishErasureQueueUrl")
	for _, quiet := range []bool{false, true} {
		t.Run(fmt.Sprintf("quiet=%t", quiet), func(t *testing.T) {
			for _, name := range slices.Sorted(maps.Keys(all)) {
				if blocks := page.Commands(all[name], page.Run); len(blocks) > 0 && ways[name].quiet == quiet {
					t.Run(name, func(t *testing.T) {
						t.Parallel()
						s.follow(t, blocks, ways[name], queue)
					})
				}
			}
		})
		s.discard(t)
	}
}

// stack is the deployment under test, with an operator of it, and the folder that people are in.
type stack struct {
	*deployment.Deployment
	*shop.Client
	folder string
}

func find(t *testing.T) stack {
	t.Helper()
	name := os.Getenv("ORDERFLOW_STACK")
	if name == "" {
		t.Fatal("ORDERFLOW_STACK is empty: it names the stack under test")
	}
	d, err := deployment.Find(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	api, err := d.APIURL()
	if err != nil {
		t.Fatal(err)
	}
	token, err := d.OperatorToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stack{d, shop.New(api, token), checkout(t)}
}

// checkout is a folder with the programs of a checkout.
func checkout(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	tools, err := filepath.Abs(filepath.Join(root, ".tools"))
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(
		t.Context(), "go", "build", "-buildvcs=false", "-o", filepath.Join(folder, "bin", "orderflow"),
		"orderflow/cmd/orderflow",
	).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Symlink(tools, filepath.Join(folder, ".tools")); err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(tools, "sam", "bin", "python")
	sam := "#!/bin/sh\nSAM_CLI_TELEMETRY=0 exec '" + python + "' -m samcli \"$@\"\n"
	if err := os.WriteFile(filepath.Join(folder, "bin", "sam"), []byte(sam), 0o700); err != nil {
		t.Fatal(err)
	}
	return folder
}

// follow pastes a page's commands, and looks at what they come to.
func (s stack) follow(t *testing.T, blocks []page.Block, w way, queue string) {
	t.Helper()
	id := ident.New()[:8]
	names := named(id, s.Stack, w.instead)
	customer, sku := names("ada"), names("BOOK-1")
	given := ""
	if !w.fresh {
		order, account := s.trade(t, customer, sku)
		given = readme(t) + fmt.Sprintf("ORDER=%s ACCOUNT=%s\n", order, account)
	}
	script := ""
	for _, b := range blocks {
		script += b.Text
	}
	if strings.Contains(script, "$ENTRY") {
		given += "ENTRY=" + s.deadLetter(t, queue, id) + "\n"
	}
	if w.audited {
		name := s.Stack + "-audit-events"
		out, err := lambda.NewFromConfig(s.Config()).Invoke(
			t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(`{}`)},
		)
		if err != nil || out.FunctionError != nil {
			t.Fatalf("%s: %v, %s", name, err, aws.ToString(out.FunctionError))
		}
	}
	if w.fresh { // no carrier of the stack under test takes what the page orders
		carried := names("ada")
		if strings.Contains(script, "--customer alan") {
			carried = names("alan")
		}
		s.carry(t, carried)
	}
	out := s.paste(t, "set -euo pipefail\n"+names(given+script))
	rest := out
	for _, want := range w.comes {
		want = names(want)
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("the page doesn't come to %q in\n%s", want, rest)
		}
		rest = after
	}
	if n := strings.Count(out, `"type":"urn:problem-type`); n != w.problems {
		t.Errorf("the API refuses %d requests of the page, want %d", n, w.problems)
	}
}

var (
	people   = regexp.MustCompile(`\b(?:ada|alan|grace)\b`)
	articles = regexp.MustCompile(`\b(?:BOOK|CUP)-\d+\b`)
	keys     = regexp.MustCompile(`(Idempotency-Key: |--key )(\w)`)
)

// named gives a page's commands the names that the stack under test has, and names of their own to
// its customers, SKUs and keys.
func named(id, stack string, instead map[string]string) func(string) string {
	pairs := []string{"orderflow-local", stack}
	for _, from := range slices.Sorted(maps.Keys(instead)) {
		pairs = append(pairs, from, instead[from])
	}
	replace := strings.NewReplacer(pairs...)
	return func(text string) string {
		text = people.ReplaceAllString(replace.Replace(text), "$0-"+id)
		return keys.ReplaceAllString(articles.ReplaceAllString(text, "$0-"+id), "${1}"+id+"-$2")
	}
}

// readme is what the other pages take from the README's walk-through: the tokens, and the two
// functions that send.
func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	walk := page.Commands(page.Blocks("README.md", string(text)), page.Run)
	head, _, found := strings.Cut(walk[0].Text, "\n\n")
	if !found || !strings.Contains(head, "as() {") {
		t.Fatalf("the README's walk-through begins with %s", head)
	}
	return strings.ReplaceAll(head, "alan", "ada") + "\n"
}

// paste runs a script in one shell, and gives what people see of it.
func (s stack) paste(t *testing.T, script string) string {
	t.Helper()
	api, err := s.APIURL()
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithTimeout(t.Context(), pastes)
	defer end()
	cmd := exec.CommandContext(ctx, "bash", "-c", script) // #nosec G204 -- of the page
	cmd.Dir, cmd.Env = s.folder, append(os.Environ(), "API="+api, "ORDERFLOW_STACK="+s.Stack)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return string(out)
}

// trade makes a shop of one article and one customer, whose order arrives.
func (s stack) trade(t *testing.T, customer, sku string) (order, account string) {
	t.Helper()
	ctx := t.Context()
	if err := s.RegisterCustomer(ctx, customer, "Ada Lovelace", "ada@example.com"); err != nil {
		t.Fatal(err)
	}
	account, err := s.OpenAccount(ctx, customer, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		s.Deposit(ctx, account, money.Money{Amount: 20_000, Currency: "EUR"}),
		s.ListProduct(ctx, sku, money.Money{Amount: 1999, Currency: "EUR"}), s.NewStock(ctx, sku, 50),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	placed, err := s.PlaceOrder(ctx, customer, "EUR", []shop.Line{{SKU: sku, Quantity: 2}}, shop.Address{
		Recipient: "Ada Lovelace", Line1: "Keizersgracht 1", PostalCode: "1015 CJ", City: "Amsterdam", Country: "NL",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.arrive(ctx, placed.ID); err != nil {
		t.Fatal(err)
	}
	return placed.ID, account
}

// carry delivers the first order of a customer, as the simulated carrier of make run does.
func (s stack) carry(t *testing.T, customer string) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.carries(ctx, customer) }()
	t.Cleanup(func() {
		end()
		if err := <-done; err != nil {
			t.Errorf("carry an order of %s: %v", customer, err)
		}
	})
}

func (s stack) carries(ctx context.Context, customer string) error {
	var first string
	if err := poll(ctx, func() (bool, error) {
		found, _, err := s.Orders(ctx, url.Values{"customer": {customer}, "limit": {"1"}})
		if err != nil || len(found) == 0 {
			return false, err
		}
		first = found[0].ID
		return true, nil
	}); err != nil {
		return err
	}
	return s.arrive(ctx, first)
}

// arrive waits until an order's parcel is packed, and has it dispatched and delivered.
func (s stack) arrive(ctx context.Context, order string) error {
	var parcel string
	if err := poll(ctx, func() (bool, error) {
		o, err := s.Order(ctx, order)
		if err != nil || o.Shipment == nil {
			return false, err
		}
		parcel = o.Shipment.ID
		var is struct {
			Status string `json:"status"`
		}
		answer, err := s.Get(ctx, shop.Path("shipments", parcel), nil)
		if err == nil {
			err = json.Unmarshal(answer, &is)
		}
		return o.Status == "confirmed" && is.Status != "scheduled", err
	}); err != nil {
		return err
	}
	for _, step := range []string{"dispatch", "deliver"} {
		key := http.Header{"Idempotency-Key": {ident.New()}}
		if _, err := s.Send(ctx, http.MethodPost, shop.Path("shipments", parcel, step), key, nil); err != nil {
			return err
		}
	}
	return poll(ctx, func() (bool, error) {
		o, err := s.Order(ctx, order)
		return err == nil && o.Status == "delivered", err
	})
}

// poll asks until the answer is yes.
func poll(ctx context.Context, ask func() (bool, error)) error {
	look := time.NewTicker(200 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if yes, err := ask(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
	return fmt.Errorf("nothing within %s", patience)
}

// soon has what a consumer failed at come again after a second, for the test's time.
func (s stack) soon(t *testing.T, output string) (queue string) {
	t.Helper()
	queue, err := s.Output(output)
	if err != nil {
		t.Fatal(err)
	}
	queues := sqs.NewFromConfig(s.Config())
	const name = sqstypes.QueueAttributeNameVisibilityTimeout
	was, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{name},
	})
	if err != nil {
		t.Fatal(err)
	}
	set := func(ctx context.Context, seconds string) error {
		_, err := queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
			QueueUrl: &queue, Attributes: map[string]string{string(name): seconds},
		})
		return err
	}
	if err := set(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := set(context.WithoutCancel(t.Context()), was.Attributes[string(name)]); err != nil {
			t.Error(err)
		}
	})
	return queue
}

// consumer is that of the queue whose messages the pages' commands give up.
const consumer = "finish-erasure"

// deadLetter has a consumer give up what nobody can read, and waits for its entry.
func (s stack) deadLetter(t *testing.T, queue, mark string) (id string) {
	t.Helper()
	body := `{"mark":"` + mark + `"}`
	if _, err := sqs.NewFromConfig(s.Config()).SendMessage(
		t.Context(), &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: &body},
	); err != nil {
		t.Fatal(err)
	}
	if err := poll(t.Context(), func() (bool, error) {
		open, _, err := s.DeadLetters(t.Context(), url.Values{"consumer": {consumer}, "status": {"open"}})
		for _, e := range open {
			whole, err := s.Client.DeadLetter(t.Context(), e.ID)
			if err != nil {
				return false, err
			}
			if strings.Contains(string(whole.Message), mark) {
				id = e.ID
			}
		}
		return id != "", err
	}); err != nil {
		t.Fatal(err)
	}
	return id
}

// discard discards the entries that the pages' commands have left.
func (s stack) discard(t *testing.T) {
	t.Helper()
	open, _, err := s.DeadLetters(t.Context(), url.Values{"consumer": {consumer}, "status": {"open"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range open {
		if _, err := s.DiscardDeadLetter(t.Context(), e.ID, "of a page's commands"); err != nil {
			t.Error(err)
		}
	}
}
