#!/usr/bin/env bash
# test.sh unit|rules|integration|e2e|e2e-system|e2e-tools|console|screenshots|simulate...   Runs these suites. All but the first two get an emulator of the
# script's own on a free port, which ends with it. e2e is e2e-system and e2e-tools on one deployment.
set -euo pipefail
. "$(dirname "$0")/env.sh"
stack=orderflow-e2e

flags=(-shuffle=on -vet=off) # make lint runs all of vet
# The race detector needs cgo, and that a C compiler, which a machine with Go need not have.
if [ "$(go env CGO_ENABLED)" = 1 ] && command -v "$(go env CC)" >/dev/null; then
  flags+=(-race)
else
  echo "no C compiler: the tests run without the race detector" >&2
fi

endpoint=
use_emulator() {
  [ -z "$endpoint" ] || return 0
  endpoint=$(emulator start --for test --port 0 --until-pid $$)
  echo "emulator for this run: $endpoint, log .local/test-${endpoint##*:}/emulator.log" >&2
  use_endpoint "$endpoint"
  export ORDERFLOW_TEST_ENDPOINT=$endpoint
}
finish() {
  local code=$?
  [ -z "$endpoint" ] || emulator stop --for test --port "${endpoint##*:}" || true
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

# with_tag TAG DIRECTORY   The packages under DIRECTORY that have tests of this build tag.
with_tag() {
  { grep -rlE --include='*_test.go' "^//go:build .*\b$1\b" "$2" || true; } | xargs -r -n 1 dirname | sort -u | sed 's,^,./,'
}

# deploy   Deploys the stack that the suites of e2e share, in which what waits for days waits for a minute and every request is recorded.
deploy() {
  use_emulator
  ORDERFLOW_TRACES=$(traces ".local/test-${endpoint##*:}" $$ 0)
  export ORDERFLOW_TRACES
  infra/local/deploy.sh "$endpoint" "$stack" AllowedOrigins=https://shop.example.com PaymentMinutes=1 HoldCountries=LU HoldMinutes=1 BackorderMinutes=1 \
    TraceExporter=otlp "TraceEndpoint=$ORDERFLOW_TRACES/v1/traces" TracePercent=100
  export ORDERFLOW_STACK=$stack
}

# run_system   The simulation and the pages' commands are first: the others leave behind what orderflow verify finds.
run_system() {
  go test -v "${flags[@]}" -tags e2e -timeout 10m ./e2e/simulate
  go test -v "${flags[@]}" -tags e2e -timeout 10m -parallel 8 ./e2e/pages # their commands mostly wait
  go test -v "${flags[@]}" -tags e2e -timeout 20m ./e2e
}

# run_tools   What people and programs look through: the console, the bill, the functions one by one. One package at a time: they share the deployment.
run_tools() {
  mapfile -t packages < <(with_tag e2e e2e | grep -vE '^\./e2e$|/(simulate|pages)$')
  go test -v "${flags[@]}" -tags e2e -timeout 20m -p 1 "${packages[@]}"
}

for suite in "$@"; do
  echo "--- $suite tests" >&2
  case $suite in
    unit)
      mapfile -t packages < <(go list ./... | grep -v '/shared/archtest$')
      go test "${flags[@]}" "${packages[@]}"
      ;;
    rules)
      # They read the tree, one after the other: neither races nor order show anything.
      go test ./shared/archtest
      ;;
    integration)
      mapfile -t packages < <(with_tag integration shared)
      [ "${#packages[@]}" -gt 0 ] || { echo "error: no integration tests under shared" >&2 && exit 1; }
      use_emulator
      beside=()
      if missing=$(infra/local/require.sh java 2>&1); then
        beside=("${PYTHON:-python3}" infra/local/dynamodb_local.py)
      else
        echo "not run against DynamoDB Local: ${missing#error: }" >&2
      fi
      "${beside[@]}" go test "${flags[@]}" -tags integration -timeout 10m "${packages[@]}"
      mapfile -t packages < <(with_tag integration e2e)
      [ "${#packages[@]}" -gt 0 ] || { echo "error: no integration tests under e2e" >&2 && exit 1; }
      # One package at a time: they measure time-outs. -v shows what ran: there a test is a case of a table.
      go test -v "${flags[@]}" -tags integration -timeout 20m -p 1 "${packages[@]}"
      ;;
    e2e)
      deploy
      run_system
      run_tools
      ;;
    e2e-system)
      deploy
      run_system
      ;;
    e2e-tools)
      deploy
      run_tools
      ;;
    console)
      use_emulator
      infra/local/deploy.sh "$endpoint" "$stack" HoldCountries=LU
      ORDERFLOW_STACK=$stack go test -v -count=1 -tags e2e ./e2e/console
      ;;
    screenshots)
      # The stack is as make run leaves it.
      use_emulator
      infra/local/deploy.sh "$endpoint" "$stack" SimulatedCarrier=true HoldCountries=LU PaymentMinutes=0
      export ORDERFLOW_STACK=$stack
      bin/orderflow tour
      bin/orderflow import cdnow events/samples/cdnow/CDNOW_sample.txt --limit 200
      go test -v -count=1 -tags e2e ./e2e/console -run TestPictures -console.pictures "$PWD/docs/images"
      ;;
    simulate)
      use_emulator
      infra/local/deploy.sh "$endpoint" "$stack" PaymentMinutes=1 HoldCountries=LU HoldMinutes=1 BackorderMinutes=1
      ORDERFLOW_STACK=$stack go test -v -count=1 -tags e2e -timeout 2h ./e2e/simulate \
        -simulate.seed "${SEED:-0}" -simulate.orders "${ORDERS:-300}" -simulate.late
      ;;
    *) echo "error: no suite is called $suite" >&2 && exit 2 ;;
  esac
done
