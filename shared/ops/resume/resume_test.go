package resume_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orderflow/shared/ops/resume"
)

func TestName(t *testing.T) {
	type arguments struct{ From string }
	a := resume.Name(strings.Repeat("c", 80), arguments{"24h"})
	if a != resume.Name(strings.Repeat("c", 80), arguments{"24h"}) ||
		a == resume.Name(strings.Repeat("c", 80), arguments{"25h"}) || resume.CheckName(a) != nil {
		t.Errorf("the name is %s", a)
	}
	for name, good := range map[string]bool{
		"again": true, "a.b-c_D9": true, "": false, ".": false, "..": false, ".hidden": false, "a/b": false,
		"a b": false, strings.Repeat("a", 65): false,
	} {
		if err := resume.CheckName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestMoment(t *testing.T) {
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"24h": now.Add(-24 * time.Hour), "0s": now,
		"2026-10-01T00:00:00+02:00": time.Date(2026, 9, 30, 22, 0, 0, 0, time.UTC),
		"yesterday":                 {}, "-1h": {}, "": {}, "24": {}, "+24h": {}, "0": {}, "1 h": {},
		"2026-10-01T00:00:00,5Z": {}, "2026-10-01T1:00:00Z": {}, "2026-10-01T00:00:00+24:00": {}, "2026-10-01": {},
		"2026-10-01t00:00:00z": {},
	} {
		if got, err := resume.Moment(text, now); !got.Equal(want) || (err != nil) != want.IsZero() {
			t.Errorf("%q is %s, %v", text, got, err)
		}
	}
}

type state struct{ Version, At int }

func TestFile(t *testing.T) {
	file := resume.File[state]{Path: filepath.Join(t.TempDir(), "work", "again.json")}
	fits := func(s state) bool { return s.Version == 1 }
	if _, found, err := file.Load(fits); found || err != nil {
		t.Fatalf("there is one already: %v", err)
	}
	for at := range 3 {
		if err := file.Save(state{Version: 1, At: at}); err != nil {
			t.Fatal(err)
		}
	}
	if got, found, err := file.Load(fits); err != nil || !found || got.At != 2 {
		t.Errorf("%+v, found %t, %v", got, found, err)
	}
	if left, err := os.ReadDir(filepath.Dir(file.Path)); err != nil || len(left) != 1 {
		t.Errorf("left over: %v, %v", left, err)
	}
	for _, text := range []string{`{"Version":1`, `{"Version":2}`, `[]`} {
		if err := os.WriteFile(file.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, _, err := file.Load(fits); err == nil || !strings.Contains(err.Error(), "is no state") ||
			got != (state{}) {
			t.Errorf("%s is %+v, %v", text, got, err)
		}
	}
	for range 2 {
		if err := file.Remove(); err != nil {
			t.Error(err)
		}
	}
	if _, found, err := file.Load(fits); found || err != nil {
		t.Errorf("it is still there: %v", err)
	}
	if err := (resume.File[state]{Path: t.TempDir()}).Save(state{}); err == nil {
		t.Error("a folder takes a state")
	}
}
