package main

import (
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// leaves are the commands that do something, each by its path below the program.
func leaves(of *cobra.Command, at ...string) map[string][]string {
	found := map[string][]string{}
	for _, cmd := range of.Commands() {
		here := append(slices.Clone(at), cmd.Name())
		if !cmd.HasSubCommands() {
			found[strings.Join(here, " ")] = here
		}
		for name, path := range leaves(cmd, here...) {
			found[name] = path
		}
	}
	return found
}

// refused runs the program and wants it to refuse what was typed before it asks AWS for anything.
func refused(t *testing.T, says []string, args ...string) {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1") // nothing answers there
	cmd := root(&stackFlag{})
	cmd.SetArgs(args)
	cmd.SetOut(io.Discard)
	cmd.SetErr(io.Discard)
	err := cmd.ExecuteContext(t.Context())
	for _, want := range says {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", args, err, want)
		}
	}
}

// TestEveryFlag: whatever the command and the flag, an empty value, a second one, and a number, a
// duration or a truth that is written in another way are refused by the flag's name.
func TestEveryFlag(t *testing.T) {
	good := map[string]string{
		"string": "x", "int": "1", "float64": "1", "duration": "1h", "bool": "true", "stringSlice": "x",
		"int64": "1", "stringArray": "x", "amount": "EUR 5",
	}
	bad := map[string][]string{
		"string": {}, "stringSlice": {",", "a,", ",a", "a,,b"}, "stringArray": {",", "a,"},
		"amount": {"5", "EUR", "EUR 0", "EUR 5.0", "eur 5", "EUR -5"}, "bool": {"1", "0", "t", "TRUE", "yes", " true"},
		"int": {
			"010", "00", "0x10", "0b1", "0o7", "1_000", "+5", "1e3", "1.0", " 5", "5 ", "-0", "٥",
			"9223372036854775808",
		},
		"float64":  {"010", "0x10", "0x1p4", "1_000", "+5", "1e3", ".5", "5.", "NaN", "Inf", "-1", " 5"},
		"duration": {"0", "90", "-1h", "+1h", "1d", "1h 30m", ".5h", "1e3s", "1_0s"},
	}
	bad["int64"] = bad["int"]
	commands := leaves(root(&stackFlag{}))
	if len(commands) < 12 {
		t.Errorf("only %d commands", len(commands))
	}
	for name, path := range commands {
		t.Run(name, func(t *testing.T) {
			cmd, _, err := root(&stackFlag{}).Find(path)
			if err != nil {
				t.Fatal(err)
			}
			flags := 0
			check := func(f *pflag.Flag) {
				kind := f.Value.Type()
				if _, known := good[kind]; !known || f.Name == "help" {
					if f.Name != "help" {
						t.Errorf("--%s is a %s, for which there is no rule", f.Name, kind)
					}
					return
				}
				flags++
				says := `for "--` + f.Name + `" flag: `
				refused(
					t, []string{name + ": ", says + "expected a value"}, append(slices.Clone(path), "--"+f.Name+"=")...,
				)
				if kind != "bool" {
					refused(t, []string{says + "expected a value"}, append(slices.Clone(path), "--"+f.Name, "")...)
				}
				for _, value := range bad[kind] {
					refused(t, []string{says}, append(slices.Clone(path), "--"+f.Name+"="+value)...)
				}
				if kind != "stringSlice" && kind != "stringArray" {
					one := "--" + f.Name + "=" + good[kind]
					refused(t, []string{says + "expected once"}, append(slices.Clone(path), one, one)...)
				}
			}
			cmd.LocalFlags().VisitAll(check)
			cmd.InheritedFlags().VisitAll(check)
			if flags == 0 {
				t.Error("not even --stack was found")
			}
			refused(t, []string{name + ": argument 1 is empty"}, append(slices.Clone(path), "")...)
			refused(t, []string{name + ": argument 2 is empty"}, append(slices.Clone(path), "x", "")...)
		})
	}
}

// TestStackOfTheEnvironment: an empty ORDERFLOW_STACK names no stack, not the local one either.
func TestStackOfTheEnvironment(t *testing.T) {
	t.Setenv("ORDERFLOW_STACK", "")
	refused(t, []string{"ORDERFLOW_STACK is empty"}, "views", "list")
}
