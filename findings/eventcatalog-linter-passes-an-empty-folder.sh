#!/usr/bin/env bash
# EventCatalog's linter ends well for a folder in which it finds nothing.
#
# Version: @eventcatalog/linter 1.1.1.
# Guess before the run: a folder without a catalogue is an error, or at least not the same exit
# status as a catalogue without faults: a wrong path in a build would pass for ever.
# Seen: it says that it found no files, and exits with 0, as for a catalogue that is right. A page
# without its owner ends with 1.
# Matters to: whoever lints a generated catalogue in a build.
. "$(dirname "$0")/lib.sh"
node_packages @eventcatalog/linter@1.1.1
catalogue=$workdir/catalogue

# lints   Prints the exit status of the linter for a folder.
lints() {
  local status=0
  "$workdir/node/node_modules/.bin/eventcatalog-linter" "$1" >"$workdir/said" 2>&1 || status=$?
  echo "$status"
}

# page FIELDS   Writes a catalogue of one event, with its owner's page.
page() {
  mkdir -p "$catalogue/events/Placed" "$catalogue/teams"
  printf -- '---\nid: shop\nname: Shop\nsummary: The shop.\n---\n\nWho sells.\n' >"$catalogue/teams/shop.mdx"
  printf -- '---\nid: Placed\nname: Placed\nsummary: An order was placed.\n%s---\n\nIt was placed.\n' "$1" >"$catalogue/events/Placed/index.mdx"
}

page $'version: 1.0.0\nowners: [shop]\n'
expect "a catalogue that is right ends with" 0 "$(lints "$catalogue")"
page $'version: 1.0.0\n'
expect "a page without its owner" 1 "$(lints "$catalogue")"
mkdir "$workdir/empty"
expect "an empty folder" 0 "$(lints "$workdir/empty")"
expect "and says" "No EventCatalog files found" "$(grep -o 'No EventCatalog files found' "$workdir/said")"
