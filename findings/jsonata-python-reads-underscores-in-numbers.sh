#!/usr/bin/env bash
# jsonata-python's $number takes a text with underscores or spaces for a number.
#
# Versions: jsonata-python 0.7.1 (PyPI, as local Step Functions emulators use it), jsonata 2.2.2
# (npm, the reference).
# Guess before the run: $number('1_000') is an error in both, since JSON has no such number.
# Seen: it is 1000 in Python and the error D3030 in JavaScript; so is ' 1' with its space.
# Matters to: whoever relies on $number to refuse malformed input. Check the form before.
. "$(dirname "$0")/lib.sh"
python_packages jsonata-python==0.7.1
node_packages jsonata@2.2.2

py() { "$workdir/venv/bin/python" -c 'import sys, jsonata; print(jsonata.Jsonata(sys.argv[1]).evaluate(None))' "$1"; }
js() { in_node -e 'require("jsonata")(process.argv[1]).evaluate(null).then(console.log, e => console.log(e.code))' "$1"; }

expect "python \$number('1_000')" 1000 "$(py "\$number('1_000')")"
expect "javascript \$number('1_000')" D3030 "$(js "\$number('1_000')")"
expect "python \$number(' 1')" 1 "$(py "\$number(' 1')")"
expect "javascript \$number(' 1')" D3030 "$(js "\$number(' 1')")"
