#!/usr/bin/env bash
# bench.sh [FLAG...]   Runs every benchmark beside a DynamoDB Local of its own; the flags are go test's. The lines are those that benchstat reads, and
# between them stands "NAME ratio FIGURE" for what is held against a baseline.
set -euo pipefail
. "$(dirname "$0")/env.sh"

mapfile -t packages < <(grep -rl --include='*_test.go' '^func Benchmark' shared cmd | xargs -r -n 1 dirname | sort -u | sed 's,^,./,')
# One package at a time: they would measure each other.
exec "${PYTHON:-python3}" infra/local/dynamodb_local.py go test -tags integration -run '^$' -bench . -benchmem -p 1 "$@" "${packages[@]}"
