package main

import (
	"encoding/json"
	"io"
)

// printJSON prints what --json asks for.
func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
