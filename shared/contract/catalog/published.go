package catalog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// publishedFile is the path, under events/, of the list of what was ever published. Without it a
// file that is gone or was changed by hand would be the end of what can be compared with it.
const publishedFile = "PUBLISHED"

const publishedHead = "# The SHA-256 of what was ever published, oldest first by file; of asyncapi.yaml it is of " +
	"the commands to the inventory.\n" +
	"# Lines are added by `go generate ./shared/contract`. None is changed or taken off.\n"

// published is the list as it stands.
type published struct {
	text []byte
	sums map[string][]string // of what each file was, oldest first
}

func readPublished(root string) (published, error) {
	p := published{sums: map[string][]string{}}
	text, err := os.ReadFile(filepath.Join(root, publishedFile)) // #nosec G304 -- in the folder that is given
	if errors.Is(err, fs.ErrNotExist) {
		return p, nil
	}
	p.text = text
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		if !ok {
			return p, fmt.Errorf("catalog: %s: %q", publishedFile, line)
		}
		p.sums[name] = append(p.sums[name], sum)
	}
	return p, err
}

// promise is what of a file others rely on, and "" of samples and pages: its sum.
func promise(name string, text []byte) (string, error) {
	switch {
	case strings.HasPrefix(name, "schemas/"), name == Index:
		return sum(text), nil
	case name == AsyncAPI:
		commands, err := commandsOf(text)
		if err != nil {
			return "", err
		}
		text, err = json.Marshal(commands)
		return sum(text), err
	}
	return "", nil
}

// lost says why a file that stands under root is not what it was published as last, if so. One that
// isn't listed yet has to be as it is rendered.
func (p published) lost(name string, have []byte, missing bool, rendered []byte) (string, error) {
	listed := p.sums[name]
	if missing {
		if len(listed) > 0 {
			return "was published and is gone", nil
		}
		return "", nil
	}
	is, err := promise(name, have)
	switch {
	case is == "" || err != nil:
		return "", err
	case len(listed) == 0 && !bytes.Equal(have, rendered):
		return "was published and is not in " + publishedFile, nil
	case len(listed) > 0 && listed[len(listed)-1] != is:
		return "is not as it was published", nil
	}
	return "", nil
}

// with is the list once the files are published too.
func (p published) with(files map[string][]byte) ([]byte, error) {
	sums := maps.Clone(p.sums)
	for name, text := range files {
		is, err := promise(name, text)
		if err != nil {
			return nil, err
		}
		if listed := sums[name]; is != "" && (len(listed) == 0 || listed[len(listed)-1] != is) {
			sums[name] = append(slices.Clone(listed), is)
		}
	}
	list := bytes.NewBufferString(publishedHead)
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		for _, sum := range sums[name] {
			fmt.Fprintf(list, "%s  %s\n", sum, name)
		}
	}
	return list.Bytes(), nil
}
