//go:build e2e

// Package console_test tries the operators' console of a deployed stack in a real browser. Whatever
// the browser reports as an error, a script that fails or something that the content policy keeps
// out, fails the test, and so does what axe-core finds on a page.
package console_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"orderflow/cmd/orderflow/deployment"
	"orderflow/cmd/orderflow/shop"
)

// patience is how long a test waits for what the stack does by itself.
const patience = 60 * time.Second

// root is the module's, from here.
var root = filepath.Join("..", "..")

// screens is where the screenshots go. They are kept.
var screens = filepath.Join(root, ".local", "console")

// tools is where the Makefile puts a browser, where one comes as a package for the machine, and
// axe-core.
var tools = filepath.Join(root, ".tools", "console")

// chromium is what the browser is called: the pinned one, or one that is installed.
var chromium = []string{
	filepath.Join(tools, "bin", "chromium"), "chromium", "chromium-browser", "google-chrome-stable", "google-chrome",
}

// stack is the deployment under test, and an operator of it.
type stack struct {
	*deployment.Deployment
	*shop.Client
	console, token string
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
	return stack{d, shop.New(api, token), api + "/console", token}
}

// browser is a tab.
type browser struct {
	*testing.T
	ctx     context.Context
	axe     string
	refused sync.Map // statuses of pages that a test asks for and the console refuses
}

func open(t *testing.T, more ...chromedp.ExecAllocatorOption) *browser {
	t.Helper()
	axe, err := os.ReadFile(filepath.Join(tools, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatalf("make test-console installs axe-core: %v", err)
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(program(t)),
		chromedp.WindowSize(1280, 900), chromedp.UserDataDir(t.TempDir()), chromedp.DisableGPU,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(patience))
	options = append(options, more...)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // Chromium has none for root
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	b := &browser{T: t, ctx: ctx, axe: string(axe)}
	b.do()
	messages := chromedp.Console(ctx)
	var reading sync.WaitGroup
	reading.Go(func() {
		for said, err := range messages {
			if err != nil {
				return // the browser is closed
			}
			if b.expected(said.Text) {
				continue
			}
			t.Errorf("the browser reported %s: %s %s:%d", said.Type, said.Text, said.URL, said.Line)
		}
	})
	t.Cleanup(func() {
		cancel()
		reading.Wait()
	})
	return b
}

// expects says that the console will refuse what the test asks for, which the browser reports.
func (b *browser) expects(status int) { b.refused.Store(fmt.Sprintf("status of %d ", status), true) }

func (b *browser) expected(text string) (known bool) {
	b.refused.Range(func(status, _ any) bool {
		known = strings.Contains(text, status.(string))
		return !known
	})
	return known
}

// program finds the browser.
func program(t *testing.T) string {
	t.Helper()
	for _, name := range chromium {
		found, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if found, err = filepath.Abs(found); err == nil {
			return found
		}
	}
	t.Skipf("no browser comes as a package for this machine, and none is installed: looked for %s",
		strings.Join(chromium, ", "))
	return ""
}

// do carries steps out, and stops the test where one can't be within the test's patience.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if len(steps) == 0 {
		ctx = b.ctx // opens the tab, which lives as long
	}
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.Fatalf("%v; the page is %s", err, b.text("body"))
	}
}

// reads is a script for what people read of an element; "" where there is none. A part of a drawing
// has no innerText.
const reads = "((e) => e?.innerText ?? e?.textContent ?? '')(document.querySelector(%q))"

// text is what people read of an element; "" where there is none.
func (b *browser) text(selector string) string {
	b.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](
		fmt.Sprintf(reads, selector)))
	if err != nil {
		b.Fatal(err)
	}
	return text
}

// shows waits until an element says something. Between two pages there may be none.
func (b *browser) shows(selector, want string) {
	b.Helper()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	end := time.Now().Add(patience)
	for text := ""; !strings.Contains(text, want); <-look.C {
		if time.Now().After(end) {
			b.Fatalf("%s doesn't say %q; the page is %s", selector, want, b.text("body"))
		}
		var err error
		text, err = chromedp.Run(b.ctx, chromedp.Evaluate[string](
			fmt.Sprintf(reads, selector)))
		if err != nil && b.ctx.Err() != nil {
			b.Fatal(err)
		}
	}
}

// themes are those that a system may ask pages for.
var themes = []string{"light", "dark"}

// check has axe-core look at the page in both themes, at a desk and on a phone, and takes a picture
// of each.
func (b *browser) check(name string) {
	b.Helper()
	if err := os.MkdirAll(screens, 0o750); err != nil {
		b.Fatal(err)
	}
	for _, theme := range themes {
		for size, width := range map[string]int64{"desk": 1280, "phone": 390} {
			b.do(b.looks(theme), chromedp.EmulateViewport(width, 900))
			picture, err := chromedp.Run(b.ctx, chromedp.FullScreenshot(100))
			if err != nil {
				b.Fatal(err)
			}
			file := filepath.Join(screens, strings.Join([]string{name, size, theme}, "-")+".png")
			if err := os.WriteFile(file, picture, 0o600); err != nil {
				b.Fatal(err)
			}
			for _, found := range b.violations() {
				b.Errorf("%s, %s, %s: %s", name, size, theme, found)
			}
			wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](
				"document.documentElement.scrollWidth > document.documentElement.clientWidth"))
			if err != nil || wide {
				b.Errorf("%s, %s: the page is wider than the screen, %v", name, size, err)
			}
		}
	}
	b.do(chromedp.ResetViewport())
}

// looks has the system ask for a theme, and for nothing that moves.
func (b *browser) looks(theme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"},
			},
		})
		return err
	})
}

// audit is what axe-core looks for: WCAG 2.2, levels A and AA, and its own good practice.
const audit = `axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) =>
	r.violations.map((v) => [v.id, v.help, ...v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200))].join(" | ")))`

// violations is what axe-core finds.
func (b *browser) violations() []string {
	b.Helper()
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](
		"(() => {"+b.axe+"\nreturn "+audit+"})()", chromedp.EvalAwaitPromise))
	if err != nil {
		b.Fatal(err)
	}
	return found
}
