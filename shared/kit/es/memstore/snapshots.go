package memstore

import (
	"bytes"
	"context"
	"sync"

	"orderflow/shared/kit/es"
)

// Snapshots is an es.Snapshots in memory. The zero value has none. It is safe for concurrent use.
type Snapshots struct {
	mu   sync.Mutex
	kept map[key]es.Snapshot
}

type key struct {
	stream es.StreamID
	fold   string
}

// Newest implements es.Snapshots.
func (s *Snapshots) Newest(ctx context.Context, stream es.StreamID, fold string) (es.Snapshot, bool, error) {
	if err := ctx.Err(); err != nil {
		return es.Snapshot{}, false, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	kept, found := s.kept[key{stream, fold}]
	kept.State = bytes.Clone(kept.State)
	return kept, found, nil
}

// Keep implements es.Snapshots.
func (s *Snapshots) Keep(ctx context.Context, snapshot es.Snapshot) error {
	return s.put(ctx, snapshot, func(kept es.Snapshot) bool { return kept.Head.Version() < snapshot.Head.Version() })
}

// Replace implements es.Snapshots.
func (s *Snapshots) Replace(ctx context.Context, snapshot es.Snapshot) error {
	return s.put(ctx, snapshot, func(es.Snapshot) bool { return true })
}

// Clear loses all of them.
func (s *Snapshots) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.kept)
}

func (s *Snapshots) put(ctx context.Context, snapshot es.Snapshot, over func(kept es.Snapshot) bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := key{snapshot.Head.Stream(), snapshot.Fold}
	if kept, found := s.kept[at]; found && !over(kept) {
		return nil
	}
	if s.kept == nil {
		s.kept = map[key]es.Snapshot{}
	}
	snapshot.State = bytes.Clone(snapshot.State)
	snapshot.Time = snapshot.Time.UTC()
	s.kept[at] = snapshot
	return nil
}
