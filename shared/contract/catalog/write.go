package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Change is a file that is not as the contracts render it.
type Change struct {
	Path   string   // under events/
	Breaks []string // what it would break for readers of that version; nothing for a compatible change
}

func (c Change) String() string {
	if len(c.Breaks) > 0 {
		return c.Path + ": BREAKING, so make it a new version beside the old one: " + strings.Join(c.Breaks, "; ")
	}
	return c.Path + ": is missing or old: go generate ./shared/contract"
}

// Drift lists the files under root that are not as the contracts render them. The files that stand there are the baseline for what breaks.
func Drift(root string) ([]Change, error) {
	files, err := rendered(root)
	if err != nil {
		return nil, err
	}
	return drift(root, files)
}

func drift(root string, files map[string][]byte) ([]Change, error) {
	var changes []Change
	for _, name := range slices.Sorted(maps.Keys(files)) {
		have, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name))) // #nosec G304 -- the names are rendered, not given
		if err == nil && bytes.Equal(have, files[name]) {
			continue
		}
		change := Change{Path: name}
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			if change.Breaks, err = breaking(name)(have, files[name]); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		changes = append(changes, change)
	}
	gone, err := withdrawn(root, files)
	return append(changes, gone...), err
}

// breaking is the comparison of what a file was with what it would be. In samples and pages nothing breaks.
func breaking(name string) func(before, after []byte) ([]string, error) {
	switch {
	case strings.HasPrefix(name, "schemas/"):
		return Breaking
	case name == Index:
		return BreakingCatalogue
	case name == AsyncAPI:
		return BreakingCommands
	}
	return func([]byte, []byte) ([]string, error) { return nil, nil }
}

// withdrawn finds the schemas under root that no contract has.
func withdrawn(root string, files map[string][]byte) ([]Change, error) {
	var gone []Change
	err := filepath.WalkDir(filepath.Join(root, "schemas"), func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(root, path)
		if name = filepath.ToSlash(name); err == nil && files[name] == nil {
			gone = append(gone, Change{Path: name, Breaks: []string{"a version that was published stays readable, if only that"}})
		}
		return err
	})
	return gone, err
}

// Write brings the files under root up to the contracts. It writes nothing where that would break readers of a version.
func Write(root string) error {
	files, err := rendered(root)
	if err != nil {
		return err
	}
	return write(root, files)
}

// rendered renders all files from the template beside root.
func rendered(root string) (map[string][]byte, error) {
	template, err := os.ReadFile(filepath.Join(root, "..", "template.yaml")) // #nosec G304 -- the name is ours, below a folder that the caller names
	if err != nil {
		return nil, err
	}
	return Files(template)
}

func write(root string, files map[string][]byte) error {
	changes, err := drift(root, files)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if len(c.Breaks) > 0 {
			return errors.New("catalog: " + c.String())
		}
	}
	for _, c := range changes {
		path := filepath.Join(root, filepath.FromSlash(c.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { // #nosec G301 -- part of the checkout, for all to read
			return err
		}
		if err := os.WriteFile(path, files[c.Path], 0o644); err != nil { // #nosec G306 -- as above
			return err
		}
	}
	return nil
}
