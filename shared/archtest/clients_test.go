package archtest

import (
	"go/ast"
	"strings"
	"testing"
)

// plainBodies: who configures clients of AWS gives them awsclient.PlainBodies. Without it they lose
// answers now and then.
func plainBodies(files []source) (found findings) {
	for _, f := range files {
		if f.isTest() || strings.Contains(f.text, "awsclient.PlainBodies") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "LoadDefaultConfig" {
				found.addf("%s:%d loads a configuration without awsclient.PlainBodies", f.name, f.line(n))
			}
			if lit, ok := n.(*ast.CompositeLit); ok {
				if s, ok := lit.Type.(*ast.SelectorExpr); ok && s.Sel.Name == "Config" {
					if of, ok := s.X.(*ast.Ident); ok && of.Name == "aws" {
						found.addf("%s:%d makes an aws.Config without awsclient.PlainBodies", f.name, f.line(n))
					}
				}
			}
			return true
		})
	}
	return found
}

func TestClients(t *testing.T) { wantNone(t, plainBodies(sources(t))) }

func TestClientsFinds(t *testing.T) {
	for name, tc := range map[string]struct{ file, text, want string }{
		"made":     {"x/x.go", "package x\nvar c = aws.Config{}", "x.go:2 makes an aws.Config"},
		"loaded":   {"x/x.go", "package x\nvar c, e = config.LoadDefaultConfig(nil)", "x.go:2 loads a configuration"},
		"with it":  {"x/x.go", "package x\nvar c = aws.Config{APIOptions: of(awsclient.PlainBodies)}", ""},
		"in tests": {"x/x_test.go", "package x\nvar c = aws.Config{}", ""},
		"another":  {"x/x.go", "package x\nvar c = huma.Config{}", ""},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, plainBodies([]source{parseSource(t, tc.file, tc.text)}), tc.want) })
	}
}

// started: every function is started by awsenv. Else the bill would lack what it asks of AWS.
func started(files []source) (found findings) {
	for _, f := range files {
		if within(f.dir(), "functions") && !f.isTest() && !strings.Contains(f.text, "awsenv.Start(") {
			found.addf("%s doesn't start with awsenv.Start", f.name)
		}
	}
	return found
}

func TestStarted(t *testing.T) { wantNone(t, started(sources(t))) }

func TestStartedFinds(t *testing.T) {
	for name, tc := range map[string]struct{ file, text, want string }{
		"another":     {"functions/f/main.go", "package main\nfunc main() { lambda.Start(f) }", "main.go doesn't start with"},
		"with it":     {"functions/f/main.go", "package main\nfunc main() { awsenv.Start(f) }", ""},
		"no function": {"cmd/x/main.go", "package main\nfunc main() {}", ""},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, started([]source{parseSource(t, tc.file, tc.text)}), tc.want) })
	}
}
