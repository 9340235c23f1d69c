package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"orderflow/infra/stack"
	"orderflow/shared/contract/catalog"
)

func eventsExportCommand() *cobra.Command {
	return &cobra.Command{
		Use: "export DIRECTORY", Args: needsOne("directory"),
		Short: "Writes a page and a schema for each published event, as a catalogue of EventCatalog",
		Long: "Writes a page and a schema for each published event in each of its versions, and for each command to " +
			"the inventory,\nwith who sends and who receives it, in the folders of a catalogue of EventCatalog\n" +
			"(https://www.eventcatalog.dev). It asks no stack.\n\n" +
			"DIRECTORY may hold a catalogue already. Pages of others stay as they are. Nothing is written where a " +
			"version\nof an event would be lost that this program doesn't know.",
		Example: "  orderflow events export ./catalogue",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := exportEvents(cmd.OutOrStdout(), args[0]); err != nil {
				return fmt.Errorf("%s: %w", path(cmd), err)
			}
			return nil
		},
	}
}

func exportEvents(out io.Writer, directory string) error {
	templates, err := stack.Files()
	if err != nil {
		return err
	}
	did, err := catalog.Export(directory, templates["template.yaml"])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(
		out, "%d events in %d versions, and %d commands: %d files in %s, of which %d were new or another\n",
		did.Events, did.Versions, did.Commands, did.Files, directory, did.Changed,
	)
	return err
}
