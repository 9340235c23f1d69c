#!/usr/bin/env bash
# jsonata-python's % drops the fraction of what it divides.
#
# Versions: jsonata-python 0.7.1 (PyPI, as local Step Functions emulators use it), jsonata 2.2.2
# (npm, the reference).
# Guess before the run: 5.5 % 2 is 1.5 in both.
# Seen: it is 1 in Python and 1.5 in JavaScript; -5.5 % 2 is -1 and -1.5.
# Matters to: whoever computes the rest of a duration in a state machine and tests it on an
# emulator. Use whole milliseconds.
. "$(dirname "$0")/lib.sh"
python_packages jsonata-python==0.7.1
node_packages jsonata@2.2.2

py() { "$workdir/venv/bin/python" -c 'import sys, jsonata; print(jsonata.Jsonata(sys.argv[1]).evaluate(None))' "$1"; }
js() { in_node -e 'require("jsonata")(process.argv[1]).evaluate(null).then(v => console.log(v))' "$1"; }

expect 'python 5.5 % 2' 1 "$(py '5.5 % 2')"
expect 'javascript 5.5 % 2' 1.5 "$(js '5.5 % 2')"
expect 'python (-5.5) % 2' -1 "$(py '(-5.5) % 2')"
expect 'javascript (-5.5) % 2' -1.5 "$(js '(-5.5) % 2')"
