// Package memstore is an es.Store in memory: for tests of what is built on a store, and for trying
// the kit out. It passes the same suite as the DynamoDB store. It stores the encoded form, so that
// what does not survive encoding fails here too.
package memstore

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
)

// Store keeps streams in memory. It is safe for concurrent use.
type Store struct {
	registry *es.Registry
	*contents
}

type contents struct {
	mu      sync.Mutex
	streams map[es.StreamID][]es.StoredCommit // whole appends
	clock   clock.Clock                       // nil where commits keep their times
	isolation
}

// Effect is what this store needs of an es.Effect. Check and Apply run under the store's lock,
// Apply only if everything else of the append is sure. Rows make Effects whose rows become visible
// one by one in a Staggered store; what another one does is visible at once.
type Effect interface {
	es.Effect
	// Check refuses, or says that Apply may come. It sees none of the other effects of the append.
	Check() error
	// Apply does it. It can't fail, and may not ask the store, whose lock is held.
	Apply()
}

// New makes an empty store. It has no limits, so no append is a *LimitError.
func New(registry *es.Registry, options ...Option) *Store {
	c := &contents{streams: map[es.StreamID][]es.StoredCommit{}}
	c.hidden = map[item]*pending{}
	for _, o := range options {
		o(c)
	}
	return &Store{registry: registry, contents: c}
}

// Reopen gives the same streams to a program with another registry, so that a test can let releases
// of two schemas meet.
func (s *Store) Reopen(registry *es.Registry) *Store {
	return &Store{registry: registry, contents: s.contents}
}

// Load implements es.Store.
func (s *Store) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	if err := ctx.Err(); err != nil {
		return es.History{}, err
	}
	return s.history(stream, s.read(stream), after)
}

// read is what a single read sees of a stream. Commits never change and the slice only grows, so
// the view stays true without the lock.
func (s *Store) read(stream es.StreamID) []es.StoredCommit {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reading()
	return s.visible(stream)
}

func (s *Store) history(stream es.StreamID, commits []es.StoredCommit, after int64) (es.History, error) {
	h := es.History{Head: head(stream, commits)}
	for _, c := range commits {
		events, err := s.registry.DecodeCommit(c, after)
		if err != nil {
			return es.History{}, err
		}
		h.Events = append(h.Events, events...)
	}
	return h, nil
}

// Since implements es.Store.
func (s *Store) Since(ctx context.Context, at es.Head) (es.History, error) {
	if at.Version() == 0 {
		return s.Load(ctx, at.Stream(), 0)
	}
	if err := ctx.Err(); err != nil {
		return es.History{}, err
	}
	commits := s.read(at.Stream())
	if !slices.ContainsFunc(commits, func(c es.StoredCommit) bool { return c.Head() == at }) {
		return es.History{}, fmt.Errorf("memstore: %s@%d: %w", at.Stream(), at.Version(), es.ErrUnknownHead)
	}
	return s.history(at.Stream(), commits, at.Version())
}

// Read implements es.Store.
func (s *Store) Read(ctx context.Context, stream es.StreamID, r es.Range) iter.Seq2[es.Recorded, error] {
	return func(yield func(es.Recorded, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(es.Recorded{}, err)
			return
		}
		commits := slices.Clone(s.read(stream))
		if r.Since.Version() > 0 {
			r.After = r.Since.Version()
			if !slices.ContainsFunc(commits, func(c es.StoredCommit) bool { return c.Head() == r.Since }) {
				yield(es.Recorded{}, fmt.Errorf("memstore: %s@%d: %w", stream, r.After, es.ErrUnknownHead))
				return
			}
		}
		if r.Backwards {
			slices.Reverse(commits)
		}
		given := 0
		for _, c := range commits {
			if err := ctx.Err(); err != nil {
				yield(es.Recorded{}, err)
				return
			}
			events, err := s.registry.DecodeCommit(c, r.After)
			if err != nil {
				yield(es.Recorded{}, err)
				return
			}
			if r.Backwards {
				slices.Reverse(events)
			}
			for _, e := range events {
				if r.Through > 0 && e.Version > r.Through {
					continue
				}
				if given++; !yield(e, nil) || given == r.Limit {
					return
				}
			}
		}
	}
}

// scanned is how many commits a page of Scan has.
const scanned = 100

// Scan implements es.Scanner. The position is the stream and the first version of the last commit
// that was given.
func (s *Store) Scan(ctx context.Context, segment, segments int, from string) iter.Seq2[es.ScanPage, error] {
	return func(yield func(es.ScanPage, error) bool) {
		if segment < 0 || segment >= segments {
			yield(es.ScanPage{}, fmt.Errorf("memstore: there is no segment %d of %d", segment, segments))
			return
		}
		var commits []es.StoredCommit
		s.mu.Lock()
		s.reading()
		for stream := range s.streams {
			sum := fnv.New32a()
			_, _ = sum.Write([]byte(stream))
			if int(sum.Sum32()%uint32(segments)) == segment { //nolint:gosec // segments are few, and more than none
				commits = append(commits, s.visible(stream)...)
			}
		}
		s.mu.Unlock()
		slices.SortFunc(commits, func(a, b es.StoredCommit) int {
			return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.First, b.First))
		})
		if from != "" {
			at := strings.LastIndex(from, "@")
			first, err := strconv.ParseInt(from[at+1:], 10, 64)
			if at < 0 || err != nil {
				yield(es.ScanPage{}, fmt.Errorf("memstore: %q is no position of a scan", from))
				return
			}
			commits = slices.DeleteFunc(commits, func(c es.StoredCommit) bool {
				return string(c.Stream) < from[:at] || string(c.Stream) == from[:at] && c.First <= first
			})
		}
		for {
			if err := ctx.Err(); err != nil {
				yield(es.ScanPage{}, err)
				return
			}
			page := es.ScanPage{Commits: commits[:min(scanned, len(commits))]}
			if commits = commits[len(page.Commits):]; len(commits) > 0 {
				last := page.Commits[len(page.Commits)-1]
				page.Next = fmt.Sprintf("%s@%d", last.Stream, last.First)
			}
			if !yield(page, nil) || page.Next == "" {
				return
			}
		}
	}
}

// At implements es.Store.
func (s *Store) At(ctx context.Context, stream es.StreamID, version int64) (es.Head, error) {
	if err := ctx.Err(); err != nil {
		return es.Head{}, err
	}
	h := head(stream, s.read(stream))
	if h.Version() != version {
		return es.Head{}, &es.ConflictError{Stream: stream, Expected: version, Actual: h.Version()}
	}
	return h, nil
}

// Append implements es.Store.
func (s *Store) Append(ctx context.Context, commits []es.Commit, effects ...es.Effect) (es.Appended, error) {
	if err := ctx.Err(); err != nil {
		return es.Appended{}, err
	}
	if err := es.CheckCommits(commits); err != nil {
		return es.Appended{}, err
	}
	var now time.Time
	if s.clock != nil {
		now = s.clock.Now()
	}
	stored := make([]es.StoredCommit, len(commits))
	for i, c := range commits {
		if c.Time.Before(now) {
			c.Time = now
		}
		var err error
		if stored[i], err = s.registry.EncodeCommit(c); err != nil {
			return es.Appended{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended()
	items := make([]item, 0, len(stored))
	for _, c := range stored {
		items = append(items, item{stream: c.Stream, first: c.First})
	}
	show := map[item]func(){}
	for _, e := range effects {
		if rows, ok := e.(staged); ok {
			for _, r := range rows.rows(s.contents) {
				items, show[r.item] = append(items, r.item), r.show
			}
		}
	}
	contended := &es.ConflictError{Stream: commits[0].Head.Stream(), Expected: commits[0].Head.Version(), Actual: -1}
	if s.underWay(items...) {
		return es.Appended{}, contended
	}
	if heads, all := s.recognise(commits); all {
		return es.Appended{Heads: heads, Recognised: true}, nil
	}
	for _, c := range commits {
		if actual := head(c.Head.Stream(), s.streams[c.Head.Stream()]); actual != c.Head {
			return es.Appended{}, &es.ConflictError{
				Stream: c.Head.Stream(), Expected: c.Head.Version(), Actual: actual.Version(),
			}
		}
	}
	applied := make([]Effect, len(effects))
	for i, e := range effects {
		effect, ok := e.(Effect)
		if !ok {
			return es.Appended{}, fmt.Errorf("memstore: effect %s has no Check and Apply", e.EffectName())
		}
		if err := effect.Check(); err != nil {
			return es.Appended{}, err
		}
		applied[i] = effect
	}
	heads := make([]es.Head, len(stored))
	for i, c := range stored {
		s.streams[c.Stream] = append(s.streams[c.Stream], c)
		heads[i] = c.Head()
	}
	for _, e := range applied {
		e.Apply()
	}
	if missed := s.reveal(ctx, items, show); missed {
		return es.Appended{}, contended
	}
	return es.Appended{Heads: heads}, nil
}

// Confirm implements es.Store.
func (s *Store) Confirm(ctx context.Context, heads ...es.Head) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := es.CheckHeads(heads); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended()
	for _, h := range heads {
		if s.underWay(item{stream: h.Stream(), first: h.First()}, item{stream: h.Stream(), first: h.Version() + 1}) {
			return &es.ConflictError{Stream: h.Stream(), Expected: h.Version(), Actual: -1}
		}
	}
	for _, h := range heads {
		if actual := head(h.Stream(), s.streams[h.Stream()]); actual != h {
			return &es.ConflictError{Stream: h.Stream(), Expected: h.Version(), Actual: actual.Version()}
		}
	}
	return nil
}

// recognise finds the commits where their Heads would put them, with their own ids.
func (s *Store) recognise(commits []es.Commit) (heads []es.Head, all bool) {
	for _, c := range commits {
		found := false
		for _, have := range s.streams[c.Head.Stream()] {
			if have.First == c.Head.Version()+1 && have.ID == c.ID {
				heads, found = append(heads, have.Head()), true
			}
		}
		if !found {
			return nil, false
		}
	}
	return heads, true
}

func head(stream es.StreamID, commits []es.StoredCommit) es.Head {
	if len(commits) == 0 {
		return es.StoreHead(stream, 0, 0, "")
	}
	return commits[len(commits)-1].Head()
}
