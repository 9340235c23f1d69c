package archtest

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"

	"go.yaml.in/yaml/v3"

	"orderflow/shared/ops/audit"
	"orderflow/shared/read/view"
	"orderflow/shared/read/view/catalog"
)

// Stored events that nobody outside may see, each with the reason.
var unpublished = map[string]string{
	"order.parked":  "it has a task token, and whoever has that ends the wait",
	"stock.sharded": "it says between which rows pieces were moved, and changes no number that anybody sees",
}

var eventName = regexp.MustCompile(`^[a-z]+\.[a-z]+(-[a-z]+)*$`)

// row is an event type in one version, in the catalogue.
type row struct {
	Type    string
	Version int
	Status  string
	Source  string
	Schema  string
	Sample  string
}

func parseCatalogue(t *testing.T, text string) []row {
	t.Helper()
	var catalogue struct{ Events []row }
	if err := yaml.Unmarshal([]byte(text), &catalogue); err != nil {
		t.Fatal(err)
	}
	return catalogue.Events
}

// storedEvents lists the names that contexts register, with the place of each.
func storedEvents(files []source) map[string]string {
	all := map[string]string{}
	for _, f := range files {
		if contextOf(f.dir()) != f.dir() || f.isTest() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) != 3 {
				return true
			}
			generic, ok := call.Fun.(*ast.IndexExpr)
			if !ok {
				return true
			}
			fun, ok := generic.X.(*ast.SelectorExpr)
			if !ok || fun.Sel.Name != "Register" {
				return true
			}
			name := ""
			if lit, ok := call.Args[1].(*ast.BasicLit); ok {
				name, _ = strconv.Unquote(lit.Value)
			}
			all[name] = fmt.Sprintf("%s:%d", f.name, f.line(n))
			return true
		})
	}
	return all
}

// catalogued: every stored event is published under its name, and every row of the catalogue has a
// schema and a sample, of its own type and version.
func catalogued(stored map[string]string, rows []row, folder fs.FS) (found findings) {
	published, files := map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		published[r.Type] = published[r.Type] || r.Status != "read-only"
		for file, want := range map[string]string{
			r.Schema: fmt.Sprintf("schemas/%s/v%d.json", r.Type, r.Version),
			r.Sample: fmt.Sprintf("samples/%s/v%d.json", r.Type, r.Version),
		} {
			files[file] = true
			text, err := fs.ReadFile(folder, file)
			if file != want || err != nil || !json.Valid(text) {
				found.addf("%s version %d has no %s", r.Type, r.Version, want)
			}
		}
		if !eventName.MatchString(r.Type) {
			found.addf("%s isn't lower-case, dotted, context first", r.Type)
		}
	}
	for name, place := range stored {
		if name == "" {
			found.addf("%s: the name of an event is written out", place)
		} else if !published[name] && unpublished[name] == "" {
			found.addf("%s: %s has no row in the catalogue", place, name)
		}
	}
	for _, pattern := range []string{"schemas/*/*.json", "samples/*.*/*.json"} {
		there, err := fs.Glob(folder, pattern)
		if err != nil {
			found.addf("%v", err)
		}
		for _, file := range there {
			if !files[file] {
				found.addf("%s has no row in the catalogue", file)
			}
		}
	}
	return found
}

// canary is published, and no contract: the audit's own rule alone waits for it.
var canary = row{Type: audit.CanaryType, Version: 1, Source: audit.CanarySource}

// patterns: what rules wait for is what is published, from where it is published, and in one
// version of each type, also where several rules have one queue. A rule that names none would
// deliver each event twice on the day on which a second version is published.
func patterns(t template, rows []row) (found findings) {
	sources, versions := map[string]string{}, map[string][]string{}
	for _, r := range rows {
		if r.Status != "read-only" {
			sources[r.Type], versions[r.Type] = r.Source, append(versions[r.Type], strconv.Itoa(r.Version))
		}
	}
	taken := map[string]string{} // the version that a queue gets of a type
	for _, id := range t.ofType(ruleType) {
		if ofAWS(t, id) {
			continue
		}
		from, types := list(t.prop(id, "EventPattern", "source")), list(t.prop(id, "EventPattern", "detail-type"))
		if len(from) == 0 || len(types) == 0 {
			found.addf("%s doesn't say source and type", id)
		}
		wanted := map[string]bool{}
		for _, v := range list(t.prop(id, "EventPattern", "detail", "dataversion")) {
			wanted[fmt.Sprint(v)] = true
		}
		for _, name := range types {
			if source := sources[fmt.Sprint(name)]; source == "" || !slices.Contains(from, any(source)) {
				found.addf("%s waits for %v of %v, which nobody publishes", id, name, from)
				continue
			}
			matched := slices.DeleteFunc(
				slices.Clone(versions[fmt.Sprint(name)]), func(v string) bool { return !wanted[v] },
			)
			if len(matched) != 1 {
				found.addf(
					"%s names %d published versions of %v in detail.dataversion, not one of %s", id, len(matched), name,
					strings.Join(versions[fmt.Sprint(name)], ", "),
				)
				continue
			}
			for _, to := range list(t.prop(id, "Targets")) {
				one := fmt.Sprintf("%s gets %v", target(at(to, "Arn")), name)
				if taken[one] != "" && taken[one] != matched[0] {
					found.addf("%s in the versions %s and %s", one, taken[one], matched[0])
				}
				taken[one] = matched[0]
			}
		}
	}
	return found
}

// checked: what a function takes from a queue behind a rule it gives to contract.Handle, itself or
// by a package that does. So it works with nothing that breaks its contract.
func checked(t template, files []source) (found findings) {
	checks := map[string]bool{}
	for _, f := range files {
		if !f.isTest() && strings.Contains(f.text, "contract.Handle(") {
			checks[f.dir()] = true
		}
	}
	behind := map[string]bool{}
	for _, id := range t.ofType(ruleType) {
		if ofAWS(t, id) { // reported looks at these
			continue
		}
		for _, to := range list(t.prop(id, "Targets")) {
			behind[target(at(to, "Arn"))] = true
		}
	}
	for _, id := range t.ofType(serverlessFunction) {
		if !slices.ContainsFunc(queuesOf(t, id), func(q string) bool { return behind[q] }) {
			continue
		}
		dir := "functions/" + functionName(t, id)
		if !slices.ContainsFunc(files, func(f source) bool {
			return f.dir() == dir && (checks[dir] ||
				slices.ContainsFunc(
					f.imports(), func(p string) bool { return checks[strings.TrimPrefix(p, module+"/")] },
				))
		}) {
			found.addf("%s takes events and nothing checks them against their contracts", id)
		}
	}
	return found
}

// categories lists the categories of streams that contexts declare: constants named Category or
// …Category.
func categories(files []source) map[string]string {
	all := map[string]string{}
	for _, f := range files {
		if contextOf(f.dir()) != f.dir() || f.isTest() {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, name := range spec.Names {
				if !strings.HasSuffix(name.Name, "Category") || i >= len(spec.Values) {
					continue
				}
				if lit, ok := spec.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					if category, err := strconv.Unquote(lit.Value); err == nil {
						all[category] = f.name
					}
				}
			}
			return true
		})
	}
	return all
}

// noted is what the partitions of a side of the audit's journal are called in a policy.
func noted(side audit.Side) string { return "*#" + string(side) + "#*" }

// noRows are what a policy calls the items of the views' table that are no rows: which generation
// serves, how far it is, and what belongs to one alone, whose key ends with #.
var noRows = []any{"control", "checkpoint", "*#"}

// writers: each category of streams can be written by a function, and no policy names a category
// that there is not, or a side of the journal, or a view. Local stand-ins for AWS don't look at
// leading keys, so a category that a policy lacks would show on AWS only.
func writers(declared map[string]string, t template) (found findings) {
	written := map[string]bool{}
	for _, id := range t.ofType(roleType) {
		for _, s := range statements(t, id) {
			for _, k := range s.leadingKeys {
				if slices.ContainsFunc(s.resources, func(r any) bool { return target(r) == "JournalTable" }) {
					if k != noted(audit.OnBus) && k != noted(audit.InViews) {
						found.addf("%s names the notes %v, and there are none", id, k)
					}
					continue
				}
				if slices.ContainsFunc(s.resources, func(r any) bool { return target(r) == "ViewsTable" }) {
					isRow := func(v view.View) bool { return k == v.Name()+"#*" }
					if !slices.Contains(noRows, k) && !slices.ContainsFunc(catalog.Views(), isRow) {
						found.addf("%s names the rows %v, and there are none", id, k)
					}
					continue
				}
				category, ok := strings.CutSuffix(fmt.Sprint(k), "/*")
				if !ok || declared[category] == "" {
					found.addf("%s names the streams %v, and there are none", id, k)
				}
				written[category] = written[category] || slices.Contains(s.actions, "dynamodb:PutItem")
			}
		}
	}
	for _, category := range slices.Sorted(maps.Keys(declared)) {
		if !written[category] {
			found.addf("no function may write the streams %s/… of %s", category, declared[category])
		}
	}
	return found
}

// memoryFS is a folder with the files, one left out and one more.
func memoryFS(files map[string]string, without, with string) fs.FS {
	folder := fstest.MapFS{}
	for name, text := range files {
		folder[name] = &fstest.MapFile{Data: []byte(text)}
	}
	delete(folder, without)
	if with != "" {
		folder[with] = &fstest.MapFile{Data: []byte("{}")}
	}
	return folder
}

func TestEvents(t *testing.T) {
	files, whole := sources(t), mainTemplate(t)
	rows := parseCatalogue(t, readFile(t, path.Join("events", "catalog.yaml")))
	stored := storedEvents(files)
	if len(stored) < 20 || len(categories(files)) < 8 {
		t.Errorf("only %d stored events in %d categories were found", len(stored), len(categories(files)))
	}
	wantNone(t, catalogued(stored, rows, os.DirFS(path.Join(root, "events"))))
	wantNone(t, patterns(whole, append(slices.Clone(rows), canary)))
	wantNone(t, checked(whole, files))
	wantNone(t, writers(categories(files), whole))
}

func TestEventRulesFind(t *testing.T) {
	const code = `package order
import "orderflow/shared/kit/es"
const (Category = "order")
func Register(r *es.Registry) { es.Register[Placed](r, "order.placed", 1) }`
	const catalogue = `events:
  - {type: order.placed, version: 1, status: deprecated, source: order-service, schema: schemas/order.placed/v1.json, sample: samples/order.placed/v1.json}
  - {type: order.placed, version: 2, status: current, source: order-service, schema: schemas/order.placed/v2.json, sample: samples/order.placed/v2.json}
  - {type: order.gone, version: 1, status: read-only, source: order-service, schema: schemas/order.gone/v1.json, sample: samples/order.gone/v1.json}
`
	const rule = `
Resources:
  Rule:
    Type: AWS::Events::Rule
    Properties: {EventPattern: {source: [order-service], detail-type: [order.placed], detail: {dataversion: [1]}}, Targets: [{Arn: !GetAtt Queue.Arn}]}
  Other:
    Type: AWS::Events::Rule
    Properties: {EventPattern: {source: [order-service], detail-type: [order.placed], detail: {dataversion: [2]}}, Targets: [{Arn: !GetAtt OtherQueue.Arn}]}
  Function: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: functions/take-orders/, Events: {Messages: {Type: SQS, Properties: {Queue: !GetAtt Queue.Arn}}}}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      Policies:
        - PolicyDocument:
            Statement:
              - {Action: [dynamodb:PutItem], Condition: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': [order/*]}}}
              - Action: [dynamodb:PutItem]
                Resource: !GetAtt JournalTable.Arn
                Condition: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': ['*#bus#*']}}
              - Action: [dynamodb:BatchGetItem]
                Resource: !GetAtt ViewsTable.Arn
                Condition: {'ForAllValues:StringLike': {'dynamodb:LeadingKeys': ['orders#*']}}
`
	const main = `package main
import "orderflow/shared/taker"
func main() { awsenv.Start(taker.Take) }`
	const taker = `package taker
import "orderflow/shared/contract"
func Take(body []byte) error { return contract.Handle(body) }`
	files := map[string]string{}
	for _, v := range []string{"order.placed/v1.json", "order.placed/v2.json", "order.gone/v1.json"} {
		files["schemas/"+v], files["samples/"+v] = "{}", "{}"
	}
	for name, tc := range map[string]struct {
		code, catalogue, rule edit
		main, taker           edit
		without, with         string
		want                  string
	}{
		"good": {},
		"a row for each": {
			code: edit{old: "order.placed", new: "order.moved"}, want: "order.moved has no row",
		},
		"no row but a read one":   {code: edit{old: "order.placed", new: "order.gone"}, want: "order.gone has no row"},
		"a name that is computed": {code: edit{old: `"order.placed"`, new: "name"}, want: "written out"},
		"no schema":               {without: "schemas/order.placed/v1.json", want: "no schemas/order.placed/v1.json"},
		"no sample":               {without: "samples/order.placed/v1.json", want: "no samples/order.placed/v1.json"},
		"another version's schema": {
			catalogue: edit{old: "version: 1", new: "version: 3"}, want: "no schemas/order.placed/v3.json",
		},
		"a schema of nothing": {with: "schemas/order.lost/v1.json", want: "schemas/order.lost/v1.json has no row"},
		"a name of another form": {
			catalogue: edit{old: "order.placed, ver", new: "OrderPlaced, ver"}, want: "OrderPlaced isn't lower-case",
		},
		"waits for nothing": {
			rule: edit{old: "order.placed", new: "order.palced"},
			want: "order.palced of [order-service], which nobody publishes",
		},
		"waits elsewhere":    {rule: edit{old: "order-service", new: "orders"}, want: "which nobody publishes"},
		"waits for anything": {rule: edit{old: "source: [order-service], ", new: ""}, want: "doesn't say source"},
		"waits for any version": {
			rule: edit{old: ", detail: {dataversion: [1]}", new: ""},
			want: "Rule names 0 published versions of order.placed",
		},
		"waits for two versions": {
			rule: edit{old: "[1]", new: "[1, 2]"}, want: "Rule names 2 published versions of order.placed",
		},
		"waits for the future": {
			rule: edit{old: "[1]", new: "[3]"}, want: "Rule names 0 published versions of order.placed",
		},
		"waits for what is past": {
			catalogue: edit{old: "deprecated", new: "read-only"},
			want:      "Rule names 0 published versions of order.placed",
		},
		"a queue of two versions": {
			rule: edit{old: "OtherQueue", new: "Queue"}, want: "Queue gets order.placed in the versions",
		},
		"takes what it is given": {
			taker: edit{old: "contract.Handle(body)", new: "take(body)"},
			want:  "Function takes events and nothing checks them",
		},
		"takes it by another's": {
			main: edit{old: `"orderflow/shared/taker"`, new: `"orderflow/shared/other"`},
			want: "Function takes events and nothing checks them",
		},
		"takes it by itself": {
			main:  edit{old: "taker.Take", new: "contract.Handle(x)"},
			taker: edit{old: "contract.Handle(body)", new: "take(body)"},
		},
		"takes no events": {
			rule:  edit{old: "Queue: !GetAtt Queue.Arn", new: "Queue: !GetAtt Commands.Arn"},
			taker: edit{old: "contract.Handle(body)", new: "take(body)"},
		},
		"streams nobody writes": {
			code: edit{old: `Category = "order"`, new: `Category = "order"; MoreCategory = "more"`},
			want: "no function may write the streams more/",
		},
		"streams only read": {
			rule: edit{old: "dynamodb:PutItem", new: "dynamodb:Query"},
			want: "no function may write the streams order/",
		},
		"streams there are not": {
			rule: edit{old: "[order/*]", new: "[order/*, odrer/*]"}, want: "the streams odrer/*, and there are none",
		},
		"rows of a view that there is not": {
			rule: edit{old: "orders#*", new: "all-orders#*"}, want: "the rows all-orders#*, and there are none",
		},
		"a policy for a side that there is not": {
			rule: edit{old: "*#bus#*", new: "*#buss#*"}, want: "the notes *#buss#*, and there are none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			folder := memoryFS(files, tc.without, tc.with)
			order := []source{parseSource(t, "shared/shop/order/events.go", tc.code.apply(t, code))}
			rows, whole := parseCatalogue(t, tc.catalogue.apply(t, catalogue)), tc.rule.template(t, rule)
			function := []source{
				parseSource(t, "functions/take-orders/main.go", tc.main.apply(t, main)),
				parseSource(t, "shared/taker/taker.go", tc.taker.apply(t, taker)),
			}
			got := slices.Concat(
				catalogued(storedEvents(order), rows, folder), patterns(whole, rows), checked(whole, function),
				writers(categories(order), whole),
			)
			wantOne(t, got, tc.want)
		})
	}
}

// TestNoRows: what shows how far views are reads no row of theirs, and of the audit's marks its
// state alone. Local stand-ins for AWS would let it read all.
func TestNoRows(t *testing.T) {
	seen := 0
	for _, s := range statements(mainTemplate(t), "AnswerOperationsRole") {
		for _, r := range s.resources {
			keys, want := s.leadingKeys, noRows
			switch target(r) {
			case "ViewsTable":
			case "MarksTable":
				keys = list(at(s.condition, "ForAllValues:StringEquals", "dynamodb:LeadingKeys"))
				want = []any{"audit/state"}
			default:
				continue
			}
			if seen++; !slices.Equal(keys, want) {
				t.Errorf("it reads %v of %s, want %v", keys, target(r), want)
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d statements are of the views and the audit", seen)
	}
}
