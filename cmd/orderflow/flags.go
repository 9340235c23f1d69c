package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orderflow/shared/kit/clock"
	"orderflow/shared/kit/decimal"
)

// strict gives a command and those below it the one rule for what is typed. No flag and no argument
// is empty, as with an unset variable of a shell: an empty one would select everything. A flag that
// takes one value is given once. Numbers are decimal, and durations have units. A command that
// names no arguments takes none. It wraps the flags' values, so that no command can leave the rule
// out.
func strict(cmd *cobra.Command) {
	for _, flags := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			if _, done := f.Value.(*strictValue); done {
				return
			}
			if f.DefValue == "0s" || f.DefValue == "[]" {
				f.DefValue = "" // the help says nothing of a default that is nothing
			}
			f.Value = &strictValue{Value: f.Value}
		})
	}
	fits := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if at := slices.Index(args, ""); at >= 0 {
			return fmt.Errorf("%s: argument %d is empty; see --help", path(cmd), at+1)
		}
		if fits == nil { // cobra would take any
			fits = needsNone
		}
		return fits(cmd, args)
	}
	for _, sub := range cmd.Commands() {
		strict(sub)
	}
}

// strictValue is a flag's value under that rule.
type strictValue struct {
	pflag.Value

	given bool
}

// Set implements pflag.Value.
func (v *strictValue) Set(text string) error {
	_, list := v.Value.(pflag.SliceValue)
	switch {
	case text == "":
		return errors.New("expected a value; leave the flag out if there is none")
	case list && slices.Contains(strings.Split(text, ","), ""):
		return errors.New("expected values between commas, and none is empty")
	case v.given && !list:
		return errors.New("expected once; it is given twice")
	}
	if err := v.check(text); err != nil {
		return err
	}
	v.given = true
	return v.Value.Set(text)
}

// check refuses the forms of a number, a duration or a truth that pflag would take.
func (v *strictValue) check(text string) (err error) {
	switch v.Type() {
	case "int", "int64":
		if !decimal.IsWhole(text) {
			return errors.New("expected a whole number in decimal digits")
		}
	case "float64":
		_, err = decimal.Fraction(text, 0, maxFraction)
	case "duration":
		_, err = clock.ParseDuration(text)
	case "bool":
		if text != "true" && text != "false" {
			return errors.New("expected true or false")
		}
	}
	return err
}

// maxFraction is more than any rate that a command takes.
const maxFraction = 1e6
