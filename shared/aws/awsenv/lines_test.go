package awsenv_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orderflow/shared/kit/ident"
)

// Canaries: what no line may have. The first are secrets of a function's environment and of a
// request, the others are planted as a request's personal data.
var canaries = []string{"canary-secret-key", "canary-session", "canary-token", "Canary", "canary-person"}

const claims = `{"sub":"2f9c1c6e-8a53-4d0b-9d0e-5c1f3b7a6e21","username":"sample-ada","email":` +
	`"canary-person@example.com","scope":"aws.cognito.signin.user.admin","token_use":"access"}`

// requestOf is a request of a customer to the API, with their token.
func requestOf(method, route, path, body string) string {
	token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".canary-token"
	return fmt.Sprintf(
		`{"version":"2.0","routeKey":%q,"rawPath":%q,"headers":{"authorization":"Bearer %s","content-type":`+
			`"application/json","idempotency-key":"key-1","x-correlation-id":"till-7"},"requestContext":{"authorizer":`+
			`{"jwt":{"claims":%s,"scopes":[]}},"http":{"method":%q,"path":%q},"requestId":"r"},"body":%q}`,
		method+" "+route, path, token, claims, method, path, body,
	)
}

const (
	anOrder = "924a0ed6-c797-5b84-82cb-36e13b188d6c"
	placing = `{"currency":"EUR","lines":[{"sku":"OF-1","quantity":1}],"shippingAddress":` +
		`{"recipient":"Canary Lovelace","line1":"12 Canary Square","postalCode":"SW1Y 4LB","city":"Canary Wharf","country":"GB"}}`
)

// requests are further events, beside the samples.
var requests = map[string]string{
	"accept-commands-place":     requestOf("POST", "/orders", "/orders", placing),
	"accept-commands-broken":    requestOf("POST", "/orders", "/orders", strings.Replace(placing, `"GB"`, `"Canary"`, 1)),
	"accept-commands-unknown":   requestOf("POST", "/orders", "/orders", `{"Canary":"Canary"}`),
	"accept-commands-no-json":   requestOf("POST", "/orders", "/orders", `Canary`),
	"accept-commands-register":  requestOf("POST", "/customers", "/customers", `{"name":"Canary","email":"canary-person@example.com"}`),
	"accept-commands-bad-mail":  requestOf("POST", "/customers", "/customers", `{"name":"Canary","email":"canary-person"}`),
	"accept-commands-cancel":    requestOf("POST", "/orders/{id}/cancel", "/orders/"+anOrder+"/cancel", `{"reason":"Canary"}`),
	"accept-commands-path":      requestOf("POST", "/orders/{id}/cancel", "/orders/Canary/cancel", `{}`),
	"answer-queries-order":      requestOf("GET", "/orders/{id}", "/orders/"+anOrder, ""),
	"answer-queries-no-such":    requestOf("GET", "/orders/{id}", "/orders/Canary", ""),
	"answer-queries-no-route":   requestOf("GET", "/canary-person", "/canary-person", ""),
	"answer-operations-order":   requestOf("GET", "/orders/{id}/executions", "/orders/"+anOrder+"/executions", ""),
	"answer-operations-no-such": requestOf("GET", "/orders/{id}/executions", "/orders/Canary/executions", ""),
	"answer-queries-unreadable": `{"requestContext":{"http":{"method":"Canary","path":"Canary"}},"body":"Canary"}`,
}

// metrics are what the samples with these names are counted as.
var metrics = map[string]string{
	"analyse-orders": `"CloudWatchMetrics":[{"Namespace":"orderflow","Dimensions":[["Stack","service"]],"Metrics":` +
		`[{"Name":"OrdersPlaced","Unit":"Count"}]}]},"service":"order-service"}`,
}

// TestLines starts each function's own program, gives it its samples (events/samples/invoke) and
// requests with canaries, beside an AWS whose tables are empty, and reads what it writes: each line
// is JSON without a repeated name, has no canary, and where the event concerns an order has
// subject, order id, correlation id and, where there is one, trace id. Each
// function sends spans, which have no canary either.
func TestLines(t *testing.T) {
	if testing.Short() {
		t.Skip("builds all functions")
	}
	bin, endpoint := buildFunctions(t), "http://"+serve(t, answerAWS)
	events := map[string]string{}
	samples, err := filepath.Glob(filepath.Join(root, "events", "samples", "invoke", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range samples {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		events[strings.TrimSuffix(filepath.Base(file), ".json")] = string(text)
	}
	for name, event := range requests {
		events[name] = event
	}
	for _, function := range functionNames(t) {
		t.Run(function, func(t *testing.T) {
			collector := collectSpans(t)
			f := runLogged(t, filepath.Join(bin, function), endpoint, collector.address)
			invoked := false
			for name, event := range events {
				if name != function && !strings.HasPrefix(name, function+"-") {
					continue
				}
				invoked = true
				lines := f.call(t, event)
				if len(lines) == 0 {
					t.Errorf("%s writes nothing", name)
				}
				if want := metrics[name]; want != "" && !strings.Contains(strings.Join(lines, "\n"), want) {
					t.Errorf("%s doesn't write %s: %s", name, want, lines)
				}
				for _, line := range lines {
					if problem := ofLine(event, line); problem != "" {
						t.Errorf("%s: %s: %s", name, problem, line)
					}
				}
			}
			if !invoked {
				t.Errorf("%s has no sample", function)
			}
			sent := collector.take()
			for _, canary := range canaries {
				if strings.Contains(sent, canary) {
					t.Errorf("a span has the canary %s: %q", canary, sent)
				}
			}
			if sent == "" {
				t.Error("no invocation has a span")
			}
			if function == "accept-commands" && !strings.Contains(sent, "POST /orders/{id}/cancel") {
				t.Errorf("no span of a request: %q", sent)
			}
		})
	}
}

// spanCollector keeps what is sent to it. Protobuf leaves texts as they are.
type spanCollector struct {
	address string
	mu      sync.Mutex
	sent    strings.Builder
}

func collectSpans(t *testing.T) *spanCollector {
	t.Helper()
	c := &spanCollector{}
	c.address = serve(t, func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, _ = io.Copy(&c.sent, r.Body)
	})
	return c
}

func (c *spanCollector) take() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sent.String()
}

// logged is a function's process whose output is kept in a file: what it has written is there when
// it answers.
type logged struct {
	runtimeAPI
	out  string // the file
	read int    // how much of it was read
}

func (f *logged) take(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(f.out)
	if err != nil {
		t.Fatal(err)
	}
	text, f.read = text[f.read:], len(text)
	return string(text)
}

func runLogged(t *testing.T, file, endpoint, collector string) *logged {
	t.Helper()
	f := &logged{runtimeAPI: startRuntime(t), out: filepath.Join(t.TempDir(), "out")}
	out, err := os.Create(f.out)
	if err != nil {
		t.Fatal(err)
	}
	process := exec.CommandContext(t.Context(), file)
	process.Env = append(
		functionEnvironment(t, f.address), "AWS_ENDPOINT_URL="+endpoint, "AWS_SECRET_ACCESS_KEY=canary-secret-key",
		"AWS_SESSION_TOKEN=canary-session", "CUSTOMER_CLAIM=username", "OPERATOR_SCOPE=orderflow/operator",
		"TRACE_EXPORTER=otlp", "TRACE_ENDPOINT=http://"+collector+"/v1/traces", "TRACE_PERCENT=100",
	)
	process.Stdout, process.Stderr = out, out
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = process.Process.Kill()
		_ = process.Wait()
		_ = out.Close()
	})
	return f
}

// call gives the function an event and reads the lines that it writes until it has answered.
func (f *logged) call(t *testing.T, event string) []string {
	t.Helper()
	timeout := time.After(invocationTime + startTimeout)
	select {
	case f.events <- []byte(event):
	case <-timeout:
		t.Fatalf("doesn't poll: %s", f.take(t))
	}
	select {
	case <-f.answers:
	case <-timeout:
		t.Fatalf("doesn't answer: %s", f.take(t))
	}
	return strings.Split(strings.TrimSpace(f.take(t)), "\n")
}

// aboutNone are the lines about a run that looks for what there is to do.
var aboutNone = []string{"redrive done", "sweep done", "audit done", "audit fails"}

var (
	orderInEvent = regexp.MustCompile(
		`orderId\\*"\s*:\s*\\*"([^"\\]+)|(?:subject|stream)\\*"\s*:\s*(?:\{\s*\\*"S\\*"\s*:\s*)?\\*"order/([^"\\]+)`,
	)
	traceInEvent = regexp.MustCompile(`00-([0-9a-f]{32})-[0-9a-f]{16}-`)
)

// matches are the first groups that are there of a pattern in a text.
func matches(pattern *regexp.Regexp, text string) (found []string) {
	for _, groups := range pattern.FindAllStringSubmatch(text, -1) {
		for _, group := range groups[1:] {
			if group != "" {
				found = append(found, group)
			}
		}
	}
	return found
}

// ofLine says what is wrong with a line that a function writes when it gets an event, "" for
// nothing.
func ofLine(event, line string) string {
	for _, canary := range canaries {
		if strings.Contains(line, canary) {
			return "has the canary " + canary
		}
	}
	fields, repeated, err := decodeLine(line)
	switch {
	case err != nil:
		return "is no JSON: " + err.Error()
	case repeated != "":
		return "has twice " + repeated
	case fields["_aws"] != nil: // a metric
		return ""
	case fields["requestId"] == nil && strings.HasPrefix(fmt.Sprint(fields["message"]), `{"errorMessage":`):
		return "" // what the library of Lambda's runtime writes of a failure, beside our own line
	case fields["requestId"] != "request":
		return "lacks the request's id"
	}
	text := func(name string) string { value, _ := fields[name].(string); return value }
	if text("route") != "" {
		return ofRequest(event, text)
	}
	concerned := event
	if id := text("messageId"); id != "" {
		concerned = messageOf(event, id)
	}
	orders, traces := matches(orderInEvent, concerned), matches(traceInEvent, concerned)
	if several, ok := fields["orderIds"].([]any); ok && len(several) > 0 {
		return ""
	}
	switch {
	case len(orders) == 0, slices.Contains(aboutNone, text("message")):
		return ""
	case !slices.Contains(orders, text("orderId")):
		return fmt.Sprintf("has the order %q of %q", text("orderId"), orders)
	case text("subject") == "":
		return "lacks the subject"
	case text("correlationId") == "" && strings.Contains(strings.ToLower(concerned), "correlationid"):
		return "lacks the correlation id"
	case len(traces) > 0 && !slices.Contains(traces, text("traceId")):
		return fmt.Sprintf("has the trace %q of %q", text("traceId"), traces)
	}
	return ""
}

// ofRequest says what is wrong with the line of a request.
func ofRequest(event string, text func(string) string) string {
	switch {
	case text("correlationId") == "" || len(text("traceId")) != 32:
		return "lacks correlation id or trace id"
	case strings.Contains(event, "/orders/"+anOrder) &&
		(text("orderId") != anOrder || text("subject") != "order/"+anOrder):
		return "lacks the order of the path"
	case event == requests["accept-commands-place"] &&
		(!ident.Valid(text("orderId")) || text("subject") != "order/"+text("orderId")):
		return "lacks the order that is placed"
	}
	return ""
}

// messageOf is the part of a batch that is the message with that id.
func messageOf(event, id string) string {
	var batch struct {
		Records []json.RawMessage `json:"Records"`
	}
	if json.Unmarshal([]byte(event), &batch) == nil {
		for _, record := range batch.Records {
			if bytes.Contains(record, []byte(id)) {
				return string(record)
			}
		}
	}
	return event
}

// decodeLine reads a line, and says which name it has twice at the top.
func decodeLine(line string) (fields map[string]any, repeated string, err error) {
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		return nil, "", err
	}
	d, seen := json.NewDecoder(strings.NewReader(line)), map[string]bool{}
	if _, err = d.Token(); err != nil {
		return nil, "", err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, "", err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, "", err
		}
		if text := fmt.Sprint(name); seen[text] {
			repeated = text
		} else {
			seen[text] = true
		}
	}
	return fields, repeated, nil
}

func TestOfLineFinds(t *testing.T) {
	const event = `{"orderId":"o-1","correlationId":"c","traceparent":` +
		`"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}`
	const whole = `{"message":"m","requestId":"request","subject":"order/o-1","orderId":"o-1","correlationId":"c",` +
		`"traceId":"4bf92f3577b34da6a3ce929d0e0e4736"}`
	for name, tc := range map[string]struct{ line, want string }{
		"as it should be": {whole, ""},
		"no JSON":         {"oops", "is no JSON"},
		"a name twice":    {strings.Replace(whole, "{", `{"a":{"message":1},"message":"n",`, 1), "has twice message"},
		"a canary":        {strings.Replace(whole, `"m"`, `"of Canary"`, 1), "has the canary Canary"},
		"no request":      {strings.Replace(whole, `"request"`, `""`, 1), "lacks the request's id"},
		"another order":   {strings.Replace(whole, `"orderId":"o-1"`, `"orderId":"o-2"`, 1), "has the order"},
		"no order":        {strings.Replace(whole, `"orderId":"o-1",`, "", 1), "has the order"},
		"no subject":      {strings.Replace(whole, `"subject":"order/o-1",`, "", 1), "lacks the subject"},
		"no correlation":  {strings.Replace(whole, `"correlationId":"c",`, "", 1), "lacks the correlation id"},
		"no trace":        {strings.Replace(whole, `"traceId":"4`, `"traceId":"5`, 1), "has the trace"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ofLine(event, tc.line); got != tc.want && (tc.want == "" || !strings.HasPrefix(got, tc.want)) {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}
