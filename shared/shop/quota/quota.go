// Package quota bounds what a customer may ask for in an hour, so that one token neither spends the
// shop's money nor takes the place of others.
//
// A command counts once in an hour, however often it comes: an hour keeps which commands it has had
// and not how many. So it is put down before its effect: whoever crashes in between, or loses the
// answer, comes again with the same command and is let in.
//
// DynamoDB has no clock that a condition could ask. The hour is that of the instance which serves
// the request. Instances whose clocks differ use two hours of a customer side by side for as long
// as they differ, and neither takes more than its quota.
package quota

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/decimal"
	"orderflow/shared/kit/wiring"
)

const (
	// Window is what a quota is for.
	Window = time.Hour
	// Tries is how often the commands of an hour may come on average. Repeats count nothing, and
	// still cost: without a bound, one command could be repeated all day.
	Tries = 5
	// Most is the largest quota. Its commands take 80 KB of the 400 KB of an item.
	Most = 10_000
	// remembered is of how many commands an instance keeps that they are in a full hour: 8 bytes
	// each.
	remembered = 1_000_000
)

// Command is a command's fingerprint. Two commands of one customer with the same one count as one,
// which happens by accident once in 10^15 full hours.
type Command [8]byte

// CommandOf makes the fingerprint of what names a command.
func CommandOf(name string) Command {
	sum := sha256.Sum256([]byte(name))
	return Command(sum[:8])
}

// Hour is an hour of a customer.
type Hour struct {
	Customer string
	Start    time.Time
}

// HourOf is the hour of a customer that a moment is in. Each customer's begins at another second:
// clients that were refused don't all come back at once.
func HourOf(customer string, at time.Time) Hour {
	sum := sha256.Sum256([]byte(customer))
	offset := (time.Duration(binary.BigEndian.Uint64(sum[:8])>>1) % Window).Truncate(time.Second)
	return Hour{Customer: customer, Start: at.UTC().Add(-offset).Truncate(Window).Add(offset)}
}

// End is the first moment that is not in the hour any more.
func (h Hour) End() time.Time { return h.Start.Add(Window) }

// Bounds are what an hour takes.
type Bounds struct {
	Commands int64 // different ones
	Requests int64 // of all of them, repeats included
}

// Count is what an hour has had.
type Count struct {
	Commands []Command
	Requests int64
}

// Counter keeps the hours.
type Counter interface {
	// Add lets a command into an hour in one atomic step, or refuses it and gives what the hour
	// has: one that the hour has already, while it has fewer Requests than the bounds, and another
	// one while it has fewer Commands as well.
	Add(ctx context.Context, h Hour, c Command, b Bounds) (admitted bool, there Count, err error)
}

// Deps is what a Guard works with.
type Deps struct {
	Counter Counter
	Clock   clock.Clock
	PerHour int64 // commands of a customer; 0 for no quota
}

// Guard admits commands. It is safe for concurrent use.
type Guard struct {
	deps Deps

	mu   sync.Mutex
	full map[string]full // by customer
	size int             // commands in all of them
}

// full is an hour that takes no further command, as this instance has seen it.
type full struct {
	hour  Hour
	count Count
}

// New makes a Guard.
func New(d Deps) *Guard {
	d = wiring.Complete(d)
	if d.PerHour < 0 || d.PerHour > Most {
		panic(fmt.Sprintf("quota: expected 0 to %d commands an hour, got %d", Most, d.PerHour))
	}
	return &Guard{deps: d, full: map[string]full{}}
}

// MustParse reads a quota, and panics if it is none.
func MustParse(perHour string) int64 {
	n, err := decimal.Whole(perHour, 0, Most)
	if err != nil {
		panic("quota: commands an hour: " + err.Error())
	}
	return n
}

func (g *Guard) bounds() Bounds {
	return Bounds{Commands: g.deps.PerHour, Requests: Tries * g.deps.PerHour}
}

// Admit lets a customer's command in, or says how long until the next hour begins. It costs one
// write; what an instance has seen refused once, it refuses without asking.
func (g *Guard) Admit(ctx context.Context, customer, name string) (admitted bool, wait time.Duration, err error) {
	if g.deps.PerHour == 0 {
		return true, 0, nil
	}
	now := g.deps.Clock.Now()
	hour := HourOf(customer, now)
	// The hour is in the fingerprint: two commands that share one by design share it in this hour
	// only.
	command := CommandOf(hour.Customer + "\n" + hour.Start.Format(time.RFC3339) + "\n" + name)
	wait = hour.End().Sub(now)
	if g.refuses(hour, command) {
		return false, wait, nil
	}
	admitted, there, err := g.deps.Counter.Add(ctx, hour, command, g.bounds())
	if err != nil {
		return false, 0, fmt.Errorf("quota: count a command: %w", err)
	}
	if admitted {
		return true, 0, nil
	}
	g.remember(hour, there)
	return false, wait, nil
}

// refuses reports whether the instance knows that the hour refuses the command: a full one stays
// full.
func (g *Guard) refuses(h Hour, c Command) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	f, ok := g.full[h.Customer]
	return ok && f.hour == h && (f.count.Requests >= g.bounds().Requests || !slices.Contains(f.count.Commands, c))
}

func (g *Guard) remember(h Hour, there Count) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.size += len(there.Commands) - len(g.full[h.Customer].count.Commands)
	if g.size > remembered {
		clear(g.full)
		g.size = len(there.Commands)
	}
	g.full[h.Customer] = full{hour: h, count: there}
}
