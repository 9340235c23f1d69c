package deadletter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/shop/trail"
)

// Recorder writes letters into the table. All fields are required.
type Recorder struct {
	Table   Table
	Records Records
	Clock   clock.Clock
	Policy  Policy
	Stack   string // whose name starts those of queues and functions
}

// Record records a letter. It may be given the same letter again, any number of times, also after
// it failed: the entry is the same. A letter of a redrive updates the entry that the redrive was
// of. One about the redrive's own function is logged and nothing more: the next run does what that
// one did not, its alarms tell, and a record of each run that failed would be a dead letter a
// minute.
func (r Recorder) Record(ctx context.Context, l Letter) error {
	l = l.original()
	ctx = trail.With(ctx, trail.OfMessage(l.Body))
	p := parse(l, r.Stack, r.Records)
	p.entry.about(trail.Of(ctx))
	if p.own {
		slog.WarnContext(ctx, "dead letter of the redrive itself", "messageId", l.MessageID, "error", p.failure.err)
		return nil
	}
	if err := r.ofRedrive(ctx, &p); err != nil {
		return fmt.Errorf("deadletter: record %s: %w", l.MessageID, err)
	}
	if p.noted != "" {
		note, found, err := r.Table.NoteOf(ctx, p.noted, l.MessageID)
		if err != nil {
			return fmt.Errorf("deadletter: record %s: %w", l.MessageID, err)
		}
		if found {
			p.failure.of(note)
		}
	}
	now := r.Clock.Now()
	if p.failure.last.IsZero() {
		p.failure.last = now // it doesn't say; it was not later
	}
	if p.failure.first.IsZero() {
		p.failure.first = p.failure.last
	}
	entry, err := change(ctx, r.Table, p.entry.ID, func(e Entry) (Entry, bool) { return r.again(e, p, l.MessageID) })
	if errors.Is(err, ErrNoEntry) {
		entry, err = r.first(ctx, p)
		if errors.Is(err, ErrConflict) { // somebody records the same thing
			entry, err = change(
				ctx, r.Table, p.entry.ID, func(e Entry) (Entry, bool) { return r.again(e, p, l.MessageID) },
			)
		}
	}
	if err != nil {
		return fmt.Errorf("deadletter: record %s: %w", l.MessageID, err)
	}
	trail.Learn(ctx, entry.trail())
	slog.WarnContext(ctx, "dead letter recorded", "deadLetterId", entry.ID, "consumer", entry.Consumer, "topic",
		entry.Topic, "status", string(entry.Status),
		"redrives", entry.Redrives, "held", entry.Held, "error", entry.Error)
	return nil
}

// of takes over what the consumer noted. Where it noted fewer tries than it has, the queue gave the
// message up before. A note of an earlier release has no count, 0: the queue counted three.
func (f *failure) of(n Note) {
	f.err, f.code, f.held, f.first, f.last, f.tries = n.Error, n.Code, n.Held, n.First, n.Last, max(n.Tries, 1)
	if n.Tries > 0 && n.Tries < Tries {
		f.err = fmt.Sprintf(
			"%s (failure %d of %d; after it %s)", shorten(n.Error, maxError-200), f.tries, Tries, crashed,
		)
		f.last = time.Time{}
	}
}

// ofRedrive makes sure that a letter is of the redrive that it says it is of: of an entry that was
// sent there. Anybody can send a message that names an entry; that is a dead letter of its own.
func (r Recorder) ofRedrive(ctx context.Context, p *parsed) error {
	if p.of == "" {
		return nil
	}
	e, err := r.Table.Get(ctx, p.of)
	switch {
	case err == nil && e.Kind == p.entry.Kind && e.Target == p.entry.Target:
		p.entry.ID = e.ID
	case err == nil, errors.Is(err, ErrNoEntry):
		p.attempt = 0
	default:
		return err
	}
	return nil
}

// first records what has no entry.
func (r Recorder) first(ctx context.Context, p parsed) (Entry, error) {
	now := r.Clock.Now()
	e := p.entry
	e.RecordedAt = now
	e = r.Policy.failed(e, p.failure, now)
	return e, r.Table.Create(ctx, e, p.message)
}

// again is the entry after a further letter about the same thing.
func (r Recorder) again(e Entry, p parsed, letter string) (Entry, bool) {
	if e.knows(letter) {
		return e, false
	}
	e.Letters = remember(e.Letters, letter)
	now := r.Clock.Now()
	switch {
	case p.attempt == 0 && e.Status == StatusResolved:
		e.ReopenedAt, e.Automatic = now, 0
		return r.Policy.failed(e, p.failure, now), true
	case p.attempt > 0 && e.answers(p.attempt):
		return r.Policy.failed(e, p.failure, now), true
	case p.attempt == 0:
		e.noteFailure(p.failure) // it is on its way back, or waits for a person, as before
	}
	return e, true
}

// changeTries bounds how often a change meets another one; each time somebody got on.
const changeTries = 10

// change reads an entry and writes what f makes of it, again where somebody was faster. f says
// whether there is anything to write.
func change(ctx context.Context, table Table, id string, f func(Entry) (Entry, bool)) (Entry, error) {
	for try := 1; ; try++ {
		e, err := table.Get(ctx, id)
		if err != nil {
			return Entry{}, err
		}
		next, changed := f(e)
		if !changed {
			return e, nil
		}
		if err = table.Update(ctx, next); err == nil || !errors.Is(err, ErrConflict) || try == changeTries {
			next.Revision++
			return next, err
		}
	}
}
