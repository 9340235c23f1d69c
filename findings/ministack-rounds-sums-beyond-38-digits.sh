#!/usr/bin/env bash
# MiniStack rounds a sum that needs more than 38 digits.
#
# Version: ministack 1.5.33.
# Guess before the run: an error, since DynamoDB documents an exception beyond 38 digits of
# precision.
# Seen: 10^38, as if nothing had been added but a carry. DynamoDB Local 2.6.1 refuses; moto 5.2.5
# rounds, too.
# Matters to: a counter of fractions of a cent beside a huge one. A lost fraction is an error on
# AWS.
. "$(dirname "$0")/lib.sh"
start_ministack
got="$(in_ministack <<'PY'
print(update({"a": {"N": "9" * 38}}, "SET a = a + :v", v={"N": "0.1"})["a"]["N"])
PY
)"
expect '38 nines and 0.1' 100000000000000000000000000000000000000 "$got"
