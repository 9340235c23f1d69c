package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/spf13/cobra"

	"orderflow/shared/aws/eventtail"
	"orderflow/shared/contract"
	"orderflow/shared/kit/es"
	"orderflow/shared/kit/ident"
	"orderflow/shared/shop/order"
)

// tailFlags is what somebody wants to see of the bus.
type tailFlags struct {
	wanted  eventtail.Wanted
	orderID string
	count   int
	timeout time.Duration
	json    bool
}

// closedWithin is how long a tail that ends has to take away what it made.
const closedWithin = 15 * time.Second

func eventsTailCommand(stack *stackFlag) *cobra.Command {
	f := &tailFlags{}
	cmd := &cobra.Command{
		Use: "tail", Short: "Shows events as the bus carries them", Args: needsNone,
		Long: "Shows events as the bus carries them, until Ctrl-C, --count or --timeout. With --json, each is a " +
			"line of " +
			"JSON, as consumers get it; personal data is sealed.\n" +
			"It makes a queue and a rule <stack>-tail-... of its own, and takes them away at the end. If it is " +
			"killed, they stay: delete them, since a stack's bus can't be deleted before its rules.\n" +
			"An event may come twice, and before an earlier one.\n" +
			"Exit status 1: --timeout was over before --count events came.",
		Example: "  orderflow events tail --type order.placed,order.cancelled\n  orderflow events tail --order ID " +
			"--json | jq",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return fmt.Errorf("%s: %w", path(cmd), err)
			}
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			bus, err := d.Output("BusName")
			if err != nil {
				return err
			}
			tail, err := eventtail.Open(
				cmd.Context(), eventbridge.NewFromConfig(d.Config()), sqs.NewFromConfig(d.Config()), bus,
				stack.name+"-tail-"+ident.New()[:8], f.wanted,
			)
			if err != nil {
				return &stoppedError{err: err, hint: err.Error()}
			}
			_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "Listening; Ctrl-C ends it.")
			return f.toTheEnd(cmd.Context(), cmd.OutOrStdout(), tail)
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&f.wanted.Types, "type", nil, "events of this type; repeat it for more")
	flags.StringVar(&f.orderID, "order", "", "events of this order's own stream")
	flags.IntVar(&f.count, "count", 0, "stop after this many events; 0 for no limit")
	flags.DurationVar(&f.timeout, "timeout", 0, "stop after this time (default: never)")
	flags.BoolVar(&f.json, "json", false, "print a line of JSON for each event")
	return cmd
}

func (f *tailFlags) check() error {
	if f.count < 0 {
		return fmt.Errorf("--count: expected 0 or more, got %d", f.count)
	}
	if f.timeout < 0 {
		return fmt.Errorf("--timeout: expected a duration above 0, got %s", f.timeout)
	}
	for _, name := range f.wanted.Types {
		if !slices.ContainsFunc(contract.Types(), func(t contract.Type) bool { return t.Name == name }) {
			return fmt.Errorf("--type: expected the type of a published event, got %q", name)
		}
	}
	if f.orderID != "" {
		f.wanted.Subject = string(es.NewStreamID(order.Category, f.orderID))
	}
	return nil
}

// opened is a tail that is open.
type opened interface {
	Next(context.Context) ([]es.Envelope, error)
	Close(context.Context) error
}

// toTheEnd prints events as they come, and closes the tail, whatever ends it. What it could not
// take away it says, also to who has interrupted it or reads no further.
func (f *tailFlags) toTheEnd(ctx context.Context, out io.Writer, tail opened) error {
	err := f.follow(ctx, out, tail.Next)
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), closedWithin)
	defer cancel()
	left := tail.Close(closing)
	if left == nil {
		return err
	}
	if errors.Is(err, errUnread) {
		err = nil
	}
	return &stoppedError{err: errors.Join(err, left), hint: left.Error()}
}

// follow prints events as they come. That ctx ends is the end that somebody asked for.
func (f *tailFlags) follow(
	ctx context.Context, out io.Writer, next func(context.Context) ([]es.Envelope, error),
) error {
	within := ctx
	if f.timeout > 0 {
		var cancel context.CancelFunc
		within, cancel = context.WithTimeout(ctx, f.timeout)
		defer cancel()
	}
	for shown := 0; ; {
		events, err := next(within)
		for _, e := range events {
			if err := f.print(out, e); err != nil {
				return err
			}
			if shown++; shown == f.count {
				return nil
			}
		}
		switch {
		case ctx.Err() != nil:
			return nil
		case within.Err() != nil && f.count > 0:
			return fmt.Errorf("%d of %d events came within %s", shown, f.count, f.timeout)
		case within.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}

func (f *tailFlags) print(out io.Writer, e es.Envelope) error {
	if f.json {
		return json.NewEncoder(out).Encode(e)
	}
	_, err := fmt.Fprintf(
		out, "%s  %-24s %s  correlation %s\n", e.Time.Format(time.RFC3339), e.Type, e.Subject, e.CorrelationID,
	)
	return err
}
