#!/usr/bin/env bash
# fresh.sh   After a checkout every file is new, and make would install restored tools again. Their cache's key
# has the sums of the lists that they come from, so they are as new as those.
set -euo pipefail
cd "$(dirname "$0")/../.."
touch .tools/*/installed
