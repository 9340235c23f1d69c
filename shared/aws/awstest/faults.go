package awstest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"orderflow/shared/kit/ident"
)

// proxyWait is how long the proxy may take to start, and to answer what it is told.
const proxyWait = 30 * time.Second

// clientHeader tells one client's requests from another's.
const clientHeader = "X-Faults-Client"

// Proxy is microburst between clients and Endpoint: it answers with AWS's own errors on the wire,
// and breaks connections, as it is told.
type Proxy struct{ endpoint string }

// StartProxy starts a proxy that ends with the test. Its random choices begin with seed.
func StartProxy(t testing.TB, seed int) *Proxy {
	t.Helper()
	root := checkout(t)
	var log bytes.Buffer
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, filepath.Join(
		root, ".tools", "faults", "bin", "python",
	), // #nosec G204 -- a program of this checkout
		filepath.Join(root, "infra", "local", "faults.py"), Endpoint(t), strconv.Itoa(seed))
	command.Stderr = &log
	stdin, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatalf("the proxy for faults does not start, which make tools installs: %v", err)
	}
	overdue := time.AfterFunc(proxyWait, cancel)
	endpoint, err := bufio.NewReader(stdout).ReadString('\n')
	overdue.Stop()
	t.Cleanup(func() {
		// It ends with its input; what it still does for a client that has gone is nobody's any
		// more.
		overdue := time.AfterFunc(proxyWait, cancel)
		closed := stdin.Close()
		ended := command.Wait()
		overdue.Stop()
		cancel()
		if closed != nil || ended != nil {
			t.Errorf("the proxy for faults ends with %v, %v: %s", closed, ended, log.String())
		}
	})
	if err != nil {
		t.Fatalf("the proxy for faults does not say where it is: %v", err)
	}
	return &Proxy{endpoint: strings.TrimSpace(endpoint)}
}

// checkout is the directory of the module.
func checkout(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	for err == nil {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("no go.mod above the working directory")
		}
		dir = filepath.Dir(dir)
	}
	t.Fatal(err)
	return ""
}

// Fault is what happens to requests. Of several faults the first that fits a request, and whose
// chance falls on it, happens. Its JSON is microburst's.
type Fault struct {
	Operation string `json:"operation,omitempty"` // of the API, as "PutItem"; "" for every one
	// a JMESPath expression that is true of the request's body; "" for every one
	Body        string  `json:"body,omitempty"`
	Times       int     `json:"times,omitempty"`       // how often it happens; 0 for without end
	Probability float64 `json:"probability,omitempty"` // 0 for always

	// answered in place of the service, which sees nothing of the request
	Error    *Error    `json:"error,omitempty"`
	Reset    bool      `json:"reset,omitempty"`    // the connection breaks, and the service sees nothing of the request
	Latency  int       `json:"latency,omitempty"`  // milliseconds before the request goes on to the service
	Response *Response `json:"response,omitempty"` // what becomes of the answer to a request that was carried out
}

// Error is an error of AWS.
type Error struct {
	Code   string         `json:"code"`
	Status int            `json:"status,omitempty"` // 0 for the one that AWS gives with it
	Fields map[string]any `json:"fields,omitempty"` // members besides the message
}

// Response is what is left of an answer.
type Response struct {
	// the connection breaks after this part of the body; 0 loses the answer
	AbortFrac    *float64 `json:"abort_frac,omitempty"`
	TruncateFrac float64  `json:"truncate_frac,omitempty"` // this part of the body is the whole
	CorruptBytes int      `json:"corrupt_bytes,omitempty"` // as many bytes of the body are others
}

// LostAnswer is the answer to a request that was carried out and whose connection broke before
// anything of it arrived.
func LostAnswer() *Response { return BrokenAnswer(0) }

// BrokenAnswer is an answer whose connection breaks after a part of the body.
func BrokenAnswer(part float64) *Response { return &Response{AbortFrac: aws.Float64(part)} }

// FaultyClient is one client's way through a proxy. What is injected meets its requests alone. It
// is safe for concurrent use.
type FaultyClient struct {
	proxy *Proxy
	name  string
}

// Client makes a way for a client.
func (p *Proxy) Client() *FaultyClient { return &FaultyClient{proxy: p, name: ident.New()} }

// Config is Config(t) with the proxy as its endpoint.
func (c *FaultyClient) Config(t testing.TB) aws.Config {
	t.Helper()
	cfg := Config(t)
	cfg.BaseEndpoint = aws.String(c.proxy.endpoint)
	cfg.APIOptions = append(cfg.APIOptions, smithyhttp.AddHeaderValue(clientHeader, c.name))
	return cfg
}

// own is a rule of microburst's for the requests of one client.
type own struct {
	Headers map[string]string `json:"headers"`
	*Fault
}

func (c *FaultyClient) headers() map[string]string { return map[string]string{clientHeader: c.name} }

// Inject lets these faults happen to the client's requests from now on, in place of those before.
func (c *FaultyClient) Inject(t testing.TB, faults ...Fault) {
	t.Helper()
	c.Heal(t)
	rules := make([]own, len(faults))
	for i := range faults {
		rules[i] = own{Headers: c.headers(), Fault: &faults[i]}
	}
	c.proxy.control(t, http.MethodPatch, rules, nil)
}

// Heal ends the client's faults.
func (c *FaultyClient) Heal(t testing.TB) {
	t.Helper()
	c.proxy.control(t, http.MethodDelete, []own{{Headers: c.headers()}}, nil)
}

// Happened tells how often each of the faults that were injected last has happened, in their order.
func (c *FaultyClient) Happened(t testing.TB) (times []int) {
	t.Helper()
	var rules []struct {
		Headers map[string]string `json:"headers"`
		Fired   int               `json:"fired_count"`
	}
	c.proxy.control(t, http.MethodGet, nil, &rules)
	for _, r := range rules {
		if r.Headers[clientHeader] == c.name {
			times = append(times, r.Fired)
		}
	}
	return times
}

// control asks the proxy for something about its rules.
func (p *Proxy) control(t testing.TB, method string, body, answer any) {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), proxyWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.endpoint+"/_microburst/rules", bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("the proxy for faults does not answer: %v", err)
	}
	defer func() { _ = res.Body.Close() }() // it was read to its end
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("the proxy for faults refuses %s %s: %s %s, %v", method, encoded, res.Status, got, err)
	}
	if answer != nil {
		if err := json.Unmarshal(got, answer); err != nil {
			t.Fatalf("the proxy for faults answers %s: %v", got, err)
		}
	}
}
