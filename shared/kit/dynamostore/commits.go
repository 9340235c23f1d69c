package dynamostore

import (
	"context"
	"iter"

	"orderflow/shared/kit/es"
)

// Commits gives the commits that have a part in a range, as they are stored, with Read's queries:
// for who publishes them again, and must not decode what can't be decoded. A Limit is only how many
// are read ahead. Forwards, the commit that holds version After is among them. One that can't be
// read, or doesn't fit its neighbour, is an es.ErrCorrupt, and after an error there is nothing
// more.
func (s *Store) Commits(ctx context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.StoredCommit, error] {
	return func(yield func(es.StoredCommit, error) bool) {
		for commit, err := range s.commits(ctx, stream, r) {
			// Backwards the last one read may lie below the range.
			if err == nil && r.Backwards && commit.Last() <= r.After {
				return
			}
			if !yield(commit, err) || err != nil {
				return
			}
		}
	}
}
