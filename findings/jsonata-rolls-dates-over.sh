#!/usr/bin/env bash
# The reference implementation of JSONata takes 30 February for 2 March in $toMillis; the Python
# port refuses it.
#
# Versions: jsonata 2.2.2 (npm), jsonata-python 0.7.1 (PyPI).
# Guess before the run: both refuse a day that the calendar does not have, since $toMillis refuses
# other malformed timestamps (D3110).
# Seen: JavaScript answers 1772409600000, which is 2026-03-02T00:00:00Z, without an error.
# Matters to: a Wait or a deadline that a state machine computes from outside input. Check dates
# before they reach it.
. "$(dirname "$0")/lib.sh"
python_packages jsonata-python==0.7.1
node_packages jsonata@2.2.2

expression="\$toMillis('2026-02-30T00:00:00Z')"
js=$(in_node -e 'require("jsonata")(process.argv[1]).evaluate(null).then(v => console.log(v), e => console.log("refused"))' "$expression")
py=$("$workdir/venv/bin/python" -c '
import sys, jsonata
try:
    print(jsonata.Jsonata(sys.argv[1]).evaluate(None))
except Exception as refusal:
    print("refused:", refusal)
' "$expression")

expect "javascript $expression" 1772409600000 "$js"
expect "python $expression" 'refused: day is out of range for month' "$py"
expect 'that moment' 2026-03-02T00:00:00.000Z "$(node -p 'new Date(1772409600000).toISOString()')"
