//go:build e2e

package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"orderflow/shared/kit/ident"
)

// steps are the blocks of a page that people paste into a shell.
var steps = regexp.MustCompile("(?s)\n```sh\n(.*?)```\n")

// executed waits until the order's execution has ended, shortly after its last step's event:
// whoever follows the tutorial watches the delivery meanwhile.
const executed = `until bin/orderflow saga show $ORDER | grep -q SUCCEEDED; do :; done
`

// TestFirstOrder pastes what the tutorial says into one shell, but for what starts and ends the
// local AWS. Its customer and its SKU have names of their own, since other tests use the stack too,
// and the first order is watched until it is confirmed: no carrier comes here.
func TestFirstOrder(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/tutorials/first-order.md")
	if err != nil {
		t.Fatal(err)
	}
	name, sku := ident.New(), "T-"+ident.New()
	script := "set -euo pipefail\n"
	for _, step := range steps.FindAllStringSubmatch(string(page), -1) {
		if !strings.HasPrefix(step[1], "make ") {
			script += strings.NewReplacer(
				"BOOK-1", sku, "customer ada ", "customer "+name+" ", "register ada ", "register "+name+" ",
			).Replace(step[1])
		}
	}
	script = strings.Replace(script, "watch $ORDER\n", "watch $ORDER --until confirmed\n"+executed, 1)
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "bin"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(cli(t), filepath.Join(folder, "bin", "orderflow")); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithTimeout(t.Context(), 2*time.Minute)
	defer end()
	cmd := exec.CommandContext(ctx, "bash", "-c", script)
	cmd.Dir, cmd.Env = folder, append(os.Environ(), "ORDERFLOW_STACK="+stack.Stack)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("%v", err)
	}
	rest := string(out)
	for _, want := range []string{
		"on sale", name, "EUR 100.00", "order.confirmed", "SUCCEEDED", "EUR 39.98", "EUR 60.02",
		"order.cancelled", "cancelled", "stock.insufficient", "ReserveStock", "EUR 60.02",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("the tutorial doesn't come to %q in\n%s", want, rest)
		}
		rest = after
	}
}
