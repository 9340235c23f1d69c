package archtest

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
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

// TestLift takes the kit as docs/kit.md says, into a module of another name, and builds the module
// of another team on it, out of nothing but what is in the module cache. Whatever the kit needed of
// the shop would be missing there.
func TestLift(t *testing.T) {
	dir := t.TempDir()
	rename := strings.NewReplacer(module+"/"+kit+"/", "example.com/kit/")
	packages := lifted(t)
	for _, p := range packages {
		copyPackage(t, p, filepath.Join(dir, "kit", strings.TrimPrefix(p, kit)), rename)
	}
	copyPackage(t, "shared/archtest/testdata/lending", filepath.Join(dir, "lending"), rename)

	versions := map[string]string{}
	for _, p := range dependencies(t, packages) {
		if p.Module != nil && p.Module.Path != module {
			versions[p.Module.Path] = p.Module.Version
		}
	}
	requires := ""
	for _, m := range slices.Sorted(maps.Keys(versions)) {
		requires += fmt.Sprintf("require %s %s\n", m, versions[m])
	}
	language := strings.TrimSpace(strings.Split(readFile(t, "go.mod"), "\n")[2])
	writeFile(t, filepath.Join(dir, "kit", "go.mod"), "module example.com/kit\n\n"+language+"\n\n"+requires)
	writeFile(t, filepath.Join(dir, "lending", "go.mod"),
		"module example.com/lending\n\n"+language+"\n\nrequire example.com/kit v0.0.0\n"+requires+
			"replace example.com/kit => ../kit\n")
	for _, m := range []string{"kit", "lending"} {
		writeFile(t, filepath.Join(dir, m, "go.sum"), readFile(t, "go.sum"))
	}
	for _, step := range []struct {
		in   string
		args []string
	}{
		{"kit", []string{"vet", "./..."}},
		{"lending", []string{"vet", "./..."}},
		{"lending", []string{"build", "./..."}},
		{"lending", []string{"test", "./..."}},
	} {
		run := exec.CommandContext(t.Context(), "go", step.args...)
		run.Dir = filepath.Join(dir, step.in)
		run.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOPROXY=off", "GOWORK=off", "GOTOOLCHAIN=local")
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("%s: go %s: %v\n%s", step.in, strings.Join(step.args, " "), err, out)
		}
	}
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
