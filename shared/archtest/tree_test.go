package archtest

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.yaml.in/yaml/v3"
)

const module = "orderflow"

// root is the module's directory, seen from this package's.
const root = "../.."

// findings are what a rule has to say, one line each.
type findings []string

func (f *findings) addf(format string, args ...any) { *f = append(*f, fmt.Sprintf(format, args...)) }

// wantNone fails the test with each finding.
func wantNone(t *testing.T, got findings) {
	t.Helper()
	slices.Sort(got)
	for _, g := range slices.Compact(got) {
		t.Error(g)
	}
}

// wantOne fails the test unless one of the findings contains want; with an empty want, unless there
// is none.
func wantOne(t *testing.T, got findings, want string) {
	t.Helper()
	if want == "" {
		wantNone(t, got)
		return
	}
	if !slices.ContainsFunc(got, func(g string) bool { return strings.Contains(g, want) }) {
		t.Errorf("no finding contains %q; got %q", want, got)
	}
}

// source is one Go file.
type source struct {
	name string // slash path from the module's root
	ast  *ast.File
	fset *token.FileSet
	text string
}

func (s source) dir() string  { return path.Dir(s.name) }
func (s source) isTest() bool { return strings.HasSuffix(s.name, "_test.go") }

// forTests says whether a file is a test, or of a package that only tests use, which is named
// …test.
func (s source) forTests() bool { return s.isTest() || forTests(s.dir()) }

func forTests(dir string) bool { return strings.HasSuffix(dir, "test") }

func (s source) imports() []string {
	paths := make([]string, 0, len(s.ast.Imports))
	for _, i := range s.ast.Imports {
		paths = append(paths, strings.Trim(i.Path.Value, `"`))
	}
	return paths
}

func (s source) line(n ast.Node) int { return s.fset.Position(n.Pos()).Line }

func newSource(name, text string) (source, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
	return source{name: name, ast: f, fset: fset, text: text}, err
}

func parseSource(t *testing.T, name, text string) source {
	t.Helper()
	s, err := newSource(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sources gives every Go file of the module. They are read once; rules don't change them.
func sources(t *testing.T) []source {
	t.Helper()
	all, err := readSources()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Folders that start with a dot are tools and build results.
var readSources = sync.OnceValues(func() (all []source, err error) {
	err = filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != root && strings.HasPrefix(d.Name(), ".") {
			return fs.SkipDir
		}
		if d.IsDir() || filepath.Ext(p) != ".go" {
			return nil
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		text, err := os.ReadFile(p) // #nosec G304,G122 -- of the tree itself
		if err != nil {
			return err
		}
		s, err := newSource(filepath.ToSlash(rel), string(text))
		all = append(all, s)
		return err
	})
	return all, err
})

// readFile reads a file by its path from the module's root.
func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name)) // #nosec G304 -- of the tree itself
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// object is a mapping of the template. CloudFormation's short forms are written out: !Ref X is
// {Ref: X}, !Sub s is {Fn::Sub: s}, and so on.
type object = map[string]any

// template is a CloudFormation or SAM template.
type template struct {
	Metadata   object
	Parameters map[string]object
	Rules      map[string]object
	Conditions map[string]object
	Mappings   map[string]map[string]object
	Globals    map[string]object
	Resources  map[string]resource
	Outputs    map[string]object
}

type resource struct {
	Type                string
	Condition           string
	DependsOn           any
	DeletionPolicy      string
	UpdateReplacePolicy string
	Metadata            object
	Properties          object
}

func parseTemplate(t *testing.T, text string) template {
	t.Helper()
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		t.Fatal(err)
	}
	value, err := plain(&node)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out template
	if err := json.Unmarshal(encoded, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// plain turns a node into maps, slices and scalars, and a CloudFormation tag into the mapping that
// it stands for.
func plain(n *yaml.Node) (any, error) {
	if n.Kind == yaml.DocumentNode {
		return plain(n.Content[0])
	}
	if tag, ok := strings.CutPrefix(n.Tag, "!"); ok && !strings.HasPrefix(tag, "!") {
		inner := *n
		inner.Tag = ""
		if n.Kind == yaml.ScalarNode {
			inner.Tag = "!!str"
		}
		value, err := plain(&inner)
		if tag != "Ref" && tag != "Condition" {
			tag = "Fn::" + tag
		}
		return object{tag: value}, err
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := object{}
		for i := 0; i < len(n.Content); i += 2 {
			value, err := plain(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[n.Content[i].Value] = value
		}
		return m, nil
	case yaml.SequenceNode:
		s := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			value, err := plain(c)
			if err != nil {
				return nil, err
			}
			s = append(s, value)
		}
		return s, nil
	default:
		var value any
		err := n.Decode(&value)
		return value, err
	}
}

// at follows keys into nested mappings; nil where one is missing.
func at(value any, keys ...string) any {
	for _, k := range keys {
		m, ok := value.(object)
		if !ok {
			return nil
		}
		value = m[k]
	}
	return value
}

func textAt(value any, keys ...string) string {
	s, _ := at(value, keys...).(string)
	return s
}

func numberAt(value any, keys ...string) float64 {
	n, _ := at(value, keys...).(float64)
	return n
}

// list is the value's items; a single value is a list of one, as in policies.
func list(value any) []any {
	switch v := value.(type) {
	case nil:
		return nil
	case []any:
		return v
	default:
		return []any{v}
	}
}

// target is the logical id that a !Ref or !GetAtt names, or "". An alias that SAM makes of a
// function (!Ref Function.Alias) counts as the function.
func target(value any) string {
	if ref := textAt(value, "Ref"); ref != "" {
		id, _, _ := strings.Cut(ref, ".")
		return id
	}
	id, _, _ := strings.Cut(textAt(value, "Fn::GetAtt"), ".")
	return id
}

// stackName is a physical name without the stack's name in front, or "" where that is not how it is
// made.
func stackName(value any) string {
	s := textAt(value, "Fn::Sub")
	for _, prefix := range []string{"${AWS::StackName}-", "${Prefix}-"} {
		if name, ok := strings.CutPrefix(s, prefix); ok {
			return name
		}
	}
	return ""
}

// ofType lists the resources of a type by their logical ids, in order.
func (t template) ofType(kind string) []string {
	var ids []string
	for id, r := range t.Resources {
		if r.Type == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// prop is a resource's property, or the one that Globals gives to functions.
func (t template) prop(id string, keys ...string) any {
	r := t.Resources[id]
	if v := at(r.Properties, keys...); v != nil {
		return v
	}
	if r.Type == serverlessFunction {
		return at(t.Globals["Function"], keys...)
	}
	return nil
}

// The types of resources that rules look for.
const (
	serverlessFunction = "AWS::Serverless::Function"
	serverlessMachine  = "AWS::Serverless::StateMachine"
	machineType        = "AWS::StepFunctions::StateMachine"
	lambdaMapping      = "AWS::Lambda::EventSourceMapping"
	queueType          = "AWS::SQS::Queue"
	queuePolicyType    = "AWS::SQS::QueuePolicy"
	tableType          = "AWS::DynamoDB::Table"
	roleType           = "AWS::IAM::Role"
	policyType         = "AWS::IAM::Policy"
	logGroupType       = "AWS::Logs::LogGroup"
	metricFilterType   = "AWS::Logs::MetricFilter"
	alarmType          = "AWS::CloudWatch::Alarm"
	ruleType           = "AWS::Events::Rule"
	scheduleType       = "AWS::Scheduler::Schedule"
	scheduleGroupType  = "AWS::Scheduler::ScheduleGroup"
	stackType          = "AWS::CloudFormation::Stack"
	routeType          = "AWS::ApiGatewayV2::Route"
	topicType          = "AWS::SNS::Topic"
	topicPolicyType    = "AWS::SNS::TopicPolicy"
)

func mainTemplate(t *testing.T) template { return parseTemplate(t, readFile(t, "template.yaml")) }

// nestedTemplates gives the templates of the stacks inside the stack, by their place in the tree,
// which is what a TemplateURL says.
func nestedTemplates(t *testing.T) map[string]template {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "infra", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates in infra: %v", err)
	}
	all := map[string]template{}
	for _, file := range files {
		name := path.Join("infra", filepath.Base(file))
		all[name] = parseTemplate(t, readFile(t, name))
	}
	return all
}

// inside gives the resources of the stacks inside the stack, as <stack>/<resource>. Where such a
// stack is given a text, that stands in place of its parameter; what refers to anything else is
// left as it is.
func inside(t template, nested map[string]template) template {
	all := template{Resources: map[string]resource{}}
	for _, stack := range t.ofType(stackType) {
		parameters, _ := t.prop(stack, "Parameters").(object)
		for id, r := range nested[textAt(t.prop(stack, "TemplateURL"))].Resources {
			r.Properties, _ = filled(r.Properties, parameters).(object)
			all.Resources[stack+"/"+id] = r
		}
	}
	return all
}

// filled is a value with the parameters that are plain texts put in.
func filled(value any, parameters object) any {
	switch v := value.(type) {
	case object:
		if text, ok := parameters[textAt(v, "Ref")].(string); ok {
			return text
		}
		m := object{}
		for key, inner := range v {
			m[key] = filled(inner, parameters)
		}
		if text := textAt(v, "Fn::Sub"); text != "" {
			for name, given := range parameters {
				if given, ok := given.(string); ok {
					text = strings.ReplaceAll(text, "${"+name+"}", given)
				}
			}
			m["Fn::Sub"] = text
		}
		return m
	case []any:
		s := make([]any, 0, len(v))
		for _, inner := range v {
			s = append(s, filled(inner, parameters))
		}
		return s
	default:
		return value
	}
}
