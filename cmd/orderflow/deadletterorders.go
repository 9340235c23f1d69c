package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/shop"
	"orderflow/shared/kit/clock"
	"orderflow/shared/ops/deadletter"
)

func deadLettersRedriveCommand(c clock.Clock, connect connectFunc) *cobra.Command {
	chosen := newSelection()
	var asJSON, takeOver bool
	cmd := &cobra.Command{
		Use:   "redrive ID... | --all",
		Short: "Sends dead letters back to the consumers that they came from",
		Long: "Sends dead letters back to the consumers that they came from.\n\n" +
			"Lets the stack send dead letters back, each to the consumer that it came from and to no other, within " +
			"a minute; show and list tell what became of them.\n" +
			"One that is on its way already is not sent again for a quarter of an hour, and an undo not before " +
			"it has ended, so that the command may be interrupted and given again.\n" +
			"With --all, all that the filters select and that are open or spent. What is held, since nobody " +
			"knows whether its effect happened, is passed over without --take-over.",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := chosen.check(cmd, ids); err != nil {
				return fmt.Errorf("%s: %w", path(cmd), err)
			}
			d, err := openDeadLetters(cmd, c, connect)
			if err != nil {
				return err
			}
			return d.carryOut(cmd.Context(), chosen, ids, asJSON, entryOrder{
				command: path(cmd), doing: "Redriving", done: "to be redriven within a minute",
				passesOver: func(l shop.DeadLetter) bool {
					return closed(l) || l.Kind == string(deadletter.KindNone) || l.Held && !takeOver
				},
				give: func(ctx context.Context, id string) (shop.DeadLetter, error) {
					return d.client.RedriveDeadLetter(ctx, id, takeOver)
				},
			})
		},
	}
	chosen.addTo(cmd)
	cmd.Flags().BoolVar(&takeOver, "take-over", false, "also what is held: its effect may happen a second time")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func deadLettersDiscardCommand(c clock.Clock, connect connectFunc) *cobra.Command {
	chosen := newSelection()
	var asJSON bool
	var reason string
	cmd := &cobra.Command{
		Use:   "discard ID... | --all",
		Short: "Closes dead letters that are not needed",
		Long: "Closes dead letters that are not needed.\n\n" +
			"Closes dead letters whose messages are not needed, by their ids also those that are on their way. With " +
			"--all, all that the filters select and that are open or spent.",
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := chosen.check(cmd, ids); err != nil {
				return fmt.Errorf("%s: %w", path(cmd), err)
			}
			d, err := openDeadLetters(cmd, c, connect)
			if err != nil {
				return err
			}
			return d.carryOut(cmd.Context(), chosen, ids, asJSON, entryOrder{
				command: path(cmd), doing: "Discarding", done: "discarded", passesOver: closed,
				give: func(ctx context.Context, id string) (shop.DeadLetter, error) {
					return d.client.DiscardDeadLetter(ctx, id, reason)
				},
			})
		},
	}
	chosen.addTo(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why they are not needed, without personal data")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// closed says of a dead letter that nothing is left to do about it.
func closed(l shop.DeadLetter) bool {
	return l.Status == string(deadletter.StatusResolved) || l.Status == string(deadletter.StatusDiscarded)
}

// selection is which dead letters an order is for: those with the ids that are given, or all that
// a filter selects.
type selection struct {
	filter      entryFilter
	all, dryRun bool
}

// newSelection is for orders, which are for what is neither closed nor under way.
func newSelection() *selection {
	return &selection{filter: entryFilter{
		statuses: []deadletter.Status{deadletter.StatusOpen, deadletter.StatusSpent},
	}}
}

func (s *selection) addTo(cmd *cobra.Command) {
	s.filter.addTo(cmd)
	cmd.Flags().BoolVar(&s.all, "all", false, "all that the filters select")
	cmd.Flags().BoolVar(&s.dryRun, "dry-run", false, "show which it would be, and change nothing")
}

// check refuses what can't be meant, before anything is asked of anybody.
func (s *selection) check(cmd *cobra.Command, ids []string) error {
	if err := s.filter.check(cmd); err != nil {
		return err
	}
	filtered := false
	for _, name := range filterFlags {
		filtered = filtered || cmd.Flags().Changed(name)
	}
	switch {
	case s.all && len(ids) > 0:
		return errors.New("give either ids or --all")
	case !s.all && len(ids) == 0:
		return errors.New("give ids, or --all; see --help")
	case !s.all && filtered:
		return errors.New("filters go with --all")
	}
	return nil
}

// entryOrder is what is done with each of the dead letters that were selected.
type entryOrder struct {
	command     string // in errors
	doing, done string // in the progress, and beside each of them
	passesOver  func(shop.DeadLetter) bool
	give        func(ctx context.Context, id string) (shop.DeadLetter, error)
}

// decided is what became of one dead letter.
type decided struct {
	ID     string `json:"id"`
	Status string `json:"status,omitempty"` // after the order
	Error  string `json:"error,omitempty"`  // why it was refused
}

// carryOut gives the order for each selected entry. One that is refused holds up no other.
func (d *deadLetters) carryOut(
	ctx context.Context, s *selection, ids []string, asJSON bool, o entryOrder,
) error {
	selected, err := d.selected(ctx, s, ids)
	if err != nil {
		return err
	}
	if s.all || s.dryRun {
		selected = d.leaveOut(selected, o.passesOver)
	}
	if s.dryRun {
		return d.printEntries(selected, asJSON)
	}
	bar := progressBar(d.progress, o.doing, len(selected))
	results, refused := make([]decided, 0, len(selected)), 0
	for _, entry := range selected {
		ordered, err := o.give(ctx, entry.ID)
		if err != nil && ctx.Err() != nil {
			_ = bar.Exit()
			if failed := d.report(results, o.done, asJSON); failed != nil {
				return failed
			}
			return &stoppedError{
				err: err,
				hint: fmt.Sprintf(
					"%d of %d are done; give the same command again for the others", len(results), len(selected),
				),
			}
		}
		result := decided{ID: entry.ID, Status: ordered.Status}
		if err != nil {
			refused++
			result = decided{ID: entry.ID, Error: err.Error()}
		}
		results = append(results, result)
		_ = bar.Add(1) // a bar that can't be drawn stops nothing
	}
	_ = bar.Exit()
	if err := d.report(results, o.done, asJSON); err != nil {
		return err
	}
	if refused > 0 {
		return fmt.Errorf("%s: %d of %d were refused", o.command, refused, len(selected))
	}
	return nil
}

// selected are the dead letters that an order is for. Those that are given by their ids are read
// for a dry run only.
func (d *deadLetters) selected(ctx context.Context, s *selection, ids []string) ([]shop.DeadLetter, error) {
	if s.all {
		of := s.filter.names()
		if s.filter.status != "" {
			of = []string{s.filter.status}
		}
		return d.find(ctx, s.filter, of, 0)
	}
	var found []shop.DeadLetter
	for _, id := range ids {
		letter := shop.DeadLetter{ID: id}
		if s.dryRun {
			var err error
			if letter, err = d.client.DeadLetter(ctx, id); err != nil {
				return nil, err
			}
		}
		found = append(found, letter)
	}
	return found, nil
}

// leaveOut leaves out those that the order would be refused for or was carried out for before, and
// says how many.
func (d *deadLetters) leaveOut(found []shop.DeadLetter, passesOver func(shop.DeadLetter) bool) []shop.DeadLetter {
	all := len(found)
	found = slices.DeleteFunc(found, passesOver)
	if passed := all - len(found); passed > 0 {
		d.say("%s passed over: closed already, held, or without a way back.", counted(passed))
	}
	return found
}

func (d *deadLetters) report(results []decided, done string, asJSON bool) error {
	if asJSON {
		return printJSON(d.out, results)
	}
	for _, r := range results {
		text := done
		switch {
		case r.Error != "":
			text = "refused: " + r.Error
		case r.Status == string(deadletter.StatusRedriving):
			text = "on its way already"
		}
		if _, err := fmt.Fprintln(d.out, r.ID, text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(d.out, counted(len(results)))
	return err
}
