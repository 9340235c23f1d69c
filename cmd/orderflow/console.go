package main

import (
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"runtime"

	"github.com/spf13/cobra"
)

func consoleCommand(stack *stackFlag) *cobra.Command {
	var open bool
	cmd := &cobra.Command{
		Use:     "console [--open]",
		Example: "  orderflow console --open",
		Short:   "Prints the address of the operators' console",
		Long: "Prints the address of the operators' console.\n" +
			"On a local emulator, the address fills an operator's token in, and a button takes it.\n" +
			"On AWS, you sign in by the stack's user pool, or with a token that you have (docs/console.md).",
		Args: needsNone,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := stack.find(cmd.Context())
			if err != nil {
				return err
			}
			api, err := d.APIURL()
			if err != nil {
				return err
			}
			address := api + "/console"
			if d.Emulated() {
				token, err := d.OperatorToken(cmd.Context())
				if err != nil {
					return err
				}
				address = filledIn(address, token)
			}
			if _, err := fmt.Fprintln(cmd.OutOrStdout(), address); err != nil {
				return err
			}
			if open {
				return openInBrowser(cmd, address)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&open, "open", false, "open it in the browser as well")
	return cmd
}

// filledIn is the address of the sign-in with a token in its fragment, which browsers send to no
// server.
func filledIn(console, token string) string {
	return console + "/sign-in#" + url.Values{"token": {token}}.Encode()
}

// openInBrowser has the desktop open an address, by the program that each has for it.
func openInBrowser(cmd *cobra.Command, address string) error {
	program := "xdg-open"
	if runtime.GOOS == "darwin" {
		program = "open"
	}
	name, err := exec.LookPath(program)
	if err != nil {
		return errors.New("console: there is no " + program + ": open the address above yourself")
	}
	//nolint:gosec // the program is one of two, and the address is the stack's
	return exec.CommandContext(cmd.Context(), name, address).Run()
}
