package whole

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"

	"orderflow/shared/kit/es"
	"orderflow/shared/ops/audit"
)

// Page is a part of what is compared.
type Page struct {
	Commits []es.StoredCommit
	Corrupt []error // one for each commit that can't be read
	Next    string  // the position after the page, "" where it is the segment's last
}

// Source gives the commits, in segments that can be read side by side.
type Source interface {
	// Segments is how many there are, at least one. Positions are of one number of segments only.
	Segments() int
	// Pages reads a segment from a position on, "" being its beginning. At least one page comes,
	// empty or not, and after an error none.
	Pages(ctx context.Context, segment int, from string) iter.Seq2[Page, error]
}

type stored struct {
	scanner  es.Scanner
	segments int
}

// FromStore gives all that a store holds.
func FromStore(scanner es.Scanner, segments int) Source { return stored{scanner, segments} }

func (s stored) Segments() int { return s.segments }

func (s stored) Pages(ctx context.Context, segment int, from string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		for scanned, err := range s.scanner.Scan(ctx, segment, s.segments, from) {
			if err != nil && !errors.Is(err, es.ErrCorrupt) {
				yield(Page{}, err)
				return
			}
			if !yield(Page{Commits: scanned.Commits, Corrupt: es.Parts(err), Next: scanned.Next}, nil) {
				return
			}
		}
	}
}

type stream struct {
	commits audit.Commits
	id      es.StreamID
}

// streamPage is how many commits of one stream a page has.
const streamPage = 100

// FromStream gives what one stream holds. One that can't be read ends it: those behind it are not
// reached.
func FromStream(commits audit.Commits, id es.StreamID) Source { return stream{commits, id} }

func (s stream) Segments() int { return 1 }

// Pages: a position is the version of the last event before it.
func (s stream) Pages(ctx context.Context, _ int, from string) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		var after int64
		if from != "" {
			var err error
			if after, err = strconv.ParseInt(from, 10, 64); err != nil || after < 1 {
				yield(Page{}, fmt.Errorf("audit: %q is no position in a stream", from))
				return
			}
		}
		var page Page
		for c, err := range s.commits.Commits(ctx, s.id, es.Range{After: after}) {
			switch {
			case errors.Is(err, es.ErrCorrupt):
				page.Corrupt = append(page.Corrupt, err)
				continue
			case err != nil:
				yield(Page{}, err)
				return
			case c.Last() <= after:
				continue
			}
			if len(page.Commits) == streamPage {
				page.Next = strconv.FormatInt(c.First-1, 10)
				if !yield(page, nil) {
					return
				}
				page = Page{}
			}
			page.Commits = append(page.Commits, c)
		}
		yield(page, nil)
	}
}
