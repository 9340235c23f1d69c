package notification

import (
	"bytes"
	"embed"
	"flag"
	"fmt"
	"go/format"
	html "html/template"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	text "text/template"
	"text/template/parse"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var generate = flag.Bool("generate", false, "write rendered.go instead of comparing with it")

//go:embed templates
var files embed.FS

// pair is a kind's templates. One that names a field that there is not can't be parsed.
type pair struct {
	html *html.Template
	text *text.Template
}

// parsed reads a kind's templates, and lets html/template put its escapers into them.
func parsed(t *testing.T, k Kind) pair {
	t.Helper()
	names := func(suffix string) []string {
		return []string{"templates/layout" + suffix, "templates/lines" + suffix, "templates/" + string(k) + suffix}
	}
	p := pair{
		html: html.Must(html.New("").ParseFS(files, names(".html")...)),
		text: text.Must(text.New("").ParseFS(files, names(".txt")...)),
	}
	if err := p.html.ExecuteTemplate(io.Discard, "layout", shown{}); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestRendered: rendered.go is the templates as Go, so that no function links the template
// packages, with which the linker keeps every exported method of the program.
func TestRendered(t *testing.T) {
	var b bytes.Buffer
	b.WriteString("// Code generated from templates by go generate; DO NOT EDIT.\n\npackage notification\n\n" +
		"import (\n\"strconv\"\n\"strings\"\n)\n\n" +
		"// rendered makes the parts of a mail, or ok is false for a kind that there is not.\n" +
		"func rendered(k Kind, s shown) (subject, text, html string, ok bool) {\nswitch k {\n")
	for _, k := range kinds {
		_, _ = fmt.Fprintf(&b, "case %q:\nreturn subject%s(s), text%[2]s(s), html%[2]s(s), true\n", k, exported(k))
	}
	b.WriteString("}\nreturn \"\", \"\", \"\", false\n}\n")
	for _, k := range kinds {
		p := parsed(t, k)
		asText := func(name string) *parse.Tree { return p.text.Lookup(name).Tree }
		asHTML := func(name string) *parse.Tree { return p.html.Lookup(name).Tree }
		for _, part := range []struct {
			function, template string
			tree               func(string) *parse.Tree
		}{{"subject", "subject", asText}, {"text", "layout", asText}, {"html", "layout", asHTML}} {
			_, _ = fmt.Fprintf(&b, "\nfunc %s%s(s shown) string {\nvar w strings.Builder\n", part.function, exported(k))
			w := writer{t: t, out: &b, tree: part.tree, escapes: part.function == "html"}
			w.list(part.tree(part.template).Root, value{"s", reflect.TypeFor[shown]()})
			w.flush()
			b.WriteString("return w.String()\n}\n")
		}
	}
	made, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatalf("%v\n%s", err, b.Bytes())
	}
	if *generate {
		if err := os.WriteFile("rendered.go", made, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile("rendered.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, made) {
		t.Error("rendered.go is out of date: go generate ./shared/process/notification")
	}
}

// exported is a kind as part of a Go name.
func exported(k Kind) string {
	words := strings.Split(string(k), "-")
	for i, w := range words {
		words[i] = strings.ToUpper(w[:1]) + w[1:]
	}
	return strings.Join(words, "")
}

// value is a Go expression and its type.
type value struct {
	expression string
	of         reflect.Type
}

// writer makes Go statements of a template's nodes. A node that it doesn't know fails the test.
type writer struct {
	t       *testing.T
	out     *bytes.Buffer
	tree    func(name string) *parse.Tree
	escapes bool            // each text has an escaper
	literal strings.Builder // text that is not written yet
	depth   int
}

func (w *writer) flush() {
	if w.literal.Len() > 0 {
		_, _ = fmt.Fprintf(w.out, "w.WriteString(%q)\n", w.literal.String())
		w.literal.Reset()
	}
}

func (w *writer) list(nodes *parse.ListNode, dot value) {
	w.t.Helper()
	if nodes == nil {
		return
	}
	for _, n := range nodes.Nodes {
		switch n := n.(type) {
		case *parse.TextNode:
			w.literal.Write(n.Text)
		case *parse.ActionNode:
			w.flush()
			_, _ = fmt.Fprintf(w.out, "w.WriteString(%s)\n", w.pipe(n.Pipe, dot))
		case *parse.TemplateNode:
			if w.value(n.Pipe.Cmds[0].Args[0], dot) != dot {
				w.t.Fatalf("%s: a template is given dot alone", n)
			}
			// html/template keeps a copy for another context to itself. In a title it differs in
			// the escaper's name alone.
			name, context, copied := strings.Cut(n.Name, "$")
			if copied && context != "htmltemplate_stateRCDATA_elementTitle" {
				w.t.Fatalf("%s: a template stands in a context that is not known here", n)
			}
			w.list(w.tree(name).Root, dot)
		case *parse.IfNode:
			w.block(&n.BranchNode, dot, "if %s != \"\" {\n", dot)
		case *parse.WithNode:
			w.block(&n.BranchNode, dot, "if %s != \"\" {\n", w.value(n.Pipe.Cmds[0].Args[0], dot))
		case *parse.RangeNode:
			w.depth++
			of := w.value(n.Pipe.Cmds[0].Args[0], dot).of
			if of.Kind() != reflect.Slice {
				w.t.Fatalf("%s: a range is over a list", n)
			}
			element := value{fmt.Sprintf("e%d", w.depth), of.Elem()}
			w.block(&n.BranchNode, dot, "for _, "+element.expression+" := range %s {\n", element)
			w.depth--
		default:
			w.t.Fatalf("%s: a template can't have that", n)
		}
	}
}

// block writes a statement of one condition around a list, in which dot is another.
func (w *writer) block(n *parse.BranchNode, dot value, statement string, inside value) {
	w.t.Helper()
	if n.ElseList != nil || len(n.Pipe.Cmds) != 1 || len(n.Pipe.Cmds[0].Args) != 1 {
		w.t.Fatalf("%s: a condition is one value, without an else", n)
	}
	condition := w.value(n.Pipe.Cmds[0].Args[0], dot)
	if n.NodeType != parse.NodeRange && condition.of.Kind() != reflect.String {
		w.t.Fatalf("%s: a condition is a text", n)
	}
	w.flush()
	_, _ = fmt.Fprintf(w.out, statement, condition.expression)
	w.list(n.List, inside)
	w.flush()
	w.out.WriteString("}\n")
}

// alike are html/template's escapers that make the same of a plain text: of an element's content, a
// title, and a quoted attribute.
var alike = []string{"_html_template_htmlescaper", "_html_template_rcdataescaper", "_html_template_attrescaper"}

// pipe is the text of a value, escaped as html/template says.
func (w *writer) pipe(p *parse.PipeNode, dot value) string {
	w.t.Helper()
	v := w.value(p.Cmds[0].Args[0], dot)
	made := v.expression
	switch v.of.Kind() {
	case reflect.String:
	case reflect.Int64:
		return "strconv.FormatInt(" + made + ", 10)"
	default:
		w.t.Fatalf("%s: a value is a text or a number", p)
	}
	if w.escapes != (len(p.Cmds) > 1) {
		w.t.Fatalf("%s: a text of HTML is escaped, and no other", p)
	}
	for _, c := range p.Cmds[1:] {
		if len(c.Args) != 1 || !slices.Contains(alike, c.Args[0].String()) {
			w.t.Fatalf("%s: not an escaper that is known here", c)
		}
		made = "escaped(" + made + ")"
	}
	return made
}

func (w *writer) value(n parse.Node, dot value) value {
	w.t.Helper()
	switch n := n.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		f, ok := dot.of.FieldByName(n.Ident[0])
		if !ok || len(n.Ident) != 1 {
			w.t.Fatalf("%s: there is no such field", n)
		}
		return value{dot.expression + "." + f.Name, f.Type}
	}
	w.t.Fatalf("%s: a value is dot or a field of it", n)
	return value{}
}

// What is made is what the template packages make, whatever stands in the content.
func TestRenderedAsTheTemplates(t *testing.T) {
	texts := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
		"", "<b>&'\"+\x00", "</title><script>", "a\u2028b", "\ufffe", "{{.Shop}}", "\xff", "&amp;", "`", "\u00a0",
	}))
	templates := map[Kind]pair{}
	for _, k := range kinds {
		templates[k] = parsed(t, k)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.Custom(func(t *rapid.T) shown {
			s := shown{}
			fill(t, reflect.ValueOf(&s).Elem(), texts)
			return s
		}).Draw(t, "shown")
		for _, k := range kinds {
			var want [3]strings.Builder
			for i, err := range []error{
				templates[k].text.ExecuteTemplate(&want[0], "subject", s),
				templates[k].text.ExecuteTemplate(&want[1], "layout", s),
				templates[k].html.ExecuteTemplate(&want[2], "layout", s),
			} {
				if err != nil {
					t.Fatal(i, err)
				}
			}
			subject, text, html, ok := rendered(k, s)
			if diff := cmp.Diff(
				[]string{want[0].String(), want[1].String(), want[2].String()}, []string{subject, text, html},
			); diff != "" || !ok {
				t.Fatalf("%s (-templates +rendered):\n%s", k, diff)
			}
		}
	})
}

func fill(t *rapid.T, v reflect.Value, texts *rapid.Generator[string]) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(texts.Draw(t, "text"))
	case reflect.Int64:
		v.SetInt(rapid.Int64().Draw(t, "number"))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 2).Draw(t, "length"), 2))
		for i := range v.Len() {
			fill(t, v.Index(i), texts)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), texts)
		}
	default:
		t.Fatalf("a field of type %s", v.Type())
	}
}
