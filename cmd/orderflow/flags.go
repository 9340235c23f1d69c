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

// strict gives a command and those below it one rule for flags and arguments. None of them is
// empty, as with an unset shell variable: an empty filter would select everything. A flag with one
// value is given once. Numbers are decimal, and durations have units. A command that names no
// arguments takes none. It wraps the flags' values, so that no command can leave the rule out.
func strict(cmd *cobra.Command) {
	for _, flags := range []*pflag.FlagSet{cmd.Flags(), cmd.PersistentFlags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			if _, done := f.Value.(*strictValue); done {
				return
			}
			if f.DefValue == "0s" || f.DefValue == "[]" {
				f.DefValue = "" // so that the help leaves it out
			}
			f.Value = &strictValue{Value: f.Value}
		})
	}
	fits := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if at := slices.Index(args, ""); at >= 0 {
			return fmt.Errorf("%s: argument %d is empty; see --help", path(cmd), at+1)
		}
		if fits == nil { // cobra would accept any
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
		return errors.New("expected a value, got an empty one; omit the flag instead")
	case list && slices.Contains(strings.Split(text, ","), ""):
		return errors.New("expected values between commas, got an empty one")
	case v.given && !list:
		return errors.New("expected once, got a second value")
	}
	if err := v.check(text); err != nil {
		return err
	}
	v.given = true
	return v.Value.Set(text)
}

// check rejects spellings of numbers, durations and booleans that pflag would accept.
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

// maxFraction is above every rate that a command accepts.
const maxFraction = 1e6
