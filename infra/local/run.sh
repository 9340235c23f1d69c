#!/usr/bin/env bash
# run.sh PORT LIMIT   Starts the local AWS, deploys the back end to it, shows orders that wait and change, and sends it purchases of a real shop.
set -euo pipefail
. "$(dirname "$0")/env.sh"
port=$1 limit=$2
stack=orderflow-local
[[ $limit =~ ^(0|[1-9][0-9]*)$ ]] || { echo "error: LIMIT is a number of purchases in decimal digits, 0 for all, not ${limit:-empty}" >&2 && exit 1; }

endpoint=$(emulator start --port "$port")
port=${endpoint##*:}
viewer=$(traces ".local/$port" "$(<".local/$port/emulator.pid")" $((port + 1)))
# Nobody pays the file's orders again. Every request is recorded: a shop that tries things out has few.
infra/local/deploy.sh "$endpoint" "$stack" SimulatedCarrier=true HoldCountries=LU PaymentMinutes=0 \
  TraceExporter=otlp "TraceEndpoint=$viewer/v1/traces" TracePercent=100
use_endpoint "$endpoint"
export ORDERFLOW_STACK=$stack
bin/orderflow tour
bin/orderflow import cdnow events/samples/cdnow/CDNOW_sample.txt --limit "$limit"
console=$(bin/orderflow console)
printf "\nThe operators' console, which make console PORT=%s opens with an operator's token filled in:\n  %s\n" "$port" "${console%%/sign-in#*}"
printf 'Where the time of each order goes, by OpenTelemetry (docs/tracing.md):\n  %s\n' "$viewer"
printf 'docs/tutorials/first-order.md places an order by hand. Mails to customers are shown, not sent:\n'
printf '  curl -s %s/_ministack/ses/messages\n' "$endpoint"
printf '\nThe local AWS keeps running on %s; its log is .local/%s/emulator.log.\n' "$endpoint" "$port"
printf '  %-26s %s\n' "make status" "show what runs" \
  "make run PORT=$port" "deploy what changed, and import again" \
  "make sam-local PORT=$port" "call each function in its container (needs a Docker engine)" \
  "make stop PORT=$port" "end it; nothing is kept"
