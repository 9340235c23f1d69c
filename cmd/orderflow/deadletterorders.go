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
	var reason string
	cmd := &cobra.Command{
		Use:     "redrive ID... | --all",
		Example: "  orderflow deadletters redrive ID\n  orderflow deadletters redrive --all --consumer send-mails",
		Short:   "Sends dead-letter entries back to their consumers",
		Long: "Sends dead-letter entries back to their consumers.\n\n" +
			"The stack sends each entry within a minute, to the consumer that it came from and to no other. " +
			"Use show or list to see the result.\n" +
			"An entry that is already being redriven is not sent again for 15 minutes, and an undo not before its " +
			"execution has ended: you can interrupt the command and run it again.\n" +
			"--all selects all entries that match the filters and are open or spent (their retries are exhausted). " +
			"An entry is held if it is unknown whether its effect happened; it is skipped without --take-over.",
		Args: cobra.ArbitraryArgs, ValidArgsFunction: completion(newestEntries).over(connect),
		RunE: func(cmd *cobra.Command, ids []string) error {
			if err := chosen.check(cmd, ids); err != nil {
				return fmt.Errorf("%s: %w", path(cmd), err)
			}
			d, err := openDeadLetters(cmd, c, connect)
			if err != nil {
				return err
			}
			return d.carryOut(cmd.Context(), chosen, ids, asJSON, entryOrder{
				command: path(cmd), doing: "Redriving", done: "will be redriven within a minute",
				passesOver: func(l shop.DeadLetter) bool {
					return closed(l) || l.Kind == string(deadletter.KindNone) || l.Held && !takeOver
				},
				give: func(ctx context.Context, id string) (shop.DeadLetter, error) {
					return d.client.RedriveDeadLetter(ctx, id, reason, takeOver)
				},
			})
		},
	}
	chosen.addTo(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why the entries are redriven; no personal data")
	cmd.Flags().BoolVar(&takeOver, "take-over", false, "also redrive held entries, whose effects may then happen twice")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func deadLettersDiscardCommand(c clock.Clock, connect connectFunc) *cobra.Command {
	chosen := newSelection()
	var asJSON bool
	var reason string
	cmd := &cobra.Command{
		Use:     "discard ID... | --all",
		Example: "  orderflow deadletters discard ID --reason 'sent by hand'",
		Short:   "Closes dead-letter entries that are no longer needed",
		Long: "Closes dead-letter entries whose messages are no longer needed.\n\n" +
			"By id, it also closes entries that are being redriven. --all selects all entries that match the filters " +
			"and are open or spent (their retries are exhausted).",
		Args: cobra.ArbitraryArgs, ValidArgsFunction: completion(newestEntries).over(connect),
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
	cmd.Flags().StringVar(&reason, "reason", "", "why the entries are not needed; no personal data")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// closed reports whether an entry needs no further work.
func closed(l shop.DeadLetter) bool {
	return l.Status == string(deadletter.StatusResolved) || l.Status == string(deadletter.StatusDiscarded)
}

// selection is the entries that a command works on: those with the given ids, or all that a filter
// selects.
type selection struct {
	filter      entryFilter
	all, dryRun bool
}

// newSelection selects among the entries that are neither closed nor being redriven.
func newSelection() *selection {
	return &selection{filter: entryFilter{
		statuses: []deadletter.Status{deadletter.StatusOpen, deadletter.StatusSpent},
	}}
}

func (s *selection) addTo(cmd *cobra.Command) {
	s.filter.addTo(cmd)
	cmd.Flags().BoolVar(&s.all, "all", false, "all entries that the filters select")
	cmd.Flags().BoolVar(&s.dryRun, "dry-run", false, "show the selected entries, and change nothing")
}

// check checks the flags and arguments before the first request.
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
		return errors.New("expected either ids or --all, got both")
	case !s.all && len(ids) == 0:
		return errors.New("expected ids, or --all; see --help")
	case !s.all && filtered:
		return errors.New("filters: expected with --all only")
	}
	return nil
}

// entryOrder is what happens to each selected entry.
type entryOrder struct {
	command     string // in errors
	doing, done string // for the progress bar, and for each entry
	passesOver  func(shop.DeadLetter) bool
	give        func(ctx context.Context, id string) (shop.DeadLetter, error)
}

// decided is the result for one entry.
type decided struct {
	ID     string `json:"id"`
	Status string `json:"status,omitempty"` // after the command
	Error  string `json:"error,omitempty"`  // why the API rejected it
}

// carryOut applies the order to each selected entry. A rejected one doesn't stop the others.
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
					"%d of %d are done; run the same command again for the rest", len(results), len(selected),
				),
			}
		}
		result := decided{ID: entry.ID, Status: ordered.Status}
		if err != nil {
			refused++
			result = decided{ID: entry.ID, Error: err.Error()}
		}
		results = append(results, result)
		_ = bar.Add(1) // a failing progress bar stops nothing
	}
	_ = bar.Exit()
	if err := d.report(results, o.done, asJSON); err != nil {
		return err
	}
	if refused > 0 {
		return fmt.Errorf("%s: %d of %d were rejected", o.command, refused, len(selected))
	}
	return nil
}

// selected finds the entries. Those given by id are read for a dry run only.
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
		entry := shop.DeadLetter{ID: id}
		if s.dryRun {
			var err error
			if entry, err = d.client.DeadLetter(ctx, id); err != nil {
				return nil, err
			}
		}
		found = append(found, entry)
	}
	return found, nil
}

// leaveOut drops the entries that the API would reject or that are done already, and says how many.
func (d *deadLetters) leaveOut(found []shop.DeadLetter, passesOver func(shop.DeadLetter) bool) []shop.DeadLetter {
	all := len(found)
	found = slices.DeleteFunc(found, passesOver)
	if passed := all - len(found); passed > 0 {
		d.say("%s skipped: closed already, held, or not redrivable.", counted(passed))
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
			text = "rejected: " + r.Error
		case r.Status == string(deadletter.StatusRedriving):
			text = "already being redriven"
		}
		if _, err := fmt.Fprintln(d.out, r.ID, text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(d.out, counted(len(results)))
	return err
}
