package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"orderflow/cmd/orderflow/doctor"
	"orderflow/cmd/orderflow/shop"
)

const doctorLong = `Examines a deployed stack with your AWS credentials: quota, functions, event source mappings, rules,
schedules, tables, key, queues, dead-letter entries, alarms and who gets them, mail, identity provider
and API. It only reads.

With --smoke it places and cancels an order as well: of a customer, a product, a piece of stock and an
account that it makes for that. It erases the customer, takes the product off sale, and empties stock
and account. Its events stay, and the figures of the day count one order.

The exit status is 1 if anything fails, and 0 if there are only warnings.`

// doctorOptions are the command's flags.
type doctorOptions struct {
	smoke  bool
	asJSON bool
	test   smokeTest
}

func doctorCommand(stack *stackFlag) *cobra.Command {
	o := doctorOptions{}
	cmd := &cobra.Command{
		Use:     "doctor",
		Example: "  orderflow doctor --smoke",
		Short:   "Examines whether a stack has all that orders need", Long: doctorLong, Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return fmt.Errorf("doctor: %w", err)
			}
			return o.run(cmd.Context(), stack, cmd.OutOrStdout())
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.asJSON, "json", false, "print JSON")
	f.BoolVar(&o.smoke, "smoke", false, "place and cancel an order")
	f.DurationVar(&o.test.timeout, "timeout", 2*time.Minute, "with --smoke, how long to wait for each of its steps")
	f.StringVar(
		&o.test.email, "email", "success@simulator.amazonses.com",
		"with --smoke, the customer's address; SES's simulator takes mails in the sandbox too",
	)
	f.StringVar(&o.test.to.Line1, "line1", somewhere.Line1, "with --country, the street")
	f.StringVar(&o.test.to.PostalCode, "postal-code", "", "with --country, the postal code")
	f.StringVar(&o.test.to.City, "city", "", "with --country, the city")
	f.StringVar(&o.test.to.State, "state", "", "with --country, the state, where the country has states")
	f.StringVar(
		&o.test.to.Country, "country", "",
		"with --smoke, the country, one of ServedCountries; without it the order goes to Seattle in the United States",
	)
	return cmd
}

// somewhere is where the order goes if nothing else is said.
var somewhere = shop.Address{
	Line1: "1 Test Street", PostalCode: "98101", City: "Seattle", State: "WA", Country: "US",
}

// check refuses flags that would have no effect.
func (o *doctorOptions) check(cmd *cobra.Command) error {
	for _, name := range []string{"timeout", "email", "line1", "postal-code", "city", "state", "country"} {
		if cmd.Flags().Changed(name) && !o.smoke {
			return fmt.Errorf("--%s: expected with --smoke only", name)
		}
	}
	for _, name := range []string{"line1", "postal-code", "city", "state"} {
		if cmd.Flags().Changed(name) && o.test.to.Country == "" {
			return fmt.Errorf("--%s: expected with --country only", name)
		}
	}
	if o.test.to.Country == "" {
		o.test.to = somewhere
	}
	if o.test.timeout <= 0 {
		return fmt.Errorf("--timeout: expected a duration above 0, got %s", o.test.timeout)
	}
	return nil
}

func (o *doctorOptions) run(ctx context.Context, stack *stackFlag, out io.Writer) error {
	d, err := stack.find(ctx)
	if err != nil {
		return err
	}
	// Cognito charges for each token of a machine, and one will do.
	once := sync.OnceValues(func() (*shop.Client, error) { return operatorClient(ctx, d) })
	connect := func(context.Context) (*shop.Client, error) { return once() }
	report, err := doctor.Examine(ctx, d, connect)
	if err != nil {
		return err
	}
	if o.smoke {
		report.Add(o.test.run(ctx, d, connect))
	}
	if err := printExamination(out, report, o.asJSON); err != nil {
		return err
	}
	if report.Failures > 0 {
		return fmt.Errorf("doctor: %s: %d failures, %d warnings", d.Stack, report.Failures, report.Warnings)
	}
	return nil
}

func printExamination(out io.Writer, r doctor.Report, asJSON bool) error {
	if asJSON {
		return printJSON(out, r)
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.AppendHeader(table.Row{"check", "result", "found"})
	for _, c := range r.Checks {
		t.AppendRow(table.Row{c.Name, result(c), c.Detail})
	}
	if _, err := fmt.Fprintln(out, t.Render()); err != nil {
		return err
	}
	for _, c := range r.Checks {
		for _, p := range c.Problems {
			if _, err := fmt.Fprintf(
				out, "\n%s: %s: %s: %s\n  %s\n", p.Severity, c.Name, p.Part, p.Detail, p.Remedy,
			); err != nil {
				return err
			}
		}
	}
	return nil
}

// result is a check's worst problem.
func result(c doctor.Check) string {
	switch {
	case c.Has(doctor.Failure):
		return string(doctor.Failure)
	case c.Has(doctor.Warning):
		return string(doctor.Warning)
	case c.Skipped:
		return "skipped"
	}
	return "ok"
}
