//go:build e2e

package simulate_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"orderflow/cmd/orderflow/deployment"
)

// stack is the deployment that is lived in, on an emulator of this machine.
type stack struct {
	*deployment.Deployment
	api      string
	operator string // a token
	program  string // orderflow
	emulator int    // its process
	queues   *sqs.Client
}

// find finds the stack. Processes are killed and settings are changed, so that it has to be on an
// emulator, and on one of this machine.
func find(t *testing.T) *stack {
	t.Helper()
	endpoint, err := url.Parse(os.Getenv("ORDERFLOW_TEST_ENDPOINT"))
	if err != nil || endpoint.String() != os.Getenv("AWS_ENDPOINT_URL") ||
		!net.ParseIP(endpoint.Hostname()).IsLoopback() {
		t.Fatal("ORDERFLOW_TEST_ENDPOINT and AWS_ENDPOINT_URL have to name one emulator of this machine")
	}
	ctx := t.Context()
	found, err := deployment.Find(ctx, cmp.Or(os.Getenv("ORDERFLOW_STACK"), "orderflow-e2e"))
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{Deployment: found, queues: sqs.NewFromConfig(found.Config())}
	var errAPI, errToken, errPID error
	s.api, errAPI = found.APIURL()
	s.operator, errToken = found.OperatorToken(ctx)
	s.emulator, errPID = emulator(endpoint.Port())
	if err := errors.Join(errAPI, errToken, errPID); err != nil {
		t.Fatal(err)
	}
	s.program = filepath.Join(t.TempDir(), "orderflow")
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", s.program, "../../cmd/orderflow").
		CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return s
}

// emulator is the process of the emulator at a port, as infra/local/emulator.py keeps it.
func emulator(port string) (pid int, err error) {
	checkout, err := os.OpenRoot(filepath.Join("..", ".."))
	if err != nil {
		return 0, err
	}
	defer func() { _ = checkout.Close() }()
	text, err := checkout.ReadFile(filepath.Join(".local", "test-"+port, "emulator.pid"))
	if err == nil {
		pid, err = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	if err != nil || pid < 2 {
		return 0, fmt.Errorf("the emulator at port %s is not one of this checkout's tests: %w", port, err)
	}
	return pid, nil
}

// functions are the processes in which the emulator runs functions, with their names.
func (s *stack) functions() (names map[int]string, err error) {
	found, err := filepath.Glob("/proc/[0-9]*")
	names = map[int]string{}
	for _, path := range found {
		if pid, err := strconv.Atoi(filepath.Base(path)); err == nil && s.isFunction(pid) {
			names[pid] = s.functionOf(pid)
		}
	}
	return names, err
}

// functionOf is the name of a process's function, without the stack's; "" where it has ended.
func (s *stack) functionOf(pid int) string {
	environment, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return ""
	}
	for _, variable := range strings.Split(string(environment), "\x00") {
		if name, ok := strings.CutPrefix(variable, "AWS_LAMBDA_FUNCTION_NAME="); ok {
			return strings.TrimPrefix(name, s.Stack+"-")
		}
	}
	return ""
}

// isFunction reports whether a process is a function's: it is in the emulator's group, and runs
// what was deployed.
func (s *stack) isFunction(pid int) bool {
	stat, err1 := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	command, err2 := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	name, _, _ := bytes.Cut(command, []byte{0})
	_, behind, found := bytes.Cut(stat, []byte(") "))
	fields := bytes.Fields(behind) // state, parent, group
	return errors.Join(err1, err2) == nil && found && len(fields) > 2 && pid != s.emulator &&
		string(fields[2]) == strconv.Itoa(s.emulator) && filepath.Base(string(name)) == "bootstrap"
}

// kill kills a function's process as kill -9 does. The handle is the process's own: its number
// can't have become another one's between the look and the signal.
func (s *stack) kill(pid int) (killed bool, err error) {
	process, err := os.FindProcess(pid)
	if err != nil {
		return false, err
	}
	defer func() { _ = process.Release() }()
	if !s.isFunction(pid) {
		return false, nil // it has ended by itself
	}
	err = process.Kill()
	return err == nil, err
}

// mails is the queue of whom nobody hurries, kills, or waits for: who dies with a mail half sent
// leaves it to a person (decisions/0026), and who meets another's lease comes back after minutes.
const mails = "SendMailsQueueUrl"

// consumed are the stack's queues, by their outputs.
func (s *stack) consumed() map[string]string {
	queues := map[string]string{}
	for name, address := range s.Outputs {
		if strings.HasSuffix(name, "QueueUrl") && name != mails {
			queues[name] = address
		}
	}
	return queues
}

// hurry has what a killed function held come again within seconds, until the test ends.
func (s *stack) hurry(t *testing.T) {
	t.Helper()
	for _, address := range s.consumed() {
		const attribute = types.QueueAttributeNameVisibilityTimeout
		was, err := s.queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
			QueueUrl: &address, AttributeNames: []types.QueueAttributeName{attribute},
		})
		set := func(ctx context.Context, seconds string) error {
			_, err := s.queues.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{
				QueueUrl: &address, Attributes: map[string]string{string(attribute): seconds},
			})
			return err
		}
		if err := cmp.Or(err, set(t.Context(), "15")); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if err := set(ctx, was.Attributes[string(attribute)]); err != nil {
				t.Error(err)
			}
		})
	}
}

// waiting says how many messages wait in queues, or are being handled; nothing where none do.
func (s *stack) waiting(ctx context.Context) (where map[string]int, err error) {
	names := []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
	}
	where = map[string]int{}
	for name, address := range s.consumed() {
		got, err := s.queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &address, AttributeNames: names,
		})
		if err != nil {
			return nil, err
		}
		for _, attribute := range names {
			count, err := strconv.Atoi(got.Attributes[string(attribute)])
			if err != nil {
				return nil, err
			}
			if count > 0 {
				where[name] += count
			}
		}
	}
	return where, nil
}

// run runs orderflow against the stack, and gives what it prints, and its exit status.
func (s *stack) run(ctx context.Context, args ...string) (out []byte, status int, err error) {
	cmd := exec.CommandContext(ctx, s.program, append([]string{"--stack", s.Stack}, args...)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err = cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return out, exit.ExitCode(), fmt.Errorf("orderflow %s: %s", strings.Join(args, " "), said.String())
	}
	return out, 0, err
}

// request is one over HTTP.
type request struct {
	method, path, token string
	header              map[string]string
	body                any
}

// answer is what a request was answered.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// String is the status, and the code of a problem.
func (a answer) String() string {
	var problem struct {
		Code string `json:"code"`
	}
	_ = json.Unmarshal(a.body, &problem) // what is no problem has no code
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.status, problem.Code))
}

// send sends a request, and again while nobody says what came of it: a function may have been
// killed. That is what a key is for.
func (s *stack) send(ctx context.Context, r request) (a answer, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if a, err = s.sendOnce(ctx, r); err == nil && a.status < http.StatusInternalServerError {
			return a, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return a, fmt.Errorf("%s %s: %d %s, %w", r.method, r.path, a.status, a.body, cmp.Or(err, ctx.Err()))
		}
	}
}

func (s *stack) sendOnce(ctx context.Context, r request) (a answer, err error) {
	var body io.Reader
	if r.body != nil {
		content, err := json.Marshal(r.body)
		if err != nil {
			return a, err
		}
		body = bytes.NewReader(content)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, s.api+r.path, body)
	if err != nil {
		return a, err
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = res.Body.Close() }()
	a = answer{status: res.StatusCode, header: res.Header}
	a.body, err = io.ReadAll(res.Body)
	return a, err
}

// fetch reads something that is there.
func fetch[T any](ctx context.Context, s *stack, token, path string) (out T, header http.Header, err error) {
	a, err := s.send(ctx, request{method: http.MethodGet, path: path, token: token})
	if err == nil && a.status != http.StatusOK {
		err = fmt.Errorf("GET %s: %s", path, a)
	}
	if err == nil {
		err = json.Unmarshal(a.body, &out)
	}
	return out, a.header, err
}
