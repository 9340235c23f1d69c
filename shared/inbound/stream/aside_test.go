package stream_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"orderflow/shared/inbound/stream"
	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/es"
)

// TestAside: it is done for the commits that are handled, after all of them, and what becomes of it
// changes nothing for the batch.
func TestAside(t *testing.T) {
	for mode, set := range modes {
		t.Run(mode, func(t *testing.T) {
			for _, tt := range []struct {
				name    string
				batch   []string
				aside   []string // for what it was done
				failed  int
				letters []string
				again   bool
			}{
				{name: "all pass", batch: []string{"ok1", "slow1"}, aside: []string{"ok1", "slow1"}},
				{
					name: "it fails", batch: []string{"ok1", "ok-fails", "ok2"},
					aside: []string{"ok1", "ok-fails", "ok2"}, failed: 1,
				},
				{name: "it fails for good", batch: []string{"ok-never"}, aside: []string{"ok-never"}, failed: 1},
				{
					name: "it breaks", batch: []string{"ok-breaks", "ok1"}, aside: []string{"ok-breaks", "ok1"},
					failed: 1,
				},
				{
					name: "a record fails", batch: []string{"ok1", "never1", "unreadable", "down1"},
					aside:   []string{"ok1"},
					letters: []string{"order/never1", "order/unreadable", "order/down1"},
				},
				{name: "nothing passes", batch: []string{"down1"}, again: true},
			} {
				t.Run(tt.name, func(t *testing.T) {
					var done, aside []string
					failed, tries, sender := 0, map[string]int{}, &letters{}
					c := stream.Consumer{
						Name: "test", Decode: decode, DeadLetters: sender, Clock: clock.NewFake(start),
						AsideFailed: func() { failed++ },
						Aside: func(_ context.Context, commit es.StoredCommit) error {
							if len(done)+len(sender.sent) != len(tt.batch) {
								t.Errorf("%s is on while the batch waits", commit.Stream)
							}
							switch name := commit.Stream.ID(); name {
							case "ok-fails":
								aside = append(aside, name)
								return errTrouble
							case "ok-never":
								aside = append(aside, name)
								return errNever
							case "ok-breaks":
								aside = append(aside, name)
								panic("aside breaks")
							default:
								aside = append(aside, name)
							}
							return nil
						},
					}
					set(&c, func(_ context.Context, commit es.StoredCommit) error {
						err := outcome(tries, commit)
						if err == nil {
							done = append(done, commit.Stream.ID())
						}
						return err
					})
					err := c.Run(t.Context(), batch(tt.batch...))
					sent := slices.Equal(sender.streams(), append([]string{}, tt.letters...))
					if (err != nil) != tt.again || failed != tt.failed || !slices.Equal(aside, tt.aside) || !sent {
						t.Errorf("%v, aside %v with %d failures, letters %v", err, aside, failed, sender.streams())
					}
				})
			}
		})
	}
}

// TestAsideHasLittleTime: what hangs is given up long before the function's time is, and so is what
// would come after it.
func TestAsideHasLittleTime(t *testing.T) {
	failed := 0
	c := stream.Consumer{
		Name: "test", Decode: decode, DeadLetters: &letters{}, Clock: clock.System{}, AsideFailed: func() { failed++ },
		Handle: func(context.Context, es.StoredCommit) error { return nil },
		Aside: func(ctx context.Context, _ es.StoredCommit) error {
			deadline, ok := ctx.Deadline()
			if left := time.Until(deadline); !ok || left > 2*time.Second {
				t.Errorf("it may take %s", left)
			}
			return context.DeadlineExceeded
		},
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if err := c.Run(ctx, batch("a", "b")); err != nil || failed != 2 {
		t.Errorf("%v, %d failures", err, failed)
	}
}

// TestAsideIsHeardOf: its failures go to somebody.
func TestAsideIsHeardOf(t *testing.T) {
	c := stream.Consumer{
		Name: "test", Decode: decode, DeadLetters: &letters{}, Clock: clock.NewFake(start),
		Handle: func(context.Context, es.StoredCommit) error { return nil },
		Aside:  func(context.Context, es.StoredCommit) error { return errors.New("unheard") },
	}
	if err := c.Run(t.Context(), batch("a")); err == nil {
		t.Error("nobody hears of a failure, and that is no error")
	}
}
