#!/usr/bin/env bash
# MiniStack takes an update that sets one attribute twice; the later value stays.
#
# Version: ministack 1.5.33.
# Guess before the run: a ValidationException: two paths of an update must not overlap.
# Seen: the second value. Amazon's DynamoDB Local 2.6.1 and moto 5.2.5 refuse the same update.
# Matters to: an expression that a program puts together. It passes here and fails on AWS.
. "$(dirname "$0")/lib.sh"
start_ministack
got="$(in_ministack <<'PY'
print(update({}, "SET a = :one, a = :two", one={"N": "1"}, two={"N": "2"}))
PY
)"
expect 'SET a = 1, a = 2' "{'a': {'N': '2'}}" "$got"
