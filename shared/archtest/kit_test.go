package archtest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/archtest/page"
)

// kit is what a team takes out of here as its event store and inbox: what docs/kit.md says, and
// nothing of the shop.
const kit = "shared/kit"

// lifted are the packages of the kit.
func lifted(t *testing.T) (packages []string) {
	t.Helper()
	for _, f := range sources(t) {
		if within(f.dir(), kit) && !slices.Contains(packages, f.dir()) {
			packages = append(packages, f.dir())
		}
	}
	if len(packages) < 10 {
		t.Fatalf("the kit is %v", packages)
	}
	return packages
}

// listed is what go list says of a package.
type listed struct {
	ImportPath string
	ForTest    string
	Standard   bool
	Module     *struct{ Path, Version string }
}

// dependencies lists the packages that some need, with those that their tests need, and themselves.
func dependencies(t *testing.T, packages []string) (all []listed) {
	t.Helper()
	args := []string{"list", "-deps", "-test", "-json=ImportPath,ForTest,Standard,Module"}
	for _, p := range packages {
		args = append(args, "./"+p)
	}
	list := exec.CommandContext(t.Context(), "go", args...)
	list.Dir = root
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(strings.NewReader(string(out))); d.More(); {
		var p listed
		if err := d.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if !p.Standard {
			all = append(all, p)
		}
	}
	return all
}

// alone: the packages need no other one of this module than each other, and no module that the page
// about the kit doesn't name.
func alone(packages []string, needs []listed, page string) (found findings) {
	for _, p := range needs {
		name, _, _ := strings.Cut(p.ImportPath, " ") // behind it stands the test that a package was built for
		own, ours := strings.CutPrefix(name, module+"/")
		switch {
		case ours && p.ForTest == "" && !strings.HasSuffix(own, ".test") && !slices.Contains(packages, own):
			found.addf("the kit needs %s, which is none of it", own)
		case !ours && p.Module != nil && !strings.Contains(page, "`"+p.Module.Path+"`"):
			found.addf("the kit needs %s, of which docs/kit.md says nothing", p.Module.Path)
		}
	}
	for _, p := range packages {
		if !strings.Contains(page, "`"+p+"`") {
			found.addf("docs/kit.md says nothing of %s", p)
		}
	}
	return found
}

func TestKitStandsAlone(t *testing.T) {
	wantNone(t, alone(lifted(t), dependencies(t, lifted(t)), readFile(t, "docs/kit.md")))
}

func TestAloneFinds(t *testing.T) {
	const page = "`shared/kit/es` and `example.com/module`"
	other := &struct{ Path, Version string }{"example.com/other", "v1.0.0"}
	named := &struct{ Path, Version string }{"example.com/module", "v1.0.0"}
	for name, tc := range map[string]struct {
		packages []string
		needs    []listed
		want     string
	}{
		"all is well": {[]string{"shared/kit/es"}, []listed{
			{ImportPath: "orderflow/shared/kit/es"}, {ImportPath: "orderflow/shared/kit/es.test"},
			{ImportPath: "example.com/module/x", Module: named},
			{
				ImportPath: "orderflow/shared/kit/es_test [orderflow/shared/kit/es.test]",
				ForTest:    "orderflow/shared/kit/es",
			},
		}, ""},
		"a package of the shop": {
			[]string{"shared/kit/es"}, []listed{{ImportPath: "orderflow/shared/shop/order"}}, "needs shared/shop/order",
		},
		"a module": {
			[]string{"shared/kit/es"}, []listed{{ImportPath: "example.com/other/x", Module: other}},
			"needs example.com/other",
		},
		"a package that is unsung": {[]string{"shared/kit/es", "shared/kit/clock"}, nil, "nothing of shared/kit/clock"},
	} {
		t.Run(name, func(t *testing.T) { wantOne(t, alone(tc.packages, tc.needs, page), tc.want) })
	}
}

// withoutTheNet is go without what the pages ask the net for, or do at home as well: go mod tidy
// goes on without what the tests of other modules need, which no cache of this one has, and the
// kit's own tests, which run at home, are not built.
var withoutTheNet = page.Block{Page: "a shell's function", Text: `go() {
  case "$*" in
  'mod tidy') set -- mod tidy -e ;;
  'test ./...') set -- build ./... ;;
  esac
  command go "$@"
}
`}

// TestLift takes the kit as docs/kit.md says, as it is and renamed, and builds the module of
// another team on it, out of nothing but what is in the module cache. Whatever the kit needed of
// the shop would be missing in the copy.
func TestLift(t *testing.T) {
	if testing.Short() {
		t.Skip("it copies the kit, and builds it")
	}
	t.Parallel()
	checkout, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	env := append(slices.Clone(offline), "GOSUMDB=off", "checkout="+checkout)
	take := onACopy(t, "docs/kit.md")
	if len(take) != 2 {
		t.Fatalf("the page takes the kit in %d ways", len(take))
	}
	testIt := page.Block{Page: "the team's test", Text: "go vet ./... && command go test ./...\n"}
	goMod := "module example.com/lending\n\n" + languageOfTheModule(t) + "\n\n"

	asItIs := t.TempDir()
	writeFile(t, filepath.Join(asItIs, "go.mod"), goMod)
	copyPackage(
		t, "shared/archtest/testdata/lending", asItIs, strings.NewReplacer("example.com/kit/", module+"/"+kit+"/"),
	)
	runBlocks(t, asItIs, []page.Block{withoutTheNet, take[0], testIt}, env...)

	renamed := t.TempDir()
	runBlocks(t, renamed, []page.Block{withoutTheNet, take[1]}, env...)
	lending := filepath.Join(renamed, "lending")
	copyPackage(t, "shared/archtest/testdata/lending", lending, strings.NewReplacer())
	writeFile(t, filepath.Join(lending, "go.mod"),
		goMod+"require example.com/kit v0.0.0\nreplace example.com/kit => ../kit\n")
	writeFile(t, filepath.Join(lending, "go.sum"), readFile(t, "go.sum"))
	tidy := page.Block{Page: "the team's modules", Text: "go mod tidy\n"}
	runBlocks(t, lending, []page.Block{withoutTheNet, tidy, testIt}, env...)
}

// copyPackage copies the files of one folder, and its testdata. What needs an AWS to run stays
// here.
func copyPackage(t *testing.T, from, to string, rename *strings.Replacer) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, from))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := path.Join(from, e.Name())
		switch {
		case e.IsDir() && e.Name() == "testdata":
			if err := os.CopyFS(filepath.Join(to, "testdata"), os.DirFS(filepath.Join(root, name))); err != nil {
				t.Fatal(err)
			}
		case e.IsDir():
		default:
			if text := readFile(t, name); !strings.HasPrefix(text, "//go:build integration") {
				writeFile(t, filepath.Join(to, e.Name()), rename.Replace(text))
			}
		}
	}
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
