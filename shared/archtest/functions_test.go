package archtest

import (
	"go/ast"
	"go/token"
	"os"
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

// Each function has an event that it can be invoked with on a developer's machine.
func TestInvocations(t *testing.T) {
	template := mainTemplate(t)
	for _, id := range template.ofType(serverlessFunction) {
		file := path.Join("events", "samples", "invoke", functionName(template, id)+".json")
		if _, err := os.Stat(filepath.Join(root, file)); err != nil {
			t.Errorf("%s has no sample event: %v", id, err)
		}
	}
}
