package archtest

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// folder is a folder of shared with what its packages may import of the others. Each imports
// itself, the standard library, and what is named here.
type folder struct {
	name  string
	below []string // the folders that it may import
	plain bool     // no library, but for those that a package is there to wrap
	aws   bool     // its packages speak to AWS or are called by it
	apart bool     // its packages don't know each other
}

// The folders, from the bottom up. No arrow runs upward, and none between inbound and aws, which
// functions wire.
var folders = []folder{
	{name: "shared/kit", plain: true},
	{name: "shared/shop", below: []string{"kit"}, plain: true},
	{name: "shared/contract", below: []string{"kit", "shop"}},
	{name: "shared/read", below: []string{"kit", "shop", "contract"}},
	{name: "shared/process", below: []string{"kit", "shop", "contract", "read"}},
	{name: "shared/ops", below: []string{"kit", "shop", "contract", "read", "process"}},
	{
		name: "shared/inbound", below: []string{"kit", "shop", "contract", "read", "process", "ops"}, aws: true,
		apart: true,
	},
	{name: "shared/aws", below: []string{"kit", "shop", "contract", "read", "process", "ops"}, aws: true, apart: true},
	{
		name: "shared/archtest", below: []string{"kit", "shop", "contract", "read", "process", "ops", "inbound", "aws"},
		aws: true,
	},
}

// contexts are those of the shop that know another one. Between contexts there are ids and ports;
// these few are values that both sides share, or, of payment and refund, one transaction over the
// attempt and the account, or the attempt, the order and its payment.
var contexts = map[string][]string{
	"shared/shop/order":   {"shared/shop/product", "shared/shop/shipment"}, // the offer, the address
	"shared/shop/payment": {"shared/shop/account"},
	"shared/shop/refund":  {"shared/shop/order", "shared/shop/payment"},
}

// words are what all contexts speak in.
var words = []string{"shared/shop/goods", "shared/shop/money", "shared/shop/personal", "shared/shop/trail"}

// The libraries that packages of the kit wrap, so that no other one has to know them.
var libraries = map[string][]string{
	"shared/kit/ident":       {"github.com/google/uuid"},
	"shared/kit/dynamo":      {"github.com/aws/"},
	"shared/kit/awsclient":   {"github.com/aws/"},
	"shared/kit/dynamostore": {"github.com/aws/", "github.com/klauspost/compress/"},
	"shared/kit/inboxtable":  {"github.com/aws/"},
	"shared/kit/trace":       {"go.opentelemetry.io/otel/"},
	"shared/kit/otlp":        {"go.opentelemetry.io/otel/"},
}

// What tests use besides.
var testLibraries = []string{
	"pgregory.net/rapid", "github.com/google/go-cmp/", "github.com/bojanz/address", "go.opentelemetry.io/",
	"google.golang.org/protobuf/",
}

// What the tests of packages that speak to AWS share: one to talk to, and the clients' settings
// that the functions have.
var testAWS = []string{"shared/aws/awstest", "shared/aws/awsenv"}

// generator writes the templates, which the rules look into.
const generator = "infra/stack"

// Implementations of es.Store, the only ones that may make a Head.
var stores = []string{"shared/kit/es", "shared/kit/es/memstore", "shared/kit/dynamostore"}

// Names that say nothing of what is inside.
var emptyNames = []string{"types", "models", "utils", "common", "helpers", "util", "misc", "base"}

func isStandard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".") && first != module
}

func isAWS(importPath string) bool {
	return strings.HasPrefix(importPath, "github.com/aws/") || strings.HasPrefix(importPath, "github.com/awslabs/")
}

// folderOf is the folder of shared that a package belongs to; ok is false for what is in none.
func folderOf(dir string) (f folder, ok bool) {
	for _, f := range folders {
		if within(dir, f.name) {
			return f, true
		}
	}
	return folder{}, false
}

// contextOf is the context that a package belongs to, or "".
func contextOf(dir string) string {
	name, ok := strings.CutPrefix(dir, "shared/shop/")
	if !ok {
		return ""
	}
	name, _, _ = strings.Cut(name, "/")
	return "shared/shop/" + name
}

// packageOf is the folder that a package and those below it share.
func packageOf(f folder, dir string) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(dir, f.name+"/"), "/")
	return f.name + "/" + name
}

func within(dir, of string) bool { return dir == of || strings.HasPrefix(dir, of+"/") }

// placed: every package under shared is in one of its folders.
func placed(files []source) (found findings) {
	for _, f := range files {
		if _, ok := folderOf(f.dir()); !ok && within(f.dir(), "shared") {
			found.addf("%s: %s is in none of the folders of shared that the rules know", f.name, f.dir())
		}
	}
	return found
}

// imports: a folder's packages import what its row says. Tests, and packages that only tests use,
// may look at the other folders, but for what speaks to AWS.
func imports(files []source) (found findings) {
	for _, f := range files {
		in, ok := folderOf(f.dir())
		if !ok {
			continue
		}
		for _, path := range f.imports() {
			if own, ours := strings.CutPrefix(path, module+"/"); ours {
				found.object(f.name, path, ownImport(f, in, own))
			} else if !isStandard(path) {
				found.object(f.name, path, libraryImport(f, in, path))
			}
		}
	}
	return found
}

// object adds a finding where there is an objection to an import.
func (f *findings) object(name, path, objection string) {
	if objection != "" {
		f.addf("%s imports %s: %s", name, path, objection)
	}
}

// ownImport says what is wrong with an import of this module, "" where nothing is.
func ownImport(f source, in folder, own string) string {
	to, ok := folderOf(own)
	context, other := contextOf(f.dir()), contextOf(own)
	switch {
	case f.isTest() && slices.Contains(testAWS, own), in.name == "shared/archtest" && own == generator:
		return ""
	case !ok:
		return "shared builds on nothing outside of shared"
	case to.name == in.name && in.apart && packageOf(in, f.dir()) != packageOf(to, own):
		return "the packages of " + in.name + " don't know each other"
	case f.forTests() && !to.aws && in.below != nil:
		return ""
	case forTests(own) && !f.forTests():
		return "only tests import a package for tests"
	case context != "" && other != "" && context != other && !slices.Contains(words, other) &&
		!slices.Contains(contexts[context], other):
		return "contexts know of each other what the table allows"
	case to.name == in.name || slices.Contains(in.below, strings.TrimPrefix(to.name, "shared/")):
		return ""
	}
	return in.name + " may not import " + to.name
}

// libraryImport says what is wrong with an import from another module, "" where nothing is.
func libraryImport(f source, in folder, path string) string {
	has := func(prefixes []string) bool {
		return slices.ContainsFunc(prefixes, func(l string) bool { return strings.HasPrefix(path, l) })
	}
	switch {
	case has(libraries[f.dir()]), f.forTests() && has(testLibraries):
		return ""
	case isAWS(path) && !in.aws:
		return "AWS is for shared/aws, shared/inbound and the tables of the kit"
	case in.plain:
		return in.name + " needs the standard library alone"
	}
	return ""
}

// heads: es.StoreHead is called by stores alone, and by tests and packages for tests (named …test)
// that stand in for one, so that a Head can't be made up.
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

// lineRule: what a line comes to is computed in one place. Who multiplies a price elsewhere forgets
// a discount.
func lineRule(files []source) (found findings) {
	for _, f := range files {
		if f.forTests() || f.dir() == "shared/shop/money" || f.name == "shared/shop/order/line.go" {
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

// declaredFaults lists the codes of all calls of faults.Declare outside of tests. A code that is
// not a literal can't be found by people either.
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
	"placed":        placed,
	"imports":       imports,
	"heads":         heads,
	"package names": packageNames,
	"line rule":     lineRule,
	"wiring":        wiring,
	"starts":        starts,
	"times":         times,
	"traces":        traces,
	"fault codes": func(files []source) findings {
		_, found := declaredFaults(files)
		return found
	},
}

func TestSourceRulesFind(t *testing.T) {
	for name, tc := range map[string]struct {
		rule, file, text, want string
	}{
		"a context knows AWS": {
			"imports", "shared/shop/stock/x.go", `package stock; import _ "github.com/aws/aws-sdk-go-v2/aws"`,
			"imports github.com/aws",
		},
		"a context knows a library": {
			"imports", "shared/shop/stock/x.go", `package stock; import _ "pgregory.net/rapid"`,
			"imports pgregory.net/rapid",
		},
		"a context knows another": {
			"imports", "shared/shop/stock/x.go", `package stock; import _ "orderflow/shared/shop/order"`,
			"imports orderflow/shared/shop/order",
		},
		"the kit knows a context": {
			"imports", "shared/kit/es/x.go", `package es; import _ "orderflow/shared/shop/order"`,
			"imports orderflow/shared/shop/order",
		},
		"a context's test, AWS": {
			"imports", "shared/shop/stock/x_test.go", `package stock; import _ "github.com/aws/aws-sdk-go-v2/aws"`,
			"imports github.com/aws",
		},
		"a context's test, an ally": {
			"imports", "shared/shop/stock/x_test.go", `package stock; import _ "pgregory.net/rapid"`, "",
		},
		"order knows addresses": {
			"imports", "shared/shop/order/x.go", `package order; import _ "orderflow/shared/shop/shipment"`, "",
		},
		"a store of the kit, AWS": {
			"imports", "shared/kit/es/memstore/x.go", `package memstore; import _ "github.com/aws/aws-sdk-go-v2/aws"`,
			"imports github.com/aws",
		},
		"the kit knows its suite": {
			"imports", "shared/kit/es/x.go", `package es; import _ "orderflow/shared/kit/es/estest"`,
			"imports orderflow/shared/kit/es/estest",
		},
		"the kit's suite, rapid": {
			"imports", "shared/kit/es/estest/x.go", `package estest; import _ "pgregory.net/rapid"`, "",
		},
		"a package out of place": {"placed", "shared/things/x.go", `package things`, "in none of the folders"},
		"a context in its place": {"placed", "shared/shop/order/x.go", `package order`, ""},
		"an arrow upward": {
			"imports", "shared/contract/catalog/x.go", `package catalog; import _ "orderflow/shared/process/saga"`,
			"shared/contract may not import shared/process",
		},
		"an arrow upward, by a test": {
			"imports", "shared/contract/catalog/x_test.go", `package catalog; import _ "orderflow/shared/process/saga"`,
			"",
		},
		"an arrow at the top": {
			"imports", "shared/inbound/queue/x.go", `package queue; import _ "orderflow/shared/aws/viewtable"`,
			"shared/inbound may not import shared/aws",
		},
		"an arrow out of shared": {
			"imports", "shared/ops/audit/x.go", `package audit; import _ "orderflow/cmd/orderflow/shop"`,
			"nothing outside of shared",
		},
		"the kit's test, a context": {
			"imports", "shared/kit/es/x_test.go", `package es; import _ "orderflow/shared/shop/order"`,
			"shared/kit may not import shared/shop",
		},
		"a context and its words": {
			"imports", "shared/shop/stock/x.go", `package stock; import _ "orderflow/shared/shop/money"`, "",
		},
		"a context in two folders": {
			"imports", "shared/shop/stock/deep/x.go", `package deep; import _ "orderflow/shared/shop/stock"`, "",
		},
		"a part of an adapter": {
			"imports", "shared/inbound/httpapi/x.go",
			`package httpapi; import _ "orderflow/shared/inbound/httpapi/page"`, "",
		},
		"adapters know each other": {
			"imports", "shared/inbound/queue/x.go", `package queue; import _ "orderflow/shared/inbound/stream"`,
			"don't know each other",
		},
		"an adapter's test helper": {
			"imports", "shared/inbound/queue/x_test.go", `package queue; import _ "orderflow/shared/aws/awstest"`, "",
		},
		"an adapter, AWS": {
			"imports", "shared/inbound/queue/x.go", `package queue; import _ "github.com/aws/aws-sdk-go-v2/aws"`, "",
		},
		"a view knows AWS": {
			"imports", "shared/read/view/orders/x.go", `package orders; import _ "github.com/aws/aws-sdk-go-v2/aws"`,
			"AWS is for shared/aws",
		},
		"a view knows an adapter": {
			"imports", "shared/read/view/orders/x.go", `package orders; import _ "orderflow/shared/aws/viewtable"`,
			"shared/read may not import shared/aws",
		},
		"a head made up": {
			"heads", "shared/shop/order/x.go",
			`package order; import "orderflow/shared/kit/es"; var h = es.StoreHead("a/b", 1, 1, "")`,
			"x.go:1 uses es.StoreHead",
		},
		"a store makes heads": {
			"heads", "shared/kit/dynamostore/x.go",
			`package dynamostore; import "orderflow/shared/kit/es"; var h = es.StoreHead("a/b", 1, 1, "")`, "",
		},
		"a traceparent alone": {
			"traces", "shared/shop/order/x.go", `package order; var m = es.Metadata{Traceparent: "00"}`, "without",
		},
		"a type for a traceparent alone": {
			"traces", "shared/shop/order/x.go", `package order; type m struct { Traceparent string }`, "without",
		},
		"both of a trace": {
			"traces", "shared/shop/order/x.go", `package order; var m = es.Metadata{Traceparent: "00", Tracestate: ""}`, "",
		},
		"a time read by Go": {
			"times", "shared/shop/order/x.go", `package order; var t, _ = time.Parse(time.RFC3339, "")`,
			"x.go:1 reads a time",
		},
		"a time of a form of one's": {
			"times", "cmd/orderflow/x.go", `package main; var t, _ = time.ParseInLocation("2006-01-02 15:04", "", nil)`,
			"reads a time",
		},
		"a time by a constant": {
			"times", "cmd/orderflow/x.go", `package main; var t, _ = time.Parse(layout, "")`, "reads a time",
		},
		"a duration read by Go": {
			"times", "cmd/orderflow/x.go", `package main; var t, _ = time.ParseDuration("")`, "reads a duration",
		},
		"a parameter that is a time": {
			"times", "shared/inbound/httpapi/x.go", "package httpapi; type in struct { A time.Time `query:\"a\"` }",
			"parameter of type time.Time",
		},
		"a date": {
			"times", "cmd/orderflow/x.go",
			`package main; var t, _ = time.Parse(time.DateOnly, ""); var u, _ = time.Parse("20060102", "")`, "",
		},
		"the one parser": {
			"times", "shared/kit/clock/x.go", `package clock; var t, _ = time.Parse(time.RFC3339, "")`, "",
		},
		"a price multiplied": {
			"line rule", "shared/shop/stock/x.go", "package stock; var a = b.Times(2)", "multiplies",
		},
		"the rule itself": {
			"line rule", "shared/shop/order/line.go", "package order\nvar a, err = price.Times(2)", "",
		},
		"an empty name": {"package names", "shared/utils/x.go", `package utils`, "package utils"},
		"a code that is computed": {
			"fault codes", "shared/shop/order/x.go",
			`package order; import "orderflow/shared/kit/faults"; var e = faults.Declare(faults.Rule, "order."+x)`,
			"written out",
		},
		"a branch in the wiring": {
			"wiring", "functions/do-it/main.go", "package main\nfunc main() {\n\tif true {\n\t}\n}", "main.go:3",
		},
		"a loop in the wiring": {
			"wiring", "functions/do-it/main.go", "package main\nfunc main() {\n\tfor {\n\t}\n}", "main.go:3",
		},
		"wiring that is too long": {
			"wiring", "functions/do-it/main.go", "package main\nfunc main() {}\n" + strings.Repeat("\n", 80), "lines",
		},
		"a pattern before main": {
			"starts", "shared/shop/order/x.go", "package order\nvar p = regexp.MustCompile(`a`)", "x.go:2 compiles",
		},
		"a pattern when it is needed": {
			"starts", "shared/shop/order/x.go",
			"package order; var p = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`a`) })", "",
		},
		"a second file of wiring": {"wiring", "functions/do-it/more.go", "package main", "main.go alone"},
		"wiring that is all right": {
			"wiring", "functions/do-it/main.go", "package main\nfunc main() { awsenv.Logger() }\n", "",
		},
		"wiring without a log": {"wiring", "functions/do-it/main.go", "package main\nfunc main() {}\n", "log"},
		"a function's name, no verb": {
			"wiring", "functions/orders/main.go", "package main\nfunc main() {}\n", "verb-noun",
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantOne(t, sourceRules[tc.rule]([]source{parseSource(t, tc.file, tc.text)}), tc.want)
		})
	}
}
