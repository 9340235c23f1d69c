#!/usr/bin/env bash
# MiniStack doesn't find 1.0 in a set of numbers that has 1.
#
# Version: ministack 1.5.33.
# Guess before the run: 1 is taken out, as the two are one number; the emulator normalizes a plain
# number that it stores.
# Seen: the set as it was. DynamoDB Local 2.6.1 takes it out; moto 5.2.5 doesn't either.
# Matters to: sets of decimals that two languages write in two ways.
. "$(dirname "$0")/lib.sh"
start_ministack
got="$(in_ministack <<'PY'
print(sorted(update({"s": {"NS": ["1", "2"]}}, "DELETE s :v", v={"NS": ["1.0"]})["s"]["NS"]))
PY
)"
expect 'the set 1, 2 without 1.0' "['1', '2']" "$got"
