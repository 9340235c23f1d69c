// generate writes template.yaml and the nested templates in infra out of the sources in
// infra/stack.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"orderflow/infra/stack"
)

func main() {
	root := flag.String("root", ".", "the module's directory")
	flag.Parse()
	if err := write(*root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func write(root string) error {
	files, err := stack.Files()
	if err != nil {
		return err
	}
	for name, content := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		// #nosec G306 -- part of the checkout, for all to read
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}
