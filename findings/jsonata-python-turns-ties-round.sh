#!/usr/bin/env bash
# jsonata-python's $sort turns round what its comparator takes for equal.
#
# Versions: jsonata-python 0.7.1 (PyPI, as local Step Functions emulators use it), jsonata 2.2.2
# (npm, the reference).
# Guess before the run: a stable sort in both: the comparator says whether left goes after right, so
# equal ones keep their order.
# Seen: in Python they come out in the opposite order, in JavaScript in their own. Without a
# comparator, equal ones keep their order in both.
# Matters to: a machine that takes the first of a queue by its priority. Compare by a second key.
. "$(dirname "$0")/lib.sh"
python_packages jsonata-python==0.7.1
node_packages jsonata@2.2.2

list='[{"p":1,"n":"a"},{"p":1,"n":"b"},{"p":1,"n":"c"}]'
compared='$join($sort('$list', function($l, $r) { $l.p > $r.p }).n)'
ordered='$join('$list'^(p).n)'

py() { "$workdir/venv/bin/python" -c 'import sys, jsonata; print(jsonata.Jsonata(sys.argv[1]).evaluate(None))' "$1"; }
js() { in_node -e 'require("jsonata")(process.argv[1]).evaluate(null).then(v => console.log(v))' "$1"; }

expect 'python $sort with a comparator' cba "$(py "$compared")"
expect 'javascript $sort with a comparator' abc "$(js "$compared")"
expect 'python ^(p)' abc "$(py "$ordered")"
expect 'javascript ^(p)' abc "$(js "$ordered")"
