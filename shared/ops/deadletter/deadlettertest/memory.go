// Package deadlettertest has a table of dead letters in memory, and the suite that every table
// passes.
package deadlettertest

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"orderflow/shared/ops/deadletter"
)

// Memory is a deadletter.Table for tests. It keeps each entry as the JSON that a table on disk
// would, so that what doesn't survive that is found. The zero Memory is empty.
type Memory struct {
	mu       sync.Mutex
	entries  map[string]row
	messages map[string]deadletter.Message
	notes    map[[2]string]deadletter.Note
	requests map[string]deadletter.Request

	// Fail says of each call, by the method's name, whether it fails: before anything is done, or
	// after. It may be nil.
	Fail func(method string) (before, after error)
}

type row struct {
	revision int64
	text     []byte
}

var _ deadletter.Table = (*Memory)(nil)

func (m *Memory) call(method string, f func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var before, after error
	if m.Fail != nil {
		before, after = m.Fail(method)
	}
	if before != nil {
		return before
	}
	if err := f(); err != nil {
		return err
	}
	return after
}

func (r row) entry() (e deadletter.Entry, err error) {
	err = json.Unmarshal(r.text, &e)
	e.Revision = r.revision
	return e, err
}

// Get implements deadletter.Table.
func (m *Memory) Get(_ context.Context, id string) (e deadletter.Entry, err error) {
	err = m.call("Get", func() (err error) {
		r, ok := m.entries[id]
		if !ok {
			return deadletter.ErrNoEntry
		}
		e, err = r.entry()
		return err
	})
	return e, err
}

// Message implements deadletter.Table.
func (m *Memory) Message(_ context.Context, id string) (out deadletter.Message, err error) {
	err = m.call("Message", func() error {
		msg, ok := m.messages[id]
		if !ok {
			return deadletter.ErrNoEntry
		}
		out = deadletter.Message{Body: bytes.Clone(msg.Body), Attributes: maps.Clone(msg.Attributes)}
		return nil
	})
	return out, err
}

// Create implements deadletter.Table.
func (m *Memory) Create(_ context.Context, e deadletter.Entry, msg deadletter.Message) error {
	return m.call("Create", func() error {
		if _, ok := m.entries[e.ID]; ok {
			return deadletter.ErrConflict
		}
		if m.entries == nil {
			m.entries, m.messages = map[string]row{}, map[string]deadletter.Message{}
		}
		m.messages[e.ID] = deadletter.Message{Body: bytes.Clone(msg.Body), Attributes: maps.Clone(msg.Attributes)}
		return m.put(e)
	})
}

// Update implements deadletter.Table.
func (m *Memory) Update(_ context.Context, e deadletter.Entry) error {
	return m.call("Update", func() error {
		if r, ok := m.entries[e.ID]; !ok || r.revision != e.Revision {
			return deadletter.ErrConflict
		}
		return m.put(e)
	})
}

// Decide implements deadletter.Table.
func (m *Memory) Decide(_ context.Context, e deadletter.Entry, r deadletter.Request) error {
	return m.call("Decide", func() error {
		row, ok := m.entries[e.ID]
		if _, taken := m.requests[r.ID]; !ok || row.revision != e.Revision || taken {
			return deadletter.ErrConflict
		}
		if m.requests == nil {
			m.requests = map[string]deadletter.Request{}
		}
		m.requests[r.ID] = r
		return m.put(e)
	})
}

// Decided implements deadletter.Table.
func (m *Memory) Decided(_ context.Context, requestID string) (r deadletter.Request, found bool, err error) {
	err = m.call("Decided", func() error {
		r, found = m.requests[requestID]
		return nil
	})
	return r, found, err
}

func (m *Memory) put(e deadletter.Entry) error {
	text, err := json.Marshal(e)
	m.entries[e.ID] = row{revision: e.Revision + 1, text: text}
	return err
}

func (m *Memory) all() (all []deadletter.Entry, err error) {
	for _, r := range m.entries {
		e, err := r.entry()
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// Due implements deadletter.Table.
func (m *Memory) Due(_ context.Context, now time.Time) iter.Seq2[deadletter.Entry, error] {
	return func(yield func(deadletter.Entry, error) bool) {
		var due []deadletter.Entry
		err := m.call("Due", func() error {
			all, err := m.all()
			for _, e := range all {
				if !e.Next.IsZero() && !e.Next.After(now) {
					due = append(due, e)
				}
			}
			return err
		})
		if err != nil {
			yield(deadletter.Entry{}, err)
			return
		}
		slices.SortFunc(due, func(a, b deadletter.Entry) int { return a.Next.Compare(b.Next) })
		for _, e := range due {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// List implements deadletter.Table.
func (m *Memory) List(_ context.Context, q deadletter.Query) (page deadletter.Page, err error) {
	err = m.call("List", func() error {
		all, err := m.all()
		way := -1
		if q.Oldest {
			way = 1
		}
		slices.SortFunc(all, func(a, b deadletter.Entry) int { return way * strings.Compare(a.Place(), b.Place()) })
		for _, e := range all {
			if !q.Matches(e) || q.After != "" && way*strings.Compare(e.Place(), q.After) <= 0 {
				continue
			}
			if len(page.Entries) == q.Limit {
				page.Next = page.Entries[q.Limit-1].Place()
				break
			}
			page.Entries = append(page.Entries, e)
		}
		return err
	})
	return page, err
}

// Note implements deadletter.Table.
func (m *Memory) Note(_ context.Context, n deadletter.Note) (deadletter.Note, error) {
	err := m.call("Note", func() error {
		key := [2]string{n.Queue, n.MessageID}
		n.Tries = 1
		if before, ok := m.notes[key]; ok {
			n.First, n.Tries = before.First, before.Tries+1
		}
		if m.notes == nil {
			m.notes = map[[2]string]deadletter.Note{}
		}
		m.notes[key] = n
		return nil
	})
	return n, err
}

// NoteOf implements deadletter.Table.
func (m *Memory) NoteOf(_ context.Context, queue, messageID string) (n deadletter.Note, found bool, err error) {
	err = m.call("NoteOf", func() error {
		n, found = m.notes[[2]string{queue, messageID}]
		return nil
	})
	return n, found, err
}
