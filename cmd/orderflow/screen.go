package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// screen is what a command prints to. Control characters of a name or a reason never reach a
// terminal, which would obey them: each is written as JSON escapes it, which is also what it is
// within JSON. Lines and tabs are the program's own.
type screen struct{ io.Writer }

// Write implements io.Writer.
func (s screen) Write(text []byte) (int, error) {
	shown := visible(string(text))
	if _, err := io.WriteString(s.Writer, shown); err != nil {
		return 0, err
	}
	return len(text), nil
}

func visible(text string) string {
	if !strings.ContainsFunc(text, obeyed) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		if obeyed(r) {
			_, _ = fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// obeyed reports whether a terminal does something with a character besides showing it.
func obeyed(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }

// terminal is what is behind a screen, for what draws there itself, and whether it is a terminal.
func terminal(out io.Writer) (io.Writer, bool) {
	if s, ok := out.(screen); ok {
		out = s.Writer
	}
	f, isFile := out.(*os.File)
	return out, isFile && term.IsTerminal(int(f.Fd()))
}
