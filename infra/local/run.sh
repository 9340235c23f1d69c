#!/usr/bin/env bash
# run.sh PORT LIMIT   Starts the local AWS, deploys the back end to it and sends it purchases of a real shop.
set -euo pipefail
. "$(dirname "$0")/env.sh"
port=$1 limit=$2
stack=orderflow-local

endpoint=$(emulator start --port "$port")
infra/local/deploy.sh "$endpoint" "$stack"
use_endpoint "$endpoint"
export ORDERFLOW_STACK=$stack
bin/orderflow import cdnow events/samples/cdnow/CDNOW_sample.txt --limit "$limit"
cat <<END

The local AWS goes on running on $endpoint; its log is .local/$port/emulator.log.
  make run PORT=$port         deploy what changed, and import again
  make sam-local PORT=$port   call each function in its container
  make stop                 end it; nothing is kept
END
