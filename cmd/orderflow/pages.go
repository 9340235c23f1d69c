package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	"github.com/spf13/pflag"

	"orderflow/cmd/orderflow/shop"
)

// maxPage is how many entries the API puts into a page at most.
const maxPage = 100

// pages is a list of the API, which comes in pages.
type pages struct {
	list  string // the field of an answer that is the list
	limit int
}

// flag is the one that says how much of the list is wanted.
func (p *pages) flag(f *pflag.FlagSet, limit int, what string) {
	f.IntVar(&p.limit, "limit", limit, "maximum number of "+what+"; 0 for all")
}

func (p *pages) check() error {
	if p.limit < 0 {
		return fmt.Errorf("--limit: expected 0 or more, got %d", p.limit)
	}
	return nil
}

// read reads the list page by page, up to the limit. It is one answer, as if the API had pages of
// any length: the first page's, with the entries of all, and with the cursor behind the last one.
func (p *pages) read(
	ctx context.Context, client *shop.Client, path string, query url.Values,
) (json.RawMessage, error) {
	if query == nil {
		query = url.Values{}
	}
	var whole map[string]json.RawMessage
	entries := []json.RawMessage{}
	for {
		size := maxPage
		if p.limit > 0 {
			size = min(size, p.limit-len(entries))
		}
		query.Set("limit", strconv.Itoa(size))
		answer, err := client.Get(ctx, path, query)
		if err != nil {
			return nil, err
		}
		var page map[string]json.RawMessage
		var more []json.RawMessage
		var next string
		if err := json.Unmarshal(answer, &page); err != nil {
			return nil, fmt.Errorf("decode the answer: %w", err)
		}
		for field, into := range map[string]any{p.list: &more, "next": &next} {
			if text, there := page[field]; there {
				if err := json.Unmarshal(text, into); err != nil {
					return nil, fmt.Errorf("decode the answer: %s: %w", field, err)
				}
			}
		}
		entries = append(entries, more...)
		if over := next == "" || p.limit > 0 && len(entries) >= p.limit; over && whole == nil {
			return answer, nil // as it came
		} else if whole == nil {
			whole = page
		} else if over {
			if whole[p.list], err = json.Marshal(entries); err != nil {
				return nil, err
			}
			delete(whole, "next")
			if next != "" {
				whole["next"] = page["next"]
			}
			return json.Marshal(whole)
		}
		query.Set("cursor", next)
	}
}

// withMore says below a list that it goes on.
func withMore(lines []string, next string) []string {
	if next != "" {
		lines = append(lines, "There are more; --limit 0 shows all.")
	}
	return lines
}
