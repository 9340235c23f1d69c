package archtest

import (
	"fmt"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	ssmType = "AWS::SSM::Parameter"
	keyType = "AWS::KMS::Key"
	// sesTemplate is of the regions where SES is.
	sesTemplate = "infra/mail.yaml"
)

// rollback: a deployment that fails is rolled back. Without that CloudFormation refuses each change
// that replaces a resource, and a failed update of a shop stays half applied.
func rollback(samconfig string) (found findings) {
	for line := range strings.SplitSeq(samconfig, "\n") {
		if strings.Contains(line, "disable_rollback") {
			found.addf("samconfig.toml says %s, which is for one deployment by hand", line)
		}
	}
	return found
}

func TestRollback(t *testing.T) {
	wantNone(t, rollback(readFile(t, "samconfig.toml")))
	wantOne(t, rollback("[x.deploy.parameters]\ndisable_rollback = true\n"), "disable_rollback = true, which")
}

// regional: what not every region has is in a template of its own, and that is made under a
// condition. CloudFormation may refuse a template for a type that its region doesn't have, whatever
// the resource's condition.
func regional(whole template, files map[string]template) (found findings) {
	all := map[string]template{"template.yaml": whole}
	for name, one := range files {
		all[name] = one
	}
	for name, one := range all {
		for id, r := range one.Resources {
			if strings.HasPrefix(r.Type, "AWS::SES::") && name != sesTemplate {
				found.addf("%s of %s is not in every region: it belongs into %s", id, name, sesTemplate)
			}
		}
	}
	for _, id := range whole.ofType(stackType) {
		if textAt(whole.prop(id, "TemplateURL")) == sesTemplate && whole.Resources[id].Condition == "" {
			found.addf("%s is made in every region, and has what some don't have", id)
		}
	}
	return found
}

func TestRegional(t *testing.T) {
	wantNone(t, regional(mainTemplate(t), nestedTemplates(t)))
	const example = `
Resources:
  Mail:
    Type: AWS::CloudFormation::Stack
    Condition: HasMail
    Properties: {TemplateURL: infra/mail.yaml}
  Topic: {Type: 'AWS::SNS::Topic'}
`
	for name, tc := range map[string]edit{
		"good":            {"", "", ""},
		"elsewhere":       {"AWS::SNS::Topic", "AWS::SES::ConfigurationSet", "Topic of template.yaml is not in every region"},
		"everywhere":      {"    Condition: HasMail\n", "", "Mail is made in every region"},
		"another's stack": {"    Condition: HasMail\n    Properties: {TemplateURL: infra/mail", "    Properties: {TemplateURL: infra/x", ""},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, regional(tc.template(t, example), nil), tc.want) })
	}
}

// The page names the regions that make lint checks the templates for, and says where mail is.
func TestRegionsDocument(t *testing.T) {
	said := map[string][]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(readFile(t, "infra/regions.txt")), "\n") {
		marks := strings.Fields(line)
		if marks[0] == "#" {
			continue
		}
		for mark, title := range map[string]string{"mail": "mail", "budget": "`MonthlyBudget`"} {
			with := "with "
			if !slices.Contains(marks[1:], mark) {
				with = "without "
			}
			said[with+title] = append(said[with+title], "`"+marks[0]+"`")
		}
	}
	if len(said) != 4 || len(said["with mail"]) < 10 {
		t.Fatalf("infra/regions.txt: expected regions with and without mail and budgets, got %v", said)
	}
	page := strings.Join(strings.Fields(readFile(t, "docs/howto/deploy.md")), " ")
	for _, title := range []string{"with mail", "without mail", "without `MonthlyBudget`"} {
		if row := "| " + title + " | " + strings.Join(said[title], ", ") + " |"; !strings.Contains(page, row) {
			t.Errorf("docs/howto/deploy.md has no row\n%s", row)
		}
	}
}

// inTurn: what belongs to an HTTP API is made one after the other. API Gateway refuses a change of
// an API while it makes another one ("concurrent modification"). What is made last may name routes.
func inTurn(t template) (found findings) {
	var parts []string
	for id := range t.Resources {
		if target(t.prop(id, "ApiId")) != "" {
			parts = append(parts, id)
		}
	}
	slices.Sort(parts)
	before := map[string]map[string]bool{}
	var needs func(id string) map[string]bool
	needs = func(id string) map[string]bool {
		if all, ok := before[id]; ok {
			return all
		}
		all := map[string]bool{}
		before[id] = all
		for _, next := range append(mentioned(t.Resources[id].Properties), dependsOn(t.Resources[id])...) {
			if _, ok := t.Resources[next]; ok && !all[next] {
				all[next] = true
				for further := range needs(next) {
					all[further] = true
				}
			}
		}
		return all
	}
	for i, a := range parts {
		for _, b := range parts[i+1:] {
			if !needs(a)[b] && !needs(b)[a] {
				found.addf("%s and %s may be made at once: API Gateway refuses one of them", a, b)
			}
		}
		if t.Resources[a].Type == routeType {
			for _, stage := range t.ofType("AWS::ApiGatewayV2::Stage") {
				if !needs(stage)[a] {
					found.addf("%s may be made before %s, which its settings may name", stage, a)
				}
			}
		}
	}
	return found
}

// theRoutes: a route keeps its logical id, by which an update of a stack knows it. Under another id
// CloudFormation would make a second route of the same key before it takes the first away, which
// API Gateway refuses.
func theRoutes(t template, known string) (found findings) {
	for _, id := range t.ofType(routeType) {
		key := fmt.Sprint(t.prop(id, "RouteKey"))
		line := regexp.MustCompile(`(?m)^(\w+) ` + regexp.QuoteMeta(key) + `$`)
		if was := line.FindStringSubmatch(known); was == nil {
			found.addf("testdata/routes.txt lacks the line: %s %s", id, key)
		} else if was[1] != id {
			found.addf("%s is %s in deployed stacks, and has to stay so: not %s", key, was[1], id)
		}
	}
	return found
}

func TestTheRoutes(t *testing.T) {
	whole, known := mainTemplate(t), readFile(t, path.Join("shared/archtest/testdata", "routes.txt"))
	wantNone(t, theRoutes(whole, known))
	for name, tc := range map[string]edit{
		"another id": {"PlaceOrderRoute POST", "NewOrderRoute POST", "POST /orders is NewOrderRoute in deployed stacks"},
		"a new one":  {"PlaceOrderRoute POST /orders\n", "", "lacks the line: PlaceOrderRoute POST /orders"},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, theRoutes(whole, tc.apply(t, known)), tc.want) })
	}
}

// dependsOn is what a resource's DependsOn names.
func dependsOn(r resource) []string {
	var all []string
	for _, id := range list(r.DependsOn) {
		all = append(all, fmt.Sprint(id))
	}
	return all
}

var subbed = regexp.MustCompile(`\$\{(\w+)`)

// mentioned are the logical ids that a value refers to, and perhaps other names.
func mentioned(value any) []string {
	var all []string
	switch v := value.(type) {
	case object:
		for key, inner := range v {
			switch key {
			case "Ref":
				all = append(all, fmt.Sprint(inner))
			case "Fn::GetAtt":
				all = append(all, target(v))
			case "Fn::Sub":
				for _, name := range subbed.FindAllStringSubmatch(fmt.Sprint(inner), -1) {
					all = append(all, name[1])
				}
			}
			all = append(all, mentioned(inner)...)
		}
	case []any:
		for _, inner := range v {
			all = append(all, mentioned(inner)...)
		}
	}
	return all
}

func TestInTurn(t *testing.T) {
	wantNone(t, inTurn(mainTemplate(t)))
	const example = `
Resources:
  Api: {Type: 'AWS::ApiGatewayV2::Api'}
  Integration: {Type: 'AWS::ApiGatewayV2::Integration', Properties: {ApiId: !Ref Api}}
  First: {Type: 'AWS::ApiGatewayV2::Route', Properties: {ApiId: !Ref Api, Target: !Sub 'integrations/${Integration}'}}
  Second: {Type: 'AWS::ApiGatewayV2::Route', DependsOn: First, Properties: {ApiId: !Ref Api}}
  Stage: {Type: 'AWS::ApiGatewayV2::Stage', DependsOn: [Second], Properties: {ApiId: !Ref Api}}
`
	for name, tc := range map[string]edit{
		"good":       {"", "", ""},
		"two routes": {"DependsOn: First, ", "", "First and Second may be made at once"},
		"too early":  {"DependsOn: [Second]", "DependsOn: [First]", "Second and Stage may be made at once"},
		"no target":  {", Target: !Sub 'integrations/${Integration}'", "", "First and Integration may be made at once"},
		"stage before a route": {
			"DependsOn: First, Properties: {ApiId: !Ref Api}}\n  Stage: {Type: 'AWS::ApiGatewayV2::Stage', DependsOn: [Second]",
			"DependsOn: Stage, Properties: {ApiId: !Ref Api}}\n  Stage: {Type: 'AWS::ApiGatewayV2::Stage', DependsOn: [First]",
			"Stage may be made before Second",
		},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, inTurn(tc.template(t, example)), tc.want) })
	}
}

// theKey: the key that wraps the personal data keys is one for every stage and every release. With
// another one nobody could read what is stored. A stack that is deleted schedules its deletion, in
// production the key refuses.
func theKey(t template) (found findings) {
	const id = "PersonalDataKey"
	key := t.Resources[id]
	if keys := t.ofType(keyType); !slices.Equal(keys, []string{id}) {
		found.addf("the keys are %q: expected %s alone", keys, id)
		return found
	}
	if key.Condition != "" {
		found.addf("%s is not always there", id)
	}
	if key.DeletionPolicy != "Delete" || key.UpdateReplacePolicy != "Retain" {
		found.addf("%s has the policies %s and %s: expected Delete and Retain",
			id, key.DeletionPolicy, key.UpdateReplacePolicy)
	}
	if n := numberAt(t.prop(id, "PendingWindowInDays")); n != 30 {
		found.addf("%s waits %v days for its deletion: expected 30", id, n)
	}
	refusal := object{
		"Sid": "NobodyDeletes", "Effect": "Deny", "Principal": "*", "Action": "kms:ScheduleKeyDeletion", "Resource": "*",
	}
	want := object{"Fn::If": []any{"IsProduction", refusal, object{"Ref": "AWS::NoValue"}}}
	refuses := func(s any) bool { return reflect.DeepEqual(s, any(want)) }
	production := object{"Fn::Equals": []any{object{"Ref": "Stage"}, "prod"}}
	if !slices.ContainsFunc(list(t.prop(id, "KeyPolicy", "Statement")), refuses) ||
		!reflect.DeepEqual(t.Conditions["IsProduction"], any(production)) {
		found.addf("%s lets itself be deleted in production", id)
	}
	return found
}

func TestTheKey(t *testing.T) {
	text := readFile(t, "template.yaml")
	for name, tc := range map[string]edit{
		"good": {"", "", ""},
		"another id": {
			"  PersonalDataKey:\n    Type: AWS::KMS::Key", "  DataKey:\n    Type: AWS::KMS::Key", `["DataKey"]`,
		},
		"one more": {"\nResources:\n", "\nResources:\n  More: {Type: 'AWS::KMS::Key'}\n", "PersonalDataKey alone"},
		"not always": {
			"    Type: AWS::KMS::Key\n", "    Type: AWS::KMS::Key\n    Condition: IsProduction\n", "not always there",
		},
		"left behind": {
			"    Type: AWS::KMS::Key\n    DeletionPolicy: Delete\n",
			"    Type: AWS::KMS::Key\n    DeletionPolicy: Retain\n", "the policies Retain and Retain",
		},
		"in a hurry":        {"PendingWindowInDays: 30", "PendingWindowInDays: 7", "waits 7 days"},
		"another stage":     {"IsProduction: !Equals [!Ref Stage, prod]", "IsProduction: !Equals [!Ref Stage, x]", "in production"},
		"another action":    {"Action: kms:ScheduleKeyDeletion", "Action: kms:DisableKey", "in production"},
		"an exempted owner": {"              Principal: '*'\n", "              Principal: {AWS: x}\n", "in production"},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, theKey(tc.template(t, text)), tc.want) })
	}
}

// publishing: who may put events on the bus may put those that it publishes, and no others.
func publishing(t template, rows []row) (found findings) {
	wanted := map[string][]row{"PublishEventsRole": rows, "AuditEventsRole": append(slices.Clone(rows), canary)}
	for _, role := range t.ofType(roleType) {
		for _, s := range statements(t, role) {
			if !slices.Contains(s.actions, "events:PutEvents") {
				continue
			}
			var sources, types []any
			for _, event := range wanted[role] {
				sources, types = append(sources, event.Source), append(types, event.Type)
			}
			want := object{
				"ForAllValues:StringEquals": object{"events:source": sorted(sources), "events:detail-type": sorted(types)},
				"Null":                      object{"events:source": "false", "events:detail-type": "false"},
			}
			if wanted[role] == nil || !reflect.DeepEqual(s.condition, any(want)) {
				found.addf("%s may put other events on the bus than it publishes", role)
			}
			delete(wanted, role)
		}
	}
	for role := range wanted {
		found.addf("%s may put no events on the bus", role)
	}
	return found
}

func sorted(values []any) []any {
	values = slices.Clone(values)
	slices.SortFunc(values, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return slices.Compact(values)
}

func TestPublishing(t *testing.T) {
	rows := parseCatalogue(t, readFile(t, path.Join("events", "catalog.yaml")))
	text := readFile(t, "template.yaml")
	for name, tc := range map[string]edit{
		"good":           {"", "", ""},
		"any event":      {"Condition: # for each entry of a request", "Conditions:", "PublishEventsRole may put other"},
		"another type":   {"- account.deposited\n", "- account.depo\n", "PublishEventsRole may put other"},
		"another's":      {"- account-service\n", "- aws.ec2\n", "PublishEventsRole may put other"},
		"without a type": {"'events:detail-type': 'false'", "'events:detail-type': 'true'", "PublishEventsRole may put other"},
		"somebody else": {
			"\nResources:\n", "\nResources:\n  MoreRole:\n    Type: AWS::IAM::Role\n    Properties:\n      Policies: " +
				"[{PolicyDocument: {Statement: [{Effect: Allow, Action: 'events:PutEvents', Resource: x}]}}]\n",
			"MoreRole may put other",
		},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, publishing(tc.template(t, text), rows), tc.want) })
	}
}

// foundByOthers: what other stacks find by SSM is named after the stack, and the page lists it.
func foundByOthers(t template, page string) (found findings) {
	for _, id := range t.ofType(ssmType) {
		name, ok := strings.CutPrefix(textAt(t.prop(id, "Name"), "Fn::Sub"), "/orderflow/${AWS::StackName}/")
		if !ok {
			found.addf("%s is not under /orderflow/<stack>/", id)
		} else if !strings.Contains(page, "| `/orderflow/<stack>/"+name+"` |") {
			found.addf("docs/consumers.md doesn't list %s", name)
		}
	}
	return found
}

func TestFoundByOthers(t *testing.T) {
	whole, page := mainTemplate(t), readFile(t, "docs/consumers.md")
	wantNone(t, foundByOthers(whole, page))
	if n, rows := len(whole.ofType(ssmType)), strings.Count(page, "| `/orderflow/<stack>/"); n < 4 || n != rows {
		t.Errorf("there are %d parameters of SSM, and docs/consumers.md lists %d", n, rows)
	}
	// A parameter of the standard tier has 4 KB.
	if schemas, _ := whole.prop("SchemasParameter", "Value").(string); len(schemas) > 4096 || schemas == "" {
		t.Errorf("the list of the published events has %d characters: expected 1 to 4096", len(schemas))
	}
	const example = `
Resources:
  A: {Type: 'AWS::SSM::Parameter', Properties: {Name: !Sub '/orderflow/${AWS::StackName}/bus/name'}}
`
	for name, tc := range map[string]edit{
		"good":           {"", "", ""},
		"not listed":     {"bus/name", "bus/names", "doesn't list bus/names"},
		"another's name": {"${AWS::StackName}", "shop", "A is not under"},
	} {
		t.Run(name, func(t *testing.T) {
			wantOne(t, foundByOthers(tc.template(t, example), "| `/orderflow/<stack>/bus/name` | x |"), tc.want)
		})
	}
}

// reasoned: each check that the scanner of the templates leaves out has its reason above it.
func reasoned(config string) (found findings) {
	_, skipped, _ := strings.Cut(config, "skip-check:\n")
	reason := false
	for line := range strings.SplitSeq(strings.TrimSpace(skipped), "\n") {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "#") && !reason {
			found.addf("infra/local/checkov.yaml: %s has no reason", line)
		}
		reason = strings.HasPrefix(line, "#")
	}
	return found
}

func TestReasoned(t *testing.T) {
	config := readFile(t, "infra/local/checkov.yaml")
	wantNone(t, reasoned(config))
	if !strings.Contains(config, "skip-check:\n  # ") {
		t.Error("infra/local/checkov.yaml has no list of checks that are left out")
	}
	wantOne(t, reasoned("skip-check:\n  # it is\n  - A\n  - B\n"), "- B has no reason")
}
