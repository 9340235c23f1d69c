// generate writes the schemas, samples and catalogue of the published events. It refuses what would break readers of a version.
package main

import (
	"flag"
	"fmt"
	"os"

	"orderflow/shared/contract/catalog"
)

func main() {
	root := flag.String("root", "events", "folder of the catalogue")
	flag.Parse()
	if err := catalog.Write(*root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
