#!/usr/bin/env bash
# jsonata-python rounds a half up in $formatNumber, the reference implementation to the even digit.
#
# Versions: jsonata-python 0.7.1 (PyPI, as local Step Functions emulators use it), jsonata 2.2.2
# (npm, the reference).
# Guess before the run: both round a half to the even digit, as $round does in both.
# Seen: $round(2.5) is 2 in both; $formatNumber(2.5, '0') is "3" in Python and "2" in JavaScript,
# 0.5 is "1" and "0".
# Matters to: whoever formats amounts in a state machine and tests it on an emulator. Compute in
# whole minor units instead.
. "$(dirname "$0")/lib.sh"
python_packages jsonata-python==0.7.1
node_packages jsonata@2.2.2

py() { "$workdir/venv/bin/python" -c 'import sys, jsonata; print(jsonata.Jsonata(sys.argv[1]).evaluate(None))' "$1"; }
js() { in_node -e 'require("jsonata")(process.argv[1]).evaluate(null).then(v => console.log(v))' "$1"; }

expect 'python $round(2.5)' 2 "$(py '$round(2.5)')"
expect 'javascript $round(2.5)' 2 "$(js '$round(2.5)')"
expect "python \$formatNumber(2.5, '0')" 3 "$(py "\$formatNumber(2.5, '0')")"
expect "javascript \$formatNumber(2.5, '0')" 2 "$(js "\$formatNumber(2.5, '0')")"
expect "python \$formatNumber(0.5, '0')" 1 "$(py "\$formatNumber(0.5, '0')")"
expect "javascript \$formatNumber(0.5, '0')" 0 "$(js "\$formatNumber(0.5, '0')")"
