#!/usr/bin/env bash
# The reference implementation of JSONata encodes text to Base64 as Latin-1, one byte a character;
# the Python port as UTF-8.
#
# Versions: jsonata 2.2.2 (npm), jsonata-python 0.7.1 (PyPI).
# Guess before the run: UTF-8 in both.
# Seen: $base64encode('é') is "6Q==" (one byte, E9) in JavaScript and "w6k=" (two bytes, C3 A9) in
# Python; each misreads the other's.
# Matters to: text that crosses from a state machine to a program through Base64. Encode it in the
# program.
. "$(dirname "$0")/lib.sh"
python_packages jsonata-python==0.7.1
node_packages jsonata@2.2.2

py() { "$workdir/venv/bin/python" -c 'import sys, jsonata; print(jsonata.Jsonata(sys.argv[1]).evaluate(None))' "$1"; }
js() { in_node -e 'require("jsonata")(process.argv[1]).evaluate(null).then(v => console.log(v))' "$1"; }

expect "javascript \$base64encode('é')" '6Q==' "$(js "\$base64encode('é')")"
expect "python \$base64encode('é')" 'w6k=' "$(py "\$base64encode('é')")"
expect "javascript \$base64decode('w6k=')" 'Ã©' "$(js "\$base64decode('w6k=')")"
expect "python \$base64decode('w6k=')" 'é' "$(py "\$base64decode('w6k=')")"
