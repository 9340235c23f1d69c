// Package memstore is an es.Store in memory: for tests of what is built on a store, and for trying the kit out.
// It passes the same suite as the DynamoDB store. It stores the encoded form, so that what does not survive encoding fails here too.
package memstore

import (
	"context"
	"fmt"
	"sync"

	"orderflow/shared/es"
)

// Store keeps streams in memory. It is safe for concurrent use.
type Store struct {
	registry *es.Registry

	mu      sync.Mutex
	streams map[es.StreamID][]es.StoredCommit
}

// Effect is what this store needs of an es.Effect. Check and Apply run under the store's lock, Apply only if everything else of the append is sure.
type Effect interface {
	es.Effect
	// Check refuses, or says that Apply may come. It sees none of the other effects of the append.
	Check() error
	// Apply does it. It can't fail, and may not ask the store, whose lock is held.
	Apply()
}

// New makes an empty store. It has no limits, so no append is a *LimitError.
func New(registry *es.Registry) *Store {
	return &Store{registry: registry, streams: map[es.StreamID][]es.StoredCommit{}}
}

// Load implements es.Store.
func (s *Store) Load(ctx context.Context, stream es.StreamID, after int64) (es.History, error) {
	if err := ctx.Err(); err != nil {
		return es.History{}, err
	}
	s.mu.Lock()
	commits := s.streams[stream] // commits never change and the slice only grows, so the view stays true without the lock
	s.mu.Unlock()
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

// At implements es.Store.
func (s *Store) At(ctx context.Context, stream es.StreamID, version int64) (es.Head, error) {
	if err := ctx.Err(); err != nil {
		return es.Head{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	h := head(stream, s.streams[stream])
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
	stored := make([]es.StoredCommit, len(commits))
	for i, c := range commits {
		var err error
		if stored[i], err = s.registry.EncodeCommit(c); err != nil {
			return es.Appended{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if heads, all := s.recognise(commits); all {
		return es.Appended{Heads: heads, Recognised: true}, nil
	}
	for _, c := range commits {
		if actual := head(c.Head.Stream(), s.streams[c.Head.Stream()]); actual != c.Head {
			return es.Appended{}, &es.ConflictError{Stream: c.Head.Stream(), Expected: c.Head.Version(), Actual: actual.Version()}
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
	return es.Appended{Heads: heads}, nil
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
		return es.StoreHead(stream, 0, "")
	}
	return commits[len(commits)-1].Head()
}
