#!/usr/bin/env bash
# bench.sh [--profile DIRECTORY] [FLAG...]   Runs every benchmark beside a DynamoDB Local of its own; the flags are go test's. The lines are those that
# benchstat reads, and between them stands "NAME ratio FIGURE" for what is held against a baseline. The directory gets PACKAGE.cpu and PACKAGE.mem, for go tool
# pprof, and NAME.inittrace for the start of each function: what its packages do before main.
set -euo pipefail
. "$(dirname "$0")/env.sh"

profiles=
if [ "${1:-}" = --profile ]; then
  mkdir -p "$2"
  profiles=$(cd "$2" && pwd)
  shift 2
fi

mapfile -t packages < <(grep -rl --include='*_test.go' '^func Benchmark' shared cmd | xargs -r -n 1 dirname | sort -u | sed 's,^,./,')
dynamodb=("${PYTHON:-python3}" infra/local/dynamodb_local.py)
test=(go test -tags integration -run '^$' -bench . -benchmem)
# One package at a time: they would measure each other.
if [ -z "$profiles" ]; then
  exec "${dynamodb[@]}" "${test[@]}" -p 1 "$@" "${packages[@]}"
fi
# Profiles are of one package each.
export ORDERFLOW_PROFILES=$profiles
for package in "${packages[@]}"; do
  name=${package#./} && name=${name//\//-}
  "${dynamodb[@]}" "${test[@]}" -o "$profiles/$name.test" -cpuprofile "$profiles/$name.cpu" -memprofile "$profiles/$name.mem" "$@" "$package"
done
echo "profiles: go tool pprof $profiles/PACKAGE.cpu" >&2
