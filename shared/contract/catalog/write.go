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
	"time"
)

// Change is a file that is not as the contracts render it.
type Change struct {
	Path   string   // under events/
	Breaks []string // what it would break for readers of that version; nothing for a compatible change
	Lost   string   // why nobody can tell what it would break; "" where the file is there as it was published
}

func (c Change) String() string {
	switch {
	case c.Lost != "":
		return c.Path + ": " + c.Lost + ": bring it back as it was, and then go generate ./shared/contract"
	case len(c.Breaks) > 0:
		return c.Path + ": BREAKING, so make it a new version beside the old one: " + strings.Join(c.Breaks, "; ")
	}
	return c.Path + ": is missing or old: go generate ./shared/contract"
}

// Drift lists the files under root that are not as the contracts render them. The files that stand
// there, as they were published last, are the baseline for what breaks. Versions are retired by the
// day that today is.
func Drift(root string, today time.Time) ([]Change, error) {
	files, err := rendered(root)
	if err != nil {
		return nil, err
	}
	changes, _, err := drift(root, files, today)
	return changes, err
}

// drift compares. all are the files with the list of what is published after the changes, which is
// the last change.
func drift(root string, files map[string][]byte, today time.Time) (changes []Change, all map[string][]byte, err error) {
	was, err := readPublished(root)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		have, err := os.ReadFile(filepath.Join(
			root, filepath.FromSlash(name),
		)) // #nosec G304 -- the names are rendered, not given
		missing := errors.Is(err, fs.ErrNotExist)
		if err != nil && !missing {
			return nil, nil, err
		}
		change := Change{Path: name}
		if change.Lost, err = was.lost(name, have, missing, files[name]); err != nil {
			return nil, nil, err
		}
		if change.Lost == "" && !missing {
			if bytes.Equal(have, files[name]) {
				continue
			}
			if change.Breaks, err = breaking(name, today)(have, files[name]); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		changes = append(changes, change)
	}
	for _, name := range slices.Sorted(maps.Keys(was.sums)) {
		if files[name] == nil {
			changes = append(
				changes,
				Change{Path: name, Breaks: []string{"a version that was published stays readable, if only that"}},
			)
		}
	}
	list, err := was.with(files)
	if err != nil {
		return nil, nil, err
	}
	if !bytes.Equal(list, was.text) {
		changes = append(changes, Change{Path: publishedFile})
	}
	all = maps.Clone(files)
	all[publishedFile] = list
	return changes, all, nil
}

// breaking is the comparison of what a file was with what it would be. In samples and pages nothing
// breaks.
func breaking(name string, today time.Time) func(before, after []byte) ([]string, error) {
	switch {
	case strings.HasPrefix(name, "schemas/"):
		return Breaking
	case name == Index:
		return func(before, after []byte) ([]string, error) { return BreakingCatalogue(before, after, today) }
	case name == AsyncAPI:
		return BreakingCommands
	}
	return func([]byte, []byte) ([]string, error) { return nil, nil }
}

// Write brings the files under root up to the contracts. It writes nothing where that would break
// readers of a version, today or before what was promised.
func Write(root string, today time.Time) error {
	files, err := rendered(root)
	if err != nil {
		return err
	}
	return write(root, files, today)
}

// rendered renders all files from the template beside root.
func rendered(root string) (map[string][]byte, error) {
	template, err := os.ReadFile(filepath.Join(
		root, "..", "template.yaml",
	)) // #nosec G304 -- the name is ours, below a folder that the caller names
	if err != nil {
		return nil, err
	}
	return Files(template)
}

func write(root string, files map[string][]byte, today time.Time) error {
	changes, all, err := drift(root, files, today)
	if err != nil {
		return err
	}
	for _, c := range changes {
		if len(c.Breaks) > 0 || c.Lost != "" {
			return errors.New("catalog: " + c.String())
		}
	}
	for _, c := range changes {
		path := filepath.Join(root, filepath.FromSlash(c.Path))
		// #nosec G301 -- part of the checkout, for all to read
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, all[c.Path], 0o644); err != nil { // #nosec G306 -- as above
			return err
		}
	}
	return nil
}
