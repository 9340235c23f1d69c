package archtest

import (
	"go/ast"
	"strings"
)

// times: shared/kit/clock alone reads times and durations. Go's own parsers take more than RFC 3339
// and a person's duration allow, and what one place takes another would refuse. A date alone,
// time.DateOnly, has no such doubt.
func times(files []source) (found findings) {
	for _, f := range files {
		if f.forTests() || f.dir() == "shared/kit/clock" || within(f.dir(), "e2e") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				switch {
				case calls(n, "time", "ParseDuration"):
					found.addf("%s:%d reads a duration: clock.ParseDuration does", f.name, f.line(n))
				case (calls(n, "time", "Parse") || calls(n, "time", "ParseInLocation")) && !isDateLayout(n.Args[0]):
					found.addf("%s:%d reads a time: clock.ParseTime does", f.name, f.line(n))
				}
			case *ast.Field:
				if n.Tag != nil && isParameter(n.Tag.Value) && isSelector(n.Type, "time", "Time") {
					found.addf(
						"%s:%d has a parameter of type time.Time: httpapi.Instant reads it as RFC 3339 has it", f.name,
						f.line(n),
					)
				}
			}
			return true
		})
	}
	return found
}

func calls(call *ast.CallExpr, of, name string) bool {
	return len(call.Args) > 0 && isSelector(call.Fun, of, name)
}

func isSelector(e ast.Expr, of, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == of
}

// isDateLayout knows time.DateOnly, and a literal without hours and minutes.
func isDateLayout(e ast.Expr) bool {
	lit, ok := e.(*ast.BasicLit)
	return isSelector(e, "time", "DateOnly") || ok && !strings.Contains(lit.Value, "15") &&
		!strings.Contains(lit.Value, "04")
}

func isParameter(tag string) bool {
	return strings.Contains(tag, `query:"`) || strings.Contains(tag, `path:"`) || strings.Contains(tag, `header:"`)
}
