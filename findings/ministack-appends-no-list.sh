#!/usr/bin/env bash
# MiniStack's list_append of something that is no list changes nothing, and answers success.
#
# Version: ministack 1.5.33.
# Guess before the run: a ValidationException for the operand's type.
# Seen: the list as it was. Amazon's DynamoDB Local 2.6.1 and moto 5.2.5 refuse the same update.
# Matters to: who forgets the brackets around one new element. It is lost here without a word, and
# an error on AWS.
. "$(dirname "$0")/lib.sh"
start_ministack
got="$(in_ministack <<'PY'
print(update({"l": {"L": [{"N": "1"}]}}, "SET l = list_append(l, :two)", two={"N": "2"}))
PY
)"
expect 'the list [1] and the number 2' "{'l': {'L': [{'N': '1'}]}}" "$got"
