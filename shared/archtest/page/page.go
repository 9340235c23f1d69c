// Package page reads the blocks of code of the documentation's pages.
package page

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// What is done with a block of commands is the second word behind its fence. A block that says
// nothing is run on a deployed stack.
const (
	Run      = ""         // pasted into a shell, on a deployed stack
	Checkout = "checkout" // changes the checkout: run on a copy of it
	Checked  = "checked"  // asks for an account, a local AWS of its own, or downloads: held against what is there
)

// Block is code between two fences.
type Block struct {
	Page     string
	Line     int // of the opening fence
	Language string
	Kind     string
	Text     string
}

func (b Block) String() string { return fmt.Sprintf("%s:%d", b.Page, b.Line) }

// Blocks are the blocks of a page, in its order.
func Blocks(name, text string) (all []Block) {
	const fence = "```"
	open := false
	line := 0
	for l := range strings.Lines(text) {
		line++
		l = strings.TrimSuffix(l, "\n")
		info, fenced := strings.CutPrefix(l, fence)
		switch {
		case open && l == fence:
			open = false
		case open:
			all[len(all)-1].Text += l + "\n"
		case fenced:
			language, kind, _ := strings.Cut(info, " ")
			all, open = append(all, Block{Page: name, Line: line, Language: language, Kind: kind}), true
		}
	}
	return all
}

// All are the blocks of all pages of a tree, by page.
func All(tree fs.FS) (map[string][]Block, error) {
	names, err := fs.Glob(tree, "*.md")
	if err != nil {
		return nil, err
	}
	for _, folder := range []string{"docs", "findings"} {
		if err := fs.WalkDir(tree, folder, func(name string, _ fs.DirEntry, err error) error {
			if path.Ext(name) == ".md" {
				names = append(names, name)
			}
			return err
		}); err != nil {
			return nil, err
		}
	}
	all := map[string][]Block{}
	for _, name := range names {
		text, err := fs.ReadFile(tree, name)
		if err != nil {
			return nil, err
		}
		if blocks := Blocks(name, string(text)); len(blocks) > 0 {
			all[name] = blocks
		}
	}
	return all, nil
}

// Commands are the blocks of commands of one kind.
func Commands(all []Block, kind string) (some []Block) {
	for _, b := range all {
		if b.Language == "sh" && b.Kind == kind {
			some = append(some, b)
		}
	}
	return some
}
