package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orderflow/cmd/orderflow/shop"
)

// apiCommand is a command that reads from the API, or writes to it, as an operator.
type apiCommand struct {
	use, short, long string
	example          string // a line or more, each a whole command
	args             cobra.PositionalArgs
	complete         completion // of its argument
	flags            func(*pflag.FlagSet)
	check            func(cmd *cobra.Command) error // of the flags, before anything is asked; nil for none
	// keyed has the command take a key, under which its request is carried out at most once.
	keyed bool
	// ask gives the API's answer, which --json prints as it is.
	ask func(ctx context.Context, c *shop.Client, args []string, key http.Header) (json.RawMessage, error)
	// show prints the answer for people.
	show func(out io.Writer, answer json.RawMessage) error
}

// over makes the command, which connects once its arguments are checked.
func (a apiCommand) over(connect connectFunc) *cobra.Command {
	var key string
	var asJSON bool
	cmd := &cobra.Command{
		Use: a.use, Short: a.short, Long: a.long, Example: a.example, Args: a.args,
		ValidArgsFunction: a.complete.over(connect),
	}
	if a.flags != nil {
		a.flags(cmd.Flags())
	}
	if a.keyed {
		cmd.Flags().StringVar(
			&key, "key", "", "the key of an earlier try, which is carried out at most once; by default a new one",
		)
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the API's answer as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if a.check != nil {
			if err := a.check(cmd); err != nil {
				return fmt.Errorf("%s: %w", path(cmd), err)
			}
		}
		client, err := connect(cmd.Context())
		if err != nil {
			return err
		}
		var header http.Header
		if a.keyed {
			if key, err = keyed(cmd.ErrOrStderr(), key); err != nil {
				return err
			}
			header = http.Header{"Idempotency-Key": {key}}
		}
		answer, err := a.ask(cmd.Context(), client, args, header)
		if err != nil {
			return err
		}
		if asJSON {
			return printRaw(cmd.OutOrStdout(), answer)
		}
		return a.show(cmd.OutOrStdout(), answer)
	}
	return cmd
}

// printRaw prints JSON as --json does, and changes no number of it.
func printRaw(out io.Writer, answer json.RawMessage) error {
	var text bytes.Buffer
	if err := json.Indent(&text, answer, "", "  "); err != nil {
		return err
	}
	text.WriteByte('\n')
	_, err := text.WriteTo(out)
	return err
}

// shows is how an answer of one kind is printed for people, line by line.
func shows[T any](lines func(T) []string) func(io.Writer, json.RawMessage) error {
	return func(out io.Writer, answer json.RawMessage) error {
		var of T
		if err := json.Unmarshal(answer, &of); err != nil {
			return fmt.Errorf("decode the answer: %w", err)
		}
		_, err := fmt.Fprintln(out, strings.Join(lines(of), "\n"))
		return err
	}
}
