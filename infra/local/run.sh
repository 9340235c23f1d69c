#!/usr/bin/env bash
# run.sh PORT LIMIT   Starts the local AWS, deploys the back end to it and sends it purchases of a real shop.
set -euo pipefail
. "$(dirname "$0")/env.sh"
port=$1 limit=$2
stack=orderflow-local
[[ $limit =~ ^(0|[1-9][0-9]*)$ ]] || { echo "error: LIMIT is a number of purchases in decimal digits, 0 for all, not ${limit:-empty}" >&2 && exit 1; }

endpoint=$(emulator start --port "$port")
port=${endpoint##*:}
infra/local/deploy.sh "$endpoint" "$stack" SimulatedCarrier=true
use_endpoint "$endpoint"
export ORDERFLOW_STACK=$stack
bin/orderflow import cdnow events/samples/cdnow/CDNOW_sample.txt --limit "$limit"
printf '\nThe local AWS goes on running on %s; its log is .local/%s/emulator.log.\n' "$endpoint" "$port"
printf '  %-26s %s\n' "make run PORT=$port" "deploy what changed, and import again" \
  "make sam-local PORT=$port" "call each function in its container" \
  "make stop PORT=$port" "end it; nothing is kept"
printf 'The mails that would have gone to customers: curl -s %s/_ministack/ses/messages\n' "$endpoint"
