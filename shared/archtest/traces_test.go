package archtest

import (
	"go/ast"
	"strings"
	"testing"
)

// traces: whoever carries a traceparent carries the tracestate that came with it, as W3C Trace
// Context demands. What only looks at a trace is a Result; the console and the fixtures begin one.
func traces(files []source) (found findings) {
	for _, f := range files {
		if f.forTests() || f.dir() == "shared/inbound/console" || f.dir() == "shared/contract/catalog" {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			var names []string
			switch n := n.(type) {
			case *ast.TypeSpec:
				return n.Name.Name != "Result"
			case *ast.StructType:
				for _, field := range n.Fields.List {
					for _, name := range field.Names {
						names = append(names, name.Name)
					}
				}
			case *ast.CompositeLit:
				if of, ok := n.Type.(*ast.IndexExpr); ok && strings.HasSuffix(lastName(of.X), "Result") {
					return true
				}
				for _, element := range n.Elts {
					if pair, ok := element.(*ast.KeyValueExpr); ok {
						names = append(names, lastName(pair.Key))
					}
				}
			}
			all := " " + strings.Join(names, " ") + " "
			if strings.Contains(all, " Traceparent ") && !strings.Contains(all, " Tracestate ") {
				found.addf("%s:%d carries a traceparent without its tracestate", f.name, f.line(n))
			}
			return true
		})
	}
	return found
}

// lastName is the name that an expression is, without that of a package.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// The saga hands both on, in each task and message.
func TestSagaCarriesTracestate(t *testing.T) {
	machine := readFile(t, sagaFile)
	for _, form := range []string{
		`"X": "{% $X %}"`, `"X": "{% $exists($states.input.X) ? $states.input.X : '' %}"`, `'X': $X`,
		`$exists($states.input.X) ? {'X': {'DataType': 'String', 'StringValue': $states.input.X}} : {}`,
	} {
		parents := strings.Count(machine, strings.ReplaceAll(form, "X", "traceparent"))
		states := strings.Count(machine, strings.ReplaceAll(form, "X", "tracestate"))
		if parents == 0 || parents != states {
			t.Errorf("%s: %d of traceparent, %d of tracestate", form, parents, states)
		}
	}
}
