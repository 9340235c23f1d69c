package catalog

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"orderflow/shared/contract"
)

// head reads the frontmatter of a page.
func head(t *testing.T, page []byte) frontmatter {
	t.Helper()
	parts := strings.SplitN(string(page), "---\n", 3)
	if len(parts) != 3 || parts[0] != "" || strings.TrimSpace(parts[2]) == "" {
		t.Fatalf("a page without a head or a body:\n%s", page)
	}
	var f frontmatter
	if err := yaml.Unmarshal([]byte(parts[1]), &f); err != nil {
		t.Fatal(err)
	}
	return f
}

// reader gives the receivers of a made-up stack.
var reader = []consumer{{Name: "read", Queue: "{stack}-read", DeadLetters: "{stack}-dead", Receives: []receipt{
	{Type: "order.cancelled", Version: 2, Why: "It is | of <interest> {here}.", Only: `{"data":{"a":["b|c"]}}`},
}}}

// cancelledFolder is where the newest version of order.cancelled stands.
const cancelledFolder = "domains/orderflow/subdomains/order/services/order-service/events/order.cancelled/"

func TestEventCatalog(t *testing.T) {
	template, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files, err := EventCatalog(template)
	if err != nil {
		t.Fatal(err)
	}
	newest, pages := map[string]int{}, 0
	for _, of := range contract.Types() {
		newest[of.Name] = max(newest[of.Name], of.Version)
	}
	for _, of := range contract.Types() {
		folder := path.Join(
			"domains/orderflow/subdomains", of.Context, "services", of.Source(), "events", of.Name,
		)
		if of.Version != newest[of.Name] {
			folder = path.Join(folder, "versioned", semantic(of.Version))
		}
		pages++
		f := head(t, files[path.Join(folder, "index.mdx")])
		if f.ID != of.Name || f.Version != semantic(of.Version) || f.Summary != of.Description ||
			f.SchemaPath != "schema.json" || (f.Deprecated == nil) != (of.Status() == contract.Current) {
			t.Errorf("%s.v%d: %+v", of.Name, of.Version, f)
		}
		if schema, err := Schema(of); err != nil || !bytes.Equal(files[path.Join(folder, "schema.json")], schema) {
			t.Errorf("%s.v%d has another schema, or none: %v", of.Name, of.Version, err)
		}
	}
	for name := range files {
		if strings.Contains(name, "/events/") && strings.HasSuffix(name, "/index.mdx") {
			pages--
		}
	}
	if pages != 0 || len(newest) < 50 {
		t.Errorf("%d pages are missing or too many, of %d events", pages, len(newest))
	}
	receivers, err := consumers(template)
	if err != nil || len(receivers) < 8 {
		t.Fatalf("%d receivers, %v", len(receivers), err)
	}
	for _, r := range receivers {
		f := head(t, files["domains/orderflow/services/"+r.Name+"/index.mdx"])
		for _, of := range r.Receives {
			if !slices.ContainsFunc(f.Receives, func(p pointer) bool {
				return p.ID == of.Type && p.Version == semantic(of.Version)
			}) {
				t.Errorf("%s doesn't receive %s.v%d: %+v", r.Name, of.Type, of.Version, f.Receives)
			}
		}
	}
}

// Each command to the inventory has a page and a schema, which takes its sample and no other
// command. The saga sends it, and one function receives it, through the queue.
func TestEventCatalogCommands(t *testing.T) {
	files, err := eventCatalog(contract.Types(), reader)
	if err != nil {
		t.Fatal(err)
	}
	const services = "domains/orderflow/services/"
	sends := head(t, files[services+"order-saga/index.mdx"]).Sends
	receives := head(t, files[services+"process-inventory/index.mdx"]).Receives
	if len(sends) != len(inventoryCommands) || len(receives) != len(sends) {
		t.Errorf("the saga sends %+v, and the inventory receives %+v", sends, receives)
	}
	channel := pointer{ID: "inventory-commands", Version: "1.0.0"}
	if head(t, files["channels/inventory-commands/index.mdx"]).Address != "{stack}-inventory-commands" {
		t.Error("the queue has no page with its address")
	}
	for i, c := range inventoryCommands {
		folder := services + "process-inventory/commands/" + c.Name + "/"
		if f := head(t, files[folder+"index.mdx"]); f.ID != c.Name || f.Version != "1.0.0" || f.Summary == "" {
			t.Errorf("%s: %+v", c.Name, f)
		}
		if sends[i].ID != c.Name || !slices.EqualFunc(sends[i].To, []pointer{channel}, samePointer) ||
			receives[i].ID != c.Name || !slices.EqualFunc(receives[i].From, []pointer{channel}, samePointer) {
			t.Errorf("%s goes from %+v to %+v", c.Name, sends[i], receives[i])
		}
		name := filepath.Join(t.TempDir(), "schema.json")
		if err := os.WriteFile(name, files[folder+"schema.json"], 0o600); err != nil {
			t.Fatal(err)
		}
		judge := compiled(t, name)
		for _, other := range inventoryCommands {
			message, err := plain(sampleCommand(other.Name))
			if err != nil {
				t.Fatal(err)
			}
			if err := judge.Validate(message); (err == nil) != (other.Name == c.Name) {
				t.Errorf("the schema of %s, of a %s: %v", c.Name, other.Name, err)
			}
		}
	}
}

func samePointer(a, b pointer) bool { return a.ID == b.ID && a.Version == b.Version }

// What a page says holds nothing that MDX takes for its own.
func TestEventCatalogPage(t *testing.T) {
	files, err := eventCatalog(contract.Types(), reader)
	if err != nil {
		t.Fatal(err)
	}
	cancelled := string(files[cancelledFolder+"index.mdx"])
	const want = "| read | `{stack}-read` | It is \\| of \\<interest> \\{here}. | `{\"data\":{\"a\":[\"b\\|c\"]}}` |\n"
	if !strings.Contains(cancelled, want) {
		t.Errorf("the page doesn't say %s:\n%s", want, cancelled)
	}
	for name, page := range files {
		if path.Ext(name) != ".mdx" {
			continue
		}
		_, body, _ := strings.Cut(string(page)[4:], "---\n")
		parts := strings.Split(body, "`") // every second one is code
		for i := 0; i < len(parts); i += 2 {
			text := strings.NewReplacer(
				`\{`, "", `\<`, "", "<NodeGraph />", "", `<SchemaViewer file="schema.json" />`, "",
			).Replace(parts[i])
			if strings.ContainsAny(text, "{<") {
				t.Errorf("%s: MDX would take this for an expression or a tag: %s", name, text)
			}
		}
	}
}

// under reads all files below a folder.
func under(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	tree := os.DirFS(folder)
	if err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := fs.ReadFile(tree, name)
		all[name] = string(text)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// A newer program moves the older version aside, and an older program doesn't overwrite the newer.
func TestExport(t *testing.T) {
	newer, err := eventCatalog(contract.Types(), reader)
	if err != nil {
		t.Fatal(err)
	}
	older, err := eventCatalog(slices.DeleteFunc(slices.Clone(contract.Types()), func(of contract.Type) bool {
		return of.Name == "order.cancelled" && of.Version == 2
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	export := func(files map[string][]byte) Exported {
		t.Helper()
		did, err := exportInto(folder, files)
		if err != nil {
			t.Fatal(err)
		}
		return did
	}
	if did := export(older); did.Changed != len(older) || did.Events != did.Versions {
		t.Errorf("into an empty folder: %+v", did)
	}
	first := under(t, folder)
	const foreign = "domains/billing/index.mdx"
	if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, foreign)), 0o750); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{foreign, "teams/orderflow.mdx"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("theirs"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if did := export(newer); did.Versions != did.Events+1 || did.Changed == 0 || did.Changed == did.Files {
		t.Errorf("over what an earlier program wrote: %+v", did)
	}
	second := under(t, folder)
	if second[cancelledFolder+"versioned/1.0.0/schema.json"] != first[cancelledFolder+"schema.json"] ||
		head(t, []byte(second[cancelledFolder+"versioned/1.0.0/index.mdx"])).Version != "1.0.0" ||
		head(t, []byte(second[cancelledFolder+"index.mdx"])).Version != "2.0.0" || second[foreign] != "theirs" ||
		second["teams/orderflow.mdx"] != "theirs" {
		t.Errorf("a version is lost, or somebody else's page: %v", slices.Sorted(maps.Keys(second)))
	}
	if did := export(newer); did.Changed != 0 || !maps.Equal(under(t, folder), second) {
		t.Errorf("the same again: %+v", did)
	}
	_, err = Export(folder, []byte("Resources: ["))
	if err == nil {
		t.Error("a template that is none was taken")
	}
	if _, err := exportInto(folder, older); err == nil || !strings.Contains(err.Error(), `has version "2.0.0"`) ||
		!maps.Equal(under(t, folder), second) {
		t.Errorf("an earlier program over a newer one's: %v", err)
	}
}
