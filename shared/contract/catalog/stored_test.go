package catalog

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orderflow/shared/kit/es"
)

// Each type and version that was ever stored has its fixture, as it was written, and that decodes
// to what it means.
func TestStored(t *testing.T) {
	found, err := StoredDrift(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range found {
		t.Error(f)
	}
}

type (
	bill     struct{ Euros int64 }
	billNext struct{ Cents int64 }
)

func registerBill(r *es.Registry) { es.Register[bill](r, "bill.sent", 1) }

func registerBillNext(r *es.Registry) {
	es.Register[billNext](r, "bill.sent", 2)
	r.Upcast("bill.sent", 1, func(data json.RawMessage) (json.RawMessage, error) {
		var old bill
		if err := json.Unmarshal(data, &old); err != nil {
			return nil, err
		}
		return json.Marshal(billNext{100 * old.Euros})
	})
}

// What may happen to a program's events after release 1 was written down, and what is said of it;
// without want it is nothing.
func TestStoredDrift(t *testing.T) {
	v1, v2, sumsFile := "bill.sent/v1.json", "bill.sent/v2.json", sums
	type fixtures = map[string]any
	for name, tt := range map[string]struct {
		register func(*es.Registry)
		present  any
		former   fixtures
		files    map[string]string // written over; removed where it is ""
		want     string
		writes   []string
	}{
		"nothing": {register: registerBill, present: bill{7}},
		"a new version": {
			register: registerBillNext, present: billNext{800}, former: fixtures{"bill.sent/v1": billNext{700}},
			writes: []string{v2},
		},
		"what the old one means, unsaid": {
			register: registerBillNext, present: billNext{800}, want: "v1.json: former doesn't say",
		},
		"what the old one means, wrong": {
			register: registerBillNext, present: billNext{800}, former: fixtures{"bill.sent/v1": billNext{7}},
			want: "v1.json: decodes to",
		},
		"a member by another name": {
			register: func(r *es.Registry) { es.Register[billNext](r, "bill.sent", 1) }, present: billNext{7},
			want: "v1.json: decodes to",
		},
		"another event":       {register: registerBill, present: bill{8}, want: "v1.json: decodes to"},
		"no event":            {register: registerBill, present: nil, want: "no event of this type"},
		"a type that is gone": {register: func(*es.Registry) {}, want: "v1.json: was stored once"},
		"a fixture that was changed": {
			register: registerBill, present: bill{7},
			files: map[string]string{v1: `{"type":"bill.sent","schema":1,"data":{"Euros":7}}`},
			want:  "is not as it was stored",
		},
		"a fixture that is gone": {
			register: registerBill, present: bill{7}, files: map[string]string{v1: ""}, want: "v1.json: is gone",
		},
		"changed together with its event": {
			register: registerBill, present: bill{8},
			files: map[string]string{v1: `{"type":"bill.sent","schema":1,"data":{"Euros":8}}`},
			want:  "is not as it was stored",
		},
		"a writer that was interrupted": {
			register: registerBill, present: bill{7}, files: map[string]string{sumsFile: ""}, writes: []string{v1},
		},
		"a fixture that nobody wrote down": {
			register: registerBill, present: bill{8}, files: map[string]string{sumsFile: ""},
			want: "is not as it was stored",
		},
	} {
		t.Run(name, func(t *testing.T) {
			at := func(register func(*es.Registry), present any, former fixtures) stored {
				s := stored{
					root: filepath.Join(t.TempDir(), "stored"), registry: es.NewRegistry(register), former: former,
				}
				if present != nil {
					s.present = []es.Recorded{{Type: "bill.sent", Data: present}}
				}
				return s
			}
			first := at(registerBill, bill{7}, nil)
			for range 2 {
				if err := first.write(); err != nil {
					t.Fatal(err)
				}
			}
			before := filesOf(t, first.root)
			if len(before) != 2 {
				t.Fatalf("%v", before)
			}
			for file, text := range tt.files {
				err := os.WriteFile(filepath.Join(first.root, file), []byte(text), 0o600)
				if text == "" {
					err = os.Remove(filepath.Join(first.root, file))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			next := at(tt.register, tt.present, tt.former)
			next.root = first.root
			found, fresh, err := next.check()
			if err != nil {
				t.Fatal(err)
			}
			var files []string
			for _, f := range slices.Sorted(maps.Keys(fresh)) {
				files = append(files, f+".json")
			}
			if tt.want == "" && (len(found) > 0 || !slices.Equal(files, tt.writes)) ||
				!strings.Contains(strings.Join(found, "\n"), tt.want) {
				t.Errorf("%q, writes %v", found, files)
			}
			changed := filesOf(t, first.root)
			if err := next.write(); (err != nil) != (tt.want != "") {
				t.Fatal(err)
			}
			after := filesOf(t, first.root)
			if tt.want != "" {
				before = changed // it refuses, and so writes nothing
			}
			for file, text := range before {
				if tt.want == "" && file == sumsFile {
					continue
				}
				if after[file] != text {
					t.Errorf("%s was overwritten", file)
				}
			}
			if found, fresh, err := next.check(); tt.want == "" && (err != nil || len(found)+len(fresh) > 0) {
				t.Errorf("after it was written: %q, %v, %v", found, fresh, err)
			}
		})
	}
}

func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, pattern := range []string{"*", "*/*"} {
		names, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if info, err := os.Stat(name); err != nil || info.IsDir() {
				continue
			}
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(dir, name)
			if err != nil {
				t.Fatal(err)
			}
			files[filepath.ToSlash(rel)] = string(text)
		}
	}
	return files
}
