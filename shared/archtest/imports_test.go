package archtest

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The packages that every other one may build on. They know nothing of orders.
var kit = []string{"shared/backoff", "shared/clock", "shared/decimal", "shared/es", "shared/faults", "shared/ident", "shared/inbox", "shared/money", "shared/personal"}

// The contexts, and the other contexts that each may know. Between contexts there are ids and ports; these few are values that both sides share.
var contexts = map[string][]string{
	"shared/account":  nil,
	"shared/customer": nil,
	"shared/order":    {"shared/product", "shared/shipment"}, // the offer, the address
	"shared/payment":  {"shared/account"},                    // one transaction over the attempt and the account
	"shared/product":  nil,
	"shared/request":  nil,
	"shared/shipment": nil,
	"shared/stock":    nil,
}

// Packages that stand between contexts, or beside them: they know contexts, and AWS no more than contexts do. Adapters are the only ones that know AWS.
var others = []string{"shared/adapter", "shared/analytics", "shared/archtest", "shared/audit", "shared/choreography", "shared/contract", "shared/deadletter", "shared/erasure", "shared/notification", "shared/poison", "shared/recount", "shared/replay", "shared/resume", "shared/saga", "shared/sweep", "shared/view"}

// The libraries that packages of the kit wrap, so that no other one has to know them.
var libraries = map[string]string{
	"shared/ident": "github.com/google/uuid",
}

// What the tests of kit and contexts use besides.
var testLibraries = []string{"pgregory.net/rapid", "github.com/google/go-cmp/", "github.com/bojanz/address"}

// What adapters' tests share: a real AWS to talk to, and the clients' settings that the functions have.
var testAdapters = []string{"shared/adapter/awstest", "shared/adapter/awsenv"}

// Implementations of es.Store, the only ones that may make a Head.
var stores = []string{"shared/es", "shared/es/memstore", "shared/adapter/dynamostore"}

// Names that say nothing of what is inside.
var emptyNames = []string{"types", "models", "utils", "common", "helpers", "util", "misc", "base"}

func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".") && first != module
}

func isAWS(importPath string) bool {
	return strings.HasPrefix(importPath, "github.com/aws/") || strings.HasPrefix(importPath, "github.com/awslabs/")
}

func inKit(dir string) bool {
	return slices.ContainsFunc(kit, func(k string) bool { return within(dir, k) })
}

// contextOf is the context that a folder belongs to, or "".
func contextOf(dir string) string {
	for c := range contexts {
		if within(dir, c) {
			return c
		}
	}
	return ""
}

func within(dir, of string) bool { return dir == of || strings.HasPrefix(dir, of+"/") }

// placed: every package under shared is one that the rules know where to put.
func placed(files []source) (found findings) {
	for _, f := range files {
		isOther := slices.ContainsFunc(others, func(o string) bool { return within(f.dir(), o) })
		if within(f.dir(), "shared") && contextOf(f.dir()) == "" && !isOther && !inKit(f.dir()) {
			found.addf("%s: is %s kit, a context or something else? This package's tables don't say", f.name, f.dir())
		}
	}
	return found
}

// domainImports: kit and contexts import the standard library, the kit, and what the table above names.
func domainImports(files []source) (found findings) {
	for _, f := range files {
		context := contextOf(f.dir())
		if context == "" && !inKit(f.dir()) {
			continue
		}
		for _, path := range f.imports() {
			own, ours := strings.CutPrefix(path, module+"/")
			switch {
			case libraries[f.dir()] != "" && strings.HasPrefix(path, libraries[f.dir()]):
			case isStandard(path), ours && inKit(own) && !forTests(own), ours && slices.Contains(contexts[context], own), ours && own == f.dir():
			case f.forTests() && ours && !strings.HasPrefix(own, "shared/adapter/"):
			case f.forTests() && slices.ContainsFunc(testLibraries, func(l string) bool { return strings.HasPrefix(path, l) }):
			default:
				found.addf("%s imports %s: kit and contexts import the standard library and each other as far as the table allows", f.name, path)
			}
		}
	}
	return found
}

// adapterImports: an adapter wraps one technology and doesn't know the others; nothing below shared knows an adapter, or AWS, unless it is one.
func adapterImports(files []source) (found findings) {
	for _, f := range files {
		if !within(f.dir(), "shared") || f.dir() == "shared/archtest" {
			continue
		}
		for _, path := range f.imports() {
			own, _ := strings.CutPrefix(path, module+"/")
			inAdapter := within(f.dir(), "shared/adapter")
			switch {
			case f.isTest() && slices.Contains(testAdapters, own):
			case inAdapter && strings.HasPrefix(own, "shared/adapter/") && !within(own, f.dir()) && !within(f.dir(), own):
				found.addf("%s imports %s: adapters don't know each other", f.name, path)
			case !inAdapter && strings.HasPrefix(own, "shared/adapter/"):
				found.addf("%s imports %s: only functions, commands and end-to-end tests wire adapters", f.name, path)
			case !inAdapter && isAWS(path):
				found.addf("%s imports %s: AWS is for adapters", f.name, path)
			}
		}
	}
	return found
}

// heads: es.StoreHead is called by stores alone, and by tests and packages for tests (named …test) that stand in for one, so that a Head can't be made up.
func heads(files []source) (found findings) {
	for _, f := range files {
		if slices.Contains(stores, f.dir()) || f.forTests() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "StoreHead" {
				found.addf("%s:%d uses es.StoreHead: a Head comes from a store", f.name, f.line(n))
			}
			return true
		})
	}
	return found
}

func packageNames(files []source) (found findings) {
	for _, f := range files {
		if slices.Contains(emptyNames, strings.TrimSuffix(f.ast.Name.Name, "_test")) {
			found.addf("%s: package %s says nothing of what is inside", f.name, f.ast.Name.Name)
		}
	}
	return found
}

// lineRule: what a line comes to is computed in one place. Who multiplies a price elsewhere forgets a discount.
func lineRule(files []source) (found findings) {
	for _, f := range files {
		if f.forTests() || f.dir() == "shared/money" || f.name == "shared/order/line.go" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "Times" {
				found.addf("%s:%d multiplies an amount: what a line comes to is order.Line.Amount", f.name, f.line(n))
			}
			return true
		})
	}
	return found
}

// declaredFaults lists the codes of all calls of faults.Declare outside of tests. A code that is not a literal can't be found by people either.
func declaredFaults(files []source) (codes []string, found findings) {
	for _, f := range files {
		if f.isTest() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 2 {
				return true
			}
			fun, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || fun.Sel.Name != "Declare" {
				return true
			}
			if of, ok := fun.X.(*ast.Ident); !ok || of.Name != "faults" {
				return true
			}
			if lit, ok := call.Args[1].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if code, err := strconv.Unquote(lit.Value); err == nil {
					codes = append(codes, code)
					return true
				}
			}
			found.addf("%s:%d: the code of a fault is written out", f.name, f.line(n))
			return true
		})
	}
	return codes, found
}

func TestSources(t *testing.T) {
	files := sources(t)
	if len(files) < 20 {
		t.Fatalf("only %d sources were found", len(files))
	}
	for name, rule := range sourceRules {
		t.Run(name, func(t *testing.T) { wantNone(t, rule(files)) })
	}
}

var sourceRules = map[string]func([]source) findings{
	"placed":          placed,
	"domain imports":  domainImports,
	"adapter imports": adapterImports,
	"heads":           heads,
	"package names":   packageNames,
	"line rule":       lineRule,
	"wiring":          wiring,
	"times":           times,
	"fault codes": func(files []source) findings {
		_, found := declaredFaults(files)
		return found
	},
}

func TestSourceRulesFind(t *testing.T) {
	for name, tc := range map[string]struct {
		rule, file, text, want string
	}{
		"a context knows AWS":        {"domain imports", "shared/stock/x.go", `package stock; import _ "github.com/aws/aws-sdk-go-v2/aws"`, "imports github.com/aws"},
		"a context knows a library":  {"domain imports", "shared/stock/x.go", `package stock; import _ "pgregory.net/rapid"`, "imports pgregory.net/rapid"},
		"a context knows another":    {"domain imports", "shared/stock/x.go", `package stock; import _ "orderflow/shared/order"`, "imports orderflow/shared/order"},
		"the kit knows a context":    {"domain imports", "shared/es/x.go", `package es; import _ "orderflow/shared/order"`, "imports orderflow/shared/order"},
		"a context's test, AWS":      {"domain imports", "shared/stock/x_test.go", `package stock; import _ "github.com/aws/aws-sdk-go-v2/aws"`, "imports github.com/aws"},
		"a context's test, an ally":  {"domain imports", "shared/stock/x_test.go", `package stock; import _ "pgregory.net/rapid"`, ""},
		"order knows addresses":      {"domain imports", "shared/order/x.go", `package order; import _ "orderflow/shared/shipment"`, ""},
		"a store of the kit, AWS":    {"domain imports", "shared/es/memstore/x.go", `package memstore; import _ "github.com/aws/aws-sdk-go-v2/aws"`, "imports github.com/aws"},
		"the kit knows its suite":    {"domain imports", "shared/es/x.go", `package es; import _ "orderflow/shared/es/estest"`, "imports orderflow/shared/es/estest"},
		"the kit's suite, rapid":     {"domain imports", "shared/es/estest/x.go", `package estest; import _ "pgregory.net/rapid"`, ""},
		"a package out of place":     {"placed", "shared/things/x.go", `package things`, "is shared/things kit, a context"},
		"a context in its place":     {"placed", "shared/order/x.go", `package order`, ""},
		"adapters know each other":   {"adapter imports", "shared/adapter/queue/x.go", `package queue; import _ "orderflow/shared/adapter/stream"`, "don't know each other"},
		"an adapter's test helper":   {"adapter imports", "shared/adapter/queue/x_test.go", `package queue; import _ "orderflow/shared/adapter/awstest"`, ""},
		"an adapter, AWS":            {"adapter imports", "shared/adapter/queue/x.go", `package queue; import _ "github.com/aws/aws-sdk-go-v2/aws"`, ""},
		"a view knows AWS":           {"adapter imports", "shared/view/orders/x.go", `package orders; import _ "github.com/aws/aws-sdk-go-v2/aws"`, "AWS is for adapters"},
		"a view knows an adapter":    {"adapter imports", "shared/view/orders/x.go", `package orders; import _ "orderflow/shared/adapter/viewtable"`, "wire adapters"},
		"a head made up":             {"heads", "shared/order/x.go", `package order; import "orderflow/shared/es"; var h = es.StoreHead("a/b", 1, 1, "")`, "x.go:1 uses es.StoreHead"},
		"a store makes heads":        {"heads", "shared/adapter/dynamostore/x.go", `package dynamostore; import "orderflow/shared/es"; var h = es.StoreHead("a/b", 1, 1, "")`, ""},
		"a time read by Go":          {"times", "shared/order/x.go", `package order; var t, _ = time.Parse(time.RFC3339, "")`, "x.go:1 reads a time"},
		"a time of a form of one's":  {"times", "cmd/orderflow/x.go", `package main; var t, _ = time.ParseInLocation("2006-01-02 15:04", "", nil)`, "reads a time"},
		"a time by a constant":       {"times", "cmd/orderflow/x.go", `package main; var t, _ = time.Parse(layout, "")`, "reads a time"},
		"a duration read by Go":      {"times", "cmd/orderflow/x.go", `package main; var t, _ = time.ParseDuration("")`, "reads a duration"},
		"a parameter that is a time": {"times", "shared/adapter/httpapi/x.go", "package httpapi; type in struct { A time.Time `query:\"a\"` }", "parameter of type time.Time"},
		"a date":                     {"times", "cmd/orderflow/x.go", `package main; var t, _ = time.Parse(time.DateOnly, ""); var u, _ = time.Parse("20060102", "")`, ""},
		"the one parser":             {"times", "shared/clock/x.go", `package clock; var t, _ = time.Parse(time.RFC3339, "")`, ""},
		"a price multiplied":         {"line rule", "shared/stock/x.go", "package stock; var a = b.Times(2)", "multiplies"},
		"the rule itself":            {"line rule", "shared/order/line.go", "package order\nvar a, err = price.Times(2)", ""},
		"an empty name":              {"package names", "shared/utils/x.go", `package utils`, "package utils"},
		"a code that is computed":    {"fault codes", "shared/order/x.go", `package order; import "orderflow/shared/faults"; var e = faults.Declare(faults.Rule, "order."+x)`, "written out"},
		"a branch in the wiring":     {"wiring", "functions/do-it/main.go", "package main\nfunc main() {\n\tif true {\n\t}\n}", "main.go:3"},
		"a loop in the wiring":       {"wiring", "functions/do-it/main.go", "package main\nfunc main() {\n\tfor {\n\t}\n}", "main.go:3"},
		"wiring that is too long":    {"wiring", "functions/do-it/main.go", "package main\nfunc main() {}\n" + strings.Repeat("\n", 80), "lines"},
		"a second file of wiring":    {"wiring", "functions/do-it/more.go", "package main", "main.go alone"},
		"wiring that is all right":   {"wiring", "functions/do-it/main.go", "package main\nfunc main() { awsenv.Logger() }\n", ""},
		"wiring without a log":       {"wiring", "functions/do-it/main.go", "package main\nfunc main() {}\n", "log"},
		"a function's name, no verb": {"wiring", "functions/orders/main.go", "package main\nfunc main() {}\n", "verb-noun"},
	} {
		t.Run(name, func(t *testing.T) {
			wantOne(t, sourceRules[tc.rule]([]source{parseSource(t, tc.file, tc.text)}), tc.want)
		})
	}
}
