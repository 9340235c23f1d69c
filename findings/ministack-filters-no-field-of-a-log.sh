#!/usr/bin/env bash
# MiniStack's FilterLogEvents gives every line for a pattern on a JSON field.
#
# Version: MiniStack 1.5.33.
# Guess before the run: { $.orderId = "a" } gives the one line whose field has that value, as a
# quoted term does, and as CloudWatch Logs documents.
# Seen: the quoted term gives the one line. The pattern on a field gives all, whatever the value.
# Matters to: whoever filters logs by a field, and tests that against it: the test passes with lines
# that AWS would leave out.
. "$(dirname "$0")/lib.sh"
start_ministack logs

seen=$(in_python <<'PY'
import json
import sys
import time

import boto3

logs = boto3.client("logs", endpoint_url=sys.argv[1], region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="a")
logs.create_log_group(logGroupName="group")
logs.create_log_stream(logGroupName="group", logStreamName="stream")
now = int(time.time() * 1000)
logs.put_log_events(logGroupName="group", logStreamName="stream", logEvents=[
    {"timestamp": now + n, "message": json.dumps({"orderId": order})} for n, order in enumerate(["a", "b", "c"])
])
for pattern in ['"b"', '{ $.orderId = "b" }', '{ $.orderId = "none" }']:
    found = logs.filter_log_events(logGroupName="group", filterPattern=pattern)["events"]
    print(" ".join(json.loads(e["message"])["orderId"] for e in found))
PY
)
expect "of a, b and c, the quoted term \"b\" gives" "b" "$(sed -n 1p <<<"$seen")"
expect "the pattern on a field that is b" "a b c" "$(sed -n 2p <<<"$seen")"
expect "the pattern on a field that none has" "a b c" "$(sed -n 3p <<<"$seen")"
