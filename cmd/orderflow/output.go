package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/schollz/progressbar/v3"
)

// results is where results are printed. Once nobody reads them any more, it fails of errUnread.
type results struct{ io.Writer }

// errUnread says that whoever read the output has stopped, as head does.
var errUnread = errors.New("nobody reads the output")

// Write implements io.Writer.
func (r results) Write(text []byte) (int, error) {
	n, err := r.Writer.Write(text)
	if errors.Is(err, syscall.EPIPE) {
		err = errUnread
	}
	return n, err
}

// printJSON prints what --json asks for.
func printJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// progressBar shows progress on a terminal, and nothing where the output is kept. With -1 for the
// total it has no end.
func progressBar(out io.Writer, what string, total int) *progressbar.ProgressBar {
	out, visible := terminal(out)
	end := func() {}
	if visible {
		end = func() { _, _ = fmt.Fprintln(out) }
	}
	return progressbar.NewOptions(total, progressbar.OptionSetWriter(out), progressbar.OptionSetVisibility(visible),
		progressbar.OptionSetDescription(what), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("it"), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionOnCompletion(end))
}
