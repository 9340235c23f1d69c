// generate writes the schemas, samples and catalogue of the published events. It refuses what would
// break readers of a version. For each type and version that stores hold and that is new it writes
// a fixture, and never touches one that is there.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"

	"orderflow/shared/contract/catalog"
	"orderflow/shared/kit/clock"
)

func main() {
	root := flag.String("root", "events", "folder of the catalogue")
	flag.Parse()
	if err := errors.Join(catalog.Write(*root, clock.System{}.Now()), catalog.WriteStored(*root)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
