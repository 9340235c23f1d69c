#!/usr/bin/env bash
# JSONata's $fromMillis cuts a year of five digits to its last four.
#
# Version: jsonata 2.0.6 (npm, the version that AWS names for state machines).
# Guess before the run: an error, or +010000 as Date.toISOString writes it.
# Seen: the first millisecond of the year 10000 is "0000-01-01T00:00:00.000Z", in the past.
# $fromMillis and $toMillis don't undo each other there.
# Matters to: "never" as a date far ahead. Leave the date out instead.
. "$(dirname "$0")/lib.sh"
node_packages jsonata@2.0.6

js() { in_node -e 'require("jsonata")(process.argv[1]).evaluate(null).then(v => console.log(v))' "$1"; }

expect 'the last millisecond of 9999' 9999-12-31T23:59:59.999Z "$(js '$fromMillis(253402300799999)')"
expect 'the first one of 10000' 0000-01-01T00:00:00.000Z "$(js '$fromMillis(253402300800000)')"
expect 'there and back' -62167219200000 "$(js '$toMillis($fromMillis(253402300800000))')"
