#!/usr/bin/env bash
# MiniStack appends list elements beyond the end in the order in which the update names them.
#
# Version: ministack 1.5.33.
# Guess before the run: in the order of their numbers, as DynamoDB documents it for several elements
# in one SET.
# Seen: SET l[9] = 9, l[7] = 7 gives 0, 9, 7. DynamoDB Local 2.6.1 gives 0, 7, 9; moto 5.2.5 as
# here.
# Matters to: code that fills a list by numbers and reads it back by position.
. "$(dirname "$0")/lib.sh"
start_ministack
got="$(in_ministack <<'PY'
print([n["N"] for n in update(
    {"l": {"L": [{"N": "0"}]}}, "SET l[9] = :nine, l[7] = :seven", nine={"N": "9"}, seven={"N": "7"},
)["l"]["L"]])
PY
)"
expect '[0], SET l[9] = 9, l[7] = 7' "['0', '9', '7']" "$got"
