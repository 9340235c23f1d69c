package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEventsExport(t *testing.T) {
	taken := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(taken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "new")
	for _, tt := range []struct {
		name         string
		args         []string
		prints, says string
	}{
		{"a new folder", []string{folder}, " of which ", ""},
		{"once more", []string{folder}, " of which 0 were new or another\n", ""},
		{"no folder", nil, "", "directory"},
		{"an empty name", []string{""}, "", "argument 1 is empty"},
		{"a file", []string{taken}, "", "not a directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			cmd := root(&stackFlag{})
			cmd.SetArgs(append([]string{"events", "export"}, tt.args...))
			cmd.SetOut(&out)
			cmd.SetErr(&bytes.Buffer{})
			err := cmd.ExecuteContext(t.Context())
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) ||
				!strings.Contains(out.String(), tt.prints) || tt.prints == "" && out.Len() > 0 {
				t.Errorf("%v, printed %q", err, out.String())
			}
		})
	}
}
