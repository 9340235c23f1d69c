#!/usr/bin/env bash
# jsonata-python writes a whole number of 17 digits with 15 of them and an exponent when $string
# converts it.
#
# Versions: jsonata-python 0.7.1 (PyPI), jsonata 2.2.2 (npm, the reference).
# Guess before the run: Python's integers are exact, so it keeps all digits, and JavaScript rounds
# to the nearest double.
# Seen: the reference writes the nearest double in full ("12345678901234568"); Python writes
# "1.23456789012346e+16", which differs from its own arithmetic: the number itself is exact as long
# as it is not turned into a string.
# Matters to: a command that a state machine builds with $string, as a message of a queue is.
# Fifteen digits are safe in both.
. "$(dirname "$0")/lib.sh"
python_packages jsonata-python==0.7.1
node_packages jsonata@2.2.2

py() { "$workdir/venv/bin/python" -c 'import sys, json, jsonata; print(json.dumps(jsonata.Jsonata(sys.argv[1]).evaluate({"n": 12345678901234567})))' "$1"; }
js() { in_node -e 'require("jsonata")(process.argv[1]).evaluate({n: 12345678901234567}).then(v => console.log(JSON.stringify(v)))' "$1"; }

expect 'python n' 12345678901234567 "$(py 'n')"
expect 'python $string(n)' '"1.23456789012346e+16"' "$(py '$string(n)')"
expect 'javascript $string(n)' '"12345678901234568"' "$(js '$string(n)')"
expect 'python $string(123456789012345)' '"123456789012345"' "$(py '$string(123456789012345)')"
expect 'javascript $string(123456789012345)' '"123456789012345"' "$(js '$string(123456789012345)')"
