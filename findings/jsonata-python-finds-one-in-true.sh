#!/usr/bin/env bash
# In jsonata-python, "1 in [true]" is true and $distinct([1, true]) has one element, although "true
# = 1" is false.
#
# Versions: jsonata-python 0.7.1 (PyPI), jsonata 2.2.2 (npm, the reference).
# Guess before the run: "true = 1" is true as well, since Python's True equals 1. It is not: only
# membership and distinct compare with Python's own equality.
# Matters to: a Choice state that tests membership passes on an emulator and fails on AWS, or the
# other way round.
. "$(dirname "$0")/lib.sh"
python_packages jsonata-python==0.7.1
node_packages jsonata@2.2.2

py() { "$workdir/venv/bin/python" -c 'import sys, json, jsonata; print(json.dumps(jsonata.Jsonata(sys.argv[1]).evaluate(None)))' "$1"; }
js() { in_node -e 'require("jsonata")(process.argv[1]).evaluate(null).then(v => console.log(JSON.stringify(v)))' "$1"; }

expect 'python true = 1' false "$(py 'true = 1')"
expect 'javascript true = 1' false "$(js 'true = 1')"
expect 'python 1 in [true]' true "$(py '1 in [true]')"
expect 'javascript 1 in [true]' false "$(js '1 in [true]')"
expect 'python $count($distinct([1, true]))' 1 "$(py '$count($distinct([1, true]))')"
expect 'javascript $count($distinct([1, true]))' 2 "$(js '$count($distinct([1, true]))')"
