package archtest

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// wiringLines is the most that a main.go has: what grows beyond that is no wiring any more.
const wiringLines = 75

var verbNoun = regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)

// wiring: a function's main.go puts adapters and services together and decides nothing.
func wiring(files []source) (found findings) {
	for _, f := range files {
		if !within(f.dir(), "functions") {
			continue
		}
		if path.Base(f.name) != "main.go" {
			found.addf("%s: a function is its main.go alone", f.name)
			continue
		}
		if name := path.Base(f.dir()); !verbNoun.MatchString(name) {
			found.addf("%s: a function is named verb-noun", f.name)
		}
		if n := strings.Count(f.text, "\n"); n > wiringLines {
			found.addf("%s has %d lines, and may have %d", f.name, n, wiringLines)
		}
		// Without it slog writes text, in which neither Lambda nor the alarms' filters find a
		// level.
		if !strings.Contains(f.text, "awsenv.Logger()") {
			found.addf("%s doesn't set the log up", f.name)
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n.(type) {
			case *ast.IfStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt, *ast.ForStmt, *ast.RangeStmt:
				found.addf("%s:%d: wiring has no branches", f.name, f.line(n))
			}
			return true
		})
	}
	return found
}

// starts: no package compiles a pattern or a template before main. Each function that links the
// package would pay for it at every cold start, whether it needs it or not.
func starts(files []source) (found findings) {
	for _, f := range files {
		tool := slices.ContainsFunc(tools, func(dir string) bool { return within(f.dir(), dir) })
		if f.forTests() || tool {
			continue
		}
		for _, declaration := range f.ast.Decls {
			variables, ok := declaration.(*ast.GenDecl)
			if !ok || variables.Tok != token.VAR {
				continue
			}
			ast.Inspect(variables, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && strings.HasPrefix(s.Sel.Name, "Must") {
					if of, ok := s.X.(*ast.Ident); ok && slices.Contains(compilers, of.Name) {
						found.addf("%s:%d compiles before main: use sync.OnceValue", f.name, f.line(n))
					}
				}
				_, body := n.(*ast.FuncLit)
				return !body
			})
		}
	}
	return found
}

// tools are what no function links.
var tools = []string{"cmd", "infra", "shared/archtest", "shared/contract/catalog", "shared/contract/generate"}

// compilers are the packages whose Must… functions compile what they are given.
var compilers = []string{"regexp", "template", "html", "text"}

// heavy are packages that no function links, with the reason. The functions of a row may.
var heavy = map[string]struct {
	why string
	may []string
}{
	"text/template": {
		why: "the linker keeps every exported method then: it calls methods by name",
		may: []string{"serve-console"}, // which links no client of AWS
	},
	"html/template":                       {why: "as text/template", may: []string{"serve-console"}},
	"net/rpc":                             {why: "for Lambda's earlier Go runtime: build with infra/goflags"},
	"testing":                             {why: "for tests"},
	"net/http/httptest":                   {why: "for tests"},
	"github.com/aws/aws-sdk-go-v2/config": {why: "it links sso, sts and imds: use awsenv"},
	"github.com/santhosh-tekuri/jsonschema/v6": {why: "it takes milliseconds of each cold start: contract checks"},
	"go.yaml.in/yaml/v3":                       {why: "for tools"},
	"github.com/danielgtaylor/huma/v2": {
		why: "a third of a millisecond of each cold start, for who serves HTTP",
		may: []string{"accept-commands", "answer-operations", "answer-queries"},
	},
}

// TestFunctionsLinkLean: what a function links, it pays for at each cold start.
func TestFunctionsLinkLean(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Deps", "./functions/...")
	list.Dir = root
	list.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(readFile(t, "infra/goflags")))
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	functions := 0
	for d := json.NewDecoder(bytes.NewReader(out)); d.More(); functions++ {
		var f struct {
			ImportPath string
			Deps       []string
		}
		if err := d.Decode(&f); err != nil {
			t.Fatal(err)
		}
		name := path.Base(f.ImportPath)
		for _, dependency := range f.Deps {
			if h, is := heavy[dependency]; is && !slices.Contains(h.may, name) {
				t.Errorf("%s links %s: %s", name, dependency, h.why)
			}
		}
	}
	if functions < 10 {
		t.Errorf("only %d functions were listed", functions)
	}
}

// environment: a function's variables are those that its main.go reads through awsenv, no fewer and
// no more.
func environment(files []source, t template) (found findings) {
	read := map[string][]string{}
	for _, f := range files {
		if !within(f.dir(), "functions") {
			continue
		}
		name := path.Base(f.dir())
		read[name] = append(read[name], variables(f)...)
	}
	declared := map[string]bool{}
	for _, id := range t.ofType(serverlessFunction) {
		name := functionName(t, id)
		declared[name] = true
		if _, ok := read[name]; !ok {
			found.addf("%s: there is no functions/%s", id, name)
			continue
		}
		variables, _ := t.prop(id, "Environment", "Variables").(object)
		for v := range variables {
			if !slices.Contains(read[name], v) {
				found.addf("%s: %s is set and functions/%s/main.go doesn't read it", id, v, name)
			}
		}
		for _, v := range read[name] {
			if _, ok := variables[v]; !ok {
				found.addf("%s: functions/%s/main.go reads %s and it is not set", id, name, v)
			}
		}
	}
	for name := range read {
		if !declared[name] {
			found.addf("functions/%s is not in the template", name)
		}
	}
	return found
}

// functionName is the folder of the function's code.
func functionName(t template, id string) string {
	return path.Base(path.Clean(textAt(t.Resources[id].Properties, "CodeUri")))
}

// variables lists the environment variables that a file reads: literals in calls of awsenv and
// os.Getenv.
func variables(f source) (names []string) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		fun, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		of, ok := fun.X.(*ast.Ident)
		if !ok || of.Name != "awsenv" && (of.Name != "os" || fun.Sel.Name != "Getenv") {
			return true
		}
		if lit, ok := call.Args[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if name, err := strconv.Unquote(lit.Value); err == nil {
				names = append(names, name)
			}
		}
		return true
	})
	return names
}

func TestEnvironment(t *testing.T) { wantNone(t, environment(sources(t), mainTemplate(t))) }

func TestEnvironmentFinds(t *testing.T) {
	const code = `package main
import "orderflow/shared/aws/awsenv"
func main() { _ = awsenv.Env("EVENTS_TABLE") }`
	const function = `
Resources:
  DoIt:
    Type: AWS::Serverless::Function
    Properties: {CodeUri: functions/do-it/, Environment: {Variables: {`
	for name, tc := range map[string]struct{ variables, folder, want string }{
		"agrees":              {"EVENTS_TABLE: x", "do-it", ""},
		"set and not read":    {"EVENTS_TABLE: x, MORE: y", "do-it", "MORE is set"},
		"read and not set":    {"MORE: y", "do-it", "reads EVENTS_TABLE"},
		"no such folder":      {"EVENTS_TABLE: x", "do-that", "no functions/do-it"},
		"not in the template": {"EVENTS_TABLE: x", "do-that", "functions/do-that is not"},
	} {
		t.Run(name, func(t *testing.T) {
			files := []source{parseSource(t, "functions/"+tc.folder+"/main.go", code)}
			wantOne(t, environment(files, parseTemplate(t, function+tc.variables+"}}}")), tc.want)
		})
	}
}

// Each function has an event that it can be invoked with on a developer's machine, and each such
// event a function. What the calls come to is said of events that are there.
func TestInvocations(t *testing.T) {
	template := mainTemplate(t)
	var functions, samples []string
	for _, id := range template.ofType(serverlessFunction) {
		functions = append(functions, functionName(template, id))
	}
	files, err := filepath.Glob(filepath.Join(root, "events", "samples", "invoke", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		samples = append(samples, strings.TrimSuffix(filepath.Base(file), ".json"))
	}
	var outcomes map[string]struct{ Given []string }
	if err := json.Unmarshal([]byte(readFile(t, "events/samples/outcomes.json")), &outcomes); err != nil {
		t.Fatal(err)
	}
	said := map[string][]string{}
	for name, o := range outcomes {
		said[name] = o.Given
	}
	wantNone(t, invocations(functions, samples, said))
}

// invocations compares functions, the names of sample events, and those that an outcome names, each
// with the samples that it builds on.
func invocations(functions, samples []string, outcomes map[string][]string) (found findings) {
	for _, f := range functions {
		if !slices.Contains(samples, f) {
			found.addf("%s has no sample event of its name", f)
		}
	}
	for _, sample := range samples {
		if !slices.ContainsFunc(functions, func(f string) bool {
			return sample == f || strings.HasPrefix(sample, f+"-")
		}) {
			found.addf("the sample event %s is of no function", sample)
		}
	}
	for name, given := range outcomes {
		for _, sample := range append(given, name) {
			if !slices.Contains(samples, sample) {
				found.addf("outcomes.json names the sample event %s, which is not there", sample)
			}
		}
	}
	return found
}

func TestInvocationsFinds(t *testing.T) {
	functions := []string{"start-saga", "sweep-orders"}
	for name, tc := range map[string]struct {
		samples  []string
		outcomes map[string][]string
		want     string
	}{
		"as it is":              {samples: []string{"start-saga", "start-saga-undo", "sweep-orders"}},
		"a function without":    {samples: []string{"start-saga"}, want: "sweep-orders has no sample"},
		"a sample of none":      {samples: []string{"start-saga", "sweep-orders", "stop-saga"}, want: "stop-saga is of no"},
		"an outcome of nothing": {functions, map[string][]string{"gone": nil}, "event gone, which"},
		"one that builds on nothing": {
			functions, map[string][]string{"start-saga": {"gone"}}, "event gone, which",
		},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, invocations(functions, tc.samples, tc.outcomes), tc.want) })
	}
}
